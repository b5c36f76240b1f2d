"""Blocks of two lines without any mark in, records out: a question (or `title,ask`), then its answer."""

from __future__ import annotations

from etl.detect.format import Refusal
from etl.shapes.base import Reject, shorten
from etl.shapes.forms.base import Found, Record, lines_of, sure

_FIRST, _REST, _SECOND = "first line", "first line, rest", "second line"
_ASKS = ("?", "？", "؟")
_SPLIT_FROM = 20  # blocks; that each of so many sentences has exactly one comma does not happen by chance


def blocks(text: str) -> Found | None:
    """Two lines a block, most first ones with a question mark; without those a person has to say what they are."""
    found = _blocks(text)
    two = [(number, lines) for number, lines in found if len(lines) == 2]
    if len(found) < 5 or len(two) < 0.8 * len(found):
        return None
    asked = sum(any(mark in lines[0] for mark in _ASKS) for _, lines in two) / len(two)
    asked_back = sum(lines[1].rstrip().endswith(_ASKS) for _, lines in two) / len(two)
    split = len(two) >= _SPLIT_FROM and sum(lines[0].count(",") == 1 for _, lines in two) >= 0.99 * len(two)
    records, rejects = [], []
    for number, lines in found:
        place, raw = f"line:{number}", "\n".join(lines)
        if len(lines) != 2:
            rejects.append(Reject(place, "malformed_record", f"a block of {len(lines)} lines", shorten(raw)))
            continue
        title, comma, ask = lines[0].partition(",") if split else (lines[0], "", "")
        values = {_FIRST: title.strip(), _SECOND: lines[1].strip()} | ({_REST: ask.strip()} if comma else {})
        records.append(Record(place, values, raw))
    evidence = f"{len(found)} blocks of two lines, {asked:.0%} of the first lines ask"
    fields = {"question": _FIRST, "answer": _SECOND} | ({"context": _REST} if split else {})
    sure_of_it = asked >= 0.5 and asked_back < 0.2
    doubt = None if sure_of_it else Refusal("unmapped", evidence, {"question": _FIRST, "answer": _SECOND})
    if not sure_of_it and asked < 0.1:
        return None
    return Found("text", "text_blocks", records, sure(evidence, **fields), rejects=rejects, doubt=doubt)


def _blocks(text: str) -> list[tuple[int, list[str]]]:
    """Runs of lines that are not blank, with the number of their first line."""
    found: list[tuple[int, list[str]]] = []
    inside = False
    for number, line in enumerate(lines_of(text), 1):
        if not line.strip():
            inside = False
        elif inside:
            found[-1][1].append(line)
        else:
            found.append((number, [line]))
            inside = True
    return found
