"""Stores that `genomed convert` writes, judged by plink2, bcftools and hap.py's example."""

import re
import shutil
import subprocess
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pgenlib
import pytest
from datafiles import data_root, shared_data
from small_cohorts import Record, vcf_text
from validation.plink2_round_trip import export, iter_rows, rows, same, validate

from genomed.errors import InputError
from genomed.settings import ConvertSettings
from genomed.steps.convert import ConvertInputs, ConvertSummary, run_convert

pytestmark = pytest.mark.skipif(
    not (shutil.which("plink2") and shutil.which("bcftools")), reason="no plink2 or no bcftools"
)

ENDINGS = (".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")
COHORTS = sorted(
    str(path.relative_to(data_root()))
    for path in (data_root() / "cohort").rglob("*")
    if path.name.endswith(ENDINGS)
)
# Files that no store can be made of, and what is said of them.
REFUSED = {
    "cohort/akt_pca_wgs/wgs.grch37.vcf.gz": "has no samples",
    "cohort/hail/sample.gnomad.exomes.r2.1.1.sites.chr1.vcf.gz": "has no samples",
    "cohort/hail/trioDup.vcf": "a sample name is empty",
    "cohort/happy_leftshifting_example/expected.vcf": "not a VCF",
}


def convert(*paths: Path, out: Path, **options) -> ConvertSummary:
    names = ConvertInputs.__dataclass_fields__
    inputs = {name: options.pop(name) for name in list(options) if name in names}
    return run_convert(
        ConvertInputs(paths=[str(path) for path in paths], **inputs),
        out,
        ConvertSettings(**options),
        threads=2,
    )


@pytest.mark.parametrize("name", COHORTS)
def test_calls_come_back_from_plink2_as_they_went_in(name: str, tmp_path: Path) -> None:
    path = shared_data(name)
    prefix = tmp_path / "store"
    if name in REFUSED:
        with pytest.raises(InputError, match=REFUSED[name]):
            convert(path, out=prefix, phase=True)
        return
    summary = convert(path, out=prefix, phase=True)
    validate(prefix, tmp_path / "log")
    n = 0
    back = iter_rows(export(prefix, tmp_path / "back"), tmp_path)
    for found, expected in zip_longest(back, iter_rows(path, tmp_path)):
        assert same(found, expected)
        n += 1
    assert n == summary.n_variants
    for account in summary.accounts:
        assert account.records == account.read == account.passed_over + account.read
        assert account.refused == {}
        assert account.rows == account.stored == n


def test_left_alignment_finds_the_places_that_hap_py_expects(tmp_path: Path) -> None:
    folder = shared_data("cohort/happy_leftshifting_example")
    summary = convert(folder / "query.vcf", out=tmp_path / "s", reference=folder / "ref.fa")
    found = {tuple(row[1:5]) for row in stored(tmp_path / "s")}
    expected = {
        (*line.split("\t")[1:3], *line.split("\t")[3:5])
        for line in (folder / "expected.vcf").read_text().splitlines()
        if line.startswith("chrT") and line.split("\t")[-1].startswith("0/1")  # query's own rows
    }
    # hap.py moves no insertion through the deletion before it (2240-2242); bcftools norm does.
    assert expected - found == {("2243", ".", "A", "ATA")}
    assert found - expected == {("2240", ".", "A", "AAT")}
    assert summary.accounts[0].changed == {"aligned": 6}


def stored(prefix: Path) -> list[list[str]]:
    """Contig, position, ID, REF and ALT of the rows of a store."""
    lines = Path(f"{prefix}.pvar").read_text().splitlines()
    return [line.split("\t")[:5] for line in lines if not line.startswith("#")]


def repetitive_genome(folder: Path, rng: np.random.Generator) -> tuple[Path, dict[str, str]]:
    """A FASTA of two contigs full of short repeats, with some lower-case and odd letters."""
    contigs = {}
    for name, units in (("1", 120), ("chrX", 60)):
        parts = []
        for _ in range(units):
            unit = "".join(rng.choice(list("ACGT"), rng.integers(1, 5)))
            parts.append(unit * rng.integers(1, 9))
        sequence = list("".join(parts))
        for place in rng.integers(0, len(sequence), 12):
            sequence[place] = rng.choice(["N", "R", sequence[place].lower()])
        contigs[name] = "".join(sequence)
    lines = []
    for name, sequence in contigs.items():
        lines += [
            f">{name} made for a test",
            *(sequence[i : i + 50] for i in range(0, len(sequence), 50)),
        ]
    path = folder / "genome.fa"
    path.write_text("\n".join(lines) + "\n")
    return path, contigs


def indels(contigs: dict[str, str], rng: np.random.Generator, wrong: float) -> list[Record]:
    """Sorted records, many of several ALTs and padded on both sides; some with a wrong REF."""
    records = []
    for name, sequence in contigs.items():
        places = np.sort(rng.integers(0, len(sequence) - 12, 150))
        for at in places.tolist():
            ref = sequence[at : at + int(rng.integers(1, 9))].upper().replace("R", "N")
            alts = []
            for _ in range(rng.integers(1, 4)):
                kind = rng.integers(0, 5)
                cut = int(rng.integers(0, len(ref)))
                insert = sequence[at : at + int(rng.integers(1, 9))].upper().replace("R", "N")
                alt = [ref[:cut] or ref[:1], ref[: cut + 1] + insert + ref[cut + 1 :],
                       ref[:cut] + "T" + ref[cut + 1 :], "*", "<DEL>"][kind]  # fmt: skip
                alts += [alt] if alt != ref and alt not in alts else []
            if rng.random() < wrong:
                ref = "".join({"A": "C", "C": "G", "G": "T", "T": "A", "N": "A"}[b] for b in ref)
            if alts and ref not in alts:
                n = len(alts)
                calls = [f"{rng.integers(0, n + 1)}|{rng.integers(0, n + 1)}" for _ in range(3)]
                records.append(Record(name, at + 1, ref, ",".join(alts), " ".join([*calls, "./."])))
    return records


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("mismatch", "option"), [("warn", "-c w"), ("drop", "-c x")])
def test_left_alignment_equals_bcftools_norm(
    tmp_path: Path, seed: int, mismatch: str, option: str
) -> None:
    rng = np.random.default_rng(seed)
    genome, contigs = repetitive_genome(tmp_path, rng)
    path = tmp_path / "a.vcf"
    path.write_text(vcf_text(indels(contigs, rng, wrong=0.1), build=None))
    summary = convert(path, out=tmp_path / "s", reference=genome, ref_mismatch=mismatch, phase=True)
    fates = summary.accounts[0].changed | summary.accounts[0].dropped
    assert fates["aligned"] > 50
    assert len(fates) == 2
    command = f"bcftools norm -m -any -f {genome} {option} -Ov {path} -o {tmp_path}/norm.vcf"
    subprocess.run(command, shell=True, capture_output=True, check=True)
    back = export(tmp_path / "s", tmp_path / "back")
    assert list(rows(back, tmp_path)) == list(rows(tmp_path / "norm.vcf", tmp_path))


def test_exchanged_alleles_equal_those_of_bcftools_norm(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    genome, contigs = repetitive_genome(tmp_path, rng)
    sequence = contigs["1"].upper()
    records = []
    for at in range(0, 400, 3):
        base = sequence[at]
        other = {"A": "C", "C": "G", "G": "T", "T": "A"}.get(base)
        if other:
            alleles = (other, base) if at % 2 else (base, other)
            records.append(Record("1", at + 1, *alleles, "0|0 0|1 1|0 1|1 ./."))
    path = tmp_path / "a.vcf"
    path.write_text(vcf_text(records, build=None))
    summary = convert(path, out=tmp_path / "s", reference=genome, ref_mismatch="swap", phase=True)
    assert summary.accounts[0].changed["ref_alt_swapped"] > 50
    command = f"bcftools norm -f {genome} -c s -Ov {path} -o {tmp_path}/norm.vcf"
    subprocess.run(command, shell=True, capture_output=True, check=True)
    back = export(tmp_path / "s", tmp_path / "back")
    assert list(rows(back, tmp_path)) == list(rows(tmp_path / "norm.vcf", tmp_path))


def covered(path: Path, first: int, last: int) -> bool:
    """Whether records of a gVCF of one contig show every base from first to last."""
    query = ["bcftools", "query", "-f", "%POS\\t%REF\\t%INFO/END\\n", "-r"]
    done = subprocess.run(
        [*query, f"chr22:{first}-{last}", str(path)], capture_output=True, text=True, check=True
    )
    seen: set[int] = set()
    for line in done.stdout.splitlines():
        position, ref, end = line.split("\t")
        stop = int(position) + len(ref) - 1 if end == "." else int(end)
        seen |= set(range(int(position), stop + 1))
    return set(range(first, last + 1)) <= seen


def test_a_set_of_gvcfs_is_what_bcftools_merge_makes_of_it(tmp_path: Path) -> None:
    folder = shared_data("cohort/hail_gvcf_chr22")
    paths = sorted(folder.glob("*.g.vcf.gz"))
    assert len(paths) == 25
    convert(*paths, out=tmp_path / "s", gvcf=True, min_block_depth=0, min_block_quality=0)
    validate(tmp_path / "s", tmp_path / "log")
    plain = [tmp_path / f"{path.name}.bcf" for path in paths]
    for path, copy in zip(paths, plain, strict=True):
        command = f"bcftools annotate -x ^INFO/END,^FORMAT/GT {path} -Ob -o {copy}"
        subprocess.run(command, shell=True, capture_output=True, check=True)
        subprocess.run(["bcftools", "index", str(copy)], check=True)
    command = (
        f"bcftools merge -g - -m both -Ob -o {tmp_path}/merged.bcf {' '.join(map(str, plain))}"
    )
    subprocess.run(command, shell=True, capture_output=True, check=True)
    merged = {tuple(row[:5]): row[5:] for row in rows(tmp_path / "merged.bcf", tmp_path)}
    found = list(rows(export(tmp_path / "s", tmp_path / "back"), tmp_path))
    assert len(found) == 304
    n_more = 0
    for row in found:
        position, ref = int(row[1]), row[3]
        unphased = [call.replace(b"1|0", b"0/1").replace(b"0|1", b"0/1") for call in
                    merged[tuple(row[:5])]]  # fmt: skip
        for path, ours, theirs in zip(plain, row[5:], unphased, strict=True):
            if ours != theirs:  # bcftools has no call where a record of another kind is there
                assert (ours, theirs) == (b"0/0", b".")
                assert covered(path, position, position + len(ref) - 1)
                n_more += 1
    assert n_more == 12
    merged_sites = {site for site in merged if site[4] not in (b"<NON_REF>", b".")}
    assert merged_sites == {tuple(row[:5]) for row in found}


def plink2(folder: Path, *arguments: str) -> Path:
    """Run plink2 and return the prefix of what it made."""
    command = ["plink2", *arguments, "--threads", "2", "--memory", "2000", "--out", "judge"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "judge"


def pgen_arrays(prefix: Path) -> tuple[np.ndarray, np.ndarray]:
    """Calls, int8, and dosages, float32, as pgenlib reads them: (variants, samples), -9 missing."""
    n_samples = len(Path(f"{prefix}.psam").read_text().splitlines()) - 1
    with pgenlib.PgenReader(f"{prefix}.pgen".encode(), raw_sample_ct=n_samples) as reader:
        n = reader.get_variant_ct()
        calls, dosages = np.empty((n, n_samples), np.int8), np.empty((n, n_samples), np.float32)
        reader.read_range(0, n, calls)
        reader.read_dosages_range(0, n, dosages)
    return calls, dosages


def assert_same_store(ours: Path, theirs: Path) -> None:
    for one, other in zip(pgen_arrays(ours), pgen_arrays(theirs), strict=True):
        np.testing.assert_array_equal(one, other)
    assert stored(ours) == stored(theirs)


@pytest.mark.parametrize("name", ["bigsnpr/example.bed", "hapmap_snprelate/hapmap279.bed"])
def test_a_bed_becomes_what_plink2_makes_of_it(name: str, tmp_path: Path) -> None:
    path = shared_data(f"cohort/{name}")
    convert(path, out=tmp_path / "s")
    validate(tmp_path / "s", tmp_path / "log")
    judge = plink2(tmp_path, "--bfile", str(path.resolve().with_suffix("")), "--make-pgen")
    assert_same_store(tmp_path / "s", judge)
    assert (tmp_path / "s.pvar").read_text() == Path(f"{judge}.pvar").read_text()
    assert (tmp_path / "s.psam").read_text() == Path(f"{judge}.psam").read_text()
    control = [Path(f"{prefix}.pgen").read_bytes()[11] >> 6 for prefix in (tmp_path / "s", judge)]
    assert control[0] == control[1] == 2  # REF is provisional


def test_a_bgen_becomes_what_the_vcf_beside_it_holds(tmp_path: Path) -> None:
    pytest.importorskip("bgen")
    folder = shared_data("cohort/tiny1000G")
    convert(folder / "tiny1000G.bgen", out=tmp_path / "s", phase=True, bgen_ref="last")
    validate(tmp_path / "s", tmp_path / "log")
    back = rows(export(tmp_path / "s", tmp_path / "back"), tmp_path)
    differing = [
        (found[0], n)
        for found, expected in zip_longest(back, rows(folder / "tiny1000G.vcf.gz", tmp_path))
        for n, (a, b) in enumerate(zip(found, expected, strict=True))
        if a != b
    ]
    # In the BGEN the last sample has no ALT on X, in the VCF it has 21.
    assert differing == [(b"X", 5 + 3201)] * 21


@pytest.mark.parametrize("first_or_last", ["first", "last"])
def test_a_bgen_of_regenie_becomes_what_plink2_makes_of_it(
    first_or_last: str, tmp_path: Path
) -> None:
    pytest.importorskip("bgen")
    path = shared_data("gwas/regenie/example.bgen")
    convert(path, out=tmp_path / "s", dosage="DS", bgen_ref=first_or_last)
    judge = plink2(
        tmp_path, "--bgen", str(path.resolve()), f"ref-{first_or_last}", "--make-pgen",
    )  # fmt: skip
    assert_same_store(tmp_path / "s", judge)


def test_a_store_converted_again_is_the_same_store(tmp_path: Path) -> None:
    path = shared_data("cohort/glow/CEUTrio.HiSeq.WGS.b37.NA12878.20.21.vcf.gz")
    options = {"phase": True, "info": ("all",)}
    convert(path, out=tmp_path / "a", zst=True, **options)
    convert(tmp_path / "a.pgen", out=tmp_path / "b", **options)
    convert(tmp_path / "b", out=tmp_path / "c", zst=True, **options)
    for ending in (".pgen", ".pvar.zst", ".psam"):
        assert (
            Path(f"{tmp_path}/a{ending}").read_bytes() == Path(f"{tmp_path}/c{ending}").read_bytes()
        )


def dosage_cohort(path: Path, seed: int) -> None:
    """Calls with dosages near the borders of rounding, haploid and absent ones among them."""
    rng = np.random.default_rng(seed)
    records = []
    for number in range(300):
        cells = []
        for _ in range(40):
            haploid, absent = rng.random(2) < 0.1
            dosage = rng.choice([0, 0.04, 0.1, 0.1001, 0.5, 0.9, 0.95, 1, 1.02, 1.1, 1.5, 1.999, 2])
            call = (
                str(rng.integers(0, 2))
                if haploid
                else rng.choice(["0/0", "0|1", "1|0", "1/1", "./."])
            )
            text = "." if absent else f"{dosage / (2 if haploid else 1):.5g}"
            cells.append(f"{call}:{text}")
        records.append(Record("1", number + 1, "A", "C", " ".join(cells), format="GT:DS"))
    path.write_text(vcf_text(records))


@pytest.mark.parametrize("seed", range(3))
def test_dosages_become_what_plink2_makes_of_them(tmp_path: Path, seed: int) -> None:
    dosage_cohort(tmp_path / "a.vcf", seed)
    convert(tmp_path / "a.vcf", out=tmp_path / "s", dosage="DS", phase=True)
    validate(tmp_path / "s", tmp_path / "log")
    assert_same_store(
        tmp_path / "s", plink2(tmp_path, "--vcf", "a.vcf", "dosage=DS", "--make-pgen")
    )


@pytest.mark.parametrize("thresholds", [(20, 0), (0, 10), (99, 30)])
@pytest.mark.parametrize("name", ["glow/CEUTrio.HiSeq.WGS.b37.NA12878.20.21.vcf.gz",
                                  "edge_cases/test-haploidX.vcf"])  # fmt: skip
def test_calls_of_low_quality_are_missing_as_in_plink2(
    name: str, thresholds: tuple[int, int], tmp_path: Path
) -> None:
    path = shared_data(f"cohort/{name}")
    min_gq, min_dp = thresholds
    convert(path, out=tmp_path / "s", min_gq=min_gq, min_dp=min_dp)
    split = tmp_path / "split.vcf"
    command = f"bcftools norm -m -any {path} -Ov -o {split}"
    subprocess.run(command, shell=True, capture_output=True, check=True)
    limits = [*(["--vcf-min-gq", str(min_gq)] if min_gq else []),
              *(["--vcf-min-dp", str(min_dp)] if min_dp else [])]  # fmt: skip
    judge = plink2(
        tmp_path, "--vcf", "split.vcf", *limits, "--allow-extra-chr", "--make-pgen", "erase-phase"
    )
    assert_same_store(tmp_path / "s", judge)


def info_values(text: str) -> dict[tuple[str, int], str | float]:
    """INFO with numbers as numbers: bcftools writes 0.500 as 0.5."""
    found: dict[tuple[str, int], str | float] = {}
    for part in text.split(";"):
        name, _, values = part.partition("=")
        for n, value in enumerate(values.split(",")):
            number = re.fullmatch(r"-?\d[\d.]*(e[-+]?\d+)?", value)
            found[name, n] = float(value) if number else value
    return found


@pytest.mark.parametrize("name", [
    "glow/CEUTrio.HiSeq.WGS.b37.NA12878.20.21.vcf.gz", "bio2zarr/chr_m_indels.vcf.gz",
    "variantspark_hipster/hipster.vcf.bgz",
])  # fmt: skip
def test_info_is_split_as_bcftools_norm_splits_it(name: str, tmp_path: Path) -> None:
    path = shared_data(f"cohort/{name}")
    convert(path, out=tmp_path / "s", info=("all",))
    command = f"bcftools norm -m -any {path} | bcftools query -f '%QUAL\\t%FILTER\\t%INFO\\n'"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    lines = (tmp_path / "s.pvar").read_text().splitlines()
    table = [line.split("\t") for line in lines if not line.startswith("##")]
    columns = {name: n for n, name in enumerate(table[0])}
    expected = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(table) - 1 == len(expected)
    for ours, (quality, filters, info) in zip(table[1:], expected, strict=True):
        if "QUAL" in columns and quality != ".":
            assert float(ours[columns["QUAL"]]) == pytest.approx(float(quality), rel=1e-5)
        assert ours[columns["FILTER"]] == filters if "FILTER" in columns else filters == "."
        found, wanted = info_values(ours[columns["INFO"]]), info_values(info)
        assert found.keys() == wanted.keys()
        differing = {k: (found[k], wanted[k]) for k in found if found[k] != wanted[k]}
        assert all(a == pytest.approx(b, rel=1e-5) for a, b in differing.values()), differing
