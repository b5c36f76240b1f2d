"""Bytes in; nothing out, or an exception that is a bug: one target a text parser, each with seeds of our own.

`python tests/fuzz/run.py` feeds them under coverage (atheris), `tests/test_etl_fuzz.py` mutated seeds.
What a target lets pass is what the parser promises: a refusal, never an exception, and books that balance.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

from grown import grown

from etl.detect.container import container
from etl.detect.delimited import table
from etl.detect.encoding import Text, decode
from etl.detect.format import Refusal
from etl.detect.strict_json import BrokenJsonError, parse
from etl.normalise.repair import repair_text
from etl.read.assemble import Refused
from etl.read.documents import read_document
from etl.read.json_text import read_json
from etl.read.limits import Limits
from etl.read.recogniser import Recogniser
from etl.read.table_text import read_table
from etl.shapes.forms.blocks import blocks
from etl.shapes.forms.labelled import labelled, labelled_below_a_title
from etl.shapes.forms.markdown import front_matter, headings
from etl.shapes.forms.markdown_table import markdown_table
from etl.shapes.forms.qna import qna
from etl.shapes.forms.trivia import trivia
from etl.shapes.forms.xml_text import xml_text
from etl.shapes.forms.yaml_text import yaml_text
from etl.shapes.transcript import sections

LONGEST_S = 1.0  # of processor time for one input
_LIMITS = Limits(field_characters=100_000, records=10_000)


@dataclass(frozen=True, slots=True)
class Target:
    """A parser under test and small valid inputs that others are made of."""

    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]

    def timed(self, data: bytes) -> None:
        """Run once. Raises AssertionError for what takes longer than a second."""
        started = time.process_time()
        self.run(data)
        taken = time.process_time() - started
        assert taken < LONGEST_S, f"{taken:.2f} s for {len(data)} bytes"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _strict_json(data: bytes) -> None:
    """Whatever is accepted, the strict reading of the standard library accepts as well."""
    try:
        parse(data)
    except BrokenJsonError:
        return

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len({name for name, _ in pairs}) == len(pairs), "a duplicate key was accepted"
        return dict(pairs)

    def constant(name: str) -> None:
        raise AssertionError(f"{name} was accepted")

    json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=constant)


def _utf8(data: bytes) -> Text:
    return Text(_text(data).encode("utf-8"), "utf-8", 1.0)


def _json_text(data: bytes) -> None:
    with_limits(lambda: read_json(_utf8(data), Recogniser(), _LIMITS))


def _records(data: bytes) -> None:
    text = json.dumps(grown(data)).encode("ascii")
    with_limits(lambda: read_json(Text(text, "utf-8", 1.0), Recogniser(), _LIMITS))


def _table_text(data: bytes) -> None:
    with_limits(lambda: read_table(_utf8(data), Recogniser(), _LIMITS))


def with_limits(read: Callable[[], object]) -> None:
    """A limit that is passed is a refusal, and so is nesting too deep to follow."""
    try:
        read()
    except (Refused, RecursionError):
        return


def _encoding(data: bytes) -> None:
    found = decode(data)
    if not isinstance(found, Refusal):
        assert 0 <= found.confidence <= 1
        found.data.decode("utf-8")


def _repair(data: bytes) -> None:
    """What no rule changed is the text less its outer white space; no unwanted character is left."""
    text = data.decode("utf-8", "surrogatepass" if data[:1] == b"\xed" else "replace")
    mended, rules = repair_text(text)
    assert rules or mended == text.strip()
    assert not any(0xD800 <= ord(c) <= 0xDFFF or (ord(c) < 32 and c not in "\t\n") for c in mended)


def _repair_bytes(data: bytes) -> None:
    try:
        _repair(data)
    except UnicodeDecodeError:
        return


def document(body: str) -> bytes:
    """A Word document with this body."""
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    members = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{word}"><w:body>{body}</w:body></w:document>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _document(data: bytes) -> None:
    with_limits(lambda: read_document(document(_text(data)), Recogniser(), _LIMITS))


def _seeds(*texts: str) -> tuple[bytes, ...]:
    return tuple(text.encode("utf-8") for text in texts)


_PAIR = '{"question": "What is RSI?", "answer": "An oscillator of 14 days, \\u00e4 \\ud83d\\ude00."}'
_NESTED = '{"indicator": {"name": "RSI", "category": "momentum"}, "qa_pairs": [%s], "sources": ["https://a.example"]}'
_CHAT = '{"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Ho."}]}'
_SQUAD = '{"data": [{"paragraphs": [{"context": "C", "qas": [{"question": "Q?", "answers": [{"text": "C"}]}]}]}]}'
_CHOICE = '[{"question": {"stem": "Q?", "choices": [{"label": "A", "text": "x"}]}, "answerKey": "A"}]'
_LABELLED = "Q: What is A?\nA: One.\n\nQ: What is B?\nA: Two.\n\nHuman: Hi\nAssistant: Ho\n"

TARGETS: dict[str, Target] = {
    "strict_json": Target(_strict_json, _seeds(_PAIR, _SQUAD, '[1.10, -2e5, null, true, {"a": {"a": []}}]')),
    "json": Target(
        _json_text,
        _seeds(
            f"[{_PAIR}, {_PAIR}]",
            _NESTED % _PAIR,
            _CHAT,
            f"[{_CHAT}]",
            _SQUAD,
            _CHOICE,
            '{"What?": "That."}',
            '[{"instruction": "Do", "input": "no input", "output": "Done"}]',
            '[{"prompt": "Q?", "chosen": "good", "rejected": "bad"}]',
            '{"intents": [{"tag": "hi", "patterns": ["Hi", "Hello?"], "responses": ["Ho"]}]}',
            '[{"text": "Q: What? A: That."}]',
            '[{"category": "RIVERS", "clue": "It flows.", "response": "a river"}]',
            '[{"question": "Q?", "answer1": "x", "answer2": "NONE"}]',
        ),
    ),
    "records": Target(
        _records,
        (
            bytes([12, 1, 0, 1, 6, *range(64)]),
            bytes([12, 3, 0, 9, 10, 13, 7, *([1, 0, 8, 2, 1, 4, 14, 2] * 9)]),
            bytes([8, 4, *([0, 1, 16, 8, 3, 0, 2, 18, 1, 9, 19, 1, 1, 0, 2, 18, 1, 10, 19, 1, 1] * 4)]),
            bytes([0, 3, 34, 8, 2, 0, 2, 35, 8, 1, 0, 3, 10, 1, 1, 36, 8, 1, 0, 2, 0, 1, 0, 37, 8, 1, 1, 1] * 3),
        ),
    ),
    "jsonl": Target(_json_text, _seeds(f"{_PAIR}\n{_PAIR}\n", f"{_PAIR}\n{{broken\n{_PAIR}", f"{_CHAT}\r\n{_CHAT}\n")),
    "delimited": Target(
        lambda data: table(_text(data)),
        _seeds('question,answer\n"a ""b"", c",d\ne,f\n', 'q\ta\nx\ty\nz\t"w\n', "sep=;\nQ;A\n1;2\n"),
    ),
    "table_text": Target(
        _table_text,
        _seeds("question,answer,topic\nWhat is A?,One.,x\nWhat is B?,Two.,y\n", "Q?,a,b,A\nR?,c,d,B\nS?,e,f,A\n"),
    ),
    "yaml": Target(
        lambda data: yaml_text(_text(data)),
        _seeds("categories:\n- ai\nconversations:\n- - Hi?\n  - Ho.\n", "- question: Q?\n  answer: &a A\n- *a\n"),
    ),
    "xml": Target(
        lambda data: xml_text(_text(data)),
        _seeds(
            '<D><Focus>F</Focus><QAPairs><QAPair pid="1"><Question qid="1" qtype="t">Q?</Question><Answer>A &amp; B'
            "</Answer></QAPair></QAPairs></D>",
            '<posts><row Id="1" PostTypeId="1" Title="T?" Body="&lt;p&gt;B" AcceptedAnswerId="2"/><row Id="2" '
            'PostTypeId="2" ParentId="1" Body="A" Score="3"/></posts>',
            '<T><Thread><RelQuestion><RelQSubject>S?</RelQSubject></RelQuestion><RelComment RELC_RELEVANCE2RELQ="Good">'
            "<RelCText>A</RelCText></RelComment></Thread></T>",
        ),
    ),
    "headings": Target(
        lambda data: headings(_text(data)),
        _seeds(
            "# FAQ\n\n## 1. What is A?\n\nOne.\n\n```\n# no\n```\n\n## What is B?\n\nTwo.\n",
            "**Q?**\n\nA\n\n**R?**\n\nB\n",
        ),
    ),
    "markdown_table": Target(
        lambda data: markdown_table(_text(data)),
        _seeds("| Question | Answer |\n|:--|---|\n| What is a\\|b? | A bar. |\n"),
    ),
    "front_matter": Target(
        lambda data: front_matter(_text(data)), _seeds("---\nid: 3\nquestion: How?\nsection: Start\n---\n\nSo.\n")
    ),
    "qna": Target(
        lambda data: qna(_text(data)),
        _seeds(
            "# ? Who are you?\n- What are you?\n\n**Filters:**\n- editorial = chitchat\n\n```markdown\nA bot.\n```\n"
        ),
    ),
    "trivia": Target(
        lambda data: trivia(_text(data)), _seeds("#Q What is A?\n^ One\nA One\nB Two\n\n#Q B?\n^ B\nA x\nB y\n")
    ),
    "labelled": Target(
        lambda data: (labelled(_text(data)), labelled_below_a_title(_text(data))),
        _seeds(_LABELLED, "Title\n\n**Question 1:** A?\n**Answer:** B\n---\n"),
    ),
    "transcript": Target(
        lambda data: sections(_text(data)),
        _seeds(_LABELLED, "<|user|>\nHi<|end|>\n<|assistant|>\nHo", "[INST] a [/INST] b</s>"),
    ),
    "blocks": Target(lambda data: blocks(_text(data)), _seeds("\n\n".join(f"Is it {i}?\nYes {i}." for i in range(8)))),
    "encoding": Target(
        _encoding,
        (
            "Größe, ça va?".encode("utf-8-sig"),
            "Größe?\nplain\n".encode("windows-1252"),
            "是什么？".encode("gb18030"),
            "これは何ですか".encode("shift_jis"),
            "Что это?".encode("koi8-r"),
            "Hello?".encode("utf-16"),
            "a?".encode("utf-32"),
            "ä\nö\n".encode() + b"\xe4\n",
        ),
    ),
    "container": Target(container, (b"%PDF-1.4", b"PK\x03\x04", b"PAR1", b"H\x00i\x00", b"plain text\n", b"\x1f\x8b")),
    "repair": Target(
        _repair_bytes, (*_seeds("GrÃ¶ÃŸe ", "a\x00b\u2028c\u202ed\ufeff", "â€œquotedâ€\x9d"), b"\xed\xa0\x80 half")
    ),
    "document": Target(
        _document,
        _seeds(
            "<w:p><w:r><w:t>Q: What is A?</w:t></w:r></w:p><w:p><w:r><w:t>A: One.</w:t></w:r></w:p>",
            '<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>Why?</w:t></w:r></w:p><w:p><w:br/></w:p>',
            "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Question</w:t></w:r></w:p></w:tc><w:tc><w:p/></w:tc></w:tr></w:tbl>",
        ),
    ),
}
