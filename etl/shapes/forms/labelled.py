"""Text with marked turns in, records out: `Q: ... A: ...`, `Question 1: ...`, `Human: ... Assistant: ...`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from etl.shapes.base import Inherited, Reject, shorten
from etl.shapes.forms.base import Answer, Found, Record, lines_of, sure, unsupported

# Every repetition is bounded: a line of a hundred thousand dashes must cost no more than any other.
_BEFORE = r"[ \t#>*_-]{0,20}(?:\d{1,4}[.)][ \t#>*_-]{0,9})?"
_AFTER = r"[ \t]{0,4}#?\d{0,4}[*_]{0,3}[ \t]{0,4}[:：][*_]{0,3}[ \t]*(.*)"
_ASKED = re.compile(rf"{_BEFORE}(?:q|question|frage|pregunta|domanda|问|问题|human|user){_AFTER}", re.IGNORECASE)
_REPLY = re.compile(
    rf"{_BEFORE}(?:a|answer|antwort|respuesta|risposta|答|答案|回答|assistant|bot|ai){_AFTER}", re.IGNORECASE
)
_SPOKEN = re.compile(rf"{_BEFORE}(?:human|user)\b", re.IGNORECASE)
_OPTION = re.compile(r"[ \t]*[(]?[B-D][.)][ \t]+\S")
_RULE = re.compile(r"[ \t]*(?:[-=*_~#][ \t]*){3,}")
_TURNS = 100  # each pair holds all that was said before it; a longer dialogue would cost its square


@dataclass(slots=True)
class _Pair:
    line: int
    opens: bool  # nothing that was said before belongs to it
    question: list[str]
    answer: list[str] | None = None
    raw: list[str] = field(default_factory=list)


def labelled(text: str) -> Answer:
    """Read a text whose first line is a marked question; None for any other."""
    return _labelled(text, title=0)


def labelled_below_a_title(text: str) -> Answer:
    """The same with a few lines above; asked only of what is no table, for cells hold such lines too."""
    return _labelled(text, title=4)


def _labelled(text: str, *, title: int) -> Answer:
    lines = lines_of(text)
    filled = [line for line in lines if line.strip()]
    asked = sum(_ASKED.fullmatch(line) is not None for line in filled)
    replied = sum(_REPLY.fullmatch(line) is not None for line in filled)
    early = any(_ASKED.fullmatch(line) for line in filled[: title + 1])
    if not (early and asked and replied >= 0.5 * asked and asked + replied >= 0.1 * len(filled)):
        return None
    if sum(_OPTION.match(line) is not None for line in filled) >= asked:
        return unsupported("multiple_choice", "marked questions with lettered options")
    before, pairs = _pairs(lines)
    return _found(before, pairs, spoken=any(map(_SPOKEN.match, filled[:5])))


def _pairs(lines: list[str]) -> tuple[str, list[_Pair]]:
    """What stands before the first question, and what was asked and answered."""
    before: list[str] = []
    pairs: list[_Pair] = []
    apart, spaced = True, False
    for number, line in enumerate(lines, 1):
        if mark := _ASKED.fullmatch(line):
            pairs.append(_Pair(number, apart, [mark.group(1)]))
            apart = spaced = False
        elif not pairs:
            before.append(line)
        elif _RULE.fullmatch(line):
            apart = True
            continue
        elif (mark := _REPLY.fullmatch(line)) and pairs[-1].answer is None:
            pairs[-1].answer = [mark.group(1)]
        else:
            last = pairs[-1]
            (last.question if last.answer is None else last.answer).append(mark.group(1) if mark else line)
            spaced = spaced or (last.answer is None and not line.strip())
            apart = apart or (last.answer is not None and not line.strip() and not spaced)
        if pairs:
            pairs[-1].raw.append(line)
    return "\n".join(before).strip(), pairs


def _found(before: str, pairs: list[_Pair], *, spoken: bool) -> Found:
    """One record an exchange. In a dialogue that runs on, what was said before is its context."""
    records, rejects = [], []
    said: list[str] = []
    for pair in pairs:
        place, raw = f"line:{pair.line}", "\n".join(pair.raw).strip()
        question, answer = "\n".join(pair.question).strip(), "\n".join(pair.answer or []).strip()
        said = [] if pair.opens or len(said) >= _TURNS else said
        if pair.answer is None:
            rejects.append(Reject(place, "no_answer", "the next mark is a question again", shorten(raw)))
        else:
            context = {"context": "\n".join(said)} if spoken and said else {}
            records.append(Record(place, {"question": question, "answer": answer} | context, raw))
        said = [*said, f"User: {question}", f"Assistant: {answer}"]
    mapping = sure("lines that begin with the mark of a question or of an answer", question="question", answer="answer")
    mapping.fields["context"] = "context"
    around = Inherited(metadata={"preamble": before[:2000]}) if before else None
    inherited = None if around is None else [around] * len(records)
    return Found("text", "labelled_text", records, mapping, inherited, rejects)
