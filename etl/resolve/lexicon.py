"""`terms.toml` in, lookup tables out: domain terms with synonyms, antonyms, negations, units, number words."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

# A word, number, sign of quantity or end of a sentence. A minus counts only where no word, digit or bracket stands
# before it: 10-20 is a range, COVID-19 a name.
TOKEN = re.compile(
    r"\$[A-Za-z]{2,10}(?![A-Za-z])|[^\W\d_]+(?:'[^\W\d_]+)*[+#]*|(?<![\w)\]%.-])[-+]?\d+(?:[.,]\d+)*|\d+(?:[.,]\d+)*|[%$€£¥₿°.!?:;\n]"
)


def listed(words: str) -> list[str]:
    """Words from a line of them."""
    return words.split()


_UNITS = """
percent: % pct percent percentage
percentage_point: percentagepoints pp
second: s sec secs second seconds
minute: min mins minute minutes
hour: h hr hrs hour hours hourly
day: d day days daily
week: w wk wks week weeks weekly
month: mo month months monthly
quarter: quarter quarters quarterly
year: y yr yrs year years yearly annual annually
decade: decade decades
century: century centuries
usd: $ usd dollar dollars
cent: cent cents
eur: € eur euro euros
gbp: £ gbp pound pounds
jpy: ¥ jpy yen
basis_point: bp bps
fold: x fold times
ms: ms millisecond milliseconds
mm: mm millimetre millimetres millimeter millimeters
cm: cm centimetre centimetres centimeter centimeters
m: m metre metres meter meters
km: km kilometre kilometres kilometer kilometers
mile: mi mile miles
foot: ft foot feet
inch: inch inches
mg: mg milligram milligrams
g: g gram grams
kg: kg kilogram kilograms
lb: lb lbs
ml: ml millilitre millilitres milliliter milliliters
l: l litre litres liter liters
celsius: celsius c
fahrenheit: fahrenheit f
satoshi: sat sats satoshi satoshis
gwei: gwei
wei: wei
byte: byte bytes
kb: kb kilobyte kilobytes
mb: mb megabyte megabytes
gb: gb gigabyte gigabytes
tb: tb terabyte terabytes
watt: watt watts
kw: kw kilowatt kilowatts
mw: mw megawatt megawatts
gw: gw gigawatt gigawatts
kwh: kwh
mwh: mwh
vbyte: vb vbyte vbytes
th: terahash terahashes
ph: petahash petahashes
eh: exahash exahashes
"""
UNITS = {
    name: line.partition(":")[0]
    for line in _UNITS.strip().splitlines()
    for name in line.partition(":")[2].split()
}  # fmt: skip
FRAME_NOUNS = frozenset({"minute", "hour", "day", "week", "month", "quarter", "year", "decade", "century"})
FRAME_WORDS = frozenset(
    listed(
        "hourly daily weekly monthly quarterly yearly annual annually intraday overnight "
        "today yesterday tomorrow tonight"
    )
)
MONTHS = frozenset(
    listed(
        "january february april june july august september october november december "
        "jan feb apr jun jul aug sep sept oct nov dec"
    )
)
DECADES = frozenset(
    century + decade
    for century in ("nineteen", "twenty")
    for decade in listed("thirties forties fifties sixties seventies eighties nineties")
)
DOUBTFUL_MONTHS = frozenset({"may", "march", "mar"})  # words of their own: months only beside a number
WEEKDAYS = frozenset(listed("monday tuesday wednesday thursday friday saturday sunday"))


@dataclass(frozen=True, slots=True)
class Lexicon:
    """`terms` maps a name's first word to (all its words, exact spelling or None, canonical name), longest first;
    `poles` a word to (antonym line, side)."""

    terms: dict[str, tuple[tuple[tuple[str, ...], str | None, str], ...]]
    poles: dict[str, tuple[tuple[int, int], ...]]
    negations: frozenset[str]
    telling: frozenset[str]  # every word that is a negation, a pole, a time frame, a month or a weekday
    soft: frozenset[str]
    directional: frozenset[str]
    fillers: frozenset[str]
    kinds: frozenset[str]  # of things that are asked for: what year, which actor
    synonyms: dict[str, str]  # a word to the first of its class
    asking: dict[str, str]  # a word of asking to the first of its class; '' where it may be missing


def plain_words(text: str) -> tuple[str, ...]:
    """The casefolded word and number tokens of a text, as features see them."""
    return tuple(token.casefold() for token in TOKEN.findall(text) if token[-1] not in ".!?:;\n%$€£¥₿°")


@cache
def lexicon() -> Lexicon:
    """The packaged word lists, read once."""
    data = tomllib.loads((files("etl.resolve") / "terms.toml").read_text(encoding="utf-8"))
    terms = defaultdict(list)
    for line in data["terms"]:
        names = [name.strip() for name in line.split("|")]
        for name in names:
            spelled = plain_words(name.removeprefix("="))
            terms[spelled[0]].append((spelled, name[1:] if name.startswith("=") else None, names[0].removeprefix("=")))
    poles = defaultdict(list)
    for number, line in enumerate(data["antonyms"]):
        for side, words in enumerate(line.split(":")):
            for word in words.split():
                poles[word].append((number, side))
    return Lexicon(
        {first: tuple(sorted(rows, key=lambda row: (-len(row[0]), row[0]))) for first, rows in terms.items()},
        {word: tuple(sides) for word, sides in poles.items()},
        frozenset(data["negations"].split()),
        frozenset(data["negations"].split())
        | poles.keys()
        | FRAME_WORDS
        | MONTHS
        | DOUBTFUL_MONTHS
        | WEEKDAYS
        | DECADES
        | {name for name, unit in UNITS.items() if unit in FRAME_NOUNS},
        frozenset(data["soft"].split()),
        frozenset(data["directional"].split()),
        frozenset(data["fillers"].split()),
        frozenset(data["kinds"].split()),
        {word: line.split()[0] for line in data["synonyms"] for word in line.split()},
        {word: "" if line[0] == "~" else line.split()[0] for line in data["asking"] for word in line.split()},
    )
