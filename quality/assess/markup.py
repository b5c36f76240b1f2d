"""Rules about damage in the text: wrong decoding, markup left over, templates nobody filled in."""

from __future__ import annotations

import polars as pl

from quality.assess.rule import span, where

# UTF-8 read as Windows-1252 or Latin-1: a lead byte's letter followed by a continuation byte's sign.
_MOJIBAKE = (
    r"[ÃÅÄ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰‹ŒŽ‘’“”•–—˜™›œžŸ]\S{0,20}|â€[\u0080-\u00bf™œžŸ“”˜¦–—¢\u009d]?\S{0,20}|"
    r"Â[\u00a0-\u00bf]\S{0,20}|ï»¿|ï¿½|(?:[ÐÑ][\u0080-\u00bf°-¿‚ƒ„…†‡ˆ‰‹‘’“”•–—˜™›]){2,}|ðŸ\S{1,4}|"
    r"\S{0,12}\ufffd\S{0,12}|[\u0080-\u0084\u0086-\u009f]+"
)
MOJIBAKE = pl.coalesce(
    *(
        where(pl.col(name).is_not_null(), pl.format("{}: {}", pl.lit(name), span(name, _MOJIBAKE)))
        for name in ("question", "answer", "context")
    )
)

_TAG = (
    r"(?i)</?(?:p|div|span|br|table|tbody|thead|tr|td|th|ul|ol|li|strong|em|b|i|u|a|h[1-6]|img|script|style|font|"
    r"iframe|center|sup|sub)(?:\s[^<>]{0,200})?/?>|&(?:nbsp|amp|lt|gt|quot|apos|ndash|mdash|#\d{2,5}|#x[0-9a-f]{2,5});"
)
_ABOUT_MARKUP = r"(?i)html|xml|markup|\btags?\b|web ?(?:page|site)|\bcss\b|javascript|\bcode\b|react|\bdom\b|php|script"
HTML_MARKUP = where(
    ~pl.col("question").str.contains(_ABOUT_MARKUP) & ~pl.col("answer").str.contains("```"),
    pl.coalesce(span("answer", _TAG), span("question", _TAG)),
)

_TEMPLATE = (
    r"\{\{\s*[A-Za-z_][\w. |-]{0,60}\}\}|\{%\s*\w[^%]{0,60}%\}|"
    r"\[(?i:insert|enter|add|your|fill in)\b[^\[\]\n]{0,60}\]|<(?i:insert|enter|your)[ _-][^<>\n]{0,60}>|"
    r"\[(?i:name|date|company(?: name)?|address|city|email|phone(?: number)?|product(?: name)?|topic|link|url)\]|"
    r"<(?i:name|topic|input|question|answer|placeholder)>"
)
# "[Your Name]" is what a letter template ends with.
_NAMED_SLOT = r"(?i)^\[(?:your|name|date|company|address|city|email|phone|product|topic)"
_ASKS_FOR_A_TEMPLATE = (
    r"(?i)template|letter|e-?mail|message|invitation|note\b|speech|contract|script|dialog|introduc|conversation|advert|"
    r"customer|memo|form\b"
)
_SINGLE_BRACE = r"""(?:^|[\s"'(>:,])(\{[a-z]{3,}(?:_[a-z0-9]+)*\})"""
UNRESOLVED_TEMPLATE = where(
    ~pl.col("has_code"),
    pl.coalesce(
        where(
            ~(
                span("answer", _TEMPLATE).str.contains(_NAMED_SLOT)
                & pl.col("question").str.contains(_ASKS_FOR_A_TEMPLATE)
            ),
            span("answer", _TEMPLATE),
        ),
        span("question", _TEMPLATE),
        pl.col("answer").str.extract(_SINGLE_BRACE, 1),
        pl.col("question").str.extract(_SINGLE_BRACE, 1),
    ),
)
