"""Which stages a caller keeps: those that tell sites better that no stage has seen.

Sites are divided by the piece of genome they lie in: to learn from, to stop and calibrate by, and
to judge by; or those to judge by are whole libraries, with errors that nothing was learned from. A
stage is judged after calibration, for SNPs and for indels apart: its deviance must
be lower by some standard errors (over pieces of genome), and it may not get more genotypes wrong
than chance explains. Where it fails, the stage before it speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from genomed.models.call_model import CallModel, Kinds, log_softmax
from genomed.models.call_nets import CallNets, threads_of
from genomed.models.call_training import (
    CallData,
    Epoch,
    Parts,
    Progress,
    fit_likelihood,
    matrix_loss,
    pileup_loss,
    split_blocks,
    train_net,
)
from genomed.models.likelihood_stage import InputNames, LikelihoodStage, Said
from genomed.models.pileup_inputs import PileupNetConfig
from genomed.models.pileup_net import PileupNet
from genomed.models.read_matrix_net import ReadMatrixConfig, ReadMatrixNet
from genomed.models.verdicts import Verdict
from genomed.settings import CallTrainSettings
from genomed.stats.call_calibration import CallCalibration, calibration_error, fit_call_calibration

__all__ = ["FittedCaller", "StageMeasure", "fit_caller", "measure_stage"]

_KINDS = ("snp", "indel")
_MIN_BLOCKS = 6  # pieces of genome below which nothing is judged
_MIN_MATRICES = 200  # ambiguous sites below which the second stage is not tried


@dataclass(frozen=True)
class StageMeasure:
    """How a stage does on the sites that are judged by, after calibration.

    stage, kind       : kind is snp or indel
    n, n_wrong        : sites, and those whose best diplotype is not the true one
    deviance          : mean of -ln(probability of the true diplotype)
    calibration_error : expected calibration error of the best diplotype
    """

    stage: str
    kind: str
    n: int
    n_wrong: int
    deviance: float
    calibration_error: float


@dataclass(frozen=True)
class FittedCaller:
    """A caller, and how it came about.

    verdicts : of each net and kind of site
    measures : of each stage and kind; on the sites judged by
    epochs   : of each net that was trained
    parts    : rows of the data that were learned from, stopped and judged by
    log_probability : float32 (sites, 6) of the caller that was kept
    """

    model: CallModel
    verdicts: list[Verdict]
    measures: list[StageMeasure]
    epochs: dict[str, list[Epoch]]
    parts: Parts
    log_probability: np.ndarray


def fit_caller(
    data: CallData,
    names: InputNames,
    settings: CallTrainSettings,
    *,
    matrices: tuple[np.ndarray, np.ndarray] | None = None,
    judge: np.ndarray | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> FittedCaller:
    """Learn every stage, and keep those that are better.

    judge    : bool (sites,), see split_blocks
    matrices : rows of `data` whose reads are known, int64 (m,), and uint8 (m, 64, 65, 8)
    Raises ValueError where there is too little to learn from. With one thread the same data and
    seed give the same caller.
    """
    progress = progress or (lambda *_: None)
    shares = settings.stop_share, settings.judge_share
    parts = split_blocks(data.block, shares, settings.seed, judge)
    with threads_of(threads):
        none = CallCalibration()
        model = CallModel(names, LikelihoodStage(), None, none, none, sure=settings.sure)
        fit = _Fit(data, parts, settings, model, progress)
        fit.begin()
        fit.try_pileup_net()
        if matrices is not None:
            fit.try_matrix_net(*matrices)
        return fit.result()


class _Fit:
    """One run, stage after stage."""

    def __init__(
        self,
        data: CallData,
        parts: Parts,
        settings: CallTrainSettings,
        model: CallModel,
        progress: Progress,
    ) -> None:
        self.data, self.parts, self.settings = data, parts, settings
        self.model, self.progress = model, progress
        self.verdicts: list[Verdict] = []
        self.measures: list[StageMeasure] = []
        self.epochs: dict[str, list[Epoch]] = {}

    def begin(self) -> None:
        """Fit the likelihood caller, and calibrate it; it begins as Bayes' rule."""
        judge = self.parts.judge
        usual = log_softmax(self._say(self.model).logits)
        self._measure("likelihood and prior", usual, judge)
        likelihood = fit_likelihood(self.data.take(self.parts.learn), self.settings)
        for is_indel, better in enumerate(self._judge_likelihood(likelihood, usual)):
            if not better:
                likelihood = likelihood.forget(bool(is_indel))
        self.model = replace(self.model, likelihood=likelihood)
        self.said = self._say(self.model)
        calibration, self.now = self._calibrated(self.said.logits, self.parts.stop)
        self.model = replace(self.model, calibration=calibration, first_calibration=calibration)
        self._measure("likelihood", self.now, judge)

    def _judge_likelihood(self, likelihood: LikelihoodStage, usual: np.ndarray) -> Kinds:
        said = self._say(replace(self.model, likelihood=likelihood))
        _, after = self._calibrated(said.logits, self.parts.stop)
        return self._judge("likelihood, fitted", usual, after, self.parts.judge)

    def try_pileup_net(self) -> None:
        """Train the first net and judge it."""
        data, learn = self.data, self.parts.learn
        torch.manual_seed(self.settings.seed)
        net = PileupNet(PileupNetConfig(self.model.names))
        net.inputs.standardise(data.evidence[learn], data.loglik[learn])
        loss = pileup_loss(net, data, self.said.logits, self.settings)
        self.epochs["pileup"] = train_net(
            net, loss, self.parts, self.settings, seed=self.settings.seed,
            n_epochs=self.settings.n_epochs, progress=self._telling("pileup net"),
        )  # fmt: skip
        net.requires_grad_(False)
        nets = CallNets(net, None, torch.get_num_threads())
        tried = self._say(replace(self.model, nets=nets))
        _, after = self._calibrated(tried.logits, self.parts.stop)
        self._measure("pileup net", after, self.parts.judge)
        kinds = self._judge("pileup net", self.now, after, self.parts.judge)
        if not any(kinds):
            return
        self.model = replace(self.model, nets=nets, pileup_kinds=kinds)
        self.said = self._say(self.model)
        calibration, self.now = self._calibrated(self.said.logits, self.parts.stop)
        self.model = replace(self.model, calibration=calibration, first_calibration=calibration)

    def try_matrix_net(self, rows: np.ndarray, matrices: np.ndarray) -> None:
        """Train the second net on sites that the first leaves in doubt, and judge it there."""
        stage, settings = "read-matrix net", self.settings
        if self.model.nets is None:
            reason = "not tried: it builds on the pileup net, which was left out"
            self.verdicts.append(Verdict.untried(stage, reason))
            return
        doubtful = np.flatnonzero(self.now[rows].max(axis=1) < np.log(settings.sure))
        rows, matrices = rows[doubtful], matrices[doubtful]
        parts = Parts(*(np.flatnonzero(np.isin(rows, part)) for part in self.parts))
        if min(len(part) for part in parts) < _MIN_MATRICES:
            reason = f"not tried: only {len(rows):,} sites are ambiguous"
            self.verdicts.append(Verdict.untried(stage, reason))
            return
        torch.manual_seed(settings.seed + 1)
        net = ReadMatrixNet(ReadMatrixConfig(self.said.hidden.shape[1]))
        said = Said(*(array[rows] for array in self.said))
        loss = matrix_loss(net, matrices, said, self.data.take(rows))
        self.epochs["matrix"] = train_net(
            net, loss, parts, settings, seed=settings.seed + 1,
            n_epochs=settings.n_matrix_epochs, progress=self._telling("read-matrix net"),
        )  # fmt: skip
        net.requires_grad_(False)
        assert isinstance(self.model.nets, CallNets)
        nets = CallNets(self.model.nets.pileup, net, torch.get_num_threads())
        corrected = nets.second(matrices, said)
        calibration = self._fit_calibration(corrected, rows, parts.stop)
        after = self.now.copy()
        indel = self.data.is_indel
        after[rows] = calibration.apply(log_softmax(corrected), indel[rows])
        judged = rows[parts.judge]
        self._measure("pileup net, ambiguous sites", self.now, judged)
        self._measure(stage, after, judged)
        kinds = self._judge(stage, self.now, after, judged)
        if any(kinds):
            self.model = replace(self.model, nets=nets, matrix_kinds=kinds, calibration=calibration)
            follow = rows[np.array(kinds)[indel[rows].astype(np.int64)]]
            self.now[follow] = after[follow]

    def result(self) -> FittedCaller:
        """What was kept."""
        self._measure("kept", self.now, self.parts.judge)
        return FittedCaller(
            self.model, self.verdicts, self.measures, self.epochs, self.parts, self.now
        )

    def _say(self, model: CallModel) -> Said:
        data = self.data
        return model.first_stages(data.pileup, data.evidence, data.loglik, data.kind)

    def _telling(self, what: str) -> Callable[[str, float], None]:
        return lambda text, share: self.progress(f"{what}, {text}", share)

    def _fit_calibration(
        self, logits: np.ndarray, sites: np.ndarray, stop: np.ndarray
    ) -> CallCalibration:
        """logits : (sites, 6); sites : rows of the data; stop : rows of `sites` to learn from."""
        stop = np.repeat(stop, self.data.weight[sites[stop]])
        return fit_call_calibration(
            log_softmax(logits[stop]), self.data.truth[sites[stop]],
            self.data.is_indel[sites[stop]], seed=self.settings.seed,
        )  # fmt: skip

    def _calibrated(
        self, logits: np.ndarray, stop: np.ndarray
    ) -> tuple[CallCalibration, np.ndarray]:
        """The calibration, and log-probabilities of all sites."""
        calibration = self._fit_calibration(logits, np.arange(len(logits)), stop)
        return calibration, calibration.apply(log_softmax(logits), self.data.is_indel)

    def _measure(self, stage: str, log_probability: np.ndarray, rows: np.ndarray) -> None:
        self.measures += measure_stage(stage, log_probability, self.data, rows)

    def _judge(self, stage: str, before: np.ndarray, after: np.ndarray, rows: np.ndarray) -> Kinds:
        """Whether SNPs, and whether indels, are told better; the verdicts are kept."""
        found = []
        for kind, some in _by_kind(self.data, rows):
            verdict = judge_calls(
                f"{stage} for {kind}s", before[some], after[some], self.data.truth[some],
                self.data.block[some], accept_z=self.settings.accept_z,
            )  # fmt: skip
            self.verdicts.append(verdict)
            found.append(verdict.accepted)
        return found[0], found[1]


def _by_kind(data: CallData, rows: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Those of the rows that are SNPs, and those that are indels, as often as they count."""
    for is_indel, kind in enumerate(_KINDS):
        some = rows[data.is_indel[rows] == bool(is_indel)]
        yield kind, np.repeat(some, data.weight[some])


def measure_stage(
    stage: str, log_probability: np.ndarray, data: CallData, rows: np.ndarray
) -> list[StageMeasure]:
    """How well some rows of the data are told, of each kind that is among them.

    log_probability : float32 (sites, 6), of all the data
    """
    found = []
    for kind, some in _by_kind(data, rows):
        truth, said = data.truth[some], log_probability[some]
        if len(some):
            found.append(StageMeasure(
                stage, kind, len(some), int((said.argmax(axis=1) != truth).sum()),
                float(-said[np.arange(len(some)), truth].mean(dtype=np.float64)),
                calibration_error(said, truth),
            ))  # fmt: skip
    return found


def judge_calls(
    stage: str,
    before: np.ndarray,
    after: np.ndarray,
    truth: np.ndarray,
    block: np.ndarray,
    *,
    accept_z: float,
) -> Verdict:
    """Compare two callers on sites that neither was fitted to.

    before, after : float32 (sites, 6), log-probabilities; truth : (sites,)
    block         : (sites,), pieces of genome, over which the standard error is taken
    accept_z      : standard errors that the mean gain of log-probability must reach
    """
    if len(np.unique(block)) < _MIN_BLOCKS:
        return Verdict.untried(stage, "left out: there are too few pieces of genome to judge it by")
    rows = np.arange(len(truth))
    old, new = (np.maximum(p[rows, truth].astype(np.float64), -50) for p in (before, after))
    difference = new - old
    gain = float(difference.mean())
    _, which = np.unique(block, return_inverse=True)
    sums = np.bincount(which, difference - gain)
    n_blocks = len(sums)
    # A mean over few pieces has the spread of Student's t, not of the normal distribution.
    factor = n_blocks / (n_blocks - 3)
    error = float(np.sqrt((sums**2).sum() * factor) / len(truth))
    wrong_old, wrong_new = (p.argmax(axis=1) != truth for p in (before, after))
    wrong_before, wrong_after = int(wrong_old.sum()), int(wrong_new.sum())
    chance = np.sqrt((wrong_old != wrong_new).sum())  # standard deviation of the difference
    not_worse = wrong_after <= wrong_before or wrong_after - wrong_before < chance
    accepted = bool(gain > 0 and gain >= accept_z * error and not_worse)
    reason = (
        f"{'kept' if accepted else 'left out'}: on {len(truth):,} sites of {n_blocks} pieces of "
        f"genome that it has not seen {wrong_after:,} genotypes are wrong instead of "
        f"{wrong_before:,}, and the log-probability of the truth changes by {gain:+.5f} (standard "
        f"error {error:.5f})"
    )
    share = gain / max(-float(old.mean()), 1e-300)
    return Verdict(stage, accepted, gain, error, share, reason)
