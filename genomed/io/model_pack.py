"""Carry models to a machine without a network: one file that holds them and their digests.

A pack is a .tar (or .zip) with a directory per model, as it stands in the library, and a file
SHA256SUMS over all of them. The same models give the same bytes. Unpacking trusts nothing: names
must be plain, entries must be files, and every digest must fit before anything is installed.
"""

import hashlib
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from genomed.errors import InputError
from genomed.io.archives import DAMAGED_ZIP, write_archive
from genomed.io.library import (
    CARD,
    Entry,
    add_model,
    bundle_kind,
    check_name_is_free,
    describe,
    file_digest,
    is_zip,
    library_entries,
)

__all__ = ["is_pack", "read_pack", "write_pack"]

SUMS = "SHA256SUMS"

_MEMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*/[A-Za-z0-9][A-Za-z0-9._+-]*")
_MAX_SUMS_BYTES = 1 << 24


def is_pack(path: Path) -> bool:
    """Whether a file is a tar or zip archive of models, by what it holds."""
    if bundle_kind(path) is not None:
        return False
    try:
        return is_zip(path) or tarfile.is_tarfile(path)
    except (OSError, EOFError, zlib.error):
        return False


def write_pack(entries: list[Entry], out: Path) -> None:
    """Write models and their digests to a .tar or .zip; the same models give the same bytes."""
    members = sorted(_members(entries))
    sums = "".join(f"{_digest(content)}  {name}\n" for name, content in members).encode()
    members.insert(0, (SUMS, sums))
    write_archive(members, out)


def _members(entries: list[Entry]) -> Iterator[tuple[str, Path | bytes]]:
    for entry in entries:
        yield f"{entry.name}/{entry.path.name}", entry.path
        yield f"{entry.name}/{CARD}", entry.card().encode()


def _digest(content: Path | bytes) -> str:
    if isinstance(content, Path):
        return file_digest(content)
    return hashlib.sha256(content).hexdigest()


def read_pack(path: Path, library: Path, *, replace_it: bool = False) -> list[Entry]:
    """Check a pack and add all its models to a library; none is added unless all are sound.

    Raises InputError when the archive is damaged, holds anything but plain files of models, or a
    digest does not fit.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    if not is_pack(path):
        raise InputError(f"{path}: is not a pack; add a scoring file with `genomed models add`")
    with tempfile.TemporaryDirectory(prefix="genomed-") as scratch:
        unpacked = Path(scratch)
        try:
            _unpack(path, unpacked)
        except (tarfile.TarError, *DAMAGED_ZIP) as error:
            raise InputError(f"{path}: the archive is damaged ({error}); copy it again") from None
        _check_sums(path, unpacked)
        entries = library_entries(unpacked)
        for entry in entries:
            if not entry.path.is_file() or file_digest(entry.path) != entry.sha256:
                raise InputError(f"{path}: {entry.name} is not what its card says; pack it again")
            describe(entry)
            if not replace_it:
                check_name_is_free(library, entry)
        return [_added(library, entry, replace_it) for entry in entries]


def _added(library: Path, entry: Entry, replace_it: bool) -> Entry:
    return add_model(
        library,
        entry.path,
        name=entry.name,
        source=entry.source,
        added=entry.added,
        replace_it=replace_it,
    )


def _unpack(path: Path, target: Path) -> None:
    """Copy out the members, having refused every name and kind that has no business here."""
    if is_zip(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                kind = info.external_attr >> 28  # file type of a POSIX mode; 8 is a plain file
                _check_member(path, target, info.filename, kind in (0, 8) and not info.is_dir())
                with archive.open(info) as content:
                    _copy(content, target / info.filename, info.file_size)
    else:
        with tarfile.open(path) as tar:
            for member in tar:
                _check_member(path, target, member.name, member.isreg())
                plain = tar.extractfile(member)
                if plain is not None:  # which holds for a plain file
                    _copy(plain, target / member.name, member.size)


def _check_member(path: Path, target: Path, name: str, is_plain_file: bool) -> None:
    if not is_plain_file or not (name == SUMS or _MEMBER.fullmatch(name)):
        raise InputError(
            f"{path}: {name[:200]!r} has no place in a pack of models; make packs with "
            "`genomed models pack`"
        )
    if (target / name).exists():
        raise InputError(f"{path}: {name!r} stands in it twice; make the pack again")


def _copy(content: IO[bytes], target: Path, size: int) -> None:
    target.parent.mkdir(exist_ok=True)
    with target.open("wb") as stream:
        shutil.copyfileobj(content, stream)
    if target.stat().st_size != size:
        raise EOFError(f"{target.name} is cut short")


def _check_sums(path: Path, unpacked: Path) -> None:
    sums = unpacked / SUMS
    if not sums.is_file() or sums.stat().st_size > _MAX_SUMS_BYTES:
        raise InputError(f"{path}: is not a pack of models, it has no {SUMS}; add the files singly")
    lines = [line.split("  ", 1) for line in sums.read_text("utf-8", "replace").splitlines()]
    promised = {line[1]: line[0] for line in lines if len(line) == 2}
    files = {p.relative_to(unpacked).as_posix(): p for p in unpacked.glob("*/*")}
    if files.keys() != promised.keys():
        odd = sorted(files.keys() ^ promised.keys())[0]
        raise InputError(f"{path}: {odd!r} is not both in the pack and in {SUMS}; pack it again")
    for name, file in files.items():
        if file_digest(file) != promised[name]:
            raise InputError(f"{path}: {name} was changed, its digest does not fit; pack it again")
    sums.unlink()
