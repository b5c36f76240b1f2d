"""A report in, text for a terminal of 80 columns out: the full view of one file, a line each for many."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from etl.detect.view.reporting import Report

WIDTH = 80
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a stranger's text must not steer the terminal
_WIDE = re.compile("[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]")
_LABEL = 12
_VALUE = 16
_FILLER = "\x00"  # stands behind a letter that takes two columns, while lines are folded
_COLUMNS = 12


def show(found: Report) -> str:
    """Everything that was decided about one file, each part with confidence and evidence."""
    lines = [*_wrapped("", found.path), *_wrapped("", _headline(found))]
    if found.container:
        lines += ["", *_decisions(found)]
    lines += _fields(found)
    if found.columns:
        lines += ["", *_columns(found)]
    for number, sample in enumerate(found.samples, 1):
        lines += ["", *_sample(sample, number)]
    if found.rejects:
        lines += ["", *_rejects(found.rejects)]
    if found.unused:
        lines += ["", *_unused(found.unused)]
    if found.state == "unmapped":
        lines += ["", *_wrapped("next", _next(found))]
    if found.join:
        lines += ["", *_wrapped("next", _joined(found.join))]
    if found.members:
        lines += ["", compact(found.members)]
    return "\n".join(lines)


def compact(found: Sequence[Report]) -> str:
    """One line a file; files in an archive follow it."""
    heading = f"{'state':<9} {'container':<9} {'shape':<16} {'pairs':>7} {'rejects':>7}  file"
    joins = dict.fromkeys(_joined(one.join) for one in found if one.join)
    return "\n".join(
        [heading, *(_line(one) for one in _flat(found)), *(line for text in joins for line in _wrapped("", text))]
    )


def _flat(found: Sequence[Report]) -> Iterator[Report]:
    for one in found:
        yield one
        yield from _flat(one.members)


def _line(one: Report) -> str:
    shape = one.reason if one.reason else one.shape.get("value", "")
    rejected = sum(row["count"] for row in one.rejects)
    figures = f"{one.pairs:>7,} {rejected:>7,}" if one.state == "accepted" else f"{'-':>7} {'-':>7}"
    start = f"{one.state:<9} {one.container.get('value', '-'):<9.9} {shape!s:<16.16} {figures}  "
    room = WIDTH - len(start)
    path = _CONTROL.sub("\ufffd", one.path)
    return start + (path if len(path) <= room else "..." + path[3 - room :])


def _headline(found: Report) -> str:
    size = f"{_size(found.bytes)}"
    if found.sampled:
        size += f", judged by the first {_size(found.looked_at)} (--whole looks at all of it)"
    if found.state == "accepted":
        share = f"{found.records:,} records give {found.pairs:,} pairs, {found.rejected:,} rejected"
        salvaged = f"; salvaged up to byte {found.salvaged['from_byte']:,}" if found.salvaged else ""
        return f"accepted: {share}{salvaged} ({size})"
    if found.members:
        return f"archive: {len(found.members)} files inside, each a delivery of its own ({size})"
    reason = "waits for a mapping" if found.state == "unmapped" else found.reason
    return f"{found.state}: {reason} ({size}). {found.evidence or ''}"


def _decisions(found: Report) -> list[str]:
    lines = []
    for name in ("container", "encoding", "shape"):
        made: dict[str, Any] = getattr(found, name)
        sure = f"{made['confidence']:.2f}" if made["value"] != "unknown" else "   -"
        lines += _wrapped(name, f"{made['value']:<{_VALUE}} {sure}  {made['evidence']}", indent=_VALUE + 7)
    for note in found.notes:
        lines += _wrapped("", f"{'':<{_VALUE + 7}}{note}", indent=_VALUE + 7)
    return lines


def _fields(found: Report) -> list[str]:
    lines: list[str] = []
    for row in found.fields:
        text = f"{row['field']:<{_VALUE}} {row['confidence']:.2f}  {row['name']!r}, {row['evidence']}"
        lines += _wrapped("" if lines else "mapping", text, indent=_VALUE + 7)
    if found.proposal:
        text = ", ".join(f"{ours} = {theirs!r}" for ours, theirs in found.proposal.items())
        lines += _wrapped("proposed", text)
    return lines


def _columns(found: Report) -> list[str]:
    """The figures that the mapping rests on, a line a column."""
    lines = [f"{'column':<28} {'kind':<7} {'in':>5} {'ends ?':>7} {'asks':>5} {'length':>7} {'various':>8}"]
    for row in found.columns[:_COLUMNS]:
        figures = (
            f"{row['question_marks']:>7.0%} {row['asking']:>5.0%} {row['mean_length']:>7,.0f} {row['variety']:>8.0%}"
        )
        blank = f"{'-':>7} {'-':>5} {'-':>7} {'-':>8}"
        shown = figures if row["kind"] in ("text", "id") else blank
        lines.append(f"{_cut(row['name'], 28):<28} {row['kind']:<7} {row['presence']:>5.0%} {shown}")
    if len(found.columns) > _COLUMNS:
        lines.append(f"and {len(found.columns) - _COLUMNS} more columns; --json has them all")
    return lines


def _sample(sample: dict[str, Any], number: int) -> list[str]:
    lines = _wrapped(f"pair {number}", f"at {sample['position']}")
    for name in ("question", "answer", "context", "indicator", "category", "sources"):
        if value := sample.get(name):
            text = ", ".join(value) if isinstance(value, list) else value
            lines += _wrapped(f"  {name}"[: _LABEL - 1], _cut(text, 200))
    return lines


def _rejects(rows: Sequence[dict[str, Any]]) -> list[str]:
    lines: list[str] = []
    for row in rows:
        places = ", ".join(row["positions"]) + (" ..." if row["count"] > len(row["positions"]) else "")
        why = f" ({_cut(row['evidence'], 120)})" if row["evidence"] else ""
        lines += _wrapped("" if lines else "rejected", f"{row['count']:,} {row['reason']}: {places}{why}")
    return lines


def _unused(rows: Sequence[dict[str, str]]) -> list[str]:
    lines: list[str] = []
    for why in dict.fromkeys(row["why"] for row in rows):
        names = [repr(row["name"]) for row in rows if row["why"] == why]
        shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        lines += _wrapped("" if lines else "not used", f"{why}: {shown}")
    return lines


def _next(found: Report) -> str:
    pairs = " ".join(f"--map {ours}={theirs}" for ours, theirs in found.proposal.items())
    return (
        f"'etl detect FILE {pairs}' shows what this mapping would give; once the file is in a workspace, "
        "'etl mapping accept FILE' uses it, 'etl mapping edit FILE question=FIELD answer=FIELD' another"
    )


def _joined(join: dict[str, Any]) -> str:
    return f"'{join['command']}' makes one of two files ({join['confidence']:.2f}: {join['evidence']})"


def _wrapped(label: str, text: str, *, indent: int = 0) -> list[str]:
    """A label and its text, folded at the right edge; what is folded stands `indent` further in."""
    start = f"{label:<{_LABEL}}" if label or indent else ""
    clean = _CONTROL.sub("\ufffd", text if indent else " ".join(text.split()))
    folded = textwrap.wrap(
        _WIDE.sub(rf"\g<0>{_FILLER}", clean),
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * (len(start) + indent),
        break_on_hyphens=False,
    )
    return [line.replace(_FILLER, "") for line in folded] or [start.rstrip()]


def _size(number: int) -> str:
    return f"{number / 1_000_000:,.1f} MB" if number >= 100_000 else f"{number:,} bytes"


def _cut(text: str, most: int) -> str:
    flat = _CONTROL.sub("\ufffd", " ".join(text.split()))
    return flat if len(flat) <= most else flat[: most - 1] + "…"
