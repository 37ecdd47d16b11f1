"""A trained caller: likelihoods, then a net over pileups, then one over reads, then calibration.

Each stage corrects the one before it, and is there only if it told sites better that it had not
seen (genomed.models.call_stages). What is written is arrays and JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import polars as pl

from genomed.models.call_targets import site_kind
from genomed.models.likelihood_stage import NEVER, InputNames, LikelihoodStage, Said, site_prior
from genomed.models.plain_pileup_net import PlainPileupNet
from genomed.settings import CallSettings
from genomed.stats.call_calibration import CallCalibration

if TYPE_CHECKING:
    from genomed.models.call_nets import CallNets

__all__ = ["CallModel", "Sites"]

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


@dataclass(frozen=True)
class CallModel:
    """See the module.

    names                  : columns of the arrays that it reads
    nets                   : None where none was kept
    calibration            : of the last stage; first_calibration: of those before the read-matrix
                             net, for sites that it is not asked about
    pileup_kinds, matrix_kinds : whether SNPs, and whether indels, follow the net
    sure                   : probability of the best diplotype from which no reads are looked at
    """

    names: InputNames
    likelihood: LikelihoodStage
    nets: CallNets | PlainPileupNet | None
    calibration: CallCalibration
    first_calibration: CallCalibration
    pileup_kinds: Kinds = (True, True)
    matrix_kinds: Kinds = (True, True)
    sure: float = 0.99

    def genotype_log_probability(
        self, sites: Sites, matrices: Matrices | None = None
    ) -> np.ndarray:
        """Natural-log probabilities of the diplotypes 00 01 11 02 12 22: float32 (sites, 6).

        matrices : makes the read matrices, uint8 (n, 64, 65, 8), of the rows it is given; None to
                   do without. It is called once, with the ambiguous sites
        A diplotype that there cannot be has -1e4. A site's values do not depend on the others.
        """
        kind = site_kind(*(sites.table[name].to_list() for name in ("ref", "alt1", "alt2")))
        is_indel = (kind & 1).astype(bool)
        said = self.first_stages(sites.pileup, sites.evidence, sites.loglik, kind)
        first = self.first_calibration.apply(log_softmax(said.logits), is_indel)
        nets = self.nets
        if nets is None or isinstance(nets, PlainPileupNet) or nets.matrix is None:
            return first
        if matrices is None:
            return first
        rows = self.ambiguous(first, is_indel)
        if not len(rows):
            return first
        logits = nets.second(matrices(rows), Said(*(array[rows] for array in said)))
        first[rows] = self.calibration.apply(log_softmax(logits), is_indel[rows])
        return first

    def ambiguous(self, log_probability: np.ndarray, is_indel: np.ndarray) -> np.ndarray:
        """Rows whose reads are to be looked at: int64 (n,)."""
        doubtful = log_probability.max(axis=1, initial=NEVER) < np.log(self.sure)
        return np.flatnonzero(doubtful & np.array(self.matrix_kinds)[is_indel.astype(np.int64)])

    def first_stages(
        self, pileup: np.ndarray, evidence: np.ndarray, loglik: np.ndarray, kind: np.ndarray
    ) -> Said:
        """Logits before calibration; arrays as in CallSites, and site_kind."""
        prior = site_prior(evidence, self.names.evidence, CallSettings())
        logits = self.likelihood.logits(loglik, prior.astype(np.float32), kind)
        if self.nets is None:
            return Said(logits, np.empty((len(logits), 0), np.float32))
        said = self.nets.first(pileup, evidence, loglik, logits)
        follow = np.array(self.pileup_kinds)[kind & 1]
        return said._replace(logits=np.where(follow[:, None], said.logits, logits))

    def tensors(self) -> dict[str, np.ndarray]:
        """Every array, by stage and name."""
        nets = {} if self.nets is None else self.nets.tensors()
        return {f"likelihood.{k}": v for k, v in self.likelihood._asdict().items()} | nets

    def facts(self) -> dict[str, Any]:
        """Sizes, calibrations and names, as JSON holds them."""
        none = {"pileup_net": None, "matrix_net": None}
        return {
            "names": asdict(self.names),
            **(none if self.nets is None else self.nets.facts()),
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
            names = InputNames(**{k: tuple(map(str, some)) for k, some in facts["names"].items()})
            likelihood = (
                np.reshape(tensors[f"likelihood.{name}"], array.shape)
                for name, array in LikelihoodStage()._asdict().items()
            )
            nets: CallNets | PlainPileupNet | None = None
            if facts["matrix_net"] is not None:
                from genomed.models.call_nets import CallNets  # noqa: PLC0415 - loads torch

                nets = CallNets.from_parts(tensors, facts, names)
            elif facts["pileup_net"] is not None:
                nets = PlainPileupNet.from_parts(tensors, facts, names)
            return cls(
                names, LikelihoodStage(*likelihood), nets,
                CallCalibration.from_dict(facts["calibration"]),
                CallCalibration.from_dict(facts["first_calibration"]),
                _kinds(facts["pileup_kinds"]), _kinds(facts["matrix_kinds"]), float(facts["sure"]),
            )  # fmt: skip
        except (KeyError, TypeError, AttributeError, RuntimeError, ValueError) as error:
            raise ValueError(f"not a caller: {str(error).splitlines()[0]}") from None

    def check_names(self, pileup: tuple[str, ...], evidence: tuple[str, ...]) -> None:
        """Raise a ValueError unless it was learned from arrays with these columns."""
        if (self.names.pileup, self.names.evidence) != (tuple(pileup), tuple(evidence)):
            raise ValueError("it was learned from other channels than this version makes")


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Natural-log probabilities of logits (sites, 6); -1e4 stays -1e4."""
    apart = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    made = apart - np.log(np.exp(apart).sum(axis=1, keepdims=True))
    return np.where(logits <= NEVER + 1000, NEVER, made).astype(np.float32)


def _kinds(values: list[bool]) -> Kinds:
    snp, indel = values
    return bool(snp), bool(indel)
