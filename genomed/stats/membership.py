"""Whether a model betrays whom it was learned from: membership inference by the loss.

Who was learned from has, under a model that remembers people, a smaller loss than others alike
(Yeom 2018, arXiv:1709.01604). What an attacker gains is told by the AUROC of the loss, by the
advantage (the largest difference of the shares named among members and others), and by the share of
members that can be named where one in a hundred others is (Carlini 2022, arXiv:2112.03570).

Some people are hard to tell for any model, so the loss alone names few. Where there are models of
which one has not seen the person and others have, the attack is by the likelihood ratio: the loss
under those that may have, less that under the one that has not (Carlini's offline attack with one
shadow model and one variance for all, which ranks people as Watson 2022, arXiv:2111.08440, does).
"""

from __future__ import annotations

import numpy as np

from genomed.stats.bootstrap import Estimate, bootstrap, estimate

__all__ = ["MEASURES", "membership", "shadowed_loss"]

MEASURES = ("auroc", "advantage", "recall_at_1_percent", "loss_gap")
FALLOUT = 0.01


def shadowed_loss(loss: np.ndarray, fold: np.ndarray, *, seed: int = 1) -> np.ndarray:
    """How much less each person loses under models that may have seen it than under one that has
    not: float64 (n,), negative where they know the person.

    loss : float64 (models, n); model k has not seen the people of fold k, and has all others of
           known fold
    fold : int64 (n,), 0 to models - 1; -1 for people that no model has seen, for whom a model drawn
           at random is the one, so that both kinds are asked alike
    Raises ValueError for fewer than two models, or a fold without a model.
    """
    n_models, n = loss.shape
    if n_models < 2 or not np.isin(fold, np.arange(-1, n_models)).all():
        raise ValueError(f"{n_models} models do not fit folds up to {fold.max(initial=-1)}")
    drawn = np.random.default_rng(seed).integers(0, n_models, n)
    shadow = loss[np.where(fold >= 0, fold, drawn), np.arange(n)]
    others = (loss.sum(axis=0) - shadow) / (n_models - 1)
    return np.asarray(others - shadow)


def membership(
    loss: np.ndarray, member: np.ndarray, *, n_draws: int = 1000, seed: int = 1, threads: int = 1
) -> list[Estimate]:
    """The MEASURES with BCa bootstrap intervals over people.

    loss    : float64 (n,), finite; member : bool (n,), whether the model was learned from them
    loss_gap is the mean loss of others less that of members, over the standard deviation of all.
    Raises ValueError without members or without others.
    """
    if not (member.any() and (~member).any()) or not np.isfinite(loss).all():
        raise ValueError("an audit needs finite losses of members and of others")
    order = np.argsort(loss, kind="stable")  # the least first: they are named first
    level = np.unique(loss[order], return_inverse=True)[1]
    last = np.flatnonzero(np.diff(level, append=level[-1] + 1))  # of each loss that there is
    inside, values = member[order], loss[order]

    def measure(count: np.ndarray) -> np.ndarray:
        times = count[order].astype(np.float64)
        members, others = np.cumsum(times * inside), np.cumsum(times * ~inside)
        if not (members[-1] and others[-1]):
            return np.full(len(MEASURES), np.nan)
        recall = np.concatenate(([0.0], members[last] / members[-1]))
        fallout = np.concatenate(([0.0], others[last] / others[-1]))
        area = float(np.sum(np.diff(fallout) * (recall[1:] + recall[:-1]) / 2))
        mean = float(times @ values / times.sum())
        spread = np.sqrt(max(float(times @ (values - mean) ** 2 / times.sum()), 1e-300))
        apart = (times * ~inside) @ values / others[-1] - (times * inside) @ values / members[-1]
        few = float(np.interp(FALLOUT, fallout, recall))
        return np.array([area, float((recall - fallout).max()), few, float(apart / spread)])

    found = bootstrap(measure, len(loss), n_draws=n_draws, seed=seed, threads=threads)
    return [estimate(name, found, k) for k, name in enumerate(MEASURES)]
