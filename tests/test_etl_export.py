"""A release: what leaves, what the gates hold back, the same bytes twice, and the same end after every kill."""

import csv
import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from etl import Recipe, Store, Tally, drain
from etl.errors import DiskFullError, NotFoundError, SettingsError, StoreDamagedError, StoreError
from etl.export import Release, build, export, job, pending, publish, recipe, releases, verify
from etl.export.build import Vectors
from etl.export.gather import gathered
from etl.keys import text_key

NAUGHTY = Path(__file__).resolve().parents[2] / "shared" / "data" / "hostile" / "naughty-strings" / "blns.json"
SOME_NAUGHTY = [
    "",
    "\r",
    "a\nb",
    'say "so", she said',
    "=1+1",
    "\u2028",
    "\x00",
    "\x7f",
    "\ufeffx",
    " x ",
    "-5%",
    "社會",
]
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class Killed(BaseException):
    """Stands for a kill: nothing in the code may catch it."""


@pytest.fixture
def filled(add_pairs: Any) -> Callable[[], tuple[Store, list[str]]]:
    """Makes equal stores: 20 pairs; 1 and 2 merged into 0, 3 and 4 contradict, 5 in review, 6 withheld, 7 retracted,
    8 graded F, 9 with a secret, 10 with another flag, all others plain; 2 holds a secret too."""

    def make() -> tuple[Store, list[str]]:
        store = Store.open(":memory:", now=lambda: NOON)
        rows = [
            {
                "question": f"What is {n}?",
                "answer": f"It is {n}.",
                "category": "ab"[n % 2],
                "sources": ["s"],
                "phrasings": [f"How is {n}?"] if n < 2 else [],
            }
            for n in range(20)
        ]
        keys = add_pairs(store, rows)
        status = {1: ("merged", 0), 2: ("merged", 0), 5: ("review", 5), 7: ("retracted", 7)}
        decisions = [
            {"key": k, "status": status.get(n, ("kept", 0))[0], "survivor": keys[status.get(n, ("", n))[1]],
             "reason": "alike" if n in (1, 2) else "unique", "evidence": '{"n":123456789012345678901234}',
             "recipe": "r"}
            for n, k in enumerate(keys)
        ]  # fmt: skip
        splits = [
            {"key": k, "split": "test" if n == 11 else "validation" if n == 12 else "train", "group_id": k,
             "frozen": None, "withheld": "bridges_splits" if n == 6 else None}
            for n, k in enumerate(keys) if n != 7
        ]  # fmt: skip
        grades = [
            {"key": k, "score": 0.125 * (n % 8), "grade": "F" if n == 8 else "B", "completeness": 0.5,
             "language": "en", "language_confidence": 0.9, "recipe": "r"}
            for n, k in enumerate(keys)
        ]  # fmt: skip
        flags = [(keys[9], "secret"), (keys[2], "secret"), (keys[10], "too_short"), (keys[9], "refusal")]
        pairs = [(keys[3], keys[4])]
        with store.unit("resolve", "all", recipe=Recipe("resolve", 3, {"threshold": 0.9})) as unit:
            unit.insert("decisions", pl.DataFrame(decisions))
            unit.insert("splits", pl.DataFrame(splits, schema_overrides={"frozen": pl.String, "withheld": pl.String}))
            unit.insert("grades", pl.DataFrame(grades))
            unit.insert(
                "flags",
                pl.DataFrame(flags, schema=["key", "flag"], orient="row").with_columns(
                    scope=pl.lit("pair"), recipe=pl.lit("r")
                ),
            )
            unit.insert(
                "conflicts",
                pl.DataFrame([{"a": min(p), "b": max(p), "kind": "number", "evidence": '["3","4"]'} for p in pairs]),
            )
            unit.insert("links", pl.DataFrame([link(keys[0], keys[1]), link(keys[0], keys[2])]))
            unit.insert("vectors", vectors(range(15)))
        return store, keys

    return make


def link(one: str, other: str) -> dict[str, Any]:
    return {
        "a": min(one, other), "b": max(one, other), "method": "cosine", "question_similarity": 0.97,
        "answer_similarity": 0.96, "question_overlap": 0.9, "answer_overlap": 0.8, "truncated": False, "recipe": "r",
    }  # fmt: skip


def vectors(numbers: range) -> pl.DataFrame:
    texts = [text for n in numbers for text in (f"What is {n}?", f"It is {n}.")]
    rows = [{"text_key": text_key(t), "recipe": "m", "tokens": 3, "truncated": False} for t in texts]
    values = [[float(i), 1.0, 0.0] for i in range(len(texts))]
    return pl.DataFrame(rows).with_columns(vector=pl.Series(values, dtype=pl.List(pl.Float32)))


def write_index(matrix: Vectors, path: Path) -> None:
    """As an index writer of a higher room would: here the bytes of the matrix alone."""
    assert matrix.dtype == np.float32
    path.write_bytes(matrix.tobytes())


def run(store: Store, exports: Path, **options: Any) -> Mapping[str, int]:
    return drain(export(store, exports, meter=Tally(), **options))


INDEXED: dict[str, Any] = {"vectors_recipe": "m", "write_index": write_index, "model": {"name": "x", "sha256": "00"}}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_release_holds_what_passes_the_gates_and_its_sums_tie(filled: Any, tmp_path: Path) -> None:
    store, keys = filled()
    counts = run(store, tmp_path, **INDEXED)
    release = Release.latest(tmp_path)
    told = release.manifest["counts"]
    assert release.verify() == []
    assert told["left_out"] == {
        "unsplit": 0, "ungraded": 0, "low_grade": 1, "empty_answer": 0, "personal_data": 0, "refusal": 1, "secret": 0,
        "conflict_lost": 0,
    }  # fmt: skip
    assert told["pairs"] == 20 == sum(told[n] for n in ("kept", "review", "merged", "retracted", "undecided"))
    assert told["kept"] + told["review"] == told["kept_pairs"] + told["withheld"]
    assert told["kept_pairs"] == told["exported"] + sum(told["left_out"].values())
    assert told["exported"] == 14 == sum(release.manifest["splits"].values()) == counts["exported"]
    assert (counts["train"], counts["validation"], counts["test"], counts["left_out"]) == (12, 1, 1, 2)
    gone = {keys[n] for n in (1, 2, 6, 7, 8, 9)}
    frames = {name: release.frame(name) for name in ("train", "validation", "test")}
    assert {k for frame in frames.values() for k in frame["key"]} == set(keys) - gone
    for name, frame in frames.items():
        assert frame["key"].to_list() == sorted(frame["key"])
        assert release.manifest["files"][f"{name}.csv"]["rows"] == frame.height
    text = b"".join(data for name, data in files_of(release.folder).items() if not name.endswith(".parquet"))
    assert not any(f"What is {n}?".encode() in text for n in (2, 6, 8, 9)), "left out of every file"


def test_optional_gates_leave_out_reviews_and_open_contradictions(filled: Any, tmp_path: Path) -> None:
    store, _ = filled()
    run(store, tmp_path, review="leave_out", conflicts="leave_out", min_grade="F", leave_out=("too_short",))
    left = Release.latest(tmp_path).manifest["counts"]["left_out"]
    assert {name: n for name, n in left.items() if n} == {"in_review": 1, "open_conflict": 2, "too_short": 1}
    assert (tmp_path / "v0001" / "contradictions.jsonl").read_bytes() == b""


def test_the_side_that_a_person_found_wrong_does_not_leave(filled: Any, tmp_path: Path) -> None:
    store, keys = filled()
    with store.unit("resolve", "all") as unit:
        unit.execute("UPDATE conflicts SET settled = ?", [keys[3]])
    run(store, tmp_path)
    release = Release.latest(tmp_path)
    assert release.manifest["counts"]["left_out"]["conflict_lost"] == 1
    assert keys[4] not in release.frame("train")["key"]
    assert keys[3] in release.frame("train")["key"]


def test_the_rag_file_has_every_pair_with_all_its_wordings_but_those_with_a_secret(filled: Any, tmp_path: Path) -> None:
    store, keys = filled()
    run(store, tmp_path)
    rows = {row["key"]: row for row in Release.latest(tmp_path).rag()}
    assert len(rows) == 14
    assert rows[keys[0]]["alternate_phrasings"] == ["How is 0?", "How is 1?", "What is 1?"]
    assert rows[keys[11]] == {
        "key": keys[11], "question": "What is 11?", "answer": "It is 11.", "context": None, "indicator": None,
        "category": "b", "sources": ["s"], "licences": [], "language": "en", "grade": "B", "split": "test",
        "alternate_phrasings": [], "alternatives": [], "occurrences": 1,
    }  # fmt: skip


def test_a_survivor_gathers_occurrences_sources_and_tags_of_what_was_merged_into_it() -> None:
    lists = dict.fromkeys(("sources", "licences", "alternatives"), pl.List(pl.String))
    fields = ["key", "indicator", "category", "sources", "licences", "alternatives", "occurrences"]
    types = {"indicator": pl.String, "category": pl.String, "occurrences": pl.Int32, **lists}
    rows = pl.DataFrame(
        [("a", None, "momentum", ["s2"], [], ["x"], 2), ("b", None, None, [], [], [], 1)],
        schema=fields, orient="row", schema_overrides=types,
    )  # fmt: skip
    members = pl.DataFrame(
        [("m", "a", "RSI", "trend", ["s1", "s2"], ["MIT"], [], 3), ("n", "a", "MACD", None, [], [], ["y"], 1)],
        schema=["key", "survivor", *fields[1:]], orient="row", schema_overrides=types,
    )  # fmt: skip
    found = gathered(rows, members)
    assert found.row(0) == ("a", "RSI", "momentum", ["s1", "s2"], ["MIT"], ["x", "y"], 6)
    assert found.row(1) == rows.row(1)
    assert found.schema == rows.schema
    assert gathered(rows, members.clear()).equals(rows)


def test_merged_groups_and_contradictions_are_told_with_their_evidence(filled: Any, tmp_path: Path) -> None:
    store, keys = filled()
    run(store, tmp_path)
    folder = tmp_path / "v0001"
    groups = json.loads((folder / "duplicate_analysis_detailed.json").read_text(encoding="utf-8"))
    assert [(g["survivor"], [m["key"] for m in g["members"]]) for g in groups] == [(keys[0], [keys[1]])]
    member = groups[0]["members"][0]
    assert member["evidence"] == {"n": 123456789012345678901234}
    assert (member["links"][0]["method"], member["links"][0]["question_similarity"]) == ("cosine", 0.97)
    assert set(member) >= {"key", "question", "answer", "decision", "method", "reason"}
    assert (member["question_similarity"], member["answer_similarity"]) == (
        (0.97, member["links"][0]["answer_similarity"]) if member["method"] == "cosine" else (None, None)
    )
    assert groups[0]["size"] == 2
    (line,) = (folder / "contradictions.jsonl").read_text(encoding="utf-8").splitlines()
    fact = json.loads(line)
    assert {fact["a"]["key"], fact["b"]["key"]} == {keys[3], keys[4]}
    assert (fact["kind"], fact["evidence"]) == ("number", ["3", "4"])


def test_an_index_has_a_key_for_each_position_and_missing_vectors_are_counted(filled: Any, tmp_path: Path) -> None:
    store, keys = filled()
    run(store, tmp_path, **INDEXED)
    release = Release.latest(tmp_path)
    index = release.index("answers")
    assert list(index.keys) == sorted(k for n, k in enumerate(keys) if n < 15 and n not in (1, 2, 6, 7, 8, 9))
    matrix = np.frombuffer(index.path.read_bytes(), dtype=np.float32).reshape(-1, 3)
    assert matrix[list(index.keys).index(keys[11]), 0] == 23.0
    assert release.manifest["vectors"]["answers"] == {"rows": 9, "missing": 5}
    with pytest.raises(NotFoundError, match="no index 'contexts'"):
        release.index("contexts")


@pytest.mark.parametrize("options", [{}, INDEXED, {"formats": ("json", "csv"), "csv_safe": True}])
def test_equal_stores_give_the_same_bytes(filled: Any, tmp_path: Path, options: dict[str, Any]) -> None:
    for name in ("one", "two"):
        run(filled()[0], tmp_path / name, **options)
    one, two = (files_of(tmp_path / name / "v0001") for name in ("one", "two"))
    assert one == two
    assert NOON.isoformat().encode() in one.pop("manifest.json")
    assert not any(b"2024" in data for data in one.values())


def test_an_unchanged_store_makes_no_new_release(filled: Any, tmp_path: Path) -> None:
    store, _ = filled()
    wanted = recipe()
    assert pending(store, tmp_path, recipe=wanted).why == "never run"
    assert run(store, tmp_path)["released"] == 1
    assert not pending(store, tmp_path, recipe=wanted)
    assert run(store, tmp_path) == {}
    with store.unit("audit", "all", recipe=Recipe("audit", 1)):
        pass
    assert pending(store, tmp_path, recipe=wanted).why == "new rows from audit"
    assert run(store, tmp_path)["unchanged"] == 1
    assert not pending(store, tmp_path, recipe=wanted)
    assert releases(store)["version"].to_list() == ["v0001"]


def test_another_setting_or_row_makes_the_next_release_and_keeps_the_last(filled: Any, tmp_path: Path) -> None:
    store, keys = filled()
    run(store, tmp_path)
    before = files_of(tmp_path / "v0001")
    assert "csv_safe" in pending(store, tmp_path, recipe=recipe(csv_safe=True)).why
    run(store, tmp_path, csv_safe=True)
    with store.unit("ingest", "more") as unit:
        unit.execute("UPDATE pairs SET occurrences = 2 WHERE key = ?", [keys[0]])
    run(store, tmp_path, csv_safe=True)
    assert releases(store)["version"].to_list() == ["v0001", "v0002", "v0003"]
    assert Release.latest(tmp_path).version == "v0003"
    assert files_of(tmp_path / "v0001") == before


def test_a_release_freezes_what_left_with_it_and_nothing_else(filled: Any, tmp_path: Path) -> None:
    store, keys = filled()
    assert run(store, tmp_path)["frozen"] == 15
    frozen = dict(store.query("SELECT key, split FROM frozen_splits").iter_rows())
    assert set(frozen) == set(keys) - {keys[n] for n in (2, 6, 7, 8, 9)}
    assert frozen[keys[11]] == "test"
    marked = store.query("SELECT key FROM splits WHERE frozen = 'v0001'")["key"]
    assert set(marked) == set(frozen)


KILLS = [
    (build, "write_table"),
    (build, "_merged_groups"),
    (publish, "manifest_of"),
    (publish, "seal"),
    (publish, "give_name"),
    (publish, "register"),
    (job, "_enter"),
    (publish, "point_at"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("module", "name"), KILLS, ids=[name for _, name in KILLS])
def test_after_a_kill_anywhere_the_next_call_ends_in_the_same_state(
    filled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, when: str
) -> None:
    store, _ = filled()
    original = getattr(module, name)

    def killed(*arguments: Any, **named: Any) -> Any:
        if when == "after":
            original(*arguments, **named)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed)
        with pytest.raises(Killed):
            run(store, tmp_path / "killed", **INDEXED)
    run(store, tmp_path / "killed", **INDEXED)
    calm, _ = filled()
    run(calm, tmp_path / "calm", **INDEXED)
    trees = [
        {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name != ".lock"}
        for root in (tmp_path / "killed", tmp_path / "calm")
    ]
    assert trees[0] == trees[1]
    for table in ("releases", "splits", "frozen_splits"):
        rows = [s.query(f"SELECT * FROM {table} ORDER BY ALL") for s in (store, calm)]
        assert rows[0].equals(rows[1])
    assert not pending(store, tmp_path / "killed", recipe=recipe(vectors_recipe="m", model=INDEXED["model"]))


def test_a_release_that_the_store_forgot_is_adopted_and_its_splits_hold(filled: Any, tmp_path: Path) -> None:
    """The store was restored from before the release, and a row stands elsewhere since."""
    store, keys = filled()
    run(store, tmp_path)
    restored, _ = filled()
    with restored.unit("split", "all") as unit:
        unit.execute("UPDATE splits SET split = 'train' WHERE key = ?", [keys[11]])
    with pytest.raises(StoreError, match="run 'etl split' first"):
        run(restored, tmp_path)
    assert releases(restored)["version"].to_list() == ["v0001"]
    from etl.split import pending as split_pending
    from etl.split import split

    assert split_pending(restored)
    drain(split(restored, meter=Tally()))
    run(restored, tmp_path)
    held = restored.query("SELECT split, frozen FROM splits WHERE key = ?", [keys[11]]).row(0)
    assert held == ("test", "v0001")


def test_a_release_folder_that_was_deleted_is_made_again_as_it_was(filled: Any, tmp_path: Path) -> None:
    store, _ = filled()
    run(store, tmp_path)
    before = files_of(tmp_path / "v0001")
    shutil.rmtree(tmp_path / "v0001")
    assert pending(store, tmp_path, recipe=recipe()).why == f"v0001 is not in {tmp_path}"
    run(store, tmp_path)
    assert files_of(tmp_path / "v0001") == before
    assert releases(store).height == 1


def test_an_altered_folder_is_neither_adopted_nor_overwritten(filled: Any, tmp_path: Path) -> None:
    store, _ = filled()
    run(filled()[0], tmp_path)
    (tmp_path / "v0001" / "train.csv").write_text("altered", encoding="utf-8")
    run(store, tmp_path)
    assert releases(store)["version"].to_list() == ["v0002"]
    assert verify(tmp_path / "v0001")
    assert verify(tmp_path / "v0002") == []


def test_a_writer_that_comes_in_between_leaves_the_export_pending(
    filled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = filled()
    original = publish.seal

    def disturbed(*arguments: Any) -> None:
        original(*arguments)
        with store.unit("ingest", "late"):
            pass

    with monkeypatch.context() as patch:
        patch.setattr(publish, "seal", disturbed)
        run(store, tmp_path)
    assert pending(store, tmp_path, recipe=recipe())
    assert run(store, tmp_path)["unchanged"] == 1
    assert not pending(store, tmp_path, recipe=recipe())


def test_verify_names_every_difference(filled: Any, tmp_path: Path) -> None:
    run(filled()[0], tmp_path)
    folder = tmp_path / "v0001"
    (folder / "train.csv").unlink()
    data = bytearray((folder / "test.parquet").read_bytes())
    data[50] ^= 1
    (folder / "test.parquet").write_bytes(data)
    with (folder / "test.jsonl").open("ab") as file:
        file.write(b"\n")
    (folder / "stray.txt").write_text("x", encoding="utf-8")
    said = "\n".join(verify(folder))
    for part in ("train.csv is missing", "test.parquet has changed", "test.jsonl has ", "stray.txt is not in"):
        assert part in said
    assert "cannot be used" in verify(tmp_path / "nowhere")[0]


def test_no_room_is_told_before_anything_is_written(
    filled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**6))  # type: ignore[attr-defined]  # the tuple that disk_usage returns
    store, _ = filled()
    with pytest.raises(DiskFullError, match="MiB free"):
        run(store, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == []


def test_settings_that_cannot_be_meant_are_told(filled: Any, tmp_path: Path) -> None:
    store, _ = filled()
    for wrong in ({"formats": ("xls",)}, {"min_grade": "E"}, {"conflicts": "drop"}, {"vectors_recipe": "m"}):
        with pytest.raises(SettingsError):
            run(store, tmp_path, **wrong)


def test_a_key_that_stands_twice_stops_the_export(filled: Any, tmp_path: Path) -> None:
    store, _ = filled()
    with store.unit("resolve", "broken") as unit:
        unit.execute("INSERT INTO splits SELECT * FROM splits LIMIT 5")
    with pytest.raises(StoreDamagedError, match="twice"):
        run(store, tmp_path)


def test_an_empty_store_gives_a_valid_empty_release(store: Store, tmp_path: Path) -> None:
    run(store, tmp_path)
    release = Release.latest(tmp_path)
    assert release.rag() == []
    assert json.loads((release.folder / "train.json").read_text(encoding="utf-8")) == []
    assert release.frame("train").is_empty()
    assert release.verify() == []


# ── texts survive ────────────────────────────────────────────────────────────────────────────────────────────────


def naughty_strings() -> list[str]:
    return SOME_NAUGHTY + (json.loads(NAUGHTY.read_text(encoding="utf-8")) if NAUGHTY.is_file() else [])


@pytest.fixture
def naughty_release(store: Store, add_pairs: Any, tmp_path: Path) -> Callable[..., tuple[Release, dict[str, str]]]:
    def make(**options: Any) -> tuple[Release, dict[str, str]]:
        texts = {f"{n:032x}": text for n, text in enumerate(naughty_strings())}
        add_pairs(
            store,
            [{"key": k, "question": t, "answer": t, "phrasings": [t], "category": None} for k, t in texts.items()],
        )
        with store.unit("resolve", "all", recipe=Recipe("resolve", 1)) as unit:
            unit.execute("INSERT INTO decisions SELECT key, 'kept', key, 'unique', NULL, 'r' FROM pairs")
            unit.execute("INSERT INTO splits SELECT key, 'train', key, NULL, NULL FROM pairs")
        run(store, tmp_path, min_grade="F", **options)
        return Release.latest(tmp_path), texts

    return make


def test_hostile_texts_come_back_unchanged_from_every_format(naughty_release: Any) -> None:
    release, texts = naughty_release()
    folder = release.folder
    expected = [(k, t, [t]) for k, t in texts.items()]

    def same(rows: list[dict[str, Any]]) -> bool:
        return [(row["key"], row["answer"], row["phrasings"]) for row in rows] == expected

    assert same(json.loads((folder / "train.json").read_bytes()))
    assert same([json.loads(line) for line in (folder / "train.jsonl").read_bytes().split(b"\n")[:-1]])
    assert same(pl.read_parquet(folder / "train.parquet").to_dicts())
    with (folder / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert same([row | {"phrasings": json.loads(row["phrasings"])} for row in rows])
    assert [(row["key"], row["answer"]) for row in release.rag()] == list(texts.items())


def test_guarded_cells_cannot_start_a_formula_and_only_those_change(naughty_release: Any) -> None:
    release, texts = naughty_release(csv_safe=True)
    with (release.folder / "train.csv").open(encoding="utf-8", newline="") as file:
        cells = {row["key"]: row["answer"] for row in csv.DictReader(file)}
    for key, text in texts.items():
        assert cells[key] == (f"'{text}" if text[:1] in tuple("=+-@\t\r\n") and text else text)
    assert release.frame("train")["answer"].to_list() == list(texts.values())


@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_a_release_reads_its_rows_from_any_format(filled: Any, tmp_path: Path, form: str) -> None:
    store, keys = filled()
    run(store, tmp_path, formats=(form,))
    assert Release.latest(tmp_path).frame("test")["key"].to_list() == [keys[11]]
    with pytest.raises(NotFoundError, match="no release in"):
        Release.latest(tmp_path / "elsewhere")
