"""Pairs of variants whose product tells something about a trait that the variants alone do not.

Near pairs are tested one by one (local_pairs). All pairs are screened by tiles of the matrix
A' diag(r) A of standardised calls (all_pairs, fold_pairs); the best are then tested one by one. A
test regresses the residual on the product of two variants' codes beside the constant, the
covariates, both variants' additive codes and, unless told otherwise, their dominance codes, in
float64: an effect of either variant alone, of whatever shape, gives no pair. The screen's own
statistic leaves out that regression and takes variants for independent, which is only good enough
to choose what to test.

A product of rare variants rests on few people. With residuals as skewed as those of a rare disease
its z has heavy tails, so pairs whose expected carriers of both rarer alleles are fewer than
`min_carriers` x (1 + squared skewness of the residuals) are not tested: 10 people for a normal
trait, 180 for a disease of 5 % (of whom 9 cases). Of the others, z is corrected for the tails that
are left (genomed.stats.pair_tails).
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.kernels.pairs import FOUND, test_pairs
from genomed.stats.pair_engine import Part, Plan
from genomed.stats.pair_screen import Candidates, screen
from genomed.stats.pair_tails import tail_z
from genomed.stats.score_test import Cells, Target, score_target

__all__ = ["PairHits", "all_pairs", "exact_pairs", "fold_pairs", "local_pairs", "needed_carriers"]

PAIRS = 1 << 13  # tested at a time
NEAR_PAIRS = 1 << 18  # of local pairs, listed at a time
SLACK = 0.5  # how much lower z may be before covariates are partialled out


class PairHits(NamedTuple):
    """Pairs over a threshold, the largest |z| first.

    pairs      : row1 Int64 · row2 Int64 (row1 < row2) · z Float64 (beta / se; where residuals are
                 not normal, what genomed.stats.pair_tails makes of it) · beta Float64 (of the
                 product of standardised codes) · se Float64 · r2 Float64 (of the two variants) ·
                 tolerance Float64 (share of the product's variance that the variants do not
                 explain)
    n_tests    : pairs that could be tested: what a threshold has to allow for
    n_retested : pairs that were tested one by one
    limit      : |z| of the screen from which on pairs were tested one by one; above what was asked
                 for where there were too many
    inflation  : median z^2 of the screen, or of the local tests, over that of chance (0.455)
    """

    pairs: pl.DataFrame
    n_tests: int
    n_retested: int
    limit: float
    inflation: float


def needed_carriers(target: Target, min_carriers: float) -> float:
    """Expected carriers of both rarer alleles from which on a pair is tested."""
    return min_carriers * (1 + target.skewness**2)


def exact_pairs(
    words: np.ndarray,
    n_samples: int,
    first: np.ndarray,
    second: np.ndarray,
    target: Target,
    *,
    dominance: bool = True,
    threads: int = 1,
) -> pl.DataFrame:
    """Test pairs one by one: the columns of PairHits.pairs, in the order given.

    z, beta and se are NaN where the product is a combination of the others. Missing calls count as
    the mean in the additive codes, and as 0 in the product.
    """
    first, second = np.asarray(first, np.int64), np.asarray(second, np.int64)
    rows, place = np.unique(np.concatenate([first, second]), return_inverse=True)
    if len(rows) and not (rows[0] >= 0 and rows[-1] < len(words)):
        raise ValueError(f"pairs name rows outside 0 .. {len(words) - 1}")
    if target.basis.shape[1] == 1:
        target = _without_covariates(target)
    cells = Cells(words[rows], n_samples, target, threads=threads)
    found = _test(cells, place[: len(first)], place[len(first) :], dominance, threads)
    return _frame(first, second, found, target, dominance)


def _test(
    cells: Cells, first: np.ndarray, second: np.ndarray, dominance: bool, threads: int
) -> np.ndarray:
    """What the kernel finds for pairs of places: float64 (pairs, 6)."""
    value = cells.values()
    out = np.empty((len(first), len(FOUND)))
    n_parents = 4 if dominance else 2
    n_moments = len(cells.total)

    def one(some: slice) -> None:
        test_pairs(
            cells.words, cells.keep, cells.common, cells.moments, cells.margins, cells.total,
            value, n_parents, first[some], second[some],
            np.empty((16, n_moments)), np.empty((5, max(1, n_moments - 2))), np.empty((5, 6)),
            out[some],
        )  # fmt: skip

    with ThreadPoolExecutor(max(1, threads)) as pool:
        list(pool.map(one, [slice(i, i + PAIRS) for i in range(0, len(first), PAIRS)]))
    return out


def _z_and_error(
    found: np.ndarray, target: Target, dominance: bool
) -> tuple[np.ndarray, np.ndarray]:
    """z and the coefficient's standard error, by the dispersion that the regression leaves."""
    beta, information, _, _, parents, pair = found.T
    freedom = _freedom(target)
    left = np.maximum(target.dispersion * freedom - parents - pair, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(left / (freedom - (5 if dominance else 3)) / information)
        return beta / error, error


def _frame(
    first: np.ndarray, second: np.ndarray, found: np.ndarray, target: Target, dominance: bool
) -> pl.DataFrame:
    z, error = _z_and_error(found, target, dominance)
    return pl.DataFrame(
        {
            "row1": first,
            "row2": second,
            "z": z,
            "beta": found[:, 0],
            "se": np.where(np.isnan(found[:, 0]), np.nan, error),
            "r2": found[:, 3] ** 2,
            "tolerance": found[:, 2],
        }
    )


def local_pairs(
    words: np.ndarray,
    n_samples: int,
    residual: np.ndarray,
    weight: np.ndarray,
    variants: pl.DataFrame,
    covariates: np.ndarray | None = None,
    *,
    window_bp: int | None = 1_000_000,
    window_variants: int | None = 50,
    threshold_z: float = 4.0,
    min_carriers: float = 10,
    min_tolerance: float = 0.05,
    dominance: bool = True,
    threads: int = 1,
) -> PairHits:
    """Test all pairs of variants that are near each other.

    words, n_samples : uint64 (variants, words), as in genomed.schema.ARRAYS
    residual, weight, covariates : see genomed.stats.score_test.score_target
    variants         : contig · position, one row per row of words, ascending within a contig
    window_bp        : pairs further apart are not looked at; None for no limit
    window_variants  : nor pairs with as many variants or more between them, less one; None likewise
    min_tolerance    : pairs whose product its variants explain almost, as in strong LD, are not
                       tested
    returns          : pairs with |z| of the threshold or more

    A first look at every pair partials out both variants but not the covariates (to which the
    residual is orthogonal anyway); whatever comes near the threshold is tested with them.
    """
    target = score_target(residual, weight, covariates)
    plain = _without_covariates(target)
    cells = Cells(words, n_samples, plain, threads=threads)
    carriers = cells.carriers()
    needed = needed_carriers(target, min_carriers) / target.n_used
    n_tests, squares = 0, [np.empty(0)]
    firsts, seconds = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for first, second in near_pairs(variants, window_bp, window_variants):
        enough = carriers[first] * carriers[second] >= needed
        first, second = first[enough], second[enough]
        found = _test(cells, first, second, dominance, threads)
        z, _ = _z_and_error(found, plain, dominance)
        good = found[:, 2] >= min_tolerance
        n_tests += int(good.sum())
        squares.append(z[good] ** 2)
        near = good & (np.abs(z) >= threshold_z - SLACK)
        firsts.append(first[near])
        seconds.append(second[near])
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    tests = (threshold_z, min_tolerance, dominance, threads)
    hits = _best(words, n_samples, first, second, target, *tests)
    return PairHits(hits, n_tests, len(first), threshold_z, inflation(np.concatenate(squares)))


def _without_covariates(target: Target) -> Target:
    """The same residual with nothing but the constant partialled out, for which the kernels need no
    basis."""
    return target._replace(basis=np.empty((len(target.weight), 0)))


def _freedom(target: Target) -> int:
    """People less the columns of the basis, of which the constant is always one."""
    return target.n_used - max(1, target.basis.shape[1])


def inflation(squares: np.ndarray) -> float:
    """Median of z^2 over that of chance; NaN without any."""
    return float(np.median(squares)) / 0.454936 if len(squares) else float("nan")


def _best(
    words: np.ndarray, n_samples: int, first: np.ndarray, second: np.ndarray, target: Target,
    threshold_z: float, min_tolerance: float, dominance: bool, threads: int,
) -> pl.DataFrame:  # fmt: skip
    """Test pairs one by one; those over the threshold, the largest |z| first."""
    table = exact_pairs(
        words, n_samples, first, second, target, dominance=dominance, threads=threads
    )
    large = pl.col("z").is_not_nan() & (pl.col("z").abs() >= threshold_z)
    table = table.filter(large & (pl.col("tolerance") >= min_tolerance))
    row1, row2, z = (table[name].to_numpy() for name in ("row1", "row2", "z"))
    tails = tail_z(words, n_samples, row1, row2, z, target, dominance=dominance, threads=threads)
    table = table.with_columns(z=pl.Series(tails, dtype=pl.Float64)).filter(large)
    return table.sort(pl.col("z").abs(), "row1", "row2", descending=[True, False, False])


def near_pairs(
    variants: pl.DataFrame, window_bp: int | None, window_variants: int | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places of pairs within the windows, of one contig, some hundred thousand at a time."""
    contig = variants["contig"].rle_id().to_numpy()
    position = variants["position"].to_numpy().astype(np.int64)
    if ((np.diff(position) < 0) & (np.diff(contig.astype(np.int64)) == 0)).any():
        raise ValueError("positions are not ascending within a contig; sort the variants")
    last = np.searchsorted(contig, contig, "right") - 1
    n = len(position)
    if window_bp is not None and n:
        width = int(position.max()) + window_bp + 1  # contigs laid end to end, out of reach
        line = position + contig.astype(np.int64) * width
        last = np.minimum(last, np.searchsorted(line, line + window_bp, "right") - 1)
    if window_variants is not None:
        last = np.minimum(last, np.arange(n) + window_variants)
    before = np.concatenate([[0], np.cumsum(last - np.arange(n))])
    start = 0
    while start < n:
        stop = int(np.searchsorted(before, before[start] + NEAR_PAIRS, "right")) - 1
        stop = min(max(stop, start + 1), n)
        here = np.arange(start, stop)
        counts = last[here] - here
        first = np.repeat(here, counts)
        behind = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
        if len(first):
            yield first, first + 1 + behind
        start = stop


def all_pairs(
    words: np.ndarray,
    n_samples: int,
    residual: np.ndarray,
    weight: np.ndarray,
    covariates: np.ndarray | None = None,
    *,
    rows: np.ndarray | None = None,
    threshold_z: float = 4.0,
    keep: int = 50_000,
    plan: Plan | None = None,
    min_carriers: float = 10,
    min_tolerance: float = 0.05,
    dominance: bool = True,
    threads: int = 1,
    device: str = "cpu",
    progress: Callable[[float], None] | None = None,
) -> PairHits:
    """Screen all pairs of variants, and test the best one by one.

    words, n_samples : uint64 (variants, words), as in genomed.schema.ARRAYS
    residual, weight, covariates : see genomed.stats.score_test.score_target
    rows        : int64, rows to pair with each other; None for all
    threshold_z : pairs from this |z| on, in the screen and in the test
    keep        : at most so many pairs are tested one by one
    plan        : sizes and numbers of the tiles, see genomed.stats.pair_engine.Plan
    device      : "cpu"; "cuda", "cuda:1": tiles on that device; "torch": torch on the CPU
    progress    : called with the share of the work that is done
    returns     : pairs with |z| of the threshold or more

    Work: variants^2 x people additions and as many multiplications; memory: the packed calls, a few
    tiles (plan), and the candidates. The result does not depend on the threads.
    """
    target = score_target(residual, weight, covariates)
    part = Part(np.flatnonzero(target.weight > 0), target.residual)
    (found,) = _screened(
        words, n_samples, [part], [target], rows, threshold_z, keep, plan, min_carriers, threads,
        device, progress,
    )  # fmt: skip
    tests = (threshold_z, min_tolerance, dominance, threads)
    return _hits(words, n_samples, found, target, tests)


def fold_pairs(
    words: np.ndarray,
    n_samples: int,
    residual: np.ndarray,
    weight: np.ndarray,
    fold: np.ndarray,
    covariates: np.ndarray | None = None,
    *,
    rows: np.ndarray | None = None,
    threshold_z: float = 4.0,
    keep: int = 50_000,
    plan: Plan | None = None,
    min_carriers: float = 10,
    min_tolerance: float = 0.05,
    dominance: bool = True,
    threads: int = 1,
    device: str = "cpu",
    progress: Callable[[float], None] | None = None,
) -> list[PairHits]:
    """Screen all pairs without each fold in turn, and with all of them, in the work of one screen.

    The matrix of everybody is the sum of the folds' own; without a fold it is the sum less one. So
    all screens see the same residual, which must not come from a model that saw the person's own
    fold (out of fold); where each fold has a residual of its own, call all_pairs once for each, at
    (folds - 1) times the cost.

    fold    : int8 (n,), 0, 1, 2 ..; negative for people to leave out of all
    returns : one for each fold, without its people, then one with all; otherwise as all_pairs
    """
    fold = np.asarray(fold)
    n_folds = int(fold.max(initial=-1)) + 1
    if n_folds < 2:
        raise ValueError("two folds or more are needed; use all_pairs")
    weight = np.where(fold >= 0, np.asarray(weight, np.float64), 0.0)
    everybody = score_target(residual, weight, covariates)
    # one residual for all screens: orthogonal to the covariates over everybody
    targets = [
        score_target(everybody.residual, np.where(fold == f, 0.0, weight), covariates)
        for f in range(n_folds)
    ]
    parts = [
        Part(np.flatnonzero((fold == f) & (weight > 0)), everybody.residual) for f in range(n_folds)
    ]
    screened = _screened(
        words, n_samples, parts, [*targets, everybody], rows, threshold_z, keep, plan,
        min_carriers, threads, device, progress,
    )  # fmt: skip
    tests = (threshold_z, min_tolerance, dominance, threads)
    return [
        _hits(words, n_samples, found, target, tests)
        for found, target in zip(screened, [*targets, everybody], strict=True)
    ]


def _screened(
    words: np.ndarray, n_samples: int, parts: list[Part], targets: list[Target],
    rows: np.ndarray | None, threshold_z: float, keep: int, plan: Plan | None,
    min_carriers: float, threads: int, device: str, progress: Callable[[float], None] | None,
) -> list[Candidates]:  # fmt: skip
    everybody = targets[-1]
    chosen = np.arange(len(words)) if rows is None else np.unique(np.asarray(rows, np.int64))
    some = words if rows is None else words[chosen]
    cells = Cells(some, n_samples, _without_covariates(everybody), threads=threads)
    carriers = cells.carriers()
    needed = [needed_carriers(t, min_carriers) / t.n_used for t in targets]
    # a variant too rare for any partner leaves before the screen
    usable = (carriers * carriers.max(initial=0.0) >= min(needed)) & cells.values()[:, :, 0].any(1)
    return screen(
        cells, chosen, np.flatnonzero(usable), carriers, parts,
        [np.sqrt(t.dispersion * t.weight.sum()) for t in targets], needed,
        threshold_z=threshold_z, keep=keep, plan=plan or Plan(), threads=threads, device=device,
        progress=progress,
    )  # fmt: skip


def _hits(
    words: np.ndarray, n_samples: int, found: Candidates, target: Target,
    tests: tuple[float, float, bool, int],
) -> PairHits:  # fmt: skip
    hits = _best(words, n_samples, found.first, found.second, target, *tests)
    return PairHits(hits, found.n_pairs, len(found.first), found.limit, found.inflation)
