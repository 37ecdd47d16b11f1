"""Sites that tell people apart: single-base variants with the frequency of ALT, from a VCF."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.cohort import open_cohort
from genomed.io.formats import cohort_format
from genomed.regions import AUTOSOMES, canonical_contig

__all__ = ["SitePanel", "read_site_panel"]

_NUMBER = r"=([0-9.eE+-]+)"


@dataclass(frozen=True)
class SitePanel:
    """Sites in the order of the file, on chromosomes 1 to 22; on others where none is on these.

    Places that have several rows are left out.

    contig    : object (sites,), canonical names
    start     : int64 (sites,), 0-based
    ref, alt  : uint8 (sites,), 0 to 3 for A C G T
    frequency : float64 (sites,), of ALT; NaN where the file does not tell
    n_left_out : rows that are not single-base variants with one ALT, are on other contigs, or
                 repeated
    """

    path: str
    contig: np.ndarray
    start: np.ndarray
    ref: np.ndarray
    alt: np.ndarray
    frequency: np.ndarray
    n_left_out: int = 0

    @property
    def n_sites(self) -> int:
        """Sites."""
        return len(self.start)

    def some(self, mask: np.ndarray) -> SitePanel:
        """Those chosen by a bool mask."""
        arrays = (self.contig, self.start, self.ref, self.alt, self.frequency)
        contig, start, ref, alt, frequency = (array[mask] for array in arrays)
        return SitePanel(self.path, contig, start, ref, alt, frequency, self.n_left_out)

    def table(self) -> pl.DataFrame:
        """site (place), contig, position (1-based), ref, alt."""
        bases = np.array(list("ACGT"), object)
        return pl.DataFrame(
            {
                "site": np.arange(self.n_sites),
                "contig": pl.Series(self.contig.tolist(), dtype=pl.Utf8),
                "position": self.start + 1,
                "ref": pl.Series(bases[self.ref].tolist(), dtype=pl.Utf8),
                "alt": pl.Series(bases[self.alt].tolist(), dtype=pl.Utf8),
            }
        )


def read_site_panel(path: str | Path, *, threads: int = 1) -> SitePanel:
    """Read a panel from VCF, VCF.gz or BCF, with or without genotypes.

    The frequency of ALT is INFO/AF, else INFO/AC / INFO/AN, else that of the genotypes in the file.
    """
    name = cohort_format(str(path))
    if name not in ("vcf", "bcf"):
        raise InputError(f"{path}: --sites takes a VCF or BCF; give one with AF in INFO")
    frames = []
    try:
        reader = open_cohort(str(path), threads=threads, fields=("info",))
        with closing(reader):
            for batch in reader.iter_batches():
                called = batch.alt_count >= 0
                copies = np.where(called, batch.alt_count, 0).sum(axis=1)
                with np.errstate(invalid="ignore"):
                    seen = copies / (2.0 * called.sum(axis=1))
                frames.append(batch.variants.with_columns(pl.Series("seen", seen)))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check --sites") from None
    if not frames:
        raise InputError(f"{path}: holds no sites; give a VCF of common single-base variants")
    return _panel(str(path), pl.concat(frames))


def _panel(path: str, rows: pl.DataFrame) -> SitePanel:
    contigs = {name: canonical_contig(name) for name in rows["contig"].unique()}
    others = {name for name in contigs.values() if name not in AUTOSOMES}
    kept = list(AUTOSOMES) if len(others) < len(set(contigs.values())) else sorted(others)
    info = pl.col("info")
    stated = info.str.extract("(?:^|;)AF" + _NUMBER).cast(pl.Float64, strict=False)
    ac, an = (
        info.str.extract(f"(?:^|;){name}{_NUMBER}").cast(pl.Float64, strict=False)
        for name in ("AC", "AN")
    )
    frame = (
        rows.with_columns(
            pl.col("contig").replace_strict(contigs, return_dtype=pl.Utf8),
            frequency=pl.coalesce(
                stated,
                pl.when(an > 0).then(ac / an),
                pl.when(pl.col("seen").is_not_nan()).then("seen"),
            ),
        )
        .filter(
            pl.col("contig").is_in(kept)
            & (pl.col("n_alts") == 1)
            & pl.col("ref").is_in(list("ACGT"))
            & pl.col("alt").is_in(list("ACGT"))
        )
        .unique(["contig", "position"], keep="none", maintain_order=True)
    )
    if not frame.height:
        raise InputError(
            f"{path}: none of its {rows.height} rows is a single-base variant with one ALT; give "
            "a VCF of common ones"
        )
    number = {base: i for i, base in enumerate("ACGT")}
    ref, alt = (
        frame[name].replace_strict(number, return_dtype=pl.UInt8).to_numpy()
        for name in ("ref", "alt")
    )
    frequency = frame["frequency"].fill_null(float("nan")).to_numpy()
    if ((frequency < 0) | (frequency > 1)).any():
        at = int(np.flatnonzero((frequency < 0) | (frequency > 1))[0])
        raise InputError(
            f"{path}, line {frame['line'][at]}: AF {frequency[at]} is no frequency; correct it"
        )
    return SitePanel(
        path, frame["contig"].to_numpy().astype(object), frame["position"].to_numpy() - 1, ref, alt,
        frequency, rows.height - frame.height,
    )  # fmt: skip
