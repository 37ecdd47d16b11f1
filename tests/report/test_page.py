"""risk.html: whole, safe, still, and true to its tables."""

import base64
import hashlib
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from html_pages import Page

from genomed.ledger import LENIENCIES, REASONS
from genomed.report.page import render_risk_page

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></svg><iframe src=//evil.example>",
    "&lt;b&gt; &amp; &#x3c;",
    "\x1b[31mred\x00\r\n\t",
    "abc\u202egnp.cod",
    "\u2066isolated\u2069\u200b\ufeff",
    "x" * 4000 + "<script>",
    "{{7*7}}${7*7}",
    "]]><!--",
    "",
]


@pytest.fixture(scope="module")
def page_text(make_page):
    """A page of 300 samples and four models."""
    return render_risk_page(make_page())


def test_tags_are_balanced_and_ids_unique(page_text):
    page = Page(page_text)
    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    for target in page.values("href"):
        assert target.startswith("https://doi.org/") or target[1:] in ids
    for named in page.values("aria-labelledby"):
        assert set(named.split()) <= set(ids)


def test_nothing_is_loaded_and_nothing_runs(page_text):
    page = Page(page_text)
    assert set(page.tags).isdisjoint({"script", "link", "img", "iframe", "object", "form", "base"})
    names = {name for _, name, _ in page.attributes}
    assert names.isdisjoint({"src", "action", "srcset", "xlink:href"})
    assert {tag for tag, name, _ in page.attributes if name == "href"} == {"a"}
    style = re.search("<style>(.*?)</style>", page_text, re.S)[1]
    assert "url(" not in style.replace("url(#", "")
    assert "@import" not in style


def test_the_security_policy_allows_the_stylesheet_by_digest_and_nothing_else(page_text):
    policy = next(v for v in Page(page_text).values("content") if "default-src" in v)
    style = re.search("<style>(.*?)</style>", page_text, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_hostile_names_add_no_tag_and_no_attribute(make_page):
    n = len(HOSTILE)
    kind = {"weight_type": "<svg onload=alert(1)>", "citation": HOSTILE[1], "licence": HOSTILE[0]}
    kind |= {"ancestry_discovery": HOSTILE[3], "source": HOSTILE[6], "pgs_id": HOSTILE[4]}
    changes = {
        "title": HOSTILE[0],
        "cohort": HOSTILE[1],
        "build": HOSTILE[3],
        "command": HOSTILE[5],
    }
    changes |= {"build_evidence": HOSTILE[6], "version": HOSTILE[2], "started": HOSTILE[0]}
    changes |= {"warnings": HOSTILE, "settings": {x: x for x in HOSTILE}}

    def build(names):
        panel = [(f"{name}{i}", name, 40, "OR", "") for i, name in enumerate(names)]
        page = make_page(n_samples=n, panel=panel, samples=list(names), **changes)
        top = page.top_variants.with_columns(
            *(
                pl.lit(names[1]).alias(c)
                for c in ("variant_id", "record", "effect_allele", "reason")
            )
        )
        counts = {**page.record_counts, "refused": {names[0]: 1}, "notes": {names[1]: 2}}
        risk = page.risk.with_columns(flags=pl.lit(names[0] + ";" + names[1]))
        facts = {name: kind for name, *_ in panel}
        return replace(page, top_variants=top, record_counts=counts, risk=risk, model_facts=facts)

    text = render_risk_page(build(HOSTILE))
    text.encode()
    hostile, plain = Page(text), Page(render_risk_page(build([f"name{i}" for i in range(n)])))
    allowed = set(plain.tags)
    assert set(hostile.tags) <= allowed | {"br", "span"}
    assert {a[:2] for a in hostile.attributes} <= {a[:2] for a in plain.attributes} | {
        ("bdi", "title")
    }
    assert "alert(1)" in hostile.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u200b\u202a-\u202e\u2066-\u2069\ufeff]", text)
    assert len(text) < 1_000_000
    assert max(len(value) for value in hostile.values("title")) < 500


def test_every_model_and_every_highest_sample_is_named(make_page):
    page = make_page()
    text = Page(render_risk_page(page)).text
    for name in page.models["model"]:
        assert name in text
        rows = page.risk.filter(model=name).sort("score", descending=True, nulls_last=True)
        assert rows["sample"][0] in text


def test_scores_in_the_page_are_those_of_the_table(make_page):
    page = make_page(panel=[("m", "t", 60, "OR", "")])
    text = Page(render_risk_page(page)).text
    for row in page.risk.sort("score", descending=True).head(10).to_dicts():
        assert f"{row['sample']} {row['score']:.3f} {row['cohort_z']:+.2f}" in text


def test_reasons_and_leniencies_are_explained(page_text):
    text = Page(page_text).text
    for reason in ("exact", "swapped", "absent", "ambiguous", "ploidy", "hom_ref_block"):
        assert " ".join(REASONS[reason].split()) in text
    for code in ("half_call", "not_decoded"):
        assert LENIENCIES[code] in text


def test_the_same_content_gives_the_same_bytes(make_page):
    assert render_risk_page(make_page()) == render_risk_page(make_page())


def test_a_sample_without_a_score_is_listed_with_the_reason(make_page):
    page = make_page(n_samples=40)
    low = pl.col("sample") == "HG00100"
    risk = page.risk.with_columns(
        score=pl.when(low).then(None).otherwise("score"),
        weighted_coverage=pl.when(low).then(0.7499).otherwise("weighted_coverage"),
    )
    text = Page(render_risk_page(replace(page, risk=risk))).text
    assert "HG00100 75.0% coverage 74.99% is under the limit of 75.00%" in text
    nan = risk.with_columns(pl.col("score").fill_null(float("nan")))
    assert "HG00100 75.0% coverage" in Page(render_risk_page(replace(page, risk=nan))).text


def test_a_model_that_scored_nobody_says_so_first(make_page):
    page = make_page(n_samples=40, panel=[("m", "t", 60, "OR", "")])
    page = replace(
        page,
        risk=page.risk.with_columns(score=pl.lit(None, pl.Float64)),
        models=page.models.with_columns(weighted_coverage=pl.lit(0.41), score_mean=None),
    )
    text = Page(render_risk_page(page)).text
    assert "1 model on 40 samples, GRCh38: 1 without a score." in text
    assert "0 of 40 samples scored." in text
    assert "41.0% is under the limit of 75.0% (--min-weighted-coverage)." in text


def test_an_empty_cohort_has_a_page(make_page):
    page = make_page(n_samples=4)
    page = replace(
        page, n_samples=0, risk=page.risk.clear(), top_variants=page.top_variants.clear()
    )
    text = Page(render_risk_page(page)).text
    assert "The cohort has no samples." in text
    assert "nan" not in text.lower().split()


def test_no_models_make_a_page(make_page):
    assert "No models were run." in Page(render_risk_page(make_page(n_samples=3, panel=[]))).text


def test_one_sample_is_compared_with_nobody(make_page):
    text = Page(render_risk_page(make_page(n_samples=1))).text
    assert "With one sample there is no cohort to compare it with." in text
    assert "1 sample," in text


def test_records_that_do_not_add_up_are_a_warning(make_page):
    page = make_page(n_samples=5)
    text = Page(render_risk_page(page)).text
    assert "do not add up" not in text
    lost = replace(page, record_counts={**page.record_counts, "n_records": 1_103_550})
    assert "3 records are unaccounted for" in Page(render_risk_page(lost)).text


def test_filled_in_weight_asks_for_care(make_page):
    page = make_page(n_samples=50, panel=[("m", "t", 60, "OR", "")])
    page = replace(page, risk=page.risk.with_columns(imputed_share=pl.lit(0.2)))
    text = Page(render_risk_page(page)).text
    assert "20.0% of its weight was filled in by the --missing rule" in text
    assert "1 to use with care" in text


def test_an_unverified_build_asks_for_care(make_page):
    page = make_page(n_samples=50, panel=[("m", "t", 60, "OR", "")])
    page = replace(page, models=page.models.with_columns(flags=pl.lit("build_unverified")))
    text = Page(render_risk_page(page)).text
    assert "The genome build was not verified; a wrong one gives wrong scores." in text
    assert "1 to use with care" in text


def test_shares_of_weight_by_reason_are_shown_where_the_ledger_has_them(make_page):
    page = make_page(n_samples=5, panel=[("m", "t", 60, "OR", "")])
    counts = page.ledger_counts.with_columns(share=pl.lit(0.123))
    assert "12.3%" in render_risk_page(replace(page, ledger_counts=counts))


def test_500_models_stay_usable(make_page):
    panel = [(f"PGS{i:06d}", f"Trait {i}", 8, "beta", "East Asian") for i in range(500)]
    text = render_risk_page(make_page(n_samples=20, panel=panel))
    page = Page(text)
    assert sum(tag == "article" for tag in page.tags) == 30
    assert "470 more models" in page.text
    assert all(f"PGS{i:06d}" in page.text for i in range(500))
    assert len(text) < 1_000_000


def test_10000_samples_by_10_models_fit_in_a_megabyte(make_page):
    panel = [(f"m{i}", "t", 30, "OR", "") for i in range(10)]
    assert len(render_risk_page(make_page(n_samples=10_000, panel=panel)).encode()) < 1_000_000


def test_nulls_everywhere_make_a_page(make_page):
    page = make_page(n_samples=5)
    numbers = [c for c in page.risk.columns if page.risk[c].dtype.is_numeric()]
    keep = {"n_variants", "n_matched", "n_dropped"}
    figures = [
        c for c in page.models.columns if page.models[c].dtype.is_numeric() and c not in keep
    ]
    page = replace(
        page,
        risk=page.risk.with_columns(*(pl.lit(None).alias(c) for c in numbers), flags=pl.lit(None)),
        models=page.models.with_columns(
            *(pl.lit(None).alias(c) for c in [*figures, "build", "flags", "trait", "source"])
        ),
        top_variants=page.top_variants.with_columns(
            *(pl.lit(None).alias(c) for c in page.top_variants.columns if c != "model")
        ),
        model_facts={},
        build=None,
        settings={},
        record_counts={},
    )
    Page(render_risk_page(page))


def test_scores_too_large_to_draw_do_not_stop_the_page(make_page):
    page = make_page(n_samples=20, panel=[("m", "t", 30, "OR", "")])
    score = pl.Series("score", np.linspace(-1, 1, 20) * 1.7e308)
    Page(render_risk_page(replace(page, risk=page.risk.with_columns(score))))


def test_the_page_needs_no_slow_import():
    code = (
        "import sys; import genomed.report.page; "
        "print([m for m in ('plotly', 'jinja2', 'rich', 'html', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
