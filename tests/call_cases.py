"""Candidate sites with a planted truth: what the reads say, and an artefact only a net can see."""

from pathlib import Path

import numpy as np
import polars as pl
import pysam

from genomed.features.call_sites import (
    EVIDENCE_NAMES,
    IMPOSSIBLE,
    N_EVIDENCE,
    PILEUP_CHANNELS,
    PILEUP_NAMES,
    PILEUP_WIDTH,
    CallSites,
)
from genomed.models.call_training import CallData
from genomed.models.likelihood_stage import InputNames, site_prior
from genomed.settings import CallSettings

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
    evidence[:, EVIDENCE_NAMES.index("length_1")] = is_indel
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
        pileup, evidence, loglik,
        site_prior(evidence, EVIDENCE_NAMES, CallSettings()).astype(np.float32),
        is_indel.astype(np.uint8), truth.astype(np.int64),
        np.zeros(n_sites, np.int64), np.full((n_sites, 2), 16), np.arange(n_sites) // 20,
        np.ones(n_sites, np.int64),
    )  # fmt: skip
    return CallSites(table, pileup, evidence, loglik), data


def write_training_reads(directory: Path, seed: int, *, length: int = 160_000) -> dict[str, Path]:
    """A contig, a person with SNPs and deletions, 12-fold reads with errors, truth and BED."""
    rng = np.random.default_rng(seed)
    ref = rng.choice(np.frombuffer(b"ACGT", np.uint8), length)
    places = np.arange(300, length - 300, 400)
    deletes = rng.random(len(places)) < 0.2
    copies = rng.integers(1, 3, len(places))
    other = (ref + 0).copy()
    for at in places[~deletes]:
        other[at] = rng.choice([b for b in b"ACGT" if b != ref[at]])
    directory.mkdir(parents=True, exist_ok=True)
    paths = {name: directory / name for name in
             ("ref.fa", "truth.vcf", "confident.bed", "reads.bam")}  # fmt: skip
    paths["ref.fa"].write_text(f">1\n{ref.tobytes().decode()}\n")
    paths["confident.bed"].write_text(f"1\t200\t{length - 200}\n")
    lines = ["##fileformat=VCFv4.2", f"##contig=<ID=1,length={length}>",
             '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
             "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS"]  # fmt: skip
    for at, gone, n in zip(places.tolist(), deletes, copies, strict=True):
        if gone:  # the base behind the anchor, which must differ from both neighbours
            ref_text, alt_text = ref[at : at + 2].tobytes().decode(), chr(ref[at])
        else:
            ref_text, alt_text = chr(ref[at]), chr(other[at])
        gt = "1|1" if n == 2 else "0|1"
        lines.append(f"1\t{at + 1}\t.\t{ref_text}\t{alt_text}\t.\tPASS\t.\tGT\t{gt}")
    paths["truth.vcf"].write_text("\n".join(lines) + "\n")
    _write_reads(paths["reads.bam"], ref, other, places, deletes, copies, rng)
    return paths


def _write_reads(
    path: Path,
    ref: np.ndarray,
    other: np.ndarray,
    places: np.ndarray,
    deletes: np.ndarray,
    copies: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Reads of 100 bases where they belong, of either haplotype, a base in 200 wrong."""
    header = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": "1", "LN": len(ref)}],
              "RG": [{"ID": "r", "SM": "S"}]}  # fmt: skip
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for i, start in enumerate(np.sort(rng.integers(0, len(ref) - 120, len(ref) * 12 // 100))):
            second = rng.random() < 0.5
            bases, cigar, at = [], [], int(start)
            for which in np.flatnonzero((places >= start) & (places < start + 100)):
                if not (second or copies[which] == 2):
                    continue
                here = int(places[which])
                if sum(map(len, bases)) + here - at > 98:
                    break
                if deletes[which]:
                    bases.append(ref[at : here + 1])
                    cigar += [(0, here + 1 - at), (2, 1)]
                    at = here + 2
                else:
                    bases += [ref[at:here], other[here : here + 1]]
                    at = here + 1
            rest = 100 - sum(map(len, bases))
            bases.append(ref[at : at + rest])
            read = np.concatenate(bases)
            matched = 100 - sum(n for op, n in cigar if op == 0)
            wrong = rng.random(100) < 0.005
            read[wrong] = rng.choice(np.frombuffer(b"ACGT", np.uint8), int(wrong.sum()))
            line = pysam.AlignedSegment(file.header)
            line.query_name, line.flag = f"r{i}", 16 if rng.random() < 0.5 else 0
            line.reference_id, line.reference_start, line.mapping_quality = 0, int(start), 60
            line.cigartuples = [*cigar, (0, matched)]
            line.query_sequence = read.tobytes().decode()
            line.query_qualities = pysam.qualitystring_to_array("I" * 100)
            line.set_tag("RG", "r")
            file.write(line)
    pysam.index(str(path))
