"""Hostile files: nothing crashes, nothing broken is accepted, nothing good is lost, and nobody is called."""

import csv
import gzip
import io
import json
import os
import re
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl import Store, Tally, drain
from etl.detect.encoding import Text, decode
from etl.detect.strict_json import BrokenJsonError, parse
from etl.export import Release, export
from etl.ingest import deliveries, ingest, rejects
from etl.read import Reader, ReaderDied
from etl.read.file import read_bytes
from etl.resolve import resolve
from etl.split import split

GOOD = {"question": "What is RSI?", "answer": "An oscillator."}
FILE_SECONDS = 15.0  # for one file, on a busy machine; the child's own limit is longer


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """One child for the tests of this module."""
    with Reader(timeout_s=60) as shared:
        yield shared


def run(store: Store, root: Path, **options: Any) -> dict[str, int]:
    """What a run makes of the inbox below a folder, in a child of its own, with exact books."""
    inbox = root / "inbox"
    counts = dict(drain(ingest(store, [inbox], meter=Tally(), root=root, inbox=inbox, sleep=lambda _: None, **options)))
    assert store.value("SELECT count(*) FROM deliveries WHERE candidates <> new + duplicates") == 0
    for table, figure in (("occurrences", "candidates"), ("rejects", "rejects"), ("pairs", "new")):
        assert store.value(f"SELECT count(*) FROM {table}") == store.value(f"SELECT sum({figure}) FROM deliveries")
    return counts


def reasons(store: Store) -> dict[str, str]:
    """Name -> why it was refused, or `accepted`."""
    rows = deliveries(store).select("path", "state", "reason").rows()
    return {path.removeprefix("inbox/"): reason or state for path, state, reason in rows}


def put(root: Path, name: str, content: bytes) -> None:
    path = root / "inbox" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - 60, time.time() - 60))


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────


def suite(hostile: Path, kind: str) -> dict[str, bytes]:
    """The files of JSONTestSuite that must be accepted (y), must not (n), or may (i)."""
    files = sorted((hostile / "JSONTestSuite" / "test_parsing").glob(f"{kind}_*.json"))
    assert len(files) >= {"y": 95, "n": 188, "i": 35}[kind]
    return {file.name: file.read_bytes() for file in files}


def test_what_must_not_be_accepted_is_refused_as_no_json(hostile: Path, reader: Reader) -> None:
    for name in suite(hostile, "n"):
        found = reader.read(hostile / "JSONTestSuite" / "test_parsing" / name)
        assert found.refusal is not None, name
        assert found.refusal.reason in {
            "broken_json", "too_deep", "plain_text", "empty_file", "undecodable", "broken_xml",
        }, (name, found.refusal)  # fmt: skip


def test_what_must_be_accepted_is_json_to_us_and_costs_the_record_it_stands_in_nothing(hostile: Path) -> None:
    for name, data in suite(hostile, "y").items():
        text = decode(data)
        assert isinstance(text, Text), name
        record = b'[{"question": "What is RSI?", "answer": "An oscillator.", "more": ' + text.data + b"}]"
        found = read_bytes(record)
        if "duplicated_key" in name:  # which of the two is meant cannot be known
            with pytest.raises(BrokenJsonError, match="stands twice"):
                parse(text.data)
            assert found.refusal is not None
            assert found.refusal.reason == "broken_json"
            continue
        assert json.loads(json.dumps(json.loads(text.data))) == json.loads(_plain(parse(text.data))), name
        assert found.candidates.select("question", "answer").rows() == [tuple(GOOD.values())], (name, found.refusal)


def _plain(value: Any) -> bytes:
    import msgspec

    return msgspec.json.encode(value)


def test_what_is_no_json_spoils_the_record_and_the_file_it_stands_in(hostile: Path) -> None:
    """A broken value in a record of a JSON text refuses the text; in a line of JSON Lines it costs that line only."""
    good = json.dumps(GOOD).encode()
    for name, value in suite(hostile, "n").items():
        whole = read_bytes(b'[{"question": "What is RSI?", "answer": "An oscillator.", "more": ' + value + b"}]")
        assert whole.refusal is not None, name
        if b"\n" in value or b"\r" in value:
            continue
        line = b'{"question": "Q?", "answer": ' + value + b"}"
        found = read_bytes(b"\n".join([good, line, good.replace(b"RSI", b"MACD")]))
        assert found.refusal is not None or found.candidates.height == 2, name
        assert found.refusal is not None or found.rejects["reason"].to_list() == ["broken_json_line"], name


def test_what_may_be_accepted_ends_in_a_decision_and_the_run_goes_on(
    hostile: Path, store: Store, tmp_path: Path
) -> None:
    for kind in "yni":
        for name, data in suite(hostile, kind).items():
            put(tmp_path, name, data)
    put(tmp_path, "zz_good.json", json.dumps([GOOD]).encode())
    assert run(store, tmp_path)["new"] == 1
    found = reasons(store)
    assert [name for name, reason in found.items() if reason == "accepted"] == ["zz_good.json"]
    assert (
        len(found)
        == len({*suite(hostile, "y").values(), *suite(hostile, "n").values(), *suite(hostile, "i").values()}) + 1
    )


# ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────

RULES = (  # all that may happen to a text, in this order, said here once more and independently of the code
    ("line_break", re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]"), "\n"),
    ("control", re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]"), ""),
    ("bidi", re.compile("[\u202a-\u202e\u2066-\u2069]"), ""),
    ("bom", re.compile("\ufeff"), ""),
)
C1 = re.compile("[\x80-\x9f]")  # left over from Windows-1252, whose punctuation they stand for; five stand for nothing


def told(text: str) -> tuple[str, list[str]]:
    """What becomes of a text, and by which rules."""
    applied = ["mojibake"] if C1.search(text) else []
    text = C1.sub(lambda found: found[0].encode("latin-1").decode("cp1252", "ignore") or found[0], text)
    for rule, pattern, instead in RULES:
        if pattern.search(text):
            applied.append(rule)
            text = pattern.sub(instead, text)
    return text.strip(), applied


def test_each_naughty_string_leaves_as_it_came_but_for_what_the_rules_name(
    hostile: Path, store: Store, tmp_path: Path
) -> None:
    texts = json.loads((hostile / "naughty-strings" / "blns.json").read_text("utf-8"))
    assert len(texts) > 500
    sent = [{"question": f"What is text number {i}?", "answer": text} for i, text in enumerate(texts)]
    sent += [{"question": text, "answer": f"Text number {i}, as a question."} for i, text in enumerate(texts)]
    lines = [json.dumps(record, ensure_ascii=bool(i % 2)) for i, record in enumerate(sent)]
    lines.append('{"question": "Half a pair?", "answer": "\\ud800"}')
    put(tmp_path, "naughty.jsonl", "\n".join(lines).encode())
    run(store, tmp_path)

    gone, shown = set(), {}
    for number, record in enumerate(sent, 1):
        (question, by_question), (answer, by_answer) = told(record["question"]), told(record["answer"])
        if not _visible(question) or not _visible(answer):
            gone.add(f"line:{number}")
            continue
        rules = [f"question:{rule}" for rule in by_question] + [f"answer:{rule}" for rule in by_answer]
        shown[f"line:{number}"] = (question, answer, rules)
    _check_occurrences(store, sent, shown, gone)
    _check_releases(store, tmp_path, {(question, answer) for question, answer, _ in shown.values()})


def _visible(text: str) -> bool:
    return re.search("[^\\s\u00ad\u180e\u200b-\u200f\u2060-\u2064\ufeff\u061c]", text) is not None


def _check_occurrences(store: Store, sent: list[dict[str, str]], shown: dict[str, Any], gone: set[str]) -> None:
    """Texts, rules and raw texts of every line."""
    rows = store.query(
        """
        SELECT o.position, coalesce(o.question, p.question), coalesce(o.answer, p.answer), o.repairs, o.raw
        FROM occurrences o JOIN pairs p USING (key)
        """
    ).rows()
    assert {position for position, *_ in rows} == shown.keys()
    for position, question, answer, repairs, raw in rows:
        record = sent[int(position.removeprefix("line:")) - 1]
        assert (question, answer, repairs) == shown[position]
        fields = dict.fromkeys(rule.partition(":")[0] for rule in repairs)
        assert (None if raw is None else json.loads(raw)) == ({name: record[name] for name in fields} or None)
    found = {row["position"]: row["reason"] for row in rejects(store).to_dicts()}
    assert found.pop(f"line:{len(sent) + 1}") == "broken_json_line"  # half of a surrogate pair is no JSON
    assert found.keys() == gone
    assert set(found.values()) <= {"no_answer", "no_question", "empty_answer", "empty_question"}


def _check_releases(store: Store, root: Path, expected: set[tuple[str, str]]) -> None:
    """Every format gives the same texts; CSV that is guarded puts an apostrophe before what a spreadsheet would run."""
    drain(resolve(store, meter=Tally()))
    drain(split(store, meter=Tally()))
    terms: dict[str, Any] = {"meter": Tally(), "min_grade": "F", "leave_out": ()}
    drain(export(store, root / "plain", **terms))
    drain(export(store, root / "guarded", csv_safe=True, **terms))
    pairs = set(store.query("SELECT question, answer FROM pairs").rows())
    assert pairs <= expected
    for form in ("json", "jsonl", "parquet", "csv"):
        assert _released(root / "plain", form) == pairs, form
    assert {(row["question"], row["answer"]) for row in Release.latest(root / "plain").rag()} == pairs
    guarded = {(_guarded(question), _guarded(answer)) for question, answer in pairs}
    assert _released(root / "guarded", "csv") == guarded != pairs
    assert _released(root / "guarded", "jsonl") == pairs


def _released(exports: Path, form: str) -> set[tuple[str, str]]:
    """The pairs of all splits as a stranger would read them."""
    found: list[dict[str, Any]] = []
    for name in ("train", "validation", "test"):
        data = (Release.latest(exports).folder / f"{name}.{form}").read_bytes()
        if form == "json":
            found += json.loads(data)
        elif form == "jsonl":
            found += [json.loads(line) for line in data.split(b"\n")[:-1]]
        elif form == "csv":
            found += csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))
        else:
            found += pl.read_parquet(io.BytesIO(data)).to_dicts()
    return {(row["question"], row["answer"]) for row in found}


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


# ── Parquet ──────────────────────────────────────────────────────────────────────────────────────────────────


def columns(frame: pl.DataFrame) -> bytes:
    """A Parquet file."""
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


def test_each_corrupt_parquet_file_is_refused_in_bounded_time_and_the_parent_lives(
    hostile: Path, tmp_path: Path, reader: Reader
) -> None:
    files = sorted((hostile / "parquet-testing" / "bad_data").glob("*.parquet"))
    assert len(files) >= 8
    (tmp_path / "good.parquet").write_bytes(columns(pl.DataFrame([GOOD])))
    reader.read(tmp_path / "good.parquet")  # the child has started
    found_dead: list[str] = []
    for file in files:
        started = time.monotonic()
        try:
            found = reader.read(file)
            assert found.refusal is not None, file.name
            assert found.refusal.reason in ("unreadable", "tabular"), (file.name, found.refusal)
        except ReaderDied as died:  # refused by the run, and parked when it dies a third time
            found_dead.append(died.reason)
        assert time.monotonic() - started < FILE_SECONDS, file.name
        assert reader.read(tmp_path / "good.parquet").candidates.height == 1
    assert set(found_dead) <= {"reader_crashed", "reader_out_of_memory"}


def test_a_parquet_file_damaged_anywhere_is_refused_or_balances(tmp_path: Path, reader: Reader) -> None:
    rows = 300
    good = columns(
        pl.DataFrame({"question": [f"Q{i}?" for i in range(rows)], "answer": [f"A{i}" for i in range(rows)]})
    )
    for i in range(12):  # a stretch overwritten, or the end cut off
        at = len(good) * i // 12
        path = tmp_path / f"bad{i}.parquet"
        path.write_bytes(good[:at] + b"\xff" * 16 + good[at + 16 :] if i % 2 else good[: at + 8])
        started = time.monotonic()
        try:
            found = reader.read(path)
            assert found.refusal is not None or (i % 2 and found.records == rows), path.name
        except ReaderDied:
            pass
        assert time.monotonic() - started < FILE_SECONDS, path.name
    path.write_bytes(good)
    assert reader.read(path).candidates.height == rows


# ── too much, too deep, too far ──────────────────────────────────────────────────────────────────────────────


def packed(members: dict[str, bytes], *, links: tuple[str, ...] = ()) -> bytes:
    """A zip file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (stat.S_IFLNK | 0o777) << 16 if name in links else 0
            archive.writestr(info, content)
    return out.getvalue()


def many_rows() -> bytes:
    """Some kilobytes of Parquet with six million rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), 6_000_000), pa.array(["What is it?"]))
    out = io.BytesIO()
    pq.write_table(pa.table({"question": text, "answer": text}), out)
    return out.getvalue()


def test_one_run_refuses_all_that_is_too_much_each_with_its_reason(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    long = "x" * (10 * 1024 * 1024)
    zeros = bytes(40_000_000)
    deep = b"[" * 200_000
    second = {"question": "Too long?", "answer": long}
    sheet = {"xl/workbook.xml": b"<a/>", "xl/worksheets/sheet1.xml": zeros}
    refused = {
        "deep.json": (deep, "too_deep"),
        "deep_closed.json": (b'{"a":' * 60_000 + b"1" + b"}" * 60_000, "too_deep"),
        "bomb.json.gz": (gzip.compress(b"[" + zeros), "compression_bomb"),
        "bomb.zip": (packed({"good.jsonl": b"{}", "zeros": zeros}), "compression_bomb"),
        "bomb.xlsx": (packed(sheet), "compression_bomb"),
        "bomb.docx": (packed({"word/document.xml": zeros}), "compression_bomb"),
        "one_cell.parquet": (columns(pl.DataFrame([GOOD, GOOD | {"answer": "x" * 40_000_000}])), "compression_bomb"),
        "rows.parquet": (many_rows(), "too_many_records"),
    }
    for name, (content, _) in refused.items():
        put(root, name, content)
    put(root, "long.json", json.dumps([GOOD, second]).encode())
    put(root, "long.jsonl", b"\n".join(json.dumps(one).encode() for one in (GOOD, second)) + b"\n")
    put(root, "long.csv", f"question,answer\nWhat is RSI?,An oscillator.\nToo long?,{long}\n".encode())
    put(root, "long.parquet", columns(pl.DataFrame([GOOD, second | {"answer": os.urandom(6_000_000).hex()}])))
    line = b'{"question": "Deep?", "answer": "a", "more": ' + deep + b"]" * 200_000 + b"}"
    put(root, "deep.jsonl", b"\n".join([json.dumps(GOOD).encode(), line]))
    away = {
        "../out.jsonl": b"{}",
        "/abs.jsonl": b"{}",
        "link.jsonl": b"/etc/passwd",
        "in.jsonl": json.dumps(GOOD | {"question": "In?"}).encode(),
    }
    put(root, "away.zip", packed(away, links=("link.jsonl",)))
    put(root, "zz_last.json", json.dumps([GOOD | {"question": "The last?"}]).encode())
    (tmp_path / "secret.jsonl").write_text(json.dumps(GOOD | {"question": "Secret?"}), encoding="utf-8")
    if os.name == "posix":
        (root / "inbox" / "out.jsonl").symlink_to(tmp_path / "secret.jsonl")
        refused["out.jsonl"] = (b"", "link_leaves_workspace")

    counts = run(store, root)
    found = reasons(store)
    assert {name: found[name] for name in refused} == {name: reason for name, (_, reason) in refused.items()}
    assert all(found[name] == "accepted" for name in found if name not in refused)
    assert counts["new"] == 3
    questions = store.query("SELECT question FROM pairs ORDER BY question")["question"].to_list()
    assert questions == ["In?", "The last?", "What is RSI?"]
    why = sorted(rejects(store)["reason"].to_list())
    assert why == ["broken_json_line", *["field_too_large"] * 4, "link", "unsafe_path", "unsafe_path"]
    assert not store.query("SELECT 1 FROM deliveries WHERE evidence IS NULL AND state = 'refused'").height


# ── nobody is called ─────────────────────────────────────────────────────────────────────────────────────────

WATCHED = """
import os, sys
def watch(event, _):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen",
                 "os.system", "os.exec", "os.posix_spawn", "urllib.Request"):
        os.write(2, f"called: {event}\\n".encode())
        os._exit(99)
sys.addaudithook(watch)
from pathlib import Path
from etl.read import read
for name in sys.argv[1:]:
    found = read(Path(name))
    print(Path(name).name, found.refusal.reason if found.refusal else "accepted", sep="=")
"""


def test_no_file_makes_us_open_an_address(tmp_path: Path) -> None:
    """Each file names a server that listens; in the reading process every way to call it ends the process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        files = _calling(tmp_path, f"http://127.0.0.1:{port}/x")
        done = subprocess.run(
            [sys.executable, "-P", "-c", WATCHED, *map(str, files)],
            capture_output=True, text=True, encoding="utf-8", timeout=120, check=False,
        )  # fmt: skip
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert done.returncode == 0, done.stderr[-800:]
    found = dict(line.split("=") for line in done.stdout.splitlines())
    assert found == {
        "entity.xml": "unsafe_xml", "parameter.xml": "unsafe_xml", "dtd.xml": "accepted", "include.xml": "accepted",
        "schema.xml": "accepted", "tags.yaml": "accepted", "base.sqlite": "accepted", "view.duckdb": "accepted",
        "address.parquet": "accepted", "address.jsonl": "accepted", "address.md": "accepted",
        "template.docx": "accepted",
    }  # fmt: skip


def test_the_watch_on_calls_would_see_one() -> None:
    code = WATCHED + "\nimport socket\nsocket.socket().connect(('127.0.0.1', 9))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, timeout=60, check=False)
    assert (done.returncode, b"called: socket.connect" in done.stderr) == (99, True)


def _calling(folder: Path, address: str) -> list[Path]:
    """Files of many kinds that name an address where a careless reader would follow it."""
    import duckdb

    pair = "<QAPair><Question>What is RSI?</Question><Answer>An oscillator{0}.</Answer></QAPair>"
    body = "<QAPairs{0}>" + pair + pair.replace("RSI", "MACD") + "</QAPairs>"
    texts = {
        "entity.xml": f'<!DOCTYPE x [<!ENTITY a SYSTEM "{address}">]>' + body.replace("{0}", "", 1).format("&a;"),
        "parameter.xml": f'<!DOCTYPE x [<!ENTITY % a SYSTEM "{address}"> %a;]>' + body.format("", ""),
        "dtd.xml": f'<!DOCTYPE QAPairs SYSTEM "{address}.dtd">' + body.format("", ""),
        "include.xml": body.format(
            ' xmlns:xi="http://www.w3.org/2001/XInclude"', f'<xi:include href="{address}" parse="text"/>'
        ),
        "schema.xml": body.format(
            f' xmlns:s="http://www.w3.org/2001/XMLSchema-instance" s:noNamespaceSchemaLocation="{address}"', ""
        ),
        "tags.yaml": f"- question: What is RSI?\n  answer: !!python/object/apply:urllib.request.urlopen ['{address}']\n"
        f"- question: What is MACD?\n  answer: !include {address}\n- question: Why?\n  answer: Because.\n",
        "address.jsonl": f'{{"question": "Where?", "answer": "{address}", "$ref": "{address}"}}\n' * 2,
        "address.md": f"## Where is it?\n\n![a]({address})\n\n## What is it?\n\n<img src='{address}'>\n\nA thing.\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    with sqlite3.connect(folder / "base.sqlite") as base:
        base.execute("CREATE TABLE qa (question TEXT, answer TEXT)")
        base.execute("INSERT INTO qa VALUES ('Where?', ?)", [address])
        base.execute(f"CREATE VIEW v AS SELECT load_extension('{address}') AS question, 'x' AS answer")
    base.close()
    with duckdb.connect(str(folder / "view.duckdb")) as duck:
        duck.execute("CREATE TABLE qa AS SELECT 'Where?' AS question, ? AS answer", [address])
        duck.execute("CREATE MACRO far() AS TABLE SELECT 1 AS question")
    (folder / "address.parquet").write_bytes(columns(pl.DataFrame([{"question": "Where?", "answer": address}])))
    (folder / "template.docx").write_bytes(_document(address))
    return sorted(folder.iterdir())


def _document(address: str) -> bytes:
    """A Word document whose template and picture lie elsewhere."""
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    texts = ("Q: What is RSI?", "A: An oscillator.", "Q: What is MACD?", "A: A difference.")
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in texts)
    kinds = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    far = "".join(
        f'<Relationship Id="r{kind}" Type="{kinds}/{kind}" Target="{address}" TargetMode="External"/>'
        for kind in ("attachedTemplate", "image")
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        types = "http://schemas.openxmlformats.org/package/2006/content-types"
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{types}"/>')
        archive.writestr("word/document.xml", f'<w:document xmlns:w="{word}"><w:body>{body}</w:body></w:document>')
        relations = "http://schemas.openxmlformats.org/package/2006/relationships"
        archive.writestr("word/_rels/document.xml.rels", f'<Relationships xmlns="{relations}">{far}</Relationships>')
    return out.getvalue()
