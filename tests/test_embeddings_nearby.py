"""Kept sketches and beginnings of vectors: they change no link, and nothing damaged or stale is trusted."""

import json
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embeddings import embed, link
from embeddings.encoder import HashEncoder
from embeddings.link import prepare, shelf
from etl import Store, Tally, drain

AddPairs = Callable[[Store, Iterable[Mapping[str, Any]]], list[str]]
ENCODER = HashEncoder()
HASH = embed.recipe(ENCODER).digest
WORDS = ["stop", "limit", "order", "gold", "price", "margin", "yearly", "broker", "bond", "rate", "option", "fund"]


def questions(count: int, *, seed: int = 1) -> list[dict[str, Any]]:
    """Pairs in families of alike questions, short and long, a few in contexts, one question with two answers."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        length = 70 if number % 7 == 0 else 6
        family = random.Random(number // 4)
        words = [family.choice(WORDS) + str(family.randrange(9)) for _ in range(length)]
        if number % 4:
            words[rng.randrange(length)] = rng.choice(WORDS)
        made.append(
            {
                "question": f"What is {' '.join(words)}?",
                "answer": f"It is {' '.join(words[:4])} {number % 3}.",
                "context": "in the pit" if number % 5 == 0 else None,
            }
        )
    return [*made, made[1] | {"answer": "Nobody can say."}]


def searched(store: Store, cache: Path | None, **options: Any) -> None:
    drain(embed.embed(store, ENCODER, meter=Tally()))
    drain(link.link(store, meter=Tally(), encoder_recipe=HASH, cache=cache, floor_cosine=0.6, **options))


def state(store: Store) -> list[pl.DataFrame]:
    return [
        store.query("SELECT * FROM links ORDER BY method, a, b"),
        store.query("SELECT * FROM groups ORDER BY kind, group_id, key"),
        store.query("SELECT * FROM searches ORDER BY method, key"),
    ]


def same(one: list[pl.DataFrame], other: list[pl.DataFrame]) -> bool:
    return all(a.equals(b) for a, b in zip(one, other, strict=True))


@pytest.fixture
def always_near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look only at what may be alike, however few pairs there are."""
    monkeypatch.setattr(prepare, "NEAR_FROM", 1)
    monkeypatch.setattr(prepare, "MANY", 0)
    monkeypatch.setattr("embeddings.link.nearby.HEAD", 6)
    monkeypatch.setattr("embeddings.link.nearby.TAIL", 20)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_batches_against_kept_sketches_give_the_links_of_one_go(
    data: st.DataObject, always_near: None, add_pairs: AddPairs, tmp_path: Path
) -> None:
    """Whatever the order, the batches, the threads, and whether pairs were retracted on the way."""
    pairs = questions(30)
    whole, parts = Store.open(":memory:"), Store.open(":memory:")
    add_pairs(whole, pairs)
    searched(whole, None)
    order = data.draw(st.permutations(pairs))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(pairs)), min_size=1, max_size=3)))
    cache = tmp_path / str(data.draw(st.uuids()))
    keys: list[str] = []
    threads = data.draw(st.sampled_from([1, 2]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("embeddings.ahead.cores", lambda: threads)
        patch.setattr(shelf, "MOST", data.draw(st.integers(1, 3)))
        for start, stop in zip([0, *cuts], [*cuts, len(order)], strict=True):
            if start < stop:
                keys += add_pairs(parts, order[start:stop])
            searched(parts, cache, unit_pairs=data.draw(st.integers(5, 40)))
        gone = data.draw(st.sets(st.sampled_from(keys), max_size=3))
        for occurrences in (0, 1):
            with parts.unit("delivery", "retract or restore") as unit:
                for key in gone:
                    unit.execute("UPDATE pairs SET occurrences = ? WHERE key = ?", [occurrences, key])
            searched(parts, cache)
    assert state(whole)[0].height > 30
    assert same(state(whole), state(parts))


def flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("which", ["*.rows", "index.json"])
@pytest.mark.parametrize("harm", [flipped, Path.unlink, lambda file: file.write_bytes(file.read_bytes()[:-9])])
def test_what_is_damaged_is_made_anew_with_a_word(
    which: str,
    harm: Callable[[Path], object],
    always_near: None,
    add_pairs: AddPairs,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pairs = questions(20)
    whole, parts = Store.open(":memory:"), Store.open(":memory:")
    add_pairs(whole, pairs)
    searched(whole, None)
    add_pairs(parts, pairs[:12])
    searched(parts, tmp_path)
    harmed = sorted(tmp_path.rglob(which))
    assert len(harmed) == 2
    for file in harmed:
        harm(file)
    if harm is not Path.unlink or which != "index.json":
        assert len(shelf.damaged(tmp_path)) == 2
    add_pairs(parts, pairs[12:])
    searched(parts, tmp_path)
    assert same(state(whole), state(parts))
    if harm is not Path.unlink or which != "index.json":  # without an index there is nothing that could be wrong
        assert caplog.text.count("made anew") == 2
    assert shelf.damaged(tmp_path) == []


def test_a_question_shown_in_another_wording_is_looked_at_anew(
    always_near: None, add_pairs: AddPairs, tmp_path: Path
) -> None:
    """Its key is the same and its vector is not."""
    found = []
    for cache in (tmp_path, None):
        store = Store.open(":memory:")
        key, *_ = add_pairs(store, questions(8))
        searched(store, cache)
        with store.unit("ingest", "another wording") as unit:
            unit.execute("UPDATE pairs SET question = upper(question) WHERE key = ?", [key])
        add_pairs(store, questions(12)[8:12])
        searched(store, cache)
        found.append(state(store))
    assert same(*found)


def test_a_kill_before_the_index_is_written_leaves_the_former_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = shelf.Shelf(tmp_path / "s", {"version": 1}, frozenset({"wide"}))
    first = {"ids": np.arange(3), "wide": np.ones((2, 3), np.float32)}
    kept = made.add({}, [first])
    replaced = shelf._replaced

    def killed(path: Path, data: bytes | memoryview) -> None:
        if path.name == shelf.INDEX:
            raise KeyboardInterrupt
        replaced(path, data)

    monkeypatch.setattr(shelf, "_replaced", killed)
    with pytest.raises(KeyboardInterrupt):
        made.add(kept, [{"ids": np.arange(2), "wide": np.zeros((2, 2), np.float32)}])
    monkeypatch.undo()
    again = shelf.Shelf(tmp_path / "s", {"version": 1}, frozenset({"wide"}))
    read = again.read()
    assert again.complaints == []
    assert all(np.array_equal(read[name], first[name]) for name in first)


def test_a_shelf_made_by_something_else_counts_as_empty(tmp_path: Path) -> None:
    shelf.Shelf(tmp_path, {"version": 1}, frozenset()).add({}, [{"ids": np.arange(3)}])
    other = shelf.Shelf(tmp_path, {"version": 2}, frozenset())
    assert other.read() == {}
    assert other.complaints == ["made by another version"]


def test_many_small_files_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "MOST", 4)
    kept: shelf.Arrays = {}
    for number in range(23):
        made = shelf.Shelf(tmp_path, {}, frozenset({"wide"}))
        kept = made.read()
        assert len(kept.get("ids", ())) == number
        kept = made.add(kept, [{"ids": np.array([number]), "wide": np.full((3, 1), number)}])
    assert kept["ids"].tolist() == list(range(23))
    assert kept["wide"].shape == (3, 23)
    assert len(json.loads((tmp_path / shelf.INDEX).read_text())["files"]) <= 4
    assert len(list(tmp_path.glob("*.rows"))) <= 4
