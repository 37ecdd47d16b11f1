"""What made a file: version, command, settings, inputs and their digests."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from genomed import __version__

__all__ = ["Fingerprints", "file_fingerprint", "record"]

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


class Fingerprints:
    """Fingerprints of files, made in the background from the moment it is known they are needed.

    Used in a `with` block, whose end waits for those that were begun.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="genomed-digest")
        self._begun: dict[Path, Future[dict[str, Any]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def begin(self, path: Path) -> None:
        """Start on a file, unless it was begun before or there is no such file."""
        if path not in self._begun and path.is_file():
            self._begun[path] = self._pool.submit(file_fingerprint, path)

    def of(self, path: Path) -> dict[str, Any]:
        """What `file_fingerprint` returns, now or once it is ready."""
        future = self._begun.get(path)
        return file_fingerprint(path) if future is None else future.result()
