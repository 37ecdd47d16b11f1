"""The linear trunk: optimality of every fit, honesty of predictions out of fold, laws, refusals."""

from dataclasses import replace

import numpy as np
import pytest
from linear_cases import Problem, problem, written_out
from packed_cohorts import packed

from genomed.models.columns import additive_columns, dominance_columns, join
from genomed.models.families import Binary, Family, Quantitative, Survival
from genomed.models.linear import (
    Columns,
    CrossFit,
    PathSettings,
    cross_fit,
    fit_path,
    predict,
)
from genomed.models.mixture import mixture_fits
from genomed.models.ridge import ridge_fits
from genomed.models.stacking import non_negative

N = 200
RNG = np.random.default_rng(11)
COVARIATES = np.column_stack([50 + 10 * RNG.normal(size=N), RNG.integers(0, 2, N)])
OFFSET = RNG.normal(size=N) / 3
WEIGHT = np.where(RNG.random(N) < 0.2, 0.0, RNG.uniform(0.5, 2, N))
FOLD = (np.arange(N) % 5).astype(np.int8)
EXACT = PathSettings(tolerance=1e-13, max_cycles=20_000, max_reweightings=100)
QUICK = PathSettings(n_penalties=30, min_penalty_ratio=0.05)


@pytest.fixture(scope="module")
def case() -> Problem:
    """Additive, dominance and dense columns with unequal penalties."""
    small = problem(7, n=N, p=150)
    rng = np.random.default_rng(12)
    dense = rng.normal(size=(4, N)).astype(np.float32)
    columns = join(
        replace(small.columns, dense=dense, penalty=rng.uniform(0.5, 2, 154)),
        dominance_columns(small.columns.words, N, np.ones(N), np.arange(60)),
    )
    return small._replace(columns=columns, dense=written_out(columns))


def trait(kind: str, eta: np.ndarray, seed: int = 13) -> Family:
    rng = np.random.default_rng(seed)
    missing = rng.random(len(eta)) < 0.1
    if kind == "quantitative":
        return Quantitative(np.where(missing, np.nan, 10 + eta + rng.normal(size=len(eta))))
    if kind == "binary":
        return Binary(np.where(missing, np.nan, rng.logistic(size=len(eta)) < 2 * eta))
    time = rng.exponential(np.exp(-1.5 * eta))
    return Survival.from_times(np.where(missing, np.nan, np.minimum(time, 3)), time < 3, 6)


KINDS = ["quantitative", "binary", "survival"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("l1_ratio", [1.0, 0.3])
def test_every_fit_is_at_the_minimum(case: Problem, kind: str, l1_ratio: float) -> None:
    """The conditions of Karush, Kuhn and Tucker, in float64 on the design written out."""
    family, x = trait(kind, case.eta + OFFSET), case.dense
    used = WEIGHT * family.observed
    fits = fit_path(
        case.columns, COVARIATES, family, l1_ratio, np.array([0.15, 0.08, 0.04]) / l1_ratio, EXACT,
        weight=WEIGHT, offset=OFFSET,
    )  # fmt: skip
    for fit in fits:
        eta = fit.intercept + OFFSET + COVARIATES @ fit.covariates + x @ fit.beta
        residual = used * family.fitted(eta, used).working(eta)[0] / used.sum()
        np.testing.assert_allclose(residual.sum(), 0, atol=2e-5)
        np.testing.assert_allclose(COVARIATES.T @ residual, 0, atol=1e-3)
        slope = x.T @ residual - fit.penalty * (1 - l1_ratio) * case.columns.penalty * fit.beta
        level = fit.penalty * l1_ratio * case.columns.penalty
        on = fit.beta != 0
        np.testing.assert_allclose(slope[on], (level * np.sign(fit.beta))[on], atol=3e-5)
        assert (np.abs(slope[~on]) <= level[~on] + 3e-5).all()
    assert np.count_nonzero(fits[-1].beta) > 10


def test_the_first_penalty_has_no_columns_and_the_next_one_has(case: Problem) -> None:
    family = trait("quantitative", case.eta)
    result = cross_fit(case.columns, COVARIATES, family, FOLD, QUICK)
    for ratio in QUICK.l1_ratios:
        first = result.path.filter(result.path["l1_ratio"] == ratio)["penalty"][0]
        above, below = fit_path(
            case.columns, COVARIATES, family, ratio, np.array([1.001, 0.95]) * first, EXACT
        )
        assert not above.beta.any()
        assert below.beta.any()


def test_prediction_is_the_design_times_the_coefficients(case: Problem) -> None:
    fit = fit_path(case.columns, COVARIATES, trait("quantitative", case.eta), 0.5,
                   np.array([0.1]), EXACT)[0]  # fmt: skip
    eta = predict(case.columns, fit, COVARIATES)
    expected = fit.intercept + COVARIATES @ fit.covariates + case.dense @ fit.beta
    np.testing.assert_allclose(eta, expected, atol=1e-10)


def test_people_of_weight_zero_might_as_well_not_be_there(case: Problem) -> None:
    family = trait("binary", case.eta)
    fewer = np.flatnonzero(WEIGHT > 0)
    n = len(fewer)
    sub = Columns(
        packed(np.ascontiguousarray(case.alt_count[:, fewer])), np.arange(150),
        case.columns.value[:150], np.empty((0, n), np.float32), np.ones(150),
    )  # fmt: skip
    whole = replace(sub, words=case.columns.words, dense=np.empty((0, N), np.float32))
    penalties = np.array([0.1, 0.05])
    one = fit_path(whole, COVARIATES, family, 1.0, penalties, EXACT, weight=WEIGHT)[-1]
    other = fit_path(sub, COVARIATES[fewer], Binary(family.y[fewer]), 1.0, penalties, EXACT,
                     weight=WEIGHT[fewer])[-1]  # fmt: skip
    np.testing.assert_allclose(one.beta, other.beta, atol=1e-5)


@pytest.mark.parametrize("penalty", [0.2, 3.0])
def test_ridge_solves_the_system_written_out(case: Problem, penalty: float) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from genomed.models.columns import Products

    family = trait("quantitative", case.eta)
    used = WEIGHT * family.observed
    design, x = np.column_stack([np.ones(N), COVARIATES]), case.dense
    both = np.concatenate([design, x], axis=1)
    ridge = np.concatenate([np.zeros(3), penalty * used.sum() * case.columns.penalty])
    y = np.nan_to_num(family.y)
    expected = np.linalg.solve(
        (both * used[:, None]).T @ both + np.diag(ridge), both.T @ (used * (y - OFFSET))
    )
    with ThreadPoolExecutor(1) as pool:
        products = Products(case.columns, pool)
        fits = ridge_fits(products, design, family, [WEIGHT], np.array([9.0, penalty]), OFFSET,
                          tolerance=1e-6, max_steps=200)[0]  # fmt: skip
        beta = products.with_columns(fits.dual)[:, 1] / case.columns.penalty
    np.testing.assert_allclose(beta, expected[3:], atol=1e-4)
    np.testing.assert_allclose(fits.coefficients[:, 1], expected[:3], atol=1e-3)
    np.testing.assert_allclose(fits.genetic[:, 1], x @ expected[3:], atol=1e-3)


def test_a_mixture_of_one_normal_is_ridge_regression(case: Problem) -> None:
    family = trait("quantitative", case.eta)
    used = WEIGHT * family.observed
    design, x = np.column_stack([np.ones(N), COVARIATES]), case.dense
    both = np.concatenate([design, x], axis=1)
    ridge = np.concatenate([np.zeros(3), case.columns.penalty / 0.05])
    expected = np.linalg.solve(
        (both * used[:, None]).T @ both + np.diag(ridge),
        both.T @ (used * (np.nan_to_num(family.y) - OFFSET)),
    )
    fit = mixture_fits(case.columns, design, family, WEIGHT, OFFSET, [0.05], tolerance=1e-13,
                       max_cycles=3000)[0]  # fmt: skip
    np.testing.assert_allclose(fit.beta, expected[3:], atol=1e-4)
    np.testing.assert_allclose(fit.coefficients, expected[:3], atol=1e-3)


def test_a_mixture_tells_large_effects_from_none() -> None:
    """Two effects of 0.6 among 400: they are hardly shrunk, the others nearly to nothing."""
    small = problem(19, n=600, p=400, n_causal=2)
    y = 0.6 * np.sqrt(2) * small.eta + np.random.default_rng(20).normal(size=600)
    fit = mixture_fits(small.columns, np.ones((600, 1)), Quantitative(y), np.ones(600),
                       np.zeros(600), [0.0])[0]  # fmt: skip
    large = np.argsort(-np.abs(fit.beta))
    assert np.abs(fit.beta[large[:2]]) == pytest.approx(0.6, abs=0.1)
    assert np.abs(fit.beta[large[2:]]).max() < 0.1
    assert np.abs(np.delete(fit.beta, large[:2])).mean() < 0.01


def test_shares_are_those_of_non_negative_least_squares() -> None:
    from scipy.optimize import nnls

    rng = np.random.default_rng(14)
    for _ in range(20):
        z, y = rng.normal(size=(30, 4)) + rng.normal(size=(30, 1)), rng.normal(size=30)
        np.testing.assert_allclose(non_negative(z.T @ z, z.T @ y), nnls(z, y)[0], atol=1e-6)


@pytest.fixture(scope="module", params=KINDS)
def crossed(request: pytest.FixtureRequest, case: Problem) -> tuple[Family, CrossFit]:
    family = trait(request.param, 1.5 * case.eta)
    return family, cross_fit(case.columns, COVARIATES, family, FOLD, QUICK, threads=2)


def test_what_is_learned_predicts_people_left_out(crossed: tuple[Family, CrossFit]) -> None:
    family, result = crossed
    assert np.isfinite(result.out_of_fold).all()
    alone = family.fitted(result.null_out_of_fold, family.observed.astype(float))
    gain = alone.deviance(result.null_out_of_fold) - result.family.deviance(result.out_of_fold)
    assert gain.sum() > 4 * np.sqrt(N) * gain.std() / 2
    table = result.candidates
    names = [
        "lasso",
        "elastic net 0.5",
        "elastic net 0.1",
        "ridge",
        "mixture",
        "combined",
        "covariates",
    ]
    assert table["candidate"].to_list() == names
    assert table["deviance"][5] < table["deviance"][:5].min() * 1.03


def test_the_predictor_out_of_fold_is_not_fitted_to_the_people(case: Problem) -> None:
    """Where the trait is noise, nothing is gained out of fold, and little is claimed."""
    gains = []
    for seed in range(4):
        y = np.random.default_rng(seed).normal(size=N)
        result = cross_fit(case.columns, COVARIATES, Quantitative(y), FOLD, QUICK)
        gains.append(((y - result.null_out_of_fold) ** 2 - (y - result.out_of_fold) ** 2).mean())
    assert np.mean(gains) < 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_threads_change_no_bit(case: Problem, kind: str) -> None:
    family = trait(kind, 1.5 * case.eta)
    one, two = (
        cross_fit(case.columns, COVARIATES, family, FOLD, QUICK, offset=OFFSET, threads=threads)
        for threads in (1, 3)
    )
    assert one.fit.beta.tobytes() == two.fit.beta.tobytes()
    assert one.out_of_fold.tobytes() == two.out_of_fold.tobytes()
    assert one.path.equals(two.path)


def test_the_order_of_people_and_the_blocks_do_not_matter(
    case: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = trait("quantitative", 1.5 * case.eta)
    order = np.random.default_rng(15).permutation(N)
    settings = replace(QUICK, tolerance=1e-12)
    columns = additive_columns(packed(case.alt_count), N, np.ones(N))
    one = cross_fit(columns, COVARIATES, family, FOLD, settings)
    monkeypatch.setattr("genomed.models.columns.BLOCK_BYTES", 4096)
    shuffled = additive_columns(packed(case.alt_count[:, order]), N, np.ones(N))
    two = cross_fit(
        shuffled, COVARIATES[order], Quantitative(family.y[order]), FOLD[order], settings
    )
    np.testing.assert_allclose(one.fit.beta, two.fit.beta, atol=1e-4)
    np.testing.assert_allclose(one.out_of_fold[order], two.out_of_fold, atol=1e-3)


def test_people_in_no_fold_change_nothing_and_get_nothing(case: Problem) -> None:
    y = trait("quantitative", case.eta).y
    fold = FOLD.copy()
    fold[150:] = -1
    one = cross_fit(case.columns, COVARIATES, Quantitative(y), fold, QUICK)
    other, covariates = y.copy(), COVARIATES.copy()
    other[150:] = 1e6
    covariates[150:] = np.nan
    two = cross_fit(case.columns, covariates, Quantitative(other), fold, QUICK)
    assert one.fit.beta.tobytes() == two.fit.beta.tobytes()
    assert np.isnan(one.out_of_fold[150:]).all()
    assert np.isfinite(one.out_of_fold[:150]).all()


def test_columns_that_do_not_vary_get_no_coefficient() -> None:
    alt_count = np.random.default_rng(16).binomial(2, 0.3, (20, N)).astype(np.int8)
    alt_count[3], alt_count[4], alt_count[5] = 0, 2, -9
    columns = additive_columns(packed(alt_count), N, np.ones(N))
    y = alt_count[0] + np.random.default_rng(17).normal(size=N)
    result = cross_fit(columns, np.empty((N, 0)), Quantitative(y), FOLD, QUICK)
    assert not result.fit.beta[3:6].any()
    assert result.fit.beta[0] > 0.1


def test_no_columns_leave_the_covariates() -> None:
    columns = additive_columns(np.empty((0, 7), np.uint64), N, np.ones(N))
    y = COVARIATES[:, 0] / 10 + np.random.default_rng(18).normal(size=N)
    result = cross_fit(columns, COVARIATES, Quantitative(y), FOLD, QUICK)
    np.testing.assert_allclose(result.out_of_fold, result.null_out_of_fold, atol=1e-8)
    assert result.fit.covariates[0] == pytest.approx(0.1, abs=0.03)


def test_a_collinear_covariate_changes_no_prediction(case: Problem) -> None:
    family = trait("binary", case.eta)
    more = np.column_stack([COVARIATES, COVARIATES[:, 0] + COVARIATES[:, 1], np.ones(N)])
    one = cross_fit(case.columns, COVARIATES, family, FOLD, QUICK)
    two = cross_fit(case.columns, more, family, FOLD, QUICK)
    np.testing.assert_allclose(one.out_of_fold, two.out_of_fold, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fold": np.zeros(N, np.int8)}, "two folds"),
        ({"fold": np.full(N, -1, np.int8)}, "two folds"),
        ({"family": Binary((np.arange(N) % 5 == 1).astype(float))}, "fold 1 leaves no case"),
        ({"family": Binary(np.isin(np.arange(N), [1, 2, 3, 4]) * 1.0)}, "fold 0 holds no case"),
        ({"family": Quantitative(np.ones(N))}, "the same value"),
        ({"covariates": RNG.normal(size=(N, 170))}, "too few for 170"),
        ({"covariates": np.full((N, 1), np.nan)}, "not finite"),
        ({"offset": np.full(N, np.inf)}, "not finite"),
        ({"weight": np.full(N, -1.0)}, "negative"),
        ({"family": Quantitative(np.ones(N + 1))}, "of 200 people"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(case: Problem, change: dict, message: str) -> None:
    given = {"covariates": COVARIATES, "family": trait("binary", case.eta), "fold": FOLD} | change
    arguments = [given.pop(name) for name in ("covariates", "family", "fold")]
    with pytest.raises(ValueError, match=message):
        cross_fit(case.columns, *arguments, QUICK, **given)
