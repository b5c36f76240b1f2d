"""Decoded text that is neither JSON nor a table in, the reason why it gives no pairs out, with the form's name."""

from __future__ import annotations

import re

from etl.detect.format import Refusal

_LABELLED = re.compile(r"^\s*(?:q(?:uestion)?|human|user)\s*\d*\s*[:.)]", re.IGNORECASE)
_REPLY = re.compile(r"^\s*(?:a(?:nswer)?|assistant|bot)\s*\d*\s*[:.)]", re.IGNORECASE)
_HEADING = re.compile(r"^#{1,6}\s+\S")


def late_form(text: str) -> Refusal:
    """What is left: text with marked questions, blocks of two lines, Markdown, or just text."""
    head = text[:200_000]
    lines = [line for line in head.splitlines() if line.strip()]
    asked, replied = _count(_LABELLED, lines), _count(_REPLY, lines)
    if asked >= 2 and replied >= 0.5 * asked and asked + replied >= 0.1 * len(lines):
        return _unsupported("labelled_text", f"{asked} lines begin with a question mark-up, {replied} with an answer's")
    headings = _count(_HEADING, lines)
    if headings >= 2 or (head.startswith("---\n") and "\n---" in head[4:]):
        return _unsupported("markdown", f"{headings} headings")
    blocks = [block.strip("\r\n").splitlines() for block in re.split(r"(?:\r?\n){2,}", head) if block.strip()]
    if len(blocks) >= 5 and sum(len(block) == 2 for block in blocks) >= 0.8 * len(blocks):
        return _unsupported("text_blocks", f"{len(blocks)} blocks of two lines")
    return Refusal("plain_text", f"{len(lines)} lines of text without columns: {head.strip()[:60]!r}")


def _unsupported(form: str, evidence: str) -> Refusal:
    return Refusal("unsupported_shape", f"{form}: {evidence}")


def _count(pattern: re.Pattern[str], lines: list[str]) -> int:
    return sum(pattern.match(line) is not None for line in lines)
