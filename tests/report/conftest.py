"""Risk pages made of simulated cohorts: fast, seeded, and as odd as a test wants them."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from genomed.report.page import RiskPage
from genomed.tables import TABLES

PANEL = [
    ("PGS000001", "Breast cancer", 77, "log(OR)", "European"),
    ("apoe-alzheimer", "Late-onset Alzheimer disease", 2, "log(OR)", "European"),
    ("vte-f5-f2", "Venous thromboembolism", 2, "OR", "European"),
    ("hfe-c282y", "Haemochromatosis", 1, "log(OR)", "European"),
]
SCORE_TYPES = {
    "sample": pl.String,
    "model": pl.String,
    "trait": pl.String,
    "flags": pl.String,
    "n_matched": pl.Int64,
    "n_missing_calls": pl.Int64,
}


def model_scores(rng, n_samples, n_variants):
    """Scores of independent variants in Hardy-Weinberg proportions: float64 (samples,)."""
    frequency = rng.uniform(0.02, 0.5, n_variants)
    weight = rng.normal(0.05, 0.08, n_variants) if n_variants > 5 else np.array([1.2, -0.5])
    dosage = rng.binomial(2, frequency[:, None], (n_variants, n_samples))
    return weight[:n_variants] @ dosage, frequency, weight[:n_variants]


def risk_rows(rng, samples, name, trait, n_variants, score, limit=0.75):
    """Rows of the risk table; samples under the coverage limit have no score."""
    n = len(samples)
    missing = rng.binomial(n_variants, 0.02, n)
    coverage = 1 - missing / n_variants
    null = coverage < limit
    score = np.where(null, np.nan, score)
    known = score[~null]
    z = (score - known.mean()) / known.std(ddof=1) if len(known) > 1 else np.full(n, np.nan)
    below = (known[:, None] < score).sum(0) + 0.5 * (known[:, None] == score).sum(0)
    return pl.DataFrame(
        {
            "sample": samples,
            "model": [name] * n,
            "trait": [trait] * n,
            "score": score,
            "average": score / (2 * n_variants),
            "cohort_z": z,
            "cohort_percentile": np.where(null, np.nan, 100 * below / max(len(known), 1)),
            "n_matched": [n_variants] * n,
            "n_missing_calls": missing,
            "weighted_coverage": coverage,
            "imputed_share": 1 - coverage,
            "flags": ["low_coverage" if x else "" for x in null],
        }
    ).with_columns(pl.col("score", "average", "cohort_z", "cohort_percentile").fill_nan(None))


def simulate_page(n_samples=300, panel=PANEL, seed=7, samples=None, **changes):
    """A RiskPage over `panel` with plausible numbers everywhere."""
    rng = np.random.default_rng(seed)
    samples = samples or [f"HG{i:05d}" for i in range(96, 96 + n_samples)]
    risk, models, counts, top, facts = [], [], [], [], {}
    for name, trait, n_variants, weight_type, ancestry in panel:
        score, frequency, weight = model_scores(rng, n_samples, n_variants)
        rows = risk_rows(rng, samples, name, trait, n_variants, score)
        risk.append(rows)
        lost = 2 if n_variants > 5 else 0
        fates = {"exact": n_variants - lost - n_variants // 4, "swapped": n_variants // 4}
        if lost:
            fates |= {"absent": 1, "ambiguous": 1}
        if n_variants > 20:
            fates["exact"] -= 9
            fates |= {"hom_ref_called": 3, "hom_ref_block": 2, "imputed_reference": 4}
        models.append(model_row(name, trait, n_variants, lost, fates, rows["score"]))
        counts += [(name, reason, n) for reason, n in fates.items() if n]
        share = weight**2 * 2 * frequency * (1 - frequency)
        share /= share.sum()
        for i in np.argsort(-share)[:10]:
            record = f"chr{i % 22 + 1}:{10_000_000 + 7919 * i}:A:G"
            top.append(
                (
                    name,
                    f"rs{1000 + 37 * i}",
                    record,
                    "G",
                    weight[i],
                    frequency[i],
                    share[i],
                    "exact",
                )
            )
        facts[name] = {
            "citation": "Mavaddat N et al. J Natl Cancer Inst (2015). doi:10.1093/jnci/djv036",
            "ancestry_discovery": ancestry,
            "licence": "PGS Catalog terms of use",
            "source": "bundled panel",
            "weight_type": weight_type,
        }
    page = RiskPage(
        title="Risk scores of cohort.vcf.gz",
        cohort="examples/data/cohort.vcf.gz",
        n_samples=n_samples,
        build="GRCh38",
        build_evidence="The lengths of 25 contigs in the header are those of GRCh38.",
        version="0.1.0",
        command="genomed risk examples/data/cohort.vcf.gz --out demo-out --threads 2",
        started="2026-03-01T12:00:00+00:00",
        seconds=2.31,
        settings={"min_weighted_coverage": 0.75, "missing": "mean", "ambiguous": "drop"},
        models=pl.DataFrame(models) if models else pl.DataFrame(schema=list(TABLES["models"])),
        risk=pl.concat(risk) if risk else empty_risk(),
        ledger_counts=pl.DataFrame(counts, schema=["model", "reason", "n"], orient="row"),
        top_variants=pl.DataFrame(top, schema=TOP, orient="row"),
        record_counts={
            "n_records": 1_103_547,
            "n_passed_over": 1_103_462,
            "n_emitted": 84,
            "refused": {"ploidy": 1},
            "notes": {"half_call": 12, "not_decoded": 1_103_462},
        },
        model_facts=facts,
        warnings=["1 record holds calls of more than two alleles and was refused."],
    )
    return replace(page, **changes)


TOP = ["model", "variant_id", "record", "effect_allele", "effect_weight"]
TOP += ["effect_allele_frequency", "share", "reason"]


def model_row(name, trait, n_variants, lost, fates, score):
    """One row of the models table."""
    return {
        "model": name,
        "trait": trait,
        "source": "bundled panel",
        "build": "GRCh38",
        "n_variants": n_variants,
        "n_matched": n_variants - lost,
        "n_exact": fates["exact"],
        "n_swapped": fates["swapped"],
        "n_flipped": 0,
        "n_hom_ref": 0,
        "n_dropped": lost,
        "weighted_coverage": 1 - lost / n_variants / 3,
        "score_mean": score.mean(),
        "score_sd": score.std(),
        "n_null": score.null_count(),
        "flags": "",
    }


def empty_risk():
    """A risk table without rows, with the right types."""
    return pl.DataFrame(schema={c: SCORE_TYPES.get(c, pl.Float64) for c in TABLES["risk"]})


@pytest.fixture(scope="session")
def make_page():
    """The function that simulates a RiskPage."""
    return simulate_page
