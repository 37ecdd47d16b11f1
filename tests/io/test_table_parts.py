"""A table written block by block."""

import gzip
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from genomed.io.table_parts import TableParts

SCHEMA = {"name": pl.Utf8, "at": pl.Int64, "kind": pl.Utf8, "n": pl.Int32, "p": pl.Float64,
          "pass": pl.Boolean}  # fmt: skip


def rows(first: int, stop: int) -> pl.DataFrame:
    return pl.DataFrame(
        [(f"v{i}", i, "x", None if i % 3 else i, i / 7 if i % 2 else None, i % 5 == 0)
         for i in range(first, stop)],
        schema=SCHEMA,
        orient="row",
    )  # fmt: skip


def write(folder: Path, *steps: int) -> Path:
    """Write rows 0, 1, ... in the given steps."""
    folder.mkdir(exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        files = folder / "t.tsv.gz", folder / "t.parquet"
        table = TableParts(*files, SCHEMA, {"key": "value"}, pool)
        for first, stop in zip((0, *steps), steps, strict=False):
            table.add(rows(first, stop))
        table.finish()
    return folder


def test_both_files_hold_all_rows_in_order(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("genomed.io.table_parts.BLOCK_ROWS", 4)
    write(tmp_path, 3, 11, 12, 21)

    assert_frame_equal(pl.read_parquet(tmp_path / "t.parquet"), rows(0, 21))
    text = gzip.decompress((tmp_path / "t.tsv.gz").read_bytes())
    told = pl.read_csv(text, separator="\t", schema_overrides=SCHEMA)
    assert_frame_equal(told, rows(0, 21), rel_tol=5e-6)
    assert pl.read_parquet_metadata(tmp_path / "t.parquet")["key"] == "value"


def test_how_rows_arrive_changes_no_byte(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("genomed.io.table_parts.BLOCK_ROWS", 5)
    one, other = write(tmp_path / "a", 1, 2, 19, 23), write(tmp_path / "b", 23)

    for name in ("t.tsv.gz", "t.parquet"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_no_rows_leave_a_header(tmp_path) -> None:
    write(tmp_path)

    text = gzip.decompress((tmp_path / "t.tsv.gz").read_bytes()).decode()
    assert text == "\t".join(SCHEMA) + "\n"
    assert pl.read_parquet(tmp_path / "t.parquet").schema == SCHEMA


@pytest.mark.parametrize("name", ["t.tsv.gz", "t.parquet"])
def test_a_file_that_cannot_be_written_is_said_and_nothing_waits(
    tmp_path, monkeypatch, name: str
) -> None:
    monkeypatch.setattr("genomed.io.table_parts.BLOCK_ROWS", 1)
    (tmp_path / name).mkdir()

    with pytest.raises(OSError, match="directory"):
        write(tmp_path, 50)


def test_a_table_that_is_not_finished_lets_go_of_its_files(tmp_path) -> None:
    with ThreadPoolExecutor(2) as pool:
        table = TableParts(tmp_path / "t.tsv.gz", tmp_path / "t.parquet", SCHEMA, {}, pool)
        table.add(rows(0, 5))
        table.close()
    assert table._parquet.done()


@pytest.mark.parametrize("name", ["samples", "variants"])
def test_multiqc_sections_are_json_with_data(tmp_path, name: str) -> None:
    import json

    from genomed.io.multiqc import multiqc_texts

    columns = ["call_rate", "f", "titv", "het_hom_ratio", "n_singleton", "x_f", "y_call_rate"]
    samples = pl.DataFrame(
        {"sample": ["a", "b"], **{name: [0.5, None] for name in columns}, "sex": ["male", None],
         "declared_sex": [None, None], "reason": ["", "outlier"], "pass": [True, False]}
    )  # fmt: skip
    texts = multiqc_texts(
        "c.vcf", samples, {"kept": 3, "dropped": {"hwe": 1}}, {"hwe": "off"},
        {"measured": 2, "kept": 1},
    )  # fmt: skip

    section = json.loads(texts[f"qc_{name}_mqc.json"])
    assert {"id", "section_name", "description", "plot_type", "pconfig", "data"} <= set(section)
    expected = {
        "samples": {"b": {"reason": "outlier"},
                    "a": {**dict.fromkeys(columns, 0.5), "sex": "male", "reason": ""}},
        "variants": {"c.vcf": {"kept": 3, "hwe": 1}},
    }  # fmt: skip
    assert section["data"] == expected[name]
