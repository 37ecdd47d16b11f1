"""The chapter on where the results come from: every run, what it read, and what to cite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from genomed.report.markup import Html, cited, element, join, label, shortened
from genomed.report.page import CATALOG_PAPER, TRANSFER_PAPER
from genomed.report.run_records import Finding, Need, Part, ReportData, RunRecord, file_link
from genomed.report.tables import Column, format_count, html_table

__all__ = ["NEEDS", "chapter"]

NEEDS: tuple[Need, ...] = ()
MOST_INPUTS = 60  # of one run
DIGEST = 16  # characters shown of a SHA-256
PAPERS: tuple[tuple[tuple[str, ...], str], ...] = (  # commands whose method it is, and the paper
    (("qc",), "Hardy-Weinberg tests: Wigginton JE, Cutler DJ, Abecasis GR. A note on exact tests "
     "of Hardy-Weinberg equilibrium. Am J Hum Genet 76, 887-893 (2005). doi:10.1086/429864"),
    (("structure",), "Components: Patterson N, Price AL, Reich D. Population structure and "
     "eigenanalysis. PLoS Genet 2, e190 (2006). doi:10.1371/journal.pgen.0020190"),
    (("structure", "reads qc"), "Kinship: Manichaikul A et al. Robust relationship inference in "
     "genome-wide association studies. Bioinformatics 26, 2867-2873 (2010). "
     "doi:10.1093/bioinformatics/btq559"),
    (("structure",), "F_ST: Bhatia G et al. Estimating and interpreting FST: the impact of rare "
     "variants. Genome Res 23, 1514-1521 (2013). doi:10.1101/gr.154831.113"),
    (("convert",), "Store (PGEN): Chang CC et al. Second-generation PLINK: rising to the challenge "
     "of larger and richer datasets. GigaScience 4, 7 (2015). doi:10.1186/s13742-015-0047-8"),
    (("reads qc",), "Depth, as mosdepth defines it: Pedersen BS, Quinlan AR. Mosdepth: quick "
     "coverage calculation for genomes and exomes. Bioinformatics 34, 867-868 (2018). "
     "doi:10.1093/bioinformatics/btx699"),
    (("reads qc",), "Contamination: Jun G et al. Detecting and estimating contamination of human "
     "DNA samples in sequencing and array-based genotype data. Am J Hum Genet 91, 839-848 (2012). "
     "doi:10.1016/j.ajhg.2012.09.004"),
    (("risk",), TRANSFER_PAPER),
    (("risk",), CATALOG_PAPER),
    (("explain",), "Attributions of a net: Sundararajan M, Taly A, Yan Q. Axiomatic attribution "
     "for deep networks. ICML 2017. arXiv:1703.01365"),
    (("train", "evaluate", "risk"), "What to report of a score: Wand H et al. Improving reporting "
     "standards for polygenic scores in risk prediction studies. Nature 591, 211-219 (2021). "
     "doi:10.1038/s41586-021-03243-6"),
)  # fmt: skip


def chapter(data: ReportData) -> Part:
    """Every run with its command, settings and inputs, whether they fit, and what to cite."""
    body = join([
        _runs_table(data),
        element("h3", "Every run in full"),
        element("div", [_run(data, run) for run in data.runs], class_="runs"),
        element("div", element("h3", "How to cite"), _citations(data), class_="run"),
        element("div", element("h3", "This page"), _this_page(data), class_="run"),
    ])  # fmt: skip
    return Part("provenance", "Provenance and how to cite", "Provenance", body, [_fit(data)])


def _inputs(run: RunRecord) -> dict[str, Mapping[str, Any]]:
    inputs = run.record.get("inputs") or {}
    return {path: facts for path, facts in inputs.items() if isinstance(facts, Mapping)}


def _digest(facts: Mapping[str, Any]) -> str:
    return str(facts.get("sha256") or facts.get("sha256_of_first_and_last_mib") or "")


def _fit(data: ReportData) -> Finding:
    """Whether runs that read the same file met the same content, and are of one version."""
    met: dict[str, dict[str, list[str]]] = {}
    for run in data.runs:
        for path, facts in _inputs(run).items():
            if _digest(facts):
                readers = met.setdefault(path, {}).setdefault(_digest(facts), [])
                readers.append(run.title)
    changed = [path for path, digests in met.items() if len(digests) > 1]
    versions = sorted({str(run.record.get("version")) for run in data.runs})
    made = f"genomed {', '.join(versions)}"
    if changed:
        readers = sorted({name for path in changed for names in met[path].values()
                          for name in names})  # fmt: skip
        names = ", ".join(data.people.masked(path) for path in changed[:3])
        more = f" and {len(changed) - 3:,} more" if len(changed) > 3 else ""
        said = (
            f"{names}{more} changed between runs ({', '.join(readers[:6])}): their results are of "
            "different data. Make them again."
        )
        return Finding("none", "inputs differ", "Runs", said)
    n_shared = sum(len(next(iter(digests.values()))) > 1 for digests in met.values())
    said = f"{len(data.runs):,} runs by {made}; {n_shared:,} files that several read were the same."
    if len(versions) > 1:
        return Finding("care", "several versions", "Runs", said)
    return Finding("usable", "consistent", "Runs", said)


def _command_line(data: ReportData, run: RunRecord) -> str:
    line = (run.record.get("run") or {}).get("command_line")
    return data.people.masked(str(line)) if line else ""


def _runs_table(data: ReportData) -> Html:
    columns = [Column("Command"), Column("Of"), Column("Started"), Column("Version"),
               Column("Seed", True), Column("Warnings", True), Column("Record")]  # fmt: skip
    rows: list[list[object]] = []
    for run in data.runs:
        seed = run.record.get("seed")
        rows.append([
            run.command, label(run.name, 60),
            shortened(str((run.record.get("run") or {}).get("started") or "")),
            shortened(str(run.record.get("version") or "")), "none" if seed is None else str(seed),
            format_count(len(run.record.get("warnings") or ())), file_link(data, run, "run.json"),
        ])  # fmt: skip
    return element("div", html_table("Runs", columns, rows), class_="card")


def _run(data: ReportData, run: RunRecord) -> Html:
    name = label(run.name, 60) if run.name != run.command else None
    summary = element("summary", element("b", f"{run.command} "), name,
                      element("span", label(run.place, 80)))  # fmt: skip
    return element(
        "details",
        summary,
        element("code", shortened(_command_line(data, run), 4000), class_="command"),
        _input_table(data, run),
        _settings_table(data, run),
        _software(run),
    )


def _input_table(data: ReportData, run: RunRecord) -> Html | None:
    inputs = _inputs(run)
    if not inputs:
        return None
    columns = [Column("Input"), Column("Bytes", True),
               Column("SHA-256", False, "the first digits; run.json has all")]  # fmt: skip
    rows: list[list[object]] = []
    for path, facts in list(inputs.items())[:MOST_INPUTS]:
        kind = "" if facts.get("sha256") or not _digest(facts) else " of the first and last MiB"
        digest = element("code", _digest(facts)[:DIGEST])
        rows.append([label(data.people.masked(path), 100), format_count(facts.get("bytes")),
                     [digest, kind]])  # fmt: skip
    more = len(inputs) - len(rows)
    rest = element("p", f"and {more:,} more; run.json has them all", class_="note")
    table = html_table(f"Inputs of {run.title}", columns, rows)
    return join([table, rest if more > 0 else None])


def _settings_table(data: ReportData, run: RunRecord) -> Html | None:
    pairs = _flat(run.record.get("settings") or {})
    if not pairs:
        return None
    rows = [[key, label(data.people.masked(value), 200)] for key, value in pairs]
    caption = f"Settings of {run.title}"
    return html_table(caption, [Column("Setting"), Column("Value")], rows, narrow=True)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in settings.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{name}, ")
        else:
            pairs.append((name, _words(value)))
    return pairs


def _words(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_words(one) for one in value) or "none"
    return str(value)


def _software(run: RunRecord) -> Html:
    packages = run.record.get("packages") or {}
    told = ", ".join(f"{name} {version}" for name, version in packages.items())
    python = run.record.get("python")
    return element("p", shortened(f"Python {python}; {told}.", 300), class_="note")


def _citations(data: ReportData) -> Html:
    """The software and the papers of the methods that were used; models name their own."""
    used = {run.command for run in data.runs}
    versions = sorted({str(run.record.get("version")) for run in data.runs})
    lines = [element("li", f"Software: genomed {shortened(', '.join(versions))}.")]
    lines += [element("li", cited(paper)) for words, paper in PAPERS if used & set(words)]
    cards = [file_link(data, run, "risk.html") for run in data.of("risk")
             if "risk.html" in run.files]  # fmt: skip
    if cards:
        links = [[", " if place else "", link] for place, link in enumerate(cards)]
        lines.append(element("li", "Papers of the models themselves: ", links, "."))
    return element("ul", lines)


def _this_page(data: ReportData) -> Html:
    told = (
        "People are called P-0001 and so on, in an order that depends on the cohort's data alone; "
        "--names shows names. A pseudonym keeps a name off the page, but whoever holds the "
        "cohort's list of samples and its files can find out who is who."
    )
    return join([
        element("p", told),
        element("code", shortened(data.people.masked(data.command), 2000), class_="command"),
    ])  # fmt: skip
