"""Multiple choice as text in, records out: `#Q question`, `^ answer`, then options `A ...` to `F ...`."""

from __future__ import annotations

import re

from etl.shapes.base import Reject, shorten
from etl.shapes.forms.base import Found, Record, lines_of, sure

_OPTION = re.compile(r"([A-J])[ \t)\].:]+(.*)")


def trivia(text: str) -> Found | None:
    """A text of `#Q` blocks; the answer is the text of the right option, the options stay in the metadata."""
    if "#Q " not in text or "^ " not in text:
        return None
    lines = lines_of(text)
    starts = [i for i, line in enumerate(lines) if line.startswith("#Q ")]
    if not starts or sum(line.startswith("^") for line in lines) < 0.5 * len(starts):
        return None
    records, rejects = [], []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        block = lines[start:end]
        raw = "\n".join(block).strip()
        if values := _block(block):
            records.append(Record(f"line:{start + 1}", values, raw))
        else:
            rejects.append(Reject(f"line:{start + 1}", "no_answer", "no line begins with '^'", shorten(raw)))
    mapping = sure("'#Q' questions and '^' answers", question="#Q", answer="^")
    return Found("text", "multiple_choice", records, mapping, rejects=rejects)


def _block(lines: list[str]) -> dict[str, object] | None:
    """The question with the lines up to `^` (blank ones come of mixed line ends), the answer, the options.

    An answer that is a mere letter is looked up.
    """
    at = next((i for i, line in enumerate(lines) if line.startswith("^")), None)
    if at is None:
        return None
    question = "\n".join(line for line in [lines[0][3:], *lines[1:at]] if line.strip()).strip()
    options: dict[str, str] = {}
    last = ""
    for line in lines[at + 1 :]:
        if option := _OPTION.fullmatch(line):
            last = option.group(1)
            options[last] = option.group(2).strip()
        elif last and line.strip():
            options[last] += "\n" + line.strip()
    answer = lines[at][1:].strip()
    if answer not in options.values():
        answer = options.get(answer, answer)
    return {"#Q": question, "^": answer, "options": options}
