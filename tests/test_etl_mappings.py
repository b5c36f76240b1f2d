"""A person's mapping is remembered for a sender and shape: asked once, used for later files, and taken back exactly."""

import json
from pathlib import Path

import pytest

from etl import Store, Tally, drain, ingest, mappings
from etl.errors import MotherlodeError, NotFoundError
from etl.explain import explain, render
from etl.store import migrate
from orchestration.cli import run

ROWS = [{"col_a": f"Say {i} of it", "col_b": f"Text {i} of it, long", "col_c": f"What is {i}?"} for i in range(20)]


def _write(inbox: Path, name: str, rows: list[dict[str, str]] = ROWS) -> None:
    path = inbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows), encoding="utf-8")


def _ingest(store: Store, inbox: Path, **options: object) -> dict[str, int]:
    job = ingest.ingest(store, [inbox], root=inbox.parent, inbox=inbox, meter=Tally(), **options)  # type: ignore[arg-type]
    return dict(drain(job))


def _states(store: Store) -> dict[str, str]:
    return dict(store.query("SELECT path, state FROM deliveries ORDER BY path").iter_rows())


def test_an_accepted_proposal_reads_the_waiting_file_and_later_ones_of_that_sender_only(
    store: Store, tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    _write(inbox, "anna/1.json")
    assert _ingest(store, inbox)["unmapped"] == 1
    [waiting] = mappings.listed(store)["waiting"]
    assert waiting["proposal"]["question"] == "col_c"
    done = mappings.accept(store, "inbox/anna/1.json", who="me")
    assert done.data["mapping"]["question"] == "col_c"
    _write(inbox, "anna/2.json", [row | {"col_c": row["col_c"].replace("What", "Which")} for row in ROWS])
    _write(inbox, "bert/1.json", [row | {"col_c": row["col_c"].replace("What", "Who")} for row in ROWS])
    assert _ingest(store, inbox)["new"] == 40
    assert _states(store) == {
        "inbox/anna/1.json": "accepted", "inbox/anna/2.json": "accepted", "inbox/bert/1.json": "unmapped",
    }  # fmt: skip
    assert _ingest(store, inbox) == {}
    shown = ingest.delivery(store, "inbox/anna/2.json")["format"]
    assert (shown["details"]["mapping_id"], shown["details"]["mapping_by"]) == (1, "me")
    assert "mapping 1, given by me" in render(explain(store, "inbox/anna/1.json"))
    assert "read with mapping 1 by me" in render(explain(store, "What is 3?"))


def test_an_edited_mapping_changes_just_what_was_read_with_the_former_and_withdrawing_restores_it(
    store: Store, tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    _write(inbox, "anna/1.json")
    (inbox / "anna" / "named.csv").write_text("question,answer\nWhat?,This.\n", encoding="utf-8")
    _ingest(store, inbox)
    mappings.accept(store, "inbox/anna/1.json", who="me")
    _ingest(store, inbox)
    before = store.query("SELECT key, question, answer FROM pairs ORDER BY key")
    mappings.edit(store, "inbox/anna/1.json", {"answer": "col_a"}, who="you", note="the short one")
    assert _ingest(store, inbox)["files"] == 1
    answers = store.query("SELECT DISTINCT left(answer, 3) AS a FROM pairs WHERE question <> 'What?'")["a"].to_list()
    assert answers == ["Say"]
    assert "mapping 1 stands again" in mappings.withdraw(store, 2, who="me").text
    _ingest(store, inbox)
    assert store.query("SELECT key, question, answer FROM pairs ORDER BY key").equals(before)
    mappings.withdraw(store, 1, who="me")
    _ingest(store, inbox)
    assert _states(store)["inbox/anna/1.json"] == "unmapped"
    assert store.value("SELECT count(*) FROM pairs WHERE occurrences > 0") == 1
    assert [row["verdict"] for row in mappings.listed(store)["mappings"]] == [
        "accepted", "edited", "withdrawn", "withdrawn",
    ]  # fmt: skip


def test_a_mapping_for_anybody_serves_every_sender_and_the_settings_win(store: Store, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    _write(inbox, "anna/1.json")
    _write(inbox, "bert/1.json", [row | {"col_c": row["col_c"].replace("What", "Who")} for row in ROWS])
    _ingest(store, inbox)
    mappings.edit(store, "inbox/anna/1.json", {"question": "col_c", "answer": "col_b"}, who="me", sender="*")
    _ingest(store, inbox, mappings={"*bert/*.json": {"question": "col_c", "answer": "col_a"}})
    by_path = {path: ingest.delivery(store, path)["format"]["mapping"]["answer"] for path in _states(store)}
    assert by_path == {"inbox/anna/1.json": "col_b", "inbox/bert/1.json": "col_a"}


def test_mistakes_are_told_in_one_line(store: Store, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    _write(inbox, "anna/1.json")
    _write(inbox, "anna/named.json", [{"question": "What?", "answer": "This."}])
    (inbox / "anna" / "no.txt").write_text("Just words.", encoding="utf-8")
    _ingest(store, inbox)
    which = "inbox/anna/1.json"
    with pytest.raises(MotherlodeError, match="has no field 'col_x'; it has col_a, col_b, col_c"):
        mappings.edit(store, which, {"question": "col_x"}, who="me")
    with pytest.raises(MotherlodeError, match="'quest' is no field of ours"):
        mappings.edit(store, which, {"quest": "col_a"}, who="me")
    with pytest.raises(MotherlodeError, match="cannot both be"):
        mappings.edit(store, which, {"question": "col_a", "answer": "col_a"}, who="me")
    with pytest.raises(NotFoundError, match="nothing is proposed"):
        mappings.accept(store, "inbox/anna/named.json", who="me")
    with pytest.raises(NotFoundError, match="no fields that could be mapped"):
        mappings.accept(store, "inbox/anna/no.txt", who="me")
    with pytest.raises(NotFoundError, match="no mapping 7 stands"):
        mappings.withdraw(store, 7, who="me")


def test_the_commands_do_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inbox, ws = tmp_path / "inbox", ["--workspace", str(tmp_path), "--quiet"]
    _write(inbox, "anna/1.json")
    assert run(["ingest", *ws]) == 0
    capsys.readouterr()
    assert run(["mapping", "list", *ws]) == 0
    assert "waiting" in capsys.readouterr().out
    assert run(["mapping", "edit", "inbox/anna/1.json", "question=col_c", "answer=col_a", *ws]) == 0
    assert run(["ingest", *ws]) == 0
    capsys.readouterr()
    assert run(["status", "--json", *ws]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == 20
    assert run(["mapping", "withdraw", "1", *ws]) == 0
    assert run(["mapping", "list", "--json", *ws]) == 0
    assert [row["stands"] for row in json.loads(capsys.readouterr().out.splitlines()[-1])["mappings"]] == [False, False]
    (tmp_path / "etl.toml").write_text(
        '[read.mappings]\n"*.json" = {question = "col_c", answer = "col_b"}\n', encoding="utf-8"
    )
    assert run(["mapping", "accept", "inbox/anna/1.json", *ws]) == 1
    assert "it wins; change it there" in capsys.readouterr().err


def test_the_table_comes_with_a_migration(tmp_path: Path) -> None:
    import duckdb

    fixture = Path(__file__).parent / "stores" / "v1.sql"
    con = duckdb.connect(str(tmp_path / "motherlode.duckdb"))
    con.execute(fixture.read_text(encoding="utf-8"))
    con.close()
    with Store.open(tmp_path, write=True) as store:
        assert mappings.listed(store) == {"mappings": [], "waiting": []}
        with store.exclusive() as live:
            assert migrate.version_of(live) == migrate.VERSION
