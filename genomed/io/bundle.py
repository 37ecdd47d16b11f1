"""Reference bundles: people with labels, their genotypes, and what places others among them.

A bundle is a directory, or the same files in a .zip:

    bundle.json       kind "reference", format version, name, genome build, sizes, the digest of
                      every other file, and whatever its maker wants to be known
    reference.pgen .pvar .psam   calls of the reference people
    labels.tsv        sample, population, superpopulation; one line per person, in that order
    pcs.parquet       sample, used (in the PCA, the others are projected), PC1, PC2 ..
    loadings.parquet  row (of the store), contig, position, id, ref, alt, centre, scale, PC1 ..,
                      then one weight per population, and of few variants the odds of each
    gaussians.parquet population, superpopulation, offset, mean, precision, excess,
                      odds_offset

Nothing is pickled. Opening checks every digest, and refuses what it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genomed.errors import BuildError, InputError
from genomed.io.outputs import OutputDirectory
from genomed.io.packed import PackedStore, open_store
from genomed.io.pgen_writer import PgenWriter
from genomed.io.psam import psam_text
from genomed.io.pvar import PvarPart, write_pvar
from genomed.io.sealed import Seal, Sealed, open_sealed, write_sealed
from genomed.schema import BUILDS, AncestryModel, Gaussians, Pca

__all__ = ["ReferenceBundle", "open_bundle", "write_bundle"]

SEAL = Seal(
    kind="reference",
    what="a reference bundle",
    remedy="make one with `genomed structure reference`",
    card="bundle.json",
    version=1,
    files=(
        "reference.pgen",
        "reference.pvar",
        "reference.psam",
        "labels.tsv",
        "pcs.parquet",
        "loadings.parquet",
        "gaussians.parquet",
    ),
)
_LABELS = ("sample", "population", "superpopulation")
_LOCUS = ("row", "contig", "position", "id", "ref", "alt")


@dataclass(frozen=True)
class ReferenceBundle:
    """An open bundle; arrays over people are in the order of the store's samples.

    path       : what was opened
    name       : as its maker called it
    build      : GRCh37 or GRCh38
    labels     : sample · population · superpopulation (null where unknown)
    pcs        : float64 (people, k), on the scale of Pca.scores
    used       : bool (people,), who made the components; the others are projected
    variants   : row (of the store) · contig · position · id · ref · alt; one per loading
    components : Pca; its scores are those of the people used
    ancestry   : AncestryModel, on the same variants
    facts      : bundle.json
    """

    path: Path
    name: str
    build: str
    labels: pl.DataFrame
    pcs: np.ndarray
    used: np.ndarray
    variants: pl.DataFrame
    components: Pca
    ancestry: AncestryModel
    facts: Mapping[str, Any]
    _sealed: Sealed = field(repr=False)

    @property
    def loadings(self) -> pl.DataFrame:
        """The variants with centre, scale and a column for each component."""
        columns = {"centre": self.components.centre, "scale": self.components.scale}
        columns |= {f"PC{i + 1}": column for i, column in enumerate(self.components.loadings.T)}
        return self.variants.with_columns(pl.Series(k, v) for k, v in columns.items())

    def store(self) -> PackedStore:
        """The reference people's calls."""
        return open_store(self._sealed.directory / "reference.pgen")


def write_bundle(
    out: Path,
    *,
    name: str,
    build: str,
    store: PackedStore,
    rows: np.ndarray,
    labels: pl.DataFrame,
    pcs: np.ndarray,
    used: np.ndarray,
    components: Pca,
    ancestry: AncestryModel,
    ancestry_rows: np.ndarray | None = None,
    facts: Mapping[str, Any] | None = None,
    threads: int = 1,
) -> None:
    """Write a bundle as a directory, or as one file where `out` ends in .zip.

    store      : the reference people, all of whose rows go into the bundle
    rows       : int64, rising: the rows that the components rest on
    ancestry_rows : int64, rising: those that `ancestry` rests on, all of `rows` among them; None
                 where they are the same. More of them tell neighbouring populations apart better.
                 Both rest on the same people, that is on the same centre and scale.
    labels     : sample · population · superpopulation; people who are not in it are unlabelled
    pcs, used  : as in ReferenceBundle
    facts      : further entries of bundle.json
    Raises OutputError where nothing can be written; then nothing is left. The same content gives
    the same bytes.
    """
    if build not in BUILDS:
        raise ValueError(f"{build!r} is not one of {', '.join(BUILDS)}")
    k = len(components.eigenvalues)
    if pcs.shape != (len(store.samples), k) or not len(rows) == len(components.scale):
        raise ValueError("scores, samples, rows and loadings do not belong together")
    if ancestry_rows is not None:
        components = _spread(components, rows, ancestry_rows)
        rows = ancestry_rows
    if not _same_standards(components, ancestry):
        raise ValueError("components and ancestry are not standardised by the same people")
    components = replace(components, centre=ancestry.centre, scale=ancestry.scale)
    people = pl.DataFrame({"sample": store.samples}, schema={"sample": pl.Utf8})
    scores = {f"PC{i + 1}": column for i, column in enumerate(pcs.T)}

    def fill(directory: OutputDirectory) -> dict[str, Any]:
        _write_store(directory, store, threads)
        named = labels.select(_LABELS)
        directory.write_tsv(
            "labels.tsv", people.join(named, on="sample", how="left", maintain_order="left")
        )
        table = people.with_columns(
            pl.Series("used", used), **{k: pl.Series(v) for k, v in scores.items()}
        )
        directory.write_parquet("pcs.parquet", table, {})
        loci = _loadings(store, rows, components, ancestry)
        directory.write_parquet("loadings.parquet", loci, {})
        directory.write_parquet("gaussians.parquet", _gaussians(ancestry), {})
        return {**(facts or {}), **_card(name, build, store, len(rows), components, ancestry)}

    write_sealed(out, SEAL, fill)


def _card(
    name: str,
    build: str,
    store: PackedStore,
    n_loci: int,
    components: Pca,
    ancestry: AncestryModel,
) -> dict[str, Any]:
    return {
        "name": name,
        "build": build,
        "n_people": len(store.samples),
        "n_variants": len(store.variants),
        "n_loci": n_loci,
        "components": {
            "eigenvalues": components.eigenvalues.tolist(),
            "shrinkage": components.shrinkage.tolist(),
            "n_variants": components.n_variants,
            "method": components.method,
            "angle": components.angle,
        },
        "temperature": ancestry.gaussians.temperature,
        "strangeness_limit": ancestry.gaussians.limit,
        "odds_power": ancestry.gaussians.odds_power,
    }


def _spread(components: Pca, rows: np.ndarray, onto: np.ndarray) -> Pca:
    """The same components on more rows, with loadings of 0 and no scale where there were none."""
    place = np.searchsorted(onto, rows)
    if not np.array_equal(onto[np.minimum(place, len(onto) - 1)], rows):
        raise ValueError("the components rest on rows that ancestry does not rest on")
    loadings = np.zeros((len(onto), components.loadings.shape[1]))
    centre, scale = np.zeros(len(onto)), np.zeros(len(onto))
    loadings[place] = components.loadings
    centre[place], scale[place] = components.centre, components.scale
    return replace(components, loadings=loadings, centre=centre, scale=scale)


def _same_standards(components: Pca, ancestry: AncestryModel) -> bool:
    """Whether the variants of the components have the same centre and scale in both."""
    if len(components.scale) != len(ancestry.scale):
        return False
    known = components.scale > 0
    return all(
        np.allclose(a[known], b[known])
        for a, b in (
            (components.centre, ancestry.centre),
            (components.scale, ancestry.scale),
        )
    )


def _write_store(directory: OutputDirectory, store: PackedStore, threads: int) -> None:
    """Write the three files of the store."""
    with directory.explained():
        writer = PgenWriter(directory.place("reference.pgen"), len(store.samples), threads=threads)
        for block in store.blocks(threads=threads):
            writer.write_packed(block.words)
        writer.close()
        part = PvarPart(directory.scratch("pvar") / "rows")
        part.append(store.variants.with_columns(pl.col("id").fill_null(".")).drop("row"))
        write_pvar(directory.place("reference.pvar"), [part], [])
    directory.write_text("reference.psam", psam_text(store.people))


def _loadings(
    store: PackedStore, rows: np.ndarray, components: Pca, ancestry: AncestryModel
) -> pl.DataFrame:
    columns = {"centre": components.centre, "scale": components.scale}
    columns |= {f"PC{i + 1}": column for i, column in enumerate(components.loadings.T)}
    columns |= dict(zip(_weight_names(ancestry), ancestry.weights.T, strict=True))
    table = store.variants[rows].select(_LOCUS)
    return table.with_columns(pl.Series(key, value) for key, value in columns.items())


def _weight_names(ancestry: AncestryModel) -> list[str]:
    names = [f"weight of {p}" for p in ancestry.populations]
    if ancestry.weights.shape[1] > len(names):
        names += [f"odds of {p}" for p in ancestry.populations]
    return names


def _gaussians(ancestry: AncestryModel) -> pl.DataFrame:
    known = ancestry.gaussians
    return pl.DataFrame(
        {
            "population": ancestry.populations,
            "superpopulation": ancestry.superpopulations,
            "offset": known.offset,
            "mean": known.mean.tolist(),
            "precision": [matrix.ravel().tolist() for matrix in known.precision],
            "excess": known.excess.tolist(),
            "odds_offset": known.odds_offset,
        },
        schema_overrides={"population": pl.Utf8, "superpopulation": pl.Utf8},
    )


def open_bundle(path: Path, *, build: str | None = None) -> ReferenceBundle:
    """Open a bundle, having checked all of its files.

    build : raise a BuildError unless it is on this one
    Raises InputError, with the remedy, for a bundle that is damaged, changed or of another format.
    """
    sealed = open_sealed(path, SEAL)
    if sealed.card.get("build") not in BUILDS:
        raise InputError(f"{path}: {SEAL.card} names no genome build; make the bundle again")
    if build not in (None, sealed.card["build"]):
        raise BuildError(
            f"{path} is on {sealed.card['build']}, but {build} is needed; make one on {build} with "
            "`genomed structure reference`"
        )
    try:
        return _loaded(sealed)
    except (KeyError, ValueError, TypeError, pl.exceptions.PolarsError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: does not hold what a bundle must ({why}); make it again") from (
            None
        )


def _loaded(sealed: Sealed) -> ReferenceBundle:
    directory, card = sealed.directory, sealed.card
    schema = dict.fromkeys(_LABELS, pl.Utf8)
    labels = pl.read_csv(directory / "labels.tsv", separator="\t", schema=schema)
    table = pl.read_parquet(directory / "pcs.parquet")
    loadings = pl.read_parquet(directory / "loadings.parquet")
    facts = card["components"]
    k = len(facts["eigenvalues"])
    names = [f"PC{i + 1}" for i in range(k)]
    pcs, used = table.select(names).to_numpy(), table["used"].to_numpy()
    if not labels["sample"].equals(table["sample"]) or len(labels) != card["n_people"]:
        raise ValueError("labels and scores are of different people")
    ancestry = _ancestry(directory / "gaussians.parquet", loadings, card)
    components = Pca(
        eigenvalues=np.array(facts["eigenvalues"], np.float64),
        scores=pcs[used],
        loadings=loadings.select(names).to_numpy(),
        centre=ancestry.centre,
        scale=ancestry.scale,
        shrinkage=np.array(facts["shrinkage"], np.float64),
        n_variants=int(facts["n_variants"]),
        method=str(facts["method"]),
        angle=float(facts["angle"]),
    )
    return ReferenceBundle(
        sealed.path, str(card["name"]), card["build"], labels, pcs, used,
        loadings.select(_LOCUS), components, ancestry, card, sealed,
    )  # fmt: skip


def _ancestry(path: Path, loadings: pl.DataFrame, card: Mapping[str, Any]) -> AncestryModel:
    table = pl.read_parquet(path)
    populations = table["population"].to_list()
    d = len(populations)
    return AncestryModel(
        populations=populations,
        superpopulations=table["superpopulation"].to_list(),
        weights=loadings.select(
            [f"weight of {p}" for p in populations]
            + [f"odds of {p}" for p in populations if f"odds of {p}" in loadings.columns]
        ).to_numpy(),
        centre=loadings["centre"].to_numpy(),
        scale=loadings["scale"].to_numpy(),
        gaussians=Gaussians(
            mean=np.array(table["mean"].to_list(), np.float64).reshape(d, d),
            precision=np.array(table["precision"].to_list(), np.float64).reshape(d, d, d),
            offset=table["offset"].to_numpy(),
            temperature=float(card["temperature"]),
            excess=np.array(table["excess"].to_list(), np.float64).reshape(d, d),
            limit=float(card["strangeness_limit"]),
            odds_power=float(card["odds_power"]),
            odds_offset=table["odds_offset"].to_numpy(),
        ),
    )
