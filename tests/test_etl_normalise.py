"""Normalising candidates: what is mended, what must survive, and what the keys see."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.keys import content_key, normal_form, normal_forms, pair_keys, part_key
from etl.normalise import Names, normalise, repair_text
from etl.normalise.names import category, source_session
from etl.normalise.repair import dirty, dirty_pattern
from etl.read import CANDIDATES

NAUGHTY = Path(__file__).resolve().parents[2] / "shared" / "data" / "hostile" / "naughty-strings" / "blns.json"
EMPTY: dict[str, Any] = {name: [] if kind == pl.List(pl.String) else None for name, kind in CANDIDATES.items()}


def candidates(rows: Iterable[Mapping[str, Any]], **columns: str) -> pl.DataFrame:
    plain = EMPTY | {"question": "What is RSI?", "answer": "An oscillator.", "raw_digest": "0" * 32}
    filled = [plain | {"position": f"line:{number}"} | dict(row) for number, row in enumerate(rows, 1)]
    frame = pl.DataFrame(filled, schema=CANDIDATES)
    return frame.with_columns(pl.lit(value).alias(name) for name, value in columns.items())


def one(row: Mapping[str, Any], *, aliases: Mapping[str, str] | None = None, **columns: str) -> dict[str, Any]:
    return normalise(candidates([row], **columns), aliases=aliases).candidates.row(0, named=True)


@pytest.mark.parametrize(
    ("text", "mended", "rules"),
    [
        ("naÃ¯ve â€œquotesâ€\x9d for 5 â‚¬", "naïve “quotes” for 5 €", ("mojibake",)),
        ("voilÃ  la rÃ©ponse", "voilà la réponse", ("mojibake",)),
        ("voilÃ  tout", "voilà tout", ("mojibake",)),
        ("don\x92t", "don’t", ("mojibake",)),
        ("Ð½ÐµÑ‚, Ð´Ð°", "нет, да", ("mojibake",)),
        ("half \ud83d of a pair", "half \ufffd of a pair", ("surrogate",)),
        ("one\r\ntwo\rthree\u2028four\u2029five\x0csix", "one\ntwo\nthree\nfour\nfive\nsix", ("line_break",)),
        ("a\x00b\x07c\x1bd\te\nf", "abcd\te\nf", ("control",)),
        ("pay \u202eevil\u202c now", "pay evil now", ("bidi",)),
        ("\ufeffWhat is\ufeff it?", "What is it?", ("bom",)),
        ("\ufeffa\x00\r\nb", "a\nb", ("line_break", "control", "bom")),
        (" \u3000 padded \n", "padded", ()),
    ],
)
def test_each_kind_of_damage_is_mended_and_named(text: str, mended: str, rules: tuple[str, ...]) -> None:
    assert repair_text(text) == (mended, rules)


@pytest.mark.parametrize(
    "text",
    [
        "Straße, Größe, naïve, El Niño, Ångström",
        "Sie saß: „Wie groß?“ – «très bien» … 5 € ± 2 %",
        "表ポあA鷗ŒéＢ逍Üßªąñ丂㐀𠀀",
        "Москва – «столица»",
        "κόσμος, שלום\u200f, مرحبا",
        "👩\u200d👩\u200d👧 and soft\u00adhyphen",
        "<script>alert(1)</script> ${7*7} '; DROP TABLE pairs; --",
    ],
)
def test_what_is_not_damaged_stays_byte_for_byte(text: str) -> None:
    assert repair_text(text) == (text, ())
    assert one({"answer": text})["answer"] == text


@pytest.mark.skipif(not NAUGHTY.exists(), reason="the folder of hostile files is not on this machine")
def test_naughty_strings_survive_unless_they_hold_what_the_rules_name() -> None:
    texts = json.loads(NAUGHTY.read_text(encoding="utf-8"))
    done = normalise(candidates({"answer": text} for text in texts))
    assert done.candidates.height + done.rejects.height == len(texts)
    assert set(done.rejects["reason"]) == {"empty_answer"}
    for row in done.candidates.iter_rows(named=True):
        text = texts[int(row["position"].partition(":")[2]) - 1]
        if row["repairs"]:
            assert json.loads(row["raw"])["answer"] == text
        else:
            assert row["answer"] == text.strip()
            assert row["raw"] is None
    repaired = done.candidates.filter(pl.col("repairs").list.len() > 0)
    assert repaired.height < 20  # of 515: C0, C1, bidi, BOM and line separators, nothing else


def test_repairs_are_noted_by_field_with_what_stood_there_before() -> None:
    row = one({"question": "a\r\nb?", "answer": "naÃ¯ve", "phrasings": ["x\x00", "fine"], "context": "clean"})
    assert (row["question"], row["answer"], row["phrasings"]) == ("a\nb?", "naïve", ["x", "fine"])
    assert row["repairs"] == ["question:line_break", "answer:mojibake", "phrasings:control"]
    assert json.loads(row["raw"]) == {"question": "a\r\nb?", "answer": "naÃ¯ve", "phrasings": ["x\x00", "fine"]}


def test_outer_white_space_goes_without_being_called_a_repair() -> None:
    row = one({"question": "  What is it?\n", "context": "   ", "licence": " MIT "})
    assert (row["question"], row["context"], row["licence"]) == ("What is it?", None, "MIT")
    assert row["repairs"] == []
    assert row["raw"] is None


@pytest.mark.parametrize("text", ["", " ", "\x00\x01", "\u200b\u2060", "\ufeff", None])
def test_a_text_that_is_empty_after_repair_becomes_a_reject(text: str | None) -> None:
    done = normalise(candidates([{"answer": text}, {"question": text}, {}], delivery="d"))
    assert done.candidates["position"].to_list() == ["line:3"]
    assert done.rejects.select("delivery", "position", "reason").rows() == [
        ("d", "line:1", "empty_answer"),
        ("d", "line:2", "empty_question"),
    ]
    assert json.loads(done.rejects["raw"][0])["answer"] == text


def test_keys_are_those_of_the_repaired_texts() -> None:
    row = one({"question": "naÃ¯ve?", "answer": "yes\x00", "context": "c"})
    assert row["key"] == content_key("naïve?", "yes", "c")
    keys = (row["question_key"], row["answer_key"], row["context_key"])
    assert keys == (part_key("naïve?"), part_key("yes"), part_key("c"))
    assert one({"context": ""})["context_key"] is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), min_size=1, max_size=8))
def test_the_frame_gives_what_each_text_gives_by_itself(texts: list[str]) -> None:
    """The quick look for dirt overlooks nothing that the rules would change."""
    done = normalise(candidates({"question": "q", "answer": text} for text in texts))
    found = dict(zip(done.candidates["position"], done.candidates["answer"], strict=True))
    for number, text in enumerate(texts, 1):
        mended, _ = repair_text(text)
        if f"line:{number}" in found:
            assert found[f"line:{number}"] == mended


def test_indicators_get_one_spelling_and_categories_one_form() -> None:
    row = one({"indicator": "Relative  Strength Index (RSI)", "category": "On-Chain"})
    assert (row["indicator"], row["category"]) == ("RSI", "on_chain")
    assert row["repairs"] == ["indicator:alias", "category:spelling"]
    assert json.loads(row["raw"]) == {"indicator": "Relative  Strength Index (RSI)", "category": "On-Chain"}
    assert one({"indicator": "C# basics", "category": "C++"})["category"] == "c++"


def test_the_users_aliases_stand_above_the_built_in_list() -> None:
    own = {"RSI": "Relative Strength Index", "KVO": "Klinger Oscillator"}
    assert one({"indicator": "rsi"}, aliases=own)["indicator"] == "Relative Strength Index"
    named = one({"indicator": "relative strength index"}, aliases=own)
    assert (named["indicator"], named["category"]) == ("Relative Strength Index", "momentum")
    assert one({"indicator": "kvo"}, aliases=own)["indicator"] == "Klinger Oscillator"
    assert Names.known(own).indicator("MACD") == "MACD"


def test_missing_names_are_derived_from_the_path_and_marked() -> None:
    row = one({}, path="inbox/droid/momentum/session_101_rsi.json")
    assert (row["indicator"], row["category"], row["derived"]) == (
        "RSI",
        "momentum",
        ["indicator:file_name", "category:folder"],
    )
    row = one({"indicator": "MVRV"}, path="inbox/x.json")
    assert (row["category"], row["derived"]) == ("onchain", ["category:indicator_list"])
    row = one({"category": "mine"}, path="inbox/droid/session_102_macd_stochastic.json")
    assert (row["indicator"], row["category"], row["derived"]) == (None, "mine", [])


def test_names_of_files_give_the_senders_session() -> None:
    assert source_session("inbox/droid/session_101_rsi.json") == "101"
    assert source_session("inbox/s101.jsonl") == "101"
    assert source_session("inbox/Session-7/part.csv") == "7"
    assert source_session("inbox/thesession.json") is None
    assert source_session("inbox/qs3/data.json") is None
    assert category("  Order flow / depth ") == "order_flow_depth"


HOSTILE = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from(" .?!\t\n\r\x0b\x1c\x1f\x85\xa0\u3000\u2028\ufeff‘”«′。Ａßİǰ\u0301"),
    )
)


@settings(max_examples=300)
@given(st.lists(st.tuples(HOSTILE, HOSTILE, st.none() | HOSTILE), min_size=1, max_size=8))
def test_whole_columns_get_the_keys_that_their_rows_get_one_by_one(rows: list[tuple[str, str, str | None]]) -> None:
    columns = [pl.Series(texts, dtype=pl.String) for texts in zip(*rows, strict=True)]
    assert normal_forms(columns[0]).to_list() == [normal_form(text) for text, _, _ in rows]
    keys = pair_keys(*columns)
    assert keys["key"].to_list() == [content_key(*row) for row in rows]
    assert keys["question_key"].to_list() == [part_key(question) for question, _, _ in rows]
    assert keys["answer_key"].to_list() == [part_key(answer) for _, answer, _ in rows]
    assert keys["context_key"].to_list() == [part_key(context) if context else None for _, _, context in rows]


@settings(max_examples=300)
@given(st.lists(HOSTILE, min_size=1, max_size=8))
def test_the_quick_look_for_damage_finds_what_the_whole_pattern_finds(texts: list[str]) -> None:
    column = pl.Series(texts, dtype=pl.String)
    assert dirty(column).to_list() == column.str.contains(dirty_pattern()).to_list()
