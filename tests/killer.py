"""Run the command line and kill the process at a named point: `python killer.py POINT -- etl arguments`.

A point is `JOB:WHERE:N`: at the N-th unit of that job, `inside` its transaction after the work, `committed` before the
commit is acknowledged, or `after` it; or `FUNCTION:before:N` / `FUNCTION:after:N` for any function by its full name.
"""

import functools
import importlib
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from etl.store import ledger
from orchestration.cli import run

WHERE = {"inside": "append", "committed": "confirm", "after": "write_mark"}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm_job(job: str, where: str, number: int) -> None:
    """Die at the N-th unit of a job."""
    seen: Counter[str] = Counter()
    state = {"job": ""}
    append, target = ledger.append, getattr(ledger, WHERE[where])

    def remember(con: Any, **row: Any) -> Any:
        state["job"] = row["job"]
        seen[row["job"]] += 1
        if where == "inside" and row["job"] == job and seen[job] == number:
            append(con, **row)
            die()
        return append(con, **row)

    def act(*arguments: Any) -> Any:
        if where == "committed" and state["job"] == job and seen[job] == number:
            die()
        result = target(*arguments)
        if where == "after" and state["job"] == job and seen[job] == number:
            die()
        return result

    ledger.append = remember
    if where != "inside":
        setattr(ledger, WHERE[where], act)


def arm_function(name: str, when: str, number: int) -> None:
    """Die before or after the N-th call of a function."""
    module_name, _, attribute = name.rpartition(".")
    module = importlib.import_module(module_name)
    original: Callable[..., Any] = getattr(module, attribute)
    calls = Counter[str]()

    @functools.wraps(original)  # the steps of a wrap are known by their names
    def act(*arguments: Any, **named: Any) -> Any:
        calls["n"] += 1
        if when == "before" and calls["n"] == number:
            die()
        result = original(*arguments, **named)
        if when == "after" and calls["n"] == number:
            die()
        return result

    setattr(module, attribute, act)


if __name__ == "__main__":
    point, arguments = sys.argv[1], sys.argv[3:]
    name, where, number = point.rsplit(":", 2)
    (arm_job if where in WHERE and "." not in name else arm_function)(name, where, int(number))
    sys.exit(run(arguments))
