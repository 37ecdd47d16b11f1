"""Membership inference: the numbers against their definitions, and memory where there is some."""

import numpy as np
import pytest

from genomed.stats.membership import MEASURES, membership


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


def test_only_members_are_no_audit() -> None:
    with pytest.raises(ValueError, match="members and of others"):
        membership(np.ones(4), np.ones(4, bool))
