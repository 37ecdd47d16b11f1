"""`genomed plan`: what a run will cost, job by job, before it is begun; and what will not fit."""

from __future__ import annotations

import importlib.resources
import json
import math
import shutil
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from genomed import __version__
from genomed.errors import UsageError
from genomed.io.cohort_sizes import CohortSizes, cohort_sizes
from genomed.io.outputs import OutputDirectory
from genomed.report.tables import format_memory
from genomed.settings import PlanSettings
from genomed.stats.costs import Cost, estimate
from genomed.stats.machine_speed import measure_speed
from genomed.stats.schedule import Task, makespan
from genomed.steps.machine import available_threads, memory_limit
from genomed.steps.plan_inputs import Job, jobs_of_config, jobs_of_reads, jobs_of_sizes
from genomed.steps.workflow_files import read_config

__all__ = [
    "Place",
    "Plan",
    "Planned",
    "plan_jobs",
    "plan_yaml",
    "resized",
    "run_plan",
    "this_place",
    "write_plan",
]

MB = 1 << 20
CONFIG_SUFFIXES = (".yaml", ".yml", ".json")
ALIGNMENTS = (".bam", ".cram", ".sam")
LEAST_RISK_MB = 512  # what risk and its --max-memory want at least
SUM_BYTES = 28  # that risk holds of each model and sample


@dataclass(frozen=True)
class Place:
    """Where jobs run: one of `nodes` machines alike; None is not known, and nothing is refused.

    speed : of a processor, as a multiple of the one that costs.toml was made on
    """

    nodes: int = 1
    cores: int = 1
    memory_mb: float | None = None
    disk_mb: float | None = None
    gpu_mb: float | None = None
    speed: float = 1.0


@dataclass(frozen=True)
class Planned:
    """A job, what it will take, and what the workflow is to ask for.

    wall_s      : predicted, on the place's machines
    mem_mb, runtime_minutes, disk_mb, gpu_mb : to ask for: the prediction and some room
    """

    job: Job
    cost: Cost
    wall_s: float
    mem_mb: int
    runtime_minutes: int
    disk_mb: int
    gpu_mb: int


@dataclass(frozen=True)
class Plan:
    """All jobs, and what comes of them together.

    misfits : sentences, one for each thing that will not fit
    wall_s  : seconds until all is done, with what it takes to start each job
    """

    source: str
    place: Place
    jobs: list[Planned]
    wall_s: float
    disk_mb: float
    misfits: list[str]

    @property
    def is_workflow(self) -> bool:
        """Whether it is of a configuration of the workflow."""
        return _is_config(self.source)

    @property
    def cpu_s(self) -> float:
        """Processor seconds of all jobs."""
        return sum(one.cost.cpu_s * one.job.count for one in self.jobs) / self.place.speed

    @property
    def estimated(self) -> list[str]:
        """Sizes that headers do not tell exactly."""
        return list(dict.fromkeys(name for one in self.jobs for name in one.job.estimated))


def run_plan(
    source: str | None, settings: PlanSettings, place: Place | None = None, *, threads: int = 1
) -> Plan:
    """Predict what a configuration of the workflow, or the commands on one file, will take.

    source : a configuration (.yaml), a cohort, or alignments; None for a cohort of the settings'
             people and variants alone. With either of these set, the cohort is taken for as large
    place  : where it will run; this machine by default
    Raises InputError, UsageError, and UnfitError where PyYAML is missing.
    """
    jobs = _jobs(source, settings, threads)
    return plan_jobs(jobs, settings, place, source=source or "a cohort of this size")


def plan_jobs(
    jobs: Sequence[Job], settings: PlanSettings, place: Place | None = None, *, source: str
) -> Plan:
    """Predict what jobs will take, each after those that it waits for.

    source : where they come from, for the heading of the plan
    """
    place = place or this_place()
    costs = tomllib.loads(
        (importlib.resources.files("genomed") / "costs.toml").read_text(encoding="utf-8")
    )
    planned = [_planned(job, costs["parts"], place, settings) for job in jobs]
    disk = sum(one.cost.disk_mb * one.job.count for one in planned)
    return Plan(
        source, place, planned, _wall(planned, place, settings), disk,
        _misfits(planned, disk, place),
    )  # fmt: skip


def this_place(directory: Path | None = None, *, speed: float | None = None) -> Place:
    """This machine, with what it has; disc is what is free where results will be written.

    speed : of its processor, which is tried where it is not given
    """
    where = (directory or Path.cwd()).resolve()
    while not where.exists():
        where = where.parent
    return Place(
        1, available_threads(), memory_limit() / MB, shutil.disk_usage(where).free / MB,
        _gpu_memory(), speed or _rounded_speed(measure_speed()),
    )  # fmt: skip


def write_plan(plan: Plan, path: Path) -> None:
    """Write the resources as a second configuration of the workflow, whole or not at all."""
    with OutputDirectory(path.parent) as out:
        out.write_text(path.name, plan_yaml(plan))


def plan_yaml(plan: Plan) -> str:
    """What the workflow takes as a second configuration: planned resources, rule by rule."""
    lines = [
        f"# Predicted by genomed plan {__version__} from {plan.source}; memory and time with room.",
        "# snakemake --configfile config.yaml plan.yaml",
        "planned:",
    ]
    rules: dict[str, list[Planned]] = {}
    for one in plan.jobs:
        rules.setdefault(one.job.rule, []).append(one)
    for rule, jobs in rules.items():
        lines.append(f"  {rule}:")
        for one in jobs:
            lines.append(f"    {json.dumps(one.job.name)}:")
            for key in ("mem_mb", "runtime_minutes", "disk_mb", "gpu_mb"):
                value = getattr(one, key)
                if value or key != "gpu_mb":
                    lines.append(f"      {key}: {value}")
    return "\n".join(lines) + "\n"


def _jobs(source: str | None, settings: PlanSettings, threads: int) -> list[Job]:
    """Jobs of whatever was given, as large as it is or as large as the settings say."""
    if source is None:
        if settings.people is None or settings.variants is None:
            raise UsageError(
                "nothing to plan: give a configuration or a cohort, or --people and --variants"
            )
        sizes = _imagined(settings.people, settings.variants)
        return jobs_of_sizes(sizes, "cohort", threads, settings.parts)
    if _is_config(source):
        return jobs_of_config(read_config(Path(source)), lambda sizes: resized(sizes, settings))
    if source.lower().endswith(ALIGNMENTS):
        if settings.people is not None or settings.variants is not None:
            raise UsageError(f"{source}: --people and --variants are of a cohort; leave them out")
        return jobs_of_reads(source, threads)
    sizes = resized(cohort_sizes(source), settings)
    return jobs_of_sizes(sizes, Path(source).name, threads, settings.parts)


def _is_config(source: str) -> bool:
    return Path(source).suffix in CONFIG_SUFFIXES


def _imagined(people: int, variants: int) -> CohortSizes:
    """A VCF with nothing but genotypes, a fifth of its variants common, as in 1000 Genomes."""
    text = 4 * people * variants
    return CohortSizes(
        "vcf", people, variants, variants // 5, text // 50, text_bytes=text,
        estimated=("common", "file_bytes"),
    )  # fmt: skip


def resized(sizes: CohortSizes, settings: PlanSettings) -> CohortSizes:
    """The same cohort with more people or variants."""
    people = settings.people or sizes.samples
    variants = settings.variants or sizes.variants
    more = variants / max(1, sizes.variants)
    calls = more * people / max(1, sizes.samples)
    return replace(
        sizes, samples=people, variants=variants, common=round(sizes.common * more),
        file_bytes=round(sizes.file_bytes * calls), text_bytes=round(sizes.text_bytes * calls),
        table_bytes=round(sizes.table_bytes * more),
    )  # fmt: skip


def _planned(job: Job, costs: Mapping[str, Any], place: Place, settings: PlanSettings) -> Planned:
    cost = estimate(costs, job.model, job.sizes, job.steps)
    wall = cost.wall_s(min(job.threads, place.cores), place.speed)
    memory = cost.memory_mb * settings.memory_room
    if job.model == "risk":
        sums = SUM_BYTES * job.sizes.get("models", 0) * job.sizes["samples"] / MB
        memory = max(memory, LEAST_RISK_MB, 2.1 * sums)
    return Planned(
        job, cost, wall,
        mem_mb=50 * math.ceil(
            (max(memory, settings.least_memory_mb) + settings.launcher_memory_mb) / 50
        ),
        runtime_minutes=max(settings.least_minutes, math.ceil(wall * settings.time_room / 60)),
        disk_mb=math.ceil(cost.disk_mb * settings.memory_room),
        gpu_mb=math.ceil(cost.gpu_mb * settings.memory_room) if job.gpu else 0,
    )  # fmt: skip


def _wall(planned: Sequence[Planned], place: Place, settings: PlanSettings) -> float:
    """Seconds until all is done."""
    tasks: list[Task] = []
    at: dict[tuple[str, str], list[int]] = {}
    for one in planned:
        key = (one.job.rule, one.job.name)
        waits = [i for before in one.job.after for i in _places(at, before)]
        at[key] = list(range(len(tasks), len(tasks) + one.job.count))
        seconds = one.wall_s + settings.job_overhead_s
        tasks += [Task(seconds, one.job.threads, one.mem_mb, tuple(waits))] * one.job.count
    return makespan(
        tasks, nodes=place.nodes, cores=place.cores, memory_mb=place.memory_mb or float("inf")
    )


def _places(at: Mapping[tuple[str, str], list[int]], key: tuple[str, str]) -> list[int]:
    """Tasks of a job, or of all jobs of a rule."""
    if key[1] == "*" and key not in at:
        return [i for (rule, _), places in at.items() if rule == key[0] for i in places]
    return at.get(key, [])


def _misfits(planned: Sequence[Planned], disk_mb: float, place: Place) -> list[str]:
    """What will not fit, a sentence each with the remedy."""
    said = []
    for one in planned:
        name = f"{one.job.rule} {one.job.name}".removesuffix(" *")
        if place.memory_mb is not None and one.mem_mb > place.memory_mb:
            said.append(
                f"{name} asks for {format_memory(one.mem_mb)} of memory, where there are "
                f"{format_memory(place.memory_mb)}: {_memory_remedy(one.job)}"
            )
        if one.gpu_mb and place.gpu_mb is not None and one.gpu_mb > place.gpu_mb:
            said.append(
                f"{name} asks for {format_memory(one.gpu_mb)} of GPU memory, where there are "
                f"{format_memory(place.gpu_mb)}: leave --device away, or take fewer variants"
            )
    if place.disk_mb is not None and disk_mb > place.disk_mb:
        said.append(
            f"results take {format_memory(disk_mb)} of disc, where "
            f"{format_memory(place.disk_mb)} are free: write them elsewhere, or make room"
        )
    return said


def _memory_remedy(job: Job) -> str:
    if job.rule == "structure" and "pca" in job.steps:
        return "run it on a larger machine, or with --pca-method randomised"
    if job.rule == "risk":
        return "give fewer models at a time, or run it on a larger machine"
    if job.rule in ("train", "explain"):
        return "learn from fewer variants (--min-maf, or prune first), or take a larger machine"
    return "run it on a larger machine, or with fewer threads"


def _rounded_speed(speed: float) -> float:
    """To a quarter of a doubling, so that a plan does not change with every breath."""
    return 2 ** (round(4 * math.log2(speed)) / 4)


def _gpu_memory() -> float | None:
    """MB of the smallest GPU that nvidia-smi lists; None without one."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    asked = [program, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout
        return min(float(line) for line in said.splitlines() if line.strip())
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
