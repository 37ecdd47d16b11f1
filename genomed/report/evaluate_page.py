"""An evaluation -> evaluate.html: one self-contained page, the same bytes for the same content.

It reads in the order of the questions asked of it: how good is it, do its probabilities mean what
they say, is it as good for everybody, is it better than the other one, and how was this made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import polars as pl

from genomed.report.curves import CURVE_CSS, MOST_SERIES, Estimated, forest
from genomed.report.document import document, head, navigation, pill, section, warning_list
from genomed.report.evaluate_content import (
    EvaluatePage,
    find,
    format_interval,
    format_measure,
    words,
)
from genomed.report.evaluate_figures import curve_section
from genomed.report.markup import Html, element, join, label, shortened
from genomed.report.stylesheet import CSS
from genomed.report.svg import figure_of
from genomed.report.tables import (
    UNKNOWN,
    Column,
    definitions,
    format_count,
    html_table,
    is_number,
)
from genomed.stats.measures import MAIN, MEASURES

__all__ = [
    "calibration",
    "comparison_cards",
    "estimated",
    "group_cards",
    "measure_cell",
    "measure_table",
    "render_evaluate_page",
    "verdict_lines",
]

MOST_ROWS = 200
UNITS = {
    "probability": "a probability",
    "logit": "log odds",
    "score": "a score",
    "value": "in the unit of the trait",
    "risk": "higher is earlier",
}
_IN_GROUPS = ("calibration_slope", "calibration_intercept", "ece", "coverage")


def render_evaluate_page(content: EvaluatePage) -> str:
    """Render the page as one HTML document; nothing is read, nothing is changed."""
    css = CSS + CURVE_CSS
    main = element(
        "main",
        warning_list(content.warnings, MOST_ROWS),
        _verdict(content),
        curve_section(content),
        _measures(content),
        _groups(content),
        _comparison(content),
        _provenance(content),
        id="main",
    )
    body = element(
        "body",
        element("a", "Skip to the verdict", href="#verdict", class_="skip"),
        _head(content),
        _navigation(content),
        main,
        element("footer", element("p", FOOT), class_="foot"),
    )
    title = f"{shortened(content.trait, 80)}: predictions and truth"
    return document(title, body, css, content.version)


FOOT = (
    "For research. How well a prediction does here says how well it does in people like these, "
    "and no more. This page loads nothing from the network and runs no scripts. All numbers: "
    "metrics.tsv, groups.tsv, gaps.tsv, versus.tsv, curves.tsv, run.json."
)


def _head(content: EvaluatePage) -> Html:
    names = len(content.scales)
    told = "1 prediction" if names == 1 else f"{names:,} predictions"
    return head("genomed evaluate", content.trait, f"{told} of {content.people}.")


def _navigation(content: EvaluatePage) -> Html:
    places = {
        "verdict": "Verdict",
        "curves": "Curves" if any(content.curves.values()) else "",
        "measures": "Measures",
        "groups": "Groups" if len(content.groups) else "",
        "versus": "Comparison" if content.versus else "",
        "provenance": "Provenance",
    }
    return navigation({key: text for key, text in places.items() if text})


def _verdict(content: EvaluatePage) -> Html:
    return section("verdict", "How good is it?", verdict_lines(content))


def verdict_lines(content: EvaluatePage) -> Html:
    """A line for each prediction: whether it can be taken at its word, and how good it is."""
    lines = []
    main = MAIN[content.kind]
    for name in content.scales:
        row = find(content.metrics, prediction=name, measure=main)
        assert row is not None
        said = f"{words(main)} {format_measure(row['value'])}"  # type: ignore[arg-type]
        said += f", {content.level:.0%} interval {format_interval(row)}."
        word, look = calibration(content, name)
        lines.append(
            element(
                "li",
                element("span", pill(look, word)),
                element(
                    "span",
                    element("span", label(name, 60), class_="who"),
                    element("span", UNITS[content.scales[name]]),
                ),
                element("p", " ".join([said, *_sentences(content, name)])),
            )
        )
    return element("ul", lines, class_="verdicts")


def calibration(content: EvaluatePage, name: str) -> tuple[str, str]:
    """Whether what is predicted can be taken at its word: a word, and its look (see pills)."""
    slope = find(content.metrics, prediction=name, measure="calibration_slope")
    if slope is None:
        return "measured", "usable"
    if not is_number(slope["value"]):
        return "ranks only", "care"
    intercept = find(content.metrics, prediction=name, measure="calibration_intercept")
    fits = all(
        row is None or row["low"] is None or row["low"] <= best <= row["high"]  # type: ignore[operator]
        for row, best in ((slope, 1.0), (intercept, 0.0))
    )
    return ("calibrated", "usable") if fits else ("miscalibrated", "care")


def _sentences(content: EvaluatePage, name: str) -> list[str]:
    """Calibration, gaps and comparison in words."""
    said = []
    slope = find(content.metrics, prediction=name, measure="calibration_slope")
    if slope is not None and is_number(slope["value"]):
        value = float(slope["value"])  # type: ignore[arg-type]
        low, high = slope["low"], slope["high"]
        if is_number(low) and high < 1:  # type: ignore[operator]
            said.append(f"Its predictions are too extreme (slope {value:.2f}).")
        elif is_number(low) and low > 1:  # type: ignore[operator]
            said.append(f"Its predictions are too cautious (slope {value:.2f}).")
        else:
            said.append(f"Its slope is {value:.2f}, where 1 is best.")
    ece = find(content.metrics, prediction=name, measure="ece")
    if ece is not None and is_number(ece["value"]):
        chance = content.by_chance.get(name, math.nan)
        known = f"; perfect probabilities would have {chance:.3f} by chance"
        said.append(
            f"Calibration error {ece['value']:.3f}{known if math.isfinite(chance) else ''}."
        )
    coverage = find(content.metrics, prediction=name, measure="coverage")
    if coverage is not None and is_number(coverage["value"]):
        said.append(f"Its intervals hold {coverage['value']:.1%} of the people.")
    main = MAIN[content.kind]
    for row in content.gaps.filter(
        pl.col("prediction") == name, pl.col("measure") == main
    ).iter_rows(named=True):
        said.append(
            f"By {row['by']}, {words(main)} is {format_measure(row['highest_value'])} in "
            f"{row['highest']} and {format_measure(row['lowest_value'])} in {row['lowest']}."
        )
    return said


def _measures(content: EvaluatePage) -> Html:
    return section("measures", "Measures", *measure_table(content))


def measure_table(content: EvaluatePage) -> tuple[Html, Html]:
    """What was drawn and assumed, and every measure of every prediction."""
    names = list(content.scales)
    wanted = content.metrics["measure"].unique(maintain_order=True).to_list()
    columns = [Column("Measure"), *(Column(label(n, 30), True) for n in names)]
    rows = []
    for measure in wanted:
        cells: list[object] = [element("span", words(measure), title=MEASURES[measure])]
        for name in names:
            cells.append(measure_cell(find(content.metrics, prediction=name, measure=measure)))
        rows.append(cells)
    notes = [f"{content.level:.0%} intervals from {content.n_draws:,} draws of people."]
    for name, threshold in list(content.thresholds.items())[:MOST_SERIES]:
        notes.append(f"Threshold of {shortened(name)}: {format_measure(threshold)}.")
    if content.kind == "binary":
        told = "the share of cases here" if content.prevalence is None else f"{content.prevalence}"
        notes.append(f"Prevalence, for the liability and the net benefit: {told}.")
    return (
        element("p", " ".join(notes), class_="note"),
        html_table("Measures of all predictions", columns, rows, narrow=True),
    )


def measure_cell(row: Mapping[str, object] | None) -> object:
    """A measure with its interval, of a row of metrics; a dash where it is not known."""
    if row is None:
        return UNKNOWN
    if not is_number(row["value"]):
        return element("span", UNKNOWN, title=row.get("reason") or None)
    value = format_measure(row["value"])  # type: ignore[arg-type]
    if not is_number(row["low"]):
        return value
    small = element("span", f" ({format_interval(row)})", class_="muted")
    return join([value, small])


def group_cards(content: EvaluatePage, identity: str) -> list[Html]:
    """For each way to group people, the main measure as a figure, and a table.

    identity : prefix of the ids in the figures, unique in the page
    """
    main = MAIN[content.kind]
    first = next(iter(content.scales))
    parts: list[Html] = []
    whole = find(content.metrics, prediction=first, measure=main)
    value = whole["value"] if whole else None
    everybody = float(value) if is_number(value) else math.nan  # type: ignore[arg-type]
    for place, by in enumerate(content.groups["by"].unique(maintain_order=True).to_list()):
        rows = content.groups.filter(
            pl.col("by") == by, pl.col("prediction") == first, pl.col("measure") == main
        )
        shown = [_group(row) for row in rows.iter_rows(named=True)]
        title = f"{words(main)} by {by}"
        parts.append(
            element(
                "div",
                element("h3", "By ", label(by)),
                figure_of(
                    forest(title, shown, everybody, f"{identity}{place}"),
                    [
                        f"{words(main)} of ",
                        label(first),
                        f" with {content.level:.0%} intervals. Dashed: everybody.",
                    ],
                ),
                _group_table(content, by, first, main),
                class_="card",
            )
        )
    return parts


def _groups(content: EvaluatePage) -> Html | None:
    if not len(content.groups):
        return None
    limit = (
        f" The largest gap allowed (--max-gap) is {content.max_gap:g}."
        if content.max_gap is not None
        else ""
    )
    note = (
        "Groups of too few people or cases are shown, but not compared. Recall and precision "
        f"depend on how common the disease is in a group.{limit} groups.tsv and gaps.tsv have "
        "every measure."
    )
    return section("groups", "Is it as good for everybody?", element("p", note, class_="note"),
                    group_cards(content, "g"))  # fmt: skip


def estimated(name: str, row: Mapping[str, object], note: str, rank: int = 0) -> Estimated:
    """A row of metrics as forest() draws it."""
    value, low, high = (
        float(row[k]) if is_number(row[k]) else math.nan  # type: ignore[arg-type]
        for k in ("value", "low", "high")
    )
    return Estimated(name, value, low, high, note, rank)


def _group(row: Mapping[str, object]) -> Estimated:
    note = f"n {format_count(row['n'])}"  # type: ignore[arg-type]
    if not is_number(row["value"]):
        note = str(row["reason"])
    elif not row["compared"]:
        note += ", too few"
    return estimated(str(row["group"]), row, note)


def _group_table(content: EvaluatePage, by: str, prediction: str, main: str) -> Html:
    own = content.groups.filter(pl.col("by") == by, pl.col("prediction") == prediction)
    present = own["measure"].unique(maintain_order=True).to_list()
    wanted = [m for m in (main, *_IN_GROUPS) if m in present]
    counted = {"n": "People"}
    if content.n_cases is not None:
        counted["n_cases"] = "Events" if content.kind == "survival" else "Cases"
    columns = [Column("Group"), *(Column(text, True) for text in counted.values())]
    columns += [Column(words(m), True, MEASURES[m]) for m in wanted]
    rows = []
    for group in own["group"].unique(maintain_order=True).to_list():
        cells = [find(own, group=group, measure=m) for m in wanted]
        first = cells[0]
        assert first is not None
        counts = [format_count(first[k]) for k in counted]  # type: ignore[arg-type]
        name = element("span", label(group), class_="whole")
        rows.append([name, *counts, *(measure_cell(cell) for cell in cells)])
    return html_table(f"Measures by {by}", columns, rows)


def comparison_cards(content: EvaluatePage) -> list[Html]:
    """Each prediction beside the one it is compared with: both, and their difference."""
    columns = [
        Column("Measure"), Column("Prediction", True), Column("Other", True),
        Column("Difference", True), Column(f"{content.level:.0%} interval", True),
        Column("Verdict"),
    ]  # fmt: skip
    parts: list[Html] = []
    for name in content.comparison["prediction"].unique(maintain_order=True).to_list():
        rows = []
        for row in content.comparison.filter(pl.col("prediction") == name).iter_rows(named=True):
            low, high = row["low"], row["high"]
            apart = is_number(low) and (low > 0 or high < 0)
            rows.append(
                [
                    element("span", words(row["measure"]), title=MEASURES[row["measure"]]),
                    format_measure(row["value"]),
                    format_measure(row["versus_value"]),
                    f"{row['difference']:+.4f}" if is_number(row["difference"]) else UNKNOWN,
                    f"{low:+.4f} to {high:+.4f}" if is_number(low) else UNKNOWN,
                    "they differ" if apart else "",
                ]
            )
        head = element("h3", label(name), " beside ", label(content.versus))
        table = html_table(f"{name} beside {content.versus}", columns, rows)
        parts.append(element("div", head, table, class_="card"))
    return parts


def _comparison(content: EvaluatePage) -> Html | None:
    if content.versus is None:
        return None
    note = (
        "Both are measured on the same people in the same draws. Reclassification (NRI) can reward "
        "noise: believe it only where the loss falls as well."
    )
    return section("versus", "Is it better than the other one?",
                    element("p", note, class_="note"),
                    comparison_cards(content))  # fmt: skip


def _provenance(content: EvaluatePage) -> Html:
    pairs: list[tuple[str, object]] = [
        ("Files", [element("div", label(path, 300)) for path in content.files]),
        ("Trait", f"{content.kind}, {content.coding}"),
        ("Draws", f"{content.n_draws:,}, seed {content.seed}"),
        ("Made by", f"genomed {shortened(content.version)}"),
        ("Command", element("code", shortened(content.command, 2000), class_="command")),
    ]
    shown = sorted(set(content.metrics["measure"].to_list()))
    if len(content.comparison):
        shown = sorted({*shown, *content.comparison["measure"].to_list()})
    columns = [Column("Measure"), Column("What it is")]
    rows = [[words(m), MEASURES[m]] for m in shown]
    return section(
        "provenance",
        "Provenance and definitions",
        definitions(pairs, "facts wide"),
        element(
            "div",
            element("h4", "Definitions"),
            html_table("Definitions of the measures", columns, rows),
            class_="block",
        ),
    )
