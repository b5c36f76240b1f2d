"""Texts in, languages out: by script where the script says it, by function words for English, else by py3langid.

ISO 639-1 codes with a confidence between 0 and 1; 'und' where nothing speaks clearly (numbers, names, a word or two).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

QUESTION_CHARS, ANSWER_CHARS, CONTEXT_CHARS = 240, 240, 80
CONFIDENT = 0.9
MIN_LETTERS = 8
UNDECIDED = "und"

# Scripts that one language (nearly) owns. Cyrillic, Arabic and Devanagari carry several: py3langid tells them apart.
_SCRIPTS = (
    (r"[\p{Hiragana}\p{Katakana}]", 0.05, "ja"),  # a few kana make a text with Han signs Japanese
    (r"\p{Hangul}", 0.3, "ko"),
    (r"\p{Han}", 0.3, "zh"),
    (r"\p{Thai}", 0.3, "th"),
    (r"\p{Greek}", 0.5, "el"),
    (r"\p{Hebrew}", 0.3, "he"),
    (r"\p{Armenian}", 0.3, "hy"),
    (r"\p{Georgian}", 0.3, "ka"),
    (r"\p{Tamil}", 0.3, "ta"),
    (r"\p{Telugu}", 0.3, "te"),
    (r"\p{Bengali}", 0.3, "bn"),
)
# Words that are frequent in English and are no word, or a rare one, in the other languages of Latin script.
_ENGLISH = (
    r"(?-u:\b)(?:the|what|which|who|whose|when|where|why|how|does|did|this|that|these|those|with|from|are|were|been|"
    r"being|have|should|would|could|explain|describe|define|write|generate|calculate|you|your|they|their|there|and|"
    r"between|difference|of)(?-u:\b)"
)
# Less telling ones, asked only where py3langid cannot say: "Pandas do not hibernate."
_SMALL = (
    r"(?-u:\b)(?:is|do|not|has|had|he|she|it|in|to|a|an|on|for|was|by|at|as|his|her|my|we|ask|list|give|name|yes)"
    r"(?-u:\b)"
)
_OTHER = (
    r"(?-u:\b)(?:der|die|das|und|ist|nicht|ein|eine|wie|le|la|les|des|est|une|que|qui|dans|pour|el|los|las|por|para|"
    r"como|es|una|il|di|che|per|sono|het|een|niet|wat|uma|não|com|os|och|att|det|og|er|på|jest|nie|się|czy|ne|ve|bir|"
    r"yang|dan|apa|cái|là|của)(?-u:\b)"
)


def sample(*, context: bool) -> pl.Expr:
    """The start of question, answer and context without code, links and markup: enough to know the language by."""
    parts = [pl.col("question").str.head(QUESTION_CHARS), pl.col("answer").str.head(ANSWER_CHARS)]
    if context:
        parts.append(pl.col("context").str.head(CONTEXT_CHARS))
    text = pl.concat_str(parts, separator=" \n ", ignore_nulls=True)
    return text.str.replace_all(r"https?://\S+|\S+@\S+|<[^<>]{1,80}>|[\d_`*#{}\[\]|\\/=+<>]+", " ").str.replace_all(
        r"\s+", " "
    )


def languages(texts: pl.Series) -> pl.DataFrame:
    """`language` and `language_confidence` of each text, in their order; equal texts are looked at once."""
    frame = texts.rename("text").to_frame()
    letters = pl.col("text").str.count_matches(r"\p{L}").alias("letters")
    known = frame.unique("text", maintain_order=True).with_columns(letters)
    known = known.with_columns(_by_script().alias("script"), _english().alias("english"))
    by_script = pl.col("script").is_not_null() & (pl.col("letters") >= 2)  # two signs of a CJK text are a word
    by_words = pl.col("english") > 0
    too_little = pl.col("letters") < MIN_LETTERS
    known = known.with_columns(
        pl.when(by_script).then("script").when(by_words).then(pl.lit("en")).when(too_little).then(pl.lit(UNDECIDED))
        .alias("language"),
        pl.when(by_script).then(0.99).when(by_words).then("english").when(too_little).then(0.0)
        .alias("language_confidence"),
    )  # fmt: skip
    guessed = _guessed(known.filter(pl.col("language").is_null())["text"])
    known = known.update(guessed, on="text")
    return frame.join(known, on="text", how="left", maintain_order="left").select("language", "language_confidence")


def _by_script() -> pl.Expr:
    """The language of the first script that holds its share of the letters, or null."""
    found = pl.lit(None, dtype=pl.String)
    for pattern, share, code in reversed(_SCRIPTS):
        enough = pl.col("text").str.count_matches(pattern) >= share * pl.col("letters")
        found = pl.when(enough & pl.col("text").str.contains(pattern)).then(pl.lit(code)).otherwise(found)
    return found


def _english() -> pl.Expr:
    """Confidence that a text is English by its function words; 0 where they do not say so.

    `What is RSI?` has one word of the list in three and none of another language's: enough.
    """
    lower = pl.col("text").str.to_lowercase()
    words = lower.str.count_matches(r"\p{L}+")
    english, other = lower.str.count_matches(_ENGLISH), lower.str.count_matches(_OTHER)
    clear = _latin() & (english >= 2 * other + 1) & (english >= 0.12 * words)
    return pl.when(clear).then(pl.min_horizontal(pl.lit(0.99), 0.9 + 0.02 * english)).otherwise(0.0)


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    model.set_languages([code for code in model.labels if len(code) == 2])
    return model


def _guessed(texts: pl.Series) -> pl.DataFrame:
    """py3langid's answers from probability 0.5 on; below, English by its small words, or 'und'."""
    model = _identifier() if texts.len() else None
    answers = [model.classify(text) for text in texts] if model else []
    frame = pl.DataFrame(
        {
            "text": texts,
            "language": pl.Series([code for code, _ in answers], dtype=pl.String),
            "language_confidence": pl.Series([float(sure) for _, sure in answers], dtype=pl.Float64).round(2),
        }
    )
    lower = pl.col("text").str.to_lowercase()
    small = (lower.str.count_matches(_SMALL) >= 2) & (lower.str.count_matches(_OTHER) == 0) & _latin()
    unsure = pl.col("language_confidence") < 0.5
    return frame.with_columns(
        pl.when(unsure & small).then(pl.lit("en")).when(unsure).then(pl.lit(UNDECIDED)).otherwise("language")
        .alias("language"),
        pl.when(unsure & small).then(0.6).otherwise("language_confidence").alias("language_confidence"),
    )  # fmt: skip


def _latin() -> pl.Expr:
    """Whether (nearly) all letters are those of plain Latin."""
    return pl.col("text").str.count_matches(r"[A-Za-z]") >= 0.95 * pl.col("text").str.count_matches(r"\p{L}")
