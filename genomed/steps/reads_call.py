"""`genomed reads call`: one pass over the alignments; candidate sites judged, calls written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genomed import __version__
from genomed.errors import InputError
from genomed.features.call_sites import EVIDENCE_NAMES, CalledTile, CallSites, iter_called_tiles
from genomed.features.given_alleles import GivenAlleles
from genomed.io.alignments import AlignmentReader
from genomed.io.call_vcf import CallVcf, call_header, call_lines, trimmed
from genomed.io.fasta import Fasta
from genomed.io.outputs import OutputDirectory
from genomed.io.site_alleles import read_site_alleles
from genomed.provenance import file_fingerprint, record
from genomed.regions import Region
from genomed.settings import CallSettings
from genomed.stats.call_pieces import Piece
from genomed.stats.call_quality import GenotypeCalls, call_genotypes
from genomed.steps.clock import Clock
from genomed.steps.reads_call_blocks import ReferenceBlocks
from genomed.steps.reads_call_model import Judge, open_judge
from genomed.steps.reads_call_sites import asked_alleles

__all__ = ["ReadsCallInputs", "ReadsCallSummary", "run_reads_call"]

SAMPLE = "SAMPLE"  # of reads without read groups
MIN_ODD_SITES, MAX_ODD_SHARE = 200, 0.05  # of a tile: people differ at one base in a thousand
REFUSED = {  # reason of reads_call_sites -> what it means, and what to do
    "contig_not_in_reference": "the reads or their reference lack the contig; give sites of the "
    "same build",
    "ref_mismatch": "REF is not what the reference has there; give sites of the same build",
    "complex_allele": "they are not one base, one insertion or one deletion; take them apart with "
    "`bcftools norm --atomize`",
}
_AT = {name: column for column, name in enumerate(EVIDENCE_NAMES)}


@dataclass(frozen=True)
class ReadsCallInputs:
    """What a run reads.

    reference : FASTA that the reads are aligned to
    sample    : whose reads to take; None where the file holds one sample
    regions   : where to look; None for everywhere
    model     : directory of a trained caller, "shipped", or "none": likelihoods and what is usual
    gvcf      : write blocks that are like the reference, too
    """

    alignments: Path
    reference: Path
    sample: str | None = None
    regions: tuple[Region, ...] | None = None
    sites: Path | None = None
    model: str = "none"
    gvcf: bool = False


@dataclass
class ReadsCallSummary:
    """What a run found, for the terminal.

    counts : sites looked at, calls written by kind and genotype, and so on
    """

    sample: str
    counts: dict[str, int]
    warnings: list[str]
    outputs: dict[str, Path]
    timings: dict[str, float] = field(default_factory=dict)


def run_reads_call(
    inputs: ReadsCallInputs,
    out: Path,
    settings: CallSettings,
    *,
    threads: int = 1,
    command: str = "genomed reads call",
) -> ReadsCallSummary:
    """Call the variants of one sample and write calls.vcf.gz (or .g.vcf.gz) and run.json.

    Raises InputError and OutputError; nothing is left in `out` then.
    """
    clock = Clock()
    reader, fasta = _open(inputs, threads)
    sample = inputs.sample or next(iter(reader.samples), SAMPLE)
    judge = open_judge(inputs.model, settings)
    counts: Counter[str] = Counter()
    regions, given = _where(inputs, reader, fasta, counts)
    name = "calls.g.vcf.gz" if inputs.gvcf else "calls.vcf.gz"
    lengths = [int(length) for length in reader.lengths]
    facts = [f"source=genomed-{__version__}", f"reference={inputs.reference.name}"]
    header = call_header(reader.contigs, lengths, sample, facts, inputs.gvcf)
    with OutputDirectory(out) as directory:
        with CallVcf(directory.place(name), header, max(lengths, default=0)) as vcf:
            directory.place(vcf.index().name)
            blocks = ReferenceBlocks() if inputs.gvcf else None
            for called in _tiles(reader, fasta, regions, settings, given, threads):
                if given is None:
                    _check_fit(called, reader, fasta)
                lines = _lines(called, judge, settings, counts, given)
                vcf.add(blocks.merge(called, lines) if blocks else lines)
        clock.lap("call")
        warnings = _warnings(reader, counts)
        about = record("reads call", settings, _fingerprints(inputs))
        about |= {
            "sample": sample, "model": judge.facts(), "counts": dict(sorted(counts.items())),
            "warnings": warnings,
            "run": {"command_line": command, "started": clock.started},
        }  # fmt: skip
        text = json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False)
        directory.write_text("run.json", text + "\n")
        clock.lap("write")
    return ReadsCallSummary(sample, dict(counts), warnings, directory.files(), clock.phases)


def _open(inputs: ReadsCallInputs, threads: int) -> tuple[AlignmentReader, Fasta]:
    reader = AlignmentReader(
        inputs.alignments, reference=inputs.reference, threads=threads, sample=inputs.sample
    )
    if inputs.sample is None:
        reader.check_one_sample()
    return reader, Fasta(inputs.reference)


def _where(
    inputs: ReadsCallInputs, reader: AlignmentReader, fasta: Fasta, counts: Counter[str]
) -> tuple[list[Region] | None, GivenAlleles | None]:
    """Where to look, and for which alleles whatever the reads show."""
    regions = None if inputs.regions is None else list(inputs.regions)
    for region in regions or ():
        length = int(reader.lengths[reader.contig_index(region.contig)])
        if region.start >= length:
            raise InputError(
                f"{inputs.alignments}: {region.contig} ends at {length:,}, before the region "
                f"{region}; give one that lies on it"
            )
    if inputs.sites is None:
        return regions, None
    table = read_site_alleles(inputs.sites)
    asked, refused = asked_alleles(table, reader, fasta)
    counts["sites_asked"] = len(table)
    counts.update({f"refused_{reason}": n for reason, n in refused.items()})
    if refused and not any(asked.values()):
        why = "; ".join(f"{n:,}: {REFUSED[reason]}" for reason, n in refused.items())
        raise InputError(f"{inputs.sites}: none of its alleles can be looked for ({why})")
    given = GivenAlleles(asked)
    return list(given.regions(reader.contigs)) if regions is None else regions, given


def _tiles(
    reader: AlignmentReader,
    fasta: Fasta,
    regions: list[Region] | None,
    settings: CallSettings,
    given: GivenAlleles | None,
    threads: int,
) -> Iterator[CalledTile]:
    checked = ""
    try:
        for called in iter_called_tiles(
            reader, fasta, regions, settings, given=given, threads=threads
        ):
            if called.tile.contig != checked:
                checked = called.tile.contig
                reader.check_reference(fasta, [checked])
            yield called
    except ValueError as error:
        raise InputError(
            f"{fasta.path}: {error}; give the FASTA that {reader.path} is aligned to"
        ) from None


def _check_fit(called: CalledTile, reader: AlignmentReader, fasta: Fasta) -> None:
    """Refuse reads that differ from the reference nearly everywhere."""
    n_sites, tile = len(called.sites.table), called.tile
    covered = min(tile.end - tile.start, int((tile.reads.end - tile.reads.start).sum()))
    if n_sites >= MIN_ODD_SITES and n_sites > MAX_ODD_SHARE * covered:
        raise InputError(
            f"{reader.path}: its reads differ from {fasta.path} at {n_sites / covered:.0%} of the "
            f"bases of {tile.contig}:{tile.start + 1}-{tile.end}; give the FASTA that they are "
            "aligned to (the caller is for short reads with few errors)"
        )


def _lines(
    called: CalledTile,
    judge: Judge,
    settings: CallSettings,
    counts: Counter[str],
    given: GivenAlleles | None,
) -> list[str]:
    """Records of a tile: variants that are sure enough, or what was asked for."""
    sites = called.sites
    posterior = judge.posterior(called)
    calls = call_genotypes(posterior, sites.loglik)
    is_variant = (calls.genotype[:, 1] > 0) & (calls.qual >= settings.min_qual)
    asked = _asked(called, given, counts)
    keep = is_variant if given is None else np.any(asked, axis=1)
    looked_at = np.ones(len(asked), bool) if given is None else keep
    _count(sites, calls, is_variant, looked_at, counts)
    counts["thinned_sites"] += called.n_thinned
    rows = np.flatnonzero(keep)
    evidence = sites.evidence[rows]
    reads = evidence[:, [_AT["reads_0"], _AT["reads_1"], _AT["reads_2"]]].astype(np.int64)
    return call_lines(
        sites.table[rows], calls.genotype[rows], calls.gq[rows], calls.qual[rows], calls.pl[rows],
        evidence[:, _AT["depth"]].astype(np.int64), reads, asked[rows],
    )  # fmt: skip


def _asked(called: CalledTile, given: GivenAlleles | None, counts: Counter[str]) -> np.ndarray:
    """Which of alt1 and alt2 were asked for, bool (sites, 2); alleles that got no place count."""
    table, tile = called.sites.table, called.tile
    asked = np.zeros((len(table), 2), bool)
    wanted = set(given.within(tile.contig, tile.start, tile.end)) if given else set()
    if not wanted:
        return asked
    columns = (table[name].to_list() for name in ("position", "ref", "alt1", "alt2"))
    for s, (position, ref, *alts) in enumerate(zip(*columns, strict=True)):
        for k, alt in enumerate(alts):
            if alt:
                short, (own,) = trimmed(ref, [alt])
                asked[s, k] = Piece.of(position, short, own) in wanted
    counts["not_judged"] += len(wanted) - int(asked.sum())
    return asked


def _count(
    sites: CallSites,
    calls: GenotypeCalls,
    is_variant: np.ndarray,
    looked_at: np.ndarray,
    counts: Counter[str],
) -> None:
    """Add to what run.json says: of sites beside those that were asked for, nothing."""
    is_variant, is_no_variant = is_variant & looked_at, ~is_variant & looked_at
    is_snp = sites.evidence[:, _AT["is_snp"]] > 0
    is_het = calls.genotype[:, 0] != calls.genotype[:, 1]
    counts["candidate_sites"] += int(looked_at.sum())
    counts["below_min_qual"] += int(is_no_variant.sum())
    counts["snps"] += int((is_variant & is_snp).sum())
    counts["indels"] += int((is_variant & ~is_snp).sum())
    counts["heterozygous"] += int((is_variant & is_het).sum())
    counts["homozygous"] += int((is_variant & ~is_het).sum())


def _warnings(reader: AlignmentReader, counts: Counter[str]) -> list[str]:
    said = []
    if not reader.samples:
        said.append(f"{reader.path} names no sample (no read groups): it is called {SAMPLE}.")
    if not counts.get("sites_asked", 1):
        said.append("--sites has no alleles: there is nothing to judge.")
    elif not counts["candidate_sites"]:
        said.append("No read differs from the reference: there is nothing to call, or no coverage.")
    if counts["thinned_sites"]:
        said.append(
            f"{counts['thinned_sites']:,} sites have so many reads that they were judged by an "
            "even sample of them; none was passed over."
        )
    if counts["not_judged"]:
        said.append(
            f"{counts['not_judged']:,} alleles of --sites were not judged: two are at one place, "
            "and few where many lie close together."
        )
    said += [
        f"{n:,} alleles of --sites cannot be looked for: {REFUSED[reason]}."
        for reason in REFUSED if (n := counts[f"refused_{reason}"])
    ]  # fmt: skip
    return said


def _fingerprints(inputs: ReadsCallInputs) -> dict[str, dict[str, Any]]:
    files = [inputs.alignments, inputs.reference, *([inputs.sites] if inputs.sites else [])]
    return {str(path): file_fingerprint(path) for path in files}
