"""Asking for help is quick, because nothing heavy is loaded until a step runs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_alignments import Read, random_bases, write_bam

HEAVY = [
    "allel",
    "jinja2",
    "numba",
    "numpy",
    "pgenlib",
    "plotly",
    "polars",
    "pydantic",
    "pysam",
    "scipy",
    "sklearn",
    "torch",
    "zstandard",
]
MAX_MODULES = 220

LIST_HEAVY = f"""
import atexit, sys
heavy = {HEAVY!r}
atexit.register(lambda: print(*[m for m in heavy if m in sys.modules], file=sys.stderr))
"""


def loaded_by(program: str, *arguments: str) -> list[str]:
    """Heavy packages in memory when a program of a few lines ends."""
    done = subprocess.run(
        [sys.executable, "-c", LIST_HEAVY + program, *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stderr.split()


@pytest.mark.parametrize("module", ["genomed", "genomed.cli", "genomed.errors", "genomed.plugins"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    assert loaded_by(f"import {module}") == []


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["risk", "--help"], ["evaluate", "--help"], ["models", "--help"]],
    ids=" ".join,
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert loaded_by("from genomed.cli import main; main()", *arguments) == []


def test_a_command_is_made_without_the_others() -> None:
    program = (
        "import atexit, sys\nfrom genomed.cli import main\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "convert", "--help"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    loaded = done.stderr.split()
    assert "genomed.cli.convert" in loaded
    assert not {"genomed.cli.train", "genomed.cli.reads", "genomed.cli.risk"} & set(loaded)


@pytest.mark.parametrize(
    "arguments",
    [["explain", "absent", "absent"], ["train", "absent", "--traits", "absent", "--trait", "y"]],
    ids=lambda arguments: arguments[0],
)
def test_wrong_paths_are_refused_before_torch_is_loaded(arguments: list[str]) -> None:
    program = "from genomed.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass"
    assert "torch" not in loaded_by(program, *arguments)


def test_the_shipped_caller_does_without_torch(tmp_path: Path) -> None:
    """Its net is asked with numpy; torch takes more than a second to load."""
    bases = random_bases(np.random.default_rng(3), 400)
    other = bases[:200] + "ACGT"["CGTA".index(bases[200])] + bases[201:]
    reads = [Read(f"r{k}", 110 + k, "100M", other[110 + k : 210 + k]) for k in range(60)]
    bam = write_bam(tmp_path / "reads.bam", reads, {"1": 400})
    fasta = tmp_path / "ref.fa"
    fasta.write_text(f">1\n{bases}\n")
    calls = tmp_path / "calls" / "calls.vcf.gz"
    for command, out in ((["call"], calls.parent), (["score", str(calls)], tmp_path / "scores")):
        arguments = [*command, str(bam), "--reference", str(fasta), "--out", str(out)]
        loaded = loaded_by("from genomed.cli import main; main()", "reads", *arguments)
        assert "torch" not in loaded
        run = json.loads((out / "run.json").read_text())
        assert run["model"] == {"kind": "trained", "bundle": "shipped"}
    assert run["records"] == 1


def test_help_loads_few_modules() -> None:
    """Each costs a millisecond; typer and the commands themselves are nearly all of them."""
    program = "import sys\nfrom genomed.cli import main\ntry:\n    main()\n"
    program += "finally:\n    print(len(sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"], check=True, capture_output=True, text=True
    )
    assert int(done.stderr) <= MAX_MODULES
