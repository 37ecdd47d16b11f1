"""`genomed doctor` as it is typed: what is printed where, and the exit code."""

import json
import os
import subprocess
import sys

PROGRAM = "from genomed.cli import main; main()"


def genomed_doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, "doctor", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | environment
    )


def test_a_fit_machine_gets_a_line_per_question_and_exit_code_0():
    done = genomed_doctor()
    assert done.returncode == 0
    assert done.stderr == ""
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert {len(fields) for fields in lines} == {4}
    assert {fields[0] for fields in lines} <= {"ok", "note"}


def test_json_holds_the_same_and_an_unfit_machine_exits_with_7():
    hidden = "import sys; sys.modules['torch'] = None\n"
    command = [sys.executable, "-c", hidden + PROGRAM, "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 7
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert done.stderr.startswith("error: this machine is unfit: torch;")
    assert done.stderr.count("\n") == 1
    assert set(findings["python"]) == {"name", "status", "value", "advice"}
    assert findings["torch"]["advice"] == "pip install torch"


def test_it_answers_even_where_the_heavy_libraries_are_broken():
    hidden = "import sys; sys.modules.update(numpy=None, polars=None, pysam=None)\n"
    command = [sys.executable, "-c", hidden + PROGRAM, "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert "unfit\thtslib\t" in done.stdout
    assert "unfit\tnumerics\t" in done.stdout
    assert "Traceback" not in done.stderr
