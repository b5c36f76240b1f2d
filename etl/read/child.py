"""What the reading child does: requests from standard input, answers to standard output, one after the other.

It ignores Ctrl-C (the parent decides), ends with its parent (standard input closes), and lowers its own limits on
memory and processor time where the system has such limits (POSIX).
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import polars as pl

_MESSAGE = 1024 * 1024  # bytes of one request


def serve(memory_mb: int, output_mb: int, limits: dict[str, int]) -> None:
    """Answer requests until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["POLARS_MAX_THREADS"] = "2"  # before polars is imported: each thread reserves address space
    requests, answers = _streams()
    _limit("RLIMIT_AS", memory_mb * 1024 * 1024)
    _limit("RLIMIT_CORE", 0)
    from etl.errors import SettingsError
    from etl.read import wire
    from etl.read.limits import Limits
    from etl.shapes.own import own_shapes

    try:
        own_shapes()
    except SettingsError as error:
        wire.send(answers, json.dumps({"error": str(error)}).encode("ascii"))
        return
    wire.send(answers, b"ready")
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, waiting), daemon=True).start()
    while True:
        _answer(waiting.get(), answers, Limits(**limits), output_mb * 1024 * 1024)


def _listen(requests: BinaryIO, waiting: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Take requests even while one is being worked on, so that the parent's end is noticed at once."""
    from etl.read import wire

    try:
        while True:
            waiting.put(json.loads(wire.receive(requests, at_most=_MESSAGE)))
    except (EOFError, OSError, ValueError):
        os._exit(0)  # the parent is gone: nobody waits for what the main thread is doing


def _answer(request: dict[str, Any], answers: BinaryIO, limits: Any, output_bytes: int) -> None:
    from etl.errors import DeliveryError
    from etl.read import wire
    from etl.read.archive import unpack
    from etl.read.examine import examine
    from etl.read.file import read
    from etl.read.reading import Reading

    _limit("RLIMIT_CPU", _processor_seconds() + request["seconds"])
    more: list[bytes] = []
    parts = _Parts(answers, output_bytes)
    try:
        if "examine" in request:
            found = examine(Path(request["path"]), limits=limits, **request["examine"])
            wire.send(answers, json.dumps(found, default=str).encode("ascii"))
            return
        if "into" in request:
            into = Path(request["into"])
            reading, members = unpack(Path(request["path"]), into, at_most=request["at_most"], limits=limits)
            more = [json.dumps(members).encode("ascii")]
        else:
            told = {"mapping": request["mapping"], "salvage": request["salvage"]}
            reading = read(Path(request["path"]), limits=limits, give=parts.send, **told)
    except DeliveryError as error:
        wire.send(answers, json.dumps({"error": str(error)}).encode("ascii"))
        return
    messages = wire.pack(reading)
    if (size := parts.size + sum(map(len, messages))) > output_bytes:
        evidence = f"{size:,} bytes of pairs, {output_bytes:,} are allowed"
        messages = wire.pack(Reading.refused("output_too_large", evidence, format=reading.format))
    for message in (*messages, *more):
        wire.send(answers, message)


class _Parts:
    """Sends candidates ahead of the rest of the answer, as long as they are not too many."""

    def __init__(self, answers: BinaryIO, output_bytes: int) -> None:
        self.size = 0
        self._answers, self._output_bytes = answers, output_bytes

    def send(self, frame: pl.DataFrame) -> None:
        from etl.read import wire

        message = wire.part(frame)
        self.size += len(message)
        if self.size <= self._output_bytes:
            wire.send(self._answers, message)


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """Private copies of standard input and output; whatever a library prints goes to standard error."""
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(requests, os.O_BINARY)
        msvcrt.setmode(answers, os.O_BINARY)
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def _limit(name: str, value: int) -> None:
    """Lower one soft limit where the system has it; never above the hard one."""
    try:
        import resource
    except ImportError:  # Windows
        return
    which = getattr(resource, name, None)
    if which is None:
        return
    hard = resource.getrlimit(which)[1]
    resource.setrlimit(which, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _processor_seconds() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int(used.ru_utime + used.ru_stime) + 1
