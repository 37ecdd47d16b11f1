"""What risk runs say of people, digested once for the chapters on risk and people, and one person.

Samples are replaced by what the page calls them as soon as tables come in, so that nothing that
follows can name anybody by mistake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import polars as pl

from genomed.report.content import ModelDigest, RiskPage, digest_models, floats
from genomed.report.markup import shortened
from genomed.report.run_records import Need, ReportData, RunRecord, present
from genomed.report.verdicts import score_unit

__all__ = [
    "FATES",
    "MODELS",
    "NEEDS",
    "Grouping",
    "ModelScores",
    "axis_label",
    "by_group",
    "evaluations_of",
    "grouping",
    "parse_moved",
    "scored_models",
    "training_of",
    "values_of",
]

SCORES = (
    "sample", "model", "trait", "score", "cohort_z", "cohort_percentile", "n_matched",
    "n_missing_calls", "weighted_coverage", "imputed_share", "flags", "prediction",
    "prediction_low", "prediction_high", "expected_accuracy_share", "moved_most",
    "most_similar_population", "z_norm2", "population_percentile",
    "neighbourhood_percentile", "accuracy_note",
)  # fmt: skip
MOST_TOP = 10  # variants listed per model


def _fates(ledger: pl.LazyFrame) -> pl.LazyFrame:
    counted = [pl.len().alias("n"), pl.col("share").cast(pl.Float64).sum()]
    return ledger.group_by("model", "reason", maintain_order=True).agg(counted)


def _top(ledger: pl.LazyFrame) -> pl.LazyFrame:
    wanted = ("model", "variant_id", "record", "effect_allele", "effect_weight",
              "effect_allele_frequency", "share", "reason")  # fmt: skip
    known = ledger.select(wanted).with_columns(pl.col("share").cast(pl.Float64))
    ordered = known.filter(pl.col("share") > 0).sort("share", descending=True, maintain_order=True)
    return ordered.group_by("model", maintain_order=True).head(MOST_TOP)


MODELS = Need("risk", "models.tsv", None, "models")
FATES = Need("risk", "ledger.tsv.gz", _fates, "fates")
NEEDS = (
    Need("risk", "risk.parquet", present(*SCORES), "scores"),
    MODELS,
    FATES,
    Need("risk", "ledger.tsv.gz", _top, "top"),
    Need("structure", "ancestry.parquet", present("sample", "most_similar_population"), "nearest"),
    Need("structure", "groups.parquet", present("sample", "group"), "given"),
    Need("qc", "samples.parquet", present("sample", "group", "call_rate", "pass", "reason"),
         "samples"),
)  # fmt: skip


@dataclass(frozen=True)
class ModelScores:
    """One model in one risk run.

    index  : 1, 2 ... over all risk runs of the page
    page   : of its run, with every sample under the name that the page gives it
    digest : of the model
    frame  : its rows of the run's table, in the columns of SCORES that are there, samples renamed
    kind   : quantitative, binary or survival, where a training run of the page tells; else ""
    title  : its name, with the place of the run where several have a model of that name
    """

    index: int
    run: RunRecord
    page: RiskPage
    digest: ModelDigest
    frame: pl.DataFrame
    kind: str = ""
    title: str = ""

    @property
    def name(self) -> str:
        """The model's name."""
        return self.digest.name

    @property
    def trait(self) -> str:
        """What it predicts."""
        return str(self.digest.row["trait"] or "")

    @property
    def told(self) -> str:
        """What the head of its card says beside its name: the trait, and the run."""
        words = [self.trait] if self.trait != self.name else []
        return ", ".join([*words, self.run.place])

    @property
    def predicts(self) -> bool:
        """Whether it says more than a score: it is a trained bundle."""
        return "prediction" in self.frame.columns and self.frame["prediction"].count() > 0

    @property
    def probability(self) -> bool:
        """Whether its predictions are known to be probabilities."""
        return self.predicts and self.kind in ("binary", "survival")

    @property
    def unit(self) -> str:
        """What its predictions are."""
        if self.kind in ("binary", "survival"):
            return "probability"
        return "value" if self.kind else "prediction"


@dataclass(frozen=True)
class Grouping:
    """Which group of people each sample is in.

    group : sample as the page calls it -> group
    told  : what the groups are, in words
    run, file : where that stands
    """

    group: Mapping[str, str]
    told: str
    run: RunRecord
    file: str


def scored_models(data: ReportData) -> list[ModelScores]:
    """Every model of every risk run, in the order of the runs and of their models.tsv."""
    found: list[ModelScores] = []
    for run in data.of("risk"):
        if "scores" not in run.tables or "models" not in run.tables:
            continue
        page = _page(data, run)
        frames = page.risk.partition_by("model", as_dict=True, maintain_order=True)
        for digest in digest_models(page):
            frame = frames.get((digest.name,), page.risk.clear())
            index = len(found) + 1
            own = ModelScores(index, run, page, replace(digest, index=index), frame)
            trained = training_of(data, own)
            kind = str(trained[1].get("kind") or "") if trained else ""
            found.append(replace(own, kind=kind))
    times = Counter(model.name for model in found)
    return [
        replace(m, title=m.name if times[m.name] == 1 else f"{m.name}, {m.run.place}")
        for m in found
    ]


def _page(data: ReportData, run: RunRecord) -> RiskPage:
    scores, record = run.tables["scores"], run.record
    shown = {s: data.people.shown(s) for s in scores["sample"].unique().to_list()}
    risk = scores.with_columns(pl.col("sample").replace_strict(shown, return_dtype=pl.String))
    nothing = pl.DataFrame({"model": []}, schema={"model": pl.String})
    return RiskPage(
        title=run.name,
        cohort="",
        n_samples=len(shown),
        build=(record.get("build") or {}).get("name"),
        build_evidence="",
        version=data.version,
        command="",
        started="",
        seconds=0.0,
        settings=record.get("settings") or {},
        models=run.tables["models"],
        risk=risk,
        ledger_counts=run.tables.get("fates", nothing),
        top_variants=run.tables.get("top", nothing),
        record_counts=record.get("records") or {},
    )


def training_of(data: ReportData, model: ModelScores) -> tuple[RunRecord, Mapping[str, Any]] | None:
    """The training run that made a model, and its part on the trait; None where there is none."""
    source = PurePosixPath(str(model.digest.row["source"] or ""))
    for run in data.of("train"):
        stem = PurePosixPath(run.place).name.removesuffix(".training")
        if stem not in {source.stem, source.name, source.parent.name}:
            continue
        for part in run.record.get("traits") or ():
            if part.get("trait") == model.trait:
                return run, part
    return None


def evaluations_of(data: ReportData, model: ModelScores) -> list[RunRecord]:
    """Evaluations of a model: of its training's predictions, or of its column of this risk run."""
    trained = training_of(data, model)
    found = []
    for run in data.of("evaluate"):
        folders = {_folder(path) for path in run.record.get("inputs") or {}}
        trait = (run.record.get("trait") or {}).get("name")
        learned = bool(trained) and _folder(f"{trained[0].place}/x") in folders  # type: ignore[index]
        scored = _folder(f"{model.run.place}/x") in folders and model.name in _predictions(run)
        if (learned and trait == model.trait) or scored:
            found.append(run)
    return found


def _folder(path: str) -> str:
    """The last two folders of a file: enough to tell runs apart, wherever a command was given."""
    return PurePosixPath(path).parent.name


def _predictions(run: RunRecord) -> set[str]:
    """Names of the predictions that were evaluated, as MODEL or MODEL:COLUMN."""
    return {name.partition(":")[0] for name in run.record.get("scales") or {}}


def grouping(data: ReportData) -> Grouping | None:
    """Groups of people: by a reference where there is one, else those that a command was given.

    Runs of several cohorts add up; who is in two groups is in that of the first run.
    """
    nearest, given = "most similar population of the reference", "given by --groups"
    for command, table, column, file, told in (
        ("risk", "scores", "most_similar_population", "risk.tsv", nearest),
        ("structure", "nearest", "most_similar_population", "ancestry.tsv", nearest),
        ("structure", "given", "group", "groups.tsv", given),
        ("qc", "samples", "group", "samples.tsv", given),
    ):
        group: dict[str, str] = {}
        runs = []
        for run in data.of(command):
            if table in run.tables and column in run.tables[table].columns:
                known = run.tables[table].select("sample", pl.col(column).cast(pl.String))
                runs += [run]
                for sample, name in known.drop_nulls().unique(maintain_order=True).iter_rows():
                    if name:
                        group.setdefault(data.people.shown(sample), name)
        if len(set(group.values())) > 1:
            return Grouping(group, told, runs[0], file)
    return None


def values_of(model: ModelScores) -> tuple[np.ndarray, str]:
    """What is drawn of a model: predictions, or scores; float64 with NaN, and the column's name."""
    column = "prediction" if model.predicts else "score"
    return floats(model.frame, column), column


def axis_label(model: ModelScores) -> str:
    """What the values of a model are, in words under an axis."""
    if not model.predicts:
        return f"score ({score_unit(model.digest.facts)})"
    if model.probability:
        return "predicted probability (log odds scale)"
    return f"predicted {shortened(model.trait, 40)}"


def by_group(model: ModelScores, groups: Grouping | None) -> Sequence[tuple[str, np.ndarray]]:
    """Finite values in each group, groups in alphabetical order; none without groups."""
    if groups is None:
        return []
    values = values_of(model)[0]
    own = np.array([groups.group.get(s, "") for s in model.frame["sample"].to_list()], object)
    found = []
    for name in sorted(set(own) - {""}):
        there = values[(own == name) & np.isfinite(values)]
        if len(there):
            found.append((name, there))
    return found


def parse_moved(text: str | None) -> list[tuple[str, float]]:
    """Terms and what each adds, of a text of `genomed risk` such as "rs1=2 +0.3; age -0.1"."""
    found = []
    for part in (text or "").split("; "):
        term, _, size = part.rpartition(" ")
        try:
            found.append((term, float(size)))
        except ValueError:
            continue
    return [(term, size) for term, size in found if term]
