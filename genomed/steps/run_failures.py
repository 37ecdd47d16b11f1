"""Which job failed, the end of its log, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from genomed.steps.run_events import Failure, last_lines

__all__ = ["explain_failures", "shared_exit_code"]

_KILLED = {9, 137, -9}  # SIGKILL: of the kernel, when memory is used up
_AGAIN = "run the same command again: what is finished stays"


def explain_failures(failures: Sequence[Failure], config: Path) -> str:
    """A paragraph for each failed job: name, reason, end of the log, remedy."""
    heading = f"{len(failures)} jobs failed" if len(failures) > 1 else "a job failed"
    return "\n".join([heading, *(_explain(failure, config) for failure in failures)])


def shared_exit_code(failures: Sequence[Failure]) -> int:
    """Exit code of the commands, where all failed with the same of genomed's; else 1."""
    codes = {failure.exit_code for failure in failures}
    code = codes.pop() if len(codes) == 1 else None
    return code if code is not None and 2 <= code <= 9 else 1


def _explain(failure: Failure, config: Path) -> str:
    attempts = f" {failure.attempt} times" if failure.attempt > 1 else ""
    lines = [f"{failure.job.name} failed{attempts}: {_reason(failure)}"]
    for log in failure.logs:
        shown = last_lines(log)
        if shown:
            lines += [f"  the end of {log}:", *(f"    {line}" for line in shown)]
            break
    else:
        lines += [f"    {line}" for line in failure.message.splitlines()[:8] if line.strip()]
    lines.append(f"  {_remedy(failure, config)}")
    return "\n".join(lines)


def _reason(failure: Failure) -> str:
    if failure.state:
        return f"Slurm job {failure.job.slurm_job} ended as {failure.state}"
    if failure.exit_code in _KILLED:
        return "it was killed"
    if failure.exit_code is not None:
        return f"exit code {failure.exit_code}"
    return "it could not be submitted" if "sbatch" in failure.message else "see below"


def _remedy(failure: Failure, config: Path) -> str:
    rule, job = failure.job.rule, failure.job
    if failure.state == "OUT_OF_MEMORY" or failure.exit_code in _KILLED:
        had = f" (it had {job.memory_mb} MB)" if job.memory_mb else ""
        return f"give it more memory: {rule}: mem_mb in {config}{had}; then {_AGAIN}"
    if failure.state == "TIMEOUT":
        had = f" (it had {job.runtime_minutes} minutes)" if job.runtime_minutes else ""
        return f"give it more time: {rule}: runtime_minutes in {config}{had}; then {_AGAIN}"
    if failure.state == "CANCELLED":
        return f"somebody cancelled it; {_AGAIN}"
    if failure.state == "DEADLINE":
        return f"it did not begin in time; ask the cluster for less, or {_AGAIN}"
    if failure.state in {"NODE_FAIL", "BOOT_FAIL", "PREEMPTED"}:
        return f"the cluster failed, not the job; {_AGAIN}"
    if "sbatch" in failure.message:
        return (
            "name what your cluster wants, as in "
            "--default-resources slurm_partition=NAME slurm_account=NAME"
        )
    return f"correct what the log says, and {_AGAIN}"
