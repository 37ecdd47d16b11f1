"""Archives of which the same files make the same bytes, whoever packs them and when."""

import io
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from genomed.errors import OutputError

__all__ = ["DAMAGED_ZIP", "write_archive", "zip_bundle"]

# What a changed byte makes zipfile say; a RuntimeError, among others that it is encrypted or packed
# in another way.
DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first moment a zip can tell


def zip_bundle(directory: Path, out: Path) -> None:
    """Write a bundle's directory to one .zip; the same files give the same bytes."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    write_archive([(path.relative_to(directory).as_posix(), path) for path in files], out)


def write_archive(members: list[tuple[str, Path | bytes]], out: Path) -> None:
    """Write a .zip, or else a .tar, that appears whole or not at all.

    members : names, and the files or bytes of these
    Raises OutputError.
    """
    part = out.with_name(f".{out.name}.part")
    try:
        try:
            with part.open("wb") as stream:
                if out.suffix == ".zip":
                    _write_zip(stream, members)
                else:
                    _write_tar(stream, members)
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{out}: cannot be written ({error.strerror}); try another --out"
        ) from None


def _opened(content: Path | bytes) -> IO[bytes]:
    return content.open("rb") if isinstance(content, Path) else io.BytesIO(content)


def _write_tar(stream: IO[bytes], members: list[tuple[str, Path | bytes]]) -> None:
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            size = content.stat().st_size if isinstance(content, Path) else len(content)
            with _opened(content) as source:
                archive.addfile(_tar_member(name, size), source)


def _tar_member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)  # owner, group and time stay 0
    member.size = size
    member.mode = 0o644
    return member


def _write_zip(stream: IO[bytes], members: list[tuple[str, Path | bytes]]) -> None:
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members:
            with _opened(content) as source, archive.open(_zip_member(name), "w") as target:
                shutil.copyfileobj(source, target)


def _zip_member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _EARLIEST)
    member.create_system = 3  # as on POSIX, wherever it is written
    member.external_attr = 0o644 << 16
    return member
