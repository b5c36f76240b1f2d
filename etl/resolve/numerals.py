"""Number words and written numbers in, one plain form of each number out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

SMALL = {
    word: value
    for value, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
         "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
    )
}  # fmt: skip
TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
# Words that stand for a number by themselves and take part in no larger one.
SINGLE = {
    "dozen": 12, "twice": 2, "thrice": 3, "both": 2, "double": 2, "doubles": 2, "doubled": 2, "doubling": 2,
    "triple": 3, "triples": 3, "tripled": 3, "tripling": 3, "quadruple": 4, "quadruples": 4, "quadrupled": 4,
}  # fmt: skip
NUMBERS = SMALL | TENS | SINGLE
MULTIPLIERS = {
    "hundred": 10**2, "thousand": 10**3, "k": 10**3, "million": 10**6, "mn": 10**6, "billion": 10**9, "bn": 10**9,
    "trillion": 10**12,
}  # fmt: skip
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
)
ORDINALS = {word: value for value, word in enumerate(_ORDINALS.split(), start=1)} | {
    "thirtieth": 30, "fortieth": 40, "fiftieth": 50, "hundredth": 100, "thousandth": 1000,
}  # fmt: skip
ORDINAL_ENDINGS = frozenset({"st", "nd", "rd", "th"})
FRACTIONS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fifths": 5, "tenths": 10}

_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_CONTINENTAL = re.compile(r"[-+]?\d{1,3}(?:\.\d{3})+,\d+")
_HAN = {c: n for n, cs in enumerate(["〇零", "一", "二两", "三", "四", "五", "六", "七", "八", "九"]) for c in cs}
_HAN_TENS = {"十": 10, "百": 100, "千": 1000}
_HAN_MYRIADS = {"万": 10**4, "亿": 10**8}
# Han numerals count where a larger unit, an ordinal mark or a counter says that they are numbers: 一般 is a word.
_HAN_RUN = re.compile(
    r"(?P<digits>\d+(?:\.\d+)?)\s*(?P<unit>[百千万亿]+)|(?P<nth>第)?(?P<run>[〇零一二两三四五六七八九十百千万亿]+)"
    r"(?P<counter>(?=[个個天年月日号次步种位元倍周岁名条只家]|小时|分钟|公里|%|％))?"
)


def canonical(number: str) -> str:
    """1,000.50 and 1.000,50 and 1000.5 are one number; a sign counts, a leading plus does not.

    >>> canonical("1,000.50"), canonical("1.000,5"), canonical("14.0"), canonical("-5"), canonical("+5")
    ('1000.5', '1000.5', '14', '-5', '5')
    """
    if number.isdigit():
        return number.lstrip("0") or "0"
    if _CONTINENTAL.fullmatch(number):
        number = number.replace(".", "").replace(",", ".")
    elif _THOUSANDS.fullmatch(number):
        number = number.replace(",", "")
    elif number.count(",") == 1 and "." not in number:
        number = number.replace(",", ".")
    if number.count(".") > 1 or "," in number:
        return number  # a version or a list, compared as it stands
    sign = "-" if number.startswith("-") else ""
    whole, _, part = number.lstrip("+-").partition(".")
    part = part.rstrip("0")
    return sign + (whole.lstrip("0") or "0") + (f".{part}" if part else "")


def times(number: str, factor: int) -> str:
    """A canonical number, multiplied.

    >>> times("0.3", 1_000_000)
    '300000'
    """
    return canonical(f"{Decimal(number) * factor:f}")


def written(words: Sequence[str], start: int) -> tuple[str, int]:
    """The number whose words begin at `start`, and the index of its last word.

    >>> written("twenty one million coins".split(), 0)
    ('21000000', 2)
    >>> written("one hundred and five".split(), 0), written("two and a half percent".split(), 0)
    (('105', 3), ('2.5', 3))
    """
    if words[start] in SINGLE:
        return str(SINGLE[words[start]]), start
    total, group, at, last = 0, 0, start, start
    while at < len(words):
        word = words[at]
        if word == "and" and at > start and group >= 100 and group % 100 == 0 and _is_part(words, at + 1):
            at += 1
            continue
        if word in TENS and group % 100 == 0:
            group += TENS[word]
        elif word in SMALL and (
            group % 100 == 0 or (SMALL[word] in range(1, 10) and group % 100 >= 20 and group % 10 == 0)
        ):
            group += SMALL[word]
        elif word == "hundred" and 0 < group < 100:
            group *= 100
        elif word in MULTIPLIERS and word != "hundred" and group:
            total, group = total + group * MULTIPLIERS[word], 0
        else:
            break
        if not total and not group and at > start:
            break  # 'zero' takes no more digits
        last, at = at, at + 1
    value = str(total + group)
    if tuple(words[last + 1 : last + 4]) == ("and", "a", "half"):
        return f"{value}.5", last + 3
    return value, last


def _is_part(words: Sequence[str], at: int) -> bool:
    return at < len(words) and (words[at] in SMALL or words[at] in TENS)


def han(text: str) -> str:
    """Han numerals as digits, where a unit, an ordinal mark or a counter shows that they count something.

    >>> han("第三十三届"), han("30万元"), han("三个月"), han("一般来说"), han("两千零五年")
    ('第33届', '300000元', '3个月', '一般来说', '2005年')
    """
    return _HAN_RUN.sub(_digits, text)


def _digits(found: re.Match[str]) -> str:
    if found["digits"]:
        value = Decimal(found["digits"])
        for sign in found["unit"]:
            value *= (_HAN_TENS | _HAN_MYRIADS)[sign]
        return canonical(f"{value:f}")
    run = found["run"]
    counts = found["nth"] or (found["counter"] is not None and run != "一")  # 一个 is no more than an article
    if not counts or set(run) <= (_HAN_TENS.keys() | _HAN_MYRIADS.keys()) - {"十"}:
        return found[0]
    return (found["nth"] or "") + str(_han_value(run))


def _han_value(run: str) -> int:
    if not set(run) & (_HAN_TENS.keys() | _HAN_MYRIADS.keys()):
        return int("".join(str(_HAN[sign]) for sign in run))
    total, group, digit = 0, 0, 0
    for sign in run:
        if sign in _HAN:
            digit = _HAN[sign]
        elif sign in _HAN_TENS:
            group, digit = group + (digit or 1) * _HAN_TENS[sign], 0
        else:
            total, group, digit = (total + group + digit) * _HAN_MYRIADS[sign], 0, 0
    return total + group + digit
