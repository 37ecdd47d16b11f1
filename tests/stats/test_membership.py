"""Membership inference: the numbers against their definitions, and memory where there is some."""

import numpy as np
import pytest

from genomed.stats.membership import MEASURES, membership, shadowed_loss


def test_the_numbers_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(1)
    member = rng.random(150) < 0.6
    loss = np.round(rng.exponential(np.where(member, 1.0, 1.5)), 1)  # with ties
    found = {one.name: one.value for one in membership(loss, member, n_draws=0)}
    pairs = loss[member][:, None], loss[~member]
    assert found["auroc"] == pytest.approx(
        np.mean((pairs[0] < pairs[1]) + (pairs[0] == pairs[1]) / 2)
    )
    gaps = [(loss[member] <= c).mean() - (loss[~member] <= c).mean() for c in np.unique(loss)]
    assert found["advantage"] == pytest.approx(max(0, *gaps))
    assert found["loss_gap"] == pytest.approx(
        (loss[~member].mean() - loss[member].mean()) / loss.std()
    )


def test_a_model_that_remembers_is_found_out_and_one_that_does_not_is_not() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(400, 100)), rng.normal(size=400)
    member = np.arange(400) < 200
    weights = np.linalg.lstsq(x[member], y[member], rcond=None)[0]
    remembers = membership((y - x @ weights) ** 2, member, n_draws=200, threads=2)
    forgets = membership(y**2, member, n_draws=200, threads=2)
    assert tuple(one.name for one in remembers) == MEASURES
    assert remembers[0].low > 0.6
    assert forgets[0].low < 0.5 < forgets[0].high


def folds_and_losses(n_noise: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """600 people in five folds and 300 others; losses of five regressions on that much noise.

    The truth of a person is more or less uncertain: the loss tells that rather than membership.
    """
    rng = np.random.default_rng(seed)
    x, spread = rng.normal(size=(900, n_noise)), rng.gamma(0.4, 2.0, 900)
    y = spread * rng.normal(size=900)
    fold = np.where(np.arange(900) < 600, np.arange(900) % 5, -1)
    loss = []
    for k in range(5):
        seen = (fold >= 0) & (fold != k)
        loss.append((y - x @ np.linalg.lstsq(x[seen], y[seen], rcond=None)[0]) ** 2)
    return np.array(loss), fold


def test_members_are_found_by_the_model_that_has_not_seen_them() -> None:
    loss, fold = folds_and_losses(60)
    by_ratio = membership(shadowed_loss(loss, fold), fold >= 0, n_draws=200)
    by_loss = membership(loss.mean(axis=0), fold >= 0, n_draws=200)
    assert by_ratio[0].low > 0.57
    assert by_ratio[0].value > by_loss[0].value + 0.05


def test_models_that_remember_nobody_are_not_found_out() -> None:
    values = []
    for seed in range(20):
        loss, fold = folds_and_losses(1, seed)
        rng = np.random.default_rng(seed)
        honest = rng.exponential(1.0, (5, 900)) + loss[0]  # differ, but not by who was seen
        found = membership(shadowed_loss(honest, fold, seed=seed), fold >= 0, n_draws=0)
        values.append(found[0].value)
    assert np.mean(values) == pytest.approx(0.5, abs=0.02)


def test_folds_without_a_model_are_refused() -> None:
    with pytest.raises(ValueError, match="2 models do not fit folds up to 2"):
        shadowed_loss(np.ones((2, 3)), np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="1 models"):
        shadowed_loss(np.ones((1, 3)), np.array([0, 0, -1]))


def test_only_members_are_no_audit() -> None:
    with pytest.raises(ValueError, match="members and of others"):
        membership(np.ones(4), np.ones(4, bool))
