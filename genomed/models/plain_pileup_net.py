"""The pileup net asked with numpy: torch takes two seconds to load, and 200 MB.

The same sums as those of genomed.models.pileup_net, which learns them and says what they mean. What
only learning needs, the heads for kinds of allele and lengths, is kept but not asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

import numpy as np
from threadpoolctl import ThreadpoolController

from genomed.kernels.gelu import gelu
from genomed.models.call_targets import N_CLASSES, N_LENGTHS
from genomed.models.likelihood_stage import (
    FLOOR,
    IMPOSSIBLE,
    N_DIPLOTYPES,
    NEVER,
    InputNames,
    Said,
)
from genomed.models.pileup_inputs import (
    DEPTH,
    DILATIONS,
    MOST,
    MOST_SHARPER,
    MOST_SHIFT,
    QUALITY,
    SHARES,
    SQUASH,
    PileupNetConfig,
    read_columns,
)

__all__ = ["PlainPileupNet"]

_BATCH = 128  # sites at a time; half as many take longer, and twice as many no less
_GRU = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class PlainPileupNet:
    """Takes the place of genomed.models.call_nets.CallNets where no reads are looked at.

    tensors_by_name : float32, as PileupNet names them, behind ``pileup.``
    """

    def __init__(self, config: PileupNetConfig, tensors_by_name: Mapping[str, np.ndarray]) -> None:
        shapes = _shapes(config)
        if set(tensors_by_name) != set(shapes):
            other = min(set(tensors_by_name) ^ set(shapes))
            raise ValueError(f"{other} is missing, or has no place in it")
        for name, shape in shapes.items():
            if tensors_by_name[name].shape != shape:
                raise ValueError(f"{name} is {tensors_by_name[name].shape}, and must be {shape}")
        self.config, self._tensors = config, dict(tensors_by_name)
        names = config.names
        self._divisor = np.array([QUALITY.get(n, 1.0) for n in names.pileup], np.float32)
        self._is_count = np.array([n not in SHARES for n in names.pileup])
        self._is_depth = np.array([n in DEPTH for n in names.pileup], np.float32)
        self._reads = read_columns(names)
        self._depth = names.evidence.index("depth")
        self._libraries = ThreadpoolController()

    def first(
        self, pileup: np.ndarray, evidence: np.ndarray, loglik: np.ndarray, logits: np.ndarray
    ) -> Said:
        """As CallNets.first. Batches are of one size, so no site's values depend on the others."""
        said = Said(np.empty_like(logits), np.empty((len(logits), self.config.width), np.float32))
        with self._libraries.limit(limits=1, user_api="blas"):  # products are too small to share
            for first in range(0, len(logits), _BATCH):
                rows = slice(first, min(first + _BATCH, len(logits)))
                arrays = (_padded(a[rows]) for a in (pileup, evidence, loglik, logits))
                moved, hidden = self._ask(*arrays)
                n = rows.stop - first
                said.logits[rows], said.hidden[rows] = moved[:n], hidden[:n]
        return said

    def tensors(self) -> dict[str, np.ndarray]:
        """Every array, by stage and name."""
        return {name: value.copy() for name, value in self._tensors.items()}

    def facts(self) -> dict[str, Any]:
        """Sizes, as JSON holds them."""
        sizes = {k: v for k, v in asdict(self.config).items() if k != "names"}
        return {"pileup_net": sizes, "matrix_net": None}

    @classmethod
    def from_parts(
        cls, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any], names: InputNames
    ) -> Self:
        """What `tensors` and `facts` have made; an error of any kind for anything else."""
        own = {
            name: np.array(value, np.float32)
            for name, value in tensors.items() if not name.startswith("likelihood.")
        }  # fmt: skip
        return cls(PileupNetConfig(names, **facts["pileup_net"]), own)

    def _ask(
        self, pileup: np.ndarray, evidence: np.ndarray, loglik: np.ndarray, logits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logits (sites, 6), moved, and what was thought of the sites (sites, width)."""
        seen = self._look(self._planes(pileup))  # (sites, 2 hidden + 2 channels)
        told = _gelu(self._linear("evidence", self._features(evidence, loglik)))
        hidden = _gelu(self._linear("join", np.concatenate([seen, told], 1)))  # (sites, width)
        hidden = hidden + _gelu(self._linear("second", hidden))
        correction = self._linear("correct", hidden)  # (sites, 7)
        sharper = np.exp(MOST_SHARPER * np.tanh(correction[:, N_DIPLOTYPES:]))
        shift = MOST_SHIFT * np.tanh(correction[:, :N_DIPLOTYPES] / MOST_SHIFT)
        apart = logits - logits.max(axis=1, keepdims=True)
        return np.where(logits > IMPOSSIBLE, sharper * apart + shift, NEVER), hidden

    def _planes(self, pileup: np.ndarray) -> np.ndarray:
        """int16 (sites, positions, channels) to float32 (sites, positions, planes)."""
        values = pileup.astype(np.float32) / self._divisor
        depth = (values * self._is_depth).sum(axis=2, keepdims=True)  # (sites, positions, 1)
        shares = np.minimum(values / (depth + 1), 2)
        values = np.where(self._is_count, shares, values)
        return np.concatenate([values, np.log1p(depth) / np.float32(4)], 2)

    def _features(self, evidence: np.ndarray, loglik: np.ndarray) -> np.ndarray:
        """float32 (sites, evidence), (sites, 6) to standardised features (sites, features)."""
        squashed = np.sign(evidence) * np.log1p(np.abs(evidence))
        share = evidence[:, self._reads] / (evidence[:, [self._depth]] + 1)
        floored = np.maximum(loglik, np.float32(FLOOR))
        likely = np.where(loglik > IMPOSSIBLE, floored / (np.float32(SQUASH) - floored), -1)
        raw = np.concatenate([squashed, share, likely], 1, dtype=np.float32)
        centre, spread = (self._tensors[f"pileup.inputs.{n}"] for n in ("centre", "spread"))
        return np.clip((raw - centre) / spread, -MOST, MOST)

    def _look(self, planes: np.ndarray) -> np.ndarray:
        """(sites, positions, planes) to what is known of the centre."""
        along = np.maximum(self._along("stem", planes, 1), 0)  # (sites, positions, channels)
        for i, dilation in enumerate(DILATIONS):
            along = along + np.maximum(self._along(f"residuals.{i}.along", along, dilation), 0)
        middle = along.shape[1] // 2
        left = self._walk("from_left", along[:, : middle + 1])
        right = self._walk("from_right", along[:, middle:][:, ::-1])
        return np.concatenate([left, right, along[:, middle], along.mean(axis=1)], 1)

    def _along(self, name: str, values: np.ndarray, dilation: int) -> np.ndarray:
        """A dilated convolution over three positions: (sites, positions, channels)."""
        weight, bias = (self._tensors[f"pileup.{name}.{part}"] for part in ("weight", "bias"))
        n = len(weight)
        taps = values @ weight.transpose(1, 2, 0).reshape(-1, 3 * n)  # (sites, positions, 3 out)
        made = taps[:, :, n : 2 * n] + bias
        made[:, dilation:] += taps[:, :-dilation, :n]
        made[:, :-dilation] += taps[:, dilation:, 2 * n :]
        return made

    def _walk(self, name: str, steps: np.ndarray) -> np.ndarray:
        """The last state (sites, hidden) of a GRU over (sites, steps, channels)."""
        arrays = (self._tensors[f"pileup.{name}.{part}_l0"] for part in _GRU)
        from_input, from_state, input_bias, state_bias = arrays
        n = self.config.hidden
        given = steps @ from_input.T + input_bias  # (sites, steps, 3 hidden)
        state = np.zeros((len(steps), n), np.float32)
        for step in range(steps.shape[1]):
            now, before = given[:, step], state @ from_state.T + state_bias
            gates = 0.5 + 0.5 * np.tanh(0.5 * (now[:, : 2 * n] + before[:, : 2 * n]))
            reset, keep = gates[:, :n], gates[:, n:]
            new = np.tanh(now[:, 2 * n :] + reset * before[:, 2 * n :])
            state = (1 - keep) * new + keep * state
        return state

    def _linear(self, name: str, values: np.ndarray) -> np.ndarray:
        return (
            values @ self._tensors[f"pileup.{name}.weight"].T + self._tensors[f"pileup.{name}.bias"]
        )


def _gelu(values: np.ndarray) -> np.ndarray:
    gelu(values)
    return values


def _padded(array: np.ndarray) -> np.ndarray:
    """An array with rows of zeros behind."""
    return np.pad(array, [(0, _BATCH - len(array)), *[(0, 0)] * (array.ndim - 1)])


def _shapes(config: PileupNetConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every array of PileupNet."""
    n, hidden, width = config.channels, config.hidden, config.width
    n_features = len(config.names.evidence) + len(read_columns(config.names)) + N_DIPLOTYPES
    linear = {
        "evidence": (width, n_features), "join": (width, 2 * hidden + 2 * n + width),
        "second": (width, width), "correct": (N_DIPLOTYPES + 1, width),
        "classes": (N_CLASSES, width), "lengths": (2 * N_LENGTHS, width),
        "stem": (n, len(config.names.pileup) + 1, 3),
        **{f"residuals.{i}.along": (n, n, 3) for i in range(len(DILATIONS))},
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {
        "inputs.centre": (n_features,), "inputs.spread": (n_features,)
    }  # fmt: skip
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for side in ("from_left", "from_right"):
        made = ((3 * hidden, n), (3 * hidden, hidden), (3 * hidden,), (3 * hidden,))
        shapes |= {f"{side}.{part}_l0": shape for part, shape in zip(_GRU, made, strict=True)}
    return {f"pileup.{name}": shape for name, shape in shapes.items()}
