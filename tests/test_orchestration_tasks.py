"""The queue as its user meets it: dependencies, inputs, rounds, completion, old queues, and the commands."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import DeliveryError, NotFoundError, SettingsError
from orchestration import tasks
from orchestration.cli import run
from orchestration.control import Control, claims, holding
from orchestration.control.inputs import session_numbers
from orchestration.tasks import CheckFailedError, Spec
from orchestration.tasks.amounts import amounts, fraction, span, spoken
from orchestration.tasks.graph import circle


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def control(tmp_path: Path, clock: Clock) -> Control:
    return Control.open(tmp_path, now=clock)


def status(control: Control, name: str) -> str:
    return tasks.fetch(control, name).status


def take(control: Control, name: str | None = None) -> claims.Claim:
    claim = claims.claim(control, holder="h", task=name)
    assert claim is not None
    return claim


def test_an_agent_is_shown_its_own_tasks_and_those_of_nobody(control: Control) -> None:
    for name, agent in (("anyone", None), ("mine", "zai"), ("other", "droid")):
        tasks.add(control, Spec(name, agent=agent))
    assert [task.name for task in tasks.listed(control, agent="zai")] == ["anyone", "mine"]
    assert tasks.stats(control, agent="zai")["tasks"] == 2
    assert len(tasks.listed(control)) == 3


def test_completing_a_task_readies_its_dependants_and_skipping_one_does_too(control: Control) -> None:
    tasks.add(control, Spec("a"))
    tasks.add(control, Spec("b"))
    tasks.add(control, Spec("c", needs=("a", "b")))
    assert status(control, "c") == "waiting"
    holding.complete(control, take(control, "a"))
    assert tasks.fetch(control, "c").detail == "needs b"
    tasks.skip(control, "b", "not wanted")
    assert status(control, "c") == "ready"


def test_a_failed_or_parked_task_readies_nobody(control: Control) -> None:
    tasks.add(control, Spec("a"))
    tasks.add(control, Spec("b", needs=("a",)))
    holding.fail(control, take(control), "broken", retry=False)
    assert status(control, "b") == "waiting"


def test_a_circle_is_refused_with_its_names_and_nothing_is_changed(control: Control) -> None:
    tasks.add(control, Spec("a"))
    tasks.add(control, Spec("b", needs=("a",)))
    tasks.add(control, Spec("c", needs=("b",)))
    with pytest.raises(SettingsError, match="a -> c -> b -> a"):
        tasks.edit(control, "a", needs=("c",), priority=1)
    assert tasks.fetch(control, "a").needs == ()
    assert tasks.fetch(control, "a").priority == 5
    with pytest.raises(SettingsError, match="cannot need self"):
        tasks.add(control, Spec("x", needs=("self",)))


@given(st.dictionaries(st.integers(0, 12), st.sets(st.integers(0, 12), max_size=3), max_size=12))
@settings(deadline=None, max_examples=200)
def test_a_circle_is_found_exactly_when_there_is_one(graph: dict[int, set[int]]) -> None:
    needs = {str(a): {str(b) for b in others} for a, others in graph.items()}
    found = circle(needs)
    left, last = dict(needs), -1
    while last != len(left):  # take away what needs nothing that is left
        last = len(left)
        left = {name: others for name, others in left.items() if any(other in left for other in others)}
    assert bool(found) == bool(left)
    if found:
        assert found[0] == found[-1]
        assert all(later in needs[earlier] for earlier, later in pairwise(found))


def test_a_long_chain_is_no_problem() -> None:
    assert circle({str(n): [str(n + 1)] for n in range(5_000)}) == []


def test_a_task_whose_input_is_not_there_waits_and_is_never_completed_on_nothing(
    control: Control, tmp_path: Path
) -> None:
    tasks.add(control, Spec("sessions", kind="ingest", parameters={"sessions": "101-140"}))
    tasks.add(control, Spec("files", kind="command", parameters={"command": "true", "input": "inbox/*.json"}))
    tasks.add(control, Spec("quality", kind="assess+audit"))
    assert claims.claim(control, holder="h") is None
    for name in ("sessions", "files", "quality"):
        assert tasks.fetch(control, name).reason == "input_missing"
        with pytest.raises(SettingsError, match="nothing to be done on"):
            tasks.complete(control, name)
    assert "of sessions 101-140" in str(tasks.fetch(control, "sessions").detail)
    (tmp_path / "inbox" / "droid").mkdir(parents=True)
    (tmp_path / "inbox" / "droid" / "session_99.json").write_text("[]", encoding="utf-8")
    assert claims.claim(control, holder="h") is None
    (tmp_path / "inbox" / "droid" / "session_105.json").write_text("[]", encoding="utf-8")
    assert take(control).task == "sessions"
    (tmp_path / "inbox" / "a.json").write_text("[]", encoding="utf-8")
    assert take(control).task == "files"
    (tmp_path / "motherlode.duckdb").touch()
    assert take(control).task == "quality"


def test_an_input_that_goes_away_makes_its_task_wait_again(control: Control, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x", encoding="utf-8")
    tasks.add(control, Spec("a", parameters={"input": "*.csv"}))
    assert tasks.explain(control, "a").holds == ()
    file.unlink()
    assert tasks.explain(control, "a").holds[0].what == "input"


def test_a_dependency_met_does_not_hide_a_missing_input(control: Control) -> None:
    tasks.add(control, Spec("a"))
    tasks.add(control, Spec("b", needs=("a",), parameters={"input": "nowhere/*"}))
    holding.complete(control, take(control))
    assert claims.claim(control, holder="h") is None
    assert tasks.fetch(control, "b").reason == "input_missing"


def test_a_task_that_recurs_keeps_its_rhythm_and_misses_no_beat_twice(control: Control, clock: Clock) -> None:
    tasks.add(control, Spec("daily", every=timedelta(days=1), total=3))
    claim = take(control)
    holding.progress(control, claim, done=3)
    clock.at += timedelta(hours=5)
    holding.complete(control, claim)
    task = tasks.fetch(control, "daily")
    assert (task.status, task.reason, task.done) == ("waiting", "recurs", 0)
    assert task.not_before == datetime(2026, 3, 2, 12, tzinfo=UTC)
    clock.at = datetime(2026, 3, 6, 13, tzinfo=UTC)  # four rounds were missed: one is made up for
    holding.complete(control, take(control))
    assert tasks.fetch(control, "daily").not_before == datetime(2026, 3, 7, 12, tzinfo=UTC)
    assert tasks.stats(control)["rounds_completed"] == 2


def test_what_recurs_waits_for_each_new_round_of_what_it_needs(control: Control, clock: Clock) -> None:
    tasks.add(control, Spec("export", every=timedelta(days=1)))
    tasks.add(control, Spec("backup", every=timedelta(days=1), needs=("export",)))
    for _ in range(3):
        assert take(control).task == "export"
        assert claims.claim(control, holder="h") is None
        holding.complete(control, claims.Claim("export", claims.lease_of(control, "export").token, "h"))  # type: ignore[union-attr]  # it is held
        holding.complete(control, take(control, "backup"))
        clock.at += timedelta(days=1)


def test_completion_runs_the_check_grades_from_the_books_and_writes_a_report(control: Control, tmp_path: Path) -> None:
    tasks.add(control, Spec("a", check_command="test -f proof", estimate={"tokens": 100}, total=4))
    claim = take(control)
    holding.progress(control, claim, done=4, units=2)
    holding.checkpoint(control, claim, "half way", {"pairs": 7})
    from orchestration.control import books

    books.observe(control, "tokens", 80, about=books.For(task="a"))
    with pytest.raises(CheckFailedError, match="test -f proof"):
        tasks.complete(control, "a", claim=claim)
    assert status(control, "a") == "running"
    (tmp_path / "proof").touch()
    done = tasks.complete(control, "a", claim=claim)
    assert (done.task.status, done.task.grade, done.grade.points) == ("completed", "A", 1.0)
    text = done.report.read_text(encoding="utf-8")
    assert "80 of 100 tokens estimated" in text
    assert "half way" in text
    data = json.loads(done.report.with_suffix(".json").read_text(encoding="utf-8"))
    assert data["grade"]["letter"] == "A"
    assert data["task"]["progress"]["done"] == 4
    with pytest.raises(SettingsError, match="completed already"):
        tasks.complete(control, "a")


def test_a_query_check_asks_the_store(control: Control) -> None:
    tasks.add(control, Spec("a", check_query="SELECT count(*) > 0 FROM pairs"))
    with pytest.raises(SettingsError, match="no store was given"):
        tasks.complete(control, "a")
    with pytest.raises(CheckFailedError):
        tasks.complete(control, "a", query=lambda sql: False)
    assert tasks.complete(control, "a", query=lambda sql: True).checks == {"SELECT count(*) > 0 FROM pairs": True}


def test_a_task_with_items_is_not_completed_with_none_done(control: Control) -> None:
    tasks.add(control, Spec("a", total=40))
    with pytest.raises(SettingsError, match="0 of 40"):
        tasks.complete(control, "a")
    tasks.report_progress(control, "a", done=20)
    done = tasks.complete(control, "a")
    assert done.grade.completeness == 0.5


def test_a_task_that_is_being_worked_on_is_left_alone(control: Control) -> None:
    tasks.add(control, Spec("a"))
    take(control)
    for act in (tasks.complete, tasks.remove, lambda c, n: tasks.edit(c, n, priority=1)):
        with pytest.raises(SettingsError, match="being worked on by h"):
            act(control, "a")


def test_a_needed_task_is_not_removed_from_under_the_other(control: Control) -> None:
    tasks.add(control, Spec("a"))
    tasks.add(control, Spec("b", needs=("a",)))
    with pytest.raises(SettingsError, match="b needs a"):
        tasks.remove(control, "a")
    tasks.remove(control, "b")
    tasks.remove(control, "a")
    with pytest.raises(NotFoundError):
        tasks.fetch(control, "a")
    assert [event["event"] for event in control.events("a")][-1] == "removed"


def test_explain_names_what_holds_a_task_and_its_earliest_start(control: Control, clock: Clock) -> None:
    tasks.add(control, Spec("a"))
    tasks.add(control, Spec("b", needs=("a",)))
    assert tasks.explain(control, "a").earliest == clock.at
    assert "needs a, which is ready" in tasks.explain(control, "b").text()
    assert tasks.explain(control, "b").earliest is None
    claim = take(control)
    held = tasks.explain(control, "a")
    assert held.holds[0].what == "lease"
    assert held.earliest == clock.at + timedelta(seconds=claims.LEASE_S)
    holding.fail(control, claim, "oops", wait_s=90)
    assert tasks.explain(control, "a").earliest == clock.at + timedelta(seconds=90)
    tasks.block(control, "a", "the provider is down")
    assert "the provider is down" in tasks.explain(control, "a").text()


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (Spec("a b"), "cannot name a task"),
        (Spec("../x"), "cannot name a task"),
        (Spec("x", kind="embedd"), "no kind of task"),
        (Spec("x", kind="embed+manual"), "no kind of task"),
        (Spec("x", kind="embed", parameters={"sessions": "1-2"}), "its options are: batch_size, device, limit, model"),
        (Spec("x", kind="command"), "needs the command"),
        (Spec("x", kind="ingest", parameters={"sessions": "140-101"}), "no range of sessions"),
        (Spec("x", kind="embed", parameters={"limit": "many"}), "whole number"),
    ],
)
def test_a_task_that_makes_no_sense_is_refused(control: Control, spec: Spec, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        tasks.add(control, spec)
    assert tasks.listed(control) == []


def test_amounts_and_spans_are_read_as_people_write_them() -> None:
    assert [span(text).total_seconds() for text in ("90s", "30 minutes", "12h", "1d", "2w")] == [
        90, 1_800, 43_200, 86_400, 1_209_600,
    ]  # fmt: skip
    assert amounts(["tokens=100,000", "dollars=0.5"]) == {"tokens": 100_000, "dollars": 0.5}
    assert (fraction("10/40"), fraction("7")) == ((10, 40), (7, None))
    assert session_numbers("101-103, 7") == {7, 101, 102, 103}
    assert [spoken(s) for s in (45, 1_800, 9_000, 259_200)] == ["45 s", "30 min", "2.5 h", "3 d"]
    for wrong in ("soon", "0d", "5y"):
        with pytest.raises(SettingsError):
            span(wrong)
    for wrong in ("tokens", "tokens=x", "tokens=-1", "=5", "tokens=nan"):
        with pytest.raises(SettingsError):
            amounts([wrong])
    with pytest.raises(SettingsError):
        fraction("41/40")


def test_the_classic_eight_are_queued_once_with_their_priorities_and_estimates(control: Control) -> None:
    added = tasks.classic_eight(control)
    assert len(added) == 8
    assert tasks.classic_eight(control) == []
    queue = tasks.listed(control)
    assert [task.priority for task in queue] == list(range(1, 9))
    assert [task.estimate.get("tokens") for task in queue] == [
        100_000, 60_000, 120_000, 40_000, 30_000, 50_000, None, None,
    ]  # fmt: skip
    assert sum(task.estimate.get("tokens", 0) for task in queue) == 400_000
    assert claims.claim(control, holder="h") is None  # nothing was delivered yet


STACK: dict[str, Any] = {
    "tasks": {
        "integrate_sessions_101_140": {
            "task_id": "integrate_sessions_101_140", "priority": 1, "status": "in_progress",
            "assigned_to": "claude_code_session_3", "progress": {"current": 10, "total": 40, "percentage": 25},
            "estimated_tokens": 100000, "actual_tokens": 143000,
            "checkpoints": [
                {"session": 105, "timestamp": "2025-11-06T10:30:00"},
                {"description": "Droid inbox checked: 29 files", "timestamp": "2025-11-06T11:15:00"},
            ],
        },
        "my_custom_integration": {"priority": 7, "description": "Integrate my dataset", "estimated_tokens": 30000},
        "fix_integration_bug_#123": {"priority": 1, "status": "completed", "grade": "B"},
        "odd": {"priority": 9, "status": "dreaming"},
    }
}  # fmt: skip

QUEUE: dict[str, Any] = {
    "agent": "claude_code",
    "status": "active",
    "current_task": {
        "task_id": "integrate_sessions_101_140", "status": "completed", "started": "2025-11-06T00:13:55",
        "completed": "2025-11-06T01:13:55", "result": {"pairs": 3845},
    },
    "queued_tasks": [
        {"task_id": "integrate_claude_shared", "priority": 1, "status": "ready", "estimated_time": "30 minutes",
         "dependencies": []},
        {"task_id": "integrate_sessions_141_187", "priority": 2, "status": "waiting",
         "dependencies": ["integrate_claude_shared"]},
        {"task_id": "lost", "priority": 3, "dependencies": ["never_heard_of"]},
    ],
}  # fmt: skip


def write(folder: Path, name: str, content: object) -> Path:
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def test_the_old_task_stack_is_read_with_progress_checkpoints_and_costs(control: Control, tmp_path: Path) -> None:
    found = tasks.import_file(control, write(tmp_path, "task_stack.json", STACK))
    assert len(found.added) == 4
    first = tasks.details(control, "integrate_sessions_101_140")
    assert first["progress"] == {"done": 10, "total": 40, "units": 0, "errors": 0}
    assert (first["cost"], first["estimate"], first["agent"]) == ({"tokens": 143000}, {"tokens": 100000}, None)
    assert (first["kind"], first["parameters"]) == ("ingest", {"sessions": "101-140"})
    checkpoints = [event for event in first["history"] if event["event"] == "checkpoint"]
    assert [event["detail"]["description"] for event in checkpoints] == ["session 105", "Droid inbox checked: 29 files"]
    assert checkpoints[0]["at"].startswith("2025-11-06T10:30:00")
    assert (status(control, "fix_integration_bug_#123"), tasks.fetch(control, "odd").kind) == ("completed", "manual")
    assert any("dreaming" in note for note in found.notes)
    assert any("claude_code_session_3" in note for note in found.notes)
    again = tasks.import_file(control, tmp_path / "task_stack.json")
    assert (again.added, len(again.known)) == ((), 4)


def test_an_agents_queue_file_is_read_with_its_dependencies(control: Control, tmp_path: Path) -> None:
    (tmp_path / "inbox" / "claude_shared").mkdir(parents=True)
    write(tmp_path / "inbox" / "claude_shared", "x.json", "[]")
    found = tasks.import_file(control, write(tmp_path, "claude_code_queue.json", QUEUE))
    assert {task.agent for task in tasks.listed(control)} == {"claude_code"}
    assert control.value("SELECT status FROM agents WHERE agent = 'claude_code'") == "active"
    assert status(control, "integrate_sessions_101_140") == "completed"
    shared = tasks.fetch(control, "integrate_claude_shared")
    assert (shared.status, shared.estimate) == ("ready", {"hours": 0.5})
    assert tasks.fetch(control, "integrate_sessions_141_187").unmet == ("integrate_claude_shared",)
    assert tasks.fetch(control, "lost").reason == "unknown_dependency"
    assert any("never_heard_of" in note for note in found.notes)


def test_a_pipelines_own_stack_and_a_plain_list_are_read(control: Control, tmp_path: Path) -> None:
    stack = {"tasks": {f"session_{n:02d}": {"priority": n, "indicators": 5, "status": "pending"} for n in range(1, 45)}}
    assert len(tasks.import_file(control, write(tmp_path, "droid_research_tasks.json", stack)).added) == 44
    plain = [{"task_id": "x", "status": "completed"}, {"name": "y"}]
    assert tasks.import_file(control, write(tmp_path, "completed_tasks.json", plain)).added == ("x", "y")


def test_a_wrong_file_changes_nothing(control: Control, tmp_path: Path) -> None:
    circle_ = {"tasks": {"a": {"dependencies": ["b"]}, "b": {"dependencies": ["a"]}}}
    for content, told in (
        (circle_, "circle: a -> b -> a"),
        ("{", "not JSON"),
        ({"x": 1}, "no tasks"),
        ("7", "no tasks"),
    ):
        with pytest.raises(SettingsError, match=told):
            tasks.import_file(control, write(tmp_path, "f.json", content))
    with pytest.raises(DeliveryError):
        tasks.import_file(control, tmp_path / "absent.json")
    assert tasks.listed(control) == []
    assert control.events() == []


def test_an_export_is_read_again_as_it_was(control: Control, tmp_path: Path) -> None:
    tasks.classic_eight(control)
    tasks.add(
        control, Spec("x", every=timedelta(hours=12), agent="zai", check_command="true", needs=("backup_and_archive",))
    )
    tasks.block(control, "x", "why")
    file = write(tmp_path, "export.json", tasks.export(control))
    other = Control.open(tmp_path / "other", now=control.now)
    tasks.import_file(other, file)

    def plain(of: Control) -> list[dict[str, Any]]:
        dropped = ("created", "reason", "detail", "finished")
        return [{k: v for k, v in row.items() if k not in dropped} for row in tasks.export(of)["tasks"]]

    tasks.stats(control)
    tasks.stats(other)
    assert plain(other) == plain(control)


def test_stats_give_rates_costs_and_grades(control: Control, clock: Clock) -> None:
    from orchestration.control import books

    for name in ("a", "b", "c"):
        tasks.add(control, Spec(name, estimate={"tokens": 100}, total=1))
    claim = take(control)
    holding.progress(control, claim, done=1)
    books.observe(control, "tokens", 120, about=books.For(task="a"))
    clock.at += timedelta(hours=2)
    tasks.complete(control, "a", claim=claim)
    found = tasks.stats(control)
    assert found["by_status"] == {s: {"ready": 2, "completed": 1}.get(s, 0) for s in found["by_status"]}
    assert found["resources"] == {"tokens": {"estimated": 300, "used": 120}}
    assert (found["completion_rate"], found["hours_a_round"], found["grades"]) == (0.3333, 2.0, {"A": 1})


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_queue_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = ("-w", tmp_path)
    assert call(capsys, "task", "list", *here)[1] == "no tasks; 'etl task add' queues one\n"
    assert not (tmp_path / "control.db").exists()  # looking makes nothing
    added = call(
        capsys, "task", "add", "mine", "--priority", 7, "--description", "my data", "--estimated-tokens", 30000,
        "--command", "true", "--check", "test -d .", "--every", "1d", "--total", 2, *here, "--json",
    )  # fmt: skip
    row = json.loads(added[1])
    assert (row["kind"], row["estimate"], row["every_s"], row["status"]) == (
        "command",
        {"tokens": 30000},
        86400,
        "ready",
    )
    assert call(capsys, "task", "add", "next", "--after", "mine", *here)[1].startswith("next: waiting (needs mine)")
    assert "needs mine, which is ready" in call(capsys, "task", "explain", "next", *here)[1]
    assert call(capsys, "task", "block", "mine", "--why", "wait for me", *here)[0] == 0
    assert "wait for me" in call(capsys, "task", "list", "--status", "blocked", *here)[1]
    assert call(capsys, "task", "unblock", "mine", *here)[0] == 0
    assert call(capsys, "task", "edit", "mine", "--progress", "2/2", "--clear", "every", *here)[0] == 0
    code, out, _ = call(capsys, "task", "complete", "mine", "--json", *here)
    assert (code, json.loads(out)["status"], json.loads(out)["grade"]) == (0, "completed", "A")
    assert (tmp_path / "task_reports" / "mine.md").exists()
    assert json.loads(call(capsys, "task", "list", "--json", *here)[1])["tasks"][0]["task"] == "next"
    assert json.loads(call(capsys, "task", "show", "mine", "--json", *here)[1])["history"][0]["event"] == "added"
    assert "added" in call(capsys, "task", "show", "mine", *here)[1]
    assert call(capsys, "task", "skip", "next", *here)[0] == 0
    assert call(capsys, "task", "retry", "next", *here)[1].startswith("next: ready")
    exported = tmp_path / "queue.json"
    assert call(capsys, "task", "export", exported, *here)[0] == 0
    assert json.loads(call(capsys, "task", "import", exported, "--json", *here)[1])["added"] == 0
    assert json.loads(call(capsys, "task", "stats", "--json", *here)[1])["tasks"] == 2
    assert "2 tasks" in call(capsys, "task", "stats", *here)[1]
    assert call(capsys, "task", "remove", "next", *here)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "absent"], "no task 'absent'"),
        (["add", "x", "--estimate", "many"], "write tokens=100000"),
        (["add", "x", "--option", "a"], "write NAME=VALUE"),
        (["add", "x", "--every", "now and then"], "no span of time"),
        (["list", "--status", "asleep"], "a task is one of"),
        (["edit", "x", "--clear", "nonsense"], "cannot be cleared"),
        (["import", "absent.json"], "absent.json"),
    ],
)
def test_a_mistake_at_the_queue_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    code, out, err = call(capsys, "task", *arguments, "-w", tmp_path)
    assert (code, out, len(err.strip().splitlines())) == (1, "", 1)
    assert told in err


def test_a_query_check_from_the_command_line_reads_the_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from etl import Store

    with Store.open(tmp_path, write=True):
        pass
    call(capsys, "task", "add", "x", "--check-query", "SELECT count(*) > 0 FROM pairs", "-w", tmp_path)
    code, _, err = call(capsys, "task", "complete", "x", "-w", tmp_path)
    assert code == 1
    assert "its check does not pass" in err
