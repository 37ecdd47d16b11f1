"""What a Slurm cluster is like, and what it knows of one run's jobs; every question has a limit.

Snakemake's executor may ask after jobs by `squeue` or by `sacct`. Without accounts `sacct` fails,
and a failed answer is taken for no answer and waited on. With them it calls a cancelled job
"CANCELLED by 1000", which the executor (2.8) takes for one that goes on. `squeue` answers on every
cluster, for as long as the controller remembers a job that has ended.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["LEAST_JOB_AGE_S", "Cluster", "SlurmJob", "cancel_jobs", "find_cluster", "find_jobs"]

TIMEOUT_S = 20.0
LEAST_JOB_AGE_S = 200  # Snakemake's executor asks every 180 s at most
GOES_ON = frozenset({  # states of a job that has not ended
    "COMPLETING", "CONFIGURING", "PENDING", "REQUEUED", "REQUEUE_HOLD", "RESIZING", "RESV_DEL_HOLD",
    "RUNNING", "SIGNALING", "SPECIAL_EXIT", "STAGE_OUT", "STOPPED", "SUSPENDED",
})  # fmt: skip


@dataclass(frozen=True)
class Cluster:
    """What decides how jobs are asked after."""

    version: str
    partitions: tuple[str, ...]
    answers: bool  # whether the controller does
    has_accounts: bool  # whether sacct answers
    min_job_age_s: int | None  # for so long squeue knows of a job that has ended

    @property
    def status_command(self) -> str:
        """What `--slurm-status-command` should be here."""
        return "sacct" if self.has_accounts and self.forgets else "squeue"

    @property
    def forgets(self) -> bool:
        """Whether a job that has ended may be forgotten before Snakemake asks after it."""
        return self.min_job_age_s is None or self.min_job_age_s < LEAST_JOB_AGE_S


@dataclass(frozen=True)
class SlurmJob:
    """A job that has not ended."""

    identity: str
    state: str
    run: str  # name of the job: all jobs of one run share it


def find_cluster(timeout_s: float = TIMEOUT_S) -> Cluster | None:
    """Look at the cluster that this machine belongs to; None where there is no Slurm."""
    if shutil.which("sinfo") is None or shutil.which("sbatch") is None:
        return None
    version = _answer(["sinfo", "--version"], timeout_s) or ""
    partitions = _answer(["sinfo", "--noheader", "--format=%P"], timeout_s)
    config = _answer(["scontrol", "show", "config"], timeout_s) or ""
    accounts = _answer(
        ["sacct", "--noheader", "--allocations", "--starttime=now"], timeout_s
    )  # it fails where accounts are not kept
    return Cluster(
        version=version.strip(),
        partitions=tuple(sorted(set((partitions or "").split()))),
        answers=partitions is not None,
        has_accounts=accounts is not None,
        min_job_age_s=_min_job_age(config),
    )


def find_jobs(prefix: str, timeout_s: float = TIMEOUT_S) -> list[SlurmJob] | None:
    """Jobs that have not ended and whose names begin with `prefix`; None without an answer."""
    text = _answer(["squeue", "--noheader", "--states=all", "--format=%i|%T|%j"], timeout_s)
    if text is None:
        return None
    rows = (line.strip().split("|", 2) for line in text.splitlines())
    jobs = [SlurmJob(*row) for row in rows if len(row) == 3]
    return [job for job in jobs if job.run.startswith(prefix) and job.state in GOES_ON]


def cancel_jobs(jobs: Sequence[SlurmJob], timeout_s: float = TIMEOUT_S) -> None:
    """Ask Slurm to end these jobs."""
    if jobs:
        _answer(["scancel", *(job.identity for job in jobs)], timeout_s)


def _min_job_age(config: str) -> int | None:
    found = re.search(r"^MinJobAge\s*=\s*(\d+) sec", config, re.MULTILINE)
    return int(found[1]) if found else None


def _answer(command: list[str], timeout_s: float) -> str | None:
    """Standard output of a command; None where it fails or takes too long."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
