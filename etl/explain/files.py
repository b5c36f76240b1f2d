"""FILE or FILE:LINE in; the pair, the reject or the refusal that stands there out."""

from __future__ import annotations

from etl.errors import NotFoundError
from etl.explain.explanation import Explanation, Row, rows
from etl.explain.pairs import pair_of_keys
from etl.explain.words import said
from etl.store import Store


def delivery_of(store: Store, path: str) -> Row:
    """The delivery with this path or end of a path; empty where there is none."""
    wanted = path.replace("\\", "/").removeprefix("./")
    found = rows(
        store,
        """SELECT delivery, path, sender, source_session, state, reason, evidence, container, encoding, shape,
                  records, candidates, new, duplicates, rejects, format
           FROM deliveries WHERE path = $1 OR ends_with(path, '/' || $1) OR ends_with($1, '/' || path) ORDER BY path""",
        [wanted],
    )
    exact = [row for row in found if row["path"] == wanted]
    if len(found) > 1 and len(exact) != 1:
        shown = ", ".join(row["path"] for row in found[:5])
        raise NotFoundError(f"{path} fits {len(found)} deliveries: {shown}; give more of the path")
    return (exact or found or [{}])[0]


def joined_side(store: Store, path: str) -> tuple[Row, str] | None:
    """The newest join that has read this file, and as which side; None where there is none."""
    for side in ("questions", "answers"):
        found = rows(
            store,
            f"""SELECT path FROM deliveries WHERE shape = 'joined' AND state = 'accepted' AND (
                $1 = format->>'$.details.joined.{side}.file'
                OR ends_with($1, '/' || (format->>'$.details.joined.{side}.file'))) ORDER BY modified DESC, path""",
            [path.replace("\\", "/")],
        )
        if found:
            return delivery_of(store, found[0]["path"]), side
    return None


def whole(position: str) -> str:
    """A bare number is a line."""
    return f"line:{position}" if position.isdigit() else position


def record_at(store: Store, what: str, delivery: Row, position: str) -> Explanation:
    """The pair or the reject at a position of a delivery."""
    bare = position.partition("#")[0]
    number = bare.rpartition(":")[2]
    # a person counts lines; in a JSON array the n-th record stands at /n or .../n
    fits = """(position = $2 OR split_part(position, '#', 1) IN ($2, 'line:' || $3, 'row:' || $3)
              OR ends_with(split_part(position, '#', 1), '/' || $3) OR starts_with(position, $2 || '+answers:')
              OR (starts_with($2, 'answers:') AND list_contains(
                  string_split(split_part(position, '+answers:', 2), ','), split_part($2, 'answers:', 2))))"""
    here = [delivery["delivery"], position, number]
    keys = store.query(f"SELECT DISTINCT key FROM occurrences WHERE delivery = $1 AND {fits} ORDER BY key", here)["key"]
    if len(keys):
        return pair_of_keys(store, what, keys.to_list())
    rejects = rows(
        store,
        f"SELECT position, reason, evidence, raw FROM rejects WHERE delivery = $1 AND {fits} ORDER BY position",
        here,
    )
    if rejects:
        first = rejects[0]
        summary = f"rejected: {said(first['reason'])}" + (f" ({first['evidence']})" if first["evidence"] else "")
        return Explanation(what, "rejected", summary, delivery=delivery, rejects=rejects)
    if delivery["state"] != "accepted":
        return whole_file(store, what, delivery)
    raise NotFoundError(
        f"{delivery['path']} has no record at {position}; it has {delivery['records']} records. "
        f"Positions look like {_example(store, delivery['delivery'])}"
    )


def _example(store: Store, delivery: str) -> str:
    found = store.query(
        """SELECT position FROM occurrences WHERE delivery = $1
           UNION ALL SELECT position FROM rejects WHERE delivery = $1 ORDER BY position LIMIT 1""",
        [delivery],
    )["position"].to_list()  # fmt: skip
    return str(found[0]) if found else "line:7"


def whole_file(store: Store, what: str, delivery: Row) -> Explanation:
    """What became of a delivered file."""
    rejects = rows(
        store, "SELECT position, reason, evidence, raw FROM rejects WHERE delivery = ? ORDER BY position LIMIT 20",
        [delivery["delivery"]],
    )  # fmt: skip
    state = delivery["state"]
    salvaged = (delivery["format"] or {}).get("details", {}).get("salvaged")
    if state == "accepted":
        summary = (
            f"accepted: {delivery['records']} records gave {delivery['new']} new pairs and "
            f"{delivery['duplicates']} duplicates; {delivery['rejects']} were rejected"
        )
        if salvaged:
            end = f"byte {salvaged['from_byte']:,} of {salvaged['bytes']:,}"
            summary += f"; salvaged: the JSON is broken and was read up to {end}"
        return Explanation(what, "delivery", summary, delivery=delivery, rejects=rejects)
    summary = f"{state}: {said(delivery['reason'] or 'no reason kept')}"
    summary += f" ({delivery['evidence']})" if delivery["evidence"] else ""
    kind = state if state in ("refused", "unmapped") else "delivery"
    return Explanation(what, kind, summary, delivery=delivery, rejects=rejects)
