"""The simulator of reads makes the genomes that its truth describes, and errs as its model says."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pysam
import pytest
from datafiles import REPOSITORY

FOLDER = REPOSITORY / "benchmarks" / "reads"

pytest.importorskip("msprime")
sys.path.insert(0, str(FOLDER))
genomes = pytest.importorskip("genomes")
errors = pytest.importorskip("errors")
sys.path.remove(str(FOLDER))


def applied(bases, variants, haplotype):
    """Put a donor's variants into the reference, naively, from the right."""
    text = genomes.LETTERS[bases].tobytes().decode()
    for variant in reversed(variants):
        allele = variant.genotype[haplotype]
        if allele:
            end = variant.start + len(variant.ref)
            assert text[variant.start : end] == variant.ref
            text = text[: variant.start] + variant.alts[allele - 1] + text[end:]
    return text


@pytest.fixture(scope="module")
def donor():
    rng = np.random.default_rng(5)
    bases = genomes.random_contig(200_000, rng)
    return bases, genomes.make_donor(bases, genomes.Settings(), rng)


def test_haplotypes_are_the_reference_with_the_truth(donor):
    bases, made = donor
    for haplotype in range(2):
        text = genomes.LETTERS[made.bases[haplotype]].tobytes().decode()
        assert text == applied(bases, made.variants, haplotype)


def test_every_base_knows_where_it_came_from(donor):
    bases, made = donor
    for own, origin in zip(made.bases, made.origin, strict=True):
        placed = origin >= 0
        assert (np.diff(origin[placed]) > 0).all()
        assert (own[placed] == bases[origin[placed]]).mean() > 0.995


def test_variants_are_trimmed_left_aligned_and_apart(donor):
    bases, made = donor
    end = -1
    for variant in made.variants:
        assert variant.start > end
        end = variant.start + len(variant.ref) - 1
        for alt in variant.alts if len(variant.alts) == 1 else ():
            same = genomes.left_aligned(bases, variant.start, variant.ref, alt)
            assert same == (variant.start, variant.ref, alt)


def test_substitutions_come_at_the_asked_rate_and_two_in_three_are_heterozygous():
    rng = np.random.default_rng(2)
    found = [v for _ in range(8) for v in genomes.make_donor(
        rng.integers(0, 4, 100_000).astype(np.uint8),
        genomes.Settings(recombination=1e-6), rng).variants]  # fmt: skip
    snps = [v for v in found if len(v.ref) == 1 and all(len(a) == 1 for a in v.alts)]
    het = [v for v in snps if v.genotype[0] != v.genotype[1]]
    assert len(het) / 800_000 == pytest.approx(1e-3, rel=0.15)
    assert len(het) / len(snps) == pytest.approx(2 / 3, abs=0.06)


@pytest.mark.slow
def test_qualities_tell_errors_up_to_their_miscalibration():
    rng = np.random.default_rng(1)
    bases = rng.integers(0, 4, 50_000).astype(np.uint8)
    model = errors.ErrorModel(
        insertion=0, deletion=0, slip_scale=0, pcr_error=0, context=1, chimeras=0,
        hot_per_base=0, miscalibration=1.5, duplicates=0, insert_mean=500, insert_sd=20,
    )  # fmt: skip
    slip, unit = errors.slip_rates(bases, model, rng)
    hot = errors.hot_loci(len(bases), model, rng)
    molecules = errors.Molecules(bases, np.array([len(bases)]), slip, unit, hot)
    reads, quality = errors.make_pairs(molecules, model, 3000, 7)
    words = {bases[i : i + 24].tobytes(): i for i in range(len(bases) - 24)}
    wrong, promised = 0, 0.0
    for read, shown in zip(reads.reshape(-1, 150), quality.reshape(-1, 150), strict=True):
        start = words.get(read[:24].tobytes())
        if start is not None and start + 150 <= len(bases):
            wrong += (read[24:] != bases[start + 24 : start + 150]).sum()
            promised += (10 ** (-0.1 * shown[24:])).sum()
    assert wrong / promised == pytest.approx(1.5, rel=0.1)


def test_longer_repeats_slip_more_often():
    bases = np.zeros(400, np.uint8)
    bases[::2] = 1
    bases[100:108] = 3
    bases[200:216] = 3
    slip, unit = errors.slip_rates(bases, errors.ErrorModel(), np.random.default_rng(9))
    assert unit[100] == unit[200] == 1
    assert 0 < slip[100] < slip[200] <= 0.35


@pytest.mark.skipif(not shutil.which("bwa"), reason="bwa is not installed")
@pytest.mark.skipif(not shutil.which("samtools"), reason="samtools is not installed")
def test_a_set_is_the_same_again_and_its_reads_lie_where_they_should(tmp_path):
    for name in ("one", "two"):
        command = [
            sys.executable, FOLDER / "simulate.py", "--out", tmp_path / name, "--contigs",
            "random1:20000", "--seed", "3", "--depth", "12", "--duplicated", "0",
            "--collapsed", "0",
        ]  # fmt: skip
        subprocess.run(command, check=True, env={**os.environ, "NUMBA_NUM_THREADS": "1"})
    made = json.loads((tmp_path / "one" / "made.json").read_text())
    assert made["contigs"] == {"random1": 20000}
    rows = []
    for name in ("one", "two"):
        with pysam.AlignmentFile(str(tmp_path / name / "reads.bam")) as file:
            reads = [r for r in file if not r.is_secondary and not r.is_supplementary]
        rows.append([(r.query_name, r.reference_start, r.query_sequence) for r in reads])
    assert rows[0] == rows[1]
    assert sum(len(row[2]) for row in rows[0]) / 20000 == pytest.approx(12, rel=0.02)
    assert (tmp_path / "one" / "confident.bed").read_text().startswith("random1\t300\t")
