"""Several processes that train one model: each takes a part of every batch, gradients add up.

Processes are found as torchrun starts them (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT)
or as srun does (SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID; the first node is the master).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import distributed

__all__ = ["ALONE", "Workers", "workers_from_environment"]

SLURM_PORT = 20_000  # and above, by the number of the job: jobs on one node do not meet


class Workers(NamedTuple):
    """This process among others.

    rank       : 0 to size - 1; 0 alone writes
    size       : processes
    local_rank : among those on this machine, which is the CUDA device to take
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    def share(self, people: torch.Tensor) -> torch.Tensor:
        """This process's part of a batch."""
        return people[self.rank :: self.size]

    def add_up(self, tensors: Iterable[torch.Tensor]) -> None:
        """Replace tensors by their sums over all processes, in one message."""
        parts = list(tensors)
        if self.size == 1 or not parts:
            return
        joined = torch.cat([part.reshape(-1) for part in parts])  # (numbers,)
        distributed.all_reduce(joined)
        at = 0
        for part in parts:
            part.copy_(joined[at : at + part.numel()].view_as(part))
            at += part.numel()


ALONE = Workers()


def describe(environment: Mapping[str, str]) -> tuple[Workers, dict[str, str]]:
    """Who this process is and what it must add to the environment to find the others.

    Raises ValueError for a Slurm job whose first node is not named.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        local = int(environment.get("LOCAL_RANK", "0"))
        return Workers(int(environment["RANK"]), int(environment["WORLD_SIZE"]), local), {}
    if int(environment.get("SLURM_NTASKS", "1")) < 2 or "SLURM_PROCID" not in environment:
        return ALONE, {}
    host = environment.get("SLURM_LAUNCH_NODE_IPADDR") or environment.get("MASTER_ADDR")
    if not host:
        raise ValueError("several Slurm tasks, but none is the master; set MASTER_ADDR")
    port = SLURM_PORT + int(environment.get("SLURM_JOB_ID", "0")) % SLURM_PORT
    workers = Workers(
        int(environment["SLURM_PROCID"]),
        int(environment["SLURM_NTASKS"]),
        int(environment.get("SLURM_LOCALID", "0")),
    )
    wanted = {"MASTER_ADDR": host, "MASTER_PORT": str(port)}
    return workers, {key: value for key, value in wanted.items() if key not in environment}


@contextmanager
def workers_from_environment(device: str) -> Iterator[Workers]:
    """Meet the other processes, if there are any, and part from them at the end."""
    workers, added = describe(os.environ)
    if workers.size == 1:
        yield workers
        return
    os.environ.update(added)
    backend = "nccl" if device.startswith("cuda") else "gloo"
    if backend == "nccl":
        torch.cuda.set_device(workers.local_rank)
    distributed.init_process_group(backend, rank=workers.rank, world_size=workers.size)
    try:
        yield workers
    finally:
        distributed.destroy_process_group()
        for key in added:
            os.environ.pop(key, None)
