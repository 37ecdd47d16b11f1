"""The losses in torch are half the deviances of the families."""

import numpy as np
import pytest
import torch

from genomed.models.families import Binary, Quantitative, Survival
from genomed.models.losses import labels_of


def families(n: int = 60) -> list[Quantitative | Binary | Survival]:
    rng = np.random.default_rng(5)
    unknown = rng.random(n) < 0.2
    y = np.where(unknown, np.nan, rng.normal(3, 2, n))
    case = np.where(unknown, np.nan, rng.integers(0, 2, n))
    time = np.where(unknown, np.nan, rng.exponential(5, n))
    late = Survival.from_times(time, case, 6, entry=time * rng.random(n))
    return [Quantitative(y), Binary(case), Survival.from_times(time, case, 6), late]


@pytest.mark.parametrize("family", families(), ids=lambda f: f.kind)
def test_twice_the_loss_is_the_deviance(family: Quantitative | Binary | Survival) -> None:
    eta = np.random.default_rng(6).normal(0, 2, family.n_samples)
    labels = labels_of(family, torch.device("cpu"))
    people = torch.arange(family.n_samples)
    found = 2 * labels.loss(torch.from_numpy(eta), people).double().numpy()
    np.testing.assert_allclose(found, family.deviance(eta), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("family", families(), ids=lambda f: f.kind)
def test_the_slope_of_the_loss_is_minus_the_working_residual(
    family: Quantitative | Binary | Survival,
) -> None:
    eta = torch.linspace(-2, 2, family.n_samples, requires_grad=True)
    labels_of(family, torch.device("cpu")).loss(
        eta, torch.arange(family.n_samples)
    ).sum().backward()
    residual, _ = family.working(eta.detach().double().numpy())
    assert eta.grad is not None
    np.testing.assert_allclose(-eta.grad.numpy(), residual, rtol=1e-4, atol=1e-4)


def test_a_family_without_a_loss_is_refused() -> None:
    class Counted:
        kind, observed = "counted", np.ones(3, bool)

    with pytest.raises(ValueError, match="no loss is known"):
        labels_of(Counted(), torch.device("cpu"))  # type: ignore[arg-type]
