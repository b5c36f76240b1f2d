"""Deliveries become `key.json` and `KEY.md`: what was planted, where it lies, what a run should do."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from builder.records import Delivery, content_key

KINDS = {
    "exact_duplicates": "one pair remains, the others become occurrences of it",
    "near_duplicates": "merged: a word or two differ, the meaning does not",
    "paraphrases": "merged: the question is worded differently, the answer states the same facts",
    "look_alikes": "both stay: alike in words, different in meaning",
    "conflicts": "both stay, in the contradiction ledger; the second answer is the wrong one",
    "variants": "both stay as variants: the same question, two right answers",
}

# UTF-8 that was read as Windows-1252.
MOJIBAKE = re.compile("â€|â‚¬|Ã.")


def answer_key(deliveries: list[Delivery]) -> dict[str, Any]:
    """The machine-readable key. Groups are lists of [file, position, question]."""
    placed = [p for d in deliveries for p in d.placed]
    by_id = {p.record.id: p for p in placed if p.record.id}
    key: dict[str, Any] = {
        "files": {
            d.path: {
                "accepted": len(d.placed) - d.rejected,
                "rejected": d.rejected,
                "refused": d.refused,
                "why": d.why,
            }
            for d in deliveries
        }
    }
    for kind in KINDS:
        groups: dict[str, list[list[str]]] = {}
        for p in placed:
            if p.record.kind == kind and p.record.of:
                groups.setdefault(p.record.of, [by_id[p.record.of].ref]).append(p.ref)
        key[kind] = list(groups.values())
    for kind, label in (("flags", "flag"), ("rejects", "why"), ("other_languages", "language")):
        key[kind] = [
            {"at": [p.file, p.position], label: p.record.label, "question": p.record.question or ""}
            for p in placed
            if p.record.kind == kind
        ]
    key["mojibake"] = [p.ref for p in placed if MOJIBAKE.search(f"{p.record.question} {p.record.answer}")]
    return key


def check_exact_duplicates(deliveries: list[Delivery]) -> None:
    """Planted exact duplicates share a content key, and nothing else does."""
    seen: dict[tuple[str, ...], set[str]] = {}
    for p in (p for d in deliveries for p in d.placed if p.record.kind != "rejects"):
        record = p.record
        for name in ("question", "answer"):
            text = getattr(record, name)
            if MOJIBAKE.search(text):
                record = replace(record, **{name: text.encode("cp1252").decode("utf-8")})
        name = record.of if record.kind == "exact_duplicates" else record.id or "/".join(p.ref)
        seen.setdefault(content_key(record), set()).add(name)
    mixed = [names for names in seen.values() if len(names) > 1]
    planted = {p.record.of for d in deliveries for p in d.placed if p.record.kind == "exact_duplicates"}
    alone = planted - {name for names in seen.values() for name in names}
    keys = [name for names in seen.values() for name in names if name in planted]
    if mixed or alone or len(keys) != len(planted):
        twice = sorted({name for name in keys if keys.count(name) > 1})
        raise SystemExit(f"exact duplicates: unplanted {mixed}, without a twin {twice}")


def key_page(deliveries: list[Delivery], key: dict[str, Any]) -> str:
    """KEY.md: the same for people."""
    notes = {(p.file, p.position): p.record.note for d in deliveries for p in d.placed}

    def cell(text: str) -> str:
        return text.replace("|", "\\|").replace("\n", " ").replace("\t", " ")

    accepted = sum(f["accepted"] for f in key["files"].values())
    rejected = sum(f["rejected"] for f in key["files"].values())
    lines = [
        "# What is in the example deliveries",
        "",
        "Written by `make_deliveries.py` from `pairs/*.toml`; `key.json` says the same to programs.",
        "Paths are relative to `deliveries/`. A position is a JSON pointer, a physical line counted",
        "from 1 (`line:7`), or table and row id (`qa_pairs/12`). The prices are invented; the",
        "answers are meant to be right, except where one was planted to be wrong.",
        "",
        "## Files",
        "",
        "| file | candidates | rejects | what it is |",
        "|---|---:|---:|---|",
    ]
    for path, f in key["files"].items():
        fate = f"**refused** (`{f['refused']}`): " if f["refused"] else ""
        lines.append(f"| `{path}` | {f['accepted']} | {f['rejected']} | {fate}{f['why']} |")
    lines.append(f"| together | {accepted} | {rejected} | |")
    for kind, expected in KINDS.items():
        title = kind.replace("_", "-" if kind == "look_alikes" else " ").capitalize()
        lines += ["", f"## {title} ({len(key[kind])})", ""]
        lines += [f"Expected: {expected}.", ""]
        for group in key[kind]:
            for i, (file, position, question) in enumerate(group):
                note = notes[file, position] if i else ""
                tail = f" ({note})" if note else ""
                lines.append(f"{'  ' if i else ''}- `{file}` `{position}` {cell(question)}{tail}")
    singles = (
        ("flags", "flag", "Pairs to be flagged", "accepted, with this flag"),
        ("rejects", "why", "Records to be rejected", "no candidate, one reject with a reason"),
        ("other_languages", "language", "Other languages", "all stay"),
    )
    for kind, label, title, expected in singles:
        lines += ["", f"## {title} ({len(key[kind])})", "", f"Expected: {expected}.", ""]
        for entry in key[kind]:
            file, position = entry["at"]
            note = notes[file, position]
            tail = f" ({note})" if note else ""
            text = f" {cell(entry['question'])}" if entry["question"] else ""
            lines.append(f"- `{entry[label]}` `{file}` `{position}`{text}{tail}")
    lines += ["", f"## Mojibake ({len(key['mojibake'])})", ""]
    lines += ["Expected: repaired, with the raw text kept and the repair logged.", ""]
    lines += [f"- `{f}` `{position}` {cell(q)}" for f, position, q in key["mojibake"]]
    return "\n".join(lines) + "\n"
