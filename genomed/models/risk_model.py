"""A fitted risk model as numbers: what a bundle holds, and what predicts new people.

The linear predictor of a person is

    intercept + covariates . coefficients + sum of genotype_weights[variant, call]   (linear)
    + half of what the trunk of the person's ancestry group says beyond that         (ancestry)
    + coefficients . products of two calls                                           (pairs)
    + products with covariates                                                       (covariates)
    + mean of the members' corrections                                               (net)

A call that was not made adds nothing to the linear part and to a product, which stands for the mean
of those learned from; the net was trained with calls left out and has its own answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from genomed.kernels.packed import unpack_rows
from genomed.models.ancestry_part import AncestryPart, GroupTrunk
from genomed.models.columns import Columns
from genomed.models.covariate_stage import CovariatePart, GeneticScore
from genomed.models.families import Survival
from genomed.models.pair_stage import PairPart
from genomed.stats.pair_terms import PairTerms

if TYPE_CHECKING:
    from genomed.models.adaptive import AdaptiveFit
    from genomed.models.head_inputs import HeadInputs
    from genomed.models.training import FittedHead

__all__ = ["NetPart", "Predicted", "RiskModel"]


@dataclass(frozen=True)
class NetPart:
    """A net in a model.

    head    : its members; it may answer for several traits
    trait   : which of its outputs is this model's
    hubs    : int64, rows of the model's variants that it reads call by call
    windows : int64 (windows, size), rows of the model's variants, -1 behind the last
    """

    head: FittedHead
    trait: int
    hubs: np.ndarray
    windows: np.ndarray


@dataclass(frozen=True)
class Predicted:
    """Linear predictors of people.

    linear : float64 (n,), of the linear part
    parts  : stage -> float64 (n,), what each other part adds
    spread : float64 (n,), standard deviation of the net's members; 0 without a net
    members : float64 (members, n), what each member of the net adds; none without a net
    """

    linear: np.ndarray
    parts: dict[str, np.ndarray]
    spread: np.ndarray
    members: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def full(self) -> np.ndarray:
        """All parts together: float64 (n,)."""
        return np.asarray(sum(self.parts.values(), self.linear))


@dataclass(frozen=True)
class RiskModel:
    """The parts of a model of one trait; rows are those of `variants`.

    kind             : quantitative, binary or survival
    variants         : contig · position · id · ref · alt · alt_allele_frequency
    intercept        : number
    coefficients     : float64 (k,), of the covariates
    genotype_weights : float64 (variants, 4), of 0, 1, 2 copies of ALT and of a missing call (0)
    edges, baseline  : of a Survival trait, else empty
    """

    kind: str
    variants: pl.DataFrame
    intercept: float
    coefficients: np.ndarray
    genotype_weights: np.ndarray
    has_dominance: bool = False
    ancestry: AncestryPart | None = None
    pairs: PairPart | None = None
    covariates: CovariatePart | None = None
    net: NetPart | None = None
    edges: np.ndarray = field(default_factory=lambda: np.zeros(0))
    baseline: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def read_rows(self) -> np.ndarray:
        """Variants whose calls are needed one by one, beside the linear sum: int64, ascending."""
        rows = [np.zeros(0, np.int64)]
        if self.ancestry is not None:
            rows.append(self.ancestry.rows)
        if self.pairs is not None:
            rows += [self.pairs.terms.row1, self.pairs.terms.row2]
        if self.covariates is not None:
            rows.append(self.covariates.row)
        if self.net is not None:
            rows += [self.net.hubs, self.net.windows[self.net.windows >= 0].ravel()]
        return np.unique(np.concatenate(rows))

    def used_by(self) -> list[str]:
        """The parts that read each variant, joined by commas."""
        marks: list[list[str]] = [[] for _ in range(len(self.variants))]
        linear = np.flatnonzero(self.genotype_weights.any(axis=1))
        parts: list[tuple[str, np.ndarray]] = [("linear", linear)]
        if self.ancestry is not None:
            parts.append(("ancestry", self.ancestry.rows))
        if self.pairs is not None:
            both = np.concatenate([self.pairs.terms.row1, self.pairs.terms.row2])
            parts.append(("pairs", np.unique(both)))
        if self.covariates is not None:
            parts.append(("covariates", np.unique(self.covariates.row)))
        if self.net is not None:
            windows = self.net.windows[self.net.windows >= 0].ravel()
            parts.append(("net", np.unique(np.concatenate([self.net.hubs, windows]))))
        for name, rows in parts:
            for row in rows.tolist():
                marks[row].append(name)
        return [",".join(mark) for mark in marks]

    def linear_sum(self, words: np.ndarray, n_samples: int) -> np.ndarray:
        """Sum of the genotype weights: float64 (n,).

        words : uint64 (variants, words), calls of the people, rows as in `variants`
        """
        rows = np.flatnonzero(self.genotype_weights.any(axis=1))
        columns = Columns(
            np.ascontiguousarray(words), rows, self.genotype_weights[rows].astype(np.float32),
            np.empty((0, n_samples), np.float32), np.ones(len(rows)),
        )  # fmt: skip
        eta = np.zeros(n_samples)
        columns.add(np.arange(len(rows)), np.ones(len(rows)), eta)
        return eta

    def predict(
        self,
        words: np.ndarray,
        n_samples: int,
        covariates: np.ndarray,
        *,
        linear_sum: np.ndarray | None = None,
        categories: np.ndarray | None = None,
        levels: tuple[int, ...] = (),
        codes: np.ndarray | None = None,
        times: np.ndarray | None = None,
        group: np.ndarray | None = None,
        device: str = "cpu",
        threads: int = 1,
    ) -> Predicted:
        """Predict people.

        Categories and dated codes of whom nothing is given are unknown.

        words      : uint64 (variants, words); where `linear_sum` is given, only `read_rows` matter
        covariates : float64 (n, k), encoded as in training
        linear_sum : float64 (n,), what linear_sum() would give
        categories : int64 (n, c), encoded as in training
        codes      : int64 (n, length) and times, float32, as features.sequences.apply gives them
        group      : int64 (n,), from ancestry.places; None, and -1, where no group is known: such
                     people get the pooled trunk
        """
        if linear_sum is None:
            linear_sum = self.linear_sum(words, n_samples)
        linear = self.intercept + covariates @ self.coefficients + linear_sum
        parts = {}
        if self.ancestry is not None and group is not None:
            parts["ancestry"] = self.ancestry.correction(words, linear, covariates, group)
        if self.pairs is not None:
            parts["pairs"] = self.pairs.predictor(words, n_samples)
        if self.covariates is not None:
            calls = _calls(words, n_samples, self.covariates.row)
            calls[calls < 0] = 3
            parts["covariates"] = self.covariates.predictor(calls, linear, covariates)
        if self.net is not None:
            from genomed.models.training import predict_head  # noqa: PLC0415 - torch takes seconds

            sizes = self.net.head.sizes
            if categories is None or not categories.shape[1]:
                categories = np.zeros((n_samples, len(sizes.levels)), np.int64)
                levels = sizes.levels
            inputs = net_inputs(
                words, n_samples, self.net.hubs, covariates, categories, levels, self.net.windows,
                codes=codes, times=times, n_codes=sizes.n_codes,
            )  # fmt: skip
            each = predict_head(self.net.head, inputs, device=device, threads=threads)
            members = each[:, :, self.net.trait]
            parts["net"] = members.mean(axis=0)
            return Predicted(linear, parts, members.std(axis=0), members)
        return Predicted(linear, parts, np.zeros(n_samples))

    @classmethod
    def of(cls, fit: AdaptiveFit, variants: pl.DataFrame, net: NetPart | None = None) -> RiskModel:
        """The model of a fit, on the variants that any part reads.

        variants : contig · position · id · ref · alt · alt_allele_frequency, as in training
        """
        weights = fit.linear.genotype_weights()
        whole = cls(
            kind=fit.family.kind,
            variants=variants,
            intercept=fit.linear.cross.fit.intercept,
            coefficients=fit.linear.cross.fit.covariates,
            genotype_weights=weights,
            has_dominance=fit.linear.has_dominance,
            ancestry=fit.ancestry,
            pairs=fit.pairs,
            covariates=fit.covariates,
            net=net,
            edges=fit.family.edges if isinstance(fit.family, Survival) else np.zeros(0),
            baseline=fit.family.baseline if isinstance(fit.family, Survival) else np.zeros(0),
        )
        return whole.narrowed()

    def narrowed(self) -> RiskModel:
        """The same model without the variants that no part reads."""
        linear = np.flatnonzero(self.genotype_weights.any(axis=1))
        rows = np.union1d(linear, self.read_rows)
        place = np.full(len(self.variants) + 1, -1)
        place[rows] = np.arange(len(rows))
        pairs, covariates, net = self.pairs, self.covariates, self.net
        ancestry = self.ancestry
        if ancestry is not None:
            trunks = (replace(trunk, row=place[trunk.row]) for trunk in ancestry.trunks)
            ancestry = AncestryPart(tuple(trunks))
        if pairs is not None:
            terms = pairs.terms._replace(row1=place[pairs.terms.row1], row2=place[pairs.terms.row2])
            pairs = replace(pairs, terms=terms)
        if covariates is not None:
            covariates = replace(covariates, row=place[covariates.row])
        if net is not None:
            net = replace(net, hubs=place[net.hubs], windows=place[net.windows])
        return replace(
            self, variants=self.variants[rows], genotype_weights=self.genotype_weights[rows],
            ancestry=ancestry, pairs=pairs, covariates=covariates, net=net,
        )  # fmt: skip

    def to_parts(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays by name, and what JSON can hold; `from_parts` makes the same model, to the bit."""
        tensors = {
            "linear.coefficients": self.coefficients,
            "linear.genotype_weights": self.genotype_weights,
        }
        facts: dict[str, Any] = {
            "kind": self.kind, "intercept": self.intercept, "has_dominance": self.has_dominance,
        }  # fmt: skip
        if self.kind == "survival":
            tensors |= {"survival.edges": self.edges, "survival.baseline": self.baseline}
        if self.ancestry is not None:
            facts["ancestry"] = []
            for k, trunk in enumerate(self.ancestry.trunks):
                facts["ancestry"].append({"group": trunk.group, "intercept": trunk.intercept})
                tensors |= {
                    f"ancestry.{k}.coefficients": trunk.coefficients,
                    f"ancestry.{k}.row": trunk.row,
                    f"ancestry.{k}.genotype_weights": trunk.genotype_weights,
                }
        if self.pairs is not None:
            tensors |= {f"pairs.{k}": v for k, v in self.pairs.terms._asdict().items()}
            tensors |= {
                "pairs.beta": self.pairs.coefficients,
                "pairs.z": self.pairs.table["z"].to_numpy(),
                "pairs.expected": self.pairs.table["expected"].to_numpy(),
            }
        if self.covariates is not None:
            part = self.covariates
            tensors |= {
                "covariates.score": part.score.coefficients,
                "covariates.by_score": part.by_score,
                "covariates.row": part.row,
                "covariates.covariate": part.covariate,
                "covariates.value": part.value,
                "covariates.beta": part.coefficients,
                "covariates.z": part.table["z"].to_numpy(),
                "covariates.expected": part.table["expected"].to_numpy(),
            }
            facts["score_scale"] = part.score.scale
        if self.net is not None:
            tensors |= {"net.hubs": self.net.hubs, "net.windows": self.net.windows}
            for k, member in enumerate(self.net.head.members):
                tensors |= {f"net.{k}.{name}": t.cpu().numpy() for name, t in member.items()}
            facts["net"] = {
                "trait": self.net.trait,
                "members": len(self.net.head.members),
                "epochs": list(self.net.head.epochs),
                "stopped": self.net.head.stopped,
                "config": asdict(self.net.head.config),
                "sizes": self.net.head.sizes._asdict(),
            }
        return tensors, facts

    @classmethod
    def from_parts(
        cls, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any], variants: pl.DataFrame
    ) -> RiskModel:
        """Raises KeyError, TypeError or ValueError for parts that do not belong together."""
        n = len(variants)
        model = cls(
            kind=_one_of(facts["kind"], "quantitative", "binary", "survival"),
            variants=variants,
            intercept=float(facts["intercept"]),
            coefficients=_array(tensors, "linear.coefficients", np.float64, (-1,)),
            genotype_weights=_array(tensors, "linear.genotype_weights", np.float64, (n, 4)),
            has_dominance=bool(facts["has_dominance"]),
            ancestry=_ancestry(tensors, facts["ancestry"], n) if "ancestry" in facts else None,
            pairs=_pairs(tensors, n) if "pairs.beta" in tensors else None,
            covariates=_covariates(tensors, facts, n) if "covariates.beta" in tensors else None,
            net=_net(tensors, facts["net"], n) if "net" in facts else None,
            edges=tensors.get("survival.edges", np.zeros(0)),
            baseline=tensors.get("survival.baseline", np.zeros(0)),
        )
        if model.covariates is not None and len(model.covariates.by_score) != len(
            model.coefficients
        ):
            raise ValueError("parts of a model are of different numbers of covariates")
        for trunk in model.ancestry.trunks if model.ancestry else ():
            if len(trunk.coefficients) != len(model.coefficients):
                raise ValueError("parts of a model are of different numbers of covariates")
        return model


def net_inputs(
    words: np.ndarray,
    n_samples: int,
    hubs: np.ndarray,
    covariates: np.ndarray,
    categories: np.ndarray | None = None,
    levels: tuple[int, ...] = (),
    windows: np.ndarray | None = None,
    group: np.ndarray | None = None,
    *,
    codes: np.ndarray | None = None,
    times: np.ndarray | None = None,
    n_codes: int = 0,
) -> HeadInputs:
    """What the net reads of people; arguments as in RiskModel.predict and NetPart.

    n_codes : whole numbers that codes may be, 0 for a net that reads none
    """
    from genomed.models.head_inputs import HeadInputs  # noqa: PLC0415 - torch takes seconds

    given: dict[str, object] = {
        "hubs": np.ascontiguousarray(_calls(words, n_samples, hubs).T),
        "numbers": np.ascontiguousarray(covariates, np.float32),
    }
    if categories is not None and categories.shape[1]:
        given |= {"categories": categories, "levels": levels}
    if windows is not None and windows.size:
        given |= {"words": words, "windows": windows}
    if n_codes:
        if codes is None or times is None:  # nobody has a record: one place of padding
            codes, times = np.zeros((n_samples, 1), np.int64), np.zeros((n_samples, 1), np.float32)
        given |= {"codes": codes, "times": times, "n_codes": n_codes}
    if group is not None:
        given["group"] = group
    return HeadInputs.of(n_samples, **given)


def _calls(words: np.ndarray, n_samples: int, rows: np.ndarray) -> np.ndarray:
    """Copies of ALT: int8 (rows, n), -9 not called."""
    out = np.empty((len(rows), n_samples), np.int8)
    unpack_rows(np.ascontiguousarray(words[rows]), n_samples, out)
    return out


def _array(
    tensors: Mapping[str, np.ndarray], name: str, kind: type, shape: tuple[int, ...]
) -> np.ndarray:
    """A tensor of this type and shape (-1: any length), of finite numbers."""
    found = tensors[name]
    fits = len(found.shape) == len(shape) and all(
        want in (-1, have) for want, have in zip(shape, found.shape, strict=False)
    )
    if found.dtype != kind or not fits:
        raise ValueError(f"{name} is {found.dtype} {found.shape}, not {kind.__name__} {shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} holds a number that is not finite")
    return found


def _rows(tensors: Mapping[str, np.ndarray], name: str, n: int, least: int = 0) -> np.ndarray:
    """Rows of the variants."""
    found = tensors[name]
    if found.dtype != np.int64 or (found.size and not least <= found.min() <= found.max() < n):
        raise ValueError(f"{name} names rows outside the {n} variants")
    return found


def _one_of(value: Any, *choices: str) -> str:
    if value not in choices:
        raise ValueError(f"{value!r} is none of {', '.join(choices)}")
    return str(value)


def _ancestry(
    tensors: Mapping[str, np.ndarray], facts: Sequence[Mapping[str, Any]], n: int
) -> AncestryPart:
    trunks = []
    for k, told in enumerate(facts):
        row = _rows(tensors, f"ancestry.{k}.row", n)
        if row.ndim != 1 or (np.diff(row) <= 0).any():
            raise ValueError(f"ancestry.{k}.row is not ascending")
        name = f"ancestry.{k}.genotype_weights"
        trunks.append(
            GroupTrunk(
                str(told["group"]), float(told["intercept"]),
                _array(tensors, f"ancestry.{k}.coefficients", np.float64, (-1,)), row,
                _array(tensors, name, np.float64, (len(row), 4)),
            )
        )  # fmt: skip
    groups = [trunk.group for trunk in trunks]
    if not groups or len(set(groups)) < len(groups):
        raise ValueError("ancestry groups are none, or named twice")
    return AncestryPart(tuple(trunks))


def _pairs(tensors: Mapping[str, np.ndarray], n: int) -> PairPart:
    k = len(tensors["pairs.beta"])
    terms = PairTerms(
        _rows(tensors, "pairs.row1", n), _rows(tensors, "pairs.row2", n),
        _array(tensors, "pairs.mean", np.float64, (k, 2)),
        _array(tensors, "pairs.coefficients", np.float64, (k, 5)),
        _array(tensors, "pairs.scale", np.float64, (k,)),
    )  # fmt: skip
    beta = _array(tensors, "pairs.beta", np.float64, (len(terms.row1),))
    table = pl.DataFrame(
        {
            "row1": terms.row1, "row2": terms.row2, "z": tensors["pairs.z"],
            "expected": tensors["pairs.expected"], "beta": beta,
        }
    )  # fmt: skip
    return PairPart(terms, beta, table)


def _covariates(
    tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any], n: int
) -> CovariatePart:
    by_score = _array(tensors, "covariates.by_score", np.float64, (-1,))
    score = _array(tensors, "covariates.score", np.float64, (1 + len(by_score),))
    row = _rows(tensors, "covariates.row", n)
    covariate = _rows(tensors, "covariates.covariate", len(by_score))
    beta = _array(tensors, "covariates.beta", np.float64, row.shape)
    table = pl.DataFrame(
        {
            "row": row, "covariate": covariate, "z": tensors["covariates.z"],
            "expected": tensors["covariates.expected"], "beta": beta,
        }
    )  # fmt: skip
    value = _array(tensors, "covariates.value", np.float32, (len(row), 4))
    scale = float(facts["score_scale"])
    return CovariatePart(GeneticScore(score, scale), by_score, row, covariate, value, beta, table)


def _net(tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any], n: int) -> NetPart:
    import torch  # noqa: PLC0415 - it takes seconds, and few bundles have a net

    from genomed.models.members import TrainingConfig  # noqa: PLC0415 - as above
    from genomed.models.risk_net import NetConfig, NetSizes  # noqa: PLC0415 - as above
    from genomed.models.training import FittedHead, HeadConfig  # noqa: PLC0415 - as above

    config = HeadConfig(
        _config(NetConfig, facts["config"]["net"]),
        _config(TrainingConfig, facts["config"]["training"]),
    )
    given = dict(facts["sizes"])
    sizes = NetSizes(**(given | {"levels": tuple(int(level) for level in given["levels"])}))
    members = []
    for k in range(int(facts["members"])):
        start = f"net.{k}."
        members.append(
            {
                name[len(start) :]: torch.from_numpy(np.array(value))
                for name, value in tensors.items()
                if name.startswith(start)
            }
        )
    trait = int(facts["trait"])
    if not members or not 0 <= trait < sizes.n_traits:
        raise ValueError("a net without members, or of another trait")
    head = FittedHead(
        members, np.zeros((0, sizes.n_traits)), pl.DataFrame(),
        tuple(int(epoch) for epoch in facts["epochs"]), str(facts["stopped"]), config, sizes,
    )  # fmt: skip
    return NetPart(head, trait, _rows(tensors, "net.hubs", n), _rows(tensors, "net.windows", n, -1))


def _config(kind: type, facts: Mapping[str, Any]) -> Any:
    """A config dataclass from JSON, lists as the tuples they were."""
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()})
