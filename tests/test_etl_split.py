"""The split: nothing leaks, nothing frozen moves, ratios hold, order does not matter."""

import random
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import HardStop, Recipe, Store, Tally, drain
from etl.errors import SettingsError
from etl.split import assign, links_of, oversized, pending, split

EDGES = {"a": pl.String, "b": pl.String, "kind": pl.String}
NONE_FROZEN = pl.DataFrame(schema={"key": pl.String, "split": pl.String})


def key(number: int) -> str:
    """A key that looks like one and sorts unlike its number."""
    return f"{random.Random(number).getrandbits(128):032x}"


def frames(
    rows: int, pairs: Iterable[tuple[int, int]], categories: Mapping[int, str | None]
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    members = pl.DataFrame({"key": [key(n) for n in range(rows)], "counted": [True] * rows})
    edges = pl.DataFrame([(key(a), key(b), "merge") for a, b in pairs], schema=EDGES, orient="row")
    listed = [(key(n), category) for n, category in categories.items()]
    return members, edges, pl.DataFrame(listed, schema={"key": pl.String, "category": pl.String}, orient="row")


def components_by_hand(rows: int, pairs: Iterable[tuple[int, int]]) -> list[set[int]]:
    groups = [{n} for n in range(rows)]
    for a, b in pairs:
        first = next(g for g in groups if a in g)
        second = next(g for g in groups if b in g)
        if first is not second:
            groups.remove(second)
            first |= second
    return groups


def shares(frame: pl.DataFrame) -> dict[str, float]:
    return {row[0]: row[1] / frame.height for row in frame["split"].value_counts().iter_rows()}


corpora = st.integers(1, 60).flatmap(
    lambda rows: st.tuples(
        st.just(rows),
        st.lists(st.tuples(st.integers(0, rows - 1), st.integers(0, rows - 1)), max_size=40),
        st.dictionaries(st.integers(0, rows - 1), st.sampled_from(["a", "b", None])),
    )
)


@given(corpora)
@settings(max_examples=60, deadline=None)
def test_a_group_is_a_connected_component_named_by_its_smallest_key(
    corpus: tuple[int, list[tuple[int, int]], dict[int, str | None]],
) -> None:
    rows, pairs, categories = corpus
    found = assign(*frames(rows, pairs, categories), NONE_FROZEN)
    named = dict(found.select("key", "group_id").iter_rows())
    for group in components_by_hand(rows, pairs):
        keys = {key(n) for n in group}
        assert {named[k] for k in keys} == {min(keys)}
        assert found.filter(pl.col("key").is_in(keys))["split"].n_unique() == 1
    assert found["key"].to_list() == sorted(named)
    assert found["withheld"].null_count() == rows


@given(corpora, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_input_does_not_matter(
    corpus: tuple[int, list[tuple[int, int]], dict[int, str | None]], shuffler: random.Random
) -> None:
    parts = frames(*corpus)
    frozen = pl.DataFrame({"key": [key(0), key(corpus[0] - 1)], "split": ["test", "train"]}).unique("key", keep="first")
    shuffled = [part.sample(fraction=1, shuffle=True, seed=shuffler.randrange(999)) for part in parts]
    turned = shuffled[1].select(a="b", b="a", kind="kind")
    assert assign(*parts, frozen).equals(assign(shuffled[0], turned, shuffled[2], frozen.reverse()))


@given(
    st.lists(
        st.tuples(st.integers(1, 25), st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=12)),
        min_size=2,
        max_size=5,
    )
)
@settings(max_examples=50, deadline=None)
def test_over_growing_corpora_and_releases_nothing_leaks_and_nothing_moves(
    growth: list[tuple[int, list[tuple[int, int]]]],
) -> None:
    """Each step adds rows and links between any rows, old and new, then freezes what may leave."""
    rows, pairs, fixed = 0, [], dict[str, str]()
    for new_rows, new_links in growth:
        rows += new_rows
        pairs += [(a % rows, b % rows) for a, b in new_links]
        frozen = pl.DataFrame(list(fixed.items()), schema={"key": pl.String, "split": pl.String}, orient="row")
        found = assign(*frames(rows, pairs, {n: "ab"[n % 2] for n in range(rows)}), frozen)
        stands = {k: (s, w) for k, s, w in found.select("key", "split", "withheld").iter_rows()}
        assert all(stands[k][0] == s for k, s in fixed.items()), "a frozen row moved"
        for group in components_by_hand(rows, pairs):
            members = {key(n) for n in group}
            leaving = {stands[k][0] for k in members if stands[k][1] is None}
            held = {fixed[k] for k in members if k in fixed}
            assert len(leaving) == 1, "a group lies across two splits"
            withheld = {k for k in members if stands[k][1] is not None}
            assert withheld == {k for k in members if k in fixed and fixed[k] not in leaving}
            assert bool(withheld) == (len(held) > 1), "withheld only where two frozen splits are bridged"
            if held:
                assert leaving == {min(held, key=["test", "validation", "train"].index)}
        fixed |= {k: s for k, (s, w) in stands.items() if w is None}


@given(st.integers(0, 2**32), st.integers(200, 2000), st.integers(1, 40), st.sampled_from([0.9, 1.3, 3.0]))
@settings(max_examples=25, deadline=None)
def test_ratios_hold_on_skewed_groups_and_categories(seed: int, rows: int, categories: int, tail: float) -> None:
    """No split is further from its share than half the largest group, or three rows."""
    rng = random.Random(seed)
    pairs, where, n, largest = [], {}, 0, 1
    while n < rows:
        size = min(int(rng.paretovariate(tail)), rows // 4, rows - n)
        category = f"c{min(int(rng.paretovariate(0.7)), categories)}"
        pairs += [(n, n + m) for m in range(1, size)]
        where |= {n + m: category for m in range(size)}
        largest, n = max(largest, size), n + size
    found = shares(assign(*frames(rows, pairs, where), NONE_FROZEN))
    for name, ratio in zip(("train", "validation", "test"), (0.8, 0.1, 0.1), strict=True):
        assert abs(found.get(name, 0) - ratio) * rows <= max(largest / 2, 3)


def test_single_pairs_are_stratified_to_the_row_and_small_categories_share_the_test_set() -> None:
    where = {n: "large" if n < 1000 else f"small{n}" for n in range(2000)}
    members, edges, categories = frames(2000, [], where)
    found = assign(members, edges, categories, NONE_FROZEN).join(categories, on="key")
    large = found.filter(pl.col("category") == "large")
    assert shares(large) == {"train": 0.8, "validation": 0.1, "test": 0.1}
    assert shares(found) == {"train": 0.8, "validation": 0.1, "test": 0.1}


def test_rows_that_cannot_leave_follow_their_group_and_do_not_count() -> None:
    members, edges, categories = frames(100, [(0, n) for n in range(1, 51)], {})
    silent = {key(n) for n in range(1, 51)}
    members = members.with_columns(counted=~pl.col("key").is_in(silent))
    found = assign(members, edges, categories, NONE_FROZEN)
    assert found.filter(pl.col("key").is_in(silent | {key(0)}))["split"].n_unique() == 1
    assert shares(found.filter(~pl.col("key").is_in(silent))) == {"train": 0.8, "validation": 0.1, "test": 0.1}


def test_a_share_of_nothing_gets_nothing_and_wrong_ratios_are_told() -> None:
    parts = frames(50, [], {})
    assert shares(assign(*parts, NONE_FROZEN, ratios=(0.9, 0.0, 0.1))) == {"train": 0.9, "test": 0.1}
    with pytest.raises(SettingsError, match="add up to 1"):
        assign(*parts, NONE_FROZEN, ratios=(0.8, 0.1, 0.2))


def test_another_seed_gives_another_draw() -> None:
    parts = frames(200, [], {})
    assert not assign(*parts, NONE_FROZEN).equals(assign(*parts, NONE_FROZEN, seed=1))


# ── the job ──────────────────────────────────────────────────────────────────────────────────────────────────────


def decide(
    store: Store, decisions: Mapping[str, tuple[str, str]], verdicts: Iterable[tuple[str, str, str]] = ()
) -> None:
    """Leave decisions {key: (status, survivor)} and verdicts (a, b, verdict) as resolve would."""
    rows = [
        {"key": k, "status": status, "survivor": survivor, "reason": "test", "recipe": "r"}
        for k, (status, survivor) in decisions.items()
    ]
    found = [{"a": min(a, b), "b": max(a, b), "verdict": verdict, "reason": "test"} for a, b, verdict in verdicts]
    with store.unit("resolve", "all", recipe=Recipe("resolve", 1)) as unit:
        unit.execute("DELETE FROM decisions")
        unit.execute("DELETE FROM verdicts")
        unit.insert("decisions", pl.DataFrame(rows))
        unit.insert("verdicts", pl.DataFrame(found))


@pytest.fixture
def corpus(store: Store, add_pairs: Any) -> tuple[Store, list[str]]:
    """40 kept pairs; 1 is merged into 0, 2 and 3 conflict, 4 to 6 share a context, 39 is retracted."""
    rows = [
        {"question": f"q{n}", "answer": f"a{n}", "category": "x", "context": "one passage" if 4 <= n <= 6 else None}
        for n in range(40)
    ]
    keys = add_pairs(store, rows)
    decisions = {k: ("kept", k) for k in keys} | {keys[1]: ("merged", keys[0]), keys[39]: ("retracted", keys[39])}
    decide(store, decisions, [(keys[2], keys[3], "conflict")])
    return store, keys


def table(store: Store) -> pl.DataFrame:
    return store.query("SELECT * FROM splits ORDER BY key")


def freeze(store: Store, version: str = "v0001") -> None:
    with store.unit("export", version, recipe=Recipe("export", 1)) as unit:
        unit.execute("INSERT INTO frozen_splits SELECT key, split, ? FROM splits", [version])
        unit.execute("UPDATE splits SET frozen = ?", [version])


def test_the_job_splits_kept_and_merged_pairs_and_ties_what_belongs_together(corpus: tuple[Store, list[str]]) -> None:
    store, keys = corpus
    meter = Tally()
    counts = drain(split(store, meter=meter))
    rows = {row["key"]: row for row in table(store).to_dicts()}
    assert meter.spent["pairs"] == 39
    assert set(rows) == set(keys[:39])
    for together in ([0, 1], [2, 3], [4, 5, 6]):
        assert len({(rows[keys[n]]["split"], rows[keys[n]]["group_id"]) for n in together}) == 1
    assert counts["train"] + counts["validation"] + counts["test"] == 38
    assert (counts["train"], counts["groups"], counts["added"], counts["moved"]) == (30, 35, 39, 0)


def test_nothing_is_pending_after_the_job_and_a_second_call_writes_nothing(corpus: tuple[Store, list[str]]) -> None:
    store, _ = corpus
    assert pending(store).why == "never run"
    drain(split(store, meter=Tally()))
    assert not pending(store)
    seq = store.last_seq("split")
    assert drain(split(store, meter=Tally())) == {}
    assert store.last_seq("split") == seq
    assert "ratios" in pending(store, ratios=(0.5, 0.25, 0.25)).why


def test_a_job_that_is_stopped_before_its_unit_starts_again(corpus: tuple[Store, list[str]]) -> None:
    store, _ = corpus

    class Empty:
        def spend(self, resource: str, amount: float = 1) -> None:
            raise HardStop

    with pytest.raises(HardStop):
        drain(split(store, meter=Empty()))
    assert table(store).is_empty()
    drain(split(store, meter=Tally()))
    assert table(store).height == 39


def test_a_pair_that_is_retracted_and_comes_back_does_not_move(corpus: tuple[Store, list[str]]) -> None:
    store, keys = corpus
    drain(split(store, meter=Tally()))
    freeze(store)
    before = table(store)
    tested = before.filter(pl.col("split") == "test")["key"][0]
    everything = {k: ("kept", k) for k in keys}
    decide(store, everything | {tested: ("retracted", tested)})
    assert drain(split(store, meter=Tally()))["removed"] == 1
    assert tested not in table(store)["key"]
    decide(store, everything)
    drain(split(store, meter=Tally()))
    back = table(store).filter(pl.col("key") == tested).to_dicts()[0]
    assert (back["split"], back["frozen"], back["withheld"]) == ("test", "v0001", None)


def test_a_new_link_between_frozen_groups_withholds_the_training_rows_until_it_is_gone(
    corpus: tuple[Store, list[str]],
) -> None:
    store, keys = corpus
    drain(split(store, meter=Tally()))
    freeze(store)
    before = table(store)
    lone = before.filter(pl.col("key").is_in(keys[7:39]))
    trained, tested = (lone.filter(pl.col("split") == name)["key"][0] for name in ("train", "test"))
    decisions = {k: ("kept", k) for k in keys[:39]} | {keys[1]: ("merged", keys[0])}
    old = (keys[2], keys[3], "conflict")
    decide(store, decisions, [old, (trained, tested, "review")])
    counts = drain(split(store, meter=Tally()))
    rows = {row["key"]: row for row in table(store).to_dicts()}
    assert counts["withheld"] == 1
    assert (rows[trained]["split"], rows[trained]["withheld"]) == ("train", "bridges_splits")
    assert (rows[tested]["split"], rows[tested]["withheld"]) == ("test", None)
    decide(store, decisions, [old])
    drain(split(store, meter=Tally()))
    assert table(store).equals(before)


def test_a_change_between_reading_and_writing_is_noticed(
    corpus: tuple[Store, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, keys = corpus
    from etl.split import job

    plan, calls = job._plan, []

    def disturbed(store: Store, **options: Any) -> Any:
        calls.append(1)
        planned = plan(store, **options)
        if len(calls) == 1:
            decide(store, {k: ("kept", k) for k in keys[:10]})
        return planned

    monkeypatch.setattr(job, "_plan", disturbed)
    drain(split(store, meter=Tally()))
    assert len(calls) == 2
    assert table(store).height == 10


def test_oversized_groups_are_told_with_the_links_that_made_them(corpus: tuple[Store, list[str]]) -> None:
    store, keys = corpus
    decide(store, {k: ("kept", k) for k in keys}, [(keys[0], k, "variant") for k in keys[7:30]])
    counts = drain(split(store, meter=Tally()))
    assert counts["oversized"] == 1
    found = oversized(store).to_dicts()
    assert [(row["rows"], row["kind"], row["links"], row["hub"]) for row in found] == [(24, "variant", 23, keys[0])]
    assert links_of(store, found[0]["group_id"]).height == 23
    assert oversized(store, share=0.9).is_empty()
    assert oversized(store, share=0.9, rows=23).height == 1
