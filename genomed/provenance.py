"""What made a file: version, command, settings, inputs and their digests."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from genomed import __version__

__all__ = ["file_fingerprint", "record"]

WHOLE_BYTES = 256 << 20  # files up to this size are digested whole
_EDGE_BYTES = 1 << 20


def record(
    command: str, settings: Any, inputs: Mapping[str, Mapping[str, Any]], seed: int | None = None
) -> dict[str, Any]:
    """The part of a run that decides its results: the same for the same input and settings.

    settings : a frozen dataclass
    inputs   : path as given -> fingerprint
    """
    return {
        "program": "genomed",
        "version": __version__,
        "command": command,
        "settings": dataclasses.asdict(settings),
        "inputs": {path: dict(facts) for path, facts in inputs.items()},
        "seed": seed,
        "python": platform.python_version(),
        "packages": {
            name: metadata.version(name) for name in ("numpy", "numba", "polars", "pysam")
        },
    }


def file_fingerprint(path: Path, sha256: str | None = None) -> dict[str, Any]:
    """Size and digest of a file; of one above 256 MiB only the first and last MiB are digested.

    sha256 : digest of the whole file, when a reader has already made it
    """
    size = path.stat().st_size
    if sha256 is not None:
        return {"bytes": size, "sha256": sha256}
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if size <= WHOLE_BYTES:
            while block := file.read(_EDGE_BYTES):
                digest.update(block)
            return {"bytes": size, "sha256": digest.hexdigest()}
        digest.update(file.read(_EDGE_BYTES))
        file.seek(-_EDGE_BYTES, 2)
        digest.update(file.read(_EDGE_BYTES))
    return {"bytes": size, "sha256_of_first_and_last_mib": digest.hexdigest()}
