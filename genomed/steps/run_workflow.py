"""The chain from raw files to the report: Snakemake runs it, and it is told of in plain words.

There is one engine and no scheduler of our own: the words of the command line are handed to
Snakemake's, its messages come back as events. Added is what a run needs to be left alone: faults of
the configuration at once, traces of a killed run put aside, an end to every waiting.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from genomed.errors import GenomedError, OutputError, UnfitError, UsageError
from genomed.settings import PlanSettings, RunSettings
from genomed.steps.machine import available_threads, memory_limit
from genomed.steps.plan import plan_jobs, this_place, write_plan
from genomed.steps.plan_inputs import jobs_of_config
from genomed.steps.run_events import Job, Progress
from genomed.steps.run_failures import explain_failures, shared_exit_code
from genomed.steps.run_guard import Guard, end_jobs, guarded
from genomed.steps.run_traces import leave_trace, put_traces_aside, remove_trace
from genomed.steps.slurm import find_cluster
from genomed.steps.workflow_files import read_config, workflow_directory

__all__ = ["RunSummary", "WorkflowFailedError", "run_workflow"]

_LOGGER = "genomed"  # name of the logger plugin, for as long as this process lives


class WorkflowFailedError(GenomedError):
    """Jobs failed; with the exit code of their command, where all of them had the same."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class RunSummary:
    """What a run did, or would do."""

    jobs: tuple[Job, ...]  # in the order in which they began
    n_done: int
    seconds: float
    results: Path
    has_started: bool = True  # or Snakemake was asked for something else, such as --unlock
    failed_attempts: tuple[str, ...] = ()  # of jobs that succeeded later


def run_workflow(
    config: Path,
    settings: RunSettings,
    options: Sequence[str] = (),
    *,
    progress: Progress | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> RunSummary:
    """Run what a configuration asks for, and is not there yet, in the working directory.

    options : handed to Snakemake as they are
    progress: follows the run; for a display
    tell    : takes a line of what happens apart from jobs, such as a plan or a killed run
    raises  : UnfitError without Snakemake; InputError for faults of the configuration, all of them;
              WorkflowFailedError with the end of the log of each job that failed; KeyboardInterrupt
              and SystemExit (143) after SIGINT and SIGTERM
    """
    if importlib.util.find_spec("snakemake") is None:
        raise UnfitError("snakemake is not installed; pip install 'genomed[workflow]'")
    began = time.monotonic()
    progress = progress or Progress()
    chosen = read_config(config)
    results = Path(chosen["results"])
    guard = Guard(progress, f"genomed-{secrets.token_hex(4)}", settings, tell)
    with _own_programs_first():
        words = _words(config, settings)
        behind = ["--rerun-incomplete", *options]  # a word before may take any number of values
        _, arguments = _parse([*words, *behind], progress)
        if not arguments.dryrun:
            put_traces_aside(tell)
        if arguments.executor == "slurm":
            words += _slurm_words(results, options, guard.run, tell)
        elif not settings.profile:
            words += ["--resources", f"mem_mb={memory_limit() >> 20}"]
        with _planned(config, chosen, settings, arguments, guard) as planned:
            place = words.index(str(config)) + 1  # beside the configuration, which it adds to
            words = [*words[:place], *planned, *words[place:], *behind]
            succeeded = _execute(*_parse(words, progress), guard)
    _raise_for(guard, succeeded, config)
    jobs = tuple(job for job in progress.jobs.values() if job.rule != "all")
    retried = tuple(
        f"{f.job.name}: {f.state or f.exit_code or 'failed'}" for f in progress.failures
    )
    return RunSummary(
        jobs=jobs,
        n_done=progress.n_done,
        seconds=time.monotonic() - began,
        results=results,
        has_started=progress.has_started,
        failed_attempts=retried,
    )


@contextlib.contextmanager
def _planned(
    config: Path, chosen: dict[str, Any], settings: RunSettings, arguments: Any, guard: Guard
) -> Iterator[list[str]]:
    """Path of what was planned: a second configuration; nothing where that is there already."""
    if not settings.plan or chosen["planned"] or arguments.unlock:
        yield []
        return
    results = Path(chosen["results"])
    place = this_place(results)
    if arguments.executor != "local":  # what its machines have is not known
        place = replace(place, memory_mb=None, disk_mb=None, gpu_mb=None)
    plan = plan_jobs(jobs_of_config(chosen), PlanSettings(), place, source=str(config))
    if plan.misfits:
        lines = "".join(f"\n  {misfit}" for misfit in plan.misfits)
        raise UnfitError(f"this will not fit (--no-plan tries it all the same):{lines}")
    for one in plan.jobs:
        longest = max(one.wall_s, guard.progress.predicted_s.get(one.job.rule, 0.0))
        guard.progress.predicted_s[one.job.rule] = longest
    guard.tell(f"planned {len(plan.jobs)} jobs")
    with tempfile.TemporaryDirectory(prefix="genomed-") as scratch:
        path = (Path(scratch) if arguments.dryrun else results) / "plan.yaml"
        write_plan(plan, path)
        yield [str(path)]


def _words(config: Path, settings: RunSettings) -> list[str]:
    """The words of Snakemake's command line; those of the user come last, and win."""
    snakefile = workflow_directory() / "Snakefile"
    words = ["--snakefile", str(snakefile), "--configfile", str(config)]
    words += ["--logger", _LOGGER]
    if settings.profile:
        words += ["--profile", _profile(settings.profile)]
    if settings.cores or not settings.profile:
        words += ["--cores", str(settings.cores or available_threads())]
    if settings.until:
        words += ["--until", *settings.until]
    if settings.dry_run:
        words.append("--dry-run")
    return words


def _profile(name: str) -> str:
    """A profile of that path, or the one of that name that comes with the workflow."""
    ours = workflow_directory() / "workflows" / "profiles" / name
    return str(ours) if ours.is_dir() and not Path(name).exists() else name


def _slurm_words(
    results: Path, options: Sequence[str], run: str, tell: Callable[[str], None]
) -> list[str]:
    cluster = find_cluster()
    if cluster is None or not cluster.answers:
        raise UnfitError("no Slurm answers here: see `genomed doctor`; run on a login node")
    words = ["--slurm-jobname-prefix", run, "--slurm-logdir", str(results / "logs" / "slurm")]
    if not any(word.startswith("--slurm-status-command") for word in options):
        words += ["--slurm-status-command", cluster.status_command]
        kind = "with" if cluster.has_accounts else "without"
        tell(f"Slurm {kind} accounts: asks after jobs by {cluster.status_command}")
    return words


def _parse(words: Sequence[str], progress: Progress) -> tuple[Any, Any]:
    """Snakemake's own reading of its command line, with us among its loggers."""
    from snakemake.cli import parse_args  # noqa: PLC0415 - it takes a second

    _become_logger(progress)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return parse_args(list(words))
    except SystemExit as leaving:
        if not leaving.code:
            raise
        lines = [line for line in said.getvalue().splitlines() if line.strip()]
        raise UsageError(f"Snakemake does not take these options: {lines[-1]}") from None


def _become_logger(progress: Progress) -> None:
    """Register a logger plugin through which Snakemake's messages reach `progress`."""
    from snakemake.logging import LoggerPluginRegistry, LogHandlerBase  # noqa: PLC0415

    class LogHandler(LogHandlerBase):
        writes_to_stream = True  # which keeps Snakemake from writing there
        writes_to_file = False
        has_filter = has_formatter = True
        needs_rulegraph = False

        def emit(self, record: logging.LogRecord) -> None:
            try:
                progress.see(record)
            except Exception:
                self.handleError(record)

    registry = LoggerPluginRegistry()
    registry.plugins.pop(_LOGGER, None)
    registry.register_plugin(_LOGGER, SimpleNamespace(LogHandler=LogHandler))


def _execute(parser: Any, arguments: Any, guard: Guard) -> bool:
    """Hand over to Snakemake; what the run leaves on a cluster is ended."""
    from snakemake.cli import args_to_api  # noqa: PLC0415

    if arguments.dryrun:
        return bool(args_to_api(arguments, parser))
    leave_trace(guard.run)
    try:
        with guarded(guard):
            return bool(args_to_api(arguments, parser))
    except KeyboardInterrupt:
        if guard.stopped_by is None and not guard.lost:
            raise
        return False
    finally:
        if arguments.executor == "slurm":
            end_jobs(guard.run)
        remove_trace()


def _raise_for(guard: Guard, succeeded: bool, config: Path) -> None:
    """Turn what ended a run too early into the error that says so."""
    if guard.stopped_by == signal.SIGTERM:
        raise SystemExit(128 + signal.SIGTERM)
    if guard.stopped_by is not None:
        raise KeyboardInterrupt
    if guard.lost:
        raise WorkflowFailedError(
            f"the cluster no longer knows {', '.join(guard.lost)}; run again, what is finished "
            "stays, and ask its administrator about MinJobAge and accounting"
        )
    failures = guard.progress.failed()
    if failures:
        text = explain_failures(failures, config)
        raise WorkflowFailedError(text, shared_exit_code(failures))
    if succeeded:
        return
    said = "\n".join(guard.progress.errors[-3:]).strip() or "Snakemake failed without a reason"
    if "cannot be locked" in said:
        raise OutputError(
            f"another run works in {Path.cwd()}; wait for it, or, if there is none, "
            f"run `genomed run {config} --unlock` first"
        )
    if "MissingRuleException" in said:
        name = said.partition("No rule to produce ")[2].split(" (")[0]
        raise UsageError(
            f"no rule is called {name}, and none makes it; `genomed run {config} --dry-run` tells "
            "the rules of this run"
        )
    raise WorkflowFailedError(said)


@contextlib.contextmanager
def _own_programs_first() -> Iterator[None]:
    """The rules call `genomed`: let it be the one that is running."""
    before = os.environ.get("PATH", "")
    own = Path(sys.executable).parent
    if (own / "genomed").exists():
        os.environ["PATH"] = f"{own}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before
