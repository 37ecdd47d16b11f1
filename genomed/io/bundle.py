"""Reference bundles: people with labels, their genotypes, and what places others among them.

A bundle is a directory, or the same files in a .zip:

    bundle.json       kind "reference", format version, name, genome build, sizes, the digest of
                      every other file, and whatever its maker wants to be known
    reference.pgen .pvar .psam   calls of the reference people
    labels.tsv        sample, population, superpopulation; one line per person, in that order
    pcs.parquet       sample, used (in the PCA, the others are projected), PC1, PC2 ..
    loadings.parquet  row (of the store), contig, position, id, ref, alt, centre, scale, PC1 ..,
                      then one weight per population
    gaussians.parquet population, superpopulation, offset, mean and precision

Nothing is pickled. Opening checks every digest, and refuses what it does not know.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genomed.errors import BuildError, InputError, OutputError
from genomed.io.model_pack import zip_bundle
from genomed.io.outputs import OutputDirectory
from genomed.io.packed import PackedStore, open_store
from genomed.io.pgen_writer import PgenWriter
from genomed.io.psam import psam_text
from genomed.io.pvar import PvarPart, write_pvar
from genomed.schema import BUILDS, AncestryModel, Gaussians, Pca

__all__ = ["FORMAT_VERSION", "ReferenceBundle", "open_bundle", "write_bundle"]

FORMAT_VERSION = 1

CARD = "bundle.json"
FILES = (
    "reference.pgen",
    "reference.pvar",
    "reference.psam",
    "labels.tsv",
    "pcs.parquet",
    "loadings.parquet",
    "gaussians.parquet",
)
_MAX_CARD_BYTES = 1 << 24
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
    _files: _Files = field(repr=False)

    @property
    def loadings(self) -> pl.DataFrame:
        """The variants with centre, scale and a column for each component."""
        columns = {"centre": self.components.centre, "scale": self.components.scale}
        columns |= {f"PC{i + 1}": column for i, column in enumerate(self.components.loadings.T)}
        return self.variants.with_columns(pl.Series(k, v) for k, v in columns.items())

    def store(self) -> PackedStore:
        """The reference people's calls."""
        return open_store(self._files.directory / "reference.pgen")


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
    if out.suffix == ".zip":
        with tempfile.TemporaryDirectory(prefix=".genomed-", dir=_parent(out)) as scratch:
            directory = Path(scratch) / "bundle"
            _write_directory(
                directory, name, build, store, rows, labels, pcs, used, components, ancestry,
                facts or {}, threads,
            )  # fmt: skip
            zip_bundle(directory, out)
    else:
        _write_directory(
            out, name, build, store, rows, labels, pcs, used, components, ancestry, facts or {},
            threads,
        )  # fmt: skip


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


def _parent(out: Path) -> Path:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror}); try another --out") from (
            None
        )
    return out.parent


def _write_directory(
    out: Path,
    name: str,
    build: str,
    store: PackedStore,
    rows: np.ndarray,
    labels: pl.DataFrame,
    pcs: np.ndarray,
    used: np.ndarray,
    components: Pca,
    ancestry: AncestryModel,
    facts: Mapping[str, Any],
    threads: int,
) -> None:
    people = pl.DataFrame({"sample": store.samples}, schema={"sample": pl.Utf8})
    labels = people.join(labels.select(_LABELS), on="sample", how="left", maintain_order="left")
    scores = {f"PC{i + 1}": column for i, column in enumerate(pcs.T)}
    with OutputDirectory(out) as directory:
        made = _write_store(directory, store, threads)
        directory.write_tsv("labels.tsv", labels)
        table = people.with_columns(pl.Series("used", used), **{k: pl.Series(v) for k, v in
                                    scores.items()})  # fmt: skip
        directory.write_parquet("pcs.parquet", table, {})
        directory.write_parquet(
            "loadings.parquet", _loadings(store, rows, components, ancestry), {}
        )
        directory.write_parquet("gaussians.parquet", _gaussians(ancestry), {})
        digests = {
            file: {"bytes": path.stat().st_size, "sha256": _digest(path)}
            for file, path in ((file, made / file) for file in FILES)
        }
        card = {
            "kind": "reference",
            "format": FORMAT_VERSION,
            "name": name,
            "build": build,
            "n_people": len(store.samples),
            "n_variants": len(store.variants),
            "n_loci": len(rows),
            "components": {
                "eigenvalues": components.eigenvalues.tolist(),
                "shrinkage": components.shrinkage.tolist(),
                "n_variants": components.n_variants,
                "method": components.method,
                "angle": components.angle,
            },
            "temperature": ancestry.gaussians.temperature,
            "files": digests,
            **{key: value for key, value in facts.items() if key not in _RESERVED},
        }
        directory.write_text(CARD, json.dumps(card, indent=1) + "\n")


_RESERVED = {
    "kind", "format", "name", "build", "n_people", "n_variants", "n_loci", "components",
    "temperature", "files",
}  # fmt: skip


def _write_store(directory: OutputDirectory, store: PackedStore, threads: int) -> Path:
    """Write the three files of the store; returns the directory they are made in."""
    with directory.explained():
        path = directory.place("reference.pgen")
        writer = PgenWriter(path, len(store.samples), threads=threads)
        for block in store.blocks(threads=threads):
            writer.write_packed(block.words)
        writer.close()
        part = PvarPart(directory.scratch("pvar") / "rows")
        part.append(store.variants.with_columns(pl.col("id").fill_null(".")).drop("row"))
        write_pvar(directory.place("reference.pvar"), [part], [])
    directory.write_text("reference.psam", psam_text(store.people))
    return path.parent


def _loadings(
    store: PackedStore, rows: np.ndarray, components: Pca, ancestry: AncestryModel
) -> pl.DataFrame:
    columns = {"centre": components.centre, "scale": components.scale}
    columns |= {f"PC{i + 1}": column for i, column in enumerate(components.loadings.T)}
    columns |= {f"weight of {p}": w for p, w in zip(ancestry.populations, ancestry.weights.T,
                                                    strict=True)}  # fmt: skip
    table = store.variants[rows].select(_LOCUS)
    return table.with_columns(pl.Series(key, value) for key, value in columns.items())


def _gaussians(ancestry: AncestryModel) -> pl.DataFrame:
    known = ancestry.gaussians
    return pl.DataFrame(
        {
            "population": ancestry.populations,
            "superpopulation": ancestry.superpopulations,
            "offset": known.offset,
            "mean": known.mean.tolist(),
            "precision": [matrix.ravel().tolist() for matrix in known.precision],
        },
        schema_overrides={"population": pl.Utf8, "superpopulation": pl.Utf8},
    )


class _Files:
    """The files of a bundle in a directory; one from a .zip lasts as long as this object."""

    def __init__(self, path: Path) -> None:
        self.directory = path
        if not path.is_dir():
            self.directory = Path(tempfile.mkdtemp(prefix="genomed-bundle-"))
            weakref.finalize(self, shutil.rmtree, self.directory, True)


def open_bundle(path: Path, *, build: str | None = None) -> ReferenceBundle:
    """Open a bundle, having checked all of its files.

    build : raise a BuildError unless it is on this one
    Raises InputError, with the remedy, for a bundle that is damaged, changed or of another format.
    """
    files = _Files(path)
    if path.is_dir():
        card = _card(path, _read(path / CARD, path))
        for file in FILES:
            if not (path / file).is_file():
                raise InputError(f"{path}: {file} is missing; copy the whole bundle again")
    else:
        card = _unzip(path, files.directory)
    for file, promised in card["files"].items():
        if _digest(files.directory / file) != promised["sha256"]:
            raise InputError(f"{path}: {file} was changed or damaged; copy the bundle again")
    if build not in (None, card["build"]):
        raise BuildError(
            f"{path} is on {card['build']}, but {build} is needed; make one on {build} with "
            "`genomed structure reference`"
        )
    try:
        return _loaded(path, files, card)
    except (KeyError, ValueError, TypeError, pl.exceptions.PolarsError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: does not hold what a bundle must ({why}); make it again") from (
            None
        )


def _read(file: Path, bundle: Path) -> bytes:
    try:
        if file.stat().st_size > _MAX_CARD_BYTES:
            raise InputError(f"{bundle}: {CARD} is too large for one; make the bundle again")
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            f"{bundle}: is no reference bundle, {CARD} cannot be read ({error.strerror}); make one "
            "with `genomed structure reference`"
        ) from None


def _card(path: Path, text: bytes) -> dict[str, Any]:
    """What bundle.json says, if this version can read such a bundle."""
    try:
        card = json.loads(text)
        kind, version = card["kind"], card["format"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: {CARD} is damaged; copy the bundle again") from None
    if kind != "reference":
        raise InputError(f"{path}: is a bundle of kind {kind!r}, and a reference is needed")
    if version != FORMAT_VERSION:
        raise InputError(
            f"{path}: is of format {version!r}, and this genomed reads {FORMAT_VERSION}; use the "
            "genomed that made it, or make it again"
        )
    files = card.get("files")
    if (
        card.get("build") not in BUILDS
        or not isinstance(files, dict)
        or set(files) != set(FILES)
        or not all(isinstance(f, dict) and {"bytes", "sha256"} <= f.keys() for f in files.values())
    ):
        raise InputError(f"{path}: {CARD} does not list a bundle's files; make the bundle again")
    return dict(card)


def _unzip(path: Path, target: Path) -> dict[str, Any]:
    """Copy the files that a bundle has, and refuse an archive with any others."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist()]
            odd = sorted(set(names) - {CARD, *FILES}) or [n for n in names if names.count(n) > 1]
            if odd:
                raise InputError(f"{path}: {odd[0][:200]!r} has no place in a reference bundle")
            if set(names) != {CARD, *FILES}:
                absent = sorted({CARD, *FILES} - set(names))[0]
                raise InputError(f"{path}: is no whole reference bundle, {absent} is missing")
            if archive.getinfo(CARD).file_size > _MAX_CARD_BYTES:
                raise InputError(f"{path}: {CARD} is too large for one; make the bundle again")
            card = _card(path, archive.read(CARD))
            for file in FILES:
                if archive.getinfo(file).file_size != card["files"][file]["bytes"]:
                    raise InputError(f"{path}: {file} was changed or damaged; copy it again")
                with archive.open(file) as source, (target / file).open("wb") as sink:
                    shutil.copyfileobj(source, sink)
            return card
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise InputError(
            f"{path}: cannot be read as a reference bundle ({error}); copy it again, or make one "
            "with `genomed structure reference`"
        ) from None


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _loaded(path: Path, files: _Files, card: dict[str, Any]) -> ReferenceBundle:
    directory = files.directory
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
    ancestry = _ancestry(directory / "gaussians.parquet", loadings, float(card["temperature"]))
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
        path, str(card["name"]), card["build"], labels, pcs, used,
        loadings.select(_LOCUS), components, ancestry, card, files,
    )  # fmt: skip


def _ancestry(path: Path, loadings: pl.DataFrame, temperature: float) -> AncestryModel:
    table = pl.read_parquet(path)
    populations = table["population"].to_list()
    d = len(populations)
    return AncestryModel(
        populations=populations,
        superpopulations=table["superpopulation"].to_list(),
        weights=loadings.select(f"weight of {p}" for p in populations).to_numpy(),
        centre=loadings["centre"].to_numpy(),
        scale=loadings["scale"].to_numpy(),
        gaussians=Gaussians(
            mean=np.array(table["mean"].to_list(), np.float64).reshape(d, d),
            precision=np.array(table["precision"].to_list(), np.float64).reshape(d, d, d),
            offset=table["offset"].to_numpy(),
            temperature=temperature,
        ),
    )
