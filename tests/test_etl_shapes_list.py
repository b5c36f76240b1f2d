"""The list of shapes met in public repositories, line by line: one tiny sample each, accepted with exactly these pairs
or refused for exactly this reason."""

import gzip
import io
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from etl.read import Reading, read
from etl.read.archive import unpack
from etl.read.file import read_bytes

Q, A, P = "What is RSI?", "An oscillator.", {"question": "What is RSI?", "answer": "An oscillator."}
ONE = [(Q, A)]


def j(value: Any) -> bytes:
    """JSON."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8")


def lines(*values: Any) -> bytes:
    """JSON Lines."""
    return b"\n".join(map(j, values))


def frame(write: Callable[[pl.DataFrame, io.BytesIO], Any], rows: list[dict[str, Any]]) -> bytes:
    """A file of columns."""
    out = io.BytesIO()
    write(pl.DataFrame(rows), out)
    return out.getvalue()


def zipped(**members: str) -> bytes:
    """A zip file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


WORD = "<w:document xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main'><w:body>{}</w:body></w:document>"
SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)


def docx(*paragraphs: str) -> bytes:
    """A Word document."""
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    return zipped(**{"word/document.xml": WORD.format(body)})


def xlsx(*rows: tuple[str, ...]) -> bytes:
    """An Excel workbook."""
    main = "http://schemas.openxmlformats.org"
    cells = [
        "".join(f'<c r="{"ABC"[i]}{n}" t="inlineStr"><is><t>{cell}</t></is></c>' for i, cell in enumerate(row))
        for n, row in enumerate(rows, 1)
    ]
    listed = "".join(f'<row r="{n}">{row}</row>' for n, row in enumerate(cells, 1))
    relation = f"{main}/officeDocument/2006/relationships"
    return zipped(**{
        "[Content_Types].xml": f'<Types xmlns="{main}/package/2006/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{main}/package/2006/relationships"><Relationship Id="r1" '
        f'Type="{relation}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}/spreadsheetml/2006/main" xmlns:r="{relation}"><sheets>'
        "<sheet name='S' sheetId='1' r:id='r1'/></sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{main}/package/2006/relationships"><Relationship '
        f'Id="r1" Type="{relation}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": SHEET.format(listed),
    })  # fmt: skip


CHOICES = [f"{word} {i}" for i, word in enumerate(["red", "green", "blue"])]
SQUAD = {
    "data": [{"title": "T", "paragraphs": [{"context": "C", "qas": [{"id": "1", **P, "answers": [{"text": A}]}]}]}]
}
del SQUAD["data"][0]["paragraphs"][0]["qas"][0]["answer"]  # type: ignore[index]
TATQA = [{
    "table": {"uid": "t", "table": [["", "2019"], ["Sales", "14"]]}, "paragraphs": [{"text": "Text."}],
    "questions": [
        {"question": "How much?", "answer": 14, "scale": "million", "derivation": "", "answer_type": "span"},
        {"question": "Which?", "answer": ["Sales", "Costs"], "scale": "", "derivation": "", "answer_type": "multi"},
        {"question": "Who?", "answer": "We", "scale": "", "derivation": "", "answer_type": "span"},
        {"question": "What share?", "answer": -2.50, "scale": "percent", "derivation": "x", "answer_type": "count"},
    ],
}]  # fmt: skip
CMRC = [{"context_id": "1", "context_text": "文", "qas": [{"query_id": "1", "query_text": "谁？", "answers": ["我"]}]}]
POSTS = (
    '<posts><row Id="1" PostTypeId="1" Title="What is RSI?" AcceptedAnswerId="3"/>'
    '<row Id="2" PostTypeId="2" ParentId="1" Body="Other." Score="9"/>'
    '<row Id="3" PostTypeId="2" ParentId="1" Body="An oscillator." Score="1"/></posts>'
)
MEDQUAD = (
    "<Document><Focus>RSI</Focus><QAPairs><QAPair pid='1'><Question qid='1' qtype='information'>What is RSI?</Question>"
    "<Answer>An oscillator.</Answer></QAPair></QAPairs></Document>"
)
THREAD = (
    "<xml><Thread><RelQuestion RELQ_ID='1'><RelQSubject>What is RSI?</RelQSubject><RelQBody>B</RelQBody></RelQuestion>"
    "<RelComment RELC_ID='2' RELC_RELEVANCE2RELQ='Good'><RelCText>An oscillator.</RelCText></RelComment></Thread></xml>"
)
KTO = [
    {"messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": text}], "label": good}
    for text, good in ((A, True), ("A bird.", False))
]
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": Q},
    {"role": "assistant", "content": A},
]
TOOLS = [
    {"from": "human", "value": "Weather?"}, {"from": "function_call", "value": "{}"},
    {"from": "observation", "value": "rain"}, {"from": "gpt", "value": "It rains."},
]  # fmt: skip
PARTS = [
    {"role": "user", "content": [{"type": "image", "url": "x"}, {"type": "text", "text": "What is it?"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
]
TRIVIA = "#Q What colour?\n^ green 1\nA red 0\nB green 1\n\n#Q What else?\n^ blue 2\nA blue 2\nB red 0\n"
QNA = "# ? What is RSI?\n- And RSI?\n\n```markdown\nAn oscillator.\n```\n"

ACCEPTED: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "alpaca array": (j([{"instruction": Q, "input": "", "output": A}]), ONE),
    "alpaca lines": (lines(*[{"instruction": Q, "input": f"x{i}", "output": A} for i in range(2)]), ONE * 2),
    "alpaca with category": (j([{"instruction": Q, "input": "", "output": A, "category": "c"}]), ONE),
    "alpaca with placeholders": (
        j([{"instruction": "Greet {{name}}.", "input": "", "output": "Hi {{name}}!"}]),
        [("Greet {{name}}.", "Hi {{name}}!")],
    ),
    "alpaca as a table": (
        b"instruction,input,output\nWhat is RSI?,,An oscillator.\nWhy?,x,So.\n",
        [*ONE, ("Why?", "So.")],
    ),
    "response for output": (j([{"instruction": Q, "input": "", "response": A}]), ONE),
    "response for output as YAML": (b"- instruction: What is RSI?\n  response: An oscillator.\n", ONE),
    "self-instruct": (lines(*[{"instruction": Q, "instances": [{"input": "", "output": A}]}] * 2), ONE * 2),
    "prompt and target": (j([{"prompt": Q, "target": A}]), ONE),
    "prompt and completion": (lines({"prompt": Q, "completion": A}, {"prompt": Q, "completion": A}), ONE * 2),
    "flat lines": (lines(P, P), ONE * 2),
    "flat array": (j([P]), ONE),
    "question,answer": (b"question,answer\nWhat is RSI?,An oscillator.\n", ONE),
    "Questions,Answers": (b"Questions,Answers\nWhat is RSI?,An oscillator.\nWhy?,So.\n", [*ONE, ("Why?", "So.")]),
    "extra columns": (b"id,question,answer,score\n1,What is RSI?,An oscillator.,0.5\n", ONE),
    "HTML in an answer": (
        b"question,answer,answer_html\nWhat is RSI?,An oscillator.,<p>An oscillator.</p>\n",
        ONE,
    ),
    "only HTML as answer": (
        j([{"question": Q, "answer_html": "<p>An oscillator.</p>"}]),
        [(Q, "<p>An oscillator.</p>")],
    ),
    "title, ask and answer": (b"title,ask,answer\nWhat is RSI?,I read of it,An oscillator.\n", ONE),
    "pairs nested under an indicator": (
        j({"indicator": "RSI", "category": "momentum", "sources": ["https://a.example"], "qa_pairs": [P]}),
        ONE,
    ),
    "a list of such objects": (
        j([{"indicator": "RSI", "qa_pairs": [P]}, {"indicator": "X", "qa_pairs": [P]}]),
        ONE * 2,
    ),
    "a dict keyed by id": (j({"q1": P, "q2": P}), ONE * 2),
    "a dict keyed by indicator": (j({"RSI": [P], "MACD": {"qa_pairs": [P]}}), ONE * 2),
    "six levels down": (j({"a": {"data": [{"topics": [{"items": [{"qa_pairs": [P]}]}]}]}}), ONE),
    "answers as a list": (j([{"question": Q, "answers": [A, "A tool."]}]), ONE),
    "answers as a dict": (j([{"question": Q, "answers": {"text": [A, "A tool."], "answer_start": [0, 1]}}]), ONE),
    "answers as numbers": (j([{"question": "How many?", "answer": 42}]), [("How many?", "42")]),
    "answer1 to answer5": (
        j([{"question": Q, "answer1": A, "answer2": "A tool.", "answer3": "NONE"}] * 2),
        ONE * 2,
    ),
    "answers joined by semicolons": (j([{"question": "Who?", "answers": "Ann;Bob"}] * 2), [("Who?", "Ann")] * 2),
    "many labelled rows a question": (
        b"qtext,label,atext\nWhat is RSI?,0,A bird.\nWhat is RSI?,1,An oscillator.\n",
        ONE,
    ),
    "SQuAD": (j(SQUAD), ONE),
    "CMRC": (j(CMRC), [("谁？", "我")]),
    "TAT-QA": (
        j(TATQA),
        [("How much?", "14 million"), ("Which?", "Sales; Costs"), ("Who?", "We"), ("What share?", "-2.5 percent")],
    ),
    "choices with an index": (
        j([{"question": f"Colour {i}?", "choices": CHOICES, "answer": i} for i in range(3)]),
        [(f"Colour {i}?", CHOICES[i]) for i in range(3)],
    ),
    "choice0 to choice2": (
        j(
            [
                {"question": f"Colour {i}?", **{f"choice{n}": c for n, c in enumerate(CHOICES)}, "label": i}
                for i in range(3)
            ]
        ),
        [(f"Colour {i}?", CHOICES[i]) for i in range(3)],
    ),
    "a question that is an object": (
        lines(
            *[
                {
                    "question": {
                        "stem": "Colour?",
                        "choices": [{"label": "A", "text": "red"}, {"label": "B", "text": "blue"}],
                    },
                    "answerKey": key,
                }
                for key in "AB"
            ]
        ),
        [("Colour?", "red"), ("Colour?", "blue")],
    ),
    "choices without a header": (
        b"\n".join(f"Which colour is it now {i}?,red,blue,green,{'ABC'[i % 3]}".encode() for i in range(6)),
        [(f"Which colour is it now {i}?", ["red", "blue", "green"][i % 3]) for i in range(6)],
    ),
    "#Q, ^ and A": (TRIVIA.encode(), [("What colour?", "green 1"), ("What else?", "blue 2")]),
    "MedQuAD": (MEDQUAD.encode(), ONE),
    "forum threads": (THREAD.encode(), ONE),
    "Posts.xml": (POSTS.encode(), ONE),
    "YAML conversations": (
        b"categories:\n- ai\nconversations:\n- - What is RSI?\n  - An oscillator.\n- - Hi\n  - Ho\n  - Ha\n",
        [*ONE, ("Hi", "Ho")],
    ),
    "QnA Maker": (QNA.encode(), ONE),
    "qnaList": (
        j({"qnaList": [{"id": 1, "answer": A, "questions": [Q, "RSI?"], "metadata": [{"name": "a", "value": "b"}]}]}),
        ONE,
    ),
    "qnaDocuments": (j({"qnaDocuments": [{"id": 1, "answer": A, "questions": [Q, "RSI?"]}]}), ONE),
    "intents": (j({"intents": [{"tag": "rsi", "patterns": [Q, "RSI?"], "responses": [A, "A tool."]}]}), ONE),
    "front matter": (b"---\nid: 3\nquestion: What is RSI?\n---\n\nAn oscillator.\n", ONE),
    "a README of headings": (
        b"# FAQ\n\n## What is RSI?\n\nAn oscillator.\n\n## Why?\n\nSo.\n",
        [*ONE, ("Why?", "So.")],
    ),
    "docx": (docx("Q: What is RSI?", "A: An oscillator."), ONE),
    "ShareGPT": (j([{"conversations": [{"from": "human", "value": Q}, {"from": "gpt", "value": A}]}]), ONE),
    "messages with a system turn": (lines({"messages": TURNS}, {"messages": TURNS}), ONE * 2),
    "several turns": (
        j([{"messages": [*TURNS, {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]}]),
        [*ONE, ("Why?", "So.")],
    ),
    "tool turns": (j([{"conversations": TOOLS}]), [("Weather?", "It rains.")]),
    "multimodal parts": (j([{"messages": PARTS}]), [("What is it?", "A cat.")]),
    "DPO": (j([{"prompt": Q, "chosen": A, "rejected": "A bird."}]), ONE),
    "KTO": (j(KTO), ONE),
    "one text, Q and A": (lines(*[{"text": f"Q: {Q} A: {A}"}] * 2), ONE * 2),
    "one text, Human and Assistant": (j([{"text": f"Human: {Q}\n\nAssistant: {A}"}] * 2), ONE * 2),
    "text blocks without a header": (
        "\n\n".join(f"Is it {i}?\nYes, {i}." for i in range(6)).encode(),
        [(f"Is it {i}?", f"Yes, {i}.") for i in range(6)],
    ),
    "clue and answer": (
        b"category,clue,answer\nRIVERS,It flows through Cairo,the Nile\nCITIES,It has a tower,Paris\n",
        [("It flows through Cairo", "the Nile"), ("It has a tower", "Paris")],
    ),
    "clue and correct response": (
        j([{"category": "RIVERS", "clue": "It flows through Cairo", "correct response": "What is the Nile?"}]),
        [("It flows through Cairo", "What is the Nile?")],
    ),
    "a clue and the question that answers it": (
        j([{"clue": "It flows through Cairo", "question": "What is the Nile?", "round": "1"}] * 2),
        [("It flows through Cairo", "What is the Nile?")] * 2,
    ),
    "parquet": (frame(lambda f, out: f.write_parquet(out), [P]), ONE),
    "Arrow": (frame(lambda f, out: f.write_ipc(out), [P]), ONE),
    "save_to_disk": (frame(lambda f, out: f.write_ipc_stream(out), [P]), ONE),
    "gz": (gzip.compress(lines(P, P)), ONE * 2),
    "zst": (pa.compress(lines(P, P), codec="zstd", asbytes=True), ONE * 2),
    "xlsx": (xlsx(("Question", "Answer"), (Q, A)), ONE),
}
OTHERS = {
    "answers as a list": ("alternatives", ["A tool."]),
    "answers as a dict": ("alternatives", ["A tool."]),
    "answer1 to answer5": ("alternatives", ["A tool."]),
    "answers joined by semicolons": ("alternatives", ["Bob"]),
    "Posts.xml": ("alternatives", ["Other."]),
    "intents": ("alternatives", ["A tool."]),
    "QnA Maker": ("phrasings", ["And RSI?"]),
    "qnaList": ("phrasings", ["RSI?"]),
    "qnaDocuments": ("phrasings", ["RSI?"]),
}

MANY = range(20)
CODE = 'FAQ = [("What is RSI?", "An oscillator.")]\n\n\ndef answer(question):\n    return dict(FAQ)[question]\n'
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
REFUSED: dict[str, tuple[bytes, str]] = {
    "question pairs": (
        j([{"question1": f"A{i}?", "question2": f"B{i}?", "is_duplicate": i % 2} for i in MANY]),
        "question_pairs",
    ),
    "sentence pairs": (
        j([{"sentence1": f"A{i}", "sentence2": f"B{i}", "score": i / 20} for i in MANY]),
        "sentence_pairs",
    ),
    "NLI": (j([{"premise": f"A{i}", "hypothesis": f"B{i}", "label": i % 3} for i in MANY]), "sentence_pairs"),
    "intent classification": (
        b"text,category\n" + b"".join(b"Where is card %d?,lost_card\n" % i for i in MANY),
        "intent_classification",
    ),
    "rows of ids only": (b"question_id,answer_id\n" + b"".join(b"%d,%d\n" % (i, i + 7) for i in MANY), "tabular"),
    "questions only": (j([{"id": i, "question": f"What is {i}?"} for i in MANY]), "questions_only"),
    "answers only": (j([{"id": i, "answer": f"It is {i}."} for i in MANY]), "answers_only"),
    "questions whose answers are in another file": (
        j([{"question_id": i, "question": f"What is {i}?"} for i in MANY]),
        "half_of_a_pair_of_files",
    ),
    "answers whose questions are in another file": (
        b"answer_id,question_id,answer\n" + b"".join(b"%d,%d,It is so.\n" % (i, i + 7) for i in MANY),
        "half_of_a_pair_of_files",
    ),
    "predictions keyed by id": (j({f"{i:032x}": f"span {i}" for i in MANY}), "predictions"),
    "a plain corpus": (("Words of running text, many of them. " * 5 + "\n").encode() * 9, "plain_text"),
    "documents": (j([{"doc_id": i, "doc": "A whole paper. " * 50} for i in MANY]), "documents"),
    "a docx of running text": (docx("Report", "Running text."), "documents"),
    "tabular CSV": (b"date,open,close\n" + b"".join(b"2024-01-%02d,%d,2.5\n" % (i + 1, i) for i in MANY), "tabular"),
    "feature vectors": (b"\n".join(b"0.1,0.%d,3.5,0" % i for i in MANY), "tabular"),
    "a label list": (j(["card_arrival", "lost_card", "top_up"]), "labels"),
    "configuration": (j({"name": "x", "version": 1, "paths": ["a"]}), "configuration"),
    "prompt templates": (
        j({"prompt_input": "Below is {instruction} with {input}.", "prompt_no_input": "Below {x}."}),
        "configuration",
    ),
    "a pointer named .xml": (LFS, "lfs_pointer"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\n", "pdf"),
    "an empty file": (b"", "empty_file"),
    "questions embedded in code": (CODE.encode(), "plain_text"),
    "trivia that is the wrong way round": (
        j(
            [
                {"answer": f"This river flows through place {i}", "question": "What is the Nile?", "value": "$200"}
                for i in MANY
            ]
        ),
        "unmapped",
    ),
}


def pairs(found: Reading) -> list[tuple[Any, ...]]:
    """Question and answer."""
    assert found.refusal is None, found.refusal
    return found.candidates.select("question", "answer").rows()


@pytest.mark.parametrize("line", ACCEPTED)
def test_what_is_to_be_read_gives_exactly_its_pairs(line: str) -> None:
    data, expected = ACCEPTED[line]
    found = read_bytes(data)
    assert pairs(found) == expected
    if line in OTHERS:
        column, texts = OTHERS[line]
        assert found.candidates[column][0].to_list() == texts


@pytest.mark.parametrize("line", REFUSED)
def test_what_is_no_question_and_answer_is_refused_for_what_it_is(line: str) -> None:
    data, reason = REFUSED[line]
    found = read_bytes(data)
    assert found.refusal is not None, found.candidates.rows()
    assert (found.refusal.reason, found.records) == (reason, 0), found.refusal


def test_a_zip_gives_its_members_without_the_junk_of_a_system(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    path.write_bytes(zipped(**{"faq.csv": "question,answer\nWhat is RSI?,An oscillator.\n", "__MACOSX/._faq.csv": "x"}))
    (tmp_path / "into").mkdir()
    opened = unpack(path, tmp_path / "into", at_most=10**6)
    assert [(member.name, pairs(read(Path(member.location)))) for member in opened.members] == [("faq.csv", ONE)]


def test_a_table_of_a_database_is_read(tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "faq.db")
    base.execute("CREATE TABLE faq (question TEXT, answer TEXT)")
    base.execute("INSERT INTO faq VALUES (?, ?)", (Q, A))
    base.commit()
    base.close()
    assert pairs(read(tmp_path / "faq.db")) == ONE
