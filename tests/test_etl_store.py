"""The store: units that are whole or nothing, a lock with a name, books that notice missing commits."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from etl import Recipe, Store
from etl.errors import (
    FencedOffError,
    HardStop,
    NotFoundError,
    StoreDamagedError,
    StoreError,
    StoreLockedError,
    StoreVersionError,
)
from etl.store import Fence, migrate, snapshot
from etl.store.migrate import Migration
from etl.store.stale import why_stale

GROUP = pl.DataFrame({"kind": ["k"], "group_id": ["g"], "key": ["x"]})


def groups(store: Store) -> int:
    return store.value("SELECT count(*) FROM groups")


def add(store: Store, unit: str = "u") -> None:
    with store.unit("test", unit) as work:
        work.counts["rows"] = work.insert("groups", GROUP)


def test_a_unit_commits_its_rows_and_its_ledger_row_together(store: Store) -> None:
    add(store)
    assert groups(store) == 1
    assert store.query("SELECT job, unit, counts::VARCHAR AS c FROM ledger").rows() == [("test", "u", '{"rows": 1}')]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, HardStop])
def test_an_exception_inside_a_unit_rolls_everything_back(store: Store, error: type[BaseException]) -> None:
    with pytest.raises(error), store.unit("test", "u") as work:
        work.insert("groups", GROUP)
        raise error
    assert groups(store) == 0
    assert store.last_seq("test") == 0
    add(store)
    assert groups(store) == 1


def test_a_failed_statement_cannot_be_committed_by_swallowing_it(store: Store) -> None:
    """DuckDB commits an aborted transaction without complaint and discards it; the store must notice."""
    with pytest.raises(Exception, match=r"abort|Abort"), store.unit("test", "u") as work:
        work.insert("groups", GROUP)
        try:
            work.execute("SELECT no_such_column FROM groups")
        except Exception:  # noqa: BLE001 - a careless caller is what is tested
            work.counts["swallowed"] = 1
    assert groups(store) == 0


def test_a_store_opened_for_reading_cannot_write(tmp_path: Path) -> None:
    with Store.open(tmp_path, write=True) as store:
        add(store)
    with Store.open(tmp_path) as reader:
        assert groups(reader) == 1
        with pytest.raises(StoreError, match="write=True"), reader.unit("test", "u"):
            pass


def test_reading_where_there_is_nothing_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="etl run"):
        Store.open(tmp_path)


def test_readers_see_the_newest_snapshot_and_not_what_came_after(tmp_path: Path) -> None:
    with Store.open(tmp_path, write=True) as store:
        add(store)
        snapshot.create(store)
        add(store, "v")
        with Store.open(tmp_path) as reader:
            assert groups(reader) == 1
            assert reader.snapshot is not None
        assert groups(store) == 2


def test_a_second_writer_waits_and_is_told_who_holds_the_store(tmp_path: Path) -> None:
    with Store.open(tmp_path, write=True) as first, first.unit("test", "u"):
        script = f"""
            from etl import Store
            from etl.errors import StoreLockedError
            try:
                Store.open({str(tmp_path)!r}, write=True, wait_s=0.2)
            except StoreLockedError as error:
                print(error)
            """
        told = python(script)
    assert f"process {os.getpid()}" in told


def test_an_idle_writer_lets_go_when_another_asks(tmp_path: Path) -> None:
    """The lock is not kept between units once somebody waits, whatever the first writer computes meanwhile."""
    with Store.open(tmp_path, write=True) as first:
        add(first)
        script = f"""
            from etl import Store
            with Store.open({str(tmp_path)!r}, write=True, wait_s=5) as second:
                with second.unit("test", "other") as work:
                    work.counts["n"] = 1
            print("done")
            """
        assert python(script).strip() == "done"
        add(first, "again")
        assert first.value("SELECT count(*) FROM ledger") == 3


def test_four_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    Store.open(tmp_path, write=True).close()
    script = f"""
        import sys
        from etl import Store
        with Store.open({str(tmp_path)!r}, write=True, wait_s=60) as store:
            for n in range(10):
                with store.unit("test", f"{{sys.argv[1]}}-{{n}}") as work:
                    work.counts["n"] = 1
        """
    writers = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), str(n)]) for n in range(4)]
    assert [w.wait(timeout=120) for w in writers] == [0, 0, 0, 0]
    with Store.open(tmp_path, write=True) as store:
        assert store.query("SELECT count(*) AS n, count(DISTINCT unit) AS d, max(seq) AS s FROM ledger").row(0) == (
            40,
            40,
            40,
        )


def test_acknowledged_units_survive_a_kill_at_any_instant(tmp_path: Path) -> None:
    script = f"""
        from etl import Store
        import polars as pl
        store = Store.open({str(tmp_path)!r}, write=True)
        while True:
            n = store.value("SELECT count(*) FROM ledger")
            with store.unit("test", str(n)) as work:
                work.insert("groups", pl.DataFrame({{"kind": ["k"], "group_id": ["g"], "key": [str(n)]}}))
            print(n + 1, flush=True)
        """
    acknowledged = 0
    for attempt in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        assert child.stdout is not None
        for _ in range(5 + attempt):
            acknowledged = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        rest = child.stdout.read().split()
        acknowledged = int(rest[-1]) if rest else acknowledged
        child.wait()
        with Store.open(tmp_path, write=True) as store:
            units, rows = store.query("SELECT (SELECT count(*) FROM ledger), (SELECT count(*) FROM groups)").row(0)
        assert units == rows
        assert units >= acknowledged


def test_missing_commits_are_noticed(tmp_path: Path) -> None:
    """A truncated log opens silently as a prefix of the commits; the mark beside the store knows better."""
    with Store.open(tmp_path, write=True) as store:
        add(store)
    shutil.copy(tmp_path / "motherlode.duckdb", tmp_path / "old")
    with Store.open(tmp_path, write=True) as store:
        add(store, "v")
    shutil.copy(tmp_path / "old", tmp_path / "motherlode.duckdb")
    with pytest.raises(StoreDamagedError, match="commits are missing"):
        Store.open(tmp_path, write=True)
    (tmp_path / "motherlode.duckdb").unlink()
    with pytest.raises(StoreDamagedError, match="is gone"):
        Store.open(tmp_path, write=True)


def test_a_damaged_store_is_restored_from_its_snapshot_and_the_old_file_kept(tmp_path: Path) -> None:
    with Store.open(tmp_path, write=True) as store:
        add(store)
        made = snapshot.create(store)
    (tmp_path / "motherlode.duckdb").write_bytes(b"not a database")
    former = snapshot.restore(Store.damaged(tmp_path / "motherlode.duckdb"), made)
    assert former is not None
    assert former.read_bytes() == b"not a database"
    with Store.open(tmp_path, write=True) as store:
        assert groups(store) == 1


def test_a_snapshot_with_one_changed_byte_does_not_verify(tmp_path: Path) -> None:
    with Store.open(tmp_path, write=True) as store:
        add(store)
        made = snapshot.create(store)
    snapshot.verify(made)
    content = bytearray(made.path.read_bytes())
    content[len(content) // 2] ^= 1
    made.path.write_bytes(content)
    with pytest.raises(StoreDamagedError):
        snapshot.verify(made)


def test_an_unchanged_store_makes_no_new_snapshot(tmp_path: Path) -> None:
    with Store.open(tmp_path, write=True) as store:
        add(store)
        assert snapshot.create(store).path == snapshot.create(store).path


def test_the_last_three_snapshots_and_one_a_day_for_a_week_are_kept(tmp_path: Path) -> None:
    day = datetime(2026, 1, 1, 12, tzinfo=UTC)
    times = iter([day + timedelta(days=n, hours=h) for n in range(12) for h in (0, 1)])
    clock = {"now": day}
    with Store.open(tmp_path, write=True, now=lambda: clock["now"]) as store:
        for n, clock["now"] in enumerate(times):
            add(store, str(n))
            snapshot.create(store)
        kept = snapshot.listed(store.snapshots)
    assert [s.created.day for s in kept] == [12, 12, 11, 10, 9, 8, 7, 6]


def test_a_fenced_off_writer_is_stopped_and_writes_nothing(store: Store) -> None:
    store.fence = Fence("task", 2)
    add(store)
    store.fence = Fence("task", 1)
    with pytest.raises(FencedOffError):
        add(store, "late")
    assert groups(store) == 1


def test_a_store_of_an_older_version_is_migrated_step_by_step_after_a_snapshot(tmp_path: Path) -> None:
    with Store.open(tmp_path, write=True) as store:
        add(store)
        taken: list[int] = []
        first, second = migrate.VERSION + 1, migrate.VERSION + 2
        steps = [
            Migration(first, "colours", "ALTER TABLE groups ADD COLUMN colour VARCHAR"),
            Migration(second, "paint", "UPDATE groups SET colour = 'blue'"),
        ]
        with store.exclusive() as con:
            done = migrate.migrate(
                con, at=store.now(), snapshot_first=lambda: taken.append(1), migrations=steps, newest=second
            )
        assert [s.number for s in done] == [first, second]
        assert taken == [1]
        assert store.query("SELECT colour FROM groups").item() == "blue"
    with pytest.raises(StoreVersionError, match="upgrade Motherlode"):
        Store.open(tmp_path, write=True)


@pytest.mark.parametrize("count", [3, 130_000])
def test_small_and_large_frames_match_columns_by_name_alike(store: Store, count: int) -> None:
    """Large ones take another way into the database; a column too many must not get lost there."""
    rows = pl.DataFrame({"kind": "k", "group_id": "g", "key": [str(n) for n in range(count)]})
    with store.unit("test", "named") as unit:
        unit.insert("groups", rows.select("key", "group_id", "kind"))
    assert store.query("SELECT DISTINCT kind, group_id FROM groups").row(0) == ("k", "g")
    with pytest.raises(duckdb.BinderException), store.unit("test", "too many") as unit:
        unit.insert("groups", rows.with_columns(colour=pl.lit("red")))


def test_a_large_frame_whose_columns_hold_one_value_each_arrives_whole(store: Store) -> None:
    count = 130_000
    same = {"flag": 'it\'s "so"', "scope": "pair", "evidence": None, "recipe": "r"}
    rows = pl.DataFrame({"key": "k", **same}).select(pl.all().repeat_by(count).explode())
    lists = {"sources": [[]], "licences": [["x"]], "phrasings": [[]], "alternatives": [[]]}
    pairs = pl.DataFrame({"key": "k", "question": "q", "answer": "a", "question_key": "q", "answer_key": "a", **lists})
    whole = pairs.with_columns(
        *(pl.lit(None, dtype=pl.String).alias(name) for name in ("context", "context_key", "indicator", "metadata")),
        category=pl.lit("c"),
        occurrences=pl.lit(1, dtype=pl.Int32),
        first_seq=pl.lit(2**40, dtype=pl.Int64),
    )
    with store.unit("test", "same") as unit:
        unit.insert("flags", rows)
        unit.insert("pairs", pl.concat([whole] * count))
    assert store.query("SELECT *, count(*) FROM flags GROUP BY ALL").rows() == [("k", *same.values(), count)]
    seen = store.query(
        "SELECT sources, licences, category, context, occurrences, first_seq, count(*) FROM pairs GROUP BY ALL"
    )
    assert seen.rows() == [([], ["x"], "c", None, 1, 2**40, count)]


def test_every_released_schema_version_still_opens(tmp_path: Path) -> None:
    """One fixture a released version lies in tests/stores/; each must migrate to the present one."""
    for fixture in sorted((Path(__file__).parent / "stores").glob("v*.sql")):
        folder = tmp_path / fixture.stem
        folder.mkdir()
        build_store(folder / "motherlode.duckdb", fixture.read_text(encoding="utf-8"))
        with Store.open(folder, write=True) as store, store.exclusive() as con:
            assert migrate.version_of(con) == migrate.VERSION
            assert groups(store) == 1


def build_store(path: Path, script: str) -> None:
    import duckdb

    con = duckdb.connect(str(path))
    con.execute(script)
    con.close()


def test_a_stage_is_stale_after_a_changed_recipe_or_new_rows_and_says_why(store: Store) -> None:
    first, second = Recipe("resolve", 1, {"threshold": 0.9}), Recipe("resolve", 1, {"threshold": 0.92})
    assert why_stale(store, "resolve", first, after=["ingest"]) == "never run"
    with store.unit("resolve", "all", recipe=first):
        pass
    assert why_stale(store, "resolve", first, after=["ingest"]) == ""
    assert why_stale(store, "resolve", second, after=["ingest"]) == "changed: threshold 0.9 -> 0.92"
    with store.unit("ingest", "file"):
        pass
    assert why_stale(store, "resolve", first, after=["ingest"]) == "new rows from ingest"


def test_the_store_reaches_no_file_outside_its_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("a\n1\n", encoding="utf-8")
    with Store.open(tmp_path / "ws", write=True) as store:
        with pytest.raises(Exception, match="ermission"):
            store.query(f"SELECT * FROM read_csv('{outside.as_posix()}')")
        with pytest.raises(Exception, match="locked"), store.exclusive() as con:
            con.execute("SET enable_external_access = true")


def test_a_writer_idle_for_a_second_holds_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path, write=True) as store:
        add(store)
        time.sleep(1.3)
        with Store.open(tmp_path, write=True, wait_s=0) as other:
            add(other, "v")
    with pytest.raises(StoreLockedError), Store.open(tmp_path, write=True) as store, store.unit("test", "w"):
        Store.open(tmp_path, write=True, wait_s=0)


def python(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_sheet_or_mark_that_was_cut_short_is_named_not_a_traceback(tmp_path: Path) -> None:
    with Store.open(tmp_path, write=True) as store:
        add(store)
        first = snapshot.create(store)
        add(store, "v")
        snapshot.create(store)
    first.path.with_name(first.path.name + ".json").write_bytes(b"")
    assert [s.seq for s in snapshot.listed(tmp_path / "snapshots")] == [2]
    (tmp_path / "motherlode.duckdb.mark").write_bytes(b"")
    with pytest.raises(StoreDamagedError, match="cut short"):
        Store.open(tmp_path, write=True)
