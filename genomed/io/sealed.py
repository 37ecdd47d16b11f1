"""Sealed bundles: a directory, or the same files in a .zip, with a card that lists their digests.

Opening checks every digest before anything is read, and refuses a file that has no place in the
bundle, a version it does not know and a path that leads elsewhere. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import weakref
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genomed.errors import InputError, OutputError
from genomed.io.archives import DAMAGED_ZIP, zip_bundle
from genomed.io.outputs import OutputDirectory, hidden_directory

__all__ = ["Seal", "Sealed", "open_sealed", "write_sealed"]

_MAX_CARD_BYTES = 1 << 24


@dataclass(frozen=True)
class Seal:
    """What a kind of bundle consists of.

    kind     : as in the card, for example "reference"
    what     : as in messages, "a reference bundle"
    remedy   : how to make one
    card     : the file that lists the others
    version  : of the format; no other is read
    files    : every other file
    """

    kind: str
    what: str
    remedy: str
    card: str
    version: int
    files: tuple[str, ...]


class Sealed:
    """An open bundle; files from a .zip last as long as this object.

    path      : what was opened
    directory : where its files lie
    card      : what the card says
    """

    def __init__(self, path: Path) -> None:
        self.path = self.directory = path
        self.card: dict[str, Any] = {}
        if not path.is_dir():
            self.directory = Path(tempfile.mkdtemp(prefix="genomed-bundle-"))
            weakref.finalize(self, shutil.rmtree, self.directory, True)


def write_sealed(out: Path, seal: Seal, fill: Callable[[OutputDirectory], dict[str, Any]]) -> None:
    """Write a bundle as a directory, or as one file where `out` ends in .zip.

    fill : writes the files of the seal, and returns what else the card shall say
    Raises OutputError where nothing can be written; then nothing is left. The same content gives
    the same bytes.
    """
    if out.suffix != ".zip":
        _write_directory(out, seal, fill)
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{out}: cannot be written ({error.strerror}); try another --out"
        ) from None
    with hidden_directory(out.parent) as scratch:
        _write_directory(scratch / "bundle", seal, fill)
        zip_bundle(scratch / "bundle", out)


def _write_directory(
    out: Path, seal: Seal, fill: Callable[[OutputDirectory], dict[str, Any]]
) -> None:
    with OutputDirectory(out) as directory:
        facts = fill(directory)
        with directory.explained():
            made = {file: directory.made(file) for file in seal.files}
            digests = {
                file: {"bytes": path.stat().st_size, "sha256": _digest(path)}
                for file, path in made.items()
            }
        own = {"kind": seal.kind, "format": seal.version}
        card = own | {k: v for k, v in facts.items() if k not in own} | {"files": digests}
        directory.write_text(seal.card, json.dumps(card, indent=1) + "\n")


def open_sealed(path: Path, seal: Seal) -> Sealed:
    """Open a bundle, having checked all of its files.

    Raises InputError, with the remedy, for one that is damaged, changed or of another format.
    """
    sealed = Sealed(path)
    if path.is_dir():
        sealed.card = _card(path, seal, _read(path, seal))
        for file in seal.files:
            if not (path / file).is_file():
                raise InputError(f"{path}: {file} is missing; copy the whole bundle again")
    else:
        sealed.card = _unzip(path, seal, sealed.directory)
    for file, promised in sealed.card["files"].items():
        if _digest(sealed.directory / file) != promised["sha256"]:
            raise InputError(f"{path}: {file} was changed or damaged; copy the bundle again")
    return sealed


def _read(bundle: Path, seal: Seal) -> bytes:
    file = bundle / seal.card
    try:
        if file.stat().st_size > _MAX_CARD_BYTES:
            raise InputError(f"{bundle}: {seal.card} is too large for one; make the bundle again")
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            f"{bundle}: is not {seal.what}, {seal.card} cannot be read ({error.strerror}); "
            f"{seal.remedy}"
        ) from None


def _card(path: Path, seal: Seal, text: bytes) -> dict[str, Any]:
    """What the card says, if this version can read such a bundle."""
    try:
        card = json.loads(text)
        kind, version = card["kind"], card["format"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: {seal.card} is damaged; copy the bundle again") from None
    if kind != seal.kind:
        raise InputError(f"{path}: is a bundle of kind {kind!r}, and {seal.what} is needed")
    if version != seal.version:
        raise InputError(
            f"{path}: is of format {version!r}, and this genomed reads {seal.version}; use the "
            "genomed that made it, or make it again"
        )
    files = card.get("files")
    if (
        not isinstance(files, dict)
        or set(files) != set(seal.files)
        or not all(isinstance(f, dict) and {"bytes", "sha256"} <= f.keys() for f in files.values())
    ):
        raise InputError(f"{path}: {seal.card} does not list a bundle's files; make it again")
    return dict(card)


def _unzip(path: Path, seal: Seal, target: Path) -> dict[str, Any]:
    """Copy the files that a bundle has, and refuse an archive with any others."""
    expected = {seal.card, *seal.files}
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist()]
            odd = sorted(set(names) - expected) or [n for n in names if names.count(n) > 1]
            if odd:
                raise InputError(f"{path}: {odd[0][:200]!r} has no place in {seal.what}")
            if set(names) != expected:
                absent = sorted(expected - set(names))[0]
                raise InputError(f"{path}: is not {seal.what}, whole: {absent} is missing")
            if archive.getinfo(seal.card).file_size > _MAX_CARD_BYTES:
                raise InputError(f"{path}: {seal.card} is too large for one; make it again")
            card = _card(path, seal, archive.read(seal.card))
            for file in seal.files:
                if archive.getinfo(file).file_size != card["files"][file]["bytes"]:
                    raise InputError(f"{path}: {file} was changed or damaged; copy it again")
                with archive.open(file) as source, (target / file).open("wb") as sink:
                    shutil.copyfileobj(source, sink)
            return card
    except (OSError, *DAMAGED_ZIP) as error:
        raise InputError(
            f"{path}: cannot be read as {seal.what} ({error}); copy it again, or {seal.remedy}"
        ) from None


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
