"""quality/report: one safe page, the same bytes for the same store, and sentences that say what the figures say."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import Store, Tally, drain
from quality.assess import assess
from quality.audit import audit, figures
from quality.report import HTML, JSON, observations, page, pending, report
from quality.report.differences import differences
from quality.report.job import PICTURES
from quality.report.observations import plural, share

SECRET = "AKIA" + "QX7T2MLWZ9PB4RVN"
HOSTILE = '<script>alert(1)</script><img src=x onerror=alert(2)>"\'><a href="javascript:alert(3)">x</a>'

LISTS = ("repairs", "derived", "sources", "phrasings", "alternatives")


class Elements(HTMLParser):
    """Collects elements, attributes and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.values: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.values += [value or "" for name, value in attrs if name in {"href", "src", "xlink:href"}]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(html: str) -> Elements:
    found = Elements()
    found.feed(html)
    return found


@pytest.fixture
def full(store: Store, add_pairs: Any) -> Store:
    """A small store with everything in it, and hostile text wherever a stranger can put some."""
    rows: list[dict[str, Any]] = [
        {
            "question": f"What is number {n}?",
            "answer": f"It is number {n} of all.",
            "category": "c",
            "indicator": "i",
        }
        for n in range(8)
    ]
    rows.append(
        {"question": HOSTILE, "answer": f"{HOSTILE} \u202egnp.exe " + "A" * 4000 + f" {SECRET} n/a",
         "category": HOSTILE, "indicator": HOSTILE, "context": "\u2067שלום\u2067 " + HOSTILE, "occurrences": 2}
    )  # fmt: skip
    keys = sorted(add_pairs(store, rows))
    a, b = keys[0], keys[1]
    none: list[str] = []
    occurrences = pl.DataFrame(
        [{"key": k, "delivery": "d1", "position": "line:1"} for k in keys]
        + [{"key": keys[0], "delivery": "d2", "position": "line:2"}]
    ).with_columns(
        *(
            pl.lit(none, dtype=pl.List(pl.String)).alias(n)
            for n in ("repairs", "derived", "sources", "phrasings", "alternatives")
        ),
        raw_digest=pl.lit("x"),
    )
    with store.unit("resolve", "test") as unit:
        for delivery, path, sender, n in (("d1", "inbox/x.json", HOSTILE, 9), ("d2", "inbox/y.json", "zai", 1)):
            unit.execute(
                "INSERT INTO deliveries (delivery, path, sender, bytes, state, candidates, new, duplicates, recipe)"
                " VALUES (?, ?, ?, 1, 'accepted', ?, ?, ?, 'r')",
                [delivery, path, sender, n, n if n == 9 else 0, 0 if n == 9 else 1],
            )
        unit.execute(
            "INSERT INTO deliveries (delivery, path, bytes, state, reason, evidence, recipe)"
            " VALUES ('d3', ?, 1, 'refused', 'not_json', ?, 'r')",
            [f"inbox/{HOSTILE}.json", HOSTILE],
        )
        unit.insert("occurrences", occurrences)
        unit.execute("INSERT INTO rejects VALUES ('d1', 'line:9', 'no_answer', ?, NULL)", [HOSTILE])
        unit.execute("UPDATE deliveries SET rejects = 1 WHERE delivery = 'd1'")
        unit.execute(
            "INSERT INTO decisions SELECT key, CASE WHEN key = ? THEN 'merged' ELSE 'kept' END,"
            " CASE WHEN key = ? THEN ? ELSE key END, 'alike', ?, 'r' FROM pairs",
            [b, b, a, json.dumps({"why": HOSTILE})],
        )
        unit.execute("INSERT INTO links VALUES (?, ?, 'cosine', 0.97, 0.91, 0.8, 0.7, false, 'r')", [a, b])
        unit.execute(
            "INSERT INTO verdicts VALUES (?, ?, 'review', 'number_differs', '{\"numbers\": [1, 2]}')", [a, keys[2]]
        )
        unit.execute("INSERT INTO conflicts VALUES (?, ?, 'number', ?, NULL)", [a, keys[3], json.dumps(HOSTILE)])
        unit.execute("INSERT INTO splits SELECT key, 'train', key, NULL, NULL FROM pairs")
    drain(assess(store, meter=Tally()))
    drain(audit(store, meter=Tally()))
    return store


def test_what_strangers_wrote_cannot_become_markup(full: Store) -> None:
    html = page(figures(full))
    found = parsed(html)
    assert not found.tags & {"script", "img", "iframe", "a", "link", "object", "embed", "form"}
    assert not {name for name in found.attributes if name.startswith("on")}
    assert found.values == []
    assert "<script>alert(1)</script>" in "".join(found.text)
    assert "default-src 'none'" in html


def test_secrets_and_direction_overrides_do_not_reach_the_page_or_the_json(full: Store, tmp_path: Path) -> None:
    drain(report(full, tmp_path, meter=Tally()))
    for name in (HTML, JSON):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert SECRET not in text
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", text)
        assert "A" * 800 not in text


def test_the_page_needs_nothing_from_outside(full: Store) -> None:
    html = page(figures(full))
    without_names = re.sub(r'xmlns(:\w+)?="http://www\.w3\.org/[^"]*"', "", html)
    assert "http://" not in without_names
    assert "https://" not in without_names
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_the_same_store_gives_the_same_bytes(full: Store, tmp_path: Path) -> None:
    release = {
        "version": "v0001",
        "digest": "x",
        "splits": {"train": 3},
        "counts": {"kept_pairs": 4, "exported": 3, "left_out": {"secret": 1}},
    }
    for folder in ("one", "two"):
        drain(report(full, tmp_path / folder, meter=Tally(), release=release))
    for name in (HTML, JSON):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert json.loads((tmp_path / "one" / JSON).read_text(encoding="utf-8"))["release"]["version"] == "v0001"


def test_the_report_is_made_again_only_when_something_changed(full: Store, tmp_path: Path) -> None:
    assert pending(full, tmp_path).why == "no report.html and no quality_analysis_report.json yet"
    assert [step.unit for step in report(full, tmp_path, meter=Tally())] == [HTML]
    assert list(report(full, tmp_path, meter=Tally())) == []
    with full.unit("resolve", "again"):
        pass
    assert "resolve" in pending(full, tmp_path).why


def test_a_failure_leaves_the_former_report_and_the_next_run_makes_it(
    full: Store, tmp_path: Path, monkeypatch: Any
) -> None:
    drain(report(full, tmp_path, meter=Tally()))
    before = (tmp_path / HTML).read_bytes()
    with full.unit("resolve", "again"):
        pass
    monkeypatch.setattr("quality.report.job.page", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        drain(report(full, tmp_path, meter=Tally()))
    assert (tmp_path / HTML).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([HTML, JSON, PICTURES])
    monkeypatch.undo()
    assert drain(report(full, tmp_path, meter=Tally()))["reports"] == 1


def test_an_empty_store_gets_a_page_that_says_so(store: Store) -> None:
    html = page(figures(store))
    assert "No pair has come in" in html
    assert "<svg" not in html


def test_a_store_before_links_and_splits_gets_a_page(store: Store, add_pairs: Any) -> None:
    add_pairs(store, [{"question": "What is RSI?", "answer": "A momentum oscillator."}])
    drain(assess(store, meter=Tally()))
    html = page(figures(store))
    assert "How good are the pairs?" in html
    assert "How alike" not in html


def test_observations_tell_the_figures_and_not_more_than_asked(full: Store) -> None:
    seen = [one.text for one in observations(figures(full))]
    assert any("1 file of 3 could not be read" in text for text in seen)
    assert any("key, token or password" in text for text in seen)
    assert any("in common" in text for text in seen)
    assert len(observations(figures(full), most=3)) == 3


def test_a_sum_that_does_not_hold_comes_first(full: Store) -> None:
    found = figures(full)
    found["counts"]["adds_up"]["pairs = everything"] = False
    assert "do not balance" in observations(found)[0].text
    assert "does not hold" in page(found)


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 9, "none"), (1, 9, "1 in 9"), (4, 9, "44%"), (9, 9, "all"), (999, 1000, "99%"), (0, 0, "none")],
)
def test_shares_are_said_as_people_say_them(part: int, whole: int, said: str) -> None:
    assert share(part, whole) == said


def test_plurals() -> None:
    assert [plural(1, "pair"), plural(1204, "pair"), plural(2, "category")] == ["1 pair", "1,204 pairs", "2 categories"]


@given(st.text(max_size=80), st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_marked_differences_join_to_the_texts_again(one: str, other: str) -> None:
    left, right = differences(one, other)
    assert "".join(text for text, _ in left) == one
    assert "".join(text for text, _ in right) == other
    if one == other:
        assert not any(differs for _, differs in left + right)


def test_a_changed_number_is_what_is_marked() -> None:
    left, right = differences("RSI uses 14 days by default.", "RSI uses 9 days by default.")
    assert [text for text, differs in left if differs] == ["14"]
    assert [text for text, differs in right if differs] == ["9"]


def test_the_pictures_show_verdicts_by_similarity_and_the_largest_group_and_stand_as_files(tmp_path: Path) -> None:
    from quality.report.alike import alike_charts
    from quality.report.charts import svg

    bars = [{"method": "cosine", "verdict": v, "low": 0.9, "links": n} for v, n in (("merge", 3), ("review", 5))]
    matrix = [{"a": i, "b": j, "similarity": None if {i, j} == {1, 2} else 1.0 - 0.05 * abs(i - j)}
              for i in range(3) for j in range(3)]  # fmt: skip
    group = {
        "survivor": "k",
        "size": 9,
        "keys": list("kab"),
        "questions": ["<b>What", "What is", "Why"],
        "matrix": matrix,
    }
    figures = {
        "similarities": {"step": 0.02, "bars": bars, "thresholds": {"merge_cosine": 0.9, "review_cosine": 0.85}},
        "groups": [group],
    }
    drawn = {name: svg(chart, name=name) for name, chart in alike_charts(figures).items() if chart is not None}
    assert set(drawn) == {"verdicts_cosine", "group_1"}
    assert "merge 0.9" in drawn["verdicts_cosine"]
    assert "review 0.85" in drawn["verdicts_cosine"]
    assert "9 pairs, 3 shown" in drawn["group_1"]
    assert drawn["group_1"].count(">0.95<") == 2
    assert "<b>" not in drawn["group_1"]


def test_pictures_lie_beside_the_report_and_old_ones_go(full: Store, tmp_path: Path) -> None:
    (tmp_path / PICTURES).mkdir()
    (tmp_path / PICTURES / "group_9.svg").write_text("old", encoding="utf-8")
    drain(report(full, tmp_path, meter=Tally()))
    names = {path.stem for path in (tmp_path / PICTURES).iterdir()}
    assert "grades" in names
    assert "group_9" not in names
