"""Words of a text, and how many of them two texts share."""

from __future__ import annotations

import re
import unicodedata

# Letters and digits in runs; inside a run . , ' and - join only where both sides are alphanumeric (1.4, 10,000,
# on-chain).
# Scripts without word spaces (Han, kana, Thai, Lao, Khmer, Myanmar) give one word a character.
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_SPACELESS}]|[^\W_{_SPACELESS}]+(?:[.,'’-][^\W_{_SPACELESS}]+)*")


def words(text: str) -> list[str]:
    """Casefolded words in reading order."""
    return _WORD.findall(unicodedata.normalize("NFC", text).casefold())


def overlap(a: str, b: str) -> float:
    """Jaccard similarity of the two sets of words, 4 decimals; two texts without words count as 1.0 if equal."""
    first, second = set(words(a)), set(words(b))
    if not first and not second:
        return 1.0 if a == b else 0.0
    return round(len(first & second) / len(first | second), 4)
