"""The terminal summary: short, plain where it must be, and deaf to what names say."""

import io
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from rich.console import Console

from genomed.report.reads_qc_summary import reads_qc_summary
from genomed.report.summary import risk_summary
from genomed.report.terminal import print_warnings
from genomed.report.train_summary import train_summary

MODELS = ("full", "linear")
OUTPUTS = {"page": Path("out/risk.html"), "scores": Path("out/risk.tsv")}


def printed(page, *, terminal=False, width=100):
    """What the summary prints, with colours if it is a terminal."""
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal)
    risk_summary(console, page, OUTPUTS)
    return console.file.getvalue()


def sample_lines(text):
    """Lines of the table of highest samples."""
    return [
        line for line in text.split("Coverage of")[0].splitlines() if re.search(r"HG\d{5}", line)
    ]


def test_highest_samples_coverage_warnings_and_outputs_are_printed(make_page):
    page = make_page()
    text = printed(page)
    for name in page.models["model"]:
        assert text.count(name) == 2
    assert len(sample_lines(text)) <= 12
    assert "75/77" in text
    assert "99.1%" in text
    assert "warning: 1 record holds calls" in text
    assert "out/risk.html" in text
    assert "300 samples, 4 models, 2.3 s" in text


def test_equals_are_counted_instead_of_listed(make_page):
    text = printed(make_page(panel=[("hfe", "Haemochromatosis", 1, "OR", "")]))
    assert len(sample_lines(text)) == 1
    assert re.search(r"HG\d{5} \(\+\d+ equal\)", text)


def test_scores_under_the_mean_are_not_called_high(make_page):
    page = make_page(n_samples=50, panel=[("m", "t", 60, "OR", "")])
    score = pl.Series("score", [0.0] * 47 + [1.0, 2.0, 2.0])
    lines = sample_lines(printed(replace(page, risk=page.risk.with_columns(score))))
    assert [line.split()[2] for line in lines] == ["(+1", "1.000"]


def test_500_models_print_at_most_12_samples(make_page):
    panel = [(f"PGS{i:06d}", "t", 30, "beta", "") for i in range(500)]
    text = printed(make_page(n_samples=20, panel=panel))
    assert len(sample_lines(text)) == 12
    assert "and 480 more models in the outputs\n" in text


@pytest.mark.parametrize("terminal", [False, True])
def test_names_can_neither_colour_nor_move_the_terminal(make_page, terminal):
    names = ["[red]loud[/red]", "\x1b[2J\x1b]0;title\x07", "[/]", "a\u202eb", "x" * 4000, "\r\n"]
    panel = [(f"[bold]{i}[/]", "[link=http://x]t[/link]", 30, "OR", "") for i in range(2)]
    page = make_page(n_samples=6, panel=panel, samples=names, warnings=["[blink]\x1b[5m"])
    text = printed(page, terminal=terminal, width=160)
    assert "[red]loud[/red]" in text
    assert "[bold]0[/]" in text
    assert "[blink][U+001B][5m" in text
    sequences = set(re.findall("\x1b.[0-9;]*.", text))
    assert all(re.fullmatch("\x1b\\[[0-9;]*m", s) for s in sequences)
    assert bool(sequences) == terminal
    assert "\u202e" not in text
    assert "\r" not in text


def test_warnings_beyond_ten_are_counted_and_move_nothing():
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    print_warnings(console, ["\x1b[2J[red]so[/]"] * 12)
    text = console.file.getvalue()
    assert text.count("[U+001B][2J[red]so[/]") == 10
    assert "and 2 more warnings in run.json" in text


@pytest.mark.parametrize(("net", "models"), [(True, ["full", "linear"]), (False, ["linear"])])
def test_training_tells_the_linear_model_once_and_no_gain_of_what_was_not_tried(net, models):
    stages = [("linear", True, 0.4, 0.07), ("pairs", False, 0.0, 0.0), ("net", net, 0.1, 0.02)]
    row = {"measure": "calibration_slope", "set": "test", "group": "all", "value": 1.0, "low": None}
    facts = {
        "trait": "t", "kind": "quantitative", "metrics": [row | {"model": m} for m in MODELS],
        "stages": [
            {"stage": name, "accepted": kept, "share": share, "share_error": error, "reason": "so"}
            for name, kept, share, error in stages
        ],
    }  # fmt: skip
    console = Console(file=io.StringIO(), width=100)
    train_summary(console, [SimpleNamespace(facts=lambda: facts, verdict="It is.")], {}, [])
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["pairs", "left", "out", "—", "so"] in lines
    assert ["linear", "kept", "+0.4000", "±", "0.0700", "so"] in lines
    assert [line[0] for line in lines if line[1:3] == ["Calibration", "slope"]] == models


def test_what_is_not_known_of_reads_is_a_dash():
    measures = ("n_reads", "mapped_share", "duplicate_share", "mean_depth", "callable_share",
                "insert_median", "q30_share", "mismatch_rate", "sex")  # fmt: skip
    files = pl.DataFrame([{"prefix": "a"} | dict.fromkeys(measures) | {"n_reads": 5}])
    console = Console(file=io.StringIO(), width=100)
    reads_qc_summary(console, files, [], {})
    assert ["Sex", "—"] in [line.split() for line in console.file.getvalue().splitlines()]


def test_a_run_without_scores_prints_its_coverage(make_page):
    page = make_page(n_samples=30, panel=[("m", "t", 60, "OR", "")])
    page = replace(page, risk=page.risk.with_columns(score=pl.lit(None, pl.Float64)))
    text = printed(page)
    assert "Highest" not in text
    assert "No score" in text
    assert "0/30" in text


def test_the_summary_fits_80_columns(make_page):
    assert max(len(line) for line in printed(make_page(), width=80).splitlines()) <= 80
