"""Rules about an answer as a whole: nothing in it, a placeholder, the question again, a refusal, its length."""

from __future__ import annotations

import polars as pl

from quality.assess.rule import span, where

SHORT_WORDS = 3
LONG_WORDS = 1000

_NOTHING = r"""(?i)^[\s\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}.…,;:!?_"'*•·¿¡。，、！？|/\\~#]*$"""
_NO_ANSWER = (
    r"(?i)^\W*(?:none|null|nil|nan|undefined|n/?a|n\.a\.|no ?answer|no answer (?:provided|available|given|found)|"
    r"not (?:available|applicable|provided|specified|given)|<?no ?(?:output|response)>?|empty|"
    r"no (?:response|output|content|data)(?: available)?)\W*$"
)
# "How many moons has Venus?" - "None" is an answer.
_ASKS_FOR_A_COUNT = r"(?i)\bhow (?:many|much)\b|\bwhich of\b|combien|cuánt|quant[ie]|wie ?viel"

EMPTY_ANSWER = pl.coalesce(
    where(pl.col("answer").str.contains(_NOTHING), pl.format("nothing but {}", pl.col("answer").str.head(20))),
    where(
        pl.col("answer").str.contains(_NO_ANSWER)
        & ~(
            pl.col("answer").str.contains(r"(?i)^\W*(?:none|nil|null|nan)\W*$")
            & pl.col("question").str.contains(_ASKS_FOR_A_COUNT)
        ),
        pl.col("answer"),
    ),
)

_PLACEHOLDER = (
    r"(?i)^\W*(?:(?-i:TODO|FIXME)\b(?::.{0,80})?|todo|fixme|tbd|tba|tbc|x{3,}|asdf\w*|qwerty|lorem ipsum.{0,500}|"
    r"(?:please )?(?:insert|add|enter|write|put|type|provide) (?:the |your |an? )?"
    r"(?:answer|response|text|output|content)(?: text)?(?: here)?|"
    r"(?:your|the|sample|example|dummy|test) (?:answer|response|output|text)(?: goes)?(?: here)?|"
    r"(?:answer|response|output|text)(?: goes)? here|answer ?\d{0,2}|placeholder(?: (?:text|answer))?|"
    r"to be (?:added|completed|written|filled(?: in)?|determined|decided|announced|done)|coming soon|"
    r"\[?(?:answer|response|output)\]?)\W*$"
)
PLACEHOLDER_ANSWER = pl.coalesce(
    where(~pl.col("question").str.contains(r"(?i)x{2}"), span("answer", _PLACEHOLDER)),
    span("answer", r"(?i)^\s*<no(?:in|out)put>(?:\s*<[^<>]{1,30}>)?\s*$"),
)

# Letters and digits only, so that "RSI?" and "RSI." are the same; below eight characters C# and C would be, too.
_QUESTION, _ANSWER = (
    pl.col(name).str.to_lowercase().str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ") for name in ("question", "answer")
)
QUESTION_EQUALS_ANSWER = where(
    (pl.col("question_key") == pl.col("answer_key"))
    | ((_QUESTION.str.strip_chars() == _ANSWER.str.strip_chars()) & (pl.col("answer").str.len_chars() >= 8)),
    pl.col("answer"),
)

TOO_SHORT = where(
    pl.col("answer_words") < SHORT_WORDS, pl.format("{} of at least {} words", "answer_words", pl.lit(SHORT_WORDS))
)
TOO_LONG = where(pl.col("answer_words") > LONG_WORDS, pl.format("{} words", pl.col("answer_words")))

# At the start of the answer or of one of its first sentences, and never after a quotation mark.
_REGRET = (
    r"(?:(?:i['’]?m|i am) (?:very |really |so )?(?:sorry|afraid),? (?:but )?(?:that )?|unfortunately,? |"
    r"sorry,? (?:but )?|i apologi[sz]e,? (?:but )?)?"
)
_UNABLE = r"i (?:cannot|can['’]?t|can not|am (?:unable|not able) to|['’]?m (?:unable|not able) to|won['’]?t|will not)"
_LACKS = (
    r"i (?:cannot|can['’]?t|can not|do not|don['’]?t|am (?:un|not )able|am not|['’]?m (?:un|not )able|have no|lack|"
    r"am programmed)"
)
_MODEL = (
    r"as an? (?:ai|artificial intelligence|large language model)(?: language)?"
    r"(?: model| assistant| chatbot| system)?,? "
)
_REFUSAL = (
    rf"(?:^|[.!?]\s+|\n){_REGRET}{_MODEL}{_LACKS}|"
    rf"^{_REGRET}{_UNABLE} (?:assist|help|fulfil+|comply|provide|answer|complete|generate|create|engage|discuss|"
    r"respond|offer|give you)\b|"
    rf"^(?:i['’]?m|i am) (?:just |only )?an ai(?: language model| model| assistant)?,? (?:and |so )?{_LACKS}"
)
REFUSAL = pl.col("head").str.extract(f"(?i)({_REFUSAL})", 1).str.strip_chars()

# "This group sang Hotel California." - "The Eagles", and "The Nile is in Asia." - "False", are questions all the same:
# only a long answer tells that something else was delivered.
CLAIM_WORDS = 8
# A statement where a question, an instruction or a topic was expected: weak evidence, hence the small weight.
_STATEMENT = r"^(?i:the|it|i|we|he|she|they|there|you|my|our|his|her|their|its|a|an)\s"
_ASKS = (
    r"(?i)[?？؟;]|\b(?:what|why|how|who|whom|whose|which|when|where|whether|is|are|do|does|did|can|could|should|would|"
    r"explain|describe|define|name|tell|list|give|find|answer|question|complete|fill|blank|this|these|following|"
    r"suggest|need|want)\b|_{2,}|\.{3}|…|:\s*$"
)
NOT_A_QUESTION = pl.coalesce(
    where((pl.col("question_words") == 0), pl.lit("no words in the question")),
    where(
        pl.col("question").str.contains(_STATEMENT)
        & pl.col("question").str.contains(r"[.!]\s*$")
        & ~pl.col("question").str.contains(_ASKS)
        & pl.col("context").is_null()
        & (pl.col("answer_words") >= CLAIM_WORDS),
        pl.col("question"),
    ),
)

MISSING_SOURCES = where(pl.col("sources").list.len() == 0, pl.lit("no source"))
