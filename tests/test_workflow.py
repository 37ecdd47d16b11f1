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
    """The shell command of the only rule that would run."""
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    (line,) = [text for text in lines if "genomed risk " in text]
    return " ".join(line[line.index("genomed risk") :].split())


def test_the_example_configuration_names_every_key_of_the_schema() -> None:
    config = example_config()

    assert config.keys() == SCHEMA["properties"].keys()
    assert config["risk"].keys() == SCHEMA["properties"]["risk"]["properties"].keys()


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


def test_the_example_cohort_would_be_scored_by_one_command(tmp_path: Path) -> None:
    config = example_config()
    (tmp_path / "examples/data").mkdir(parents=True)
    (tmp_path / config["cohorts"]["example"]).touch()

    command = command_of(dry_run(config, tmp_path))

    assert command.startswith("genomed risk examples/data/cohort.vcf.gz --out")
    assert "--min-weighted-coverage 0.75 --ambiguous by-frequency --missing mean" in command


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
    for path in (WORKFLOWS / "rules").glob("*.smk"):
        words = path.read_text().split()
        assert not {"script:", "run:", "notebook:", "import"} & set(words), path.name
        assert {"log:", "benchmark:", "conda:"} <= set(words), path.name
