"""JSON without a single class of records in, the reason why there are none out; or the pairs of a dict from question
to answer."""

from __future__ import annotations

from typing import Any

from etl.detect.format import Refusal
from etl.shapes.tree import is_id


def question_keys(tree: Any) -> bool:
    """A dict whose keys are questions and whose values are their answers."""
    if not isinstance(tree, dict) or len(tree) < 2:
        return False
    asked = sum(key.rstrip().endswith(("?", "？", "؟")) for key in tree)
    texts = all(isinstance(value, str) or (isinstance(value, list) and _all_texts(value)) for value in tree.values())
    return texts and asked >= 0.8 * len(tree)


def why_none(tree: Any) -> Refusal:
    """What a tree of texts and numbers is, if not questions and answers."""
    if not isinstance(tree, (dict, list)):
        return Refusal("unsupported_shape", f"single_value: the whole file is one {type(tree).__name__}")
    if not tree:
        return Refusal("no_records", "an empty list" if isinstance(tree, list) else "an empty object")
    if isinstance(tree, dict):
        ids = sum(is_id(key) for key in tree)
        if ids >= 0.8 * len(tree):
            return Refusal("predictions", f"{len(tree)} values keyed by id, no questions: {next(iter(tree))!r} ...")
        return Refusal("configuration", f"settings and no records: {', '.join(list(tree)[:8])}")
    if _all_texts(tree):
        return _texts(tree)
    if any(isinstance(item, list) for item in tree):
        return Refusal("unsupported_shape", f"list_of_lists: {len(tree)} items without names")
    names = list(dict.fromkeys(name for item in tree[:100] if isinstance(item, dict) for name in item))
    if names:
        return Refusal("tabular", f"no column looks like a question: {', '.join(names)[:300]}")
    return Refusal("tabular", f"a list of {len(tree)} plain values")


def _all_texts(items: list[Any]) -> bool:
    return all(isinstance(item, str) for item in items)


def _texts(texts: list[str]) -> Refusal:
    asked = sum(text.rstrip().endswith(("?", "？", "؟")) for text in texts)
    if asked > 0.6 * len(texts):
        return Refusal("questions_only", f"a list of {len(texts)} texts, {asked} of them questions")
    length = sum(map(len, texts)) / len(texts)
    kind = "labels" if length <= 60 else "plain_text"
    return Refusal(kind, f"a list of {len(texts)} texts, {length:.0f} characters each on average")
