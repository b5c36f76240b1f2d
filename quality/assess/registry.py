"""The table of rules: name, weight, gate, meaning, source, and how it looks. The documentation is made from it."""

from __future__ import annotations

import polars as pl

from quality.assess import answers, endings, markup
from quality.assess.language import CONFIDENT, UNDECIDED
from quality.assess.private import CONTACT_DETAILS, PERSONAL_DATA, SECRET
from quality.assess.repetition import repetition
from quality.assess.rule import Rule, where

UNEXPECTED_LANGUAGE = where(
    ~pl.col("language_wanted") & (pl.col("language") != UNDECIDED) & (pl.col("language_confidence") >= CONFIDENT),
    pl.format("{} ({})", "language", pl.col("language_confidence").round(2)),
)

RULES: tuple[Rule, ...] = (
    Rule("empty_answer", 1.0, True, "The answer is punctuation, 'none', 'n/a' or the like.",
         "RefinedWeb (Penedo et al. 2023, arXiv:2306.01116) drops empty lines; 'None' after 'how many' is spared",
         answers.EMPTY_ANSWER),
    Rule("placeholder_answer", 1.0, True, "The answer is a placeholder: TODO, TBD, lorem ipsum, 'insert answer here'.",
         "C4 (Raffel et al. 2020, arXiv:1910.10683) drops pages with lorem ipsum; the other words are our own list",
         answers.PLACEHOLDER_ANSWER),
    Rule("question_equals_answer", 0.8, True, "The answer only says the question again.",
         "equal after case, spaces and punctuation", answers.QUESTION_EQUALS_ANSWER),
    Rule("refusal", 0.6, True, "The answer is a model's refusal.",
         "our own list, anchored to the start of a sentence, so that a quoted refusal does not count", answers.REFUSAL),
    Rule("secret", 0.7, True, "A key, token or private key stands in the text; the evidence is masked.",
         "the providers' published key shapes; base58check where there is a checksum", SECRET),
    Rule("personal_data", 0.3, True, "A person's e-mail address, telephone, card or account; the evidence is masked.",
         "Luhn (ISO/IEC 7812), IBAN mod 97 (ISO 13616); example values and organisations are spared", PERSONAL_DATA),
    Rule("contact_details", 0.05, False, "An e-mail address or telephone that may be an organisation's.",
         "the shapes of personal_data without its personal signs", CONTACT_DETAILS),
    Rule("truncated", 0.25, False, "The answer stops in mid-sentence, in a code fence or in a bracket.",
         "C4 keeps lines that end in terminal punctuation; narrowed to long prose, whole short answers have none",
         endings.TRUNCATED),
    Rule("repetition", 0.3, False, "Lines, word pairs or runs of words repeat themselves.",
         "Gopher (Rae et al. 2021, arXiv:2112.11446, Table A1): lines 0.30; top 2-gram 0.25 and 10-grams 0.20, "
         "raised for short texts", repetition),
    Rule("mojibake", 0.25, False, "Text was decoded with the wrong encoding.",
         "UTF-8 seen through Windows-1252, the sequences that ftfy (Speer 2019, doi:10.5281/zenodo.2591652) repairs",
         markup.MOJIBAKE),
    Rule("unexpected_language", 0.15, False, "The text is confidently in a language that was not asked for.",
         f"normalised probability of py3langid from {CONFIDENT} on; FineWeb (arXiv:2406.17557) asks for 0.65",
         UNEXPECTED_LANGUAGE),
    Rule("unresolved_template", 0.2, False, "A template was never filled in: {{name}}, [INSERT DATE], {topic}.",
         "C4 drops pages with curly brackets; narrowed to named slots outside code", markup.UNRESOLVED_TEMPLATE),
    Rule("html_markup", 0.1, False, "HTML tags or entities are left in the text.",
         "tags of the HTML standard; spared where the question is about markup or code", markup.HTML_MARKUP),
    Rule("too_short", 0.1, False, f"The answer has fewer than {answers.SHORT_WORDS} words; it may still be right.",
         "C4 keeps lines of at least 3 words; the weight is small because 'Paris' can be the whole answer",
         answers.TOO_SHORT),
    Rule("too_long", 0.1, False, f"The answer has more than {answers.LONG_WORDS} words.",
         "measured: 238 of 91,834 pairs of the public deliveries used in development", answers.TOO_LONG),
    Rule("not_a_question", 0.05, False, "What stands as the question is a statement.",
         "our own list of openings; instructions, topics, claims and quiz clues are spared", answers.NOT_A_QUESTION),
    Rule("missing_sources", 0.0, False, "No source is named; counted through completeness alone.",
         "the pair's own column", answers.MISSING_SOURCES),
)  # fmt: skip

# The flags whose pairs a release leaves out unless it is told otherwise.
GATES: tuple[str, ...] = tuple(rule.flag for rule in RULES if rule.gate)


def rules_table() -> pl.DataFrame:
    """The rules as a frame: flag, weight, gate, means, source."""
    rows = [(r.flag, r.weight, r.gate, r.means, r.source) for r in RULES]
    return pl.DataFrame(rows, schema=["flag", "weight", "gate", "means", "source"], orient="row")
