"""The report in a browser: quick, quiet, closed, and fit for those who read it in other ways."""

import json
import os
from pathlib import Path

import polars as pl
import pytest
from browser import Browser
from datafiles import REPOSITORY
from report_results import HOSTILE, write_results

from genomed.steps.report import run_report

SECONDS, BYTES = 3.0, 5_000_000
AXE = "node_modules/axe-core/axe.min.js"


def axe_core():
    """The source of axe-core, from GENOMED_AXE or beside the repository; skipped without."""
    places = [os.environ.get("GENOMED_AXE", ""), REPOSITORY / AXE]
    found = next((Path(place) for place in places if place and Path(place).is_file()), None)
    if found is None:
        pytest.skip("no axe-core; `npm install axe-core`, or its axe.min.js as GENOMED_AXE")
    return found.read_text()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report of 80 people with hostile names, which are shown."""
    folder = tmp_path_factory.mktemp("results")
    write_results(folder, 80, names=HOSTILE)
    names = folder / "names.tsv"
    table = pl.DataFrame({"sample": HOSTILE, "name": HOSTILE})
    table.write_csv(names, separator="\t", quote_style="never")
    run_report(folder, folder / "report.html", names=names)
    run_report(folder, folder / "one.html", person=HOSTILE[0], names=names)
    return folder


@pytest.fixture(scope="module")
def browser():
    with Browser() as one:
        yield one


@pytest.fixture
def opened(browser, report):
    """The report, in light and in a wide window."""
    browser.look()
    browser.load(report / "report.html")
    return browser


def rows(browser):
    """First cells of the people that are shown."""
    return browser.run(
        "[...document.querySelectorAll('#people-table tbody th')].map(e=>e.textContent)"
    )


def find(browser, words):
    """Search the people."""
    browser.run(
        "new Promise(done=>{const i=document.querySelector('#people-table input');"
        f"i.value={json.dumps(words)};i.dispatchEvent(new Event('input'));setTimeout(done,300)}})"
    )
    return rows(browser)


def test_a_name_that_is_a_script_is_found_as_text_and_does_nothing(opened):
    assert find(opened, "<script>alert(1)") == [HOSTILE[0]]
    assert find(opened, "=cmd") == [HOSTILE[1]]
    assert len(find(opened, "")) == 25
    assert opened.run("document.querySelectorAll('iframe,img').length") == 0
    assert opened.complaints() == []
    assert opened.requests() == []


def test_a_row_opens_the_card_of_its_person(opened):
    find(opened, "S000")
    find(opened, "=cmd")
    opened.run("document.querySelector('#people-table .open').click()")
    text = opened.run("document.querySelector('#people-table tr.more').textContent")
    assert "What moved it most" in text
    assert "Weight covered" in text
    assert opened.run("document.querySelector('#people-table .open').ariaExpanded") == "true"
    opened.run("document.querySelector('#people-table .open').click()")
    assert opened.run("document.querySelector('#people-table tr.more')") is None
    assert opened.complaints() == []


def test_people_are_sorted_and_paged(opened):
    find(opened, "")
    opened.run("document.querySelectorAll('#people-table .sort')[2].click()")
    texts = opened.run(
        "[...document.querySelectorAll('#people-table tbody tr')].map(r=>r.cells[2].textContent)"
    )
    values = [float(text.strip("<>")) for text in texts]
    assert values == sorted(values)
    first = rows(opened)
    opened.run("document.querySelectorAll('#people-table .tools button')[1].click()")
    assert set(first).isdisjoint(rows(opened))
    told = opened.run("document.querySelector('#people-table .status').textContent")
    assert told.startswith("26")
    assert opened.run("document.querySelector('#people-table [aria-sort]').ariaSort") == "ascending"


def test_without_scripts_the_first_people_can_be_read(browser, report):
    browser.look(scripts=False)
    browser.load(report / "report.html")
    root = browser.call("DOM.getDocument")["root"]["nodeId"]
    selector = "#people-table tbody tr"
    found = browser.call("DOM.querySelectorAll", nodeId=root, selector=selector)["nodeIds"]
    assert len(found) == 25
    assert browser.complaints() == []


def faults(browser, rules=()):
    """What axe-core calls serious or critical in the page as it stands, by these rules or all."""
    chosen = json.dumps({"runOnly": list(rules)} if rules else {})
    found = browser.run(
        f"axe.run(document,{chosen}).then(r=>r.violations.map(v=>[v.impact,v.id,v.help,"
        "v.nodes.slice(0,3).map(n=>n.html+' '+n.failureSummary)]))"
    )
    return [fault for fault in found if fault[0] in ("serious", "critical")]


@pytest.mark.parametrize("name", ["report", "one"])
def test_axe_finds_no_serious_fault_in_light_or_dark(browser, report, name):
    source = axe_core()
    browser.look()
    browser.load(report / f"{name}.html")
    browser.run("document.querySelectorAll('.open').forEach((e,i)=>i||e.click())")
    browser.run("document.querySelectorAll('details').forEach(d=>d.open=true)")
    browser.run(source + ";0")
    assert faults(browser) == []
    browser.look(dark=True)
    assert faults(browser, ["color-contrast"]) == []


@pytest.mark.parametrize("name", ["report", "one"])
def test_a_phone_shows_the_page_without_scrolling_sideways(browser, report, name):
    browser.look(390, 844)
    browser.load(report / f"{name}.html")
    assert browser.run("document.documentElement.scrollWidth") <= 390


@pytest.mark.slow
def test_ten_thousand_people_are_shown_in_three_seconds(browser, tmp_path):
    write_results(tmp_path, 10_000)
    run_report(tmp_path, tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < BYTES
    browser.look()
    seconds = [browser.load(tmp_path / "report.html") for _ in range(3)]
    assert browser.work() <= SECONDS / 2  # processor time of the page's own thread
    busy = os.getloadavg()[0] > (os.cpu_count() or 1)
    assert busy or min(seconds) <= SECONDS
    assert len(rows(browser)) == 25
    assert len(find(browser, "P-09999")) == 1
    assert browser.complaints() == []
    assert browser.requests() == []
