"""The net of `genomed train`: what it reads, how it is trained, and by how many processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genomed.errors import InputError, OutputError, UsageError
from genomed.features.design import Design
from genomed.features.sequences import Sequences
from genomed.io.training_log import TrainingLog
from genomed.models.adaptive import AdaptiveFit
from genomed.models.families import Family, Survival
from genomed.models.head_inputs import HeadInputs, gene_windows, genome_windows
from genomed.models.members import TrainingConfig
from genomed.models.parallel import Workers, workers_from_environment
from genomed.models.private import PrivacyConfig
from genomed.models.risk_model import net_inputs
from genomed.models.risk_net import GENOME_PARTS, NetConfig
from genomed.models.training import FittedHead, HeadConfig, fit_head
from genomed.models.training_set import TrainingSet
from genomed.settings import TrainSettings
from genomed.steps.train_checkpoints import CheckpointDirectory
from genomed.steps.train_data import TrainData

__all__ = [
    "NetReads", "NetStart", "check_net", "head_inputs", "meet", "net_reads", "processes",
    "receive_start", "send_start", "train_net",
]  # fmt: skip

Progress = Callable[[str, float], None]

WAIT_S = 24 * 3600.0  # for the stages of the first process
POLL_S = 0.1
START = "net-start"


@dataclass(frozen=True)
class NetStart:
    """What the stages hand to the net.

    families : fitted; offset : float64 (n, traits), their predictors, out of fold
    hubs     : int64, rows read call by call
    reason   : why no net is trained; empty where one is
    """

    families: Sequence[Family]
    offset: np.ndarray
    hubs: np.ndarray
    reason: str

    @classmethod
    def of(cls, fits: Sequence[AdaptiveFit], hubs: np.ndarray, reason: str) -> NetStart:
        """Of the stages of all traits."""
        offset = np.column_stack([fit.out_of_fold for fit in fits])
        return cls([fit.family for fit in fits], offset, hubs, reason)


@dataclass(frozen=True)
class NetReads:
    """What the net reads beside hubs.

    windows   : int64 (windows, size), rows; none where no net is to read them
    sequences : dated codes, or None
    """

    windows: np.ndarray
    sequences: Sequences | None

    @property
    def anything(self) -> bool:
        """Whether there is something to read even without hubs and covariates."""
        return bool(self.windows.size) or self.sequences is not None


def check_net(settings: TrainSettings, *, grouped: bool, workers: Workers) -> None:
    """Raise a UsageError for options that contradict each other."""
    if unknown := sorted(set(settings.genome_net) - set(GENOME_PARTS)):
        raise UsageError(f"--genome-net: {unknown[0]!r} is not one of {', '.join(GENOME_PARTS)}")
    if (settings.adversary or settings.invariance) and not grouped:
        raise UsageError("--adversary and --invariance need to know ancestry; give --groups")
    if settings.private_epsilon is None:
        return
    if settings.adversary or settings.invariance:
        raise UsageError("--private takes neither --adversary nor --invariance; leave one out")
    if "recurrent" in settings.genome_net:
        raise UsageError("--private takes no recurrent net; leave it out of --genome-net")
    if workers.size > 1:
        raise UsageError("--private takes one process, as its noise is added once")


def net_reads(data: TrainData, settings: TrainSettings, sequences: Sequences | None) -> NetReads:
    """Windows of genes, or over the whole genome, and the dated codes."""
    windows = np.zeros((0, 0), np.int64)
    size = settings.window_variants
    if data.genes is not None:
        row, gene = data.genes
        windows = gene_windows(row, gene, size)
    elif settings.genome_net:
        windows = genome_windows(len(data.rows), size)
    return NetReads(windows, sequences)


def net_config(settings: TrainSettings, seconds: float) -> HeadConfig:
    """Settings of a run as those of the net; seconds of training, 0 for no limit."""
    private = None
    if settings.private_epsilon is not None:
        private = PrivacyConfig(settings.private_epsilon, settings.private_delta)
    training = TrainingConfig(
        epochs=settings.net_epochs, adversary=settings.adversary,
        invariance=settings.invariance, time_budget_s=seconds, privacy=private,
    )  # fmt: skip
    return HeadConfig(NetConfig(genome=settings.genome_net or ("local",)), training)


def head_inputs(
    training: TrainingSet, design: Design, group: np.ndarray, hubs: np.ndarray, reads: NetReads
) -> HeadInputs:
    """What the net reads of everybody of a training set."""
    codes = reads.sequences
    return net_inputs(
        training.words, training.n_samples, hubs, training.covariates, design.categories,
        tuple(design.category_sizes), reads.windows, group,
        codes=None if codes is None else codes.codes, times=None if codes is None else codes.times,
        n_codes=0 if codes is None else codes.n_codes,
    )  # fmt: skip


def train_net(
    start: NetStart,
    inputs: HeadInputs,
    fold: np.ndarray,
    settings: TrainSettings,
    checkpoints: CheckpointDirectory,
    *,
    log_directory: Path,
    device: str,
    threads: int,
    deadline: float | None,
    progress: Progress,
    workers: Workers,
) -> FittedHead:
    """Train, or go on; every epoch is kept, and told to a log.

    deadline : time.monotonic() that training should not go beyond
    """
    keeper = checkpoints.of_net()
    kept = keeper.load()
    seconds = 0.0
    if deadline is not None:  # what was trained before counts as trained
        spent = 0.0 if kept is None else float(kept.facts["seconds"])
        seconds = spent + max(deadline - time.monotonic(), 1e-3)
    first = 0 if kept is None else kept.epoch + 1
    no_log = nullcontext() if workers.rank else None
    with no_log or TrainingLog(log_directory, first_epoch=first) as log:

        def tell(facts: Mapping[str, Any]) -> None:
            if log is not None:
                log(facts)
            share = facts["epoch"] / max(settings.net_epochs, 1)
            progress(f"net: epoch {facts['epoch']} of at most {settings.net_epochs}", share)

        try:
            head = fit_head(
                inputs, start.families, start.offset, fold, net_config(settings, seconds),
                seed=settings.seed, device=device, threads=threads, keeper=keeper, log=tell,
                workers=workers,
            )  # fmt: skip
        except ValueError as error:
            raise InputError(f"the net cannot be trained: {error}; or leave it out with "
                             "--stages dominance,pairs,covariates") from None  # fmt: skip
    # The time there was is no part of a model: the same model may be had in more or less.
    training = replace(head.config.training, time_budget_s=0.0)
    return head._replace(config=replace(head.config, training=training))


@contextmanager
def processes(device: str) -> Iterator[tuple[Workers, str]]:
    """This process among those that train together, and its device."""
    try:
        found = workers_from_environment(device)
        workers = found.__enter__()
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"the other processes cannot be met: {error}; see torchrun") from None
    try:
        several = workers.size > 1 and device == "cuda"
        yield workers, f"cuda:{workers.local_rank}" if several else device
    finally:
        found.__exit__(None, None, None)


def meet(workers: Workers, device: str) -> None:
    """Wait until all processes are here."""
    workers.add_up([torch.zeros(1, device=device)])


def send_start(checkpoints: CheckpointDirectory, start: NetStart) -> None:
    """Leave for other processes what the stages found."""
    arrays = {"offset": start.offset, "hubs": start.hubs}
    for t, family in enumerate(start.families):
        if isinstance(family, Survival):
            arrays[f"baseline.{t}"] = family.baseline
    checkpoints.stage_files(START).save("start", arrays, {"reason": start.reason})


def receive_start(
    checkpoints: CheckpointDirectory, families: Sequence[Family], *, limit_s: float = WAIT_S
) -> NetStart:
    """Wait for what the first process leaves.

    families : not fitted yet; raises OutputError when nothing has come in time
    """
    files = checkpoints.stage_files(START)
    until = time.monotonic() + limit_s
    while (found := files.load("start")) is None:
        if time.monotonic() > until:
            raise OutputError(
                f"{files.path}: the first process left nothing there in {limit_s:g} seconds; see "
                "its messages, and put --out where all processes can read"
            )
        time.sleep(POLL_S)
    arrays, facts = found
    fitted = [
        replace(family, baseline=arrays[f"baseline.{t}"])
        if isinstance(family, Survival) else family
        for t, family in enumerate(families)
    ]  # fmt: skip
    return NetStart(fitted, arrays["offset"], arrays["hubs"], str(facts["reason"]))
