"""One member of the ensemble: its net, its optimiser, and an epoch of training."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genomed.models.augmentation import donors_within_groups, exchange_block, mask_calls
from genomed.models.families import Family
from genomed.models.head_inputs import DeviceInputs, HeadInputs
from genomed.models.hub_products import propose_products
from genomed.models.losses import Labels
from genomed.models.optimiser import FlatAdamW
from genomed.models.parallel import Workers
from genomed.models.portability import Adversary, AdversaryConfig, invariance_penalty
from genomed.models.private import PrivacyConfig, needed_noise, noisy_gradient
from genomed.models.risk_net import NetConfig, RiskNet

__all__ = ["Member", "Tensors", "TrainingConfig"]

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class TrainingConfig:
    """How the nets are trained."""

    epochs: int = 20  # at most
    patience: int = 5  # epochs without a better one, over all folds
    batch: int = 256  # people
    learning_rate: float = 2e-3
    gate_rate: float = 5.0  # learning rate of the gate, beside that of the weights
    warm_up: float = 0.05  # share of all steps in which the rate rises, before it falls as a cosine
    weight_decay: float = 0.1  # decoupled (AdamW), of weights, not of gates, norms and shifts
    group_penalty: float = 0.0  # of the norm of the weights of each hub and each window
    clip: float = 1.0  # most norm of a gradient
    mask_rate: float = 0.02  # share of calls forgotten at random
    exchange_rate: float = 0.0  # share of batches in which blocks are exchanged within a group
    exchange_share: float = 0.25  # of the places, in one block
    adversary: float = 0.0  # weight of hiding the group
    invariance: float = 0.0  # weight of the IRM penalty
    time_budget_s: float = 0.0  # seconds of training; 0 sets no limit
    bfloat16: bool = True  # on CUDA devices
    privacy: PrivacyConfig | None = None  # a promise, which costs accuracy; see private


class Member:
    """A net that never sees fold k."""

    def __init__(
        self,
        k: int,
        inputs: HeadInputs,
        families: Sequence[Family],
        offset: np.ndarray,
        fold: np.ndarray,
        labels: Sequence[Labels],
        contrasts: torch.Tensor,
        held: DeviceInputs,
        net: NetConfig,
        config: TrainingConfig,
        unit: np.ndarray,
        seed: int,
        workers: Workers,
    ) -> None:
        self.k, self.config, self.seed, self.workers = k, config, seed, workers
        self.held, self.labels = held, labels
        device = held.device
        labelled = np.any([family.observed for family in families], axis=0)
        used = (fold >= 0) & (fold != k)
        people = np.flatnonzero(used & labelled)
        if not len(people):
            raise ValueError(f"nobody outside fold {k} has a label")
        self.people = torch.from_numpy(people).to(device)
        self.offset = torch.from_numpy(offset).float().to(device)
        shares = np.array([family.observed[people].mean() for family in families])
        # A trait counts by the mean over who has it, whatever its unit.
        per_trait = 1 / (unit * np.maximum(shares, 1 / len(people)) * len(families))
        self.per_trait = torch.from_numpy(per_trait).float().to(device)
        torch.manual_seed(self._seed(0))
        self.net = RiskNet(net, inputs.sizes(len(families)))
        self.net.code_hubs(contrasts)
        scale = [np.sqrt(2 * u) if f.kind == "quantitative" else 1.0
                 for u, f in zip(unit, families, strict=True)]  # fmt: skip
        self.net.scale.copy_(torch.tensor(scale))
        self._propose(inputs, families, offset, used, np.array(scale))
        n_groups = int(inputs.group.max(initial=-1)) + 1
        self.n_groups = n_groups
        self.adversary = (
            Adversary(AdversaryConfig(self.net.n_person, n_groups)).to(device)
            if config.adversary > 0 and n_groups > 1
            else None
        )
        self.net.to(device)
        self.steps = max(round(len(people) / config.batch), 1)
        self.noise = 0.0
        if config.privacy is not None:
            self.noise = needed_noise(config.privacy, 1 / self.steps, self.steps_of_a_person(fold))
        self.optimiser = self._optimiser()

    def _propose(
        self,
        inputs: HeadInputs,
        families: Sequence[Family],
        offset: np.ndarray,
        used: np.ndarray,
        scale: np.ndarray,
    ) -> None:
        """Start the net over products at what the residuals of the people used ask for."""
        products = self.net.products
        if products is None or not products.config.n_products or self.config.privacy is not None:
            return  # the tests would tell of the labels
        codes = np.where(inputs.hubs < 0, 3, inputs.hubs).astype(np.int64)
        coded = products.contrasts.numpy()[np.arange(codes.shape[1]), codes]  # (n, hubs, 3)
        values = np.concatenate([coded[:, :, 0], coded[:, :, 1], inputs.numbers], axis=1)
        hubs, numbers = np.arange(codes.shape[1]), np.arange(inputs.numbers.shape[1])
        owner = np.concatenate([hubs, hubs, len(hubs) + numbers])
        working = [family.working(offset[:, t]) for t, family in enumerate(families)]
        residual = np.column_stack([r for r, _ in working]) * used[:, None]
        weight = np.column_stack([w for _, w in working]) * used[:, None]
        settings = self.net.config
        found = propose_products(
            values, owner, residual, weight, order=settings.order, most=settings.n_products
        )
        products.start_at(
            torch.from_numpy(found.columns),
            torch.from_numpy(found.coefficient / scale).float(),
            torch.from_numpy(found.mean).float(),
        )

    def steps_of_a_person(self, fold: np.ndarray) -> int:
        """Batches of all members together that a person may be in."""
        return self.steps * self.config.epochs * int(fold.max())

    def _seed(self, epoch: int) -> int:
        """A seed of its own for the epoch; 0 is for the first weights, equal in all processes."""
        rank = self.workers.rank + 1 if epoch else 0
        made = np.random.SeedSequence([self.seed, self.k, epoch, rank]).generate_state(1, np.uint64)
        return int(made[0] >> np.uint64(1))

    def _order_seed(self, epoch: int) -> int:
        """The same in all processes: they share out the same batches."""
        made = np.random.SeedSequence([self.seed, self.k, epoch]).generate_state(2, np.uint64)
        return int(made[1] >> np.uint64(1))

    def _optimiser(self) -> FlatAdamW:
        named = {f"net.{name}": p for name, p in self.net.named_parameters()}
        if self.adversary is not None:
            named |= {f"adversary.{name}": p for name, p in self.adversary.named_parameters()}
        decay = {
            name: self.config.weight_decay
            for name, p in named.items()
            if p.ndim > 1 and not name.endswith("place")
        }
        return FlatAdamW(named, {"net.gate": self.config.gate_rate}, decay)

    def learning_rate(self, epoch: float) -> float:
        """At a time, in epochs: rises for the warm-up, then falls as half a cosine."""
        config = self.config
        done = min(epoch / config.epochs, 1.0)
        rise = min(done / config.warm_up, 1.0) if config.warm_up > 0 else 1.0
        return config.learning_rate * rise * (1 + np.cos(np.pi * done)) / 2

    def epoch(self, number: int) -> float:
        """Train on everybody once; returns the mean loss, or raises ValueError if it is none."""
        device = self.held.device
        torch.manual_seed(self._seed(number))
        noise, joining = self._seed(number), self._order_seed(number)
        if self.config.privacy is not None:  # a promise holds where nobody can know the noise
            noise, joining = secrets.randbits(63), secrets.randbits(63)
        generator = torch.Generator(device).manual_seed(noise)
        order = torch.Generator().manual_seed(joining)
        shuffled = torch.randperm(len(self.people), generator=order).to(device)
        batches = self.people[shuffled].tensor_split(self.steps)
        if self.config.privacy is not None:
            joins = [torch.rand(len(self.people), generator=order) < 1 / self.steps
                     for _ in range(self.steps)]  # fmt: skip
            batches = tuple(self.people[joined.to(device)] for joined in joins)
        self.net.train()
        total = torch.zeros((), device=device)
        for i, batch in enumerate(batches):
            rate = self.learning_rate(number - 1 + (i + 1) / self.steps)
            total += self._step(batch, rate, generator)
        self.workers.add_up([total])
        mean = float(total) / self.steps
        if not np.isfinite(mean):
            raise ValueError(
                f"the loss of member {self.k} is no number in epoch {number}; "
                f"train with a learning_rate below {self.config.learning_rate:g}"
            )
        return mean

    def _step(self, batch: torch.Tensor, rate: float, generator: torch.Generator) -> torch.Tensor:
        """One step of the optimiser; returns this process's share of the mean loss."""
        mine = self.workers.share(batch)
        loss = torch.zeros((), device=batch.device)
        if self.config.privacy is not None:
            self._private_gradient(batch, self.config.privacy, generator)
        elif len(mine):
            loss = self._loss(mine, generator) * (len(mine) / len(batch))
            loss.backward()
        self.workers.add_up([self.optimiser.gradient])
        if self.config.privacy is None:
            self.optimiser.clip(self.config.clip)
        self.optimiser.step(rate)
        self._shrink(rate)
        return loss.detach()

    def _private_gradient(
        self, batch: torch.Tensor, privacy: PrivacyConfig, generator: torch.Generator
    ) -> None:
        codes, _ = self._changed(batch, generator)
        inputs = self.held.batch(batch, codes)
        expected = len(self.people) / self.steps
        self.optimiser.gradient.copy_(
            noisy_gradient(
                self.net, inputs, self._each, batch, privacy, self.noise, expected, generator
            )
        )

    def _loss(self, people: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Mean over people of the loss in units of the linear model's, with penalties: scalar."""
        config, held = self.config, self.held
        codes, donor = self._changed(people, generator)
        cuda = held.device.type == "cuda" and config.bfloat16
        with torch.autocast(held.device.type, torch.bfloat16, enabled=cuda):
            planes = torch.bfloat16 if cuda else torch.float32
            correction, person = self.net(held.batch(people, codes, planes))
        factor = torch.ones((), device=held.device, requires_grad=config.invariance > 0)
        correction = correction.float() * factor  # (people, traits)
        each = self._each(correction, people)  # (people,)
        if donor is not None:
            share = config.exchange_share
            each = (1 - share) * each + share * self._each(correction, people[donor])
        loss = each.mean()
        group = held.group[people]  # (people,)
        if self.adversary is not None:
            loss = loss + config.adversary * self.adversary(person.float(), group)
        if config.invariance > 0 and self.n_groups > 1:
            penalty = invariance_penalty(each, factor, group, self.n_groups)
            loss = loss + config.invariance * penalty
        return loss

    def _each(self, correction: torch.Tensor, people: torch.Tensor) -> torch.Tensor:
        """Loss of each person, traits weighted: (people,)."""
        eta = self.offset[people] + correction  # (people, traits)
        losses = [label.loss(eta[:, t], people) for t, label in enumerate(self.labels)]
        return torch.stack(losses, 1) @ self.per_trait  # (people,)

    def _changed(
        self, people: torch.Tensor, generator: torch.Generator
    ) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor | None]:
        """Codes of hubs and windows after augmentation, and donors where blocks were exchanged."""
        config, held = self.config, self.held
        hubs, places = held.codes(people)
        donor = None
        if config.exchange_rate > 0:
            drawn = torch.rand((), generator=generator, device=held.device)
            if float(drawn) < config.exchange_rate:
                donor = donors_within_groups(held.group[people], generator)  # (people,)
                hubs = exchange_block(hubs, donor, config.exchange_share, generator)
                places = exchange_block(places, donor, config.exchange_share, generator)
        apart = config.privacy is not None
        hubs = mask_calls(hubs, config.mask_rate, generator, apart=apart)
        places = mask_calls(places, config.mask_rate, generator, apart=apart)
        if len(held.padding):
            places = places.index_fill(1, held.padding, 0)
        return (hubs, places), donor

    def _shrink(self, rate: float) -> None:
        """The step of the group penalty: norms of groups lose a little, and stop at zero."""
        if self.config.group_penalty <= 0:
            return
        amount = self.config.group_penalty * rate
        with torch.no_grad():
            for weight in self.net.penalised():
                mean_square = weight.flatten(1).square().mean(1)  # (groups,)
                kept = (1 - amount / mean_square.sqrt().clamp(min=1e-12)).clamp(min=0)  # (groups,)
                weight.mul_(kept.view(-1, *[1] * (weight.ndim - 1)))

    def arrays(self) -> dict[str, np.ndarray]:
        """The net's tensors, copied to the host."""
        state = self.net.state_dict()
        return {name: value.detach().cpu().numpy().copy() for name, value in state.items()}

    def restore(self, arrays: Mapping[str, np.ndarray], kept: Mapping[str, np.ndarray]) -> None:
        """Be as after the epoch that the net's arrays and the optimiser's are of."""
        self.net.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in arrays.items()})
        self.optimiser.restore(kept)
