"""plink2 judges the reference score: autosomes, X with haploid males, MT, missing calls."""

import csv
import random
import shutil
import subprocess

import pytest
from reference_score import ModelVariant, Rules, reference_score
from reference_vcf import read_vcf_text

pytestmark = pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")

N_SAMPLES = 60  # plink2 wants 50 to estimate frequencies
FIXED = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
VARIANTS = [
    ("1", 100, "A", "G"),
    ("1", 200, "C", "T"),
    ("1", 300, "G", "GA"),
    ("2", 100, "A", "C,G,T"),
    ("X", 50_000_000, "C", "A"),
    ("MT", 500, "G", "A"),
]


def make_cohort(folder) -> bytes:
    """VCF text with one missing call in eight; samples with an odd number are male."""
    rng = random.Random(11)
    lines = ["##fileformat=VCFv4.3", *(f"##contig=<ID={c}>" for c in ("1", "2", "X", "MT"))]
    lines.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
    names = [f"s{i}" for i in range(N_SAMPLES)]
    lines.append("\t".join([*FIXED, *names]))
    for contig, position, ref, alt in VARIANTS:
        n_alleles = alt.count(",") + 2
        cells = []
        for sample in range(N_SAMPLES):
            ploidy = 1 if contig == "MT" or (contig == "X" and sample % 2) else 2
            alleles = [str(rng.randrange(n_alleles)) for _ in range(ploidy)]
            cells.append("/".join(["."] * ploidy if rng.random() < 0.125 else alleles))
        identifier = f"{contig}:{position}"
        fixed = [contig, str(position), identifier, ref, alt, ".", ".", ".", "GT"]
        lines.append("\t".join([*fixed, *cells]))
    data = ("\n".join(lines) + "\n").encode()
    (folder / "cohort.vcf").write_bytes(data)
    sexes = "".join(f"{name}\t{2 - i % 2}\n" for i, name in enumerate(names))
    (folder / "sex.txt").write_text("#IID\tSEX\n" + sexes)
    return data


def plink2_score(folder, model, *modifiers) -> tuple[list[float], list[float]]:
    """SCORE1_SUM and DENOM of every sample."""
    weights = "".join(f"{v.contig}:{v.position}\t{v.effect}\t{v.weight}\n" for v in model)
    (folder / "weights.txt").write_text(weights)
    command = ["plink2", "--vcf", "cohort.vcf", "--update-sex", "sex.txt", "--out", "out"]
    command += ["--score", "weights.txt", "1", "2", "3", *modifiers, "cols=denom,scoresums"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    with (folder / "out.sscore").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [float(row["SCORE1_SUM"]) for row in rows], [float(row["DENOM"]) for row in rows]


ADDITIVE = [
    ModelVariant("1", 100, "G", "A", 0.5),
    ModelVariant("1", 200, "C", "T", -0.25),
    ModelVariant("1", 300, "GA", "G", 1.5),
    ModelVariant("2", 100, "G", "A", 0.125),
    ModelVariant("X", 50_000_000, "A", "C", 0.75),
    ModelVariant("MT", 500, "A", None, 2.0),
]
REF_OF_MULTIALLELIC = [ModelVariant("2", 100, "A", None, 1.0)]
AUTOSOMES = ADDITIVE[:4]


@pytest.mark.parametrize(
    ("model", "rules", "modifiers"),
    [
        (ADDITIVE, Rules(), ()),
        (ADDITIVE, Rules(missing="drop"), ("no-mean-imputation",)),
        (REF_OF_MULTIALLELIC, Rules(ambiguous="keep"), ()),
        *[
            (
                [
                    ModelVariant(v.contig, v.position, v.effect, v.other, v.weight, kind)
                    for v in AUTOSOMES
                ],
                rules,
                (kind, *modifiers),
            )
            for kind in ("dominant", "recessive")
            for rules, modifiers in (
                (Rules(recoded_fill="frequency"), ()),
                (Rules(missing="drop"), ("no-mean-imputation",)),
            )
        ],
    ],
)
def test_reference_score_equals_plink2(tmp_path, model, rules, modifiers):
    cohort = read_vcf_text(make_cohort(tmp_path))
    expected, denominators = plink2_score(tmp_path, model, *modifiers)
    result = reference_score(cohort, model, rules)
    assert result.n_matched == len(model)
    assert result.score == pytest.approx(expected, rel=6e-6, abs=6e-6)
    assert result.n_alleles == denominators


def test_strand_and_order_of_alleles_change_nothing_but_the_reason(tmp_path):
    cohort = read_vcf_text(make_cohort(tmp_path))
    exact, flipped = (
        reference_score(cohort, [ModelVariant("1", 100, e, o, 0.5)])
        for e, o in (("G", "A"), ("C", "T"))
    )
    swapped = reference_score(cohort, [ModelVariant("chr1", 100, "A", "G", -0.5)])
    assert [r.reasons for r in (exact, flipped, swapped)] == [["exact"], ["flipped"], ["swapped"]]
    assert flipped.score == exact.score
    shift = exact.score[0] - swapped.score[0]
    assert [e - s for e, s in zip(exact.score, swapped.score, strict=True)] == pytest.approx(
        [shift] * N_SAMPLES
    )


def test_ambiguous_absent_and_repeated_variants_are_named(tmp_path):
    data = make_cohort(tmp_path).replace(b"1\t200\t1:200\tC\tT", b"1\t200\t1:200\tC\tG")
    model = [
        ModelVariant("1", 200, "G", "C", 1.0),
        ModelVariant("1", 100, "G", "C", 1.0),
        ModelVariant("1", 999, "G", "C", 1.0),
        ModelVariant("1", 100, "A", "G", 1.0),
        ModelVariant("1", 100, "A", "G", 1.0),
    ]
    result = reference_score(read_vcf_text(data), model)
    assert result.reasons == [
        "ambiguous",
        "alleles_differ",
        "absent",
        "swapped",
        "duplicate_in_model",
    ]
    assert result.n_matched == 1
