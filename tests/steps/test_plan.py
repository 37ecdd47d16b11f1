"""`genomed plan`: which jobs there are, what they will take, what will not fit, what is written."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from datafiles import REPOSITORY
from small_alignments import Read, random_bases, write_bam
from small_cohorts import Record, write_vcf

from genomed.errors import InputError, UsageError
from genomed.settings import PlanSettings
from genomed.steps.plan import Place, plan_jobs, plan_yaml, resized, run_plan, write_plan
from genomed.steps.plan_inputs import jobs_of_config, model_sizes
from genomed.steps.workflow_files import workflow_checks

EXAMPLE = REPOSITORY / "workflows" / "config" / "config.yaml"
LARGE = Place(cores=4, memory_mb=1e6, disk_mb=1e9)
SETTINGS = PlanSettings()


@pytest.fixture
def config(monkeypatch) -> dict:
    """The configuration of the examples, in whose directory the test runs."""
    monkeypatch.chdir(REPOSITORY)
    config = workflow_checks().with_defaults(yaml.safe_load(EXAMPLE.read_text()))
    config["report"]["run"] = True
    return config


def plan_of(config, place=LARGE, settings=SETTINGS):
    """Without the checks of the configuration, which ask every command for its options."""
    jobs = jobs_of_config(config, lambda sizes: resized(sizes, settings))
    return plan_jobs(jobs, settings, place, source="config.yaml")


def names(plan) -> list[tuple[str, str]]:
    return [(one.job.rule, one.job.name) for one in plan.jobs]


def test_the_jobs_are_those_of_the_chain(config):
    plan = plan_of(config)
    chain = ["convert", "qc", "structure", "train", "evaluate", "explain", "risk", "report"]
    assert [rule for rule, _ in names(plan)] == chain
    assert dict(names(plan))["train"] == "biomarker"
    assert plan.misfits == []
    assert plan.wall_s > max(one.wall_s for one in plan.jobs)


def test_what_is_switched_off_is_not_planned(config):
    config["qc"]["run"] = config["explain"]["run"] = False
    config["train"]["trait"] = []
    rules = [rule for rule, _ in names(plan_of(config))]
    assert rules == ["convert", "structure", "risk", "report"]


def test_the_written_plan_is_a_configuration_that_the_workflow_takes(config, tmp_path):
    write_plan(plan_of(config), tmp_path / "out" / "plan.yaml")
    planned = yaml.safe_load((tmp_path / "out" / "plan.yaml").read_text())
    assert set(planned) == {"planned"}
    assert set(planned["planned"]["convert"]) == {"example"}
    asked = planned["planned"]["convert"]["example"]
    assert asked["mem_mb"] >= 300
    assert asked["runtime_minutes"] >= 5
    assert workflow_checks().problems(config | planned, REPOSITORY) == []


def test_the_same_plan_has_the_same_bytes(config):
    assert plan_yaml(plan_of(config)) == plan_yaml(plan_of(config))


def test_every_planned_rule_is_one_of_the_workflow(config):
    config["convert"]["scatter"] = "contigs"
    rules = "".join(path.read_text() for path in (REPOSITORY / "workflows/rules").glob("*.smk"))
    planned = {rule for rule, _ in names(plan_of(config))}
    assert "convert_part" in planned
    assert [rule for rule in planned if f"rule {rule}:" not in rules] == []


def test_reads_of_a_sheet_are_measured_and_called_and_their_calls_scored(config, tmp_path):
    rng = np.random.default_rng(4)
    reads = [Read(f"r{i}", 50 * i, "80M", random_bases(rng, 80)) for i in range(200)]
    for name in ("mother", "child"):
        write_bam(tmp_path / f"{name}.bam", reads, {"1": 12_000})
    sheet = tmp_path / "samples.tsv"
    rows = [f"{name}\t{tmp_path}/{name}.bam" for name in ("mother", "child")]
    sheet.write_text("\n".join(["sample\treads", *rows]) + "\n")
    config |= {"samples": str(sheet), "cohorts": {}, "train": config["train"] | {"trait": []}}
    config["reads_call"] |= {"contigs": ["1", "2", "3"], "cohort": "trio"}
    plan = plan_of(config)
    jobs = [("reads_qc", "all"), ("reads_call", "mother"), ("reads_call", "child")]
    assert names(plan) == [*jobs, ("convert", "trio"), ("risk", "trio"), ("report", "*")]
    assert [one.job.count for one in plan.jobs] == [1, 3, 3, 1, 1, 1]
    assert plan.jobs[0].job.sizes["records"] == 400


def test_what_will_not_fit_is_said_with_a_remedy(config):
    plan = plan_of(config, Place(memory_mb=400, disk_mb=0.5))
    assert any("risk example asks for 750 MiB of memory" in text for text in plan.misfits)
    assert any(text.startswith("results take") for text in plan.misfits)


def test_a_gpu_that_is_too_small_is_told(config):
    config["structure"] |= {"gpu": 1, "options": {"device": "cuda"}}
    plan = plan_of(config, replace(LARGE, gpu_mb=100))
    (said,) = plan.misfits
    assert said.startswith("structure example asks for")
    assert "GPU" in said


def test_more_people_and_variants_take_more(config):
    less = plan_of(config)
    more = plan_of(config, settings=PlanSettings(people=20_000, variants=1_000_000))
    for one, other in zip(less.jobs, more.jobs, strict=True):
        assert one.cost.cpu_s <= other.cost.cpu_s
    assert more.wall_s > 10 * less.wall_s


def test_more_machines_shorten_what_is_scattered():
    settings = PlanSettings(people=50_000, variants=5_000_000, parts=22)
    one, many = (run_plan(None, settings, replace(LARGE, nodes=n)) for n in (1, 20))
    assert [job.job.count for job in many.jobs if job.job.rule == "convert_part"] == [22]
    assert one.cpu_s == many.cpu_s
    assert many.wall_s < one.wall_s


def test_a_quicker_machine_needs_less_time_and_as_much_memory():
    slow, quick = (
        run_plan(None, PlanSettings(people=5000, variants=100_000), replace(LARGE, speed=speed))
        for speed in (1.0, 2.0)
    )
    assert slow.cpu_s == pytest.approx(2 * quick.cpu_s)
    assert [one.mem_mb for one in slow.jobs] == [one.mem_mb for one in quick.jobs]


def test_a_cohort_alone_is_planned_for_every_command(tmp_path):
    vcf = write_vcf(tmp_path / "few.vcf", [Record("1", 10, "A", "G", "0/1 1/1 0/0")])
    plan = run_plan(str(vcf), SETTINGS, LARGE)
    assert ("structure", "few.vcf") in names(plan)
    assert not plan.is_workflow
    assert {one.job.sizes["samples"] for one in plan.jobs if one.job.rule == "qc"} == {3}


def test_so_many_people_and_variants_are_those_of_a_cohort_of_several_files(config):
    cohort = config["cohorts"]["example"]
    config["cohorts"]["example"] = [cohort, cohort]
    plan = plan_of(config, settings=PlanSettings(people=2000, variants=50_000))
    (qc,) = [one.job for one in plan.jobs if one.job.rule == "qc"]
    assert (qc.sizes["samples"], qc.sizes["variants"]) == (2000, 50_000)


def test_gvcfs_of_different_people_become_the_union_of_their_variants(config, tmp_path):
    records = [Record("1", 10 * i, "A", "G", "0/1" if i < 20 else "0/0") for i in range(1, 101)]
    paths = [
        str(write_vcf(tmp_path / f"{name}.vcf", records, samples=[name])) for name in ("a", "b")
    ]
    config["cohorts"]["example"] = paths
    config["convert"] |= {"scatter": "files", "options": {"gvcf": True}}
    plan = plan_of(config)
    (qc,) = [one.job for one in plan.jobs if one.job.rule == "qc"]
    assert (qc.sizes["samples"], qc.sizes["variants"]) == (2, round(19 * (1 + 1 / 2 + 1 / 3)))
    assert "variants" in qc.estimated
    assert "convert_part" not in [rule for rule, _ in names(plan)]


def test_a_cohort_alone_is_converted_in_as_many_parts_as_are_asked_for(config):
    plan = run_plan(config["cohorts"]["example"], PlanSettings(parts=22), LARGE)
    assert [one.job.count for one in plan.jobs if one.job.rule == "convert_part"] == [22]


def test_faults_of_a_configuration_are_told_before_anything_is_planned(config, tmp_path):
    config["cohorts"]["example"] = "absent.vcf.gz"
    config["qc"]["rum"] = True
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match=r"absent\.vcf\.gz") as refused:
        run_plan(str(path), SETTINGS, LARGE)
    assert "rum" in str(refused.value)


def test_nothing_to_plan_is_a_usage_error():
    with pytest.raises(UsageError, match="nothing to plan"):
        run_plan(None, SETTINGS, LARGE)


def test_scoring_files_are_counted_by_their_rows_and_columns(tmp_path):
    one, two = tmp_path / "one.txt", tmp_path / "two.tsv"
    one.write_text("#pgs_id=X\nrsID\teffect_allele\teffect_weight\n" + "rs1\tA\t0.1\n" * 40)
    two.write_text("ID\tA1\tW1\tW2\tW3\n" + "1:1:A:C\tC\t1\t2\t3\n" * 10)
    assert model_sizes([str(one), str(two)]) == (40 + 30, 4)
