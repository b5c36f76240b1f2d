"""A path in, a `Reading` out, read in a spawned child that may be killed by what it reads; the parent lives on."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from etl.errors import DeliveryError, SettingsError
from etl.read import wire
from etl.read.archive import Member, Unpacked
from etl.read.limits import MEGABYTE, Limits
from etl.read.reading import Reading

if TYPE_CHECKING:
    import polars as pl

Take = Callable[[bytes], None]
_START_SECONDS = 120.0  # a cold disk; measured 0.4 s when warm
_PIPE = 1024 * 1024  # bytes; the usual 64 KB make the two processes wait for each other


class ReaderDied(DeliveryError):  # noqa: N818 - it says what happened, the family name says that it is an error
    """The child that read a delivery did not survive it.

    `reason` is snake_case: `reader_crashed`, `reader_out_of_memory`, `reader_timeout` or `reader_output_too_large`.
    """

    def __init__(self, reason: str, evidence: str) -> None:
        super().__init__(f"{reason}: {evidence}")
        self.reason = reason
        self.evidence = evidence


class Reader:
    """Reads deliveries in one child process, started with the first file and started anew whenever it dies.

    A plain subprocess and not multiprocessing: that would import the caller's main module again in the child. The
    memory limit (address space) needs POSIX; elsewhere only time and output are limited.
    """

    def __init__(
        self, *, timeout_s: float = 600.0, memory_mb: int = 8192, output_mb: int = 4096, limits: Limits | None = None
    ) -> None:
        self._limits = limits or Limits()
        self._timeout_s, self._memory_mb, self._output_mb = timeout_s, memory_mb, output_mb
        self._child: subprocess.Popen[bytes] | None = None
        self._answers: _Answers | None = None
        self._ready = False
        self._errors: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(
        self,
        path: Path,
        *,
        mapping: Mapping[str, str] | None = None,
        salvage: bool = False,
        each: Callable[[pl.DataFrame | None], None] | None = None,
    ) -> Reading:
        """Read one file. Raises `ReaderDied` when the child did not survive it, DeliveryError for a missing file.

        `each` is called with the first parts of the candidates of a large file while the child reads on; they are in
        the reading as well, first and in this order. With None it is told to forget them: they do not count.
        """
        request = {
            "path": str(path.absolute()),
            "mapping": None if mapping is None else dict(mapping),
            "salvage": salvage,
            "seconds": int(self._timeout_s) + 1,
        }
        parts: list[pl.DataFrame] = []

        def take(message: bytes) -> None:
            parts.append(wire.unpack_part(message))
            if each is not None:
                each(parts[-1])

        found = self._request(request, messages=3, take=take)
        if parts:
            self.close()  # what a large file took is given back at once
        if parts and each is not None and not wire.counts_parts(found):
            each(None)
        return wire.unpack(found, parts)

    def examine(
        self, path: Path, *, mapping: Mapping[str, str] | None = None, salvage: bool = False, whole: bool = False
    ) -> dict[str, Any]:
        """What is decided about one file, as `etl.read.examine.examine` does. Raises as `read` does."""
        told = {"mapping": None if mapping is None else dict(mapping), "salvage": salvage, "whole": whole}
        request = {"path": str(path.absolute()), "examine": told, "seconds": int(self._timeout_s) + 1}
        found: dict[str, Any] = json.loads(self._request(request, messages=1)[0])
        if "error" in found:
            raise DeliveryError(found["error"])
        return found

    def unpack(self, path: Path, into: Path, *, at_most: int) -> Unpacked:
        """Unpack an archive in the child, as `etl.read.archive.unpack` does. Raises as `read` does."""
        request = {"path": str(path.absolute()), "into": str(into.absolute()), "at_most": at_most}
        *reading, members = self._request(request | {"seconds": int(self._timeout_s) + 1}, messages=4)
        return Unpacked(wire.unpack(reading), [Member(*member) for member in json.loads(members)])

    def _request(self, request: Mapping[str, Any], *, messages: int, take: Take | None = None) -> list[bytes]:
        if self._child is None or self._child.poll() is not None:
            self.start()
        assert self._child is not None  # noqa: S101 - said to the type checker: it was started
        child = self._child
        if not self._ready:
            self._wait_until_ready(child)
        found = self._ask(
            child, json.dumps(request).encode("ascii"), messages=messages, seconds=self._timeout_s, take=take
        )
        if len(found) < messages:
            raise DeliveryError(json.loads(found[0])["error"])
        return found

    def close(self) -> None:
        """End the child; the next `read` starts another one."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            if self._answers is not None:
                self._answers.end()
            for stream in (self._child.stdin, self._child.stdout):
                with suppress(OSError):  # what was not yet sent reaches nobody
                    if stream is not None:
                        stream.close()
            self._child = None
            self._answers = None
            self._ready = False
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def start(self) -> None:
        """Start the child and do not wait for it: it gets ready while the first file is hashed."""
        self.close()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child, closed in close()
        arguments = (self._memory_mb, self._output_mb, asdict(self._limits))
        code = f"import sys; sys.path[:] = {sys.path!r}; from etl.read.child import serve; serve{arguments!r}"
        windows = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Ctrl-C is for the parent only
        self._child = subprocess.Popen(  # noqa: S603 - our own interpreter with code of ours, no shell
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
            creationflags=windows,
        )
        assert self._child.stdout is not None  # noqa: S101 - said to the type checker: it is a pipe
        with suppress(ImportError, AttributeError, OSError):  # Linux only, and only so much for one user
            import fcntl

            fcntl.fcntl(self._child.stdout, fcntl.F_SETPIPE_SZ, _PIPE)
        self._answers = _Answers(self._child.stdout, at_most=self._output_mb * MEGABYTE)

    def _wait_until_ready(self, child: subprocess.Popen[bytes]) -> None:
        [ready] = self._ask(child, None, messages=1, seconds=_START_SECONDS)
        if ready.startswith(b'{"error"'):
            self.close()
            raise SettingsError(json.loads(ready)["error"])
        self._ready = True

    def _ask(
        self,
        child: subprocess.Popen[bytes],
        request: bytes | None,
        *,
        messages: int,
        seconds: float,
        take: Take | None = None,
    ) -> list[bytes]:
        """Send a request and take the answer; the child is killed when it takes too long or says too much."""
        late = threading.Event()

        def stop() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            return self._exchange(child, request, messages, take)
        except (EOFError, BrokenPipeError, ConnectionError) as error:
            raise self._death(child, late=late.is_set(), seconds=seconds) from error
        except ValueError as error:
            self.close()
            raise ReaderDied("reader_output_too_large", str(error)) from error
        except BaseException:
            self.close()  # interrupted in the middle of an answer: the rest of it must not be taken for the next one
            raise
        finally:
            timer.cancel()

    def _exchange(
        self, child: subprocess.Popen[bytes], request: bytes | None, messages: int, take: Take | None
    ) -> list[bytes]:
        assert child.stdin is not None  # noqa: S101 - said to the type checker: it is a pipe
        assert self._answers is not None  # noqa: S101 - as above: it was started with the child
        if request is not None:
            wire.send(child.stdin, request)  # type: ignore[arg-type]  # IO[bytes] of a pipe is a BinaryIO
        found: list[bytes] = []
        while len(found) < messages:
            message = self._answers.next()
            if take is not None and not found and wire.is_part(message):
                take(message)
                continue
            found.append(message)
            if found[0].startswith(b'{"error"'):
                break
        return found

    def _death(self, child: subprocess.Popen[bytes], *, late: bool, seconds: float) -> ReaderDied:
        """Say what the child died of, with the last words it left."""
        code: Any = child.wait()
        words = self._last_words()
        self.close()
        if late:
            return ReaderDied("reader_timeout", f"still reading after {seconds:g} s")
        if "memory allocation of" in words or "MemoryError" in words or "bad_alloc" in words:
            return ReaderDied("reader_out_of_memory", words)
        died = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return ReaderDied("reader_crashed", f"{died}{': ' if words else ''}{words}")

    def _last_words(self) -> str:
        if self._errors is None:
            return ""
        self._errors.seek(0)
        text = self._errors.read()[-2000:].decode("utf-8", "replace")
        return " ".join(text.split())[-300:]


class _Answers:
    """What a child says, taken from its pipe one message ahead, so that it need not wait until we are done with one."""

    def __init__(self, stream: IO[bytes], *, at_most: int) -> None:
        self._stream, self._at_most = stream, at_most
        self._waiting: queue.Queue[bytes | Exception] = queue.Queue(maxsize=1)
        self._ended = False
        self._thread = threading.Thread(target=self._listen, daemon=True, name="reader-answers")
        self._thread.start()

    def next(self) -> bytes:
        """The next message. Raises what `wire.receive` raised."""
        message = self._waiting.get()
        if isinstance(message, Exception):
            self._ended = True
            raise message
        return message

    def end(self) -> None:
        """Take no more; the child is gone, so the thread does not wait for it."""
        self._ended = True
        with suppress(queue.Empty):
            self._waiting.get_nowait()  # the thread may wait for room
        self._thread.join()

    def _listen(self) -> None:
        while not self._ended:
            try:
                message: bytes | Exception = wire.receive(self._stream, at_most=self._at_most)  # type: ignore[arg-type]  # IO[bytes] of a pipe is a BinaryIO
            except (EOFError, OSError, ValueError) as error:
                message = error
            self._waiting.put(message)
            if isinstance(message, Exception):
                return
