"""Stores that `genomed convert` writes, judged by plink2, bcftools and hap.py's example."""

import shutil
import subprocess
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest
from datafiles import data_root, shared_data
from small_cohorts import Record, vcf_text
from validation.plink2_round_trip import export, rows, validate

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
    back = rows(export(prefix, tmp_path / "back"), tmp_path)
    for found, expected in zip_longest(back, rows(path, tmp_path)):
        assert found == expected
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
