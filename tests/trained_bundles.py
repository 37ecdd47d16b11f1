"""Risk models with every part, made without training, and bundles of them."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from genomed.features.design import Design, encode
from genomed.features.sequences import Sequences
from genomed.features.sequences import encode as encode_codes
from genomed.io.model_bundle import VARIANTS, write_model_bundle
from genomed.models.ancestry_part import AncestryPart, GroupTrunk
from genomed.models.columns import additive_columns, dominance_columns
from genomed.models.covariate_stage import CovariatePart, GeneticScore
from genomed.models.members import TrainingConfig
from genomed.models.pair_stage import PairPart
from genomed.models.risk_model import NetPart, RiskModel
from genomed.models.risk_net import NetConfig, NetSizes, RiskNet
from genomed.models.training import FittedHead, HeadConfig
from genomed.settings import DesignSettings
from genomed.stats.pair_terms import fit_pair_terms
from genomed.steps.train_outputs import scoring_text

PARTS = ("linear", "dominance", "pairs", "covariates", "net")
GROUPS = ("north", "south")  # with trunks of their own, in models with the part "ancestry"


def covariate_table(samples: list[str], rng: np.random.Generator) -> pl.DataFrame:
    """sample · age · centre (few levels) · site (many levels)."""
    n = len(samples)
    return pl.DataFrame(
        {
            "sample": samples,
            "age": rng.normal(50, 10, n).round(2),
            "centre": rng.choice(["A", "B", "C"], n),
            "site": rng.choice([f"site{i}" for i in range(5)], n),
        }
    )


def dated_table(samples: list[str], rng: np.random.Generator) -> pl.DataFrame:
    """sample · code · age: 0 to 4 codes of four fifths of the people; the rest have none."""
    who = np.flatnonzero(np.arange(len(samples)) % 5)
    who = np.repeat(who, rng.integers(0, 5, len(who)))
    return pl.DataFrame(
        {
            "sample": [samples[i] for i in who],
            "code": rng.choice(["E11", "I10", "J45"], len(who)),
            "age": rng.uniform(20, 70, len(who)).round(1),
        }
    )


def sequences_of(table: pl.DataFrame, samples: list[str]) -> Sequences:
    """The dated codes encoded."""
    place = {sample: i for i, sample in enumerate(samples)}
    dated = table.select(
        pl.col("sample").replace_strict(place, return_dtype=pl.Int64), "code",
        pl.col("age").alias("time"),
    )  # fmt: skip
    return encode_codes(dated, len(samples), DesignSettings(min_code=1))


def design_of(table: pl.DataFrame) -> Design:
    """The covariates encoded; site becomes a category."""
    return encode(table.drop("sample"), DesignSettings(max_one_hot=3, min_level=2))


def risk_model(
    words: np.ndarray,
    n_samples: int,
    variants: pl.DataFrame,
    design: Design,
    parts: tuple[str, ...] = PARTS,
    kind: str = "quantitative",
    seed: int = 5,
) -> RiskModel:
    """A model of random coefficients over the people of some packed calls.

    variants : contig · position · id · ref · alt · alt_allele_frequency; the linear part reads
               every second one of them
    """
    rng = np.random.default_rng(seed)
    n, k = len(variants), design.matrix.shape[1]
    everybody = np.ones(n_samples)
    rows = np.arange(0, n, 2)
    weights = np.zeros((n, 4))
    if "linear" in parts:
        beta = rng.normal(0, 0.2, len(rows))
        weights[rows] += beta[:, None] * additive_columns(words, n_samples, everybody, rows).value
    if "dominance" in parts:
        beta = rng.normal(0, 0.2, len(rows))
        weights[rows] += beta[:, None] * dominance_columns(words, n_samples, everybody, rows).value
    pairs = covariates = net = None
    if "pairs" in parts:
        row1, row2 = np.array([1, 2, 3]), np.array([5, 9, 4])
        terms = fit_pair_terms(words, n_samples, row1, row2, everybody)
        table = pl.DataFrame(
            {"row1": row1, "row2": row2, "z": [5.0] * 3, "expected": [0.1] * 3, "beta": [0.3] * 3}
        )
        pairs = PairPart(terms, np.array([0.4, -0.3, 0.2]), table)
    if "covariates" in parts and k:
        row, covariate = np.array([7, 8]), np.array([0, k - 1])
        table = pl.DataFrame(
            {"row": row, "covariate": covariate, "z": [5.0] * 2, "expected": [0.1] * 2,
             "beta": [0.1] * 2}
        )  # fmt: skip
        value = additive_columns(words, n_samples, everybody, row).value
        score = GeneticScore(rng.normal(0, 0.1, k + 1), 1.5)
        by_score = np.where(np.arange(k) == 0, 0.25, 0.0)
        covariates = CovariatePart(
            score, by_score, row, covariate, value, np.array([0.2, -0.1]), table
        )
    if "net" in parts:
        n_codes = 5 if "codes" in parts else 0
        net = net_part(np.array([0, 3, 11]), design, seed, n_codes)
    ancestry = None
    if "ancestry" in parts:
        trunks = []
        for name in GROUPS:
            row = np.sort(rng.choice(n, 6, replace=False))
            own = (
                rng.normal(0, 0.3, (6, 1))
                * additive_columns(words, n_samples, everybody).value[row]
            )
            trunks.append(
                GroupTrunk(name, rng.normal(), rng.normal(0, 0.3, k), row, own.astype(np.float64))
            )
        ancestry = AncestryPart(tuple(trunks))
    survival = kind == "survival"
    return RiskModel(
        kind=kind, variants=variants, intercept=0.5,
        coefficients=rng.normal(0, 0.3, k) if "covariates" in parts else np.zeros(k),
        genotype_weights=weights, has_dominance="dominance" in parts, ancestry=ancestry,
        pairs=pairs, covariates=covariates, net=net,
        edges=np.array([0.0, 5.0, 10.0]) if survival else np.zeros(0),
        baseline=np.array([-3.0, -2.0]) if survival else np.zeros(0),
    ).narrowed()  # fmt: skip


def net_part(hubs: np.ndarray, design: Design, seed: int, n_codes: int = 0) -> NetPart:
    """Two members of random weights over hubs and covariates; their gates are open."""
    config = HeadConfig(NetConfig(), TrainingConfig())
    sizes = NetSizes(
        n_traits=1, n_hubs=len(hubs), n_numbers=design.matrix.shape[1],
        levels=tuple(design.category_sizes), n_codes=n_codes, n_windows=0, window_variants=0,
    )  # fmt: skip
    members = []
    for k in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(seed + k)
            state = RiskNet(config.net, sizes).state_dict()
            members.append(
                {
                    name: torch.ones_like(t)
                    if "gate" in name
                    else t + 0.3 * torch.randn_like(t)
                    if t.is_floating_point() and t.ndim
                    else t
                    for name, t in state.items()
                }
            )
    head = FittedHead(members, np.zeros((0, 1)), pl.DataFrame(), (1, 1), "", config, sizes)
    return NetPart(head, 0, hubs, np.zeros((0, 0), np.int64))


def write_trained_bundle(
    out: Path, model: RiskModel, design: Design, *, name: str = "trait", build: str = "GRCh38",
    **more: Any,
) -> Path:  # fmt: skip
    """Write a bundle as `genomed train` does; `more` goes into model.json."""
    tensors, parts = model.to_parts()
    weights = model.genotype_weights[:, :3] - model.genotype_weights[:, :1]
    variants = model.variants.with_columns(
        pl.Series("effect_weight", weights[:, 2] / 2),
        *(pl.Series(f"dosage_{k}_weight", weights[:, k]) for k in range(3)),
        pl.Series("used_by", model.used_by(), dtype=pl.Utf8),
    ).select(list(VARIANTS))
    facts = {
        "name": name, "build": build, "trait": {"name": name, "kind": model.kind, "coding": ""},
        "verdict": "It beats the linear model.", "stages": [], "parts": parts,
        "covariates": {"names": design.names, "encoder": design.encoder},
        "people": {"develop": 100}, **more,
    }  # fmt: skip
    write_model_bundle(
        out, variants=variants, tensors=tensors, facts=facts,
        scoring_file=scoring_text(model, name, build), card=f"# {name}\n",
    )  # fmt: skip
    return out
