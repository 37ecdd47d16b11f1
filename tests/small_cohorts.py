"""Small cohorts and models written for a test, scored as a user would, and read back."""

import gzip
import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genomed.assemblies import CONTIG_LENGTHS
from genomed.io.bgzf import TextStream
from genomed.io.formats import cohort_format
from genomed.settings import RiskSettings
from genomed.steps.risk import RiskInputs, RiskSummary, run_risk

_TEXT = {
    "contig": pl.Utf8,
    "variant_id": pl.Utf8,
    "effect_allele": pl.Utf8,
    "other_allele": pl.Utf8,
}


@dataclass(frozen=True)
class Record:
    """One line of a VCF; `calls` are the sample columns, separated by blanks."""

    contig: str
    position: int
    ref: str
    alt: str
    calls: str
    id: str = "."
    info: str = "."
    format: str = "GT"

    def line(self) -> str:
        fixed = [self.contig, str(self.position), self.id, self.ref, self.alt, ".", ".", self.info]
        return "\t".join([*fixed, self.format, *self.calls.split()])


def vcf_text(
    records: Sequence[Record], samples: Sequence[str] | None = None, build: str | None = "GRCh38"
) -> str:
    """A whole VCF; contig lines carry the lengths of `build`, or none."""
    names = samples or [f"s{i}" for i in range(len(records[0].calls.split()))]
    lines = ["##fileformat=VCFv4.3"]
    for contig in dict.fromkeys(r.contig for r in records):
        length = CONTIG_LENGTHS[build].get(contig.removeprefix("chr")) if build else None
        lines.append(f"##contig=<ID={contig}{f',length={length}' if length else ''}>")
    lines.append('##INFO=<ID=END,Number=1,Type=Integer,Description="Last position">')
    lines.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
    lines.append('##FORMAT=<ID=DS,Number=A,Type=Float,Description="Dosage">')
    lines.append('##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">')
    lines.append('##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">')
    fixed = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    lines.append("\t".join([*fixed, *names]))
    return "\n".join([*lines, *(r.line() for r in records)]) + "\n"


def write_vcf(path: Path, records: Sequence[Record], **options: Any) -> Path:
    """Write `vcf_text` to a file; ``.gz`` makes it plain gzip."""
    data = vcf_text(records, **options).encode()
    path.write_bytes(gzip.compress(data, 1, mtime=0) if path.suffix == ".gz" else data)
    return path


def row(
    contig: str, position: int, effect: str, other: str | None, weight: float | str, **more: Any
) -> dict[str, Any]:
    """One row of a model file; `more` are further columns."""
    return {
        "chr_name": contig,
        "chr_position": position,
        "effect_allele": effect,
        "other_allele": other,
        "effect_weight": weight,
        **more,
    }


def write_model(
    path: Path,
    rows: Iterable[Mapping[str, Any]],
    build: str | None = "GRCh38",
    header: Mapping[str, str] | None = None,
) -> Path:
    """Write a scoring file in the PGS Catalog's form; a missing value is an empty field."""
    rows = list(rows)
    columns = list(dict.fromkeys(name for r in rows for name in r))
    lines = [f"#genome_build={build}"] if build else []
    lines += [f"#{key}={text}" for key, text in (header or {}).items()]
    lines.append("\t".join(columns))
    for r in rows:
        cells = [r.get(name) for name in columns]
        lines.append("\t".join("" if c is None else str(c) for c in cells))
    path.write_text("\n".join(lines) + "\n")
    return path


@dataclass(frozen=True)
class Scored:
    """What one run wrote, read back from its files."""

    out: Path
    summary: RiskSummary
    risk: pl.DataFrame
    models: pl.DataFrame
    ledger: pl.DataFrame

    def scores(self, model: str | None = None, column: str = "score") -> np.ndarray:
        """One number per sample, NaN for null, float64."""
        table = self.risk if model is None else self.risk.filter(pl.col("model") == model)
        return table[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()

    @property
    def reasons(self) -> list[str]:
        return self.ledger["reason"].to_list()


def read_ledger(out: Path) -> pl.DataFrame:
    with gzip.open(out / "ledger.tsv.gz") as file:
        return pl.read_csv(
            io.BytesIO(file.read()), separator="\t", quote_char=None, schema_overrides=_TEXT,
            infer_schema_length=None,
        )  # fmt: skip


def score(
    cohort: Path | str, models: Sequence[Path | str], out: Path, threads: int = 1, **options: Any
) -> Scored:
    """Run `genomed risk`; options are fields of RiskInputs or RiskSettings.

    The coverage limit is 0 unless it is given, so that every sample has a score.
    """
    chosen = {k: v for k, v in options.items() if k in RiskInputs.__dataclass_fields__}
    limits = {"min_weighted_coverage": 0.0} | {k: v for k, v in options.items() if k not in chosen}
    inputs = RiskInputs(str(cohort), tuple(str(m) for m in models), **chosen)
    with ExitStack() as stack:
        stream = None
        if cohort_format(inputs.cohort) == "vcf":
            stream = stack.enter_context(closing(TextStream(inputs.cohort)))
        summary = run_risk(inputs, out, RiskSettings(**limits), threads=threads, stream=stream)
    risk = pl.read_parquet(out / "risk.parquet")
    models_table = pl.read_csv(out / "models.tsv", separator="\t", quote_char=None)
    return Scored(out, summary, risk, models_table, read_ledger(out))
