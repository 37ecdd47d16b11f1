"""Families: derivatives against differences, and the definitions of discrete-time survival."""

import numpy as np
import pytest

from genomed.models.families import (
    Binary,
    Family,
    Quantitative,
    Survival,
    fit_unpenalised,
    orthonormal,
)

RNG = np.random.default_rng(5)
N = 60
TIME = RNG.exponential(2.0, N)
EVENT = (RNG.random(N) < 0.6).astype(np.float64)
CASE = (RNG.random(N) < 0.4).astype(np.float64)
VALUE = RNG.normal(size=N)
for labels in (TIME, CASE, VALUE):
    labels[::7] = np.nan

LATE = TIME * np.where(RNG.random(N) < 0.5, RNG.random(N), 0.0)

FAMILIES = [
    Quantitative(VALUE), Binary(CASE), Survival.from_times(TIME, EVENT, 5),
    Survival.from_times(TIME, EVENT, 5, entry=LATE),
]  # fmt: skip


@pytest.fixture(params=FAMILIES, ids=["quantitative", "binary", "survival", "late entry"])
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


def test_the_residual_is_the_slope_of_half_the_deviance(family: Family) -> None:
    eta = np.random.default_rng(1).normal(size=N)
    step = 1e-5
    slope = (family.deviance(eta - step) - family.deviance(eta + step)) / (4 * step)
    np.testing.assert_allclose(family.working(eta)[0], slope, atol=1e-8)


def test_the_information_is_the_slope_of_the_residual(family: Family) -> None:
    eta = np.random.default_rng(2).normal(size=N)
    step = 1e-5
    slope = (family.working(eta - step)[0] - family.working(eta + step)[0]) / (2 * step)
    np.testing.assert_allclose(family.working(eta)[1], slope, atol=1e-8)


def test_people_without_a_label_count_for_nothing(family: Family) -> None:
    eta = np.random.default_rng(3).normal(size=N)
    for per_person in (*family.working(eta), family.deviance(eta)):
        assert not per_person[::7].any()
    assert not family.observed[::7].any()
    assert family.observed.sum() == N - len(range(0, N, 7))


def test_a_fit_without_penalty_leaves_no_slope(family: Family) -> None:
    rng = np.random.default_rng(4)
    design = np.concatenate([np.ones((N, 1)), rng.normal(size=(N, 2))], axis=1)
    weight, offset = rng.uniform(0.5, 2, N), rng.normal(size=N) / 2
    weight[:5] = 0
    fit = fit_unpenalised(family, design, weight, offset)
    residual = fit.family.working(offset + design @ fit.coefficients)[0]
    np.testing.assert_allclose(design.T @ (weight * residual), 0, atol=1e-3)
    assert family.fit_null(design, weight, offset) == pytest.approx(fit.coefficients)


def test_logistic_coefficients_are_those_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    known = np.isfinite(CASE)
    covariates = np.random.default_rng(6).normal(size=(N, 3))
    design = np.concatenate([np.ones((N, 1)), covariates], axis=1)
    mine = Binary(CASE).fit_null(design, np.ones(N))
    judge = LogisticRegression(C=np.inf, tol=1e-10).fit(covariates[known], CASE[known])
    np.testing.assert_allclose(mine, [*judge.intercept_, *judge.coef_[0]], atol=1e-4)


def test_who_leaves_early_in_an_interval_is_not_at_risk_in_it() -> None:
    time = np.array([1.0, 2.0, 4.0, 0.4, 0.6, 2.9, 3.1, 9.0, np.nan])
    event = np.array([1, 1, 1, 0, 0, 0, 0, 0, 1.0])
    family = Survival.from_times(time, event, 3)
    edges = np.quantile([1.0, 2.0, 4.0], [1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(family.edges, [0, *edges])
    # intervals: to 1.67 (middle 0.83), to 2.67 (2.17), to 4 (3.33)
    assert family.n_at_risk.tolist() == [1, 2, 3, 0, 0, 2, 2, 3, -1]
    assert family.event.tolist() == [True, True, True, *[False] * 6]


def test_the_deviance_of_survival_is_the_product_of_its_hazards() -> None:
    family = FAMILIES[2]
    assert isinstance(family, Survival)
    eta = np.random.default_rng(8).normal(size=N)
    hazard = family.hazard(eta)
    for s in np.flatnonzero(family.observed):
        likelihood = 1.0
        for t in range(family.n_at_risk[s]):
            last = t == family.n_at_risk[s] - 1 and family.event[s]
            likelihood *= hazard[s, t] if last else 1 - hazard[s, t]
        assert family.deviance(eta)[s] == pytest.approx(-2 * np.log(likelihood))


def test_who_enters_late_is_not_at_risk_before() -> None:
    time = np.array([1.0, 2.0, 4.0, 9.0, 9.0, 9.0, 9.0, 4.0, 2.2, np.nan])
    event = np.array([1, 1, 1, 0, 0, 0, 0, 1, 0, 1.0])
    entry = np.array([0, 0, 0, 0.8, 0.9, 1.9, 5.0, 3.9, 2.0, np.nan])
    family = Survival.from_times(time, event, 3, entry=entry)
    # intervals: to 2 (middle 1), to 4 (middle 3)
    np.testing.assert_allclose(family.edges, [0, 2, 4])
    expected = [[1, 0], [1, 0], [1, 1], [1, 1], [1, 1], [0, 1], [0, 0], [0, 1], [0, 0], [0, 0]]
    assert family.at_risk.astype(int).tolist() == expected


def test_the_likelihood_of_a_late_entry_is_given_survival_until_then() -> None:
    late = FAMILIES[3]
    assert isinstance(late, Survival)
    eta = np.random.default_rng(8).normal(size=N)
    hazard = late.hazard(eta)
    middle = (late.edges[1:] + late.edges[:-1]) / 2
    for s in np.flatnonzero(late.observed):
        likelihood = 1.0
        for t, half in enumerate(middle):
            happens = bool(late.event[s]) and late.edges[t] < TIME[s] <= late.edges[t + 1]
            if happens:
                likelihood *= hazard[s, t]
            elif LATE[s] < half < TIME[s] and not (late.event[s] and TIME[s] <= late.edges[t + 1]):
                likelihood *= 1 - hazard[s, t]
        assert late.deviance(eta)[s] == pytest.approx(-2 * np.log(likelihood))


def test_late_entry_leaves_the_hazard_unbiased() -> None:
    rng = np.random.default_rng(15)
    n = 40_000
    time, entry = rng.exponential(10, n), rng.uniform(0, 15, n)
    seen = time > entry  # who had the event before never came
    time, entry = time[seen], entry[seen]
    event = time < 20
    time = np.minimum(time, 20)
    family = Survival.from_times(time, event, 10, entry=entry)
    truth = 1 - np.exp(-np.diff(family.edges) / 10)
    found = family.hazard(np.zeros(1))[0]
    np.testing.assert_allclose(found, truth, rtol=0.1)
    ignoring = Survival.from_times(time, event, 10).hazard(np.zeros(1))[0]
    assert ignoring[0] < 0.5 * truth[0]


def test_the_baseline_expects_the_events_that_there_are() -> None:
    family = FAMILIES[2]
    assert isinstance(family, Survival)
    eta, weight = np.random.default_rng(9).normal(size=(2, N))
    fitted = family.fitted(eta, np.abs(weight))
    at_risk = family.at_risk * np.abs(weight)[:, None]
    last = np.where(family.event, family.n_at_risk - 1, 0)
    seen = np.bincount(last, family.event * np.abs(weight), minlength=5)
    np.testing.assert_allclose((at_risk * fitted.hazard(eta)).sum(axis=0), seen, atol=1e-6)


def test_directions_that_do_not_vary_are_left_out() -> None:
    x = np.random.default_rng(10).normal(size=(30, 2))
    design = np.column_stack([np.ones(30), x, x[:, 0] + x[:, 1], np.zeros(30)])
    transform = orthonormal(design, np.ones(30))
    assert transform.shape == (5, 3)
    basis = design @ transform
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-10)


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (Binary(np.zeros(9)), "no case"),
        (Binary(np.ones(9)), "no control"),
        (Binary(np.full(9, np.nan)), "no case"),
        (Quantitative(np.full(9, 2.5)), "the same value for everybody"),
        (Quantitative(np.full(9, np.nan)), "nobody with a value"),
    ],
)
def test_a_trait_that_tells_nothing_says_why(family: Family, message: str) -> None:
    assert family.problem(np.ones(9)) == message


def test_labels_that_no_family_knows_are_refused() -> None:
    with pytest.raises(ValueError, match="0, 1 or NaN"):
        Binary(np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="no event"):
        Survival.from_times(np.ones(3), np.zeros(3))
    with pytest.raises(ValueError, match="negative"):
        Survival.from_times(np.array([1.0, -1.0]), np.ones(2))


def test_events_of_others_do_not_say_where_time_is_cut():
    time, event = np.array([1.0, 2, 3, 4, 9, 10]), np.array([1.0, 1, 0, 1, 1, 1])
    used = np.array([True, True, True, True, False, False])
    family = Survival.from_times(time, event, 3, used=used)
    alone = Survival.from_times(time[used], event[used], 3)
    np.testing.assert_array_equal(family.edges, alone.edges)
    np.testing.assert_array_equal(family.baseline, alone.baseline)
    assert not family.event[4:].any()  # after what is modelled
    assert (family.n_at_risk[4:] == len(family.edges) - 1).all()
    with pytest.raises(ValueError, match="no event"):
        Survival.from_times(time, event, 3, used=time == 3)
