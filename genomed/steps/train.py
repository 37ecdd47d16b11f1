"""`genomed train`: a risk model of each trait, never worse than the linear one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.features.design import Design, encode
from genomed.features.leakage import find_leaks
from genomed.io.plink_tables import companion_paths
from genomed.io.traits import Trait
from genomed.models.adaptive import AdaptiveFit, fit_stages
from genomed.models.families import Binary, Family, Quantitative, Survival
from genomed.models.members import TrainingConfig
from genomed.models.risk_model import NetPart, RiskModel, net_inputs
from genomed.models.training import FittedHead, HeadConfig, fit_head, predict_head
from genomed.models.training_set import TrainingSet
from genomed.models.verdicts import Verdict, judge
from genomed.provenance import Fingerprints
from genomed.settings import TrainSettings
from genomed.steps.clock import Clock
from genomed.steps.train_checkpoints import CheckpointDirectory
from genomed.steps.train_data import TrainData, TrainInputs, read_train_data
from genomed.steps.train_outputs import TrainedTrait, write_trained

__all__ = ["TrainInputs", "TrainSummary", "run_train"]

Progress = Callable[[str, float], None]


@dataclass
class TrainSummary:
    """What a run found, for the terminal."""

    traits: list[TrainedTrait]
    outputs: dict[str, Path]
    warnings: list[str]
    timings: dict[str, float] = field(default_factory=dict)


def run_train(
    inputs: TrainInputs,
    out: Path,
    settings: TrainSettings,
    *,
    threads: int = 1,
    device: str = "cpu",
    time_budget: float | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    command: str = "genomed train",
) -> TrainSummary:
    """Train a model of each trait, and write a bundle for each.

    out         : the bundle, a directory or .zip; with several traits a directory of bundles
    time_budget : seconds after which no further stage begins
    resume      : go on with a run that was stopped, from what it kept in ``OUT.checkpoints``
    progress    : called with what is being done and the share of it that is done
    Raises InputError, UsageError, UnknownNameError and OutputError; no bundle is left then.
    """
    started = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    deadline = None if time_budget is None else time.monotonic() + time_budget
    with Fingerprints() as fingerprints:
        run = _Run(inputs, settings, threads, device, deadline, progress or (lambda *_: None))
        run.read(fingerprints)
        digests = {str(path): fingerprints.of(path) for path in run.files}
        checkpoints = CheckpointDirectory.open(out, settings, digests, run.data, resume=resume)
        run.learn(checkpoints)
        trained = run.trained()
        outputs = write_trained(
            out, run.data, run.design, trained, settings, digests, run.warnings, command, started
        )
        checkpoints.clear()
        run.clock.lap("write")
    return TrainSummary(trained, outputs, run.warnings, run.clock.phases)


class _Run:
    """One run, stage after stage."""

    def __init__(
        self,
        inputs: TrainInputs,
        settings: TrainSettings,
        threads: int,
        device: str,
        deadline: float | None,
        progress: Progress,
    ) -> None:
        self.inputs, self.settings = inputs, settings
        self.threads, self.device = threads, device
        self.deadline, self.progress = deadline, progress
        self.clock = Clock()

    def read(self, fingerprints: Fingerprints) -> None:
        """Read everything, and begin to digest it."""
        self.files = [path for path in self.inputs.files if path.is_file()]
        for path in self.files:
            fingerprints.begin(path)
        self.data = data = read_train_data(self.inputs, self.settings, threads=self.threads)
        store_files = companion_paths(data.store.path)
        for path in store_files:
            fingerprints.begin(path)
        self.files += store_files
        self.design = self._design()
        self.warnings = [*data.warnings, *self.design.warnings]
        if data.covariates is not None:
            leaks = find_leaks(self.design, data.traits.traits, data.develop, self.settings.design)
            self.warnings += [str(leak) for leak in leaks]
        self.training = TrainingSet(
            data.words, data.store.n_samples, data.store.variants[data.rows],
            self.design.matrix.astype(np.float64), data.fold,
        )  # fmt: skip
        self.clock.lap("read")

    def _design(self) -> Design:
        """Covariates as numbers; without any, a matrix without columns."""
        data = self.data
        frame = data.covariates.frame if data.covariates else pl.DataFrame()
        if not frame.width:
            n = data.store.n_samples
            return Design(
                np.zeros((n, 0), np.float32), [], np.zeros((n, 0), np.int64), [], [], encoder={}
            )
        return encode(frame, self.settings.design, data.develop)

    def learn(self, checkpoints: CheckpointDirectory) -> None:
        """Every stage of every trait, and the net of all of them."""
        self.families = [family_of(trait) for trait in self.data.traits.traits]
        self.fits: list[AdaptiveFit] = []
        traits = self.data.traits.traits
        for number, (trait, family) in enumerate(zip(traits, self.families, strict=True)):
            try:
                fit = fit_stages(
                    self.training, family, self.settings, threads=self.threads,
                    device=self.device, deadline=self.deadline,
                    progress=self._telling(trait.name), memory=checkpoints.of_trait(number),
                )  # fmt: skip
            except ValueError as error:
                raise InputError(
                    f"{self.inputs.traits}: {trait.name}: {error}; see the column"
                ) from None
            self.fits.append(fit)
        self.clock.lap("stages")
        self.nets: list[NetPart | None] = [None] * len(self.fits)
        self._net(checkpoints)
        self.clock.lap("net")

    def _telling(self, name: str) -> Progress:
        """Progress that says of which trait it is."""
        if len(self.families) == 1:
            return self.progress
        return lambda what, share: self.progress(f"{name}: {what}", share)

    def _net(self, checkpoints: CheckpointDirectory) -> None:
        """One net for all traits, kept for those whose people it tells better."""
        hubs = np.unique(np.concatenate([fit.hubs for fit in self.fits]))
        reason = ""
        if "net" not in self.settings.stages:
            reason = "not asked for"
        elif not len(hubs) and not self.design.matrix.shape[1]:
            reason = "left out: no variant stands out in pairs, and there are no covariates"
        elif self.deadline is not None and time.monotonic() > self.deadline:
            reason = "not tried: the time budget was used up"
        if reason:
            self.fits = [
                replace(fit, verdicts=[*fit.verdicts, Verdict.untried("net", reason)])
                for fit in self.fits
            ]
            return
        training, design = self.training, self.design
        windows = np.zeros((0, 0), np.int64)
        read = net_inputs(
            training.words, training.n_samples, hubs, training.covariates, design.categories,
            tuple(design.category_sizes), windows, self.data.group,
        )  # fmt: skip
        offset = np.column_stack([fit.out_of_fold for fit in self.fits])
        config = HeadConfig(training=TrainingConfig(epochs=self.settings.net_epochs))
        head = fit_head(
            read, [fit.family for fit in self.fits], offset,
            np.where(training.develop, training.fold, -1), config, seed=self.settings.seed,
            device=self.device, threads=self.threads, log=self._log_epoch,
            keeper=checkpoints.of_net(),
        )  # fmt: skip
        correction = predict_head(head, read, device=self.device, threads=self.threads).mean(axis=0)
        for t, fit in enumerate(self.fits):
            self._judge_net(t, fit, head, correction[:, t], hubs, windows)

    def _log_epoch(self, facts: Mapping[str, Any]) -> None:
        share = facts["epoch"] / max(self.settings.net_epochs, 1)
        self.progress(f"net: epoch {facts['epoch']}", min(1.0, share))

    def _judge_net(
        self,
        t: int,
        fit: AdaptiveFit,
        head: FittedHead,
        correction: np.ndarray,
        hubs: np.ndarray,
        windows: np.ndarray,
    ) -> None:
        after = fit.out_of_fold + np.nan_to_num(head.out_of_fold[:, t])
        verdict = judge(
            "net", fit.family, fit.out_of_fold, after, self.training.develop, fit.null,
            accept_z=self.settings.accept_z,
            what=f"a net of {len(hubs)} variants and {self.design.matrix.shape[1]} covariates",
        )  # fmt: skip
        changed = replace(fit, verdicts=[*fit.verdicts, verdict])
        if verdict.accepted:
            changed = replace(changed, out_of_fold=after, whole=fit.whole + correction)
            self.nets[t] = NetPart(head, t, hubs, windows)
        self.fits[t] = changed

    def trained(self) -> list[TrainedTrait]:
        """What is written of each trait."""
        training = self.training
        frequency = alt_frequency(self.data)
        variants = training.variants.drop("row").with_columns(
            pl.Series("alt_allele_frequency", frequency)
        )
        found = []
        for trait, fit, net in zip(self.data.traits.traits, self.fits, self.nets, strict=True):
            model = RiskModel.of(fit, variants, net)
            found.append(
                TrainedTrait.make(trait, fit, model, self.data, self.settings, self.threads)
            )
        return found


def family_of(trait: Trait) -> Family:
    """The likelihood of a trait as it was read."""
    if trait.kind == "quantitative":
        return Quantitative(trait.value)
    if trait.kind == "binary":
        return Binary(trait.value)
    assert trait.time is not None  # read_traits has seen to it
    return Survival.from_times(trait.time, trait.value, entry=trait.entry)


def alt_frequency(data: TrainData) -> np.ndarray:
    """Frequency of ALT among those learned from: float64 (rows,)."""
    counts = data.store.count(data.rows, keep=data.develop)
    called = counts[:, :3].sum(axis=1)
    return np.asarray((counts[:, 1] + 2 * counts[:, 2]) / np.maximum(2 * called, 1))
