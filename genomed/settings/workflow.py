"""Defaults of `genomed run` and `genomed plan`; see genomed.settings."""

from dataclasses import dataclass

__all__ = ["PlanSettings", "RunSettings"]


@dataclass(frozen=True)
class RunSettings:
    """How the workflow is run, and how long `genomed run` waits for what may never come."""

    cores: int = 0  # most processors that jobs on this machine use together; 0: all
    profile: str = ""  # of Snakemake: a directory, a file, or the name of one that comes along
    until: tuple[str, ...] = ()  # rules after which to stop
    dry_run: bool = False
    plan: bool = True  # resources are predicted first
    ask_every_s: float = 60.0  # a cluster is asked whether it knows the jobs that are waited for
    lost_after_s: float = 600.0  # the run ends when it has not known one for so long
    leave_after_s: float = 75.0  # and the process, so long after a signal, whatever hangs


@dataclass(frozen=True)
class PlanSettings:
    """How much room is left beside what `genomed plan` predicts, and for whom it predicts."""

    # Memory and disc, and time, that are asked for, as multiples of what is predicted.
    memory_room: float = 1.3
    time_room: float = 3.0
    # Least time and memory that are asked for.
    least_minutes: int = 15  # a busy machine that has kernels to compile needs that
    least_memory_mb: int = 300
    # What Snakemake takes of a job's memory on a cluster, where it starts the command.
    launcher_memory_mb: int = 200
    # What starting a job takes, seconds, beside the job.
    job_overhead_s: float = 3.0
    # People and variants to predict for; None is as many as the cohort has.
    people: int | None = None
    variants: int | None = None
    # Jobs that a cohort is converted in, where no configuration says.
    parts: int = 1
