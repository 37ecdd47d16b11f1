"""Scores adjusted for ancestry: against pgsc_calc's definition, and on simulated cohorts."""

import numpy as np
import pytest

from genomed.stats.adjustment import (
    fit_adjustment,
    percentile_among,
    percentile_in_neighbourhood,
    scores_in_population,
    z_norm1,
    z_norm2,
)


def three_ancestries(
    rng: np.random.Generator, sizes: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Components (people, 4), scores whose mean and variance differ by group, and the groups."""
    group = np.repeat([0, 1, 2], sizes)
    centres = np.array([[0.2, 0.0, 0.0, 0.0], [-0.1, 0.17, 0.0, 0.0], [-0.1, -0.17, 0.0, 0.0]])
    components = centres[group] + rng.normal(0, 0.01, (len(group), 4))
    mean, sd = np.array([1.0, -2.0, 0.5])[group], np.array([0.5, 1.0, 1.6])[group]
    return components, (mean + sd * rng.standard_normal(len(group))) * 3e-3 + 0.7, group


@pytest.fixture(scope="module")
def reference() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return three_ancestries(np.random.default_rng(11), (700, 500, 600))


def test_both_norms_have_mean_0_and_the_second_variance_1_in_every_group(
    reference: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    components, score, _ = reference
    model = fit_adjustment(score, components)
    new_components, new_score, new_group = three_ancestries(
        np.random.default_rng(12), (4000, 4000, 4000)
    )
    first = z_norm1(model, new_score, new_components)
    second = z_norm2(model, new_score, new_components)
    assert model.converged
    for g, size in enumerate((700, 500, 600)):
        one, two = first[new_group == g], second[new_group == g]
        error = np.sqrt(1 / 4000 + 1 / size)  # of a mean, in standard deviations of the group
        assert abs(one.mean()) < 4 * error * one.std()
        assert abs(two.mean()) < 4 * error
        assert abs(two.var() - 1) < 4 * np.sqrt(2) * error
    assert abs(first[new_group == 2].std() - first[new_group == 0].std()) > 0.5


def test_the_first_norm_is_that_of_a_linear_regression(
    reference: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    components, score, _ = reference
    x = (components - components.mean(axis=0)) / components.std(axis=0)
    y = score - score.mean()
    fitted = linear_model.LinearRegression().fit(x, y)
    residual = y - fitted.predict(x)
    found = z_norm1(fit_adjustment(score, components), score, components)
    np.testing.assert_allclose(found, residual / residual.std(ddof=0), atol=1e-9)


def test_the_two_step_norm_is_that_of_a_gamma_regression(
    reference: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    components, score, _ = reference
    x = (components - components.mean(axis=0)) / components.std(axis=0)
    y = score - score.mean()
    residual = y - linear_model.LinearRegression().fit(x, y).predict(x)
    fitted = linear_model.GammaRegressor(max_iter=1000, tol=1e-8).fit(
        x, (residual - residual.mean()) ** 2
    )
    found = z_norm2(fit_adjustment(score, components), score, components, two_step=True)
    np.testing.assert_allclose(found, residual / np.sqrt(fitted.predict(x)), atol=1e-3)


def test_the_second_norm_is_that_of_the_full_likelihood(
    reference: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    components, score, _ = reference
    x = np.column_stack(
        [np.ones(len(score)), (components - components.mean(axis=0)) / components.std(axis=0)]
    )
    y = (score - score.mean()) / score.std()

    def loss(theta: np.ndarray) -> float:
        variance = np.exp(x @ theta[5:])
        return float(np.sum(np.log(variance) / 2 + (y - x @ theta[:5]) ** 2 / (2 * variance)))

    start = np.zeros(10)
    best = optimize.minimize(loss, start, method="BFGS", options={"gtol": 1e-4}).x
    expected = (y - x @ best[:5]) / np.exp(x @ best[5:] / 2)
    found = z_norm2(fit_adjustment(score, components), score, components)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize(("factor", "offset"), [(1e-9, 0.0), (1e6, -3e6), (-2.0, 5.0)])
def test_the_scale_of_a_score_does_not_matter(
    reference: tuple[np.ndarray, np.ndarray, np.ndarray], factor: float, offset: float
) -> None:
    components, score, _ = reference
    other = score * factor + offset
    for norm in (z_norm1, z_norm2):
        a = norm(fit_adjustment(score, components), score, components)
        b = norm(fit_adjustment(other, components), other, components)
        np.testing.assert_allclose(b, np.sign(factor) * a, atol=1e-4)


def test_only_the_people_to_learn_from_are_learned_from(
    reference: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    components, score, _ = reference
    train = np.arange(len(score)) % 2 == 0
    other = np.where(train, score, 1e9)
    model, alone = (
        fit_adjustment(other, components, train),
        fit_adjustment(score[train], components[train]),
    )
    np.testing.assert_array_equal(model.full_mean, alone.full_mean)


def test_what_cannot_be_learned_from_is_refused() -> None:
    rng = np.random.default_rng(1)
    components = rng.standard_normal((50, 4))
    with pytest.raises(ValueError, match="too few"):
        fit_adjustment(np.arange(9.0), components[:9])
    with pytest.raises(ValueError, match="does not vary"):
        fit_adjustment(np.full(50, 0.1), components)
    with pytest.raises(ValueError, match="not a number"):
        fit_adjustment(np.append(np.arange(49.0), np.nan), components)
    with pytest.raises(ValueError, match="components determine"):
        fit_adjustment(components @ np.arange(1.0, 5.0), components)


def test_percentiles_are_mean_ranks() -> None:
    reference = np.array([1.0, 2.0, 2.0, 3.0, np.nan])
    found = percentile_among(np.array([0.0, 2.0, 2.5, 9.0, np.nan]), reference)
    np.testing.assert_array_equal(found, [0.0, 62.5, 75.0, 100.0, np.nan])
    assert np.isnan(percentile_among(np.array([1.0]), np.array([]))).all()


def test_percentiles_are_those_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(4)
    reference, score = rng.integers(0, 30, 200) / 1.0, rng.integers(0, 30, 50) / 1.0
    np.testing.assert_allclose(
        percentile_among(score, reference), stats.percentileofscore(reference, score)
    )


def test_people_are_compared_with_their_own_population() -> None:
    reference = np.array([1.0, 3.0, 10.0, 30.0])
    labels = np.array(["a", "a", "b", "b"])
    found = scores_in_population(
        np.array([3.0, 10.0, 5.0]), np.array(["a", "b", "c"]), reference, labels
    )
    np.testing.assert_allclose(found.z, [1.0, -1.0, np.nan])
    np.testing.assert_allclose(found.percentile, [100.0, 50.0, np.nan])


def test_people_are_compared_with_their_neighbours() -> None:
    reference = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    found = percentile_in_neighbourhood(
        np.array([2.0, np.nan]), np.array([[0, 1, 2, 3], [0, 1, 2, 4]]), reference
    )
    np.testing.assert_array_equal(found, [50.0, np.nan])


def test_a_percentile_leaves_out_the_score_of_the_same_person() -> None:
    rng = np.random.default_rng(81)
    reference = rng.integers(0, 9, 50).astype(float)
    score = reference[:6].copy()
    score[5] = 20.0
    own = np.append(reference[:5], np.nan)
    others = [np.delete(reference, i) for i in range(5)] + [reference]
    expected = [percentile_among(score[i : i + 1], others[i])[0] for i in range(6)]
    np.testing.assert_array_equal(percentile_among(score, reference, own), expected)
    assert np.isnan(percentile_among(score[:1], reference[:1], own[:1])).all()
