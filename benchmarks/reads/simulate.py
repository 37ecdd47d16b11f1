"""Make a donor's genome, its truth, and reads aligned to the reference.

python benchmarks/reads/simulate.py --out DIR --contigs chr20:10105000-10700000 --seed 1 \
    --model hiseq --depth 30

Writes ref.fa, truth.vcf.gz (phased, left-aligned), confident.bed, hard.bed (alike segments and
repeats that reads do not span: truth is known there too) and reads.bam (bwa mem, duplicates marked,
sorted, indexed). Contigs are regions of --fasta (several allowed), or `random:LENGTH`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysam
from errors import (
    MODELS,
    ErrorModel,
    Molecules,
    encode,
    find_repeats,
    hot_loci,
    make_pairs,
    slip_rates,
)
from genomes import LETTERS, Donor, Settings, duplicate_segments, make_donor, mutated, random_contig
from sequencers import SEQUENCERS, write_fastq

EDGE = 300  # bases at the ends of contigs that are not judged
WORD, READ = 32, 100  # words that tell places apart; bases of a read
LONG_HOMOPOLYMER, LONG_REPEAT = 21, 61
SAMPLE = "SIM"
INDEX = ("amb", "ann", "bwt", "pac", "sa")
ALIGNERS = {
    "bwa-mem": "bwa mem -v 1 -t {threads} -R '{group}' ref.fa reads_1.fq reads_2.fq",
    "bwa-aln": (
        "bwa sampe -r '{group}' ref.fa <(bwa aln -t {threads} ref.fa reads_1.fq)"
        " <(bwa aln -t {threads} ref.fa reads_2.fq) reads_1.fq reads_2.fq"
    ),
    "minimap2": "minimap2 -a -x sr -t {threads} -R '{group}' ref.fa reads_1.fq reads_2.fq",
}


class Contig(NamedTuple):
    """A reference contig and the donor's version of it.

    hard : spans, 0-based, in which reads cannot be placed or do not reach across
    """

    name: str
    bases: np.ndarray
    donor: Donor
    hard: list[tuple[int, int]]


def main() -> None:
    options = parse_options()
    started = time.monotonic()
    rng = np.random.default_rng(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    model = MODELS[options.model]
    settings = Settings()
    settings = settings._replace(
        snp_rate=settings.snp_rate * options.diversity,
        plain_indel_rate=settings.plain_indel_rate * options.diversity,
        repeat_indel_rate=settings.repeat_indel_rate * options.diversity,
    )
    contigs = [make_contig(text, options, settings, rng) for text in options.contigs]
    write_reference(options.out / "ref.fa", contigs)
    write_truth(options.out / "truth.vcf.gz", contigs)
    extra = collapsed_copies(contigs, options.collapsed, rng)
    mark_alike(contigs)
    n_bases = write_beds(options.out, contigs)
    n_pairs = int(options.depth * sum(len(c.bases) for c in contigs) / (2 * model.read_length))
    if options.sequencer == "own":
        molecules = gather(contigs, extra, model, rng)
        write_fastq(options.out, make_pairs(molecules, model, n_pairs, int(rng.integers(2**31))))
    else:
        parts = [bases for c in contigs for bases in c.donor.bases] + extra
        SEQUENCERS[options.sequencer](options.out, parts, options.depth / 2, options.seed)
    align(options.out, options.aligner, options.threads)
    facts = {
        "contigs": {c.name: len(c.bases) for c in contigs}, "asked": options.contigs,
        "seed": options.seed, "depth": options.depth, "model": options.model,
        "sequencer": options.sequencer,
        "aligner": options.aligner,
        "parameters": model._asdict(), "settings": settings._asdict(),
        "confident_bases": n_bases, "pairs": n_pairs,
        "variants": sum(len(c.donor.variants) for c in contigs),
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip
    (options.out / "made.json").write_text(json.dumps(facts, indent=1) + "\n")


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--contigs", nargs="+", required=True)
    parser.add_argument("--fasta", type=Path, nargs="*", default=[])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--model", choices=MODELS, default="hiseq")
    parser.add_argument("--depth", type=float, default=30)
    parser.add_argument("--diversity", type=float, default=1, help="times the usual differences")
    parser.add_argument("--duplicated", type=int, default=4, help="segments per Mb")
    parser.add_argument("--collapsed", type=int, default=4, help="copies not in ref.fa, per Mb")
    parser.add_argument("--sequencer", choices=["own", *SEQUENCERS], default="own")
    parser.add_argument("--aligner", choices=ALIGNERS, default="bwa-mem")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(arguments)


def make_contig(
    text: str, options: argparse.Namespace, settings: Settings, rng: np.random.Generator
) -> Contig:
    """Take or make the bases, duplicate segments, mutate."""
    name, bases = backbone(text, options.fasta, rng)
    n = round(options.duplicated * len(bases) / 1e6)
    divergences = (0.0, 0.005, 0.01, 0.03, 0.08)
    hard: list[tuple[int, int]] = []
    if n:
        bases, hard = duplicate_segments(bases, n, divergences, rng)
    hard += long_repeats(bases)
    return Contig(name, bases, make_donor(bases, settings, rng), hard)


def backbone(text: str, fastas: list[Path], rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """Name and bases of `random:LENGTH` or of CONTIG:START-END in one of the FASTAs."""
    contig, _, rest = text.partition(":")
    if contig.startswith("random"):
        return contig, random_contig(int(rest), rng)
    start, _, end = rest.partition("-")
    for path in fastas:
        with pysam.FastaFile(str(path)) as fasta:
            if contig in fasta.references:
                bases = encode(fasta.fetch(contig, int(start), int(end)))
                return f"{contig.removeprefix('chr')}_{start}", bases
    raise SystemExit(f"no FASTA has {contig!r}")


def long_repeats(bases: np.ndarray) -> list[tuple[int, int]]:
    """Repeats that few reads span, with 5 bases on each side."""
    length, unit = np.zeros(len(bases), np.int32), np.zeros(len(bases), np.uint8)
    find_repeats(bases, length, unit)
    long = np.where(unit == 1, length >= LONG_HOMOPOLYMER, length >= LONG_REPEAT)
    return [(int(i) - 5, int(i + length[i]) + 5) for i in np.flatnonzero(long & (length > 0))]


def mark_alike(contigs: list[Contig]) -> None:
    """Add to the hard spans where half of the 32-mers of a read occur elsewhere too."""
    words = [_words(contig.bases) for contig in contigs]
    _, inverse, counts = np.unique(np.concatenate(words), return_inverse=True, return_counts=True)
    again = (counts[inverse] > 1).astype(np.int32)
    at = 0
    for contig, own in zip(contigs, words, strict=True):
        total = np.concatenate([[0], np.cumsum(again[at : at + len(own)])])
        at += len(own)
        dense = total[READ:] - total[:-READ] > READ // 2
        contig.hard.extend((s, e + READ + WORD - 1) for s, e in spans(dense))


def _words(bases: np.ndarray) -> np.ndarray:
    """The 32-mer at each base, or its reverse complement where that is the smaller."""
    size = len(bases) - WORD + 1
    forward, backward = np.zeros(size, np.uint64), np.zeros(size, np.uint64)
    for i in range(WORD):
        base = (bases[i : i + size] & 3).astype(np.uint64)
        forward = (forward << np.uint64(2)) | base
        backward |= (np.uint64(3) - base) << np.uint64(2 * i)
    return np.minimum(forward, backward)


def collapsed_copies(
    contigs: list[Contig], per_mb: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Segments that the donor has once more than the reference; their sources become hard."""
    copies = []
    for contig in contigs:
        for _ in range(round(per_mb * len(contig.bases) / 1e6)):
            size = int(rng.integers(1500, 5000))
            own = contig.donor.bases[0]
            start = int(rng.integers(0, len(own) - size))
            copy = mutated(own[start : start + size], rng.choice([0.005, 0.02, 0.05]), rng)
            copies += [copy] * int(rng.integers(1, 3))
            origin = contig.donor.origin[0][start : start + size]
            span = origin[origin >= 0]
            contig.hard.append((int(span.min()) - 150, int(span.max()) + 150))
    return copies


def gather(
    contigs: list[Contig], extra: list[np.ndarray], model: ErrorModel, rng: np.random.Generator
) -> Molecules:
    """All molecules with their loci of trouble; a locus errs alike on both haplotypes."""
    parts: list[tuple[np.ndarray, ...]] = []
    for contig in contigs:
        hot = hot_loci(len(contig.bases), model, rng)
        seed = int(rng.integers(2**31))
        for bases, origin in zip(contig.donor.bases, contig.donor.origin, strict=True):
            slip, unit = slip_rates(bases, model, np.random.default_rng(seed))
            at_hot = np.where(origin[:, None] >= 0, hot[origin], np.float32(0))
            parts.append((bases, slip, unit, at_hot))
    for bases in extra:
        slip, unit = slip_rates(bases, model, rng)
        parts.append((bases, slip, unit, hot_loci(len(bases), model, rng)))
    bases, slip, unit, hot = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Molecules(bases, np.cumsum([len(p[0]) for p in parts]), slip, unit, hot)


def write_reference(path: Path, contigs: list[Contig]) -> None:
    """FASTA and index."""
    with path.open("w") as file:
        for contig in contigs:
            text = LETTERS[contig.bases].tobytes().decode()
            file.write(f">{contig.name}\n")
            file.writelines(f"{text[i : i + 60]}\n" for i in range(0, len(text), 60))
    pysam.faidx(str(path))


def write_truth(path: Path, contigs: list[Contig]) -> None:
    """Phased calls of all variants, hard regions included."""
    lines = ["##fileformat=VCFv4.2"]
    lines += [f"##contig=<ID={c.name},length={len(c.bases)}>" for c in contigs]
    lines.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
    lines.append(f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{SAMPLE}")
    for contig in contigs:
        for variant in contig.donor.variants:
            one, two = variant.genotype
            alts = ",".join(variant.alts)
            lines.append(
                f"{contig.name}\t{variant.start + 1}\t.\t{variant.ref}\t{alts}\t.\tPASS\t.\tGT\t"
                f"{one}|{two}"
            )
    plain = path.with_suffix("")
    plain.write_text("\n".join(lines) + "\n")
    pysam.tabix_index(str(plain), preset="vcf", force=True)


def write_beds(out: Path, contigs: list[Contig]) -> int:
    """confident.bed and hard.bed; returns how many bases are confident."""
    confident, hard = [], []
    n_confident = 0
    for contig in contigs:
        judged = np.zeros(len(contig.bases), bool)
        judged[EDGE:-EDGE] = True
        easy = judged.copy()
        for start, end in contig.hard:
            easy[max(start, 0) : end] = False
        easy &= contig.bases < 4
        n_confident += int(easy.sum())
        confident += [f"{contig.name}\t{s}\t{e}\n" for s, e in spans(easy)]
        hard += [f"{contig.name}\t{s}\t{e}\n" for s, e in spans(judged & ~easy)]
    (out / "confident.bed").write_text("".join(confident))
    (out / "hard.bed").write_text("".join(hard))
    return n_confident


def spans(mask: np.ndarray) -> list[tuple[int, int]]:
    """Stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.view(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def align(out: Path, aligner: str, threads: int) -> None:
    """Align, mark duplicates, sort by position, index; FASTQ is removed."""
    group = f"@RG\\tID:{SAMPLE}\\tSM:{SAMPLE}\\tPL:ILLUMINA"
    command = (
        ("bwa index ref.fa && " if aligner.startswith("bwa") else "")
        + ALIGNERS[aligner].format(threads=threads, group=group)
        + " | samtools fixmate -m -u - - | samtools sort -u -T sorting -"
        " | samtools markdup -T marking - reads.bam"
    )
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=out, capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    pysam.index(str(out / "reads.bam"))
    for name in ("reads_1.fq", "reads_2.fq", *(f"ref.fa.{end}" for end in INDEX)):
        (out / name).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
