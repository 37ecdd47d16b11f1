"""Parts of the report: who is called what, how records flow, and how much a page holds."""

import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from genomed.report.figures import Tick
from genomed.report.markup import Html, plain
from genomed.report.run_chain import chain_of, learned_step, people_step, variant_step
from genomed.report.run_flow import chapter as flow_chapter
from genomed.report.run_grid import Cell, grid
from genomed.report.run_page import needs, parts, person_needs, render_report
from genomed.report.run_people import People
from genomed.report.run_plots import MOST_MARKS, Bar, Cloud, Line, bars, lines, scatter
from genomed.report.run_provenance import chapter as provenance_chapter
from genomed.report.run_reads import chapter as reads_chapter
from genomed.report.run_reads import findings_of as find_in_reads
from genomed.report.run_records import ReportData, RunRecord, figure_from, file_link
from genomed.report.run_sankey import Loss, Step, sankey
from genomed.report.tables import Column

SAMPLES = ["AFR001", "NA12878", "1", "1000017", "p9", "odd one", "<b>x</b>"]


def a_run(command, place, *, files=(), tables=None, **record):
    paths = {name: f"{place}/{name}" for name in ("run.json", *files)}
    facts = {"program": "genomed", "command": command, "version": "0.1.0", **record}
    return RunRecord(command, place.rpartition("/")[2], place, paths, facts, tables or {})


def a_report(*runs, samples=SAMPLES):
    return ReportData("results", runs, People(samples, "salt"), version="0.1.0")


CONVERT = RunRecord(
    "convert", "c", "store", {"run.json": "store/c.run.json"},
    {"command": "convert", "program": "genomed", "version": "0.1.0", "inputs": {}, "records": [
        {"records": 100, "passed_over": 5, "read": 95, "refused": {"bad": 2}, "rows": 103,
         "dropped": {"filter": 3}, "stored": 100, "notes": {"half_call": 7}},
    ]},
)  # fmt: skip
QC = a_run(
    "qc", "qc/c", inputs={"results/store/c.pgen": {"bytes": 1, "sha256": "aa"}},
    run={"command_line": "genomed qc results/store/c.pgen --out results/qc/c --write kept/c"},
    records={"n_records": 100, "n_passed_over": 0, "n_emitted": 100, "refused": {}, "notes": {}},
    variants={"measured": 100, "kept": 90, "dropped": {"hwe": 10}},
    samples={"measured": 50, "kept": 48, "dropped": {"low_call_rate": 2}},
)  # fmt: skip
TRAIN = a_run(
    "train", "models/t.training", inputs={"kept/c.pgen": {"bytes": 1, "sha256": "bb"}},
    run={"command_line": "genomed train kept/c.pgen --out models/t.zip"},
    variants={"kept": 80, "low_maf": 10}, people={"develop": 30, "test": 10, "not used": 8},
)  # fmt: skip


def test_pseudonyms_depend_on_the_people_and_the_salt_alone():
    first, again = People(SAMPLES, "salt"), People(reversed(SAMPLES), "salt")
    assert [first.shown(s) for s in SAMPLES] == [again.shown(s) for s in SAMPLES]
    assert sorted(first.shown(s) for s in SAMPLES) == [f"P-000{i}" for i in range(1, 8)]
    assert [People(SAMPLES, "other").shown(s) for s in SAMPLES] != [first.shown(s) for s in SAMPLES]
    assert first.shown("nobody") == "unknown"


def test_a_person_is_found_by_id_pseudonym_or_name_unless_several_bear_it():
    people = People(SAMPLES, "salt", {"AFR001": "Ada", "NA12878": "Eve", "p9": "Eve"})
    assert people.sample("AFR001") == people.sample("Ada") == "AFR001"
    assert people.sample(people.shown("1")) == "1"
    assert people.sample("Eve") is None
    assert people.sample("nobody") is None


@pytest.mark.parametrize(
    "text",
    [
        "data/{NA12878}.sorted.bam is old",
        "x_{NA12878}.bam",
        "2 of 7 samples are not in the store ({1}, {AFR001}, ...); they are left out.",
        "those of {p9} of the store.",
        "X and Y disagree on the sex of {AFR001}, {odd one}, {1000017}; not a failure.",
        "{odd one}: no calls",
        "{<b>x</b>} has no calls",
    ],
)
def test_ids_in_sentences_and_paths_are_masked(text):
    people = People(SAMPLES, "salt")
    masked = people.masked(text.replace("{", "").replace("}", ""))
    assert masked == re.sub("{(.*?)}", lambda found: people.shown(found[1]), text)
    assert people.masked(masked) == masked


def test_numbers_and_words_that_are_no_samples_stay():
    people = People(["1", "2", "a", "EUR9"], "salt")
    text = "1 of 2 files has a call rate (0.2, 0.9) in EUR"
    assert people.masked(text) == text


def test_somebody_whom_no_run_holds_is_not_named_in_a_list_either():
    told = People(SAMPLES, "salt").masked("2 samples are not in the store (AFR001, ELSE1, ...).")
    assert "ELSE1" not in told
    assert told.endswith(", unknown, ...).")


def test_records_of_a_conversion_add_up():
    step = variant_step([CONVERT])
    assert (step.n_in, step.n_out) == (100, 100)
    assert {loss.reason: loss.n for loss in step.losses} == {
        "passed over": 5,
        "bad": 2,
        "filter": 3,
    }
    assert {gain.reason: gain.n for gain in step.gains} == {"split": 10}


def test_runs_are_linked_by_what_they_read_and_wrote():
    runs = [CONVERT, QC, TRAIN]
    assert chain_of(TRAIN, runs) == [[CONVERT], [QC], [TRAIN]]
    other = a_run("qc", "qc/d", inputs={}, run=QC.record["run"])
    assert chain_of(TRAIN, [*runs, other]) == [[TRAIN]]  # two runs wrote it: nobody can tell
    assert chain_of(QC, runs) == [[CONVERT], [QC]]


@pytest.mark.parametrize(
    ("link", "store"),
    [("../results/store/c", "/home/ada/results/store/c.pgen"), (".hidden/c", ".hidden/c.pgen")],
)
def test_a_store_is_found_from_a_page_elsewhere_and_in_a_hidden_directory(link, store):
    convert = RunRecord("convert", "c", "store", {"run.json": f"{link}.run.json"}, CONVERT.record)
    qc = replace(QC, record=QC.record | {"inputs": {store: {}}})
    assert chain_of(qc, [convert, qc]) == [[convert], [qc]]


def test_runs_over_parts_are_added_up():
    parts_ = [
        RunRecord("convert", name, "parts", {"run.json": f"parts/{name}.run.json"}, CONVERT.record)
        for name in ("1", "2")
    ]
    whole = RunRecord(
        "convert", "c", "store", {"run.json": "store/c.run.json"},
        CONVERT.record | {"inputs": {"parts/1.pgen": {}, "parts/2.pgen": {}}},
    )  # fmt: skip
    [both, end] = chain_of(whole, [*parts_, whole])
    assert both == parts_
    assert end == [whole]
    step = variant_step(both)
    assert (step.name, step.n_in, step.n_out) == ("convert, 2 runs", 200, 200)
    assert {loss.reason: loss.n for loss in step.losses}["filter"] == 6


def test_people_are_counted_from_step_to_step():
    assert people_step([QC]).n_out == people_step([TRAIN]).n_in == 48
    assert {loss.reason: loss.n for loss in people_step([TRAIN]).losses} == {
        "without trait or covariates": 8,
        "kept for the test": 10,
    }


def test_the_variants_of_a_model_are_those_that_risk_found_in_it():
    models = pl.DataFrame({"source": ["models/t.zip", "else.txt"], "n_variants": [18, 7]})
    risk = a_run("risk", "risk/c", tables={"models": models})
    step = learned_step(TRAIN, [TRAIN, risk])
    assert (step.n_in, step.losses[0].n, step.n_out) == (80, 62, 18)
    assert learned_step(TRAIN, [TRAIN]) is None


def test_sums_that_do_not_agree_are_a_finding():
    good = flow_chapter(a_report(CONVERT, QC, TRAIN))
    assert [finding.level for finding in good.findings] == ["usable"]
    more = QC.record | {"variants": {"measured": 100, "kept": 95, "dropped": {"hwe": 10}}}
    bad = flow_chapter(a_report(CONVERT, a_run("qc", "qc/c", **_rest(more))))
    assert [finding.level for finding in bad.findings] == ["none"]
    assert "5 at qc of c" in bad.findings[0].sentence


def _rest(record):
    return {key: value for key, value in record.items() if key not in ("command", "program",
                                                                     "version")}  # fmt: skip


def test_the_flow_says_every_number_in_words_as_well():
    body = flow_chapter(a_report(CONVERT, QC, TRAIN)).body
    told = plain(Html(body))
    for text in ("Variants of t.training", "hwe", "+10", "off Hardy-Weinberg"):
        assert text in told
    assert body.count("<title") > 10
    assert 'href="qc/c/run.json"' in body


def test_a_flow_is_as_high_as_its_numbers_and_small_losses_share_a_line():
    losses = [Loss(f"r{i}", i, "why") for i in range(1, 12)]
    step = Step("s", 1066, losses, [], 1000)
    drawn = sankey("t", [step], "kept", "variants", "x")
    heights = [float(h) for h in re.findall(r'height="([\d.]+)" class="node', drawn)]
    assert heights[0] == 190.0
    assert max(heights[1:]) == pytest.approx(190 * 1000 / 1066, abs=0.01)
    assert "5 more reasons" in drawn
    assert "15 5 more reasons" in plain(drawn)


def test_inputs_that_changed_between_runs_are_a_finding():
    one = a_run("qc", "a", inputs={"x.pgen": {"bytes": 1, "sha256": "aa"}})
    other = a_run("train", "b", inputs={"x.pgen": {"bytes": 1, "sha256": "bb"}})
    assert provenance_chapter(a_report(one, one)).findings[0].level == "usable"
    [finding] = provenance_chapter(a_report(one, other)).findings
    assert (finding.level, "x.pgen changed" in finding.sentence) == ("none", True)
    old = a_run("qc", "c", inputs={})
    old.record["version"] = "0.0.9"
    assert provenance_chapter(a_report(one, old)).findings[0].level == "care"


def test_a_path_with_a_sample_in_it_is_no_link():
    run = a_run("reads qc", "reads/NA12878", files=("files.tsv",))
    data = a_report(run)
    assert "NA12878" not in file_link(data, run, "files.tsv")
    assert "href" not in figure_from(data, run, "files.tsv", "row", "7")
    other = a_run("qc", "qc/a b", files=("samples.tsv",))
    assert 'href="qc/a%20b/samples.tsv"' in file_link(data, other, "samples.tsv")


def test_cells_of_a_long_table_cannot_end_it():
    evil = "</script><script>alert(1)</script>"
    rows = [[evil, Cell(evil, "pill usable"), None] for _ in range(30)]
    text = grid("x", "c", [Column("a"), Column("b"), Column("n", True)], rows, page=2)
    assert text.count("<script") == 1
    assert text.count("</script") == 1
    data = json.loads(re.search(r"<script[^>]*>(.*)</script>", text)[1])
    assert data["rows"][29][0] == evil
    assert text.count("<tr>") == 3
    assert "The first 2 of 30." in text


def test_a_cloud_of_many_people_is_drawn_with_few_marks():
    rng = np.random.default_rng(1)
    cloud = Cloud("all", rng.normal(size=200_000), rng.normal(size=200_000))
    drawn = scatter("t", ("x", "y"), [cloud], "i")
    assert len(re.findall(r"h0", drawn)) <= MOST_MARKS + 600
    assert len(drawn) < 60_000
    assert "(200,000)" not in drawn
    few = scatter("t", ("x", "y"), [cloud._replace(x=np.array([1.0, np.nan]), y=np.zeros(2))], "i")
    assert few.count("M") - few.count("Marks") == scatter_axes_moves(few) + 1


def scatter_axes_moves(drawn):
    return sum(path.count("M") for path in re.findall(r'd="([^"]*)" class="(?:grid|ax)"', drawn))


def test_figures_without_data_say_so():
    nothing = np.array([])
    assert "nobody" in scatter("t", ("x", "y"), [Cloud("a", nothing, nothing)], "i")
    assert "nothing" in lines("t", ("x", "y"), [Line("a", nothing, nothing)], "i")
    assert "no variants" in bars("t", [Bar("a", 0)], "i", "variants")


def test_reads_of_others_are_a_finding():
    files = pl.DataFrame(
        {"file": ["a.bam"], "prefix": ["a"], "sample": ["AFR001"], "n_reads": [9],
         "mapped_share": [0.9], "duplicate_share": [0.1], "mean_depth": [30.0],
         "callable_share": [0.9], "insert_median": [None], "q30_share": [0.9],
         "mismatch_rate": [0.001], "sex": [None]},
        schema_overrides={"insert_median": pl.Float64, "sex": pl.Utf8},
    )  # fmt: skip
    identity = pl.DataFrame(
        {"file": ["a.bam"], "sample": ["AFR001"], "n_sites": [1500], "contamination": [0.0],
         "contamination_low": [0.0], "contamination_high": [0.01], "contaminant": [None],
         "best_match": ["NA12878"], "identity": ["swapped"]},
        schema_overrides={"contaminant": pl.Utf8},
    )  # fmt: skip
    tables = {"files.parquet": files, "identity.parquet": identity}
    part = reads_chapter(a_report(a_run("reads qc", "reads/a", tables=tables)))
    assert [f.level for f in part.findings] == ["told", "none"]
    assert "AFR001" not in part.body
    assert "another person&#x27;s reads" in part.body


def test_reads_of_which_nothing_is_told_are_not_called_sound():
    files = pl.DataFrame({"mean_depth": [0.1], "callable_share": [None]})
    empty = pl.DataFrame({"contamination": [None], "contamination_low": [None]})
    tables = {"files.parquet": files, "identity.parquet": empty.cast(pl.Float64)}
    [_, finding] = find_in_reads(a_run("reads qc", "reads/a", tables=tables))
    assert (finding.level, finding.word) == ("told", "not told")


def test_calls_of_a_persons_contigs_are_added_up():
    runs = [
        a_run("reads call", f"calls/{c}", sample="AFR001", model={"kind": "none"},
              counts={"snps": 10, "indels": 1, "heterozygous": 6, "homozygous": 4})
        for c in "12"
    ]  # fmt: skip
    body = reads_chapter(a_report(*runs)).body
    assert json.loads(re.search(r'class="rows">(.*?)</script>', body)[1])["rows"] == [
        [People(SAMPLES, "salt").shown("AFR001"), "20", "2", "12", "8", "1.50", "0", "0", "2"]
    ]


@pytest.mark.parametrize("wanted", [needs(), person_needs()])
def test_every_table_is_read_once_and_has_a_name_of_its_own(wanted):
    assert len({(need.command, need.key) for need in wanted}) == len(wanted)


def test_the_page_names_its_one_script_and_style_by_digest():
    data = a_report(CONVERT, QC)
    page = render_report(data, parts(data))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert re.search(r"script-src &#x27;sha256-[\w+/=]+&#x27;;", policy)
    assert "unsafe" not in policy
    assert not re.search(r"\s(?:style|onclick|onload)=", page)
    assert len(re.findall(r"<script>", page)) == 1
    assert page == render_report(data, parts(data))
    assert page.index('id="summary"') < page.index('id="qc"') < page.index('id="provenance"')


def test_rows_of_a_scatter_have_names_where_what_is_up_is_no_number():
    cloud = Cloud("all", np.array([0.1, 0.9]), np.array([1.0, 0.0]))
    rows = [Tick(1.0, "female"), Tick(0.0, "male")]
    drawn = scatter("Sex", ("F on X", "declared sex"), [cloud], "sex", y_ticks=rows)
    assert re.findall(r'class="t e"[^>]*>([^<]*)<', str(drawn)) == ["female", "male"]
