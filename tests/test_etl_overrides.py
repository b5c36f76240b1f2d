"""Decisions by people: appended, listed, taken back; keys by their first digits; errors that say what to do."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from etl import Store, Tally, drain, overrides
from etl.errors import MotherlodeError, NotFoundError
from etl.resolve import resolve

Add = Callable[[Store, list[dict[str, Any]]], list[str]]
LONG = "RSI is an oscillator that compares recent gains with recent losses over a window"
LINKS = ["a", "b", "method", "question_similarity", "answer_similarity", "question_overlap", "answer_overlap",
         "truncated", "recipe"]  # fmt: skip
GRADES = ["key", "score", "grade", "completeness", "language", "language_confidence", "recipe"]


@pytest.fixture
def keys(store: Store, add_pairs: Add) -> list[str]:
    """Best first: two that merge, one that contradicts both, one alone."""
    made = add_pairs(
        store,
        [
            {"question": "What is RSI?", "answer": LONG},
            {"question": "What is the RSI?", "answer": LONG},
            {"question": "What is RSI? ", "answer": LONG + " of 14 days"},
            {"question": "What is VWAP?", "answer": "An average price weighted by volume"},
            {"question": "What is RSI ?", "answer": LONG + " of 21 days"},
        ],
    )
    ties = [(0, 1, 0.99, 1.0), (2, 4, 1.0, 0.97)]
    rows = [(*sorted((made[i], made[j])), "cosine", q, a, 1.0, 1.0, False, "r") for i, j, q, a in ties]
    grades = [(key, 0.9, "ABCDF"[n], 0.5, "en", 1.0, "r") for n, key in enumerate(made)]
    with store.unit("link", "test") as unit:
        unit.insert("links", pl.DataFrame(rows, schema=LINKS, orient="row"))
        unit.insert("grades", pl.DataFrame(grades, schema=GRADES, orient="row"))
    drain(resolve(store, meter=Tally()))
    return made


def decided(store: Store) -> pl.DataFrame:
    drain(resolve(store, meter=Tally()))
    return store.query("SELECT key, status, survivor, reason, evidence FROM decisions ORDER BY key")


def status(store: Store, key: str) -> str:
    return str(decided(store).filter(pl.col("key") == key)["status"].item())


def test_undo_keeps_a_merged_pair_and_withdrawing_it_restores_everything(store: Store, keys: list[str]) -> None:
    before = decided(store)
    done = overrides.undo(store, keys[1][:8], who="ann", note="not the same")
    assert "no longer merged" in done.text
    assert done.data["other"] == keys[0]
    assert status(store, keys[1]) == "kept"
    taken = overrides.withdraw(store, done.data["id"], who="ann")
    assert taken.data["withdrew"] == done.data["id"]
    assert_frame_equal(decided(store), before)


def test_undo_of_a_pair_that_is_not_merged_says_so(store: Store, keys: list[str]) -> None:
    with pytest.raises(NotFoundError, match="is not merged \\(it is kept\\)"):
        overrides.undo(store, keys[3], who="ann")


def test_a_merge_by_a_person_needs_no_link_and_a_survivor_turns_it_round(store: Store, keys: list[str]) -> None:
    overrides.add(store, keys[3], keys[0], "merge", who="ann")
    assert status(store, keys[3]) == "merged"
    overrides.add(store, keys[3], keys[0], "survivor", who="ann")
    rows = decided(store)
    assert rows.filter(pl.col("key") == keys[3])["status"].item() == "kept"
    assert rows.filter(pl.col("key") == keys[0])["survivor"].item() == keys[3]


def test_decisions_lie_on_top_of_each_other_and_come_off_from_the_top(store: Store, keys: list[str]) -> None:
    before = decided(store)
    first = overrides.add(store, keys[0], keys[1], "keep_both", who="ann")
    middle = decided(store)
    second = overrides.add(store, keys[1], keys[0], "merge", who="bob")
    with pytest.raises(NotFoundError, match="is newer; withdraw that one first"):
        overrides.withdraw(store, first.data["id"], who="ann")
    taken = overrides.withdraw(store, (keys[0], keys[1]), who="ann")
    assert f"keep_both ({first.data['id']}) stands again" in taken.text
    assert_frame_equal(decided(store), middle)
    overrides.withdraw(store, first.data["id"], who="ann")
    assert_frame_equal(decided(store), before)
    for gone in (first, second, taken):
        with pytest.raises(NotFoundError):
            overrides.withdraw(store, gone.data["id"], who="ann")
    listed = overrides.listed(store)
    assert listed["verdict"].to_list() == ["keep_both", "merge", "withdrawn", "withdrawn"]
    assert not listed["stands"].any()


def test_a_conflict_is_settled_for_one_side_or_for_both(store: Store, keys: list[str]) -> None:
    open_ones = overrides.conflicts(store)
    assert open_ones["kind"].to_list() == ["number"]
    done = overrides.settle(store, keys[2], keys[4], right=keys[4][:10], who="ann", note="both right would be wrong")
    assert "is right" in done.text
    decided(store)
    assert overrides.conflicts(store).is_empty()
    assert overrides.conflicts(store, settled=True)["settled"].to_list() == [keys[4]]
    overrides.settle(store, keys[2], keys[4], right="both", who="ann")
    decided(store)
    assert overrides.conflicts(store, settled=True)["settled"].to_list() == ["both"]
    overrides.withdraw(store, (keys[2], keys[4]), who="ann")
    decided(store)
    assert overrides.conflicts(store, settled=True)["settled"].to_list() == [keys[4]]


def test_only_what_is_in_the_contradiction_ledger_can_be_settled(store: Store, keys: list[str]) -> None:
    with pytest.raises(NotFoundError, match="not in the contradiction ledger"):
        overrides.settle(store, keys[0], keys[3], right="both", who="ann")
    with pytest.raises(NotFoundError, match="is neither"):
        overrides.settle(store, keys[2], keys[4], right=keys[0], who="ann")


def test_a_key_is_found_by_its_first_digits_in_any_case(store: Store, keys: list[str]) -> None:
    assert overrides.find_key(store, keys[0][:6].upper()) == keys[0]
    for wrong, says in (("12345", "first 6 hex digits"), ("xyzxyz", "is no key"), ("0" * 32, "no pair has a key")):
        with pytest.raises(NotFoundError, match=says):
            overrides.find_key(store, wrong)


def test_digits_that_fit_several_keys_name_them(store: Store, add_pairs: Add) -> None:
    add_pairs(store, [{"question": "a", "answer": "b", "key": "abcdef" + n * 26} for n in "01"])
    with pytest.raises(NotFoundError, match="several keys begin with abcdef: abcdef000000, abcdef111111"):
        overrides.find_key(store, "abcdef")


def test_decisions_without_sense_are_refused(store: Store, keys: list[str]) -> None:
    with pytest.raises(MotherlodeError, match="is no decision; known are merge"):
        overrides.add(store, keys[0], keys[1], "smash", who="ann")
    with pytest.raises(MotherlodeError, match="the same pair"):
        overrides.add(store, keys[0], keys[0], "merge", who="ann")
    with pytest.raises(MotherlodeError, match="say who decides"):
        overrides.add(store, keys[0], keys[1], "merge", who=" ")
    assert overrides.listed(store).is_empty()


def test_a_person_can_call_two_pairs_a_conflict_without_any_link(store: Store, keys: list[str]) -> None:
    before = decided(store)
    done = overrides.add(store, keys[0], keys[3], "conflict", who="ann")
    overrides.settle(store, keys[0], keys[3], right="both", who="ann")  # even before resolve has run
    decided(store)
    settled = overrides.conflicts(store, settled=True).filter(pl.col("kind") == "stated")
    assert settled.select("settled").rows() == [("both",)]
    overrides.withdraw(store, (keys[0], keys[3]), who="ann")
    decided(store)
    assert overrides.conflicts(store).filter(pl.col("kind") == "stated").height == 1
    overrides.withdraw(store, done.data["id"], who="ann")
    assert_frame_equal(decided(store), before)


def test_a_conflict_takes_two_merged_pairs_apart_and_keeps_both(store: Store, keys: list[str]) -> None:
    assert status(store, keys[1]) == "merged"
    overrides.add(store, keys[0], keys[1], "conflict", who="ann")
    assert status(store, keys[1]) == "kept"
    assert keys[1] in {*overrides.conflicts(store)["a"], *overrides.conflicts(store)["b"]}


def test_undo_takes_back_the_one_decision_that_stands_on_a_pair_or_names_all(store: Store, keys: list[str]) -> None:
    first = overrides.add(store, keys[3], keys[0], "keep_both", who="ann")
    assert overrides.undo(store, keys[3], who="bob").data["withdrew"] == first.data["id"]
    again = overrides.add(store, keys[3], keys[0], "keep_both", who="ann")
    assert overrides.undo(store, str(again.data["id"]), who="bob").data["withdrew"] == again.data["id"]
    overrides.add(store, keys[3], keys[0], "keep_both", who="ann")
    overrides.add(store, keys[3], keys[2], "keep_both", who="ann")
    with pytest.raises(NotFoundError, match="several decisions stand on it"):
        overrides.undo(store, keys[3], who="ann")
