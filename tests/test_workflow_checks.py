"""Faults of a configuration of the workflow: found before any job, at once, with a remedy."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pysam
import pytest
import yaml
from datafiles import REPOSITORY
from small_alignments import Read, write_bam
from test_workflow import VCF, dry_run, example_config

from genomed.errors import InputError
from genomed.steps.workflow_files import read_config, workflow_checks

jsonschema = pytest.importorskip("jsonschema", reason="not installed: genomed[workflow]")

PEOPLE = "sample\tbmi\tage\nA\t1\t40\nB\t2\t50\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a cohort of A and B, tables, a genome, and the reads of A and C."""
    (tmp_path / "a.vcf").write_text(VCF)
    (tmp_path / "people.tsv").write_text(PEOPLE)
    (tmp_path / "genome.fa").write_text(">1\nACGT\n")
    (tmp_path / "genome.fa.fai").write_text("1\t4\t3\t4\t5\n")
    bam = write_bam(tmp_path / "person.bam", [Read("r", 0, "4M", "ACGT")], {"1": 100})
    bam.rename(tmp_path / "p.bam")
    (tmp_path / "person.bam.bai").rename(tmp_path / "p.bam.bai")
    return tmp_path


def found(place: Path, config: dict[str, Any], sheet: str | None = None) -> list[str]:
    if sheet is not None:
        (place / "samples.tsv").write_text(sheet)
        config = config | {"samples": "samples.tsv"}
    return workflow_checks().problems(config, place)


def test_nothing_is_wrong_with_the_example() -> None:
    assert workflow_checks().problems(example_config(), REPOSITORY) == []


def test_nothing_is_wrong_with_a_sheet_that_agrees_with_cohort_reads_and_genome(
    place: Path,
) -> None:
    train = {"trait": ["bmi"], "traits": "people.tsv", "covariates": "people.tsv"}
    config = {"cohorts": {"one": "a.vcf"}, "fasta": "genome.fa", "train": train}
    sheet = "# ours\nsample\treads\tcohort\nperson\tp.bam\n"
    assert found(place, config, sheet) == []


SCHEMA_FAULTS = {
    "cohort": ({"cohort": {}}, "cohort: there is no such key; is cohorts meant?"),
    "nothing": ({"cohorts": {}}, "cohorts: nothing to work on; name a cohort, or a sheet"),
    "name": ({"cohorts": {"a/b": "a.vcf"}}, "cohorts.a/b: 'a/b' cannot stand in a path"),
    "path": ({"cohorts": {"a": 3}}, "cohorts.a: is 3, and must be a path, or a list of paths"),
    "dashes": ({"qc": {"options": {"--hwe-p": 1}}}, "qc.options.--hwe-p: '--hwe-p' is no option"),
    "type": ({"threads": "two"}, "threads: is 'two', and must be a whole number"),
    "choice": ({"risk": {"missing": "hom-ref"}}, "risk.missing: is 'hom-ref'; choose one of mean"),
    "most": ({"risk": {"min_weighted_coverage": 75}}, "risk.min_weighted_coverage: is 75, and m"),
    "twice": ({"train": {"trait": ["x", "x"]}}, "train.trait: names something twice"),
    "section": ({"reads_call": 5}, "reads_call: is 5, and must be a section with keys"),
    "empty": ({"risk": None}, "risk: is empty, and must be a section with keys"),
    "long": (
        {"cohorts": {"a" * 300: "a.vcf"}},
        f"cohorts.{'a' * 20}...: has 300 characters, and at",
    ),
    "nan": ({"risk": {"min_weighted_coverage": float("nan")}}, "risk.min_weighted_coverage: is no"),
    "same": ({"cohorts": {"a": ["a.vcf", "a.vcf"]}}, "cohorts.a[1]: a.vcf is named twice"),
    "planned": ({"planned": {"qc": {"*": {"mem": 3}}}}, "planned.qc.*.mem: there is no such key;"),
}


@pytest.mark.parametrize("change", SCHEMA_FAULTS)
def test_what_the_schema_refuses_is_said_in_words_with_its_key(place: Path, change: str) -> None:
    config, sentence = SCHEMA_FAULTS[change]
    said = found(place, {"cohorts": {"one": "a.vcf"}} | config)
    assert [one for one in said if one.startswith(sentence)], said


def test_a_sheet_with_commas_or_a_column_twice_is_refused_with_the_remedy(place: Path) -> None:
    commas = found(place, {}, "sample,reads\nperson,p.bam\n")
    assert "samples: samples.tsv has no column sample and no reads; its columns must be " \
        "separated by tabs" in commas  # fmt: skip
    twice = found(place, {}, "sample\treads\treads\nperson\tp.bam\tq.bam\n")
    assert "samples: samples.tsv has the column reads twice; take one out" in twice


def test_a_key_that_stands_twice_is_refused_with_both_its_lines(place: Path) -> None:
    path = place / "config.yaml"
    path.write_text("cohorts: {one: a.vcf}\nthreads: 2\ncohorts: {two: a.vcf}\n")
    with pytest.raises(InputError, match=r"config\.yaml: .*line 3: cohorts is on line 1 already"):
        read_config(path)
    path.write_text("cohorts:\n  one: a.vcf\n  one: b.vcf\n")
    with pytest.raises(InputError, match="line 3: one is on line 2 already"):
        read_config(path)


def test_files_that_are_missing_empty_cut_short_or_of_another_kind_are_named(place: Path) -> None:
    (place / "empty.vcf").touch()
    (place / "table.vcf").write_text(PEOPLE)
    pysam.tabix_compress(str(place / "a.vcf"), str(place / "cut.vcf.gz"))
    whole = (place / "cut.vcf.gz").read_bytes()
    (place / "cut.vcf.gz").write_bytes(whole[:-28])
    (place / "plain.vcf.gz").write_bytes(gzip.compress(VCF.encode()))
    (place / "prefix.pgen").write_bytes(b"\x6c\x1b\x10")
    paths = ["gone.vcf", "empty.vcf", "table.vcf", "cut.vcf.gz", "prefix", "prefix.pgen", "."]
    config = {
        "cohorts": {f"c{n}": path for n, path in enumerate(paths)} | {"fine": "plain.vcf.gz"},
        "qc": {"groups": "gone.tsv:x", "pheno": "people.tsv:case", "options": {"psam": "no.psam"}},
        "fasta": "people.tsv",
        "risk": {"models": ["gone/model.zip", "PGS000001"], "reference": "eur.zip"},
        "results": "people.tsv",
    }
    assert found(place, config) == [
        f"cohorts.c0: gone.vcf: no such file in {place}; correct the path, or put it there",
        "cohorts.c1: empty.vcf is empty; copy or make it again",
        "cohorts.c2: table.vcf does not begin as a VCF does; name the right file",
        "cohorts.c3: cut.vcf.gz is truncated, the BGZF end block is missing; copy it again",
        "cohorts.c4: prefix: no such file; prefix.pgen is meant, it seems",
        "cohorts.c5: prefix.pgen lacks its prefix.pvar; put it beside it",
        "cohorts.c5: prefix.pgen lacks its prefix.psam; put it beside it",
        "cohorts.c6: . is a directory; name a file",
        "fasta: people.tsv has no index; make one with samtools faidx",
        "results: people.tsv is a file; name a directory",
        f"qc.groups: gone.tsv: no such file in {place}; correct the path, or put it there",
        "qc.pheno: people.tsv has no column case; it has sample, bmi, age",
        f"risk.reference: eur.zip: no such file in {place}; correct the path, or put it there",
        f"risk.models[0]: gone/model.zip: no such file in {place}; correct the path, or put it "
        "there",
        f"qc.options.psam: no.psam: no such file in {place}; correct the path, or put it there",
    ]


def test_tables_that_do_not_fit_the_cohort_are_named(place: Path) -> None:
    (place / "others.tsv").write_text(PEOPLE.replace("A", "X").replace("B", "Y"))
    (place / "b.vcf").write_text(VCF.replace("\tA\tB", "\tB\tA"))
    train = {"trait": ["bmi", "height"], "traits": "people.tsv", "covariates": "others.tsv"}
    train["options"] = {"device": "cuda"}
    risk = {"covariates": "others.tsv"}
    cohorts = {"one": ["a.vcf", "b.vcf"]}
    assert found(place, {"cohorts": cohorts, "train": train, "risk": risk}) == [
        "cohorts.one: a.vcf and b.vcf do not have the same samples in the same order; make "
        "cohorts of their own of them, or say convert.options.gvcf: true if they are gVCFs",
        "train.trait: people.tsv has no column height; it has sample, bmi, age",
        "train.covariates: nobody of others.tsv is in cohort one, whose samples begin A, B; "
        "name them alike",
        "risk.covariates: nobody of cohort one is in others.tsv, and trained models ask for "
        "covariates; add A, B and the others",
        "train.gpu: is 0, but options.device is cuda; say gpu: 1",
    ]
    assert found(place, {"cohorts": {"one": "a.vcf"}, "train": train | {"cohort": "two"}}) == [
        "train.cohort: there is no cohort two; cohorts are: one",
        "train.gpu: is 0, but options.device is cuda; say gpu: 1",
    ]


def test_models_and_references_that_the_library_does_not_have_are_named(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GENOMED_LIBRARY", raising=False)
    (place / "ours" / "heights").mkdir(parents=True)
    card = {"path": "a.zip", "kind": "reference", "sha256": "0", "source": "", "added": ""}
    card |= {"models": [], "trait": "", "builds": [], "n_variants": 0, "n_refused": 0}
    (place / "ours" / "heights" / "model.json").write_text(json.dumps(card))
    (place / "ours" / "height.txt").write_text("rsID\teffect_allele\teffect_weight\nrs1\tA\t1\n")
    risk = {"models": ["height", "hieght", "PGS000001", "heights"], "reference": "heights"}
    config = {
        "cohorts": {"one": "a.vcf"},
        "risk": risk | {"options": {"library": "ours"}},
        "structure": {"reference": "panel", "options": {"library": "ours"}},
    }
    assert found(place, config) == [
        "structure.reference: there is no file, and in the library no reference, called panel; "
        "`genomed models list` shows all",
        "risk.models[1]: there is no file, and in the library no model, called hieght; is height "
        "meant?",
        "risk.models[3]: there is no file, and in the library no model, called heights; is height "
        "meant?",
    ]


def test_options_that_a_command_does_not_have_are_named(place: Path) -> None:
    options = {"min_mafs": 0.1, "threads": 3, "groups": "x", "hwe_p": 1e-6}
    assert found(place, {"cohorts": {"one": "a.vcf"}, "qc": {"options": options}}) == [
        "qc.options.min_mafs: `genomed qc` has no --min-mafs; is min_maf meant?",
        "qc.options.threads: the workflow sets it; take it out",
        "qc.options.groups: say qc.groups instead",
    ]


def test_a_sheet_that_disagrees_with_itself_reads_or_cohorts_is_named_line_by_line(
    place: Path,
) -> None:
    (place / "q.bam").write_bytes((place / "p.bam").read_bytes())
    sheet = (
        "sample\treads\tcohort\n"
        "person\tp.bam\n"
        "person\tgone.bam\n"
        "a b\tp.bam\n"
        "D\tq.bam\ttwo\n"
        "E\tpeople.tsv\n"
        "F\tp.bam\tone\textra\n"
        "\tp.bam\n"
    )
    config = {"cohorts": {"called": "a.vcf", "one": "a.vcf"}, "reads_call": {"contigs": ["1", "7"]}}
    said = found(place, config, sheet)
    text = "\n".join(re.sub(r" in /\S+;", ";", one) for one in said)
    assert text.splitlines() == [
        "samples.tsv, line 2: reads: p.bam has no 7, which reads_call.contigs names; its contigs "
        "begin 1",
        "samples.tsv, line 3: reads: gone.bam: no such file; correct the path, or put it there",
        "samples.tsv, line 3: person is on line 2 already; merge its files",
        "samples.tsv, line 4: sample: 'a b' cannot stand in a path; use letters, digits and . _ - "
        "only",
        "samples.tsv, line 4: reads: p.bam holds reads of person, not of a b; correct one of them",
        "samples.tsv, line 4: reads: p.bam has no 7, which reads_call.contigs names; its contigs "
        "begin 1",
        "samples.tsv, line 5: reads: q.bam has no index; make one with samtools index",
        "samples.tsv, line 5: reads: q.bam holds reads of person, not of D; correct one of them",
        "samples.tsv, line 5: cohort: there is no cohort two; cohorts are: called, one",
        "samples.tsv, line 6: reads: 'people.tsv' is no .bam or .cram; name the alignments",
        "samples.tsv, line 7: 'extra' stands in no column; take it out",
        "samples.tsv, line 7: reads: p.bam holds reads of person, not of F; correct one of them",
        "samples.tsv, line 7: cohort: F is not in one; name them alike, or leave it empty",
        "samples.tsv, line 8: lacks sample; add it",
        "reads_call.cohort: called is the name of a cohort already; give calls a name of their own",
        "fasta: is empty, and reads are aligned to it; name the reference genome",
    ]


def test_a_sheet_without_its_columns_or_with_a_fault_in_every_line_is_said_briefly(
    place: Path,
) -> None:
    assert found(place, {}, "name\treads\nx\ty.bam\n") == [
        "samples: samples.tsv has no column sample; name it on its top"
    ]
    assert found(place, {}, "sample\treads\n")[0].startswith("samples: samples.tsv has no samples")
    many = "sample\treads\n" + "".join(f"s{n}\ts{n}.bam\n" for n in range(60))
    said = found(place, {"fasta": "genome.fa"}, many)
    assert len(said) == 51
    assert said[-1] == "samples.tsv: 10 more faults like these; mend these first"


def test_an_index_tells_on_which_contigs_records_lie(tmp_path: Path) -> None:
    contigs = "".join(f"##contig=<ID={name},length=9999999>\n" for name in ("1", "2", "chrX", "Y"))
    rows = "".join(
        f"{contig}\t{position}\t.\tA\tC\t.\t.\t.\tGT\t0/1\t0/0\n"
        for contig in ("1", "chrX")
        for position in (5, 70_000, 5_000_000)
    )
    text = VCF.replace("#CHROM", contigs + '##FORMAT=<ID=GT,Number=1,Type=String,Description="G">'
                       "\n#CHROM") + rows  # fmt: skip
    (tmp_path / "a.vcf").write_text(text)
    headers = workflow_checks().headers
    for name, csi in (("t", False), ("c", True)):
        packed = tmp_path / f"{name}.vcf.gz"
        pysam.tabix_compress(str(tmp_path / "a.vcf"), str(packed))
        pysam.tabix_index(str(packed), preset="vcf", csi=csi)
        assert headers.contigs_with_records(packed) == ["1", "chrX"]
    bcf = tmp_path / "b.bcf"
    with (
        pysam.VariantFile(str(tmp_path / "a.vcf")) as one,
        pysam.VariantFile(str(bcf), "wb", header=one.header) as other,
    ):
        for record in one:
            other.write(record)
    pysam.tabix_index(str(bcf), preset="bcf")
    assert headers.contigs_with_records(bcf) == ["1", "chrX"]
    assert headers.people(bcf) == ["A", "B"]
    with pytest.raises(ValueError, match="has no index"):
        headers.contigs_with_records(tmp_path / "a.vcf")


def test_snakemake_names_every_fault_before_any_job(tmp_path: Path) -> None:
    config = example_config() | {"risk": {"ambigous": "drop"}, "threads": "two"}
    text = yaml.safe_dump(config)
    (tmp_path / "config.yaml").write_text(f"{text}cohorts: {{example: a.vcf}}\n")
    done = dry_run(tmp_path)

    assert done.returncode != 0
    said = done.stdout
    assert re.search(r"config\.yaml: line \d+: cohorts is on line \d+ already", said)
    assert "risk.ambigous: there is no such key; is ambiguous meant?" in said
    assert "threads: is 'two', and must be a whole number" in said
    assert "cohorts.example: a.vcf: no such file" in said
    assert "genomed convert" not in said


def test_both_schemas_are_schemas() -> None:
    for path in (REPOSITORY / "workflows" / "schemas").glob("*.yaml"):
        jsonschema.Draft202012Validator.check_schema(yaml.safe_load(path.read_text()))
