"""The rule `truncated`: does the answer stop where its writer did not?

A false alarm costs more than a miss here, because most answers without a final stop are whole: lists, code, formulas,
names, links, headings, verse. So a missing stop alone counts only after long punctuated prose in a cased script
(Chinese answers that were read left their last stop out as often as not), and an answer cut out of its context is as
long as whoever marked it wanted.
"""

from __future__ import annotations

import polars as pl

from quality.assess.rule import where

PROSE_WORDS = 40
LAST_LINE_WORDS = 12
LAST_SENTENCE_WORDS = 8
ELLIPSIS_WORDS = 12
DANGLING_WORDS = 6

# Words that cannot end an English clause. Prepositions that can ("the world we live in") are not among them.
_DANGLING = (
    r"\s(?:and|or|but|nor|the|a|an|of|with|because|that is|which|whose|although|though|unless|whereas|than|"
    r"into|their|its|your|our|my|such as|as well as|in order to|due to|and/or|including|e\.g\.|"
    r"i\.e\.)$"
)
_LIST_LINE = r"^\s*(?:[-*•·+>|#]|\(?\w{1,3}[.)]\s|\d+\s|\|)"

_tail = pl.col("tail")
_last_line = _tail.str.extract(r"([^\n]*)$", 1)
_last_sentence = _tail.str.extract(r"([^.!?:;]*)$", 1)
_end = pl.format("… {}", _tail.str.tail(60).str.replace_all(r"\s+", " "))
_prose = ~pl.col("has_code") & ~_last_line.str.contains(_LIST_LINE)

_free = ~pl.col("context").str.contains(pl.col("answer"), literal=True).fill_null(value=False)
_open_fence = pl.col("answer").str.count_matches(r"(?m)^\s*```") % 2 == 1
_ellipsis = (
    _tail.str.contains(r"[\p{L}\p{N},]\s?(?:\.{3,4}|…|\[\.\.\.\]|\[…\])$")
    & (pl.col("answer_words") >= ELLIPSIS_WORDS)
    & _prose
    & ~pl.col("question").str.contains(r"\.{3}|…|_{2,}")
)
_dangling = _tail.str.contains(_DANGLING) & (pl.col("answer_words") >= DANGLING_WORDS) & _prose
_comma = (
    _tail.str.contains(r"[\p{L}\p{N})][,，、;；]$|\s[–—-]$|\p{Ll}-$")
    & (pl.col("answer_words") >= DANGLING_WORDS)
    & ~pl.col("has_code")
)
_open_bracket = (
    _tail.str.contains(r"[\s\p{L}\p{N}]\([\p{L}\p{N}][^()]*$")
    & ~_tail.str.contains(r"[.!?。！？)]$")
    & (pl.col("answer").str.count_matches(r"\(") > pl.col("answer").str.count_matches(r"\)"))
    & (pl.col("answer_words") >= DANGLING_WORDS)
    & ~pl.col("has_code")
)
_mid_sentence = (
    (pl.col("answer_words") >= PROSE_WORDS)
    & _tail.str.contains(r"\p{Ll}$")
    & ~_tail.str.contains(r"(?:\S*[./@_\\=<>]\S*|[\p{Lu}]\S*)$")
    & (_last_line.str.count_matches(r"[\p{L}\p{N}]+") >= LAST_LINE_WORDS)
    & (_last_sentence.str.count_matches(r"[\p{L}\p{N}]+") >= LAST_SENTENCE_WORDS)
    & ~_last_line.str.contains(r"#\w")
    & (_tail.str.count_matches(r"[\p{L})\"”][.!?]\s|[。！？]|।") >= 2)
    & _prose
)

TRUNCATED = pl.coalesce(
    where(_open_fence, pl.lit("a code fence is opened and not closed")),
    where(_ellipsis & _free, pl.format("ends with an ellipsis: {}", _end)),
    where(_dangling & _free, pl.format("ends on a dangling word: {}", _end)),
    where(_comma & _free, pl.format("ends on a comma or dash: {}", _end)),
    where(_open_bracket & _free, pl.format("a bracket is not closed: {}", _end)),
    where(_mid_sentence & _free, pl.format("ends in mid-sentence: {}", _end)),
)
