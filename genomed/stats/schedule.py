"""How long a chain of jobs takes on some machines; each begins once what it needs is there."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Task", "makespan"]


class Task(NamedTuple):
    """One job: seconds that it takes, processors and MB that it holds, jobs it waits for."""

    seconds: float
    threads: int
    memory_mb: float
    after: tuple[int, ...]


def makespan(
    tasks: Sequence[Task], *, nodes: int, cores: int, memory_mb: float = float("inf")
) -> float:
    """Seconds until all are done, the one with most work behind it first (list scheduling).

    after  : of each task, places of earlier tasks in the sequence
    A task that asks for more than a whole machine has is run on one alone, with what there is.
    """
    order = _by_work_behind(tasks)
    waiting = {i: set(task.after) for i, task in enumerate(tasks)}
    free = [(cores, memory_mb)] * nodes
    running: list[tuple[float, int, int, int, float]] = []
    now, begun = 0.0, set[int]()
    while len(begun) < len(tasks) or running:
        for i in order:
            if i in begun or waiting[i]:
                continue
            threads, memory = min(tasks[i].threads, cores), min(tasks[i].memory_mb, memory_mb)
            fits = (n for n, (c, m) in enumerate(free) if c >= threads and m >= memory)
            node = next(fits, None)
            if node is None:
                continue
            free[node] = (free[node][0] - threads, free[node][1] - memory)
            heapq.heappush(running, (now + tasks[i].seconds, i, node, threads, memory))
            begun.add(i)
        now, done, node, threads, memory = heapq.heappop(running)
        free[node] = (free[node][0] + threads, free[node][1] + memory)
        for others in waiting.values():
            others.discard(done)
    return now


def _by_work_behind(tasks: Sequence[Task]) -> list[int]:
    """Places of tasks, those first whose longest chain of followers takes longest."""
    behind = [task.seconds for task in tasks]
    for i in reversed(range(len(tasks))):
        for before in tasks[i].after:
            if before >= i:
                raise ValueError(f"task {i} waits for {before}, which does not come before it")
            behind[before] = max(behind[before], tasks[before].seconds + behind[i])
    return sorted(range(len(tasks)), key=lambda i: (-behind[i], i))
