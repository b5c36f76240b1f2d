"""A function and items in, results in the items' order out, some of them worked out ahead by threads.

numpy lets go of the interpreter inside its loops, so threads share the work; how many there are never changes a
result, only when it is there.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """How many threads to use where nobody says: one a core, at most eight."""
    return min(8, os.cpu_count() or 1)


def ahead(work: Callable[[Item], Result], items: Iterable[Item], *, threads: int | None = None) -> Iterator[Result]:
    """`map` with at most `threads` + 1 items under way, so that what is not yet asked for stays small."""
    count = cores() if threads is None else threads
    if count <= 1:
        yield from map(work, items)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(count) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
