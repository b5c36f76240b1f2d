"""The driven loop over work of its own making and a virtual clock, and over the real pipeline."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from virtual import Clock, Fake, ends, miner, queued

from etl.errors import RateLimitedError, StoreLockedError
from etl.progress import Meter, Progress
from orchestration import tasks
from orchestration.cli import run
from orchestration.control import Claim, Control
from orchestration.control.task import Task
from orchestration.quota import Limit
from orchestration.session.inbox import queue_arrived
from orchestration.session.recover import alive, recover
from orchestration.session.start import DRIVEN, begin
from orchestration.session.works import Row
from orchestration.tasks import Spec


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def control(tmp_path: Path, clock: Clock) -> Control:
    return Control.open(tmp_path, now=clock)


def test_a_task_is_drained_completed_and_graded_then_the_next_begins(control: Control, clock: Clock) -> None:
    queued(control, clock, "a", "b")
    works = Fake(clock, {"a": 3, "b": 2})
    ended = miner(control, works, clock).mine()
    assert ends(ended) == [("a", "done"), ("b", "done")]
    found = tasks.fetch(control, "a")
    assert (found.status, found.done, found.total, found.units, found.grade) == ("completed", 3, 3, 3, "A")
    assert (control.root / "task_reports" / "a.md").exists()
    handoff = json.loads(
        (control.root / "session_handoffs" / f"handoff_{ended[0].name}.json").read_text(encoding="utf-8")
    )
    assert handoff["done"]["units"][0]["seqs"] == [1, 2, 3]
    assert handoff["done"]["units"][0]["counts"] == {"n": 3}


def test_at_the_wrap_band_a_session_wraps_and_the_next_one_goes_on(control: Control, clock: Clock) -> None:
    queued(control, clock, "a")
    works = Fake(clock, {"a": 20})
    ended = miner(control, works, clock, Limit("calls", "calls", 1_000)).mine()
    assert [how for _, how in ends(ended)][-1] == "done"
    assert {how for _, how in ends(ended)[:-1]} == {"threshold"}
    assert len(works.ledger) == 20
    for session in ended:
        assert (
            control.value("SELECT sum(amount) FROM usage WHERE session = ? AND stage = 'observed'", (session.name,))
            <= 900
        )


def test_a_hard_stop_rolls_the_open_unit_back_and_the_task_goes_on(control: Control, clock: Clock) -> None:
    queued(control, clock, "a")
    works = Fake(clock, {"a": 4})
    works.costs = [100, 100, 850]
    ended = miner(control, works, clock, Limit("calls", "calls", 1_000)).mine()
    assert ends(ended)[0] == ("a", "hard_stop")
    assert tasks.fetch(control, "a").status == "completed"
    assert [row.seq for _, row in works.ledger] == [1, 2, 3, 4]


def test_a_unit_that_never_fits_does_not_spin_but_is_parked(control: Control, clock: Clock) -> None:
    queued(control, clock, "a")
    ended = miner(control, Fake(clock, {"a": 1}, cost=2_000), clock, Limit("calls", "calls", 1_000)).mine()
    assert len(ended) == 3
    assert tasks.fetch(control, "a").status == "parked"


def test_a_failing_unit_is_tried_three_times_then_parked_and_the_next_task_begins(
    control: Control, clock: Clock
) -> None:
    queued(control, clock, "a", "b")
    works = Fake(clock, {"a": 1, "b": 1})
    works.failing = {"a": 9}
    miner(control, works, clock).mine()
    assert [tasks.fetch(control, name).status for name in "ab"] == ["parked", "completed"]
    assert tasks.fetch(control, "a").errors == 3
    assert "text of a pair" not in json.dumps(control.events())


def test_what_passes_at_the_second_try_is_completed(control: Control, clock: Clock) -> None:
    queued(control, clock, "a")
    works = Fake(clock, {"a": 3})
    works.failing = {"a": 1}
    assert ends(miner(control, works, clock).mine()) == [("a", "failed"), ("a", "done")]
    assert len(works.ledger) == 3


def test_ctrl_c_wraps_before_it_ends(control: Control, clock: Clock) -> None:
    queued(control, clock, "a")
    works = Fake(clock, {"a": 3})
    one = miner(control, works, clock)
    one.say = interrupting = _Interrupting("unit 1")
    with pytest.raises(KeyboardInterrupt):
        one.mine()
    assert interrupting.seen
    assert tasks.fetch(control, "a").status == "ready"
    assert ends(miner(control, works, clock).mine()) == [("a", "done")]
    assert len(works.ledger) == 3


class _Interrupting:
    def __init__(self, at: str) -> None:
        self.at, self.seen = at, False

    def __call__(self, text: str) -> None:
        if self.at in text and not self.seen:
            self.seen = True
            raise KeyboardInterrupt


def test_a_driver_that_vanished_is_replaced_and_its_last_unit_booked(control: Control, clock: Clock) -> None:
    """Killed between the commit in the store and the books: the next start finds the unit in the ledger."""
    queued(control, clock, "a")
    works = Fake(clock, {"a": 3})
    gone = miner(control, works, clock)
    import orchestration.session.mine as module

    original = module.book

    def dies(*arguments: Any) -> int:
        if len(works.ledger) == 2:
            raise SystemExit  # no handler of ours sees it: as good as a kill
        return original(*arguments)

    module.book = dies
    try:
        with pytest.raises(SystemExit):
            gone.mine()
    finally:
        module.book = original
    assert tasks.fetch(control, "a").units == 1
    ended = miner(control, works, clock).mine()
    assert ends(ended) == [("a", "done")]
    found = tasks.fetch(control, "a")
    assert (found.status, found.units, found.done) == ("completed", 3, 3)
    booked = [event["detail"]["seq"] for event in control.events("a", event="unit")]
    assert booked == [1, 2, 3]
    dead = control.value("SELECT session FROM sessions WHERE state = 'died'")
    assert (control.root / "session_handoffs" / f"handoff_{dead}.md").exists()


def test_a_unit_that_a_locked_store_kept_from_the_books_is_booked_at_the_next_start(
    control: Control, clock: Clock
) -> None:
    """Committed, then locked through every try: the session is over, the unit is its own all the same."""
    queued(control, clock, "a")
    works = Fake(clock, {"a": 3})
    one = miner(control, works, clock)
    rows = works.rows

    def locked(task: tasks.Task, after: int) -> list[Row]:
        if len(works.ledger) == 2:
            raise StoreLockedError("held by somebody else")
        return rows(task, after)

    works.rows = locked  # type: ignore[method-assign]
    works.owned = lambda task=None: locked(task, 0)  # type: ignore[arg-type, method-assign]
    first = one.mine()
    assert one.trouble is not None
    assert tasks.fetch(control, "a").units == 1
    del works.rows, works.owned
    assert ends(miner(control, works, clock).mine()) == [("a", "done")]
    assert (tasks.fetch(control, "a").units, tasks.fetch(control, "a").done) == (3, 3)
    whose = {event["detail"]["seq"]: event["session"] for event in control.events(event="unit")}
    assert [whose[1], whose[2]] == [first[0].name] * 2
    handoff = json.loads(
        (control.root / "session_handoffs" / f"handoff_{first[0].name}.json").read_text(encoding="utf-8")
    )
    assert handoff["done"]["units"][0]["seqs"] == [1, 2]
    assert handoff["progress"]["done"] == 2


def test_a_provider_that_says_no_does_not_park_a_task(control: Control, clock: Clock) -> None:
    queued(control, clock, "a")
    works = Fake(clock, {"a": 2})
    works.raising = [RateLimitedError("429: too many requests", retry_after_s=900) for _ in range(5)]
    began = clock.at
    assert ends(miner(control, works, clock).mine()) == [("a", "failed")] * 5 + [("a", "done")]
    assert clock.at - began >= timedelta(seconds=5 * 900)


def test_of_equal_priority_the_round_that_was_due_first_goes_first(control: Control, clock: Clock) -> None:
    """So that one who comes every day cannot keep a younger one waiting for ever."""
    queued(control, clock, "daily", every=timedelta(days=1))
    works = Fake(clock, {"daily": 1, "once": 1})
    assert ends(miner(control, works, clock).mine()) == [("daily", "done")]
    queued(control, clock, "once")
    clock.sleep(86_400)
    works.sizes["daily"] = 2
    assert ends(miner(control, works, clock).mine()) == [("once", "done"), ("daily", "done")]


def test_a_round_that_never_ends_goes_before_a_younger_task_once_and_not_for_ever(
    control: Control, clock: Clock
) -> None:
    queued(control, clock, "daily", every=timedelta(days=1), estimate={"calls": 800}, total=1)
    works = Fake(clock, {"daily": 99, "once": 1}, cost=800)
    one = miner(control, works, clock, Limit("calls", "calls", 1_000, per="day"))
    one.mine(limit=1)
    queued(control, clock, "once", estimate={"calls": 800}, total=1)
    assert [task.name for task in tasks.listed(control)] == ["daily", "once"]
    for _ in range(4):
        clock.sleep(86_400)
        one.mine(limit=len(one.ended) + 1)
    assert [name for name, _ in ends(one.ended)] == ["daily", "daily", "once", "once", "daily"]


def test_four_days_under_a_daily_quota_never_exceed_it_and_lose_nothing(control: Control, clock: Clock) -> None:
    names = [f"t{i}" for i in range(6)]
    queued(control, clock, *names, estimate={"calls": 100}, total=None)
    works = Fake(clock, dict.fromkeys(names, 5))
    limit = Limit("calls", "calls", 1_000, per="day", zone="America/Los_Angeles")
    one = miner(control, works, clock, limit)
    began = clock.at

    def over(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.at - began > timedelta(days=5):
            raise KeyboardInterrupt

    one.sleep = over
    with pytest.raises(KeyboardInterrupt):
        one.mine(forever=True)
    assert {tasks.fetch(control, name).status for name in names} == {"completed"}
    assert len(works.ledger) == 30
    days: dict[str, float] = {}
    for row in control.rows("SELECT spent_at, amount FROM usage WHERE stage <> 'reserved' AND resource = 'calls'"):
        day = (datetime.fromisoformat(row["spent_at"]) - timedelta(hours=8)).date().isoformat()
        days[day] = days.get(day, 0) + row["amount"]
    assert max(days.values()) <= 900
    assert len(days) >= 4


def test_a_recurring_task_comes_round_again(control: Control, clock: Clock) -> None:
    queued(control, clock, "daily", every=timedelta(days=1))
    works = Fake(clock, {"daily": 1})
    assert ends(miner(control, works, clock).mine()) == [("daily", "done")]
    clock.sleep(86_400)
    works.sizes["daily"] = 2
    assert ends(miner(control, works, clock).mine()) == [("daily", "done")]
    assert len(control.events("daily", event="completed")) == 2


def test_work_by_hand_is_left_to_hands(control: Control, clock: Clock) -> None:
    tasks.add(control, Spec("byhand"))
    assert miner(control, Fake(clock, {}), clock).mine() == []
    assert tasks.fetch(control, "byhand").status == "ready"


def test_files_in_the_inbox_that_no_task_names_are_queued_once(control: Control) -> None:
    (control.root / "inbox").mkdir()
    for name in ("session_101.json", "new.json"):
        (control.root / "inbox" / name).write_text("[]", encoding="utf-8")
    tasks.add(control, Spec("mine", kind="ingest", parameters={"sessions": "101"}))
    files = ["inbox/new.json", "inbox/session_101.json"]
    made = queue_arrived(control, files)
    assert made is not None
    assert tasks.fetch(control, made).parameters["input"] == ["inbox/new.json"]
    assert queue_arrived(control, files) is None


def test_a_session_that_is_taken_for_dead_as_it_begins_does_nothing_and_its_task_is_done_later(
    control: Control, clock: Clock
) -> None:
    queued(control, clock, "a")
    works = Fake(clock, {"a": 2})
    driver = miner(control, works, clock)
    first = begin(control, driver.quota, mode=DRIVEN, holder="slow")
    with alive(control.root, first.session.name):  # the other process mends it this moment
        assert driver.run(first.session, first.task).how == "failed"
    assert recover(control, works, driver._wrapping("")) == [first.session.name]
    assert driver.run(first.session, first.task).how == "failed"  # it was mended before
    assert works.ledger == []
    assert ends(driver.mine()) == [("a", "done")]
    assert len(works.ledger) == 2


def test_a_range_of_sessions_of_which_a_part_is_there_waits_for_the_rest_and_is_not_graded(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()

    def delivered(number: int) -> None:
        file = tmp_path / "inbox" / f"session_{number}.json"
        pair = {"question": f"What is asked in {number}?", "answer": f"What was answered in session {number}."}
        file.write_text(json.dumps([pair]), encoding="utf-8")
        os.utime(file, (1_700_000_000, 1_700_000_000))

    for number in (101, 102):
        delivered(number)
    with Control.open(tmp_path) as control:
        tasks.add(control, Spec("some", kind="ingest", parameters={"sessions": "101-104"}, total=4))
    assert run(["mine", "--quiet", "-w", str(tmp_path)]) == 0
    with Control.open(tmp_path) as control:
        found = tasks.details(control, "some")
        assert (found["status"], found["reason"], found["grade"]) == ("waiting", "input_missing", None)
        assert found["detail"] == "2 of 4 sessions are there; 103-104 have no file yet"
        assert (found["progress"]["done"], found["progress"]["total"]) == (2, 4)
    assert not (tmp_path / "task_reports").exists()
    for number in (103, 104):
        delivered(number)
    assert run(["mine", "--quiet", "-w", str(tmp_path)]) == 0
    with Control.open(tmp_path) as control:
        found = tasks.details(control, "some")
        assert (found["status"], found["grade"], found["progress"]["done"]) == ("completed", "A", 4)


class Overtaken(Fake):
    """A former holder commits a unit after its heir has claimed the task and before the heir's first unit."""

    def units(self, task: Task, claim: Claim, meter: Meter, had: Mapping[str, Mapping[str, int]]) -> Iterator[Progress]:
        self.ledger.append((task.name, Row(1, "work", "unit 0", {"n": 1}, "", task.name, claim.token - 1)))
        yield from super().units(task, claim, meter, had)


def test_a_unit_that_a_former_holder_commits_at_the_last_moment_is_in_the_books_before_the_task_is_graded(
    control: Control, clock: Clock
) -> None:
    queued(control, clock, "a")
    works = Overtaken(clock, {"a": 3})
    driver = miner(control, works, clock)
    first = begin(control, driver.quota, mode=DRIVEN, holder="slow")
    clock.sleep(3600)  # its lease is over
    with alive(control.root, first.session.name):  # and it lives
        assert ends(driver.mine()) == [("a", "done")]
    found = tasks.fetch(control, "a")
    assert (found.status, found.done, found.total, found.units) == ("completed", 3, 3, 3)
    assert [event["session"] for event in control.events("a", event="unit")].count(first.session.name) == 1
