"""`genomed risk` as a shell sees it: exit codes, what is printed where, and what is left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_cohorts import Record, row, write_model, write_vcf

OUTPUTS = ["ledger.tsv.gz", "models.tsv", "risk.html", "risk.parquet", "risk.tsv", "run.json"]
USAGE = "Usage: genomed risk [OPTIONS] {COHORT}\nTry 'genomed risk -h' for help."

# Runs one command line after the other, so that Python starts once: JSON lines in and out.
PROGRAM = """
import contextlib, io, json, os, sys
from genomed.cli import main
for line in sys.stdin:
    folder, sys.argv = json.loads(line)
    os.chdir(folder)
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    print(json.dumps([code, out.getvalue(), err.getvalue()]), file=sys.__stdout__, flush=True)
"""


def names_in(folder: str) -> list[str]:
    return [path.name for path in Path(folder).iterdir()]


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A directory with a cohort of two, a model it covers (m), and one it hardly covers (low)."""
    write_vcf(tmp_path / "c.vcf", [Record("1", 100, "A", "G", "0/1 0/0")], samples=["a", "b"])
    write_model(tmp_path / "m.txt", [row("1", 100, "G", "A", 0.5)])
    write_model(tmp_path / "low.txt", [row("1", 100, "G", "A", 0.5), row("1", 200, "G", "A", 5)])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def shell():
    environment = os.environ | {"COLUMNS": "100", "GENOMED_LIBRARY": "empty"}
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def genomed(shell, work):
    """Call with the arguments of ``genomed risk``: exit code, stdout, stderr.

    The line that says kernels are being compiled is left out: it depends on the runs before.
    """

    def call(*arguments: str) -> tuple[int, str, str]:
        shell.stdin.write(json.dumps([str(work), ["genomed", "risk", *arguments]]) + "\n")
        shell.stdin.flush()
        code, out, err = json.loads(shell.stdout.readline())
        lines = [x for x in err.splitlines() if not x.startswith("compiling kernels")]
        return code, out, "\n".join(lines)

    return call


ASSUME = (
    "--assume-hom-ref needs --fasta FILE: only the reference says which of a model's two "
    "alleles an absent record stands for"
)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("none.vcf -m m.txt", 3, "none.vcf: no such file"),
        ("c.vcf -m nobody", 6,
         "no file and no model called 'nobody' (library: empty); `genomed models list` shows all"),
        ("c.vcf -m m.txt --samples zz", 3, "c.vcf: no sample 'zz'; `bcftools query -l` lists them"),
        ("c.vcf -m m.txt --build GRCh37", 3,
         "c.vcf: --build says GRCh37, but contig 1 is 248,956,422 bases long, as in GRCh38"),
        ("c.vcf -m m.txt --explain rs1", 2,
         "--explain 'rs1' is not a variant; write it as 1:12345:A:G"),
        ("c.vcf -m m.txt --assume-hom-ref", 2, ASSUME),
        ("c.vcf -m m.txt --reference-frequencies none.afreq", 3,
         "none.afreq: no such file; check the path"),
        ("c.vcf -m m.txt --fasta r.fa", 3,
         "r.fa: not an indexed FASTA (file `r.fa` not found); index it with `samtools faidx`"),
    ],
)  # fmt: skip
def test_an_error_is_one_sentence_an_exit_code_and_no_output(
    genomed, work, arguments, code, message
):
    before = sorted(work.iterdir())
    assert genomed(*arguments.split()) == (code, "", f"error: {message}")
    assert sorted(work.iterdir()) == before


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--ambiguous", "x", "--ambiguous: 'x' is not one of drop, keep, by-frequency"),
        ("--missing", "x",
         "--missing: 'x' is not one of mean, reference-mean, drop, zero-dosage"),
        ("--dosage-field", "AD", "--dosage-field: 'AD' is not one of GT, DS, GP"),
        ("--threads", "0", "'--threads' / '-t': 0 is not in the range x>=1."),
        ("--min-weighted-coverage", "2",
         "'--min-weighted-coverage': 2.0 is not in the range 0<=x<=1."),
        ("--max-memory", "x",
         "'--max-memory': 'x' is not an amount of memory; write it as 4G or 512M"),
    ],
)  # fmt: skip
def test_a_bad_value_of_an_option_exits_with_2_and_says_what_it_may_be(
    genomed, work, option, value, message
):
    code, out, err = genomed("c.vcf", "-m", "m.txt", option, value)
    assert (code, out) == (2, "")
    assert err == f"{USAGE}\n\nError: Invalid value for {message}"
    assert not (work / "genomed-risk").exists()


def test_an_option_nobody_knows_exits_with_2(genomed, work):
    code, out, err = genomed("c.vcf", "--colour")
    assert (code, out) == (2, "")
    assert "No such option: --colour" in err


def test_results_are_listed_on_stdout_and_written(genomed, work):
    code, out, err = genomed("c.vcf", "-m", "m.txt", "-o", "done")
    assert (code, err) == (0, "")
    assert sorted(names_in("done")) == OUTPUTS
    for name in OUTPUTS:
        assert f"done/{name}" in out
    assert "0.500" in out


def test_json_is_json_and_nothing_else(genomed, work):
    code, out, err = genomed("c.vcf", "-m", "m.txt", "-o", "done", "--json", "--explain", "1:100")
    assert (code, err) == (0, "")
    summary = json.loads(out)
    assert sorted(summary["outputs"]) == OUTPUTS
    assert all(Path(path).is_file() for path in summary["outputs"].values())
    assert (summary["build"], summary["n_samples"]) == ("GRCh38", 2)
    assert summary["records"]["n_records"] == 1
    assert summary["models"][0]["model"] == "m"
    assert summary["models"][0]["score_mean"] == 0.25
    assert summary["explained"][0].startswith("1:100:\n")


def test_quiet_says_nothing(genomed, work):
    assert genomed("c.vcf", "-m", "m.txt", "-o", "done", "-q") == (0, "", "")
    assert sorted(names_in("done")) == OUTPUTS


def test_quiet_says_only_what_was_asked_to_be_explained(genomed, work):
    code, out, err = genomed("c.vcf", "-m", "m.txt", "-o", "done", "-q", "--explain", "1:100")
    assert (code, err) == (0, "")
    assert out.startswith("1:100:\n")


def test_timings_are_lines_of_phase_and_seconds(genomed, work):
    code, _, err = genomed("c.vcf", "-m", "m.txt", "-q", "--timings")
    assert code == 0
    fields = [line.split("\t") for line in err.splitlines()]
    assert {f[0] for f in fields} == {"timing"}
    assert {"models", "open", "stream", "finish", "write"} <= {f[1] for f in fields}
    assert all(float(f[2]) >= 0 for f in fields)


def test_a_model_without_any_score_exits_with_4_and_keeps_the_tables(genomed, work):
    code, out, err = genomed("c.vcf", "-m", "low.txt", "-o", "done")
    assert (code, err) == (4, "")
    assert sorted(names_in("done")) == OUTPUTS
    assert "1.0% of its variance is covered and 75% are needed (--min-weighted-coverage)." in out
    rows = (work / "done" / "risk.tsv").read_text().splitlines()
    header, first = (r.split("\t") for r in rows[:2])
    assert dict(zip(header, first, strict=True))["score"] == ""
    assert "low_coverage" in dict(zip(header, first, strict=True))["flags"]


def test_one_unusable_model_of_two_exits_with_4_too(genomed, work):
    assert genomed("c.vcf", "-m", "m.txt", "-m", "low.txt", "-q")[0] == 4


def test_a_lower_limit_lets_it_pass(genomed, work):
    arguments = ("c.vcf", "-m", "low.txt", "-q", "--min-weighted-coverage", "0.005")
    assert genomed(*arguments) == (0, "", "")


def test_strict_exits_with_4_when_one_sample_has_no_score(genomed, work):
    records = [Record("1", 100, "A", "G", "0/1 ./. 0/0"), Record("1", 200, "A", "G", "0/1 0/0 0/1")]
    write_vcf(work / "gaps.vcf", records)
    write_model(work / "two.txt", [row("1", 100, "G", "A", 9), row("1", 200, "G", "A", 1)])
    assert genomed("gaps.vcf", "-m", "two.txt", "-q")[0] == 0
    assert genomed("gaps.vcf", "-m", "two.txt", "-q", "--strict")[0] == 4


def test_no_variant_found_exits_with_4_and_leaves_nothing(genomed, work):
    write_model(work / "away.txt", [row("1", 999, "G", "A", 1)])
    code, out, err = genomed("c.vcf", "-m", "away.txt", "-o", "done")
    assert (code, out) == (4, "")
    assert err == (
        "error: c.vcf: no variant of any model was found (1 looked for in 1 records); check the "
        "genome build, or that variants are keyed as the models key them"
    )
    assert not (work / "done").exists()


def test_the_wrong_build_exits_with_3_and_names_both(genomed, work):
    write_model(work / "old.txt", [row("1", 100, "G", "A", 1)], "GRCh37")
    code, out, err = genomed("c.vcf", "-m", "old.txt")
    assert (code, out) == (3, "")
    assert err == (
        "error: c.vcf is on GRCh38 (contig 1 is 248,956,422 bases long, as in GRCh38), but model "
        "old has positions on GRCh37 only; get it on GRCh38, for a PGS Catalog score with "
        "`genomed models fetch old --build GRCh38`"
    )
    assert not (work / "genomed-risk").exists()


def test_a_failed_run_leaves_an_older_result_as_it_was(genomed, work):
    assert genomed("c.vcf", "-m", "m.txt", "-o", "done", "-q")[0] == 0
    before = {name: (work / "done" / name).read_bytes() for name in OUTPUTS}
    (work / "c.vcf").write_text((work / "c.vcf").read_text().replace("0/1", "0/5"))
    code, _, err = genomed("c.vcf", "-m", "m.txt", "-o", "done", "-q")
    assert code == 3
    assert "sample 'a': '0/5' names an allele that the line does not have" in err
    assert {name: (work / "done" / name).read_bytes() for name in names_in("done")} == before


def test_a_place_that_cannot_be_written_exits_with_5(genomed, work):
    code, out, err = genomed("c.vcf", "-m", "m.txt", "-o", "c.vcf")
    assert (code, out) == (5, "")
    assert err.startswith("error: c.vcf: results cannot be written (")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory_exits_with_5(genomed, work):
    (work / "locked").mkdir(mode=0o555)
    code, _, err = genomed("c.vcf", "-m", "m.txt", "-o", "locked/done")
    assert code == 5
    assert "Permission denied" in err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_a_file_system_that_takes_no_files_exits_with_5(genomed, work):
    code, _, err = genomed("c.vcf", "-m", "m.txt", "-o", "/proc/genomed-risk")
    assert code == 5
    assert err.startswith("error: /proc/genomed-risk: results cannot be written (")


def test_a_cohort_may_come_through_a_pipe(genomed, work):
    text = (work / "c.vcf").read_bytes()
    command = [sys.executable, "-m", "genomed", "risk", "-", "-m", "m.txt", "-q", "-o", "piped"]
    done = subprocess.run(command, input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")
    assert genomed("c.vcf", "-m", "m.txt", "-q", "-o", "read")[0] == 0
    assert (work / "piped/risk.tsv").read_bytes() == (work / "read/risk.tsv").read_bytes()


def test_a_process_of_its_own_ends_the_same_way(genomed, work):
    command = [sys.executable, "-m", "genomed", "risk", "none.vcf", "-m", "m.txt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-1] == "error: none.vcf: no such file"
    assert genomed("none.vcf", "-m", "m.txt") == (3, "", "error: none.vcf: no such file")


def test_samples_come_from_a_list_or_a_file(genomed, work):
    (work / "names.txt").write_text("#IID\tSEX\nb\t2\n")
    for number, given in enumerate(("b", "names.txt")):
        assert genomed("c.vcf", "-m", "m.txt", "-q", "-o", f"o{number}", "--samples", given)[0] == 0
        rows = (work / f"o{number}" / "risk.tsv").read_text().splitlines()[1:]
        assert [r.split("\t")[0] for r in rows] == ["b"]
