"""PackedStore against pgenlib, its own counts, and damage."""

import shutil
import struct
from pathlib import Path

import numpy as np
import pgenlib
import polars as pl
import pytest
from packed_cohorts import ArrayStore, array_store, packed, random_counts, write_fileset

from genomed.errors import InputError
from genomed.io.packed import PackedStore, open_store
from genomed.kernels.packed import unpack_rows

CODES = (0, 1, 2, -9)


def calls(store: PackedStore, rows: np.ndarray | None = None) -> np.ndarray:
    rows = np.arange(store.n_variants) if rows is None else rows
    out = np.empty((len(rows), store.n_samples), np.int8)
    unpack_rows(store.read(rows), store.n_samples, out)
    return out


def counted(alt_count: np.ndarray) -> np.ndarray:
    return np.stack([(alt_count == code).sum(axis=1) for code in CODES], axis=1)


def record_types(prefix: Path) -> set[int]:
    kind = open_store(prefix)._index.kind  # a test of the tests: which kinds were met
    return set((kind & 7).tolist())


def random_store(seed: int, n_variants: int, n_samples: int) -> ArrayStore:
    rng = np.random.default_rng(seed)
    return array_store(random_counts(rng, n_variants, n_samples, rng.choice([0, 0.01, 0.2])))


@pytest.mark.parametrize(
    "n_samples", [1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 65, 127, 255, 256, 257, 999, 65536, 65537]
)
def test_every_call_and_count_is_what_was_written(tmp_path: Path, n_samples: int):
    made = random_store(n_samples, 60, n_samples)
    store = open_store(write_fileset(tmp_path / "made", made))
    np.testing.assert_array_equal(calls(store), made.alt_count)
    np.testing.assert_array_equal(store.count(), counted(made.alt_count))


def test_every_type_of_record_was_met(tmp_path: Path):
    made = random_store(5, 3000, 2000)
    prefix = write_fileset(tmp_path / "made", made)
    assert record_types(prefix) == {0, 1, 2, 3, 4, 6, 7}
    store = open_store(prefix)
    np.testing.assert_array_equal(calls(store), made.alt_count)
    np.testing.assert_array_equal(store.count(threads=2), counted(made.alt_count))


def test_any_rows_in_any_order_are_read(tmp_path: Path):
    made = random_store(6, 500, 300)
    store = open_store(write_fileset(tmp_path / "made", made))
    rows = np.random.default_rng(1).integers(0, 500, 700)
    np.testing.assert_array_equal(calls(store, rows), made.alt_count[rows])
    np.testing.assert_array_equal(store.count(rows), counted(made.alt_count[rows]))
    assert store.read(np.zeros(0, np.int64)).shape == (0, 10)


def test_rows_outside_the_store_are_a_value_error(tmp_path: Path):
    store = open_store(write_fileset(tmp_path / "made", random_store(6, 5, 3)))
    for rows in ([5], [-1]):
        with pytest.raises(ValueError, match=r"0 \.\. 4"):
            store.read(np.array(rows))


def test_threads_and_block_sizes_change_nothing(tmp_path: Path):
    made = random_store(7, 4000, 5000)
    store = open_store(write_fileset(tmp_path / "made", made))
    whole = packed(made.alt_count)
    for block_rows, threads in ((4096, 1), (1, 2), (1000, 3)):
        rows = np.arange(100, 3900, 7)
        blocks = list(store.blocks(rows, block_rows=block_rows, threads=threads))
        assert max(len(block.rows) for block in blocks) <= block_rows
        np.testing.assert_array_equal(np.concatenate([b.rows for b in blocks]), rows)
        np.testing.assert_array_equal(np.concatenate([b.words for b in blocks]), whole[rows])


def test_kept_samples_keep_the_order_of_the_file(tmp_path: Path):
    made = random_store(8, 200, 100)
    prefix = write_fileset(tmp_path / "made", made)
    store = open_store(prefix, samples=["s77", "s3", "s40"])
    assert store.samples == ["s3", "s40", "s77"]
    assert store.people["sample"].to_list() == store.samples
    np.testing.assert_array_equal(calls(store), made.alt_count[:, [3, 40, 77]])
    np.testing.assert_array_equal(store.count(), counted(made.alt_count[:, [3, 40, 77]]))
    some = np.array([True, False, True])
    np.testing.assert_array_equal(store.count(keep=some), counted(made.alt_count[:, [3, 77]]))
    with pytest.raises(InputError, match="no sample 'nobody'"):
        open_store(prefix, samples=["s1", "nobody"])


def with_other_tracks(folder: Path, n_samples: int = 50) -> tuple[Path, np.ndarray]:
    """A fileset with phase, several ALTs and dosages; calls as counts of any ALT."""
    rng = np.random.default_rng(9)
    store = array_store(np.zeros((90, n_samples), np.int8))
    prefix = folder / "tracks"
    expected = np.empty((90, n_samples), np.int8)
    with pgenlib.PgenWriter(
        f"{prefix}.pgen".encode(), n_samples, variant_ct=90, nonref_flags=False,
        allele_ct_limit=4, hardcall_phase_present=True, dosage_present=True,
    ) as writer:  # fmt: skip
        for v in range(90):
            n_alleles = 2 + v % 3
            alleles = rng.integers(0, n_alleles, 2 * n_samples).astype(np.int32)
            alleles[np.repeat(rng.random(n_samples) < 0.1, 2)] = -9
            if v % 5 == 4:
                dosage = rng.choice([0, 0.02, 1, 1.3, 2, -9], n_samples).astype(np.float32)
                writer.append_dosages(dosage)
                near = np.abs(dosage - dosage.round()) <= 0.1
                expected[v] = np.where(near, dosage.round(), -9)
            else:
                phased = rng.random(n_samples) < 0.5
                writer.append_partially_phased(alleles, phased, allele_ct=n_alleles)
                pairs = alleles.reshape(-1, 2)
                expected[v] = np.where(pairs[:, 0] < 0, -9, (pairs > 0).sum(axis=1))
    store.variants = store.variants.with_columns(alt=pl.Series(["C", "C,G", "C,G,T"] * 30))
    from packed_cohorts import write_tables

    write_tables(prefix, store)
    return prefix, expected


def test_tracks_behind_the_calls_are_passed_over(tmp_path: Path):
    prefix, expected = with_other_tracks(tmp_path)
    store = open_store(prefix)
    np.testing.assert_array_equal(calls(store), expected)
    np.testing.assert_array_equal(store.count(), counted(expected))
    assert store.variants["alt"][1] == "C,G"


def test_fixed_width_records_are_read(tmp_path: Path):
    made = random_store(10, 40, 37)
    prefix = write_fileset(tmp_path / "made", made)
    codes = np.where(made.alt_count < 0, 3, made.alt_count).astype(np.uint8)
    codes = np.concatenate([codes, np.zeros((40, 3), np.uint8)], axis=1).reshape(40, 10, 4)
    rows = (codes << np.arange(0, 8, 2, dtype=np.uint8)).sum(axis=2).astype(np.uint8)
    head = b"\x6c\x1b\x02" + struct.pack("<IIB", 40, 37, 0x40)
    Path(f"{prefix}.pgen").write_bytes(head + rows.tobytes())
    np.testing.assert_array_equal(calls(open_store(prefix)), made.alt_count)


def test_bed_counts_its_first_allele(tmp_path: Path):
    (tmp_path / "a.bed").write_bytes(b"\x6c\x1b\x01" + bytes([0b11_10_01_00, 0b11]))
    (tmp_path / "a.bim").write_text("1\trs1\t0\t10\tA\tC\n")
    (tmp_path / "a.fam").write_text("".join(f"f s{i} 0 0 0 -9\n" for i in range(5)))
    store = open_store(tmp_path / "a")
    assert calls(store).tolist() == [[2, -9, 1, 0, 0]]
    assert store.count().tolist() == [[2, 1, 1, 1]]
    assert store.variants.row(0) == (0, "1", 10, "rs1", "C", "A")


def test_people_have_family_parents_sex_and_phenotypes(tmp_path: Path):
    write_fileset(tmp_path / "a", random_store(1, 3, 4))
    (tmp_path / "a.psam").write_text(
        "#FID\tIID\tPAT\tMAT\tSEX\tdisease\tbmi\tplate\n"
        "0\tdad\t0\t0\t1\t1\t23.5\tA\n"
        "f\tmum\t0\t0\tF\t2\tNA\tB\n"
        "f\tchild\tdad\tmum\t2\t0\t-9\tA\n"
        "f\tx\t0\tmum\tNA\t-9\t20\tNA\n"
    )
    people = open_store(tmp_path / "a").people
    assert people["sample"].to_list() == ["dad", "mum", "child", "x"]
    assert people["family"].to_list() == [None, "f", "f", "f"]
    assert people["father"].to_list() == [None, None, "dad", None]
    assert people["mother"].to_list() == [None, None, "mum", "mum"]
    assert people["sex"].to_list() == [1, 2, 2, None]
    assert people["disease"].to_list() == [1, 2, None, None]
    assert people["bmi"].to_list() == [23.5, None, None, 20]
    assert people["plate"].to_list() == ["A", "B", "A", None]


def test_a_fam_without_header_has_parents_and_a_phenotype(tmp_path: Path):
    write_fileset(tmp_path / "a", random_store(1, 3, 3))
    (tmp_path / "a.psam").unlink()
    (tmp_path / "a.fam").write_text("1 a 0 0 1 2\n1 b 0 0 2 1\n1 c a b 0 -9\n")
    people = open_store(tmp_path / "a").people
    assert people["father"].to_list() == [None, None, "a"]
    assert people["PHENO1"].to_list() == [2, 1, None]


def test_repeated_iids_take_their_family_name_and_so_do_parents(tmp_path: Path):
    write_fileset(tmp_path / "a", random_store(1, 3, 3))
    (tmp_path / "a.psam").unlink()
    (tmp_path / "a.fam").write_text("1 a 0 0 1 2\n2 a 0 0 2 1\n2 c 0 a 0 -9\n")
    store = open_store(tmp_path / "a")
    assert store.samples == ["1_a", "2_a", "2_c"]
    assert store.people["mother"].to_list() == [None, None, "2_a"]
    assert store.notes["iid_repeated"] == 3
    (tmp_path / "a.fam").write_text("1 a 0 0 1 2\n1 a 0 0 2 1\n2 c 0 a 0 -9\n")
    with pytest.raises(InputError, match=r"'1_a' occurs twice"):
        open_store(tmp_path / "a")


def test_tables_that_disagree_with_the_calls_are_refused(tmp_path: Path):
    prefix = write_fileset(tmp_path / "a", random_store(1, 30, 4))
    pvar, psam = Path(f"{prefix}.pvar"), Path(f"{prefix}.psam")
    text = pvar.read_text()
    pvar.write_text(text + "1\t99\tx\tA\tC\n")
    with pytest.raises(InputError, match=r"a\.pvar: lists more than the 30"):
        open_store(prefix)
    pvar.write_text("".join(text.splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match="lists 29, not the 30"):
        open_store(prefix)
    pvar.write_text(text)
    psam.write_text(psam.read_text() + "more\t0\t0\tNA\n")
    with pytest.raises(InputError, match=r"names 5 samples, but .*a\.pgen holds 4"):
        open_store(prefix)
    psam.unlink()
    with pytest.raises(InputError, match=r"companion .*a\.psam is missing"):
        open_store(prefix)
    with pytest.raises(InputError, match="no such file"):
        open_store(tmp_path / "nothing")


@pytest.mark.parametrize("ending", ["", ".pgen", ".pvar", ".psam"])
def test_a_store_is_named_by_its_prefix_or_any_of_its_files(ending, tmp_path: Path):
    prefix = write_fileset(tmp_path / "a", random_store(1, 30, 4))
    assert open_store(f"{prefix}{ending}").path == Path(f"{prefix}.pgen")


def test_another_format_is_sent_to_convert(tmp_path: Path):
    (tmp_path / "my cohort.vcf.gz").write_bytes(b"")
    remedy = "not a genotype store.*`genomed convert '.*my cohort.vcf.gz' --out PREFIX`"
    with pytest.raises(InputError, match=remedy):
        open_store(tmp_path / "my cohort.vcf.gz")


def test_no_variants_make_an_empty_store(tmp_path: Path):
    prefix = write_fileset(tmp_path / "a", random_store(1, 3, 4))
    Path(f"{prefix}.pgen").write_bytes(b"\x6c\x1b\x10" + struct.pack("<IIB", 0, 4, 0x40))
    Path(f"{prefix}.pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n")
    store = open_store(prefix)
    assert (store.n_variants, store.n_samples) == (0, 4)
    assert store.variants.is_empty()
    assert store.count().shape == (0, 4)
    assert list(store.blocks()) == []


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"", "is empty"),
        (b"BCF\2\2" * 4, "not a PGEN"),
        (b"\x6c\x1b\x01" + bytes(20), r"rename it to \.bed"),
        (b"\x6c\x1b\x20" + bytes(20), "mode 0x20 is not read"),
        (b"\x6c\x1b\x10" + bytes(5), "cut off"),
        (b"\x6c\x1b\x10" + struct.pack("<IIB", 4, 0, 0), "no samples"),
        (b"\x6c\x1b\x10" + struct.pack("<IIB", 4, 4, 8) + bytes(30), "control byte"),
        (b"\x6c\x1b\x02" + struct.pack("<IIB", 2**32 - 1, 4, 0), "cut off"),
    ],
)
def test_what_is_no_pgen_is_refused(tmp_path: Path, head: bytes, what: str):
    prefix = write_fileset(tmp_path / "a", random_store(1, 4, 4))
    Path(f"{prefix}.pgen").write_bytes(head)
    with pytest.raises(InputError, match=what):
        open_store(prefix)


def test_a_file_of_any_other_length_is_refused(tmp_path: Path):
    prefix = write_fileset(tmp_path / "a", random_store(2, 40, 60))
    path = Path(f"{prefix}.pgen")
    whole = path.read_bytes()
    for n in [*range(1, 40), *range(40, len(whole), 17), len(whole) - 1]:
        path.write_bytes(whole[:n])
        with pytest.raises(InputError, match=r"a\.pgen: .*(cut off|not a PGEN|not read)"):
            open_store(prefix)
    path.write_bytes(whole + b"\0")
    with pytest.raises(InputError, match="something follows its records"):
        open_store(prefix)


@pytest.mark.parametrize("seed", range(4))
def test_a_changed_byte_is_refused_or_makes_other_calls_but_no_crash(tmp_path: Path, seed: int):
    rng = np.random.default_rng(seed)
    prefix = write_fileset(tmp_path / "a", random_store(seed, 30, int(rng.integers(30, 400))))
    path = Path(f"{prefix}.pgen")
    whole = path.read_bytes()
    refused = 0
    places = rng.permutation(len(whole))[:150]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            store = open_store(prefix)
            read = calls(store)
        except InputError:
            refused += 1
            continue
        assert set(np.unique(read)) <= set(CODES)
        np.testing.assert_array_equal(store.count(), counted(read))
    assert refused > len(places) // 10


def test_a_record_that_is_damaged_is_named(tmp_path: Path):
    made = array_store(np.zeros((3, 300), np.int8))
    made.alt_count[1, 17] = 1
    prefix = write_fileset(tmp_path / "a", made)
    path = Path(f"{prefix}.pgen")
    whole = bytearray(path.read_bytes())
    start = int(open_store(prefix)._index.start[1])
    whole[start + 1 : start + 3] = b"\xff\xff"  # sample 65535 of 300
    path.write_bytes(whole)
    store = open_store(prefix)
    for read in (store.count, lambda: store.read(np.arange(3)), lambda: list(store.blocks())):
        with pytest.raises(InputError, match=r"a\.pgen, record 2: .*--validate"):
            read()
    assert store.read(np.array([0, 2])).shape == (2, 10)


def test_difference_records_at_the_front_of_a_block_are_refused(tmp_path: Path):
    prefix = write_fileset(tmp_path / "a", random_store(5, 50, 200))
    path = Path(f"{prefix}.pgen")
    whole = bytearray(path.read_bytes())
    whole[20] = whole[20] & 0xF0 | 2  # the first type; 4 bits each
    path.write_bytes(whole)
    with pytest.raises(InputError, match="record 1"):
        open_store(prefix).count()


def test_both_spellings_of_a_path_open_the_same_store(tmp_path: Path):
    prefix = write_fileset(tmp_path / "a", random_store(5, 5, 20))
    shutil.copy(f"{prefix}.pvar", tmp_path / "b.pvar")
    assert open_store(prefix).samples == open_store(f"{prefix}.pgen").samples
