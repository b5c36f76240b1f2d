"""Parsed records in, pairs out: one module a shape family, all of them registered in one table.

The first shape in the table that recognises an outline decides; a Refusal decides as well.
"""

from __future__ import annotations

from etl.detect.format import Refusal
from etl.detect.mapping import Mapping
from etl.detect.outline import Outline
from etl.errors import SettingsError
from etl.shapes.alpaca import (
    prepare_alpaca,
    prepare_self_instruct,
    recognise_alpaca,
    recognise_self_instruct,
    recognise_title_ask_answer,
)
from etl.shapes.base import Match, Shape
from etl.shapes.chat import prepare_chat, recognise_chat
from etl.shapes.clues import recognise_clues
from etl.shapes.flat import prepare_labelled, recognise_by_content, recognise_flat, recognise_labelled
from etl.shapes.many_answers import (
    prepare_joined,
    prepare_numbered,
    recognise_intents,
    recognise_joined,
    recognise_numbered,
)
from etl.shapes.not_pairs import recognise_classification, recognise_not_pairs, recognise_two_of_a_kind
from etl.shapes.options import prepare_options, recognise_options
from etl.shapes.own import own_shapes
from etl.shapes.preference import prepare_preference, recognise_preference
from etl.shapes.table_questions import prepare_table_questions, recognise_table_questions
from etl.shapes.transcript import prepare_transcript, recognise_transcript
from etl.shapes.unsupported import recognise_unsupported

SHAPES: tuple[Shape, ...] = (
    Shape("preference", recognise_preference, prepare_preference),
    Shape("chat", recognise_chat, prepare_chat),
    Shape("intents", recognise_intents),
    Shape("tatqa", recognise_table_questions, prepare_table_questions),
    Shape("multiple_choice", recognise_options, prepare_options),
    Shape("clues", recognise_clues),
    Shape("unsupported", recognise_unsupported),
    Shape("numbered_answers", recognise_numbered, prepare_numbered),
    Shape("two_of_a_kind", recognise_two_of_a_kind),
    Shape("self_instruct", recognise_self_instruct, prepare_self_instruct),
    Shape("alpaca", recognise_alpaca, prepare_alpaca),
    Shape("title_ask_answer", recognise_title_ask_answer),
    Shape("labelled_answers", recognise_labelled, prepare_labelled),
    Shape("joined_answers", recognise_joined, prepare_joined),
    Shape("flat", recognise_flat),
    Shape("transcript", recognise_transcript, prepare_transcript),
    Shape("classification", recognise_classification),
    Shape("by_content", recognise_by_content),
    Shape("not_pairs", recognise_not_pairs),
)
_BY_NAME = {shape.name: shape for shape in SHAPES}

__all__ = ["SHAPES", "Mapping", "Match", "Outline", "Refusal", "Shape", "recognise", "shape_named"]


def recognise(outline: Outline) -> Match | Refusal | None:
    """What these records are: a Match, a Refusal with the reason, or None when no rule has an opinion. Shapes that the
    user installed are asked first."""
    if outline.rows == 0:
        return None
    every = (*own_shapes(), *SHAPES)
    return next((found for shape in every if (found := shape.recognise(outline)) is not None), None)


def shape_named(name: str) -> Shape:
    """The shape that a Match names. Raises `SettingsError` for a name that no shape has."""
    found = next((shape for shape in own_shapes() if shape.name == name), None) or _BY_NAME.get(name)
    if found is None:
        raise SettingsError(f"a shape plug-in gave a Match for {name!r}, but no shape is called so")
    return found
