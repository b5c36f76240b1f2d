"""Text and markup in, pairs out: every form on a small sample of its own, and what must never become a pair."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

# from hypothesis import given, settings
# from hypothesis import strategies as st
from etl.read import Reading
from etl.read.file import read_bytes

MEDQUAD = """<?xml version="1.0" encoding="UTF-8"?>
<Document id="7" source="Example" url="https://example.org/asthma">
<Focus>Asthma</Focus>
<FocusAnnotations><UMLS><CUIs><CUI>C0000001</CUI></CUIs>
<SemanticGroup>Disorders</SemanticGroup></UMLS></FocusAnnotations>
<QAPairs>
 <QAPair pid="1"><Question qid="7-1" qtype="information">What is Asthma ?</Question>
  <Answer>A disease of the airways &amp; lungs.</Answer></QAPair>
 <QAPair pid="2"><Question qid="7-2" qtype="treatment">How is it treated ?</Question><Answer></Answer></QAPair>
</QAPairs>
</Document>"""
POSTS = """<?xml version="1.0" encoding="utf-8"?>
<posts>
  <row Id="1" PostTypeId="1" AcceptedAnswerId="4" Score="9" Title="How do I sort?" Body="&lt;p&gt;A list.&lt;/p&gt;"
    Tags="&lt;python&gt;" />
  <row Id="2" PostTypeId="1" Score="1" Title="Unanswered?" Body="b" />
  <row Id="3" PostTypeId="2" ParentId="1" Score="50" Body="Call sort." />
  <row Id="4" PostTypeId="2" ParentId="1" Score="3" Body="Call sorted." />
  <row Id="5" PostTypeId="2" ParentId="99" Score="3" Body="Orphan." />
  <row Id="6" PostTypeId="5" Body="A tag." />
</posts>"""
FORUM = """<xml><Thread THREAD_SEQUENCE="Q1">
 <RelQuestion RELQ_ID="Q1"><RelQSubject>Where to swim?</RelQSubject><RelQBody>I moved here.</RelQBody></RelQuestion>
 <RelComment RELC_ID="C1" RELC_RELEVANCE2RELQ="Bad"><RelCText>No idea</RelCText></RelComment>
 <RelComment RELC_ID="C2" RELC_RELEVANCE2RELQ="Good"><RelCText>At the club.</RelCText></RelComment>
 <RelComment RELC_ID="C3" RELC_RELEVANCE2RELQ="Good"><RelCText>At the beach.</RelCText></RelComment>
</Thread></xml>"""
YAML = "categories:\n- AI\nconversations:\n- - What is AI?\n  - A field.\n  - Of study.\n"
YAML += "- - Are you human?\n  - No\n- stray\n"
QNA = """> # QnA pairs

# ? Who are you?
- Your name
- What are you?

**Filters:**
- editorial = chitchat

```markdown
I am a bot.
# ? not a question
```
# ? And who am I?
```
You are you.
```
"""
TRIVIA = "#Q Which one\n\nis slow?\n^ Sloth\nA Mouse\nB Sloth\n\n#Q True?\r\n^ B\r\nA Yes\r\nB No\r\n#Q Lost?\nA x\n"


def reading(text: str | bytes, **options: Any) -> Reading:
    """Read a text as a file."""
    return read_bytes(text if isinstance(text, bytes) else text.encode("utf-8"), **options)


def rows(found: Reading) -> list[dict[str, Any]]:
    """The candidates as plain rows."""
    assert found.refusal is None, found.refusal
    return found.candidates.to_dicts()


def pairs(text: str | bytes) -> list[tuple[str, str]]:
    """Question and answer of every candidate."""
    return [(row["question"], row["answer"]) for row in rows(reading(text))]


def reasons(found: Reading) -> dict[str, str]:
    """Position -> reason of the rejects."""
    return dict(found.rejects.select("position", "reason").iter_rows())


def refusal(text: str | bytes) -> str:
    """The reason why a text is refused."""
    found = reading(text).refusal
    assert found is not None
    return found.reason


# ── XML ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_medquad_gives_its_pairs_with_focus_type_and_address() -> None:
    found = reading(MEDQUAD)
    first = rows(found)[0]
    assert (first["question"], first["answer"]) == ("What is Asthma ?", "A disease of the airways & lungs.")
    assert (first["position"], first["indicator"], first["category"]) == ("/QAPair[1]", "Asthma", "information")
    assert "https://example.org/asthma" in first["sources"]
    assert json.loads(first["metadata"])["FocusAnnotations"]["UMLS"]["SemanticGroup"] == "Disorders"
    assert reasons(found) == {"/QAPair[2]": "empty_answer"}
    assert found.format is not None
    assert (found.format.container, found.format.shape) == ("xml", "medquad")


def test_pairs_are_found_by_the_names_of_their_parts() -> None:
    text = (
        "<faq><topic>RSI</topic><item><q>What?</q><answers><answer>A</answer><answer>B</answer></answers></item></faq>"
    )
    first = rows(reading(text))[0]
    assert (first["question"], first["answer"], first["alternatives"], first["indicator"]) == (
        "What?",
        "A",
        ["B"],
        "RSI",
    )
    assert pairs('<l><pair question="Q?" answer="A"/></l>') == [("Q?", "A")]


def test_paragraphs_inside_an_answer_stay_lines_and_inline_marks_stay_inline() -> None:
    text = "<x><qa><question>Q?</question><answer><p>One.</p> <p>Two <b>bold</b>.</p></answer></qa></x>"
    assert pairs(text) == [("Q?", "One.\nTwo bold.")]


def test_an_answer_that_is_labelled_wrong_is_no_answer() -> None:
    answers = '<answer correct="false">Bad</answer><answer correct="true">Good</answer>'
    text = f"<x><qa><question>Q?</question>{answers}</qa></x>"
    assert (pairs(text), rows(reading(text))[0]["alternatives"]) == ([("Q?", "Good")], [])


def test_posts_are_joined_and_the_accepted_answer_comes_first() -> None:
    found = reading(POSTS)
    first = rows(found)[0]
    assert (first["question"], first["answer"], first["alternatives"]) == (
        "How do I sort?",
        "Call sorted.",
        ["Call sort."],
    )
    assert first["context"] == "<p>A list.</p>"
    assert reasons(found) == {
        "/row[@Id=2]": "no_answer",
        "/row[@Id=5]": "no_question",
        "/row[@Id=6]": "not_a_record",
    }


def test_a_thread_gives_its_good_replies_only() -> None:
    first = rows(reading(FORUM))[0]
    assert (first["question"], first["context"]) == ("Where to swim?", "I moved here.")
    assert (first["answer"], first["alternatives"]) == ("At the club.", ["At the beach."])
    assert reasons(reading(FORUM.replace('"Good"', '"Bad"'))) == {"/Thread[1]": "no_answer"}


def test_posts_with_a_type_make_a_thread() -> None:
    text = (
        '<thread><title>Why?</title><post type="question">It rains.</post><post type="answer">Clouds.</post>'
        '<post type="answer" accepted="true">Water.</post></thread>'
    )
    first = rows(reading(text))[0]
    assert (first["question"], first["context"], first["answer"]) == ("Why?", "It rains.", "Water.")


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>' + MEDQUAD.partition("?>")[2].replace("lungs", "&b;")
FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + MEDQUAD.partition("?>")[2].replace("lungs", "&a;")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "unsafe_xml"),
        (FILE, "unsafe_xml"),
        ('<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1/x.dtd"> %a;]><x/>', "unsafe_xml"),
        (MEDQUAD[:-30], "broken_xml"),
        (MEDQUAD.replace("&amp;", "&nbsp;"), "broken_xml"),
        ("<a>" * 5000 + "</a>" * 5000, "too_deep"),
        ("<config><server port='1'/><name>x</name></config>", "documents"),
        ("<Document><QAPairs/></Document>", "no_records"),
        ("<!DOCTYPE html><html><body><p>Question: x</p></body></html>", "unsupported_shape"),
    ],
)
def test_xml_that_is_unsafe_broken_or_no_pairs_is_refused(text: str, reason: str) -> None:
    assert refusal(text) == reason


# ── YAML ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_conversation_gives_its_first_two_turns() -> None:
    found = reading(YAML)
    first, second = rows(found)
    assert (first["question"], first["answer"], first["category"]) == ("What is AI?", "A field.", "AI")
    assert json.loads(first["metadata"]) == {"further": ["Of study."]}
    assert second["answer"] == "No"
    assert reasons(found) == {"/conversations/2": "malformed_record"}


def test_yaml_of_pairs_is_read_as_json_of_pairs_is() -> None:
    text = (
        "indicator: RSI\nqa_pairs:\n  - question: What is it?\n    answer: 1.10\n  - question: Is it?\n    answer: no\n"
    )
    assert pairs(text) == [("What is it?", "1.10"), ("Is it?", "no")]
    assert [row["indicator"] for row in rows(reading(text))] == ["RSI", "RSI"]
    assert pairs("- instruction: Say hi.\n  input: null\n  output: |\n    Hi.\n    Ho.\n") == [
        ("Say hi.", "Hi.\nHo.\n")
    ]


ALIASES = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("list:\n- x\n" + ALIASES, "unsafe_yaml"),
        ("a:\n- &a [*a]\n- x\n", "broken_yaml"),
        ("qa:\n- question: a\n  question: b\n  answer: c\n", "broken_yaml"),
        ("run:\n- !!python/object/apply:os.system [ls]\n- b: c\n", "labels"),
        ("name: build\non: push\njobs:\n  test:\n    steps:\n    - uses: x\n    - run: make\n", "configuration"),
        ("a:\n- " + "[" * 3000 + "\n- b\n", "broken_yaml"),
    ],
)
def test_yaml_that_is_unsafe_broken_or_no_pairs_is_refused(text: str, reason: str) -> None:
    started = time.process_time()
    assert refusal(text) == reason
    assert time.process_time() - started < 5


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_qna_gives_one_pair_a_block_with_its_phrasings() -> None:
    first, second = rows(reading(QNA))
    assert (first["question"], first["answer"]) == ("Who are you?", "I am a bot.\n# ? not a question")
    assert (first["phrasings"], first["category"]) == (["Your name", "What are you?"], "chitchat")
    assert (second["question"], second["answer"], second["phrasings"]) == ("And who am I?", "You are you.", [])


def test_trivia_gives_the_text_of_the_right_option() -> None:
    found = reading(TRIVIA)
    first, second = rows(found)
    assert (first["question"], first["answer"]) == ("Which one\nis slow?", "Sloth")
    assert json.loads(first["metadata"]) == {"options": {"A": "Mouse", "B": "Sloth"}}
    assert second["answer"] == "No"
    assert list(reasons(found).values()) == ["no_answer"]


def test_lines_of_another_encoding_are_read_by_themselves() -> None:
    lines = ["#Q Wo ist das Café Übersee?", "^ In Köln", "A In Köln", "B In Bonn", ""] * 4
    data = b"\n".join(line.encode("cp1252" if i == 0 else "utf-8") for i, line in enumerate(lines))
    assert set(pairs(data)) == {("Wo ist das Café Übersee?", "In Köln")}


LABELLED = "Trivia of the house\n\nQ: What is A?\nA: One.\nStill one.\n\nQ: What is B?\n\nQ: What is C?\nA: Three.\n"


def test_marked_questions_and_answers_are_read() -> None:
    found = reading(LABELLED)
    assert [(row["question"], row["answer"]) for row in rows(found)] == [
        ("What is A?", "One.\nStill one."),
        ("What is C?", "Three."),
    ]
    assert reasons(found) == {"line:7": "no_answer"}
    assert json.loads(rows(found)[0]["metadata"]) == {"preamble": "Trivia of the house"}
    assert pairs("**Q1:** Why?\n**A1:** So.\n\n**Q2:** How?\n**A2:** Thus.\n") == [("Why?", "So."), ("How?", "Thus.")]


def test_a_dialogue_that_runs_on_keeps_what_was_said_before() -> None:
    running = "Human: Hi\nAssistant: Hello.\nHuman: Why?\nAssistant: So.\n"
    assert [row["context"] for row in rows(reading(running))] == [None, "User: Hi\nAssistant: Hello."]
    apart = running.replace("Human: Why", "---\nHuman: Why")
    assert [row["context"] for row in rows(reading(apart))] == [None, None]
    assert [row["context"] for row in rows(reading(running.replace("Human: Why", "\nHuman: Why")))] == [None, None]


def test_blocks_of_two_lines_are_read_if_the_first_ones_ask() -> None:
    text = "\n\n\n".join(f"Is it {i}?,I have {i}, so to say" for i in range(30)).replace(", so", " so")
    found = reading("\n\n\n".join(f"{line}\nYes" for line in text.split("\n\n\n")))
    first = rows(found)[0]
    assert (first["question"], first["context"], first["answer"]) == ("Is it 0?", "I have 0 so to say", "Yes")
    assert refusal("\n\n".join(f"Rose {i} is red\nviolet {i} is blue" for i in range(9))) != "unmapped"
    doubtful = "\n\n".join(f"Rose {i} is red{'?' if i < 3 else ''}\nviolet {i} is blue" for i in range(9))
    assert refusal(doubtful) == "unmapped"
    told = reading(doubtful, mapping={"question": "first line", "answer": "second line"})
    assert told.candidates.height == 9


def test_front_matter_asks_and_the_body_answers() -> None:
    text = "---\nid: 3\nquestion: How do I sign up?\nsection: Start\n---\n\nFill in the form.\n\nThen wait.\n"
    first = rows(reading(text))[0]
    assert (first["question"], first["answer"]) == ("How do I sign up?", "Fill in the form.\n\nThen wait.")
    assert first["category"] == "Start"
    assert pairs("---\ntitle: What is RSI?\n---\nAn oscillator.\n") == [("What is RSI?", "An oscillator.")]
    assert refusal("---\ntitle: Release notes\n---\nWe fixed things.\n") in ("unsupported_shape", "plain_text")


README = """# FAQ

## Basics

### 1. What is RSI?

An *oscillator*.

```bash
# Is this a heading?
```

**[⬆ Back to Top](#faq)**

### 2. What changed in 2024 in C#?

Nothing, really.
"""


def test_headings_that_ask_and_sections_that_answer() -> None:
    first, second = rows(reading(README))
    assert (first["question"], first["answer"]) == (
        "What is RSI?",
        "An *oscillator*.\n\n```bash\n# Is this a heading?\n```",
    )
    assert (first["indicator"], first["category"], first["position"]) == ("Basics", "FAQ", "line:5")
    assert second["question"] == "What changed in 2024 in C#?"
    assert pairs("**What is A?**\n\nOne.\n\n**What is B?**\n\nTwo.\n") == [
        ("What is A?", "One."),
        ("What is B?", "Two."),
    ]
    assert refusal("# Tool\n\n## Install\n\nRun it.\n\n## Why?\n\nBecause.\n\n## Use\n\nSo.\n") == "unsupported_shape"


def test_tables_of_markdown_are_read_by_their_columns() -> None:
    text = "# FAQ\n\n| Question | Answer |\n|:--|---|\n| What is a\\|b? | A bar. |\n| Why? | |\n"
    assert pairs(text) == [("What is a|b?", "A bar.")]
    assert list(reasons(reading(text)).values()) == ["empty_answer"]
    assert reading("| Name | Size |\n|---|---|\n| a | 1 |\n").refusal is not None


# ── whatever comes ───────────────────────────────────────────────────────────────────────────────────────────

SAMPLES = [MEDQUAD, POSTS, FORUM, YAML, QNA, TRIVIA, LABELLED, README, "---\nquestion: Q?\n---\nA\n", ALIASES]
PIECES = ["<a>", "</QAPair>", "&b;", "<![CDATA[", "- ", "a:\n", "*a", "&a ", "# ? ", "```", "^ ", "#Q ", "Q: ", "A: "]
PIECES += ["---\n", "|---|---|\n", "| Question | Answer |\n", "\r", "\u2028", "\x00", "\ud7ff", "?", "[[", "**", "    "]


@settings(max_examples=120, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_give_a_reading(data: bytes) -> None:
    assert reading(data).records >= 0


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 40), st.sampled_from(PIECES))))
def test_a_damaged_sample_is_read_or_refused_and_the_books_balance(
    text: str, damages: list[tuple[int, int, str]]
) -> None:
    for at, length, piece in damages:
        text = text[:at] + piece + text[at + length :]
    found = reading(text)
    assert found.refusal is None or not found.refusal.reason.startswith("unreadable"), found.refusal


STARTS = ["", "# ? x\n```\n", "#Q x\n^ ", "Q: x\nA: ", "# a?\n\n## ", "a:\n- b: ", "<a>", "| a |"]
MARKS = ["-", "[", " ", "*", "#", "|", "q", "?", "`", "&a ", "a: ", "- ", "<", "\n", "-\t", "[a]("]


@pytest.mark.parametrize("start", STARTS)
def test_no_run_of_marks_takes_long(start: str) -> None:
    """A hundred thousand of a mark in one line: what is quadratic would take minutes."""
    for mark in MARKS:
        started = time.process_time()
        reading(start + mark * (100_000 // len(mark)) + "!\nx\n")
        assert time.process_time() - started < 5, mark
