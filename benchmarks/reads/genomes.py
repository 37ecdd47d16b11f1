"""Reference contigs with realistic repeats, and a donor whose genome msprime mutated.

The backbone is real sequence where there is some; duplicated segments are appended. Three haploid
genomes come from one coalescent tree sequence: the first is the reference, the other two are the
donor. So heterozygous and homozygous variants come about two to one, in stretches that share an
ancestor, and mutations fall where human ones do: at CpG, in homopolymers and tandem repeats.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msprime
import numpy as np
from errors import find_repeats

__all__ = ["Donor", "Settings", "Variant", "duplicate_segments", "make_donor", "random_contig"]

LETTERS = np.frombuffer(b"ACGTN", np.uint8)
MAX_RATE = 2e-5  # mutations per generation of one repeat
TRANSITION = np.array([2, 3, 0, 1], np.uint8)  # A-G, C-T


class Settings(NamedTuple):
    """How a donor differs from the reference; rates are differences per base of two haplotypes."""

    snp_rate: float = 1.0e-3
    plain_indel_rate: float = 4.5e-5
    repeat_indel_rate: float = 1.1e-4
    transitions: float = 0.68  # share of SNPs
    cpg_factor: float = 8.0
    longest_indel: int = 60
    population: float = 1e4
    recombination: float = 1e-8


class Variant(NamedTuple):
    """A difference from the reference: 0-based start, alleles, and the donor's two alleles."""

    start: int
    ref: str
    alts: tuple[str, ...]
    genotype: tuple[int, int]


class Donor(NamedTuple):
    """Variants of a contig, and per haplotype its bases and the reference base each came from.

    origin : int64 (bases,), -1 for inserted bases
    """

    variants: list[Variant]
    bases: tuple[np.ndarray, np.ndarray]
    origin: tuple[np.ndarray, np.ndarray]


def random_contig(n: int, rng: np.random.Generator) -> np.ndarray:
    """Bases with repeats: a chain of order 2 with few CpG, tandem repeats, scattered families."""
    chain = rng.dirichlet(np.full(4, 6.0), size=16)
    chain[1::4, 2] *= 0.25  # after C, seldom G
    chain[:, [0, 3]] *= 1.35
    steps = np.cumsum(chain / chain.sum(1, keepdims=True), axis=1)
    draws = rng.random(n)
    bases = np.zeros(n, np.uint8)
    one, two = 0, 0
    for i in range(n):
        base = int(np.searchsorted(steps[two * 4 + one], draws[i]))
        bases[i] = min(base, 3)
        two, one = one, int(bases[i])
    families = [rng.integers(0, 4, size).astype(np.uint8) for size in (300, 300, 900, 2500)]
    for _ in range(n // 3500):
        family = families[rng.integers(len(families))]
        copy = mutated(family, rng.uniform(0.05, 0.25), rng)
        at = int(rng.integers(0, n - len(copy)))
        bases[at : at + len(copy)] = copy if rng.random() < 0.5 else 3 - copy[::-1]
    for _ in range(n // 900):
        size = int(rng.choice([1, 1, 1, 2, 2, 3, 4, 5]))
        times = 4 + int(rng.geometric(0.16 if size == 1 else 0.25))
        repeat = np.tile(rng.choice(4, size, p=[0.4, 0.1, 0.1, 0.4]), times).astype(np.uint8)
        at = int(rng.integers(0, n - len(repeat)))
        bases[at : at + len(repeat)] = repeat
    return bases


def mutated(bases: np.ndarray, divergence: float, rng: np.random.Generator) -> np.ndarray:
    """A copy with substitutions, and a deletion for every ten of them."""
    copy = bases.copy()
    hit = np.flatnonzero((rng.random(len(copy)) < divergence) & (copy < 4))
    copy[hit] = (copy[hit] + rng.integers(1, 4, len(hit))) % 4
    return copy[rng.random(len(copy)) >= divergence / 10]


def duplicate_segments(
    bases: np.ndarray, n: int, divergences: tuple[float, ...], rng: np.random.Generator
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Append n copies of segments of 2 to 6 kb, with unique sequence between.

    returns : the longer contig; spans of the copies and of what they were copied from
    """
    parts, spans = [bases], []
    at = len(bases)
    for i in range(n):
        size = int(rng.integers(2000, 6000))
        start = int(rng.integers(0, len(bases) - size))
        copy = mutated(bases[start : start + size], divergences[i % len(divergences)], rng)
        between = random_contig(1500, rng)
        parts += [between, copy]
        spans += [(start, start + size), (at + len(between), at + len(between) + len(copy))]
        at += len(between) + len(copy)
    return np.concatenate([*parts, random_contig(1500, rng)]), spans


def make_donor(bases: np.ndarray, settings: Settings, rng: np.random.Generator) -> Donor:
    """Mutate a contig."""
    variants = list(_without_overlap(sorted(_variants(bases, settings, rng))))
    built = [_haplotype(bases, variants, h) for h in range(2)]
    return Donor(variants, (built[0][0], built[1][0]), (built[0][1], built[1][1]))


def _variants(bases: np.ndarray, settings: Settings, rng: np.random.Generator) -> Iterator[Variant]:
    length, unit = np.zeros(len(bases), np.int32), np.zeros(len(bases), np.uint8)
    find_repeats(bases, length, unit)
    trees = msprime.sim_ancestry(
        samples=3, ploidy=1, population_size=settings.population, sequence_length=len(bases),
        recombination_rate=settings.recombination, random_seed=int(rng.integers(1, 2**31)),
    )  # fmt: skip
    per_rate = 1 / (2 * settings.population)  # haploid: two lineages meet after N generations
    kinds = (
        (_snp_weights(bases, settings), settings.snp_rate, _snp),
        (np.where(bases < 4, 1.0, 0.0), settings.plain_indel_rate, _plain_indel),
        (_repeat_weights(length, unit), settings.repeat_indel_rate, _repeat_indel),
    )
    for weights, rate, make in kinds:
        rates = weights * (rate * per_rate * len(weights) / weights.sum())
        edges = np.concatenate([[0], np.flatnonzero(np.diff(rates)) + 1, [len(rates)]])
        mutations = msprime.sim_mutations(
            trees, msprime.RateMap(position=edges, rate=np.minimum(rates[edges[:-1]], MAX_RATE)),
            model=msprime.InfiniteAlleles(), random_seed=int(rng.integers(1, 2**31)),
            record_provenance=False,
        )  # fmt: skip
        for site in mutations.variants():
            own, one, two = site.genotypes
            genotype = [0 if g == own else 1 for g in (one, two)]
            if own not in (one, two) and one != two:
                genotype[1] = 2
            if any(genotype):
                at = int(site.site.position)
                made = make(bases, at, int(length[at]), int(unit[at]), max(genotype), settings, rng)
                if made is not None:
                    start, ref, alts = made
                    known = tuple(min(g, len(alts)) for g in genotype)
                    yield Variant(start, ref, alts, (known[0], known[1]))


def _snp_weights(bases: np.ndarray, settings: Settings) -> np.ndarray:
    weights = np.where(bases < 4, 1.0, 0.0)
    cpg = np.flatnonzero((bases[:-1] == 1) & (bases[1:] == 2))
    weights[cpg] = weights[cpg + 1] = settings.cpg_factor
    return weights


def _repeat_weights(length: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Longer repeats mutate more often; make_donor caps the rate of each."""
    weights = np.zeros(len(length))
    at = np.flatnonzero(length >= 5)
    copies = length[at] / unit[at]
    weights[at] = np.minimum(
        np.where(unit[at] == 1, 1.75 ** (copies - 5), 1.7 ** (copies - 3)), 500
    )
    return weights


_Made = tuple[int, str, tuple[str, ...]] | None


def _snp(bases, at, length, unit, n_alts, settings, rng) -> _Made:
    base = bases[at]
    first = TRANSITION[base]
    others = rng.permutation([b for b in range(4) if b not in (base, first)])
    order = [first, *others] if rng.random() < settings.transitions else [others[0], first]
    return at, _text(bases[at : at + 1]), tuple("ACGT"[b] for b in order[:n_alts])


def _plain_indel(bases, at, length, unit, n_alts, settings, rng) -> _Made:
    size = int(rng.geometric(0.5 if rng.random() < 0.6 else 0.09))
    size = min(size, settings.longest_indel)
    if at < 100 or at + size + 100 > len(bases):
        return None
    if rng.random() < 0.55:
        ref, alt = _text(bases[at : at + 1 + size]), _text(bases[at : at + 1])
    else:
        tandem = rng.random() < 0.6
        new = bases[at + 1 : at + 1 + size] if tandem else rng.integers(0, 4, size)
        ref, alt = _text(bases[at : at + 1]), _text(bases[at : at + 1]) + _text(new)
    if "N" in ref + alt:
        return None
    start, ref, alt = left_aligned(bases, at, ref, alt)
    return start, ref, (alt,)


def _repeat_indel(bases, at, length, unit, n_alts, settings, rng) -> _Made:
    if at < 100 or at + length + 100 > len(bases) or not length or 4 in bases[at - 1 : at + length]:
        return None
    copies = length // unit
    changes: list[int] = []
    while len(changes) < n_alts:
        change = min(int(rng.geometric(0.65)), copies - 1, settings.longest_indel // unit)
        change *= -1 if rng.random() < 0.55 else 1
        if change not in changes:
            changes.append(change)
    anchor = at - 1
    while bases[anchor] == bases[anchor + unit]:  # the repeat begins before its first whole unit
        anchor -= 1
    lost = max(0, -min(changes)) * unit
    ref = _text(bases[anchor : anchor + 1 + lost])
    piece = _text(bases[anchor + 1 : anchor + 1 + unit])
    alts = tuple(ref[0] + piece * (lost // unit + change) for change in changes)
    return anchor, ref, alts


def left_aligned(bases: np.ndarray, start: int, ref: str, alt: str) -> tuple[int, str, str]:
    """An indel as far left as it goes."""
    while ref[-1] == alt[-1] and (min(len(ref), len(alt)) > 1 or start > 0):
        ref, alt = ref[:-1], alt[:-1]
        if not ref or not alt:
            start -= 1
            before = _text(bases[start : start + 1])
            ref, alt = before + ref, before + alt
            if before == "N":
                break
    return start, ref, alt


def _without_overlap(variants: list[Variant]) -> Iterator[Variant]:
    end = 0
    for variant in variants:
        if variant.start > end:
            end = variant.start + len(variant.ref)
            yield variant


def _haplotype(
    bases: np.ndarray, variants: list[Variant], haplotype: int
) -> tuple[np.ndarray, np.ndarray]:
    parts, origin = [], []
    at = 0
    for variant in variants:
        allele = variant.genotype[haplotype]
        if allele:
            alt = codes(variant.alts[allele - 1])
            shared = min(len(alt), len(variant.ref))
            parts += [bases[at : variant.start], alt]
            origin += [
                np.arange(at, variant.start + shared),
                np.full(len(alt) - shared, -1, np.int64),
            ]
            at = variant.start + len(variant.ref)
    parts.append(bases[at:])
    origin.append(np.arange(at, len(bases)))
    return np.concatenate(parts), np.concatenate(origin).astype(np.int64)


def codes(text: str) -> np.ndarray:
    return np.array(["ACGT".index(b) for b in text], np.uint8)


def _text(bases: np.ndarray) -> str:
    return LETTERS[bases].tobytes().decode()
