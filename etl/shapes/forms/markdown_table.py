"""Markdown tables in, records out, where their columns are named as question and answer are."""

from __future__ import annotations

import re

from etl.detect.names import known
from etl.shapes.base import Reject, shorten
from etl.shapes.forms.base import Found, Record, lines_of

_RULE = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?")
_BAR = re.compile(r"(?<!\\)\|")
_SURE = 0.8


def markdown_table(text: str) -> Found | None:
    """The rows of all tables with a column that asks and one that answers."""
    if "|" not in text or "--" not in text:
        return None
    lines = lines_of(text)
    records: list[Record] = []
    rejects: list[Reject] = []
    found = False
    for i in range(1, len(lines)):
        if "-" not in lines[i] or not _RULE.fullmatch(lines[i].strip()):
            continue
        header = _cells(lines[i - 1])
        if not _asks_and_answers(header) or len(_cells(lines[i])) != len(header):
            continue
        found = True
        for number, line in enumerate(lines[i + 1 :], i + 2):
            if "|" not in line:
                break
            cells = _cells(line)
            if len(cells) > len(header):
                evidence = f"{len(cells)} cells, the header has {len(header)}"
                rejects.append(Reject(f"line:{number}", "ragged_row", evidence, shorten(line)))
            else:
                records.append(Record(f"line:{number}", dict(zip(header, cells, strict=False)), line))
    return Found("markdown", "markdown_table", records, rejects=rejects) if found else None


def _cells(line: str) -> list[str]:
    """Trimmed cells; bars at the ends are frames, an escaped one is text."""
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.strip().replace("\\|", "|") for cell in _BAR.split(inner)]


def _asks_and_answers(header: list[str]) -> bool:
    names = [name.strip("*_ ") for name in header]
    both = [any(worth >= _SURE for worth, _ in known(ours, names)) for ours in ("question", "answer")]
    return all(both) and len(set(header)) == len(header)
