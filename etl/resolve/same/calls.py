"""Answers that are calls of a tool, as agents write them: what a call fetches is the answer."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from etl.resolve.features import Features, features
from etl.resolve.lexicon import listed
from etl.resolve.matter import matter, stem
from etl.resolve.same.both import Answers
from etl.resolve.same.questions import reduced
from etl.resolve.vetoes.number import numbers

_CALL = re.compile(r"\b(?P<name>[A-Za-z_][\w.]{1,30})\((?P<quote>['\"])(?P<what>.+)(?P=quote)\)")
_ADDRESS = re.compile(r"^https?://(?:www\.)?|^www\.", re.I)
# Of a tool and its output rather than of what is fetched.
_TOOLS = listed(
    "site page url terminal command shell tool system text contents output result current following below see"
)
TOLD = 1  # words around a call that come from neither question: 'output', 'results'
_MARKED = re.compile(r"[^\w\s?.,'-]|(?<!\w)-|-(?!\w)")  # a command or an address counts to the letter


def calls(both: Answers) -> bool:
    """One and the same call in both: what it fetches is the answer, whatever stands around it.

    >>> same(calls, "Here it is: request('https://www.example.com').", "The page is request('example.com/')")
    True
    >>> same(calls, "The price: search('BTC price')", "It costs search('ETH price')")
    False
    >>> same(calls, "search('What is the BTC price today?')", "It is search('BTC price today')")
    True
    >>> same(calls, "shell('ls -a')", "shell('ls a')"), same(calls, "news('BTC over ETH')", "news('ETH over BTC')")
    (False, False)
    >>> same(calls, "In 2 days: weather('Rome')", "In 3 days: weather('Rome')")
    False
    >>> same(calls, "It isn't shell('ls')", "It is shell('ls')")
    False
    """
    one, other = _call(both.a.text), _call(both.b.text)
    if one is None or other is None or one["name"] != other["name"] or not _same_fetched(one["what"], other["what"]):
        return False
    around = [features(f.text.replace(call[0], " ")) for f, call in ((both.a, one), (both.b, other))]
    return numbers(*around) is None and around[0].negations.total() == around[1].negations.total()


def ask_for_one_thing(questions: tuple[Features, Features], answers: tuple[Features, Features]) -> bool:
    """Whether two questions with the same call want the same of it.

    Not where one side asks for something, and says in its answer, that the other and the call do not name (the text of
    a page, its top headlines), nor where an answer tells more than was asked, so that the call only adds to it.

    >>> page, source = "Here is its text: request('example.com')", "Its source code: request('example.com')"
    >>> wants("Find the text of the page", page, "Fetch the source code of the page", source)
    False
    >>> wants("Find the text of the page", page, "Fetch the text", "The text is request('example.com')")
    True
    >>> long = "He was a physicist who found relativity, see wikipedia('Einstein')"
    >>> wants("Who was Einstein?", "Einstein: wikipedia('Einstein')", "Who was he, Einstein?", long)
    False
    """
    named = []
    for question, answer in zip(questions, answers, strict=True):
        fetched, around = _taken_apart(answer.text)
        named.append((_named(question.text), around, fetched))
    (asked, told, call), (other_asked, other_told, other_call) = named
    known = asked | other_asked | call | other_call
    if len(told - known) > TOLD or len(other_told - known) > TOLD:
        return False
    here, there = (asked & told) - other_asked - other_told - call, (other_asked & other_told) - asked - told
    return not here and not there - other_call


@lru_cache(maxsize=1 << 16)
def _call(text: str) -> re.Match[str] | None:
    return _CALL.search(text) if "(" in text else None


@lru_cache(maxsize=1 << 14)
def _taken_apart(answer: str) -> tuple[frozenset[str], frozenset[str]]:
    """What an answer's call names, and what stands around it."""
    call = _call(answer)
    return (frozenset(), frozenset()) if call is None else (_named(call["what"]), _named(answer.replace(call[0], " ")))


@lru_cache(maxsize=1 << 14)
def _named(text: str) -> frozenset[str]:
    return frozenset(reduced(matter(text), features(text))) - _tools()


@cache
def _tools() -> frozenset[str]:
    return frozenset(word for low in _TOOLS for word in reduced((stem(low),), features("")))


def _same_fetched(a: str, b: str) -> bool:
    """Whether two calls name the same: the same address or command, or words that ask about the same."""
    one, other = (_ADDRESS.sub("", what.casefold().strip(" .?!")).rstrip("/") for what in (a, b))
    if one == other:
        return True
    if not (a.isascii() and b.isascii()) or _MARKED.search(a + b):
        return False
    about, too = matter(a), matter(b)
    return bool(about) and about == too
