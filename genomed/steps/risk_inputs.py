"""What a risk run is asked for, and what it reads besides the cohort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.scorefile import read_frequencies
from genomed.regions import canonical_contig
from genomed.scores.matching import Entries

__all__ = ["ReferenceBases", "RiskInputs", "reference_frequencies"]


@dataclass(frozen=True)
class RiskInputs:
    """What to score and with what; None and empty mean "not given".

    models  : paths or names; the bundled panel when empty
    samples : names to keep
    explain : variants, ``contig:position:ref:alt``
    build   : the cohort's genome build, when the user says it
    fasta   : the reference genome; reference : a reference bundle, by path or name
    covariates : table of covariates, for models that were trained with them
    codes   : table of dated codes, for models that were trained with them
    incidence : rates by age, for absolute risks
    reads   : (sample, file of its alignments)
    groups  : FILE or FILE:COLUMN, ancestry of people as the models were trained with
    """

    cohort: str
    models: Sequence[str] = ()
    library: Path | None = None
    region: str | None = None
    samples: Sequence[str] | None = None
    fasta: Path | None = None
    reference: str | None = None
    reference_frequencies: Path | None = None
    build: str | None = None
    explain: Sequence[str] = ()
    covariates: Path | None = None
    codes: Path | None = None
    groups: str | None = None
    incidence: Path | None = None
    reads: Sequence[tuple[str, Path]] = ()

    @property
    def cohort_name(self) -> str:
        """The file's name without its folder."""
        return "standard input" if self.cohort == "-" else Path(self.cohort).name


def reference_frequencies(entries: Entries, path: Path | None) -> np.ndarray:
    """Effect-allele frequency of each entry: from the file, else from the model, else NaN."""
    table = entries.table
    own = (
        table["effect_allele_frequency"].cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
    )
    if path is None:
        return own
    known = read_frequencies(path)
    both = pl.concat(
        [
            known.select("contig", "position", "variant_id", effect_allele="allele", f="frequency"),
            known.filter(pl.col("other_allele").is_not_null()).select(
                "contig",
                "position",
                "variant_id",
                effect_allele="other_allele",
                f=1 - pl.col("frequency"),
            ),
        ]
    )
    for keys in (["contig", "position", "effect_allele"], ["variant_id", "effect_allele"]):
        usable = (
            both.drop_nulls(keys).unique(keys, keep="first", maintain_order=True).select(*keys, "f")
        )
        found = table.select("entry", *keys).join(
            usable, on=keys, how="left", maintain_order="left"
        )["f"]
        values = found.fill_null(float("nan")).to_numpy()
        own = np.where(np.isnan(values), own, values)
    return own


class ReferenceBases:
    """The reference base at each entry: known from a bundle, else from an indexed FASTA.

    bases : object (entries,), None where it is not known; table : entry -> ref
    """

    def __init__(self, fasta: Path | None, entries: Entries, known: np.ndarray | None) -> None:
        self.bases = np.full(entries.table.height, None, object)
        if fasta is not None:
            self.bases = _read_bases(fasta, entries)
        if known is not None:
            at = np.flatnonzero(known.astype(bool))  # not None
            self.bases[at] = known[at]
        self.table = pl.DataFrame(
            {"entry": entries.table["entry"], "ref": pl.Series(self.bases.tolist(), dtype=pl.Utf8)}
        )


def _read_bases(path: Path, entries: Entries) -> np.ndarray:
    """The base at each entry's position, object (entries,), None off the reference."""
    import pysam  # noqa: PLC0415 - few runs need it, and it takes time

    try:
        fasta = pysam.FastaFile(str(path))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: not an indexed FASTA ({error}); index it with `samtools faidx`"
        ) from None
    names = {canonical_contig(name): name for name in reversed(fasta.references)}
    return np.array(
        [
            fasta.fetch(names[c], p - 1, p).upper() or None if c in names and p else None
            for c, p in entries.table.select("contig", "position").iter_rows()
        ],
        dtype=object,
    )
