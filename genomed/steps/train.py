"""`genomed train`: a risk model of each trait, never worse than the linear one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.features.leakage import find_leaks
from genomed.io.plink_tables import companion_paths
from genomed.models.adaptive import AdaptiveFit, fit_stages
from genomed.models.head_inputs import HeadInputs
from genomed.models.parallel import ALONE, Workers
from genomed.models.risk_model import NetPart, RiskModel
from genomed.models.training import FittedHead, predict_head
from genomed.models.verdicts import Verdict, judge
from genomed.provenance import Fingerprints
from genomed.settings import TrainSettings
from genomed.steps.clock import Clock
from genomed.steps.structure_parts import require_device
from genomed.steps.train_checkpoints import CheckpointDirectory
from genomed.steps.train_data import TrainInputs, family_of, read_train_data
from genomed.steps.train_net import (
    NetStart,
    check_net,
    head_inputs,
    meet,
    net_reads,
    processes,
    receive_start,
    send_start,
    train_net,
)
from genomed.steps.train_outputs import TrainedTrait, training_directory, write_trained

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
    config: str | None = None,
) -> TrainSummary:
    """Train a model of each trait, and write a bundle for each.

    out         : the bundle, a directory or .zip; with several traits a directory of bundles
    time_budget : seconds after which no further stage begins, nor an epoch of the net
    resume      : go on with a run that was stopped, from what it kept in ``OUT.checkpoints``
    progress    : called with what is being done and the share of it that is done
    config      : how the run was asked for, to be kept as config.toml
    Of several processes (torchrun, srun) the first does all but the net, which they train together,
    and the summary of the others is empty.
    Raises InputError, UsageError, UnknownNameError, OutputError, and UnfitError for a device that
    is not there or does not calculate rightly; no bundle is left then.
    """
    require_device(device)
    deadline = None if time_budget is None else time.monotonic() + time_budget
    if inputs.genes is not None and not settings.genome_net:
        settings = replace(settings, genome_net=("local",))
    with processes(device) as (workers, device), Fingerprints() as fingerprints:
        check_net(settings, grouped=inputs.groups is not None, workers=workers)
        run = _Run(
            inputs, out, settings, threads, device, deadline, progress or (lambda *_: None), workers
        )
        run.read(fingerprints)
        digests = {str(path): fingerprints.of(path) for path in run.files}
        checkpoints = CheckpointDirectory.open(
            out, settings, digests, run.data, run.design, resume=resume, workers=workers
        )
        if workers.size > 1:
            meet(workers, device)
        if workers.rank:
            run.help(checkpoints)
            return TrainSummary([], {}, [])
        run.learn(checkpoints)
        trained = run.trained()
        outputs = write_trained(
            out, run.data, run.design, run.reads.sequences, trained, settings, digests,
            run.warnings, command, run.clock.started, config,
        )  # fmt: skip
        checkpoints.clear()
        run.clock.lap("write")
    warnings = [*run.warnings, *chain(*run.data.of_trait.values())]
    return TrainSummary(trained, outputs, warnings, run.clock.phases)


class _Run:
    """One run, stage after stage."""

    def __init__(
        self,
        inputs: TrainInputs,
        out: Path,
        settings: TrainSettings,
        threads: int,
        device: str,
        deadline: float | None,
        progress: Progress,
        workers: Workers = ALONE,
    ) -> None:
        self.inputs, self.out, self.settings = inputs, out, settings
        self.threads, self.device, self.workers = threads, device, workers
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
        self.design = data.design(self.settings.design)
        self.warnings = [*data.warnings, *self.design.warnings]
        if data.covariates is not None:
            leaks = find_leaks(self.design, data.traits.traits, data.develop, self.settings.design)
            for leak in leaks:
                data.of_trait[leak.trait].append(str(leak))
        self.training = data.training_set(self.design)
        self.reads = net_reads(data, self.settings, data.sequences(self.settings.design))
        self.families = [family_of(trait, data.develop) for trait in data.traits.traits]
        self.clock.lap("read")

    def learn(self, checkpoints: CheckpointDirectory) -> None:
        """Every stage of every trait, and the net of all of them."""
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
        start = NetStart.of(self.fits, hubs, self._why_no_net(hubs))
        if self.workers.size > 1:
            send_start(checkpoints, start)
        if start.reason:
            self.fits = [
                replace(fit, verdicts=[*fit.verdicts, Verdict.untried("net", start.reason)])
                for fit in self.fits
            ]
            return
        head = self._train_net(start, checkpoints)
        inputs = self._net_inputs(hubs)
        correction = predict_head(head, inputs, device=self.device, threads=self.threads)
        for t, fit in enumerate(self.fits):
            self._judge_net(t, fit, head, correction.mean(axis=0)[:, t], hubs)

    def _why_no_net(self, hubs: np.ndarray) -> str:
        if "net" not in self.settings.stages:
            return "not asked for"
        if not (len(hubs) or self.design.matrix.shape[1] or self.reads.anything):
            return "no variant stands out in pairs, and there are no covariates"
        if self.deadline is not None and time.monotonic() > self.deadline:
            return "not tried: the time budget was used up"
        return ""

    def _net_inputs(self, hubs: np.ndarray) -> HeadInputs:
        return head_inputs(self.training, self.design, self.data.group, hubs, self.reads)

    def _train_net(self, start: NetStart, checkpoints: CheckpointDirectory) -> FittedHead:
        training = self.training
        return train_net(
            start, self._net_inputs(start.hubs), np.where(training.develop, training.fold, -1),
            self.settings, checkpoints, log_directory=training_directory(self.out),
            device=self.device, threads=self.threads, deadline=self.deadline,
            progress=self.progress, workers=self.workers,
        )  # fmt: skip

    def help(self, checkpoints: CheckpointDirectory) -> None:
        """What a process that is not the first does: train the net with the others."""
        start = receive_start(checkpoints, self.families)
        if not start.reason:
            self._train_net(start, checkpoints)

    def _judge_net(
        self,
        t: int,
        fit: AdaptiveFit,
        head: FittedHead,
        correction: np.ndarray,
        hubs: np.ndarray,
    ) -> None:
        after = fit.out_of_fold + np.nan_to_num(head.out_of_fold[:, t])
        verdict = judge(
            "net", fit.family, fit.out_of_fold, after, self.training.develop, fit.null,
            accept_z=self.settings.accept_z,
            what=f"a net of {len(hubs)} variants and {self.design.matrix.shape[1]} covariates"
            + (f", {len(self.reads.windows):,} windows" if self.reads.windows.size else "")
            + (", dated codes" if self.reads.sequences is not None else ""),
        )  # fmt: skip
        changed = replace(fit, verdicts=[*fit.verdicts, verdict])
        if verdict.accepted:
            changed = replace(changed, out_of_fold=after, whole=fit.whole + correction)
            self.nets[t] = NetPart(head, t, hubs, self.reads.windows)
        self.fits[t] = changed

    def trained(self) -> list[TrainedTrait]:
        """What is written of each trait."""
        training = self.training
        variants = training.variants.drop("row").with_columns(
            pl.Series("alt_allele_frequency", self.data.alt_allele_frequency())
        )
        found = []
        for trait, fit, net in zip(self.data.traits.traits, self.fits, self.nets, strict=True):
            model = RiskModel.of(fit, variants, net)
            found.append(
                TrainedTrait.make(
                    trait, fit, model, self.data, self.design, self.settings, self.threads
                )
            )
            if not found[-1].tells_people_apart:
                self.data.of_trait[trait.name].append(
                    f"{trait.name}: nothing tells people apart who were not learned from, so "
                    "everybody is told the average; do not use this model."
                )
        return found
