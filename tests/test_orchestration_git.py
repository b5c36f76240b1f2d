"""Commits of our own paths: nothing else, no hooks, no force, no secrets; and in words why there is none."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestration import git, session, tasks
from orchestration.cli import run as etl
from orchestration.control import Control
from orchestration.quota import Quota
from orchestration.secrets import Redactor
from orchestration.session import commits
from orchestration.session.publishing import commit_between
from orchestration.workspace import Workspace

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

KEY = "AKIA" + "Z7Q3M5X2K9P4R8TW"


def run(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, encoding="utf-8", check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    run(root, "init", "-q")
    run(root, "config", "user.email", "a@example.org")
    run(root, "config", "user.name", "A")
    (root / "session_handoffs").mkdir()
    (root / "session_handoffs" / "handoff_s.md").write_text("done", encoding="utf-8")
    return root


def made(root: Path, message: str = "a: 1/2\n\nMotherlode-Session: s", **options: object) -> git.Commit:
    return git.commit(root, git.own_paths(root), message, sleep=lambda _: None, **options)  # type: ignore[arg-type]  # of the test


def test_our_own_paths_are_committed_and_what_is_staged_stays_staged(repository: Path) -> None:
    (repository / "mine.txt").write_text("staged", encoding="utf-8")
    run(repository, "add", "mine.txt")
    (repository / "other.txt").write_text("untracked", encoding="utf-8")
    found = made(repository)
    assert found.paths == ("session_handoffs/handoff_s.md",)
    assert run(repository, "show", "--name-only", "--format=%s") == "a: 1/2\n\nsession_handoffs/handoff_s.md"
    assert run(repository, "status", "--short") == "A  mine.txt\n?? other.txt"


def test_a_marked_commit_is_not_made_twice_and_nothing_new_makes_none(repository: Path) -> None:
    first = made(repository, mark="Motherlode-Session: s")
    (repository / "queue.json").write_text("{}", encoding="utf-8")
    assert made(repository, mark="Motherlode-Session: s") == git.Commit(first.commit, "made before")
    assert made(repository, mark="Motherlode-Session: t").commit not in (None, first.commit)
    assert made(repository).commit is None


def test_no_hook_runs(repository: Path) -> None:
    for name in ("pre-commit", "commit-msg", "post-commit"):
        hook = repository / ".git" / "hooks" / name
        hook.write_text("#!/bin/sh\ntouch hooked\nexit 1\n", encoding="utf-8")
        hook.chmod(0o755)
    assert made(repository).commit
    assert not (repository / "hooked").exists()


def test_a_file_with_a_secret_is_left_out_and_named_without_the_secret(repository: Path) -> None:
    (repository / "queue.json").write_text(f'{{"key": "{KEY}"}}', encoding="utf-8")
    found = made(repository)
    assert found.paths == ("session_handoffs/handoff_s.md",)
    assert found.left_out[0].startswith("queue.json (")
    assert KEY not in str(found)


def test_pairs_stores_and_ignored_files_are_never_committed(repository: Path) -> None:
    for name in (
        "motherlode.duckdb",
        "control.db",
        "exports/v0001/train.jsonl",
        "exports/v0001/manifest.json",
        "queue.json",
    ):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text("x", encoding="utf-8")
    (repository / ".gitignore").write_text("queue.json\n", encoding="utf-8")
    assert set(made(repository).paths) == {"session_handoffs/handoff_s.md", "exports/v0001/manifest.json"}


def test_a_workspace_below_the_top_of_a_repository_is_committed_too(repository: Path) -> None:
    inner = repository / "a b" / "ws"
    (inner / "task_reports").mkdir(parents=True)
    (inner / "task_reports" / "é.md").write_text("x", encoding="utf-8")
    assert made(inner).paths == ("task_reports/é.md",)


def test_a_stale_lock_is_waited_for_and_never_removed(repository: Path) -> None:
    lock = repository / ".git" / "index.lock"
    lock.touch()
    naps: list[float] = []
    found = git.commit(repository, git.own_paths(repository), "m", wait_s=1, sleep=naps.append)
    assert (found.commit, len(naps), lock.exists()) == (None, 4, True)
    assert "index.lock" in found.why
    assert git.commit(repository, git.own_paths(repository), "m", sleep=lambda _: lock.unlink(missing_ok=True)).commit


def test_it_says_why_there_is_no_commit(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain").mkdir()
    assert "git init" in made(tmp_path / "plain").why
    (repository / ".git" / "MERGE_HEAD").touch()
    assert "a merge is under way" in made(repository).why
    monkeypatch.setenv("PATH", os.devnull)
    assert "not installed" in made(repository).why


def test_the_mark_of_one_session_is_not_taken_for_that_of_another(repository: Path) -> None:
    made(repository, "a\n\nMotherlode-Session: s_2", mark="Motherlode-Session: s_2")
    (repository / "queue.json").write_text("{}", encoding="utf-8")
    assert made(repository, "a\n\nMotherlode-Session: s", mark="Motherlode-Session: s").why == "committed"


def test_a_loaded_secret_that_no_pattern_knows_stays_out_of_files_and_messages(repository: Path) -> None:
    redactor = Redactor.of({"MY_TOKEN": "correct-horse-battery"}, names=["*_TOKEN"])
    (repository / "queue.json").write_text("correct-horse-battery", encoding="utf-8")
    found = made(repository, "a: correct-horse-battery", redactor=redactor)
    assert found.left_out == ("queue.json (loaded_secret)",)
    assert run(repository, "log", "-1", "--format=%s") == "a: [loaded_secret]"


def test_files_that_the_repository_ignores_are_named_as_the_reason(repository: Path) -> None:
    (repository / ".gitignore").write_text("*\n", encoding="utf-8")
    assert made(repository).why == "the repository ignores all of our files"


def test_a_tag_is_annotated_and_never_moved(repository: Path) -> None:
    assert git.tag(repository, "motherlode/pairs-5000", "x") == "there is no commit yet"
    made(repository)
    assert git.tag(repository, "motherlode/pairs-5000", "5,000 pairs") is None
    assert run(repository, "cat-file", "-t", "motherlode/pairs-5000") == "tag"
    assert "there is one" in str(git.tag(repository, "motherlode/pairs-5000", "again"))


def test_a_push_takes_branch_and_tags_and_never_forces(repository: Path, tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    run(tmp_path, "init", "-q", "--bare", str(remote))
    run(repository, "remote", "add", "origin", str(remote))
    made(repository)
    git.tag(repository, "motherlode/goal-1", "x")
    assert git.push(repository, "origin", tags=["motherlode/goal-1"], sleep=lambda _: None) is None
    assert run(remote, "rev-parse", "motherlode/goal-1^{commit}") == run(repository, "rev-parse", "HEAD")
    run(repository, "commit", "-q", "--amend", "-m", "another")  # the remote has moved on another way
    naps: list[float] = []
    before = run(remote, "for-each-ref")
    assert "rejected" in str(git.push(repository, "origin", sleep=naps.append))
    assert (run(remote, "for-each-ref"), naps) == (before, [])


def test_a_push_that_fails_is_tried_three_times(repository: Path) -> None:
    made(repository)
    run(repository, "remote", "add", "gone", "http://127.0.0.1:9/x.git")
    naps: list[float] = []
    assert "git push" in str(git.push(repository, "gone", sleep=naps.append))
    assert naps == [2.0, 4.0]


def test_a_repository_of_its_own_shows_only_what_is_committed(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    (root / "exports" / "v0001").mkdir(parents=True)
    for name in (
        "queue.json",
        "control.db",
        "motherlode.duckdb",
        "exports/v0001/train.csv",
        "exports/v0001/manifest.json",
    ):
        (root / name).write_text("{}", encoding="utf-8")
    assert git.make_own(root) is None
    assert git.make_own(root) is None
    assert set(made(root).paths) == {"queue.json", "exports/v0001/manifest.json"}
    assert run(root, "status", "--short") == ""


@pytest.fixture
def mined(repository: Path) -> Path:
    """A workspace in a repository, mined with low thresholds: two tasks, each on a file of three pairs."""
    root = repository / "mine"
    assert etl(["init", "--quiet", str(root)]) == 0
    text = '[project]\ngoal = 5\n[git]\nevery_pairs = 3\nmilestone_pairs = 4\n[embed]\nmodel = "hash"\n'
    (root / "etl.toml").write_text(text, encoding="utf-8")
    with Control.open(root) as control:
        for number in range(2):
            pairs = [
                {
                    "question": f"What is indicator {number}{i}?",
                    "answer": f"It is the {i}. of {number}, a line of prices.",
                }
                for i in range(3)
            ]
            file = root / "inbox" / f"session_{101 + number}.json"
            file.write_text(json.dumps(pairs), encoding="utf-8")
            os.utime(file, (1_700_000_000, 1_700_000_000))
            kind = "ingest" if not number else "ingest+assess+embed+link+resolve+split"
            name = f"read_{number}"
            tasks.add(control, tasks.Spec(name, kind=kind, priority=number, parameters={"input": f"inbox/{file.name}"}))
    assert etl(["mine", "--quiet", "-w", str(root)]) == 0
    return root


def test_commits_come_at_thresholds_at_wraps_and_on_completion_and_milestones_are_tagged(mined: Path) -> None:
    said = run(mined, "log", "--reverse", "--format=%s").splitlines()
    assert said[:4] == [
        "read_0: 1/1, 3 new pairs", "read_0: 1/1", "Task complete: read_0 (1/1, grade A)", "read_1: 1/1, 3 new pairs",
    ]  # fmt: skip
    assert [line.partition(":")[0] for line in said[4:]] == ["read_1", "Task complete"]
    body = run(mined, "log", "-1", "--format=%B")
    for word in (
        "Task:",
        "Progress:",
        "Checkpoints:",
        "Usage:",
        "Duration:",
        "Started:",
        "Motherlode-Completed: session_",
    ):
        assert word in body
    tags = set(run(mined, "tag").splitlines())
    assert {"motherlode/pairs-4", "motherlode/goal-5"} <= tags
    assert sum(tag.startswith("motherlode/task-") for tag in tags) == 2
    assert run(mined, "status", "--short", "--", "session_handoffs", "queue.json", "task_reports") == ""


def test_where_nothing_can_be_committed_it_is_not_tried_after_each_unit(tmp_path: Path) -> None:
    root = tmp_path / "nowhere"
    assert etl(["init", "--quiet", str(root)]) == 0
    with Control.open(root) as control:
        tasks.add(control, tasks.Spec("hand"))
        begun = session.start(control, Quota(control, ())).session
        numbers = iter([5_000, 5_000, 300])
        wrapping = session.Wrapping(control, Workspace.at(root), begun.name, query=lambda _: next(numbers))
        reached = commits.Reached(pairs=5_000, kept=5_000, sessions=300)
        settings = wrapping.workspace.settings.git
        assert commits.due(control, settings, reached) == "5,000 new pairs"
        assert "no git repository" in commit_between(wrapping, "5,000 new pairs")["why"]
        assert commits.due(control, settings, reached) is None


def test_work_by_hand_on_sessions_is_committed_each_ten(repository: Path) -> None:
    root = repository / "mine"
    assert etl(["init", "--quiet", str(root)]) == 0
    (root / "inbox" / "session_101.json").write_text("[]", encoding="utf-8")
    with Control.open(root) as control:
        tasks.add(control, tasks.Spec("hand", total=40, parameters={"sessions": "101-140"}))
    where = ["--quiet", "-w", str(root)]
    assert etl(["session", "start", *where]) == 0
    for first in (101, 106, 111):
        done = [word for number in range(first, first + 5) for word in ("--done", str(number))]
        assert etl(["session", "checkpoint", "--description", f"from {first}", *done, *where]) == 0
    assert run(root, "log", "--format=%s") == "hand: 0/40, 10 source sessions done"
