"""Chats, preference data and conversations in one text: pairs with what was said before, and nothing rejected."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.read import Reading
from etl.read.file import read_bytes


def reading(value: Any) -> Reading:
    """Read a value as a JSON file; with balanced books, or `Reading` raises."""
    return read_bytes(json.dumps(value, ensure_ascii=False).encode("utf-8"))


def rows(found: Reading) -> list[tuple[str, str, str, str | None]]:
    """Position, question, answer and context of each candidate."""
    assert found.refusal is None, found.refusal
    return found.candidates.select("position", "question", "answer", "context").rows()


def metadata(found: Reading, i: int = 0) -> dict[str, Any]:
    """The metadata of one candidate."""
    read: dict[str, Any] = json.loads(found.candidates["metadata"][i])
    return read


def turns(*said: tuple[str, Any]) -> list[dict[str, Any]]:
    """Turns as (role, content)."""
    return [{"role": role, "content": content} for role, content in said]


# ── chats ────────────────────────────────────────────────────────────────────────────────────────────────────

THREE = [
    {"from": "system", "value": "Be brief."}, {"from": "human", "value": "What is RSI?"},
    {"from": "gpt", "value": "An oscillator."}, {"from": "human", "value": "Its range?"},
    {"from": "gpt", "value": "0 to 100."}, {"from": "human", "value": "Thanks"},
]  # fmt: skip


def test_each_answered_turn_is_a_pair_with_the_earlier_turns_as_context() -> None:
    found = reading([{"id": "c1", "conversations": THREE}])
    assert rows(found) == [
        ("/0#1", "What is RSI?", "An oscillator.", None),
        ("/0#2", "Its range?", "0 to 100.", "User: What is RSI?\n\nAssistant: An oscillator."),
    ]
    assert metadata(found) == {"id": "c1", "system": "Be brief."}
    assert found.format is not None
    assert found.format.mapping["question"] == "conversations[from=human].value"
    assert (found.format.shape, found.records) == ("chat", 1)


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [one], lambda one: {"data": [one]}])
def test_a_chat_may_be_the_whole_file_or_stand_in_a_list(wrap: Any) -> None:
    found = reading(wrap({"messages": turns(("user", "Hi?"), ("assistant", "Hello."))}))
    assert [row[1:3] for row in rows(found)] == [("Hi?", "Hello.")]


def test_the_answer_stands_behind_the_calls_of_tools() -> None:
    called = [
        *turns(("user", "Price of AAPL?")),
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "quote"}}]},
        *turns(("tool", '{"price": 190}'), ("assistant", "190 dollars.")),
    ]
    found = reading([{"messages": called}])
    assert rows(found)[0][2] == "190 dollars."
    assert metadata(found)["tool_turns"] == ['[{"function":{"name":"quote"}}]', '{"price": 190}']


def test_pictures_stay_in_the_metadata() -> None:
    parts = [{"type": "image_url", "image_url": {"url": "a.png"}}, {"type": "text", "text": "What is it?"}]
    found = reading([{"messages": turns(("user", parts), ("assistant", "A chart."))}])
    assert rows(found)[0][1:3] == ("What is it?", "A chart.")
    assert metadata(found)["media"] == [[parts[0]]]


def test_several_turns_in_a_row_belong_together_and_a_greeting_is_context() -> None:
    said = turns(("assistant", "Hello!"), ("user", "One"), ("user", "thing?"), ("assistant", "A"), ("assistant", "B"))
    assert rows(reading([{"messages": said}])) == [("/0", "One\n\nthing?", "A\n\nB", "Assistant: Hello!")]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (turns(("user", "Hi?")), "no_answer"),
        (turns(("assistant", "Hi.")), "no_answer"),
        (turns(("user", "Hi?"), ("martian", "Ho.")), "unknown_role"),
        ([], "no_question"),
        ("Hi?", "no_question"),
        (turns(*[("user", "Q?"), ("assistant", "A.")] * 300), "too_many_turns"),
    ],
)
def test_a_conversation_without_a_pair_is_one_reject(said: Any, reason: str) -> None:
    good = {"messages": turns(("user", "Hi?"), ("assistant", "Hello."))}
    found = reading([good, {"messages": said}, good])
    assert found.rejects.select("position", "reason").rows() == [("/1", reason)]


def test_question_and_answer_beside_messages_are_read_from_their_own_columns() -> None:
    record = {"question": "Q?", "answer": "A", "messages": turns(("user", "Q?"), ("assistant", "A"))}
    assert reading([record]).format.shape == "flat"  # type: ignore[union-attr]  # None would fail the test just as well


# ── preference ───────────────────────────────────────────────────────────────────────────────────────────────

GOOD, BAD = {"role": "assistant", "content": "good"}, {"role": "assistant", "content": "bad"}
ASKED = {"role": "user", "content": "Q?"}


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Q?", "chosen": "good", "rejected": "bad"},
        {"prompt": [ASKED], "chosen": [GOOD], "rejected": [BAD]},
        {"prompt": "Q?", "chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]},
        {"chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]},
        {"conversations": [{"from": "human", "value": "Q?"}], "chosen": {"from": "gpt", "value": "good"}}
        | {"rejected": {"from": "gpt", "value": "bad"}},
        {"chosen": "\n\nHuman: Q?\n\nAssistant: good", "rejected": "\n\nHuman: Q?\n\nAssistant: bad"},
        {"prompt": "\n\nHuman: Q?\n\nAssistant:", "chosen": "good", "rejected": "bad"},
        {"instruction": "Q?", "input": "", "chosen": "good", "rejected": "bad"},
    ],
)
def test_the_chosen_answer_is_taken_and_the_rejected_one_only_remembered(record: Any) -> None:
    found = reading([record] * 3)
    assert [row[1:] for row in rows(found)] == [("Q?", "good", None)] * 3
    assert "bad" in json.dumps(metadata(found)["rejected"])
    assert found.format is not None
    assert found.format.shape == "preference"


def test_earlier_turns_and_inputs_are_the_context_of_what_was_chosen() -> None:
    talk = turns(("user", "A?"), ("assistant", "a"), ("user", "B?"))
    found = reading([{"messages": talk, "chosen": GOOD, "rejected": BAD}])
    assert rows(found)[0][1:] == ("B?", "good", "User: A?\n\nAssistant: a")
    told = reading([{"instruction": "Sum up.", "input": "Long.", "chosen": "good", "rejected": "bad"}])
    assert rows(told)[0][1:] == ("Sum up.", "good", "Long.")


def test_nothing_chosen_is_a_reject_even_with_something_rejected() -> None:
    found = reading([{"prompt": "Q?", "chosen": text, "rejected": "bad"} for text in ("good", "", None)])
    assert found.rejects["reason"].to_list() == ["no_answer", "no_answer"]


@pytest.mark.parametrize("layout", ["messages", "completion"])
def test_answers_labelled_bad_are_rejected(layout: str) -> None:
    talk = turns(("user", "A?"), ("assistant", "a"), ("user", "B?"), ("assistant", "b"))
    body = {"messages": talk} if layout == "messages" else {"prompt": "B?", "completion": "b"}
    found = reading([body | {"label": True}, body | {"label": False}])
    assert found.rejects.select("position", "reason").rows() == [("/1", "wrong_answer_label")]
    assert [row[1:3] for row in rows(found)] == [("B?", "b")]


# ── conversations in one text ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "Q: What is RSI?\nA: An oscillator.",
        "Q: What is RSI? A: An oscillator.",
        "Question: What is RSI?\n\nAnswer: An oscillator.",
        "Human: What is RSI?\nAssistant: An oscillator.",
        "### Human: What is RSI?\n### Assistant: An oscillator.",
        "### Instruction:\nWhat is RSI?\n\n### Response:\nAn oscillator.",
        "<human>: What is RSI?\n<bot>: An oscillator.",
        "<|im_start|>user\nWhat is RSI?<|im_end|>\n<|im_start|>assistant\nAn oscillator.<|im_end|>",
        "<|user|>\nWhat is RSI?</s>\n<|assistant|>\nAn oscillator.</s>",
        "<s>[INST] What is RSI? [/INST] An oscillator. </s>",
    ],
)
def test_marks_of_every_kind_are_followed(text: str) -> None:
    found = reading([{"text": text, "n": i} for i in range(3)])
    assert [row[1:] for row in rows(found)] == [("What is RSI?", "An oscillator.", None)] * 3
    assert metadata(found, 2)["n"] == 2


def test_sources_inputs_and_earlier_turns_of_a_text_are_found() -> None:
    found = reading([{"AnswerID": "a.txt", "Answer": "Question: Q?\nURL: https://a.org/x\nAnswer: A.\n- B\n"}] * 2)
    first = found.candidates.to_dicts()[0]
    assert (first["question"], first["answer"], first["sources"]) == ("Q?", "A.\n- B", ["https://a.org/x"])
    preamble = "Below is an instruction.\n\n### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:\n3"
    told = reading([{"text": preamble}] * 2)
    assert rows(told)[0][1:] == ("Add.", "3", "1 2")
    assert metadata(told) == {"system": "Below is an instruction."}
    talk = reading([{"text": "Human: A?\nAssistant: a\nHuman: B?\nAssistant: b"}])
    assert [row[0] for row in rows(talk)] == ["/0#1", "/0#2"]


def test_a_text_without_marks_among_marked_ones_is_one_reject() -> None:
    texts = ["Q: What?\nA: That."] * 19 + ["Just text."]
    assert reading([{"text": text} for text in texts]).rejects["reason"].to_list() == ["no_answer"]


@pytest.mark.parametrize("text", ["Some words. " * 20, "Question: Why?", "Answer: So.", "Note: a\nAnswer: b\nQ: c"])
def test_running_text_and_one_side_alone_stay_refused(text: str) -> None:
    assert reading([{"text": f"{text} {i}"} for i in range(20)]).refusal is not None


# ── anything at all ──────────────────────────────────────────────────────────────────────────────────────────

VALUE = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["Q: a\nA: b", "user", "gpt"])
TURN = st.dictionaries(
    st.sampled_from(["role", "content", "from", "value", "tool_calls"]),
    VALUE | st.sampled_from(["user", "assistant", "system", "tool", "human"]) | st.lists(VALUE, max_size=2),
    max_size=3,
) | VALUE  # fmt: skip
RECORD = st.dictionaries(
    st.sampled_from(["messages", "conversations", "chosen", "rejected", "prompt", "label", "text", "instruction"]),
    st.lists(TURN, max_size=4) | TURN | st.lists(st.lists(TURN, max_size=2), max_size=2),
    max_size=5,
) | VALUE  # fmt: skip
SAMPLES = [
    {"conversations": THREE}, {"prompt": "Q?", "chosen": [ASKED, GOOD], "rejected": [BAD]},
    {"messages": [ASKED, GOOD], "label": True}, {"text": "Q: a\nA: b"},
]  # fmt: skip


@given(st.sampled_from(SAMPLES), st.lists(RECORD, max_size=4))
@settings(max_examples=150, deadline=None)
def test_whatever_stands_beside_a_valid_record_the_books_balance(good: Any, others: list[Any]) -> None:
    found = reading([good, *others, good, good])
    assert found.refusal is None or found.refusal.reason not in ("unreadable", "too_deep"), found.refusal
