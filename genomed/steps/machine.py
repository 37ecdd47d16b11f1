"""What this process may use of its machine: processors and memory, as its control group says."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

__all__ = [
    "available_threads",
    "cgroup_files",
    "memory_limit",
    "memory_limits",
    "processor_quota",
    "system_memory",
]

_CGROUP = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60  # cgroup v1 writes a number of this order for "unlimited"


def available_threads() -> int:
    """Processors this process may use, which under a scheduler is fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_quota() -> float:
    """Processors this process's control group may use; infinite where there is no limit."""
    for text in cgroup_files("cpu.max"):
        quota, _, period = text.partition(" ")
        if quota.isdigit() and period.isdigit():
            return int(quota) / int(period)
    for quota, period in zip(
        cgroup_files("cpu.cfs_quota_us", "cpu"), cgroup_files("cpu.cfs_period_us", "cpu"),
        strict=False,
    ):  # fmt: skip
        if quota.isdigit() and period.isdigit() and int(period):
            return int(quota) / int(period)
    return float("inf")


def memory_limit() -> int:
    """Bytes that this process may use at most: of the machine, or of its control group."""
    return min([system_memory()[0], *memory_limits()])


def memory_limits() -> list[int]:
    """Bytes that the control groups of this process allow; without those that set no limit."""
    limits = [int(text) for text in cgroup_files("memory.max") if text.isdigit()]
    limits += [int(t) for t in cgroup_files("memory.limit_in_bytes", "memory") if t.isdigit()]
    return [limit for limit in limits if limit < _NO_LIMIT]


def system_memory() -> tuple[int, int]:
    """Bytes in all, and bytes that can be had without swapping."""
    with contextlib.suppress(OSError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        found = dict(re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE))
        total = int(found["MemTotal"])
        return total << 10, int(found.get("MemAvailable", total)) << 10
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return total, total


def cgroup_files(name: str, controller: str = "") -> list[str]:
    """Texts of one file in this process's control group and in those above it, nearest first."""
    own = "/"
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                own = path
    root = _CGROUP / controller
    place = root / own.lstrip("/")
    texts = []
    for directory in [place, *place.parents]:
        if not directory.is_relative_to(root):
            break
        with contextlib.suppress(OSError):
            texts.append((directory / name).read_text(encoding="ascii").strip())
    return texts
