"""The workflow: every rule is one command, and works on what the one before it has made."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from datafiles import REPOSITORY

from genomed.settings import RiskSettings

WORKFLOWS = REPOSITORY / "workflows"
CONFIG = WORKFLOWS / "config" / "config.yaml"
SCHEMA = yaml.safe_load((WORKFLOWS / "schemas" / "config.schema.yaml").read_text())
VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tA\tB\n"
STEPS = (
    "reads qc", "reads call", "convert", "qc", "structure", "train", "risk", "evaluate", "explain",
)  # fmt: skip
Steps = dict[str, list[str]]
BETWEEN = "-- the next directory --"
DRY_RUNS = f"""
import os, sys
from snakemake.cli import main
for directory in sys.argv[1:]:
    os.chdir(directory)
    print({BETWEEN!r}, flush=True)
    try:
        main(["--cores", "2", "--configfile", "config.yaml", "--dry-run", "-p"])
    except SystemExit as ended:
        if ended.code:
            raise
"""
WHOLE: dict[str, Any] = {
    "cohorts": {"one": "a.vcf"},
    "train": {"trait": ["bmi"], "traits": "traits.tsv", "covariates": "people.tsv"},
    "structure": {"groups": "groups.tsv:population"},
    "planned": {"risk": {"one": {"mem_mb": 777}}, "qc": {"*": {"mem_mb": 555}}},
}
CONVERTED = {"min_gq": 20, "phase": True, "gvcf": False, "info": "AF;x", "explain": ["1", "2"]}
SCATTERED: dict[str, Any] = {
    "cohorts": {"two": ["chr 1.vcf", "it's 2.vcf"], "one": "mine.vcf"},
    "fasta": "genome.fa",
    "convert": {"scatter": "files", "options": CONVERTED},
    "qc": {"run": False},
    "risk": {
        "models": ["a;b.txt", "PGS000001"], "reference": "eur.zip", "unscored": "report",
    },
}  # fmt: skip


def example_config() -> dict[str, Any]:
    return yaml.safe_load(CONFIG.read_text())


def dry_run(*directories: Path) -> subprocess.CompletedProcess[str]:
    """What Snakemake would do in each directory, in one process, for to load it takes longest.

    The `genomed` that it finds fails: nobody is asked which options and models there are.
    """
    pytest.importorskip("snakemake", reason="not installed: pip install 'genomed[workflow]'")
    for directory in directories:
        for name in ("Snakefile", "workflows"):
            (directory / name).symlink_to(REPOSITORY / name)
    program(directories[0], "exit 1")
    return subprocess.run(
        [sys.executable, "-c", DRY_RUNS, *directories], env=with_program(directories[0]),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


def program(directory: Path, script: str) -> None:
    """A `genomed` of a few words of shell, found by whoever runs `with_program`."""
    path = directory / "programs" / "genomed"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def with_program(directory: Path) -> dict[str, str]:
    return os.environ | {"PATH": f"{directory / 'programs'}{os.pathsep}{os.environ['PATH']}"}


def commands(text: str) -> Steps:
    """The shell commands of every step in what a dry run says."""
    found: Steps = {}
    for name in STEPS:
        start = f"genomed {name} "
        lines = [line for line in text.splitlines() if start in line]
        found[name] = sorted(" ".join(line[line.index(start) :].split()) for line in lines)
    return found


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> tuple[Steps, Steps]:
    """Commands of a chain that is whole, and of one of several files, without quality control."""
    whole, scattered = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("scattered")
    people = "sample\tbmi\tpopulation\nA\t1\tx\nB\t2\ty\n"
    files(whole, a__vcf=VCF, traits__tsv=people, people__tsv=people, groups__tsv=people)
    for name in ("chr 1.vcf", "it's 2.vcf", "mine.vcf", "eur.zip", "a;b.txt"):
        (scattered / name).write_text(VCF)
    files(scattered, genome__fa=">1\nA\n", genome__fa__fai="1\t1\t3\t1\t2\n")
    (whole / "config.yaml").write_text(yaml.safe_dump(WHOLE))
    (scattered / "config.yaml").write_text(yaml.safe_dump(SCATTERED))
    done = dry_run(whole, scattered)
    assert done.returncode == 0, done.stdout
    first, second = done.stdout.split(BETWEEN)[1:]
    return commands(first), commands(second)


def files(directory: Path, **texts: str) -> None:
    """Small files, by name; a double underscore in a name stands for the dot."""
    for name, text in texts.items():
        (directory / name.replace("__", ".")).write_text(text)


def test_the_example_configuration_names_every_key_of_the_schema() -> None:
    config = example_config()

    assert config.keys() == SCHEMA["properties"].keys()
    for name, section in SCHEMA["properties"].items():
        if "properties" in section:
            assert config[name].keys() == section["properties"].keys(), name


def test_defaults_of_the_workflow_are_those_of_the_command() -> None:
    settings = dataclasses.asdict(RiskSettings())
    properties = SCHEMA["properties"]["risk"]["properties"]
    shared = settings.keys() & properties.keys()

    assert {"min_weighted_coverage", "ambiguous", "missing", "assume_hom_ref"} <= shared
    assert {key: properties[key]["default"] for key in shared} == {
        key: settings[key] for key in shared
    }
    assert {key: example_config()["risk"][key] for key in shared} == {
        key: settings[key] for key in shared
    }


def test_every_step_works_on_what_the_step_before_it_has_made(chains: tuple[Steps, Steps]) -> None:
    step, _ = chains

    (convert,), (qc,), (structured,) = step["convert"], step["qc"], step["structure"]
    (trained,), (risk,) = step["train"], step["risk"]
    (evaluate,), (explain,) = step["evaluate"], step["explain"]
    assert convert.startswith("genomed convert a.vcf --out results/store/one")
    assert qc.startswith(
        "genomed qc results/store/one.pgen --out results/qc/one --write results/passed/one"
    )
    assert "--max-memory 355M" in qc
    assert structured.startswith("genomed structure results/passed/one.pgen --out")
    assert "--groups groups.tsv:population" in structured
    assert trained.startswith("genomed train results/passed/one.pgen --trait bmi --out")
    assert "--traits traits.tsv --covariates people.tsv" in trained
    assert risk.startswith("genomed risk a.vcf --model results/models/bmi.zip --out")
    assert "--min-weighted-coverage 0.75 --ambiguous by-frequency --missing mean" in risk
    assert "--max-memory 577M" in risk
    assert evaluate.startswith("genomed evaluate results/models/bmi.training/predictions.tsv.gz")
    assert explain.startswith("genomed explain results/models/bmi.zip results/passed/one.pgen")


def test_files_of_one_cohort_are_converted_together_or_scattered_and_gathered(
    chains: tuple[Steps, Steps],
) -> None:
    _, step = chains

    whole = [one for one in step["convert"] if "/store/" in one]
    parts = [one for one in step["convert"] if "/parts/" in one and "/store/" not in one]
    words = "--explain 1 --explain 2 --info 'AF;x' --min-gq 20 --phase --threads"
    assert len(parts) == 2
    assert parts[0].startswith("genomed convert 'chr 1.vcf' --out results/parts/two/1 ")
    assert parts[1].startswith("""genomed convert 'it'"'"'s 2.vcf' --out results/parts/two/2 """)
    assert words in parts[0]
    assert all("--allow-no-variants" in part for part in parts)
    assert not any("--allow-no-variants" in one for one in whole)
    assert whole[0].startswith("genomed convert mine.vcf --out results/store/one ")
    assert words in whole[0]
    assert whole[1].startswith(
        "genomed convert results/parts/two/1.pgen results/parts/two/2.pgen --out results/store/two "
        "--info 'AF;x' --phase --threads"
    )
    assert [one.split()[2] for one in step["structure"]] == [
        "results/store/one.pgen", "results/store/two.pgen"
    ]  # fmt: skip
    mine, from_store = step["risk"]
    assert mine.startswith("genomed risk mine.vcf --model 'a;b.txt' --model PGS000001 --out")
    assert from_store.startswith("genomed risk results/store/two.pgen --model")
    assert "--fasta genome.fa --reference eur.zip --threads" in mine
    assert not step["qc"] + step["train"] + step["evaluate"] + step["explain"] + step["reads qc"]


@pytest.mark.parametrize(
    ("unscored", "script", "code"),
    [
        ("fail", "mkdir -p results/risk/one; exit 4", 4),
        ("report", "mkdir -p results/risk/one; exit 4", 0),
        ("report", "exit 4", 4),
        ("report", "exit 3", 3),
    ],
)
def test_a_model_that_scores_nobody_is_reported_where_that_is_asked_for_and_results_are_there(
    chains: tuple[Steps, Steps], tmp_path: Path, unscored: str, script: str, code: int
) -> None:
    command = chains[unscored == "report"]["risk"][0]
    (tmp_path / "results" / "logs" / "risk").mkdir(parents=True)
    program(tmp_path, script)
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=with_program(tmp_path))
    assert done.returncode == code


def test_no_rule_holds_analysis() -> None:
    for path in set((WORKFLOWS / "rules").glob("*.smk")) - {WORKFLOWS / "rules" / "common.smk"}:
        text = path.read_text()
        words = text.split()
        n_rules = words.count("rule")
        assert not {"script:", "run:", "notebook:", "import", "def"} & set(words), path.name
        for directive in ("log:", "benchmark:", "conda:", "resources:"):
            assert words.count(directive) == n_rules, (path.name, directive)
        assert text.count('retries: config["retries"]') == n_rules, path.name
        assert text.count('mem_mb=needs("') == n_rules, path.name


def test_the_catalog_of_workflows_finds_what_it_looks_for() -> None:
    settings = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text())

    assert settings["usage"]["software-stack-deployment"]["conda"] is True
    assert 'include: "../Snakefile"' in (REPOSITORY / "workflow" / "Snakefile").read_text()
    described = (REPOSITORY / "config" / "README.md").read_text()
    assert [name for name in SCHEMA["properties"] if f"`{name}`" not in described] == []
