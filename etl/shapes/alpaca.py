"""Instruction records: alpaca {instruction, input, output or response}, self-instruct with its instances, and
{title, ask, answer}. What the instruction works on is its context."""

from __future__ import annotations

import re
from typing import Any

from etl.detect.mapping import Mapping, by_names
from etl.detect.names import plain
from etl.detect.outline import Outline
from etl.shapes.base import Batch, Match, Reject, shorten
from etl.shapes.values import as_text

# What senders write where an instruction needs no input (62 of 5,000 alpaca records, in twenty spellings).
_NO_INPUT = re.compile(r"[\W_]*(?:no ?input(?: needed| required)?|n/a|none|not applicable)[\W_]*", re.IGNORECASE)


def recognise_alpaca(outline: Outline) -> Match | None:
    """An instruction with an input beside it, and an answer under any sure name."""
    instruction, given = outline.find("instruction"), outline.find("input")
    named = by_names(outline)
    if instruction is None or given is None or named.fields.get("question") != instruction.name or not named.is_sure:
        return None
    fields = named.fields | {"context": named.fields.get("context", given.name)}
    return Match("alpaca", Mapping(fields, named.confidence, named.evidence, named.also))


def prepare_alpaca(batch: Batch, match: Match) -> Batch:
    """Placeholders for "no input" are no context; they stay in the metadata."""
    name = match.mapping.fields["context"]
    for i, record in enumerate(batch.records):
        if (
            isinstance(record, dict)
            and isinstance(given := record.get(name), str)
            and _NO_INPUT.fullmatch(given.strip())
        ):
            batch.records[i] = {key: value for key, value in record.items() if key != name} | {f"{name}_given": given}
    return batch


def recognise_self_instruct(outline: Outline) -> Match | None:
    """An instruction with a list of instances, each an input and an output."""
    instruction, instances = outline.find("instruction"), outline.find("instances")
    if instruction is None or instances is None or instances.share(list) < 0.9:
        return None
    inner = Outline.of([instance for given in instances.values if isinstance(given, list) for instance in given])
    output = inner.find("output", "response", "answer", "completion")
    if output is None:
        return None
    given = inner.find("input")
    names = {"question": instruction.name, "answer": output.name} | ({"context": given.name} if given else {})
    evidence = (f"{instruction.name!r} with {instances.name!r} of {output.name!r}",)
    return Match("self_instruct", Mapping(names, 1.0, evidence), {"instances": instances.name})


def prepare_self_instruct(batch: Batch, match: Match) -> Batch:
    """One row an instance, at `position#n` where a task has several. A task without a usable one is one reject."""
    rows = Batch([], [], [], None if batch.inherited is None else [], batch.rejects)
    for i, record in enumerate(batch.records):
        found = _instances(record, match) if isinstance(record, dict) else [record]
        for n, row in enumerate(found, 1):
            rows.positions.append(batch.positions[i] if len(found) == 1 else f"{batch.positions[i]}#{n}")
            rows.records.append(row)
            rows.digests.append(batch.digests[i])
            if batch.inherited is not None and rows.inherited is not None:
                rows.inherited.append(batch.inherited[i])
        if not found:
            rows.rejects.append(Reject(batch.positions[i], "no_answer", "no usable instance", shorten(record)))
    return prepare_alpaca(rows, match) if "context" in match.mapping.fields else rows


def _instances(task: dict[str, Any], match: Match) -> list[dict[str, Any]]:
    """The usable instances of a task, each with the fields of the task; what is not usable goes to the metadata of the
    first. A single unusable one comes as it is, so that its reject says what is wrong with it."""
    name, answer = match.details["instances"], match.mapping.fields["answer"]
    given = task.get(name)
    instances = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    usable = [one for one in instances if (as_text(one.get(answer)) or "").strip()]
    usable = usable or (instances if len(instances) == 1 else [])
    outer = {key: value for key, value in task.items() if key != name}
    rows = [outer | one for one in usable]
    unread = [one for one in given if one not in usable] if isinstance(given, list) else []
    if rows and unread:
        rows[0]["unread_instances"] = unread
    return rows


def recognise_title_ask_answer(outline: Outline) -> Match | None:
    """A short question as title, the asker's account that it stands on, and an answer."""
    title, ask = outline.find("title"), outline.find("ask", "description", "questiondetail", "detail")
    named = by_names(outline)
    if title is None or ask is None or "answer" not in named.fields or outline.find("question") or not ask.is_text:
        return None
    if plain(ask.name) != "ask" and title.questions < 0.5:
        return None
    fields = named.fields | {"question": title.name, "context": ask.name}
    evidence = (f"{title.name!r} is asked, {ask.name!r} is what it stands on",)
    return Match("title_ask_answer", Mapping(fields, 0.9, evidence, named.also))
