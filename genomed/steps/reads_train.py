"""`genomed reads train`: a caller, with nets only where they beat the likelihood of the reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genomed import __version__
from genomed.errors import InputError
from genomed.features.call_sites import EVIDENCE_NAMES, PILEUP_NAMES
from genomed.io.call_bundle import write_call_bundle
from genomed.models.call_stages import FittedCaller, fit_caller, measure_stage
from genomed.models.call_training import CallData
from genomed.models.likelihood_stage import InputNames
from genomed.provenance import Fingerprints, record
from genomed.report.call_card import call_card, caller_verdict
from genomed.settings import CallTrainSettings
from genomed.steps.clock import Clock
from genomed.steps.reads_train_data import Source, TrainingReads, gather_sites

__all__ = ["ReadsTrainSummary", "TrainingReads", "run_reads_train"]

Progress = Callable[[str, float], None]


@dataclass
class ReadsTrainSummary:
    """What a run found: the bundle, and what its model.json says."""

    out: Path
    facts: dict[str, Any]
    timings: dict[str, float] = field(default_factory=dict)


def run_reads_train(
    inputs: Sequence[TrainingReads],
    out: Path,
    settings: CallTrainSettings,
    *,
    judge_by: Sequence[Path] = (),
    name: str = "short reads",
    threads: int = 1,
    progress: Progress | None = None,
    command: str = "genomed reads train",
) -> ReadsTrainSummary:
    """Train a caller and write its bundle, a directory or a .zip.

    judge_by : those of the reads that stages are judged by, and nothing is learned from; pieces of
               genome of all reads by default
    With one thread the same reads and seed give the same bytes.
    Raises InputError for files that cannot be read or do not belong together, OutputError where
    nothing can be written; no bundle is left then.
    """
    progress = progress or (lambda *_: None)
    clock = Clock()
    with Fingerprints() as fingerprints:
        files = list(dict.fromkeys(path for source in inputs for path in source.files))
        for path in files:
            fingerprints.begin(path)
        sources: list[Source] = []
        for i, source in enumerate(inputs):
            progress(f"sites of {source.reads.name}", i / len(inputs))
            sources += gather_sites(source, settings, threads=threads)
        clock.lap("sites")
        data = CallData.join([source.data for source in sources])
        judge = _judged(sources, judge_by)
        try:
            names = InputNames(PILEUP_NAMES, EVIDENCE_NAMES)
            fitted = fit_caller(
                data, names, settings, matrices=_matrices(sources, settings), judge=judge,
                threads=threads, progress=progress,
            )  # fmt: skip
        except ValueError as error:
            raise InputError(
                f"{inputs[0].truth}: too little to learn from ({error}); give more reads"
            ) from None
        clock.lap("nets")
        digests = {str(path): fingerprints.of(path) for path in files}
    facts = _facts(name, fitted, data, sources, settings, judge_by)
    facts["provenance"] = record(command, settings, digests, settings.seed)
    write_call_bundle(out, tensors=fitted.model.tensors(), facts=facts, card=call_card(facts))
    clock.lap("write")
    return ReadsTrainSummary(out, facts, clock.phases)


def _judged(sources: Sequence[Source], judge_by: Sequence[Path]) -> np.ndarray | None:
    """Sites of the libraries to judge by: bool (sites,); None without any."""
    if not judge_by:
        return None
    names = {str(path) for path in judge_by}
    inside = [np.full(len(source.data.truth), source.reads in names) for source in sources]
    return np.concatenate(inside)


def _matrices(
    sources: Sequence[Source], settings: CallTrainSettings
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows of all data and their matrices, not more than asked for; None where none are."""
    if not settings.max_matrices:
        return None
    first = np.cumsum([0, *(len(source.data.truth) for source in sources)])
    rows = np.concatenate([at + source.rows for at, source in zip(first, sources, strict=False)])
    matrices = np.concatenate([source.matrices for source in sources])
    if len(rows) > settings.max_matrices:
        order = np.random.default_rng((settings.seed, 3)).permutation(len(rows))
        some = np.sort(order[: settings.max_matrices])
        rows, matrices = rows[some], matrices[some]
    return rows, matrices


def _facts(
    name: str,
    fitted: FittedCaller,
    data: CallData,
    sources: Sequence[Source],
    settings: CallTrainSettings,
    judge_by: Sequence[Path],
) -> dict[str, Any]:
    """What model.json says, but for provenance."""
    verdicts = [verdict._asdict() for verdict in fitted.verdicts]
    return {
        "name": name,
        "version": __version__,
        "verdict": caller_verdict({"verdicts": verdicts, "judged_by": judge_by}),
        "model": fitted.model.facts(),
        "n_weights": sum(array.size for array in fitted.model.tensors().values()),
        "verdicts": verdicts,
        "measures": [asdict(measure) for measure in fitted.measures],
        "by_depth": _by_depth(fitted, data, sources),
        "epochs": {net: [epoch._asdict() for epoch in epochs]
                   for net, epochs in fitted.epochs.items()},
        "sites": {**{part: len(rows) for part, rows in fitted.parts._asdict().items()},
                  "blocks": len(np.unique(data.block))},
        "sources": [source.facts() for source in sources],
        "judged_by": sorted({str(path) for path in judge_by}),
        "settings": asdict(settings),
    }  # fmt: skip


def _by_depth(
    fitted: FittedCaller, data: CallData, sources: Sequence[Source]
) -> list[dict[str, Any]]:
    """How the caller does at each depth, on the sites that it was judged by."""
    depth = np.concatenate([np.full(len(s.data.truth), round(s.depth)) for s in sources])
    judged = fitted.parts.judge
    return [
        asdict(measure)
        for one in np.unique(depth)
        for measure in measure_stage(
            f"{one}x", fitted.log_probability, data, judged[depth[judged] == one]
        )
    ]
