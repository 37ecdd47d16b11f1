"""Open a cohort, whatever its format, behind the one Reader contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genomed.errors import InputError, UnknownNameError
from genomed.io.bgzf import TextStream
from genomed.io.formats import cohort_format
from genomed.plugins import load
from genomed.schema import Reader

__all__ = ["open_cohort"]


def open_cohort(
    path: str,
    *,
    samples: Sequence[str] | None = None,
    dosage: str | None = None,
    threads: int = 1,
    max_batch_bytes: int = 16 << 20,
    block_thresholds: tuple[int, int] = (0, 0),
    call_thresholds: tuple[int, int] = (0, 0),
    phase: bool = False,
    fields: Sequence[str] = (),
    stream: TextStream | None = None,
) -> Reader:
    """Open a cohort; see the readers for what each option means to a format.

    call_thresholds and fields are for VCF and BCF, phase is for all but BED; other readers are not
    told of them.
    """
    name = cohort_format(path)
    options: dict[str, Any] = {
        "samples": samples,
        "dosage": dosage,
        "threads": threads,
        "max_batch_bytes": max_batch_bytes,
    }
    if name == "vcf":
        stream = stream or TextStream(path)
        options["stream"] = stream
        if stream.starts_with_bcf():
            name = "bcf"
        else:
            options["block_thresholds"] = block_thresholds
    if name in ("vcf", "bcf"):
        options |= {"call_thresholds": call_thresholds, "fields": fields}
    if name != "bed":
        options["phase"] = phase
    try:
        reader = load("reader", name)
    except UnknownNameError:
        raise InputError(f"{path}: no reader for {name}") from None
    try:
        return reader(path if name == "vcf" else Path(path), **options)
    except BaseException:
        if stream:
            stream.close()
        raise
