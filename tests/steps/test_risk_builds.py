"""Which build a cohort is on, and which positions of a model are used."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from small_cohorts import Record, row, score, write_model, write_vcf

from genomed.errors import BuildError, InputError, UsageError
from genomed.schema import ScoreModel
from genomed.steps.risk_builds import choose_candidates

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "data" / "cohort.vcf.gz"
POSITIONS = range(100, 1100, 100)


def make_records(contig="chr1", shift=0):
    return [Record(contig, p + shift, "A", "G", "0/1 1/1 0/0") for p in POSITIONS]


def make_rows(shift=0):
    return [row("1", p + shift, "G", "A", 1.0) for p in POSITIONS]


def harmonised(path: Path) -> Path:
    """A PGS Catalog file with positions on GRCh37, and on GRCh38 7 bases to the right."""
    rows = [
        r | {"hm_chr": "1", "hm_pos": r["chr_position"] + 7, "hm_source": "ENSEMBL"}
        for r in make_rows()
    ]
    return write_model(path, rows, "GRCh37", {"HmPOS_build": "GRCh38"})


def test_a_cohort_on_grch38_refuses_a_model_on_grch37(tmp_path):
    cohort = write_vcf(tmp_path / "cohort.vcf", make_records())
    model = write_model(tmp_path / "old.txt", make_rows(), "GRCh37")
    with pytest.raises(BuildError) as caught:
        score(cohort, [model], tmp_path / "out")
    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        f"{cohort} is on GRCh38 (contig chr1 is 248,956,422 bases long, as in GRCh38), "
        "but model old has positions on GRCh37 only; get it on GRCh38, "
        "for a PGS Catalog score with "
        "`genomed models fetch old --build GRCh38`"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("contig", ["chr1", "1", "Chr1"])
def test_spellings_of_a_contig_are_one(contig, tmp_path):
    cohort = write_vcf(tmp_path / "cohort.vcf", make_records(contig), build=None)
    model = write_model(tmp_path / "model.txt", make_rows())
    found = score(cohort, [model], tmp_path / "out", build="GRCh38")
    assert found.models["n_exact"].item() == len(POSITIONS)


@pytest.mark.parametrize(("build", "shift"), [("GRCh37", 0), ("GRCh38", 7)])
@pytest.mark.parametrize("told_by", ["lengths", "option", "variants"])
def test_a_harmonised_model_is_placed_on_the_build_of_the_cohort(build, shift, told_by, tmp_path):
    cohort = write_vcf(
        tmp_path / "cohort.vcf", make_records(shift=shift),
        build=build if told_by == "lengths" else None,
    )  # fmt: skip
    model = harmonised(tmp_path / "model.txt")
    found = score(cohort, [model], tmp_path / "out", build=build if told_by == "option" else None)
    assert found.models["build"].to_list() == [build]
    assert found.models["n_exact"].item() == len(POSITIONS)
    assert found.ledger["position"].to_list() == [p + shift for p in POSITIONS]
    assert found.models["model"].to_list() == ["model"]
    assert (
        not found.models["flags"].item() or "build_unverified" not in found.models["flags"].item()
    )
    page = found.summary.page
    assert page.build == build
    assert (
        page.build_evidence
        == {
            "lengths": page.build_evidence,
            "option": f"--build {build} was given",
            "variants": f"10 variants lie at their {build} positions with the right alleles, "
            f"0 at those of {'GRCh38' if build == 'GRCh37' else 'GRCh37'}",
        }[told_by]
    )


def test_too_few_variants_leave_the_build_unverified_and_say_so(tmp_path):
    cohort = write_vcf(tmp_path / "cohort.vcf", make_records()[:2], build=None)
    found = score(cohort, [harmonised(tmp_path / "model.txt")], tmp_path / "out")
    assert found.summary.page.build is None
    assert found.models["flags"].item().split(";")[-1] == "build_unverified"
    assert found.models["n_exact"].item() == 2
    assert any("could not be verified for model" in w for w in found.summary.page.warnings)


def test_the_panel_scores_alike_with_and_without_contig_lines(tmp_path):
    with gzip.open(EXAMPLE, "rt") as file:
        lines = [line for line in file if not line.startswith("##contig")]
    bare = tmp_path / "bare.vcf"
    bare.write_text("".join(lines))
    known = score(EXAMPLE, [], tmp_path / "known")
    voted = score(bare, [], tmp_path / "voted")
    assert known.summary.page.build == voted.summary.page.build == "GRCh38"
    assert "variants lie at their GRCh38 positions" in voted.summary.page.build_evidence
    assert voted.risk.drop("flags").equals(known.risk.drop("flags"))
    assert voted.models["model"].to_list() == known.models["model"].to_list()
    assert voted.reasons == known.reasons
    np.testing.assert_array_equal(voted.scores(), known.scores())


def test_an_option_that_contradicts_the_header_is_refused(tmp_path):
    cohort = write_vcf(tmp_path / "cohort.vcf", make_records())
    model = write_model(tmp_path / "model.txt", make_rows(), "GRCh37")
    with pytest.raises(BuildError, match="--build says GRCh37, but contig chr1 is 248,956,422"):
        score(cohort, [model], tmp_path / "out", build="hg19")


def test_an_unknown_build_is_a_usage_error(tmp_path):
    cohort = write_vcf(tmp_path / "cohort.vcf", make_records(), build=None)
    model = write_model(tmp_path / "model.txt", make_rows())
    with pytest.raises(UsageError, match="--build 'GRCh99' is not a genome build; known: NCBI36"):
        score(cohort, [model], tmp_path / "out", build="GRCh99")


def test_lengths_of_two_builds_in_one_header_need_a_word_of_the_user(tmp_path):
    text = write_vcf(tmp_path / "cohort.vcf", make_records()).read_text()
    cohort = tmp_path / "mixed.vcf"
    cohort.write_text(text.replace("##INFO", "##contig=<ID=chr2,length=243199373>\n##INFO", 1))
    model = write_model(tmp_path / "model.txt", make_rows())
    with pytest.raises(InputError, match="with --build"):
        score(cohort, [model], tmp_path / "out")
    found = score(cohort, [model], tmp_path / "out", build="GRCh38")
    assert found.models["n_exact"].item() == len(POSITIONS)


def test_a_model_without_a_build_is_used_where_it_is_and_flagged(tmp_path):
    cohort = write_vcf(tmp_path / "cohort.vcf", make_records())
    model = write_model(tmp_path / "model.txt", make_rows(), None)
    found = score(cohort, [model], tmp_path / "out")
    assert found.models["n_exact"].item() == len(POSITIONS)
    assert found.models["flags"].item() == "build_unverified"
    assert found.models["build"].to_list() == [None]


def test_a_model_of_ids_has_no_build_to_be_wrong(tmp_path):
    records = [Record("chr1", p, "A", "G", "0/1 1/1 0/0", id=f"rs{p}") for p in POSITIONS]
    cohort = write_vcf(tmp_path / "cohort.vcf", records)
    rows = [{"rsID": f"rs{p}", "effect_allele": "G", "effect_weight": 1} for p in POSITIONS]
    found = score(cohort, [write_model(tmp_path / "model.txt", rows, "GRCh37")], tmp_path / "out")
    assert found.models["n_exact"].item() == len(POSITIONS)
    assert found.models["flags"].to_list() in ([None], [""])


def test_two_files_of_one_name_are_told_apart(tmp_path):
    cohort = write_vcf(tmp_path / "cohort.vcf", make_records())
    paths = []
    for folder, n in (("a", 10), ("b", 5)):
        (tmp_path / folder).mkdir()
        paths.append(write_model(tmp_path / folder / "model.txt", make_rows()[:n]))
    found = score(cohort, paths, tmp_path / "out")
    assert found.models["model"].to_list() == ["model", "model#2"]
    assert found.scores("model").tolist() == [10, 20, 0]
    assert found.scores("model#2").tolist() == [5, 10, 0]


def test_the_panel_votes_when_the_models_cannot():
    model = ScoreModel("m", "m", "m.txt", None, {"GRCh38": None})  # type: ignore[arg-type]
    candidates = choose_candidates([model], {"1": None}, None, "cohort.vcf")
    assert candidates.final_names[0] == "m"
    assert candidates.known_build is None
    probes = [n for n in candidates.final_names if n is None]
    assert len(probes) >= 4
    assert len(candidates.models) == 1 + len(probes)
