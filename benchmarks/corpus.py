"""Makes a corpus with planted truth: `python benchmarks/corpus.py 30000 corpus.jsonl`.

Sentences of words drawn from the example answers by a Zipf-like law, so that lengths and word frequencies are like
real text and next to nothing is alike by accident. One pair in twenty is a planted copy: exact, re-cased, one word
changed in question and answer, or a number changed (which must not merge).
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

CATEGORIES = ("momentum", "trend", "volatility", "volume", "on_chain", "derivatives", "sentiment", "structure")
ASKING = ("What does", "How is", "Why would", "When should", "Which", "Where does", "Can", "Is it true that")
EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "pairs"


def vocabulary(rng: random.Random) -> list[str]:
    """The distinct words of the example answers, the most frequent first but for a shuffle of ties."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(EXAMPLES.glob("*.toml"))]
    counted = Counter(word for text in texts for word in re.findall(r"[a-z]{3,}", text.casefold()))
    words = sorted(counted)
    rng.shuffle(words)
    return sorted(words, key=lambda word: -counted[word])


def pairs(n: int, *, seed: int = 7) -> Iterator[dict[str, object]]:
    """`n` records with question, answer, indicator, category, sources and, where planted, `planted`."""
    rng = random.Random(seed)
    words = vocabulary(rng)
    weights = list(accumulate(1 / (rank + 10) for rank in range(len(words))))
    made: list[dict[str, object]] = []
    for number in range(n):
        if made and rng.random() < 0.05:
            yield planted(rng, rng.choice(made), words)
            continue
        subject = " ".join(rng.choices(words, cum_weights=weights, k=rng.randint(5, 11)))
        question = f"{rng.choice(ASKING)} {subject} {rng.randint(2, 99)}?"
        answer = " ".join(rng.choices(words, cum_weights=weights, k=rng.randint(15, 40))).capitalize() + "."
        record: dict[str, object] = {
            "question": question,
            "answer": answer,
            "indicator": words[number % 200].capitalize(),
            "category": CATEGORIES[number % len(CATEGORIES)],
            "sources": [f"https://example.org/{number % 997}"],
        }
        if len(made) < 5_000:
            made.append(record)
        yield record


def planted(rng: random.Random, record: dict[str, object], words: list[str]) -> dict[str, object]:
    """A changed copy of a record."""
    kind = rng.choice(("exact", "case", "near", "number"))
    question, answer = str(record["question"]), str(record["answer"])
    if kind == "case":
        question = question.upper()
    elif kind == "near":
        question, answer = swapped(rng, question, words), swapped(rng, answer, words)
    elif kind == "number":
        question = " ".join(str(int(w) + 100) if w.isdigit() else w for w in question.split())
    return {**record, "question": question, "answer": answer, "planted": kind}


def swapped(rng: random.Random, text: str, words: list[str]) -> str:
    """The text with one inner word changed."""
    parts = text.split()
    parts[rng.randrange(2, len(parts) - 3)] = rng.choice(words)
    return " ".join(parts)


if __name__ == "__main__":
    with Path(sys.argv[2]).open("w", encoding="utf-8") as target:
        for pair in pairs(int(sys.argv[1])):
            target.write(json.dumps(pair) + "\n")
