"""XML text in, records out: pairs as MedQuAD has them, threads of a forum, posts of StackExchange."""

from __future__ import annotations

import re
from collections import Counter

from etl.detect.format import Refusal
from etl.shapes.forms.base import Answer, unsupported
from etl.shapes.forms.xml_pairs import pairs
from etl.shapes.forms.xml_posts import posts
from etl.shapes.forms.xml_threads import threads
from etl.shapes.forms.xml_tree import BadXmlError, Node, parse_xml

_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body|div|p|table|script)\b", re.IGNORECASE)
_MARKUP = re.compile(r"<(?:[?!]|[\w:.-]+(?:\s[^<>]*|/)?>)")


def xml_text(text: str) -> Answer:
    """Read XML; HTML and XML without questions and answers are refused. None for what only begins like it."""
    head = text.lstrip()
    if not _MARKUP.match(head):
        return None
    if _HTML.match(head) or (head.startswith("<!--") and _HTML.search(head[:1000])):
        return unsupported("html", head[:60])
    try:
        root = parse_xml(head)
    except BadXmlError as error:
        return error.refusal
    return next((found for rule in (posts, threads, pairs) if (found := rule(root)) is not None), None) or _none(root)


def _none(root: Node) -> Refusal:
    """What there is instead of pairs."""
    if root.name.lower() == "html":
        return unsupported("html", "<html>")
    names = Counter(node.name for node in root.walk())
    common = ", ".join(f"<{name}> {number}" for name, number in names.most_common(6))
    return Refusal("documents", f"xml: no element holds a question and its answer: {common}")
