"""How the stages of a caller are learned: from candidate sites whose genotype is known.

One loop for both nets: AdamW under a rate that warms up and fades, the weights of the epoch that
told the sites set aside for stopping best. With one thread the same seed gives the same weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from genomed.models.likelihood_stage import FLOOR, IMPOSSIBLE, NEVER, LikelihoodStage, Said
from genomed.models.pileup_net import PileupNet
from genomed.models.read_matrix_net import ReadMatrixNet
from genomed.settings import CallTrainSettings

__all__ = [
    "CallData",
    "Epoch",
    "Parts",
    "fit_likelihood",
    "matrix_loss",
    "pileup_loss",
    "split_blocks",
    "train_net",
]

Progress = Callable[[str, float], None]


class CallData(NamedTuple):
    """Candidate sites with their truth.

    pileup   : int16 (sites, 33, channels); evidence : float32 (sites, evidence)
    loglik   : float32 (sites, 6); prior : float32 (sites, 6), natural logs
    kind     : uint8 (sites,), as genomed.models.call_targets.site_kind
    truth    : int64 (sites,), the true diplotype, 0 to 5
    classes  : int64 (sites,), lengths : int64 (sites, 2), see call_targets
    block    : int32 (sites,), which piece of which genome; sites of one are judged together
    weight   : int64 (sites,), how often each counts
    """

    pileup: np.ndarray
    evidence: np.ndarray
    loglik: np.ndarray
    prior: np.ndarray
    kind: np.ndarray
    truth: np.ndarray
    classes: np.ndarray
    lengths: np.ndarray
    block: np.ndarray
    weight: np.ndarray

    @property
    def is_indel(self) -> np.ndarray:
        """bool (sites,)."""
        return np.asarray(self.kind & 1, bool)

    def take(self, rows: np.ndarray) -> CallData:
        """Some of the sites."""
        return CallData(*(array[rows] for array in self))

    @classmethod
    def join(cls, parts: list[CallData]) -> CallData:
        """All sites of several."""
        return cls(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


class Parts(NamedTuple):
    """Rows to learn from, to stop and calibrate by, and to judge by: int64 arrays."""

    learn: np.ndarray
    stop: np.ndarray
    judge: np.ndarray


class Epoch(NamedTuple):
    """One pass: mean loss of the sites learned from, and of those that say when to stop."""

    learn: float
    stop: float


def split_blocks(
    block: np.ndarray, shares: tuple[float, float], seed: int, judge: np.ndarray | None = None
) -> Parts:
    """Divide sites by the block that they lie in, so that no block is on both sides.

    shares : of the sites, to stop by and to judge by
    judge  : bool (sites,), those to judge by, whole libraries that nothing is learned from; the
             others are then divided in two
    Raises ValueError where there are fewer than three blocks.
    """
    if judge is not None:
        rest = np.flatnonzero(~judge)
        parts = split_blocks(block[rest], shares, seed)
        learn = np.union1d(parts.learn, parts.judge)
        return Parts(rest[learn], rest[parts.stop], np.flatnonzero(judge))
    blocks, sizes = np.unique(block, return_counts=True)
    if len(blocks) < 3:
        raise ValueError(f"{len(blocks)} pieces of genome cannot be divided in three")
    order = np.random.default_rng((seed, 5)).permutation(len(blocks))
    ends = np.cumsum(sizes[order]) / sizes.sum()
    part = np.where(ends <= shares[0], 1, np.where(ends <= sum(shares), 2, 0))
    part[0], part[1], part[-1] = (1, 2, 0) if len(set(part.tolist())) < 3 else part[[0, 1, -1]]
    of_block = np.empty(len(blocks), np.int64)
    of_block[order] = part
    of_site = of_block[np.searchsorted(blocks, block)]
    return Parts(*(np.flatnonzero(of_site == which) for which in (0, 1, 2)))


def fit_likelihood(data: CallData, settings: CallTrainSettings) -> LikelihoodStage:
    """Fit a shift and a temperature for each kind of site to its candidates (maximum likelihood).

    A ridge holds them to nothing, which matters where a kind is rare.
    """
    shift, temperature = (torch.tensor(a, requires_grad=True) for a in LikelihoodStage())
    loglik, prior = torch.from_numpy(data.loglik), torch.from_numpy(data.prior)
    kind, truth = torch.from_numpy(data.kind.astype(np.int64)), torch.from_numpy(data.truth)
    weight = torch.from_numpy(data.weight)
    optimiser = torch.optim.LBFGS(
        [shift, temperature], max_iter=60, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        logits = torch.exp(temperature[kind]) * loglik.clamp(min=FLOOR) + prior + shift[kind]
        logits = torch.where(loglik > IMPOSSIBLE, logits, NEVER)  # as LikelihoodStage.logits
        loss = functional.cross_entropy(logits, truth, reduction="none")
        loss = (weight * loss).sum()
        ridge = (shift**2).sum() + 4 * (temperature**2).sum()
        loss = (loss + ridge) / len(truth)
        loss.backward()
        return loss

    optimiser.step(closure)
    return LikelihoodStage(shift.detach().numpy(), temperature.detach().numpy())


def pileup_loss(
    net: PileupNet, data: CallData, logits: np.ndarray, settings: CallTrainSettings
) -> Callable[[np.ndarray, bool], torch.Tensor]:
    """The loss of the first stage on rows: (rows,); with the further heads when it learns."""

    def loss(rows: np.ndarray, learns: bool) -> torch.Tensor:
        out = net(*(torch.from_numpy(a[rows])
                    for a in (data.pileup, data.evidence, data.loglik, logits)))  # fmt: skip
        truth = torch.from_numpy(data.truth[rows])
        weight = torch.from_numpy(data.weight[rows])
        value = functional.cross_entropy(out.logits, truth, reduction="none")
        if not learns:
            return weight * value
        classes = torch.from_numpy(data.classes[rows])
        lengths = torch.from_numpy(data.lengths[rows])
        value = value + settings.class_weight * functional.cross_entropy(
            out.classes, classes, reduction="none"
        )
        value = value + settings.length_weight * functional.cross_entropy(
            out.lengths.transpose(1, 2), lengths, reduction="none"
        ).sum(1)
        return weight * value

    return loss


def matrix_loss(
    net: ReadMatrixNet, matrices: np.ndarray, said: Said, data: CallData
) -> Callable[[np.ndarray, bool], torch.Tensor]:
    """The loss of the second stage on rows: (rows,); all arrays are of the same sites."""

    def loss(rows: np.ndarray, learns: bool) -> torch.Tensor:
        corrected = net(*(torch.from_numpy(a[rows]) for a in (matrices, *said)))
        truth, weight = torch.from_numpy(data.truth[rows]), torch.from_numpy(data.weight[rows])
        return weight * functional.cross_entropy(corrected, truth, reduction="none")

    return loss


def train_net(
    net: nn.Module,
    loss: Callable[[np.ndarray, bool], torch.Tensor],
    parts: Parts,
    settings: CallTrainSettings,
    *,
    seed: int,
    n_epochs: int,
    progress: Progress | None = None,
) -> list[Epoch]:
    """Train a net in place; it ends with the weights of the best epoch.

    loss : of rows, and whether it is learned from: (rows,)
    """
    order = np.random.default_rng((seed, 11))
    decayed = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay},
              {"params": others, "weight_decay": 0.0}]  # fmt: skip
    optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate)
    n_rows = min(len(parts.learn), settings.epoch_sites)
    n_steps = n_epochs * -(-n_rows // settings.batch_sites)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=n_steps, pct_start=0.15
    )
    best, kept = _mean_loss(net, loss, parts.stop), copy.deepcopy(net.state_dict())
    history = [Epoch(_mean_loss(net, loss, parts.learn[:20_000]), best)]
    since = 0
    for epoch in range(n_epochs):
        net.train()
        total = 0.0
        rows = parts.learn[order.permutation(len(parts.learn))[:n_rows]]
        for first in range(0, len(rows), settings.batch_sites):
            some = np.sort(rows[first : first + settings.batch_sites])
            optimiser.zero_grad()
            value = loss(some, True).mean()
            value.backward()
            nn.utils.clip_grad_norm_(net.parameters(), settings.max_gradient)
            optimiser.step()
            schedule.step()
            total += float(value.detach()) * len(some)
        history.append(Epoch(total / len(rows), _mean_loss(net, loss, parts.stop)))
        since += 1
        if history[-1].stop < best:
            best, kept, since = history[-1].stop, copy.deepcopy(net.state_dict()), 0
        if progress is not None:
            progress(f"epoch {epoch + 1}: {history[-1].stop:.5f}", (epoch + 1) / n_epochs)
        if since >= settings.patience:
            break
    net.load_state_dict(kept)
    net.eval()
    return history


@torch.no_grad()
def _mean_loss(
    net: nn.Module, loss: Callable[[np.ndarray, bool], torch.Tensor], rows: np.ndarray
) -> float:
    net.eval()
    total = 0.0
    for first in range(0, len(rows), 1024):
        total += float(loss(rows[first : first + 1024], False).double().sum())
    return total / max(len(rows), 1)
