"""Which gene a variant belongs to: GFF3, GTF, BED, or a table of variants and genes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.text_table import read_plain_bytes
from genomed.regions import canonical_contig

__all__ = ["Genes", "read_genes"]

GENE_TYPES = frozenset({"gene", "protein_coding_gene", "ncRNA_gene", "pseudogene"})
VARIANT_COLUMNS = ("variant", "variant_id", "id", "rsid", "snp")
GENE_COLUMNS = ("gene", "gene_name", "gene_id", "symbol", "name")
_NAMES = ("Name", "gene_name", "gene", "gene_id", "ID")
_GTF = re.compile(r'(\w+)\s+"([^"]*)"')


@dataclass(frozen=True)
class Genes:
    """Genes by place or by variant.

    spans    : gene · contig (canonical) · start · end, 1-based, both included
    variants : variant (an ID, or contig:position:ref:alt) · gene
    """

    spans: pl.DataFrame
    variants: pl.DataFrame

    def of(self, table: pl.DataFrame) -> tuple[np.ndarray, list[str]]:
        """Variants and genes that belong together.

        table   : contig · position · id · ref · alt
        returns : int64 (pairs,), rows of the table; and the gene of each; in order of genes
        """
        place = table.with_row_index("row").select(
            pl.col("row").cast(pl.Int64), pl.col("contig"), pl.col("position"),
            pl.col("id"), pl.concat_str("contig", "position", "ref", "alt", separator=":")
            .alias("spelt"),
        )  # fmt: skip
        if len(self.variants):
            keys = pl.concat(
                [place.select("row", pl.col(name).alias("variant")) for name in ("id", "spelt")]
            )
            found = keys.join(self.variants, on="variant", how="inner").select("row", "gene")
        else:
            found = _inside(place, self.spans)
        found = found.unique().sort("gene", "row")
        return found["row"].to_numpy(), found["gene"].to_list()


def read_genes(path: Path) -> Genes:
    """Read genes, told by what is in the file.

    GFF3 and GTF : features of type gene; BED : contig, start, end, name, without a header
    table        : with a header, a column of variants and a column of genes
    An InputError names the file, and the line, of what is none of these.
    """
    lines = read_plain_bytes(path).decode(errors="replace").splitlines()
    rows = [
        (number, line.split("\t"))
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.startswith(("#!", "##", "track", "browser"))
    ]
    rows = [(number, cells) for number, cells in rows if cells[0][:1] != "#" or "gene" in
            _names_of(cells)]  # fmt: skip
    if not rows:
        raise InputError(f"{path}: is empty; it must name genes")
    first = rows[0][1]
    if len(first) >= 9 and first[3].isdigit() and first[4].isdigit():
        return _spans(
            path, [_feature(path, n, c) for n, c in rows if c[2:3] and c[2] in GENE_TYPES]
        )
    if len(first) >= 4 and first[1].isdigit() and first[2].isdigit():
        return _spans(path, [_bed_row(path, number, cells) for number, cells in rows])
    return _by_variant(path, rows)


def _names_of(cells: list[str]) -> list[str]:
    """Column names of a header line, in lower case."""
    return [cell.strip().lstrip("#").lower() for cell in cells]


def _spans(path: Path, rows: list[tuple[str, str, int, int]]) -> Genes:
    if not rows:
        raise InputError(f"{path}: has no feature of type gene; give a file of genes")
    schema = {"gene": pl.Utf8, "contig": pl.Utf8, "start": pl.Int64, "end": pl.Int64}
    spans = pl.DataFrame(rows, schema=schema, orient="row")
    return Genes(spans, pl.DataFrame(schema={"variant": pl.Utf8, "gene": pl.Utf8}))


def _feature(path: Path, number: int, cells: list[str]) -> tuple[str, str, int, int]:
    """A line of GFF3 or GTF."""
    if len(cells) < 9 or not (cells[3].isdigit() and cells[4].isdigit()):
        raise InputError(f"{path}, line {number}: is not a line of GFF3 or GTF; check the file")
    pairs = (part.partition("=") for part in cells[8].split(";"))
    facts = {key.strip(): value.strip() for key, sign, value in pairs if sign}
    facts = facts or dict(_GTF.findall(cells[8]))
    name = next((facts[key] for key in _NAMES if facts.get(key)), None)
    if name is None:
        raise InputError(f"{path}, line {number}: a gene without Name, gene_name or ID; name it")
    return name, canonical_contig(cells[0]), int(cells[3]), int(cells[4])


def _bed_row(path: Path, number: int, cells: list[str]) -> tuple[str, str, int, int]:
    if len(cells) < 4 or not (cells[1].isdigit() and cells[2].isdigit()):
        raise InputError(
            f"{path}, line {number}: is not contig, start, end, gene; check the BED file"
        )
    return cells[3].strip(), canonical_contig(cells[0]), int(cells[1]) + 1, int(cells[2])


def _by_variant(path: Path, rows: list[tuple[int, list[str]]]) -> Genes:
    """A table whose first line names its columns."""
    number, names = rows[0][0], _names_of(rows[0][1])
    places = []
    for what, known in (("variant", VARIANT_COLUMNS), ("gene", GENE_COLUMNS)):
        found = [names.index(name) for name in known if name in names]
        if not found:
            raise InputError(
                f"{path}, line {number}: no column {what}; give GFF3, BED (contig, start, end, "
                "gene), or a table with tabs between and columns variant and gene"
            )
        places.append(found[0])
    found_rows = []
    for number, cells in rows[1:]:
        if len(cells) != len(names):
            raise InputError(
                f"{path}, line {number}: has {len(cells)} fields, the header {len(names)}; fix it"
            )
        found_rows.append((cells[places[0]].strip(), cells[places[1]].strip()))
    schema = {"variant": pl.Utf8, "gene": pl.Utf8}
    table = pl.DataFrame(found_rows, schema=schema, orient="row").filter(
        (pl.col("variant") != "") & (pl.col("gene") != "")
    )
    spans = {"gene": pl.Utf8, "contig": pl.Utf8, "start": pl.Int64, "end": pl.Int64}
    return Genes(pl.DataFrame(schema=spans), table)


def _inside(place: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Variants whose position lies in a span: row · gene."""
    parts = [pl.DataFrame(schema={"row": pl.Int64, "gene": pl.Utf8})]
    names = {name: canonical_contig(name) for name in place["contig"].unique()}
    place = place.with_columns(pl.col("contig").replace_strict(names, return_dtype=pl.Utf8))
    for (contig,), here in place.sort("position").group_by("contig", maintain_order=True):
        genes = spans.filter(pl.col("contig") == contig)
        position, row = here["position"].to_numpy(), here["row"].to_numpy()
        first = np.searchsorted(position, genes["start"].to_numpy(), "left")
        stop = np.searchsorted(position, genes["end"].to_numpy(), "right")
        counts = np.maximum(stop - first, 0)
        starts = np.repeat(first - np.cumsum(counts) + counts, counts)
        chosen = row[starts + np.arange(counts.sum())]
        gene = genes["gene"].gather(np.repeat(np.arange(len(genes)), counts))
        parts.append(pl.DataFrame({"row": chosen, "gene": gene}))
    return pl.concat(parts)
