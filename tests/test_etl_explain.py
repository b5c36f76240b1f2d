"""Whatever a person asks about, the store says where it came from and why it stands where it stands."""

import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from etl import Store, Tally, drain, overrides
from etl.errors import NotFoundError
from etl.explain import explain, links, render, render_links
from etl.explain.words import said, told_same
from etl.resolve import resolve

Add = Callable[[Store, list[dict[str, Any]]], list[str]]
LONG = "RSI is an oscillator that compares recent gains with recent losses over a window"
LINKS = ["a", "b", "method", "question_similarity", "answer_similarity", "question_overlap", "answer_overlap",
         "truncated", "recipe"]  # fmt: skip


@pytest.fixture
def keys(store: Store, add_pairs: Add) -> list[str]:
    made = add_pairs(
        store,
        [
            {"question": "What is RSI?", "answer": LONG},
            {"question": "What is the RSI?", "answer": LONG},
            {"question": "What is the RSI of 14 days?", "answer": LONG},
            {"question": "What is VWAP?", "answer": "An average price weighted by volume"},
        ],
    )
    ties = [(i, j) for i in range(3) for j in range(i)]
    rows = [(*sorted((made[i], made[j])), "cosine", 0.97, 1.0, 0.9, 1.0, False, "r") for i, j in ties]
    with store.unit("link", "test") as unit:
        unit.insert("links", pl.DataFrame(rows, schema=LINKS, orient="row"))
        for n, key in enumerate(made):
            unit.execute("INSERT INTO grades VALUES (?, 0.9, ?, 0.5, 'en', 1.0, 'r')", [key, "ABCD"[n]])
            unit.execute(
                """INSERT INTO occurrences (key, delivery, position, raw, repairs, raw_digest, derived, sources,
                                            phrasings, alternatives)
                   VALUES (?, ?, ?, ?, ?, 'd', [], [], [], [])""",
                [key, "d1", f"line:{n + 1}", '{"question":"What is RSl?"}' if n == 0 else None,
                 ["question:mojibake"] if n == 0 else []],
            )  # fmt: skip
        unit.execute("INSERT INTO flags VALUES (?, 'short_answer', 'pair', '6 words', 'r')", [made[3]])
        unit.execute("INSERT INTO splits VALUES (?, 'train', ?, 'v0001', NULL)", [made[0], made[0]])
        for delivery, path, state, reason in (
            ("d1", "inbox/ann/batch.jsonl", "accepted", None),
            ("d2", "inbox/bob/batch.jsonl", "accepted", None),
            ("d3", "inbox/bob/torn.json", "refused", "truncated_json"),
        ):
            unit.execute(
                "INSERT INTO deliveries (delivery, path, sender, bytes, state, reason, evidence, records, recipe) "
                "VALUES (?, ?, ?, 1, ?, ?, 'ends inside a string', 5, 'r')",
                [delivery, path, path.split("/")[1], state, reason],
            )
        unit.execute("INSERT INTO rejects VALUES ('d1', 'line:5', 'empty_answer', 'answer is blank', '{\"q\": 1}')")
        unit.execute("INSERT INTO rejects VALUES ('d1', '/data/7', 'empty_question', NULL, NULL)")
    drain(resolve(store, meter=Tally()))
    return made


def test_a_key_explains_where_a_pair_came_from_and_why_it_stays(store: Store, keys: list[str]) -> None:
    found = explain(store, keys[0][:8])
    assert (found.kind, found.key, found.decision["reason"]) == ("pair", keys[0], "best_of_group")
    assert found.occurrences[0]["path"] == "inbox/ann/batch.jsonl"
    assert found.occurrences[0]["raw"] == {"question": "What is RSl?"}
    assert found.grade["grade"] == "A"
    assert (found.split["split"], found.split["frozen"]) == ("train", "v0001")
    assert len(found.links) == 2
    text = render(found)
    for part in (
        "kept: it is the best of its group",
        "batch.jsonl line:1, from ann",
        "question:mojibake",
        "frozen in v0001",
    ):
        assert part in text


def test_a_merged_pair_shows_its_survivor_and_a_reviewed_one_its_veto(store: Store, keys: list[str]) -> None:
    merged = explain(store, keys[1])
    assert (merged.decision["status"], merged.survivor["key"]) == ("merged", keys[0])
    assert merged.survivor["answer"] == LONG
    assert f"it joined {keys[0][:10]}" in render(merged)
    review = explain(store, keys[2])
    assert review.decision["reason"] == "review_number_veto"
    assert "it looks the same, but differs in a number" in review.summary
    assert "question: 14" in render(review).replace("- | 14", "14") or "14 | -" in render(review)


def test_a_place_in_a_file_explains_the_pair_or_the_reject_there(store: Store, keys: list[str]) -> None:
    assert explain(store, "ann/batch.jsonl:4").key == keys[3]
    assert explain(store, "inbox/ann/batch.jsonl:line:4").key == keys[3]
    rejected = explain(store, "ann/batch.jsonl:5")
    assert (rejected.kind, rejected.rejects[0]["reason"]) == ("rejected", "empty_answer")
    assert "rejected: empty answer (answer is blank)" in render(rejected)
    assert explain(store, "ann/batch.jsonl:/data/7").rejects[0]["reason"] == "empty_question"
    with pytest.raises(NotFoundError, match="has no record at 99"):
        explain(store, "ann/batch.jsonl:99")


def test_a_refused_file_explains_its_refusal_with_or_without_a_line(store: Store, keys: list[str]) -> None:
    for what in ("torn.json", "bob/torn.json:3"):
        found = explain(store, what)
        assert found.kind == "refused"
        assert found.summary == "refused: truncated json (ends inside a string)"
    assert explain(store, "ann/batch.jsonl").kind == "delivery"


def test_an_end_of_a_path_that_fits_two_files_names_both(store: Store, keys: list[str]) -> None:
    with pytest.raises(NotFoundError, match=r"fits 2 deliveries: inbox/ann/batch\.jsonl, inbox/bob/batch\.jsonl"):
        explain(store, "batch.jsonl:1")


def test_a_question_is_found_exactly_or_by_its_words(store: Store, keys: list[str]) -> None:
    assert explain(store, "what is vwap").key == keys[3]
    assert explain(store, "the VWAP, what is it").key == keys[3]
    with pytest.raises(NotFoundError, match="nothing fits"):
        explain(store, "what is ETH")  # "what is" is no likeness
    near = explain(store, "RSI of 14 days?")
    assert near.key == keys[2]
    with pytest.raises(NotFoundError, match="nothing fits"):
        explain(store, "How tall is the Eiffel tower?")
    with pytest.raises(NotFoundError, match="nothing fits"):
        explain(store, "???")


def test_overrides_and_whether_they_stand_are_shown(store: Store, keys: list[str]) -> None:
    overrides.undo(store, keys[1], who="ann", note="other lookback")
    drain(resolve(store, meter=Tally()))
    found = explain(store, keys[1])
    assert (found.decision["status"], found.overrides[0]["stands"]) == ("kept", True)
    assert "keep_both" in render(found)
    overrides.withdraw(store, 1, who="ann")
    assert "(no longer stands)" in render(explain(store, keys[1]))


def test_an_explanation_is_plain_json_and_a_fresh_pair_is_not_decided(
    store: Store, keys: list[str], add_pairs: Add
) -> None:
    data = explain(store, keys[2]).to_dict()
    assert json.loads(json.dumps(data))["verdicts"][0]["evidence"]["veto"]["kind"] == "number"
    [fresh] = add_pairs(store, [{"question": "What is TVL?", "answer": "Total value locked"}])
    assert explain(store, fresh).summary.startswith("not decided yet")


def test_links_tell_similarities_verdict_veto_and_what_became_of_the_other(store: Store, keys: list[str]) -> None:
    found = links(store, keys[0][:8])
    by_other = {row["other"]: row for row in found["links"]}
    merged, held_back = by_other[keys[1]], by_other[keys[2]]
    assert (merged["status"], merged["survivor"], merged["verdict"]) == ("merged", keys[0], "merge")
    assert (merged["question_cosine"], merged["answer_cosine"], merged["question_lexical"]) == (0.97, 1.0, None)
    assert (held_back["verdict"], held_back["veto"]["a"] or held_back["veto"]["b"]) == ("review", ["14"])
    text = render_links(found)
    assert f"merged into {keys[0][:10]}" in text
    assert "cosine question 0.9700, answer 1.0000" in text
    assert "(question: " in text
    json.dumps(found)


def test_links_name_the_decision_of_a_person_and_pairs_that_only_people_tied(store: Store, keys: list[str]) -> None:
    overrides.add(store, keys[0], keys[3], "merge", who="ann")
    drain(resolve(store, meter=Tally()))
    (tied,) = [row for row in links(store, keys[0])["links"] if row["other"] == keys[3]]
    assert (tied["override"]["verdict"], tied["question_cosine"]) == ("merge", None)
    assert "no link: a person put them together" in render_links(links(store, keys[3]))


def test_a_reason_in_words_has_its_article() -> None:
    assert said("review_antonym_veto").endswith("differs in an antonym")
    assert said("review_number_veto").endswith("differs in a number")


def test_a_merge_names_what_was_taken_for_the_same(store: Store, add_pairs: Add) -> None:
    ask = "Which two oscillators does the desk of this exchange watch every day?"
    a, b = add_pairs(store, [{"question": ask, "answer": "RSI and MACD"}, {"question": ask, "answer": "MACD and RSI"}])
    with store.unit("link", "test") as unit:
        row = (*sorted((a, b)), "cosine", 1.0, 0.97, 1.0, 1.0, False, "r")
        unit.insert("links", pl.DataFrame([row], schema=LINKS, orient="row"))
        for key, grade in ((a, "A"), (b, "B")):
            unit.execute("INSERT INTO grades VALUES (?, 0.9, ?, 0.5, 'en', 1.0, 'r')", [key, grade])
    drain(resolve(store, meter=Tally()))
    assert "taken for the same: order of a list" in render(explain(store, b))
    assert "taken for the same: order of a list" in render_links(links(store, b))
    assert told_same(None) == ""
