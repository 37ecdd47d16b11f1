"""Genotype qualities mean what they say."""

import numpy as np
import pytest

from genomed.stats.call_calibration import (
    CallCalibration,
    best_log_odds,
    calibration_error,
    fit_call_calibration,
)


def over_confident(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-probabilities three times too sure, the truth, and which are indels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, 6))
    truth = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).cumsum(1)
    truth = (rng.random((n, 1)) > truth).sum(1).clip(max=5)
    said = 3 * logits
    return said - np.logaddexp.reduce(said, axis=1, keepdims=True), truth, rng.random(n) < 0.3


def test_calibration_learned_on_some_sites_holds_on_others() -> None:
    said, truth, indel = over_confident(40_000, 1)
    calibration = fit_call_calibration(said[:20_000], truth[:20_000], indel[:20_000])
    after = calibration.apply(said[20_000:], indel[20_000:])
    assert calibration_error(said[20_000:], truth[20_000:]) > 0.15
    assert calibration_error(after, truth[20_000:]) < 0.04
    np.testing.assert_allclose(np.exp(after.astype(np.float64)).sum(axis=1), 1, atol=1e-5)


def test_calibration_keeps_the_best_diplotype_and_the_order_of_sites() -> None:
    said, truth, indel = over_confident(4000, 2)
    calibration = fit_call_calibration(said, truth, indel)
    after = calibration.apply(said, indel)
    assert (after.max(axis=1) == after[np.arange(4000), said.argmax(axis=1)]).all()
    snp = ~indel & (after.max(axis=1) > np.log(0.6))
    order = np.argsort(calibration.sharpened(said, indel)[snp].max(axis=1))
    assert (np.diff(best_log_odds(after[snp])[order]) >= -1e-3).all()


def test_calibration_survives_json() -> None:
    said, truth, indel = over_confident(500, 3)
    calibration = fit_call_calibration(said, truth, indel)
    again = CallCalibration.from_dict(calibration.to_dict())
    np.testing.assert_array_equal(again.apply(said, indel), calibration.apply(said, indel))


def test_sites_that_are_always_right_keep_their_probabilities() -> None:
    said = np.log(np.tile([0.9, 0.1 - 1e-9, 1e-9, 1e-30, 1e-30, 1e-30], (50, 1)))
    calibration = fit_call_calibration(said, np.zeros(50, np.int64), np.zeros(50, bool))
    np.testing.assert_allclose(calibration.apply(said, np.zeros(50, bool)), said, rtol=1e-6)


def test_the_best_is_as_likely_as_its_log_odds_say() -> None:
    said = np.log(np.array([[0.99, 0.01 - 3e-9, 1e-9, 1e-9, 1e-9, 1e-30]]))
    assert best_log_odds(said) == pytest.approx(np.log(99), abs=1e-3)
