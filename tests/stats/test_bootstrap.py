"""Bootstrap intervals: draws, their pairing, and how often they hold the truth."""

import math

import numpy as np
import pytest

from genomed.stats.binary_metrics import BinaryJudge
from genomed.stats.bootstrap import (
    METHODS,
    Bootstrap,
    bootstrap,
    difference,
    draw_counts,
    estimates,
    interval,
    largest_difference,
)
from genomed.stats.interval_metrics import IntervalJudge
from genomed.stats.logistic import expit
from genomed.stats.measures import share_interval
from genomed.stats.quantitative_metrics import QuantitativeJudge


def mean_of(values):
    return lambda count: np.array([float((count * values).sum() / count.sum())])


def test_a_draw_has_as_many_people_as_the_sample():
    count = draw_counts(1000, 3, 5)
    assert count.sum() == 1000
    assert abs((count == 0).mean() - math.exp(-1)) < 0.05
    assert (draw_counts(1000, 3, 5) == count).all()
    assert (draw_counts(1000, 3, 6) != count).any()


def test_families_are_drawn_together():
    family = np.repeat(np.arange(50), 4)[np.random.default_rng(1).permutation(200)]
    count = draw_counts(200, 1, 0, family, 50)
    for one in range(50):
        assert len(set(count[family == one].tolist())) == 1
    assert count.sum() == 200


def test_threads_change_nothing():
    values = np.random.default_rng(2).normal(size=300)
    one = bootstrap(mean_of(values), 300, n_draws=40, threads=1)
    two = bootstrap(mean_of(values), 300, n_draws=40, threads=3)
    np.testing.assert_array_equal(one.draws, two.draws)


def test_the_spread_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(3).normal(size=400)
    found = bootstrap(mean_of(values), 400, n_draws=2000)
    assert found.draws.std() == pytest.approx(values.std() / 20, rel=0.06)


def test_twins_drawn_together_widen_the_interval_by_the_root_of_two():
    values = np.repeat(np.random.default_rng(4).normal(size=200), 2)
    alone = bootstrap(mean_of(values), 400, n_draws=1000)
    paired = bootstrap(mean_of(values), 400, n_draws=1000, families=np.repeat(np.arange(200), 2))
    assert paired.draws.std() / alone.draws.std() == pytest.approx(math.sqrt(2), rel=0.1)


@pytest.mark.slow
def test_the_interval_of_a_mean_holds_it_as_often_as_it_says():
    rng = np.random.default_rng(5)
    held = dict.fromkeys(METHODS, 0)
    for trial in range(150):
        values = rng.normal(2.0, 1, 80)
        found = bootstrap(mean_of(values), 80, n_draws=250, seed=trial)
        for method in METHODS:
            low, high = interval(
                values.mean(), found.draws[:, 0], found.left_out[:, 0], level=0.9, method=method
            )
            held[method] += low <= 2.0 <= high
    error = math.sqrt(0.09 / 150)
    for n in held.values():
        assert 0.89 - 3 * error <= n / 150 <= 0.9 + 3 * error


def test_the_difference_of_a_model_from_itself_is_exactly_nothing():
    rng = np.random.default_rng(6)
    eta = rng.normal(size=200)
    judge = BinaryJudge((rng.random(200) < expit(eta)).astype(float), expit(eta))
    for one in difference(judge, judge, n_draws=30):
        assert (one.value, one.low, one.high) == (0, 0, 0)


def test_a_paired_difference_is_narrower_than_the_two_intervals():
    rng = np.random.default_rng(7)
    x = rng.normal(size=500)
    y = x + rng.normal(size=500)
    first = QuantitativeJudge(y, x)
    second = QuantitativeJudge(y, x + 0.3 * rng.normal(size=500))
    paired = difference(first, second, n_draws=300)[0]
    apart = estimates(first, n_draws=300)[0]
    assert paired.low > 0
    assert paired.high - paired.low < 0.7 * (apart.high - apart.low)


def test_a_measure_that_most_draws_leave_undefined_has_no_interval():
    case = np.zeros(200)
    case[0] = 1
    found = {e.name: e for e in estimates(BinaryJudge(case, np.linspace(0, 1, 200)), n_draws=100)}
    assert math.isnan(found["auroc"].low)
    assert "draws" in found["auroc"].reason
    assert found["brier"].low < found["brier"].value < found["brier"].high


def test_intervals_that_hold_everybody_of_few_are_not_sure_to_hold_everybody_else():
    value = np.zeros(17)
    judge = IntervalJudge(value, value - 1, value + 1)
    found = {one.name: one for one in estimates(judge, n_draws=50, seed=1)}
    held = found["coverage"]
    assert (held.value, held.high) == (1, pytest.approx(1))
    assert held.low == pytest.approx(17 / (17 + 1.959964**2))  # Wilson's, where all are held


def test_wilsons_interval_is_the_published_one():
    # Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I
    for held, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605),
                               (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)):  # fmt: skip
        assert share_interval(held / n, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("k", [3, 8])
@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_the_gap_of_the_farthest_of_several_holds_the_true_one(k, spread):
    """95 % of intervals hold 0 where all are equal, however many there are to pick from."""
    error = np.linspace(0.2, 0.2 + spread, k)
    held, seen = 0, 400
    for seed in range(seen):
        rng = np.random.default_rng(seed)
        value = rng.normal(0, error)
        found = Bootstrap(value, value + rng.normal(0, error, (400, k)), np.zeros((0, k)))
        low, high = largest_difference(found, list(range(k)), 0.95)
        assert (low + high) / 2 == pytest.approx(np.ptp(value))
        held += low <= 0
    assert held / seen == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / seen) ** 0.5)


def test_the_gap_of_groups_that_draws_leave_out_is_known():
    rng = np.random.default_rng(4)
    draws = np.array([0.5, 0.6, 0.9]) + rng.normal(0, 0.02, (300, 3))
    draws[::50, 1] = np.nan
    found = Bootstrap(np.array([0.5, 0.6, 0.9]), draws, np.zeros((0, 3)))
    low, high = largest_difference(found, [0, 1, 2], 0.95)
    assert 0.3 < low < 0.4 < high < 0.5
    assert all(map(math.isnan, largest_difference(found._replace(draws=draws[:0]), [0, 1], 0.95)))
