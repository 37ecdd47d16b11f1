"""A store in memory: what stats/ asks of `Packed`, over a table of ALT counts."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from genomed.kernels.packed import pack_rows
from genomed.schema import PackedBlock


class ArrayStore:
    """Packed calls of int8 (variants, samples) ALT counts, -9 missing."""

    def __init__(
        self,
        alt_count: np.ndarray,
        *,
        contig: Sequence[str] | None = None,
        position: Sequence[int] | None = None,
        sex: Sequence[int | None] | None = None,
    ) -> None:
        n_variants, n_samples = alt_count.shape
        self.words = np.empty((n_variants, -(-n_samples // 32)), np.uint64)
        pack_rows(np.ascontiguousarray(alt_count, np.int8), self.words)
        self.samples = [f"s{number}" for number in range(n_samples)]
        self.variants = pl.DataFrame(
            {
                "row": np.arange(n_variants, dtype=np.int64),
                "contig": list(contig) if contig is not None else ["1"] * n_variants,
                "position": list(position)
                if position is not None
                else list(range(1, n_variants + 1)),
                "id": [f"v{number}" for number in range(n_variants)],
                "ref": ["A"] * n_variants,
                "alt": ["G"] * n_variants,
            },
            schema_overrides={
                "contig": pl.Utf8, "position": pl.Int64, "id": pl.Utf8, "ref": pl.Utf8,
                "alt": pl.Utf8,
            },
        )  # fmt: skip
        self.people = pl.DataFrame(
            {
                "sample": self.samples,
                "family": [None] * n_samples,
                "father": [None] * n_samples,
                "mother": [None] * n_samples,
                "sex": list(sex) if sex is not None else [None] * n_samples,
            },
            schema={
                "sample": pl.Utf8, "family": pl.Utf8, "father": pl.Utf8, "mother": pl.Utf8,
                "sex": pl.Int8,
            },
        )  # fmt: skip

    @property
    def n_samples(self) -> int:
        return len(self.samples)

    @property
    def n_variants(self) -> int:
        return self.variants.height

    def read(self, rows: np.ndarray, threads: int = 1) -> np.ndarray:
        return self.words[rows]

    def blocks(
        self, rows: np.ndarray | None = None, *, block_rows: int = 64, threads: int = 1
    ) -> Iterator[PackedBlock]:
        chosen = np.arange(self.n_variants) if rows is None else np.asarray(rows)
        for first in range(0, len(chosen), block_rows):
            some = chosen[first : first + block_rows]
            yield PackedBlock(some, self.words[some])
