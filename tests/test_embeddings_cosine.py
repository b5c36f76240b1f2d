"""The cosine join finds every pair, however the vectors lie."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embeddings import cosine
from embeddings.index import read_index, write_index
from etl.errors import ModelError


def unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def clustered(count: int, *, dimension: int = 96, seed: int = 0) -> NDArray[np.float32]:
    """Tight and loose clusters, exact duplicates, zero vectors and a spectrum that falls off, as embeddings have."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(max(2, count // 15), dimension))
    rows = centres[rng.integers(0, len(centres), count)] + rng.normal(size=(count, dimension)) * rng.choice(
        [0.05, 0.4, 1.0], size=(count, 1)
    )
    rows *= (np.arange(dimension) + 5.0) ** -0.4
    rows[rng.integers(0, count, count // 20)] = rows[0]
    rows[rng.integers(0, count, 3)] = 0
    return unit(rows)


def brute_force(rows: NDArray[np.float32], threshold: float) -> set[tuple[int, int, float]]:
    wide = rows.astype(np.float64)
    products = np.minimum(np.round(wide @ wide.T, 4), 1.0)
    i, j = np.nonzero(np.triu(products >= threshold, k=1))
    return set(zip(i.tolist(), j.tolist(), products[i, j].tolist(), strict=True))


def found(matches: cosine.Matches) -> set[tuple[int, int, float]]:
    return set(zip(*(part.tolist() for part in matches), strict=True))


@pytest.mark.parametrize("small", [10_000, 0], ids=["product", "index"])
@pytest.mark.parametrize("threshold", [0.6, 0.9, 0.999])
def test_every_pair_above_the_threshold_is_found_and_no_other(
    small: int, threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cosine, "SMALL", small)
    monkeypatch.setattr(cosine, "ROWS", 100)
    monkeypatch.setattr(cosine, "COLUMNS", 70)
    monkeypatch.setattr(cosine, "SPAN", 210)
    rows = clustered(900)
    expected = brute_force(rows, threshold)
    assert len(expected) > 900
    assert found(cosine.join(rows, threshold=threshold, prefix=16)) == expected


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_and_the_chosen_prefix_change_nothing(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosine, "SMALL", 0)
    rows = clustered(700)
    expected = cosine.join(rows, threshold=0.7, prefix=8, threads=1)
    matches = cosine.join(rows, threshold=0.7, threads=threads)
    assert all(np.array_equal(one, other) for one, other in zip(matches, expected, strict=True))


def test_a_group_larger_than_any_neighbour_limit_is_found_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosine, "SMALL", 0)
    rows = np.repeat(unit(np.arange(1, 97).reshape(1, 96)), 300, axis=0)
    i, _, similarity = cosine.join(rows, threshold=0.95, prefix=16)
    assert len(i) == 300 * 299 // 2
    assert similarity.max() <= 1.0


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_new_rows_against_old_ones_add_up_to_the_whole(data: st.DataObject) -> None:
    """Whatever the batches: each pair is found once, with the same similarity."""
    rows = clustered(120, seed=data.draw(st.integers(0, 5)))
    order = np.array(data.draw(st.permutations(range(len(rows)))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    pairs: list[tuple[int, int, float]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cosine, "SMALL", data.draw(st.sampled_from([0, 10_000])))
        for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            here = np.concatenate([order[start:stop], order[:start]])
            i, j, similarity = cosine.join(rows[order[start:stop]], rows[order[:start]], threshold=0.8, prefix=16)
            ends = np.sort(np.stack([here[i], here[j]]), axis=0)
            pairs += zip(ends[0].tolist(), ends[1].tolist(), similarity.tolist(), strict=True)
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == brute_force(rows, 0.8)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_shortened_rows_never_understate_a_cosine(seed: int, prefix: int) -> None:
    rows = clustered(40, dimension=48, seed=seed)
    short = cosine.shortened(rows, cosine.principal_axes(rows)[:, :prefix])
    assert short.shape == (40, prefix + 1)
    assert (short @ short.T >= rows @ rows.T - 1e-5).all()


def test_nothing_to_join_gives_nothing() -> None:
    empty = np.zeros((0, 8), dtype=np.float32)
    for new in (empty, unit(np.ones((1, 8)))):
        assert found(cosine.join(new, threshold=0.5)) == set()
    assert found(cosine.join(empty, unit(np.ones((3, 8))), threshold=0.5)) == set()


def test_an_index_is_written_to_the_same_bytes_and_read_back(tmp_path: Any) -> None:
    rows = clustered(50)
    write_index(rows, tmp_path / "a.faiss")
    write_index(rows.copy(), tmp_path / "b — ü.faiss")
    assert (tmp_path / "a.faiss").read_bytes() == (tmp_path / "b — ü.faiss").read_bytes()
    index = read_index(tmp_path / "b — ü.faiss")
    assert index.ntotal == 50
    similarities, rows_found = index.search(rows[7:8], 1)
    assert similarities[0, 0] == pytest.approx(float(rows[rows_found[0, 0]] @ rows[7]), abs=1e-6)


def test_a_file_that_is_no_index_says_so(tmp_path: Any) -> None:
    (tmp_path / "x.faiss").write_bytes(b"not an index")
    with pytest.raises(ModelError, match="no readable FAISS index"):
        read_index(tmp_path / "x.faiss")
