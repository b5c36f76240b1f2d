"""What the link job does besides searching: dropping what is outdated, trimming crowds, grouping equal answers."""

from __future__ import annotations

import polars as pl

from embeddings.link.rows import MOST_ALIKE, MOST_OTHER
from etl.progress import Progress
from etl.recipe import Recipe
from etl.store import Store, Unit

JOB = "link"
BOILERPLATE_QUESTIONS = 5  # one answer under so many different questions is a group of its own

# A pair's search is void when its recipe is outdated or the pair is no longer live, and when a crowded pair has lost
# links since its crowd was written down: a weaker link that was trimmed may have to come back.
VOID = """
    WITH live AS (SELECT key FROM pairs WHERE occurrences > 0),
    kept AS (SELECT a, b FROM links SEMI JOIN live ON live.key = a WHERE method = $method),
    both_live AS (SELECT a, b FROM kept SEMI JOIN live ON live.key = b),
    crowd AS (SELECT key, group_id FROM groups WHERE kind = $crowd),
    sides AS (SELECT a AS key FROM both_live UNION ALL SELECT b FROM both_live),
    counted AS (SELECT key, count(*)::VARCHAR AS links FROM sides SEMI JOIN crowd USING (key) GROUP BY key)
    SELECT DISTINCT s.key
    FROM searches s
    LEFT JOIN live ON live.key = s.key
    LEFT JOIN crowd ON crowd.key = s.key
    LEFT JOIN counted ON counted.key = s.key
    WHERE s.method = $method
      AND (s.recipe <> $recipe OR live.key IS NULL
           OR (crowd.key IS NOT NULL AND counted.links IS DISTINCT FROM crowd.group_id))
    ORDER BY s.key
"""
VOID_LINKS = """
    FROM links WHERE method = $method
      AND (recipe <> $recipe
        OR a IN (FROM void) OR b IN (FROM void)
        OR NOT EXISTS (FROM pairs p WHERE p.key = links.a AND p.occurrences > 0)
        OR NOT EXISTS (FROM pairs p WHERE p.key = links.b AND p.occurrences > 0))
"""
# votes: each pair keeps its most alike partners, those whose answers are alike and the others apart
VOTES = f"""
    WITH sides AS (
        SELECT a AS one, b AS other, a, b, question_similarity AS q, answer_similarity AS s, s >= $answer AS alike
        FROM links WHERE method = $method
        UNION ALL
        SELECT b, a, a, b, question_similarity, answer_similarity AS s, s >= $answer
        FROM links WHERE method = $method
    )
    SELECT a, b FROM sides
    QUALIFY row_number() OVER (PARTITION BY one, alike ORDER BY q DESC, s DESC, other)
        <= if(alike, {MOST_ALIKE}, {MOST_OTHER})
"""
CROWDED = f"""
    WITH sides AS (
        SELECT a AS key, answer_similarity >= $answer AS alike FROM links WHERE method = $method
        UNION ALL
        SELECT b, answer_similarity >= $answer FROM links WHERE method = $method
    )
    SELECT $crowd AS kind, count(*)::VARCHAR AS group_id, key FROM sides GROUP BY key
    HAVING count(*) FILTER (WHERE alike) >= {MOST_ALIKE} OR count(*) FILTER (WHERE NOT alike) >= {MOST_OTHER}
    ORDER BY key
"""
BOILERPLATE = f"""
    WITH often AS (
        SELECT answer_key FROM pairs WHERE occurrences > 0 GROUP BY ALL HAVING count(*) >= {BOILERPLATE_QUESTIONS}
    )
    SELECT 'boilerplate' AS kind, answer_key AS group_id, key FROM pairs SEMI JOIN often USING (answer_key)
    WHERE occurrences > 0
    QUALIFY count(DISTINCT question_key) OVER (PARTITION BY answer_key) >= {BOILERPLATE_QUESTIONS}
    ORDER BY group_id, key
"""


def outdated(store: Store, method: str, made: Recipe) -> tuple[pl.DataFrame, int]:
    """The keys whose searches no longer hold, and the number of links that do not."""
    parameters = {"method": method, "recipe": made.digest}
    void = store.query(VOID, parameters | {"crowd": f"crowd_{method}"})
    return void, int(store.query(f"SELECT count(*) {VOID_LINKS}", parameters, void=void).item())


def sweep(store: Store, method: str, made: Recipe) -> Progress | None:
    """Drop searches and links that no longer hold, in a unit of its own; None where all hold."""
    void, count = outdated(store, method, made)
    if void.is_empty() and not count:
        return None
    name = f"{method} outdated"
    with store.unit(JOB, name, recipe=made) as unit:
        links = unit.execute(f"DELETE {VOID_LINKS}", {"method": method, "recipe": made.digest}, void=void)
        unit.execute("DELETE FROM searches WHERE method = ? AND key IN (FROM void)", [method], void=void)
        unit.counts["outdated"] = links
    return Progress(JOB, name, 0, void.height, {"outdated": links})


def unsettled(store: Store, method: str) -> bool:
    """Whether crowds or groups are not what the links and pairs make of them, as after a stop before the last unit."""
    units = store.query(
        "SELECT unit FROM ledger WHERE job = ? AND starts_with(unit, ?) ORDER BY seq DESC LIMIT 1", [JOB, f"{method} "]
    )
    if units.height and units.item() != f"{method} groups":
        return True
    before = store.query("SELECT * FROM groups WHERE kind = 'boilerplate' ORDER BY group_id, key")
    return not store.query(BOILERPLATE).equals(before)


def refresh_groups(
    store: Store, method: str, made: Recipe, *, answer_floor: float
) -> tuple[str, dict[str, int]] | None:
    """Trim crowds and write the groups anew, where that is needed: the unit's name and counts, or None."""
    if not unsettled(store, method):
        return None
    parameters = {"method": method, "answer": answer_floor}
    name = f"{method} groups"
    with store.unit(JOB, name, recipe=made) as unit:
        unit.counts["trimmed"] = _trim(unit, parameters)
        crowded = unit.query(CROWDED, parameters | {"crowd": f"crowd_{method}"})
        unit.execute("DELETE FROM groups WHERE kind IN ('boilerplate', ?)", [f"crowd_{method}"])
        unit.counts["crowded"] = unit.insert("groups", crowded)
        unit.counts["boilerplate"] = unit.insert("groups", unit.query(BOILERPLATE))
        counts = dict(unit.counts)
    return name, counts


def _trim(unit: Unit, parameters: dict[str, object]) -> int:
    crowd: pl.DataFrame = unit.query(f"SELECT key FROM ({CROWDED})", parameters | {"crowd": ""})
    if crowd.is_empty():
        return 0
    voted = f"FROM ({VOTES}) v WHERE v.a = links.a AND v.b = links.b"
    return unit.execute(f"DELETE FROM links WHERE method = $method AND NOT EXISTS ({voted})", parameters)
