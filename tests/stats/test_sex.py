"""Sex from X and Y."""

import numpy as np

from genomed.stats.sex import STATUSES, SexCheck, check_sex

NAN = float("nan")


def check(declared: list[int], x_f: list[float], y: list[float], n_x: int = 500) -> SexCheck:
    return check_sex(
        np.array(declared, np.int8), np.array(x_f), np.full(len(x_f), n_x), np.array(y),
        max_female_f=0.2, min_male_f=0.8, min_n_x=50,
    )  # fmt: skip


def statuses(found: SexCheck) -> list[str]:
    return [STATUSES[s] for s in found.status]


def test_x_alone_decides_beyond_the_limits() -> None:
    found = check([1, 2, 2, 0, 1], [1.0, 0.0, 0.99, 0.01, 0.5], [NAN] * 5)

    assert found.sex.tolist() == [1, 2, 1, 2, 0]
    assert statuses(found) == ["ok", "ok", "mismatch", "undeclared", "unknown"]


def test_few_genotypes_on_x_decide_nothing() -> None:
    found = check([1, 2], [1.0, 1.0], [NAN, NAN], n_x=49)

    assert statuses(found) == ["unknown", "unknown"]


def test_y_decides_where_x_does_not() -> None:
    found = check([1, 2, 1, 2], [1.0, 0.0, 0.5, 0.5], [0.98, 0.01, 0.97, 0.02])

    assert found.sex.tolist() == [1, 2, 1, 2]


def test_a_y_that_contradicts_x_is_ambiguous() -> None:
    found = check([1, 1, 2, 2, 2], [1.0, 1.0, 0.0, 0.0, 0.0], [0.9, 0.9, 0.9, 0.0, 0.01])

    assert statuses(found) == ["ok", "ok", "ambiguous", "ok", "ok"]


def test_a_y_that_everybody_is_called_on_is_not_heard() -> None:
    found = check([1, 1, 2, 2], [1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0])

    assert statuses(found) == ["ok"] * 4
