"""The report's pages of people: everybody is in them, nobody is named, and no name is obeyed."""

import json
import re

import polars as pl
import pytest
from html_pages import Page
from report_results import HOSTILE, write_results

from genomed.errors import InputError, UsageError
from genomed.steps.report import run_report

N = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    write_results(folder, N, names=HOSTILE)
    return folder


@pytest.fixture(scope="module")
def names(folder):
    """A table of names that are as hostile as the samples'."""
    path = folder / "names.tsv"
    table = pl.DataFrame({"sample": HOSTILE, "name": [f"{s} & co" for s in HOSTILE]})
    table.write_csv(path, separator="\t", quote_style="never")
    return path


@pytest.fixture(scope="module")
def page(folder):
    run_report(folder, folder / "report.html")
    return (folder / "report.html").read_text()


def people_rows(page):
    """The table of people as the script reads it."""
    return next(b for b in Page(page).blocks if b.get("render") == "person")


def test_everybody_is_in_the_table_with_their_percentile(page, folder):
    table = pl.read_parquet(folder / "risk" / "c" / "risk.parquet")
    known = table.filter(pl.col("model") == "heart")["cohort_percentile"].drop_nulls()
    rows = people_rows(page)["rows"]
    assert len(rows) == N
    assert len({row[0] for row in rows}) == N
    shown = sorted(float(row[2].strip("<>")) for row in rows if row[2] is not None)
    assert shown == pytest.approx(sorted(known.round(1)), abs=0.11)


def test_no_sample_is_named_unless_names_are_asked_for(page):
    assert "S000000" not in page
    assert "S000049" not in page
    for name in HOSTILE:
        assert name not in page
        assert name[:12].replace("<", "&lt;") not in page
    assert re.search(r"P-0001\b", page)


def test_the_same_results_make_the_same_page(page, folder):
    run_report(folder, folder / "again.html")
    assert (folder / "again.html").read_text() == page


def test_names_are_shown_as_text_and_close_no_script(folder, names):
    run_report(folder, folder / "named.html", names=names)
    text = (folder / "named.html").read_text()
    found = Page(text)
    assert {"iframe", "img"}.isdisjoint(found.tags)
    shown = {row[0] for row in people_rows(text)["rows"]}
    assert "<script>alert(1)</script> & co" in shown
    assert "=cmd|' /C calc'!A0 & co" in shown
    assert "abc[U+202E]gnp.cod & co" in shown


def test_people_of_one_name_keep_rows_of_their_own(tmp_path):
    write_results(tmp_path, 12)
    names = tmp_path / "names.tsv"
    names.write_text("sample\tname\nS000001\tAda\nS000002\tAda\nS000003\tEve\n")
    run_report(tmp_path, tmp_path / "report.html", names=names)
    shown = {row[0] for row in people_rows((tmp_path / "report.html").read_text())["rows"]}
    assert len(shown) == 12
    assert "Eve" in shown
    assert len([name for name in shown if re.fullmatch(r"Ada \(P-\d{4}\)", name)]) == 2


def test_cards_hold_what_moved_each_person(page, folder):
    block = people_rows(page)
    context = next(b for b in Page(page).blocks if "terms" in b)
    table = pl.read_parquet(folder / "risk" / "c" / "risk.parquet")
    heart = table.filter(pl.col("model") == "heart", pl.col("score").is_not_null())
    texts = {row[0]: row[1] for row in heart.select("cohort_percentile", "moved_most").iter_rows()}
    expected = sorted(texts.values())
    told = []
    for card in block["details"]:
        own = card[1]
        if own[0] is None:
            assert len(own) < 7 or not own[6]  # nothing is said of who has no score
        else:
            flat = own[6]
            told.append("; ".join(f"{context['terms'][t]} {s:+.3g}" for t, s in
                                  zip(flat[::2], flat[1::2], strict=True)))  # fmt: skip
    assert sorted(told) == expected


def test_links_within_the_page_lead_somewhere(page):
    found = Page(page)
    ids = found.values("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in found.values("href") if link.startswith("#")} <= set(ids)


def test_the_linear_model_stands_beside_the_full_one(page):
    text = " ".join(Page(page).texts)
    assert "Linear model" in text
    assert "Full model" in text
    assert "What was tried beyond the linear model" in text
    assert "0.710 (0.670 to 0.750)" in " ".join(text.split())


@pytest.mark.parametrize("sample", ["<script>alert(1)</script>", "__proto__", "S000003"])
def test_one_persons_page_tells_of_that_person_alone(folder, sample):
    out = folder / "one.html"
    run_report(folder, out, person=sample)
    text = out.read_text()
    found = Page(text)
    assert len(set(re.findall(r"P-\d{4}", text))) == 1
    assert sample not in text
    assert "What moved it most" in found.text
    assert len(found.values("id")) == len(set(found.values("id")))


def test_one_persons_page_says_whose_reads_they_are(folder):
    run_report(folder, folder / "one.html", person=HOSTILE[0])
    text = " ".join(" ".join(Page((folder / "one.html").read_text()).texts).split())
    assert "Mean depth 31.0" in text
    assert "Whose reads another person's reads" in text


def test_a_pseudonym_finds_its_person(folder, page):
    pseudonym = people_rows(page)["rows"][0][0]
    run_report(folder, folder / "one.html", person=pseudonym)
    assert pseudonym in (folder / "one.html").read_text()


def test_a_person_nobody_knows_is_refused(folder):
    with pytest.raises(UsageError, match="nobody in these results"):
        run_report(folder, folder / "one.html", person="S999999")


def test_many_models_share_the_room_of_a_page(tmp_path, monkeypatch):
    monkeypatch.setattr("genomed.report.run_people_table.MOST_CARDS", 40)
    write_results(tmp_path, 20, models=("heart", "height", "PGS000001"))
    run_report(tmp_path, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert {len(card) for card in people_rows(text)["details"]} == {3}
    assert "Cards hold the first 2 of 3 models" in text


def test_models_of_one_name_in_several_runs_are_told_apart(tmp_path):
    for name in ("one", "two"):
        write_results(tmp_path / name, 12, models=("heart",))
    made = run_report(tmp_path, tmp_path / "report.html")
    subjects = [finding.subject for _, finding in made.findings]
    assert len(set(subjects)) == len(subjects)
    assert {"heart, one/risk/c", "People by heart, two/risk/c"} <= set(subjects)
    text = Page((tmp_path / "report.html").read_text()).text
    assert "heart, one/risk/c: percentile" in text
    assert "heart, two/risk/c: percentile" in text


def test_scores_alone_make_a_page_without_cards_of_training(tmp_path):
    write_results(tmp_path, 12)
    for folder in ("models", "evaluate", "explain", "qc"):
        for path in sorted((tmp_path / folder).rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    run_report(tmp_path, tmp_path / "report.html")
    found = Page((tmp_path / "report.html").read_text())
    assert {"risk", "people"} <= set(found.values("id"))
    assert "models" not in found.values("id")


def test_a_report_of_a_person_needs_a_risk_run(tmp_path):
    write_results(tmp_path, 12)
    for path in (tmp_path / "risk" / "c").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="genomed risk"):
        run_report(tmp_path, tmp_path / "one.html", person="S000003")


def test_a_record_of_another_shape_is_named_for_a_person_too(tmp_path):
    write_results(tmp_path, 12)
    path = tmp_path / "risk" / "c" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"build": 5}))
    with pytest.raises(InputError, match=r"run\.json of one of .*risk/c.* is not as genomed"):
        run_report(tmp_path, tmp_path / "one.html", person="S000003")
