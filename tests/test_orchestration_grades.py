"""Grades: each part from the books, the arithmetic shown, nothing graded on nothing."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration import tasks
from orchestration.control import Control, books, claims, holding
from orchestration.grades import WEIGHTS, Books, grade
from orchestration.tasks import Spec


def test_a_faultless_task_is_an_a_with_its_arithmetic() -> None:
    found = grade(
        Books(10, 0, 40, 40, {"check": True}, {"tokens": 90_000}, {"tokens": 100_000}, {"tokens": [2_250.0, 2_300.0]})
    )
    assert (found.letter, found.points) == ("A", 1.0)
    assert "0.3*1.00 success + 0.2*1.00 speed + 0.3*1.00 quality + 0.2*1.00 efficiency) / 1.0 = 1.000: A" in (
        found.arithmetic
    )


def test_each_part_comes_from_its_own_figures() -> None:
    found = grade(
        Books(8, 2, 10, 10, {"a": True, "b": False}, {"tokens": 200}, {"tokens": 100}, {"tokens": [10.0, 10.0, 10.0]})
    )
    values = {part.name: part.value for part in found.parts}
    assert values == {"success": 0.8, "speed": 0.5, "quality": 0.5, "efficiency": 0.5}
    assert found.points == pytest.approx(0.3 * 0.8 + 0.2 * 0.5 + 0.3 * 0.5 + 0.2 * 0.5)
    assert found.letter == "F"
    assert "not b" in found.parts[2].why


def test_what_the_books_do_not_say_is_left_out_and_not_guessed() -> None:
    found = grade(Books(9, 1, 10, 10))
    assert [part.value for part in found.parts] == [0.9, None, None, None]
    assert (found.points, found.letter) == (0.9, "A")
    assert "no estimate" in found.parts[3].why


@pytest.mark.parametrize(("done", "letter"), [(40, "A"), (39, "B"), (34, "B"), (30, "C"), (24, "D"), (20, "F")])
def test_an_unfinished_task_is_no_a(done: int, letter: str) -> None:
    assert grade(Books(10, 0, done, 40)).letter == letter


def test_nothing_done_is_not_graded() -> None:
    found = grade(Books(0, 0, 0, 40, {"check": True}, {"tokens": 5}, {"tokens": 10}))
    assert (found.letter, found.arithmetic) == (None, "nothing was done, so nothing is graded")
    assert grade(Books(0, 0, 0, None)).letter is None
    assert grade(Books(0, 3, 0, 40)).letter is None


def test_the_weights_are_the_users() -> None:
    assert WEIGHTS == {"success": 0.3, "speed": 0.2, "quality": 0.3, "efficiency": 0.2}


FIGURES = {
    "units": st.integers(0, 50),
    "errors": st.integers(0, 50),
    "done": st.integers(0, 50),
    "total": st.none() | st.integers(1, 50),
    "checks": st.dictionaries(st.sampled_from("ab"), st.booleans()),
    "cost": st.dictionaries(st.sampled_from(["tokens", "calls"]), st.floats(0, 1e6)),
    "estimate": st.dictionaries(st.sampled_from(["tokens", "calls"]), st.floats(0, 1e6)),
    "usual": st.dictionaries(st.sampled_from(["tokens", "calls"]), st.lists(st.floats(0, 1e4), max_size=4)),
}


@given(st.builds(Books, **FIGURES))
@settings(deadline=None, max_examples=200)
def test_points_stay_between_0_and_1_and_never_above_completeness(known: Books) -> None:
    found = grade(known)
    assert 0 <= found.points <= 1
    if found.completeness < 1:
        assert found.points <= found.completeness + 1e-4
        assert found.letter != "A"
    if found.letter is not None:
        assert found.letter in "ABCDF"


@given(st.builds(Books, **FIGURES))
@settings(deadline=None, max_examples=100)
def test_a_further_error_never_makes_a_grade_better(known: Books) -> None:
    if grade(known).letter is None or not known.units:
        return
    worse = Books(
        known.units, known.errors + 1, known.done, known.total, known.checks, known.cost, known.estimate, known.usual
    )
    assert grade(worse).points <= grade(known).points


def test_speed_is_measured_against_earlier_tasks_of_the_same_kind(tmp_path: Path) -> None:
    with Control.open(tmp_path) as control:
        for name, calls in (("first", 100), ("second", 200), ("third", 100)):
            tasks.add(control, Spec(name, kind="command", parameters={"command": "x"}, total=10))
            claim = claims.claim(control, holder="h", task=name)
            assert claim is not None
            books.observe(control, "calls", calls, about=books.For(task=name))
            holding.progress(control, claim, done=10)
            done = tasks.complete(control, name, claim=claim)
            speed = next(part for part in done.grade.parts if part.name == "speed")
            expected = {"first": None, "second": 0.5, "third": 1.0}[name]
            assert speed.value == expected
        assert "20 calls an item, usual 10" in (tmp_path / "task_reports" / "second.md").read_text(encoding="utf-8")
