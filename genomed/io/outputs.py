"""Result directories whose files appear whole, under their final names, or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
from zlib_ng import gzip_ng

from genomed.errors import OutputError

__all__ = ["OutputDirectory", "hidden_directory"]

_HIDDEN = ".genomed-run-"  # directories of runs that are under way, or were killed
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what only writing says
_TSV: dict[str, Any] = {"separator": "\t", "quote_style": "never", "null_value": ""}


class OutputDirectory:
    """Collects files beside their final place and moves them there when all are whole.

    The last file written is moved last and an old one of that name is removed first, so whoever
    finds it finds a whole set. Any failure leaves the directory as it was, and a full disc is an
    OutputError whoever wrote; what a run that was killed has left there goes with the next.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made = not path.exists()
        self._names: list[str] = []
        self._temporary: Path | None = None
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with self.explained():
            self.path.mkdir(parents=True, exist_ok=True)
            self._temporary = self._cleanup.enter_context(hidden_directory(self.path))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._temporary is not None
        try:
            if kind is None:
                with self.explained():
                    self._publish()
        finally:
            self._cleanup.close()
            if (
                kind is not None
                and self._made
                and self.path.is_dir()
                and not any(self.path.iterdir())
            ):
                self.path.rmdir()
        if isinstance(error, OSError) and error.errno in _FULL:
            raise self._unwritten(error) from None

    def write_text(self, name: str, text: str) -> None:
        """Write a UTF-8 text file."""
        self._write(name, text.encode())

    def write_tsv(self, name: str, table: pl.DataFrame) -> None:
        """Write a table with a header line; null is an empty field. ``.gz`` compresses it."""
        with self.explained():
            table = _without_breaks(table)
            if name.endswith(".gz"):
                text = table.write_csv(**_TSV).encode()
                self._write(name, gzip_ng.compress(text, 1, mtime=0))
            else:
                table.write_csv(self.place(name), **_TSV)

    def write_parquet(self, name: str, table: pl.DataFrame, metadata: dict[str, str]) -> None:
        """Write a Parquet file with key-value metadata in its footer."""
        with self.explained():
            table.write_parquet(
                self.place(name), compression="zstd", compression_level=1, metadata=metadata
            )

    def files(self) -> dict[str, Path]:
        """Final path of every file written so far."""
        return {name: self.path / name for name in self._names}

    def _write(self, name: str, data: bytes) -> None:
        with self.explained():
            self.place(name).write_bytes(data)

    def place(self, name: str) -> Path:
        """Where to write a file of this name; it is moved with the others."""
        assert self._temporary is not None
        self._names.append(name)
        return self._temporary / name

    def made(self, name: str) -> Path:
        """Where a file that was written lies for now."""
        assert self._temporary is not None
        return self._temporary / name

    def scratch(self, name: str) -> Path:
        """A new directory that is gone when the files are moved."""
        assert self._temporary is not None
        path = self._temporary / f".{name}"
        path.mkdir()
        return path

    def _publish(self) -> None:
        assert self._temporary is not None
        if not self._names:
            return
        (self.path / self._names[-1]).unlink(missing_ok=True)
        for name in self._names:
            os.replace(self._temporary / name, self.path / name)  # noqa: PTH105 - pathlib's hides which

    @contextmanager
    def explained(self) -> Iterator[None]:
        """A `with` block in which what the file system says becomes an OutputError."""
        try:
            yield
        except (OSError, pl.exceptions.ComputeError) as error:
            raise self._unwritten(error) from None

    def _unwritten(self, error: Exception) -> OutputError:
        why = getattr(error, "strerror", None) or str(error)
        return OutputError(
            f"{self.path}: results cannot be written ({why}); nothing was left there, choose "
            "another --out or make room"
        )


@contextmanager
def hidden_directory(directory: Path) -> Iterator[Path]:
    """A `with` block with a hidden directory in another, which is locked, and goes afterwards.

    Those that nobody has locked were left by runs that were killed, and are removed. The directory
    around them is locked meanwhile, so that no other run is between making and locking its own.
    """
    around = os.open(directory, os.O_RDONLY)
    try:
        if can_lock := _locked(around, wait=True):
            for left in directory.glob(f"{_HIDDEN}*"):
                _remove_unless_locked(left)
        new = Path(tempfile.mkdtemp(prefix=_HIDDEN, dir=directory))
        lock = os.open(new, os.O_RDONLY)
        if can_lock:
            _locked(lock)
    finally:
        os.close(around)
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)
        os.close(lock)


def _locked(descriptor: int, *, wait: bool = False) -> bool:
    """Whether a lock could be had; never where the file system knows none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _remove_unless_locked(directory: Path) -> None:
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return  # it has just gone
    try:
        if _locked(descriptor):
            shutil.rmtree(directory, ignore_errors=True)
    finally:
        os.close(descriptor)


def _without_breaks(table: pl.DataFrame) -> pl.DataFrame:
    """Tabs and line ends inside text become spaces, as quotes are never added."""
    unfit = r"[\t\r\n]"
    for name, kind in table.schema.items():
        if kind == pl.Utf8 and table[name].unique().str.contains(unfit).any():
            table = table.with_columns(pl.col(name).str.replace_all(unfit, " "))
    return table
