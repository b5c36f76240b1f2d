"""A changed synonym reads again just the deliveries whose names it changes, and says so."""

import json
from pathlib import Path

import pytest

from etl import Store, Tally, drain, ingest
from etl.counts import counts
from etl.ingest.touched import concerning
from etl.normalise.names import spoken

FILES = {
    "a.jsonl": [{"question": "What is it?", "answer": "One.", "indicator": "Hydra", "category": "odd"}],
    "b.jsonl": [{"question": "Why is it?", "answer": "Two.", "indicator": "Kraken", "category": "even"}],
    "c.jsonl": [{"question": "How is it?", "answer": "Three."}, {"question": "What is it?", "answer": "One."}],
    "d.json": [{"alpha": 1.5, "beta": 2.5}] * 5,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, rows in FILES.items():
        text = json.dumps(rows) if name.endswith("json") else "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def run(store: Store, folder: Path, aliases: dict[str, str]) -> dict[str, int]:
    return dict(drain(ingest.ingest(store, [folder], root=folder, meter=Tally(), aliases=aliases)))


def why(store: Store, folder: Path, aliases: dict[str, str]) -> str:
    return ingest.pending(store, [folder], root=folder, aliases=aliases).why


@pytest.mark.parametrize(
    ("aliases", "read"),
    [
        (spoken({"hydra": "Hydra Index"}, {}, {}), ["a.jsonl"]),
        (spoken({"Leviathan": "L"}, {}, {}), []),
        (spoken({}, {"even": "straight"}, {}), ["b.jsonl"]),
        (spoken({}, {}, {"*c.jsonl": "third"}), ["c.jsonl"]),
        (spoken({}, {}, {"*.jsonl": "all"}), ["c.jsonl"]),  # the others say their category themselves
        (spoken({"kraken": "Relative Strength Index"}, {"ODD": "strange"}, {}), ["a.jsonl", "b.jsonl"]),
    ],
)
def test_only_files_whose_names_change_are_read_again(
    store: Store, folder: Path, aliases: dict[str, str], read: list[str]
) -> None:
    run(store, folder, {})
    before = dict(store.query("SELECT path, recipe FROM deliveries").iter_rows())
    said = f"{len(read)} with names that the settings change" if read else ""
    assert why(store, folder, aliases) == said
    assert run(store, folder, aliases).get("files", 0) == len(read)
    after = dict(store.query("SELECT path, recipe FROM deliveries").iter_rows())
    assert sorted(path for path in after if after[path] != before[path]) == read
    assert why(store, folder, aliases) == ""
    assert why(store, folder, {}) == said, "and back"


def test_pairs_have_the_same_names_as_if_everything_were_read_again(store: Store, folder: Path) -> None:
    aliases = spoken({"hydra": "RSI"}, {"even": "momentum"}, {"c.jsonl": "third"})
    run(store, folder, {})
    run(store, folder, aliases)
    columns = "SELECT question, indicator, category, occurrences FROM pairs ORDER BY question"
    found = store.query(columns).rows()
    with Store.open(":memory:") as fresh:
        run(fresh, folder, aliases)
        assert fresh.query(columns).rows() == found
    assert counts(store)["new_at_delivery"] == counts(store)["pairs"] == 3
    assert counts(store)["duplicates_at_delivery"] == 1


def test_too_many_names_are_concerned_by_every_change(store: Store, tmp_path: Path) -> None:
    rows = [{"question": f"What is {i}?", "answer": f"{i}.", "indicator": f"I{i}"} for i in range(400)]
    (tmp_path / "many.json").write_text(json.dumps(rows), encoding="utf-8")
    run(store, tmp_path, {})
    assert why(store, tmp_path, {"nobody": "N"}) == "1 with names that the settings change"


def test_nothing_is_said_of_names_by_what_gives_no_records() -> None:
    assert concerning(None, "a", {"x": "y"}, accepted=False) == {}
    assert concerning(None, "a", {"x": "y"}, accepted=True) == {"x": "y"}
