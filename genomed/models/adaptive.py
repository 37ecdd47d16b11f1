"""The adaptive risk model: a linear trunk, and what is added to it only where it helps.

Each stage proposes a linear predictor of the people it was not fitted to (out of fold), and is kept
when their deviance falls by more than chance: dominance beside the additive codes, trunks of the
smaller ancestry groups, products of two variants, products with covariates, and last a net that
reads the variants which the pairs are made of. A stage starts from the predictor of those before,
so a model in which nothing is kept is the linear one.

What the stages select by, they select without the people they are judged on. The one exception are
the variants that the net reads: they come from the screen of everybody, and so only from pairs that
chance gives to one screen in twenty.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from genomed.models.ancestry_part import AncestryPart
from genomed.models.ancestry_stage import Trunk, propose_ancestry
from genomed.models.columns import Columns, additive_columns, dominance_columns, join
from genomed.models.covariate_stage import CovariatePart, propose_covariates
from genomed.models.families import Family
from genomed.models.linear import CrossFit, cross_fit, predict
from genomed.models.memory import (
    Memory,
    Remembered,
    cross_fit_from,
    cross_fit_to,
    pairs_from,
    pairs_to,
    remember,
)
from genomed.models.pair_stage import PairPart, ScreenedPairs, propose_pairs, screen_pairs
from genomed.models.training_set import Proposal, TrainingSet
from genomed.models.verdicts import Verdict, judge
from genomed.settings import TrainSettings
from genomed.stats.dominance import dominance_z
from genomed.stats.score_test import bonferroni_z

__all__ = ["AdaptiveFit", "LinearPart", "fit_stages", "hub_rows"]

Progress = Callable[[str, float], None]

HUB_EXPECTED = 0.05  # pairs whose variants the net reads: so many false ones in a screen
DOMINANCE_EXCESS = 1.05  # mean squared score from which on dominance is tried without a single hit


@dataclass(frozen=True)
class LinearPart:
    """Columns and what they weigh.

    columns : additive, and dominance columns behind them where these were kept
    cross   : the fit, and how it was chosen
    """

    columns: Columns
    cross: CrossFit

    @property
    def has_dominance(self) -> bool:
        """Whether there are dominance columns."""
        return len(self.columns.row) > len(self.columns.words)

    def genotype_weights(self) -> np.ndarray:
        """What each call adds to the predictor: float64 (variants, 4), 0 for a missing one."""
        table = np.zeros((len(self.columns.words), 4))
        np.add.at(table, self.columns.row, self.cross.fit.beta[:, None] * self.columns.value)
        return table

    def predictor(self, covariates: np.ndarray) -> np.ndarray:
        """The linear predictor of the people of the training set: float64 (n,)."""
        return predict(self.columns, self.cross.fit, covariates)


@dataclass
class AdaptiveFit:
    """A fitted model of one trait.

    family      : the trait, its baseline fitted
    linear      : never missing; ancestry, pairs, covariates : None where not kept
    additive    : out of fold and whole predictor of the additive model, with which the others are
                  compared; linear_eta : of the linear part, which may have dominance as well
    out_of_fold : float64 (n,), linear predictor of those learned from by parts that did not see
                  them; whole : float64 (n,), of everybody by the model
    hubs        : int64, rows that a net may read
    null        : mean deviance out of fold with covariates alone
    verdicts    : stage after stage
    """

    family: Family
    linear: LinearPart
    additive: tuple[np.ndarray, np.ndarray]
    linear_eta: tuple[np.ndarray, np.ndarray]
    out_of_fold: np.ndarray
    whole: np.ndarray
    null: float
    ancestry: AncestryPart | None = None
    pairs: PairPart | None = None
    covariates: CovariatePart | None = None
    hubs: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def kept(self) -> list[str]:
        """Stages that were kept."""
        return [verdict.stage for verdict in self.verdicts if verdict.accepted]


def fit_stages(
    data: TrainingSet,
    family: Family,
    settings: TrainSettings,
    *,
    threads: int = 1,
    device: str = "cpu",
    deadline: float | None = None,
    progress: Progress | None = None,
    memory: Memory | None = None,
) -> AdaptiveFit:
    """Fit the linear part and every stage but the net.

    deadline : time.monotonic() from which on no further stage begins
    progress : called with what is being done and the share of it that is done
    memory   : where the long stages are kept, and looked for
    Raises ValueError where nothing can be learned from a trait.
    """
    report = progress or (lambda what, share: None)
    run = _Stages(data, family, settings, threads, device, report, memory)
    for stage, propose in (
        ("dominance", run.dominance), ("ancestry", run.ancestry), ("pairs", run.pairs),
        ("covariates", run.covariates),
    ):  # fmt: skip
        if stage == "ancestry" and not data.group_names:
            continue
        if stage not in settings.stages:
            run.verdicts.append(Verdict.untried(stage, "not asked for"))
        elif deadline is not None and time.monotonic() > deadline:
            run.verdicts.append(Verdict.untried(stage, "not tried: the time budget was used up"))
        else:
            propose()
    return run.fit


class _Stages:
    """The stages of one trait, and the predictor so far."""

    def __init__(
        self,
        data: TrainingSet,
        family: Family,
        settings: TrainSettings,
        threads: int,
        device: str,
        progress: Progress,
        memory: Memory | None,
    ) -> None:
        self.data, self.settings, self.memory = data, settings, memory
        self.threads, self.device, self.progress = threads, device, progress
        columns = additive_columns(data.words, data.n_samples, data.weight())
        linear = self._linear("linear", columns, family)
        before, after = self._predictors(linear)
        family = linear.cross.family
        people = data.develop & family.observed
        alone = np.where(data.develop, linear.cross.null_out_of_fold, 0.0)
        null = float(family.deviance(alone)[people].mean())
        both = before, after
        self.fit = AdaptiveFit(family, linear, both, both, before, after, null)
        verdict = judge(
            "linear", family, alone, before, data.develop, null,
            accept_z=-np.inf, what="the additive model beside the covariates",
        )  # fmt: skip
        self.verdicts = self.fit.verdicts
        self.verdicts.append(verdict._replace(accepted=True))

    def _linear(self, name: str, columns: Columns, family: Family) -> LinearPart:
        def make() -> Remembered:
            return cross_fit_to(
                cross_fit(
                    columns, self.data.covariates, family, self.data.fold, threads=self.threads,
                    progress=self.progress,
                )
            )  # fmt: skip

        return LinearPart(columns, cross_fit_from(remember(self.memory, name, make), family))

    def _predictors(self, linear: LinearPart) -> tuple[np.ndarray, np.ndarray]:
        whole = linear.predictor(self.data.covariates)
        return np.where(self.data.develop, linear.cross.out_of_fold, whole), whole

    def _judge(self, stage: str, proposal: Proposal | str) -> bool:
        """Note what becomes of a proposal; whether it is kept."""
        fit = self.fit
        if isinstance(proposal, str):
            self.verdicts.append(Verdict.untried(stage, proposal))
            return False
        verdict = judge(
            stage, fit.family, fit.out_of_fold, proposal.out_of_fold, self.data.develop, fit.null,
            accept_z=self.settings.accept_z, what=proposal.what,
        )  # fmt: skip
        self.verdicts.append(verdict)
        if verdict.accepted:
            fit.out_of_fold, fit.whole = proposal.out_of_fold, proposal.whole
        return verdict.accepted

    def dominance(self) -> None:
        """Dominance columns beside the additive ones, if their scores stand out at all."""
        data, fit = self.data, self.fit
        residual, weight = data.residual(fit.family, fit.out_of_fold)
        z = dominance_z(
            data.words, data.n_samples, residual, weight, data.covariates, threads=self.threads
        )
        tested = np.isfinite(z)
        excess = float(np.mean(z[tested] ** 2)) if tested.any() else 0.0
        n_hits = int((np.abs(z[tested]) > bonferroni_z(int(tested.sum()))).sum())
        told = f"{n_hits} of {int(tested.sum()):,} scores stand out, mean square {excess:.3f}"
        if not n_hits and excess < DOMINANCE_EXCESS:
            self._judge("dominance", told)
            return
        both = join(
            fit.linear.columns,
            dominance_columns(data.words, data.n_samples, data.weight(), np.flatnonzero(tested)),
        )
        linear = self._linear("dominance", both, fit.family)
        before, after = self._predictors(linear)
        if self._judge("dominance", Proposal(before, after, linear, told)):
            fit.linear, fit.linear_eta = linear, (before, after)
            fit.family = linear.cross.family

    def ancestry(self) -> None:
        """Trunks of ancestry groups."""
        fit = self.fit

        def recall(name: str, family: Family, make: Callable[[], CrossFit]) -> CrossFit:
            kept = remember(self.memory, name, lambda: cross_fit_to(make()))
            return cross_fit_from(kept, family)

        self.progress("ancestry", 0.0)
        proposal = propose_ancestry(
            self.data, fit.family, Trunk(fit.linear.columns, fit.linear.cross, *fit.linear_eta),
            accept_z=self.settings.accept_z, threads=self.threads, recall=recall,
        )  # fmt: skip
        if self._judge("ancestry", proposal):
            assert isinstance(proposal, Proposal)
            assert isinstance(proposal.part, AncestryPart)
            fit.ancestry = proposal.part

    def pairs(self) -> None:
        """Products of two variants."""
        data, fit = self.data, self.fit

        def make() -> Remembered:
            return pairs_to(
                screen_pairs(
                    data, fit.family, fit.out_of_fold, self.settings, threads=self.threads,
                    device=self.device, progress=lambda share: self.progress("pairs", share),
                )
            )  # fmt: skip

        screened = pairs_from(remember(self.memory, "pairs", make))
        proposal = propose_pairs(
            data, fit.family, fit.out_of_fold, fit.whole, screened, threads=self.threads
        )
        if self._judge("pairs", proposal):
            assert isinstance(proposal, Proposal)
            assert isinstance(proposal.part, PairPart)
            fit.pairs = proposal.part
        fit.hubs = hub_rows(screened, self.settings.max_hubs)

    def covariates(self) -> None:
        """Products with covariates."""
        data, fit = self.data, self.fit
        proposal = propose_covariates(
            data, fit.family, fit.linear_eta, fit.out_of_fold, fit.whole, self.settings,
            threads=self.threads,
        )  # fmt: skip
        if self._judge("covariates", proposal):
            assert isinstance(proposal, Proposal)
            assert isinstance(proposal.part, CovariatePart)
            fit.covariates = proposal.part


def hub_rows(screened: ScreenedPairs, most: int) -> np.ndarray:
    """Variants of the surest pairs, ascending: int64, at most so many."""
    table = screened.tables[-1]
    table = table.head(int((table["expected"] <= HUB_EXPECTED).sum()))
    rows = np.stack([table["row1"].to_numpy(), table["row2"].to_numpy()], 1).reshape(-1)
    _, first = np.unique(rows, return_index=True)
    return np.sort(rows[np.sort(first)][:most])
