"""Simulate reads of three people of the example cohort, with a known truth.

    python examples/make_reads.py [DIRECTORY]

Paired reads of 100 bases, 20-fold, over 8 kb around each locus behind the example's two traits:
`NAME.bam` with its index, `reference.fa` (chr22, N outside these places), `targets.bed`, and
`biomarker.txt`, a scoring file of the biomarker's true effects. Genotypes are those of
`data/cohort.vcf.gz`; bases between its records are invented. Two of the files are not what they
seem: EUR047.bam holds the reads of EAS020, and a tenth of EAS011.bam comes from AFR031.

Needs numpy and pysam, which genomed brings. The same versions give the same reads.
"""

import csv
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysam

DATA = Path(__file__).resolve().parent / "data"
SEED = 2010
CONTIG, LENGTH = "chr22", 50_818_468
FLANK = 4_000  # bases on either side of a locus
DEPTH = 20
READ = 100  # bases
FRAGMENT, FRAGMENT_SD = 350, 40  # bases
DUPLICATES = 50  # one fragment in so many is there twice, and marked
QUALITY = (37, 22)  # of nine bases in ten, and of the tenth
FILES = {  # name -> people in it, and the share of reads that is theirs
    "AFR031": {"AFR031": 1.0},
    "EUR047": {"EAS020": 1.0},
    "EAS011": {"EAS011": 0.9, "AFR031": 0.1},
}
LETTERS = np.frombuffer(b"ACGT", np.uint8)


class Window(NamedTuple):
    """A stretch of the contig that is sequenced.

    start, end : 0-based, end not included
    bases      : uint8 (end - start,), letters of the reference
    """

    start: int
    end: int
    bases: np.ndarray


class Haplotype(NamedTuple):
    """One of the two copies that a person has of a window.

    bases    : uint8 (n,), letters
    position : int64 (n,), 0-based place of each base in the contig, -1 inside an insertion
    """

    bases: np.ndarray
    position: np.ndarray


def loci() -> list[dict[str, str]]:
    """The rows of causal.tsv."""
    with (DATA / "causal.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def windows(records: list[pysam.VariantRecord], rng: np.random.Generator) -> list[Window]:
    """Places around the loci, in order and apart, with the reference alleles of the cohort."""
    places: list[list[int]] = []
    for position in sorted(int(row["position"]) for row in loci()):
        start, end = position - 1 - FLANK, position + FLANK
        if places and start <= places[-1][1]:
            places[-1][1] = end
        else:
            places.append([start, end])
    made = [Window(start, end, rng.choice(LETTERS, end - start)) for start, end in places]
    for window in made:
        for record in records:
            if window.start <= record.start and record.stop <= window.end:
                ref = np.frombuffer(record.ref.encode(), np.uint8)
                window.bases[record.start - window.start : record.stop - window.start] = ref
    return made


def haplotype(
    window: Window, records: list[pysam.VariantRecord], person: str, copy: int
) -> Haplotype:
    """The window as this copy of the person has it; a call that was not made is taken as REF."""
    bases: list[np.ndarray] = []
    positions: list[np.ndarray] = []
    at = window.start  # the next base of the reference
    for record in records:
        allele = (record.samples[person].allele_indices or (None, None))[copy]
        inside = at <= record.start and record.stop <= window.end
        if not allele or not inside or not set(record.alleles[allele]) <= set("ACGT"):
            continue
        alt = np.frombuffer(record.alleles[allele].encode(), np.uint8)
        place = np.full(len(alt), -1)
        shared = min(len(alt), len(record.ref))
        place[:shared] = np.arange(record.start, record.start + shared)
        bases += [window.bases[at - window.start : record.start - window.start], alt]
        positions += [np.arange(at, record.start), place]
        at = record.stop
    bases.append(window.bases[at - window.start :])
    positions.append(np.arange(at, window.end))
    return Haplotype(np.concatenate(bases), np.concatenate(positions))


def cigar(position: np.ndarray) -> list[tuple[int, int]]:
    """Operations of a read whose bases lie at these positions (-1: inserted)."""
    if position[-1] - position[0] == len(position) - 1 and position.min() >= 0:
        return [(pysam.CMATCH, len(position))]
    operations: list[list[int]] = []
    last = position[0] - 1
    for place in position.tolist():
        if place > last + 1 and place >= 0:
            operations.append([pysam.CDEL, place - last - 1])
        operation = pysam.CINS if place < 0 else pysam.CMATCH
        if operations and operations[-1][0] == operation:
            operations[-1][1] += 1
        else:
            operations.append([operation, 1])
        last = max(last, place)
    return [(operation, length) for operation, length in operations]


def edits(read: str, position: np.ndarray, window: Window) -> int:
    """Bases that differ from the reference, are inserted, or left out (the tag NM)."""
    placed = position >= 0
    letters = np.frombuffer(read.encode(), np.uint8)[placed]
    there = position[placed] - window.start
    deleted = there[-1] - there[0] + 1 - len(there)
    return int((letters != window.bases[there]).sum() + (~placed).sum() + deleted)


def sequenced(bases: np.ndarray, rng: np.random.Generator) -> tuple[list[str], list["array[int]"]]:
    """What the machine reads, with qualities that tell how often it errs; (reads, READ) letters."""
    quality = np.where(rng.random(bases.shape) < 0.9, *QUALITY)
    wrong = rng.random(bases.shape) < 10 ** (-quality / 10)
    read = np.where(wrong, rng.choice(LETTERS, bases.shape), bases)
    return [row.tobytes().decode() for row in read], [array("B", row) for row in quality.tolist()]


def pairs(
    name: str, window: Window, copies: list[Haplotype], n_pairs: int, rng: np.random.Generator
) -> Iterator[pysam.AlignedSegment]:
    """Both reads of so many fragments, drawn from both copies alike."""
    fragments = []
    for _ in range(n_pairs):
        copy = copies[rng.integers(2)]
        length = max(READ, int(rng.normal(FRAGMENT, FRAGMENT_SD)))
        first = int(rng.integers(0, len(copy.bases) - length))
        spans = [slice(first, first + READ), slice(first + length - READ, first + length)]
        if min(copy.position[at] for span in spans for at in (span.start, span.stop - 1)) >= 0:
            fragments.append((copy, spans))  # no read begins or ends inside an insertion
    once = len(fragments)
    fragments += fragments[::DUPLICATES]
    bases = np.array([copy.bases[span] for copy, spans in fragments for span in spans])
    reads, qualities = sequenced(bases, rng)
    for number, (copy, spans) in enumerate(fragments):
        starts = [int(copy.position[span.start]) for span in spans]
        template = int(copy.position[spans[1].stop - 1]) + 1 - starts[0]
        flags = (99, 147) if rng.random() < 0.5 else (163, 83)
        for mate, span in enumerate(spans):
            read = pysam.AlignedSegment()
            read.query_name = f"{name}:{number}"
            read.flag = flags[mate] | (pysam.FDUP if number >= once else 0)
            read.reference_id = read.next_reference_id = 0
            read.reference_start, read.next_reference_start = starts[mate], starts[1 - mate]
            read.mapping_quality = 60
            read.cigartuples = cigar(copy.position[span])
            read.template_length = template if mate == 0 else -template
            read.query_sequence = reads[2 * number + mate]
            read.query_qualities = qualities[2 * number + mate]
            read.set_tag("RG", "1")
            read.set_tag("NM", edits(reads[2 * number + mate], copy.position[span], window))
            yield read


def write_bam(
    path: Path,
    places: list[Window],
    records: list[pysam.VariantRecord],
    people: dict[str, float],
    rng: np.random.Generator,
) -> None:
    """Reads of these people, sorted and indexed, under the name of the file."""
    header = {
        "HD": {"VN": "1.6", "SO": "coordinate"},
        "SQ": [{"SN": CONTIG, "LN": LENGTH}],
        "RG": [{"ID": "1", "SM": path.stem, "PL": "ILLUMINA"}],
    }
    reads = []
    for window in places:
        near = [record for record in records if window.start <= record.start < window.end]
        n_pairs = DEPTH * (window.end - window.start) / (2 * READ)
        for person, share in people.items():
            copies = [haplotype(window, near, person, copy) for copy in (0, 1)]
            name = f"{person}:{window.start}"
            reads += pairs(name, window, copies, round(n_pairs * share), rng)
    reads.sort(key=lambda read: (read.reference_start, read.query_name, read.flag))
    with pysam.AlignmentFile(path, "wb", header=header) as file:
        for read in reads:
            file.write(read)
    pysam.index(str(path))


def write_reference(path: Path, places: list[Window]) -> None:
    """The contig in lines of 60 bases, with its index; N where nothing is sequenced."""
    bases = np.full(-(-LENGTH // 60) * 60, ord("N"), np.uint8)
    for window in places:
        bases[window.start : window.end] = window.bases
    lines = np.full((len(bases) // 60, 61), ord("\n"), np.uint8)
    lines[:, :60] = bases.reshape(-1, 60)
    text = lines.tobytes()[: LENGTH + LENGTH // 60]
    path.write_bytes(f">{CONTIG}\n".encode() + text + b"\n")
    pysam.faidx(str(path))


def write_score(path: Path) -> None:
    """The true effects on the biomarker as a scoring file."""
    rows = [row for row in loci() if row["trait"] == "biomarker"]
    lines = ["#pgs_name=true-biomarker", "#trait_reported=biomarker", "#genome_build=GRCh38"]
    lines.append("rsID\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight")
    lines += [
        "\t".join((row["id"], "22", row["position"], row["alt"], row["ref"], row["effect"]))
        for row in rows
    ]
    path.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Write everything below the directory named on the command line."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "example-reads")
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    with pysam.VariantFile(str(DATA / "cohort.vcf.gz")) as cohort:
        cohort.subset_samples(sorted({person for people in FILES.values() for person in people}))
        records = [record.copy() for record in cohort.fetch(CONTIG)]
    places = windows(records, rng)
    write_reference(out / "reference.fa", places)
    with (out / "targets.bed").open("w") as bed:
        bed.writelines(f"{CONTIG}\t{window.start}\t{window.end}\n" for window in places)
    write_score(out / "biomarker.txt")
    for name, people in FILES.items():
        write_bam(out / f"{name}.bam", places, records, people, rng)


if __name__ == "__main__":
    main()
