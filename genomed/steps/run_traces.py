"""What a killed run leaves behind: a lock, processes, jobs of a cluster; and how it is put aside.

A note beside Snakemake's own records says which run works here. Found at the start of another, it
is of a run that lives, which is an error, or of one that was killed: what that left running would
write the same files, so it is ended, and the lock is opened.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from genomed.errors import OutputError
from genomed.steps.run_guard import LOCKS, end_jobs

__all__ = ["leave_trace", "put_traces_aside", "remove_trace"]

NOTE = Path(".snakemake/genomed-run.json")
_VARIABLE = "GENOMED_RUN"  # by which processes of a run are known


def leave_trace(run: str) -> None:
    """Note that this run works in this directory."""
    os.environ[_VARIABLE] = run
    try:
        NOTE.parent.mkdir(parents=True, exist_ok=True)
        NOTE.write_text(
            json.dumps({"run": run, "process": os.getpid(), "host": socket.gethostname()})
        )
    except OSError as error:
        raise OutputError(
            f"{NOTE.parent.absolute()} cannot be written: {error.strerror}; run where it can"
        ) from None


def remove_trace() -> None:
    """Take the note away."""
    os.environ.pop(_VARIABLE, None)
    with contextlib.suppress(OSError):
        NOTE.unlink()


def put_traces_aside(tell: Callable[[str], None]) -> None:
    """End what a killed run of this directory left running, and open its lock.

    raises : OutputError where that run lives, or may live, on another machine
    """
    import psutil  # noqa: PLC0415 - Snakemake brings it along

    try:
        note = json.loads(NOTE.read_text())
        run, process, host = str(note["run"]), int(note["process"]), str(note["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    if host != socket.gethostname():
        raise OutputError(
            f"a run works here on {host}, or was killed there; wait for it, or, if it is gone, "
            f"remove {NOTE}"
        )
    if _runs_here(process):
        raise OutputError(f"another run works in {Path.cwd()}, process {process}; wait for it")
    n_jobs = end_jobs(run) if shutil.which("squeue") else 0
    left = [
        other
        for other in psutil.process_iter(["environ"])
        if (other.info["environ"] or {}).get(_VARIABLE) == run and other.pid != os.getpid()
    ]
    for other in left:
        with contextlib.suppress(psutil.Error):
            other.terminate()
    _, deaf = psutil.wait_procs(left, timeout=10)
    for other in deaf:  # stopped, or waiting for a disc
        with contextlib.suppress(psutil.Error):
            other.kill()
    psutil.wait_procs(deaf, timeout=10)
    shutil.rmtree(LOCKS, ignore_errors=True)
    tell(f"an earlier run was killed: {len(left)} processes and {n_jobs} jobs of it were ended")


def _runs_here(process: int) -> bool:
    """Whether a process lives and is a run of this working directory."""
    import psutil  # noqa: PLC0415

    try:
        one = psutil.Process(process)
        return one.cwd() == os.getcwd() and "run" in one.cmdline()  # noqa: PTH109
    except (psutil.Error, OSError):
        return False
