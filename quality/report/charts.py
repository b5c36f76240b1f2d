"""Figures in, small calm charts as SVG text out, drawn offline by vl-convert. No scripts, no fonts, no network.

Ink and grid lines have colours of their own that the page's style sheet replaces in dark mode.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

INK, GRID = "#3b4350", "#dfe3e8"
BLUE, AMBER, GREEN, ROSE = "#4c8fb5", "#d9a04e", "#6aa67c", "#bf6a80"
SPLIT_COLOURS = {"train": BLUE, "validation": AMBER, "test": GREEN}
GRADE_COLOURS = {"A": "#5a9e78", "B": "#83ad6c", "C": "#d9b45a", "D": "#d98f53", "F": "#bf6a80"}
WIDTH = 380

_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "autosize": {"type": "fit-x", "contains": "padding"},
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal",
        "gridColor": GRID, "domainColor": GRID, "tickColor": GRID, "labelLimit": 130, "titlePadding": 8,
    },
    "legend": {"labelColor": INK, "titleColor": INK, "labelFontSize": 11, "orient": "top", "title": None},
    "bar": {"cornerRadiusEnd": 2},
}  # fmt: skip


def _altair() -> Any:
    """altair, imported when the first chart is drawn; its stubs do not describe its channels, hence Any."""
    import altair

    return altair


def charts(figures: Mapping[str, Any]) -> dict[str, str]:
    """Name to SVG, for those charts that have something to show."""
    from quality.report.alike import alike_charts

    drawn = {
        "answer_words": _answer_words(figures),
        "grades": _grades(figures),
        "categories": _categories(figures),
        "flags": _flags(figures),
        "languages": _languages(figures),
        "links": _links(figures),
        **alike_charts(figures),
    }
    return {name: svg(chart, name=name) for name, chart in drawn.items() if chart is not None}


def svg(chart: Any, *, name: str) -> str:
    """An Altair chart as SVG text: without fixed size, so that the page can scale it; escaped by Vega itself.

    Vega numbers its clip paths through the life of the process; here they count from 0 within `name`.
    """
    import vl_convert

    text: str = vl_convert.vegalite_to_svg(chart.configure(**_CONFIG).to_dict())
    numbers = {found: str(place) for place, found in enumerate(dict.fromkeys(re.findall(r'id="clip(\d+)"', text)))}
    text = re.sub(r'(id="|url\(#)clip(\d+)', lambda m: f"{m[1]}{name}-clip{numbers.get(m[2], m[2])}", text)
    return re.sub(r'^(<svg[^>]*?) width="\d+" height="\d+"', r'\1 role="img"', text, count=1)


def _chart(rows: Sequence[Mapping[str, Any]], *, height: int) -> Any:
    alt = _altair()

    return alt.Chart(alt.Data(values=[dict(row) for row in rows])).properties(width=WIDTH, height=height)


def _with_numbers(bars: Any, *, color: Any) -> Any:
    """Horizontal bars with their number at the end, so that the small ones can be read too."""
    alt = _altair()
    numbers = bars.mark_text(align="left", dx=4, fontSize=11, color=INK).encode(text=alt.Text("pairs:Q", format=","))
    return alt.layer(bars.mark_bar().encode(color=color), numbers)


def _count_axis(field: str, title: str, *, room_for: int = 0) -> Any:
    """A horizontal axis of counts; `room_for` the largest one leaves space for its number behind the bar."""
    alt = _altair()

    scale = alt.Scale(domain=[0, room_for * 1.18], nice=False) if room_for else alt.Undefined
    return alt.X(f"{field}:Q", title=title, axis=alt.Axis(tickCount=4, format="~s", tickMinStep=1), scale=scale)


def _answer_words(figures: Mapping[str, Any]) -> Any:
    alt = _altair()

    bars = figures["answer_words"]["bars"]
    if not any(bar["pairs"] for bar in bars):
        return None
    rows = [{"words": _range(bar["from"], bar["to"]), "pairs": bar["pairs"]} for bar in bars]
    return (
        _chart(rows, height=170)
        .mark_bar(color=BLUE)
        .encode(
            x=alt.X("words:N", sort=None, title="words in the answer", axis=alt.Axis(labelAngle=-45)),
            y=alt.Y("pairs:Q", title="pairs", axis=alt.Axis(tickCount=4, format="~s", tickMinStep=1)),
        )
    )


def _grades(figures: Mapping[str, Any]) -> Any:
    alt = _altair()

    rows = [{"grade": grade, "pairs": count} for grade, count in figures["grades"].items()]
    if not any(row["pairs"] for row in rows):
        return None
    colours = alt.Scale(domain=list(GRADE_COLOURS), range=list(GRADE_COLOURS.values()))
    bars = _chart(rows, height=150).encode(
        y=alt.Y("grade:N", sort=None, title=None),
        x=_count_axis("pairs", "pairs", room_for=max(row["pairs"] for row in rows)),
    )
    return _with_numbers(bars, color=alt.Color("grade:N", scale=colours, legend=None))


def _categories(figures: Mapping[str, Any]) -> Any:
    alt = _altair()

    names = figures["categories"][:12]
    rows = [
        {"category": row["category"] or "(none)", "split": split, "pairs": row[split], "place": place}
        for row in names
        for place, split in enumerate(SPLIT_COLOURS)
    ]
    if not any(row["pairs"] for row in rows):
        rows = [
            {"category": row["category"] or "(none)", "split": "not split yet", "pairs": row["pairs"], "place": 0}
            for row in names
        ]
    if not rows:
        return None
    colours = alt.Scale(domain=list(SPLIT_COLOURS), range=list(SPLIT_COLOURS.values()))
    if rows[0]["split"] not in SPLIT_COLOURS:
        colours = alt.Scale(domain=["not split yet"], range=[BLUE])
    return (
        _chart(rows, height=22 * len(names) + 10)
        .mark_bar()
        .encode(
            y=alt.Y("category:N", sort=None, title=None),
            x=_count_axis("pairs", "kept pairs"),
            color=alt.Color("split:N", scale=colours),
            order=alt.Order("place:Q"),
        )
    )


def _flags(figures: Mapping[str, Any]) -> Any:
    alt = _altair()

    rows = [
        {
            "flag": row["flag"].replace("_", " "),
            "pairs": row["pairs"],
            "kind": "left out by default" if row["gate"] else "told",
        }
        for row in figures["flags"][:14]
        if row["pairs"]
    ]
    if not rows:
        return None
    colours = alt.Scale(domain=["told", "left out by default"], range=[AMBER, ROSE])
    bars = _chart(rows, height=20 * len(rows) + 10).encode(
        y=alt.Y("flag:N", sort=None, title=None),
        x=_count_axis("pairs", "pairs", room_for=max(row["pairs"] for row in rows)),
    )
    return _with_numbers(bars, color=alt.Color("kind:N", scale=colours))


def _languages(figures: Mapping[str, Any]) -> Any:
    alt = _altair()

    rows = figures["languages"][:10]
    if len(rows) < 2:
        return None
    bars = _chart(rows, height=18 * len(rows) + 10).encode(
        y=alt.Y("language:N", sort=None, title=None),
        x=_count_axis("pairs", "pairs", room_for=max(row["pairs"] for row in rows)),
    )
    return _with_numbers(bars, color=alt.value(GREEN))


def _links(figures: Mapping[str, Any]) -> Any:
    alt = _altair()

    bars = figures["links"]["bars"]
    if not bars:
        return None
    rows = [row | {"similarity": f"{row['low']:.2f}"} for row in bars]
    order = sorted({row["similarity"] for row in rows})
    methods = sorted({row["method"] for row in rows})
    colours = alt.Scale(domain=methods, range=[BLUE, AMBER, GREEN, ROSE][: len(methods)])
    return (
        _chart(rows, height=170)
        .mark_bar()
        .encode(
            x=alt.X(
                "similarity:N", sort=order, title="similarity of the questions, from", axis=alt.Axis(labelAngle=-45)
            ),
            y=alt.Y("links:Q", title="links", axis=alt.Axis(tickCount=4, format="~s", tickMinStep=1)),
            color=alt.Color("method:N", scale=colours),
        )
    )


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f"{low:,}+"
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"
