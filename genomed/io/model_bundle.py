"""Model bundles: what `genomed train` learned, in files that can be read without running any code.

A bundle is a directory, or the same files in a .zip:

    model.json           kind "risk-net", format version, name, trait, genome build, the parts and
                         their settings, calibration, metrics, provenance, the digest of every file
    weights.safetensors  every array of the parts, by name
    variants.parquet     contig, position, id, ref, alt, alt_allele_frequency, effect_weight
                         (linear part, per copy of ALT), dosage_0_weight .. dosage_2_weight
                         (the same with dominance), used_by (the parts that read the variant)
    linear.txt           the linear part as a scoring file of the PGS Catalog's format
    CARD.md              the card, for people

Nothing is pickled. Opening checks every digest, and refuses what it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from genomed.errors import BuildError, InputError
from genomed.io.outputs import OutputDirectory
from genomed.io.sealed import Seal, Sealed, open_sealed, write_sealed
from genomed.schema import BUILDS

__all__ = ["SEAL", "ModelBundle", "open_model_bundle", "write_model_bundle"]

SEAL = Seal(
    kind="risk-net",
    what="a model bundle",
    remedy="make one with `genomed train`",
    card="model.json",
    version=1,
    files=("weights.safetensors", "variants.parquet", "linear.txt", "CARD.md"),
)
VARIANTS = {
    "contig": pl.Utf8,
    "position": pl.Int64,
    "id": pl.Utf8,
    "ref": pl.Utf8,
    "alt": pl.Utf8,
    "alt_allele_frequency": pl.Float64,
    "effect_weight": pl.Float64,
    "dosage_0_weight": pl.Float64,
    "dosage_1_weight": pl.Float64,
    "dosage_2_weight": pl.Float64,
    "used_by": pl.Utf8,
}


@dataclass(frozen=True)
class ModelBundle:
    """An open bundle.

    path     : what was opened
    variants : the columns of VARIANTS, one row per variant that any part reads
    tensors  : name -> array, as their part wrote them
    facts    : model.json
    """

    path: Path
    variants: pl.DataFrame
    tensors: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]
    _sealed: Sealed = field(repr=False)

    @property
    def name(self) -> str:
        """What the bundle is called."""
        return str(self.facts["name"])

    @property
    def build(self) -> str:
        """GRCh37 or GRCh38."""
        return str(self.facts["build"])

    @property
    def scoring_file(self) -> Path:
        """The linear part, in the PGS Catalog's format."""
        return self._sealed.directory / "linear.txt"

    @property
    def card(self) -> str:
        """The card, as Markdown."""
        return (self._sealed.directory / "CARD.md").read_text(encoding="utf-8")


def write_model_bundle(
    out: Path,
    *,
    variants: pl.DataFrame,
    tensors: Mapping[str, np.ndarray],
    facts: Mapping[str, Any],
    scoring_file: str,
    card: str,
) -> None:
    """Write a bundle as a directory, or as one file where `out` ends in .zip.

    facts        : name, trait, build and whatever else model.json shall say
    scoring_file : text of linear.txt; card : text of CARD.md
    Raises ValueError where a promise of the format is not kept, OutputError where nothing can be
    written; then nothing is left. The same content gives the same bytes.
    """
    if facts.get("build") not in BUILDS or not isinstance(facts.get("name"), str):
        raise ValueError("a bundle needs a name, and a build out of " + ", ".join(BUILDS))
    if dict(variants.schema) != VARIANTS:
        raise ValueError(f"variants have the columns {dict(variants.schema)}, not {VARIANTS}")

    def fill(directory: OutputDirectory) -> dict[str, Any]:
        arrays = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
        with directory.explained():
            directory.place("weights.safetensors").write_bytes(save(arrays))
        directory.write_parquet("variants.parquet", variants, {})
        directory.write_text("linear.txt", scoring_file)
        directory.write_text("CARD.md", card)
        return dict(facts)

    write_sealed(out, SEAL, fill)


def open_model_bundle(path: Path, *, build: str | None = None) -> ModelBundle:
    """Open a bundle, having checked all of its files.

    build : raise a BuildError unless it is on this one
    Raises InputError, with the remedy, for a bundle that is damaged, changed or of another format.
    """
    sealed = open_sealed(path, SEAL)
    if sealed.card.get("build") not in BUILDS:
        raise InputError(f"{path}: {SEAL.card} names no genome build; make the bundle again")
    if build not in (None, sealed.card["build"]):
        raise BuildError(
            f"{path} is on {sealed.card['build']}, but {build} is needed; train on a store that is"
        )
    try:
        variants = pl.read_parquet(sealed.directory / "variants.parquet")
        tensors = load_file(sealed.directory / "weights.safetensors")
    except (SafetensorError, OSError, pl.exceptions.PolarsError, ValueError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: does not hold what a bundle must ({why}); make it again") from (
            None
        )
    if dict(variants.schema) != VARIANTS or not isinstance(sealed.card.get("name"), str):
        raise InputError(f"{path}: variants.parquet lacks columns of a bundle; make it again")
    return ModelBundle(path, variants, tensors, sealed.card, sealed)
