"""Work done in threads, whose results come in the order of the work."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["in_order"]

T = TypeVar("T")
R = TypeVar("R")


def in_order(
    work: Iterable[T], run: Callable[[T], R], threads: int, name: str, *, ahead: int
) -> Iterator[R]:
    """Yield what `run` makes of each piece of work.

    name  : of the threads, behind ``genomed-``
    ahead : pieces that are begun before the result of the first is waited for
    """
    begun: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix=f"genomed-{name}") as pool:
        try:
            for one in work:
                begun.append(pool.submit(run, one))
                if len(begun) > ahead:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
