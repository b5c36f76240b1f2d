"""A `Harvest` in, the files of a release out (all but the manifest), with the rows of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from etl.errors import StoreError
from etl.export.gather import SIDES, SPLITS, Harvest
from etl.export.terms import Terms
from etl.export.write import write_table
from etl.store import Store

Vectors = npt.NDArray[np.float32]
WriteIndex = Callable[[Vectors, Path], None]

METHODS = {"merged_cosine": "cosine", "merged_lexical": "lexical"}
COLUMNS = (
    "key", "question", "answer", "context", "indicator", "category", "language", "grade", "score", "status", "flags",
    "sources", "licences", "phrasings", "alternatives", "occurrences", "group_id",
)  # fmt: skip


def build(store: Store, folder: Path, harvest: Harvest, terms: Terms, write_index: WriteIndex | None) -> dict[str, int]:
    """Write every file into `folder`; returns {file name: rows}."""
    rows: dict[str, int] = {}
    for split in SPLITS:
        part = harvest.rows.filter(pl.col("split") == split).select(COLUMNS)
        for form in terms.settings["formats"]:
            rows[write_table(part, folder, split, form, csv_safe=terms.csv_safe).name] = part.height
    rag = rag_rows(harvest)
    rows[write_table(rag, folder, "rag_export", "json").name] = rag.height
    groups = _merged_groups(harvest)
    rows[_write_lines(folder / "duplicate_analysis_detailed.json", groups, array=True)] = len(groups)
    facts = _contradictions(harvest)
    rows[_write_lines(folder / "contradictions.jsonl", facts)] = len(facts)
    if write_index is not None and terms.vectors_recipe is not None:
        for side in SIDES:
            rows |= _write_vectors(store, folder, side, harvest, terms.vectors_recipe, write_index)
    return rows


def bytes_of_indexes(store: Store, harvest: Harvest, terms: Terms) -> int:
    """What the two indexes and their id maps will take on the disk: the vectors and 35 bytes a key."""
    size = store.value("SELECT max(len(vector)) FROM vectors WHERE recipe = ?", [terms.vectors_recipe or ""])
    return sum(keys.height for keys in harvest.with_vectors.values()) * (4 * size + 35)


def rag_rows(harvest: Harvest) -> pl.DataFrame:
    """One row an exported pair. Alternate phrasings: its own and those of the pairs merged into it, sorted."""
    own = harvest.rows.select("key", "phrasings")
    theirs = harvest.members.select(key="survivor", phrasings=pl.concat_list(pl.col("question"), "phrasings"))
    wordings = (
        pl.concat([own, theirs])
        .explode("phrasings")
        .drop_nulls("phrasings")
        .join(harvest.rows.select("key", "question"), on="key")
        .filter(pl.col("phrasings") != pl.col("question"))
        .group_by("key")
        .agg(alternate_phrasings=pl.col("phrasings").unique().sort())
    )
    nothing = pl.lit([], dtype=pl.List(pl.String))
    return (
        harvest.rows.join(wordings, on="key", how="left", maintain_order="left")
        .with_columns(pl.col("alternate_phrasings").fill_null(nothing))
        .select(
            "key", "question", "answer", "context", "indicator", "category", "sources", "licences", "language", "grade",
            "split", "alternate_phrasings", "alternatives", "occurrences",
        )
    )  # fmt: skip


def _merged_groups(harvest: Harvest) -> list[dict[str, Any]]:
    """Every survivor with what was merged into it: by which method, how alike question and answer are, and why."""
    by_key = {k: list(g) for k, g in groupby(harvest.links.iter_rows(named=True), key=lambda link: link["key"])}
    survivors = harvest.rows.join(harvest.members, left_on="key", right_on="survivor", how="semi")
    texts = {key: (question, answer) for key, question, answer in survivors["key", "question", "answer"].iter_rows()}
    found = []
    for survivor, members in groupby(harvest.members.iter_rows(named=True), key=lambda member: member["survivor"]):
        listed = [_member(member, by_key.get(member["key"], [])) for member in members]
        question, answer = texts[survivor]
        found.append(
            {"survivor": survivor, "question": question, "answer": answer, "size": len(listed) + 1, "members": listed}
        )
    return found


def _member(member: dict[str, Any], links: list[dict[str, Any]]) -> dict[str, Any]:
    """One merged pair. Similarities are those to the survivor by the method that decided; None where people did."""
    method = METHODS.get(member["reason"], "person")
    own = next((link for link in links if link["method"] == method), None)
    return {
        "key": member["key"],
        "question": member["question"],
        "answer": member["answer"],
        "decision": "merged",
        "method": method,
        "question_similarity": None if own is None else own["question_similarity"],
        "answer_similarity": None if own is None else own["answer_similarity"],
        "reason": member["reason"],
        "evidence": _json(member["evidence"]),
        "links": [{k: v for k, v in link.items() if k != "key"} for link in links],
    }


def _contradictions(harvest: Harvest) -> list[dict[str, Any]]:
    """Both sides of every open or settled contradiction, with the typed evidence."""
    texts = harvest.rows.select("key", "question", "answer", "split")
    joined = harvest.contradictions.join(texts, left_on="a", right_on="key").join(
        texts, left_on="b", right_on="key", suffix="_b"
    )
    return [
        {
            "kind": row["kind"],
            "settled": row["settled"],
            "evidence": _json(row["evidence"]),
            "split": row["split"],
            "a": {"key": row["a"], "question": row["question"], "answer": row["answer"]},
            "b": {"key": row["b"], "question": row["question_b"], "answer": row["answer_b"]},
        }
        for row in joined.sort("a", "b", "kind").iter_rows(named=True)
    ]


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _write_lines(path: Path, rows: list[dict[str, Any]], *, array: bool = False) -> str:
    # not orjson: evidence may hold numbers longer than 64 bits
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8") for row in rows]
    data = b"[\n" + b",\n".join(lines) + b"\n]\n" if array else b"".join(line + b"\n" for line in lines)
    path.write_bytes(data)
    return path.name


def _write_vectors(
    store: Store, folder: Path, side: str, harvest: Harvest, recipe: str, write_index: WriteIndex
) -> dict[str, int]:
    """`questions.faiss` and `questions.ids.json` (position -> key), or those of answers; nothing without vectors."""
    wanted = harvest.with_vectors[side]
    if wanted.is_empty():
        return {}
    texts = store.query(
        f"""
        SELECT w.key, substr(sha256(p.{side}), 1, 32) AS text_key
        FROM wanted w JOIN pairs p USING (key) ORDER BY w.key
        """,
        wanted=wanted,
    )
    # unsorted, then put in order by position: sorting the lists in SQL took three times as long
    found = store.query(
        "SELECT v.text_key, v.vector FROM vectors v SEMI JOIN texts USING (text_key) WHERE v.recipe = ?",
        [recipe],
        texts=texts,
    )
    places = found.select("text_key").with_row_index("place").unique("text_key", keep="first", maintain_order=True)
    order = texts.join(places, on="text_key", maintain_order="left")
    if not order["key"].equals(wanted["key"]):
        raise StoreError("vectors were taken away while a release was being built: run the export again")
    size = len(found["vector"][0])
    matrix = found["vector"].cast(pl.Array(pl.Float32, size)).to_numpy()[order["place"].to_numpy()]
    index, ids = folder / f"{side}s.faiss", folder / f"{side}s.ids.json"
    write_index(matrix, index)
    ids.write_bytes(orjson.dumps(order["key"].to_list()))
    return {index.name: order.height, ids.name: order.height}
