"""The page of an explanation is safe, the same each time, and rounds nothing into a claim."""

import io

import polars as pl
from rich.console import Console

from genomed.report.explain_page import ExplainPage, format_part, render_explain_page
from genomed.report.explain_summary import explain_summary
from genomed.tables import TABLES

TEXT = {"variant", "contig", "id", "ref", "alt", "reason", "direction", "kind", "first", "second",
        "covariate", "code", "gene", "top_variant"}  # fmt: skip


def table(name: str, *rows: dict[str, object]) -> pl.DataFrame:
    schema = {c: pl.Utf8 if c in TEXT else pl.Float64 for c in TABLES[name]}
    return pl.DataFrame([{c: row.get(c) for c in schema} for row in rows], schema=schema)


def page(n_variants: int = 1) -> ExplainPage:
    variant = {
        "variant": "<script>", "contig": "1", "position": 5.0, "ref": "A", "alt": "C",
        "mean_abs_contribution": 0.5, "share": 0.999999, "effect_per_copy": None, "linear": 0.5,
        "pairs": 0.0, "covariates": 0.0, "net": 0.0, "alt_allele_frequency": 0.1,
    }  # fmt: skip
    pair = {"kind": "pair", "first": "a", "second": "[red]b", "mean_abs_contribution": 0.1,
            "share": -1e-5}  # fmt: skip
    code = {"code": "<b>I10", "n_people": 4, "mean_contribution": 0.25,
            "mean_abs_contribution": 0.1, "share": 0.02}  # fmt: skip
    return ExplainPage(
        "model", "trait", "It beats.", 10, n_variants, 1, 0.25,
        table("explain_variants", *[variant] * n_variants), table("explain_pairs", pair),
        table("explain_covariates"), table("explain_genes"), table("explain_codes", code),
        [("net_member_agreement", float("nan"), "What it means.", None)], ["Mind <this>."],
    )  # fmt: skip


def test_names_are_escaped_and_the_page_loads_nothing() -> None:
    text = render_explain_page(page())
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "&lt;b&gt;I10" in text
    assert "http" not in text.replace("http-equiv", "")
    assert text == render_explain_page(page())


def test_shares_are_not_rounded_into_claims() -> None:
    text = render_explain_page(page())
    assert "&gt;99.9%" in text
    assert format_part(-1e-5) == ">-0.1%"
    assert format_part(None) == "—"


def test_more_rows_than_are_shown_are_counted() -> None:
    assert "The first 50 of 60 are shown." in render_explain_page(page(60))


def test_the_terminal_shows_names_as_they_are() -> None:
    out = io.StringIO()
    explain_summary(Console(file=out, width=100, highlight=False), page(), {})
    assert "a x [red]b" in out.getvalue()
    assert "warning: Mind <this>." in out.getvalue()
