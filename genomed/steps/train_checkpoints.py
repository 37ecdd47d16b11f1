"""What `genomed train` keeps while it runs, so that a killed run can go on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genomed import __version__
from genomed.features.design import Design
from genomed.io.checkpoints import Checkpoints
from genomed.io.stage_files import StageFiles
from genomed.io.traits import Trait
from genomed.models.memory import Remembered
from genomed.models.parallel import ALONE, Workers
from genomed.models.training import Kept
from genomed.settings import TrainSettings
from genomed.steps.train_data import TrainData

__all__ = ["CheckpointDirectory", "beside"]


def beside(out: Path, what: str) -> Path:
    """``OUT.what``, where a run keeps what is no part of its bundles."""
    stem = out.with_suffix("") if out.suffix == ".zip" else out
    stem = stem if stem.name not in ("", "..") else stem.resolve()
    return stem.with_name(f"{stem.name}.{what}")


class CheckpointDirectory:
    """``OUT.checkpoints``: a directory for each trait, and one for the net."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path, self.fingerprint = path, fingerprint

    @classmethod
    def open(
        cls,
        out: Path,
        settings: TrainSettings,
        digests: Mapping[str, Mapping[str, Any]],
        data: TrainData,
        design: Design,
        *,
        resume: bool,
        workers: Workers = ALONE,
    ) -> CheckpointDirectory:
        """What an earlier run left is looked at only to resume it; otherwise it is removed.

        workers : of several processes the first removes it
        """
        said = {
            "version": __version__,
            "settings": dataclasses.asdict(settings),
            "inputs": sorted(json.dumps(facts, sort_keys=True) for facts in digests.values()),
            "arrays": [
                hashlib.sha256(part.tobytes()).hexdigest()
                for part in (data.fold, data.rows, data.group, design.matrix, design.categories)
            ],
            "columns": [design.names, design.category_names],
            "processes": workers.size,
            "traits": [_said_of(trait) for trait in data.traits.traits],
        }
        digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
        path = beside(out, "checkpoints")
        if not resume and workers.rank == 0:
            shutil.rmtree(path, ignore_errors=True)
        return cls(path, digest)

    def of_trait(self, number: int) -> TraitMemory:
        """Of the stages of one trait."""
        return TraitMemory(StageFiles(self.path / f"trait-{number}", self.fingerprint))

    def stage_files(self, name: str) -> StageFiles:
        """Of what is neither a trait's nor the net's."""
        return StageFiles(self.path / name, self.fingerprint)

    def of_net(self) -> NetKeeper:
        """Of the net's epochs."""
        return NetKeeper(Checkpoints(self.path / "net", self.fingerprint))

    def clear(self) -> None:
        """Remove everything, as the run is complete."""
        shutil.rmtree(self.path, ignore_errors=True)


def _said_of(trait: Trait) -> list[str]:
    """A trait as its columns were read: which they are, and of what kind, options say."""
    arrays = [part for part in (trait.value, trait.time, trait.entry) if part is not None]
    return [trait.name, trait.kind, *(hashlib.sha256(a.tobytes()).hexdigest() for a in arrays)]


class TraitMemory:
    """genomed.models.memory.Memory in files."""

    def __init__(self, files: StageFiles) -> None:
        self.files = files

    def recall(self, name: str) -> Remembered | None:
        """What was kept under a name."""
        found = self.files.load(name)
        return None if found is None else Remembered(*found)

    def keep(self, name: str, result: Remembered) -> None:
        """Keep a result."""
        self.files.save(name, result.arrays, result.facts)


class NetKeeper:
    """genomed.models.training.Keeper in files."""

    def __init__(self, files: Checkpoints) -> None:
        self.files = files

    def load(self) -> Kept | None:
        """The last epoch that was finished."""
        found = self.files.load()
        return None if found is None else Kept(*found)

    def save(
        self,
        epoch: int,
        snapshot: Mapping[str, np.ndarray],
        optimiser: Mapping[str, np.ndarray],
        facts: Mapping[str, Any],
    ) -> None:
        """Keep an epoch."""
        self.files.save(epoch, snapshot, optimiser, facts)
