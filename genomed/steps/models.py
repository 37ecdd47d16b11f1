"""The commands on the model library: list, show, add, verify, pack and fetch."""

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from genomed.errors import GenomedError, InputError, UnknownNameError, UsageError
from genomed.io.archives import zip_bundle
from genomed.io.download import PATIENT, DownloadSettings, download, published_md5
from genomed.io.library import (
    CARD,
    PANEL_SOURCE,
    REFERENCE,
    RISK,
    SCORES,
    Entry,
    add_model,
    bundle_kind,
    describe,
    file_digest,
    find_model,
    library_entries,
    panel_entries,
)
from genomed.io.model_pack import is_pack, read_pack, write_pack
from genomed.io.scorefile import read_models

__all__ = [
    "CATALOG_URL",
    "ModelDetails",
    "Verdict",
    "add_models",
    "fetch_model",
    "list_models",
    "pack_models",
    "show_model",
    "verify_models",
]

CATALOG_URL = "https://ftp.ebi.ac.uk/pub/databases/spot/pgs/scores"
GIVEN = "a path"  # source of what is in no library

_ACCESSION = re.compile(r"PGS\d{6}")
_BUILDS = ("GRCh37", "GRCh38")


@dataclass(frozen=True)
class ModelDetails:
    """What `show` tells of one score.

    name     : of the score in its file
    trait    : what it predicts
    source   : the file, or "bundled panel"
    builds   : genome build -> variants with a position there
    n_usable : variants that can contribute to a score
    refused  : reason code -> variants
    weight_min, weight_max : range of the usable weights, as used; None where there is none
    header   : the file's header block
    """

    name: str
    trait: str
    source: str
    builds: dict[str, int]
    n_variants: int
    n_usable: int
    refused: dict[str, int]
    weight_min: float | None
    weight_max: float | None
    header: dict[str, str]


@dataclass(frozen=True)
class Verdict:
    """What `verify` found: status is ok, no digest, changed, missing or unreadable."""

    name: str
    status: str
    detail: str

    @property
    def is_sound(self) -> bool:
        """Whether the model may be used."""
        return self.status in ("ok", "no digest")


def list_models(library: Path) -> list[Entry]:
    """The bundled panel, then the library; what no card tells is read from the files."""
    entries = [*panel_entries(), *library_entries(library)]
    return [entry if entry.sha256 else _described(entry) for entry in entries]


def _described(entry: Entry) -> Entry:
    try:
        return describe(entry)
    except InputError:
        return replace(entry, trait="cannot be read; see `genomed models verify`")


def show_model(text: str, library: Path) -> list[ModelDetails]:
    """Tell what each score of a model's file holds, or what a bundle does."""
    given = Path(text).expanduser()
    path = given if bundle_kind(given) else find_model(text, library)
    kind = bundle_kind(path)
    if kind is not None:
        return [_show_reference(path) if kind == REFERENCE else _show_trained(path)]
    panel = {entry.path for entry in panel_entries()}
    details = []
    for model in read_models(path):
        refused = model.variants["refused"]
        weights = model.variants.filter(refused.is_null())["effect_weight"]
        counts = refused.drop_nulls().value_counts(sort=True).iter_rows()
        details.append(
            ModelDetails(
                name=model.name,
                trait=model.trait,
                source=PANEL_SOURCE if path in panel else str(path),
                builds={
                    build or "not stated": int(locus["position"].count())
                    for build, locus in model.loci.items()
                },
                n_variants=len(refused),
                n_usable=refused.null_count(),
                refused={str(reason): int(count) for reason, count in counts},
                weight_min=_number(weights.min()),
                weight_max=_number(weights.max()),
                header=dict(model.header),
            )
        )
    return details


def _show_trained(path: Path) -> ModelDetails:
    from genomed.steps.risk_bundles import read_bundle  # noqa: PLC0415 - scores need none of it

    score = read_bundle(path)
    facts = score.bundle.facts
    people = facts.get("people") or {}
    stages = [str(stage["stage"]) for stage in facts.get("stages", ()) if stage["accepted"]]
    used = score.bundle.variants["used_by"].str.split(",").explode().value_counts().sort("used_by")
    weights = score.variants["effect_weight"]
    return ModelDetails(
        name=score.name,
        trait=f"{score.trait} ({score.risk.kind} trait)",
        source=str(path),
        builds=dict.fromkeys(score.loci, len(score.variants)),
        n_variants=len(score.variants),
        n_usable=len(score.variants),
        refused={},
        weight_min=_number(weights.min()),
        weight_max=_number(weights.max()),
        header={
            "kind": RISK,
            "verdict": str(facts["verdict"]),
            "stages": ", ".join(stages),
            "people": str(people.get("develop", "not told")),
            "covariates": ", ".join(c["name"] for c in _covariates(facts)),
            **{f"variants of {part or 'no part'}": str(n) for part, n in used.iter_rows()},
        },
    )


def _covariates(facts: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Columns of a bundle's encoder."""
    return (facts["covariates"]["encoder"] or {}).get("columns", ())


def _show_reference(path: Path) -> ModelDetails:
    from genomed.io.bundle import open_bundle  # noqa: PLC0415 - scores need none of it

    bundle = open_bundle(path)
    described = describe(Entry("", path))
    populations = bundle.labels["population"].value_counts().sort("population").iter_rows()
    return ModelDetails(
        name=bundle.name,
        trait=described.trait,
        source=str(path),
        builds={bundle.build: described.n_variants},
        n_variants=described.n_variants,
        n_usable=described.n_variants,
        refused={},
        weight_min=None,
        weight_max=None,
        header={
            "kind": REFERENCE,
            "components": str(bundle.pcs.shape[1]),
            "people": str(bundle.labels.height),
            **{f"people of {name or 'no population'}": str(n) for name, n in populations},
        },
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def add_models(
    library: Path, path: Path, *, name: str | None = None, replace_it: bool = False
) -> list[Entry]:
    """Add a scoring file, a bundle (a directory is zipped), or every model of a pack, once all of
    it was read and found sound."""
    if bundle_kind(path) == RISK:
        _read_trained(path)
    if path.is_dir() and bundle_kind(path):
        with tempfile.TemporaryDirectory(prefix="genomed-") as scratch:
            packed = Path(scratch) / f"{path.resolve().name}.zip"
            zip_bundle(path, packed)
            source = str(path.absolute())
            return [add_model(library, packed, name=name, source=source, replace_it=replace_it)]
    if not is_pack(path):
        return [add_model(library, path, name=name, replace_it=replace_it)]
    if name is not None:
        raise UsageError(f"{path} is a pack, whose models have their names; leave --name away")
    return read_pack(path, library, replace_it=replace_it)


def _read_trained(path: Path) -> None:
    """Have a bundle's parts made into a model, which refuses what does not belong together."""
    from genomed.steps.risk_bundles import read_bundle  # noqa: PLC0415 - scores need none of it

    read_bundle(path)


def verify_models(library: Path, names: list[str]) -> list[Verdict]:
    """Compare digests and read every file again; without names, the whole library and the panel.

    names : of models, or paths of files and bundles that are in no library
    """
    entries = [*panel_entries(), *library_entries(library)]
    if not names:
        return [_verdict(entry) for entry in entries]
    known = {entry.name for entry in entries}
    return [_verdict(_given(text, entries, known)) for text in names]


def _given(text: str, entries: list[Entry], known: set[str]) -> Entry:
    """The model of a library, whatever lies here under its name; else the file or the bundle."""
    path = Path(text).expanduser()
    if text not in known and (path.is_file() or bundle_kind(path)):
        return Entry(text, path, source=GIVEN)
    return _chosen(entries, [text])[0]


def _chosen(entries: list[Entry], names: list[str]) -> list[Entry]:
    known = {entry.name: entry for entry in entries}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UnknownNameError(
            f"no model called {unknown[0]!r}; known: {', '.join(sorted(known)) or 'none'}"
        )
    return [known[name] for name in names]


def _verdict(entry: Entry) -> Verdict:
    if entry.path.name == CARD:
        return Verdict(entry.name, "unreadable", f"{entry.path} is damaged; add the model again")
    if not entry.path.exists():
        return Verdict(entry.name, "missing", f"{entry.path} is gone; add the model again")
    try:
        if entry.sha256 and file_digest(entry.path) != entry.sha256:
            return Verdict(entry.name, "changed", "its SHA-256 differs from when it was added")
        found = describe(entry)
        if found.kind == RISK:
            _read_trained(entry.path)
    except (GenomedError, OSError) as error:
        return Verdict(entry.name, "unreadable", str(error))
    summary = f"{found.n_variants} variants, {found.n_refused} of them refused"
    if found.kind == REFERENCE:
        summary = f"{found.trait}, {found.n_variants} variants that place people"
    elif found.kind == RISK:
        summary = f"{found.trait}, {found.n_variants} variants that it reads"
    if entry.sha256 or entry.source == PANEL_SOURCE:
        return Verdict(entry.name, "ok", summary)
    if entry.source == GIVEN:  # a bundle has digests of its parts
        return Verdict(entry.name, "no digest" if found.kind == SCORES else "ok", summary)
    return Verdict(entry.name, "no digest", f"{summary}; was not added with `genomed models add`")


def pack_models(library: Path, names: list[str], out: Path) -> list[Entry]:
    """Write models into one archive, having checked every one of them."""
    if out.suffix not in (".tar", ".zip"):
        raise UsageError(f"{out}: a pack is a .tar or a .zip; give --out such a name")
    entries = _chosen([*panel_entries(), *library_entries(library)], names)
    for entry in entries:
        verdict = _verdict(entry)
        if not verdict.is_sound:
            raise InputError(f"{entry.name}: {verdict.detail}; it was not packed")
    packed = [_with_card(entry) for entry in {entry.name: entry for entry in entries}.values()]
    write_pack(packed, out)
    return packed


def _with_card(entry: Entry) -> Entry:
    return entry if entry.sha256 else replace(describe(entry), sha256=file_digest(entry.path))


def fetch_model(
    library: Path,
    accession: str,
    *,
    build: str = "GRCh38",
    base_url: str = CATALOG_URL,
    name: str | None = None,
    replace_it: bool = False,
    settings: DownloadSettings = PATIENT,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Entry:
    """Download a harmonised PGS Catalog file into the library, checked by its published MD5.

    A model that was fetched from the same address before is not fetched again.
    """
    accession = accession.strip().upper()
    if not _ACCESSION.fullmatch(accession):
        raise UsageError(f"{accession!r} is not a PGS Catalog accession; write it as PGS000001")
    if build not in _BUILDS:
        raise UsageError(f"{build!r} is not a build of the PGS Catalog; choose GRCh37 or GRCh38")
    file_name = f"{accession}_hmPOS_{build}.txt.gz"
    url = f"{base_url.rstrip('/')}/{accession}/ScoringFiles/Harmonized/{file_name}"
    label = name or accession
    known = {entry.name: entry for entry in library_entries(library)}.get(label)
    if known and not replace_it:
        if known.source == url and _verdict(known).is_sound:
            return known
        raise UsageError(
            f"the library has another model called {label!r}, or a damaged one; give --name, "
            f"such as {accession}_{build}, or --replace it"
        )
    target = library / ".incoming" / file_name
    download(
        url, target, md5=published_md5(url, settings=settings), settings=settings, progress=progress
    )
    try:
        return add_model(library, target, name=label, source=url, replace_it=replace_it)
    finally:
        target.unlink(missing_ok=True)
