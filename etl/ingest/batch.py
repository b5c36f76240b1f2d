"""Deliveries that were read in; one committed unit out, its books checked before the commit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from etl.errors import StoreError
from etl.ingest.plan import DIED, VERSION, Known
from etl.ingest.settle import FULL, in_pieces, settle
from etl.ingest.walk import File
from etl.normalise import Normalised, normalise
from etl.read.joined import LACKING, parts_of
from etl.recipe import Recipe
from etl.store import Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.read import Reading

_NTH = r"#\d+$"
_DELIVERY: dict[str, pl.DataType] = {
    "delivery": pl.String(), "path": pl.String(), "sender": pl.String(), "source_session": pl.String(),
    "bytes": pl.Int64(), "modified": pl.Datetime("us"), "state": pl.String(), "reason": pl.String(),
    "evidence": pl.String(), "container": pl.String(), "encoding": pl.String(), "shape": pl.String(),
    "format": pl.String(), "records": pl.Int64(), "candidates": pl.Int64(), "new": pl.Int64(),
    "duplicates": pl.Int64(), "rejects": pl.Int64(), "attempts": pl.Int32(), "recipe": pl.String(),
}  # fmt: skip
_REJECT = pl.Schema(dict.fromkeys(["delivery", "position", "reason", "evidence", "raw"], pl.String()))


@dataclass(slots=True)
class Early:
    """Normalises the first parts of a large delivery while its reader goes on: two processors share the work."""

    delivery: str
    path: str
    aliases: Mapping[str, str]
    height: int = 0
    done: list[Normalised] = field(default_factory=list)

    def take(self, part: pl.DataFrame | None) -> None:
        """Normalise one part; None: forget all of them."""
        if part is None:
            self.height, self.done = 0, []
            return
        self.height += part.height
        normal = normalise(_named(part, self.delivery, self.path), aliases=self.aliases)
        self.done.append(Normalised(_full(normal.candidates), normal.rejects))


@dataclass(frozen=True, slots=True)
class Delivered:
    """One file whose content was read, or whose reader died (`reading` is then a refusal)."""

    file: File
    delivery: str
    recipe: Recipe
    reading: Reading
    path: str  # where it was first seen
    sender: str | None
    source_session: str | None
    attempts: int
    before: Known | None  # what the store knew of it
    early: Early | None = None  # what was normalised while the rest was still being read
    names: dict[str, list[str]] | None = None  # see `etl.ingest.touched`

    @property
    def only_died(self) -> bool:
        """Accepted before, and its reader died now, or a join lacks one of its files: what it gave stays until it is
        read or parked."""
        refusal = self.reading.refusal
        return (
            self.before is not None
            and self.before.state == "accepted"
            and refusal is not None
            and refusal.reason in (DIED, *LACKING)
        )


@dataclass(slots=True)
class Prepared:
    """A batch, normalised: everything that a unit writes, worked out before it opens."""

    delivered: list[Delivered]
    occurrences: pl.DataFrame  # FULL
    rejects: pl.DataFrame

    @classmethod
    def of(cls, delivered: Sequence[Delivered], *, aliases: Mapping[str, str]) -> Prepared:
        """Normalise the candidates of all deliveries together. Raises `StoreError` where a record is unaccounted."""
        listed = list(delivered)
        if not listed:
            return cls([], FULL.to_frame(), _REJECT.to_frame())
        done = [part for item in listed if item.early for part in item.early.done]
        rest = [_named(_rest(item), item.delivery, item.path) for item in listed]
        done.append(normalise(pl.concat(rest), aliases=aliases))
        given = [item.reading.rejects.with_columns(delivery=pl.lit(item.delivery)) for item in listed]
        rejects = pl.concat([frame.select(_REJECT.names()) for frame in (*given, *(part.rejects for part in done))])
        kept = [part.candidates if "live" in part.candidates.columns else _full(part.candidates) for part in done]
        prepared = cls([_light(item) for item in listed], pl.concat(kept, rechunk=False), rejects)
        prepared._check_records()
        return prepared

    def _check_records(self) -> None:
        positions = pl.concat(
            [self.occurrences.select("delivery", "position"), self.rejects.select("delivery", "position")]
        )
        if positions["position"].str.contains("#", literal=True).any():
            positions = positions.with_columns(pl.col("position").str.replace(_NTH, ""))
        found = Counter(dict(positions.group_by("delivery").agg(pl.col("position").n_unique()).iter_rows()))
        for item in self.delivered:
            if found[item.delivery] != item.reading.records:
                raise StoreError(
                    f"{item.path}: {item.reading.records} records were read, but {found[item.delivery]} gave "
                    "candidates or rejects. This is a bug in its reader; please report it with the file."
                )

    def write(self, unit: Unit) -> None:
        """Write the batch, less what another writer has done meanwhile, and check the books."""
        self._leave_out_done(unit)
        held = _take_out(unit, [item.delivery for item in self.delivered if not item.only_died])
        new, candidates = self._new(unit, held), _by_delivery(self.occurrences)
        pairs = unit.query("SELECT count(*) AS n FROM pairs").item()
        pieces, self.occurrences = in_pieces(self.occurrences), self.occurrences.clear()
        settled = settle(unit, pieces=pieces, keys=held["key"])
        unit.insert("rejects", self.rejects)
        rows = self._rows(new, candidates)
        _name_recipes(unit, {item.recipe.digest: item.recipe for item in self.delivered}.values())
        unit.execute(
            "INSERT OR REPLACE INTO deliveries BY NAME SELECT * FROM delivery_rows",
            delivery_rows=rows,
        )
        for item in self.delivered:
            if item.only_died:
                unit.execute(
                    "UPDATE deliveries SET reason = ?, evidence = ?, attempts = ? WHERE delivery = ?",
                    [
                        item.reading.refusal.reason if item.reading.refusal else None,
                        item.reading.refusal.evidence if item.reading.refusal else None,
                        item.attempts,
                        item.delivery,
                    ],
                )
        _set_parts_aside(unit, self.delivered)
        self._check(unit, rows, pairs + settled.inserted - settled.removed)
        unit.counts.update(_counts(rows, len(self.delivered)))

    def _leave_out_done(self, unit: Unit) -> None:
        ours = pl.DataFrame(
            [(d.delivery, d.recipe.digest) for d in self.delivered], schema=["delivery", "recipe"], orient="row"
        )
        done = unit.query(
            """
            SELECT d.delivery FROM deliveries d JOIN ours o ON o.delivery = d.delivery
            WHERE d.state = 'retracted' OR (d.recipe = o.recipe AND d.reason IS DISTINCT FROM ?)
            """,
            [DIED],
            ours=ours.cast(pl.String),
        )["delivery"]
        if len(done):
            self.delivered = [item for item in self.delivered if item.delivery not in set(done)]
            self.occurrences = self.occurrences.filter(~pl.col("delivery").is_in(done.implode()))
            self.rejects = self.rejects.filter(~pl.col("delivery").is_in(done.implode()))

    def _new(self, unit: Unit, held: pl.DataFrame) -> Counter[str]:
        """How many pairs each delivery is the first to bring.

        A delivery that is read again and gives the same pairs keeps its claims. Pairs held by others that are read
        again are claimed anew, unless a delivery read by the same code holds them by now; so after everything was read
        again the claims add up as before.
        """
        given = self.occurrences.select("key", "delivery")
        kept = _same_as_before(unit, held, given) if held.height else Counter()
        held = held.filter(~pl.col("delivery").is_in(list(kept)))
        first = given.filter(~pl.col("delivery").is_in(list(kept)))
        first = first.unique("key", keep="first", maintain_order=True)
        known = unit.query("SELECT p.key FROM pairs p SEMI JOIN first USING (key)", first=first)
        new = first.join(known, on="key", how="anti")
        if held.height:
            claimed = unit.query(
                """
                SELECT DISTINCT o.key FROM occurrences o SEMI JOIN held h ON h.key = o.key
                JOIN deliveries d ON d.delivery = o.delivery
                JOIN recipes r ON r.recipe = d.recipe AND r.version = $version
                """,
                {"version": VERSION},
                held=held,
            )
            again = first.join(held, on="key", how="semi").join(claimed, on="key", how="anti")
            again = again.join(known, on="key", how="semi")
            new = pl.concat([new, again])
        return _by_delivery(new) + kept

    def _rows(self, new: Counter[str], candidates: Counter[str]) -> pl.DataFrame:
        rejects = _by_delivery(self.rejects)
        rows = [
            _row(item)
            | {
                "candidates": candidates[item.delivery],
                "new": new[item.delivery],
                "duplicates": candidates[item.delivery] - new[item.delivery],
                "rejects": rejects[item.delivery],
            }
            for item in self.delivered
            if not item.only_died
        ]
        return pl.DataFrame(rows, schema=_DELIVERY)

    def _check(self, unit: Unit, rows: pl.DataFrame, pairs: int) -> None:
        """Compare the figures of the deliveries with the rows that are really there."""
        for table, figure in (("occurrences", "candidates"), ("rejects", "rejects")):
            wrong = unit.query(
                f"""
                SELECT r.path, r.{figure} AS expected, count(t.delivery) AS found
                FROM delivery_rows r LEFT JOIN {table} t ON t.delivery = r.delivery
                GROUP BY ALL HAVING expected <> found
                """,
                delivery_rows=rows.select("delivery", "path", figure),
            )
            if wrong.height:
                path, expected, found = wrong.row(0)
                raise StoreError(f"{path}: {expected} {figure} were counted, but {found} rows are in {table}")
        there = unit.query("SELECT count(*) AS n FROM pairs").item()
        if there != pairs:
            raise StoreError(f"{pairs} pairs were expected after this unit, but {there} are there")


def _named(candidates: pl.DataFrame, delivery: str, path: str) -> pl.DataFrame:
    return candidates.with_columns(delivery=pl.lit(delivery), path=pl.lit(path))


def _full(candidates: pl.DataFrame) -> pl.DataFrame:
    return candidates.with_columns(live=pl.lit(True)).select(FULL.names())


def _same_as_before(unit: Unit, held: pl.DataFrame, given: pl.DataFrame) -> Counter[str]:
    """How many pairs each delivery was the first to bring, of those that give just the pairs that they held."""
    now = given.unique()
    changed = pl.concat(
        [one.join(other, on=["delivery", "key"], how="anti") for one, other in ((held, now), (now, held))],
        how="diagonal",
    )
    same = held.select("delivery").unique().join(changed, on="delivery", how="anti")
    return Counter(
        dict(unit.query("SELECT delivery, new FROM deliveries SEMI JOIN same USING (delivery)", same=same).iter_rows())
    )


def _light(item: Delivered) -> Delivered:
    """The delivery without its candidates, whose texts would lie in memory while the normalised ones are stored."""
    reading = item.reading
    session = item.source_session or _only_session(reading.candidates)
    if item.early is not None:
        item.early.take(None)
    light = replace(reading, candidates=reading.candidates.clear(), apart=reading.records)
    return replace(item, source_session=session, reading=light)


def _rest(item: Delivered) -> pl.DataFrame:
    """The candidates that are not normalised yet."""
    return item.reading.candidates.slice(item.early.height if item.early else 0)


def _by_delivery(rows: pl.DataFrame) -> Counter[str]:
    return Counter(dict(rows.group_by("delivery").len().iter_rows()))


def _row(item: Delivered) -> dict[str, Any]:
    reading, decided = item.reading, item.reading.format
    return {
        "delivery": item.delivery,
        "path": item.path,
        "sender": item.sender,
        "source_session": item.source_session,
        "bytes": item.file.bytes,
        "modified": datetime.fromtimestamp(item.file.modified_ns / 1e9, UTC).replace(tzinfo=None),
        "state": reading.state,
        "reason": reading.refusal.reason if reading.refusal else None,
        "evidence": reading.refusal.evidence if reading.refusal else None,
        "container": decided.container if decided else None,
        "encoding": decided.encoding if decided else None,
        "shape": decided.shape if decided else None,
        "format": _format_json(reading, item.names),
        "records": reading.records,
        "attempts": item.attempts,
        "recipe": item.recipe.digest,
    }


def _format_json(reading: Reading, names: dict[str, list[str]] | None) -> str | None:
    """The decision and the names that were given; for an unmapped delivery the mapping that is proposed to the user."""
    if reading.refusal is None or not reading.refusal.proposal:
        made = reading.format
        more = {} if names is None else {"names": names}
        return replace(made, details={**made.details, **more}).to_json() if made else None
    decided = json.loads(reading.format.to_json()) if reading.format else {}
    return json.dumps(decided | {"proposal": reading.refusal.proposal}, sort_keys=True, ensure_ascii=False)


def _only_session(candidates: pl.DataFrame) -> str | None:
    sessions = candidates["source_session"].unique()
    return sessions.item() if len(sessions) == 1 else None


def _counts(rows: pl.DataFrame, files: int) -> dict[str, int]:
    sums = {name: int(rows[name].sum()) for name in ("records", "candidates", "new", "duplicates", "rejects")}
    states = {state: int((rows["state"] == state).sum()) for state in ("refused", "unmapped")}
    return {"files": files} | sums | states


def _take_out(unit: Unit, deliveries: Sequence[str]) -> pl.DataFrame:
    """Delete what those of the deliveries that are known gave before; returns the (delivery, key) that they held."""
    given = pl.DataFrame({"delivery": deliveries}, schema={"delivery": pl.String})
    again = unit.query("SELECT delivery FROM deliveries SEMI JOIN given USING (delivery)", given=given)
    if not again.height:
        return pl.DataFrame(schema={"delivery": pl.String, "key": pl.String})
    held = unit.query("SELECT DISTINCT delivery, key FROM occurrences SEMI JOIN again USING (delivery)", again=again)
    for table in ("occurrences", "rejects"):
        unit.execute(f"DELETE FROM {table} WHERE delivery IN (SELECT delivery FROM again)", again=again)
    return held


def _set_parts_aside(unit: Unit, delivered: Sequence[Delivered]) -> None:
    """A file that was refused by itself counts as read once a join has read it."""
    for item in delivered:
        if parts := parts_of(item.reading):
            unit.execute(
                """
                UPDATE deliveries SET state = 'retracted', reason = 'joined', evidence = ?
                WHERE delivery IN (?, ?) AND state IN ('refused', 'unmapped')
                """,
                [f"read as a part of {item.path}", *parts],
            )


def _name_recipes(unit: Unit, recipes: Iterable[Recipe]) -> None:
    """Write down what each digest stands for; the ledger row names only one."""
    for made in recipes:
        unit.execute(
            "INSERT INTO recipes VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [made.digest, made.name, made.version, json.dumps(dict(made.parameters), sort_keys=True)],
        )
