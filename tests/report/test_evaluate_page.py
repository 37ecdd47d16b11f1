"""evaluate.html: complete, closed, and safe whatever people and models are called."""

import html
import re
from types import SimpleNamespace

import polars as pl
import pytest
from html_pages import Page
from prediction_tables import write_cohort

from genomed.report.evaluate_page import calibration
from genomed.settings import EvaluateSettings
from genomed.steps.evaluate import EvaluateInputs, run_evaluate


@pytest.fixture(scope="module", params=["disease", "height", "death"])
def page(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    tables = write_cohort(folder, 500)
    versus = "weak" if request.param == "disease" else None
    prediction = () if request.param == "disease" else ("value",)
    inputs = EvaluateInputs(
        *tables, trait=request.param, versus=versus, prediction=prediction, by=("ancestry", "sex")
    )
    run_evaluate(inputs, folder / "out", EvaluateSettings(n_draws=20))
    return (folder / "out" / "evaluate.html").read_text()


def test_the_page_is_well_formed_and_its_links_lead_somewhere(page):
    found = Page(page)
    ids = found.values("id")
    assert len(ids) == len(set(ids))
    links = [link[1:] for link in found.values("href") if link.startswith("#")]
    named = [name for names in found.values("aria-labelledby") for name in names.split()]
    assert {*links, *named} <= set(ids)


def test_the_page_loads_nothing_and_runs_nothing(page):
    assert "default-src 'none'" in html.unescape(page)
    assert "<script" not in page
    assert not re.search(r"(?: src=|@import|url\(http)", page)
    assert "NaN" not in page


def test_names_are_shown_and_never_obeyed(tmp_path):
    pred, truth = write_cohort(tmp_path, 300)
    frame = pl.read_csv(truth, separator="\t").rename({"disease": "<b>sick</b>"})
    frame = frame.with_columns(ancestry=pl.lit("<script>x</script> & ") + pl.col("ancestry"))
    frame.write_csv(truth, separator="\t")
    inputs = EvaluateInputs(pred, truth, trait="<b>sick</b>", by=("ancestry",))
    run_evaluate(inputs, tmp_path / "out", EvaluateSettings(n_draws=10))
    text = (tmp_path / "out" / "evaluate.html").read_text()
    assert "<script" not in text
    assert "<b>sick" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(
    ("slope", "intercept", "word"),
    [((0.9, 1.1), (-0.1, 0.1), "calibrated"), ((0.9, 1.1), (0.1, 0.2), "miscalibrated"),
     ((0.5, 0.8), None, "miscalibrated"), (None, None, "measured")],
)  # fmt: skip
def test_a_prediction_is_calibrated_where_both_intervals_hold_what_is_best(slope, intercept, word):
    ends = {"calibration_slope": slope, "calibration_intercept": intercept}
    rows = [
        {"prediction": "p", "measure": name, "value": sum(end) / 2, "low": end[0], "high": end[1]}
        for name, end in ends.items() if end
    ]  # fmt: skip
    columns = ("prediction", "measure", "value", "low", "high")
    metrics = pl.DataFrame(rows) if rows else pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    content = SimpleNamespace(metrics=metrics)
    assert calibration(content, "p")[0] == word
