"""The control store against a model that fits on a page: whatever is called in whatever order, both agree."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from etl.errors import FencedOffError, MotherlodeError
from orchestration import tasks
from orchestration.control import Claim, Control, claims, holding
from orchestration.tasks import Spec

LEASE = 60.0


@dataclass
class Thing:
    """What the model knows of one task."""

    priority: int
    born: datetime
    needs: set[str]
    status: str = "ready"
    attempts: int = 0
    token: int = 0
    beat: datetime | None = None
    until: datetime | None = None
    met: set[str] = field(default_factory=set)


class Machine(RuleBasedStateMachine):
    """Tasks are added, claimed, kept, lost, failed, finished and blocked while the clock runs."""

    held = Bundle("held")

    @initialize()
    def begin(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.control = Control.open(":memory:", now=lambda: self.now)
        self.model: dict[str, Thing] = {}

    def settle(self) -> None:
        for thing in self.model.values():
            if thing.status in ("ready", "waiting"):
                waits = thing.needs - thing.met or (thing.until is not None and thing.until > self.now)
                thing.status = "waiting" if waits else "ready"

    def end(self, name: str, status: str) -> None:
        self.model[name].status = status
        if status in ("completed", "skipped"):
            for thing in self.model.values():
                if name in thing.needs:
                    thing.met.add(name)

    @rule(priority=st.integers(1, 3), data=st.data())
    def add(self, priority: int, data: st.DataObject) -> None:
        name = f"t{len(self.model):03}"
        needs = data.draw(st.sets(st.sampled_from(sorted(self.model)), max_size=2)) if self.model else set()
        tasks.add(self.control, Spec(name, priority=priority, needs=needs))
        met = {n for n in needs if self.model[n].status in ("completed", "skipped")}
        self.model[name] = Thing(priority, self.now, needs, met=met)
        self.settle()

    def dead(self, thing: Thing) -> bool:
        return thing.beat is not None and self.now - thing.beat > timedelta(seconds=LEASE)

    @rule(target=held)
    def take(self) -> Claim | None:
        return self.claim()

    def claim(self) -> Claim | None:
        self.settle()
        wanted = None
        for name in sorted(self.model, key=lambda n: (self.model[n].priority, self.model[n].born, n)):
            thing = self.model[name]
            if thing.status == "running" and self.dead(thing) and thing.attempts >= claims.ATTEMPTS:
                thing.status = "parked"
            elif thing.status == "ready" or (thing.status == "running" and self.dead(thing)):
                wanted = name
                break
        got = claims.claim(self.control, holder="h", lease_s=LEASE)
        assert (got.task if got else None) == wanted
        if got is not None:
            thing = self.model[got.task]
            assert got.token == thing.token + 1
            thing.status, thing.token, thing.attempts, thing.beat = "running", got.token, thing.attempts + 1, self.now
            thing.until = None
        return got

    def owns(self, claim: Claim) -> bool:
        thing = self.model[claim.task]
        return thing.status == "running" and thing.token == claim.token

    @rule(claim=held, what=st.sampled_from(["beat", "progress", "release", "fail", "wreck", "complete"]))
    def work(self, claim: Claim | None, what: str) -> None:
        if claim is None:
            return
        thing = self.model[claim.task]
        act = {
            "beat": lambda: holding.heartbeat(self.control, claim),
            "progress": lambda: holding.progress(self.control, claim, done=1),
            "release": lambda: holding.release(self.control, claim),
            "fail": lambda: holding.fail(self.control, claim, "why", wait_s=30),
            "wreck": lambda: holding.fail(self.control, claim, "why", retry=False),
            "complete": lambda: holding.complete(self.control, claim),
        }[what]
        if not self.owns(claim):
            with pytest.raises(FencedOffError):
                act()
            return
        act()
        if what in ("beat", "progress"):
            thing.beat = self.now
            thing.attempts = 1 if what == "progress" else thing.attempts
        elif what == "release":
            thing.status, thing.attempts = "ready", 0
        elif what == "fail" and thing.attempts < claims.ATTEMPTS:
            thing.status, thing.until = "waiting", self.now + timedelta(seconds=30)
        else:
            self.end(claim.task, {"fail": "parked", "wreck": "failed", "complete": "completed"}[what])
        self.settle()

    @precondition(lambda self: self.model)
    @rule(what=st.sampled_from(["block", "unblock", "skip", "retry"]), data=st.data())
    def by_hand(self, what: str, data: st.DataObject) -> None:
        self.settle()
        name = data.draw(st.sampled_from(sorted(self.model)))
        thing = self.model[name]
        act = {
            "block": lambda: tasks.block(self.control, name, "why"),
            "unblock": lambda: tasks.unblock(self.control, name),
            "skip": lambda: tasks.skip(self.control, name, "why"),
            "retry": lambda: tasks.retry(self.control, name),
        }[what]
        allowed = {
            "block": ("ready", "waiting", "blocked", "parked", "failed"),
            "unblock": ("blocked",),
            "skip": ("ready", "waiting", "blocked", "parked", "failed"),
            "retry": ("parked", "failed", "skipped", "waiting", "ready"),
        }[what]
        if thing.status not in allowed:
            with pytest.raises(MotherlodeError):
                act()
            return
        act()
        if what == "block":
            thing.status = "blocked"
        elif what == "skip":
            self.end(name, "skipped")
        else:
            thing.status, thing.attempts, thing.until = "ready", 0, None
        self.settle()

    @rule(times=st.integers(2, 4))
    def die_again_and_again(self, times: int) -> None:
        for _ in range(times):
            self.claim()
            self.wait(61)

    @rule(seconds=st.sampled_from([1, 31, 61]))
    def pass_time(self, seconds: int) -> None:
        self.wait(seconds)

    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def both_agree(self) -> None:
        if not hasattr(self, "control"):
            return
        tasks.stats(self.control)  # brings what waits for the clock up to date
        self.settle()
        stored = {t.name: (t.status, t.attempts, set(t.unmet)) for t in tasks.listed(self.control)}
        assert stored == {n: (t.status, t.attempts, t.needs - t.met) for n, t in self.model.items()}


TestControlStore = Machine.TestCase
TestControlStore.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
