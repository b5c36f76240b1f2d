"""StackExchange's `Posts.xml` in, one record a question out: answers are joined by ParentId."""

from __future__ import annotations

from typing import Any

from etl.shapes.base import Reject, shorten
from etl.shapes.forms.base import Found, Record, sure
from etl.shapes.forms.xml_tree import Node

_KINDS = {"1": "question", "2": "answer"}


def posts(root: Node) -> Found | None:
    """One record a question: the accepted answer first, the others by score. None for any other tree."""
    rows = [node for node in root.elements if node.attributes.get("PostTypeId") and "Id" in node.attributes]
    if not rows or len(rows) < 0.5 * len(root.elements):
        return None
    answers: dict[str, list[dict[str, str]]] = {}
    questions: dict[str, dict[str, str]] = {}
    rejects = []
    for row in (node.attributes for node in rows):
        kind = _KINDS.get(row["PostTypeId"])
        if kind == "question" and row["Id"] not in questions:
            questions[row["Id"]] = row
        elif kind == "answer":
            answers.setdefault(row.get("ParentId", ""), []).append(row)
    places = _places([node.attributes for node in rows])
    for node, place in zip(rows, places, strict=True):
        row, kind = node.attributes, _KINDS.get(node.attributes["PostTypeId"])
        if kind is None or (kind == "question" and questions[row["Id"]] is not row):
            evidence = f"PostTypeId {row['PostTypeId']}" if kind is None else "the Id stands twice"
            rejects.append(Reject(place, "not_a_record", evidence, shorten(row)))
        elif kind == "answer" and row.get("ParentId", "") not in questions:
            evidence = f"no question {row.get('ParentId')} in this file"
            rejects.append(Reject(place, "no_question", evidence, shorten(row)))
    records = [
        Record(
            place,
            _record(node.attributes, answers.get(node.attributes["Id"], [])),
            repr(sorted(node.attributes.items())),
        )
        for node, place in zip(rows, places, strict=True)
        if questions.get(node.attributes["Id"]) is node.attributes
    ]
    evidence = "answers joined to questions by ParentId"
    mapping = sure(evidence, question="Title", context="Body", answer="answers", licence="ContentLicense")
    return Found("xml", "stackexchange", records, mapping, rejects=rejects)


def _places(rows: list[dict[str, str]]) -> list[str]:
    """`/row[@Id=17]`, or the place in the file where an Id stands twice."""
    seen: set[str] = set()
    places = []
    for i, row in enumerate(rows, 1):
        places.append(f"/row[{i}]" if row["Id"] in seen else f"/row[@Id={row['Id']}]")
        seen.add(row["Id"])
    return places


def _record(question: dict[str, str], answers: list[dict[str, str]]) -> dict[str, Any]:
    accepted = question.get("AcceptedAnswerId")
    ranked = sorted(answers, key=lambda row: (row["Id"] != accepted, -_number(row.get("Score")), _number(row["Id"])))
    texts = [row["Body"] for row in ranked if row.get("Body", "").strip()]
    values: dict[str, Any] = {name: value for name, value in question.items() if name != "PostTypeId"}
    if "Title" not in values and "Body" in values:
        values["Title"] = values.pop("Body")
    return values | ({"answers": texts} if texts else {})


def _number(text: str | None) -> int:
    digits = (text or "").strip()
    return int(digits) if digits.lstrip("-").isdecimal() and len(digits) < 18 else 0
