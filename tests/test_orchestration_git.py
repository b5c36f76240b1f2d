"""Commits of our own paths: nothing else, no hooks, no force, no secrets; and in words why there is none."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestration import git

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
