"""The page's section on ancestry: where the cohort lies, and what adjustment does to a score.

Populations are told apart by their place and their name, never by colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genomed.report.document import section
from genomed.report.figures import Figure, Tick, ticks
from genomed.report.markup import Html, cited, element, shortened
from genomed.report.svg import coordinate as _n
from genomed.report.svg import drawing, figure_of
from genomed.report.tables import Column, format_count, format_score, format_share, html_table

__all__ = ["AncestryPart", "Spread", "ancestry_section"]

N_COLOURS = 8
WIDTH = 680.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 14.0, 44.0
PLOT_HEIGHT = 460.0
ROW, GAP, NAME = 24.0, 34.0, 120.0

PAPERS = (
    "Adjustment (Z-norm1): Khera AV et al. Whole-genome sequencing to characterize monogenic and "
    "polygenic contributions in patients hospitalized with early-onset myocardial infarction. "
    "Circulation 139, 1593-1602 (2019). doi:10.1161/CIRCULATIONAHA.118.035658",
    "Adjustment (Z-norm2): Khan A et al. Genome-wide polygenic score to predict chronic kidney "
    "disease across ancestries. Nat Med 28, 1412-1420 (2022). doi:10.1038/s41591-022-01869-1",
    "Accuracy and genetic distance: Ding Y et al. Polygenic scoring accuracy varies across the "
    "genetic ancestry continuum. Nature 618, 774-781 (2023). doi:10.1038/s41586-023-06079-4",
)


@dataclass(frozen=True)
class Spread:
    """One model's scores by population, as five numbers each: 5, 25, 50, 75 and 95 %.

    reference : population -> quantiles of the reference people's scores, not adjusted, in units
                of the standard deviation of all of them
    adjusted  : population -> quantiles of z_norm2 of the cohort's people most similar to it
    n         : population -> people of the cohort behind `adjusted`
    """

    model: str
    reference: Mapping[str, Sequence[float]]
    adjusted: Mapping[str, Sequence[float]]
    n: Mapping[str, int]


@dataclass(frozen=True)
class AncestryPart:
    """What the section shows.

    reference, build, n_reference : name, genome build and people of the bundle
    populations   : in the order of the tables; the numbers below index it
    reference_pcs : float64 (people, 2); reference_population : int64 (people,)
    cohort_pcs    : float64 (samples, 2), NaN where there are none
    cohort_population : int64 (samples,), -1 outside the reference
    n_variants, n_found, coverage : loadings in the bundle, those found, their share of the variance
    n_low_coverage : people with too few called genotypes to be placed
    spreads       : of the models that are drawn; n_more : models that are not
    """

    reference: str
    build: str
    n_reference: int
    populations: Sequence[str]
    reference_pcs: np.ndarray
    reference_population: np.ndarray
    cohort_pcs: np.ndarray
    cohort_population: np.ndarray
    n_variants: int
    n_found: int
    coverage: float
    n_low_coverage: int
    spreads: Sequence[Spread] = ()
    n_more: int = 0


def ancestry_section(part: AncestryPart) -> Html:
    """The whole section, with its heading."""
    n = len(part.cohort_population)
    placed = int((part.cohort_population >= 0).sum())
    outside = n - placed - part.n_low_coverage
    lead = (
        f"{placed:,} of {n:,} people lie inside the reference {shortened(part.reference)} "
        f"({part.n_reference:,} people, {shortened(part.build)}); {outside:,} lie outside it and "
        f"{part.n_low_coverage:,} have too few called genotypes to be placed: nothing is adjusted "
        f"for these. {part.n_found:,} of {part.n_variants:,} variants of its components were "
        f"found, {format_share(part.coverage)} of their variance."
    )
    note = (
        "Components are continuous: a population's name says which reference people are most "
        "similar, not what somebody is. Adjusted scores compare a person with reference people of "
        "like ancestry; they do not make a score more accurate than it is there."
    )
    return section(
        "ancestry",
        "Ancestry",
        element("p", lead),
        element("p", note, class_="note"),
        element(
            "div",
            figure_of(*components_plot(part)),
            element("h4", "People by most similar population"),
            _counts(part),
            class_="card",
        ),
        [
            element("div", figure_of(*spread_plot(s, part.populations, f"anc{i}")), class_="card")
            for i, s in enumerate(part.spreads)
        ],
        _rest(part),
        element("ul", [element("li", cited(paper)) for paper in PAPERS], class_="note"),
    )


def _rest(part: AncestryPart) -> Html:
    if not part.n_more:
        return Html()
    return element("p", f"{part.n_more:,} more models are in risk.tsv.", class_="note")


def _counts(part: AncestryPart) -> Html:
    rows: list[list[object]] = []
    for i, name in enumerate(part.populations):
        in_reference = int((part.reference_population == i).sum())
        in_cohort = int((part.cohort_population == i).sum())
        rows.append([shortened(name, 60), format_count(in_reference), format_count(in_cohort)])
    columns = [Column("population"), Column("reference", True), Column("cohort", True)]
    return html_table("People by most similar population", columns, rows, narrow=True)


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or max(abs(low), 1.0)
    return low - room, high + room


def components_plot(part: AncestryPart) -> Figure:
    """First two components: reference people in pale colours, the cohort on top of them."""
    cohort = part.cohort_pcs
    seen = np.isfinite(cohort).all(axis=1)
    everybody = np.concatenate([part.reference_pcs, cohort[seen]])
    (x0, x1), (y0, y1) = _range(everybody[:, 0]), _range(everybody[:, 1])

    def places(pcs: np.ndarray) -> np.ndarray:
        x = LEFT + (pcs[:, 0] - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)
        y = PLOT_HEIGHT - BOTTOM - (pcs[:, 1] - y0) / (y1 - y0) * (PLOT_HEIGHT - TOP - BOTTOM)
        return np.stack([x, y], axis=1)

    parts = _axes(ticks(x0, x1, 6), ticks(y0, y1, 6), places)
    labels = []
    for i, name in enumerate(part.populations):
        at = places(part.reference_pcs[part.reference_population == i])
        if not len(at):
            continue
        parts.append(element("path", d=_dots(at), class_=f"dots q{i % N_COLOURS}"))
        x, y = np.median(at, axis=0)
        labels.append(
            element("text", shortened(name, 24), x=_n(x), y=_n(y), class_="t m strong halo")
        )
    inside = seen & (part.cohort_population >= 0)
    parts.append(element("path", d=_dots(places(cohort[inside])), class_="dots ours"))
    parts.append(element("path", d=_crosses(places(cohort[seen & ~inside])), class_="cross"))
    outside = int((seen & ~inside).sum())
    description = (
        f"{len(part.reference_pcs):,} reference people in {len(part.populations)} populations, "
        f"{int(inside.sum()):,} people of the cohort inside the reference and {outside:,} not."
    )
    caption = (
        "Pale dots: reference people, their population's name at its middle. Dark dots: the "
        "cohort. Crosses: people who are not adjusted."
    )
    svg = drawing(
        "First two components", description, "anc-pcs", [*parts, *labels], WIDTH, PLOT_HEIGHT
    )
    return Figure(svg, caption)


def _axes(across: Sequence[Tick], up: Sequence[Tick], places: object) -> list[Html]:
    assert callable(places)
    base = PLOT_HEIGHT - BOTTOM
    x = places(np.array([[t.value, up[0].value if up else 0.0] for t in across]))[:, 0]
    y = places(np.array([[across[0].value if across else 0.0, t.value] for t in up]))[:, 1]
    parts = []
    for tick, at in zip(up, y.tolist(), strict=True):
        parts.append(element("path", d=f"M{_n(LEFT)} {_n(at)}H{_n(WIDTH - RIGHT)}", class_="grid"))
        parts.append(element("text", tick.text, x=_n(LEFT - 6), y=_n(at), class_="t e", dy="4"))
    marks = "".join(f"M{_n(at)} {_n(base)}v5" for at in x.tolist())
    parts.append(
        element("path", d=f"M{_n(LEFT)} {_n(base)}H{_n(WIDTH - RIGHT)}{marks}", class_="ax")
    )
    parts += [
        element("text", tick.text, x=_n(at), y=_n(base + 18), class_="t m")
        for tick, at in zip(across, x.tolist(), strict=True)
    ]
    middle = _n((LEFT + WIDTH - RIGHT) / 2)
    parts.append(element("text", "PC1", x=middle, y=_n(PLOT_HEIGHT - 8), class_="t m"))
    parts.append(element("text", "PC2", x="2", y=_n(TOP + 2), class_="t"))
    return parts


def _dots(at: np.ndarray) -> str:
    """Round points as one path; those that would fall on one another are drawn once."""
    once = np.unique(np.round(at, 0), axis=0)
    return "".join(f"M{_n(x)} {_n(y)}h0" for x, y in once.tolist())


def _crosses(at: np.ndarray) -> str:
    once = np.unique(np.round(at, 0), axis=0)
    return "".join(f"M{_n(x - 3)} {_n(y - 3)}l6 6m0-6l-6 6" for x, y in once.tolist())


def spread_plot(spread: Spread, populations: Sequence[str], identity: str) -> Figure:
    """Two columns of boxes: the reference's scores as they are, the cohort's adjusted."""
    names = [p for p in populations if p in spread.reference]
    height = 40.0 + ROW * len(names) + 34.0
    half = (WIDTH - NAME - GAP - RIGHT) / 2
    columns = (
        (NAME, spread.reference, "reference, not adjusted, SD of all"),
        (NAME + half + GAP, spread.adjusted, "cohort, z_norm2"),
    )
    parts: list[Html] = []
    for i, name in enumerate(names):
        y = 40.0 + ROW * i
        parts.append(
            element("text", shortened(name, 16), x=_n(NAME - 12), y=_n(y + 9), class_="t e strong")
        )
    told = []
    for left, quantiles, heading in columns:
        parts += _boxes(left, half, names, quantiles, heading, height)
        told += [_told(heading, name, quantiles[name][2]) for name in names if name in quantiles]
    told += [f"people of the cohort, {name}: {spread.n.get(name, 0):,}" for name in names]
    title = f"{shortened(spread.model, 80)} by population"
    caption = (
        f"{shortened(spread.model, 80)}. Boxes: middle half, with the median; whiskers: 5 to 95 %. "
        "Left, the score as it is differs between populations for reasons other than risk; right, "
        "adjusted."
    )
    return Figure(drawing(title, "; ".join(told) + ".", identity, parts, WIDTH, height), caption)


def _told(heading: str, name: str, median: float) -> str:
    return f"{heading}, {name}: median {format_score(median, 2)}"


def _boxes(
    left: float,
    width: float,
    names: Sequence[str],
    quantiles: Mapping[str, Sequence[float]],
    heading: str,
    height: float,
) -> list[Html]:
    """One column of boxes with its axis."""
    known = np.array([quantiles[name] for name in names if name in quantiles])
    parts = [element("text", heading, x=_n(left), y="14", class_="t")]
    if not known.size:
        return [*parts, element("text", "nobody", x=_n(left), y="52", class_="t")]
    low, high = _range(known)
    base = height - 30.0

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * width

    for tick in ticks(low, high, 5):
        at = _n(x(tick.value))
        parts.append(element("path", d=f"M{at} 24V{_n(base)}", class_="grid"))
        parts.append(element("text", tick.text, x=at, y=_n(base + 16), class_="t m"))
    for i, name in enumerate(names):
        if name not in quantiles:
            continue
        a, b, c, d, e = (x(float(q)) for q in quantiles[name])
        y = 45.0 + ROW * i
        tip = _told(heading, name, quantiles[name][2])
        parts.append(element("path", d=f"M{_n(a)} {_n(y)}H{_n(e)}", class_="ax"))
        parts.append(
            element(
                "rect", element("title", tip), x=_n(b), y=_n(y - 7), width=_n(max(d - b, 1.0)),
                height="14", class_="bar",
            )
        )  # fmt: skip
        parts.append(element("path", d=f"M{_n(c)} {_n(y - 7)}v14", class_="sd"))
    return parts
