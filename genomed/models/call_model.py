"""A trained caller: likelihoods, then a net over pileups, then one over reads, then calibration.

Each stage corrects the one before it, and is there only if it told sites better that it had not
seen (genomed.models.call_stages). What is written is arrays and JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import polars as pl
import torch
from torch import nn
from torch.nn import functional

from genomed.models.call_inputs import NEVER, InputNames
from genomed.models.call_targets import site_kind
from genomed.models.call_training import threads_of
from genomed.models.likelihood_stage import LikelihoodStage, site_prior
from genomed.models.pileup_net import PileupNet, PileupNetConfig
from genomed.models.read_matrix_net import ReadMatrixConfig, ReadMatrixNet
from genomed.stats.call_calibration import CallCalibration

__all__ = ["CallModel", "Said", "Sites"]

_BATCH = 256  # sites at a time
_MATRIX_BATCH = 64
Kinds = tuple[bool, bool]
Matrices = Callable[[np.ndarray], np.ndarray]


class Sites(Protocol):
    """What a model reads of genomed.features.call_sites.CallSites."""

    @property
    def table(self) -> pl.DataFrame: ...
    @property
    def pileup(self) -> np.ndarray: ...
    @property
    def evidence(self) -> np.ndarray: ...
    @property
    def loglik(self) -> np.ndarray: ...


class Said(NamedTuple):
    """What the stages before the read-matrix net say.

    logits : float32 (sites, 6); hidden : float32 (sites, width), none without a net
    """

    logits: np.ndarray
    hidden: np.ndarray


@dataclass(frozen=True)
class CallModel:
    """See the module.

    names                  : columns of the arrays that it reads
    pileup_net, matrix_net : None where the stage was not kept; the second needs the first
    calibration            : of the last stage; first_calibration: of those before the read-matrix
                             net, for sites that it is not asked about
    pileup_kinds, matrix_kinds : whether SNPs, and whether indels, follow the net
    sure                   : probability of the best diplotype from which no reads are looked at
    """

    names: InputNames
    likelihood: LikelihoodStage
    pileup_net: PileupNet | None
    matrix_net: ReadMatrixNet | None
    calibration: CallCalibration
    first_calibration: CallCalibration
    pileup_kinds: Kinds = (True, True)
    matrix_kinds: Kinds = (True, True)
    sure: float = 0.99

    def genotype_log_probability(
        self, sites: Sites, matrices: Matrices | None = None, *, threads: int = 1
    ) -> np.ndarray:
        """Natural-log probabilities of the diplotypes 00 01 11 02 12 22: float32 (sites, 6).

        matrices : makes the read matrices, uint8 (n, 64, 65, 8), of the rows it is given; None to
                   do without. It is called once, with the ambiguous sites
        A diplotype that there cannot be has -1e4. A site's values do not depend on the others.
        """
        kind = site_kind(*(sites.table[name].to_list() for name in ("ref", "alt1", "alt2")))
        is_indel = (kind & 1).astype(bool)
        with threads_of(threads):
            said = self.first_stages(sites.pileup, sites.evidence, sites.loglik, kind)
            first = self.first_calibration.apply(log_softmax(said.logits), is_indel)
            if self.matrix_net is None or matrices is None:
                return first
            rows = self.ambiguous(first, is_indel)
            if not len(rows):
                return first
            logits = self.second_stage(matrices(rows), said.logits[rows], said.hidden[rows])
        first[rows] = self.calibration.apply(log_softmax(logits), is_indel[rows])
        return first

    def ambiguous(self, log_probability: np.ndarray, is_indel: np.ndarray) -> np.ndarray:
        """Rows whose reads are to be looked at: int64 (n,)."""
        doubtful = log_probability.max(axis=1, initial=NEVER) < np.log(self.sure)
        return np.flatnonzero(doubtful & np.array(self.matrix_kinds)[is_indel.astype(np.int64)])

    @torch.no_grad()
    def first_stages(
        self, pileup: np.ndarray, evidence: np.ndarray, loglik: np.ndarray, kind: np.ndarray
    ) -> Said:
        """Logits before calibration; arrays as in CallSites, and site_kind."""
        width = 0 if self.pileup_net is None else self.pileup_net.config.width
        said = Said(np.empty((len(kind), 6), np.float32), np.empty((len(kind), width), np.float32))
        for rows in _batches(len(kind), _BATCH):
            n = rows.stop - rows.start
            reads = _padded(loglik[rows], _BATCH)
            prior = _padded(site_prior(evidence[rows], self.names.evidence), _BATCH)
            logits = self.likelihood(reads, prior, _padded(kind[rows], _BATCH).long())
            if self.pileup_net is not None:
                out = self.pileup_net(
                    _padded(pileup[rows], _BATCH), _padded(evidence[rows], _BATCH), reads, logits
                )
                follow = torch.tensor(self.pileup_kinds)[_padded(kind[rows], _BATCH).long() & 1]
                logits = torch.where(follow[:, None], out.logits, logits)
                said.hidden[rows] = out.hidden.numpy()[:n]
            said.logits[rows] = logits.numpy()[:n]
        return said

    @torch.no_grad()
    def second_stage(
        self, matrices: np.ndarray, logits: np.ndarray, hidden: np.ndarray
    ) -> np.ndarray:
        """Logits (sites, 6) that the read-matrix net corrected, before calibration."""
        assert self.matrix_net is not None
        corrected = np.empty_like(logits)
        for rows in _batches(len(logits), _MATRIX_BATCH):
            arrays = (torch.from_numpy(a[rows]) for a in (matrices, logits, hidden))
            corrected[rows] = self.matrix_net(*arrays).numpy()
        return corrected

    def tensors(self) -> dict[str, np.ndarray]:
        """Every array, by stage and name."""
        nets: dict[str, nn.Module | None] = {
            "likelihood": self.likelihood, "pileup": self.pileup_net, "matrix": self.matrix_net
        }  # fmt: skip
        return {
            f"{stage}.{name}": value.detach().numpy().copy()
            for stage, net in nets.items() if net is not None
            for name, value in net.state_dict().items()
        }  # fmt: skip

    def facts(self) -> dict[str, Any]:
        """Sizes, calibrations and names, as JSON holds them."""
        pileup, matrix = self.pileup_net, self.matrix_net
        sizes = None if pileup is None else asdict(pileup.config)
        return {
            "names": asdict(self.names),
            "pileup_net": sizes and {k: v for k, v in sizes.items() if k != "names"},
            "matrix_net": None if matrix is None else asdict(matrix.config),
            "calibration": self.calibration.to_dict(),
            "first_calibration": self.first_calibration.to_dict(),
            "pileup_kinds": list(self.pileup_kinds),
            "matrix_kinds": list(self.matrix_kinds),
            "sure": self.sure,
        }

    @classmethod
    def from_parts(cls, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Self:
        """What `tensors` and `facts` have made; a ValueError for anything else."""
        try:
            pileup = matrix = None
            names = InputNames(
                *(tuple(map(str, facts["names"][x])) for x in ("pileup", "evidence"))
            )
            if facts["pileup_net"] is not None:
                pileup = PileupNet(PileupNetConfig(names, **facts["pileup_net"]))
            if facts["matrix_net"] is not None:
                sizes = dict(facts["matrix_net"])
                sizes["scale"] = tuple(sizes["scale"])
                matrix = ReadMatrixNet(ReadMatrixConfig(**sizes))
            made = cls(
                names, LikelihoodStage(), pileup, matrix,
                CallCalibration.from_dict(facts["calibration"]),
                CallCalibration.from_dict(facts["first_calibration"]),
                _kinds(facts["pileup_kinds"]), _kinds(facts["matrix_kinds"]), float(facts["sure"]),
            )  # fmt: skip
            for prefix, net in (("likelihood.", made.likelihood), ("pileup.", pileup),
                                ("matrix.", matrix)):  # fmt: skip
                if net is not None:
                    net.load_state_dict({
                        name.removeprefix(prefix): torch.from_numpy(np.array(value))
                        for name, value in tensors.items() if name.startswith(prefix)
                    })  # fmt: skip
                    net.eval().requires_grad_(False)
        except (KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise ValueError(f"not a caller: {str(error).splitlines()[0]}") from None
        return made

    def check_names(self, pileup: tuple[str, ...], evidence: tuple[str, ...]) -> None:
        """Raise a ValueError unless it was learned from arrays with these columns."""
        if (self.names.pileup, self.names.evidence) != (tuple(pileup), tuple(evidence)):
            raise ValueError("it was learned from other channels than this version makes")


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Natural-log probabilities of logits (sites, 6); -1e4 stays -1e4."""
    made = functional.log_softmax(torch.from_numpy(logits).double(), 1).numpy()
    return np.where(logits <= NEVER + 1000, NEVER, made).astype(np.float32)


def _kinds(values: list[bool]) -> Kinds:
    snp, indel = values
    return bool(snp), bool(indel)


def _batches(n: int, size: int) -> list[slice]:
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def _padded(array: np.ndarray, n: int) -> torch.Tensor:
    """An array with rows of zeros behind, so that every product has one shape."""
    if len(array) == n:
        return torch.from_numpy(np.ascontiguousarray(array))
    full = np.zeros((n, *array.shape[1:]), array.dtype)
    full[: len(array)] = array
    return torch.from_numpy(full)
