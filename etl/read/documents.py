"""The bytes of a Word document (.docx) in, a `Reading` out.

Its XML is parsed as that of any XML delivery: no entities, no addresses, a limit on depth. What unpacks to too much,
and what carries macros, is refused before it is looked at.
"""

from __future__ import annotations

import io
import zipfile

from etl.detect.encoding import decode
from etl.detect.format import Format, Refusal
from etl.read.assemble import Assembly, format_of
from etl.read.form_text import add_found, match_of
from etl.read.limits import Limits
from etl.read.reading import Reading
from etl.read.recogniser import Recogniser
from etl.read.zips import BROKEN, measure
from etl.shapes.base import Match
from etl.shapes.forms import OWN
from etl.shapes.forms.word import word
from etl.shapes.forms.xml_tree import BadXmlError, Node, parse_xml

_DOCUMENT, _STYLES = "word/document.xml", "word/styles.xml"


def read_document(data: bytes, recognise: Recogniser, limits: Limits) -> Reading:
    """Read a document: tables, `Q:` and `A:`, headings and numbered paragraphs that ask."""
    known = Format("docx", "binary", "unknown", {}, 1.0)
    trees = _open(data, limits)
    if isinstance(trees, Refusal):
        return Reading.of(trees, known)
    assembly, match, shape = Assembly(limits), None, ""
    for found in word(*trees, is_pairs=lambda found: isinstance(match_of(found, recognise), Match)):
        one = match_of(found, recognise)
        if not isinstance(one, Match):
            continue  # a mapping by a person that names other columns
        add_found(assembly, found, one)
        match, shape = match or one, shape or (found.shape if one.shape in (OWN, "flat") else one.shape)
    if match is None:
        none = Refusal("documents", "docx: no table, marks, headings or numbers tell questions from answers")
        return Reading.of(none, known)
    return assembly.reading(format_of("docx", "binary", match, shape))


def _open(data: bytes, limits: Limits) -> tuple[Node, Node | None] | Refusal:
    """The document and its styles, where there are any."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if any(name.lower().endswith("vbaproject.bin") for name in names):
                return Refusal("macros", "docx: carries macros; save it without them")
            if too_much := measure(archive, len(data), limits):
                return too_much
            given = [archive.read(name) if name in names else None for name in (_DOCUMENT, _STYLES)]
    except BROKEN as error:
        return Refusal("broken_archive", f"docx: {error}")
    try:
        trees = [_tree(part) if part else None for part in given]
    except BadXmlError as error:
        return Refusal(error.refusal.reason, f"docx: {error.refusal.evidence}")
    if trees[0] is None:
        return Refusal("no_records", "docx: an empty document")
    return trees[0], trees[1]


def _tree(part: bytes) -> Node:
    text = decode(part)
    if isinstance(text, Refusal):
        raise BadXmlError(text.reason, text.evidence)
    return parse_xml(text.data.decode("utf-8"))
