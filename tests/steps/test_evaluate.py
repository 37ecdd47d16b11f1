"""`evaluate` from files to tables: people, groups, comparisons, intervals, and refusals."""

import json
import math

import numpy as np
import polars as pl
import pytest
from prediction_tables import write_cohort

from genomed.errors import GapError, InputError, UnknownNameError, UsageError
from genomed.io.traits import SurvivalColumns
from genomed.settings import EvaluateSettings
from genomed.steps.evaluate import EvaluateInputs, run_evaluate
from genomed.tables import TABLES

FEW = EvaluateSettings(n_draws=60)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"))


def evaluated(tables, out, settings=FEW, **options):
    return run_evaluate(EvaluateInputs(*tables, **options), out, settings)


def values(frame, **equal):
    rows = frame.filter(*(pl.col(k) == v for k, v in equal.items()))
    return dict(rows.select("measure", "value").iter_rows())


def test_measures_are_those_of_scikit_learn_however_rows_are_ordered(tables, tmp_path):
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    page = evaluated(tables, tmp_path / "out", trait="disease").page
    joined = pl.read_csv(tables[0], separator="\t").join(
        pl.read_csv(tables[1], separator="\t"), left_on="sample", right_on="IID"
    )
    case, p = joined["disease"].to_numpy(), joined["probability"].to_numpy()
    found = values(page.metrics)
    assert found["auroc"] == pytest.approx(roc_auc_score(case, p), abs=1e-9)
    assert found["auprc"] == pytest.approx(average_precision_score(case, p), abs=1e-9)
    assert found["brier"] == pytest.approx(brier_score_loss(case, p), abs=1e-9)


def test_groups_are_measured_apart_and_their_gap_is_of_the_extremes(tables, tmp_path):
    page = evaluated(tables, tmp_path / "out", trait="disease", by=("ancestry", "sex", "age")).page
    assert page.groups["by"].unique(maintain_order=True).to_list() == ["ancestry", "sex", "age"]
    assert set(page.groups.filter(pl.col("by") == "sex")["group"]) == {"male", "female"}
    bands = page.groups.filter(pl.col("by") == "age")["group"].unique(maintain_order=True)
    assert bands.to_list()[0] == "below 40"
    auroc = {g: values(page.groups, by="ancestry", group=g)["auroc"] for g in ("EUR", "AFR", "EAS")}
    gap = page.gaps.filter(pl.col("by") == "ancestry", pl.col("measure") == "auroc").row(
        0, named=True
    )
    assert (gap["highest"], gap["lowest"]) == ("EUR", "AFR")
    assert gap["gap"] == pytest.approx(auroc["EUR"] - auroc["AFR"])
    assert gap["low"] < gap["gap"] < gap["high"]


def test_a_gap_that_is_too_large_is_told_after_everything_was_written(tables, tmp_path):
    settings = EvaluateSettings(n_draws=20, max_gap=0.05)
    options = {"trait": "disease", "by": ("ancestry",)}
    summary = evaluated(tables, tmp_path / "out", settings, **options)
    assert (tmp_path / "out" / "run.json").is_file()
    with pytest.raises(GapError, match=r"auroc is .* in AFR"):
        summary.check()
    wide = EvaluateSettings(n_draws=20, max_gap=0.9)
    evaluated(tables, tmp_path / "wide", wide, **options).check()


def test_a_comparison_is_paired_and_names_the_change(tables, tmp_path):
    page = evaluated(tables, tmp_path / "out", trait="disease", versus="weak").page
    rows = {row["measure"]: row for row in page.comparison.iter_rows(named=True)}
    metrics = {n: values(page.metrics, prediction=n) for n in ("probability", "weak")}
    auroc = rows["auroc"]
    expected = metrics["probability"]["auroc"] - metrics["weak"]["auroc"]
    assert auroc["difference"] == pytest.approx(expected)
    assert auroc["low"] < auroc["difference"] < auroc["high"]
    assert {"nri", "nri_continuous", "idi"} <= set(rows)
    assert rows["idi"]["difference"] > 0


def test_another_file_can_be_compared_with(tables, tmp_path):
    frame = pl.read_csv(tables[0], separator="\t").select("sample", "weak").reverse()
    frame.head(700).write_csv(tmp_path / "other.csv")
    page = evaluated(
        tables, tmp_path / "out", trait="disease", versus=f"{tmp_path / 'other.csv'}:weak"
    ).page
    assert page.n == 700
    assert page.versus == "other.csv:weak"


def test_intervals_of_a_number_are_judged_by_how_often_they_hold(tables, tmp_path):
    page = evaluated(
        tables, tmp_path / "out", trait="height", prediction=("value",), by=("sex",)
    ).page
    found = values(page.metrics)
    assert found["coverage"] == pytest.approx(0.9, abs=0.04)
    assert found["interval_width"] == pytest.approx(32.9)
    assert found["r2"] == pytest.approx(0.5, abs=0.08)
    assert values(page.groups, group="male")["coverage"] == pytest.approx(0.9, abs=0.06)


def test_times_to_an_event_are_ranked_and_their_survival_is_scored(tables, tmp_path):
    by_name = evaluated(tables, tmp_path / "a", trait="death", prediction=("full",)).page
    columns = SurvivalColumns("death_time", "death_event")
    by_column = evaluated(
        tables, tmp_path / "b", trait="late", prediction=("full",), survival=columns
    ).page
    assert values(by_name.metrics) == values(by_column.metrics)
    assert values(by_name.metrics)["c_index"] > 0.65
    assert 0 < values(by_name.metrics)["integrated_brier"] < 0.25


def test_logits_and_probabilities_of_one_model_measure_the_same(tables, tmp_path):
    page = evaluated(
        tables, tmp_path / "out", trait="disease", prediction=("probability", "full")
    ).page
    first, second = (values(page.metrics, prediction=n) for n in ("probability", "full"))
    for name, value in first.items():
        assert second[name] == pytest.approx(value, abs=1e-6), name


def test_results_do_not_depend_on_threads_and_tables_have_their_columns(tables, tmp_path):
    inputs = EvaluateInputs(*tables, trait="disease", versus="weak", by=("ancestry",))
    for threads in (1, 3):
        run_evaluate(inputs, tmp_path / str(threads), FEW, threads=threads)
    for name in ("metrics", "groups", "gaps", "versus", "curves"):
        first, second = (tmp_path / t / f"{name}.tsv" for t in "13")
        assert first.read_bytes() == second.read_bytes()
        read = pl.read_parquet(tmp_path / "1" / f"{name}.parquet")
        assert read.columns == list(TABLES[f"evaluate_{name}"])
    html = [(tmp_path / t / "evaluate.html").read_bytes() for t in "13"]
    assert html[0] == html[1]
    facts = json.loads((tmp_path / "1" / "run.json").read_text())
    assert facts["seed"] == 1
    assert len(facts["inputs"]) == 2
    assert json.loads((tmp_path / "1" / "evaluate_mqc.json").read_text())["data"]


def test_no_draws_leave_measures_without_intervals(tables, tmp_path):
    page = evaluated(tables, tmp_path / "o", EvaluateSettings(n_draws=0), trait="disease").page
    assert page.metrics["low"].null_count() == len(page.metrics)
    assert values(page.metrics)["auroc"] > 0.6


def test_people_without_a_prediction_or_a_truth_are_left_out_and_counted(tables, tmp_path):
    pred = pl.read_csv(tables[0], separator="\t", infer_schema=False)
    gaps = pred.with_columns(
        pl.when(pl.int_range(pl.len()) >= 100).then("probability").otherwise(pl.lit("NA"))
        .alias("probability")
    )  # fmt: skip
    gaps.write_csv(tmp_path / "p.tsv", separator="\t")
    truth = pl.read_csv(tables[1], separator="\t", infer_schema=False).sort("IID").head(800)
    truth.write_csv(tmp_path / "t.tsv", separator="\t")
    page = evaluated((tmp_path / "p.tsv", tmp_path / "t.tsv"), tmp_path / "o", trait="disease").page
    assert page.n == 700
    assert any("100 people" in text for text in page.warnings)


def test_relatives_drawn_together_widen_intervals(tables, tmp_path):
    pred = pl.read_csv(tables[0], separator="\t")
    truth = pl.read_csv(tables[1], separator="\t")
    twins = [
        pl.concat([x, x.with_columns(pl.col(c) + "b")])
        for x, c in ((pred, "sample"), (truth, "IID"))
    ]
    for frame, name in zip(twins, ("p.tsv", "t.tsv"), strict=True):
        frame.write_csv(tmp_path / name, separator="\t")
    pl.DataFrame(
        {"sample1": pred["sample"], "sample2": pred["sample"] + "b", "kinship": 0.5}
    ).write_csv(tmp_path / "kin.tsv", separator="\t")
    both = (tmp_path / "p.tsv", tmp_path / "t.tsv")
    settings = EvaluateSettings(n_draws=300)
    widths = []
    for k, relatives in enumerate((None, tmp_path / "kin.tsv")):
        page = evaluated(
            both, tmp_path / f"o{k}", settings, trait="disease", relatives=relatives
        ).page
        row = page.metrics.filter(pl.col("measure") == "auroc").row(0, named=True)
        widths.append(row["high"] - row["low"])
    assert widths[1] / widths[0] == pytest.approx(math.sqrt(2), rel=0.2)


def changed(tables, folder, table, edit):
    paths = [folder / "p.tsv", folder / "t.tsv"]
    for k, (path, source) in enumerate(zip(paths, tables, strict=True)):
        frame = pl.read_csv(source, separator="\t", infer_schema=False)
        (edit(frame) if k == table else frame).write_csv(path, separator="\t")
    return tuple(paths)


@pytest.mark.parametrize(
    ("table", "edit", "options", "error", "told"),
    [
        (1, lambda f: f.with_columns(disease=pl.lit("1")), {}, InputError, "one class"),
        (1, lambda f: f.with_columns(disease=pl.lit("NA")), {}, InputError, "missing for all"),
        (1, lambda f: f.with_columns(IID=pl.col("IID") + "x"), {}, InputError, "names nobody"),
        (1, lambda f: pl.concat([f, f.head(1)]), {}, InputError, "already on line"),
        (0, lambda f: pl.concat([f, f.head(1)]), {}, InputError, "was there before"),
        (0, lambda f: f.with_columns(probability=pl.lit("nan")), {}, InputError, "0 people"),
        (0, lambda f: f.with_columns(probability=pl.lit("1.2")), {}, InputError, "no probability"),
        (0, lambda f: f, {"trait": None}, UsageError, "--trait"),
        (0, lambda f: f, {"trait": "asthma"}, UnknownNameError, "asthma"),
        (0, lambda f: f, {"by": ("smoking",)}, UnknownNameError, "smoking"),
        (0, lambda f: f, {"groups": "none.tsv"}, InputError, "none.tsv"),
        (0, lambda f: f, {"versus": "probability"}, UsageError, "--versus"),
        (0, lambda f: f, {"only": "test"}, InputError, "set"),
    ],
)
def test_bad_input_is_refused_in_a_sentence_and_leaves_nothing(
    tables, tmp_path, table, edit, options, error, told
):
    paths = changed(tables, tmp_path, table, edit)
    out = tmp_path / "out"
    with pytest.raises(error) as caught:
        evaluated(paths, out, **({"trait": "disease"} | options))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not out.exists()


def test_one_class_among_those_with_a_prediction_is_refused(tables, tmp_path):
    cases = pl.read_csv(tables[1], separator="\t").filter(pl.col("disease") == 1)["IID"].to_list()
    paths = changed(tables, tmp_path, 0, lambda f: f.filter(pl.col("sample").is_in(cases)))
    with pytest.raises(InputError, match=r"no controls|one class"):
        evaluated(paths, tmp_path / "out", trait="disease")


def test_small_groups_are_shown_but_not_compared(tables, tmp_path):
    rare = changed(
        tables, tmp_path, 1,
        lambda f: f.with_columns(
            ancestry=pl.when(pl.int_range(pl.len()) < 9).then(pl.lit("RARE")).otherwise("ancestry")
        ),
    )  # fmt: skip
    page = evaluated(rare, tmp_path / "out", trait="disease", by=("ancestry",)).page
    own = page.groups.filter(pl.col("group") == "RARE")
    assert own["n"].unique().to_list() == [9]
    assert not own["compared"].any()
    assert "RARE" not in {*page.gaps["lowest"], *page.gaps["highest"]}
    assert any("RARE" in text for text in page.warnings)


def test_a_measure_of_a_group_without_cases_says_why(tables, tmp_path):
    truth = changed(
        tables, tmp_path, 1,
        lambda f: f.with_columns(
            disease=pl.when(pl.col("ancestry") == "EAS").then(pl.lit("0")).otherwise("disease")
        ),
    )  # fmt: skip
    page = evaluated(truth, tmp_path / "out", trait="disease", by=("ancestry",)).page
    row = page.groups.filter(pl.col("group") == "EAS", pl.col("measure") == "auroc").row(
        0, named=True
    )
    assert row["value"] is None
    assert row["reason"] == "there is no case"
    assert np.isfinite(values(page.groups, group="EUR")["auroc"])
