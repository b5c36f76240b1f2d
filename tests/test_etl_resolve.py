"""Links, grades and overrides in, decisions out: the invariants hold on any graph, and the job is safe to repeat."""

import hashlib
import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from etl import Store, Tally, drain
from etl.errors import SettingsError
from etl.keys import part_key
from etl.resolve import Resolution, Rules, decide, pending, propose, resolve
from etl.resolve import job as resolve_job

QUESTION, ANSWER = "What is RSI?", "RSI is an oscillator that compares recent gains with recent losses."
NO_OVERRIDES = pl.DataFrame(
    schema={"id": pl.Int64, "key": pl.String, "other": pl.String, "verdict": pl.String, "note": pl.String}
)
LINK_SCHEMA = {
    "a": pl.String, "b": pl.String, "method": pl.String, "question_similarity": pl.Float64,
    "answer_similarity": pl.Float64, "question_overlap": pl.Float64, "answer_overlap": pl.Float64,
    "truncated": pl.Boolean,
}  # fmt: skip


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode("ascii")).hexdigest()[:32]


def pairs_of(texts: Sequence[tuple[str, str]], **columns: Sequence[Any]) -> pl.DataFrame:
    n = len(texts)
    frame = {
        "key": [key(i) for i in range(n)],
        "question": [q for q, _ in texts],
        "answer": [a for _, a in texts],
        "question_key": [part_key(q) for q, _ in texts],
        "answer_key": [part_key(a) for _, a in texts],
        "context_key": [None] * n,
        "alternatives": [[]] * n,
        "occurrences": [1] * n,
    } | columns
    schema = {"alternatives": pl.List(pl.String), "context_key": pl.String}
    return pl.DataFrame(frame, schema_overrides=schema)


def links_of(edges: Iterable[tuple[Any, ...]]) -> pl.DataFrame:
    """(i, j, question similarity, answer similarity[, method[, truncated]])."""
    rows = []
    for i, j, question, answer, *more in edges:
        a, b = sorted((key(i), key(j)))
        rows.append((a, b, more[0] if more else "cosine", question, answer, 1.0, 1.0, bool(more[1:] and more[1])))
    return pl.DataFrame(rows, schema=LINK_SCHEMA, orient="row")


def grades_of(n: int, grades: Sequence[str] | None = None, language: str = "en") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "key": [key(i) for i in range(n)],
            "grade": grades or ["A"] * n,
            "completeness": [0.5] * n,
            "language": [language] * n,
        }
    )


def overrides_of(rows: Iterable[tuple[Any, ...]]) -> pl.DataFrame:
    """(i, j, verdict[, note]), oldest first."""
    full = [(n, key(i), key(j), verdict, *(note or [None])) for n, (i, j, verdict, *note) in enumerate(rows, 1)]
    return pl.DataFrame(full, schema=NO_OVERRIDES.schema, orient="row")


def alike(n: int, edges: Iterable[tuple[Any, ...]], overrides: pl.DataFrame = NO_OVERRIDES, **more: Any) -> Resolution:
    """Decide about n pairs of one text, so that only links and overrides count."""
    return decide(
        pairs_of([(QUESTION, ANSWER)] * n), links_of(edges), grades_of(n, more.pop("grades", None)), overrides, **more
    )


def two(a: tuple[str, str], b: tuple[str, str], link: tuple[Any, ...] = (0.95, 0.95), **more: Any) -> Resolution:
    language = more.pop("language", "en")
    return decide(
        pairs_of([a, b], **more.pop("columns", {})), links_of([(0, 1, *link)]), grades_of(2, language=language),
        more.pop("overrides", NO_OVERRIDES), **more,
    )  # fmt: skip


def status(found: Resolution, number: int) -> dict[str, Any]:
    return found.decisions.filter(pl.col("key") == key(number)).row(0, named=True)


def survivors(found: Resolution) -> dict[str, str]:
    return dict(found.decisions.select("key", "survivor").iter_rows())


def verdict(found: Resolution) -> tuple[str, str]:
    row = found.verdicts.row(0, named=True)
    return row["verdict"], row["reason"]


def same(one: Resolution, other: Resolution) -> None:
    assert_frame_equal(one.decisions, other.decisions)
    assert_frame_equal(one.verdicts, other.verdicts)
    assert_frame_equal(one.conflicts, other.conflicts)


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_best_of_two_alike_stays_and_the_other_joins_it() -> None:
    found = alike(2, [(0, 1, 0.97, 0.96)], grades=["B", "A"])
    assert (status(found, 1)["status"], status(found, 1)["reason"]) == ("kept", "best_of_group")
    merged = status(found, 0)
    assert (merged["status"], merged["survivor"], merged["reason"]) == ("merged", key(1), "merged_cosine")
    assert orjson.loads(merged["evidence"])["cosine"] == {"question": 0.97, "answer": 0.96}


def test_a_chain_does_not_collapse() -> None:
    """B is like A and C is like B, but C is not like A: C stays, because B does not."""
    found = alike(3, [(0, 1, 0.95, 0.95), (1, 2, 0.95, 0.95)], grades=["A", "B", "C"])
    assert [status(found, i)["status"] for i in range(3)] == ["kept", "merged", "kept"]
    assert status(found, 2)["reason"] == "alike_to_merged_only"


def test_a_pair_joins_the_most_alike_of_those_that_stay() -> None:
    found = alike(3, [(0, 2, 0.95, 0.95), (1, 2, 0.97, 0.91)], grades=["A", "B", "C"])
    assert status(found, 2)["survivor"] == key(1)


@pytest.mark.parametrize(
    ("edges", "stay"),
    [
        ([(0, i, 0.95, 0.95) for i in range(1, 30)], 1),  # a star with the best in its middle
        ([(29, i, 0.95, 0.95) for i in range(29)], 29),  # with the worst in its middle: nobody else is alike
        ([(i, j, 1.0, 1.0) for i in range(30) for j in range(i)], 1),  # a clique
        ([(i, i + 1, 0.95, 0.95) for i in range(29)], 15),  # a chain
    ],
)
def test_stars_cliques_and_chains_keep_what_they_must(edges: list[tuple[int, int, float, float]], stay: int) -> None:
    grades = [chr(65 + i) for i in range(30)]
    found = alike(30, edges, grades=grades)
    assert found.counts["kept"] == stay
    assert found.counts["kept"] + found.counts["merged"] == 30


def apart(row: tuple[Any, ...]) -> bool:
    return bool(row[0] != row[1])


NODE = st.integers(0, 8)
EDGES = st.lists(
    st.tuples(NODE, NODE, st.sampled_from([0.85, 0.9, 0.95, 1.0]), st.sampled_from([0.85, 0.92, 1.0])).filter(apart),
    max_size=30,
)  # fmt: skip
GRADES = st.lists(st.sampled_from("ABF"), min_size=9, max_size=9)
OVERRIDES = st.lists(
    st.tuples(NODE, NODE, st.sampled_from(["merge", "keep_both", "conflict", "survivor", "withdrawn"])).filter(apart),
    max_size=8,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(edges=EDGES, grades=GRADES, seed=st.integers(0, 999))
def test_any_graph_keeps_one_survivor_a_group_and_no_order_of_input_matters(
    edges: list[tuple[int, int, float, float]], grades: list[str], seed: int
) -> None:
    found = alike(9, edges, grades=grades)
    of = survivors(found)
    ties = {frozenset(row) for row in found.verdicts.filter(pl.col("verdict") == "merge").select("a", "b").iter_rows()}
    assert sorted(of) == sorted(key(i) for i in range(9))
    for one, survivor in of.items():
        assert of[survivor] == survivor
        assert one == survivor or frozenset((one, survivor)) in ties
    stay = [one for one, survivor in of.items() if one == survivor]
    assert not any(frozenset((a, b)) in ties for a in stay for b in stay if a < b)
    shuffled = edges[:]
    random.Random(seed).shuffle(shuffled)
    pairs = pairs_of([(QUESTION, ANSWER)] * 9).sample(fraction=1.0, shuffle=True, seed=seed)
    again = decide(pairs, links_of(shuffled), grades_of(9, grades).reverse(), NO_OVERRIDES)
    same(found, again)


MEMBERS = 40
PARTS = st.lists(
    st.tuples(
        st.sampled_from(["star", "chain", "clique", "hubs"]),
        st.lists(st.integers(0, MEMBERS - 1), min_size=3, max_size=14, unique=True),
        st.sampled_from([0.9, 0.95, 1.0]),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


def drawn(parts: Iterable[tuple[str, list[int], float]]) -> list[tuple[int, int, float, float]]:
    """Edges of shapes that share members: the graphs that chain, tear and outvote the most."""
    edges = {}
    for shape, members, similarity in parts:
        first, second, *rest = members
        pairs = {
            "star": [(first, other) for other in members[1:]],
            "chain": list(itertools.pairwise(members)),
            "clique": list(itertools.combinations(members, 2)),
            "hubs": [(hub, other) for hub in (first, second) for other in rest],
        }[shape]
        edges |= {(min(two), max(two)): similarity for two in pairs}
    return [(a, b, similarity, similarity) for (a, b), similarity in edges.items()]


@settings(max_examples=60, deadline=None)
@given(
    parts=PARTS, grades=st.lists(st.sampled_from("ABCDF"), min_size=MEMBERS, max_size=MEMBERS), seed=st.integers(0, 99)
)
def test_stars_chains_hubs_and_cliques_that_share_members_keep_the_invariants(
    parts: list[tuple[str, list[int], float]], grades: list[str], seed: int
) -> None:
    edges = drawn(parts)
    found = alike(MEMBERS, edges, grades=grades)
    of = survivors(found)
    ties = {frozenset((key(a), key(b))) for a, b, *_ in edges}
    best = dict(zip((key(i) for i in range(MEMBERS)), grades, strict=True))
    assert len(of) == MEMBERS
    for one, survivor in of.items():
        assert of[survivor] == survivor
        assert one == survivor or (frozenset((one, survivor)) in ties and best[survivor] <= best[one])
    stay = {one for one, survivor in of.items() if one == survivor}
    assert not any(two <= stay for two in ties)
    random.Random(seed).shuffle(edges)
    same(found, alike(MEMBERS, [(b, a, *figures) for a, b, *figures in edges], grades=grades))


@settings(max_examples=80, deadline=None)
@given(edges=EDGES, grades=GRADES, rows=OVERRIDES)
def test_overrides_hold_and_leave_one_survivor_a_group(
    edges: list[tuple[int, int, float, float]], grades: list[str], rows: list[tuple[int, int, str]]
) -> None:
    from etl.resolve.pins import Pins

    overrides = overrides_of(rows)
    found = alike(9, edges, overrides, grades=grades)
    of = survivors(found)
    reasons = dict(found.decisions.select("key", "reason").iter_rows())
    verdicts = {(a, b): (v, r) for a, b, v, r in found.verdicts.select("a", "b", "verdict", "reason").iter_rows()}
    assert len(of) == 9
    for one, survivor in of.items():
        assert of[survivor] == survivor
        direct = verdicts.get((min(one, survivor), max(one, survivor)), ("", ""))[0] == "merge"
        assert one == survivor or direct or reasons[one] == "merged_override"
    for (a, b), pin in Pins.standing(overrides.iter_rows(named=True)).by_pair.items():
        if pin.keep:
            assert of[a] != of[b]
            assert verdicts.get((a, b), ("variant", ""))[0] in ("variant", "conflict")
        if pin.merge and verdicts[a, b][1] != "merge_override_blocked":
            assert of[a] == of[b]


@settings(max_examples=60, deadline=None)
@given(
    edges=EDGES, grades=GRADES, rows=OVERRIDES, a=st.integers(0, 8), b=st.integers(0, 8),
    what=st.sampled_from(["merge", "keep_both", "conflict", "survivor", "conflict_settled"]),
)  # fmt: skip
def test_taking_an_override_back_restores_the_former_decisions_exactly(
    edges: list[tuple[int, int, float, float]], grades: list[str], rows: list[tuple[int, int, str]], a: int, b: int,
    what: str,
) -> None:  # fmt: skip
    if a == b:
        return
    before = alike(9, edges, overrides_of(rows), grades=grades)
    after = alike(9, edges, overrides_of([*rows, (a, b, what), (b, a, "withdrawn")]), grades=grades)
    same(before, after)


def test_a_merge_by_people_needs_no_link_and_follows_the_better_pair_into_its_group() -> None:
    found = alike(3, [(0, 1, 0.95, 0.95)], overrides_of([(1, 2, "merge")]), grades=["A", "B", "C"])
    assert survivors(found)[key(2)] == key(0)
    assert status(found, 2)["reason"] == "merged_override"
    assert orjson.loads(status(found, 2)["evidence"]) == {"through": key(1)}


def test_two_merges_by_people_make_one_group_of_three() -> None:
    found = alike(3, [], overrides_of([(0, 2, "merge"), (1, 2, "merge")]), grades=["A", "B", "C"])
    assert set(survivors(found).values()) == {key(0)}


def test_the_preferred_survivor_goes_first_and_a_forced_merge_stays_forced() -> None:
    found = alike(2, [(0, 1, 0.95, 0.95)], overrides_of([(1, 0, "survivor")]), grades=["A", "F"])
    assert survivors(found)[key(0)] == key(1)
    found = alike(2, [], overrides_of([(0, 1, "merge"), (1, 0, "survivor")]), grades=["A", "F"])
    assert survivors(found)[key(0)] == key(1)


def test_a_retracted_pair_takes_no_part() -> None:
    pairs = pairs_of([(QUESTION, ANSWER)] * 2, occurrences=[0, 1])
    found = decide(pairs, links_of([(0, 1, 1.0, 1.0)]), grades_of(2), overrides_of([(0, 1, "merge")]))
    assert status(found, 0)["status"] == "retracted"
    assert (status(found, 1)["status"], status(found, 1)["reason"]) == ("kept", "no_link")
    assert found.verdicts.is_empty()


# ── verdicts ─────────────────────────────────────────────────────────────────────────────────────────────────────

LONG = "The RSI compares the average gain with the average loss over a window and shows momentum between two bounds"


def test_another_number_in_the_question_asks_for_review_of_the_worse_pair() -> None:
    found = two(("What does RSI 14 show?", LONG), ("What does RSI 21 show?", LONG))
    assert verdict(found) == ("review", "review_number_veto")
    assert sorted(found.decisions["status"]) == ["kept", "review"]
    veto = orjson.loads(found.verdicts["evidence"][0])["veto"]
    assert (veto["kind"], veto["in"], {*veto["a"], *veto["b"]}) == ("number", "question", {"14", "21"})


@pytest.mark.parametrize(
    ("b", "link", "language", "reason"),
    [
        ((QUESTION, LONG + "."), (0.95, 0.95, "cosine", True), "en", "review_truncated"),
        ((QUESTION, LONG + ", so."), (0.95, 0.95), "zh", "review_language"),
        (("What is RSI good for?", LONG), (0.95, 0.95), "en", "review_question_words"),
        (
            (QUESTION, "RSI tells how strong a move is, as gain and loss, and lies between two bounds"),
            (0.95, 0.95),
            "en",
            "review_answer_words",
        ),
        ((QUESTION, LONG + ", as such"), (0.75, 0.75, "lexical"), "en", "review_similarity"),
        ((QUESTION, LONG + ", as such"), (0.95, 0.95, "lexical"), "de", "review_language"),
    ],
)
def test_what_is_missing_for_a_merge_is_named(
    b: tuple[str, str], link: tuple[Any, ...], language: str, reason: str
) -> None:
    assert verdict(two((QUESTION, LONG), b, link, language=language)) == ("review", reason)


def test_texts_cut_by_the_model_and_other_languages_merge_on_lexical_links() -> None:
    found = two((QUESTION, LONG), (QUESTION, LONG + ", as such"), (0.9, 0.9, "lexical"))
    assert verdict(found) == ("merge", "merged_lexical")
    german = "Der RSI vergleicht Gewinne mit Verlusten"
    found = two((QUESTION, german), (QUESTION, german + " –"), (1.0, 1.0, "lexical"), language="de")
    assert verdict(found) == ("merge", "merged_lexical")


def test_cosine_alone_says_nothing_in_a_language_the_model_does_not_know() -> None:
    link = pl.DataFrame(
        [(*sorted((key(0), key(1))), "cosine", 1.0, 1.0, 0.1, 0.1, False)], schema=LINK_SCHEMA, orient="row"
    )
    pairs = pairs_of([("比特币是什么", "一种货币"), ("谁发明了水泥", "英国人")])
    assert decide(pairs, link, grades_of(2, language="zh"), NO_OVERRIDES).verdicts.is_empty()
    assert decide(pairs, link, grades_of(2, language="zh"), NO_OVERRIDES, languages=None).counts["merged"] == 0


@pytest.mark.parametrize(
    ("a", "b", "kind"),
    [
        ("RSI uses 14 periods by default.", "RSI uses 21 periods by default.", "number"),
        ("The halving took place in May 2020.", "The halving took place in May 2024.", "date"),
        ("The fee is 5 dollars.", "The fee is 5 percent.", "unit"),
        ("RSI is a leading indicator.", "RSI is not a leading indicator.", "negation"),
        ("RSI is a leading indicator.", "RSI is a lagging indicator.", "antonym"),
        ("It was made by Welles Wilder.", "It was made by John Bollinger.", "entity"),
        ("Yes", "No", "antonym"),
    ],
)
def test_one_question_with_two_answers_that_exclude_each_other_is_a_conflict(a: str, b: str, kind: str) -> None:
    found = two((QUESTION, a), (QUESTION, b), (1.0, 0.6))
    assert found.conflicts["kind"].to_list() == [kind]
    assert found.decisions["status"].to_list() == ["kept", "kept"]
    assert set(found.decisions["reason"]) == {"kept_conflict"}
    assert found.counts["conflicts"] == 1


def test_answers_that_are_alike_but_for_a_number_are_a_conflict_too() -> None:
    found = two((QUESTION, LONG + " 0 and 100"), (QUESTION, LONG + " 0 and 1000"), (1.0, 0.99))
    assert verdict(found) == ("conflict", "conflict_number")


def test_another_answer_without_typed_evidence_is_a_variant() -> None:
    found = two((QUESTION, "A momentum oscillator."), (QUESTION, "It tells how strong a move is."), (1.0, 0.6))
    assert verdict(found) == ("variant", "variant_no_evidence")
    assert found.conflicts.is_empty()


def test_a_conflict_inside_long_answers_is_found_in_matching_sentences() -> None:
    filler = "Many traders look at it every morning before they open a position on any market. "
    a = filler + "Values above 70 are called overbought by most textbooks. " + "It was described in a book on charts."
    b = "It was described in a book on charts. " + filler + "Values above 80 are called overbought by most textbooks."
    found = two((QUESTION, a), (QUESTION, b), (1.0, 0.98))
    assert found.conflicts["kind"].to_list() == ["number"]


def test_numbers_of_different_things_in_long_answers_are_no_conflict() -> None:
    a = "Traders in 12 countries looked at 300 charts and found that momentum tends to last for some time."
    b = "The oscillator moves between 0 and 100 and turns before price does, which short-term traders like much."
    assert verdict(two((QUESTION, a), (QUESTION, b), (1.0, 0.6))) == ("variant", "variant_no_evidence")


def test_an_answer_that_the_sender_also_accepts_is_a_variant() -> None:
    columns = {"alternatives": [["December 1972"], []]}
    found = two((QUESTION, "14 December 1972"), (QUESTION, "December 1972."), (1.0, 0.9), columns=columns)
    assert verdict(found) == ("variant", "variant_alternative")


def test_another_context_is_another_question() -> None:
    found = two((QUESTION, "14"), (QUESTION, "21"), (1.0, 0.6), columns={"context_key": ["a", "b"]})
    assert found.verdicts.is_empty()


def test_unlike_answers_to_unlike_questions_get_no_verdict() -> None:
    assert two(("What is RSI?", "x"), ("What is MACD?", "y"), (0.93, 0.3)).verdicts.is_empty()


def test_a_person_settles_a_conflict_and_both_stay() -> None:
    settled = overrides_of([(0, 1, "conflict_settled", "key right")])
    found = two((QUESTION, "14 periods"), (QUESTION, "21 periods"), (1.0, 0.8), overrides=settled)
    assert found.conflicts["settled"].to_list() == [key(0)]
    assert found.counts["conflicts"] == 0
    both = overrides_of([(0, 1, "conflict_settled", "both right: two schools")])
    found = two((QUESTION, "14 periods"), (QUESTION, "21 periods"), (1.0, 0.8), overrides=both)
    assert found.conflicts["settled"].to_list() == ["both"]


def test_keep_both_ends_a_review() -> None:
    pinned = overrides_of([(1, 0, "keep_both")])
    found = two(("What does RSI 14 show?", LONG), ("What does RSI 21 show?", LONG), overrides=pinned)
    assert verdict(found) == ("variant", "kept_override")
    assert set(found.decisions["reason"]) == {"kept_override"}
    assert set(found.decisions["status"]) == {"kept"}


def test_thresholds_out_of_range_are_refused() -> None:
    with pytest.raises(SettingsError, match="between 0 and 1"):
        Rules(merge_cosine=1.5)
    with pytest.raises(SettingsError, match="below the review threshold"):
        Rules(merge_cosine=0.5)


# ── the job ──────────────────────────────────────────────────────────────────────────────────────────────────────

Add = Callable[[Store, list[dict[str, Any]]], list[str]]


def filled(store: Store, add_pairs: Add) -> list[str]:
    keys = add_pairs(
        store,
        [
            {"question": "What is RSI?", "answer": LONG},
            {"question": "What is the RSI?", "answer": LONG},
            {"question": "What is the RSI, 14?", "answer": LONG},
            {"question": "What is VWAP?", "answer": "An average price weighted by volume."},
        ],
    )
    rows = [
        (*sorted((keys[i], keys[j])), "cosine", 0.97, 1.0, 0.9, 1.0, False, "r") for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    with store.unit("link", "test") as unit:
        unit.insert("links", pl.DataFrame(rows, schema=LINK_SCHEMA | {"recipe": pl.String}, orient="row"))
        unit.insert("grades", pl.DataFrame(
            [(k, 0.9, "A", 0.5, "en", 1.0, "r") for k in keys],
            schema=["key", "score", "grade", "completeness", "language", "language_confidence", "recipe"], orient="row",
        ))  # fmt: skip
    return keys


def test_the_job_writes_once_and_then_has_nothing_to_do(store: Store, add_pairs: Add) -> None:
    filled(store, add_pairs)
    meter = Tally()
    counts = drain(resolve(store, meter=meter))
    assert {n: counts[n] for n in ("kept", "merged", "review")} == {"kept": 2, "merged": 1, "review": 1}
    assert meter.spent["pairs"] == 4
    assert not pending(store)
    assert list(resolve(store, meter=meter)) == []
    assert store.value("SELECT count(*) FROM decisions") == 4


def test_a_changed_threshold_or_override_makes_it_pending_and_rewrites_only_what_changed(
    store: Store, add_pairs: Add
) -> None:
    keys = filled(store, add_pairs)
    drain(resolve(store, meter=Tally()))
    assert "merge_cosine 0.84 -> 0.99" in pending(store, merge_cosine=0.99).why
    with store.unit("override", "test") as unit:
        unit.execute("INSERT INTO overrides VALUES (1, ?, ?, 'keep_both', 'ann', now()::TIMESTAMP, NULL)", keys[:2])
    assert pending(store).why == "new rows from override"
    proposed = propose(store)
    assert proposed.counts["merged"] == 0
    assert store.value("SELECT count(*) FROM decisions WHERE status = 'merged'") == 1
    counts = drain(resolve(store, meter=Tally()))
    assert (counts["merged"], counts["changed"]) == (0, 1)
    assert store.value("SELECT count(*) FROM decisions") == 4


def test_a_kill_before_the_commit_loses_nothing_and_the_next_call_does_it(
    store: Store, add_pairs: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(store, add_pairs)
    real = Store.unit

    def dying(self: Store, *args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "unit", dying)
    with pytest.raises(KeyboardInterrupt):
        drain(resolve(store, meter=Tally()))
    monkeypatch.setattr(Store, "unit", real)
    assert store.value("SELECT count(*) FROM decisions") == 0
    assert drain(resolve(store, meter=Tally()))["merged"] == 1


def test_rows_that_arrive_while_it_computes_are_taken_in(
    store: Store, add_pairs: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(store, add_pairs)
    real, calls = propose, []

    def slow(store: Store, **settings: Any) -> Resolution:
        found = real(store, **settings)
        if not calls:
            calls.append(add_pairs(store, [{"question": "What is TVL?", "answer": "Total value locked."}]))
        return found

    monkeypatch.setattr(resolve_job, "propose", slow)
    drain(resolve(store, meter=Tally()))
    assert store.value("SELECT count(*) FROM decisions") == 5
    assert not pending(store)
