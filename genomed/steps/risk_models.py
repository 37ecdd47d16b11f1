"""The models a risk run scores with: files, bundles, names of the library, or the bundled panel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from genomed.io.library import RISK, bundle_kind, locate_model, panel_paths, read_named_models
from genomed.io.scorefile import read_models
from genomed.schema import ScoreModel
from genomed.steps.risk_inputs import RiskInputs

__all__ = ["read_all_models"]


def read_all_models(inputs: RiskInputs) -> list[ScoreModel]:
    """The models asked for, or the bundled panel; names made unique."""
    if inputs.models:
        models = [m for text in inputs.models for m in _read_models(text, inputs.library)]
    else:
        models = [
            replace(m, source="bundled panel") for path in panel_paths() for m in read_models(path)
        ]
    seen: dict[str, int] = {}
    unique = []
    for model in models:
        n = seen[model.name] = seen.get(model.name, 0) + 1
        unique.append(model if n == 1 else replace(model, name=f"{model.name}#{n}"))
    return unique


def _read_models(text: str, library: Path | None) -> Sequence[ScoreModel]:
    """The scores of a file, or the one of a bundle."""
    path = locate_model(text, library)
    if bundle_kind(path) == RISK:
        from genomed.steps.risk_bundles import read_bundle  # noqa: PLC0415 - few runs need it

        return [read_bundle(path)]
    return read_named_models(text, library)
