"""Genotypes as other programs see them: what plink2 makes of the same file."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from contract import ploidy_of
from reference_vcf import ReferenceCohort, read_vcf_text

from genomed.schema import VariantBatch


def tool(name: str) -> str:
    """Path of a program on PATH; skips the calling test when it is not there."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def plink2(out: Path, *arguments: object) -> Path:
    """Run plink2 with --out; returns the prefix of what it wrote."""
    command = [tool("plink2"), *map(str, arguments), "--out", str(out), "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def plink2_vcf(out: Path, *source: object) -> ReferenceCohort:
    """What `plink2 --export vcf` says of a fileset, read by the slow reference parser."""
    plink2(out, *source, "--export", "vcf")
    return read_vcf_text(Path(f"{out}.vcf").read_bytes())


def plink2_genotype_counts(out: Path, *source: object) -> pl.DataFrame:
    """`plink2 --geno-counts`: one row per record, all samples, diploid as stored."""
    plink2(out, *source, "--geno-counts")
    return pl.read_csv(f"{out}.gcount", separator="\t", infer_schema=False)


def assert_is_cohort(batch: VariantBatch, cohort: ReferenceCohort) -> None:
    """A batch of the whole file equals the reference, row by row and genotype by genotype.

    `line` and the IDs that plink2 makes up are not compared.
    """
    rows = cohort.rows
    assert batch.n_variants == len(rows)
    for name in ("contig", "position", "ref", "alt", "n_alts"):
        assert batch.variants[name].to_list() == [getattr(row, name) for row in rows]
    shape = batch.alt_count.shape
    counts = np.array([row.alt_count for row in rows], np.int8).reshape(shape)
    np.testing.assert_array_equal(batch.alt_count, counts)
    ploidies = np.array([row.ploidy for row in rows], np.int8).reshape(shape)
    np.testing.assert_array_equal(ploidy_of(batch), ploidies)
    if batch.call_dosage is not None and rows and rows[0].dosage is not None:
        expected = np.array([row.dosage for row in rows], np.float32).reshape(shape)
        np.testing.assert_allclose(batch.call_dosage, expected, rtol=1e-6, atol=1e-6)
