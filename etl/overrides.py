"""What people decide about two pairs goes in and stays for good; `resolve` reads what stands.

Nothing is ever changed or deleted here: taking a decision back is one more row. A decision takes effect when `resolve`
runs next. Keys may be given by their first six digits or more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from etl.errors import MotherlodeError, NotFoundError
from etl.resolve.pins import BOTH_RIGHT, Pin, Pins, pair_of, stacks
from etl.store import Store

JOB = "override"
PREFIX = 6
ADDABLE = ("merge", "keep_both", "conflict", "survivor", "conflict_settled")
_HEX = re.compile(rf"[0-9a-f]{{{PREFIX},32}}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done: `data` for programs, `text` for people."""

    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


def find_key(store: Store, prefix: str) -> str:
    """The key that begins with these digits.

    Raises `NotFoundError` when they are fewer than six or no digits, when no key begins so, or more than one does.
    """
    wanted = prefix.strip().casefold()
    if not _HEX.fullmatch(wanted):
        raise NotFoundError(f"{prefix!r} is no key: give its first {PREFIX} hex digits or more")
    found = store.query(
        "SELECT key FROM pairs WHERE starts_with(key, ?) ORDER BY key LIMIT 6", [wanted]
    )["key"].to_list()  # fmt: skip
    if not found:
        raise NotFoundError(f"no pair has a key that begins with {wanted}; search for it with `etl search TEXT`")
    if len(found) > 1:
        shown = ", ".join(key[: len(wanted) + 6] for key in found[:5]) + (" ..." if len(found) > 5 else "")
        raise NotFoundError(f"several keys begin with {wanted}: {shown}; give more digits")
    return str(found[0])


def add(store: Store, key: str, other: str, verdict: str, *, who: str, note: str | None = None) -> Outcome:
    """Decide about two pairs.

    `merge`: they are one, whatever the links say. `keep_both`: never merge them, never ask again. `conflict`: they
    contradict each other, and stand in the contradiction ledger until settled. `survivor`: in their merge `key` stays.
    `conflict_settled`: `key` is right. The newest standing decision on two pairs holds.
    """
    if verdict not in ADDABLE:
        raise MotherlodeError(f"{verdict!r} is no decision; known are {', '.join(ADDABLE)}")
    if verdict == "conflict_settled":
        return settle(store, key, other, right=key, who=who, note=note)
    first, second = _two(store, key, other)
    number = append(store, first, second, verdict, who=who, note=note)
    says = {
        "conflict": f"{first[:10]} and {second[:10]} contradict each other; both are kept",
        "merge": f"{first[:10]} and {second[:10]} become one group",
        "keep_both": f"{first[:10]} and {second[:10]} are both kept and not asked about again",
        "survivor": f"{first[:10]} goes before {second[:10]} when they are merged",
    }[verdict]
    return Outcome(f"override {number}: {says}", _data(number, first, second, verdict))


def settle(store: Store, a: str, b: str, *, right: str, who: str, note: str | None = None) -> Outcome:
    """Say which of two contradicting pairs is right: the key of one, or 'both'. The conflict stays on record, settled.

    Raises `NotFoundError` when the two are not in the contradiction ledger, and no person put them there.
    """
    first, second = _two(store, a, b)
    two = pair_of(first, second)
    known = store.value("SELECT count(*) FROM conflicts WHERE a = ? AND b = ?", list(two))
    if not known and not standing(store).by_pair.get(two, Pin(0)).conflict:
        raise NotFoundError(
            f"{first[:10]} and {second[:10]} are not in the contradiction ledger; `etl conflict list` shows what is"
        )
    if right == "both":
        words = BOTH_RIGHT
    else:
        chosen = find_key(store, right)
        if chosen not in (first, second):
            raise NotFoundError(
                f"{right} is neither {first[:10]} nor {second[:10]}; give one of the two keys, or 'both'"
            )
        first, second = chosen, second if chosen == first else first
        words = "key right"  # said outright, so that no note of a person can read like the other kind
    said = f"{words}: {note}" if note else words
    number = append(store, first, second, "conflict_settled", who=who, note=said)
    says = "both are right" if right == "both" else f"{first[:10]} is right, {second[:10]} is not"
    return Outcome(f"override {number}: {says}", _data(number, first, second, "conflict_settled") | {"right": right})


def undo(store: Store, what: str, *, who: str, note: str | None = None) -> Outcome:
    """Take back what was decided about a pair: its merge, else the one decision of a person that stands on it.

    A merge is undone for good, by `keep_both` against the survivor; the text says when the pair would next join another
    one. A decision of a person is withdrawn; `what` may also be its id. Raises `NotFoundError` when there is nothing
    to take back, or more than one thing.
    """
    if what.strip().isdecimal() and len(what.strip()) < PREFIX:
        return withdraw(store, int(what), who, note)
    key = find_key(store, what)
    rows = store.query("SELECT status, survivor FROM decisions WHERE key = ?", [key]).rows()
    if not rows or rows[0][0] != "merged":
        return _undo_decision(store, key, rows[0][0] if rows else "not decided yet", who=who, note=note)
    survivor = str(rows[0][1])
    number = append(store, key, survivor, "keep_both", who=who, note=note)
    text = f"override {number}: {key[:10]} is no longer merged into {survivor[:10]}, and will not be again"
    others = _other_ties(store, key, survivor)
    if others:
        named = ", ".join(k[:10] for k in others[:3])
        text += f"; it is also the same as {named}, which it may join: undo again to stop that"
    return Outcome(text, _data(number, key, survivor, "keep_both") | {"may_join": others})


def _undo_decision(store: Store, key: str, state: str, *, who: str, note: str | None) -> Outcome:
    """Withdraw the one standing decision on a pair that is not merged."""
    found = stacks(store.query("SELECT * FROM overrides").rows(named=True))
    mine = [stack[-1] for two, stack in sorted(found.items()) if stack and key in two]
    if not mine:
        raise NotFoundError(f"{key[:10]} is not merged (it is {state}), so there is nothing to undo")
    if len(mine) > 1:
        told = ", ".join(f"{row['id']} ({row['verdict']})" for row in mine)
        raise NotFoundError(f"{key[:10]} is not merged, and several decisions stand on it: {told}; undo one by its id")
    return withdraw(store, int(mine[0]["id"]), who, note)


def withdraw(store: Store, what: int | tuple[str, str], who: str, note: str | None = None) -> Outcome:
    """Take a decision back, by its id or by its two keys; what stood before it stands again.

    Raises `NotFoundError` when there is none, when it was taken back before, or when a newer one lies on top of it.
    """
    rows = store.query("SELECT * FROM overrides").rows(named=True)
    if isinstance(what, int):
        found = next((row for row in rows if row["id"] == what), None)
        if found is None or found["verdict"] == "withdrawn":
            raise NotFoundError(f"there is no decision {what} to take back; `etl override list` shows them")
        two = pair_of(found["key"], found["other"])
    else:
        two = pair_of(*_two(store, *what))
    stack = stacks(rows).get(two, [])
    if not stack or (isinstance(what, int) and what not in [row["id"] for row in stack]):
        raise NotFoundError(f"nothing stands there to take back ({what}); `etl override list` shows what stands")
    top = stack[-1]
    if isinstance(what, int) and top["id"] != what:
        raise NotFoundError(f"decision {top['id']} on the same two pairs is newer; withdraw that one first")
    number = append(store, top["key"], top["other"], "withdrawn", who=who, note=note)
    text = f"override {number}: {top['verdict']} ({top['id']}) of {two[0][:10]} and {two[1][:10]} is taken back"
    if len(stack) > 1:
        text += f"; {stack[-2]['verdict']} ({stack[-2]['id']}) stands again"
    return Outcome(text, _data(number, *two, "withdrawn") | {"withdrew": top["id"]})


def listed(store: Store) -> pl.DataFrame:
    """All rows, oldest first, with `stands`: whether the row still holds."""
    rows = store.query("SELECT * FROM overrides ORDER BY id")
    standing = [row["id"] for stack in stacks(rows.iter_rows(named=True)).values() for row in stack]
    return rows.with_columns(stands=pl.col("id").is_in(standing))


def standing(store: Store) -> Pins:
    """What people's decisions amount to now."""
    return Pins.standing(store.query("SELECT * FROM overrides").iter_rows(named=True))


def conflicts(store: Store, *, settled: bool = False) -> pl.DataFrame:
    """The contradiction ledger: a, b, kind, question, answer_a, answer_b, evidence, settled; open ones first.

    `settled` also lists those that a person has settled.
    """
    return store.query(
        """
        SELECT c.a, c.b, c.kind, p.question, p.answer AS answer_a, q.answer AS answer_b, c.evidence, c.settled
        FROM conflicts c JOIN pairs p ON p.key = c.a JOIN pairs q ON q.key = c.b
        WHERE ? OR c.settled IS NULL
        ORDER BY c.settled IS NOT NULL, c.a, c.b
        """,
        [settled],
    )


def _two(store: Store, key: str, other: str) -> tuple[str, str]:
    first, second = find_key(store, key), find_key(store, other)
    if first == second:
        raise MotherlodeError(f"{key} and {other} are the same pair ({first[:10]}); a decision needs two")
    return first, second


def append(store: Store, key: str, other: str, *verdicts: str, who: str, note: str | None = None) -> int:
    """Write down decisions about two whole keys, in one unit; returns the id of the last. Nothing is looked up."""
    if not who.strip():
        raise MotherlodeError("a decision needs a name: say who decides (--who)")
    at = store.now().replace(tzinfo=None)
    with store.unit(JOB, f"{' and '.join(verdicts)} {key[:10]} {other[:10]}") as unit:
        number = int(unit.query("SELECT coalesce(max(id), 0) AS id FROM overrides").item())
        for verdict in verdicts:
            number += 1
            unit.execute(
                "INSERT INTO overrides VALUES (?, ?, ?, ?, ?, ?, ?)",
                [number, key, other, verdict, who.strip(), at, note],
            )
        unit.counts["overrides"] = len(verdicts)
    return number


def _other_ties(store: Store, key: str, survivor: str) -> list[str]:
    """Kept pairs other than the survivor that a verdict `merge` ties this one to, or to which people did."""
    return list(
        store.query(
            """
            SELECT DISTINCT v.other
            FROM (SELECT b AS other FROM verdicts WHERE a = $key AND verdict = 'merge'
                  UNION SELECT a FROM verdicts WHERE b = $key AND verdict = 'merge') v
            JOIN decisions d ON d.key = v.other AND d.status <> 'merged'
            WHERE v.other <> $survivor
            ORDER BY other
            """,
            {"key": key, "survivor": survivor},
        )["other"].to_list()
    )


def _data(number: int, key: str, other: str, verdict: str) -> dict[str, Any]:
    return {"id": number, "key": key, "other": other, "verdict": verdict}
