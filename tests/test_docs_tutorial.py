"""The evening of docs/tutorial-sessions.md, lived: its commands in one shell, in order, against the lines it shows."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tutorial-sessions.md"
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "@@@ block"


def steps() -> list[tuple[str, list[str]]]:
    """Each block of commands with the lines shown below it."""
    found: list[tuple[str, list[str]]] = []
    for kind, content in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "sh":
            found.append((content, []))
        else:
            found[-1][1].extend(content.splitlines())
    return found


def first_missing(shown: list[str], printed: list[str]) -> str | None:
    """The first shown line that does not come in its place; None where all do.

    `…` alone stands for any lines, inside a line for any text. A line directly below another follows it directly.
    """
    at, anywhere = 0, False
    for line in shown:
        if line == "…":
            anywhere = True
            continue
        pattern = re.compile(".*".join(re.escape(" ".join(part.split())) for part in line.split("…")))
        rest = range(at, len(printed) if anywhere else min(at + 1, len(printed)))
        hit = next((i for i in rest if pattern.fullmatch(" ".join(printed[i].split()))), None)
        if hit is None:
            return line
        at, anywhere = hit + 1, False
    return None if anywhere or at == len(printed) else f"nothing more, but there is: {printed[at]}"


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        (["a …c", "…", "d"], ["a b c", "x", "y", "d"], None),
        (["a", "d"], ["a", "x", "d"], "d"),
        (["…", "d", "a"], ["a", "d"], "a"),
        (["a"], ["a", "b"], "nothing more, but there is: b"),
    ],
)
def test_what_the_page_shows_is_compared_line_by_line(
    shown: list[str], printed: list[str], missing: str | None
) -> None:
    assert first_missing(shown, printed) == missing


@pytest.mark.skipif(os.name != "posix", reason="the page is for bash and SIGKILL")
@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("git")), reason="needs bash and git")
def test_the_evening_goes_as_the_page_says(tmp_path: Path) -> None:
    blocks = steps()
    assert len(blocks) > 15
    own = tmp_path / "bin"  # `etl` and `python` are those that run this test
    own.mkdir()
    for name, call in (("etl", "-m orchestration"), ("python", "")):
        (own / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {call} "$@"\n', encoding="utf-8")
        (own / name).chmod(0o755)
    evening = tmp_path / "evening.sh"
    evening.write_text("".join(f"{commands}echo '{MARK}'\n" for commands, _ in blocks), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ETL_", "GIT_"))}
    environment |= {
        "MOTHERLODE": str(ROOT), "PATH": f"{own}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT), "COLUMNS": "200",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", str(evening)], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True, encoding="utf-8", timeout=600, check=False,
    )  # fmt: skip
    (tmp_path / "evening.txt").write_text(done.stdout, encoding="utf-8")
    printed = done.stdout.split(f"{MARK}\n")[:-1]
    assert len(printed) == len(blocks), done.stdout[-3000:]
    for (commands, shown), output in zip(blocks, printed, strict=True):
        missing = first_missing(shown, [line for line in output.splitlines() if line.strip()])
        assert missing is None, f"not as shown: {missing}\nafter\n{commands}\nprinted was\n{output}"
