"""A text in, the same text with numbers, dates and a few spellings in one form out, so that only differences are left.

Nothing here decides anything: what cannot be read for certain (05/01/2020, 5m) stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from etl.resolve.lexicon import listed
from etl.resolve.numerals import ORDINALS, han

_DASHES = str.maketrans({"−": "-", "–": "-", "—": " ", "’": "'", "‘": "'", "ʼ": "'", "％": "%", "\u00ad": None})
_A_NOT_A = re.compile(r"(能|会|是|可|有|要|该)[不没]\1")
_CAN = re.compile(r"(?:是否)?(?:能够|可以)|是否能")
_BETWEEN = re.compile(r"(?<!\d)[\W_]+|[\W_]+(?!\d)")
_PARTICLES = re.compile(r"[吗么呢啊吧呀]+(?=[\s?？!！。,，]|$)")
_HAN_SIGNS = re.compile(r"[〇零一二两三四五六七八九十百千万亿]")

_MONTHS = listed(
    "january february march april may june july august september october november december jan feb mar apr "
    "jun jul aug sep sept oct nov dec"
)
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_DAY_WORDS = {word: value for word, value in ORDINALS.items() if value <= 31}
_DAY = rf"(?P<day>\d{{1,2}}(?:st|nd|rd|th)?|{'|'.join(sorted(_DAY_WORDS, key=len, reverse=True))})"
_YEAR = r"(?:,?\s+(?P<year>(?:1[5-9]|20|21)\d\d))?"
_CHART = r"(?=[ -](?:charts?|candles?|candlesticks?|bars?|time ?frames?|intervals?|RSI|MACD|EMA|SMA|MA)\b)"
_QUARTERS = {"first": 1, "second": 2, "third": 3, "fourth": 4}
_SCALE = {"m": "million", "mm": "million", "b": "billion", "t": "trillion"}
_DECADES = {"thirties": 3, "forties": 4, "fifties": 5, "sixties": 6, "seventies": 7, "eighties": 8, "nineties": 9}


def plain(text: str) -> str:
    """The text as `features` reads it.

    >>> plain("on May 1st, 2020"), plain("on the first of May 2020"), plain("on 2020-05-01")
    ('on may 1 2020', 'on may 1 2020', 'on may 1 2020')
    >>> plain("$1.5B"), plain("5 per cent"), plain("1 000 or 1'000 coins"), plain("a hundred coins")
    ('$1.5 billion', '5 percent', '1000 or 1000 coins', '1 hundred coins')
    >>> plain("the 1M chart"), plain("the 1m chart"), plain("the third quarter"), plain("the 1990's")
    ('the 1 month chart', 'the 1 minute chart', 'the Q3', 'the nineteennineties')
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text).translate(_DASHES)
        if not text.isascii():
            text = "".join(_digit(c) for c in text) if any(c.isdigit() and c > "\x7f" for c in text) else text
            if _HAN_SIGNS.search(text):
                text = han(text)
    if not _MAY_CHANGE.search(text):
        return text
    for pattern, put in _STEPS:
        text = pattern.sub(put, text)
    return text


def plain_letters(text: str) -> str:
    """A text without accents, 'can or cannot' questions in their short form: 能不能 is 能.

    >>> plain_letters("En quelle année a-t-il été assassiné ?")
    'En quelle annee a-t-il ete assassine ?'
    >>> plain_letters("高血压能不能献血么？"), plain_letters("高血压是否可以献血？")
    ('高血压能献血？', '高血压能献血？')
    """
    if text.isascii():
        return text
    letters = "".join(c for c in unicodedata.normalize("NFD", text) if not "\u0300" <= c <= "\u036f")
    return _PARTICLES.sub("", _CAN.sub("能", _A_NOT_A.sub(r"\1", unicodedata.normalize("NFC", letters))))


def bare_letters(text: str) -> str:
    """`plain_letters` without marks and spaces, those inside numbers aside: for scripts that put no space.

    >>> bare_letters("你好，有高血压 1.4 的患者"), bare_letters("你好有高血压1.4的患者")
    ('你好有高血压1.4的患者', '你好有高血压1.4的患者')
    """
    return _BETWEEN.sub("", plain_letters(text).casefold())


def _digit(char: str) -> str:
    """A digit of any script as an ASCII one; superscripts and circled numbers stay."""
    value = unicodedata.decimal(char, None) if char > "\x7f" else None
    return char if value is None else str(value)


def _written_date(found: re.Match[str]) -> str:
    day = found["day"].lower()
    number = _DAY_WORDS.get(day) or int(re.sub(r"\D", "", day))
    if not 1 <= number <= 31:
        return found[0]
    return f"{_full(found['month'])} {number}" + (f" {found['year']}" if found["year"] else "")


def _iso_date(found: re.Match[str]) -> str:
    year, month, day = (int(part) for part in found.groups())
    return f"{_MONTHS[month - 1]} {day} {year}" if 1 <= month <= 12 and 1 <= day <= 31 else found[0]


def _full(month: str) -> str:
    return next(name for name in _MONTHS if name.startswith(month.lower()[:3]))


_STEPS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"(?<![\d.,])\d{1,3}(?:[ '\u00a0\u2009\u202f]\d{3})+(?![\d'])"), lambda f: re.sub(r"\D", "", f[0])),
    (re.compile(r"\bU\.S\.(?:A\.)?(?!\w)"), "US"),
    (re.compile(r"\bUS[ -]?(?=dollars?\b|\$)"), ""),
    (re.compile(r"\bper[ -]cent\b", re.I), "percent"),
    (re.compile(r"\b(?:percentage|percent|%)[ -]points?\b", re.I), "percentagepoints"),
    (re.compile(r"\bMt\.?(?= [A-Z])"), "Mount"),
    (re.compile(r"\bbasis[ -]points?\b", re.I), "bps"),
    (re.compile(r"([$€£₿]\s?\d[\d.,]*)\s?(mm|m|b|t)\b", re.I), lambda f: f"{f[1]} {_SCALE[f[2].lower()]}"),
    (re.compile(r"\b(\d{1,2})m\b" + _CHART), r"\1 minute"),
    (re.compile(r"\b(1|3|6|12)M\b" + _CHART), r"\1 month"),
    (re.compile(r"\b(\d[\d.,]*)(M|B|T)\b"), lambda f: f"{f[1]} {_SCALE[f[2].lower()]}"),
    (re.compile(r"\b((?:19|20)\d\d)-(\d\d)-(\d\d)\b"), _iso_date),
    (re.compile(rf"\b(?:the\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}{_YEAR}\b", re.I), _written_date),
    (re.compile(rf"\b{_MONTH}\s+(?:the\s+)?{_DAY}\b{_YEAR}(?![\d.])", re.I), _written_date),
    (re.compile(r"\b(first|second|third|fourth)[ -]quarter\b", re.I), lambda f: f"Q{_QUARTERS[f[1].lower()]}"),
    (re.compile(r"\b(19|20)([3-9])0'?s\b"), lambda f: _decade(f[1], int(f[2]))),
    (re.compile(r"(?<!\w)'([3-9])0s\b"), lambda f: _decade("19", int(f[1]))),
    (re.compile(rf"\b(?:nineteen[ -])?({'|'.join(_DECADES)})\b", re.I), lambda f: f"nineteen{f[1].lower()}"),
    (re.compile(r"\bhalf an? (?=(?:hundred|thousand|million|billion|trillion)\b)", re.I), "0.5 "),
    (re.compile(r"\ban? (?=(?:hundred|thousand|million|billion|trillion)\b)", re.I), "1 "),
    (re.compile(r"\ba few\b", re.I), "several"),
    (re.compile(r"\bonce (?=(?:an?|per|every|each)\b)", re.I), "1 time "),
)  # fmt: skip


def _decade(century: str, tens: int) -> str:
    name = next(name for name, value in _DECADES.items() if value == tens)
    return f"{'nineteen' if century == '19' else 'twenty'}{name}"


# One look that spares most texts the steps.
_MAY_CHANGE = re.compile(
    rf"\bU\.?S|\bMt\b|\d[ '\u00a0\u2009\u202f]\d{{3}}|\d\s?[mMbBtT]{{1,2}}\b|\d-\d\d-\d|\d0'?s\b|"
    rf"\bper[ -]cent|\bpoints?\b|\bquarter\b|"
    rf"\b(?:{'|'.join(_MONTHS)})\b|ties\b|\ban? (?:hundred|thousand|[mbt]r?illion|few)\b|\bonce\b",
    re.I,
)
