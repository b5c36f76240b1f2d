"""The review queue: what is open, in which order, and decisions that are recorded, guarded and taken back."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from etl import Store, Tally, drain, overrides
from etl.errors import MotherlodeError, NotFoundError
from etl.resolve import resolve
from etl.review import Session, decide, newest, queue, take_back

Add = Callable[[Store, list[dict[str, Any]]], list[str]]
LONG = "an oscillator that compares recent gains with recent losses over a window"
LINKS = ["a", "b", "method", "question_similarity", "answer_similarity", "question_overlap", "answer_overlap",
         "truncated", "recipe"]  # fmt: skip
GRADES = ["key", "score", "grade", "completeness", "language", "language_confidence", "recipe"]


@pytest.fixture
def keys(store: Store, add_pairs: Add) -> list[str]:
    """0 and 1 merge; 2 may be the same as 3 (other words) and differs from 4 in a number; 5 contradicts 6; 7 F-graded
    beside 8, else as 2 beside 3."""
    texts = [
        ("What is RSI?", f"RSI is {LONG}"),
        ("What is the RSI?", f"RSI is {LONG}"),
        ("How do traders read momentum?", f"Momentum is {LONG}"),
        ("Why do traders read momentum?", f"Momentum is {LONG}"),
        ("How do traders read momentum of 14 days?", f"Momentum is {LONG}"),
        ("What is the default period of ADX?", "The default period is 14 days"),
        ("What is the default period of ADX ?", "The default period is 21 days"),
        ("How do clerks read volume?", f"Volume is {LONG}"),
        ("Why do clerks read volume?", f"Volume is {LONG}"),
    ]
    made = add_pairs(store, [{"question": q, "answer": a} for q, a in texts])
    ties = [(0, 1, 0.99, 1.0), (2, 3, 0.93, 1.0), (2, 4, 0.93, 1.0), (5, 6, 1.0, 0.96), (7, 8, 0.93, 1.0)]
    rows = [(*sorted((made[i], made[j])), "cosine", q, a, 0.8, 1.0, False, "r") for i, j, q, a in ties]
    grades = [(key, 0.9, "BCBCCBCFF"[n], 0.5, "en", 1.0, "r") for n, key in enumerate(made)]
    with store.unit("link", "test") as unit:
        unit.insert("links", pl.DataFrame(rows, schema=LINKS, orient="row"))
        unit.insert("grades", pl.DataFrame(grades, schema=GRADES, orient="row"))
    drain(resolve(store, meter=Tally()))
    return made


def asked(store: Store, *kinds: str) -> list[tuple[str, str]]:
    return [(item.stays, item.other) for item in queue(store, kinds=kinds or ("review",)).items]


def decided(store: Store) -> pl.DataFrame:
    drain(resolve(store, meter=Tally()))
    return store.query("SELECT * FROM decisions ORDER BY key")


def test_doubt_comes_before_a_veto_and_good_grades_before_bad(store: Store, keys: list[str]) -> None:
    found = queue(store)
    assert [(i.stays, i.other) for i in found.items] == [
        (keys[2], keys[3]),
        (keys[2], keys[4]),
        (min(keys[7:9]), max(keys[7:9])),
    ]
    first, veto, poor = found.items
    assert (first.doubt, veto.doubt) == (1.0, 0.36)
    assert veto.veto is not None
    assert (veto.veto["a"], veto.veto["b"]) == ([], ["14"])
    assert poor.worth == 0.1
    assert found.counts == {"review": 3}


def test_all_kinds_can_be_asked_for_and_none_that_does_not_exist(store: Store, keys: list[str]) -> None:
    assert asked(store, "conflict") == [(keys[5], keys[6])]
    assert asked(store, "merge") == [(keys[0], keys[1])]
    assert queue(store, kinds=("review", "conflict", "merge")).total == 5
    assert len(queue(store, kinds=("review",), limit=1).items) == 1
    with pytest.raises(MotherlodeError, match="no kind 'odd'"):
        queue(store, kinds=("odd",))


def test_what_people_always_answer_the_same_way_sinks(store: Store, keys: list[str]) -> None:
    overrides.add(store, keys[2], keys[4], "keep_both", who="ann")
    before = {i.id: i.doubt for i in queue(store).items}
    overrides.add(store, keys[2], keys[3], "keep_both", who="ann")
    after = {i.id: i.doubt for i in queue(store).items}
    (left,) = after
    assert after[left] < before[left] == 1.0  # two keeps: one of a number, which teaches nothing about words


def test_a_decision_leaves_the_queue_takes_effect_with_resolve_and_comes_back(store: Store, keys: list[str]) -> None:
    before, open_before = decided(store), asked(store)
    made = decide(store, keys[2], keys[3], "merge", who="ann", note="the same")
    assert (keys[2], keys[3]) not in asked(store)
    assert decided(store).filter(pl.col("key") == keys[3])["survivor"].item() == keys[2]
    row = overrides.listed(store).row(-1, named=True)
    assert (row["who"], row["note"], row["verdict"]) == ("ann", "the same", "merge")
    assert row["decided_at"] is not None
    assert take_back(store, made.id, who="bob").choice == "merge"
    assert_frame_equal(decided(store), before)
    assert asked(store) == open_before


def test_a_swapped_merge_turns_the_survivor_round_and_is_one_decision(store: Store, keys: list[str]) -> None:
    before = decided(store)
    made = decide(store, keys[2], keys[3], "merge_swapped", who="ann")
    assert decided(store).filter(pl.col("key") == keys[2])["survivor"].item() == keys[3]
    take_back(store, made.id, who="ann")
    assert_frame_equal(decided(store), before)
    assert not overrides.listed(store)["stands"].any()


@pytest.mark.parametrize(("choice", "settled"), [("left_right", 5), ("right_right", 6), ("both_right", None)])
def test_a_conflict_is_settled_from_the_queue(store: Store, keys: list[str], choice: str, settled: int | None) -> None:
    decide(store, keys[5], keys[6], choice, who="ann", note="measured")
    decided(store)
    expected = "both" if settled is None else keys[settled]
    assert overrides.conflicts(store, settled=True)["settled"].to_list() == [expected]


def test_two_reviewers_do_not_decide_the_same_question_twice(store: Store, keys: list[str]) -> None:
    ann, bob = (Session.begin(store, who=who) for who in ("ann", "bob"))
    ann.decide("keep_both")
    with pytest.raises(NotFoundError, match="ann decided about these two already"):
        bob.decide("merge")
    assert bob.current is not None
    assert bob.current.other == keys[4]
    assert overrides.listed(store).height == 1


def test_a_session_leaves_out_what_a_merge_has_answered_and_undo_asks_again(store: Store, keys: list[str]) -> None:
    session = Session.begin(store, who="ann")
    assert session.left == 3
    session.decide("merge_swapped")  # 2 joins 3, so that 2 beside 4 is no question any more
    assert session.left == 1
    session.undo()
    assert session.left == 3
    assert session.current is not None
    assert session.current.other == keys[3]
    session.skip()
    assert session.left == 2
    with pytest.raises(NotFoundError, match="another question is open"):
        session.decide("merge", item_id=f"{keys[2]}-{keys[3]}")
    with pytest.raises(NotFoundError, match="nothing was decided here"):
        session.undo()


def test_newest_names_the_last_standing_decision_of_a_person(store: Store, keys: list[str]) -> None:
    with pytest.raises(NotFoundError, match="no decision of ann stands"):
        newest(store, who="ann")
    first = decide(store, keys[2], keys[3], "keep_both", who="ann")
    second = decide(store, keys[2], keys[4], "keep_both", who="bob")
    assert (newest(store), newest(store, who="ann")) == (second.id, first.id)
    with pytest.raises(MotherlodeError, match="is no choice"):
        decide(store, keys[7], keys[8], "smash", who="ann")
    with pytest.raises(NotFoundError, match="does not stand"):
        take_back(store, 99, who="ann")
