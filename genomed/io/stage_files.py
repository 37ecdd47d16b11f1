"""Results of the stages of one training run, a file for each, so that a killed run can go on.

A file is safetensors, its header holds the facts and the fingerprint of the run. It appears by a
rename, so it is whole or not there. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from genomed.errors import InputError, OutputError

__all__ = ["StageFiles"]


class StageFiles:
    """The stages of one run in a directory of their own.

    fingerprint : tells this run from any other: data, settings, seed, version
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path, self.fingerprint = path, fingerprint

    def load(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Arrays and facts that were kept under a name, or None.

        Raises InputError for a file of another run, or a damaged one.
        """
        place = self._place(name)
        if not place.exists():
            return None
        try:
            with safe_open(place, "np") as file:
                metadata = file.metadata() or {}
                if metadata.get("fingerprint") != self.fingerprint:
                    raise self._refused(place, "is of a run with other data, settings or versions")
                arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no dict
                return arrays, dict(json.loads(metadata["facts"]))
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise self._refused(place, f"cannot be read ({error})") from None

    def save(self, name: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Keep arrays and what JSON holds; raises OutputError where they cannot be written."""
        metadata = {"fingerprint": self.fingerprint, "facts": json.dumps(facts)}
        content = save({k: np.ascontiguousarray(v) for k, v in arrays.items()}, metadata)
        place = self._place(name)
        beside = place.with_name(f".{place.name}.part")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(place)
        except OSError as error:
            raise OutputError(
                f"{place}: cannot be written ({error.strerror}); free some space or choose another "
                "--out"
            ) from None

    def clear(self) -> None:
        """Remove everything, as the run is complete."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _place(self, name: str) -> Path:
        return self.path / f"{name}.safetensors"

    def _refused(self, place: Path, why: str) -> InputError:
        return InputError(f"{place}: {why}; remove {self.path}, or train without --resume")
