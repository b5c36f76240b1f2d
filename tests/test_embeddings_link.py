"""The link job: which pairs it links, what it leaves alone, and that neither order nor batches nor stops matter."""

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embeddings import embed, link
from embeddings.encoder import HashEncoder
from embeddings.link import rows as link_rows
from embeddings.link.scripts import readable
from embeddings.link.upkeep import CROWDED, VOTES
from embeddings.search import search
from etl import HardStop, Store, Tally, drain
from etl.errors import SettingsError

AddPairs = Callable[[Store, Iterable[Mapping[str, Any]]], list[str]]
ENCODER = HashEncoder()
HASH = embed.recipe(ENCODER).digest

STOP = {"question": "What is a stop order?", "answer": "An order that is sent once a price is reached."}
STOP_AGAIN = {"question": "What is a stop order then?", "answer": "An order which is sent once a price is reached."}
STOP_OTHER = {"question": "what is a stop order", "answer": "Nothing of the kind."}
GOLD = {"question": "Why does gold rise in a crisis?", "answer": "Because people look for safety."}


def run(store: Store, **options: Any) -> Mapping[str, int]:
    drain(embed.embed(store, ENCODER, meter=Tally()))
    return drain(link.link(store, meter=Tally(), encoder_recipe=HASH, **options))


def links(store: Store) -> pl.DataFrame:
    return store.query("SELECT * FROM links ORDER BY method, a, b")


def state(store: Store) -> list[pl.DataFrame]:
    groups = store.query("SELECT * FROM groups ORDER BY kind, group_id, key")
    return [links(store), groups, store.query("SELECT * FROM searches ORDER BY method, key")]


def test_both_finders_link_pairs_that_are_alike_and_nothing_else(store: Store, add_pairs: AddPairs) -> None:
    stop, again, _ = add_pairs(store, [STOP, STOP_AGAIN, GOLD])
    counts = run(store)
    found = links(store)
    assert found["method"].to_list() == ["cosine", "lexical"]
    assert set(zip(found["a"], found["b"], strict=True)) == {tuple(sorted((stop, again)))}
    assert counts["searched"] == 6
    assert found["question_overlap"].to_list() == [0.8333, 0.8333]
    assert (found["answer_similarity"] > 0.5).all()
    assert not found["truncated"].any()


def test_equal_questions_with_different_answers_are_linked_by_both(store: Store, add_pairs: AddPairs) -> None:
    """That is how contradictions are found."""
    add_pairs(store, [STOP, STOP_OTHER])
    run(store)
    assert links(store).select("method", "question_similarity").rows() == [("cosine", 1.0), ("lexical", 1.0)]


@pytest.mark.parametrize(
    ("first", "second", "linked"),
    [(None, None, True), ("x", "x", True), ("x", "y", False), ("x", None, False)],
)
def test_only_pairs_of_the_same_context_are_linked(
    first: str | None, second: str | None, linked: bool, store: Store, add_pairs: AddPairs
) -> None:
    add_pairs(store, [STOP | {"context": first}, STOP_AGAIN | {"context": second}])
    run(store)
    assert links(store).height == (2 if linked else 0)


def test_a_second_call_has_nothing_to_do(store: Store, add_pairs: AddPairs) -> None:
    add_pairs(store, [STOP, STOP_AGAIN, GOLD])
    assert link.pending(store, encoder_recipe=HASH).why == (
        "cosine: 0 to search, 3 wait for their vectors; lexical: 3 to search"
    )
    run(store)
    assert not link.pending(store, encoder_recipe=HASH)
    assert list(link.link(store, meter=Tally(), encoder_recipe=HASH)) == []


def test_pairs_without_vectors_stay_pending_and_words_alone_need_none(store: Store, add_pairs: AddPairs) -> None:
    add_pairs(store, [STOP, STOP_OTHER])
    counts = drain(link.link(store, meter=Tally(), encoder_recipe=HASH))
    assert (counts["searched"], links(store)["method"].to_list()) == (2, ["lexical"])
    assert link.pending(store, encoder_recipe=HASH).amount == 0
    drain(embed.embed(store, ENCODER, meter=Tally()))
    assert link.pending(store, encoder_recipe=HASH).amount == 2
    assert link.pending(store, encoder_recipe=None).amount == 0


def test_a_changed_floor_searches_anew_and_says_so(store: Store, add_pairs: AddPairs) -> None:
    add_pairs(store, [STOP, STOP_AGAIN])
    run(store, floor_lexical=0.9)
    assert "floor_question 0.9 -> 0.3" in link.pending(store, encoder_recipe=HASH, floor_lexical=0.3).why
    run(store, floor_lexical=0.3)
    fresh = Store.open(":memory:")
    add_pairs(fresh, [STOP, STOP_AGAIN])
    run(fresh, floor_lexical=0.3)
    assert all(a.equals(b) for a, b in zip(state(store), state(fresh), strict=True))


def test_links_of_a_retracted_pair_go_and_come_back(store: Store, add_pairs: AddPairs) -> None:
    keys = add_pairs(store, [STOP, STOP_AGAIN, STOP_OTHER])
    run(store)
    before = state(store)
    with store.unit("delivery", "retract") as unit:
        unit.execute("UPDATE pairs SET occurrences = 0 WHERE key = ?", [keys[0]])
    assert "to tidy up" in link.pending(store, encoder_recipe=HASH).why
    run(store)
    assert keys[0] not in {*links(store)["a"], *links(store)["b"]}
    with store.unit("delivery", "restore") as unit:
        unit.execute("UPDATE pairs SET occurrences = 1 WHERE key = ?", [keys[0]])
    run(store)
    assert all(a.equals(b) for a, b in zip(state(store), before, strict=True))


def test_one_answer_to_many_questions_is_a_group_and_no_links(store: Store, add_pairs: AddPairs) -> None:
    subjects = ["bonds", "gold", "the yen", "corn futures", "my pension"]
    add_pairs(store, [{"question": f"Tell me about {s}", "answer": "Ask your adviser."} for s in subjects])
    add_pairs(store, [{"question": f"{s}?", "answer": "No comment!"} for s in subjects[:4]])
    assert run(store)["boilerplate"] == 10  # written once a method
    groups = store.query("SELECT kind, count(*) AS n, count(DISTINCT group_id) AS groups FROM groups GROUP BY kind")
    assert groups.rows() == [("boilerplate", 5, 1)]


def test_texts_in_a_script_the_model_cannot_know_are_left_to_the_lexical_finder(
    store: Store, add_pairs: AddPairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HashEncoder, "languages", ("en",))
    digest = embed.recipe(ENCODER).digest
    add_pairs(store, [{"question": "高血压能吃党参吗", "answer": answer} for answer in ("能吃一点。", "不能吃的。")])
    add_pairs(store, [STOP, STOP_OTHER])
    drain(embed.embed(store, ENCODER, meter=Tally()))
    counts = drain(link.link(store, meter=Tally(), encoder_recipe=digest))
    assert (counts["unreadable"], counts["searched"]) == (2, 8)
    assert links(store)["method"].to_list() == ["cosine", "lexical", "lexical"]
    assert not link.pending(store, encoder_recipe=digest)


def test_scripts_are_told_from_the_letters() -> None:
    texts = ["Was ist das?", "Что это?", "这是什么?", "12 + 3", "EUR/USD 汇率 quote", "Ωmega point theory"]
    assert readable(texts, ("en",)) == [True, False, False, True, True, True]
    assert readable(texts, ("ru", "zh")) == [False, True, True, True, False, False]
    assert all(all(readable(texts, languages)) for languages in (None, (), ("en", "tlh")))


class StopAfter(Tally):
    """A meter that stops hard at the n-th spending."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def spend(self, resource: str, amount: float = 1) -> None:
        if self.units == 0:
            raise HardStop("enough")
        self.units -= 1


def template(count: int) -> list[dict[str, Any]]:
    """Many pairs that are all alike, some with the very same question."""
    rng = random.Random(5)
    return [
        {
            "question": f"What is the answer to exercise {n % 4} of the course?",
            "answer": f"It is {n} {rng.choice(['because', 'since', 'as'])} {rng.choice(['so', 'thus'])} {n * n}.",
        }
        for n in range(count)
    ]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), crowded=st.booleans())
def test_neither_order_nor_batches_nor_stops_matter(
    data: st.DataObject, crowded: bool, add_pairs: AddPairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where crowds are trimmed, and where pairs were retracted on the way."""
    monkeypatch.setattr(link_rows, "MOST_ALIKE", 3 if crowded else 200)
    monkeypatch.setattr(link_rows, "MOST_OTHER", 2 if crowded else 20)
    for name, sql in {"VOTES": VOTES, "CROWDED": CROWDED}.items():
        small = sql.replace("200", "3").replace("20", "2") if crowded else sql
        monkeypatch.setattr(f"embeddings.link.upkeep.{name}", small)
    pairs = [STOP, STOP_AGAIN, STOP_OTHER, GOLD, *template(10)]
    whole, parts = Store.open(":memory:"), Store.open(":memory:")
    add_pairs(whole, pairs)
    run(whole)
    order = data.draw(st.permutations(pairs))
    cut = data.draw(st.integers(0, len(pairs)))
    keys: list[str] = []
    for some in (order[:cut], order[cut:]):
        keys += add_pairs(parts, some)
        unit = data.draw(st.integers(1, len(pairs)))
        drain(embed.embed(parts, ENCODER, meter=Tally()))
        try:
            stopped = StopAfter(data.draw(st.integers(0, 3)))
            drain(link.link(parts, meter=stopped, encoder_recipe=HASH, unit_pairs=unit))
        except HardStop:
            pass
        run(parts, unit_pairs=unit)
    gone = data.draw(st.sets(st.sampled_from(keys), max_size=3))
    for occurrences in (0, 1):
        with parts.unit("delivery", "retract or restore") as unit_:
            for key in gone:
                unit_.execute("UPDATE pairs SET occurrences = ? WHERE key = ?", [occurrences, key])
        run(parts)
    assert all(a.equals(b) for a, b in zip(state(whole), state(parts), strict=True))


def test_one_core_and_several_write_the_same_links(add_pairs: AddPairs, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [STOP, STOP_AGAIN, STOP_OTHER, GOLD, *template(90)]
    monkeypatch.setattr("embeddings.cosine.SMALL", 0)
    written = []
    for count in (1, 2, 5):
        monkeypatch.setattr("embeddings.ahead.cores", lambda count=count: count)
        store = Store.open(":memory:")
        add_pairs(store, random.Random(count).sample(pairs, len(pairs)))
        run(store, unit_pairs=40)
        written.append(state(store))
    assert written[0][0].height > 100
    assert all(a.equals(b) for other in written[1:] for a, b in zip(written[0], other, strict=True))


def test_crowds_keep_their_most_alike_partners_and_are_written_down(store: Store, add_pairs: AddPairs) -> None:
    """120 pairs of one question would be 7,140 links; each keeps the 20 nearest, and the crowd is on record."""
    rng = random.Random(1)
    words = [f"w{n}" for n in range(2000)]
    add_pairs(store, [{"question": "Say something", "answer": " ".join(rng.sample(words, 12))} for _ in range(120)])
    counts = run(store, method="lexical")
    assert counts["links"] <= 120 * link_rows.MOST_OTHER
    ends = pl.concat([links(store)["a"], links(store)["b"]]).value_counts()
    assert ends["count"].min() == link_rows.MOST_OTHER
    assert store.value("SELECT count(*) FROM groups WHERE kind = 'crowd_lexical'") == 120


def test_a_search_for_a_text_finds_the_nearest_kept_questions(store: Store, add_pairs: AddPairs) -> None:
    stop, _, gold = add_pairs(store, [STOP, STOP_AGAIN, GOLD])
    drain(embed.embed(store, ENCODER, meter=Tally()))
    by_meaning = search(store, "what is a stop order?", encoder=ENCODER, top=2)
    assert by_meaning["key"][0] == stop
    assert by_meaning.columns == ["key", "question", "answer", "similarity", "method"]
    assert by_meaning["similarity"].to_list() == sorted(by_meaning["similarity"], reverse=True)
    by_words = search(store, "gold crisis")
    assert by_words.select("key", "method").rows() == [(gold, "lexical")]
    assert search(store, "").is_empty()


def test_searches_leave_out_what_was_merged_away(store: Store, add_pairs: AddPairs) -> None:
    stop, again, _ = add_pairs(store, [STOP, STOP_AGAIN, GOLD])
    with store.unit("resolve", "test") as unit:
        for key, status, survivor in ((stop, "kept", stop), (again, "merged", stop)):
            unit.execute("INSERT INTO decisions VALUES (?, ?, ?, 'test', NULL, 'r')", [key, status, survivor])
    assert search(store, "stop order")["key"].to_list() == [stop]


def test_unknown_methods_and_floors_are_refused_in_words(store: Store) -> None:
    with pytest.raises(SettingsError, match="expected cosine, lexical or both"):
        link.pending(store, encoder_recipe=None, method="magic")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(SettingsError, match="needs vectors"):
        link.pending(store, encoder_recipe=None, method="cosine")
    with pytest.raises(SettingsError, match="floor_lexical is 0"):
        link.pending(store, encoder_recipe=None, floor_lexical=0)
