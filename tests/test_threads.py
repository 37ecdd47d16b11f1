"""Results of threads come in the order of the work, whichever is done first."""

import time
from collections.abc import Iterator

import pytest

from genomed.threads import in_order


def test_results_come_in_the_order_of_the_work_and_no_more_is_begun_than_asked() -> None:
    begun = []

    def work() -> Iterator[int]:
        for i in range(9):
            begun.append(i)
            yield i

    def slow_at_first(i: int) -> int:
        time.sleep(0.02 if i % 3 == 0 else 0)
        return 10 * i

    results = in_order(work(), slow_at_first, 3, "test", ahead=4)
    assert next(results) == 0
    assert begun == [0, 1, 2, 3, 4]
    assert list(results) == [10 * i for i in range(1, 9)]


def test_an_error_comes_in_the_place_of_its_result() -> None:
    results = in_order([1, 0, 2], lambda n: 6 // n, 2, "test", ahead=2)
    assert next(results) == 6
    with pytest.raises(ZeroDivisionError):
        next(results)
