"""Sites to be called whatever the reads show: the alleles of a VCF."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pysam

from genomed.errors import InputError

__all__ = ["read_site_alleles"]


def read_site_alleles(path: Path) -> pl.DataFrame:
    """Read contig, position (1-based), ref and alt of a VCF or BCF, one row per alternative allele.

    Raises InputError where it cannot be read.
    """
    rows = []
    told = pysam.set_verbosity(0)  # the error says it
    try:
        with pysam.VariantFile(str(path)) as file:
            file.subset_samples([])
            for record in file:
                rows += [(record.contig, record.pos, record.ref, alt) for alt in record.alts or ()]
    except (OSError, ValueError) as error:
        after = f" after {rows[-1][0]}:{rows[-1][1]}" if rows else ""
        raise InputError(
            f"{path}: cannot be read as VCF or BCF{after} ({error}); check it with `bcftools view`"
        ) from None
    finally:
        pysam.set_verbosity(told)
    schema = {"contig": pl.Utf8, "position": pl.Int64, "ref": pl.Utf8, "alt": pl.Utf8}
    return pl.DataFrame(rows, schema=schema, orient="row")
