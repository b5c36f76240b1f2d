"""Sessions by hand as their user meets them: begun, recorded, resumed, wrapped, rolled back, abandoned."""

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl.errors import FencedOffError, NotFoundError, SettingsError
from orchestration import session, tasks
from orchestration.cli import run
from orchestration.control import Control, claims, sessions
from orchestration.quota import Quota
from orchestration.session import Started, Wrapping
from orchestration.session import wrap as wrap_session
from orchestration.settings import default_quotas
from orchestration.tasks import Spec
from orchestration.workspace import Workspace


class Clock:
    """A clock that moves on a little with each look."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(microseconds=1)
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def control(tmp_path: Path, clock: Clock) -> Control:
    return Control.open(tmp_path, now=clock)


def begin(control: Control, **options: Any) -> Started:
    from orchestration.quota import Limit

    quota = Quota(control, [Limit.from_setting(name, setting) for name, setting in default_quotas().items()])
    return session.start(control, quota, **options)


def wrapped(control: Control, name: str) -> sessions.Session:
    return wrap_session(Wrapping(control, Workspace.at(control.root), name))


def handed(control: Control, name: str) -> dict[str, Any]:
    return session.handoff(control, sessions.get(control, name))


def test_start_takes_the_next_ready_task_and_resumes_the_open_session(control: Control) -> None:
    tasks.add(control, Spec("late", priority=5))
    tasks.add(control, Spec("first", priority=1, total=4))
    begun = begin(control)
    again = begin(control)
    assert (begun.task.name, begun.resumed) == ("first", False)
    assert (again.session.name, again.resumed) == (begun.session.name, True)
    assert session.handoff(control, begun.session)["next"].startswith("Work on first at 1 of 4. Record each step with")
    with pytest.raises(SettingsError, match="is open on task first"):
        begin(control, task="late")


def test_with_nothing_ready_no_session_is_left_behind(control: Control) -> None:
    with pytest.raises(NotFoundError, match="no task is ready"):
        begin(control)
    assert control.value("SELECT count(*) FROM sessions") == 0


def test_each_agent_has_its_own_session(control: Control) -> None:
    tasks.add(control, Spec("a"))
    tasks.add(control, Spec("b"))
    assert begin(control, agent="zai").task.name != begin(control, agent="droid").task.name
    with pytest.raises(NotFoundError, match="nobody in particular"):
        session.find(control, agent=None)


def test_a_session_by_hand_keeps_its_task_without_a_heartbeat(control: Control, clock: Clock) -> None:
    tasks.add(control, Spec("a"))
    begin(control, agent="me")
    clock.at += timedelta(hours=11)
    assert claims.claim(control, holder="other") is None
    assert session.abandon_stale(control, timedelta(hours=12)) == []
    clock.at += timedelta(hours=2)
    assert len(session.abandon_stale(control, timedelta(hours=12))) == 1
    assert claims.claim(control, holder="other") is not None


def test_a_checkpoint_that_is_refused_leaves_nothing_behind(control: Control) -> None:
    tasks.add(control, Spec("a", total=40))
    begun = begin(control).session
    session.checkpoint(control, begun, description="ten", progress=(10, 40), tokens=42_000, done=["101"])
    before = handed(control, begun.name)
    wrong: list[dict[str, Any]] = [
        {"tokens": 41_000.0},
        {"progress": (41, 40)},
        {"progress": (9, 40)},
        {"progress": (50, None)},
        {"progress": (15, 30)},
    ]
    for figures in wrong:
        with pytest.raises(SettingsError):
            session.checkpoint(control, sessions.get(control, begun.name), description="x", done=["102"], **figures)
    assert handed(control, begun.name) == before
    assert before["usage"] == {"tokens": 42_000}


def test_a_rollback_restores_progress_and_work_but_not_what_was_spent(control: Control) -> None:
    tasks.add(control, Spec("a", total=4))
    name = begin(control).session.name
    first = session.checkpoint(
        control, sessions.get(control, name), description="one", progress=(1, 4), tokens=10, done=["x"], next_action="y"
    )
    session.checkpoint(control, sessions.get(control, name), description="two", progress=(2, 4), tokens=30, done=["y"])
    session.rollback(control, sessions.get(control, name), first.id)
    data = handed(control, name)
    assert (data["progress"]["done"], data["done"]["items"], data["next"], data["usage"]) == (
        1,
        ["x"],
        "y",
        {"tokens": 30},
    )
    with pytest.raises(NotFoundError, match=str(first.id)):
        session.rollback(control, sessions.get(control, name), 1)


def test_what_was_recorded_goes_on_to_the_next_session_of_the_task(control: Control, clock: Clock) -> None:
    tasks.add(control, Spec("a", kind="manual", parameters={"sessions": "101-103"}, total=3))
    (control.root / "inbox").mkdir()
    (control.root / "inbox" / "session_101.json").write_text("[]", encoding="utf-8")
    name = begin(control).session.name
    session.checkpoint(
        control,
        sessions.get(control, name),
        description="d",
        progress=(1, 3),
        done=["101"],
        context={"db": "x"},
        files=["f"],
    )
    wrapped(control, name)
    clock.at += timedelta(minutes=1)
    data = handed(control, begin(control).session.name)
    assert data["remaining"] == {"count": 2, "items": ["102", "103"]}
    assert (data["context"], data["files"], data["done"]["items"]) == ({"db": "x"}, ["f"], ["101"])


def test_a_secret_is_never_kept(control: Control) -> None:
    key = "AKIA" + "Z7Q3M5X2K9P4R8TW"
    tasks.add(control, Spec("a"))
    begun = begin(control).session
    session.checkpoint(control, begun, description=f"used {key}", context={"key": key}, done=[key])
    assert key not in json.dumps(handed(control, begun.name))
    assert key not in json.dumps(control.events())


def test_a_wrap_of_a_complete_task_grades_it_and_of_another_readies_it(control: Control) -> None:
    tasks.add(control, Spec("a", total=2))
    name = begin(control).session.name
    session.checkpoint(control, sessions.get(control, name), description="half", progress=(1, 2))
    assert wrapped(control, name).journal["wrap"]["queue"]["task"] == "ready"
    name = begin(control).session.name
    session.checkpoint(control, sessions.get(control, name), description="all", progress=(2, 2))
    steps = wrapped(control, name).journal["wrap"]
    assert steps["queue"] == {"task": "completed", "grade": "A", "report": "a.md"}
    assert list(steps) == ["finish", "state", "snapshot", "commit", "handoff", "queue", "close"]
    with pytest.raises(SettingsError, match="wrapped already"):
        wrapped(control, name)


def test_a_failed_check_is_no_completion(control: Control) -> None:
    tasks.add(control, Spec("a", total=1, check_command="exit 1"))
    name = begin(control).session.name
    session.checkpoint(control, sessions.get(control, name), description="all", progress=(1, 1))
    steps = wrapped(control, name).journal["wrap"]
    assert steps["queue"]["task"] == "ready"
    assert "check does not pass" in handed(control, name)["problems"][0]


def test_the_written_handoff_is_what_the_books_say(control: Control) -> None:
    tasks.add(control, Spec("a", total=2))
    name = begin(control).session.name
    session.checkpoint(
        control, sessions.get(control, name), description="half", progress=(1, 2), tokens=7, next_action="go"
    )
    wrapped(control, name)
    written = control.root / "session_handoffs" / f"handoff_{name}.json"
    on_disk = json.loads(written.read_text(encoding="utf-8"))
    assert on_disk == handed(control, name)
    assert (on_disk["state"], on_disk["progress"], on_disk["next"]) == ("wrapped", {"done": 1, "total": 2}, "go")
    assert "## Next action\n\ngo" in written.with_suffix(".md").read_text(encoding="utf-8")


@pytest.mark.parametrize("step", ["finish", "state", "snapshot", "commit", "handoff", "queue", "close"])
def test_a_wrap_that_breaks_in_any_step_goes_on_and_ends_the_same(
    control: Control, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    module = importlib.import_module("orchestration.session.wrap")
    tasks.add(control, Spec("a", total=1))
    name = begin(control).session.name
    session.checkpoint(control, sessions.get(control, name), description="all", progress=(1, 1))
    original = getattr(module, step)

    def broken(wrapping: Wrapping) -> dict[str, Any]:
        original(wrapping)
        raise KeyboardInterrupt

    broken.__name__ = step
    with monkeypatch.context() as patch:
        patch.setattr(module, step, broken)
        with pytest.raises(KeyboardInterrupt):
            wrapped(control, name)
    ended = wrapped(control, name)
    assert ended.state == "wrapped"
    assert tasks.fetch(control, "a").status == "completed"
    assert len(control.events("a", event="completed")) == 1
    assert (control.root / "task_reports" / "a.md").exists()


def test_an_abandoned_session_and_one_taken_over_write_no_more(control: Control) -> None:
    tasks.add(control, Spec("a"))
    begun = begin(control).session
    session.abandon(control, begun, "lost interest")
    assert tasks.fetch(control, "a").status == "ready"
    with pytest.raises(SettingsError, match="abandoned"):
        session.checkpoint(control, sessions.get(control, begun.name), description="x")
    claims.claim(control, holder="other")
    with pytest.raises(FencedOffError):
        session.checkpoint(control, begun, description="x")


def test_an_evening_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def etl(*arguments: str) -> tuple[int, dict[str, Any]]:
        code = run([*arguments, "-w", str(tmp_path), "--json"])
        out, _ = capsys.readouterr()
        return code, json.loads(out) if out else {}

    if shutil.which("git"):
        subprocess.run(["git", "-C", str(tmp_path), "init", "-q"], check=True)
    assert run(["init", str(tmp_path), "--example", "-q"]) == 0
    capsys.readouterr()
    assert len(etl("task", "list")[1]["tasks"]) == 8
    etl("task", "add", "byhand", "--total", "2", "--priority", "0")
    code, begun = etl("session", "start", "--agent", "zai")
    assert (code, begun["task"]["name"]) == (0, "byhand")
    etl(
        "session",
        "checkpoint",
        "--agent",
        "zai",
        "--description",
        "one",
        "--progress",
        "1/2",
        "--tokens",
        "172000",
        "--next",
        "two",
    )
    code, status = etl("session", "status", "--agent", "zai")
    assert (status["band"], status["next"]) == ("wrap", "two")
    assert etl("quota", "--check", "--agent", "zai")[0] == 4
    assert etl("session", "checkpoint", "--agent", "zai", "--description", "x", "--tokens", "1")[0] == 1
    assert "two" in etl("session", "prompt", "--agent", "zai")[1]["prompt"]
    code, ended = etl("session", "wrap", "--agent", "zai", "--final-tokens", "173000")
    assert (code, ended["state"], ended["usage"]) == (0, "wrapped", {"tokens": 173_000})
    assert bool(ended["commit"]) == bool(shutil.which("git"))
    assert etl("session", "list")[1]["sessions"][0]["state"] == "wrapped"
    assert etl("session", "show", ended["session"])[1]["progress"] == {"done": 1, "total": 2}
    assert etl("session", "wrap", "--agent", "zai")[0] == 1
