"""What a `qc` run writes beside the table of variants."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from genomed.io.multiqc import multiqc_texts
from genomed.io.outputs import OutputDirectory
from genomed.ledger import QC_SAMPLES, QC_VARIANTS
from genomed.provenance import record
from genomed.settings import QcSettings
from genomed.steps.qc_measure import Sums
from genomed.steps.qc_people import People
from genomed.steps.qc_samples import sample_reasons
from genomed.steps.qc_source import Source

__all__ = ["QcFacts", "passing_ids", "variants_metadata", "write_outputs"]

MANY_OFF = 0.01  # of the variants: off Hardy-Weinberg equilibrium for another reason than errors


@dataclass(frozen=True)
class QcFacts:
    """The ledger of a run.

    records  : of the file: read, passed over, used, refused by reason; see schema.ReadCounts
    variants : rows, one per ALT: measured = kept + dropped by the first reason
    samples  : the same
    """

    cohort: str
    build: str | None
    records: dict[str, Any]
    variants: dict[str, Any]
    samples: dict[str, Any]
    n_trios: int
    warnings: list[str]

    @classmethod
    def of(
        cls, source: Source, people: People, settings: QcSettings, sums: Sums,
        samples: pl.DataFrame, inputs: Any,
    ) -> QcFacts:  # fmt: skip
        """Add up what was met."""
        counts = source.counts
        records = {
            "n_records": counts.n_records,
            "n_passed_over": counts.n_passed_over,
            "n_emitted": counts.n_emitted,
            "refused": dict(counts.refused),
            "notes": dict(counts.notes),
        }
        variants = {
            "measured": sums.n_rows,
            "kept": sums.n_passed,
            "dropped": {code: sums.reasons[code] for code in QC_VARIANTS if sums.reasons[code]},
            "places": {k: n for k, n in sums.places.items() if n},
            "kinds": {k: n for k, n in sums.kinds.items() if n},
        }
        first = sample_reasons(samples)
        of_samples = {
            "measured": len(samples),
            "kept": int(samples["pass"].sum()),
            "dropped": {code: first[code] for code in QC_SAMPLES if first[code]},
        }
        n_trios = len(people.trios.child)
        warnings = [*people.warnings, *_warnings(source, people, sums, samples)]
        return cls(inputs.cohort, source.build, records, variants, of_samples, n_trios, warnings)


def _warnings(source: Source, people: People, sums: Sums, samples: pl.DataFrame) -> list[str]:
    said = []
    for code, n in source.counts.refused.items():
        said.append(f"{n} records were refused ({code}).")
    if not len(samples):
        said.append("The cohort has no samples: nothing can be said of its variants.")
    if not sums.n_rows:
        said.append("No variants were read.")
    on_x_or_y = sums.places["X"] + sums.places["Y"]
    if on_x_or_y and source.build is None:
        said.append(
            "The build is not known, so no variant on X or Y is taken for pseudo-autosomal; "
            "--build tells."
        )
    if on_x_or_y and len(samples) and not people.sex.any():
        said.append(
            "Nobody's sex is declared: calls on X count as diploid, and Y is left out; --psam or "
            "--fam tells."
        )
    off = sums.reasons["hwe"]
    if people.group is None and off > MANY_OFF * sums.n_rows:
        said.append(
            f"{off:,} variants are off Hardy-Weinberg equilibrium, more than errors explain: "
            "people of several ancestries together look like this; --groups tests within each."
        )
    ambiguous = samples.filter(pl.col("sex_status") == "ambiguous")["sample"].to_list()
    if ambiguous:
        said.append(f"X and Y disagree on the sex of {', '.join(ambiguous[:5])}; not a failure.")
    return said


def passing_ids(rows: pl.DataFrame) -> bytes:
    """IDs of the rows that pass, for plink2 --extract; CHROM:POS:REF:ALT where there is none."""
    ids = rows.filter("pass").select("id")
    if ids["id"].null_count():
        key = pl.concat_str("contig", "position", "ref", "alt", separator=":")
        ids = rows.filter("pass").select(pl.coalesce("id", key))
    return ids.write_csv(include_header=False, quote_style="never").encode()


def variants_metadata(settings: QcSettings) -> dict[str, str]:
    """Metadata of variants.parquet: which settings judged it."""
    return {"genomed": json.dumps({"command": "qc", "settings": asdict(settings)}, sort_keys=True)}


def write_outputs(
    directory: OutputDirectory, facts: QcFacts, samples: pl.DataFrame, people: People,
    settings: QcSettings, read: dict[str, dict[str, Any]], command: str, started: str,
) -> None:  # fmt: skip
    """Write the table of samples, the list of those that pass, MultiQC's files and run.json."""
    about = record("qc", settings, read)
    directory.write_tsv("samples.tsv", samples)
    directory.write_parquet(
        "samples.parquet", samples, {"genomed": json.dumps(about, sort_keys=True)}
    )
    directory.write_text("pass.samples", _passing_samples(people.table, samples))
    texts = multiqc_texts(
        Path(facts.cohort).name, samples, facts.variants, dict(QC_VARIANTS), facts.samples
    )
    for name, text in texts.items():
        directory.write_text(name, text)
    about |= {
        "build": facts.build,
        "records": facts.records,
        "variants": facts.variants,
        "samples": facts.samples,
        "trios": facts.n_trios,
        "warnings": facts.warnings,
        "run": {"command_line": command, "started": started},
    }
    text = json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False)
    directory.write_text("run.json", text + "\n")


def _passing_samples(people: pl.DataFrame, samples: pl.DataFrame) -> str:
    """FID and IID (IID alone where no family is known) as plink2 --keep reads them."""
    kept = people.filter(samples["pass"])
    columns = [pl.col("sample").alias("IID")]
    if people["family"].is_not_null().any():
        columns.insert(0, pl.col("family").fill_null("0").alias("FID"))
    table = kept.select(columns)
    table = table.rename({table.columns[0]: f"#{table.columns[0]}"})
    return table.write_csv(separator="\t", quote_style="never")
