"""Secrets taken out of whatever leaves, logs that rotate, notices that go through apprise or say why not."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from orchestration import session, tasks
from orchestration.cli import run
from orchestration.control import Control
from orchestration.control.standing import notice
from orchestration.logs import SessionLog
from orchestration.notices import Notifier, deliver
from orchestration.quota import Quota
from orchestration.secrets import LOADED, Redactor
from orchestration.session import Wrapping, wrap
from orchestration.workspace import Workspace

KEY = "AKIA" + "Z7Q3M5X2K9P4R8TW"
PLAIN = "correct-horse-battery"  # no pattern knows it
NAMES = ("*_TOKEN",)


@pytest.fixture
def inbox() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address that takes notices, and what came to it."""
    came: list[dict[str, Any]] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if "/broken" in self.path else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{server.server_port}", came
    server.shutdown()


def test_patterns_and_exact_values_are_taken_out_however_deep() -> None:
    redactor = Redactor.of(
        {"MY_TOKEN": PLAIN, "OTHER": "not a secret at all", "SHORT_TOKEN": "abc"},
        names=NAMES,
        addresses=["slack://TokenAaaa/TokenBbbb/abc%20secret", "mailto://me:hush-hush-99@mail.example.org?to=a"],
    )
    said = redactor.clean_data({"a": [f"{PLAIN} and {KEY}"], "n": 3, "b": "https://hooks/TokenBbbb/x hush-hush-99"})
    assert said == {
        "a": [f"[{LOADED}] and [aws_access_key]"], "n": 3, "b": f"https://hooks/[{LOADED}]/x [{LOADED}]",
    }  # fmt: skip
    assert redactor.clean("mail.example.org, not a secret at all, abc") == "mail.example.org, not a secret at all, abc"
    assert redactor.kinds(f"x {PLAIN}") == [LOADED]


def test_nothing_that_a_session_leaves_holds_a_loaded_secret(tmp_path: Path) -> None:
    redactor = Redactor.of({"MY_TOKEN": PLAIN}, names=NAMES)
    log = SessionLog(tmp_path, redactor=redactor)
    with Control.open(tmp_path, redactor=redactor, heard=log.heard) as control:
        command = {"command": f"curl -H {PLAIN}"}
        tasks.add(control, tasks.Spec("a", kind="command", parameters=command, description=f"about {PLAIN}", total=2))
        begun = session.start(control, Quota(control, ()))
        session.checkpoint(
            control, begun.session, description=f"with {PLAIN}", progress=(1, 2), done=[PLAIN],
            context={"k": PLAIN}, problems=[PLAIN], next_action=f"use {KEY}",
        )  # fmt: skip
        wrap(Wrapping(control, Workspace.at(tmp_path), begun.session.name, log=log))
    left = [path for path in tmp_path.rglob("*") if path.suffix in (".md", ".json", ".jsonl")]
    assert {"session_logs", "session_handoffs"} <= {path.parent.name for path in left}
    for path in left:
        text = path.read_text(encoding="utf-8")
        assert PLAIN not in text
        assert KEY not in text
    lines = [json.loads(line) for line in log.folder.joinpath(f"{begun.session.name}.jsonl").open(encoding="utf-8")]
    assert [line["step"] for line in lines if line["event"] == "wrap_step"][:3] == ["finish", "state", "snapshot"]


def test_what_was_rolled_back_is_not_in_the_log(tmp_path: Path) -> None:
    log = SessionLog(tmp_path)
    with Control.open(tmp_path, heard=log.heard) as control:
        with pytest.raises(ValueError, match="no"), control.transaction():
            control.event("never")
            raise ValueError("no")
        control.event("really")
    assert [json.loads(line)["event"] for line in (log.folder / "workspace.jsonl").open(encoding="utf-8")] == ["really"]


def test_logs_rotate_and_the_oldest_sessions_go(tmp_path: Path) -> None:
    log = SessionLog(tmp_path, keep=3, max_mb=0.001)
    for number in range(5):
        for _ in range(60):
            log.write("unit", session=f"session_2026030{number}", text="x" * 50)
    names = sorted(path.name for path in log.folder.iterdir())
    assert {name.partition(".")[0] for name in names} == {f"session_2026030{n}" for n in (2, 3, 4)}
    assert "session_20260304.2.jsonl" in names
    assert max(path.stat().st_size for path in log.folder.iterdir()) < 1_300


def test_a_log_that_cannot_be_written_is_said_once_and_not_fatal(tmp_path: Path) -> None:
    (tmp_path / "session_logs").write_text("a file where a folder should be", encoding="utf-8")
    said: list[str] = []
    log = SessionLog(tmp_path, say=said.append)
    log.write("unit")
    log.write("unit")
    assert len(said) == 1
    assert "goes on without it" in said[0]


def test_notices_go_out_once_in_one_message_from_the_level_on(
    tmp_path: Path, inbox: tuple[str, list[dict[str, Any]]]
) -> None:
    address, came = inbox
    with Control.open(tmp_path) as control:
        notifier = Notifier((address,), "warning")
        for text, level in (("quiet", "info"), ("one", "warning"), (f"two {KEY}", "failure")):
            notice(control, text, level=level)
        assert [each.ok for each in deliver(control, notifier, title="Motherlode: x")] == [True]
        assert deliver(control, notifier, title="Motherlode: x") == []
        notice(control, "three")
        deliver(control, notifier, title="Motherlode: x")
    assert [(one["message"], one["type"]) for one in came] == [
        ("one\ntwo [aws_access_key]", "failure"),
        ("three", "warning"),
    ]


def test_what_cannot_be_sent_goes_with_the_next_three_times_in_all(
    tmp_path: Path, inbox: tuple[str, list[dict[str, Any]]]
) -> None:
    address, came = inbox
    with Control.open(tmp_path) as control:
        broken = Notifier((f"{address}/broken",))
        notice(control, "one")
        for _ in range(5):
            deliver(control, broken, title="t")
        assert [one["message"] for one in came] == ["one"] * 3
        notice(control, "two")
        deliver(control, Notifier((address,)), title="t")
        assert came[-1]["message"] == "two"
        assert len(control.events(event="notice_unsent")) == 3


def test_what_nobody_sent_for_a_day_is_no_news(tmp_path: Path, inbox: tuple[str, list[dict[str, Any]]]) -> None:
    at = [datetime(2026, 3, 1, tzinfo=UTC)]
    with Control.open(tmp_path, now=lambda: at[0]) as control:
        notice(control, "old")
        at[0] += timedelta(days=2)
        assert deliver(control, Notifier((inbox[0],)), title="t") == []
    assert inbox[1] == []


def test_notify_test_tells_of_each_address_and_no_token(
    tmp_path: Path, inbox: tuple[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run(["notify", "test", "-w", str(tmp_path)]) == 1
    assert "no address is given" in capsys.readouterr().err
    monkeypatch.setenv("ETL_NOTIFY", f"{inbox[0]}/{PLAIN} nonsense://{PLAIN}")
    assert run(["notify", "test", "--json", "-w", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    data = json.loads(captured.out)
    assert [row["sent"] for row in data["addresses"]] == [True, False]
    assert PLAIN not in captured.out + captured.err
    assert inbox[1][0]["message"].startswith("This is a test")
