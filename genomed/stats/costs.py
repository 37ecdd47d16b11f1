"""What a command will cost: processor time, memory and disc, from the sizes of what it reads.

A cost is a sum of coefficients times terms, such as calls or pairs of samples. The terms are here;
their coefficients are fitted to measured runs by benchmarks/costs/fit.py, which leaves the table
genomed/costs.toml. A command of several steps, as `structure` is, has a part for each: time adds
up, of memory the hungriest step counts.

Processor time is told apart in what one thread does alone and what any number do together (Amdahl).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from genomed.settings import TrainSettings

__all__ = ["Coefficients", "Cost", "estimate", "parts_of", "terms"]

Terms = dict[str, float]
Coefficients = Mapping[str, Mapping[str, Mapping[str, float]]]  # part -> quantity -> term -> value

QUANTITIES = ("serial_s", "parallel_s", "memory_mb", "disk_mb", "gpu_mb")
BATCH_ROWS = 1 << 16  # most rows of a block, however few the people
QUEUED_ROWS = 8 << 15  # rows of a table that wait to be written, at most
EXACT_SAMPLES = 5000  # up to here components are found by way of the relationship matrix
WHOLE_TILE, TILE = 4.096, 2.048  # thousands of samples: all pairs at once up to here, else so many


@dataclass(frozen=True)
class Cost:
    """Of one job.

    serial_s, parallel_s : processor seconds on the reference machine, alone and together
    memory_mb, disk_mb, gpu_mb : MB, 2^20 bytes: the peak, and what is written
    """

    serial_s: float = 0.0
    parallel_s: float = 0.0
    memory_mb: float = 0.0
    disk_mb: float = 0.0
    gpu_mb: float = 0.0

    @property
    def cpu_s(self) -> float:
        """Processor seconds."""
        return self.serial_s + self.parallel_s

    def wall_s(self, threads: int, speed: float = 1.0) -> float:
        """Seconds by the clock on an idle machine, so many times as quick as the reference."""
        return (self.serial_s + self.parallel_s / max(1, threads)) / speed


def estimate(
    coefficients: Coefficients, rule: str, sizes: Mapping[str, float], steps: Iterable[str] = ()
) -> Cost:
    """Cost of a job.

    coefficients : as genomed/costs.toml holds them
    sizes        : see `terms`
    steps        : of a rule with steps, those that are done
    Raises ValueError for a rule that has no model.
    """
    if rule not in _TERMS:
        raise ValueError(f"there is no cost model of {rule!r}; there are {', '.join(_TERMS)}")
    totals = dict.fromkeys(QUANTITIES, 0.0)
    most = {"memory_mb": 0.0, "gpu_mb": 0.0}
    known = terms(rule, sizes)
    for part in parts_of(rule, steps):
        for quantity, weights in coefficients.get(part, {}).items():
            value = sum(weight * known[term] for term, weight in weights.items())
            if part != rule and quantity in most:
                most[quantity] = max(most[quantity], value)
            else:
                totals[quantity] += value
    for quantity, value in most.items():
        totals[quantity] += value
    return Cost(**totals)


def parts_of(rule: str, steps: Iterable[str] = ()) -> list[str]:
    """Names of the parts of a rule in the table: the rule itself, and ``rule.step``."""
    return [rule, *(f"{rule}.{step}" for step in steps)]


def terms(rule: str, sizes: Mapping[str, float]) -> Terms:
    """What the costs of a rule are sums of.

    sizes : samples, variants and common (of a minor allele frequency of 0.01 or more) of a cohort;
            text_bytes, file_bytes; weights, models of `risk`; threads; records, read_length,
            genome, contigs, covered of alignments; draws of `evaluate`. What is not given is 0
    """
    known = {name: float(sizes.get(name, 0)) for name in _SIZES}
    found = {"one": 1.0, "threads": max(1.0, known["threads"])} | _TERMS[rule](known)
    return found


_SIZES = (
    "samples", "variants", "common", "text_bytes", "file_bytes", "weights", "models", "threads",
    "records", "read_length", "genome", "contigs", "covered", "draws", "binary", "files", "is_bcf",
    "longest",
)  # fmt: skip


def _cohort(s: Mapping[str, float]) -> Terms:
    """Thousands of samples, millions of variants, and their products: billions of calls."""
    n, m, c = s["samples"] / 1e3, s["variants"] / 1e6, s["common"] / 1e6
    text_gb = s["text_bytes"] / 1e9
    return {
        "samples": n,
        "variants": m,
        "common": c,
        "calls": n * m,
        "common_calls": n * c,
        "text_gb": text_gb,
        "vcf_gb": text_gb * (1 - s["is_bcf"]),
        "bcf_gb": text_gb * s["is_bcf"],
        "file_gb": s["file_bytes"] / 1e9,
        # Of buffers that a small cohort does not fill: 1 where they are full
        "batch": min(1.0, s["samples"] * s["variants"] / (16 << 20)),
        "vcf_buffer": min(1.0, s["text_bytes"] / (96 << 20)) * (1 - s["is_bcf"]),
        "packed_buffer": min(1.0, s["samples"] * s["variants"] / 4 / (32 << 20)),
        "thread_buffers": s["threads"] * min(1.0, s["samples"] * s["variants"] / (64 << 20)),
        # Millions of rows that are looked at together: few people make long blocks
        "batch_rows": min(s["variants"], (16 << 20) / max(1.0, s["samples"])) / 1e6,
        "block_rows": min(s["variants"], _block_rows(s) * (s["threads"] + 2)) / 1e6,
        "queued_rows": min(s["variants"], QUEUED_ROWS) / 1e6,  # of a table that is being written
        "is_text": float(s["text_bytes"] > 0),
    }


def _block_rows(s: Mapping[str, float]) -> float:
    """Rows of 16 MiB of packed calls, whole words of 32 people each; a batch at most."""
    return min(BATCH_ROWS, (16 << 20) / (8 * max(1, -(-s["samples"] // 32))))


def _structure(s: Mapping[str, float]) -> Terms:
    n, c = s["samples"] / 1e3, s["common"] / 1e6
    is_exact = s["samples"] <= EXACT_SAMPLES
    packed_gb = s["samples"] * s["common"] / 4 / 2**30
    return _cohort(s) | {
        "pairs": n * n * c,  # 10^12 comparisons of two calls
        "sample_pairs": n * n,
        "tile": (n if n <= WHOLE_TILE else TILE) ** 2,
        "device_tile": min(n, 8.192) ** 2,
        "kept": min(packed_gb, 0.175),
        "exact_pairs": n * n * c if is_exact else 0.0,
        "exact_matrix": n * n if is_exact else 0.0,
        "exact_cube": n**3 if is_exact else 0.0,
        "random_calls": 0.0 if is_exact else n * c,
        "random_samples": 0.0 if is_exact else n,
        "kept_for_pca": min(packed_gb, 0.25),
    }


def _risk(s: Mapping[str, float]) -> Terms:
    n, weights = s["samples"] / 1e3, s["weights"] / 1e6
    is_text = s["text_bytes"] > 0
    variants = s["weights"] / max(1.0, s["models"])
    return _cohort(s) | {
        "weights": weights,
        "weight_samples": n * weights,
        "weight_variant_samples": n * variants / 1e6,
        "models": s["models"] / 1e3,
        "scores": n * s["models"] / 1e3,
        "text_variants": s["variants"] / 1e6 if is_text else 0.0,
        "store_variants": 0.0 if is_text else s["variants"] / 1e6,
    }


def _train(s: Mapping[str, float]) -> Terms:
    n, c = s["samples"] / 1e3, s["common"] / 1e6
    screened = min(s["common"], TrainSettings.max_screened_variants) / 1e6
    binary = s["binary"]
    return _cohort(s) | {
        "pairs_of_variants": n * screened * screened * 1e3,
        "binary": binary,
        "binary_calls": binary * n * c,
        "ridge": n * n,
    }


def _people(s: Mapping[str, float]) -> Terms:
    n = s["samples"] / 1e3
    return {"samples": n, "draws": n * s["draws"] / 1e3, "common": s["common"] / 1e6,
            "common_calls": n * s["common"] / 1e6}  # fmt: skip


def _alignments(s: Mapping[str, float]) -> Terms:
    covered = min(s["covered"], s["genome"]) or s["genome"]
    return {
        "records": s["records"] / 1e6,
        "bases_gb": s["records"] * s["read_length"] / 1e9,
        "genome_gb": s["genome"] / 1e9,
        "covered_gb": covered / 1e9,
        "file_gb": s["file_bytes"] / 1e9,
        "longest_gb": s["longest"] / 1e9,
        "reads_buffer": min(1.0, s["file_bytes"] / (32 << 20)),
        "files": s["files"],
        "contigs": s["contigs"] / 1e3,
    }


_TERMS: dict[str, Callable[[Mapping[str, float]], Terms]] = {
    "convert": _cohort,
    "qc": _cohort,
    "structure": _structure,
    "train": _train,
    "risk": _risk,
    "evaluate": _people,
    "explain": _people,
    "report": _people,
    "reads_qc": _alignments,
    "reads_call": _alignments,
}
