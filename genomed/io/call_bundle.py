"""Bundles of a trained caller: weights, how they came about, and a card for people.

A bundle is a directory, or the same files in a .zip:

    model.json           kind "call-net", format version, name, sizes, calibration, verdicts,
                         measures, provenance, the digest of every file
    weights.safetensors  every array, by stage and name
    CARD.md              the card

Nothing is pickled. Opening checks every digest, and refuses what it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from genomed.errors import InputError
from genomed.io.outputs import OutputDirectory
from genomed.io.sealed import Seal, open_sealed, write_sealed

__all__ = ["CallBundle", "open_call_bundle", "shipped_call_bundle", "write_call_bundle"]

_SEAL = Seal(
    kind="call-net",
    what="a caller",
    remedy="make one with `genomed reads train`",
    card="model.json",
    version=1,
    files=("weights.safetensors", "CARD.md"),
)


@dataclass(frozen=True)
class CallBundle:
    """An open bundle: where it lies, its arrays by name, and what model.json says."""

    path: Path
    tensors: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]
    card: str


def shipped_call_bundle() -> Path:
    """The general caller for short reads that comes with the package."""
    return Path(__file__).parent.parent / "callers" / "short_reads"


def write_call_bundle(
    out: Path, *, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any], card: str
) -> None:
    """Write a bundle as a directory, or as one file where `out` ends in .zip.

    Raises OutputError where nothing can be written; then nothing is left. The same content gives
    the same bytes.
    """

    def fill(directory: OutputDirectory) -> dict[str, Any]:
        arrays = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
        with directory.explained():
            directory.place("weights.safetensors").write_bytes(save(arrays))
        directory.write_text("CARD.md", card)
        return dict(facts)

    write_sealed(out, _SEAL, fill)


def open_call_bundle(path: Path) -> CallBundle:
    """Open a bundle, having checked all of its files.

    Raises InputError, with the remedy, for a bundle that is damaged, changed or of another format.
    """
    sealed = open_sealed(path, _SEAL)
    try:
        tensors = load_file(sealed.directory / "weights.safetensors")
        card = (sealed.directory / "CARD.md").read_text(encoding="utf-8")
    except (SafetensorError, OSError, ValueError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: does not hold what a bundle must ({why}); make it again") from (
            None
        )
    return CallBundle(path, tensors, sealed.card, card)
