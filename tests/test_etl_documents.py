"""Word documents: tables, marked paragraphs, headings and numbered questions are read; what harms is refused."""

import io
import zipfile
from typing import Any

import pytest
import targets
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.read import Reading
from etl.read.file import read_bytes


def paragraph(text: str, *, style: str = "", run: str = "", properties: str = "") -> str:
    """One paragraph of the document's XML."""
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{properties}</w:pPr><w:r><w:rPr>{run}</w:rPr><w:t>{text}</w:t></w:r></w:p>"


def grid(*rows: tuple[str, ...]) -> str:
    """One table."""
    cells = ["".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows]
    return f"<w:tbl><w:tblPr/>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


def document(body: str, **more: str | bytes) -> bytes:
    """A document with this body; `more` are further members."""
    data: bytes = targets.document(body)
    styles = "".join(
        f'<w:style w:styleId="{name.replace(" ", "")}"><w:name w:val="{name}"/>{rest}</w:style>'
        for name, rest in (
            ("Title", ""), ("heading 1", ""), ("heading 2", ""), ("List Number", "<w:pPr><w:numPr/></w:pPr>"),
        )
    )  # fmt: skip
    out = io.BytesIO(data)
    with zipfile.ZipFile(out, "a") as archive:
        word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
        archive.writestr("word/styles.xml", f'<w:styles xmlns:w="{word}">{styles}</w:styles>')
        for name, content in more.items():
            archive.writestr(f"word/{name}", content)
    return out.getvalue()


def pairs(found: Reading) -> list[tuple[Any, ...]]:
    """Position, question, answer."""
    assert found.refusal is None, found.refusal
    return found.candidates.select("position", "question", "answer").rows()


def reason(data: bytes) -> str:
    """Why a document is refused."""
    refusal = read_bytes(data).refusal
    assert refusal is not None
    return refusal.reason


def test_headings_that_ask_are_questions_and_what_follows_their_answers() -> None:
    body = paragraph("Handbook", style="Title") + paragraph("Basics", style="heading1")
    body += paragraph("What is RSI?", style="heading2") + paragraph("An oscillator.") + paragraph("Of 14 days.")
    body += paragraph("What is MACD?", style="heading2") + paragraph("# Two averages.") + grid(("fast", "12"))
    found = read_bytes(document(body))
    assert pairs(found) == [
        ("paragraph:3", "What is RSI?", "An oscillator.\nOf 14 days."),
        ("paragraph:6", "What is MACD?", "# Two averages.\nfast | 12"),
    ]
    assert found.candidates.select("indicator", "category").rows()[0] == ("Basics", "Handbook")
    assert found.format is not None
    assert (found.format.container, found.format.shape) == ("docx", "headings")


def test_paragraphs_marked_q_and_a_are_read_below_a_title() -> None:
    body = paragraph("Support") + "".join(paragraph(f"Q: Is it {i}?") + paragraph(f"A: Yes, {i}.") for i in (1, 2))
    assert pairs(read_bytes(document(body))) == [
        ("paragraph:2", "Is it 1?", "Yes, 1."), ("paragraph:4", "Is it 2?", "Yes, 2."),
    ]  # fmt: skip


def test_several_exchanges_in_one_paragraph_have_places_of_their_own() -> None:
    runs = "<w:r><w:t>Q: One?</w:t><w:br/><w:t>A: 1.</w:t><w:br/><w:t>Q: Two?</w:t><w:br/><w:t>A: 2.</w:t></w:r>"
    found = read_bytes(document(f"<w:p>{runs}</w:p>"))
    assert pairs(found) == [("paragraph:1", "One?", "1."), ("paragraph:1/line:3", "Two?", "2.")]


def test_tables_are_read_by_their_columns_or_by_which_column_asks() -> None:
    named = grid(("Question", "Answer", "Topic"), ("What is A?", "One.", "x"), ("What is B?", "", "x"))
    bare = grid(("Who?", "Me."), ("How?", "So."))
    found = read_bytes(document(named + bare + grid(("day", "open"), ("2024-01-01", "1.5"))))
    assert pairs(found) == [
        ("table:1/row:2", "What is A?", "One."), ("table:2/row:1", "Who?", "Me."), ("table:2/row:2", "How?", "So."),
    ]  # fmt: skip
    assert found.rejects.select("position", "reason").rows() == [("table:1/row:3", "empty_answer")]
    assert found.candidates["indicator"].to_list() == ["x", None, None]


@pytest.mark.parametrize(
    "asked",
    [
        lambda text: paragraph(text, style="ListNumber"),
        lambda text: paragraph(text, properties="<w:numPr/>"),
        lambda text: paragraph(f"7. {text}"),
        lambda text: paragraph(text, run="<w:b/>"),
    ],
    ids=["style", "list", "text", "bold"],
)
def test_numbered_and_bold_paragraphs_that_ask_are_questions(asked: Any) -> None:
    body = asked("What is A?") + paragraph("One.") + asked("What is B?") + paragraph("Two.")
    assert [row[1:] for row in pairs(read_bytes(document(body)))] == [("What is A?", "One."), ("What is B?", "Two.")]


def test_text_that_is_not_seen_is_not_read_and_text_that_is_seen_is() -> None:
    hidden = (
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r><w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
    )
    seen = "<w:ins><w:r><w:t> new</w:t></w:r></w:ins><w:hyperlink><w:r><w:t> link</w:t></w:r></w:hyperlink>"
    answer = f"<w:sdt><w:sdtContent><w:p><w:r><w:t>A: It is</w:t></w:r>{hidden}{seen}</w:p></w:sdtContent></w:sdt>"
    assert pairs(read_bytes(document(paragraph("Q: What?") + answer)))[0][2] == "It is new link"


def test_a_mapping_by_a_person_reads_any_table() -> None:
    data = document(grid(("Foo", "Bar"), ("RSI", "An oscillator"), ("MACD", "Two averages")))
    assert reason(data) == "documents"
    told = read_bytes(data, mapping={"question": "Foo", "answer": "Bar"})
    assert [row[1] for row in pairs(told)] == ["RSI", "MACD"]
    none = read_bytes(data, mapping={"question": "Foo", "answer": "Other"}).refusal
    assert none is not None
    assert none.reason == "mapping_does_not_fit"


def test_what_harms_or_holds_no_pairs_is_refused() -> None:
    good = document(paragraph("Q: A?") + paragraph("A: B."))
    assert reason(document(paragraph("Running text."))) == "documents"
    assert reason(document(paragraph("Q: A?") + paragraph("A: B."), **{"vbaProject.bin": b"\x00" * 10})) == "macros"
    assert reason(document("<w:p>" * 300 + "</w:p>" * 300)) == "too_deep"
    assert reason(document("<w:p><w:r>")) == "broken_xml"
    bomb = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as archive, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in archive.namelist():
            packed.writestr(name, archive.read(name) + (b" " * 40_000_000 if name == "word/document.xml" else b""))
    assert reason(bomb.getvalue()) == "compression_bomb"
    lol = '<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><d>&b;</d>'
    unsafe = io.BytesIO()
    with zipfile.ZipFile(unsafe, "w") as archive:
        archive.writestr("word/document.xml", lol)
    assert reason(unsafe.getvalue()) == "unsafe_xml"


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_damaged_documents_are_read_or_refused(at: int, noise: bytes) -> None:
    good = document(paragraph("Q: A?") + paragraph("A: B."))
    at %= len(good)
    found = read_bytes(good[:at] + noise + good[at + len(noise) :])
    assert found.refusal is None or found.refusal.reason != "unreadable", found.refusal
