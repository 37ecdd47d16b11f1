"""The place where a store is made: beside its final one, in pieces that a later run can take up."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from genomed.errors import OutputError, UsageError
from genomed.io.pvar import PvarPart
from genomed.schema import ReadCounts

__all__ = ["Account", "Piece", "Workplace", "file_errors", "file_states"]


@dataclass
class Account:
    """What became of one input: every record and every row, by reason.

    records = passed_over + sum(refused) + read; of the records read came `rows`, one per ALT;
    rows = stored + sum(dropped)
    changed : rows that are stored otherwise than they stood, by fate
    notes   : leniencies, see genomed.ledger.LENIENCIES
    """

    input: str
    records: int = 0
    passed_over: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    read: int = 0
    rows: int = 0
    stored: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)

    def take(self, counts: ReadCounts) -> None:
        """What the reader has counted, once it is done."""
        self.records, self.passed_over = counts.n_records, counts.n_passed_over
        self.refused, self.read = dict(counts.refused), counts.n_emitted
        self.notes = counts.notes | self.notes


@dataclass
class Piece:
    """What one input has become.

    variants : its rows of the .pvar
    header   : ``##`` lines of the input
    first, last : contig and position of its first and last row
    progress : variants and bytes that a PgenWriter left, None when its .pgen is whole
    seen     : what --explain found, by variant
    joined   : accounts of the gVCFs that it was made of; its own is then of their union
    """

    pgen: Path
    ledger: Path
    variants: PvarPart
    account: Account
    header: list[str] = field(default_factory=list)
    first: tuple[str, int] | None = None
    last: tuple[str, int] | None = None
    progress: tuple[int, int] | None = None
    sha256: str | None = None
    seen: dict[str, list[str]] = field(default_factory=dict)
    joined: list[Account] = field(default_factory=list)

    @property
    def accounts(self) -> list[Account]:
        """Of the inputs that were joined into this piece, and of the piece."""
        return [*self.joined, self.account]


class Workplace:
    """PREFIX.unfinished: whatever is made lies there until all of it is whole.

    out    : prefix of the store
    task   : what decides how pieces are made; those of a run with another task are of no use
    resume : take up the pieces of an earlier run, and leave them when this one is stopped

    A run that fails leaves nothing, unless it is to be resumed; one that is killed leaves pieces.
    """

    def __init__(self, out: Path, task: dict[str, Any], *, resume: bool) -> None:
        self.out = out
        self._task = json.dumps(task, sort_keys=True)
        self._resume = resume
        self.path = out.with_name(f"{out.name}.unfinished")
        self._lock = -1
        self._made_parents: list[Path] = []

    def __enter__(self) -> Self:
        with file_errors(self.out):
            self._made_parents = [p for p in self.out.parents if not p.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path, os.O_RDONLY)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(self._lock)
                raise OutputError(
                    f"{self.path}: another run is writing there; wait for it, or choose another "
                    "--out"
                ) from None
            self._begin()
        return self

    def _begin(self) -> None:
        task = self.path / "task.json"
        if task.is_file() and self._resume:
            if task.read_text() != self._task:
                os.close(self._lock)
                raise UsageError(
                    f"{self.path}: is of a run with other options; run without --resume "
                    "to begin anew"
                )
            return
        for file in self.path.iterdir():
            file.unlink()
        task.write_text(self._task)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None or not self._resume:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)
        if kind is not None:
            for folder in self._made_parents:
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()

    def new_piece(self, number: int, name: str) -> Piece:
        """Where the piece of an input is to be made."""
        stem = self.path / f"{number:04d}"
        piece = Piece(
            stem.with_suffix(".pgen"),
            stem.with_suffix(".ledger"),
            PvarPart(stem.with_suffix(".pvar")),
            Account(name),
        )
        for path in (piece.ledger, piece.variants.path):
            path.unlink(missing_ok=True)
        return piece

    def finish_piece(self, number: int, piece: Piece, state: list[list[Any]]) -> None:
        """Note that a piece is whole, and of which state of its files, for a later run to use."""
        facts = {
            "state": state,
            "account": asdict(piece.account),
            "segments": piece.variants.segments,
            "contigs": piece.variants.contigs,
            "n_rows": piece.variants.n_rows,
            "n_blanks": piece.variants.n_blanks,
            "header": piece.header,
            "first": piece.first,
            "last": piece.last,
            "progress": piece.progress,
            "sha256": piece.sha256,
            "seen": piece.seen,
        }
        with file_errors(self.out):
            path = self.path / f"{number:04d}.json"
            new = path.with_suffix(".new")
            new.write_text(json.dumps(facts))
            new.replace(path)

    def finished_piece(self, number: int, name: str, state: list[list[Any]]) -> Piece | None:
        """The piece that an earlier run has made of an input, if its files are as they were."""
        path = self.path / f"{number:04d}.json"
        if not path.is_file():
            return None
        facts = json.loads(path.read_text())
        if facts["account"]["input"] != name or facts["state"] != state:
            return None
        stem = path.with_suffix("")
        return Piece(
            stem.with_suffix(".pgen"),
            stem.with_suffix(".ledger"),
            PvarPart(
                stem.with_suffix(".pvar"),
                [(start, stop, tuple(columns)) for start, stop, columns in facts["segments"]],
                facts["contigs"],
                facts["n_rows"],
                facts["n_blanks"],
            ),
            Account(**facts["account"]),
            facts["header"],
            facts["first"] and tuple(facts["first"]),
            facts["last"] and tuple(facts["last"]),
            facts["progress"] and tuple(facts["progress"]),
            facts["sha256"],
            facts["seen"],
        )

    def publish(self, files: dict[str, Path]) -> dict[str, Path]:
        """Move whole files to their final names, PREFIX + ending, the last one last.

        An old file of the last name is removed first, so that whoever finds it finds a whole set.
        """
        final = {ending: self.out.with_name(self.out.name + ending) for ending in files}
        with file_errors(self.out):
            list(final.values())[-1].unlink(missing_ok=True)
            for ending, path in files.items():
                path.replace(final[ending])
            other = ".pvar" if ".pvar.zst" in files else ".pvar.zst"
            self.out.with_name(self.out.name + other).unlink(missing_ok=True)
        return final


def file_states(paths: Iterable[Path]) -> list[list[Any]]:
    """Path, size and time of change of files; None where there is no such file."""
    states: list[list[Any]] = []
    for path in paths:
        state = path.stat() if path.is_file() else None
        states.append([str(path.resolve()), state and state.st_size, state and state.st_mtime_ns])
    return states


@contextmanager
def file_errors(out: Path) -> Iterator[None]:
    """Turn what the file system says into one sentence."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{out}: the store cannot be written ({error.strerror or error}); what was "
            "there is untouched, choose another --out or make room"
        ) from None
