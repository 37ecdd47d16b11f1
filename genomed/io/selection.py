"""Which samples and which records of a cohort a caller asked for; shared by the binary readers."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from genomed.errors import InputError
from genomed.kernels.wanted_rows import fill_slots, select_rows
from genomed.regions import Region, canonical_contig
from genomed.schema import ReadCounts, Wanted

__all__ = ["OrderWatch", "RowSelector", "keep_samples"]


def keep_samples(names: Sequence[str], keep: Sequence[str] | None, path: Path) -> np.ndarray | None:
    """Places of the samples to keep, in the order of the file: uint32, or None for all of them.

    An unknown name is an InputError that says so.
    """
    if keep is None:
        return None
    asked = set(keep)
    unknown = asked.difference(names)
    if unknown:
        first = next(name for name in keep if name in unknown)
        raise InputError(
            f"{path}: holds no sample {first!r} ({len(unknown)} of the {len(asked)} names asked "
            "for are unknown); check the names given with --samples"
        )
    return np.array([i for i, name in enumerate(names) if name in asked], np.uint32)


class RowSelector:
    """Marks the rows of a block that lie in the region and are wanted.

    Contig names are compared in canonical spelling. Both limits hold when both are given.
    """

    def __init__(self, region: Region | None, wanted: Wanted | None) -> None:
        self._region = region
        self._wanted = wanted
        self._codes: dict[str, int] = {}
        self._region_start: list[int] = []
        self._region_end: list[int] = []
        self._place_offset: list[tuple[int, int]] = []
        contigs = wanted.positions if wanted else {}
        self._spans, self._places = _join_places({c: contigs[c] for c in contigs})
        self._ids = _index_ids(wanted.ids if wanted else frozenset())

    @property
    def takes_all(self) -> bool:
        """Whether no row is ever passed over."""
        return self._region is None and self._wanted is None

    @property
    def contigs(self) -> list[str]:
        """Contig names as spelt in the file, by code."""
        return list(self._codes)

    def code(self, contig: str) -> int:
        """Number of a contig, by its name as spelt in the file; new names get the next one."""
        code = self._codes.get(contig)
        if code is None:
            code = self._codes[contig] = len(self._codes)
            canonical = canonical_contig(contig)
            region = self._region or Region(canonical, 0, 2**62)
            inside = canonical_contig(region.contig) == canonical
            self._region_start.append(region.start if inside else 2**62)
            self._region_end.append(region.end if inside else -1)
            self._place_offset.append(self._spans.get(canonical, (0, 0)))
        return code

    def select(
        self,
        text: np.ndarray,
        contig_code: np.ndarray,
        position: np.ndarray,
        end_position: np.ndarray,
        id_start: np.ndarray,
        id_stop: np.ndarray,
    ) -> np.ndarray:
        """Indices (int64) of the rows to decode.

        text                   : uint8; a row's ID is text[id_start:id_stop]
        contig_code            : int32 (rows,), from `code`
        position, end_position : int64 (rows,), 1-based, both included
        """
        if self.takes_all:
            return np.arange(len(position))
        selected = np.zeros(len(position), np.bool_)
        select_rows(
            text,
            contig_code,
            position,
            end_position,
            id_start,
            id_stop,
            np.array(self._region_start, np.int64),
            np.array(self._region_end, np.int64),
            np.array(self._place_offset, np.int64).reshape(-1, 2),
            self._places,
            *self._ids,
            self._wanted is not None,
            selected,
        )
        return np.flatnonzero(selected)


class OrderWatch:
    """Notes records that are out of order, at one position, or of a contig that was left before."""

    def __init__(self) -> None:
        self._code = -1
        self._position = 0
        self._seen: set[int] = set()

    def see(self, counts: ReadCounts, contig_code: np.ndarray, position: np.ndarray) -> None:
        """Look at the next rows: int32 codes and int64 positions."""
        if not len(position):
            return
        code = np.concatenate([[self._code], contig_code])
        step = np.diff(np.concatenate([[self._position], position]))
        same = code[1:] == code[:-1]
        entered = [int(c) for c in contig_code[~same]]
        times = {
            "unsorted": int(np.count_nonzero(same & (step < 0))),
            "duplicate_position": int(np.count_nonzero(same & (step == 0))),
            "contig_split": 0,
        }
        for c in entered:
            times["contig_split"] += c in self._seen
            self._seen.add(c)
        for note, n in times.items():
            if n:
                counts.notes[note] = counts.notes.get(note, 0) + n
        self._code, self._position = int(contig_code[-1]), int(position[-1])


def _join_places(
    positions: dict[str, np.ndarray],
) -> tuple[dict[str, tuple[int, int]], np.ndarray]:
    """Put the positions of all contigs into one array: contig -> (first, last), int64 places."""
    spans = {}
    first = 0
    for contig, places in positions.items():
        spans[contig] = (first, first + len(places))
        first += len(places)
    joined = [np.asarray(places, np.int64) for places in positions.values()]
    return spans, np.concatenate(joined) if joined else np.zeros(0, np.int64)


def _index_ids(ids: frozenset[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """IDs as one text, where each begins, and their hash table (empty when there are none)."""
    joined = "".join(ids)
    parts: Iterable[str | bytes] = ids if joined.isascii() else [name.encode() for name in ids]
    lengths = np.fromiter(map(len, parts), np.int64, len(ids))
    id_offset = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    id_text = np.frombuffer(joined.encode(), np.uint8)
    n_slots = 1 << (2 * len(ids)).bit_length() if ids else 0
    slots = np.full(n_slots, -1, np.int32)
    if ids:
        fill_slots(id_text, id_offset, slots)
    return id_text, id_offset, slots
