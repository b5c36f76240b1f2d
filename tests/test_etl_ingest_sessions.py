"""Choosing deliveries by the sender's session: from names, from what the store knows, from their content."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from etl import Tally, drain
from orchestration import runs, tasks
from orchestration.cli import run
from orchestration.control import Control, claims
from orchestration.control.inputs import missing
from orchestration.control.task import fetch
from orchestration.session.works import PipelineWorks
from orchestration.workspace import Workspace, init


def pairs(number: int, session: int | None = None) -> str:
    rows = [{"question": f"What is indicator {number}-{n}?", "answer": f"A number, {n} of {number}."} for n in range(3)]
    return json.dumps([row | ({} if session is None else {"session": session}) for row in rows])


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    init(tmp_path / "mine")
    inbox = tmp_path / "mine" / "inbox" / "droid"
    (inbox / "session_103").mkdir(parents=True)
    (inbox / "session_101_rsi.json").write_text(pairs(1))
    (inbox / "session_150_macd.json").write_text(pairs(2))
    (inbox / "session_103" / "part.json").write_text(pairs(3))
    (inbox / "by_content.json").write_text(pairs(4, session=102))
    (inbox / "other_by_content.json").write_text(pairs(5, session=99))
    (inbox / "nowhere.json").write_text(pairs(6))
    with zipfile.ZipFile(inbox / "batch.zip", "w") as archive:
        archive.writestr("session_140.json", pairs(7))
    return Workspace.at(tmp_path / "mine")


def paths(workspace: Workspace) -> list[str]:
    with workspace.store() as store:
        return [Path(p).name for p in store.query("SELECT path FROM deliveries ORDER BY path")["path"]]


WANTED = ["batch.zip", "session_140.json", "by_content.json", "session_101_rsi.json", "part.json"]
LEFT: dict[str, str] = {
    "inbox/droid/nowhere.json": "without a session number",
    "inbox/droid/other_by_content.json": "of other sessions",
    "inbox/droid/session_150_macd.json": "of other sessions",
}


def test_sessions_are_told_by_name_folder_archive_and_content(workspace: Workspace) -> None:
    result = runs.run_stage(workspace, "ingest", sessions="101-140")
    assert paths(workspace) == WANTED
    assert result.data["left_alone"] == LEFT
    assert "left alone: 2 files of other sessions, 1 files without a session number" in result.text
    with workspace.store() as store:
        assert set(store.query("SELECT sender FROM deliveries")["sender"]) == {"droid"}


def test_what_the_store_has_read_is_not_read_again_to_be_chosen(workspace: Workspace) -> None:
    runs.run_stage(workspace, "ingest")
    from etl import ingest
    from etl.ingest.plan import look

    with workspace.store(write=True) as store:
        files = look(store, [workspace.inbox], root=workspace.root).files
        chosen = ingest.Sessions(frozenset(range(101, 141)), store).choose(files)  # no reader: only what is known
        assert [Path(file.name).name for file in chosen] == [name for name in WANTED if name != "session_140.json"]


def test_a_range_that_is_none_is_one_line(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-w", str(workspace.root), "ingest", "--sessions", "140-101"]) == 1
    assert "write 101-140" in capsys.readouterr().err


def test_run_takes_sessions_as_ingest_does(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-w", str(workspace.root), "--json", "run", "--sessions", "101-140", "--until", "ingest"]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (data["new"], data["left_alone"]) == (12, LEFT)


def test_a_task_of_sessions_reads_the_same_files(workspace: Workspace) -> None:
    with Control.open(workspace.root) as control:
        tasks.add(control, tasks.Spec("some", kind="ingest", parameters={"sessions": "101-140"}))
        claim = claims.claim(control, holder="test")
        assert claim is not None
        task = fetch(control, "some")
        works = PipelineWorks(workspace)
        assert works.missing(task) is None
        drain(works.units(task, claim, Tally(), {}))
        assert works.missing(task) == "nothing is pending for ingest"
        works.close()
    assert paths(workspace) == WANTED


def test_a_task_waits_only_where_every_name_says_another_session(workspace: Workspace) -> None:
    def lacking(pattern: str) -> str | None:
        with Control.open(workspace.root) as control:
            name = f"t{len(pattern)}"
            tasks.add(control, tasks.Spec(name, kind="ingest", parameters={"sessions": "500", "input": pattern}))
            return missing(fetch(control, name), workspace.root)

    assert lacking("inbox/**/session_1*.json") == "no file of sessions 500 at inbox/**/session_1*.json"
    assert lacking("inbox/**/*.json") is None  # some names say nothing: their content may
