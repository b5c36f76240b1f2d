"""`etl review` as a reviewer meets it: keys through a pipe, a guarded page, and the page in a real browser."""

import http.client
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import polars as pl
import pytest

from etl import Store, overrides
from etl.keys import content_key, part_key
from etl.progress import Tally, drain
from etl.resolve import resolve
from etl.review import Session
from etl.store import snapshot
from orchestration import reviewing
from orchestration.cli import run
from orchestration.review_web.server import _Server, serve
from orchestration.workspace import Workspace

LONG = "an oscillator that compares recent gains with recent losses over a window"
COUPLES = [
    ("What is RSI?", f"RSI is {LONG}", "What is the RSI?", f"The RSI is {LONG} of bars"),
    ("ما هو مؤشر القوة النسبية؟", "هو مقياس للزخم من 14 يوما", "ما هو مؤشر القوة؟", "هو مقياس للزخم من 21 يوما"),
    ("什么是相对强弱指数？", "它衡量14天的动量。", "什么是强弱指数？", "它衡量21天的动量。"),
    (
        "<script>document.title='taken'</script>",
        "\x1b[31mred\x1b[0m \u202egnp.exe",
        "<script>alert(2)</script>",
        "plain",
    ),
]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Four open questions: English, right to left, Chinese, hostile."""
    with Store.open(tmp_path, write=True) as store, store.unit("resolve", "test") as unit:
        for question, answer, other_question, other_answer in COUPLES:
            made = []
            for q, a in ((question, answer), (other_question, other_answer)):
                key = content_key(q, a, None)
                made.append(key)
                unit.execute(
                    """INSERT INTO pairs (key, question, answer, question_key, answer_key, sources, licences, phrasings,
                                          alternatives, occurrences, first_seq)
                       VALUES (?, ?, ?, ?, ?, [], [], [], [], 1, 1)""",
                    [key, q, a, part_key(q), part_key(a)],
                )
                unit.execute("INSERT INTO decisions VALUES (?, 'kept', ?, 'best_of_review', NULL, 'r')", [key, key])
                grade = "A" if len(made) == 1 else "B"
                unit.execute("INSERT INTO grades VALUES (?, 0.9, ?, 0.5, 'en', 1.0, 'r')", [key, grade])
            similarity = 0.9 + COUPLES.index((question, answer, other_question, other_answer)) / 100
            evidence = json.dumps({"cosine": {"question": similarity, "answer": similarity}})
            unit.execute(
                "INSERT INTO verdicts VALUES (?, ?, 'review', 'review_question_words', ?)", [*sorted(made), evidence]
            )
    return Workspace.at(tmp_path)


def verdicts(workspace: Workspace) -> list[str]:
    with workspace.store(write=True) as store:
        return list(overrides.listed(store).filter(pl.col("stands"))["verdict"])


def play(workspace: Workspace, keys: str) -> tuple[reviewing.Outcome, str]:
    said: list[str] = []
    with reviewing.open_session(workspace, who="ann") as session:
        outcome = reviewing.review(session, reviewing.keys_of(io.StringIO(keys)), said.append)
    return outcome, "\n".join(said)


def test_one_key_a_decision_over_a_pipe_and_the_rest_waits(workspace: Workspace) -> None:
    outcome, said = play(workspace, "k\nq\n")
    assert (outcome.decided, outcome.left, outcome.quit) == (1, 3, True)
    assert "[+The +]RSI is" in said.replace("[-The -]", "[+The +]")
    outcome, said = play(workspace, "smcun?")  # swap and merge, conflict, undo, skip, help; then the keys end
    assert (outcome.decided, outcome.left) == (1, 1)
    assert "k keep both, never ask again" in said
    assert verdicts(workspace) == ["keep_both", "merge", "survivor"]
    assert snapshot.listed(workspace.root / "snapshots")


def test_a_question_about_a_pair_that_has_left_the_store_is_passed_over(
    workspace: Workspace, served: tuple[str, Session]
) -> None:
    url, session = served
    first = session.current
    assert first is not None
    with session.store.unit("ingest", "gone") as unit:
        unit.execute("DELETE FROM pairs WHERE key = ?", [first.other])
    assert ask(url, urlsplit(url).path)[0] == 200
    assert session.current not in (None, first)
    _, said = play(workspace, "q\n")
    assert first.other[:8] not in said


def test_a_text_cannot_steer_the_terminal(workspace: Workspace) -> None:
    _, said = play(workspace, "nnnn")
    assert "red" in said
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_the_commands_list_review_and_undo(workspace: Workspace, capsys: pytest.CaptureFixture[str],
                                           monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    root = str(workspace.root)
    assert run(["review", "list", "--json", "-w", root]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert (listed["total"], len(listed["queue"])) == (4, 4)
    monkeypatch.setattr(sys, "stdin", io.StringIO("kk"))
    assert run(["review", "--limit", "2", "--json", "-w", root, "--who", "ann"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["decided"], done["left"], [d["choice"] for d in done["decisions"]]) == (2, 0, ["keep_both"] * 2)
    assert run(["review", "undo", "--who", "ann", "-w", root]) == 0
    assert verdicts(workspace) == ["keep_both"]
    assert run(["review", "--kind", "odd", "-w", root]) == 1
    assert run(["review", "-w", root + "/nowhere"]) == 1
    assert "etl: no store at" in capsys.readouterr().err


def test_status_says_how_many_decisions_wait_for_a_run(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(workspace.root)
    monkeypatch.setattr(sys, "stdin", io.StringIO("km"))
    assert run(["review", "-w", root]) == 0
    capsys.readouterr()
    assert run(["status", "-w", root]) == 0
    assert "2 decisions by people wait for 'etl run'" in capsys.readouterr().out
    with workspace.store(write=True) as store:
        drain(resolve(store, meter=Tally()))
        snapshot.create(store)
    assert run(["status", "-w", root, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["waiting_decisions"] == 0


def test_nobody_else_waits_for_the_reviewer(workspace: Workspace) -> None:
    with reviewing.open_session(workspace, who="ann") as session:
        assert session.current is not None
        script = (
            "import sys\nfrom etl import Store\n"
            "with Store.open(sys.argv[1], write=True, wait_s=8) as s, s.unit('test', 'x') as u: u.counts['n'] = 1"
        )
        subprocess.run([sys.executable, "-c", script, str(workspace.root)], check=True, timeout=60)
        session.decide("keep_both")


@pytest.fixture
def served(workspace: Workspace) -> Iterator[tuple[str, Session]]:
    """The page of a session, served by a thread."""
    addresses: list[str] = []
    up = threading.Event()
    servers: list[_Server] = []

    def ready(url: str) -> None:
        addresses.append(url)
        up.set()

    with reviewing.open_session(workspace, who="ann") as session:
        thread = threading.Thread(
            target=serve, args=(session,), kwargs={"ready": ready, "started": servers.append}, daemon=True
        )
        thread.start()
        assert up.wait(10)
        yield addresses[0], session
        servers[0].shutdown()
        thread.join(10)


def ask(url: str, path: str, *, method: str = "GET", form: dict[str, str] | None = None, **headers: str) -> tuple[int, str, dict[str, str]]:  # fmt: skip  # noqa: E501
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    body = urlencode(form or {}) if method == "POST" else None
    given = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
    connection.request(method, path, body, given | {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read().decode("utf-8")
    connection.close()
    return answer.status, text, dict(answer.getheaders())


def test_the_page_answers_only_its_own_address_and_only_with_the_token(served: tuple[str, Session]) -> None:
    url, session = served
    path = urlsplit(url).path
    assert urlsplit(url).hostname == "127.0.0.1"
    status, text, headers = ask(url, path)
    assert (status, "What is" in text or "&lt;script" in text or "<h2" in text) == (200, True)
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert ask(url, "/")[0] == 403
    assert ask(url, "/wrong" + path)[0] == 403
    assert ask(url, path[:-2] + "x/")[0] == 403
    assert ask(url, path, Host="attacker.example")[0] == 403
    assert ask(url, path + "nothing.js")[0] == 404
    assert session.current is not None
    form = {"item": session.current.id, "choice": "keep_both", "swapped": "0"}
    assert ask(url, path + "decide")[0] in (404, 405)
    assert ask(url, "/guess/decide", method="POST", form=form)[0] == 403
    assert ask(url, path + "decide", method="POST", form=form, Origin="http://attacker.example")[0] == 403
    assert ask(url, path + "decide", method="POST", form=form, Sec_Fetch_Site="cross-site")[0] == 403
    assert ask(url, path + "decide", method="POST", form=form | {"note": "x" * 70_000})[0] == 413
    assert session.made == []
    assert ask(url, path + "decide", method="POST", form=form)[0] == 303
    assert len(session.made) == 1
    assert ask(url, path + "decide", method="POST", form=form)[0] == 303  # the same again: said, not done
    assert len(session.made) == 1
    assert "another question is open" in ask(url, path)[1]


def test_ctrl_c_ends_the_page_cleanly_and_a_taken_port_is_said(workspace: Workspace, served: tuple[str, Session]) -> None:  # fmt: skip  # noqa: E501
    port = str(urlsplit(served[0]).port)
    command = [sys.executable, "-m", "orchestration", "-w", str(workspace.root), "review", "--web", "--port"]
    taken = subprocess.run([*command, port], capture_output=True, text=True, encoding="utf-8", timeout=60)
    assert (taken.returncode, "cannot be used" in taken.stderr) == (1, True)
    if os.name == "nt":
        pytest.skip("Ctrl-C to a child is sent otherwise on Windows")
    child = subprocess.Popen([*command, "0"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stderr is not None
    assert re.match(r"review: http://127\.0\.0\.1:\d+/\S{20,}/", child.stderr.readline())
    child.send_signal(2)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, "Traceback" in err, "0 decisions" in out) == (0, False, True)


def browser_options(folder: Path) -> object:
    """Chromium without a window, or a skip that says what is missing."""
    selenium = pytest.importorskip("selenium", reason="selenium is not installed: pip install 'motherlode[test]'")
    from selenium.webdriver.chrome.options import Options

    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if binary is None or shutil.which("chromedriver") is None:
        pytest.skip("no chromium with chromedriver on this machine")
    assert selenium
    options = Options()
    options.binary_location = binary
    for name in ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync",
                 "disable-background-networking", "disable-component-update", f"user-data-dir={folder}"):  # fmt: skip
        options.add_argument(f"--{name}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return options


def test_a_person_decides_with_the_keyboard_in_a_real_browser(
    served: tuple[str, Session], workspace: Workspace, tmp_path: Path
) -> None:
    options = browser_options(tmp_path / "chrome")
    from selenium import webdriver
    from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
    from selenium.webdriver import ActionChains
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    url, _ = served
    page = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))  # type: ignore[arg-type]  # Options, or the test was skipped
    try:
        page.get(url)

        def until(holds: Callable[[str], bool], selector: str) -> None:
            """Wait for the next page: loaded, its script run, and this true of an element's text."""
            WebDriverWait(page, 20, ignored_exceptions=[StaleElementReferenceException, NoSuchElementException]).until(
                lambda p: (
                    holds(p.find_element(By.CSS_SELECTOR, selector).text)
                    and p.execute_script("return document.readyState") == "complete"
                )
            )

        def press(key: str, decided: int) -> None:
            ActionChains(page).send_keys(key).perform()
            until(lambda text: f"{decided} decided" in text, ".count")

        first = page.find_elements(By.TAG_NAME, "article")
        assert abs(first[0].location["y"] - first[1].location["y"]) < 2
        assert first[0].location["x"] < first[1].location["x"]
        assert page.find_elements(By.CSS_SELECTOR, "mark.one, mark.other")
        before = page.find_element(By.CSS_SELECTOR, "article.stays code").text
        ActionChains(page).send_keys("s").perform()
        until(lambda text: text == before, "article.joins code")
        ActionChains(page).send_keys("/").send_keys("mkc").send_keys("\ue00c").perform()  # a note, not three decisions
        press("m", 1)
        press("k", 2)
        press("u", 1)
        press("k", 2)
        press("c", 3)
        ActionChains(page).send_keys("n").perform()
        until(lambda text: "Nothing waits" in text, "h1")
        assert "taken" not in page.title
        assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []
    finally:
        page.quit()
    assert verdicts(workspace) == ["merge", "survivor", "keep_both", "conflict"]
    with workspace.store(write=True) as store:
        noted = overrides.listed(store)
        assert noted["note"].to_list()[:2] == ["mkc", "mkc"]
        assert set(noted["who"]) == {"ann"}
