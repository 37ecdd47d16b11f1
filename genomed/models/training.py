"""The one training loop: five members side by side, an epoch of each at a time.

Member k leaves out the people of fold k. Its predictions for them are out of fold, and how long it
is trained is decided by the folds of the *other* members, so that no weight that a person's label
has touched predicts that person. (The offset is out of fold too, but for a penalty that all labels
chose.) Epoch 0 is the linear model, and it is among the epochs to choose from.

Every random number is drawn from a seed made of (seed, member, epoch, process), so that a run which
is taken up again after any epoch goes on as if it had not stopped.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl
import torch

from genomed.models.families import Family
from genomed.models.head_inputs import DeviceInputs, HeadInputs
from genomed.models.hub_net import call_contrasts
from genomed.models.losses import Labels, labels_of
from genomed.models.members import Member, Tensors, TrainingConfig
from genomed.models.parallel import ALONE, Workers
from genomed.models.private import privacy_ledger
from genomed.models.risk_net import NetConfig, NetSizes, RiskNet

__all__ = [
    "FittedHead",
    "HeadConfig",
    "Keeper",
    "Kept",
    "fit_head",
    "predict_head",
    "run_fingerprint",
]

EVALUATED = 1 << 25  # numbers that are unpacked at a time when nothing is learned

Log = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class HeadConfig:
    """All that is chosen about the head."""

    net: NetConfig = field(default_factory=NetConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


class FittedHead(NamedTuple):
    """What training leaves.

    members     : the tensors of each member's net, at the epoch chosen for it
    out_of_fold : float64 (n, traits), correction to the linear predictor; NaN outside the folds
    history     : one row per epoch, member and trait: epoch · member · trait · deviance (sum over
                  the fold left out) · gate · train_loss · learning_rate · seconds
    epochs      : the epoch chosen for each member; 0 is the linear model
    stopped     : why training ended: "epochs", "patience" or "time"
    config, sizes : what the nets are built from
    privacy     : what was spent of the promise (see private), or None where none was made
    """

    members: list[Tensors]
    out_of_fold: np.ndarray
    history: pl.DataFrame
    epochs: tuple[int, ...]
    stopped: str
    config: HeadConfig
    sizes: NetSizes
    privacy: dict[str, Any] | None = None


class Kept(NamedTuple):
    """A run after some epoch.

    epoch     : the last that was finished
    snapshots : for each epoch from 0 on, the nets' arrays by "member.name"
    optimiser : moments by "member.name.moment"
    facts     : JSON-able: history, out-of-fold predictions, seconds
    """

    epoch: int
    snapshots: list[dict[str, np.ndarray]]
    optimiser: dict[str, np.ndarray]
    facts: dict[str, Any]


class Keeper(Protocol):
    """Where a run is kept so that it can go on after a kill."""

    def load(self) -> Kept | None:
        """What was kept of this very run, or None."""
        ...

    def save(
        self,
        epoch: int,
        snapshot: Mapping[str, np.ndarray],
        optimiser: Mapping[str, np.ndarray],
        facts: Mapping[str, Any],
    ) -> None:
        """Keep an epoch, whole or not at all."""
        ...


def fit_head(
    inputs: HeadInputs,
    families: Sequence[Family],
    offset: np.ndarray,
    fold: np.ndarray,
    config: HeadConfig,
    *,
    seed: int,
    device: str = "cpu",
    threads: int = 1,
    keeper: Keeper | None = None,
    log: Log | None = None,
    workers: Workers = ALONE,
) -> FittedHead:
    """Train the members and put together what they say of the people they did not see.

    offset : float64 (n, traits), linear predictors, those of development people out of fold
    fold   : int8 (n,), 0 to k - 1; -1 for people who take no part
    log    : gets one mapping per epoch

    The result is the same, byte for byte, for the same arguments on the CPU, whatever the threads
    are. The state of torch (random numbers, threads) is as before. Raises ValueError for inputs
    that do not fit, and for a loss that is no number.
    """
    _check(inputs, families, offset, fold)
    _check_privacy(config, workers)
    place = torch.device(device)
    with _undisturbed(place, threads):
        run = _Run(inputs, families, offset, fold, config, seed, place, workers)
        stopped = run.train(keeper, log)
        return run.result(stopped)


def predict_head(
    fitted: FittedHead, inputs: HeadInputs, *, device: str = "cpu", threads: int = 1
) -> np.ndarray:
    """Corrections by each member: float64 (members, n, traits); their mean is the head's answer.

    Raises ValueError for inputs of other sizes than those of training.
    """
    sizes = inputs.sizes(fitted.sizes.n_traits)
    if sizes != fitted.sizes:
        raise ValueError(f"the head was trained on {fitted.sizes}, not {sizes}")
    place = torch.device(device)
    with _undisturbed(place, threads):
        held = DeviceInputs(inputs, place, genome=bool(fitted.config.net.genome))
        people = torch.arange(inputs.n_people, device=place)
        return np.stack(
            [corrections(net, held, people).double().cpu().numpy() for net in nets(fitted, place)]
        )


def nets(fitted: FittedHead, device: torch.device | None = None) -> Iterator[RiskNet]:
    """The members as nets, ready to predict."""
    for tensors in fitted.members:
        net = RiskNet(fitted.config.net, fitted.sizes)
        net.load_state_dict(tensors)
        yield net.eval().to(device or torch.device("cpu"))


def corrections(net: RiskNet, held: DeviceInputs, people: torch.Tensor) -> torch.Tensor:
    """What the net says of some people, nothing learned: float32 (people, traits)."""
    net.eval()
    at_a_time = max(EVALUATED // held.n_unpacked, 1)
    with torch.no_grad():
        parts = [net(held.batch(part))[0] for part in people.split(at_a_time)]
    n_traits = net.sizes.n_traits
    return torch.cat(parts) if parts else torch.zeros(0, n_traits, device=held.device)


class _Run:
    """One training, its arrays on the device, and what was found so far."""

    def __init__(
        self,
        inputs: HeadInputs,
        families: Sequence[Family],
        offset: np.ndarray,
        fold: np.ndarray,
        config: HeadConfig,
        seed: int,
        device: torch.device,
        workers: Workers,
    ) -> None:
        self.config, self.fold, self.offset = config, fold, offset
        self.families, self.workers, self.device = families, workers, device
        self.sizes = inputs.sizes(len(families))
        self.linear = np.column_stack(
            [family.deviance(offset[:, t]) for t, family in enumerate(families)]
        )  # (n, traits)
        self.held = DeviceInputs(inputs, device, genome=bool(config.net.genome))
        labels: list[Labels] = [labels_of(family, device) for family in families]
        contrasts = _contrasts(inputs.hubs, fold)
        self.members = [
            Member(
                k, inputs, families, offset, fold, labels, contrasts, self.held, config.net,
                config.training, self._unit(k), seed, workers,
            )
            for k in range(int(fold.max()) + 1)
        ]  # fmt: skip
        self.snapshots: list[dict[str, np.ndarray]] = []
        self.predictions: list[np.ndarray] = []  # per epoch, (n, traits)
        self.rows: list[dict[str, Any]] = []
        self.seconds = 0.0

    def _unit(self, k: int) -> np.ndarray:
        """The mean loss of the linear model outside fold k: float64 (traits,)."""
        used = (self.fold >= 0) & (self.fold != k)
        counts = [max(int((f.observed & used).sum()), 1) for f in self.families]
        return np.maximum(self.linear[used].sum(axis=0) / 2 / np.array(counts), 1e-12)

    def train(self, keeper: Keeper | None, log: Log | None) -> str:
        """Go on from what was kept until an end is reached; say which."""
        kept = keeper.load() if keeper else None
        if kept is not None:
            self._take_up(kept)
        else:
            self._finish(0, [0.0] * len(self.members), 0.0, keeper, log)
        settings = self.config.training
        while True:
            done = len(self.snapshots) - 1
            if done >= settings.epochs:
                return "epochs"
            if settings.privacy is None and done - self._best_epoch() >= settings.patience:
                return "patience"
            if settings.time_budget_s and done and self._next_end(done) > settings.time_budget_s:
                return "time"
            started = time.monotonic()
            losses = [member.epoch(done + 1) for member in self.members]
            self._finish(done + 1, losses, time.monotonic() - started, keeper, log)

    def _next_end(self, done: int) -> float:
        """When another epoch would end, seconds of training; the slowest process decides."""
        seconds = torch.tensor([self.seconds * (1 + 1 / done)], device=self.device)
        self.workers.add_up([seconds])
        return float(seconds) / self.workers.size

    def _finish(
        self,
        epoch: int,
        losses: list[float],
        seconds: float,
        keeper: Keeper | None,
        log: Log | None,
    ) -> None:
        """Predict the folds left out, note how well, and keep all of it."""
        self.seconds += seconds
        prediction = self._predict()
        rows = self._measure(epoch, prediction, losses, seconds)
        self.predictions.append(prediction)
        self.rows += rows
        self.snapshots.append(
            {f"{m.k}.{name}": value for m in self.members for name, value in m.arrays().items()}
        )
        if log and self.workers.rank == 0:
            log(self._summary(epoch, seconds))
        if keeper and self.workers.rank == 0:
            optimiser = {
                f"{m.k}.{name}": value
                for m in self.members
                for name, value in m.optimiser.arrays().items()
            }
            optimiser["prediction"] = prediction
            facts = {"rows": self.rows, "seconds": self.seconds}
            keeper.save(epoch, self.snapshots[-1] | {"prediction": prediction}, optimiser, facts)

    def _take_up(self, kept: Kept) -> None:
        """Be where the kept run was."""
        self.rows, self.seconds = list(kept.facts["rows"]), float(kept.facts["seconds"])
        for snapshot in kept.snapshots:
            self.predictions.append(snapshot["prediction"])
            self.snapshots.append({k: v for k, v in snapshot.items() if k != "prediction"})
        for member in self.members:
            member.restore(
                _of_member(self.snapshots[-1], member.k), _of_member(kept.optimiser, member.k)
            )

    def _predict(self) -> np.ndarray:
        """Corrections of each person by the member that left it out; NaN outside the folds."""
        prediction = torch.zeros(self.offset.shape, device=self.device)
        for member in self.members:
            out = torch.from_numpy(np.flatnonzero(self.fold == member.k)).to(self.device)
            mine = self.workers.share(out)
            prediction[mine] = corrections(member.net, self.held, mine)
        self.workers.add_up([prediction])
        found = prediction.double().cpu().numpy()
        found[self.fold < 0] = np.nan
        return found

    def _measure(
        self, epoch: int, prediction: np.ndarray, losses: list[float], seconds: float
    ) -> list[dict[str, Any]]:
        """Rows of the history."""
        eta = self.offset + np.nan_to_num(prediction)
        deviance = np.column_stack([f.deviance(eta[:, t]) for t, f in enumerate(self.families)])
        rows = []
        for member, loss in zip(self.members, losses, strict=True):
            inside = self.fold == member.k
            gates = member.net.gate.detach().cpu().numpy()
            for t in range(len(self.families)):
                value = float(deviance[inside, t].sum())
                if not np.isfinite(value):
                    raise ValueError(
                        f"member {member.k} predicts no number after epoch {epoch}; "
                        "train with a lower learning_rate"
                    )
                rows.append(
                    {"epoch": epoch, "member": member.k, "trait": t, "deviance": value}
                    | {"gate": float(gates[t]), "train_loss": loss}
                    | {"learning_rate": member.learning_rate(epoch), "seconds": seconds}
                )
        return rows

    def _gains(self) -> np.ndarray:
        """Deviance that each epoch saves, in units of the linear model's, summed over traits:
        float64 (epochs, members)."""
        deviance = np.array([row["deviance"] for row in self.rows])
        shape = (-1, len(self.members), len(self.families))
        deviance = deviance.reshape(shape)  # (epochs, members, traits)
        unit = np.maximum(deviance[0].sum(axis=0), 1e-12)  # (traits,)
        return ((deviance[0] - deviance) / unit).sum(axis=2)

    def _best_epoch(self) -> int:
        return int(np.argmax(self._gains().sum(axis=1)))

    def _chosen(self) -> tuple[int, ...]:
        """For each member the epoch that is best in the folds of the others."""
        gains = self._gains()
        if self.config.training.privacy is not None:  # to choose would tell of the labels
            return (len(gains) - 1,) * len(self.members)
        others = gains.sum(axis=1, keepdims=True) - gains  # (epochs, members)
        return tuple(int(epoch) for epoch in np.argmax(others, axis=0))

    def _summary(self, epoch: int, seconds: float) -> dict[str, Any]:
        settings = self.config.training
        left = settings.epochs - epoch
        mean = self.seconds / epoch if epoch else 0.0
        gains = self._gains().sum(axis=1)
        latest = [row for row in self.rows if row["epoch"] == epoch]
        return {
            "epoch": epoch,
            "gain": float(gains[-1]),
            "best_epoch": int(np.argmax(gains)),
            "train_loss": float(np.mean([row["train_loss"] for row in latest])),
            "gate": [row["gate"] for row in latest],
            "learning_rate": latest[0]["learning_rate"],
            "seconds": seconds,
            "seconds_left_at_most": mean * left,
        }

    def result(self, stopped: str) -> FittedHead:
        """The members at their epochs."""
        epochs = self._chosen()
        found = np.full(self.offset.shape, np.nan)
        members = []
        for member, epoch in zip(self.members, epochs, strict=True):
            inside = self.fold == member.k
            found[inside] = self.predictions[epoch][inside]
            arrays = _of_member(self.snapshots[epoch], member.k)
            members.append({name: torch.from_numpy(value) for name, value in arrays.items()})
        history = pl.DataFrame(self.rows)
        return FittedHead(
            members, found, history, epochs, stopped, self.config, self.sizes, self._ledger()
        )

    def _ledger(self) -> dict[str, Any] | None:
        """What privacy was spent: that of all batches planned, even where time was short."""
        privacy, first = self.config.training.privacy, self.members[0]
        if privacy is None:
            return None
        steps, seen = first.steps_of_a_person(self.fold), len(self.members) - 1
        noise = min(member.noise for member in self.members)
        rate = max(1 / member.steps for member in self.members)
        return privacy_ledger(privacy, noise, rate, steps, seen)


def _of_member(arrays: Mapping[str, np.ndarray], k: int) -> dict[str, np.ndarray]:
    """Those of one member, by their names within it."""
    start = f"{k}."
    return {key[len(start) :]: value for key, value in arrays.items() if key.startswith(start)}


def _contrasts(hubs: np.ndarray, fold: np.ndarray) -> torch.Tensor:
    """Codings of the hubs, by the frequencies among people in a fold: (hubs, 4, 3)."""
    used = hubs[fold >= 0]
    called = (used >= 0).sum(axis=0)
    copies = np.where(used > 0, used, 0).sum(axis=0)
    return call_contrasts(torch.from_numpy(copies / np.maximum(2 * called, 1)))


@contextmanager
def _undisturbed(device: torch.device, threads: int) -> Iterator[None]:
    """Leave the random numbers and the threads of torch as they are.

    On the CPU one thread works whatever was asked for: sums over two have other last bits, and nets
    of this size gain nothing by them.
    """
    before = torch.get_num_threads()
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.set_num_threads(threads if devices else 1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def _check(
    inputs: HeadInputs, families: Sequence[Family], offset: np.ndarray, fold: np.ndarray
) -> None:
    n = inputs.n_people
    if not families or offset.shape != (n, len(families)) or fold.shape != (n,):
        raise ValueError(
            f"{n} people and {len(families)} traits, but offset {offset.shape}, fold {fold.shape}"
        )
    if any(family.n_samples != n for family in families):
        raise ValueError(f"a trait has not {n} people")
    if not np.isfinite(offset[fold >= 0]).all():
        raise ValueError("the linear predictor of somebody in a fold is no number")
    if int(fold.max(initial=-1)) < 1 or len(np.unique(fold[fold >= 0])) != fold.max() + 1:
        raise ValueError("folds are numbered from 0, each has people, and there are at least two")


def _check_privacy(config: HeadConfig, workers: Workers) -> None:
    settings = config.training
    if settings.privacy is None:
        return
    mixing = settings.exchange_rate or settings.adversary or settings.invariance
    if mixing or settings.group_penalty or workers.size > 1:
        raise ValueError(
            "private training takes no exchange_rate, adversary, invariance or group_penalty, and "
            "one process, as its noise is added once"
        )
    if "recurrent" in config.net.genome or config.net.code_reader == "gru":
        raise ValueError("private training takes no recurrent net; choose attention for codes")


def run_fingerprint(
    inputs: HeadInputs,
    families: Sequence[Family],
    offset: np.ndarray,
    fold: np.ndarray,
    config: HeadConfig,
    *,
    seed: int,
    device: str,
    threads: int,
    workers: Workers = ALONE,
) -> str:
    """What tells one training from another, for whoever keeps checkpoints: 64 hex digits."""
    digest = hashlib.sha256()
    facts = [
        repr(config),
        seed,
        torch.device(device).type,
        threads,
        workers.size,
        torch.__version__,
    ]
    digest.update(repr(facts).encode())
    parts: list[object] = [offset, fold]
    for record in (inputs, *families):
        parts += [getattr(record, each.name) for each in fields(record)]  # type: ignore[arg-type]
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).view(np.uint8).data)
        else:
            digest.update(repr(part).encode())
    return digest.hexdigest()
