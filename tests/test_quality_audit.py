"""quality/audit: corpus-wide flags, the job that stores them, and the figures that must add up."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import Store, Tally, drain
from quality.assess import assess
from quality.audit import CORPUS_RULES, audit, audit_frame, figures, pending
from quality.audit.samples import shown


def kept(rows: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(
        rows,
        schema={"key": pl.String, "answer": pl.String, "indicator": pl.String, "category": pl.String},
        orient="row",
    )


NOBODY = pl.DataFrame(schema={"group_id": pl.String, "key": pl.String})


def flags_by_key(frame: pl.DataFrame) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for key, flag in frame.select("key", "flag").iter_rows():
        found.setdefault(key, set()).add(flag)
    return found


def test_small_categories_and_indicators_are_thin_and_missing_ones_are_not() -> None:
    rows: list[Any] = [(f"a{n}", "an answer", "rsi", "big") for n in range(10)]
    rows += [(f"b{n}", "an answer", "macd", "middle") for n in range(5)]
    rows += [("c0", "an answer", "vix", "tiny"), ("d0", "an answer", None, None)]
    found = flags_by_key(audit_frame(kept(rows), NOBODY))
    assert "a0" not in found
    assert found["b0"] == {"thin_category"}
    assert found["c0"] == {"near_empty_category", "thin_indicator"}
    assert "d0" not in found


def test_boilerplate_counts_only_what_was_kept() -> None:
    rows = [(f"k{n}", "It depends.", None, None) for n in range(5)]
    group = pl.DataFrame({"group_id": "g", "key": [f"k{n}" for n in range(5)] + ["merged_away"]})
    assert audit_frame(kept(rows), group)["evidence"][0] == "one of 5 questions with this answer"
    assert audit_frame(kept(rows[:4]), group).is_empty()


def test_an_answer_far_longer_than_its_category_stands_out() -> None:
    rows: list[Any] = [(f"k{n:02d}", "word " * (8 + n % 5), None, "c") for n in range(40)]
    rows.append(("long", "word " * 900, None, "c"))
    found = audit_frame(kept(rows), NOBODY)
    assert found["key"].to_list() == ["long"]
    assert found["evidence"].item().startswith("900 words, the median is ")


def test_lengths_of_a_small_category_say_nothing() -> None:
    rows: list[Any] = [(f"k{n:02d}", "word", None, "c") for n in range(12)] + [("long", "word " * 900, None, "c")]
    assert "outlier_length" not in audit_frame(kept(rows), NOBODY)["flag"]


@given(st.lists(st.tuples(st.sampled_from(["x", "y", None]), st.integers(1, 400)), max_size=60), st.randoms())
@settings(max_examples=25, deadline=None)
def test_flags_do_not_depend_on_the_order_of_the_pairs(pairs: list[tuple[str | None, int]], random: Any) -> None:
    rows = [(f"k{n:03d}", "w " * length, category, category) for n, (category, length) in enumerate(pairs)]
    mixed = rows.copy()
    random.shuffle(mixed)
    assert audit_frame(kept(rows), NOBODY).equals(audit_frame(kept(mixed), NOBODY))


def resolve(store: Store, *, merged: dict[str, str] | None = None, review: tuple[str, ...] = ()) -> None:
    merged = merged or {}
    keys = store.query("SELECT key FROM pairs WHERE occurrences > 0 ORDER BY key")["key"]
    rows = [
        (k, "merged" if k in merged else "review" if k in review else "kept", merged.get(k, k), "test", None, "r")
        for k in keys
    ]
    with store.unit("resolve", "test") as unit:
        unit.execute("DELETE FROM decisions")
        schema = ["key", "status", "survivor", "reason", "evidence", "recipe"]
        unit.insert(
            "decisions", pl.DataFrame(rows, schema=schema, orient="row", schema_overrides={"evidence": pl.String})
        )


def test_the_job_runs_once_and_again_when_the_corpus_changes(store: Store, add_pairs: Any) -> None:
    assert not pending(store)
    add_pairs(store, [{"question": f"What is {n}?", "answer": "A number.", "category": "c"} for n in range(4)])
    drain(assess(store, meter=Tally()))
    resolve(store)
    (step,) = audit(store, meter=Tally())
    assert (step.counts["pairs"], step.counts["thin_category"]) == (4, 4)
    assert list(audit(store, meter=Tally())) == []
    add_pairs(store, [{"question": f"What is {n}?", "answer": "A number.", "category": "c"} for n in range(4, 12)])
    resolve(store)
    assert "resolve" in pending(store).why
    drain(audit(store, meter=Tally()))
    assert store.value("SELECT count(*) FROM flags WHERE scope = 'corpus'") == 0


def test_a_failed_audit_leaves_the_former_flags(store: Store, add_pairs: Any) -> None:
    class Broke(Tally):
        def spend(self, resource: str, amount: float = 1) -> None:
            raise RuntimeError("no budget")

    add_pairs(store, [{"question": "What?", "answer": "This.", "category": "c"}])
    resolve(store)
    drain(audit(store, meter=Tally()))
    before = store.query("SELECT * FROM flags ORDER BY ALL").rows()
    with pytest.raises(RuntimeError):
        drain(audit(store, meter=Broke(), category_floor=1))
    assert store.query("SELECT * FROM flags ORDER BY ALL").rows() == before
    assert "category_floor" in pending(store, category_floor=1).why
    drain(audit(store, meter=Tally(), category_floor=1))
    assert pending(store, category_floor=1).amount == 0


def test_the_figures_of_an_empty_store_are_all_there(store: Store) -> None:
    found = figures(store)
    assert found["counts"]["pairs"] == 0
    assert all(found["counts"]["adds_up"].values())
    assert found["samples"]["merges"] == []


def test_the_figures_of_a_small_corpus_add_up(store: Store, add_pairs: Any) -> None:
    rows = [{"question": f"What is {n}?", "answer": f"It is {n} and more words.", "category": "c"} for n in range(6)]
    keys = sorted(add_pairs(store, rows))
    drain(assess(store, meter=Tally()))
    resolve(store, merged={keys[1]: keys[0]}, review=(keys[2],))
    drain(audit(store, meter=Tally()))
    with store.unit("split", "test") as unit:
        unit.execute("INSERT INTO splits SELECT key, 'train', key, NULL, NULL FROM decisions")
        unit.execute("UPDATE splits SET withheld = 'bridges_splits' WHERE key = ?", [keys[3]])
    found = figures(store)
    counts = found["counts"]
    assert (counts["kept"], counts["merged"], counts["review"], counts["withheld"]) == (3, 1, 1, 1)
    assert counts["adds_up"]["pairs = kept + review + merged + withheld + retracted + undecided"]
    assert counts["adds_up"]["kept + review = train + validation + test"]
    assert sum(found["grades"].values()) == counts["live"] == 6
    assert sum(bar["pairs"] for bar in found["answer_words"]["bars"]) == 6
    assert {row["flag"] for row in found["flags"]} >= {rule.flag for rule in CORPUS_RULES}
    (merge,) = found["samples"]["merges"]
    assert (merge["one"]["key"], merge["other"]["key"], merge["question_similarity"]) == (keys[0], keys[1], None)


def test_a_conflict_shows_the_similarities_of_the_method_that_it_names(store: Store, add_pairs: Any) -> None:
    one, other = sorted(add_pairs(store, [{"question": "What?", "answer": answer} for answer in ("This.", "That.")]))
    with store.unit("link", "test") as unit:
        for method, similarity in (("cosine", 0.84), ("lexical", 0.45)):
            unit.execute("INSERT INTO links VALUES (?, ?, ?, 1, ?, 1, 1, false, 'r')", [one, other, method, similarity])
        unit.execute("INSERT INTO conflicts VALUES (?, ?, 'number', NULL, NULL)", [one, other])
    (conflict,) = figures(store)["samples"]["conflicts"]
    assert (conflict["method"], conflict["answer_similarity"]) == ("cosine", 0.84)


def test_shown_texts_are_masked_short_and_free_of_control_characters() -> None:
    secret = "AKIA" + "QX7T2MLWZ9PB4RVN"
    text = shown(f"key {secret} \u202egnp.exe\x00 " + "x" * 5000)
    assert secret not in text
    assert "\u202e" not in text
    assert "\x00" not in text
    assert len(text) <= 700
