"""Figures in; histograms of similarity by verdict with the thresholds marked, and matrices of large groups, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

VERDICT_COLOURS = {"merge": "#5a9e78", "review": "#d9a04e", "conflict": "#bf6a80", "variant": "#4c8fb5"}
WORDS = {"cosine": "meaning", "lexical": "words"}
SHOWN_FROM = 0.5
LABEL, ROOM = 30, 225  # signs of a label, and the room for them: a reader's font may be wider than the one measured


def alike_charts(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Name to chart: a histogram a method, a matrix a group."""
    found = {f"verdicts_{method}": _histogram(figures["similarities"], method) for method in WORDS}
    return found | {f"group_{n}": _matrix(group) for n, group in enumerate(figures["groups"], start=1)}


def _histogram(similarities: Mapping[str, Any], method: str) -> Any:
    from quality.report.charts import INK, WIDTH, _altair

    alt = _altair()
    bars = [row for row in similarities["bars"] if row["method"] == method and row["low"] >= SHOWN_FROM]
    rows = [row | {"high": round(row["low"] + similarities["step"], 2)} for row in _stacked(bars)]
    if not rows:
        return None
    x = alt.X(
        "low:Q",
        title=f"similarity by {WORDS[method]} of the less alike side, from {SHOWN_FROM}",
        scale=alt.Scale(domain=[SHOWN_FROM, 1.0]),
        axis=alt.Axis(format=".1f", tickCount=6),
    )
    colours = alt.Scale(domain=list(VERDICT_COLOURS), range=list(VERDICT_COLOURS.values()))
    drawn = alt.Chart(alt.Data(values=rows)).mark_rect()
    drawn = drawn.encode(
        x=x,
        x2="high:Q",
        y=alt.Y("from:Q", title="linked pairs", axis=alt.Axis(tickCount=4, format="~s", tickMinStep=1)),
        y2="to:Q",
        color=alt.Color("verdict:N", scale=colours),
    )
    marks: dict[float, list[str]] = {}
    for name, value in similarities["thresholds"].items():
        if name in (f"merge_{method}", f"review_{method}"):
            marks.setdefault(value, []).append(name.partition("_")[0])
    told = [
        {"at": value, "name": f"{' and '.join(names)} {value:g}", "line": n}
        for n, (value, names) in enumerate(sorted(marks.items()))
    ]
    if not told:
        return drawn.properties(width=WIDTH, height=190)
    lines = alt.Chart(alt.Data(values=told)).encode(x="at:Q")
    names = lines.mark_text(align="right", dx=-4, dy=4, baseline="top", fontSize=11, color=INK)
    rules = lines.mark_rule(strokeDash=[4, 3], color=INK)
    return alt.layer(drawn, rules, names.encode(text="name:N", y=alt.value(0))).properties(width=WIDTH, height=190)


def _stacked(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each bar with where it begins and ends on top of those of the verdicts before it."""
    found: list[dict[str, Any]] = []
    height: dict[float, int] = {}
    for verdict in VERDICT_COLOURS:
        for row in rows:
            if row["verdict"] == verdict:
                begins = height.get(row["low"], 0)
                height[row["low"]] = begins + row["links"]
                found.append(dict(row) | {"from": begins, "to": height[row["low"]]})
    return found


def _matrix(group: Mapping[str, Any]) -> Any:
    """Row and column 1 are the survivor; an empty field is a couple of which no link was found."""
    from quality.report.charts import GRID, INK, WIDTH, _altair

    alt = _altair()
    names = _told(group["questions"])
    numbered = [str(n + 1) for n in range(len(names))]
    known = [cell for cell in group["matrix"] if cell["similarity"] is not None]
    least = min([cell["similarity"] for cell in known] + [0.9])
    rows = [
        {
            "row": names[cell["a"]],
            "column": numbered[cell["b"]],
            "similarity": cell["similarity"],
            "text": "" if cell["a"] == cell["b"] else f"{cell['similarity']:.2f}",
            "dark": cell["similarity"] > (1 + least) / 2,
        }
        for cell in known
    ]
    across = alt.Scale(domain=numbered)
    labels = alt.Axis(labelLimit=ROOM, minExtent=ROOM)
    place = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("column:N", sort=None, title=None, scale=across, axis=alt.Axis(labelAngle=0, orient="top")),
        y=alt.Y("row:N", sort=None, title=None, scale=alt.Scale(domain=names), axis=labels),
    )
    shade = alt.Scale(domain=[least, 1.0], range=["#e8eef2", "#2f7396"])
    cells = place.mark_rect(stroke=GRID).encode(color=alt.Color("similarity:Q", scale=shade, legend=None))
    ink = alt.condition("datum.dark", alt.value("#ffffff"), alt.value("#23282f"))
    numbers = place.mark_text(fontSize=10 if len(names) <= 8 else 8).encode(text="text:N", color=ink)
    size = f"{group['size']:,} pairs" + (f", {len(names)} shown" if len(names) < group["size"] else "")
    title = alt.TitleParams(size, fontSize=11, fontWeight="normal", color=INK, anchor="start")
    return alt.layer(cells, numbers).properties(width=WIDTH, height=max(60, 24 * len(names)), title=title)


def _told(questions: Sequence[str]) -> list[str]:
    """Questions short enough for a label, from shortly before they begin to differ."""
    together = zip(*questions, strict=False) if len(questions) > 1 else ()
    common = sum(1 for _ in takewhile(lambda characters: len(set(characters)) == 1, together))
    start = common - 12 if common > 24 else 0
    texts = [f"…{text[start:]}" if start else text for text in questions]
    short = (text if len(text) <= LABEL else f"{text[:LABEL]}…" for text in texts)
    return [f"{n}  {text}" for n, text in enumerate(short, start=1)]
