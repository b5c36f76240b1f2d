"""A frame of candidates in; the same frame repaired and keyed out, and rejects for texts that a repair left empty."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from etl.keys import pair_keys
from etl.normalise.names import Names
from etl.normalise.repair import INVISIBLE, dirty, repair_text
from etl.plain import all_printable

TEXTS = ("question", "answer", "context", "indicator", "category", "licence")
LISTS = ("phrasings", "alternatives", "sources")
_EMPTY = f"^{INVISIBLE}*$"
_NAME_RULES = {"indicator": "alias", "category": "spelling"}
_SEPARATOR = "\x1f"  # between the rules of one row, until they become a list


@dataclass(frozen=True, slots=True)
class Normalised:
    """`candidates` as given, repaired, with key, question_key, answer_key, context_key, repairs and raw.

    `rejects` (position, reason, evidence, raw, and `delivery` where the candidates had one) are the candidates whose
    question or answer is empty now: `empty_question`, `empty_answer`.
    """

    candidates: pl.DataFrame
    rejects: pl.DataFrame


@dataclass(slots=True)
class _Changes:
    """What was changed: rules and former values by row number."""

    rules: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    raw: dict[int, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))

    def note(self, row: int, name: str, rules: tuple[str, ...], before: Any) -> None:
        self.rules[row] += [f"{name}:{rule}" for rule in rules]
        self.raw[row].setdefault(name, before)


def normalise(candidates: pl.DataFrame, *, aliases: Mapping[str, str] | None = None) -> Normalised:
    """Repair the texts, unify the names, take the keys.

    `candidates` has the columns of `etl.read.CANDIDATES` and any others, which stay. Where a column `path` is among
    them, a missing indicator or category is taken from it where a folder or the file is named so, or from the list of
    known indicators, and said in `derived`. `aliases` goes from another name of an indicator to the one to show.
    """
    known, changes = Names.known(aliases), _Changes()
    frame = candidates.with_columns(_repaired(candidates[name], changes) for name in TEXTS)
    frame = frame.with_columns(_repaired_lists(candidates[name], changes) for name in LISTS)
    renamed = {
        "indicator": _renamed(frame["indicator"], known.indicator),
        "category": _renamed(frame["category"], known.category),
    }
    frame = _noted(frame, changes, renamed)
    frame = _derived(frame, known)
    empty = _is_empty(frame["question"].fill_null("")) | _is_empty(frame["answer"].fill_null(""))
    rejects = _rejects(frame.filter(empty), candidates.filter(empty))
    return Normalised(_keyed(frame.filter(~empty) if empty.any() else frame), rejects)


def _repaired(texts: pl.Series, changes: _Changes) -> pl.Series:
    """Most texts are clean, which Rust finds out; only the others are looked at one by one."""
    if texts.null_count() == len(texts):
        return texts
    rows = dirty(texts).arg_true()
    stripped = texts.str.strip_chars()
    if len(rows):
        before = texts.gather(rows).to_list()
        done = {text: repair_text(text) for text in dict.fromkeys(before)}
        for row, text in zip(rows.to_list(), before, strict=True):
            if done[text][1]:
                changes.note(row, texts.name, done[text][1], text)
        stripped = stripped.scatter(rows, [done[text][0] for text in before])
    elif (stripped.str.len_bytes() == texts.str.len_bytes()).all():
        stripped = texts  # the same bytes need not lie in memory twice
    if texts.name in ("question", "answer"):
        return stripped
    blank = _is_empty(stripped)
    return stripped.set(blank, None) if blank.any() else stripped


def _is_empty(texts: pl.Series) -> pl.Series:
    """Texts without a visible character. What begins with an ASCII one, after stripping, is none of them."""
    if not (texts.str.len_bytes() == 0).any() and (
        all_printable(texts) or not texts.str.contains(r"^[^\x00-\x7f]").any()
    ):
        return pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True).alias(texts.name)
    return texts.str.contains(_EMPTY).fill_null(value=False)


def _repaired_lists(lists: pl.Series, changes: _Changes) -> pl.Series:
    """Each text of a list, repaired; empty ones go."""
    filled = lists.fill_null([]) if lists.null_count() else lists
    lengths = filled.list.len()
    texts = filled.filter(lengths > 0).explode()
    odd = dirty(texts) | texts.is_null() | (texts.str.strip_chars().str.len_bytes() != texts.str.len_bytes())
    odd |= texts.str.len_bytes() == 0
    if not odd.any():
        return filled
    members = pl.DataFrame(
        {"row": pl.int_range(len(lists), eager=True).filter(lengths > 0), "text": lists.filter(lengths > 0)}
    )
    rows = members.explode("text").filter(odd.fill_null(value=True))["row"].unique().sort()
    values = filled.to_list()
    for row in rows.to_list():
        done = [repair_text(text) for text in values[row] if text]
        rules = tuple(dict.fromkeys(rule for _, applied in done for rule in applied))
        if rules:
            changes.note(row, lists.name, rules, values[row])
        values[row] = [text for text, _ in done if text]
    return pl.Series(lists.name, values, dtype=lists.dtype)


def _renamed(column: pl.Series, rename: Callable[[str], str]) -> pl.Series:
    """One spelling for each distinct name."""
    table = {name: rename(name) for name in column.drop_nulls().unique().to_list()}
    renamed = {name: shown for name, shown in table.items() if name != shown}
    return column.replace(renamed) if renamed else column


def _noted(frame: pl.DataFrame, changes: _Changes, renamed: Mapping[str, pl.Series]) -> pl.DataFrame:
    """Put `repairs` and `raw` beside the rows, and the new names in.

    Whole deliveries spell a category their own way, with few distinct names: each combination is written down once.
    """
    former = [frame[name].set((frame[name] == shown).fill_null(value=True), None) for name, shown in renamed.items()]
    shown = frame.with_columns(series.alias(name) for name, series in renamed.items())
    touched = pl.Series(list(changes.rules), dtype=pl.UInt32).sort()
    for series in former:
        touched = touched.extend(series.is_not_null().arg_true()) if series.null_count() < len(series) else touched
    if not len(touched):
        return shown.with_columns(
            pl.lit([], dtype=pl.List(pl.String)).alias("repairs"), pl.lit(None, dtype=pl.String).alias("raw")
        )
    rows = touched.unique().sort()
    repairs: list[str] = []
    raw: list[str] = []
    written: dict[tuple[str | None, ...], tuple[str, str]] = {}
    before_names = zip(*(series.gather(rows).to_list() for series in former), strict=True)
    for row, names_before in zip(rows.to_list(), before_names, strict=True):
        if row in changes.rules or names_before not in written:
            rules, before = [*changes.rules.get(row, [])], dict(changes.raw.get(row, {}))
            for name, value in zip(renamed, names_before, strict=True):
                if value is not None:
                    rules.append(f"{name}:{_NAME_RULES[name]}")
                    before.setdefault(name, value)
            texts = _SEPARATOR.join(rules), json.dumps(before, ensure_ascii=False, sort_keys=True)
            if row not in changes.rules:
                written[names_before] = texts
        else:
            texts = written[names_before]
        repairs.append(texts[0])
        raw.append(texts[1])
    at = pl.DataFrame({"repairs": repairs, "raw": raw}, schema={"repairs": pl.String, "raw": pl.String})
    place = pl.repeat(None, frame.height, dtype=pl.UInt32, eager=True).scatter(rows, range(len(rows)))
    noted = at.select(pl.all().gather(place))
    return shown.with_columns(noted["repairs"].str.split(_SEPARATOR).fill_null([]), noted["raw"])


def _derived(frame: pl.DataFrame, known: Names) -> pl.DataFrame:
    """Fill a missing indicator and category from the path, then a missing category from the indicator."""
    if "path" in frame.columns:
        paths = frame["path"].drop_nulls().unique().to_list()
        said = {path: known.from_path(path) for path in paths}
        for name in ("indicator", "category"):
            for where in ("settings", "file_name", "folder"):
                table = {path: found[name][0] for path, found in said.items() if found.get(name, ("", ""))[1] == where}
                frame = _filled(frame, name, "path", table, where)
    indicators = frame["indicator"].drop_nulls().unique().to_list()
    listed = {name: group for name in indicators if (group := known.category_of(name)) is not None}
    return _filled(frame, "category", "indicator", listed, "indicator_list")


def _filled(frame: pl.DataFrame, name: str, source: str, table: Mapping[str, str | None], where: str) -> pl.DataFrame:
    """Fill one column from another where it is empty; `derived` says so as `category:folder`."""
    if not table:
        return frame
    found = pl.col(source).replace_strict(table, default=None, return_dtype=pl.String)
    fill = pl.col(name).is_null() & found.is_not_null()
    return frame.with_columns(
        pl.when(fill).then(found).otherwise(pl.col(name)).alias(name),
        pl.when(fill)
        .then(pl.col("derived").list.concat(pl.lit([f"{name}:{where}"])))
        .otherwise(pl.col("derived"))
        .alias("derived"),
    )


def _keyed(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(**pair_keys(frame["question"], frame["answer"], frame["context"]))


def _rejects(empty: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """One reject a candidate without a question or answer; `before` has the same rows as they came."""
    raw = [
        json.dumps({"question": question, "answer": answer}, ensure_ascii=False)[:2000]
        for question, answer in zip(before["question"], before["answer"], strict=True)
    ]
    missing = pl.when(pl.col("question").fill_null("").str.contains(_EMPTY)).then(pl.lit("question"))
    return empty.select(
        *(["delivery"] if "delivery" in empty.columns else []),
        "position",
        pl.lit("empty_").add(missing.otherwise(pl.lit("answer"))).alias("reason"),
        pl.lit("nothing visible is left; repairs: ").add(pl.col("repairs").list.join(", ")).alias("evidence"),
        pl.Series("raw", raw, dtype=pl.String),
    )
