"""What reads say of calls: depth of alleles after realignment, biases, and the place's repeats.

Strand bias by Fisher's exact test and as a symmetric odds ratio, differences of quality and place
in the read by Wilcoxon's rank sum (Mann & Whitney 1947, doi:10.1214/aoms/1177730491), as GATK names
them FS, SOR, BaseQRankSum, MQRankSum and ReadPosRankSum (Van der Auwera 2020, ISBN 1491975199).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from genomed.kernels import call_facts as kernels
from genomed.kernels.call_candidates import repeat_facts
from genomed.stats.allele_evidence import (
    AlleleEvidence,
    Alleles,
    check_alleles,
    genotype_loglik,
)

__all__ = ["MARGIN", "call_facts"]

MARGIN = 2.0  # natural-log likelihood by which a fragment must fit one allele better
_OF_ALLELES = ("depth", "base_quality", "mapping_quality", "end_distance", "mismatches", "clipped",
               "proper_pairs", "fit", "starts")  # fmt: skip
_OF_ALT = ("fisher_phred", "odds_ratio", "base_quality_z", "mapping_quality_z", "end_distance_z")


def call_facts(
    evidence: AlleleEvidence,
    alleles: Alleles,
    site_start: np.ndarray,
    reference: np.ndarray,
    reference_start: int,
) -> pl.DataFrame:
    """Facts of every alternative allele of every site.

    evidence, alleles, site_start : as in genomed.stats.allele_evidence
    reference : uint8, codes of bases (A, C, G, T are 0 to 3), from the 0-based reference_start on
    returns   : columns of TABLES["reads_features"] behind `alt`, one row per alternative allele,
                site by site; null where no read tells
    raises    : ValueError when the evidence is not of these alleles
    """
    check_alleles(evidence, alleles)
    n_sites = len(site_start)
    n_alleles = np.diff(alleles.first)
    n_most = evidence.loglik.shape[1]
    facts = np.empty((int(alleles.first[-1]), len(kernels.FACTS)))
    of_site = np.empty((n_sites, 4), np.int64)
    kernels.sum_up_alleles(
        evidence.first, alleles.first, evidence.loglik, evidence.fit, evidence.counts,
        evidence.strand, evidence.mapq, evidence.base_quality, evidence.from_start,
        evidence.from_end, evidence.mismatches, evidence.gaps, evidence.clipped, evidence.flag,
        MARGIN, np.empty((3, n_most, kernels.MOST + 1), np.int32),
        np.full((n_most, 2, kernels.MOST + 1), -1, np.int64), facts, of_site,
    )  # fmt: skip
    site = np.repeat(np.arange(n_sites), n_alleles)
    is_ref = np.zeros(len(facts), bool)
    is_ref[alleles.first[:-1]] = True
    site = site[~is_ref]
    ref, alt = facts[alleles.first[:-1]][site], facts[~is_ref]
    column = {name: k for k, name in enumerate(kernels.FACTS)}
    told = np.add.reduceat(facts[:, 0], alleles.first[:-1]) if n_sites else np.empty(0)
    place = _place_facts(alleles, site_start, reference, reference_start)
    with np.errstate(invalid="ignore"):
        columns: dict[str, np.ndarray] = {
            "depth": of_site[site, 0],
            "ambiguous": of_site[site, 1],
            "low_mapping_quality": of_site[site, 2],
            "overlapping_mates": of_site[site, 3],
            "alt_fraction": alt[:, 0] / told[site],
            "log_odds": _log_odds(evidence, alleles)[~is_ref],
        }
        for name in _OF_ALLELES:
            columns[f"ref_{name}"] = ref[:, column[name]]
            columns[f"alt_{name}"] = alt[:, column[name]]
        columns["ref_forward"] = ref[:, column["forward"]]
        columns["alt_forward"] = alt[:, column["forward"]]
    columns |= {name: alt[:, column[name]] for name in _OF_ALT}
    columns |= {name: values[site] for name, values in place.items()}
    counts = [name for name in columns if name.endswith(("_depth", "_starts", "_forward"))]
    return (
        pl.DataFrame(columns)
        .fill_nan(None)
        .with_columns(pl.col(counts).cast(pl.Int32), pl.col(pl.Int64).cast(pl.Int32))
    )


def _log_odds(evidence: AlleleEvidence, alleles: Alleles) -> np.ndarray:
    """log10 likelihood of the best genotype with each allele, above the best one without it.

    returns : float64 (alleles,), the reference's among them
    """
    loglik = genotype_loglik(evidence, alleles).astype(np.float64)
    n_most = evidence.loglik.shape[1]
    pairs = [(a, b) for b in range(n_most) for a in range(b + 1)]
    of_allele = np.zeros((len(loglik), n_most))
    for allele in range(n_most):
        has = np.array([allele in pair for pair in pairs])
        if not has.all():
            of_allele[:, allele] = loglik[:, has].max(axis=1) - loglik[:, ~has].max(axis=1)
    exists = np.arange(n_most) < np.diff(alleles.first)[:, None]
    return of_allele[exists] / np.log(10)


def _place_facts(
    alleles: Alleles, site_start: np.ndarray, reference: np.ndarray, reference_start: int
) -> dict[str, np.ndarray]:
    """Repeats and composition of the reference at each site, by the first alternative allele."""
    length = np.diff(alleles.offset)
    of_ref = length[alleles.first[:-1]]
    last = np.minimum(alleles.first[:-1] + 1, alleles.first[1:] - 1)
    is_snp = length[last] == of_ref
    facts = np.empty((len(site_start), 5), np.float32)
    repeat_facts(reference, site_start - reference_start, is_snp, facts)
    return {
        "homopolymer": facts[:, 0].astype(np.int64),
        "repeat_period": facts[:, 1].astype(np.int64),
        "repeat_length": facts[:, 2].astype(np.int64),
        "gc": facts[:, 3].astype(np.float64),
    }
