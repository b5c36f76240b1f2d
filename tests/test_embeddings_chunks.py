"""Texts longer than the model's window: all of them is compared, and what cannot be read says so."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embeddings import chunks, embed, link
from embeddings.chunks import Further
from embeddings.encoder import HashEncoder
from etl import HardStop, Store, Tally, drain

AddPairs = Callable[[Store, Iterable[Mapping[str, Any]]], list[str]]
START = " ".join(f"alpha{n} beta{n}" for n in range(60))  # longer than the window and its overlap
MIDDLE = " ".join(f"gamma{n} delta{n}" for n in range(60))
END = " ".join(f"epsilon{n} zeta{n}" for n in range(60))


class ShortSighted(HashEncoder):
    """Reads the first 80 words of a text, as a model with a window does."""

    name = "short-sighted"
    window = 80

    def encode(
        self, texts: Sequence[str], *, batch_size: int = 64, lengths: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        return super().encode([" ".join(text.split()[: self.window]) for text in texts], batch_size=batch_size)

    def lengths(self, texts: Sequence[str]) -> NDArray[np.int32]:
        return np.array([len(text.split()) for text in texts], dtype=np.int32)

    def windows(self, text: str, *, overlap: int) -> list[str]:
        words, step = text.split(), self.window - overlap
        return [" ".join(words[at : at + self.window]) for at in range(0, max(1, len(words) - overlap), step)]


ENCODER = ShortSighted()
VECTORS = embed.recipe(ENCODER).digest


def run(store: Store) -> None:
    drain(embed.embed(store, ENCODER, meter=Tally(), unit_texts=32))
    drain(link.link(store, meter=Tally(), encoder_recipe=VECTORS, method="cosine"))


def similarity(store: Store, add_pairs: AddPairs, one: str, other: str) -> tuple[float, bool] | None:
    add_pairs(store, [{"question": "What is a?", "answer": one}, {"question": "What is a??", "answer": other}])
    run(store)
    rows = store.query("SELECT answer_similarity, truncated FROM links").rows()
    return rows[0] if rows else None


def test_long_answers_that_differ_only_at_the_end_are_not_alike(store: Store, add_pairs: AddPairs) -> None:
    found = similarity(store, add_pairs, f"{START} {MIDDLE}", f"{START} {END}")
    assert found is not None
    assert found[0] < 0.5
    assert found[1] is False


def test_equal_long_answers_are_alike_to_their_end(store: Store, add_pairs: AddPairs) -> None:
    assert similarity(store, add_pairs, f"{START} {MIDDLE}", f"{START} {MIDDLE.upper()}") == (1.0, False)


def test_a_text_and_its_beginning_are_not_alike(store: Store, add_pairs: AddPairs) -> None:
    """The longer one says something that the shorter one does not."""
    found = similarity(store, add_pairs, f"{START} {END}", " ".join(START.split()[:80]))
    assert found is not None
    assert found[0] < 0.5


def test_long_questions_with_different_ends_are_not_linked(store: Store, add_pairs: AddPairs) -> None:
    add_pairs(store, [{"question": f"{START} {end}?", "answer": "Because."} for end in (MIDDLE, END)])
    run(store)
    assert store.query("SELECT * FROM links").is_empty()


def test_what_lies_behind_the_last_window_marks_the_link_as_cut(
    store: Store, add_pairs: AddPairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MOST", 2)
    assert similarity(store, add_pairs, f"{START} {MIDDLE} {END}", f"{START} {MIDDLE} {END.upper()}") == (1.0, True)


def test_pairs_wait_until_their_long_texts_are_read_whole(store: Store, add_pairs: AddPairs) -> None:
    add_pairs(store, [{"question": "What is a?", "answer": f"{START} {MIDDLE}"}])

    class StopAfterVectors(Tally):
        def spend(self, resource: str, amount: float) -> None:
            if self.spent:
                raise HardStop("stop")
            super().spend(resource, amount)

    with pytest.raises(HardStop):
        drain(embed.embed(store, ENCODER, meter=StopAfterVectors()))
    assert (embed.pending(store, ENCODER).amount, embed.pending(store, ENCODER).why) == (1, "new texts")
    assert not link.pending(store, encoder_recipe=VECTORS, method="cosine").amount
    run(store)
    assert not embed.pending(store, ENCODER)
    assert store.query("SELECT part, last FROM chunks ORDER BY part").rows()[-1] == (4, True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_lowering_is_symmetric_never_raises_and_leaves_short_texts_alone(counts: list[int], random: Any) -> None:
    rng = np.random.default_rng(random.randrange(2**32))

    def unit(n: int) -> NDArray[np.float32]:
        rows = rng.normal(size=(n, 8))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    matrix = unit(len(counts))
    further = Further(np.concatenate([[0], np.cumsum(counts)]), unit(sum(counts)))
    i, j = (side.ravel() for side in np.meshgrid(np.arange(len(counts)), np.arange(len(counts))))
    before = np.round(np.einsum("nd,nd->n", matrix[i].astype(float), matrix[j].astype(float)), 4)
    after = further.lowered(matrix, i, j, before)
    assert (after <= before).all()
    assert np.allclose(after, further.lowered(matrix, j, i, before))
    short = (np.array(counts)[i] == 0) & (np.array(counts)[j] == 0)
    assert (after[short] == before[short]).all()
