"""Reasons as they are stored in, reasons as a person reads them out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SAYS = {
    "no_link": "nothing like it was found",
    "best_of_group": "it is the best of its group",
    "best_of_review": "it is better than what it may be a duplicate of, which waits for review",
    "alike_to_merged_only": "it is like pairs that were merged elsewhere, and like none that stays",
    "kept_conflict": "another pair contradicts it; both are kept",
    "kept_variant": "another pair answers the same question differently; both are kept",
    "kept_override": "a person decided to keep it",
    "conflict_override": "a person saw that they contradict each other",
    "merged_cosine": "question and answer say the same (vectors, words and vetoes agree)",
    "merged_lexical": "question and answer have nearly the same words",
    "merged_override": "a person decided so",
    "review_truncated": "it looks the same, but the model saw only the start of a text",
    "review_language": "it looks the same, in a language that the model or the vetoes do not cover",
    "review_question_words": "it looks the same, but the questions differ in words that matter",
    "review_answer_words": "it looks the same, but the answers share too few words",
    "review_similarity": "it looks the same, but not enough to merge by itself",
    "all_occurrences_retracted": "every delivery of it was retracted",
}


def said(reason: str) -> str:
    """A stored reason in words."""
    if reason in _SAYS:
        return _SAYS[reason]
    if reason.startswith("review_") and reason.endswith("_veto"):
        kind = reason.removeprefix("review_").removesuffix("_veto")
        return f"it looks the same, but differs in {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    return reason.replace("_", " ")


def told_same(evidence: Mapping[str, Any] | None) -> str:
    """What counted as the same although words differ, in words; '' where nothing had to.

    >>> told_same({"same": ["call", "fillers and synonyms"]}), told_same(None)
    ('; taken for the same: call, fillers and synonyms', '')
    """
    ways = (evidence or {}).get("same")
    return f"; taken for the same: {', '.join(ways)}" if ways else ""
