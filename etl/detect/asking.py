"""A text in, whether it begins as a question or a request does out; a few words of each of the larger languages."""

from __future__ import annotations

import re

# Words with which a statement seldom begins. Left out on purpose: English "as", Spanish "como" without its accent.
_FIRST = (
    "what which who whom whose when where why how is are was were do does did can could should would will has have "
    "explain describe write give list name identify generate create summarize classify calculate tell provide "
    "rewrite translate compare suggest convert edit construct design analyze define discuss outline "
    "wer wen wem wie wo wann warum wieso weshalb welche welcher welches welchen ist sind kann erkläre nenne "
    "qué cuál cuáles quién quiénes cómo dónde cuándo cuánto cuántos explica "
    "quel quelle quels quelles que qui où quand comment pourquoi combien est-ce explique "
    "che quale quali chi come dove quando perché quanto cosa qual quem onde quantos "
    "что кто как где когда почему зачем какой какая какие сколько чем "
    "wat waar wanneer waarom hoe welk welke vad vem hur varför när vilken "
)
_STARTS = frozenset(_FIRST.split())
_WORD = re.compile(r"[^\w]*([\w'’-]+)")
# Languages without spaces ask with a particle or a word anywhere in the sentence.
_PARTICLES = re.compile(
    "什么|什麼|怎么|怎麼|为什么|為什麼|吗|嗎|如何|哪[里裡个個些]|是否|多少|谁|誰|ですか|ますか|어떻|무엇|왜|인가|니까"
)
ENDS = ("?", "？", "؟", ";?", "?)", '?"', "?”", "?'", "？”", "？」", "¿")


def ends_asking(text: str) -> bool:
    """The last character is a question mark of some script, a closing bracket or quote behind it allowed."""
    return text.rstrip().endswith(ENDS)


def begins_asking(text: str) -> bool:
    """The first word asks or requests; in Chinese, Japanese and Korean any word of a short text does."""
    head = text.lstrip()[:80]
    if head.startswith("¿"):
        return True
    match = _WORD.match(head)
    first = match.group(1).casefold() if match else ""
    return first in _STARTS or (not head.isascii() and len(text) <= 120 and _PARTICLES.search(head) is not None)
