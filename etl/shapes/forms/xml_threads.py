"""An XML tree in, the threads of a forum out: a post that asks, and the posts that answer it."""

from __future__ import annotations

from typing import Any

from etl.detect.names import plain
from etl.shapes.base import Reject, shorten
from etl.shapes.forms.base import Found, Record, sure
from etl.shapes.forms.xml_tree import Node

_ASKS = frozenset({"question", "relquestion", "orgquestion", "ask", "initialpost"})
_REPLIES = frozenset({"answer", "relcomment", "comment", "reply", "response"})
_POSTS = frozenset({"post", "message"})
_TYPES = frozenset({"type", "posttype", "role", "kind"})
_BAD = frozenset({"bad", "irrelevant", "potentiallyuseful", "false", "0", "no", "dialogue", "notenglish", "other"})
_BEST = frozenset({"true", "1", "yes", "best", "accepted"})


def threads(root: Node) -> Found | None:
    """One record a thread. Replies that are labelled as bad are no answers; the best or accepted one comes first."""
    found = [(node, parts) for node in root.walk() if (parts := _parts(node)) is not None]
    if not found:
        return None
    records, rejects = [], []
    for number, (node, (asked, replies)) in enumerate(found, 1):
        place = f"/{node.name}[{number}]"
        good = sorted((reply for reply in replies if not _is_bad(reply)), key=lambda reply: not _is_best(reply))
        texts = [text for reply in good if (text := _text(reply).strip())]
        question, body = _title(asked) or _title(node, own=False), _text(asked)
        values: dict[str, Any] = node.attributes | asked.attributes | {"answers": texts}
        values |= {"question": question, "body": body} if question else {"question": body}
        if texts:
            records.append(Record(place, values, repr(sorted(values.items()))))
        else:
            evidence = f"{len(replies)} replies, none of them labelled as good" if replies else "no reply"
            rejects.append(Reject(place, "no_answer", evidence, shorten(question or body)))
    mapping = sure("posts that ask and posts that answer", question="question", context="body", answer="answers")
    return Found("xml", "threads", records, mapping, rejects=rejects)


def _parts(node: Node) -> tuple[Node, list[Node]] | None:
    """The post that asks and those that reply, if this element is a thread of posts with parts of their own."""
    inner = node.elements
    roles = [_role(child) for child in inner]
    if roles.count("asks") != 1:
        return None
    asked = inner[roles.index("asks")]
    replies = [child for child, role in zip(inner, roles, strict=True) if role == "replies"]
    is_thread = asked.elements or any(reply.elements for reply in replies) or plain(asked.name) in _POSTS
    return (asked, replies) if is_thread and (replies or plain(asked.name) in _POSTS) else None


def _role(node: Node) -> str:
    name = plain(node.name)
    said = next((plain(value) for key, value in node.attributes.items() if plain(key) in _TYPES), "")
    if name in _POSTS:
        return "asks" if said in _ASKS else "replies" if said in _REPLIES else ""
    if name in _ASKS and not any(plain(child.name) in _ASKS for child in node.elements):
        return "asks"
    return "replies" if name in _REPLIES else ""


def _title(node: Node, *, own: bool = True) -> str:
    """The subject of a post."""
    names = ("title", "subject", "relqsubject", "orgqsubject") if own else ("title", "subject")
    return next((child.text().strip() for child in node.elements if plain(child.name) in names), "")


def _text(node: Node) -> str:
    """What a post says: its body where it has one, else all of it."""
    bodies = ("body", "text", "content", "relqbody", "orgqbody", "relctext")
    body = next((child for child in node.elements if plain(child.name) in bodies), None)
    return (node if body is None else body).text()


def _labels(node: Node) -> list[tuple[str, str]]:
    return [(plain(key), plain(value)) for key, value in node.attributes.items()]


def _is_bad(node: Node) -> bool:
    labels = [value for key, value in _labels(node) if "relevance" in key or key in ("label", "quality", "iscorrect")]
    return any(value in _BAD for value in labels)


def _is_best(node: Node) -> bool:
    return any(key in ("accepted", "best", "isaccepted", "isbest") and value in _BEST for key, value in _labels(node))
