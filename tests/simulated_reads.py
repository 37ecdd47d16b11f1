"""Alignments of people with known genotypes, written as BAM: pure, mixed, deep or shallow."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysam

BASES = "ACGT"


class SimulatedSites(NamedTuple):
    """Sites on one contig.

    start : int64 (sites,), 0-based; ref, alt : uint8 (sites,), 0 to 3
    frequency : float64 (sites,), of ALT; reference : str, the contig
    """

    contig: str
    start: np.ndarray
    ref: np.ndarray
    alt: np.ndarray
    frequency: np.ndarray
    reference: str


def simulated_sites(
    n: int, rng: np.random.Generator, *, contig: str = "1", spacing: int = 60
) -> SimulatedSites:
    """So many sites with common ALTs, on a contig of random bases."""
    length = (n + 4) * spacing
    bases = rng.integers(0, 4, length)
    start = np.arange(2, n + 2) * spacing
    ref = bases[start].astype(np.uint8)
    alt = ((ref + rng.integers(1, 4, n)) % 4).astype(np.uint8)
    reference = "".join(np.array(list(BASES))[bases])
    return SimulatedSites(contig, start, ref, alt, rng.uniform(0.05, 0.95, n), reference)


def haplotypes_of(sites: SimulatedSites, rng: np.random.Generator) -> np.ndarray:
    """A person in Hardy-Weinberg proportions: int8 (2, sites)."""
    return (rng.random((2, len(sites.start))) < sites.frequency).astype(np.int8)


def child_of(one: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A child, sites being independent: int8 (2, sites)."""
    n = one.shape[1]
    return np.stack([p[rng.integers(0, 2, n), np.arange(n)] for p in (one, other)])


def write_bam(
    path: Path,
    sample: str | None,
    sites: SimulatedSites,
    people: list[np.ndarray],
    shares: list[float],
    depth: float,
    rng: np.random.Generator,
    *,
    length: int = 100,
    quality: int = 30,
    error: float | None = None,
) -> Path:
    """Write sorted, indexed reads of a mixture of people.

    shares  : of the reads that are each person's
    error   : probability that a base is wrong; by default what the quality states
    """
    wrong = 10 ** (-quality / 10) if error is None else error
    codes = np.frombuffer(sites.reference.encode(), np.uint8)
    number = np.full(128, 4, np.uint8)
    for i, base in enumerate(BASES.encode()):
        number[base] = i
    reference = number[codes]
    n_reads = int(depth * len(reference) / length)
    starts = np.sort(rng.integers(0, len(reference) - length, n_reads))
    person = rng.choice(len(people), n_reads, p=shares)
    haplotype = rng.integers(0, 2, n_reads)
    bases = reference[starts[:, None] + np.arange(length)]
    first = np.searchsorted(sites.start, starts)
    stop = np.searchsorted(sites.start, starts + length)
    for more in range(int((stop - first).max(initial=0))):
        read = np.flatnonzero(first + more < stop)
        site = first[read] + more
        carried = np.stack(people)[person[read], haplotype[read], site]
        allele = np.where(carried == 1, sites.alt[site], sites.ref[site])
        bases[read, sites.start[site] - starts[read]] = allele
    at_fault = rng.random(bases.shape) < wrong
    bases[at_fault] = (bases[at_fault] + rng.integers(1, 4, int(at_fault.sum()))) % 4
    text = np.frombuffer(BASES.encode(), np.uint8)[bases]
    reverse = rng.random(n_reads) < 0.5
    header: dict[str, object] = {
        "HD": {"VN": "1.6", "SO": "coordinate"},
        "SQ": [{"SN": sites.contig, "LN": len(reference)}],
    }
    if sample is not None:
        header["RG"] = [{"ID": "a", "SM": sample}]
    qualities = pysam.qualitystring_to_array(chr(33 + quality) * length)
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for i in range(n_reads):
            read = pysam.AlignedSegment(file.header)
            read.query_name = f"r{i}"
            read.flag = 16 if reverse[i] else 0
            read.reference_id = 0
            read.reference_start = int(starts[i])
            read.mapping_quality = 60
            read.cigartuples = [(0, length)]
            read.query_sequence = text[i].tobytes().decode()
            read.query_qualities = qualities
            if sample is not None:
                read.set_tag("RG", "a")
            file.write(read)
    pysam.index(str(path))
    return path


def write_panel(path: Path, sites: SimulatedSites) -> Path:
    """The sites as a VCF with AF in INFO."""
    lines = ["##fileformat=VCFv4.2", f"##contig=<ID={sites.contig},length={len(sites.reference)}>"]
    lines += ['##INFO=<ID=AF,Number=A,Type=Float,Description="x">']
    lines += ["#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    for start, ref, alt, frequency in zip(
        sites.start, sites.ref, sites.alt, sites.frequency, strict=True
    ):
        lines.append(
            f"{sites.contig}\t{start + 1}\t.\t{BASES[ref]}\t{BASES[alt]}\t.\t.\tAF={frequency:.4f}"
        )
    path.write_text("\n".join(lines) + "\n")
    return path
