"""Rate of the exhaustive pair screen beside that of a plain matrix product, in alternation.

python benchmarks/pair_screen.py --people 6400 --variants 12000 --threads 2 --out pairs.json

The screen does variants^2 x people multiplications and additions for the upper triangle (2 n m^2 /
2 operations); everything that it does besides (decoding, the search, the exact tests) is in its
time, not in its count. The plain product is numpy's float32 A A', of as many variants as fit into
4,096 rows, with as many BLAS threads. Operations a second of both are taken by the clock and by
the processor's time; the second does not mind what else the machine does. --device measures torch's
product on that device instead.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from genomed.kernels.packed import pack_rows
from genomed.stats.pair_engine import Plan
from genomed.stats.pairs import all_pairs, fold_pairs

ROWS = 4096


def cohort(people: int, variants: int) -> tuple[np.ndarray, np.ndarray]:
    """Packed calls of independent variants, and a trait without any effect."""
    rng = np.random.default_rng(1)
    words = np.empty((variants, -(-people // 32)), np.uint64)
    for first in range(0, variants, 1024):
        some = words[first : first + 1024]
        frequency = rng.uniform(0.05, 0.95, (len(some), 1))
        pack_rows(rng.binomial(2, frequency, (len(some), people)).astype(np.int8), some)
    return words, rng.standard_normal(people)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def plain_product(people: int, variants: int, threads: int) -> tuple[Callable[[], object], float]:
    """A float32 product on the CPU, and its operations."""
    rows = min(ROWS, variants)
    rng = np.random.default_rng(2)
    left, right = (rng.standard_normal((rows, people), np.float32) for _ in range(2))
    out = np.empty((rows, rows), np.float32)

    def work() -> None:
        with threadpool_limits(threads, "blas"):
            np.matmul(left, right.T, out=out)

    return work, 2.0 * people * rows**2


def device_product(people: int, plan: Plan, device: str) -> tuple[Callable[[], object], float]:
    """The same on a device, of the tile's size and precision."""
    import torch

    from genomed.stats.pairs_device import DTYPES

    torch.backends.cuda.matmul.allow_tf32 = plan.precision == "tf32"
    shape = (plan.device_tile, people)
    left, right = (torch.randn(shape, device=device).to(DTYPES[plan.precision]) for _ in range(2))

    def work() -> None:
        for _ in range(10):
            left @ right.T
        torch.cuda.synchronize()

    return work, 20.0 * people * plan.device_tile**2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=6400)
    parser.add_argument("--variants", type=int, default=12000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=3, help="measurements of each")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--folds", type=int, default=0, help="also fold_pairs with so many folds")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    n, m, threads, device = given.people, given.variants, given.threads, given.device
    words, trait = cohort(n, m)
    weight, plan = np.ones(n), Plan(precision=given.precision)

    def screen(some: np.ndarray) -> object:
        return all_pairs(some, n, trait, weight, threads=threads, device=device, plan=plan)

    if device == "cpu":
        product, operations = plain_product(n, m, threads)
    else:
        product, operations = device_product(n, plan, device)
    screen(words[:512])
    product()
    runs = []
    for _ in range(given.pairs):
        plain, ours = timed(product), timed(lambda: screen(words))
        clock, processor = (
            n * m**2 / ours[i] / (operations / plain[i]) if plain[i] else 0.0 for i in range(2)
        )
        runs.append(
            {
                "plain_gflops": operations / plain[0] / 1e9,
                "screen_gflops": n * m**2 / ours[0] / 1e9,
                "screen_seconds": ours[0],
                "ratio": clock,
                "ratio_of_processor_time": processor,
            }
        )
        print(json.dumps(runs[-1]), flush=True)
    result = {"machine": platform.processor() or platform.machine(), "cpus": os.cpu_count()}
    result |= {name: str(value) for name, value in vars(given).items()} | {"runs": runs}
    if given.folds:
        fold = np.arange(n) % given.folds
        seconds = timed(lambda: fold_pairs(words, n, trait, weight, fold, threads=threads))[0]
        result["folds_seconds"] = seconds
        print(json.dumps({"folds_seconds": seconds}))
    if given.out:
        given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
