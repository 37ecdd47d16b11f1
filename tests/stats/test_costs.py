"""Costs are sums of terms; the table of coefficients and the terms that the code knows agree."""

import importlib.resources
import tomllib

import pytest

from genomed.settings import StructureSettings
from genomed.stats.costs import Cost, estimate, terms

TABLE = tomllib.loads((importlib.resources.files("genomed") / "costs.toml").read_text())
RULES = sorted(part for part, of in TABLE["parts"].items() if "." not in part and "memory_mb" in of)
COHORT = {"samples": 2000, "variants": 100_000, "common": 20_000, "threads": 2, "models": 1}
COEFFICIENTS = {
    "structure": {"serial_s": {"one": 1.0, "calls": 2.0}, "memory_mb": {"one": 100.0}},
    "structure.kinship": {"parallel_s": {"sample_pairs": 3.0}, "memory_mb": {"samples": 50.0}},
    "structure.pca": {"parallel_s": {"one": 1.0}, "memory_mb": {"samples": 200.0}},
}


def test_time_of_steps_adds_up_and_of_memory_the_hungriest_counts():
    cost = estimate(COEFFICIENTS, "structure", COHORT, ["kinship", "pca"])
    assert cost.serial_s == pytest.approx(1.0 + 2.0 * 2 * 0.1)  # thousands x millions
    assert cost.parallel_s == pytest.approx(3.0 * 2 * 2 + 1.0)
    assert cost.memory_mb == pytest.approx(100 + 200 * 2)


def test_a_step_that_is_not_done_costs_nothing():
    cost = estimate(COEFFICIENTS, "structure", COHORT)
    assert (cost.parallel_s, cost.memory_mb) == (0, 100)


def test_threads_share_only_what_they_do_together():
    cost = Cost(serial_s=10, parallel_s=40)
    assert [cost.wall_s(threads) for threads in (1, 2, 4)] == [50, 30, 20]
    assert cost.wall_s(4, speed=2.0) == 10


def test_a_rule_without_a_model_is_refused():
    with pytest.raises(ValueError, match="no cost model of 'juggle'"):
        estimate(COEFFICIENTS, "juggle", COHORT)


@pytest.mark.parametrize("part", sorted(TABLE["parts"]))
def test_every_coefficient_is_of_a_known_term_and_not_negative(part):
    known = terms(part.partition(".")[0], COHORT)
    for weights in TABLE["parts"][part].values():
        assert set(weights) <= set(known)
        assert min(weights.values()) >= 0


@pytest.mark.parametrize("rule", RULES)
def test_every_command_takes_time_and_memory_and_more_of_them_for_more(rule):
    steps = StructureSettings.steps if rule == "structure" else ()
    reads = {"records": 1e6, "read_length": 150, "genome": 3e9, "covered": 3e9, "files": 1}
    small = COHORT | reads | {"text_bytes": 1e9, "file_bytes": 1e8, "weights": 1e4, "draws": 1000}
    large = {name: 10 * value for name, value in small.items()} | {"threads": 2}
    less, more = (estimate(TABLE["parts"], rule, sizes, steps) for sizes in (small, large))
    assert 0.3 < less.cpu_s < more.cpu_s
    assert 100 < less.memory_mb <= more.memory_mb


def test_the_table_says_where_it_comes_from():
    assert {"processor", "measured", "runs", "version"} <= set(TABLE["reference"])
