"""The caller that `genomed reads call` and `reads score` use: the shipped one, or the user's."""

from __future__ import annotations

from pathlib import Path

from genomed.errors import InputError
from genomed.features.call_sites import EVIDENCE_NAMES, PILEUP_NAMES
from genomed.io.call_bundle import open_call_bundle, shipped_call_bundle
from genomed.models.call_model import CallModel

__all__ = ["load_call_model"]


def load_call_model(path: Path | None = None) -> CallModel:
    """Open a caller, by default the one that is shipped.

    Raises InputError, with the remedy, for a bundle that is damaged or does not fit this version.
    """
    bundle = open_call_bundle(shipped_call_bundle() if path is None else path)
    try:
        model = CallModel.from_parts(bundle.tensors, bundle.facts["model"])
        model.check_names(PILEUP_NAMES, EVIDENCE_NAMES)
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{bundle.path}: cannot be used ({error}); train it again with `genomed reads train`, "
            "or call with --model none"
        ) from None
    return model
