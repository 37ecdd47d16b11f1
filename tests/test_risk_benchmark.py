"""The benchmark of risk models: what it simulates, and how it judges."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

pytest.importorskip("msprime")
BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "risk"


@pytest.fixture(scope="module", autouse=True)
def _scripts():
    """Import the benchmark's scripts as they import each other."""
    sys.path.insert(0, str(BENCHMARK))
    yield
    sys.path.remove(str(BENCHMARK))


def simulate(out: Path, scenario: str, seed: int = 1, variants: int = 320) -> Path:
    import simulate as script

    arguments = ["--out", out, "--scenario", scenario, "--seed", seed, "--people", 300]
    arguments += ["--variants", variants, "--chromosomes", 8, "--length-bp", 200_000]
    arguments += ["--processes", 1, "--cache", out.parent / "genotypes"]
    command = [sys.executable, script.__file__, *map(str, arguments)]
    subprocess.run(command, check=True)
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("risk")


@pytest.fixture(scope="module")
def hubs(folder) -> Path:
    return simulate(folder / "hubs", "hubs")


@pytest.fixture(scope="module")
def cohort():
    from trait_models import Cohort

    rng = np.random.default_rng(3)
    calls = rng.binomial(2, rng.uniform(0.2, 0.8, (400, 1)), (400, 500)).astype(np.int8)
    contig = np.repeat([str(n) for n in range(1, 11)], 40)
    variants = pl.DataFrame({"contig": contig, "position": np.tile(np.arange(40) * 20_000, 10)})
    variants = variants.with_columns(id=pl.format("{}:{}", "contig", "position"))
    return Cohort(calls, variants, np.zeros(500, np.int64), {})


def correlations(values, calls):
    from trait_models import standardised

    return standardised(calls) @ standardised(values) / len(values)


def test_what_does_not_vary_is_refused_and_never_drawn(cohort):
    import trait_models as models

    with pytest.raises(ValueError, match="1 of 2 rows do not vary"):
        models.standardised(np.array([[0, 1, 2], [1, 1, 1]]))
    twins = cohort.alt_count.copy()
    twins[1] = twins[0]  # inherited together, het or not: nothing is left of their product
    twins[:2] = np.minimum(twins[:2], 1)
    with pytest.raises(ValueError, match="1 of 1 rows do not vary"):
        models._products(cohort._replace(alt_count=twins), np.random.default_rng(1), [(0, 1)], "x")
    with pytest.raises(ValueError, match="do not vary"):
        models._component(np.zeros(500), [], np.zeros(0, np.int64))
    few = cohort.alt_count.copy()
    few[5:] = 0
    some = models.additive(cohort._replace(alt_count=few), np.random.default_rng(1), 5)
    assert sorted(some.rows) == [0, 1, 2, 3, 4]
    assert np.isfinite(some.value).all()


def test_products_and_dominance_have_no_marginal_effect_of_their_own_variants(cohort):
    import trait_models as models

    for part in (
        models.far_pairs(cohort, np.random.default_rng(1), 1),
        models.local_pairs(cohort, np.random.default_rng(1), 1),
        models.dominance(cohort, np.random.default_rng(1), 1)[0],
    ):
        assert np.abs(correlations(part.value, cohort.alt_count[part.rows])).max() < 1e-9
        assert part.value.var() == pytest.approx(1)


def test_variants_without_heterozygotes_have_no_dominance_and_are_drawn_again(cohort):
    import trait_models as models

    calls = cohort.alt_count.copy()
    calls[:300] = np.where(np.arange(500) < 100, 2, 0)  # fixed in one ancestry, absent elsewhere
    rng = np.random.default_rng(1)
    deviation, line = models.dominance(cohort._replace(alt_count=calls), rng, 20)
    assert len(np.unique(deviation.rows)) == 20
    assert deviation.rows.min() >= 300
    np.testing.assert_array_equal(deviation.rows, line.rows)
    assert np.isfinite(deviation.value).all()


def test_local_pairs_lie_on_one_chromosome_and_far_pairs_on_two(cohort):
    import trait_models as models

    local = models.local_pairs(cohort, np.random.default_rng(2), 20)
    far = models.far_pairs(cohort, np.random.default_rng(2), 20)
    contigs = [[name.split(":")[0] for name in term["variants"]] for term in local.terms]
    assert all(a == b for a, b in contigs)
    assert len({term["distance_bp"] for term in local.terms}) > 10
    contigs = [[name.split(":")[0] for name in term["variants"]] for term in far.terms]
    assert all(a != b for a, b in contigs)


def test_a_case_has_every_file_and_the_calls_come_back(hubs):
    import casefiles

    case = casefiles.read_case(hubs, "y", covariates=True)
    assert case.calls.shape == (300, 320)
    assert case.test.sum() == 60
    assert np.abs(case.calls[~case.test].mean(axis=0)).max() < 1e-4
    assert set(pl.read_csv(hubs / "groups.tsv", separator="\t")["ancestry"]) == {"EUR"}
    truth = json.loads((hubs / "truth.json").read_text())
    assert 0.2 < truth["ceiling"]["r2"] < 0.8
    assert {part["kind"] for part in truth["components"]} == {"hub", "hub of three", "additive"}
    known = pl.read_csv(hubs / "store.pvar", separator="\t", comment_prefix="##")["ID"].to_list()
    assert set(truth["causal"]) <= set(known)


def test_prevalences_are_those_of_the_traits(hubs):
    traits = pl.read_csv(hubs / "traits.tsv", separator="\t")
    assert [traits[f"case_{k}"].sum() for k in (1, 5, 20)] == [3, 15, 60]


def test_the_same_seed_gives_the_same_bytes(hubs, folder):
    again = simulate(folder / "again", "hubs")
    for name in ("store.pgen", "store.pvar", "traits.tsv", "covariates.tsv", "split.tsv"):
        assert (again / name).read_bytes() == (hubs / name).read_bytes()


def test_hidden_causes_are_not_in_the_store(folder):
    case = simulate(folder / "hidden", "hidden")
    truth = json.loads((case / "truth.json").read_text())
    held = pl.read_csv(case / "store.pvar", separator="\t", comment_prefix="##")["ID"].to_list()
    assert len(truth["causal"]) + len(held) == 320
    assert not set(truth["causal"]) & set(held)


def test_three_ancestries_are_split_alike(folder):
    case = simulate(folder / "three", "ancestries_additive", variants=480)
    groups = pl.read_csv(case / "groups.tsv", separator="\t")
    split = pl.read_csv(case / "split.tsv", separator="\t")
    tested = groups.join(split, on="sample").filter(pl.col("set") == "test")
    assert dict(tested["ancestry"].value_counts().iter_rows()) == {"EUR": 48, "EAS": 6, "AFR": 6}
    assert "pc4" in pl.read_csv(case / "covariates.tsv", separator="\t").columns


def made_case(binary=False):
    from casefiles import Case

    rng = np.random.default_rng(5)
    calls = np.asfortranarray(rng.standard_normal((300, 80)).astype(np.float32))
    covariates = rng.standard_normal((300, 2))
    y = calls[:, :5].sum(axis=1) + covariates[:, 0] + rng.standard_normal(300)
    test = np.arange(300) >= 240
    y = (y > 0).astype(float) if binary else y
    return Case([f"p{i}" for i in range(300)], calls, covariates, y, test)


def test_ridge_is_the_solution_of_the_normal_equations():
    import peers

    case = made_case()
    fitted = peers.ridge(case, peers.Task(1, 1, 1, ""))
    develop = ~case.test
    penalty = (1 - fitted.chosen["h2"]) / fitted.chosen["h2"] * 80
    design = np.column_stack([np.ones(300), case.covariates, case.calls])
    shrink = np.diag([0.0] * 3 + [penalty] * 80)
    beta = np.linalg.solve(
        design[develop].T @ design[develop] + shrink, design[develop].T @ case.y[develop]
    )
    np.testing.assert_allclose(fitted.prediction, design @ beta, atol=1e-3)


def test_the_path_of_scikit_learn_finds_what_is_there():
    import peers
    from measures import r2

    case = made_case()
    fitted = peers.sklearn_path(case, peers.Task(30, 1, 1, ""), (1.0, 0.5))
    assert r2(fitted.prediction[case.test], case.y[case.test]) > 0.7


@pytest.mark.parametrize("binary", [False, True])
def test_glmnet_finds_what_is_there(binary):
    import peers
    from measures import auroc, r2

    if not peers.has_glmnet():
        pytest.skip("R has no glmnet")
    case = made_case(binary)
    fitted = peers.glmnet(case, peers.Task(30, 1, 1, ""), (1.0,))
    told = fitted.prediction[case.test]
    assert (auroc if binary else r2)(told, case.y[case.test]) > (0.85 if binary else 0.7)


def test_folds_hold_cases_evenly_and_nobody_who_is_tested():
    case = made_case(binary=True)
    fold = case.folds(5, 1)
    assert (fold[case.test] == 0).all()
    cases = [int(case.y[fold == k].sum()) for k in range(1, 6)]
    assert max(cases) - min(cases) <= 1


def test_measures_are_what_they_say():
    import measures

    rng = np.random.default_rng(1)
    score = np.round(rng.standard_normal(500), 1)
    truth = (rng.random(500) < 1 / (1 + np.exp(-score))).astype(float)
    assert measures.auroc(score, truth) == pytest.approx(roc_auc_score(truth, score))
    assert measures.r2(-score, score) == pytest.approx(-1)
    assert measures.r2(np.ones(500), truth) == 0
    assert measures.ece(np.full(500, truth.mean()), truth) < 0.2
    assert measures.coverage(score - 1, score + 1, score) == 1


def test_a_method_gains_nothing_on_itself():
    import measures

    rng = np.random.default_rng(1)
    truth = [rng.standard_normal(50) for _ in range(3)]
    told = [values + rng.standard_normal(50) for values in truth]
    gain = measures.paired_bootstrap(measures.r2, told, told, truth, 20)
    assert gain == (0.0, 0.0, 0.0)
    better = measures.paired_bootstrap(measures.r2, truth, told, truth, 200)
    assert 0 < better.low < better.value < better.high


CONFIG = """
[tiny]
seeds = [1]
[quick]
seeds = [1]
people = 300
variants = 320
chromosomes = 8
length_bp = 200000
min_maf = 0.05
[run]
budget = 5
threads = 1
peers = ["ridge"]
best_linear = ["ridge"]
bootstrap = 50
[ours]
train = "cp {case}/traits.tsv {work}/all.tsv"
predict = "cp {work}/all.tsv {work}/told.tsv"
table = "told.tsv"
[ours.columns]
prediction = "y"
linear = "case_20"
[ours.accepted]
stages = "stages.tsv"
pairs = "pairs.tsv"
head = "net"
[scenarios.hubs]
traits = ["y"]
[[bar]]
name = "as good as the truth"
scenario = "hubs"
trait = "y"
measure = "r2"
least = { reference = "best_linear", factor = 1.0, offset = 0.1 }
[[bar]]
name = "no gain"
scenario = "hubs"
trait = "y"
measure = "r2"
gain = { reference = "own_linear" }
[[bar]]
name = "not there"
scenario = "hubs"
trait = "y"
measure = "coverage"
range = [0.88, 0.92]
"""


def test_cells_are_run_once_and_bars_are_judged(tmp_path):
    (tmp_path / "bars.toml").write_text(CONFIG)
    command = [sys.executable, str(BENCHMARK / "run.py"), "--stage", "quick"]
    command += ["--bars", str(tmp_path / "bars.toml"), "--work", str(tmp_path / "work")]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "hubs 1 y ours" in first.stdout
    assert "hubs 1 y ridge" in first.stdout
    again = subprocess.run([*command, "--check"], capture_output=True, text=True)
    assert "hubs 1 y ours" not in again.stdout
    assert again.returncode == 1
    report = json.loads((tmp_path / "work" / "report.json").read_text())
    assert [bar["met"] for bar in report["bars"]] == [True, False, None]
    values = {row["method"]: row["value"] for row in report["results"]}
    assert values["ours"] == pytest.approx(1)
    assert values["ridge"] < 0.5
    figures = pl.read_csv(tmp_path / "work" / "figures.tsv", separator="\t")
    assert figures.filter(method="ours")["value"].to_list() == [pytest.approx(1, abs=1e-5)]


def test_pairs_are_the_same_when_neighbours_stand_for_them():
    from pairscan import judge

    wanted = [("1:1000:A:C", "2:5000:A:C"), ("3:1:A:C", "4:1:A:C")]
    found = [("2:5100:G:T", "1:900:A:C"), ("1:1000:A:C", "4:1:A:C")]
    assert judge(found, wanted, 500) == {"pairs": 2, "true": 1, "recovered": 1}
    assert judge(found, wanted, 50) == {"pairs": 2, "true": 0, "recovered": 0}
