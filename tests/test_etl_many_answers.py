"""Multiple choice, several answers, questions on tables, patterns of a chat bot: right texts, or a reject."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.read import Reading
from etl.read.file import read_bytes

MANY = range(24)
OPTIONS = ["Volume", "Trend", "Momentum", "Cycle"]


def reading(value: Any) -> Reading:
    """Read a value as a JSON file; with balanced books, or `Reading` raises."""
    return read_bytes(json.dumps(value, ensure_ascii=False).encode("utf-8"))


def pairs(found: Reading) -> list[tuple[str, str]]:
    """Question and answer of each candidate."""
    assert found.refusal is None, found.refusal
    return found.candidates.select("question", "answer").rows()


def asked(**more: Any) -> list[dict[str, Any]]:
    """24 questions, each with its number; a callable gives the value for that number."""
    return [
        {"question": f"What is {i}?"} | {name: value(i) if callable(value) else value for name, value in more.items()}
        for i in MANY
    ]


# ── multiple choice ──────────────────────────────────────────────────────────────────────────────────────────

LABELLED = {"text": OPTIONS, "label": ["A", "B", "C", "D"]}
OBJECTS = [{"label": label, "text": text} for label, text in zip("ABCD", OPTIONS, strict=True)]
COLUMNS = dict(zip("ABCD", OPTIONS, strict=True))
LONG = {f"option_{name}": text for name, text in zip("abcd", OPTIONS, strict=True)}


@pytest.mark.parametrize(
    "records",
    [
        asked(choices=OPTIONS, answer=lambda i: i % 4),
        asked(choices=OPTIONS, answer=lambda i: i % 4 + 1),
        asked(options=OPTIONS, answer=lambda i: "ABCD"[i % 4]),
        asked(options=OPTIONS, answer=lambda i: f"({'abcd'[i % 4]})"),
        asked(choices=LABELLED, answerKey=lambda i: "ABCD"[i % 4]),
        asked(options=dict(zip("ABCD", OPTIONS, strict=True)), answer=lambda i: "ABCD"[i % 4]),
        asked(choices=OBJECTS, answerKey=lambda i: "ABCD"[i % 4]),
        asked(**COLUMNS, answer=lambda i: "ABCD"[i % 4]),
        asked(**{f"choice{n}": text for n, text in enumerate(OPTIONS)}, label=lambda i: i % 4),
        asked(**{f"option{n}": text for n, text in enumerate(OPTIONS, 1)}, answer=lambda i: str(i % 4 + 1)),
        asked(**{f"op{name}": text for name, text in zip("abcd", OPTIONS, strict=True)}, cop=lambda i: i % 4),
        asked(**LONG, answer=lambda i: f"option_{'abcd'[i % 4]}"),
        [
            {"id": i, "question": {"stem": f"What is {i}?", "choices": OBJECTS}, "answerKey": "ABCD"[i % 4]}
            for i in MANY
        ],
    ],
)  # fmt: skip
def test_the_answer_is_the_text_of_the_right_option(records: list[dict[str, Any]]) -> None:
    found = reading(records)
    assert pairs(found) == [(f"What is {i}?", OPTIONS[i % 4]) for i in MANY]
    assert all("Momentum" in kept for kept in found.candidates["metadata"])
    assert found.format is not None
    assert found.format.shape == "multiple_choice"


def test_a_table_without_a_header_whose_last_column_is_a_letter_is_read() -> None:
    lines = [f"What is {i}?,{','.join(OPTIONS)},{'ABCD'[i % 4]}" for i in MANY]
    assert pairs(read_bytes("\n".join(lines).encode())) == [(f"What is {i}?", OPTIONS[i % 4]) for i in MANY]


def test_where_nothing_tells_what_is_counted_from_the_file_is_refused() -> None:
    found = reading(asked(choices=OPTIONS, answer=lambda i: i % 2 + 1))
    assert found.refusal is not None
    assert "counts options from 0 or from 1" in found.refusal.evidence


@pytest.mark.parametrize(("key", "reason"), [(9, "answer_not_among_options"), ("", "no_answer"), (None, "no_answer")])
def test_a_key_that_names_no_option_is_a_reject_and_never_an_answer(key: Any, reason: str) -> None:
    records = asked(choices=OPTIONS, answer=lambda i: i % 4)
    records[5]["answer"] = key
    assert reading(records).rejects.select("position", "reason").rows() == [("/5", reason)]


def test_several_right_options_are_one_answer() -> None:
    records = asked(options=OPTIONS, answer=lambda i: "ABCD"[i % 4])
    records[0]["answer"] = ["A", "C"]
    assert pairs(reading(records))[0][1] == "Volume; Momentum"


def test_options_without_a_key_are_questions_only() -> None:
    found = reading([{"id": i, "question": {"stem": f"What is {i}?", "choices": OBJECTS}} for i in MANY])
    assert found.refusal is not None
    assert found.refusal.reason == "questions_only"


# ── several answers ──────────────────────────────────────────────────────────────────────────────────────────


def test_numbered_answers_are_one_answer_and_its_alternatives_without_fillers() -> None:
    found = reading(
        [
            {"question": "Q?", "answer1": "yes", "answer2": "of course", "answer3": "NONE", "answer4": "yes"},
            {"question": "How many?", "answer1": "None", "answer2": "NONE", "answer3": "", "answer4": None},
            {"question": "R?", "answer1": "NONE", "answer2": "NONE", "answer3": "NONE", "answer4": "NONE"},
        ]
    )
    assert pairs(found) == [("Q?", "yes"), ("How many?", "None")]
    assert found.candidates["alternatives"].to_list() == [["of course"], []]
    assert found.rejects["reason"].to_list() == ["no_answer"]


def test_short_answers_joined_by_semicolons_are_alternatives_and_sentences_stay_whole() -> None:
    found = reading(asked(answers="RSI; Relative Strength Index;"))
    assert found.candidates.select("answer", "alternatives").row(0) == ("RSI", ["Relative Strength Index"])
    prose = "It is an oscillator that moves between two bounds; traders use it to see when a move has gone too far."
    assert pairs(reading(asked(answers=prose)))[0][1] == prose
    assert pairs(reading(asked(answer="a; b")))[0][1] == "a; b"


def test_patterns_are_wordings_of_one_question_and_responses_its_answers() -> None:
    intents = [
        {"tag": "greeting", "patterns": ["Hi", "Hello"], "responses": ["Hello!", "Hey!"], "context": [""]},
        {"tag": "fallback", "patterns": [], "responses": ["I do not know."]},
    ]
    found = reading({"intents": intents})
    first = found.candidates.to_dicts()[0]
    assert (first["question"], first["phrasings"], first["answer"], first["alternatives"]) == (
        "Hi", ["Hello"], "Hello!", ["Hey!"],
    )  # fmt: skip
    assert (first["indicator"], first["position"], first["context"]) == ("greeting", "/intents/0", None)
    assert found.rejects.select("position", "reason").rows() == [("/intents/1", "no_question")]


# ── questions on passages and tables ─────────────────────────────────────────────────────────────────────────


def test_questions_on_a_table_have_it_as_context_and_numbers_their_scale() -> None:
    table = {"uid": "t", "table": [["", ""], ["Year", "2019"], ["Sales", "1,496.5"]]}
    given = [(["1,496.5"], "million"), (-12.6, "percent"), (["a", "b", ""], ""), ("the text", "thousand"), ([], "")]
    questions = [
        {"question": f"Q{i}?", "answer": answer, "scale": scale, "derivation": "", "answer_type": "span"}
        for i, (answer, scale) in enumerate(given)
    ]
    found = reading([{"table": table, "paragraphs": [{"text": "In millions:"}], "questions": questions}])
    assert [answer for _, answer in pairs(found)] == ["1,496.5 million", "-12.6 percent", "a; b", "the text"]
    assert set(found.candidates["context"]) == {"Year | 2019\nSales | 1,496.5\n\nIn millions:"}
    assert found.rejects["reason"].to_list() == ["no_answer"]
    assert "table" not in json.loads(found.candidates["metadata"][0])


def test_the_chinese_variant_of_squad_is_read() -> None:
    qas = [{"query_text": "问？", "query_id": "1", "answers": ["答", 147.0, "答"]}]
    found = reading([{"context_id": "D", "context_text": "文", "title": "题", "qas": qas}] * 2)
    first = found.candidates.to_dicts()[0]
    assert (first["question"], first["answer"], first["alternatives"]) == ("问？", "答", ["147.0"])
    assert (first["context"], first["indicator"], first["position"]) == ("文", "题", "/0/qas/0")
    assert found.format is not None
    assert found.format.shape == "cmrc"


@pytest.mark.parametrize("answer", ["target", "completion"])
def test_prompts_with_a_target_or_completion_are_pairs(answer: str) -> None:
    found = reading([{"prompt": f"What is {i}?", answer: f" It is {i}."} for i in MANY])
    assert pairs(found)[3] == ("What is 3?", " It is 3.")


# ── anything at all ──────────────────────────────────────────────────────────────────────────────────────────

VALUE = st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=5) | st.sampled_from(["A", "b", "1", "a; b"])
FIELD = VALUE | st.lists(VALUE | st.lists(VALUE, max_size=2), max_size=3) | st.dictionaries(
    st.sampled_from(["stem", "choices", "text", "label", "A"]), VALUE | st.lists(VALUE, max_size=2), max_size=3
)  # fmt: skip
NAMES = [
    "question", "answer", "answers", "choices", "options", "answerKey", "label", "A", "B", "C", "answer1", "answer2",
    "patterns", "responses", "scale", "derivation", "table", "paragraphs", "questions", "qas",
]  # fmt: skip
SAMPLES: list[dict[str, Any]] = [
    {"question": "Q?", "choices": OPTIONS, "answer": 0},
    {"question": "Q?", "A": "x", "B": "y", "C": "z", "answer": "B"},
    {"question": {"stem": "Q?", "choices": OBJECTS}, "answerKey": "A"}, {"question": "Q?", "answers": "a; b"},
    {"question": "Q?", "answer1": "a", "answer2": "NONE"}, {"patterns": ["Hi"], "responses": ["Ho"]},
    {"question": "Q?", "answer": [1], "scale": "million", "derivation": ""},
]  # fmt: skip


@given(
    st.sampled_from(SAMPLES), st.lists(st.dictionaries(st.sampled_from(NAMES), FIELD, max_size=5) | VALUE, max_size=4)
)
@settings(max_examples=200, deadline=None)
def test_whatever_stands_beside_a_valid_record_the_books_balance(good: Any, others: list[Any]) -> None:
    changed = [good | other if isinstance(other, dict) else other for other in others]
    for records in ([good, *others, good, good], [good, *changed, good, good]):
        found = reading(records)
        assert found.refusal is None or found.refusal.reason not in ("unreadable", "too_deep"), found.refusal
