"""Covariates, portability and privacy of the deep head, on small cohorts with a planted truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from genomed.models.families import Quantitative
from genomed.models.head_inputs import DeviceInputs, HeadInputs
from genomed.models.members import TrainingConfig
from genomed.models.private import PrivacyConfig, needed_noise, noisy_gradient, privacy_ledger
from genomed.models.risk_net import NetConfig, RiskNet
from genomed.models.training import HeadConfig, fit_head, predict_head

N = 1600
QUICK = HeadConfig(training=TrainingConfig(epochs=6, patience=6, learning_rate=5e-3, batch=128))
FOLD = (np.arange(N) % 4).astype(np.int8)


def correlation(inputs: HeadInputs, y: np.ndarray, value: np.ndarray, config: HeadConfig) -> float:
    fitted = fit_head(inputs, [Quantitative(y)], np.zeros((N, 1)), FOLD, config, seed=1)
    return float(np.corrcoef(fitted.out_of_fold[:, 0], value)[0, 1])


@pytest.mark.parametrize("mixer", ["attention", "products"])
def test_an_effect_that_depends_on_a_number_is_found(mixer: str) -> None:
    rng = np.random.default_rng(1)
    copies, age = rng.binomial(2, 0.4, (N, 4)).astype(np.int8), rng.normal(size=N)
    value = (copies[:, 1] - 0.8) * age
    inputs = HeadInputs.of(N, hubs=copies, numbers=age[:, None].astype(np.float32))
    config = HeadConfig(
        NetConfig(mixer=mixer), replace(QUICK.training, learning_rate=1e-2, epochs=12)
    )
    assert correlation(inputs, value + rng.normal(0, 0.5, N), value, config) > 0.7


@pytest.mark.parametrize("mixer", ["attention", "products"])
def test_levels_of_a_category_have_effects_of_their_own(mixer: str) -> None:
    rng = np.random.default_rng(2)
    level = rng.integers(0, 30, N)
    value = rng.normal(size=30)[level]
    inputs = HeadInputs.of(N, categories=level[:, None], levels=(30,))
    config = HeadConfig(NetConfig(mixer=mixer), replace(QUICK.training, learning_rate=2e-2))
    assert correlation(inputs, value + rng.normal(0, 0.5, N), value, config) > 0.7


@pytest.mark.parametrize("reader", ["attention", "gru"])
def test_a_code_among_dated_codes_is_found(reader: str) -> None:
    rng = np.random.default_rng(3)
    length = rng.integers(0, 7, N)
    codes = np.where(np.arange(6) < length[:, None], rng.integers(1, 12, (N, 6)), 0)
    value = (codes == 5).any(axis=1) * 2.0
    times = rng.normal(size=(N, 6)).astype(np.float32)
    inputs = HeadInputs.of(N, codes=codes, times=times, n_codes=12)
    config = HeadConfig(
        NetConfig(mixer="attention", layers=1, code_reader=reader),
        replace(QUICK.training, learning_rate=2e-2),
    )
    y = value - value.mean() + rng.normal(0, 0.5, N)
    assert correlation(inputs, y, value, config) > 0.7


def test_the_group_penalty_shrinks_hubs_that_say_nothing_more_than_those_that_do() -> None:
    rng = np.random.default_rng(4)
    copies = rng.binomial(2, 0.5, (N, 8)).astype(np.int8)
    value = 1.5 * ((copies[:, 0] == 1) - 0.5)
    y = value + rng.normal(0, 0.5, N)
    inputs = HeadInputs.of(N, hubs=copies)
    norms = {}
    for penalty in (0.0, 0.8):
        training = replace(QUICK.training, group_penalty=penalty, learning_rate=1e-2, epochs=12)
        config = HeadConfig(NetConfig(mixer="attention", layers=1), training)
        fitted = fit_head(inputs, [Quantitative(y)], np.zeros((N, 1)), FOLD, config, seed=1)
        by_hub = [m["hubs.by_call"].flatten(1).norm(dim=1).numpy() for m in fitted.members]
        norms[penalty] = np.mean(by_hub, axis=0)
    free, shrunk = norms[0.0], norms[0.8]
    assert shrunk.argmax() == 0
    assert shrunk[1:].mean() < 0.8 * free[1:].mean()
    assert shrunk[0] / shrunk[1:].mean() > free[0] / free[1:].mean()


@pytest.mark.parametrize("option", ["adversary", "invariance", "exchange_rate"])
def test_portability_options_train_and_still_find_what_holds_in_all_groups(option: str) -> None:
    rng = np.random.default_rng(5)
    group = rng.integers(0, 2, N)
    copies = rng.binomial(2, np.where(group, 0.3, 0.5)[:, None], (N, 5)).astype(np.int8)
    value = (copies[:, 0] - 0.8) * (copies[:, 1] - 0.8)
    inputs = HeadInputs.of(N, hubs=copies, group=group)
    config = replace(QUICK, training=replace(QUICK.training, **{option: 0.2}))
    y = value - value.mean() + rng.normal(0, 0.5, N)
    assert correlation(inputs, y, value, config) > 0.7


def test_the_adversary_hides_the_group() -> None:
    rng = np.random.default_rng(6)
    group = rng.integers(0, 2, N)
    copies = rng.binomial(2, np.where(group, 0.1, 0.9)[:, None], (N, 3)).astype(np.int8)
    y = 1.0 * group + rng.normal(0, 0.5, N)  # all that can be learned is the group
    inputs = HeadInputs.of(N, hubs=copies, group=group)
    said = {}
    for weight in (0.0, 3.0):
        config = replace(QUICK, training=replace(QUICK.training, adversary=weight))
        zero = np.full((N, 1), 0.5)
        fitted = fit_head(inputs, [Quantitative(y)], zero, FOLD, config, seed=1)
        net = RiskNet(fitted.config.net, fitted.sizes)
        net.load_state_dict(fitted.members[0])
        with torch.no_grad():
            _, person = net.eval()(DeviceInputs(inputs, torch.device("cpu")).batch(torch.arange(N)))
        centred = person - person.mean(0)
        between = torch.stack([centred[torch.from_numpy(group == g)].mean(0) for g in (0, 1)])
        said[weight] = float(between.pow(2).sum() / centred.pow(2).sum(1).mean())
    assert said[3.0] < said[0.0]


def small_net() -> tuple[RiskNet, DeviceInputs]:
    rng = np.random.default_rng(7)
    inputs = HeadInputs.of(
        40, hubs=rng.integers(0, 3, (40, 3)).astype(np.int8),
        numbers=rng.normal(size=(40, 2)).astype(np.float32),
        categories=rng.integers(0, 3, (40, 1)), levels=(3,),
    )  # fmt: skip
    torch.manual_seed(8)
    net = RiskNet(NetConfig(mixer="both", layers=1, dropout=0.0), inputs.sizes(1))
    with torch.no_grad():
        net.gate.fill_(1.0)
    return net, DeviceInputs(inputs, torch.device("cpu"))


def test_without_noise_the_private_gradient_is_the_mean_of_shortened_gradients() -> None:
    net, held = small_net()
    y = torch.randn(40, generator=torch.Generator().manual_seed(9))
    people = torch.arange(40)

    def loss_of(correction: torch.Tensor, who: torch.Tensor) -> torch.Tensor:
        return (y[who] - correction[:, 0]) ** 2

    found = noisy_gradient(
        net, held.batch(people), loss_of, people, PrivacyConfig(clip=0.7), 0.0, 40.0,
        torch.Generator(),
    )  # fmt: skip
    expected = torch.zeros_like(found)
    for person in people:
        one = person[None]
        net.zero_grad()
        loss_of(net(held.batch(one))[0], one).sum().backward()
        flat = torch.cat([p.grad.reshape(-1) for p in net.parameters() if p.grad is not None])
        expected += flat * min(1.0, 0.7 / float(flat.norm()))
    torch.testing.assert_close(found, expected / 40, rtol=1e-3, atol=1e-5)


def test_the_noise_has_the_spread_that_belongs_to_the_norm() -> None:
    net, held = small_net()
    nobody = torch.arange(0)
    found = noisy_gradient(
        net, held.batch(nobody), lambda c, w: c[:, 0], nobody, PrivacyConfig(clip=0.5), 3.0, 10.0,
        torch.Generator().manual_seed(10),
    )  # fmt: skip
    assert float(found.std()) == pytest.approx(0.5 * 3.0 / 10, rel=0.05)


def renyi_gaussian_epsilon(noise: float, steps: int, delta: float) -> float:
    """Without sampling: RDP of order a is a / (2 noise^2) a step (Mironov 2017, table II), turned
    into epsilon by its proposition 3."""
    orders = np.linspace(1.01, 200, 40_000)
    return float((steps * orders / (2 * noise**2) + np.log(1 / delta) / (orders - 1)).min())


@pytest.fixture
def opacus() -> None:
    pytest.importorskip("opacus", reason="opacus is not installed")


@pytest.mark.usefixtures("opacus")
def test_the_ledger_spends_what_the_formula_says_and_no_more_than_promised() -> None:
    promise = PrivacyConfig(epsilon=4.0, delta=1e-5)
    noise = needed_noise(promise, 0.1, 200)
    spent = privacy_ledger(promise, noise, 0.1, 200, 4)
    assert 3.9 < spent["epsilon"] <= 4.0
    whole = privacy_ledger(promise, 20.0, 1.0, 50, 4)["epsilon"]  # nobody is left out of a batch
    assert whole <= renyi_gaussian_epsilon(20.0, 50, 1e-5)
    assert whole == pytest.approx(renyi_gaussian_epsilon(20.0, 50, 1e-5), rel=0.25)


@pytest.mark.usefixtures("opacus")
def test_private_training_keeps_its_promise_and_learns_a_strong_effect() -> None:
    rng = np.random.default_rng(12)
    x = rng.normal(size=N).astype(np.float32)
    inputs = HeadInputs.of(N, numbers=np.column_stack([x, rng.normal(size=N)]).astype(np.float32))
    training = TrainingConfig(
        epochs=2, learning_rate=5e-2, batch=200, privacy=PrivacyConfig(epsilon=20.0)
    )
    config = HeadConfig(NetConfig(dropout=0.0, hidden=8), training)
    y = 2.0 * x + rng.normal(0, 0.5, N)
    fitted = fit_head(inputs, [Quantitative(y)], np.zeros((N, 1)), FOLD, config, seed=1)
    assert fitted.privacy is not None
    assert fitted.privacy["epsilon"] <= 20.0
    assert fitted.privacy["members_per_person"] == 3
    assert fitted.epochs == (2, 2, 2, 2)
    assert np.corrcoef(predict_head(fitted, inputs).mean(0)[:, 0], x)[0, 1] > 0.5
    again = fit_head(inputs, [Quantitative(y)], np.zeros((N, 1)), FOLD, config, seed=1)
    assert not np.array_equal(predict_head(fitted, inputs), predict_head(again, inputs))


def test_private_training_refuses_what_would_mix_people() -> None:
    config = HeadConfig(training=TrainingConfig(privacy=PrivacyConfig(), exchange_rate=0.5))
    inputs = HeadInputs.of(N, numbers=np.zeros((N, 1), np.float32))
    with pytest.raises(ValueError, match="private training takes no exchange_rate"):
        fit_head(inputs, [Quantitative(np.ones(N))], np.zeros((N, 1)), FOLD, config, seed=1)
