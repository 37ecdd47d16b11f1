"""The digest of a model equals what one reads off the tables by hand."""

from dataclasses import replace

import polars as pl
import pytest

from genomed.report.content import digest_models


def test_highest_samples_are_those_of_a_plain_sort(make_page):
    page = make_page(n_samples=60)
    for model in digest_models(page):
        rows = [r for r in page.risk.to_dicts() if r["model"] == model.name]
        scored = [r for r in rows if r["score"] is not None]
        ordered = sorted(scored, key=lambda r: -r["score"])
        shown = len(model.highest)
        assert model.highest == ordered[:shown]
        if shown < 10:
            mean = sum(r["score"] for r in scored) / len(scored)
            assert ordered[shown]["score"] <= mean
        else:
            assert model.n_tied == sum(r["score"] >= ordered[9]["score"] for r in scored) - 10
        assert model.n_unscored == len(rows) - len(scored)
        coverage = [r["weighted_coverage"] for r in rows]
        assert model.called == pytest.approx(sum(coverage) / len(coverage))


def test_the_order_of_the_risk_table_by_model_or_by_sample_changes_nothing(make_page):
    page = make_page(n_samples=50)
    by_sample = replace(page, risk=page.risk.sort("sample", maintain_order=True))
    for one, other in zip(digest_models(page), digest_models(by_sample), strict=True):
        assert one.highest == other.highest
        assert one.unscored == other.unscored
        assert (one.score == other.score).all()


def test_a_crowd_of_equals_under_the_mean_is_not_called_highest(make_page):
    page = make_page(n_samples=50, panel=[("m", "t", 40, "OR", "")])
    score = pl.Series("score", [0.0] * 47 + [1.0, 2.0, 2.0])
    model = digest_models(replace(page, risk=page.risk.with_columns(score)))[0]
    assert [row["score"] for row in model.highest] == [2.0, 2.0, 1.0]
    assert model.n_tied == 0
    equal = pl.Series("score", [3.0] * 50)
    model = digest_models(replace(page, risk=page.risk.with_columns(equal)))[0]
    assert (len(model.highest), model.n_tied) == (10, 40)


def test_equals_share_a_rank(make_page):
    page = make_page(n_samples=4, panel=[("m", "t", 40, "OR", "")])
    score = pl.Series("score", [3.0, 5.0, 3.0, 1.0])
    model = digest_models(replace(page, risk=page.risk.with_columns(score)))[0]
    assert model.ranks() == ["1", "2=", "2=", "4"]


def test_nan_null_and_infinite_scores_are_not_scores(make_page):
    page = make_page(n_samples=4, panel=[("m", "t", 40, "OR", "")])
    score = pl.Series("score", [float("nan"), None, float("inf"), 1.0])
    model = digest_models(replace(page, risk=page.risk.with_columns(score)))[0]
    assert model.score.tolist() == [1.0]
    assert model.n_unscored == 3


def test_fates_add_up_to_the_model(make_page):
    for model in digest_models(make_page()):
        fates = model.grouped_fates()
        assert fates.n_used + sum(fates.lost.values()) == model.row["n_variants"]


def test_a_model_without_rows_has_an_empty_digest(make_page):
    page = make_page(n_samples=5)
    page = replace(page, risk=page.risk.filter(pl.col("model") != "hfe-c282y"))
    model = digest_models(page)[3]
    assert (model.name, model.n_rows, model.highest) == ("hfe-c282y", 0, [])
