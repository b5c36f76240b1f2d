"""A claim in, signs of life from a thread out, so that a long unit keeps its lease."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from etl.errors import FencedOffError, MotherlodeError
from orchestration.control import Claim, Control, holding


@contextmanager
def beating(control: Control, claim: Claim, every_s: float | None) -> Iterator[threading.Event]:
    """Beat for as long as the block runs; the event is set when the task is lost. None: no thread, under a virtual
    clock."""
    lost, over = threading.Event(), threading.Event()

    def beat() -> None:
        while not over.wait(every_s):
            try:
                holding.heartbeat(control, claim)
            except FencedOffError:
                lost.set()
                return
            except MotherlodeError:  # locked for a moment: the next beat comes
                continue

    if every_s is None:
        yield lost
        return
    thread = threading.Thread(target=beat, daemon=True, name="heartbeat")
    thread.start()
    try:
        yield lost
    finally:
        over.set()
        thread.join()
