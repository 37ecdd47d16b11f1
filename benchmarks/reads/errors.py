"""A hard model of short reads: what goes wrong between a DNA molecule and a FASTQ.

Fragments slip in repeats and are copied with their slips (PCR); reads err by quality, by context
and at loci that err on one strand only; short fragments end in the adapter; a few pairs are
chimeras. Qualities fall along the read, drift within it, and differ between reads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

__all__ = ["MODELS", "ErrorModel", "Molecules", "find_repeats", "make_pairs"]

# Illumina TruSeq adapters, read 1 and read 2 (Illumina document 1000000002694, adapter sequences).
ADAPTERS = ("AGATCGGAAGAGCACACGTCTGAACTCCAGTCA", "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT")
_CODES = np.full(256, 4, np.uint8)
_CODES[np.frombuffer(b"ACGT", np.uint8)] = [0, 1, 2, 3]
LONGEST_FRAGMENT = 1500


class ErrorModel(NamedTuple):
    """Parameters of a library and a sequencer; rates are probabilities.

    levels : Phred qualities that the sequencer reports; empty for all
    """

    read_length: int = 150
    insert_mean: float = 380.0
    insert_sd: float = 90.0
    quality_start: float = 37.0
    quality_drop: float = 9.0  # Phred, from the first to the last cycle
    mate_drop: float = 3.0  # Phred, of second reads
    quality_sd: float = 3.0  # between reads
    drift_sd: float = 4.0  # within a read
    bad_tail: float = 0.03  # reads whose quality collapses somewhere
    miscalibration: float = 1.3  # true errors per reported one
    context: float = 3.0  # times as many errors after GG
    lag: float = 0.4  # substitutions that repeat the base before
    hot_rate: float = 0.12  # error at a hot locus, on its strand
    hot_per_base: float = 1.5e-4
    insertion: float = 4e-6  # per base read
    deletion: float = 8e-6
    slip_scale: float = 1.0  # times the usual stutter
    slip_deletes: float = 0.65
    pcr_error: float = 2e-6  # per base of a fragment
    duplicates: float = 0.08
    chimeras: float = 0.003
    gc_width: float = 0.25  # spread of the GC content that is sequenced well
    levels: tuple[int, ...] = ()


MODELS = {
    "hiseq": ErrorModel(),
    "novaseq": ErrorModel(
        insert_mean=420, quality_drop=6, mate_drop=2, miscalibration=0.9, hot_rate=0.08, context=2,
        slip_scale=0.5, duplicates=0.12, levels=(2, 12, 23, 37),
    ),
    "old_pcr": ErrorModel(
        read_length=100, insert_mean=310, insert_sd=40, quality_start=36, quality_drop=14,
        miscalibration=2.0, hot_per_base=3e-4, hot_rate=0.2, slip_scale=2.5, duplicates=0.15,
        bad_tail=0.08, pcr_error=1e-5,
    ),
    "unseen": ErrorModel(
        read_length=148, insert_mean=350, insert_sd=70, quality_start=38, quality_drop=11,
        mate_drop=4, quality_sd=2.5, drift_sd=5, bad_tail=0.045, miscalibration=1.5, context=4,
        lag=0.55, hot_rate=0.16, hot_per_base=2e-4, insertion=7e-6, deletion=1.1e-5,
        slip_scale=1.4, slip_deletes=0.6, duplicates=0.06, gc_width=0.21, levels=(2, 11, 25, 38),
    ),
    "unseen_free": ErrorModel(
        read_length=151, insert_mean=450, insert_sd=110, quality_start=36, quality_drop=7,
        mate_drop=2.5, quality_sd=4, miscalibration=1.1, context=2.5, lag=0.3, hot_rate=0.1,
        slip_scale=0.4, duplicates=0.02, gc_width=0.3,
    ),
}  # fmt: skip


class Molecules(NamedTuple):
    """DNA of a donor, all molecules one after another; each is as frequent as the others.

    bases      : uint8, 0 to 3 are A, C, G, T
    end        : int64 (molecules,)
    slip       : float32 (bases,), at the first base of a repeat: probability that a fragment slips
    unit       : uint8 (bases,), bases of that repeat's unit
    hot        : float32 (bases, 2), probability of an error there on the forward, reverse strand
    """

    bases: np.ndarray
    end: np.ndarray
    slip: np.ndarray
    unit: np.ndarray
    hot: np.ndarray


def encode(text: str) -> np.ndarray:
    """Bases as 0 to 3, and 4 for anything else."""
    return _CODES[np.frombuffer(text.upper().encode(), np.uint8)]


@njit(cache=True)
def find_repeats(bases, length, unit):
    """Find homopolymers of 4 and more and repeats of units of 2 to 6, three times and more.

    bases        : uint8
    length, unit : int32, uint8 (bases,), filled at the first base of each repeat
    """
    n = len(bases)
    reach = 0  # bases before this belong to a repeat found already
    for u in range(1, 7):
        i = 0
        while i + u < n:
            j = i + u
            while j < n and bases[j] == bases[j - u] and bases[j] < 4:
                j += 1
            whole = (j - i) // u * u
            if whole >= max(4, 3 * u) and (u == 1 or whole >= 8):
                same = u > 1
                if same:  # a homopolymer is none of unit 2
                    same = True
                    for k in range(1, u):
                        if bases[i + k] != bases[i]:
                            same = False
                if not same and length[i] < whole:
                    length[i] = whole
                    unit[i] = u
                i = j - u + 1
            else:
                i += 1
    return reach


def slip_rates(
    bases: np.ndarray, model: ErrorModel, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Probability that a fragment gains or loses a unit in each repeat; units.

    It grows by the length of the repeat, less for longer units, and differs between loci.
    """
    length, unit = np.zeros(len(bases), np.int32), np.zeros(len(bases), np.uint8)
    find_repeats(bases, length, unit)
    at = np.flatnonzero(length)
    copies = length[at] / np.maximum(unit[at], 1)
    rate = np.where(
        unit[at] == 1,
        2e-3 * np.exp(0.33 * (copies - 6)),
        3e-3 * np.exp(0.25 * (copies - 5)) / np.sqrt(unit[at]),
    )
    rate *= model.slip_scale * np.exp(rng.normal(0, 0.5, len(at)))
    slip = np.zeros(len(bases), np.float32)
    slip[at] = np.minimum(rate, 0.35)
    return slip, unit


def hot_loci(n: int, model: ErrorModel, rng: np.random.Generator) -> np.ndarray:
    """Loci that err on one strand, float32 (bases, 2)."""
    hot = np.zeros((n, 2), np.float32)
    for strand in range(2):
        at = np.flatnonzero(rng.random(n) < model.hot_per_base / 2)
        hot[at, strand] = rng.beta(0.7, 0.7 / model.hot_rate - 0.7, len(at))
    return hot


def make_pairs(
    molecules: Molecules, model: ErrorModel, n_pairs: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sequence pairs of reads.

    returns : bases uint8 (pairs, 2, read_length), 0 to 3; qualities uint8 of the same shape
    """
    bases = np.empty((n_pairs, 2, model.read_length), np.uint8)
    quality = np.empty_like(bases)
    adapters = np.stack([encode(one) for one in ADAPTERS])
    levels = np.array(model.levels, np.float64)
    numbers = model
    _sequence(molecules, tuple(map(float, numbers[:-1])), levels, adapters, seed, bases, quality)
    return bases, quality


@njit(cache=True)
def _sequence(molecules, numbers, levels, adapters, seed, bases, quality):
    """Fill bases and quality pair by pair."""
    (
        _, insert_mean, insert_sd, quality_start, quality_drop, mate_drop, quality_sd,
        drift_sd, bad_tail, miscalibration, context, lag, _, _, insertion, deletion, _,
        slip_deletes, pcr_error, duplicates, chimeras, gc_width,
    ) = numbers  # fmt: skip
    np.random.seed(seed)
    dna, end, slip, unit, hot = molecules
    total = len(dna)
    fragment = np.empty(2 * LONGEST_FRAGMENT, np.uint8)
    spots = np.zeros((2 * LONGEST_FRAGMENT, 2), np.float32)
    other = np.empty(2 * LONGEST_FRAGMENT, np.uint8)
    other_spots = np.zeros((2 * LONGEST_FRAGMENT, 2), np.float32)
    pair = 0
    while pair < len(bases):
        n = _fragment(dna, end, slip, unit, hot, total, insert_mean, insert_sd, gc_width,
                      slip_deletes, pcr_error, fragment, spots)  # fmt: skip
        if n == 0:
            continue
        chimera = np.random.random() < chimeras
        m = 0
        if chimera:
            m = _fragment(dna, end, slip, unit, hot, total, insert_mean, insert_sd, gc_width,
                          slip_deletes, pcr_error, other, other_spots)  # fmt: skip
        turned = np.random.random() < 0.5
        copies = 1
        while np.random.random() < duplicates and copies < 6:
            copies += 1
        for _ in range(copies):
            if pair == len(bases):
                break
            for mate in range(2):
                reverse = (mate == 1) != turned
                start = quality_start - (mate_drop if mate else 0.0)
                if m > 0 and mate == 1:
                    _read(
                        other,
                        other_spots,
                        m,
                        reverse,
                        adapters[mate],
                        levels,
                        start,
                        quality_drop,
                        quality_sd,
                        drift_sd,
                        bad_tail,
                        miscalibration,
                        context,
                        lag,
                        insertion,
                        deletion,
                        bases[pair, mate],
                        quality[pair, mate],
                    )
                else:
                    _read(
                        fragment,
                        spots,
                        n,
                        reverse,
                        adapters[mate],
                        levels,
                        start,
                        quality_drop,
                        quality_sd,
                        drift_sd,
                        bad_tail,
                        miscalibration,
                        context,
                        lag,
                        insertion,
                        deletion,
                        bases[pair, mate],
                        quality[pair, mate],
                    )
            pair += 1


@njit(cache=True)
def _fragment(
    dna, end, slip, unit, hot, total, mean, sd, gc_width, slip_deletes, pcr_error, out, spots
):
    """Copy a fragment with the slips and errors of PCR into out; its length, or 0 for none."""
    size = int(mean * np.exp(np.random.normal(0.0, sd / mean)))
    size = min(max(size, 60), LONGEST_FRAGMENT)
    start = np.random.randint(0, total)
    if start + size > end[np.searchsorted(end, start, side="right")]:
        return 0
    n_gc = 0
    for i in range(start, start + size):
        if dna[i] == 1 or dna[i] == 2:
            n_gc += 1
        if dna[i] > 3:
            return 0
    z = (n_gc / size - 0.42) / gc_width
    if np.random.random() > np.exp(-0.5 * z * z):
        return 0
    n = 0
    i = start
    while i < start + size:
        if slip[i] > 0 and np.random.random() < slip[i]:
            u = np.int64(unit[i])
            if np.random.random() < 0.12:
                u *= 2
            if np.random.random() < slip_deletes:
                i += u
                continue
            for k in range(u):
                out[n] = dna[i + k]
                spots[n, 0] = 0
                spots[n, 1] = 0
                n += 1
        out[n] = dna[i]
        spots[n, 0] = hot[i, 0]
        spots[n, 1] = hot[i, 1]
        if np.random.random() < pcr_error:
            out[n] = (out[n] + np.random.randint(1, 4)) % 4
        n += 1
        i += 1
        if n >= len(out) - 8:
            break
    return n


@njit(cache=True)
def _read(
    fragment, spots, n, reverse, adapter, levels, start, drop, sd, drift_sd, bad_tail,
    miscalibration, context, lag, insertion, deletion, bases, quality,
):  # fmt: skip
    """Read a fragment from one end."""
    length = len(bases)
    level = start + np.random.normal(0.0, sd)
    tail = np.random.randint(length // 4, length) if np.random.random() < bad_tail else length
    drift = 0.0
    i = 0  # next base of the fragment
    one, two = np.uint8(4), np.uint8(4)  # true bases before
    for c in range(length):
        drift = 0.85 * drift + np.random.normal(0.0, drift_sd * 0.53)
        q = level - drop * (c / length) ** 2 + drift
        if c >= tail:
            q = 8.0 + 0.3 * drift
        special = 0.0
        if i < n:
            at = n - 1 - i if reverse else i
            base = np.uint8(3 - fragment[at]) if reverse else fragment[at]
            special = spots[at, 1 if reverse else 0]
        elif i - n < len(adapter):
            base = adapter[i - n]
        else:
            base = np.uint8(0)
        after_gg = one == 2 and two == 2 and base != 2
        if (after_gg and np.random.random() < 0.3) or (special > 0 and np.random.random() < 0.5):
            q -= 8.0
        q = min(max(q, 2.0), 41.0)
        if len(levels):
            best = 0
            for k in range(1, len(levels)):
                if abs(levels[k] - q) < abs(levels[best] - q):
                    best = k
            shown = levels[best]
        else:
            shown = np.floor(q + 0.5)
        p = 10.0 ** (-0.1 * q) * miscalibration
        if after_gg:
            p *= context
        p = min(p + special, 0.75)
        read = base
        if np.random.random() < p:
            wrong = np.uint8((base + np.random.randint(1, 4)) % 4)
            read = one if one < 4 and one != base and np.random.random() < lag else wrong
        bases[c] = read
        quality[c] = np.uint8(shown)
        draw = np.random.random()
        if draw < insertion:  # the next cycle reads the same base again
            continue
        i += 2 if draw < insertion + deletion else 1
        two = one
        one = base
