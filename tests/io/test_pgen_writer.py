"""PgenWriter against pgenlib, plink2 and the layout of the format."""

import os
import struct
import subprocess
import threading
from pathlib import Path

import numpy as np
import pgenlib
import pytest
from datafiles import shared_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judges import plink2

from genomed.errors import InputError, OutputError
from genomed.io.pgen_writer import PgenProgress, PgenWriter

MISSING = -9
UNKNOWN = np.float32(np.nan)


def write(path: Path, *batches: np.ndarray, n_samples: int | None = None, **options) -> Path:
    """A .pgen of batches of ALT counts."""
    with PgenWriter(path, n_samples or batches[0].shape[1], **options) as writer:
        for batch in batches:
            writer.write_counts(batch)
    return path


def read_counts(path: Path) -> np.ndarray:
    """int8 (variants, samples), as pgenlib reads them."""
    with pgenlib.PgenReader(os.fsencode(path)) as reader:
        shape = reader.get_variant_ct(), reader.get_raw_sample_ct()
        counts = np.empty(shape, np.int8)
        reader.read_range(0, shape[0], counts)
    return counts


def read_phase(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Alleles int32 (variants, samples, 2), -9 missing; phased uint8 (variants, samples)."""
    with pgenlib.PgenReader(os.fsencode(path)) as reader:
        m, n = reader.get_variant_ct(), reader.get_raw_sample_ct()
        alleles, phased = np.empty((m, 2 * n), np.int32), np.empty((m, n), np.uint8)
        reader.read_alleles_and_phasepresent_range(0, m, alleles, phased)
    return alleles.reshape(m, n, 2), phased


def read_dosages(path: Path) -> np.ndarray:
    """float32 (variants, samples), NaN missing, as pgenlib reads them."""
    with pgenlib.PgenReader(os.fsencode(path)) as reader:
        m, n = reader.get_variant_ct(), reader.get_raw_sample_ct()
        dosage = np.empty((m, n), np.float32)
        for v in range(m):
            reader.read_dosages(v, dosage[v])
    dosage[dosage < 0] = np.nan
    return dosage


def types_of(path: Path) -> list[int]:
    """Types of the records of a small file, as its header gives them."""
    data = path.read_bytes()
    m, _, control = struct.unpack("<IIB", data[3:12])
    if control & 4:
        return list(data[20 : 20 + m])
    nibbles = [half for byte in data[20 : 20 + (m + 1) // 2] for half in (byte & 15, byte >> 4)]
    return nibbles[:m]


def random_calls(rng: np.random.Generator, n_variants: int, n_samples: int) -> np.ndarray:
    """int8 counts, rows from empty to full of every kind of call."""
    counts = np.zeros((n_variants, n_samples), np.int8)
    for row in counts:
        weights = rng.dirichlet([rng.choice([0.02, 0.1, 1.0])] * 4)
        row[:] = rng.choice(np.array([0, 1, 2, MISSING], np.int8), n_samples, p=weights)
        if rng.random() < 0.4:  # a common call and a few others
            row[:] = rng.choice(np.array([0, 1, 2, MISSING], np.int8))
            few = rng.integers(0, n_samples, rng.integers(0, n_samples // 6 + 2))
            row[few] = rng.choice(np.array([0, 1, 2, MISSING], np.int8), len(few))
    return counts


def random_phase(rng: np.random.Generator, counts: np.ndarray) -> np.ndarray:
    """int8 phase: rows without any, with all, and with some of it."""
    share = rng.choice([0.0, 0.5, 1.0], (len(counts), 1))
    phase = rng.integers(1, 3, counts.shape) * (rng.random(counts.shape) < share)
    return np.where(counts == 1, phase, 0).astype(np.int8)


SIZES = st.one_of(
    st.integers(1, 300),
    st.sampled_from([31, 32, 33, 63, 64, 65, 128, 255, 256, 257, 2504]),
)
SEEDS = st.integers(0, 2**32 - 1)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(n_samples=SIZES, seed=SEEDS)
def test_calls_read_back_by_pgenlib_are_those_written(tmp_path: Path, n_samples: int, seed: int):
    counts = random_calls(np.random.default_rng(seed), 30, n_samples)
    assert np.array_equal(read_counts(write(tmp_path / "x.pgen", counts)), counts)


@pytest.mark.parametrize("n_samples", [4095, 16383, 16384, 65535, 65536, 65537, 70000])
def test_many_samples_read_back_equal(tmp_path: Path, n_samples: int):
    rng = np.random.default_rng(n_samples)
    counts = random_calls(rng, 12, n_samples)
    counts[0] = 0
    counts[0, [0, n_samples - 1]] = 1  # a step that takes several bytes
    phase = random_phase(rng, counts)
    with PgenWriter(tmp_path / "x.pgen", n_samples) as writer:
        writer.write_counts(counts, phase=phase)
    assert np.array_equal(read_counts(tmp_path / "x.pgen"), counts)
    assert_phase(tmp_path / "x.pgen", counts, phase)


def assert_phase(path: Path, counts: np.ndarray, phase: np.ndarray) -> None:
    """Alleles and phase are as written; a call that is not heterozygous has none."""
    alleles, phased = read_phase(path)
    het = counts == 1
    assert np.array_equal(phased.astype(bool) & het, phase > 0)
    known = counts != MISSING
    assert np.array_equal(alleles.sum(axis=2)[known], counts[known])
    assert (alleles[~known] == MISSING).all()
    assert np.array_equal(alleles[..., 0][phase > 0], phase[phase > 0] == 2)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(n_samples=SIZES, seed=SEEDS)
def test_phase_read_back_by_pgenlib_is_that_written(tmp_path: Path, n_samples: int, seed: int):
    rng = np.random.default_rng(seed)
    counts = random_calls(rng, 30, n_samples)
    phase = random_phase(rng, counts)
    with PgenWriter(tmp_path / "x.pgen", n_samples) as writer:
        writer.write_counts(counts, phase=phase)
    assert np.array_equal(read_counts(tmp_path / "x.pgen"), counts)
    assert_phase(tmp_path / "x.pgen", counts, phase)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(n_samples=SIZES, seed=SEEDS)
def test_dosages_and_their_calls_read_back_equal(tmp_path: Path, n_samples: int, seed: int):
    rng = np.random.default_rng(seed)
    counts = random_calls(rng, 30, n_samples)
    phase = random_phase(rng, counts)
    share = rng.choice([0.0, 0.03, 0.5, 1.0], (len(counts), 1))
    known = rng.random(counts.shape) < share
    dosage = np.where(known, rng.random(counts.shape) * 2, UNKNOWN).astype(np.float32)
    near = known & (rng.random(counts.shape) < 0.5)
    dosage[near] = np.round(dosage[near])
    with PgenWriter(tmp_path / "x.pgen", n_samples) as writer:
        writer.write_counts(counts, phase=phase, dosage=dosage)
    fine = np.floor(dosage.astype(np.float64) * 16384 + 0.5)
    nearest = np.floor(fine / 16384 + 0.5)
    made = np.where(np.abs(fine - nearest * 16384) <= 1638, nearest, MISSING)
    expected = np.where(known, made, counts).astype(np.int8)
    assert np.array_equal(read_counts(tmp_path / "x.pgen"), expected)
    called = np.where(counts == MISSING, np.nan, counts)
    assert np.allclose(
        read_dosages(tmp_path / "x.pgen"),
        np.where(known, fine / 16384, called),
        rtol=0,
        atol=1e-6,
        equal_nan=True,
    )
    assert_phase(tmp_path / "x.pgen", expected, np.where(expected == 1, phase, 0))


def test_haploid_calls_are_stored_as_two_copies(tmp_path: Path):
    counts = np.array([[0, 1, 1, MISSING, 2]], np.int8)
    ploidy = np.array([[1, 1, 2, 2, 2]], np.int8)
    with PgenWriter(tmp_path / "x.pgen", 5) as writer:
        writer.write_counts(counts, ploidy=ploidy)
    assert read_counts(tmp_path / "x.pgen").tolist() == [[0, 2, 1, MISSING, 2]]


def test_haploid_dosage_is_doubled(tmp_path: Path):
    counts = np.array([[0, 1, 0]], np.int8)
    ploidy = np.array([[1, 1, 2]], np.int8)
    dosage = np.array([[0.25, 1.0, 0.25]], np.float32)
    with PgenWriter(tmp_path / "x.pgen", 3) as writer:
        writer.write_counts(counts, ploidy=ploidy, dosage=dosage)
    assert read_counts(tmp_path / "x.pgen").tolist() == [[MISSING, 2, MISSING]]
    assert read_dosages(tmp_path / "x.pgen").tolist() == [[0.5, 2.0, 0.25]]


def test_packed_rows_and_counts_give_the_same_bytes(tmp_path: Path):
    counts = random_calls(np.random.default_rng(5), 400, 77)
    write(tmp_path / "counts.pgen", counts)
    codes = np.full((400, 96), 3, np.uint64)
    codes[:, :77] = counts & 3
    shifts = 2 * np.arange(32, dtype=np.uint64)
    words = np.bitwise_or.reduce(codes.reshape(400, 3, 32) << shifts, axis=2)
    with PgenWriter(tmp_path / "words.pgen", 77) as writer:
        writer.write_packed(words)
    assert (tmp_path / "words.pgen").read_bytes() == (tmp_path / "counts.pgen").read_bytes()


@pytest.mark.parametrize(("threads", "batch"), [(1, 1), (1, 37), (3, 1), (3, 1000)])
def test_bytes_do_not_depend_on_threads_or_batches(tmp_path: Path, threads: int, batch: int):
    counts = random_calls(np.random.default_rng(7), 500, 2504)
    whole = write(tmp_path / "whole.pgen", counts).read_bytes()
    parts = [counts[first : first + batch] for first in range(0, 500, batch)]
    assert write(tmp_path / "x.pgen", *parts, threads=threads).read_bytes() == whole


def test_more_variants_than_a_block_of_the_header(tmp_path: Path):
    rng = np.random.default_rng(11)
    counts = rng.choice(np.array([0, 1, 2, MISSING], np.int8), (140001, 5))
    assert np.array_equal(read_counts(write(tmp_path / "x.pgen", counts)), counts)
    phase = random_phase(rng, counts)
    with PgenWriter(tmp_path / "y.pgen", 5) as writer:
        writer.write_counts(counts, phase=phase)
    assert_phase(tmp_path / "y.pgen", counts, phase)


def test_each_kind_of_record_is_chosen_where_it_is_smallest(tmp_path: Path):
    counts = np.zeros((6, 1000), np.int8)
    counts[0, ::100] = 1
    counts[1] = 2
    counts[2] = MISSING
    counts[3, ::3] = 1
    counts[4] = np.tile([0, 1, 2, MISSING], 250)
    counts[5] = 1
    assert types_of(write(tmp_path / "x.pgen", counts)) == [4, 6, 7, 1, 0, 1]


def test_resumed_store_has_the_bytes_of_one_written_at_once(tmp_path: Path):
    counts = random_calls(np.random.default_rng(13), 300, 100)
    whole = write(tmp_path / "whole.pgen", counts).read_bytes()
    first = PgenWriter(tmp_path / "x.pgen", 100)
    first.write_counts(counts[:120])
    progress = first.flush()
    assert progress.n_variants == 120
    first.write_counts(counts[200:])  # what a run that was killed had begun
    first.leave()
    with PgenWriter(tmp_path / "x.pgen", 100, resume=PgenProgress(*progress)) as second:
        second.write_counts(counts[120:])
    assert (tmp_path / "x.pgen").read_bytes() == whole
    assert [path.name for path in tmp_path.glob("x.*")] == ["x.pgen"]


def test_pieces_join_to_the_bytes_of_one_store(tmp_path: Path):
    counts = random_calls(np.random.default_rng(17), 300, 100)
    whole = write(tmp_path / "whole.pgen", counts).read_bytes()
    for name, rows in (("a", counts[:7]), ("b", counts[7:])):
        piece = PgenWriter(tmp_path / name, 100)
        piece.write_counts(rows)
        piece.leave()
    with PgenWriter(tmp_path / "x.pgen", 100) as writer:
        writer.append_piece(tmp_path / "a")
        writer.append_piece(tmp_path / "b")
    assert (tmp_path / "x.pgen").read_bytes() == whole


def test_piece_that_was_cut_off_is_refused(tmp_path: Path):
    piece = PgenWriter(tmp_path / "a", 100)
    piece.write_counts(random_calls(np.random.default_rng(19), 30, 100))
    piece.leave()
    os.truncate(tmp_path / "a.body", 50)
    writer = PgenWriter(tmp_path / "x.pgen", 100)
    with pytest.raises(InputError, match="not whole"):
        writer.append_piece(tmp_path / "a")
    writer.abort()
    with pytest.raises(InputError, match="start without resuming"):
        PgenWriter(tmp_path / "a", 100, resume=PgenProgress(30, 500))


def write_and_fail(path: Path) -> None:
    with PgenWriter(path, 3) as writer:
        writer.write_counts(np.zeros((2, 3), np.int8))
        raise RuntimeError("mine")


def test_failure_leaves_nothing(tmp_path: Path):
    with pytest.raises(RuntimeError, match="mine"):
        write_and_fail(tmp_path / "x.pgen")
    assert not list(tmp_path.iterdir())


def test_threads_end_with_the_writer(tmp_path: Path):
    write(tmp_path / "x.pgen", np.zeros((2, 3), np.int8), threads=4)
    assert not [t for t in threading.enumerate() if t.name.startswith("genomed-encode")]


@pytest.mark.parametrize(
    "counts", [np.zeros((2, 4), np.int8), np.zeros((2, 3), np.int32), np.zeros(3, np.int8)]
)
def test_array_of_another_shape_or_kind_is_refused(tmp_path: Path, counts: np.ndarray):
    writer = PgenWriter(tmp_path / "x.pgen", 3)
    with pytest.raises((ValueError, IndexError)):
        writer.write_counts(counts)
    writer.abort()


def test_missing_folder_is_an_output_error(tmp_path: Path):
    with pytest.raises(OutputError, match="No such file"):
        PgenWriter(tmp_path / "none" / "x.pgen", 3)


@pytest.mark.parametrize("room", [10_000, 330_000, 520_000])
def test_full_disc_is_an_output_error_and_leaves_nothing(tmp_path: Path, room: int):
    """Room for part of the records; for all of them; for half of the final file."""
    counts = np.tile(np.array([0, 1, 2, MISSING], np.int8), (500, 625))
    disc = tmp_path / "disc"
    disc.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", disc], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        with pytest.raises(OutputError, match=r"No space left.*nothing was left"):
            write(disc / "x.pgen", counts)
        assert not list(disc.iterdir())
    finally:
        subprocess.run(["umount", disc], check=True)


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(n_samples=SIZES, seed=SEEDS)
def test_plink2_validates_what_was_written(tmp_path: Path, n_samples: int, seed: int):
    rng = np.random.default_rng(seed)
    counts = random_calls(rng, 700, n_samples)
    dosage = np.where(rng.random(counts.shape) < 0.3, rng.random(counts.shape) * 2, np.nan)
    with PgenWriter(tmp_path / "x.pgen", n_samples, nonref=True) as writer:
        writer.write_counts(counts[:200])
        writer.write_counts(counts[200:400], phase=random_phase(rng, counts[200:400]))
        writer.write_counts(counts[400:], dosage=dosage[400:].astype(np.float32))
    people = "".join(f"s{i}\tNA\n" for i in range(n_samples))
    (tmp_path / "x.psam").write_text(f"#IID\tSEX\n{people}")
    rows = "".join(f"1\t{i + 1}\tv{i}\tA\tC\n" for i in range(700))
    (tmp_path / "x.pvar").write_text(f"#CHROM\tPOS\tID\tREF\tALT\n{rows}")
    plink2(tmp_path / "log", "--pfile", tmp_path / "x", "--validate")
    plink2(tmp_path / "log", "--pfile", tmp_path / "x", "--pgen-info")
    told = (tmp_path / "log.log").read_text()
    assert "Variants: 700" in told
    assert f"Samples: {n_samples}" in told


def test_real_calls_take_no_more_than_plink2_plus_three_percent(tmp_path: Path):
    vcf = shared_data("cohort/variantspark_hipster/hipster.vcf.bgz")
    theirs = plink2(
        tmp_path / "p", "--vcf", vcf, "--max-alleles", "2", "--make-pgen", "erase-phase"
    )
    theirs = theirs.with_suffix(".pgen")
    counts = read_counts(theirs)
    ours = write(tmp_path / "x.pgen", counts, threads=2)
    assert np.array_equal(read_counts(ours), counts)
    assert ours.stat().st_size <= 1.03 * theirs.stat().st_size
