"""A .pvar: columns that are used, contigs as plink2 spells them, headers put together."""

from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from genomed.io.pvar import (
    PvarFields,
    PvarPart,
    contig_rank,
    header_text,
    merge_headers,
    pvar_contig,
    write_pvar,
)


def rows(n: int, contig: str = "chr1", **optional: str) -> pl.DataFrame:
    fixed = pl.DataFrame(
        {"contig": contig, "position": range(1, n + 1), "id": None, "ref": "A", "alt": "C"},
        schema_overrides={"id": pl.Utf8, "position": pl.Int64},
    )
    return fixed.with_columns(**{name: pl.lit(value) for name, value in optional.items()})


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_column_without_a_value_is_left_out(tmp_path: Path) -> None:
    part = PvarPart(tmp_path / "part")
    part.append(rows(2, qual=".", filter="PASS"))
    assert write_pvar(tmp_path / "x.pvar", [part], []) == ("filter",)
    assert lines(tmp_path / "x.pvar") == [
        "#CHROM\tPOS\tID\tREF\tALT\tFILTER", "1\t1\t.\tA\tC\tPASS", "1\t2\t.\tA\tC\tPASS",
    ]  # fmt: skip


def test_rows_written_before_a_column_was_needed_get_a_dot(tmp_path: Path) -> None:
    part, other = PvarPart(tmp_path / "part"), PvarPart(tmp_path / "other")
    part.append(rows(1))
    part.append(rows(1, qual="7", info="."))
    part.append(rows(1, info="AC=1"))
    other.append(rows(1, "X", filter="q10"))
    write_pvar(tmp_path / "x.pvar", [part, other], [])
    assert [line.split("\t")[5:] for line in lines(tmp_path / "x.pvar")] == [
        ["QUAL", "FILTER", "INFO"], [".", ".", "."], ["7", ".", "."], [".", ".", "AC=1"],
        [".", "q10", "."],
    ]  # fmt: skip


def test_the_size_of_batches_changes_no_byte(tmp_path: Path) -> None:
    whole = pl.concat([rows(3, qual="."), rows(2, qual="1"), rows(4, "chr2", qual=".")])
    for size in (1, 2, 9):
        part = PvarPart(tmp_path / f"part{size}")
        for first in range(0, len(whole), size):
            part.append(whole[first : first + size])
        write_pvar(tmp_path / f"{size}.pvar", [part], ["##contig=<ID=chr2>", "##contig=<ID=chr3>"])
    texts = {(tmp_path / f"{size}.pvar").read_text() for size in (1, 2, 9)}
    assert len(texts) == 1
    assert "##contig=<ID=chr2>\n#CHROM" in texts.pop()


def test_blanks_become_underscores_and_are_counted(tmp_path: Path) -> None:
    part = PvarPart(tmp_path / "part")
    part.append(rows(2, info="A=b c").with_columns(id=pl.Series(["x y", None])))
    write_pvar(tmp_path / "x.pvar", [part], [])
    assert lines(tmp_path / "x.pvar")[1:] == ["1\t1\tx_y\tA\tC\tA=b_c", "1\t2\t.\tA\tC\tA=b_c"]
    assert part.n_blanks == 3


def test_a_zst_holds_the_same_text(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    part = PvarPart(tmp_path / "part")
    part.append(rows(5))
    write_pvar(tmp_path / "x.pvar", [part], [])
    write_pvar(tmp_path / "x.pvar.zst", [part], [])
    with (tmp_path / "x.pvar.zst").open("rb") as file:
        text = zstandard.ZstdDecompressor().stream_reader(file).read()
    assert text == (tmp_path / "x.pvar").read_bytes()


def test_header_lines_that_plink2_does_not_keep_are_left_out() -> None:
    kept = ["##contig=<ID=chr1,length=9>", '##INFO=<ID=AC,Number=A,Type=Integer,Description="x">',
            "##reference=GRCh38", "##ALT=<ID=DEL,Description=\"x\">"]  # fmt: skip
    lost = ["##fileformat=VCFv4.2", "##fileDate=2020", "##source=x", "##FORMAT=<ID=GT,Number=1>",
            "##FILTER=<ID=q10>", "##contig=<ID=chr2>", "##INFO=<ID=PR,Number=0>",
            "##GATKCommandLine=<x=1>"]  # fmt: skip
    text = header_text([*kept, *lost], ["chr1"], ("info",))
    assert text.splitlines() == [*kept, "#CHROM\tPOS\tID\tREF\tALT\tINFO"]


def test_headers_are_put_together_by_what_they_declare() -> None:
    first = ["##contig=<ID=1,length=9>", "##x=1"]
    second = ["##x=1", "##contig=<ID=1>", "##contig=<ID=2>"]
    assert merge_headers([first, second]) == [*first, "##contig=<ID=2>"]


@pytest.mark.parametrize(
    ("spelt", "stored"),
    [("chr1", "1"), ("CHRX", "X"), ("chrM", "MT"), ("M", "MT"), ("23", "X"), ("26", "MT"),
     ("PAR1", "PAR1"), ("chr1_random", "chr1_random"), ("HLA-A", "HLA-A")],
)  # fmt: skip
def test_human_contigs_are_spelt_as_plink2_spells_them(spelt: str, stored: str) -> None:
    assert pvar_contig(spelt) == stored


def test_contigs_sort_as_numbers_then_letters_then_others() -> None:
    names = ["chrUn", "MT", "X", "10", "chr2", "Y", "1"]
    assert sorted(names, key=contig_rank) == ["1", "chr2", "10", "X", "Y", "MT", "chrUn"]


def test_fields_of_a_pvar_are_found_by_line(tmp_path: Path) -> None:
    text = "##INFO=<ID=AC>\n#CHROM POS ID REF ALT FILTER INFO\n"
    text += "1 1 a A C PASS AC=1\n1 2 b A C,G q10 .\n"
    (tmp_path / "x.pvar").write_text(text.replace(" ", "\t"))
    asked = pl.DataFrame({"line": [2, 2], "n_alts": [2, 2]})
    with closing(PvarFields(tmp_path / "x.pvar")) as fields:
        assert fields.header == ["##INFO=<ID=AC>"]
        found = fields.add(asked)
    assert found.select("filter", "info", "alt_number").rows() == [("q10", ".", 1), ("q10", ".", 2)]


def test_the_length_of_a_contig_is_kept_though_the_rows_spell_it_otherwise(tmp_path: Path) -> None:
    part = PvarPart(tmp_path / "part")
    part.append(rows(1, contig="1"))
    write_pvar(tmp_path / "x.pvar", [part], ["##contig=<ID=chr1,length=248956422>"])
    assert lines(tmp_path / "x.pvar")[0] == "##contig=<ID=chr1,length=248956422>"
