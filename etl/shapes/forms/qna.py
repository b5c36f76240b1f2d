"""QnA Maker's `.qna` in, records out: `# ? question`, `- other phrasings`, `**Filters:**` and a fenced answer."""

from __future__ import annotations

import re
from typing import Any

from etl.shapes.base import Reject, shorten
from etl.shapes.forms.base import Found, Record, lines_of, sure

_QUESTION = re.compile(r"#{1,2}[ \t]*\?[ \t]*(.*)")
_ITEM = re.compile(r"[ \t]*[-*+][ \t]+(.*)")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]{0,9}[\w-]{0,40}[ \t]{0,9}")
_SECTION = re.compile(r"[ \t]*\*\*(\w[\w ]*):?\*\*:?[ \t]*")


def qna(text: str) -> Found | None:
    """A text with `# ?` questions and fenced answers; a block without an answer is a reject."""
    if "# ?" not in text or ("```" not in text and "~~~" not in text):
        return None
    lines = lines_of(text)
    starts = [i for i, line in enumerate(lines) if _QUESTION.match(line)]
    starts = _outside_fences(lines, starts)
    if not starts:
        return None
    records, rejects = [], []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        raw = "\n".join(lines[start:end]).strip()
        values = _block(lines[start:end])
        if "```" in values:
            records.append(Record(f"line:{start + 1}", values, raw))
        else:
            rejects.append(Reject(f"line:{start + 1}", "no_answer", "no fenced answer", shorten(raw)))
    if not records:
        return None
    mapping = sure("'# ?' questions and fenced answers", question="# ?", answer="```", phrasings="-")
    editorial = any("editorial" in record.values for record in records)
    return Found(
        "qna", "qnamaker", records, mapping, rejects=rejects, also={"category": "editorial"} if editorial else {}
    )


def _outside_fences(lines: list[str], starts: list[int]) -> list[int]:
    """Questions only: an answer may hold a line that looks like one."""
    kept, fence, wanted = [], "", set(starts)
    for i, line in enumerate(lines):
        mark = _FENCE.fullmatch(line)
        if mark and not fence:
            fence = mark.group(1)
        elif mark and mark.group(1).startswith(fence):
            fence = ""
        elif i in wanted and not fence:
            kept.append(i)
    return kept


def _block(lines: list[str]) -> dict[str, Any]:
    """The parts of one block. Items are phrasings until a bold word opens a section, whose `key = value` they are."""
    asked = _QUESTION.match(lines[0])
    values: dict[str, Any] = {"# ?": asked.group(1).strip() if asked else ""}
    phrasings: list[str] = []
    answer: list[str] = []
    fence, section = "", ""
    for line in lines[1:]:
        mark = _FENCE.fullmatch(line)
        if fence and mark and mark.group(1).startswith(fence):
            values["```"] = "\n".join(answer)
            break
        if fence:
            answer.append(line)
        elif mark:
            fence = mark.group(1)
        elif opened := _SECTION.fullmatch(line):
            section = opened.group(1)
        elif item := _ITEM.fullmatch(line):
            key, is_pair, value = item.group(1).partition("=")
            if section and is_pair:
                values[key.strip()] = value.strip()
            elif not section and item.group(1).strip():
                phrasings.append(item.group(1).strip())
    if fence and "```" not in values and answer:
        values["```"] = "\n".join(answer)
    return values | ({"-": list(dict.fromkeys(phrasings))} if phrasings else {})
