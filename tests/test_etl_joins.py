"""Questions in one file and answers in another are joined when a person says so, and no record of either is lost."""

import json
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl import ingest as ingesting
from etl.errors import DeliveryError
from etl.explain import explain, render
from etl.joins import tie
from etl.read import Reader, read
from etl.read.joined import Join, Side, is_join
from etl.store import Store
from orchestration import workspace
from orchestration.cli import app, hoist
from orchestration.joining import join
from orchestration.runs import run_stage
from orchestration.workspace import Workspace

DELIVERIES = Path(__file__).resolve().parents[2] / "shared" / "data" / "deliveries"
QUESTIONS = """question_id,question,category
q-101,What is RSI?,momentum
q-102,What is MACD?,momentum
q-103,What is ATR?,volatility
q-103,What is the ATR?,volatility
q-104,What is OBV?,volume
,What has no id?,volume
q-105,What is VWAP?,volume
q-106,What is EMA?,trend
q-107,What is SMA?,trend
"""
ANSWERS = """{"question_id": "q-101", "answer": "An oscillator.", "url": "https://a.example/rsi"}
{"question_id": "q-102", "answer": "The difference of two averages.", "rater": 3}
{"question_id": "q-103", "answer": "The average true range."}
{"question_id": "q-103", "answer": "A measure of volatility."}
{"question_id": "q-105", "answer": "The volume-weighted price."}
{"question_id": "q-106", "answer": "An exponential average."}
{"question_id": "q-107", "answer": ""}
{"question_id": "q-999", "answer": "An answer to nothing."}
"""


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    workspace.init(tmp_path / "ws")
    return Workspace.at(tmp_path / "ws")


@pytest.fixture
def halves(tmp_path: Path) -> tuple[Path, Path]:
    questions, answers = tmp_path / "questions.csv", tmp_path / "answers.jsonl"
    questions.write_text(QUESTIONS, encoding="utf-8")
    answers.write_text(ANSWERS, encoding="utf-8")
    return questions, answers


def ingest(home: Workspace, *paths: Path) -> dict[str, object]:
    return run_stage(home, "ingest", paths=paths).data


def test_each_record_of_either_file_is_in_a_pair_or_rejected(home: Workspace, halves: tuple[Path, Path]) -> None:
    join(home, *halves)
    ingest(home)
    with Store.open(home.root) as store:
        pairs = store.query("SELECT question, answer, alternatives, category, sources FROM pairs ORDER BY question")
        rejects = store.query("SELECT position, reason FROM rejects ORDER BY position").rows()
        place = store.query(
            "SELECT position FROM occurrences o JOIN pairs p USING (key) WHERE p.question = 'What is ATR?'"
        ).item()
        details = store.query("SELECT (format->'$.details.joined')::VARCHAR FROM deliveries").item()
    assert pairs.rows()[0] == (
        "What is ATR?", "The average true range.", ["A measure of volatility."], "volatility", [],
    )  # fmt: skip
    assert pairs["question"].to_list() == [f"What is {name}?" for name in ("ATR", "EMA", "MACD", "RSI", "VWAP")]
    assert pairs.rows()[3][4] == ["https://a.example/rsi"]
    assert rejects == [
        ("answers:line:7", "empty_answer"),
        ("answers:line:8", "no_partner"),
        ("questions:line:10", "no_partner"),
        ("questions:line:5", "duplicate_id"),
        ("questions:line:6", "no_partner"),
        ("questions:line:7", "no_id"),
    ]
    assert place == "questions:line:4+answers:line:3,line:4"
    sides = json.loads(details)
    assert (sides["questions"]["records"], sides["questions"]["in_pairs"]) == (9, 5)
    assert (sides["answers"]["records"], sides["answers"]["in_pairs"]) == (8, 6)


def test_a_join_is_done_once_by_content_and_its_parts_are_not_read_by_themselves(
    home: Workspace, halves: tuple[Path, Path]
) -> None:
    first = join(home, *halves).data
    assert ingest(home)["new"] == 5
    second = join(home, *halves).data
    assert first == second
    assert ingest(home)["not_read"] == []
    with Store.open(home.root) as store:
        assert store.query("SELECT path, state FROM deliveries").rows() == [
            ("inbox/questions+answers.join", "accepted")
        ]
    assert sorted(file.name for file in home.inbox.iterdir()) == [
        "answers.jsonl", "questions+answers.join", "questions.csv",
    ]  # fmt: skip


def test_halves_that_were_refused_before_are_set_aside_once_they_are_joined(
    home: Workspace, halves: tuple[Path, Path]
) -> None:
    places = [file.rename(home.inbox / file.name) for file in halves]
    assert [row["reason"] for row in ingest(home)["not_read"]] == ["half_of_a_pair_of_files"] * 2  # type: ignore[attr-defined]
    join(home, *places)
    done = ingest(home)
    assert (done["new"], done["not_read"]) == (5, [])


def test_a_record_is_explained_by_the_line_of_its_own_file(home: Workspace, halves: tuple[Path, Path]) -> None:
    join(home, *halves)
    ingest(home)
    with home.store() as store:
        for place in ("questions.csv:4", "answers.jsonl:4", "questions+answers.join:answers:line:3"):
            assert "What is ATR?" in render(explain(store, place))
        assert "duplicate" in render(explain(store, "inbox/questions.csv:5"))
        states = ingesting.inbox(store, home.inbox, root=home.root)
    assert states["state"].to_list() == ["joined", "known", "joined"]


def test_a_retracted_join_takes_its_pairs_along_and_comes_back(home: Workspace, halves: tuple[Path, Path]) -> None:
    join(home, *halves)
    ingest(home)
    with home.store(write=True) as store:
        ingesting.retract(store, "inbox/questions+answers.join", why="a trial")
        assert store.value("SELECT count(*) FROM pairs WHERE occurrences > 0") == 0
        ingesting.restore(store, "inbox/questions+answers.join")
        assert store.value("SELECT count(*) FROM pairs WHERE occurrences > 0") == 5


def test_a_changed_half_is_never_joined_unseen(home: Workspace, halves: tuple[Path, Path]) -> None:
    join(home, *halves)
    ingest(home)
    changed = home.inbox / "answers.jsonl"
    changed.write_text(ANSWERS.replace("An oscillator.", "Something else."), encoding="utf-8")
    reasons = {row["path"]: row["reason"] for row in ingest(home)["not_read"]}  # type: ignore[attr-defined]
    assert reasons == {"inbox/answers.jsonl": "half_of_a_pair_of_files"}
    refused = read(home.inbox / "questions+answers.join").refusal
    assert refused is not None
    assert refused.reason == "joined_file_changed"
    with home.store(write=True) as store, store.unit("test", "an older recipe") as unit:
        unit.execute("UPDATE deliveries SET recipe = 'older' WHERE shape = 'joined'")
    ingest(home)
    with Store.open(home.root) as store:
        assert store.value("SELECT count(*) FROM pairs WHERE occurrences > 0") == 5, "what it gave stays"
        reason = store.query("SELECT reason FROM deliveries WHERE shape = 'joined'").item()
    assert reason == "joined_file_changed"


@pytest.mark.parametrize(
    ("file", "reason"),
    [("../secret.csv", "unsafe_path"), ("/etc/passwd", "unsafe_path"), ("gone.csv", "joined_file_missing")],
)
def test_a_join_reads_nothing_outside_its_folder(tmp_path: Path, file: str, reason: str) -> None:
    (tmp_path / "secret.csv").write_text(QUESTIONS, encoding="utf-8")
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    made = Join(Side(file, "0" * 64, "id", "q"), Side(file, "0" * 64, "id", "a"))
    (inbox / "x.join").write_bytes(made.to_bytes())
    found = read(inbox / "x.join").refusal
    assert found is not None
    assert found.reason == reason


@pytest.mark.parametrize("text", ["", "[questions]\n", "[questions]\nfile = 3\n", "not toml", "a = \xff"])
def test_a_broken_join_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.join").write_bytes(b"# etl join 1\n" + text.encode("latin-1"))
    found = read(tmp_path / "x.join").refusal
    assert found is not None
    assert found.reason == "broken_join"


def test_the_text_of_a_join_comes_back_as_it_went(tmp_path: Path) -> None:
    made = Join(Side('a "b"\\\x7f.csv', "0" * 64, "id", "frage?"), Side("ä/b.csv", "1" * 64, "tab\t", "\U0001f600"))
    assert is_join(made.to_bytes())
    assert Join.of(made.to_bytes()) == made


def test_fields_of_two_names_are_tied_and_counting_proves_nothing(tmp_path: Path) -> None:
    chance = random.Random(3)
    drawn = [f"t{chance.randrange(10**6)}" for _ in range(40)]
    for ids, sure in ((drawn, True), ([str(i) for i in range(1, 41)], False)):
        (tmp_path / "q.csv").write_text("id,question\n" + "".join(f"{i},What is {i}?\n" for i in ids))
        (tmp_path / "a.csv").write_text("question_id,answer\n" + "".join(f"{i},It is {i}.\n" for i in ids))
        with Reader() as reader:
            found = tie(reader, tmp_path / "q.csv", tmp_path / "a.csv")
        assert (found.question_id, found.answer_id, found.shared) == ("id", "question_id", 40)
        assert (found.confidence >= 0.8) is sure


def test_what_cannot_be_tied_says_which_fields_there_are(home: Workspace, tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("number,question\na1,Why?\na2,How?\n")
    (tmp_path / "a.csv").write_text("ref,answer\na1,So.\na2,Thus.\n")
    with pytest.raises(DeliveryError, match=r"'number', 'question'; a\.csv has 'ref', 'answer'"):
        join(home, tmp_path / "q.csv", tmp_path / "a.csv")
    with pytest.raises(DeliveryError, match="no field 'nummer'"):
        join(home, tmp_path / "q.csv", tmp_path / "a.csv", on="nummer=ref")
    with pytest.raises(DeliveryError, match="is no file"):
        join(home, tmp_path / "gone.csv", tmp_path / "a.csv")
    assert join(home, tmp_path / "q.csv", tmp_path / "a.csv", on="number=ref").data["pairs"] == 2


def test_a_dry_run_writes_nothing_and_detect_proposes_the_join(home: Workspace, halves: tuple[Path, Path]) -> None:
    command = ["join", *map(str, halves), "--dry-run", "--json", "-w", str(home.root)]
    said = CliRunner().invoke(app, hoist(command))
    assert json.loads(said.stdout)["pairs"] == 5
    assert list(home.inbox.iterdir()) == []
    chance = random.Random(5)
    ids = [f"t{chance.randrange(10**6)}" for _ in range(40)]
    halves[0].write_text("id,question\n" + "".join(f"{i},What is {i}?\n" for i in ids), encoding="utf-8")
    halves[1].write_text("".join(json.dumps({"id": i, "answer": f"It is {i}."}) + "\n" for i in ids), encoding="utf-8")
    found = CliRunner().invoke(app, hoist(["detect", *map(str, halves), "--json"]))
    joins = [one["join"]["command"] for one in json.loads(found.stdout)["files"]]
    assert joins == [f"etl join {halves[0]} {halves[1]} --on id"] * 2


def test_real_pairs_that_were_torn_apart_come_back_whole(home: Workspace, tmp_path: Path) -> None:
    source = DELIVERIES / "nq_open" / "nq_open__NQ-open.dev.jsonl"
    if not source.is_file():
        pytest.skip("the public deliveries are not here")
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    chance = random.Random(1)
    asked = [{"id": f"nq{i * 7919 % 10**6:06}", "question": row["question"]} for i, row in enumerate(rows)]
    replied = [{"id": one["id"], "answer": row["answer"]} for one, row in zip(asked, rows, strict=True)]
    chance.shuffle(replied)
    for name, lines in (("q.jsonl", asked), ("a.jsonl", replied)):
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert join(home, tmp_path / "q.jsonl", tmp_path / "a.jsonl").data["pairs"] == len(rows)
    columns = ["question", "answer", "alternatives"]
    joined, whole = read(home.inbox / "q+a.join").candidates, read(source).candidates
    assert joined.select(columns).equals(whole.select(columns))
