"""A recognised form of text in, a `Reading` out."""

from __future__ import annotations

from dataclasses import replace

from etl.detect.encoding import Text
from etl.detect.format import Format, Refusal
from etl.detect.mapping import Mapping
from etl.detect.outline import SAMPLE, Outline
from etl.read.assemble import CHUNK, Assembly, format_of
from etl.read.json_text import digest, read_tree
from etl.read.limits import Limits
from etl.read.reading import Reading
from etl.read.recogniser import Recogniser
from etl.shapes.base import Batch, Match
from etl.shapes.forms import OWN, Answer, Form, Found, Tree, first


def read_form(
    forms: tuple[Form, ...], decoded: str, text: Text, recognise: Recogniser, limits: Limits
) -> Reading | None:
    """Read a text in the first of these forms that it has; None where it has none of them, or where a person's mapping
    names columns that the form has not."""
    found: Answer = first(forms, decoded)
    if found is None:
        return None
    told = recognise.told
    container = "text" if isinstance(found, Refusal) else found.container
    unknown = Format(container, text.encoding, "unknown", {}, text.confidence, text.evidence)
    if isinstance(found, Refusal):
        return None if told else Reading.of(found, unknown)
    if isinstance(found, Tree):
        return read_tree(found.value, text, recognise, limits, container=found.container)
    if not found.records and not found.rejects:
        return Reading.refused("no_records", f"the form is {found.shape}, but there is no record in it", format=unknown)
    match = match_of(found, recognise)
    if not isinstance(match, Match):
        return None if told else Reading.of(match or Refusal("tabular", _names(found)), unknown)
    assembly = Assembly(limits)
    add_found(assembly, found, match)
    shape = found.shape if match.shape in (OWN, "flat") else match.shape
    made = format_of(found.container, text.encoding, match, shape)
    return assembly.reading(replace(made, evidence=text.evidence + made.evidence))


def match_of(found: Found, recognise: Recogniser) -> Match | Refusal | None:
    """Where the fields of a form are; a mapping by a person stands above what the form says."""
    told = recognise.told
    if found.doubt is not None and not told:
        recognise(Outline.of([record.values for record in found.records[:SAMPLE]]))  # it signs the delivery
        return found.doubt
    if found.mapping is not None and not told:
        match: Match | Refusal | None = Match(OWN, found.mapping)
    else:
        match = recognise(Outline.of([record.values for record in found.records[:SAMPLE]]))
    if not isinstance(match, Match):
        return match
    more = {ours: theirs for ours, theirs in found.also.items() if ours not in match.mapping.fields}
    old = match.mapping
    mapping = Mapping(old.fields | more, old.confidence, old.evidence, old.also)
    return replace(match, mapping=mapping)


def add_found(assembly: Assembly, found: Found, match: Match) -> None:
    """Read the records of a form. Raises as `Assembly.add` does."""
    for reject in found.rejects:
        assembly.reject(reject.position, reject.reason, reject.evidence or "", reject.raw)
    for start in range(0, len(found.records), CHUNK):
        part = found.records[start : start + CHUNK]
        batch = Batch(
            [record.position for record in part],
            [record.values for record in part],
            [digest(record.raw.encode("utf-8")) for record in part],
            None if found.inherited is None else found.inherited[start : start + CHUNK],
        )
        assembly.add(batch, match)


def _names(found: Found) -> str:
    names = list(dict.fromkeys(name for record in found.records[:SAMPLE] for name in record.values))
    return f"no column looks like a question: {', '.join(names)[:300]}"
