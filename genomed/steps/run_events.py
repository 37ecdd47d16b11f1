"""How far a run of the workflow is, from the messages that Snakemake logs.

Every message has an event and fields of its own (snakemake_interface_logger_plugins); some things,
such as that a job is tried again, are said in words only.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Failure", "Job", "Progress", "last_lines"]

LAST_LINES = 8  # of a log, which are shown
_AGAIN = re.compile(r"Trying to restart job (\d+)")
_SUBMITTED = re.compile(r"Job (\d+) has been submitted with SLURM jobid (\S+)")
_STATUS = re.compile(r"non-zero exit status (\d+)")
_OUT_OF_MEMORY = re.compile(r"oom-kill|Out Of Memory|exceeded.*memory limit", re.IGNORECASE)
_STATE = re.compile(r"SLURM status is: '([A-Z_]+)")


@dataclass
class Job:
    """One job: a rule and what stands in for its wildcards."""

    number: int
    rule: str
    of: str  # wildcards, such as "example" or "a 22"
    logs: list[str] = field(default_factory=list)
    command: str = ""
    attempt: int = 0
    began: float = 0.0  # seconds, of the clock of Progress
    slurm_job: str = ""
    memory_mb: int | None = None
    runtime_minutes: int | None = None

    @property
    def name(self) -> str:
        """Rule and wildcards."""
        return f"{self.rule} {self.of}".strip()


@dataclass(frozen=True)
class Failure:
    """An attempt at a job that came to nothing."""

    job: Job
    attempt: int
    state: str  # of Slurm, such as OUT_OF_MEMORY; or empty
    exit_code: int | None
    logs: tuple[str, ...]
    message: str


class Progress:
    """What a run has done, does and has failed at; `see` takes what Snakemake logs."""

    def __init__(
        self, tell: Callable[[str], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.tell, self.clock = tell or (lambda line: None), clock
        self.jobs: dict[int, Job] = {}
        self.running: dict[int, Job] = {}
        self.failures: list[Failure] = []
        self.errors: list[str] = []  # of Snakemake itself
        self.to_do: dict[str, int] = {}  # rule -> jobs of it that this run has to do
        self.done: dict[str, int] = {}  # rule -> jobs of it that are done
        self.predicted_s: dict[str, float] = {}  # rule -> seconds that a job of it may take
        self.has_started = False  # or Snakemake was asked for something else than a run
        self.is_remote = False
        self._began = self.clock()

    def see(self, record: logging.LogRecord) -> None:
        """Take note of one message."""
        event = str(getattr(record, "event", None) or "")
        seen = getattr(self, f"_{event}", None)
        if seen is not None:
            seen(record)
        else:
            self._in_words(record)

    @property
    def n_done(self) -> int:
        """Jobs that are done."""
        return sum(self.done.values())

    @property
    def n_to_do(self) -> int:
        """Jobs of this run, as they were counted at its beginning."""
        return sum(self.to_do.values())

    def seconds_left(self) -> float | None:
        """What the rest may take, at the pace so far; None before a job is done."""
        weight = {rule: self.predicted_s.get(rule, 1.0) for rule in self.to_do}
        whole = sum(n * weight[rule] for rule, n in self.to_do.items())
        done = sum(n * weight.get(rule, 1.0) for rule, n in self.done.items())
        if not done:
            return None
        if self.predicted_s:
            for job in list(self.running.values()):  # one that takes longer is never quite done
                most = 0.95 * weight.get(job.rule, 1.0)
                done += min(self.clock() - job.began, most)
        return (self.clock() - self._began) * max(whole - done, 0.0) / done

    def failed(self) -> list[Failure]:
        """The last attempt at each job that has not succeeded since."""
        last = {failure.job.number: failure for failure in self.failures}
        return [
            failure
            for number, failure in last.items()
            if number not in self.running and self.jobs[number].attempt == failure.attempt
        ]

    def _run_info(self, record: logging.LogRecord) -> None:
        stats = dict(getattr(record, "stats", None) or {})
        self.to_do = {rule: int(n) for rule, n in stats.items() if rule not in ("total", "all")}
        self._began = self.clock()

    def _workflow_started(self, record: logging.LogRecord) -> None:
        self.has_started = True

    def _resources_info(self, record: logging.LogRecord) -> None:
        if getattr(record, "nodes", None) is not None:
            self.is_remote = True

    def _job_info(self, record: logging.LogRecord) -> None:
        number, rule = int(record.jobid), str(record.rule_name)  # type: ignore[attr-defined]
        wildcards = getattr(record, "wildcards", None) or {}
        of = " ".join(str(value) for value in wildcards.values())
        job = self.jobs.setdefault(number, Job(number, rule, of))
        job.logs = list(getattr(record, "log", None) or [])
        job.command = getattr(record, "shellcmd", None) or ""
        resources = getattr(record, "resources", None) or {}
        job.memory_mb, job.runtime_minutes = (
            value if isinstance(value, int) else None
            for value in (resources.get(name) for name in ("mem_mb", "runtime"))
        )
        job.attempt += 1
        job.began = self.clock()
        if rule != "all":
            self.running[number] = job
            again = f", attempt {job.attempt}" if job.attempt > 1 else ""
            self.tell(f"{job.name}: begins{again}")

    def _job_finished(self, record: logging.LogRecord) -> None:
        job = self.running.pop(int(record.job_id), None)  # type: ignore[attr-defined]
        if job is not None:
            self.done[job.rule] = self.done.get(job.rule, 0) + 1
            self.tell(f"{job.name}: done after {self.clock() - job.began:.1f} s")

    def _job_error(self, record: logging.LogRecord) -> None:
        number = int(record.jobid)  # type: ignore[attr-defined]
        job = self.jobs.get(number) or Job(number, str(getattr(record, "rule_name", "?")), "")
        self.jobs.setdefault(number, job)
        self.running.pop(number, None)
        message = str(getattr(record, "rule_msg", None) or "")
        logs = tuple(str(log).split(" (", 1)[0] for log in getattr(record, "log", None) or [])
        kept = [_text(Path(log)) for log in logs if log not in job.logs]  # by Slurm
        found = _STATE.search(message)
        state = found[1] if found else ""
        if any(_OUT_OF_MEMORY.search(text) for text in kept):
            state = "OUT_OF_MEMORY"  # Slurm says FAILED where a step of the job was killed for it
        code = self._exit_code(job, kept)
        self.failures.append(Failure(job, job.attempt, state, code, logs, message.strip()))
        said = [line for log in job.logs for line in last_lines(log, 1) if "error: " in line]
        reason = f", Slurm says {state}" if state else "".join(f": {line}" for line in said[:1])
        self.tell(f"{job.name}: failed{reason}")

    def _exit_code(self, job: Job, kept: list[str]) -> int | None:
        """Of the command: Snakemake has said it just before, or in the log that Slurm keeps."""
        texts = [text for text in self.errors if job.command.strip() in text][-1:]
        found = [match for text in [*texts, *kept] for match in _STATUS.findall(text)]
        return int(found[-1]) if found else None

    def _error(self, record: logging.LogRecord) -> None:
        self.errors.append(str(record.msg or ""))

    def _in_words(self, record: logging.LogRecord) -> None:
        text = str(record.msg or "")
        if found := _SUBMITTED.search(text):
            self.jobs[int(found[1])].slurm_job = found[2]
            self.tell(f"{self.jobs[int(found[1])].name}: Slurm job {found[2]}")
        elif found := _AGAIN.search(text):
            self.tell(f"{self.jobs[int(found[1])].name}: is tried again")
        elif record.levelno >= logging.ERROR and text:
            self.errors.append(text)


def last_lines(path: str | Path, n_lines: int = LAST_LINES) -> list[str]:
    """The end of a log, without empty lines; nothing where there is no log."""
    return [line for line in _text(Path(path)).splitlines() if line.strip()][-n_lines:]


def _text(path: Path, n_bytes: int = 1 << 16) -> str:
    """The end of a file as text; empty where it cannot be read."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - n_bytes))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
