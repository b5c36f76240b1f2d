"""The embed job: one vector a distinct text, whatever the order, the batches and the interruptions."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embeddings.embed import embed, estimate, load, pending, recipe
from embeddings.encoder import HashEncoder
from etl import HardStop, Store, Tally, drain
from etl.keys import text_key

AddPairs = Callable[[Store, Iterable[Mapping[str, Any]]], list[str]]
ENCODER = HashEncoder()
PAIRS = [
    {"question": "What is a bond?", "answer": "A loan that can be traded."},
    {"question": "What is a share?", "answer": "A part of a company."},
    {"question": "Was ist eine Anleihe?", "answer": "A loan that can be traded."},
    {"question": "Café\u2028数据?", "answer": "A part of a company.", "context": "x"},
]


def test_each_distinct_text_is_encoded_once_under_its_key(store: Store, add_pairs: AddPairs) -> None:
    add_pairs(store, PAIRS)
    counts = drain(embed(store, ENCODER, meter=Tally()))
    texts = {text for pair in PAIRS for text in (pair["question"], pair["answer"])}
    keys, matrix = load(store, recipe(ENCODER).digest)
    assert counts["texts"] == len(texts) == 6
    assert set(keys) == {text_key(text) for text in texts}
    assert (matrix == ENCODER.encode([{text_key(t): t for t in texts}[key] for key in keys])).all()


def test_retracted_pairs_are_skipped(store: Store, add_pairs: AddPairs) -> None:
    add_pairs(store, [PAIRS[0] | {"occurrences": 0}])
    assert not pending(store, ENCODER)


def test_a_second_call_finds_nothing_to_do_and_new_texts_are_pending(store: Store, add_pairs: AddPairs) -> None:
    add_pairs(store, PAIRS[:1])
    assert (pending(store, ENCODER).amount, pending(store, ENCODER).why) == (2, "never run")
    drain(embed(store, ENCODER, meter=Tally()))
    assert list(embed(store, ENCODER, meter=Tally())) == []
    add_pairs(store, PAIRS[1:2])
    assert (pending(store, ENCODER).amount, pending(store, ENCODER).why) == (2, "new texts")


def test_another_model_makes_all_texts_pending_and_says_so(
    store: Store, add_pairs: AddPairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_pairs(store, PAIRS)
    drain(embed(store, ENCODER, meter=Tally()))
    monkeypatch.setattr(HashEncoder, "window", 3)
    assert pending(store, ENCODER).amount == 6
    assert "window 2147483647 -> 3" in pending(store, ENCODER).why
    drain(embed(store, ENCODER, meter=Tally()))
    cut = store.query("SELECT tokens, truncated FROM vectors WHERE recipe = ?", [recipe(ENCODER).digest])
    assert (cut["truncated"] == (cut["tokens"] > 3)).all()
    assert cut["truncated"].any()


class StopAfter(Tally):
    """A meter that stops hard once `texts` have been spent."""

    def __init__(self, texts: int) -> None:
        super().__init__()
        self.texts = texts

    def spend(self, resource: str, amount: float = 1) -> None:
        super().spend(resource, amount)
        if self.spent[resource] > self.texts:
            raise HardStop("enough")


def test_a_stopped_job_goes_on_where_it_stopped(store: Store, add_pairs: AddPairs) -> None:
    add_pairs(store, PAIRS)
    with pytest.raises(HardStop):
        drain(embed(store, ENCODER, meter=StopAfter(2), unit_texts=2))
    assert store.value("SELECT count(*) FROM vectors") == 2
    steps = list(embed(store, ENCODER, meter=Tally(), unit_texts=2))
    assert [(step.done, step.total) for step in steps] == [(2, 4), (4, 4)]
    assert store.value("SELECT count(DISTINCT text_key) FROM vectors") == 6
    assert store.value("SELECT count(*) FROM vectors") == 6


def test_a_limit_leaves_the_rest_for_later(store: Store, add_pairs: AddPairs) -> None:
    add_pairs(store, PAIRS)
    assert drain(embed(store, ENCODER, meter=Tally(), limit=4))["texts"] == 4
    assert pending(store, ENCODER).amount == 2


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(PAIRS), unit=st.integers(1, 7), cut=st.integers(0, 4))
def test_vectors_do_not_depend_on_order_units_or_deliveries(
    order: list[dict[str, Any]], unit: int, cut: int, add_pairs: AddPairs
) -> None:
    whole, parts = Store.open(":memory:"), Store.open(":memory:")
    add_pairs(whole, PAIRS)
    drain(embed(whole, ENCODER, meter=Tally()))
    for some in (order[:cut], order[cut:]):
        add_pairs(parts, some)
        drain(embed(parts, ENCODER, meter=Tally(), unit_texts=unit))
    expected, found = load(whole, recipe(ENCODER).digest), load(parts, recipe(ENCODER).digest)
    assert expected[0].to_list() == found[0].to_list()
    assert (expected[1] == found[1]).all()


def test_load_gives_only_the_vectors_asked_for(store: Store, add_pairs: AddPairs) -> None:
    add_pairs(store, PAIRS)
    drain(embed(store, ENCODER, meter=Tally()))
    wanted = [text_key(PAIRS[1]["question"]), text_key("nobody asked")]
    keys, matrix = load(store, recipe(ENCODER).digest, wanted)
    assert keys.to_list() == wanted[:1]
    assert matrix.shape == (1, 384)
    keys, matrix = load(store, "no recipe")
    assert (len(keys), matrix.shape) == (0, (0, 0))


def test_an_estimate_times_a_sample_and_scales_it(store: Store, add_pairs: AddPairs) -> None:
    assert estimate(store, ENCODER).texts == 0
    add_pairs(store, PAIRS)
    clock = iter([10.0, 13.0])
    found = estimate(store, ENCODER, sample=3, clock=lambda: next(clock))
    assert (found.texts, found.per_second, found.seconds) == (6, 1.0, 6.0)


def test_no_vector_holds_anything_but_numbers(store: Store, add_pairs: AddPairs) -> None:
    add_pairs(store, [{"question": "?!", "answer": ""}])
    drain(embed(store, ENCODER, meter=Tally()))
    assert np.isfinite(load(store, recipe(ENCODER).digest)[1]).all()
