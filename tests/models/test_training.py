"""The deep head finds what was planted, and nothing where nothing was."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from genomed.models.families import Binary, Quantitative, Survival
from genomed.models.head_inputs import HeadInputs, genome_windows
from genomed.models.members import TrainingConfig
from genomed.models.risk_net import NetConfig
from genomed.models.training import FittedHead, HeadConfig, fit_head, predict_head

QUICK = HeadConfig(training=TrainingConfig(epochs=6, patience=3))
N, HUBS = 1600, 8


def cohort(seed: int, n: int = N, hubs: int = HUBS) -> tuple[np.ndarray, np.ndarray]:
    """Copies int8 (n, hubs) and the same standardised."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.2, 0.5, hubs)
    copies = rng.binomial(2, p, (n, hubs)).astype(np.int8)
    return copies, (copies - 2 * p) / np.sqrt(2 * p * (1 - p))


def threes(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Copies, a trait, and its genetic value: products of three loci, half of the variance."""
    copies, z = cohort(seed)
    rng = np.random.default_rng(seed + 1)
    value = sum(
        rng.choice([-1, 1]) * z[:, list(c)].prod(1) for c in [(0, 1, 2), (2, 3, 4), (1, 4, 5)]
    )
    value = value / np.std(value)
    return copies, value + rng.normal(0, 1, N), value


def folds(n: int = N, tested: int = 320) -> np.ndarray:
    return np.where(np.arange(n) < n - tested, np.arange(n) % 5, -1).astype(np.int8)


def gain(y: np.ndarray, offset: np.ndarray, fitted: FittedHead) -> tuple[float, float]:
    """Deviance saved per person in a fold, and its standard error."""
    inside = np.isfinite(fitted.out_of_fold[:, 0])
    saved = (y - offset) ** 2 - (y - offset - fitted.out_of_fold[:, 0]) ** 2
    return saved[inside].mean(), saved[inside].std() / np.sqrt(inside.sum())


def r2(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1] ** 2)


@pytest.fixture(scope="module")
def fitted_threes() -> FittedHead:
    copies, y, _ = threes(11)
    return fit_head(HeadInputs.of(N, hubs=copies), [Quantitative(y)], np.zeros((N, 1)), folds(),
                    QUICK, seed=1)  # fmt: skip


def test_products_of_three_that_no_linear_model_sees_are_found(fitted_threes: FittedHead) -> None:
    copies, y, _ = threes(11)
    saved, error = gain(y, np.zeros(N), fitted_threes)
    assert saved > 8 * error
    held_out = folds() < 0
    predicted = predict_head(fitted_threes, HeadInputs.of(N, hubs=copies)).mean(0)[:, 0]
    assert r2(predicted[held_out], y[held_out]) > 0.38  # of a ceiling of 0.5


def test_predictions_out_of_fold_are_those_of_the_member_that_left_the_fold_out(
    fitted_threes: FittedHead,
) -> None:
    copies, _, _ = threes(11)
    by_member = predict_head(fitted_threes, HeadInputs.of(N, hubs=copies))[:, :, 0]
    fold = folds()
    for k in range(5):
        np.testing.assert_allclose(
            by_member[k, fold == k], fitted_threes.out_of_fold[fold == k, 0], atol=1e-6
        )
    assert np.isnan(fitted_threes.out_of_fold[fold < 0]).all()


def test_where_the_offset_is_right_nothing_is_gained_and_little_is_said() -> None:
    copies, z = cohort(21)
    offset = z @ np.random.default_rng(22).normal(0, 0.3, HUBS)
    y = offset + np.random.default_rng(23).normal(0, 1, N)
    inputs = HeadInputs.of(N, hubs=copies)
    fitted = fit_head(inputs, [Quantitative(y)], offset[:, None], folds(), QUICK, seed=3)
    saved, error = gain(y, offset, fitted)
    assert abs(saved) < 2 * error + 1e-9
    assert np.std(predict_head(fitted, inputs).mean(0)) < 0.1 * np.std(offset)


def test_epoch_0_is_the_linear_model(fitted_threes: FittedHead) -> None:
    _, y, _ = threes(11)
    first = fitted_threes.history.filter(epoch=0)
    expected = [float((y[folds() == k] ** 2).sum()) for k in range(5)]
    assert first["deviance"].to_list() == pytest.approx(expected, rel=1e-12)
    assert first["gate"].to_list() == [0.0] * 5


def test_an_attention_without_products_finds_an_exclusive_or() -> None:
    rng = np.random.default_rng(31)
    copies = rng.binomial(2, 0.5, (N, 3)).astype(np.int8)
    carrier = copies > 0
    value = np.where((copies[:, 0] == 1) ^ (copies[:, 1] == 1), 1.0, -1.0)
    y = value + rng.normal(0, 0.7, N) + 0.0 * carrier[:, 2]
    config = HeadConfig(
        NetConfig(mixer="attention"),
        TrainingConfig(epochs=12, learning_rate=5e-3, batch=128, mask_rate=0.0),
    )
    inputs = HeadInputs.of(N, hubs=copies)
    fitted = fit_head(inputs, [Quantitative(y)], np.zeros((N, 1)), folds(), config, seed=4)
    assert r2(predict_head(fitted, inputs).mean(0)[:, 0], value) > 0.8


def test_a_missing_label_changes_nothing_whatever_stands_in_its_place() -> None:
    copies, y, _ = threes(41)
    labelled = np.random.default_rng(42).random(N) < 0.6
    other = np.where(labelled, y, np.nan)
    inputs = HeadInputs.of(N, hubs=copies)
    both = [Quantitative(y), Quantitative(other)]
    fitted = fit_head(inputs, both, np.zeros((N, 2)), folds(), QUICK, seed=5)
    offset = np.zeros((N, 2))
    offset[~labelled, 1] = 1e3  # the linear predictor of who has no label
    again = fit_head(inputs, both, offset, folds(), QUICK, seed=5)
    np.testing.assert_array_equal(fitted.out_of_fold, again.out_of_fold)
    found = predict_head(fitted, inputs).mean(0)
    assert r2(found[~labelled, 1], y[~labelled]) > 0.3


def test_the_order_of_people_changes_only_the_order_of_batches() -> None:
    copies, y, _ = threes(51)
    order = np.random.default_rng(52).permutation(N)
    fold = folds()
    config = replace(
        QUICK, training=replace(QUICK.training, batch=N, mask_rate=0.0), net=NetConfig(dropout=0.0)
    )
    zero = np.zeros((N, 1))
    one = fit_head(HeadInputs.of(N, hubs=copies), [Quantitative(y)], zero, fold, config, seed=6)
    moved = HeadInputs.of(N, hubs=copies[order])
    other = fit_head(moved, [Quantitative(y[order])], zero, fold[order], config, seed=6)
    np.testing.assert_allclose(one.out_of_fold[order], other.out_of_fold, atol=2e-3)


def test_missing_calls_cost_some_accuracy_and_no_more(fitted_threes: FittedHead) -> None:
    copies, _, value = threes(11)
    gone = copies.copy()
    gone[np.random.default_rng(61).random(copies.shape) < 0.1] = -9
    fully = predict_head(fitted_threes, HeadInputs.of(N, hubs=copies)).mean(0)[:, 0]
    partly = predict_head(fitted_threes, HeadInputs.of(N, hubs=gone)).mean(0)[:, 0]
    assert 0.5 * r2(fully, value) < r2(partly, value) < r2(fully, value)
    nothing = predict_head(fitted_threes, HeadInputs.of(N, hubs=np.full_like(copies, -9))).mean(0)
    assert abs(nothing[0, 0] - fully.mean()) < 0.3 * fully.std()


def test_the_same_seed_gives_the_same_bytes_and_leaves_torch_as_it_was() -> None:
    copies, y, _ = threes(71)
    inputs = HeadInputs.of(N, hubs=copies)
    config = HeadConfig(NetConfig(mixer="both"), TrainingConfig(epochs=1))
    torch.manual_seed(99)
    expected = torch.random.get_rng_state()
    runs = [fit_head(inputs, [Quantitative(y)], np.zeros((N, 1)), folds(), config, seed=7)
            for _ in range(2)]  # fmt: skip
    for one, other in zip(runs[0].members, runs[1].members, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.random.get_rng_state(), expected)


def test_on_the_cpu_one_thread_trains_so_that_threads_change_no_byte() -> None:
    rng = np.random.default_rng(14)
    inputs = HeadInputs.of(600, numbers=rng.normal(size=(600, 4)))
    family, fold = Quantitative(rng.normal(size=600)), (np.arange(600) % 2).astype(np.int8)
    before, used = torch.get_num_threads(), []
    fit_head(
        inputs, [family], np.zeros((600, 1)), fold, HeadConfig(training=TrainingConfig(epochs=1)),
        seed=1, threads=2, log=lambda facts: used.append(torch.get_num_threads()),
    )  # fmt: skip
    assert set(used) == {1}
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("kind", ["binary", "survival"])
def test_other_families_gain_in_deviance_too(kind: str) -> None:
    copies, _, value = threes(81)
    rng = np.random.default_rng(82)
    if kind == "binary":
        family = Binary((rng.random(N) < 1 / (1 + np.exp(-1.5 * value))).astype(float))
    else:
        time = rng.exponential(np.exp(-value))
        family = Survival.from_times(np.minimum(time, 2), (time < 2).astype(float), 8)
    fitted = fit_head(
        HeadInputs.of(N, hubs=copies), [family], np.zeros((N, 1)), folds(), QUICK, seed=8
    )
    inside = folds() >= 0
    saved = family.deviance(np.zeros(N)) - family.deviance(np.nan_to_num(fitted.out_of_fold[:, 0]))
    assert saved[inside].mean() > 4 * saved[inside].std() / np.sqrt(inside.sum())


def packed(copies: np.ndarray) -> np.ndarray:
    """Words uint64 (variants, words) of copies (people, variants)."""
    n, variants = copies.shape
    codes = np.full((variants, -(-n // 32) * 32), 3, np.uint64)
    codes[:, :n] = np.where(copies < 0, 3, copies).T
    shifted = codes.reshape(variants, -1, 32) << (2 * np.arange(32, dtype=np.uint64))
    return np.bitwise_or.reduce(shifted, axis=2)


@pytest.mark.parametrize("part", ["local", "convolution", "recurrent"])
def test_windows_find_dominance_that_hubs_do_not_hold(part: str) -> None:
    rng = np.random.default_rng(91)
    copies = rng.binomial(2, 0.5, (N, 24)).astype(np.int8)
    value = sum((copies[:, v] == 1) - 0.5 for v in (1, 9, 17))
    y = 1.5 * value + rng.normal(0, 1, N)
    config = HeadConfig(
        NetConfig(mixer="attention", layers=1, genome=(part,), kernel=1, stride=1, dropout=0.0),
        TrainingConfig(epochs=6, patience=6, learning_rate=2e-2, batch=128, mask_rate=0.0),
    )
    inputs = HeadInputs.of(N, words=packed(copies), windows=genome_windows(24, 8))
    fitted = fit_head(inputs, [Quantitative(y)], np.full((N, 1), y.mean()), folds(), config, seed=9)
    saved, error = gain(y, np.full(N, y.mean()), fitted)
    assert saved > 4 * error


def test_divergence_is_an_error_that_names_the_remedy() -> None:
    copies, y, _ = threes(101)
    config = HeadConfig(training=TrainingConfig(epochs=3, learning_rate=1e30, clip=1e30))
    with pytest.raises(ValueError, match="learning_rate"):
        fit_head(
            HeadInputs.of(N, hubs=copies),
            [Quantitative(y)],
            np.zeros((N, 1)),
            folds(),
            config,
            seed=1,
        )


def test_inputs_that_do_not_fit_are_refused() -> None:
    copies, y, _ = threes(111)
    inputs = HeadInputs.of(N, hubs=copies)
    with pytest.raises(ValueError, match="folds are numbered"):
        fit_head(inputs, [Quantitative(y)], np.zeros((N, 1)), np.zeros(N, np.int8), QUICK, seed=1)
    with pytest.raises(ValueError, match="offset"):
        fit_head(inputs, [Quantitative(y)], np.zeros(N), folds(), QUICK, seed=1)
    with pytest.raises(ValueError, match="no number"):
        fit_head(inputs, [Quantitative(y)], np.full((N, 1), np.nan), folds(), QUICK, seed=1)
    with pytest.raises(ValueError, match="column 1: not finite"):
        HeadInputs.of(2, numbers=np.array([[0, np.nan], [0, 0]], np.float32))
    with pytest.raises(ValueError, match="copies"):
        HeadInputs.of(2, hubs=np.array([[3], [0]], np.int8))


def test_a_time_budget_ends_training_after_an_epoch() -> None:
    copies, y, _ = threes(121)
    config = HeadConfig(training=TrainingConfig(time_budget_s=1e-6))
    fitted = fit_head(
        HeadInputs.of(N, hubs=copies), [Quantitative(y)], np.zeros((N, 1)), folds(), config, seed=1
    )
    assert fitted.stopped == "time"
    assert fitted.history["epoch"].max() == 1
