"""Look-alikes that must never merge, paraphrases that the vetoes must let through, and the examples of each veto."""

import doctest
import hashlib
import importlib
import pkgutil
from collections.abc import Callable
from types import ModuleType

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.keys import part_key
from etl.resolve import decide, numerals, plain, same, texts, turns, vetoes
from etl.resolve import matter as matter_module
from etl.resolve.features import features
from etl.resolve.lexicon import lexicon
from etl.resolve.matter import matter, same_matter
from etl.resolve.numerals import canonical
from etl.resolve.same import Answers
from etl.resolve.same.calls import ask_for_one_thing
from etl.resolve.same.excuses import excuse
from etl.resolve.vetoes import VETOES, Veto, first_veto

LOOK_ALIKES = [
    ("What is RSI?", "What is MACD?"),
    ("What is the RSI?", "What is the stochastic RSI?"),
    ("What is the SMA?", "What is the EMA?"),
    ("What does the 50-day moving average show?", "What does the 200-day moving average show?"),
    ("What does an RSI above 70 mean?", "What does an RSI above 30 mean?"),
    ("What does an RSI above 70 mean?", "What does an RSI below 70 mean?"),
    ("Is RSI overbought at 70?", "Is RSI oversold at 70?"),
    ("What is the 14-period RSI?", "What is the 21-period RSI?"),
    ("What is the RSI on the 1-day chart?", "What is the RSI on the 1-week chart?"),
    ("How do I trade the 4h chart?", "How do I trade the 1h chart?"),
    ("How do I read the daily chart?", "How do I read the weekly chart?"),
    ("What is a golden cross?", "What is a death cross?"),
    ("What is a bull flag?", "What is a bear flag?"),
    ("What is a bullish engulfing candle?", "What is a bearish engulfing candle?"),
    ("What is a bullish divergence?", "What is a bearish divergence?"),
    ("What is a double top?", "What is a double bottom?"),
    ("What is a rising wedge?", "What is a falling wedge?"),
    ("What is an ascending triangle?", "What is a descending triangle?"),
    ("What is the bid price?", "What is the ask price?"),
    ("What is a long position?", "What is a short position?"),
    ("What is a call option?", "What is a put option?"),
    ("What is a support level?", "What is a resistance level?"),
    ("Is RSI a leading indicator?", "Is RSI a lagging indicator?"),
    ("Is RSI a leading indicator?", "Isn't RSI a leading indicator?"),
    ("Can I trade with leverage?", "Can I trade without leverage?"),
    ("Which wallets are custodial?", "Which wallets are non-custodial?"),
    ("Is staking regulated?", "Is staking unregulated?"),
    ("What does an exchange inflow mean?", "What does an exchange outflow mean?"),
    ("What does a positive funding rate mean?", "What does a negative funding rate mean?"),
    ("When should I buy bitcoin?", "When should I sell bitcoin?"),
    ("Why does open interest increase?", "Why does open interest decrease?"),
    ("What are higher highs?", "What are higher lows?"),
    ("What is the upper Bollinger band?", "What is the lower Bollinger band?"),
    ("What is a market order?", "What is a limit order?"),
    ("What is a stop loss?", "What is a take profit?"),
    ("What is a maker fee?", "What is a taker fee?"),
    ("What is a hot wallet?", "What is a cold wallet?"),
    ("What is a public key?", "What is a private key?"),
    ("What is a hard fork?", "What is a soft fork?"),
    ("What is proof of work?", "What is proof of stake?"),
    ("What is layer 1?", "What is layer 2?"),
    ("What is a DEX?", "What is a CEX?"),
    ("What is the circulating supply?", "What is the total supply?"),
    ("What is MVRV?", "What is the MVRV Z-score?"),
    ("What is NVT?", "What is NVT signal?"),
    ("What is SOPR?", "What is NUPL?"),
    ("What is realized cap?", "What is market cap?"),
    ("What is realized price?", "What is the price?"),
    ("What is VWAP?", "What is TWAP?"),
    ("What is implied volatility?", "What is historical volatility?"),
    ("How high was bitcoin in 2017?", "How high was bitcoin in 2021?"),
    ("What happened in the halving of May 2020?", "What happened in the halving of July 2020?"),
    ("How is bitcoin mined?", "How is bitcoin cash mined?"),
    ("What is ethereum?", "What is ethereum classic?"),
    ("What is the price of BTC?", "What is the price of ETH?"),
    ("Is BTC above ETH?", "Is ETH above BTC?"),
    ("How do I swap BTC to USDT?", "How do I swap USDT to BTC?"),
    ("What is the $ABC token?", "What is the $ABD token?"),
    ("Is XYZ a security?", "Is XZY a security?"),
    ("Who founded Binance?", "Who founded Coinbase?"),
    ("Is trading allowed in Malta?", "Is trading allowed in Cyprus?"),
    ("What is a fee of 0.1%?", "What is a fee of 1%?"),
    ("What is a fee of 5%?", "What is a fee of 5 dollars?"),
    ("What is a drop of -5%?", "What is a move of 5%?"),
    ("What is 10x leverage?", "What is 100x leverage?"),
    ("Is 1.4 a good Sharpe ratio?", "Is 14 a good Sharpe ratio?"),
    ("Does every block have two parents?", "Does every block have three parents?"),
    ("What are the advantages of staking?", "What are the disadvantages of staking?"),
    ("What are the benefits of staking?", "What are the risks of staking?"),
    ("What happens before the halving?", "What happens after the halving?"),
    ("Who was the first miner?", "Who was the last miner?"),
    ("What is contango?", "What is backwardation?"),
    ("Why do traders use more leverage?", "Why do traders use less leverage?"),
    ("Is the token inflationary?", "Is the token deflationary?"),
    ("How do I write a bot in C#?", "How do I write a bot in C++?"),
    ("Early kidney disease: what helps?", "Advanced kidney disease: what helps?"),
    ("who sings i will always love you", "who wrote i will always love you"),
    ("when did the eagles win the super bowl", "when did the eagles win last super bowl"),
    ("How do I send tokens from a wallet to an exchange?", "How do I send tokens from an exchange to a wallet?"),
    ("What is gas on a rollup?", "Why is gas on a rollup?"),
]
PARAPHRASES = [
    ("What is RSI?", "What is the Relative Strength Index?"),
    ("What is RSI?", "Can you explain what RSI is?"),
    ("What's MACD?", "What is MACD?"),
    ("What is MACD?", "Define moving average convergence divergence."),
    ("How is the SMA calculated?", "How do you calculate the simple moving average?"),
    ("How does DCA work?", "How does dollar-cost averaging work?"),
    ("What does an RSI above 70 mean?", "What does it mean when the RSI is above 70?"),
    ("What is a 14-period RSI?", "What is an RSI of fourteen periods?"),
    ("Explain the 4h chart", "Please explain the 4 hour chart"),
    ("What is a fee of $5?", "What is a fee of 5 dollars?"),
    ("How much are 10,000 satoshis worth?", "How much is 10000 satoshi worth?"),
    ("How much are 10k dollars in bitcoin?", "How much is $10,000 in BTC?"),
    ("What is a fee of 5%?", "What is a fee of 5 percent?"),
    ("What is a fee of 0.50%?", "What is a 0.5 percent fee?"),
    ("What is total value locked?", "What does TVL mean?"),
    ("Isn't bitcoin anonymous?", "Is bitcoin not anonymous?"),
    ("Why can't I withdraw my coins?", "Why can I not withdraw my coins?"),
    ("What is a DAO?", "What is a decentralized autonomous organization?"),
    ("What is COVID-19?", "What is Covid-19?"),
    ("What is a Smart Contract?", "What are smart contracts?"),
    ("What is Bitcoin?", "what is bitcoin"),
    ("How do I buy Bitcoin safely?", "What is a safe way of buying BTC?"),
    ("What is an order book?", "Could you tell me what an order book is?"),
    ("What happened on 1 May 2020?", "What happened on May 1, 2020?"),
    ("What is staking in crypto?", "What does staking mean in cryptocurrency?"),
    ("How many coins will there ever be?", "What is the number of coins that will ever exist?"),
    ("Why do miners use so much power?", "What makes mining use that much energy?"),
    ("What are the risks of lending?", "Which risks does lending have?"),
    ("What is on-chain data?", "What is on chain data?"),
    ("What is the Mayer Multiple?", "How is the Mayer multiple defined?"),
    ("How often is difficulty adjusted?", "How frequently does the difficulty change?"),
    ("What does 'HODL' mean?", 'What is the meaning of "HODL"?'),
    ("What are Bollinger Bands used for?", "What do traders use Bollinger bands for?"),
    ("Two lines cross: what now?", "2 lines cross, what now?"),
]
SAME = "The same words in both answers, about the thing that was asked, and long enough to be compared."


def differ(veto: Veto, a: str, b: str) -> None:
    """What the docstring examples print."""
    found = veto(features(a), features(b))
    if found is not None:
        print(f"{found.kind}: {', '.join(found.a) or '-'} | {', '.join(found.b) or '-'}")


def merged(question: str, other: str, method: str) -> int:
    """How many merges two pairs with one answer give when both similarities are as high as they get."""
    keys = sorted(hashlib.sha256(text.encode("utf-8")).hexdigest()[:32] for text in (question, other))
    pairs = pl.DataFrame(
        {
            "key": keys, "question": [question, other], "answer": [SAME, SAME],
            "question_key": [part_key(question), part_key(other)], "answer_key": [part_key(SAME)] * 2,
            "context_key": [None, None], "alternatives": [[], []], "occurrences": [1, 1],
        },
        schema_overrides={"context_key": pl.String, "alternatives": pl.List(pl.String)},
    )  # fmt: skip
    figures = ["question_similarity", "answer_similarity", "question_overlap", "answer_overlap", "truncated"]
    links = pl.DataFrame(
        [(*keys, method, 0.999, 1.0, 1.0, 1.0, False)], schema=["a", "b", "method", *figures], orient="row"
    )
    grades = pl.DataFrame({"key": keys, "grade": ["A", "A"], "completeness": [1.0, 1.0], "language": ["en", "en"]})
    overrides = pl.DataFrame(
        schema={"id": pl.Int64, "key": pl.String, "other": pl.String, "verdict": pl.String, "note": pl.String}
    )
    return decide(pairs, links, grades, overrides).counts["merged"]


@pytest.mark.parametrize("method", ["cosine", "lexical"])
@pytest.mark.parametrize(("a", "b"), LOOK_ALIKES)
def test_look_alikes_never_merge_however_alike_the_model_finds_them(a: str, b: str, method: str) -> None:
    assert merged(a, b, method) == 0
    assert merged(b, a, method) == 0


@pytest.mark.parametrize(("a", "b"), PARAPHRASES)
def test_paraphrases_survive_the_vetoes(a: str, b: str) -> None:
    assert first_veto(features(a), features(b)) is None
    assert first_veto(features(b), features(a)) is None


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What is RSI?", "Can you explain what the Relative Strength Index is?"),
        ("What's MACD?", "Please define MACD."),
        ("What are smart contracts?", "What is a smart contract?"),
        ("How is TVL calculated?", "How do you compute total value locked?"),
        ("who wrote the music phantom of the opera", "who wrote the phantom of the opera music"),
    ],
)
def test_plain_rewordings_merge(a: str, b: str) -> None:
    assert merged(a, b, "cosine") == 1


def alike(way: Callable[[Answers], bool], a: str, b: str, *, asked: str = "") -> bool:
    """Whether a unit of `same.answers` takes two answers for the same."""
    words = features(asked).words
    return way(Answers(features(a), features(b), (words, words)))


def asks(a: str, b: str) -> bool:
    """Whether two questions with one answer ask for the same."""
    return same.same_but_for_fillers(matter(a), matter(b), (features(a), features(b)))


def wants(question: str, answer: str, other: str, other_answer: str) -> bool:
    """Whether two questions may want the same of one call."""
    return ask_for_one_thing((features(question), features(other)), (features(answer), features(other_answer)))


def turned(a: str, b: str) -> bool:
    """Whether a word that gives order a meaning has another object in each."""
    return turns.turn(features(a), features(b))


def why(a: str, b: str, *, passage: bool = False, answer: str = "") -> str:
    """What excuses the first veto on two questions."""
    one, other = features(a), features(b)
    found = first_veto(one, other)
    assert found is not None
    return excuse(found, one, other, passage=passage, said=features(answer).words)


EXAMPLES = [
    *(importlib.import_module(f"etl.resolve.vetoes.{found.name}") for found in pkgutil.iter_modules(vetoes.__path__)),
    *(importlib.import_module(f"etl.resolve.same.{found.name}") for found in pkgutil.iter_modules(same.__path__)),
    matter_module, numerals, plain, texts, turns,
]  # fmt: skip


@pytest.mark.parametrize("module", [found for found in EXAMPLES if not found.__name__.endswith(("evidence", "both"))])
def test_the_examples_in_the_docstrings_are_true(module: ModuleType) -> None:
    helpers = {"differ": differ, "same": alike, "asks": asks, "why": why, "turns": turned, "wants": wants}
    result = doctest.testmod(module, extraglobs=helpers)
    assert result.failed == 0
    assert result.attempted > 0


def test_every_veto_has_an_example() -> None:
    assert [veto.__name__ for veto in VETOES if ">>>" not in (veto.__doc__ or "")] == []


def test_the_word_lists_are_large_enough_and_load_once() -> None:
    assert len({line for sides in lexicon().poles.values() for line, _ in sides}) >= 80
    assert len({name for rows in lexicon().terms.values() for *_, name in rows}) >= 120
    assert lexicon() is lexicon()


@pytest.mark.parametrize(
    "text", ["", " ", "...", "$", "-", "'", "5", "BTC", "比特币", "a\u2028b", "\ud800", "%%%", "1.2.3", "１２"]
)
def test_odd_texts_are_taken_apart_without_an_error(text: str) -> None:
    assert first_veto(features(text), features(text)) is None
    matter(text)


@settings(max_examples=150, deadline=None)
@given(a=st.text(max_size=60), b=st.text(max_size=60))
def test_vetoes_are_symmetric_and_a_text_never_vetoes_itself(a: str, b: str) -> None:
    one, other = features(a), features(b)
    there, back = first_veto(one, other), first_veto(other, one)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert (there.kind, there.a, there.b) == (back.kind, back.b, back.a)
    assert first_veto(one, features(a)) is None


@settings(max_examples=100, deadline=None)
@given(number=st.decimals(min_value=-(10**9), max_value=10**9, places=3, allow_nan=False))
def test_a_number_reads_the_same_with_and_without_separators(number: object) -> None:
    assert canonical(f"{number:,}") == canonical(f"{number}")


def test_the_order_of_words_counts_where_a_directional_word_stands() -> None:
    a, b = "convert pounds to kilograms", "convert kilograms to pounds"
    assert not same_matter(matter(a), matter(b), (features(a), features(b)))
    assert same_matter(("x", "y"), ("y", "x"), (features("x y"), features("y x")))
