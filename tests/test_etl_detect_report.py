"""What `etl detect` says of a file: decisions with confidence and evidence, pairs, rejects, and nothing kept."""

import gzip
import json
import random
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from etl.detect import compact, report, reports, show
from etl.detect.format import Refusal
from etl.detect.mapping import by_content, by_names
from etl.detect.outline import Column, Outline
from etl.errors import DeliveryError, SettingsError
from etl.read.examine import examine
from etl.read.file import read_as
from etl.read.limits import Limits
from etl.read.recogniser import Recogniser
from etl.shapes import recognise
from etl.shapes.base import Match
from orchestration.cli import run
from orchestration.looking import fields_of

FAQ = "question,answer,url,level\n" + "".join(
    f"What is item {i}?,Item {i} is a thing of some length.,https://example.org/{i},easy\n" for i in range(30)
)
SIDE_BY_SIDE = {"flat", "alpaca", "labelled_answers", "title_ask_answer", "self_instruct"}
ASKED = [{"col_a": f"Item {i} is made of wood and steel, as usual.", "col_b": f"What is item {i}?"} for i in range(20)]


def test_the_report_says_container_encoding_shape_and_fields_with_confidence_and_evidence(tmp_path: Path) -> None:
    path = tmp_path / "faq.csv"
    path.write_text(FAQ + ",no question,x,easy\n", encoding="utf-8")
    found = report(path)
    assert (found.state, found.records, found.pairs, found.rejected) == ("accepted", 31, 30, 1)
    for part, value in ((found.container, "csv"), (found.encoding, "utf-8"), (found.shape, "flat")):
        assert (part["value"], part["confidence"] > 0.9, bool(part["evidence"])) == (value, True, True)
    assert {row["field"]: row["name"] for row in found.fields} == {
        "question": "question", "answer": "answer", "sources": "url",
    }  # fmt: skip
    assert found.unused == [{"name": "level", "why": "kept as metadata"}]
    assert [row["position"] for row in found.samples] == ["line:2", "line:3", "line:4"]
    assert found.rejects == [
        {"reason": "empty_question", "count": 1, "positions": ["line:32"], "evidence": None},
    ]
    shown = show(found)
    assert max(map(len, shown.splitlines())) <= 80
    assert "1 empty_question: line:32" in shown
    assert "kept as metadata: 'level'" in shown


def test_a_refused_file_says_why_and_has_no_pairs(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("date,open,close\n" + "2024-01-01,1.5,2.5\n" * 9, encoding="utf-8")
    found = report(path)
    assert (found.state, found.reason, found.samples) == ("refused", "tabular", [])
    assert "columns are numbers" in show(found)


def test_an_unmapped_file_shows_figures_a_proposal_and_what_to_do(tmp_path: Path) -> None:
    rows = [{"col_a": f"Say {i}", "col_b": f"Text {i} of it", "col_c": f"What {i}?"} for i in range(20)]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    found = report(path)
    assert found.state == "unmapped"
    assert found.proposal["question"] == "col_c"
    assert {row["name"]: row["question_marks"] for row in found.columns} == {"col_a": 0.0, "col_b": 0.0, "col_c": 1.0}
    assert "etl mapping accept" in " ".join(show(found).split())
    tried = report(path, mapping={"question": "col_c", "answer": "col_b"})
    assert (tried.state, tried.pairs, tried.fields[0]["evidence"]) == ("accepted", 20, "a person said so")


def test_unknown_names_are_mapped_by_content_where_it_is_sure() -> None:
    found = recognise(Outline.of(ASKED))
    assert isinstance(found, Match)
    assert found.mapping.fields == {"question": "col_b", "answer": "col_a"}
    assert "100% end in a question mark" in found.mapping.evidence[0]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Wie hoch ist Berg {}", "Berg {} misst einige tausend Meter und ist damit recht hoch."),
        ("¿Cuál es la altura del monte {}?", "El monte {} mide unos miles de metros."),
        ("ما هو ارتفاع الجبل {}؟", "ارتفاع الجبل {} عدة آلاف من الأمتار."),
        ("第{}座山有多高？", "第{}座山高几千米，山上常年有雪，夏天也很冷。"),
        ("第{}号药可以和酒一起吃吗", "第{}号药不可以和酒一起吃，应当先问医生，再决定用量。"),
        ("Explain the height of mount {}", "Mount {} is some thousand metres high."),
    ],
)
def test_questions_of_several_languages_are_told_from_answers(question: str, answer: str) -> None:
    rows = [{"f1x": answer.format(i), "f2x": question.format(i), "lvl": "easy"} for i in range(20)]
    found = recognise(Outline.of(rows))
    assert isinstance(found, Match), found
    assert (found.mapping.fields["question"], found.mapping.fields["answer"]) == ("f2x", "f1x")


def test_html_that_repeats_the_answer_and_names_of_programs_are_no_rivals() -> None:
    rows = [
        {"f1": f"Thing {i} is of wood, with {i} parts.", "f2": f"<p>Thing {i} is of wood, with {i} parts.</p>",
         "f3": f"What is thing {i}?", "f4": f"make_thing_{'ab'[i % 2] * (i + 1)}"}
        for i in range(20)
    ]  # fmt: skip
    found = recognise(Outline.of(rows))
    assert isinstance(found, Match), found
    assert (found.mapping.fields["question"], found.mapping.fields["answer"]) == ("f3", "f1")


@pytest.mark.parametrize("answers", [["a {}", "b {}"], [{"text": "a {}"}], {"text": ["a {}"], "start": [3]}])
def test_lists_of_texts_are_proposed_and_never_taken_for_answers_unasked(answers: Any) -> None:
    rows = [{"x": f"What is {i}?", "y": json.loads(json.dumps(answers).replace("{}", str(i)))} for i in range(20)]
    found = recognise(Outline.of(rows))
    assert isinstance(found, Refusal)
    assert (found.reason, found.proposal) == ("unmapped", {"question": "x", "answer": "y"})


def test_columns_that_all_ask_are_never_taken_for_pairs() -> None:
    rows = [{"col_a": f"What is {i}?", "col_b": f"What would {i} be?"} for i in range(20)]
    assert isinstance(recognise(Outline.of(rows)), Refusal)


def test_a_similarity_tells_which_of_two_columns_answers() -> None:
    rows = [
        {
            "k": f"What is thing {i}?",
            "l": f"About {(i * 7) % 20}: words that fill it up to be long.",
            "m": f"thing {i}.",
        }
        for i in range(20)
    ]
    outline = Outline.of(rows)

    def similarity(ours: Sequence[str], theirs: Sequence[str]) -> list[float]:
        return [
            len(set(one.strip("?.").split()) & set(other.strip("?.").split())) / 2
            for one, other in zip(ours, theirs, strict=True)
        ]

    without = by_content(outline, by_names(outline))
    found = by_content(outline, by_names(outline), similarity=similarity)
    assert not without.is_sure
    assert found.is_sure
    assert found.fields == {"question": "k", "answer": "m"}
    assert "similarity to its own question" in found.evidence[-1]


def test_neutral_names_on_real_deliveries_are_mapped_right_or_left_to_a_person(real_deliveries: Path) -> None:
    """Names become col_a, col_b ... in any order. Measured on 32 files: 0 wrong, 7 right, 20 right proposals."""
    results: Counter[str] = Counter()
    for path in sorted(real_deliveries.rglob("*")):
        if path.suffix not in (".csv", ".tsv", ".json", ".jsonl", ".parquet") or path.stat().st_size > 5_000_000:
            continue
        known = Recogniser()
        read_as(path.read_bytes(), known, limits=Limits())
        if isinstance(known.answer, Match) and known.decided and known.answer.shape in SIDE_BY_SIDE:
            results[_neutral(known.decided, known.answer.mapping.fields)] += 1
    assert results.total() >= 10
    assert results["wrong"] == 0
    print(dict(results))
    assert results["right"] >= 7
    assert results["proposed right"] >= 18


def _neutral(outline: Outline, mapping: dict[str, str]) -> str:
    names = [name for name in outline.columns if "." not in name]
    random.Random(1).shuffle(names)
    neutral = {name: f"col_{chr(97 + i)}" for i, name in enumerate(names)}
    columns = {neutral[n]: Column(neutral[n], outline.columns[n].values, outline.columns[n].presence) for n in names}
    wanted = [neutral.get(mapping[ours]) for ours in ("question", "answer")]
    found = recognise(Outline(dict(sorted(columns.items())), outline.rows))
    if isinstance(found, Match):
        return "right" if [found.mapping.fields[ours] for ours in ("question", "answer")] == wanted else "wrong"
    if found is None or found.reason != "unmapped":
        return "refused"
    proposal = [found.proposal[ours] for ours in ("question", "answer")]
    return "proposed right" if proposal == wanted else "proposed otherwise"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "gz"])
def test_a_large_text_is_judged_by_its_beginning_and_the_report_says_so(kind: str, tmp_path: Path) -> None:
    rows = [{"question": f"What is {i}?", "answer": f"It is “{i}”,\nreally."} for i in range(4000)]
    texts = {
        "csv": "question,answer\n" + "".join(f'{r["question"]},"{r["answer"]}"\n' for r in rows),
        "json": json.dumps(rows, ensure_ascii=False),
        "jsonl": "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows),
    }
    data = texts["jsonl" if kind == "gz" else kind].encode()
    path = tmp_path / f"x.{kind}"
    path.write_bytes(gzip.compress(data) if kind == "gz" else data)
    found: dict[str, Any] = examine(path, sample_bytes=15_001)
    assert (found["sampled"], found["state"]) == (True, "accepted")
    assert found["looked_at"] <= 15_001 < found["bytes"]
    assert found["records"] == found["pairs"] > 100
    assert found["salvaged"] is None
    assert examine(path, sample_bytes=15_001, whole=True)["pairs"] == 4000


def test_broken_json_is_refused_in_a_sample_too_and_shown_with_salvage(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    good = json.dumps([{"question": f"What is {i}?", "answer": str(i)} for i in range(500)])
    path.write_text(good.replace('"answer": "7"', '"answer": NaN'), encoding="utf-8")
    assert examine(path, sample_bytes=9_000)["reason"] == "broken_json"
    assert report(path).reason == "broken_json"
    found = report(path, salvage=True)
    assert (found.state, found.pairs, found.rejects[0]["reason"]) == ("accepted", 7, "broken_json_rest")
    assert "salvaged up to byte" in show(found)


def test_an_archive_shows_its_files_and_one_of_them_can_be_asked_for(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("in/faq.csv", FAQ)
        archive.writestr("in/no.txt", "Just some words.")
        archive.writestr("../out.csv", FAQ)
    found = report(tmp_path / "all.zip")
    assert found.state == "archive"
    assert [(one.path.partition("!/")[2], one.state) for one in found.members] == [
        ("in/faq.csv", "accepted"), ("in/no.txt", "refused"), ("../out.csv", "rejected"),
    ]  # fmt: skip
    assert "unsafe_path" in show(found)
    assert report(f"{tmp_path}/all.zip!/in/faq.csv").pairs == 30
    with pytest.raises(DeliveryError, match=r"has no file nothing\.csv; in it: in/faq\.csv"):
        report(f"{tmp_path}/all.zip!/nothing.csv")


def test_the_command_prints_one_view_or_one_line_a_file_and_touches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "faq.csv").write_text(FAQ, encoding="utf-8")
    (tmp_path / "d" / "junk.pdf").write_bytes(b"%PDF-1.7 x")
    assert run(["detect", "d"]) == 0
    folder = capsys.readouterr().out
    assert "d/faq.csv" in folder
    assert "1 accepted, 1 refused; 30 pairs" in folder
    assert run(["detect", "d/faq.csv", "d/junk.pdf", "--json", "--strict"]) == 3
    out = json.loads(capsys.readouterr().out)
    assert (out["accepted"], out["refused"], out["files"][1]["reason"]) == (1, 1, "pdf")
    assert run(["detect", "d/none.csv"]) == 1
    assert "does not exist" in capsys.readouterr().err
    assert run(["detect", "d/faq.csv", "--map", "question"]) == 1
    assert "is no mapping" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["d", "faq.csv", "junk.pdf"]


def test_a_mapping_as_typed_names_question_and_answer() -> None:
    assert fields_of(["question=a b", "answer=c=d"]) == {"question": "a b", "answer": "c=d"}
    with pytest.raises(SettingsError, match="at least question and answer"):
        fields_of(["question=a"])


def test_every_line_of_a_folder_fits_the_terminal(real_deliveries: Path) -> None:
    found = list(reports([real_deliveries / "covid_qa_deepset", real_deliveries / "llama_factory"]))
    assert max(map(len, compact(found).splitlines())) <= 80
    assert all(max(map(len, show(one).splitlines())) <= 80 for one in found)


def test_texts_cannot_steer_the_terminal_and_wide_letters_count_double(tmp_path: Path) -> None:
    rows = [{"question": "Is \x1b[31mred\x07 it?", "answer": "高血压病人可以口服" * 20}]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    shown = show(report(path))
    assert "\x1b" not in shown
    assert "\x07" not in shown
    wide = [line for line in shown.splitlines() if "高" in line]
    assert all(sum(2 if ord(c) > 0x2E80 else 1 for c in line) <= 80 for line in wide)


def test_what_stands_around_the_records_is_shown_as_such(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    around = {"version": 3, "category": "trend", "qa_pairs": [{"question": "What?", "answer": "This.", "uid": 7}]}
    path.write_text(json.dumps(around), encoding="utf-8")
    found = report(path)
    assert {row["field"]: row["name"] for row in found.fields}["category"] == "(around)"
    assert [row["name"] for row in found.unused] == ["uid", "version"]
