"""Records in, pairs out: every shape family on small inputs of its own."""

import json
from typing import Any

import polars as pl
import pytest

from etl.read import Reading
from etl.read.file import read_bytes


def reading(value: Any, **options: Any) -> Reading:
    """Read a value as a JSON file."""
    return read_bytes(json.dumps(value, ensure_ascii=False).encode("utf-8"), **options)


def rows(found: Reading) -> list[dict[str, Any]]:
    """The candidates as plain rows."""
    assert found.refusal is None, found.refusal
    return found.candidates.to_dicts()


def reasons(found: Reading) -> dict[str, str]:
    """Position -> reason of the rejects."""
    return dict(found.rejects.select("position", "reason").iter_rows())


PAIR = {"question": "What is RSI?", "answer": "An oscillator."}


@pytest.mark.parametrize(
    ("value", "position", "shape"),
    [
        ([PAIR], "/0", "flat"),
        (PAIR, "/", "flat"),
        ({"data": [PAIR]}, "/data/0", "flat"),
        ({"qa_pairs": [PAIR]}, "/qa_pairs/0", "nested"),
        ({"indicator": "RSI", "category": "momentum", "qa_pairs": [PAIR]}, "/qa_pairs/0", "nested"),
        ([{"indicator": "RSI", "qa_pairs": [PAIR]}], "/0/qa_pairs/0", "nested"),
        ({"RSI": [PAIR]}, "/RSI/0", "keyed"),
        ({"RSI": PAIR, "MACD": PAIR}, "/RSI", "keyed"),
        ({"RSI": {"category": "momentum", "qa_pairs": [PAIR]}}, "/RSI/qa_pairs/0", "keyed"),
        ({"17": PAIR, "18": PAIR}, "/17", "keyed"),
        ({"indicators": [{"name": "RSI", "questions": [PAIR]}]}, "/indicators/0/questions/0", "nested"),
    ],
)
def test_the_forms_of_the_house_are_read_with_json_pointers(value: Any, position: str, shape: str) -> None:
    found = reading(value)
    first = rows(found)[0]
    assert found.format is not None
    assert (first["position"], first["question"], first["answer"]) == (position, "What is RSI?", "An oscillator.")
    assert found.format.shape == shape


def test_what_stands_around_pairs_is_inherited() -> None:
    around = {"indicator": "RSI", "category": "momentum", "sources": ["https://a.org"], "session": 12, "version": 2}
    first = rows(reading([around | {"qa_pairs": [PAIR | {"source": "https://b.org", "difficulty": "easy"}]}]))[0]
    assert (first["indicator"], first["category"], first["source_session"]) == ("RSI", "momentum", "12")
    assert first["sources"] == ["https://b.org", "https://a.org"]
    assert json.loads(first["metadata"]) == {"version": 2, "difficulty": "easy"}


def test_a_key_names_the_topic_unless_it_is_an_id() -> None:
    named, numbered = rows(reading({"RSI": [PAIR]}))[0], rows(reading({"q_17": PAIR, "q_18": PAIR}))[0]
    assert (named["indicator"], named["derived"]) == ("RSI", ["indicator"])
    assert (numbered["indicator"], json.loads(numbered["metadata"])) == (None, {"key": "q_17"})


def test_of_two_nested_topics_the_outer_is_the_category() -> None:
    first = rows(reading({"momentum": {"RSI": [PAIR], "MACD": [PAIR]}, "trend": {"EMA": [PAIR]}}))[0]
    assert (first["category"], first["indicator"], first["derived"]) == ("momentum", "RSI", ["category", "indicator"])


def test_settings_may_stand_among_topics_and_a_container_is_no_topic() -> None:
    keyed = rows(reading({"version": "1", "RSI": {"qa_pairs": [PAIR]}, "MACD": {"qa_pairs": [PAIR]}}))
    assert [row["indicator"] for row in keyed] == ["RSI", "MACD"]
    assert rows(reading({"my_qa_pairs": [PAIR]}))[0]["indicator"] is None


def test_options_beside_an_answer_in_words_do_not_matter() -> None:
    assert rows(reading([{"question": "Q?", "options": ["one", "two"], "answer": "one"}]))[0]["answer"] == "one"


def test_an_indicator_object_gives_its_name_and_category() -> None:
    first = rows(reading({"indicator": {"name": "RSI", "category": "momentum"}, "qa_pairs": [PAIR]}))[0]
    assert (first["indicator"], first["category"]) == ("RSI", "momentum")


def test_fields_may_stand_one_level_down() -> None:
    meta = {"indicator": "RSI", "category": "momentum", "source": "https://a.org", "level": 3}
    first = rows(reading([PAIR | {"metadata": meta}]))[0]
    assert (first["indicator"], first["category"], first["sources"]) == ("RSI", "momentum", ["https://a.org"])
    assert json.loads(first["metadata"])["metadata"]["level"] == 3


def test_flat_and_nested_records_may_stand_in_one_list() -> None:
    found = reading([PAIR, {"indicator": "RSI", "qa_pairs": [PAIR, PAIR]}, "stray", {"indicator": "MACD"}])
    assert found.candidates["position"].to_list() == ["/0", "/1/qa_pairs/0", "/1/qa_pairs/1"]
    assert reasons(found) == {"/2": "not_a_record", "/3": "no_question"}
    assert found.records == 5


def test_an_empty_list_of_pairs_gives_and_loses_nothing() -> None:
    assert reading([{"indicator": "RSI", "qa_pairs": [PAIR]}, {"indicator": "MACD", "qa_pairs": []}]).records == 1


def test_keys_with_odd_characters_stay_unambiguous_positions() -> None:
    found = reading({"a/b~c#1": [PAIR], "d": [PAIR]})
    assert found.candidates["position"].to_list() == ["/a~1b~0c%231/0", "/d/0"]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"question": "Q?"}, "no_answer"),
        ({"question": "Q?", "answer": None}, "no_answer"),
        ({"question": "Q?", "answer": []}, "no_answer"),
        ({"question": "Q?", "answer": " \n"}, "empty_answer"),
        ({"question": "Q?", "answer": ["", " "]}, "empty_answer"),
        ({"answer": "A"}, "no_question"),
        ({"question": "\u3000", "answer": "A"}, "empty_question"),
        ({"question": "Q?", "answer": "x" * 101}, "field_too_large"),
        ("text", "not_a_record"),
        (None, "not_a_record"),
        ([1], "not_a_record"),
    ],
)
def test_each_bad_record_is_rejected_once_with_its_reason(record: Any, reason: str) -> None:
    from etl.read import Limits

    found = reading([PAIR, record, PAIR], limits=Limits(field_characters=100))
    assert reasons(found) == {"/1": reason}
    assert (found.records, found.candidates.height) == (3, 2)


@pytest.mark.parametrize(
    ("answer", "text", "alternatives"),
    [
        (["A", "B", "A", "C"], "A", ["B", "C"]),
        (["", "B"], "B", []),
        ({"text": "A", "confidence": 0.5}, "A", []),
        ({"text": ["A", "B"], "answer_start": [1, 2]}, "A", ["B"]),
        ([{"text": "A", "answer_start": 3}, {"text": "B"}], "A", ["B"]),
        (42, "42", []),
        (1.10, "1.1", []),
        (True, "true", []),
        ({"high": 1, "low": 2}, '{"high":1,"low":2}', []),
    ],
)
def test_answers_of_every_kind_become_texts(answer: Any, text: str, alternatives: list[str]) -> None:
    first = rows(reading([PAIR | {"answer": answer}]))[0]
    assert (first["answer"], first["alternatives"]) == (text, alternatives)


def test_a_number_as_answer_keeps_its_digits() -> None:
    found = read_bytes(b'[{"question": "How much?", "answer": 1.10}, {"question": "How many?", "answer": 2e3}]')
    assert found.candidates["answer"].to_list() == ["1.10", "2e3"]


@pytest.mark.parametrize(
    ("given", "sources"),
    [
        ("https://a.org", ["https://a.org"]),
        ("https://a.org, https://b.org", ["https://a.org", "https://b.org"]),
        ("\nhttps://a.org ", ["https://a.org"]),
        ("Murphy, Technical Analysis", ["Murphy, Technical Analysis"]),
        (["a", "b", "a", ""], ["a", "b"]),
        ({"url": "https://a.org", "title": "A"}, ["https://a.org"]),
        ([{"title": "Book"}, {"url": "https://a.org"}], ["Book", "https://a.org"]),
        ({"wiki": "https://a.org", "book": "B"}, ["https://a.org", "B"]),
        ('["a", "b"]', ["a", "b"]),
        (None, []),
    ],
)
def test_sources_of_every_kind_become_a_list(given: Any, sources: list[str]) -> None:
    assert rows(reading([PAIR | {"sources": given}]))[0]["sources"] == sources


def test_several_questions_are_phrasings_of_the_first() -> None:
    first = rows(reading([{"questions": ["A?", "B?"], "answer": "C"}]))[0]
    assert (first["question"], first["phrasings"]) == ("A?", ["B?"])


def test_other_names_of_a_field_stand_in_where_the_first_is_missing() -> None:
    found = reading([PAIR, PAIR, {"Question": "B?", "answer_text": "C"}])
    assert found.candidates["question"].to_list()[2] == "B?"


def test_alpaca_input_is_context_and_its_placeholders_are_none() -> None:
    records = [
        {"instruction": "Sum up.", "input": "A long text.", "output": "Short."},
        {"instruction": "Say hi.", "input": "", "output": "Hi."},
        {"instruction": "Say ho.", "input": "<noinput>", "output": "Ho."},
    ]
    found = reading(records)
    assert found.format is not None
    assert found.format.shape == "alpaca"
    assert found.candidates["context"].to_list() == ["A long text.", None, None]
    assert json.loads(rows(found)[2]["metadata"]) == {"input_given": "<noinput>"}


def test_self_instruct_gives_a_pair_an_instance() -> None:
    tasks = [
        {"instruction": "Sum.", "instances": [{"input": "1 2", "output": "3"}, {"input": "2 2", "output": "4"}]},
        {"instruction": "Empty.", "instances": [{"input": "", "output": ""}]},
        {"instruction": "None.", "instances": []},
        {"instruction": "Half.", "instances": [{"input": "", "output": ""}, {"input": "", "output": "x"}]},
    ]
    found = reading(tasks)
    assert found.candidates["position"].to_list() == ["/0#1", "/0#2", "/3"]
    assert reasons(found) == {"/1": "empty_answer", "/2": "no_answer"}
    assert "unread_instances" in rows(found)[2]["metadata"]


def test_squad_takes_first_answer_and_context_and_rejects_unanswered() -> None:
    answers = [{"text": "A", "answer_start": 0}, {"text": "B", "answer_start": 1}, {"text": "A", "answer_start": 5}]
    qas = [
        {"id": 1, "question": "Q?", "answers": answers},
        {"id": 2, "question": "R?", "answers": [], "is_impossible": True},
    ]
    found = reading({"version": "2", "data": [{"title": "Super_Bowl", "paragraphs": [{"context": "A B", "qas": qas}]}]})
    first = rows(found)[0]
    assert (first["question"], first["answer"], first["alternatives"], first["context"]) == ("Q?", "A", ["B"], "A B")
    assert first["indicator"] == "Super_Bowl"
    assert reasons(found) == {"/data/0/paragraphs/0/qas/1": "no_answer"}


def test_answers_labelled_wrong_never_become_pairs() -> None:
    lines = ["qtext,label,atext"] + [f"What is {i // 4}?,{i % 2},Sentence {i}" for i in range(24)]
    found = read_bytes("\n".join(lines).encode())
    assert set(found.rejects["reason"]) == {"wrong_answer_label"}
    assert found.candidates["answer"].to_list() == [f"Sentence {i}" for i in range(24) if i % 2]


def test_a_dict_from_question_to_answer_is_read() -> None:
    assert rows(reading({"What is A?": "One.", "What is B?": "Two."}))[1]["question"] == "What is B?"


MANY = range(20)
REFUSED = {
    "question_pairs": [{"question_1": f"A{i}?", "question_2": f"B{i}?", "similar": i % 2} for i in MANY],
    "sentence_pairs": [{"premise": f"A{i}", "hypothesis": f"B{i}", "label": i % 3} for i in MANY],
    "intent_classification": [{"text": f"Where is my card {i}?", "category": "card_arrival"} for i in MANY],
    "predictions": {f"{i:032x}": f"span {i}" for i in MANY},
    "labels": ["card_arrival", "lost_card", "top_up"],
    "configuration": {"name": "x", "version": 1, "paths": ["a"]},
    "plain_text": [{"text": "Some words of running text. " * 3} for _ in MANY],
    "documents": [{"doc_id": i, "doc": "A whole paper. " * 50} for i in MANY],
    "questions_only": [{"id": i, "question": f"What is {i}?"} for i in MANY],
    "answers_only": [{"id": i, "answer": f"It is {i}."} for i in MANY],
    "tabular": [{"date": f"2024-01-{i + 1:02}", "open": i + 0.5, "close": 2.5, "volume": 7} for i in MANY],
    "no_records": [],
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_question_and_answer_is_refused_for_what_it_is(reason: str) -> None:
    found = reading(REFUSED[reason])
    assert found.refusal is not None
    assert (found.refusal.reason, found.candidates.height, found.records) == (reason, 0, 0)


UNSUPPORTED = {
    "chat": [{"conversations": [{"from": "A", "value": "Hi"}, {"from": "B", "value": "Hello"}]}] * 3,
    "parallel_lists": {"question": ["Q?", "R?"], "answer": ["A", "B"]},
    "list_of_lists": [["Q?", "A"], ["R?", "B"]],
}


@pytest.mark.parametrize("shape", UNSUPPORTED)
def test_a_shape_that_is_not_read_yet_is_refused_by_its_name(shape: str) -> None:
    found = reading(UNSUPPORTED[shape])
    assert found.refusal is not None
    assert found.refusal.reason == "unsupported_shape"
    assert found.refusal.evidence.startswith(f"{shape}: ")


def test_likely_columns_are_proposed_and_wait_for_a_person() -> None:
    records = [{"alpha": f"What is {i}?", "beta": f"It is {i}, so to say", "gamma": f"or maybe not {i}"} for i in MANY]
    found = reading(records)
    assert found.state == "unmapped"
    assert found.unmapped["question"] == "alpha"
    told = reading(records, mapping={"question": "alpha", "answer": "gamma"})
    assert told.candidates["answer"].to_list() == [f"or maybe not {i}" for i in MANY]


def test_a_mapping_that_does_not_fit_says_so() -> None:
    found = reading([PAIR], mapping={"question": "nowhere", "answer": "answer"})
    assert found.refusal is not None
    assert found.refusal.reason == "mapping_does_not_fit"


def test_all_that_is_not_mapped_is_kept_as_metadata() -> None:
    extra = {"id": 7, "tags": ["a"], "score": 0.25, "nested": {"x": [1]}}
    assert json.loads(rows(reading([PAIR | extra | {"empty": None}]))[0]["metadata"]) == extra


def test_reading_is_in_the_order_of_the_file() -> None:
    found = reading([{"question": f"Q{i}?", "answer": "A"} for i in range(30)])
    assert found.candidates["position"].to_list() == [f"/{i}" for i in range(30)]
    assert found.candidates.schema["sources"] == pl.List(pl.String)
