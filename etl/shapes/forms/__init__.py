"""Decoded text in, records out: one module a form of text or markup, all of them registered in two tables.

The first form that has an opinion decides; None means that it has none. The early ones have marks that no table has
and are asked before a table is tried, the late ones after it.
"""

from __future__ import annotations

from etl.shapes.forms.base import OWN, Answer, Form, Found, Record, Tree
from etl.shapes.forms.blocks import blocks
from etl.shapes.forms.labelled import labelled, labelled_below_a_title
from etl.shapes.forms.markdown import front_matter, headings
from etl.shapes.forms.markdown_table import markdown_table
from etl.shapes.forms.qna import qna
from etl.shapes.forms.trivia import trivia
from etl.shapes.forms.xml_text import xml_text
from etl.shapes.forms.yaml_text import yaml_text

EARLY: tuple[Form, ...] = (xml_text, qna, trivia, front_matter, markdown_table, yaml_text, labelled)
LATE: tuple[Form, ...] = (labelled_below_a_title, headings, blocks)

__all__ = ["EARLY", "LATE", "OWN", "Answer", "Form", "Found", "Record", "Tree", "first"]


def first(forms: tuple[Form, ...], text: str) -> Answer:
    """The first opinion."""
    return next((found for form in forms if (found := form(text)) is not None), None)
