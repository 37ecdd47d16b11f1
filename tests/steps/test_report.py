"""`report` from end to end: what runs found is on the page, nobody is named, errors hold."""

import gzip
import json
import re
import shutil
from dataclasses import replace

import polars as pl
import pytest
from datafiles import REPOSITORY

from genomed.errors import InputError, OutputError, UsageError
from genomed.report.markup import Html, plain
from genomed.settings import ConvertSettings, QcSettings, StructureSettings
from genomed.steps.convert import ConvertInputs, run_convert
from genomed.steps.qc import QcInputs, run_qc
from genomed.steps.report import run_report
from genomed.steps.structure import StructureInputs, run_structure

EXAMPLE = REPOSITORY / "examples" / "data"
STEPS = ("prune", "kinship", "pca")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The example cohort, converted, checked and mapped."""
    folder = tmp_path_factory.mktemp("work") / "results"
    store, kept = folder / "store" / "c", folder / "passed" / "c"
    for place in (store, kept):
        place.parent.mkdir(parents=True)
    cohort = ConvertInputs([str(EXAMPLE / "cohort.vcf.gz")], people=[EXAMPLE / "cohort.psam"])
    run_convert(cohort, store, ConvertSettings())
    line = f"genomed qc {store}.pgen --write {kept}"
    run_qc(QcInputs(f"{store}.pgen", write=kept), folder / "qc" / "c", QcSettings(), command=line)
    settings = replace(StructureSettings(), steps=STEPS)
    inputs = StructureInputs(f"{kept}.pgen", groups=f"{EXAMPLE / 'samples.tsv'}:population")
    run_structure(inputs, folder / "structure" / "c", settings)
    return folder


@pytest.fixture(scope="module")
def made(results):
    return run_report(results)


@pytest.fixture(scope="module")
def page(made):
    return made.outputs["report.html"].read_text()


@pytest.fixture(scope="module")
def samples(results):
    return pl.read_parquet(results / "qc" / "c" / "samples.parquet")


def rows_of(page, identity):
    """Rows of a long table, as the script reads them."""
    whole = page[page.index(f'id="{identity}"') :]
    return json.loads(re.search(r'class="rows">(.*?)</script>', whole, re.DOTALL)[1])["rows"]


def test_every_run_is_found_in_the_order_of_the_chain(made, page):
    assert made.runs == {"convert": 1, "qc": 1, "structure": 1}
    assert list(made.runs) == ["convert", "qc", "structure"]
    assert "3 runs of genomed, 300 people." in page


def test_the_summary_says_what_the_tables_say(made, samples):
    said = {f.subject: f.sentence for _, f in made.findings}
    kept = int(samples["pass"].sum())
    assert said["Samples of c"].startswith(f"{kept} of {len(samples)} samples pass.")
    assert "2 duplicate" in said["Relatives in c"]
    assert "what came in is what was kept" in said["Records"]


def test_nobody_is_named(page, samples):
    words = set(re.findall(r"[A-Za-z]{3}\d{3}", page))
    assert not words & set(samples["sample"].to_list())
    assert len(set(re.findall(r"P-\d{4}", page))) == 300


def test_every_sample_stands_in_the_table_with_its_own_numbers(page, samples):
    rows = {row[0]: row for row in rows_of(page, "qc-qc-c-people")}
    assert len(rows) == 300
    failed = samples.filter(~pl.col("pass"))
    shown = [row for row in rows.values() if isinstance(row[-1], list) and "care" in row[-1][1]]
    assert sorted(row[1] for row in shown) == sorted(f"{r:.4f}" for r in failed["call_rate"])


def test_links_lead_to_files_that_are_there(page, results):
    links = {link for link in re.findall(r'href="([^"#]+)"', page) if "://" not in link}
    assert len(links) > 5
    assert all((results / link).is_file() for link in links)


def test_the_flow_counts_every_record_of_the_cohort(page, results):
    with gzip.open(EXAMPLE / "cohort.vcf.gz", "rt") as file:
        n_records = sum(not line.startswith("#") for line in file)
    kept = pl.read_parquet(results / "structure" / "c" / "variants.parquet")
    n_used = int((kept["fate"] == "kept").sum())
    flow = plain(Html(page[page.index('<section id="flow"') :]))
    assert f"convert: {n_records:,} variants come in" in flow
    assert f"used for components: {n_used:,} variants." in flow


def test_the_same_results_make_the_same_bytes(results, made, page):
    again = run_report(results)
    assert again.outputs["report.html"].read_text() == page
    assert list(results.glob(".genomed-*")) == []


def test_groups_that_structure_was_given_are_on_the_map(page):
    section = page[page.index('<section id="structure"') :]
    for group in ("AFR", "EAS", "EUR"):
        assert re.search(rf"<bdi>{group}</bdi> \(\d+\)", section)


def test_multiqc_reads_a_row_for_each_finding(made):
    content = json.loads(made.outputs["report_mqc.json"].read_text())
    assert content["plot_type"] == "table"
    assert [row["finding"] for row in content["data"].values()] == [
        finding.sentence for _, finding in made.findings
    ]


def test_names_are_shown_for_those_who_have_one(results, tmp_path, samples):
    names = tmp_path / "names.tsv"
    first = samples["sample"][0]
    names.write_text(f"sample\tname\n{first}\tAda L.\nnobody\tEve\n")
    shown = run_report(results, tmp_path / "named.html", names=names).outputs["named.html"]
    rows = [row[0] for row in rows_of(shown.read_text(), "qc-qc-c-people")]
    assert rows.count("Ada L.") == 1
    assert sum(name.startswith("P-") for name in rows) == 299


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sample\tnick\nAFR001\tAda\n", "no column name"),
        ("sample\tname\nAFR001\tAda\nAFR001\tEve\n", "'AFR001' stands there twice"),
        ("sample\tname\nX1\tAda\n", "none of its samples is in the results"),
    ],
)
def test_names_that_do_not_fit_are_refused(results, tmp_path, text, said):
    (tmp_path / "names.tsv").write_text(text)
    with pytest.raises(InputError, match=said):
        run_report(results, tmp_path / "x.html", names=tmp_path / "names.tsv")


def test_a_record_of_another_shape_is_named_and_not_shown(results, tmp_path):
    shutil.copytree(results / "qc", tmp_path / "qc")
    (path,) = (tmp_path / "qc").rglob("run.json")
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"samples": 5, "variants": None}))
    with pytest.raises(InputError, match=r"run\.json of one of qc.* is not as genomed"):
        run_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_a_person_nobody_knows_is_refused(results, tmp_path):
    with pytest.raises(UsageError, match="--person Zoe: nobody in these results"):
        run_report(results, tmp_path / "x.html", person="Zoe")


def test_a_page_needs_a_name_that_ends_in_html(results, tmp_path):
    for out in (tmp_path, tmp_path / "x.pdf"):
        with pytest.raises(UsageError, match=r"ends in \.html"):
            run_report(results, out)


def test_a_directory_without_results_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no run\.json of genomed is below it"):
        run_report(tmp_path)
    with pytest.raises(InputError, match="there is no such directory"):
        run_report(tmp_path / "none")


def test_records_that_are_not_ours_or_damaged_are_told_and_passed_over(tmp_path):
    for name, text in (
        ("a", "{"), ("b", '{"program": "other"}'), ("c", '{"program": "genomed"}'), ("d", "[]"),
        ("e", json.dumps({"program": "genomed", "command": "models", "version": "0"})),
    ):  # fmt: skip
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    summary = run_report(tmp_path)
    assert summary.runs == {"models": 1}
    assert len(summary.warnings) == 4
    assert summary.outputs["report.html"].read_text().count("not shown, because") == 4


def test_a_table_that_is_damaged_is_named(results, tmp_path):
    place = tmp_path / "qc"
    place.mkdir()
    for name in ("run.json", "samples.parquet"):
        (place / name).write_bytes((results / "qc" / "c" / name).read_bytes())
    (place / "variants.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=r"variants\.parquet: cannot be read .*run it again"):
        run_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_a_place_that_cannot_be_written_to_is_an_error(results, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        run_report(results, tmp_path / "file" / "x.html")


def test_a_table_of_another_run_is_refused_by_what_it_says_of_itself(results, tmp_path):
    mixed = tmp_path / "results"
    shutil.copytree(results / "qc", mixed / "qc")
    shutil.copy(results / "structure/c/kinship.parquet", mixed / "qc/c/samples.parquet")
    with pytest.raises(InputError, match=r"samples\.parquet: is of another run than its run\.json"):
        run_report(mixed)


def test_a_run_whose_tables_are_gone_is_said_to_be_shown_in_part(results, tmp_path):
    partly = tmp_path / "results"
    shutil.copytree(results / "qc", partly / "qc")
    (partly / "qc/c/variants.parquet").unlink()
    told = run_report(partly).warnings
    assert [one for one in told if "shown in part, because variants.parquet beside it is" in one]
