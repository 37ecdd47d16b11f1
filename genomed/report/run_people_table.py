"""The report's table of people: percentile, prediction, interval and coverage, and a card each.

One row per person, every model in it; the card that a row opens holds what moved the prediction.
What cards need is in the page as compact numbers, so that 10,000 people take a few megabytes; terms
are written once and referred to by number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from genomed.report.content import floats
from genomed.report.markup import Html, element, join, shortened, visible
from genomed.report.people_card import CARD_CSS, CARD_SCRIPT
from genomed.report.run_grid import Cell, grid, json_block
from genomed.report.run_records import Finding, Need, Part, ReportData, source
from genomed.report.run_scores import NEEDS as SCORE_NEEDS
from genomed.report.run_scores import (
    Grouping,
    ModelScores,
    grouping,
    parse_moved,
    scored_models,
    training_of,
)
from genomed.report.tables import (
    Column,
    format_count,
    format_percentile,
    format_score,
    format_share,
    is_number,
    score_decimals,
)
from genomed.report.verdicts import flag_words, whole

__all__ = ["NEEDS", "chapter", "format_prediction"]

MOST_CARDS = 40_000  # people times models in the page: about 3 MB
MOST_PEOPLE = 20_000
MOST_COLUMNS = 5  # models with columns of their own; predictions are in them of two at most


def _last(table: pl.LazyFrame) -> pl.LazyFrame:
    """Each person's risk by the last age there is."""
    wanted = ("age", "absolute_risk", "population_risk")
    known = table.filter(pl.col("absolute_risk").is_not_null())
    return known.group_by("sample", "model").agg(pl.col(*wanted).sort_by("age").last())


NEEDS = (*SCORE_NEEDS, Need("risk", "absolute_risk.parquet", _last, "by_last_age"))


class Shown(NamedTuple):
    """What goes into the table: people in order, and the models that cards have."""

    people: list[str]
    models: list[ModelScores]


def chapter(data: ReportData) -> Part | None:
    """The table of people, with a card each; None where nobody was scored."""
    models = scored_models(data)
    shown = _choose(models)
    if not shown.people:
        return None
    groups = grouping(data)
    rows = [_Rows(data, model) for model in shown.models]
    samples = _samples(data)
    wide = rows[:MOST_COLUMNS]
    cells = [_cells(person, rows, wide, groups, samples) for person in shown.people]
    terms: dict[str, int] = {}
    cards = [[row.card(person, terms) for row in rows] for person in shown.people]
    context = {
        "models": [row.context() for row in rows],
        "terms": list(terms),
        "quality": [samples.get(person, {}).get("call_rate") for person in shown.people],
    }
    table = grid(
        "people-table",
        "People and their risk",
        _columns(wide, groups),
        cells,
        details=[[i, *own] for i, own in enumerate(cards)],
        render="person",
        rest=join(["All people are in ", _files(shown.models), "."]),
    )
    body = join(
        [
            element("p", _lead(shown, models), class_="note"),
            element("p", _note(data, groups), class_="note"),
            element("div", table, class_="card"),
            json_block(context, id="people-context"),
            [source(data, run, "risk.tsv", "one row for each sample and model")
             for run in data.of("risk")],
        ]
    )  # fmt: skip
    return Part(
        "people", "People", "People", body, _findings(shown), css=CARD_CSS, script=CARD_SCRIPT
    )


def _choose(models: Sequence[ModelScores]) -> Shown:
    """Models and people that fit into a page: the first models, and the highest people."""
    everybody = list(dict.fromkeys(s for m in models for s in m.frame["sample"].to_list()))
    n = min(len(everybody), MOST_PEOPLE)
    kept = list(models[: max(1, MOST_CARDS // n)]) if n else []
    highest = _highest(kept)
    everybody.sort(key=lambda person: (-highest.get(person, -1.0), person))
    return Shown(everybody[:MOST_PEOPLE], kept)


def _highest(models: Sequence[ModelScores]) -> dict[str, float]:
    """Each person's percentile, in the first model that has one."""
    found: dict[str, float] = {}
    for model in models:
        own = model.frame.select("sample", "cohort_percentile").drop_nulls()
        for person, value in own.iter_rows():
            found.setdefault(person, value)
    return found


def _lead(shown: Shown, models: Sequence[ModelScores]) -> str:
    people = {s for m in models for s in m.frame["sample"].to_list()}
    told = [f"{len(people):,} people."]
    if len(shown.people) < len(people):
        told.append(f"The {len(shown.people):,} highest by the first model are listed.")
    if len(shown.models) < len(models):
        told.append(
            f"Cards hold the first {len(shown.models):,} of {len(models):,} models, so that this "
            "page stays small."
        )
    told.append(
        "A percentile compares a person with this cohort alone: it says nothing about the "
        "population, and moves when the cohort does. Open a row for the person's card: interval, "
        "coverage, and what moved the prediction most."
    )
    return " ".join(told)


def _note(data: ReportData, groups: Grouping | None) -> str:
    named = "People go by the names of --names, or by pseudonyms that are the same in every report "
    plain = "People go by pseudonyms, which are the same in every report "
    told = named if data.people.named else plain
    told += "of this cohort; --person ID makes a page of one person."
    return told + (f" Group: {groups.told}." if groups else "")


def _files(models: Sequence[ModelScores]) -> Html:
    paths = dict.fromkeys(m.run.files.get("risk.tsv", "risk.tsv") for m in models)
    return element("code", ", ".join(shortened(path, 80) for path in paths))


def _columns(wide: Sequence[_Rows], groups: Grouping | None) -> list[Column]:
    columns = [Column("Person")]
    if groups:
        columns.append(Column("Group", meaning=groups.told))
    for row in wide:
        name = "" if len(wide) == 1 else f"{shortened(row.model.title, 32)}: "
        heads = ("percentile", row.model.unit if row.predicts else "score")
        first, second = (f"{name}{head}" if name else head.capitalize() for head in heads)
        columns.append(Column(first, True, "share of this cohort that is lower, 0 to 100"))
        if len(wide) <= 2:
            columns.append(Column(second, True, shortened(row.model.trait, 60)))
        if len(wide) == 1 and row.has_interval:
            columns.append(Column("Interval", meaning=row.interval_told))
    columns.append(Column("Coverage", True, "least share of a model's weight that rests on calls"))
    columns.append(Column("Notes"))
    return columns


def _cells(
    person: str,
    rows: Sequence[_Rows],
    wide: Sequence[_Rows],
    groups: Grouping | None,
    samples: Mapping[str, Mapping[str, Any]],
) -> list[str | Cell | None]:
    cells: list[str | Cell | None] = [shortened(person, 60)]
    if groups:
        cells.append(groups.group.get(person))
    for row in wide:
        i = row.place.get(person, -1)
        cells.append(row.percentile_text(i))
        if len(wide) <= 2:
            cells.append(row.value_text(i))
        if len(wide) == 1 and row.has_interval:
            cells.append(row.interval_text(i))
    covered = [row.coverage[row.place[person]] for row in rows if person in row.place]
    known = [c for c in covered if math.isfinite(c)]
    cells.append(format_share(whole(min(known))) if known else None)
    cells.append(_notes(person, rows, samples))
    return cells


def _notes(
    person: str, rows: Sequence[_Rows], samples: Mapping[str, Mapping[str, Any]]
) -> str | Cell | None:
    words = list(dict.fromkeys(w for row in rows for w in row.flags_of(person)))
    own = samples.get(person, {})
    if own.get("pass") is False:
        reasons = ", ".join(flag_words(own.get("reason"))) or "no reason given"
        words.append(f"left out by qc: {reasons}")
    if any(person in row.place and row.without(row.place[person]) for row in rows):
        words.append("no score")
    return Cell("; ".join(words)[:120], "chip") if words else ""


def _samples(data: ReportData) -> dict[str, dict[str, Any]]:
    """What qc says of people, by the name that the page gives them."""
    found: dict[str, dict[str, Any]] = {}
    for run in data.of("qc"):
        table = run.tables.get("samples")
        if table is None or "pass" not in table.columns:
            continue
        for row in table.iter_rows(named=True):
            found.setdefault(data.people.shown(row["sample"]), row)
    return found


def format_prediction(x: float | None, kind: str, decimals: int = 2) -> str:
    """A probability as a percentage, any other value with the decimals of its column."""
    if not is_number(x):
        return "none"
    return format_share(x) if kind in ("binary", "survival") else format_score(x, decimals)


@dataclass
class _Rows:
    """One model's columns as lists, by the place of a person in its frame."""

    data: ReportData
    model: ModelScores

    def __post_init__(self) -> None:
        frame = self.model.frame
        self.place = {s: i for i, s in enumerate(frame["sample"].to_list())}
        self.predicts = self.model.predicts
        column = "prediction" if self.predicts else "score"
        self.value = self._floats(column)
        self.decimals = score_decimals(self.value)
        self.percentile = self._floats("cohort_percentile")
        self.among = self._floats("population_percentile")
        self.low, self.high = self._floats("prediction_low"), self._floats("prediction_high")
        self.coverage = self._floats("weighted_coverage")
        self.filled = self._floats("imputed_share")
        self.flags = self._texts("flags")
        self.moved = self._texts("moved_most")
        self.accuracy = self._texts("accuracy_note")
        self.by_age = self._by_age()

    def _floats(self, column: str) -> np.ndarray:
        frame = self.model.frame
        if column not in frame.columns:
            return np.full(len(frame), np.nan)
        return floats(frame, column)

    def _texts(self, column: str) -> list[str]:
        frame = self.model.frame
        if column not in frame.columns:
            return [""] * len(frame)
        return frame[column].cast(pl.String).fill_null("").to_list()

    def _by_age(self) -> dict[str, tuple[float, float, float]]:
        table = self.model.run.tables.get("by_last_age")
        if table is None:
            return {}
        own = table.filter(pl.col("model") == self.model.name)
        columns = ("sample", "age", "absolute_risk", "population_risk")
        return {self.data.people.shown(s): (a, r, p) for s, a, r, p in own.select(columns).rows()}

    @property
    def has_interval(self) -> bool:
        """Whether predictions have intervals."""
        return bool(np.isfinite(self.low).any())

    @property
    def interval_told(self) -> str:
        """How wide intervals are, where the training run says."""
        trained = training_of(self.data, self.model)
        share = (trained[0].record.get("settings") or {}).get("interval") if trained else None
        return f"{share:.0%} interval" if is_number(share) else "interval"

    def without(self, i: int) -> bool:
        """Whether a person has no score."""
        return not math.isfinite(self.value[i])

    def flags_of(self, person: str) -> list[str]:
        """What the run remarked of a person."""
        i = self.place.get(person)
        return [] if i is None else flag_words(self.flags[i])

    def percentile_text(self, i: int) -> str | None:
        """The person's percentile; None where it is not known."""
        return format_percentile(self.percentile[i]) if i >= 0 and self._known(i) else None

    def _known(self, i: int) -> bool:
        return math.isfinite(self.percentile[i])

    def value_text(self, i: int) -> str | None:
        """The prediction or score; None where there is none."""
        return None if i < 0 or self.without(i) else self._format(self.value[i])

    def interval_text(self, i: int) -> str | None:
        """Both ends of the interval; None where there is none."""
        if i < 0 or not (math.isfinite(self.low[i]) and math.isfinite(self.high[i])):
            return None
        return f"{self._format(self.low[i])} to {self._format(self.high[i])}"

    def _format(self, x: float) -> str:
        return format_prediction(float(x), self.model.kind, self.decimals)

    def context(self) -> dict[str, object]:
        """What all cards of the model share."""
        return {
            "name": visible(self.model.title)[:80],
            "trait": visible(self.model.trait)[:120],
            "unit": self.model.unit if self.predicts else "score",
            "interval": self.interval_told,
            "link": f"#model{self.model.index}",
            "scored": int(np.isfinite(self.value).sum()),
        }

    def card(self, person: str, terms: dict[str, int]) -> list[object] | int:
        """A person's card: 0 without a row of this model, else its numbers.

        percentile and that among the like (tenths), value, interval, coverage and what was filled
        in (thousandths), terms, note on accuracy, risk by the last age; trailing nothings left out
        """
        i = self.place.get(person)
        if i is None:
            return 0
        note = self.accuracy[i]
        age = self.by_age.get(person)
        card: list[object] = [
            _scaled(self.percentile[i], 10),
            _scaled(self.among[i], 10),
            self.value_text(i),
            self.interval_text(i),
            _scaled(self.coverage[i], 1000),
            _scaled(self.filled[i], 1000),
            None if self.without(i) else self._moved(self.moved[i], terms),
            _number(note, terms) if note else None,
            [age[0], format_share(age[1]), format_share(age[2])] if age else None,
        ]
        while card and card[-1] in (None, 0, ""):
            card.pop()
        return card

    def _moved(self, text: str, terms: dict[str, int]) -> list[object]:
        """Terms by number, and what each adds: [term, size, term, size ...]."""
        flat: list[object] = []
        for term, size in parse_moved(text):
            flat += [_number(term, terms), size]
        return flat


def _number(term: str, terms: dict[str, int]) -> int:
    return terms.setdefault(visible(term)[:80], len(terms))


def _scaled(x: float, by: int) -> int | None:
    return round(float(x) * by) if math.isfinite(x) else None


def _findings(shown: Shown) -> list[Finding]:
    found = []
    for model in shown.models[:MOST_COLUMNS]:
        values = model.frame["cohort_percentile"].drop_nulls()
        if not len(values):
            continue
        scored, rows = len(values), len(model.frame)
        text = f"{format_count(scored)} of {format_count(rows)} people have a score"
        covered = model.frame["weighted_coverage"].drop_nulls().to_list()
        if covered:
            least = format_share(whole(min(covered)))
            text += f"; the least covered of all rests on {least} of its weight"
        level, word = ("care", f"{rows - scored:,} without") if scored < rows else ("told", "all")
        subject = f"People by {shortened(model.name, 40)}"
        found.append(Finding(level, word, subject, text + ".", place=model.run.place))
    return found
