"""Candidate sites with a planted truth: what the reads say, and an artefact only a net can see."""

import numpy as np
import polars as pl

from genomed.features.call_sites import (
    EVIDENCE_NAMES,
    IMPOSSIBLE,
    N_EVIDENCE,
    PILEUP_CHANNELS,
    PILEUP_NAMES,
    PILEUP_WIDTH,
    CallSites,
)
from genomed.models.call_inputs import InputNames
from genomed.models.call_training import CallData

NAMES = InputNames(PILEUP_NAMES, EVIDENCE_NAMES)


def planted_sites(n_sites: int, seed: int, *, artefact: float) -> tuple[CallSites, CallData]:
    """Sites of one alternative; some that are hom-ref show it in 40 % of their reads.

    artefact : share of sites at which the reads of the alternative have a low base quality, which
               the evidence tells and the likelihood does not
    """
    rng = np.random.default_rng(seed)
    is_indel = rng.random(n_sites) < 0.3
    truth = rng.choice(3, n_sites, p=[0.4, 0.4, 0.2])
    depth = rng.poisson(15, n_sites) + 1
    odd = rng.random(n_sites) < artefact
    share = np.where(odd & (truth == 0), 0.4, np.array([0.02, 0.5, 0.98])[truth])
    alt = rng.binomial(depth, share)
    loglik = np.full((n_sites, 6), IMPOSSIBLE, np.float32)
    for g, fraction in enumerate((0.01, 0.5, 0.99)):
        loglik[:, g] = alt * np.log(fraction) + (depth - alt) * np.log(1 - fraction)
    loglik[:, :3] -= loglik[:, :3].max(axis=1, keepdims=True)
    evidence = np.zeros((n_sites, N_EVIDENCE), np.float32)
    evidence[:, EVIDENCE_NAMES.index("depth")] = depth
    quality = np.where(odd, 12, 35) + rng.normal(0, 3, n_sites)
    evidence[:, EVIDENCE_NAMES.index("base_quality_1")] = quality
    pileup = np.zeros((n_sites, PILEUP_WIDTH, PILEUP_CHANNELS), np.int16)
    pileup[:, :, 0] = depth[:, None]
    table = pl.DataFrame(
        {
            "contig": ["1"] * n_sites,
            "position": np.arange(1, n_sites + 1, dtype=np.int32),
            "ref": ["A"] * n_sites,
            "alt1": np.where(is_indel, "AT", "G").tolist(),
            "alt2": [""] * n_sites,
        }
    )
    data = CallData(
        pileup, evidence, loglik, is_indel.astype(np.uint8), truth.astype(np.int64),
        np.zeros(n_sites, np.int64), np.full((n_sites, 2), 16), np.arange(n_sites) // 60,
    )  # fmt: skip
    return CallSites(table, pileup, evidence, loglik), data
