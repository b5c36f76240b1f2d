"""Archives: each file in them is a delivery of its own, nothing gets out of its folder, and the books balance."""

import io
import json
import os
import stat
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import Store, Tally, drain
from etl.ingest import deliveries, ingest, rejects, restore, retract
from etl.read import Reader, ReaderDied, Reading, read
from etl.read.archive import Unpacked, unpack


def lines(*numbers: int) -> bytes:
    """Pairs as JSON lines."""
    return "\n".join(json.dumps({"question": f"What is {i}?", "answer": f"It is {i}."}) for i in numbers).encode()


def zipped(members: dict[str, bytes], *, flags: dict[str, int] | None = None) -> bytes:
    """A zip file; `flags` are external attributes by name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (flags or {}).get(name, 0)
            archive.writestr(info, content)
    return out.getvalue()


def opened(path: Path, into: Path, *, at_most: int = 10**9) -> Unpacked:
    """Unpack in this process, as the child would."""
    return unpack(path, into, at_most=at_most)


class Desk:
    """A workspace and how a run looks at its inbox."""

    def __init__(self, root: Path, store: Store) -> None:
        self.root, self.store, self.inbox = root, store, root / "inbox"
        self.inbox.mkdir()
        self.read: list[str] = []

    def put(self, name: str, content: bytes) -> Path:
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        then = time.time() - 60 - len(list(self.inbox.iterdir()))
        os.utime(path, (then, then))
        return path

    def _read(self, path: Path, **options: Any) -> Reading:
        self.read.append(path.name)
        return read(path, **options)

    def run(self, **options: Any) -> dict[str, int]:
        options = {"reader": self._read, "unpack": opened} | options
        job = ingest(self.store, [self.inbox], meter=Tally(), root=self.root, inbox=self.inbox, **options)
        counts = dict(drain(job))
        assert not list(self.root.glob(".etl-unpacked-*")) or options.get("stop")
        self.check()
        return counts

    def check(self) -> None:
        """What must hold after every run."""
        value = self.store.value
        assert value("SELECT count(*) FROM deliveries WHERE candidates <> new + duplicates") == 0
        assert value("SELECT count(*) FROM deliveries WHERE records > candidates + rejects") == 0
        for table, figure in (("occurrences", "candidates"), ("rejects", "rejects"), ("pairs", "new")):
            assert value(f"SELECT count(*) FROM {table}") == value(f"SELECT sum({figure}) FROM deliveries")

    def states(self) -> dict[str, tuple[str, str | None]]:
        """Path -> state and reason, without the inbox."""
        rows = deliveries(self.store).select("path", "state", "reason").rows()
        return {path.removeprefix("inbox/"): (state, reason) for path, state, reason in rows}


@pytest.fixture
def desk(tmp_path: Path, store: Store) -> Desk:
    return Desk(tmp_path, store)


OK = ("accepted", None)


def test_each_file_of_an_archive_is_a_delivery_of_its_own(desk: Desk) -> None:
    desk.put(
        "droid/session_101.zip",
        zipped(
            {"data/a.jsonl": lines(1, 2), "b": lines(2, 3), "__MACOSX/b": b"x", ".hidden": b"x", "c.txt": b"Words."}
        ),
    )
    counts = desk.run()
    assert desk.states() == {
        "droid/session_101.zip": OK, "droid/session_101.zip!/data/a.jsonl": OK, "droid/session_101.zip!/b": OK,
        "droid/session_101.zip!/c.txt": ("refused", "plain_text"),
    }  # fmt: skip
    assert (counts["files"], counts["new"], counts["duplicates"], counts["refused"]) == (4, 3, 1, 1)
    rows = deliveries(desk.store).to_dicts()
    assert {(row["sender"], row["source_session"]) for row in rows} == {("droid", "101")}
    assert {row["shape"] for row in rows if row["path"].endswith(".zip")} == {"archive"}


def test_an_archive_sent_again_is_known_and_a_member_that_is_a_known_file_is_the_same_delivery(desk: Desk) -> None:
    desk.put("a.jsonl", lines(1, 2))
    content = zipped({"again.jsonl": lines(1, 2), "new.jsonl": lines(3)})
    desk.put("one.zip", content)
    desk.run()
    assert set(desk.states()) == {"a.jsonl", "one.zip", "one.zip!/new.jsonl"}
    desk.put("two.zip", content)
    desk.read.clear()
    assert (desk.run().get("new", 0), desk.read) == (0, [])
    desk.put("three.zip", zipped({"x": lines(3), "y": lines(4)}))
    assert desk.run()["new"] == 1
    assert "three.zip!/x" not in desk.states()
    desk.read.clear()
    assert (desk.run(), desk.read) == ({}, [])


@pytest.mark.parametrize(
    ("name", "reason"),
    [("../evil.jsonl", "unsafe_path"), ("/etc/evil", "unsafe_path"), ("a/../../evil", "unsafe_path"),
     ("C:\\evil", "unsafe_path"), ("..\\evil", "unsafe_path"), ("link", "link")],
)  # fmt: skip
def test_names_that_lead_out_of_the_archive_are_rejects(desk: Desk, name: str, reason: str) -> None:
    flags = {"link": (stat.S_IFLNK | 0o777) << 16}
    desk.put("a.zip", zipped({name: lines(1), "good.jsonl": lines(2)}, flags=flags))
    assert desk.run()["new"] == 1
    assert rejects(desk.store)["reason"].to_list() == [reason]
    assert {path.name for path in desk.root.rglob("*") if path.is_file()} == {"a.zip"}


def test_a_name_that_stands_twice_and_a_damaged_member_are_rejects(desk: Desk) -> None:
    out = io.BytesIO(zipped({"a#1": lines(1), "b": lines(2)}))
    with zipfile.ZipFile(out, "a") as archive:
        for number in (3, 4):
            with pytest.warns(UserWarning, match="Duplicate"):
                archive.writestr("a#1", lines(number))
    desk.put("a.zip", out.getvalue())
    assert desk.run()["new"] == 2
    assert rejects(desk.store)["reason"].to_list() == ["duplicate_member"] * 2
    broken = bytearray(zipped({"a": lines(*range(30)), "b": lines(90)}))
    broken[60] ^= 0xFF
    desk.put("b.zip", bytes(broken))
    desk.run()
    assert "broken_member" in rejects(desk.store)["reason"].to_list()


def test_one_archive_in_another_is_unpacked_and_no_deeper(desk: Desk) -> None:
    deepest = zipped({"d.jsonl": lines(4)})
    inner = zipped({"c.jsonl": lines(3), "deepest.zip": deepest})
    desk.put("outer.zip", zipped({"inner.zip": inner, "b.jsonl": lines(2)}))
    assert desk.run()["new"] == 2
    states = desk.states()
    assert states["outer.zip!/inner.zip!/c.jsonl"] == OK
    assert states["outer.zip!/inner.zip!/deepest.zip"] == ("refused", "nested_archive")


def test_bombs_are_refused_whole(desk: Desk, tmp_path: Path) -> None:
    desk.put("bomb.zip", zipped({"good.jsonl": lines(1), "zeros": bytes(40_000_000)}))
    desk.put("many.zip", zipped({f"{i}": bytes(1_000_000) for i in range(30)}))
    desk.run()
    assert set(desk.states().values()) == {("refused", "compression_bomb")}
    into = tmp_path / "into"
    into.mkdir()
    refusal = unpack(desk.put("c.zip", zipped({"a": os.urandom(5000)})), into, at_most=4000).reading.refusal
    assert refusal is not None
    assert refusal.reason == "file_too_large"


def test_a_limit_reached_inside_an_archive_leaves_the_rest_for_the_next_run(desk: Desk) -> None:
    desk.put("a.zip", zipped({f"{i}.jsonl": lines(i) for i in range(5)}))
    assert desk.run(limit=2)["new"] == 2
    assert "a.zip" not in desk.states()
    assert desk.run()["new"] == 3
    assert len(desk.states()) == 6
    assert desk.run() == {}


def test_a_run_that_dies_inside_an_archive_loses_and_doubles_nothing(desk: Desk) -> None:
    desk.put("a.zip", zipped({f"{i}.jsonl": lines(i, i + 1) for i in range(6)}))
    job = ingest(
        desk.store, [desk.inbox], meter=Tally(), root=desk.root, reader=read, unpack=opened, batch_files=2
    )  # fmt: skip
    next(job)
    del job
    desk.check()
    desk.run()
    assert desk.store.value("SELECT count(*) FROM pairs") == 7
    assert desk.run() == {}


def test_a_changed_recipe_mapping_or_a_death_reads_files_in_archives_again(desk: Desk) -> None:
    desk.put("a.zip", zipped({"a.jsonl": lines(1), "b.csv": b"alpha,beta\nWhat?,That\nWho?,He\n" * 9}))
    desk.run()
    assert desk.states()["a.zip!/b.csv"][0] != "accepted"
    counts = desk.run(mappings={"*.csv": {"question": "alpha", "answer": "beta"}})
    assert (counts["files"], desk.states()["a.zip!/b.csv"]) == (1, OK)
    assert desk.run(mappings={"*.csv": {"question": "alpha", "answer": "beta"}}) == {}

    def dies(path: Path, **options: Any) -> Reading:
        if not zipfile.is_zipfile(path):
            raise ReaderDied("reader_crashed", "as told")
        return read(path, **options)

    desk.put("c.zip", zipped({"c.jsonl": lines(7)}))
    mapped = {"mappings": {"*.csv": {"question": "alpha", "answer": "beta"}}}
    desk.run(reader=dies, **mapped)
    assert desk.states()["c.zip!/c.jsonl"][1] == "parked_after_three_attempts"
    with desk.store.unit("test", "an earlier version") as unit:
        unit.execute("UPDATE deliveries SET recipe = 'earlier'")
    assert desk.run(**mapped)["new"] >= 1
    assert desk.states()["c.zip!/c.jsonl"] == OK


def test_with_an_archive_its_files_are_taken_back_and_given_back(desk: Desk) -> None:
    desk.put("0known.jsonl", lines(1))
    desk.put("a.zip", zipped({"b.jsonl": lines(1, 2), "again": lines(1), "c.jsonl": lines(3)}))
    desk.run()
    live = "SELECT count(*) FROM pairs WHERE occurrences > 0"
    assert desk.store.value(live) == 3
    assert retract(desk.store, "inbox/a.zip", why="wrong")["left"] == 2
    assert desk.store.value(live) == 1
    assert desk.states()["0known.jsonl"] == OK
    assert desk.run() == {}
    restore(desk.store, "inbox/a.zip")
    assert desk.store.value(live) == 3
    retract(desk.store, "inbox/a.zip!/c.jsonl", why="by itself")
    retract(desk.store, "inbox/a.zip", why="wrong")
    restore(desk.store, "inbox/a.zip")
    assert desk.states()["a.zip!/c.jsonl"] == ("retracted", "retracted_by_user")


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """One child for the tests of this module."""
    with Reader(timeout_s=20) as shared:
        yield shared


def test_the_child_unpacks_as_this_process_would(tmp_path: Path, reader: Reader) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"ä/a.jsonl": lines(1), "../b": b"x"}))
    (tmp_path / "into").mkdir()
    found = reader.unpack(path, tmp_path / "into", at_most=1000)
    assert [(member.name, member.bytes) for member in found.members] == [("ä/a.jsonl", len(lines(1)))]
    assert Path(found.members[0].location).read_bytes() == lines(1)
    assert found.reading.rejects["reason"].to_list() == ["unsafe_path"]


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=5))
@settings(max_examples=80, deadline=None)
def test_damaged_archives_are_unpacked_with_balanced_books_or_refused(
    tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    good = zipped({"a.jsonl": lines(1, 2), "b/c.jsonl": lines(3)})
    at %= len(good)
    (folder / "a.zip").write_bytes(good[:at] + noise + good[at + len(noise) :])
    (folder / "into").mkdir()
    found = unpack(folder / "a.zip", folder / "into", at_most=10**6)
    assert len(found.members) + found.reading.records <= 2 or found.reading.refusal is not None
    assert {path.parent for path in folder.rglob("*") if path.is_file()} <= {folder, folder / "into"}


def test_the_default_reader_reads_archives_too(desk: Desk) -> None:
    desk.put("a.zip", zipped({"a.jsonl": lines(1), "b.json": json.dumps([{"question": "Q?", "answer": "A"}]).encode()}))
    assert desk.run(reader=None, unpack=None)["new"] == 2
