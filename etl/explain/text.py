"""An explanation in, plain text for a terminal out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etl.explain.explanation import Explanation
from etl.explain.words import told_same

_WHERE = {
    "": "what stands around the record",
    "file_name": "the file's name",
    "folder": "the folder's name",
    "indicator_list": "the list of indicators",
    "settings": "etl.toml",
}


def render(found: Explanation) -> str:
    """The explanation as plain text, the verdict first."""
    lines = [found.summary, *_head(found)]
    parts = (
        ("delivered", found.occurrences, _say_occurrence),
        ("rejected", found.rejects, _say_reject),
        ("flags", found.flags, _say_flag),
        ("verdicts", found.verdicts, _say_verdict),
        ("conflicts", found.conflicts, _say_conflict),
        ("links", found.links, _say_link),
        ("overrides", found.overrides, _say_override),
    )
    for title, rows, say in parts:
        if rows:
            lines += ["", title, *(f"  {say(row)}" for row in rows)]
    if found.also:
        lines += ["", "also fits: " + ", ".join(key[:10] for key in found.also)]
    return "\n".join(lines)


def _head(found: Explanation) -> list[str]:
    lines = []
    if found.pair:
        lines += ["", f"key       {found.key}", f"question  {_short(found.pair['question'])}"]
        lines.append(f"answer    {_short(found.pair['answer'])}")
        if found.pair.get("context"):
            lines.append(f"context   {_short(found.pair['context'])}")
    if found.survivor:
        other = found.survivor
        lines += [
            f"survivor  {other['key']}",
            f"          {_short(other['question'])}",
            f"          {_short(other['answer'])}",
        ]
    if found.grade:
        grade = found.grade
        lines.append(f"grade     {grade['grade']} ({grade['score']:.2f}), language {grade['language']}")
    if found.split:
        frozen = f", frozen in {found.split['frozen']}" if found.split["frozen"] else ""
        lines.append(f"split     {found.split['split']}{frozen}")
    if found.delivery:
        lines += ["", f"file      {found.delivery['path']}", f"state     {found.delivery['state']}"]
        lines += _say_mapping(found.delivery.get("format") or {})
    return lines


def _say_mapping(made: Mapping[str, Any]) -> list[str]:
    said = ", ".join(f"{ours} = {theirs!r}" for ours, theirs in made.get("mapping", {}).items())
    by = made.get("details", {}).get("mapping_id")
    who = f" (mapping {by}, given by {made['details']['mapping_by']})" if by else ""
    return [f"mapping   {said}{who}"] if said else []


def _short(text: object, size: int = 160) -> str:
    flat = " ".join(str(text).split())
    return flat if len(flat) <= size else flat[: size - 1] + "…"


def _say_flag(row: Mapping[str, Any]) -> str:
    return str(row["flag"]) + (f": {_short(row['evidence'])}" if row["evidence"] else "")


def _say_conflict(row: Mapping[str, Any]) -> str:
    settled = "open" if row["settled"] is None else f"settled: {row['settled'][:10]}"
    return f"{row['other'][:10]}  {row['kind']}  {settled}  {_short(row['question'] or '', 80)}"


def _say_occurrence(row: Mapping[str, Any]) -> str:
    text = f"{row['path'] or row['delivery'][:10]} {row['position']}" + (
        f", from {row['sender']}" if row["sender"] else ""
    )
    if row["state"] == "retracted":
        text += ", retracted"
    if row.get("mapping_id"):
        text += f", read with mapping {row['mapping_id']} by {row['mapping_by']}"
    text += "".join(f", {said}" for said in _derivations(row["derived"]))
    if row["repairs"]:
        text += f", repaired: {', '.join(row['repairs'])}; before: {_short(row['raw'])}"
    return text


def _derivations(marks: Sequence[str]) -> list[str]:
    said = []
    for mark in marks:
        name, _, where = mark.partition(":")
        said.append(f"{name} derived from {_WHERE.get(where, where)}")
    return said


def _say_reject(row: Mapping[str, Any]) -> str:
    return f"{row['position']}  {row['reason']}  {_short(row['evidence'] or '')}  {_short(row['raw'] or '')}".rstrip()


def _say_verdict(row: Mapping[str, Any]) -> str:
    veto = (row["evidence"] or {}).get("veto")
    text = f"{row['verdict']}  {row['other'][:10]}  {row['reason']}"
    if veto:
        text += f"  ({veto['in']}: {', '.join(veto['a']) or '-'} | {', '.join(veto['b']) or '-'})"
    return text + f"{told_same(row['evidence'])}  {_short(row['question'] or '', 80)}"


def _say_link(row: Mapping[str, Any]) -> str:
    figures = f"question {row['question_similarity']:.4f}, answer {row['answer_similarity']:.4f}"
    cut = ", cut by the model" if row["truncated"] else ""
    return f"{row['other'][:10]}  {row['method']}  {figures}{cut}  {_short(row['question'] or '', 80)}"


def _say_override(row: Mapping[str, Any]) -> str:
    text = f"{row['id']}  {row['verdict']}  {row['key'][:10]} {row['other'][:10]}  by {row['who']}, {row['decided_at']}"
    return text + (f": {row['note']}" if row["note"] else "") + ("" if row["stands"] else "  (no longer stands)")
