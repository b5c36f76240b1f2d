"""A text in; which kinds of secrets stand in it, and the same text without them, out. Of what leaves by git or handoff.

Only keys, tokens and passwords: names and addresses may well stand in a person's own notes.
"""

from __future__ import annotations


def secrets_in(text: str) -> list[str]:
    """The kinds of secrets in a text, never the secrets."""
    import polars as pl

    from quality.assess.shapes import SECRETS

    line = pl.Series([text])
    likely = [kind for kind in SECRETS if line.str.contains(kind.hint)[0]]  # cheap, and most texts hold none
    return [kind.name for kind in likely if any(kind.check(match) for match in kind.pattern.finditer(text))]


def without_secrets(text: str) -> str:
    """The text with every secret replaced by its kind."""
    from quality.assess.shapes import SECRETS

    if not secrets_in(text):
        return text
    for kind in SECRETS:
        for match in list(kind.pattern.finditer(text)):
            if kind.check(match):
                text = text.replace(match[0], f"[{kind.name}]")
    return text
