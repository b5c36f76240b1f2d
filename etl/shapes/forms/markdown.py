"""Markdown in, records out: a file a question with front matter, or headings that ask and sections that answer."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from etl.detect.names import known
from etl.shapes.base import Inherited
from etl.shapes.forms.base import Found, Record, lines_of, sure
from etl.shapes.forms.yaml_text import load

_FRONT = re.compile(r"\s*---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|$)(.*)", re.DOTALL)
_HEADING = re.compile(r"[ ]{0,3}(#{1,6})[ \t]+(.*)")
_BOLD = re.compile(r"[ ]{0,3}(\*\*|__)((?:(?!\1).)+[?？؟])\1?:?[ \t]*(?:\1)?")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_NUMBER = re.compile(r"(?:Q(?:uestion)?[ \t]{0,4})?#?\d{1,4}[.):]?[ \t]+|Q(?:uestion)?[.):][ \t]*", re.IGNORECASE)
_LINKS = re.compile(r"\[([^\]]{0,500})\]\([^)]{0,500}\)|<a [^>]{0,500}>|</a>")
_TO_TOP = re.compile(r"back to (?:the )?top", re.IGNORECASE)
ASKS = ("?", "？", "؟")
_BOLD_LEVEL = 7


class Section(NamedTuple):
    """A heading, its level and plain text, and the lines up to the next one, its own first."""

    place: int
    level: int
    title: str
    lines: list[str]


def front_matter(text: str) -> Found | None:
    """A file that is one question: the front matter asks (`question`, or a `title` with a question mark), the body
    answers."""
    parts = _FRONT.match(text)
    given = load(parts.group(1)) if parts else None
    if parts is None or not isinstance(given, dict):
        return None
    names = [name for worth, name in known("question", given) if worth >= 0.8 and isinstance(given[name], str)]
    title = next((name for name in given if name.lower() == "title"), None)
    if not names and isinstance(given.get(title or ""), str) and given[title or ""].rstrip().endswith(ASKS):
        names = [title or ""]
    answers = [name for worth, name in known("answer", given) if worth >= 0.9 and given[name]]
    body = parts.group(2).strip()
    if not names or not (body or answers):
        return None
    values: dict[str, Any] = given | {"body": body}
    evidence = f"front matter with {names[0]!r}"
    mapping = sure(evidence, question=names[0], answer=answers[0] if answers else "body")
    more = {ours: known(ours, given)[:1] for ours in ("category", "indicator", "sources", "licence")}
    mapping.fields.update({ours: found[0][1] for ours, found in more.items() if found})
    return Found("markdown", "front_matter", [Record("line:1", values, text)], mapping)


def headings(text: str) -> Found | None:
    """Headings of one level, most of which ask; what stands below one is its answer, what stands above its topic."""
    parts = _FRONT.match(text)
    skipped = text[: parts.start(2)].count("\n") if parts else 0
    sections = _sections(lines_of(parts.group(2) if parts else text))
    return asking([one._replace(place=one.place + skipped) for one in sections], "markdown", "line")


def asking(sections: list[Section], container: str, unit: str) -> Found | None:
    """The sections whose titles ask, at positions `unit:place`; None unless two of a level do, and half of it."""
    asked = [one.level for one in sections if one.title.endswith(ASKS)]
    level = max(set(asked), key=asked.count, default=0)
    same = [one for one in sections if one.level == level]
    if asked.count(level) < 2 or asked.count(level) < 0.5 * len(same):
        return None
    records, inherited = [], []
    above: dict[int, str] = {}
    for i, one in enumerate(sections):
        above = {higher: name for higher, name in above.items() if higher < one.level} | {one.level: one.title}
        if one.level != level or not one.title.endswith(ASKS):
            continue
        answer = list(one.lines)
        for below in sections[i + 1 :]:
            if below.level <= level:
                break
            answer += below.lines
        number = _NUMBER.match(one.title)
        question = one.title[number.end() :] if number else one.title
        answer = [line for line in answer[1:] if not (len(line) < 120 and _TO_TOP.search(line))]
        values = {"heading": question, "section": "\n".join(answer).strip()}
        records.append(Record(f"{unit}:{one.place}", values, "\n".join([one.title, *answer])))
        topics = [name for higher, name in sorted(above.items()) if higher < level]
        fields = dict(zip(("indicator", "category"), reversed(topics), strict=False))
        inherited.append(Inherited(fields, {}, sorted(fields)))
    evidence = f"{len(records)} of {len(same)} headings of one level ask"
    return Found(container, "headings", records, sure(evidence, question="heading", answer="section"), inherited)


def _sections(lines: list[str]) -> list[Section]:
    """Bold lines that ask are headings, too."""
    found: list[Section] = []
    fence = ""
    for number, line in enumerate(lines, 1):
        mark = _FENCE.match(line)
        if mark and (not fence or mark.group(1).startswith(fence)):
            fence = "" if fence else mark.group(1)
        heading = None if fence or mark else _HEADING.fullmatch(line)
        bold = None if fence or mark or heading else _BOLD.fullmatch(line)
        if heading:
            found.append(Section(number, len(heading.group(1)), _plain(heading.group(2)), [line]))
        elif bold:
            found.append(Section(number, _BOLD_LEVEL, _plain(bold.group(2)), [line]))
        elif found:
            found[-1].lines.append(line)
    return found


def _plain(title: str) -> str:
    title = title.strip()
    opened = title.rstrip("#")  # closing marks stand apart from the text: C# keeps its own
    title = opened if opened != title and opened.endswith((" ", "\t")) else title
    return _LINKS.sub(r"\1", title).strip().strip("*_").strip()
