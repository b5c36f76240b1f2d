"""Calibration: thresholds that the answers bear out and no others, stored, used by resolve, and taken back."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import Store, Tally, drain
from etl.calibrate import (
    FLOORS,
    Answer,
    adopt,
    answer,
    answers,
    defaults,
    fit,
    interval,
    labelled,
    questions,
    standing,
    strata,
    take_back,
)
from etl.errors import DeliveryError, MotherlodeError, NotFoundError, SettingsError
from etl.resolve import Rules, pending, resolve
from orchestration import calibrating, reviewing
from orchestration.cli import run
from orchestration.pipeline import Pipeline
from orchestration.settings import Settings
from orchestration.workspace import Workspace

Add = Callable[[Store, list[dict[str, Any]]], list[str]]
LONG = "an oscillator that compares recent gains with recent losses over a window"
TOPICS = [f"{a} {b}" for a in ("river", "copper", "harbour", "meadow") for b in ("trade", "law", "song", "wheel")]


def rows(*counts: tuple[float, int, int]) -> list[Answer]:
    """(similarity, right, wrong) of mergeable pairs."""
    return [Answer(at, n < right, True) for at, right, wrong in counts for n in range(right + wrong)]


def test_the_interval_is_clopper_and_pearsons() -> None:
    """Newcombe (1998), table I: 81 of 263 gives 0.2527 to 0.3676 and 0 of 20 up to 0.1684, at 95% on two sides."""
    assert interval(81, 263, 0.975) == (pytest.approx(0.2527, abs=1e-4), pytest.approx(0.3676, abs=1e-4))
    assert interval(0, 20, 0.975) == (0.0, pytest.approx(0.1684, abs=1e-4))
    assert interval(0, 0, 0.95) == (0.0, 1.0)


def test_the_lowest_threshold_is_taken_that_shows_the_wanted_precision() -> None:
    found = fit(rows((0.95, 30, 0), (0.91, 20, 0), (0.85, 5, 15)), floor=0.8)
    assert found.merge == 0.86
    assert (found.answers, found.right) == (50, 50)
    assert found.low == pytest.approx(0.05 ** (1 / 50), abs=1e-4)
    assert found.review == 0.81  # a quarter of the band below are duplicates


def test_what_cannot_be_shown_is_said_with_how_many_more_would_show_it() -> None:
    found = fit(rows((0.95, 20, 0)), floor=0.8)
    assert (found.merge, found.review, found.more) == (None, None, 9)
    assert fit(rows((0.95, 29, 0)), floor=0.8).merge is not None
    assert fit([], floor=0.8).more == 29
    assert fit(rows((0.9, 15, 15)), floor=0.8).merge is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.8, 1.0), st.booleans(), st.booleans(), st.floats(0.5, 50)), max_size=60),
    st.floats(0.6, 0.97),
)
def test_no_threshold_is_given_whose_lower_bound_falls_short(
    given_rows: list[tuple[float, bool, bool, float]], wanted: float
) -> None:
    found = fit([Answer(*row) for row in given_rows], floor=0.8, wanted=wanted)
    assert found.effective <= found.answers + 0.1
    if found.merge is None:
        assert found.more > 0
    else:
        assert found.low >= wanted
        assert found.review is not None
        assert 0.8 <= found.review <= found.merge


@pytest.fixture
def linked(store: Store, add_pairs: Add) -> Store:
    """Sixteen couples that would merge if they were alike enough, and one held back by a number, all over the bands."""
    texts, ties = [], []
    for n, topic in enumerate(TOPICS):
        texts += [(f"What is {topic}?", f"The {topic} is {LONG}"), (f"What is the {topic}?", f"The {topic} is {LONG}")]
        ties.append((2 * n, 2 * n + 1, round(0.81 + 0.012 * n, 3)))
    texts += [
        ("What does a bar of 5 days show?", f"It is {LONG}"),
        ("What does a bar of 9 days show?", f"It is {LONG}"),
    ]
    ties.append((len(texts) - 2, len(texts) - 1, 0.97))
    made = add_pairs(store, [{"question": q, "answer": a} for q, a in texts])
    with store.unit("link", "test") as unit:
        for i, j, similarity in ties:
            unit.execute(
                "INSERT INTO links VALUES (?, ?, 'cosine', ?, 1.0, 0.8, 1.0, false, 'r')",
                [*sorted((made[i], made[j])), similarity],
            )
        for key in made:
            unit.execute("INSERT INTO grades VALUES (?, 0.9, 'A', 0.5, 'en', 1.0, 'r')", [key])
    return store


def test_questions_come_from_every_band_and_mostly_from_pairs_that_could_merge(linked: Store) -> None:
    looked, populations = strata(linked, Rules(), method="cosine", language="en")
    assert dict(looked.group_by("mergeable").len().iter_rows()) == {True: 16, False: 1}
    assert populations["population"].sum() == 17
    asked = questions(looked, count=10)
    assert len(asked) == 10
    assert {row.band for row in asked[:6]} == {0, 1, 2, 3, 4}
    assert sum(not row.mergeable for row in asked) == 1
    again = questions(looked, count=10, known=[(row.a, row.b) for row in asked[:4]])
    assert len(again) == 6
    assert not {(row.a, row.b) for row in again} & {(row.a, row.b) for row in asked[:4]}


def test_answers_are_only_ever_added_and_the_newest_counts(linked: Store) -> None:
    about = {"model": "m", "method": "cosine", "language": "en", "a": "k1", "b": "k2", "similarity": 0.9,
             "mergeable": True, "who": "ann"}  # fmt: skip
    for said in (True, False, None):
        answer(linked, duplicate=said, **about)  # type: ignore[arg-type]  # the values of a dict of several types
        stands = answers(linked, model="m", method="cosine", language="en")
        assert stands["duplicate"].to_list() == ([] if said is None else [said])
    assert linked.value("SELECT count(*) FROM calibration_answers") == 3
    with pytest.raises(MotherlodeError, match="say who answers"):
        answer(linked, duplicate=True, **about | {"who": " "})  # type: ignore[arg-type]  # as above


def test_stored_thresholds_make_exactly_resolve_pending_and_come_back(linked: Store) -> None:
    plain = {"languages": ("en",)}
    drain(resolve(linked, meter=Tally(), **plain))  # type: ignore[arg-type]  # one of the settings
    merged = linked.value("SELECT count(*) FROM decisions WHERE status = 'merged'")
    found = fit(rows((0.85, 40, 0)), floor=0.8)
    with pytest.raises(MotherlodeError, match="do not show"):
        adopt(linked, fit([], floor=0.8), model="m", method="cosine", language="en", who="ann", source={})
    adopt(linked, found, model="m", method="cosine", language="en", who="ann", source={"kind": "answers"})
    assert [row["merge"] for row in standing(linked)] == [found.merge]
    assert not pending(linked, **plain)  # type: ignore[arg-type]  # as above
    lowered = plain | {"by_language": (("en", "merge_cosine", 0.8), ("en", "review_cosine", 0.8))}
    assert "merge_cosine (en)" in pending(linked, **lowered).why  # type: ignore[arg-type]  # as above
    drain(resolve(linked, meter=Tally(), **lowered))  # type: ignore[arg-type]  # as above
    assert linked.value("SELECT count(*) FROM decisions WHERE status = 'merged'") == 16 > merged
    other = plain | {"by_language": (("de", "merge_cosine", 0.8), ("de", "review_cosine", 0.8))}
    drain(resolve(linked, meter=Tally(), **other))  # type: ignore[arg-type]  # as above
    assert linked.value("SELECT count(*) FROM decisions WHERE status = 'merged'") == merged
    take_back(linked, who="ann")
    assert standing(linked) == []
    with pytest.raises(NotFoundError, match="no such calibration"):
        take_back(linked, who="ann")
    with pytest.raises(SettingsError, match="below the review threshold of cosine for en"):
        Rules(by_language=(("en", "merge_cosine", 0.8),))


def test_a_labelled_file_is_read_in_both_forms_and_a_bad_line_is_named(tmp_path: Path) -> None:
    couple = {"question": "What is RSI?", "answer": f"RSI is {LONG}", "language": "en"}
    nested = {"label": "duplicate", "a": couple, "b": couple | {"question": "What is the RSI?"}}
    flat = {"label": "different", "language": "en", "question_a": "What is RSI of 14 days?", "answer_a": LONG,
            "question_b": "What is RSI of 21 days?", "answer_b": LONG}  # fmt: skip
    file = tmp_path / "labels.jsonl"
    file.write_text(
        "\n".join(json.dumps(row) for row in (nested, flat, nested | {"label": "unsure"})), encoding="utf-8"
    )
    found = labelled(file, Rules(), lambda couples: [(0.93, False)] * len(couples))
    assert found == {"en": [Answer(0.93, True, True), Answer(0.93, False, False)]}
    assert labelled(file, Rules(), lambda couples: [(0.93, True)] * len(couples))["en"][0].mergeable is False
    for bad, says in (('{"label": "perhaps"}', "line 1.*'perhaps' is none"), ("[", "line 1"), ("3", "line 1")):
        file.write_text(bad, encoding="utf-8")
        with pytest.raises(DeliveryError, match=says):
            labelled(file, Rules(), lambda couples: [])
    with pytest.raises(DeliveryError, match="cannot be read"):
        labelled(tmp_path / "none.jsonl", Rules(), lambda couples: [])


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace whose pairs have lexical links of all similarities."""
    deliveries = tmp_path / "in"
    deliveries.mkdir()
    forms = ["What is the {} of old among traders?", "What is {} of old among traders?",
             "What is the {} of the old among the traders?"]  # fmt: skip
    lines = [
        {"question": form.format(topic), "answer": f"The {topic} of old is {LONG}{' indeed' * (n % 2)}"}
        for topic in TOPICS
        for n, form in enumerate(forms)
    ]
    (deliveries / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert run(["run", str(deliveries), "--model", "hash", "-q", "-w", str(tmp_path / "ws")]) == 0
    return Workspace.at(tmp_path / "ws")


def test_the_command_asks_goes_on_stores_and_says_what_etl_toml_overrules(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(workspace.root)

    def calibrate(keys: str, *more: str) -> dict[str, Any]:
        monkeypatch.setattr("sys.stdin", io.StringIO(keys))
        assert run(["calibrate", "--method", "lexical", "--json", "-w", root, *more]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    (first,) = calibrate("yyuyq")["calibrations"]  # two stand: the second was taken back and given again
    assert (first["merge"], first["stored"]) == (None, None)
    assert first["more"] > 0
    (second,) = calibrate("y" * 60)["calibrations"]
    assert second["merge"] is not None
    assert second["stored"] == 1
    with workspace.store(write=True) as store:
        asked = store.value("SELECT count(DISTINCT a || b) FROM calibration_answers")
        pipeline = Pipeline(workspace, store, model="hash")
        assert asked <= 40
        assert ("en", "merge_lexical", second["merge"]) in pipeline.rules["by_language"]
        assert pipeline.stage("resolve").pending().amount > 0
        assert not pipeline.stage("link").pending().amount
    assert run(["run", str(workspace.root.parent / "in"), "--model", "hash", "-q", "-w", root]) == 0
    capsys.readouterr()
    settings_file = workspace.root / "etl.toml"
    settings_file.write_text("[resolve]\nmerge_lexical = 0.95\n", encoding="utf-8")
    overruled = Workspace.at(workspace.root)
    with overruled.store(write=True) as store:
        assert "by_language" not in Pipeline(overruled, store).rules
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run(["calibrate", "--method", "lexical", "-w", root]) == 0
    assert "etl.toml says merge_lexical = 0.95, and that wins" in capsys.readouterr().out
    assert run(["calibrate", "--show", "-w", root]) == 0
    assert "etl.toml wins" in capsys.readouterr().out
    assert run(["calibrate", "--undo", "-w", root]) == 0
    assert run(["calibrate", "--method", "odd", "-w", root]) == 1
    assert run(["calibrate", "-w", root]) == 1  # the trial model declares no language
    assert "--method lexical needs no model" in capsys.readouterr().err


def test_a_sitting_shows_no_similarity_that_would_answer_for_the_person(workspace: Workspace) -> None:
    said: list[str] = []
    with reviewing.existing(workspace) as store:
        sitting = calibrating.Sitting.begin(Pipeline(workspace, store), who="ann", method="lexical", count=3)
        assert calibrating.ask(sitting, iter("?n"), said.append) == 1
        assert store.query("SELECT who, duplicate FROM calibration_answers").rows() == [("ann", False)]
    assert not any(str(row.similarity) in "".join(said) for row in sitting.waiting)
    assert "y the same" in said[1]


def test_the_default_threshold_is_what_the_labelled_pairs_bear_out() -> None:
    """The same fit as `etl calibrate --labels`, with the cosines that stand beside the labels."""
    given: list[Answer] = []
    for name in ("labelled_pairs.jsonl", "held_out_pairs.jsonl"):
        path = Path(__file__).with_name(name)
        lines = [json.loads(line) for line in path.open(encoding="utf-8")]
        known = {
            (row["a"][part], row["b"][part]): cosine
            for row in lines
            for part, cosine in zip(("question", "answer"), row["cosine"], strict=True)
        }

        def stored(
            couples: Sequence[tuple[str, str]], known: dict[tuple[str, str], float] = known
        ) -> list[tuple[float, bool]]:
            return [(known[two], False) for two in couples]

        given += labelled(path, Rules(), stored)[defaults.LANGUAGE]
    found = fit(given, floor=FLOORS["cosine"], wanted=defaults.WANTED, confidence=defaults.CONFIDENCE)
    assert found.merge == defaults.MERGE_COSINE == Rules().merge_cosine == Settings().resolve.merge_cosine
    assert Rules().review_cosine == Settings().resolve.review_cosine == Rules().merge_cosine
    assert (found.right, found.answers, found.low, found.high) == (
        defaults.RIGHT, defaults.ANSWERS, defaults.LOW, defaults.HIGH,
    )  # fmt: skip
    stricter = fit(given, floor=FLOORS["cosine"], wanted=defaults.STRICTER, confidence=defaults.CONFIDENCE)
    assert (stricter.merge, stricter.more) == (None, defaults.MORE)
    assert "121 of 121" in defaults.told("merge_cosine")
