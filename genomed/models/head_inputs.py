"""What the deep head reads, and how it is held on a device: calls stay packed, four to a byte."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from genomed.models.hub_net import CALLS
from genomed.models.risk_net import HeadBatch, NetSizes
from genomed.models.window_net import PLANES, call_planes

__all__ = ["DeviceInputs", "HeadInputs", "PackedCalls", "gene_windows", "genome_windows"]

NOT_CALLED = 3
PLACES = 4  # calls in a byte
BLOCK_BYTES = 1 << 28  # codes that are unpacked at a time while windows are put in order


@dataclass(frozen=True)
class HeadInputs:
    """Arrays over the same n people, in the same order; what there is none of has no columns.

    hubs       : int8 (n, hubs), copies of ALT, negative not called
    numbers    : float32 (n, numbers), standardised, 0 where unknown
    categories : int64 (n, categories), level, 0 unknown
    levels     : how many levels each category has, 0 included
    codes      : int64 (n, length), dated codes, the earliest first, 0 behind the last
    times      : float32 (n, length), when each was given, standardised
    n_codes    : how many codes there are, 0 included; 0 when there are none at all
    words      : uint64 (variants, words), see ARRAYS["words"]; the variants that windows are of
    windows    : int64 (windows, variants of a window), rows of words, -1 behind the last
    group      : int64 (n,), ancestry, -1 unknown: for exchanges and for portability only
    """

    hubs: np.ndarray
    numbers: np.ndarray
    categories: np.ndarray
    levels: tuple[int, ...]
    codes: np.ndarray
    times: np.ndarray
    n_codes: int
    words: np.ndarray
    windows: np.ndarray
    group: np.ndarray

    @classmethod
    def of(cls, n: int, **given: object) -> HeadInputs:
        """Inputs of n people, without what is not given. Raises ValueError where they disagree."""
        nothing: dict[str, object] = {
            "hubs": np.zeros((n, 0), np.int8),
            "numbers": np.zeros((n, 0), np.float32),
            "categories": np.zeros((n, 0), np.int64),
            "levels": (),
            "codes": np.zeros((n, 0), np.int64),
            "times": np.zeros((n, 0), np.float32),
            "n_codes": 0,
            "words": np.zeros((0, -(-n // 32)), np.uint64),
            "windows": np.zeros((0, 0), np.int64),
            "group": np.full(n, -1),
        }
        inputs = cls(**(nothing | given))  # type: ignore[arg-type]
        _check(inputs, n)
        return inputs

    @property
    def n_people(self) -> int:
        """People, in all arrays."""
        return len(self.hubs)

    def sizes(self, n_traits: int) -> NetSizes:
        """What the net must fit."""
        return NetSizes(
            n_traits=n_traits,
            n_hubs=self.hubs.shape[1],
            n_numbers=self.numbers.shape[1],
            levels=self.levels,
            n_codes=self.n_codes,
            n_windows=len(self.windows),
            window_variants=self.windows.shape[1],
        )


def genome_windows(n_variants: int, size: int) -> np.ndarray:
    """Neighbours in windows of one size: int64 (windows, size), the last filled up with -1."""
    rows = np.full(-(-n_variants // size) * size, -1)
    rows[:n_variants] = np.arange(n_variants)
    return rows.reshape(-1, size)


def gene_windows(row: np.ndarray, gene: np.ndarray, size: int) -> np.ndarray:
    """The variants of each gene in a window of its own, or in several: int64 (windows, size).

    row, gene : int64 (pairs,), a variant and a gene that it belongs to; a variant may have several
    """
    order = np.lexsort((row, gene))
    row, gene = row[order], gene[order]
    starts = np.flatnonzero(np.diff(gene, prepend=gene[0] - 1)) if len(gene) else np.zeros(0, int)
    parts = [
        part[i : i + size] for part in np.split(row, starts[1:]) for i in range(0, len(part), size)
    ]
    windows = np.full((len(parts), size), -1)
    for window, part in zip(windows, parts, strict=True):
        window[: len(part)] = part
    return windows


class PackedCalls:
    """Calls of people, four to a byte, on a device: uint8 (people, places / 4)."""

    def __init__(self, packed: torch.Tensor, n_places: int) -> None:
        self.packed, self.n_places = packed, n_places
        self._shift = torch.arange(0, 8, 2, device=packed.device, dtype=torch.uint8)  # (4,)

    @classmethod
    def from_counts(cls, alt_count: np.ndarray, device: torch.device) -> PackedCalls:
        """Of int8 (people, places) counts, negative not called."""
        codes = np.where(alt_count < 0, NOT_CALLED, alt_count).astype(np.uint8)
        return cls(_pack(torch.from_numpy(codes).to(device)), alt_count.shape[1])

    @classmethod
    def from_words(
        cls, words: np.ndarray, rows: np.ndarray, n_people: int, device: torch.device
    ) -> PackedCalls:
        """Of rows of packed words, in that order; the row -1 is 0 copies for everybody."""
        places = -(-len(rows) // PLACES)
        packed = torch.zeros(n_people, places, dtype=torch.uint8, device=device)
        shift = torch.arange(0, 8, 2, device=device, dtype=torch.uint8)
        step = max(BLOCK_BYTES // max(n_people, 1) // PLACES, 1) * PLACES
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            chosen = np.ascontiguousarray(words[part]).view(np.uint8)  # (places, people / 4)
            sent = torch.from_numpy(chosen).to(device)
            codes = (sent[:, :, None] >> shift) & 3  # (places, people / 4, 4)
            codes = codes.flatten(1)[:, :n_people]  # (places, people)
            codes[torch.from_numpy(part < 0).to(device)] = 0
            packed[:, start // PLACES : (start + len(part) + 3) // PLACES] = _pack(codes.T)
        return cls(packed, len(rows))

    def codes(self, people: torch.Tensor) -> torch.Tensor:
        """Codes 0, 1, 2 and 3 (not called) of some people: uint8 (people, places)."""
        chosen = self.packed[people]  # (people, places / 4)
        codes = (chosen[:, :, None] >> self._shift) & 3  # (people, places / 4, 4)
        return codes.flatten(1)[:, : self.n_places]  # (people, places)


def _pack(codes: torch.Tensor) -> torch.Tensor:
    """Codes uint8 (people, places) to bytes (people, places / 4)."""
    padded = functional.pad(codes, (0, -codes.shape[1] % PLACES))  # (people, 4k)
    four = padded.reshape(len(codes), -1, PLACES)  # (people, k, 4)
    low = four[:, :, 0] | (four[:, :, 1] << 2)  # (people, k)
    return low | (four[:, :, 2] << 4) | (four[:, :, 3] << 6)  # (people, k)


class DeviceInputs:
    """HeadInputs on a device, handed out in batches of people."""

    def __init__(self, inputs: HeadInputs, device: torch.device, *, genome: bool = True) -> None:
        self.device = device
        self.hubs = PackedCalls.from_counts(inputs.hubs, device)
        self.numbers = torch.from_numpy(inputs.numbers.astype(np.float32)).to(device)
        self.categories = torch.from_numpy(inputs.categories.astype(np.int64)).to(device)
        self.history = torch.from_numpy(inputs.codes.astype(np.int64)).to(device)
        self.times = torch.from_numpy(inputs.times.astype(np.float32)).to(device)
        self.group = torch.from_numpy(inputs.group.astype(np.int64)).to(device)
        self.windows = inputs.windows.shape if genome else (0, 0)
        rows = inputs.windows.ravel() if genome else np.zeros(0, np.int64)
        self.genome = PackedCalls.from_words(inputs.words, rows, inputs.n_people, device)
        padding = np.flatnonzero(rows < 0)
        self.padding = torch.from_numpy(padding).to(device)

    @property
    def n_unpacked(self) -> int:
        """Numbers that a person's calls, covariates and codes become, about."""
        calls = CALLS * self.hubs.n_places + PLANES * self.genome.n_places
        return 1 + calls + self.numbers.shape[1] + self.categories.shape[1] + self.times.shape[1]

    def codes(self, people: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Codes of hubs (people, hubs) and of windows (people, places), uint8."""
        return self.hubs.codes(people), self.genome.codes(people)

    def batch(
        self,
        people: torch.Tensor,
        codes: tuple[torch.Tensor, torch.Tensor] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> HeadBatch:
        """What the net sees of some people, with other codes than their own where given."""
        hubs, places = self.codes(people) if codes is None else codes
        calls = torch.arange(CALLS, device=self.device, dtype=torch.uint8)  # (4,)
        return HeadBatch(
            hubs=(hubs[:, :, None] == calls).float(),
            numbers=self.numbers[people],
            categories=self.categories[people],
            codes=self.history[people],
            times=self.times[people],
            planes=call_planes(places, dtype).view(len(people), *self.windows, PLANES),
        )


def _check(inputs: HeadInputs, n: int) -> None:
    for name in ("hubs", "numbers", "categories", "codes", "times", "group"):
        if len(getattr(inputs, name)) != n:
            raise ValueError(f"{name} has {len(getattr(inputs, name))} people, not {n}")
    if not np.isfinite(inputs.numbers).all():
        column = int(np.flatnonzero(~np.isfinite(inputs.numbers).all(axis=0))[0])
        raise ValueError(f"numbers, column {column}: not finite; unknown is 0 behind an encoder")
    if inputs.codes.shape != inputs.times.shape or not np.isfinite(inputs.times).all():
        raise ValueError("each code needs a finite time")
    if inputs.hubs.size and inputs.hubs.max() > 2:
        raise ValueError(f"a hub has {inputs.hubs.max()} copies; alt_count is 0, 1, 2 or negative")
    if len(inputs.levels) != inputs.categories.shape[1]:
        raise ValueError(f"{inputs.categories.shape[1]} categories, {len(inputs.levels)} levels")
    tops = np.array([*inputs.levels, max(inputs.n_codes, 1)])
    found = [*inputs.categories.max(axis=0, initial=0), inputs.codes.max(initial=0)]
    if (found >= tops).any() or min(
        inputs.categories.min(initial=0), inputs.codes.min(initial=0)
    ) < 0:
        raise ValueError("a level or a code is outside its table")
    if inputs.windows.size and inputs.windows.max() >= len(inputs.words):
        raise ValueError(f"window row {inputs.windows.max()}, but {len(inputs.words)} variants")
    if inputs.windows.size and inputs.words.shape[1] != -(-n // 32):
        raise ValueError(f"{inputs.words.shape[1]} words a variant do not fit {n} people")
