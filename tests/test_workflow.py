"""The workflow: its configuration is checked first, and every rule is one command."""

import dataclasses
import re
import shutil
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


def example_config() -> dict[str, Any]:
    return yaml.safe_load(CONFIG.read_text())


def snakemake() -> str:
    """The program beside this Python, or on PATH; the calling test is skipped without it."""
    found = shutil.which("snakemake", path=str(Path(sys.executable).parent)) or shutil.which(
        "snakemake"
    )
    return found or pytest.skip("snakemake is not installed: pip install 'genomed[workflow]'")


def dry_run(config: dict[str, Any], directory: Path) -> subprocess.CompletedProcess[str]:
    """What snakemake would do with this configuration, in a directory of its own."""
    program = snakemake()
    for name in ("Snakefile", "workflows", "environment.yml"):
        (directory / name).symlink_to(REPOSITORY / name)
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    command = [program, "--cores", "2", "--configfile", "config.yaml", "--dry-run", "-p"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def command_of(done: subprocess.CompletedProcess[str]) -> str:
    """The shell command of the only rule `risk` that would run."""
    (command,) = commands_of(done, "risk")
    return command


def commands_of(done: subprocess.CompletedProcess[str], name: str) -> list[str]:
    """The shell commands that would run `genomed NAME`."""
    assert done.returncode == 0, done.stdout + done.stderr
    start = f"genomed {name} "
    lines = [line for line in (done.stdout + done.stderr).splitlines() if start in line]
    return [" ".join(line[line.index(start) :].split()) for line in lines]


def analysis(sections: dict[str, Any], cohorts: Any, directory: Path) -> dict[str, list[str]]:
    """The commands of every step under a configuration with these sections."""
    done = dry_run({"cohorts": cohorts} | sections, directory)
    steps = ("convert", "qc", "structure", "train", "risk", "evaluate", "explain")
    return {name: commands_of(done, name) for name in steps}


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


def test_the_example_cohort_would_be_scored_by_the_model_trained_in_it(tmp_path: Path) -> None:
    config = example_config()
    (tmp_path / "examples/data").mkdir(parents=True)
    (tmp_path / config["cohorts"]["example"]).touch()

    for name in ("cohort.psam", "samples.tsv", "traits.tsv", "covariates.tsv"):
        (tmp_path / "examples/data" / name).touch()

    command = command_of(dry_run(config, tmp_path))

    assert command.startswith("genomed risk examples/data/cohort.vcf.gz --model results/models/")
    assert "--min-weighted-coverage 0.75 --ambiguous by-frequency --missing mean" in command


def test_every_step_works_on_what_the_step_before_it_has_made(tmp_path: Path) -> None:
    for name in ("a.vcf", "traits.tsv", "people.tsv", "groups.tsv"):
        (tmp_path / name).touch()
    train = {"trait": ["bmi"], "traits": "traits.tsv", "covariates": "people.tsv"}
    sections = {"train": train, "structure": {"groups": "groups.tsv:population"}}
    step = analysis(sections, {"one": "a.vcf"}, tmp_path)

    (convert,), (qc,), (structure,) = step["convert"], step["qc"], step["structure"]
    (train,), (risk,) = step["train"], step["risk"]
    (evaluate,), (explain,) = step["evaluate"], step["explain"]
    assert convert.startswith("genomed convert a.vcf --out results/store/one")
    assert qc.startswith(
        "genomed qc results/store/one.pgen --out results/qc/one --write results/passed/one"
    )
    assert structure.startswith("genomed structure results/passed/one.pgen --out")
    assert "--groups groups.tsv:population" in structure
    assert train.startswith("genomed train results/passed/one.pgen --trait bmi --out")
    assert "--traits traits.tsv --covariates people.tsv" in train
    assert risk.startswith("genomed risk a.vcf --model results/models/bmi.zip")
    assert evaluate.startswith("genomed evaluate results/models/bmi.training/predictions.tsv.gz")
    assert explain.startswith("genomed explain results/models/bmi.zip results/passed/one.pgen")


def test_what_is_switched_off_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "a.vcf").touch()
    step = analysis({"qc": {"run": False}}, {"one": "a.vcf"}, tmp_path)

    (structure,) = step["structure"]
    assert structure.startswith("genomed structure results/store/one.pgen")
    assert [name for name, commands in step.items() if commands] == ["convert", "structure", "risk"]


def test_files_of_one_cohort_are_converted_together(tmp_path: Path) -> None:
    for name in ("chr 1.vcf", "chr2.vcf"):
        (tmp_path / name).touch()
    step = analysis({}, {"one": ["chr 1.vcf", "chr2.vcf"]}, tmp_path)

    (convert,) = step["convert"]
    (risk,) = step["risk"]
    assert convert.startswith("genomed convert 'chr 1.vcf' chr2.vcf --out results/store/one")
    assert risk.startswith("genomed risk results/store/one.pgen --out")


def test_options_become_words_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "a.vcf").touch()
    options = {"min_gq": 20, "phase": True, "gvcf": False, "info": "AF;x", "explain": ["1", "2"]}
    step = analysis({"convert": {"options": options}}, {"one": "a.vcf"}, tmp_path)

    (convert,) = step["convert"]
    assert "--explain 1 --explain 2 --info 'AF;x' --min-gq 20 --phase --threads" in convert


def test_a_short_configuration_is_filled_from_the_schema(tmp_path: Path) -> None:
    (tmp_path / "mine.vcf").touch()

    command = command_of(dry_run({"cohorts": {"mine": "mine.vcf"}}, tmp_path))

    assert "--missing mean" in command
    assert "results/risk/mine" in command


def test_paths_with_spaces_and_quotes_stay_one_word(tmp_path: Path) -> None:
    (tmp_path / "it's mine.vcf").touch()
    (tmp_path / "a;b.txt").touch()
    config = {"cohorts": {"mine": "it's mine.vcf"}, "risk": {"models": ["a;b.txt", "PGS000001"]}}

    command = command_of(dry_run(config, tmp_path))

    assert command.startswith("""genomed risk 'it'"'"'s mine.vcf' --model 'a;b.txt' --model""")


def test_a_fasta_and_a_reference_bundle_are_handed_on(tmp_path: Path) -> None:
    for name in ("mine.vcf", "my genome.fa", "eur.zip"):
        (tmp_path / name).touch()
    risk = {"fasta": "my genome.fa", "reference": "eur.zip"}

    command = command_of(dry_run({"cohorts": {"mine": "mine.vcf"}, "risk": risk}, tmp_path))

    assert "--fasta 'my genome.fa' --reference eur.zip --threads" in command


def test_a_misspelt_key_stops_the_run_and_is_named(tmp_path: Path) -> None:
    done = dry_run(example_config() | {"risk": {"ambigous": "drop"}}, tmp_path)

    assert done.returncode != 0
    assert "'ambigous' was unexpected" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"cohort": {}}, "'cohort' was unexpected"),
        ({"cohorts": {}}, "{} should be non-empty"),
        ({"cohorts": {"a/b": "a.vcf"}}, "'a/b' does not match"),
        ({"qc": {"options": {"--hwe-p": 1}}}, "'--hwe-p' does not match"),
        ({"threads": "two"}, "'two' is not of type 'integer'"),
        ({"risk": {"missing": "hom-ref"}}, "'hom-ref' is not one of"),
        ({"risk": {"min_weighted_coverage": 75}}, "75 is greater than the maximum of 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_schema_refuses(change: dict[str, Any], named: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")

    with pytest.raises(jsonschema.ValidationError, match=re.escape(named)):
        jsonschema.validate(example_config() | change, SCHEMA)


def test_no_rule_holds_analysis() -> None:
    for path in set((WORKFLOWS / "rules").glob("*.smk")) - {WORKFLOWS / "rules" / "common.smk"}:
        words = path.read_text().split()
        assert not {"script:", "run:", "notebook:", "import"} & set(words), path.name
        assert {"log:", "benchmark:", "conda:"} <= set(words), path.name
