"""The lexical join: exact similarities, stable proposals, and questions with a word or two changed."""

import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embeddings import lexical, minhash
from embeddings.link.rows import _overlaps
from embeddings.sets import Sets, word_sets
from etl.words import overlap, words

QUESTIONS = [
    "What is the difference between a stop order and a limit order?",
    "How does the Federal Reserve set the federal funds rate?",
    "Which factors move the price of gold in the short run?",
    "Why do bond prices fall when interest rates rise?",
    "How is the relative strength index calculated over 14 days?",
    "What does a company's price to earnings ratio tell an investor?",
]
OTHER_WORDS = ["margin", "yearly", "broker", "silver", "option", "weekly", "index"]


def changed(text: str, count: int, rng: random.Random) -> str:
    row = text.split()
    for place in rng.sample(range(len(row)), count):
        row[place] = rng.choice(OTHER_WORDS)
    return " ".join(row)


def found(matches: lexical.Matches) -> list[tuple[int, int, float]]:
    return list(zip(*(part.tolist() for part in matches), strict=True))


def every_two(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    i, j = np.divmod(np.arange(count * count), count)
    return i, j


def test_a_question_with_one_or_two_words_changed_is_found() -> None:
    """Of ten words or so; with two changed, those that stay at or above 0.5."""
    rng = random.Random(7)
    for count in (1, 2):
        texts = [changed(question, count, rng) for question in QUESTIONS]
        i, j, _ = lexical.join(texts, QUESTIONS, threshold=0.5)
        assert {(n, n + 6) for n in range(6)} <= set(zip(i.tolist(), j.tolist(), strict=True))


def test_different_questions_are_not_linked() -> None:
    assert len(lexical.join(QUESTIONS, threshold=0.5)[0]) == 0


def test_long_texts_are_compared_by_words_and_none_falls_between_short_and_long() -> None:
    rng = random.Random(3)
    base = [rng.choice(OTHER_WORDS) + str(rng.randrange(300)) for _ in range(120)]
    for length in range(20, 120, 5):
        text = " ".join(base[:length])
        other = " ".join([*base[: length - 2], "quite", "different"])
        i, _, similarity = lexical.join([text, other], threshold=0.5)
        assert len(i) == 1, f"{len(text)} characters"
        assert similarity[0] > 0.7


def test_scripts_without_spaces_are_compared_by_bigrams() -> None:
    i, _, similarity = lexical.join(
        ["高血压患者每天能吃党参和黄芪吗？", "高血压病人每天能吃党参和黄芪吗"], threshold=0.5
    )
    assert len(i) == 1
    assert similarity[0] < 1


def test_case_and_final_marks_do_not_count() -> None:
    assert lexical.join(["What is a BOND?", "what is a bond"], threshold=0.5)[2].tolist() == [1.0]


def test_texts_without_letters_or_anything_do_no_harm() -> None:
    i, j, _ = lexical.join(["", "", "?", "a", "a"], threshold=0.5)
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == [(3, 4)]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_what_is_found_does_not_depend_on_order_or_batches(data: st.DataObject) -> None:
    rng = random.Random(data.draw(st.integers(0, 3)))
    texts = sorted({changed(question, n % 4, rng) for question in QUESTIONS for n in range(8)})
    whole = {
        (texts[i], texts[j], s)
        for i, j, s in zip(*(x.tolist() for x in lexical.join(texts, threshold=0.5)), strict=True)
    }
    order = data.draw(st.permutations(texts))
    cut = data.draw(st.integers(0, len(order)))
    parts = set()
    for new, old in ((order[:cut], []), (order[cut:], order[:cut])):
        here = [*new, *old]
        for i, j, s in found(lexical.join(new, old, threshold=0.5)):
            parts.add((*sorted((here[i], here[j])), s))
    assert whole
    assert parts == whole


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_and_shuffling_change_nothing(threads: int) -> None:
    rng = random.Random(4)
    texts = sorted({changed(question, n % 5, rng) for question in QUESTIONS for n in range(60)})
    expected = {(texts[i], texts[j], s) for i, j, s in found(lexical.join(texts, threshold=0.5, threads=1))}
    rng.shuffle(texts)
    matches = found(lexical.join(texts, threshold=0.5, threads=threads))
    assert len(matches) == len(expected) > 100
    assert {(*sorted((texts[i], texts[j])), s) for i, j, s in matches} == expected


def sets_of_similarity(similarity: float, *, size: int, count: int) -> tuple[Sets, float]:
    """`count` pairs of random sets, places n and n + count, and the similarity that they have exactly."""
    rng = np.random.default_rng(5)
    shared = round(size * 2 * similarity / (1 + similarity))
    rows = rng.integers(0, 2**32, size=(count, 2 * size - shared), dtype=np.uint64).astype(np.uint32)
    sides = np.concatenate([rows[:, :size], rows[:, size - shared :]])
    sets = Sets.of(np.repeat(np.arange(2 * count), size), sides.ravel(), count=2 * count)
    return sets, shared / (2 * size - shared)


@pytest.mark.parametrize("size", [12, 90, 160, 700])
@pytest.mark.parametrize("similarity", [0.3, 0.4, 0.5, 0.6, 0.7])
def test_the_curve_says_how_many_are_found(similarity: float, size: int) -> None:
    """Sets with exactly this similarity, found as often as promised, within three standard deviations."""
    count = 600
    sets, exact = sets_of_similarity(similarity, size=size, count=count)
    search = lexical.Search(minhash.Sketches.of(sets, threads=1), fresh=2 * count, threshold=exact)
    got = {
        (int(i), int(j)) for part in search.each(lambda _, i, j: (i, j), threads=1) for i, j in zip(*part, strict=True)
    }
    share = sum((n, n + count) in got for n in range(count)) / count
    promised = minhash.curve(exact, size=size)
    assert abs(share - promised) < 3 * (promised * (1 - promised) / count) ** 0.5 + 0.02


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_bits_never_rule_out_a_pair_at_or_above_the_threshold(data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.text(alphabet="abcd ", max_size=60), min_size=2, max_size=8))
    sets = lexical.Shingled.of(texts, threads=1).characters
    sketches = minhash.Sketches.of(sets, threads=1)
    i, j = every_two(len(texts))
    similarity = sets.jaccard(i, j)
    threshold = data.draw(st.sampled_from([0.1, 0.3, 0.5, 0.8]))
    most = minhash.most_differing(sketches.sizes[i], sketches.sizes[j], threshold=threshold)
    for bits in minhash.folded(sketches.bits):
        assert (minhash.differing(bits[i], bits[j]) <= most)[similarity >= threshold].all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=12), st.integers(1, 500), st.data())
def test_a_sketch_depends_on_its_own_text_alone(texts: list[str], chunk: int, data: st.DataObject) -> None:
    whole = minhash.Sketches.of(lexical.Shingled.of(texts, threads=1).characters, threads=1)
    order = data.draw(st.permutations(range(len(texts))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("embeddings.minhash.CHUNK", max(30, chunk))
        patch.setattr("embeddings.shingles.CHUNK", chunk)
        shuffled = lexical.Shingled.of([texts[place] for place in order], threads=2)
        other = minhash.Sketches.of(shuffled.characters, threads=2)
    assert np.array_equal(other.keys, whole.keys[:, order])
    assert np.array_equal(other.bits, whole.bits[order])
    assert np.array_equal(other.sizes, whole.sizes[order])


def test_the_bands_in_use_are_the_ones_that_were_chosen() -> None:
    assert minhash.CHOSEN.bit_count() == minhash.BANDS


def test_groups_keep_apart_what_is_alike() -> None:
    texts = [QUESTIONS[0], QUESTIONS[0] + " Really", QUESTIONS[0]]
    sets = lexical.Shingled.of(texts)
    blocks = lexical.blocks(sets, fresh=3, threshold=0.5, groups=np.array([0, 1, 0]))
    assert [match for block in blocks for match in found(block)] == [(0, 2, 1.0)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="abc .-'’1数", max_size=12), min_size=2, max_size=6))
def test_overlaps_of_many_pairs_equal_those_of_one(texts: list[str]) -> None:
    i, j = (
        np.array(side) for side in zip(*[(a, b) for a in range(len(texts)) for b in range(len(texts))], strict=True)
    )
    assert _overlaps(pl.Series(texts), i, j).tolist() == [
        overlap(texts[a], texts[b]) for a, b in zip(i, j, strict=True)
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(alphabet="ab c", max_size=8), min_size=1, max_size=6),
    st.sampled_from([1, 7, 1 << 18]),
    st.booleans(),
)
def test_jaccard_of_sets_is_exact_by_table_and_by_sorting(texts: list[str], chunk: int, by_sorting: bool) -> None:
    sets = word_sets(texts)
    i, j = (
        np.array(side) for side in zip(*[(a, b) for a in range(len(texts)) for b in range(len(texts))], strict=True)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("embeddings.sets.CHUNK", chunk)
        patch.setattr("embeddings.sets.CROWDED", 100 if by_sorting else 1)
        patch.setattr("embeddings.sets.MANY", 1)
        found = sets.jaccard(i, j).tolist()
    bags = [set(words(text)) for text in texts]
    expected = [round(len(bags[a] & bags[b]) / max(1, len(bags[a] | bags[b])), 4) for a, b in zip(i, j, strict=True)]
    assert found == expected


def test_no_sets_are_fine() -> None:
    empty = Sets.of(np.zeros(0, np.int64), np.zeros(0, np.uint32), count=0)
    assert empty.jaccard(np.zeros(0, np.int64), np.zeros(0, np.int64)).tolist() == []
