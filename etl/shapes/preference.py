"""Preference data in, pairs out: of a chosen and a rejected answer the chosen one (DPO), of labelled answers those
labelled good (KTO). What was not preferred stays in the metadata or is a reject, and never becomes an answer."""

from __future__ import annotations

from typing import Any

from etl.detect.mapping import Mapping, by_names
from etl.detect.names import known
from etl.detect.outline import Column, Outline
from etl.shapes.base import Batch, Match, Reject, shorten
from etl.shapes.chat import CHATS, around, pairs, system, turn_names, turns_of, without
from etl.shapes.several import Row, Why, several
from etl.shapes.transcript import sections
from etl.shapes.turns import ASSISTANT, SYSTEM, USER, Turn, UnknownRole, as_turn
from etl.shapes.values import as_text

_PROMPTS = ("prompt", "question", "instruction", "query", "input")


def recognise_preference(outline: Outline) -> Match | None:
    """Chosen beside rejected answers, or labelled ones."""
    return _recognise_chosen(outline) or _recognise_labelled(outline)


def _recognise_chosen(outline: Outline) -> Match | None:
    """`chosen` beside `rejected`, after a prompt, after turns, or as two whole conversations."""
    chosen, rejected = outline.find("chosen"), outline.find("rejected")
    if chosen is None or rejected is None or (chosen.texts and chosen.variety < 0.2 and outline.rows >= 5):
        return None  # the same text everywhere is the name of a column: a register of data sets
    turns, prompt = outline.find(*CHATS), outline.find(*_PROMPTS)
    details = {"chosen": chosen.name, "turns": turns.name if turns else None, "prompt": prompt.name if prompt else None}
    answer = chosen.name
    if inner := next((value for value in chosen.values if isinstance(value, dict)), None):
        answer += "." + next((name for name in ("value", "content") if name in inner), "text")
    asked = prompt.name if prompt else f"{(turns or chosen).name}[-1]"
    if turns is not None and not prompt and (named := turn_names(turns) or _user_only(turns)):
        asked += "." + named[USER].rpartition(".")[2]
    fields = {"question": asked, "answer": answer, "context": _context(outline)}
    return Match("preference", Mapping(fields | around(outline), 1.0, ("answers chosen and rejected",)), details, True)


def _user_only(turns: Column) -> dict[str, str] | None:
    """Turns that all are the user's: the assistant's only ones were chosen and rejected."""
    first = next((given[-1] for given in turns.values if isinstance(given, list) and given), None)
    text = next((name for name in ("value", "content", "text") if isinstance(first, dict) and name in first), None)
    return {USER: f".{text}"} if text else None


def _context(outline: Outline) -> str:
    """A context or input of its own, or the turns before."""
    own = by_names(outline).fields.get("context")
    given = outline.find("input") if outline.find("instruction") else None
    return own or (given.name if given else "turns[before]")


def prepare_preference(batch: Batch, match: Match) -> Batch:
    """One row a record: the last question, with the chosen answer or the one labelled good."""
    if "label" in match.details:
        return _labelled(batch, match)
    return several(batch, lambda record: _preferred(record, match))


def _preferred(record: Row, match: Match) -> list[Row] | Why:
    details, fields = match.details, match.mapping.fields
    said = _prompt(record, details)
    chosen = _turns(record.get(details["chosen"]), ASSISTANT, split=said == [])
    if isinstance(said, Why):
        return said
    if isinstance(chosen, Why):
        return chosen
    asked = max((i for i, turn in enumerate(chosen) if turn.role == USER), default=-1)
    if not (said and said[-1].role == USER):
        said = chosen[: asked + 1]
    turns = [*said, *chosen[asked + 1 :]]
    found = pairs(turns, match)[-1:] if turns and turns[-1].role == ASSISTANT else []
    if not found:
        return Why("no_answer", "nothing was chosen") if said else Why("no_question", "nothing was asked")
    own = as_text(record.get(fields["context"])) or ""
    row = found[0] | {fields["context"]: own} if own.strip() else found[0]
    dropped = [details[name] for name in ("chosen", "turns", "prompt") if details[name]]
    return [without(record, *dropped) | system(record, turns) | row]


def _prompt(record: Row, details: dict[str, Any]) -> list[Turn] | Why:
    """What was said before the answers, with a prompt behind earlier turns."""
    before = _turns(record.get(details["turns"]), USER) if details["turns"] else []
    if isinstance(before, Why) or (before and before[-1].role == USER) or not details["prompt"]:
        return before
    prompt = _turns(record.get(details["prompt"]), USER)
    return prompt if isinstance(prompt, Why) else [*before, *prompt]


def _turns(value: Any, role: str, *, split: bool = False) -> list[Turn] | Why:
    """Turns of whatever stands there: a text, a turn, a list of turns. A text is a conversation where it is to be
    `split`, or where it ends with the mark of an answer that is still to come."""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return turns_of(value)
    if isinstance(value, dict):
        try:
            return [as_turn(value)]
        except UnknownRole:
            pass
    text = as_text(value) or ""
    found = [turn for turn in sections(text) if turn.role in (USER, ASSISTANT, SYSTEM)]
    if found and not found[-1].text:
        return found[:-1]
    return found if found and split else [Turn(role, text)] if text.strip() else []


def _recognise_labelled(outline: Outline) -> Match | None:
    """Conversations, or prompts with a completion, each with a boolean label on its last answer (KTO)."""
    label = outline.find("label", "labels", "ktotag")
    if label is None or label.share(bool) < 0.9:
        return None
    turns = outline.find(*CHATS)
    details: dict[str, Any] = {"label": label.name}
    if turns is not None and (named := turn_names(turns)):
        text = named[USER].rpartition(".")[2]
        fields = {"question": f"{turns.name}[-2].{text}", "answer": f"{turns.name}[-1].{text}"}
        fields |= {"context": f"{turns.name}[before]"}
        details["turns"] = turns.name
    elif known("question", outline.columns) and outline.find("completion", "response", "output"):
        own = by_names(outline)
        if not own.is_sure:
            return None
        return Match("preference", own, details)
    else:
        return None
    evidence = (f"turns under {turns.name!r}, the last one labelled by {label.name!r}",)
    return Match("preference", Mapping(fields | around(outline), 1.0, evidence), details, True)


def _labelled(batch: Batch, match: Match) -> Batch:
    """Records labelled false are rejected; of the others the last exchange is the pair."""
    label, keep = match.details["label"], []
    for i, record in enumerate(batch.records):
        if isinstance(record, dict) and record.get(label) is False:
            batch.rejects.append(Reject(batch.positions[i], "wrong_answer_label", f"{label} = false", shorten(record)))
        else:
            keep.append(i)
    good = batch.keep(keep)
    return several(good, lambda record: _last(record, match)) if "turns" in match.details else good


def _last(record: Row, match: Match) -> list[Row] | Why:
    name = match.details["turns"]
    turns = turns_of(record.get(name))
    if isinstance(turns, Why):
        return turns
    if not turns or turns[-1].role != ASSISTANT:
        return Why("no_answer", "the last turn is not the assistant's")
    found = pairs(turns, match)[-1:]
    return [without(record, name) | system(record, turns) | found[0]] if found else Why("no_question", "nothing asked")
