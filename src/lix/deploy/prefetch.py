"""Work that overlaps: threads compute the next results, only a few in advance."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(
    work: Callable[[Item], Result], items: Iterable[Item], *, workers: int = 1
) -> Generator[Result, None, None]:
    """Like `map(work, items)`, with the next `workers + 1` results computed by threads meanwhile.

    The items are drawn by the caller's thread, so that chained calls make a pipeline. An error of
    `work` is raised where its result would have come. Close the iterator (`contextlib.closing`)
    to end the threads early; work that has begun is finished, the rest is dropped.
    """
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > workers + 1:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
