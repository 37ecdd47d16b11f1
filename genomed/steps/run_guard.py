"""Ends what would go on for ever: a thread that watches signals, and the jobs of a cluster.

Snakemake waits for running jobs when it is told to terminate, and for jobs of a cluster also after
the cluster has forgotten them. Here SIGTERM cancels as Ctrl-C does, jobs that are lost are noticed,
and whatever happens, after a last limit the process leaves.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from genomed.settings import RunSettings
from genomed.steps.run_events import Progress
from genomed.steps.slurm import cancel_jobs, find_jobs

__all__ = ["LOCKS", "Guard", "end_jobs", "guarded"]

LOCKS = Path(".snakemake/locks")  # where Snakemake keeps them, below the working directory
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Guard:
    """What the thread knows; `stopped_by` is the signal that ended the run, or None."""

    progress: Progress
    run: str  # prefix of the names of this run's Slurm jobs
    settings: RunSettings
    tell: Callable[[str], None]
    stopped_by: int | None = None
    lost: list[str] = field(default_factory=list)  # jobs that the cluster no longer knows
    stopped_at: float | None = None
    is_over: bool = False
    _missing_since: float | None = None
    _asked_at: float = 0.0
    _pressed: bool = False
    _terminated: set[int] = field(default_factory=set)

    def watch(self, wake: int) -> None:
        """Until the run is over; `wake` is where numbers of signals arrive."""
        while not self.is_over:
            ready, _, _ = select.select([wake], [], [], 0.5)
            for number in os.read(wake, 64) if ready else b"":
                if number in _SIGNALS and not self.is_over:
                    self._signalled(number)
            if self.stopped_at is not None:
                self._press()
            elif self.progress.is_remote:
                self._look_for_lost()

    def _signalled(self, number: int) -> None:
        if self.stopped_at is None:
            self.stopped_at = time.monotonic()
            self.stopped_by = self.stopped_by or number
            self.tell(f"ending {len(self.progress.running)} running jobs; again to leave at once")
        if number == signal.SIGTERM:
            os.kill(os.getpid(), signal.SIGINT)  # which is how Snakemake cancels

    def _press(self) -> None:
        """Shorten Snakemake's waiting once nothing runs, and leave when the limit has passed."""
        assert self.stopped_at is not None
        passed = time.monotonic() - self.stopped_at
        if passed > self.settings.leave_after_s:
            shutil.rmtree(LOCKS, ignore_errors=True)
            os._exit(128 + (self.stopped_by or signal.SIGINT))
        if not self.progress.is_remote:  # there the children are those that cancel jobs
            self._terminated |= terminate_children(self._terminated)
        waits = self.progress.is_remote and not self._pressed and passed > 3
        if waits and find_jobs(self.run) == []:
            self._pressed = True
            os.kill(os.getpid(), signal.SIGINT)

    def _look_for_lost(self) -> None:
        """End the run when the cluster knows fewer jobs than are waited for, for long enough."""
        now = time.monotonic()
        if now - self._asked_at < self.settings.ask_every_s:
            return
        self._asked_at = now
        waited_for = [job for job in list(self.progress.running.values()) if job.slurm_job]
        jobs = find_jobs(self.run) if waited_for else None
        if jobs is None:  # nothing to ask after, or the cluster does not answer
            self._missing_since = self._missing_since if waited_for else None
            return
        known = {job.identity for job in jobs}
        missing = [job for job in waited_for if job.slurm_job not in known]
        if not missing:
            self._missing_since = None
        elif self._missing_since is None:
            self._missing_since = now
        elif now - self._missing_since > self.settings.lost_after_s:
            self.lost = [f"{job.name} (Slurm job {job.slurm_job})" for job in missing]
            self.stopped_at = now
            os.kill(os.getpid(), signal.SIGINT)


@contextlib.contextmanager
def guarded(guard: Guard) -> Iterator[None]:
    """Watch over what is done within; only in the main thread, for signals arrive there."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    watcher = threading.Thread(target=guard.watch, args=(read,), name="guard", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        guard.is_over = True
        signal.set_wakeup_fd(before)
        watcher.join()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(read)
        os.close(write)


def terminate_children(but_not: Collection[int] = ()) -> set[int]:
    """Send SIGTERM to every process below this one: commands of rules, and what they started."""
    import psutil  # noqa: PLC0415 - Snakemake brings it along

    children = {child.pid: child for child in psutil.Process().children(recursive=True)}
    for number in children.keys() - set(but_not):
        with contextlib.suppress(psutil.Error):
            children[number].terminate()
    return set(children)


def end_jobs(run: str, limit_s: float = 30.0) -> int:
    """Cancel what a cluster still runs of a run, and wait until it is gone; how many there were."""
    jobs = find_jobs(run) or []
    cancel_jobs(jobs)
    until = time.monotonic() + limit_s
    while jobs and find_jobs(run) and time.monotonic() < until:
        time.sleep(1)
    return len(jobs)
