"""A large corpus with planted truth, texts and vectors: `python benchmarks/planted.py 1000000 FOLDER`.

Words follow a Zipf-like law over the words of the example answers and 40,000 made of their syllables, so that next to
nothing is alike by accident. Thirty pairs in a thousand are changed copies of others, in ten kinds; the last three of
`KINDS` say something else and must not merge. Vectors are drawn, not encoded: topics with a spectrum that falls off
(somewhat faster than MiniLM's), a copy as near to its original as `NEARNESS` says.

FOLDER gets corpus.jsonl, truth.json ([[original, copy, kind]] as places in the corpus) and vectors.npy (questions).
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

KINDS = (
    "exact", "case_space", "typo", "words_dropped", "words_changed", "word_order", "paraphrase",
    "number_changed", "negation", "other_indicator",
)  # fmt: skip
DIFFERENT = frozenset(KINDS[-3:])
NEARNESS = dict(zip(KINDS, (1.0, 1.0, 0.97, 0.95, 0.93, 0.97, 0.93, 0.98, 0.96, 0.92), strict=True))
SHARE = 0.03
TOPICS = 20_000
DIMENSION = 384
CATEGORIES = ("momentum", "trend", "volatility", "volume", "on_chain", "derivatives", "sentiment", "structure")
INDICATORS = (
    "RSI", "MACD", "CCI", "MFI", "SMA", "EMA", "WMA", "HMA", "TEMA", "DEMA", "KAMA", "VWAP", "TWAP", "OBV", "ATR",
    "SOPR", "MVRV", "NUPL", "NVT", "Aroon", "supertrend", "hashrate", "funding rate", "open interest", "order book",
)  # fmt: skip
# two ways to ask the same
ASKING = (
    ("How is {} calculated?", "What is the calculation of {}?"),
    ("What does {} mean?", "What is the meaning of {}?"),
    ("What is {}?", "Please explain {}."),
    ("Can you describe {}?", "Describe {}."),
    ("What is the definition of {}?", "How would you define {}?"),
)
EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "pairs"


@dataclass(frozen=True, slots=True)
class Corpus:
    """`records` in the order of delivery; `truth`: (original, copy, kind), places in `records`."""

    records: list[dict[str, object]]
    truth: list[tuple[int, int, str]]

    @property
    def questions(self) -> list[str]:
        return [str(record["question"]) for record in self.records]


def corpus(n: int, *, seed: int = 7) -> Corpus:
    """`n` records, copies shuffled in among the originals."""
    rng = np.random.default_rng(seed)
    words, odds = vocabulary(rng)
    copies = int(n * SHARE)
    subjects = _drawn(rng, words, odds, rng.integers(5, 11, n - copies))
    answers = _drawn(rng, words, odds, rng.integers(15, 40, n - copies))
    made = [_record(i, subject, answer, rng) for i, (subject, answer) in enumerate(zip(subjects, answers, strict=True))]
    chosen = rng.choice(n - copies, copies, replace=False)
    changed = [
        (int(original), KINDS[i % len(KINDS)], _changed(made[original], KINDS[i % len(KINDS)], words, rng))
        for i, original in enumerate(chosen)
    ]
    order = rng.permutation(n)
    records: list[dict[str, object]] = [{}] * n
    for place, parts in zip(order, [*made, *(parts for _, _, parts in changed)], strict=True):
        records[place] = {name: parts[name] for name in ("question", "answer", "category", "indicator", "sources")}
    truth = [(int(order[one]), int(order[n - copies + i]), kind) for i, (one, kind, _) in enumerate(changed)]
    return Corpus(records, truth)


def vectors(n: int, truth: list[tuple[int, int, str]], *, seed: int = 8) -> NDArray[np.float32]:
    """Unit vectors (n, 384) for the questions of a corpus."""
    rng = np.random.default_rng(seed)
    spread = ((np.arange(DIMENSION) + 5.0) ** -0.4).astype(np.float32)
    middle = rng.standard_normal(DIMENSION, dtype=np.float32) * spread * 0.2
    topics = rng.standard_normal((min(TOPICS, n), DIMENSION), dtype=np.float32) * spread
    rows = np.empty((n, DIMENSION), dtype=np.float32)
    for start in range(0, n, 50_000):
        size = min(50_000, n - start)
        part = rng.standard_normal((size, DIMENSION), dtype=np.float32) * (spread * 0.9)
        part += topics[rng.integers(0, len(topics), size)] + middle
        rows[start : start + size] = part / np.linalg.norm(part, axis=1, keepdims=True)
    one, copy = (np.array([row[side] for row in truth], dtype=np.int64) for side in (0, 1))
    near = np.array([NEARNESS[kind] for _, _, kind in truth], dtype=np.float32)[:, None]
    away = rng.standard_normal((len(truth), DIMENSION), dtype=np.float32) * spread
    away -= np.einsum("nd,nd->n", away, rows[one])[:, None] * rows[one]
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    rows[copy] = near * rows[one] + np.sqrt(1 - near**2) * away
    return rows


def vocabulary(rng: np.random.Generator) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """Words and how likely each is."""
    texts = " ".join(file.read_text(encoding="utf-8") for file in sorted(EXAMPLES.glob("*.toml"))).casefold()
    counted = Counter(re.findall(r"[a-z]{3,}", texts))
    real = sorted(counted, key=lambda word: (-counted[word], word))
    syllables = sorted({word[i : i + 3] for word in real for i in range(0, len(word) - 2, 3)})
    made = {"".join(rng.choice(syllables, size)) for size in rng.integers(2, 4, 60_000)} - set(real)
    words = np.array([*real, *rng.permutation(sorted(made))[:40_000]])
    odds = 1 / (np.arange(len(words)) + 10)
    return words, np.cumsum(odds / odds.sum())


def _drawn(
    rng: np.random.Generator, words: NDArray[np.str_], odds: NDArray[np.float64], sizes: NDArray[np.int64]
) -> Iterator[list[str]]:
    flat = words[np.minimum(np.searchsorted(odds, rng.random(int(sizes.sum()))), len(words) - 1)].tolist()
    stop = 0
    for size in sizes.tolist():
        start, stop = stop, stop + size
        yield flat[start:stop]


def _record(number: int, subject: list[str], answer: list[str], rng: np.random.Generator) -> dict[str, object]:
    indicator, bars, asking = rng.integers(0, [len(INDICATORS), 90, len(ASKING)]).tolist()
    parts: dict[str, object] = {
        "subject": subject, "said": answer, "name": INDICATORS[indicator], "bars": bars + 2, "asking": asking,
        "category": CATEGORIES[number % len(CATEGORIES)], "sources": [f"https://example.org/{number % 997}"],
    }  # fmt: skip
    return parts | _written(parts)


def _written(parts: dict[str, object], *, way: int = 0, denied: bool = False) -> dict[str, object]:
    """Question, answer and indicator from a record's parts."""
    name, bars = parts["name"], parts["bars"]
    about = f"the {' '.join(parts['subject'])} of {name} over {bars} bars"  # type: ignore[arg-type]
    said = " ".join(parts["said"])  # type: ignore[arg-type]
    verb = "does not show" if denied else "shows"
    return {
        "question": ASKING[parts["asking"]][way].format(about),  # type: ignore[call-overload]
        "answer": f"{name} over {bars} bars {verb} {said}.",
        "indicator": name,
    }


def _changed(
    parts: dict[str, object], kind: str, words: NDArray[np.str_], rng: np.random.Generator
) -> dict[str, object]:
    subject: list[str] = list(parts["subject"])  # type: ignore[call-overload]
    place = int(rng.integers(0, len(subject)))
    new = dict(parts)
    if kind == "typo":
        word = subject[place]
        at = int(rng.integers(1, len(word)))
        subject[place] = (
            word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :] + ("" if word[at] != word[at - 1] else "e")
        )
    elif kind == "words_dropped":
        for at in sorted(rng.choice(len(subject), 2, replace=False).tolist(), reverse=True):
            del subject[at]
    elif kind == "words_changed":
        for at in rng.choice(len(subject), 2, replace=False).tolist():
            subject[at] = str(words[rng.integers(100, len(words))])
    elif kind == "word_order":
        subject = subject[place:] + subject[:place] if place else [*subject[1:], subject[0]]
    elif kind == "number_changed":
        new["bars"] = int(parts["bars"]) + 1 + int(rng.integers(0, 20))  # type: ignore[call-overload]
    elif kind == "other_indicator":
        new["name"] = INDICATORS[(INDICATORS.index(str(parts["name"])) + int(rng.integers(1, 24))) % len(INDICATORS)]
    new["subject"] = subject
    new |= _written(new, way=int(kind == "paraphrase"), denied=kind == "negation")
    if kind == "case_space":
        new["question"] = f"  {str(new['question']).upper().replace(' ', '  ')}"
    return new


def main() -> None:
    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    made = corpus(count)
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as target:
        target.writelines(json.dumps(record) + "\n" for record in made.records)
    (folder / "truth.json").write_text(json.dumps(made.truth), encoding="utf-8")
    np.save(folder / "vectors.npy", vectors(count, made.truth))


if __name__ == "__main__":
    main()
