"""Column names in, our fields out: the table of names that senders use, each with how far it can be trusted.

A name is compared in lower case without anything but letters and digits: `Question Text`, `question_text` and
`questionText` are one name. Counted over the public deliveries that the project was developed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

# 1.0: means this and nothing else. Below 0.8 the content has to say the same before a column is used.
NAMES: dict[str, dict[str, float]] = {
    "question": {
        "question": 1.0, "questions": 0.95, "questiontext": 1.0, "qtext": 0.95, "questionbody": 0.9, "q": 0.9,
        "query": 0.9, "querytext": 0.9, "userquestion": 0.95, "userquery": 0.9, "instruction": 0.9,
        "instructions": 0.85, "prompt": 0.85, "userprompt": 0.85, "problem": 0.85, "ask": 0.85, "frage": 0.9,
        "pregunta": 0.9, "domanda": 0.9, "вопрос": 0.9, "问题": 0.95, "問題": 0.9, "質問": 0.9, "질문": 0.9,
        "input": 0.6, "title": 0.6, "user": 0.6, "human": 0.6, "stem": 0.6, "inquiry": 0.8,
    },
    "answer": {
        "answer": 1.0, "answers": 0.95, "answertext": 1.0, "atext": 0.95, "answerbody": 0.9, "a": 0.9,
        "response": 0.9, "responses": 0.85, "responsetext": 0.9, "reply": 0.9, "output": 0.85, "completion": 0.85,
        "solution": 0.85, "goldanswer": 0.95, "correctanswer": 0.95, "correct": 0.3, "acceptedanswer": 0.95,
        "bestanswer": 0.95, "finalanswer": 0.9, "expectedanswer": 0.95, "referenceanswer": 0.95, "realanswer": 0.8,
        "target": 0.8, "antwort": 0.9, "respuesta": 0.9, "risposta": 0.9, "réponse": 0.9, "reponse": 0.9,
        "ответ": 0.9, "答案": 0.95, "回答": 0.95, "답변": 0.9, "assistant": 0.6, "explanation": 0.5,
    },
    "context": {
        "context": 1.0, "contexttext": 0.95, "passage": 0.95, "paragraph": 0.9, "background": 0.85,
        "supportingtext": 0.85,
    },
    "indicator": {
        "indicator": 1.0, "indicatorname": 1.0, "indicatortitle": 0.95, "topic": 0.95, "topicname": 0.9,
        "subsubject": 0.9, "concept": 0.9, "subtopic": 0.85, "focus": 0.85, "term": 0.8,
    },
    "category": {
        "category": 1.0, "categoryname": 1.0, "indicatorcategory": 1.0, "categories": 0.9, "questioncategory": 0.9,
        "department": 0.9, "subject": 0.85, "section": 0.8, "domain": 0.8,
    },
    "sources": {
        "sources": 1.0, "source": 0.95, "url": 1.0, "urls": 1.0, "link": 1.0, "links": 1.0, "sourceurl": 1.0,
        "sourceurls": 1.0, "references": 0.95, "reference": 0.9, "citations": 0.95, "citation": 0.95,
    },
    "licence": {"licence": 1.0, "license": 1.0, "rights": 0.85, "copyright": 0.8},
    "source_session": {
        "sourcesession": 1.0, "session": 0.95, "sessionid": 0.95, "sessionnumber": 0.95, "sessionno": 0.95,
    },
    "phrasings": {
        "phrasings": 1.0, "paraphrases": 1.0, "variants": 0.85, "questionvariants": 1.0, "alternativequestions": 1.0,
        "alternatequestions": 1.0, "similarquestions": 0.9, "alternatephrasings": 1.0,
    },
    "alternatives": {
        "alternatives": 0.95, "alternativeanswers": 1.0, "alternateanswers": 1.0, "acceptableanswers": 1.0,
        "otheranswers": 0.95, "answeraliases": 0.95,
    },
}  # fmt: skip

# A record may keep fields of ours one level down, in a member of one of these names.
ENVELOPES = frozenset({"metadata", "meta", "info", "attributes", "extra"})
LABELS = frozenset({"label", "iscorrect", "correct", "relevance", "relevant", "isanswer", "isrelevant"})

_OTHER = re.compile(r"[\W_]+")


@lru_cache(maxsize=10_000)
def plain(name: str) -> str:
    """A name as the tables above spell it."""
    return _OTHER.sub("", name.rpartition(".")[2].casefold())


def known(field: str, names: Iterable[str]) -> list[tuple[float, str]]:
    """The names that may stand for one of our fields, best first, each with its trust; ties in the given order."""
    table = NAMES[field]
    found = [(table[plain(name)], name) for name in names if plain(name) in table]
    return sorted(found, key=lambda pair: (-pair[0], pair[1].count(".")))
