"""etl.toml: every setting explained, every mistake named with its place."""

import shutil
import subprocess
from pathlib import Path

import pytest

from etl.errors import SettingsError
from orchestration import workspace
from orchestration.settings import Settings, commented, load


def test_the_commented_file_holds_exactly_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "etl.toml"
    file.write_text(commented(), encoding="utf-8")
    assert load(file) == Settings()
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line and line.startswith("# ") else line
        for line in commented().splitlines()
    )
    file.write_text(uncommented, encoding="utf-8")
    assert load(file) == Settings()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[export]\nmin_grad = "A"', r"min_grad.*\$\.export"),
        ('[export]\nmin_grade = "Z"', r"\$\.export\.min_grade"),
        ("[split]\ntrain = 0.5", "must be 1, not 0.7"),
        ("[embed\n", "not valid TOML"),
        ("[embed]\nbatch_size = 0", r"\$\.embed\.batch_size"),
    ],
)
def test_a_mistake_in_the_settings_is_named(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "etl.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=told):
        load(file)


def test_init_makes_a_workspace_and_leaves_what_is_there(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    made = {".gitignore", "etl.toml", "inbox/", "outbox/", "exports/", "snapshots/", "reports/"}
    assert set(workspace.init(root)) == made
    (root / "etl.toml").write_text("[project]\ngoal = 7\n", encoding="utf-8")
    assert workspace.init(root) == []
    assert workspace.Workspace.at(root).settings.project.goal == 7


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_sees_what_is_for_committing_and_not_the_machine_s_own_files(tmp_path: Path) -> None:
    workspace.init(tmp_path)
    own = ["reports/r.md", "session_handoffs/h.json", "task_reports/t.md", "exports/1/manifest.json", "queue.json"]
    not_own = [
        "motherlode.duckdb", "motherlode.duckdb.mark", ".motherlode.duckdb.lock", "control.db-wal",
        "snapshots/a.duckdb", "session_logs/s.jsonl", ".sessions/s.lock",
    ]  # fmt: skip
    for name in (*own, *not_own):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    asked = [*git, "status", "--porcelain", "--untracked-files=all"]
    seen = subprocess.run(asked, check=True, capture_output=True, encoding="utf-8").stdout.split()
    assert {*own, ".gitignore", "etl.toml"} == set(seen) - {"??"}


def test_a_file_is_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SettingsError, match="is a file"):
        workspace.Workspace.at(tmp_path / "file")
    with pytest.raises(SettingsError, match="is a file"):
        workspace.init(tmp_path / "file")
