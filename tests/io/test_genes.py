"""Genes are read from GFF3, GTF, BED and tables, and hold the variants inside them."""

from pathlib import Path

import polars as pl
import pytest

from genomed.errors import InputError
from genomed.io.genes import read_genes

TABLE = pl.DataFrame(
    {
        "contig": ["1", "1", "chr1", "2"],
        "position": [100, 150, 200, 150],
        "id": ["rs1", None, "rs3", "rs4"],
        "ref": ["A"] * 4,
        "alt": ["C"] * 4,
    }
)
GFF = (
    "##gff-version 3\n1\t.\tgene\t100\t150\t.\t+\t.\tID=g1;Name=ABC\n"
    "1\t.\tmRNA\t1\t900\t.\t+\t.\tID=t1\n"
)


def pairs(path: Path) -> list[tuple[int, str]]:
    rows, genes = read_genes(path).of(TABLE)
    return list(zip(rows.tolist(), genes, strict=True))


@pytest.mark.parametrize(
    "text",
    [
        GFF,
        '#!genome x\n1\tx\tgene\t100\t150\t.\t+\t.\tgene_id "E1"; gene_name "ABC";\n',
        "chr1\t99\t150\tABC\n",
        "variant\tgene\nrs1\tABC\n1:150:A:C\tABC\n",
        "#variant\tgene\nrs1\tABC\n1:150:A:C\tABC\n",
    ],
    ids=["gff3", "gtf", "bed", "table", "table with #"],
)
def test_every_format_finds_the_same_variants(tmp_path: Path, text: str) -> None:
    path = tmp_path / "genes"
    path.write_text(text)
    assert pairs(path) == [(0, "ABC"), (1, "ABC")]


def test_a_variant_in_two_genes_belongs_to_both(tmp_path: Path) -> None:
    path = tmp_path / "genes.bed"
    path.write_text("1\t0\t100\tB\n1\t0\t500\tA\n2\t0\t10\tC\n")
    assert pairs(path) == [(0, "A"), (1, "A"), (2, "A"), (0, "B")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("a\tb\n1\t2\n", "no column variant"),
        ("variant\tgene\nrs1\n", "line 2: has 1 fields"),
        ("1\t0\t100\tB\n1\tx\t500\tA\n", "line 2: is not contig, start, end, gene"),
        (GFF.replace("gene\t", "exon\t"), "no feature of type gene"),
        (GFF.replace("ID=g1;Name=ABC", "note=x"), "line 2: a gene without Name"),
    ],
)
def test_what_is_no_list_of_genes_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "genes"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_genes(path)
