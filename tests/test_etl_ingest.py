"""Ingesting deliveries: exact books, results that no order can change, kills, the inbox, and taking back."""

import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import HardStop, Store, Tally, drain
from etl.errors import DeliveryError, NotFoundError, StoreError
from etl.ingest import deliveries, delivery, inbox, ingest, job, pending, rejects, restore, retract
from etl.ingest.plan import PARKED
from etl.read import CANDIDATES, REJECTS, Format, ReaderDied, Reading

EMPTY: dict[str, Any] = {name: [] if kind == pl.List(pl.String) else None for name, kind in CANDIDATES.items()}
SENT = [
    {"question": "What is RSI?", "answer": "An oscillator.", "category": "momentum", "sources": ["a"]},
    {"question": "what is rsi", "answer": "an oscillator", "category": "trend", "sources": ["b"]},
    {"question": "What is MACD?", "answer": "A difference of averages.", "indicator": "MACD"},
]


def read(path: Path, *, mapping: Mapping[str, str] | None = None) -> Reading:
    """A small reader of JSON Lines that knows our names; texts like 'unmapped' and 'refused' stand for such files."""
    text = path.read_text(encoding="utf-8")
    if text.startswith(("refused", "unmapped")) and mapping is None:
        return Reading.refused(text.split()[0], "as told")
    good, bad = [], []
    for number, line in enumerate(text.splitlines(), 1):
        place = {"position": f"line:{number}", "raw_digest": f"{number:032x}"}
        if line.startswith("{"):
            good.append(EMPTY | place | json.loads(line))
        else:
            bad.append({"position": place["position"], "reason": "broken_json", "evidence": "no object", "raw": line})
    made = Format("jsonl", "utf-8", "flat", {}, 1.0)
    return Reading(made, len(good) + len(bad), pl.DataFrame(good, schema=CANDIDATES), pl.DataFrame(bad, schema=REJECTS))


class Workspace:
    """A folder with an inbox, and how a session would call ingest on it."""

    def __init__(self, root: Path) -> None:
        self.root, self.inbox = root, root / "inbox"
        self.inbox.mkdir(parents=True)

    def put(self, name: str, rows: Sequence[Mapping[str, Any] | str], *, age_s: float = 60) -> Path:
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
        path.write_text("\n".join(lines), encoding="utf-8")
        then = time.time() - age_s
        os.utime(path, (then, then))
        return path

    def job(self, store: Store, paths: Sequence[Path] = (), **options: Any) -> Any:
        options = {"meter": Tally(), "root": self.root, "inbox": self.inbox, "reader": read} | options
        return ingest(store, list(paths) or [self.inbox], **options)

    def run(self, store: Store, paths: Sequence[Path] = (), **options: Any) -> dict[str, int]:
        return dict(drain(self.job(store, paths, **options)))


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def tables(store: Store, *, first_seq: bool = False) -> dict[str, list[tuple[Any, ...]]]:
    """The rows that ingest answers for, in one order."""
    pairs = store.query(f"SELECT * {'' if first_seq else 'EXCLUDE (first_seq)'} FROM pairs ORDER BY key")
    occurrences = store.query("SELECT * FROM occurrences ORDER BY delivery, position")
    rejected = store.query("SELECT * FROM rejects ORDER BY delivery, position")
    return {"pairs": _rows(pairs), "occurrences": _rows(occurrences), "rejects": _rows(rejected)}


def _rows(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return [tuple(tuple(cell) if isinstance(cell, list) else cell for cell in row) for row in frame.iter_rows()]


def check_books(store: Store) -> None:
    """What must hold after every unit."""
    assert store.value("SELECT count(*) FROM deliveries WHERE candidates <> new + duplicates") == 0
    for table, figure in (("occurrences", "candidates"), ("rejects", "rejects"), ("pairs", "new")):
        assert store.value(f"SELECT count(*) FROM {table}") == store.value(f"SELECT sum({figure}) FROM deliveries")
    assert store.value("SELECT count(*) FROM pairs") == store.value("SELECT count(DISTINCT key) FROM pairs")
    live = "SELECT count(*) FROM occurrences JOIN deliveries USING (delivery) WHERE state = 'accepted'"
    assert store.value("SELECT sum(occurrences) FROM pairs") == store.value(live)


def test_a_delivery_gives_pairs_occurrences_and_rejects(store: Store, ws: Workspace) -> None:
    ws.put("droid/session_101_rsi.jsonl", [*SENT, "not json", {"question": "\x00", "answer": "x"}])
    counts = ws.run(store)
    assert counts == {
        "files": 1, "records": 5, "candidates": 3, "new": 2, "duplicates": 1, "rejects": 2, "refused": 0, "unmapped": 0,
    }  # fmt: skip
    row = deliveries(store).row(0, named=True)
    assert (row["path"], row["sender"], row["source_session"]) == ("inbox/droid/session_101_rsi.jsonl", "droid", "101")
    assert rejects(store)["reason"].to_list() == ["broken_json", "empty_question"]
    assert rejects(store, reason="broken_json")["raw"].to_list() == ["not json"]
    check_books(store)


def test_the_shown_text_is_the_most_frequent_then_the_bytewise_smallest(store: Store, ws: Workspace) -> None:
    ws.put("a.jsonl", SENT[:2])
    ws.run(store)
    shown = "SELECT question, category, sources, occurrences FROM pairs"
    assert store.query(shown).row(0) == ("What is RSI?", "momentum", ["a", "b"], 2)
    ws.put("b.jsonl", [SENT[1]])
    ws.run(store)
    assert store.query(shown).row(0) == ("what is rsi", "trend", ["a", "b"], 3)
    texts = store.query("SELECT question FROM occurrences ORDER BY delivery, position")["question"].to_list()
    assert sorted(texts, key=str) == ["None", "None", "What is RSI?"] or texts.count(None) == 2
    check_books(store)


def test_a_changed_text_makes_what_was_derived_from_it_pending(store: Store, ws: Workspace) -> None:
    ws.put("a.jsonl", [SENT[0], SENT[2]])
    ws.run(store)
    rsi, macd = store.query("SELECT key FROM pairs ORDER BY question DESC")["key"]

    searched = store.query("SELECT * FROM searches").columns

    def derive() -> None:
        with store.unit("test", "derived") as unit:
            for table in ("flags", "grades", "searches", "links"):
                unit.execute(f"DELETE FROM {table}")
            for key in (rsi, macd):
                unit.execute("INSERT INTO flags VALUES (?, 'x', 'pair', NULL, 'r')", [key])
                unit.execute("INSERT INTO grades VALUES (?, 1, 'A', 1, 'en', 1, 'r')", [key])
                unit.insert("searches", pl.DataFrame([dict.fromkeys(searched, "x") | {"key": key}]))
            low, high = sorted((rsi, macd))
            unit.execute("INSERT INTO links VALUES (?, ?, 'cosine', 1, 1, 1, 1, false, 'r')", [low, high])

    def left() -> dict[str, list[str]]:
        found = {
            name: store.query(f"SELECT key FROM {name}")["key"].to_list() for name in ("flags", "grades", "searches")
        }
        return found | {"links": store.query("SELECT a FROM links")["a"].to_list()}

    derive()
    ws.put("same.jsonl", [SENT[0], "# another file, the same texts"])
    ws.run(store)
    assert {name: len(keys) for name, keys in left().items()} == {"flags": 2, "grades": 2, "searches": 2, "links": 1}
    ws.put("sources.jsonl", [SENT[0] | {"sources": ["new"]}])
    ws.run(store)
    assert left() | {"links": 1} == {"flags": [macd], "grades": [macd], "searches": [rsi, macd], "links": 1}
    derive()
    ws.put("texts.jsonl", [SENT[1]] * 4)
    ws.run(store)
    assert left() == {"flags": [macd], "grades": [macd], "searches": [macd], "links": []}


QUESTIONS = st.sampled_from(["What is RSI?", "what is RSI", "WHAT IS RSI", "What is MACD?", "  What is ATR?\r\n"])
ROWS = st.fixed_dictionaries(
    {"question": QUESTIONS, "answer": st.sampled_from(["It is X.", "it is x", "It is Y"])},
    optional={
        "context": st.sampled_from(["", "Page 1", "page 1"]),
        "indicator": st.sampled_from(["RSI", "rsi ", "MACD", None]),
        "category": st.sampled_from(["a", "b", None]),
        "sources": st.lists(st.sampled_from(["s", "t", "u"]), max_size=2),
        "licence": st.sampled_from(["MIT", None]),
        "phrasings": st.lists(st.sampled_from(["p", "q"]), max_size=2),
        "metadata": st.sampled_from(['{"n": 1}', '{"n": 2}', None]),
    },
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(ROWS, max_size=5), min_size=1, max_size=5), st.randoms(use_true_random=False), st.integers(1, 6)
)
def test_no_order_of_arrival_and_no_batching_changes_the_result(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[dict[str, Any]]], chance: random.Random, size: int
) -> None:
    ws = Workspace(tmp_path_factory.mktemp("order"))
    paths = [ws.put(f"{number}.jsonl", [*rows, "x"]) for number, rows in enumerate(files)]
    whole, pieces = Store.open(":memory:"), Store.open(":memory:")
    ws.run(whole)
    chance.shuffle(paths)
    for path in paths[:2]:
        ws.run(pieces, [path])
    ws.run(pieces, batch_files=size, batch_pairs=size)
    assert tables(pieces) == tables(whole)
    check_books(pieces)
    check_books(whole)


def test_a_hard_stop_anywhere_loses_nothing_and_doubles_nothing(ws: Workspace) -> None:
    """A meter that stops at its nth spending, for every n; the rerun ends as an undisturbed run."""
    for number in range(6):
        ws.put(f"{number}.jsonl", [SENT[number % 3], {"question": f"Q{number}?", "answer": "A."}, "broken"])
    expected = Store.open(":memory:")
    ws.run(expected, batch_files=2)

    class Stingy(Tally):
        def __init__(self, limit: int) -> None:
            super().__init__()
            self.limit = limit

        def spend(self, resource: str, amount: float = 1) -> None:
            self.limit -= 1
            if self.limit < 0:
                raise HardStop

    for limit in range(9):
        store = Store.open(":memory:")
        with pytest.raises(HardStop):
            ws.run(store, batch_files=2, meter=Stingy(limit))
        ws.run(store, batch_files=2)
        assert tables(store) == tables(expected)
        check_books(store)


def test_an_error_inside_the_unit_rolls_all_of_it_back(
    store: Store, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws.put("a.jsonl", SENT)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(job, "_remember", fail)
        with pytest.raises(KeyboardInterrupt):
            ws.run(store)
    assert all(not rows for rows in tables(store).values())
    assert deliveries(store).is_empty()
    assert store.last_seq("ingest") == 0
    assert ws.run(store)["new"] == 2


def test_a_file_that_was_read_is_neither_read_nor_hashed_again(
    store: Store, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ws.put("a.jsonl", SENT)
    hashed: list[Path] = []
    sha256 = job._sha256
    monkeypatch.setattr(job, "_sha256", lambda path: (hashed.append(path), sha256(path))[1])
    ws.run(store)
    assert len(hashed) == 1
    assert not pending(store, [ws.inbox], root=ws.root)
    assert ws.run(store) == {}
    assert len(hashed) == 1
    before, seq = tables(store), store.last_seq("ingest")
    path.rename(ws.inbox / "renamed.jsonl")
    shutil.copy(ws.inbox / "renamed.jsonl", ws.inbox / "copy.jsonl")
    meter = Tally()
    assert ws.run(store, meter=meter) == {"known": 2}
    assert len(hashed) == 3
    assert not meter.spent
    assert tables(store) == before
    assert store.last_seq("ingest") == seq  # nothing downstream has to run again
    assert ws.run(store) == {}
    assert delivery(store, "inbox/copy.jsonl")["seen"] == [f"inbox/{name}.jsonl" for name in ("a", "copy", "renamed")]


def test_two_files_of_the_same_content_in_one_batch_are_one_delivery(store: Store, ws: Workspace) -> None:
    ws.put("a.jsonl", SENT)
    ws.put("b/again.jsonl", SENT)
    assert ws.run(store)["candidates"] == 3
    assert deliveries(store).height == 1
    assert inbox(store, ws.inbox)["state"].to_list() == ["known", "known"]


def age(store: Store) -> None:
    """Let everything have been read by an earlier version."""
    with store.unit("test", "an earlier version") as unit:
        unit.execute("UPDATE deliveries SET recipe = 'earlier'")


def test_a_changed_recipe_reads_all_again_and_replaces_what_it_gave(store: Store, ws: Workspace) -> None:
    ws.put("a.jsonl", SENT)
    ws.put("b.jsonl", [*SENT[:1], "broken"])
    ws.put("c.jsonl", ["refused"])
    ws.run(store)
    before = tables(store, first_seq=True)
    age(store)
    assert "3 read by an earlier recipe" in pending(store, [ws.inbox], root=ws.root).why
    counts = ws.run(store, batch_files=1)
    assert (counts["candidates"], counts["new"], counts["refused"]) == (4, 2, 1)
    assert tables(store, first_seq=True) == before
    check_books(store)


def test_pairs_that_a_better_reader_no_longer_gives_are_removed(store: Store, ws: Workspace) -> None:
    ws.put("a.jsonl", SENT)
    ws.run(store)

    def better(path: Path) -> Reading:
        whole = read(path)
        return Reading(whole.format, 1, whole.candidates.head(1), whole.rejects)

    age(store)
    ws.run(store, reader=better)
    assert store.query("SELECT question, occurrences FROM pairs").rows() == [("What is RSI?", 1)]
    check_books(store)


def test_a_mapping_for_one_file_makes_only_that_file_pending(store: Store, ws: Workspace) -> None:
    ws.put("a.jsonl", SENT[:1])
    ws.put("b.jsonl", ["unmapped"])
    assert ws.run(store)["unmapped"] == 1
    assert dict(inbox(store, ws.inbox).select("path", "state").iter_rows())["inbox/b.jsonl"] == "unmapped"
    mappings = {"b.jsonl": {"question": "ask"}}
    assert pending(store, [ws.inbox], root=ws.root, mappings=mappings).amount == 1
    counts = ws.run(store, mappings=mappings)
    assert (counts["files"], counts["unmapped"], counts["rejects"]) == (1, 0, 1)
    assert not pending(store, [ws.inbox], root=ws.root, mappings=mappings)


class Poison:
    """A reader that dies on files named poison, `deaths` times."""

    def __init__(self, deaths: int = 99) -> None:
        self.deaths, self.calls = deaths, 0

    def __call__(self, path: Path) -> Reading:
        if "poison" in path.name:
            self.calls += 1
            if self.calls <= self.deaths:
                raise ReaderDied("reader_crashed", "signal 11")
        return read(path)


def test_a_poisonous_file_is_parked_after_three_deaths_and_the_run_goes_on(store: Store, ws: Workspace) -> None:
    ws.put("1_poison.jsonl", SENT)
    ws.put("2_good.jsonl", SENT[:1])
    reader = Poison()
    assert ws.run(store, reader=reader)["new"] == 1
    assert reader.calls == 3
    row = delivery(store, "inbox/1_poison.jsonl")
    assert (row["state"], row["reason"], row["attempts"]) == ("refused", PARKED, 3)
    assert "signal 11" in row["evidence"]
    assert ws.run(store, reader=reader) == {}
    assert reader.calls == 3
    age(store)
    assert ws.run(store, reader=Poison(0))["new"] == 2
    check_books(store)


def test_a_reader_that_died_once_is_tried_again_and_counted(store: Store, ws: Workspace) -> None:
    ws.put("poison.jsonl", SENT)
    reader = Poison(1)
    steps = ws.job(store, reader=reader)
    next(steps)
    assert delivery(store, "inbox/poison.jsonl")["reason"] == "reader_died"
    steps.close()  # the process ends here; the next run goes on with the second attempt
    assert "its reader died" in pending(store, [ws.inbox], root=ws.root).why
    assert ws.run(store, reader=reader)["new"] == 2
    row = delivery(store, "inbox/poison.jsonl")
    assert (row["state"], row["reason"], row["attempts"]) == ("accepted", None, 2)
    check_books(store)


def test_what_was_accepted_stays_while_its_reader_dies_and_goes_when_it_is_parked(store: Store, ws: Workspace) -> None:
    ws.put("poison.jsonl", SENT)
    ws.run(store)
    age(store)
    steps = ws.job(store, reader=Poison())
    next(steps)
    next(steps)
    assert store.value("SELECT count(*) FROM pairs") == 2
    next(steps)
    assert store.value("SELECT count(*) FROM pairs") == 0
    assert delivery(store, "inbox/poison.jsonl")["reason"] == PARKED
    check_books(store)


def test_retracting_re_elects_and_restoring_brings_everything_back_exactly(store: Store, ws: Workspace) -> None:
    ws.put("a.jsonl", SENT)
    ws.put("b.jsonl", [SENT[1]] * 3)
    ws.run(store)
    before = tables(store, first_seq=True)
    told = retract(store, "inbox/b.jsonl", why="wrong file")
    assert (told["state"], told["occurrences"], told["pairs"], told["left"]) == ("retracted", 3, 1, 0)
    shown = store.query("SELECT question, occurrences FROM pairs WHERE lower(question) LIKE '%rsi%'").row(0)
    assert shown == ("What is RSI?", 2)
    retract(store, "inbox/a.jsonl", why="all of it")
    assert store.query("SELECT DISTINCT occurrences FROM pairs").rows() == [(0,)]
    assert store.value("SELECT count(*) FROM occurrences") == 6
    check_books(store)
    assert ws.run(store) == {}
    assert inbox(store, ws.inbox)["state"].to_list() == ["retracted", "retracted"]
    restore(store, "inbox/b.jsonl")
    restore(store, "inbox/a.jsonl")
    assert tables(store, first_seq=True) == before
    with pytest.raises(NotFoundError, match="accepted"):
        restore(store, "inbox/a.jsonl")


def test_a_retracted_file_stays_retracted_when_it_is_sent_again(store: Store, ws: Workspace) -> None:
    path = ws.put("a.jsonl", SENT)
    ws.run(store)
    retract(store, "inbox/a.jsonl", why="wrong")
    shutil.copy(path, ws.inbox / "sent_again.jsonl")
    age(store)
    ws.run(store)
    assert delivery(store, "inbox/sent_again.jsonl")["state"] == "retracted"
    assert store.value("SELECT sum(occurrences) FROM pairs") == 0


def test_names_that_fit_none_or_several_deliveries_say_which_there_are(store: Store, ws: Workspace) -> None:
    ws.put("a.jsonl", SENT)
    ws.put("b.jsonl", SENT[:1])
    ws.run(store)
    first = deliveries(store)["delivery"][0]
    assert delivery(store, first[:10])["path"] == delivery(store, "a.jsonl")["path"] == "inbox/a.jsonl"
    with pytest.raises(NotFoundError, match=r"no delivery 'zzz'; there are: .*inbox/a.jsonl"):
        delivery(store, "zzz")
    with pytest.raises(NotFoundError, match="names 2 deliveries"):
        delivery(store, "")


def test_the_inbox_says_what_became_of_each_file(tmp_path: Path, ws: Workspace) -> None:
    ws.put("known.jsonl", SENT)
    ws.put("refused.jsonl", ["refused"])
    path = ws.put("changed.jsonl", SENT[:1])
    with Store.open(tmp_path / "motherlode.duckdb", write=True) as store:
        ws.run(store)
    assert set(inbox(None, ws.inbox)["state"]) == {"new"}
    path.write_text(json.dumps(SENT[2]), encoding="utf-8")
    ws.put("new.jsonl", SENT[2:])
    ws.put("half.jsonl.part", SENT)
    ws.put(".hidden", SENT)
    ws.put("__MACOSX/junk.jsonl", SENT)
    with Store.open(tmp_path / "motherlode.duckdb") as store:
        found = inbox(store, ws.inbox)
    assert dict(found.select("path", "state").iter_rows()) == {
        "inbox/changed.jsonl": "changed",
        "inbox/half.jsonl.part": "arriving",
        "inbox/known.jsonl": "known",
        "inbox/new.jsonl": "new",
        "inbox/refused.jsonl": "refused",
    }
    assert found.filter(path="inbox/known.jsonl")["pairs"].item() == 3
    assert found.filter(path="inbox/refused.jsonl")["reason"].item() == "refused"


def test_a_file_that_still_grows_waits(store: Store, ws: Workspace) -> None:
    path = ws.put("a.jsonl", SENT[:1], age_s=0)

    def grow(_: float) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(SENT[2]))

    assert ws.run(store, sleep=grow) == {}
    assert inbox(store, ws.inbox, sleep=grow)["state"].to_list() == ["arriving"]
    naps: list[float] = []
    assert ws.run(store, sleep=naps.append)["candidates"] == 3
    assert len(naps) == 1
    ws.run(store, sleep=naps.append)
    assert len(naps) == 1  # nothing to do, nothing to wait for


def test_the_stores_own_files_are_no_deliveries(tmp_path: Path) -> None:
    ws = Workspace(tmp_path)
    ws.put("a.jsonl", SENT)
    other = ws.put("other.duckdb", SENT[:1])
    with Store.open(tmp_path / "motherlode.duckdb", write=True) as store:
        ws.run(store, [tmp_path])
        assert deliveries(store)["path"].to_list() == ["inbox/a.jsonl", f"inbox/{other.name}"]


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_links_out_of_the_workspace_are_not_followed(store: Store, tmp_path: Path) -> None:
    ws = Workspace(tmp_path / "workspace")
    secret = tmp_path / "secret.jsonl"
    secret.write_text(json.dumps(SENT[0]), encoding="utf-8")
    inside = ws.put("real.jsonl", SENT)
    (ws.inbox / "out.jsonl").symlink_to(secret)
    (ws.inbox / "in.jsonl").symlink_to(inside)
    (ws.inbox / "nowhere.jsonl").symlink_to(ws.inbox / "gone")
    (ws.inbox / "loop").symlink_to(ws.inbox)
    os.mkfifo(ws.inbox / "pipe")
    ws.run(store)
    barred = {
        "inbox/loop": "folder_loop",
        "inbox/nowhere.jsonl": "broken_link",
        "inbox/out.jsonl": "link_leaves_workspace",
        "inbox/pipe": "not_a_file",
    }
    states = {row["path"]: row["reason"] or row["state"] for row in inbox(store, ws.inbox).to_dicts()}
    assert states == barred | {"inbox/in.jsonl": "known", "inbox/real.jsonl": "known"}
    refused = deliveries(store).filter(pl.col("state") == "refused")
    assert dict(refused.select("path", "reason").iter_rows()) == barred
    assert ws.run(store) == {}
    for name in ("loop", "nowhere.jsonl", "out.jsonl"):
        (ws.inbox / name).unlink()
    assert ws.run(store) == {"barred": 0, "cleared": 3}
    assert deliveries(store)["path"].to_list() == ["inbox/in.jsonl", "inbox/pipe"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_what_we_have_no_right_to_read_is_refused_until_we_have_it(store: Store) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are shut to others than their owner
        Path(name).chmod(0o755)
        ws = Workspace(Path(name) / "workspace")
        ws.put("open.jsonl", SENT[:1])
        shut, folder = ws.put("shut.jsonl", SENT[1:]), ws.put("folder/inside.jsonl", SENT).parent
        shut.chmod(0)
        folder.chmod(0)
        before = os.geteuid()
        try:
            if before == 0:
                os.seteuid(65_534)  # to root nothing is shut
            assert ws.run(store)["new"] == 1
        finally:
            os.seteuid(before)
        refused = deliveries(store).filter(pl.col("state") == "refused")
        assert refused.select("path", "reason", "evidence").rows() == [
            ("inbox/folder", "unreadable", "permission denied"),
            ("inbox/shut.jsonl", "unreadable", "permission denied"),
        ]
        shut.chmod(0o644)
        folder.chmod(0o755)
        assert ws.run(store)["new"] == 1
        assert set(deliveries(store)["state"]) == {"accepted"}


def test_a_path_that_does_not_exist_is_said_before_anything_is_done(store: Store, ws: Workspace) -> None:
    ws.put("a.jsonl", SENT)
    with pytest.raises(DeliveryError, match=r"nowhere does not exist"):
        ws.run(store, [ws.inbox, ws.root / "nowhere"])
    assert deliveries(store).is_empty()


def test_a_limit_ends_at_a_unit_and_says_what_is_left(store: Store, ws: Workspace) -> None:
    for number in range(4):
        ws.put(f"{number}.jsonl", [{"question": f"Q{number}.{n}?", "answer": "A."} for n in range(3)])
    steps = list(ws.job(store, limit=4))
    assert sum(step.counts["candidates"] for step in steps) == 6
    assert steps[-1].counts["left"] == 2
    assert "stopped at the limit" in steps[-1].unit
    assert ws.run(store)["candidates"] == 6


def test_a_record_that_the_reader_lost_is_an_error(store: Store, ws: Workspace) -> None:
    ws.put("a.jsonl", SENT)

    def leaky(path: Path) -> Reading:
        reading = read(path)
        object.__setattr__(reading, "records", reading.records + 1)
        return reading

    with pytest.raises(StoreError, match="4 records were read, but 3 gave"):
        ws.run(store, reader=leaky)
    assert deliveries(store).is_empty()


def test_another_writer_that_was_faster_is_not_doubled(tmp_path: Path) -> None:
    ws = Workspace(tmp_path)
    ws.put("a.jsonl", SENT)
    with Store.open(tmp_path / "s.duckdb", write=True) as store:

        def slow(path: Path) -> Reading:
            ws.run(store)  # reads and commits the same file meanwhile
            return read(path)

        assert ws.run(store, reader=slow)["candidates"] == 0
        assert store.value("SELECT count(*) FROM occurrences") == 3
        check_books(store)


def test_sender_and_session_may_be_told_or_come_from_folders(store: Store, ws: Workspace, tmp_path: Path) -> None:
    ws.put("top.jsonl", SENT[:1])
    outside = tmp_path / "elsewhere" / "zai" / "x.jsonl"
    outside.parent.mkdir(parents=True)
    outside.write_text(json.dumps(SENT[2] | {"source_session": "7"}), encoding="utf-8")
    ws.run(store)
    ws.run(store, [tmp_path / "elsewhere"])
    ws.run(store, [ws.put("told.jsonl", SENT[:2])], sender="claude")
    found = deliveries(store).select("path", "sender", "source_session").rows()
    assert found == [
        ("elsewhere/zai/x.jsonl", "zai", "7"),
        ("inbox/told.jsonl", "claude", None),
        ("inbox/top.jsonl", None, None),
    ]


def test_many_known_files_are_passed_over_quickly(store: Store, ws: Workspace) -> None:
    for number in range(300):
        ws.put(f"{number % 7}/{number}.jsonl", [{"question": f"Q{number}?", "answer": "A."}])
    steps: Callable[[], list[Any]] = lambda: list(ws.job(store))  # noqa: E731 - named for the two calls below
    assert [len(steps()), len(steps())] == [5, 0]
    started = time.process_time()
    assert steps() == []
    assert time.process_time() - started < 0.3


def test_the_default_reader_reads_in_a_child(store: Store, ws: Workspace) -> None:
    ws.put("droid/session_101_rsi.json", ['{"indicator": "RSI", "qa_pairs": [{"question": "Q?", "answer": "A."}]}'])
    counts = ws.run(store, reader=None)
    assert (counts["new"], counts["rejects"]) == (1, 0)
    assert store.query("SELECT indicator, category FROM pairs").row(0) == ("RSI", "momentum")
