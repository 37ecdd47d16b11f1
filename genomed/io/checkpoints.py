"""Checkpoints of training: after each epoch all that is needed to go on as if nothing had happened.

A directory holds one safetensors file per finished epoch (the nets), one for the optimiser, and
``progress.json``, which names them with their digests. It is replaced last, by a rename: a kill at
any moment leaves the epoch before, whole. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from genomed.errors import InputError, OutputError

__all__ = ["Checkpoints", "SavedRun"]

PROGRESS = "progress.json"
FORMAT = 1


class SavedRun(NamedTuple):
    """A run after some epoch.

    epoch     : the last that was finished
    snapshots : arrays of each epoch from 0 on
    optimiser : arrays
    facts     : anything that JSON holds
    """

    epoch: int
    snapshots: list[dict[str, np.ndarray]]
    optimiser: dict[str, np.ndarray]
    facts: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run in a directory of their own.

    fingerprint : tells this run from any other: data, settings, seed, versions
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path, self.fingerprint = path, fingerprint
        self._files: dict[str, str] = {}  # name -> SHA-256, of the epochs kept so far

    def load(self) -> SavedRun | None:
        """What was kept, or None when there is nothing.

        Raises InputError for checkpoints of another run and for damaged ones.
        """
        place = self.path / PROGRESS
        if not place.exists():
            return None
        try:
            progress = json.loads(place.read_text())
            if progress["format"] != FORMAT:
                raise self._refused(f"has format {progress['format']}, not {FORMAT}")
            if progress["fingerprint"] != self.fingerprint:
                raise self._refused("is of a run with other data, settings, seed or versions")
            epoch, names = int(progress["epoch"]), dict(progress["files"])
            snapshots = [self._read(_epoch_name(i), names) for i in range(epoch + 1)]
            optimiser = self._read(_optimiser_name(epoch), names)
            facts = dict(progress["facts"])
        except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
            raise self._refused(f"cannot be read ({type(error).__name__}: {error})") from None
        self._files = {name: d for name, d in names.items() if name.startswith("epoch-")}
        return SavedRun(epoch, snapshots, optimiser, facts)

    def save(
        self,
        epoch: int,
        snapshot: Mapping[str, np.ndarray],
        optimiser: Mapping[str, np.ndarray],
        facts: Mapping[str, Any],
    ) -> None:
        """Keep an epoch, whole or not at all. Raises OutputError when it cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._files[_epoch_name(epoch)] = self._write(_epoch_name(epoch), save(dict(snapshot)))
            name = _optimiser_name(epoch)
            digest = self._write(name, save(dict(optimiser)))
            progress = {
                "format": FORMAT,
                "fingerprint": self.fingerprint,
                "epoch": epoch,
                "files": self._files | {name: digest},
                "facts": dict(facts),
            }
            self._write(PROGRESS, json.dumps(progress, indent=1, allow_nan=False).encode())
            (self.path / _optimiser_name(epoch - 1)).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{self.path}: the checkpoint of epoch {epoch} cannot be written "
                f"({error.strerror}); free some space or choose another directory"
            ) from None

    def clear(self) -> None:
        """Remove all checkpoints, as their run is complete."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _write(self, name: str, data: bytes) -> str:
        """Write a file through a name beside it, down to the disk; returns its digest."""
        beside = self.path / f".{name}.part"
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path / name)
        return hashlib.sha256(data).hexdigest()

    def _read(self, name: str, digests: Mapping[str, str]) -> dict[str, np.ndarray]:
        data = (self.path / name).read_bytes()
        if hashlib.sha256(data).hexdigest() != digests[name]:
            raise ValueError(f"{name} is not what was written")
        return load(data)

    def _refused(self, why: str) -> InputError:
        return InputError(f"{self.path}: the checkpoint {why}; remove it or train without --resume")


def _epoch_name(epoch: int) -> str:
    return f"epoch-{epoch:04d}.safetensors"


def _optimiser_name(epoch: int) -> str:
    return f"optimiser-{epoch:04d}.safetensors"
