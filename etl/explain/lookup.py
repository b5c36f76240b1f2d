"""What a person asks about in, its explanation out: a key, a place in a file, a file, or a question."""

from __future__ import annotations

import re

from etl.errors import NotFoundError
from etl.explain.explanation import Explanation
from etl.explain.files import delivery_of, joined_side, record_at, whole, whole_file
from etl.explain.pairs import keys_of_text, pair_of_keys
from etl.overrides import find_key
from etl.store import Store

_KEY = re.compile(r"[0-9a-fA-F]{6,32}")
_PLACE = re.compile(
    r"(?P<file>.+?):(?P<position>(?:line:|row:)?\d+(?:#\d+)?|/.*|[\w.-]+/\d+.*|(?:questions|answers):\S+)"
)


def explain(store: Store, what: str) -> Explanation:
    """Explain a pair by key (six digits or more), a record by FILE:LINE or FILE:POSITION, a file, or a question's text.

    FILE may be the end of the path. A text is matched exactly first, then by its words. Raises `NotFoundError` when
    nothing fits, and when FILE or a key's digits fit more than one.
    """
    asked = what.strip()
    if _KEY.fullmatch(asked) and store.value(
        "SELECT count(*) FROM pairs WHERE starts_with(key, ?)", [asked.casefold()]
    ):  # fmt: skip
        return pair_of_keys(store, what, [find_key(store, asked)])
    place = _PLACE.fullmatch(asked)
    if place is not None and (delivery := delivery_of(store, place["file"])):
        return record_at(store, what, delivery, place["position"])
    if place is not None and (side := joined_side(store, place["file"])):
        return record_at(store, what, side[0], f"{side[1]}:{whole(place['position'])}")
    if delivery := delivery_of(store, asked):
        return whole_file(store, what, delivery)
    found = keys_of_text(store, asked)
    if not found:
        raise NotFoundError(
            f"nothing fits {what!r}: give a key, FILE:LINE of a delivered file, or the text of a question"
        )
    return pair_of_keys(store, what, found)
