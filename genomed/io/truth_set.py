"""Truth sets: the calls of one sample in a VCF or BCF, and the regions where they are all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pysam

from genomed.errors import InputError
from genomed.io.intervals import read_bed

__all__ = ["read_calls", "read_confident"]

_SCHEMA = {
    "contig": pl.String(),
    "position": pl.Int64(),
    "ref": pl.String(),
    "alts": pl.List(pl.String()),
    "allele_1": pl.Int8(),
    "allele_2": pl.Int8(),
    "score": pl.Float64(),
    "filter": pl.String(),
}


def read_calls(path: Path, *, sample: str | None = None, score: str = "QUAL") -> pl.DataFrame:
    """Calls of a sample as a table for genomed.stats.truth_match, and FILTER.

    sample : default: the first
    score  : QUAL, or a FORMAT or INFO field that holds one number
    raises : InputError where the file cannot be read, or has no such sample
    """
    rows = []
    told = pysam.set_verbosity(0)  # of headers that lack fields we do not ask for
    try:
        with pysam.VariantFile(str(path)) as file:
            names = list(file.header.samples)
            name = sample if sample is not None else (names[0] if names else None)
            if name is None:
                raise InputError(f"{path}: has no samples; give a VCF with genotypes")
            if name not in names:
                raise InputError(f"{path}: has no sample {sample!r}; give a VCF with genotypes")
            for record in file:
                call = record.samples[name]
                one, two = (*_alleles(call), -1, -1)[:2] if _alleles(call) else (-1, -1)
                if len(_alleles(call)) == 1:
                    two = one
                rows.append((
                    record.contig, record.pos, record.ref, list(record.alts or ()), one, two,
                    _score(record, call, score), ";".join(record.filter.keys()),
                ))  # fmt: skip
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as VCF or BCF ({error})") from None
    finally:
        pysam.set_verbosity(told)
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def read_confident(path: Path) -> pl.DataFrame:
    """A BED, which may be compressed, as contig, start, end (0-based), one row per line."""
    return read_bed(path).drop("name")


def _alleles(call: Any) -> tuple[int, ...]:
    return tuple(-1 if allele is None else allele for allele in call.allele_indices or ())


def _score(record: Any, call: Any, name: str) -> float | None:
    if name == "QUAL":
        value = record.qual
    else:  # asking INFO for what the header lacks is an error
        where = record.info if name in record.header.info else call
        value = where.get(name)
    value = value[0] if isinstance(value, tuple) else value
    return None if value is None else float(value)
