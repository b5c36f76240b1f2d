"""Figures, and the manifest of the newest release, in; one HTML page out. Everything a stranger wrote is escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from quality.report.charts import charts
from quality.report.differences import differences
from quality.report.observations import observations, plural, share

if TYPE_CHECKING:
    from jinja2 import Template

TITLES = {
    "answer_words": "How long are the answers?",
    "grades": "How good are the pairs?",
    "categories": "Categories and their splits",
    "flags": "What was found wrong",
    "languages": "Languages",
    "links": "How alike are the questions?",
    "verdicts_cosine": "What was made of pairs alike by meaning",
    "verdicts_lexical": "What was made of pairs alike by words",
    "group_1": "The largest merged group",
    "group_2": "The second largest",
    "group_3": "The third largest",
    "group_4": "The fourth largest",
}
_STATUSES = ("kept", "merged", "review", "withheld", "retracted", "undecided")


def page(figures: Mapping[str, Any], *, release: Mapping[str, Any] | None = None, made_at: str | None = None) -> str:
    """The whole page as text. `made_at` is shown as given; without it the page holds no time."""
    from markupsafe import Markup

    pictures = {name: Markup(text) for name, text in charts(figures).items()}  # noqa: S704  # Vega escapes its labels
    flagged: dict[str, list[Mapping[str, Any]]] = {}
    for row in figures["samples"]["flags"]:
        flagged.setdefault(row["flag"], []).append(row)
    couples = {
        kind: [row | _marked(row) for row in figures["samples"][kind]] for kind in ("merges", "reviews", "conflicts")
    }
    return _template().render(
        f=figures,
        counts=figures["counts"],
        tiles=[(name, figures["counts"][name]) for name in _STATUSES if figures["counts"][name]],
        observations=observations(figures),
        charts=[(TITLES[name], picture) for name, picture in pictures.items()],
        couples=couples,
        flagged=flagged,
        sums=_sums(figures["counts"]),
        release=_release(release),
        made_at=made_at,
        share=share,
        plural=plural,
    )


def _marked(row: Mapping[str, Any]) -> dict[str, Any]:
    """The runs of both questions and both answers, so that the page can mark what differs."""
    one, other = row["one"], row["other"]
    questions = differences(one.get("question", ""), other.get("question", ""))
    answers = differences(one.get("answer", ""), other.get("answer", ""))
    return {"sides": [(one, questions[0], answers[0]), (other, questions[1], answers[1])]}


def _sums(counts: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """Every sum with its numbers put in, and whether it holds."""
    told: dict[str, Any] = {
        **counts,
        "new": counts["new_at_delivery"],
        "duplicates": counts["duplicates_at_delivery"],
        "told by the deliveries": counts["rejects_told"],
        **counts["splits"],
    }
    lines = []
    for name, holds in counts["adds_up"].items():
        terms = [f"{told[term]:,} {term}" if term in told else term for term in re.split(r" [=+] ", name)]
        signs = [*re.findall(r" [=+] ", name), ""]
        lines.append(("".join(term + sign for term, sign in zip(terms, signs, strict=True)), bool(holds)))
    return lines


def _release(manifest: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What the page says about a release: its name, rows a split and what each gate left out."""
    if not manifest:
        return None
    counts = manifest.get("counts") or {}
    left_out = counts.get("left_out") or {}
    return {
        "version": str(manifest.get("version", "")),
        "exported": counts.get("exported", 0),
        "splits": dict(manifest.get("splits") or {}),
        "left_out": {str(name): number for name, number in left_out.items() if number},
        "adds_up": counts.get("kept_pairs", 0) == counts.get("exported", 0) + sum(left_out.values()),
        "kept_pairs": counts.get("kept_pairs", 0),
    }


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    source = resources.files("quality.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["spoken"] = lambda name: str(name).replace("_", " ")
    return environment.from_string(source)
