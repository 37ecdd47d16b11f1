"""`genomed qc --write PREFIX`: what passes, as a store.

Who passes is known only after the last variant. So the variants that pass are kept for everybody
first, and the samples that do not are left out in a second step.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from genomed.io.outputs import OutputDirectory
from genomed.io.packed import open_store
from genomed.io.pgen_writer import PgenWriter
from genomed.io.psam import psam_text
from genomed.io.pvar import PvarPart, write_pvar

__all__ = ["FilteredStore"]

BLOCK_BYTES = 16 << 20  # of packed calls
_COLUMNS = ("contig", "position", "id", "ref", "alt")


class FilteredStore:
    """PREFIX.pgen, .pvar and .psam; they appear whole when the `with` block ends, or not at all.

    prefix  : of the three
    people  : everybody, in the order of the calls; columns of genomed.io.psam.PEOPLE at least
    contigs : name -> length or None, for the header of the .pvar
    """

    def __init__(
        self, prefix: Path, people: pl.DataFrame, contigs: Mapping[str, int | None], threads: int
    ) -> None:
        self._prefix, self._people, self._threads = prefix, people, threads
        self._contigs = contigs
        self._directory = OutputDirectory(prefix.parent)
        self._writer: PgenWriter | None = None

    def __enter__(self) -> FilteredStore:
        self._directory.__enter__()
        self._scratch = self._directory.scratch("everybody")
        self._variants = PvarPart(self._scratch / "rows")
        if len(self._people):
            self._writer = PgenWriter(
                self._scratch / "all.pgen", len(self._people), threads=self._threads
            )
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is not None and self._writer is not None:
            self._writer.abort()
        self._directory.__exit__(*error)  # type: ignore[arg-type]

    def add(self, rows: pl.DataFrame, words: np.ndarray) -> None:
        """Append variants that pass: their table, and packed calls of everybody."""
        if self._writer is not None and len(rows):
            with self._directory.explained():
                self._variants.append(rows.select(_COLUMNS))
            self._writer.write_packed(words)

    def finish(self, passing: pl.Series) -> dict[str, Path]:
        """Leave out the samples that do not pass (bool); the files, none where nothing is left."""
        if self._writer is None or not self._variants.n_rows or not passing.any():
            if self._writer is not None:
                self._writer.abort()
            return {}
        self._writer.close()
        name = self._prefix.name
        with self._directory.explained():
            header = [_contig_line(name, n) for name, n in self._contigs.items()]
            write_pvar(self._directory.place(f"{name}.pvar"), [self._variants], header)
            write_pvar(self._scratch / "all.pvar", [self._variants], header)
            (self._scratch / "all.psam").write_text(psam_text(self._people))
            kept = self._people.filter(passing)
            self._directory.write_text(f"{name}.psam", psam_text(kept))
        target = self._directory.place(f"{name}.pgen")
        if passing.all():
            (self._scratch / "all.pgen").rename(target)
        else:
            self._copy(kept["sample"].to_list(), target)
        return self._directory.files()

    def _copy(self, samples: list[str], target: Path) -> None:
        store = open_store(self._scratch / "all.pgen", samples=samples)
        step = max(1, BLOCK_BYTES // (8 * store.n_words))
        with PgenWriter(target, len(samples), threads=self._threads) as writer:
            for block in store.blocks(block_rows=step, threads=self._threads):
                writer.write_packed(block.words)


def _contig_line(name: str, length: int | None) -> str:
    return f"##contig=<ID={name}{f',length={length}' if length else ''}>"
