"""`genomed reads qc` says of every public BAM and CRAM what samtools and mosdepth say of it."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from validation.reads_judge import FILES, files_of, mosdepth, samtools

from genomed.settings import ReadsQcSettings
from genomed.steps.reads_qc import ReadsQcInputs, run_reads_qc

every_file = pytest.mark.parametrize("name", FILES)
Depths = dict[tuple[str, int], int]


def measured(name: str, out: Path, **settings) -> Path:
    """Run on one file; what its outputs begin with."""
    path, reference = files_of(name)
    reference = reference if path.suffix == ".cram" else None
    run_reads_qc(ReadsQcInputs((path,), reference), out, ReadsQcSettings(**settings), threads=2)
    return out / path.name.removesuffix(path.suffix)


def lines(prefix: Path, ending: str) -> list[list[str]]:
    path = prefix.with_name(f"{prefix.name}.{ending}")
    data = path.read_bytes()
    text = (gzip.decompress(data) if ending.endswith(".gz") else data).decode()
    return [line.split("\t") for line in text.splitlines()]


def depths(bed: list[list[str]]) -> Depths:
    """(contig, 1-based position) -> depth, of bases that anything covers."""
    return {
        (contig, at + 1): int(depth)
        for contig, start, end, depth in bed
        if depth != "0"
        for at in range(int(start), int(end))
    }


@every_file
@pytest.mark.parametrize(
    "options", [{}, {"min_mapq": 20}, {"exclude_flags": 0x704 | 0x10}], ids=str
)
def test_depth_with_both_mates_is_that_of_samtools_depth(name, options, tmp_path):
    found = depths(lines(measured(name, tmp_path, overlaps="both", per_base=True, **options),
                         "per-base.bed.gz"))  # fmt: skip
    more = ["-Q", str(options.get("min_mapq", 0))]
    more += ["-G", "0x10"] if "exclude_flags" in options else []
    judge = samtools("depth", *files_of(name), *more)
    assert found == {(c, int(p)): int(d) for c, p, d in judge if d != "0"}


def judged_by_mosdepth(name: str, tmp_path: Path, *options: str) -> Path:
    path, reference = files_of(name)
    if path.suffix == ".cram" and not path.with_name(path.name + ".crai").is_file():
        copy = tmp_path / path.name
        shutil.copy(path, copy)
        copy.chmod(0o600)
        samtools("index", copy, None)
        path = copy
    mosdepth(tmp_path / "judge", path, reference if path.suffix == ".cram" else None, *options)
    return tmp_path / "judge"


@every_file
def test_depth_is_that_of_mosdepth(name, tmp_path):
    judge = judged_by_mosdepth(name, tmp_path)
    prefix = measured(name, tmp_path / "out", per_base=True)
    found = depths(lines(prefix, "per-base.bed.gz"))
    assert found == depths(lines(judge, "per-base.bed.gz"))


@every_file
def test_summaries_classes_and_distributions_are_those_of_mosdepth(name, tmp_path):
    window = 250 if "freebayes" in name or "gatk" in name else 100_000  # others list all contigs
    judge = judged_by_mosdepth(
        name, tmp_path, "-b", str(window), "-T", "1,5,10,15,20,30,50,100", "-q", "0:1:5:150:"
    )
    prefix = measured(name, tmp_path / "out", window_bp=window)
    for ending in ("mosdepth.summary.txt", "quantized.bed.gz", "thresholds.bed.gz"):
        assert lines(prefix, ending) == lines(judge, ending), ending
    # mosdepth adds up rounded parts, so that a 5 behind the last digit may fall either way
    for ending in ("mosdepth.global.dist.txt", "mosdepth.region.dist.txt", "regions.bed.gz"):
        found, expected = lines(prefix, ending), lines(judge, ending)
        assert [row[:-1] for row in found] == [row[:-1] for row in expected], ending
        last = [[float(row[-1]) for row in rows] for rows in (found, expected)]
        np.testing.assert_allclose(*last, atol=0.0101, err_msg=ending)


@every_file
def test_counts_of_reads_are_those_of_samtools_stats(name, tmp_path):
    prefix = measured(name, tmp_path)
    row = pl.read_parquet(prefix.with_name("files.parquet")).row(0, named=True)
    more = pl.read_parquet(prefix.with_name("distributions.parquet"))
    judge = samtools("stats", *files_of(name))
    said = {line[1]: float(line[2]) for line in judge if line[0] == "SN"}
    assert row["n_reads"] == said["raw total sequences:"]
    assert row["n_mapped"] == said["reads mapped:"]
    assert row["n_paired"] == said["reads paired:"]
    assert row["n_duplicates"] == said["reads duplicated:"]
    assert row["n_failed"] == said["reads QC failed:"]
    assert row["n_secondary"] == said["non-primary alignments:"]
    assert row["n_supplementary"] == said["supplementary alignments:"]
    paired = max(said["reads paired:"], 1)
    assert (row["proper_share"] or 0) * paired == pytest.approx(said["reads properly paired:"])
    elsewhere = (row["mate_elsewhere_share"] or 0) * paired / 2
    assert int(elsewhere) == said["pairs on different chromosomes:"]
    assert row["mapq0_share"] * row["n_mapped"] == pytest.approx(said["reads MQ0:"])
    assert row["mean_read_length"] * row["n_reads"] == pytest.approx(said["total length:"])
    assert row["mean_base_quality"] == pytest.approx(said["average quality:"], abs=0.051)
    assert row["mismatch_rate"] == pytest.approx(said["error rate:"], rel=1e-5)
    mapped = samtools("view", *files_of(name), "-F", "0x904")
    mapq = np.bincount([int(line[4]) for line in mapped])
    ours = more.filter(pl.col("measure") == "mapq").select("key", "value")
    assert dict(ours.iter_rows()) == {q: n for q, n in enumerate(mapq.tolist()) if n}


@every_file
def test_sizes_of_inserts_are_those_of_samtools_stats(name, tmp_path):
    more = pl.read_parquet(measured(name, tmp_path).with_name("distributions.parquet"))
    judge = samtools("stats", *files_of(name), "-i", "8000", "-m", "1.0")
    sizes = more.filter(pl.col("measure") == "insert_size")

    def pairs(*orientations: str) -> dict[int, int]:
        some = (
            sizes.filter(pl.col("group").is_in(orientations))
            .group_by("key")
            .agg(pl.col("value").sum())
        )
        return {k: int(v) // 2 for k, v in some.select("key", "value").iter_rows() if v >= 2}

    def judged(*columns: int) -> dict[int, int]:
        rows = [(int(x[1]), sum(int(x[c]) for c in columns)) for x in judge if x[0] == "IS"]
        return {size: n for size, n in rows if n}

    assert pairs("same") == judged(5)
    either, expected = pairs("inward", "outward"), judged(3, 4)
    for size in either.keys() | expected.keys():  # samtools halves each of the two, rounded down
        assert 0 <= either.get(size, 0) - expected.get(size, 0) <= 1
    # Mates that begin at one base look at each other; samtools says so only of half of them.
    inward, outward = judged(3), judged(4)
    assert all(n >= inward.get(size, 0) for size, n in pairs("inward").items())
    assert all(n <= outward.get(size, 0) for size, n in pairs("outward").items())


@every_file
def test_quality_by_cycle_is_that_of_samtools_stats(name, tmp_path):
    more = pl.read_parquet(measured(name, tmp_path).with_name("distributions.parquet"))
    judge = samtools("stats", *files_of(name))
    for mate, code in (("1", "FFQ"), ("2", "LFQ")):
        expected = {}
        for line in judge:
            counts = np.array(line[2:], float) if line[0] == code else np.zeros(0)
            if counts.sum():
                expected[int(line[1])] = (counts * np.arange(len(counts))).sum() / counts.sum()
        ours = more.filter((pl.col("measure") == "cycle_quality") & (pl.col("group") == mate))
        found = dict(ours.select("key", "value").iter_rows())
        assert found == pytest.approx(expected)
