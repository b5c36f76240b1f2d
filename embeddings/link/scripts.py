"""A text and a model's declared languages in; whether the model can have learnt the text's script out.

A vector of a text in an unknown script says next to nothing (two unrelated Chinese questions scored 1.0 with an
English model), so such texts are left out of the cosine search. Languages that share a script cannot be told apart
here: that is for `resolve`, which knows each pair's language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

SCRIPTS = {
    "latin": r"A-Za-z\u00aa\u00ba\u00c0-\u024f\u0250-\u02af\u1e00-\u1eff\ufb00-\ufb06\uff21-\uff5a",
    "greek": r"\u0370-\u03ff\u1f00-\u1fff",
    "cyrillic": r"\u0400-\u052f\u1c80-\u1c8f",
    "armenian": r"\u0530-\u058f",
    "hebrew": r"\u0590-\u05ff\ufb1d-\ufb4f",
    "arabic": r"\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff",
    "devanagari": r"\u0900-\u097f",
    "bengali": r"\u0980-\u09ff",
    "gurmukhi": r"\u0a00-\u0a7f",
    "gujarati": r"\u0a80-\u0aff",
    "tamil": r"\u0b80-\u0bff",
    "telugu": r"\u0c00-\u0c7f",
    "kannada": r"\u0c80-\u0cff",
    "malayalam": r"\u0d00-\u0d7f",
    "sinhala": r"\u0d80-\u0dff",
    "thai": r"\u0e00-\u0e7f",
    "lao": r"\u0e80-\u0eff",
    "myanmar": r"\u1000-\u109f",
    "georgian": r"\u10a0-\u10ff",
    "ethiopic": r"\u1200-\u139f",
    "khmer": r"\u1780-\u17ff",
    "kana": r"\u3040-\u30ff",
    "han": r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff",
    "hangul": r"\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
}
LANGUAGES = {
    "greek": "el", "armenian": "hy", "hebrew": "he yi", "bengali": "bn as", "gurmukhi": "pa", "gujarati": "gu",
    "tamil": "ta", "telugu": "te", "kannada": "kn", "malayalam": "ml", "sinhala": "si", "thai": "th", "lao": "lo",
    "myanmar": "my", "georgian": "ka", "ethiopic": "am ti", "khmer": "km", "kana": "ja", "han": "zh ja",
    "hangul": "ko", "devanagari": "hi mr ne sa",
    "arabic": "ar fa ur ps ug ku sd",
    "cyrillic": "ru uk be bg mk sr kk ky mn tg tt",
    "latin": "en de fr es it pt nl sv da no nb nn fi is et lv lt pl cs sk sl hr bs sr ro hu sq tr az uz vi id ms tl "
    "sw af ca eu gl ga cy mt la eo lb oc rw xh zu so ht",
}  # fmt: skip
_LETTER = re.compile(r"[^\W\d_]")


def readable(texts: Sequence[str], languages: Sequence[str] | None) -> list[bool]:
    """True where at least half of a text's letters are of a script that one of `languages` is written in.

    Everything is readable where no language is declared (None or none), or one whose script is not listed here.
    """
    known = set(" ".join(LANGUAGES.values()).split())
    if not languages or not known.issuperset(languages):
        return [True] * len(texts)
    scripts = [script for script, written in LANGUAGES.items() if set(written.split()) & set(languages)]
    own = re.compile("[" + "".join(SCRIPTS[script] for script in scripts) + "]")
    latin = "latin" in scripts
    return [(latin and text.isascii()) or 2 * len(own.findall(text)) >= len(_LETTER.findall(text)) for text in texts]
