"""Addresses on the web: another page is another thing, however alike the words around it are."""

from __future__ import annotations

import re

from etl.resolve.features import Features
from etl.resolve.vetoes.evidence import SPANS, Evidence

_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s'\"<>()\[\]]+", re.I)
_SCHEME = re.compile(r"^(?:https?://)?(?:www\.)?", re.I)


def addresses(a: Features, b: Features) -> Evidence | None:
    """Each text names an address that the other does not.

    >>> differ(addresses, "Get https://www.example.com/news", "Get https://www.example-news.com")
    address: example.com/news | example-news.com
    >>> differ(addresses, "Get https://www.example.com/", "Get the page http://example.com.")
    >>> differ(addresses, "Get https://www.example.com/", "Get the page of example.com")
    """
    if not (_may_hold(a.text) and _may_hold(b.text)):
        return None
    one, other = _named(a.text), _named(b.text)
    more, less = tuple(sorted(one - other)), tuple(sorted(other - one))
    return Evidence("address", more[:SPANS], less[:SPANS]) if more and less else None


def _may_hold(text: str) -> bool:
    return "://" in text or "www." in text.lower()


def _named(text: str) -> set[str]:
    return {_SCHEME.sub("", found).rstrip("/.,;:!?").casefold() for found in _ADDRESS.findall(text)}
