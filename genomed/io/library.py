"""The model library: a directory in which every model is a directory of its own.

    <library>/<name>/<scoring file as it came, or a bundle as .zip>
    <library>/<name>/model.json      kind, digest, source, date and what the file holds

There is no index: the directory is the truth. A scoring file dropped into the library by hand is
found as well, only without a digest to check it by. A model appears under its name whole or not
at all, for it is made beside it and renamed.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

from genomed.errors import InputError, OutputError, UnknownNameError, UsageError
from genomed.io.scorefile import read_models
from genomed.schema import ScoreModel

__all__ = [
    "CARD",
    "PANEL_SOURCE",
    "REFERENCE",
    "RISK",
    "SCORES",
    "Entry",
    "add_model",
    "bundle_kind",
    "check_name_is_free",
    "checked_name",
    "default_library",
    "describe",
    "file_digest",
    "find_model",
    "is_bundle",
    "is_zip",
    "library_entries",
    "locate_model",
    "panel_entries",
    "panel_paths",
    "read_named_models",
]

CARD = "model.json"
PANEL_SOURCE = "bundled panel"
BUNDLE = "bundle.json"
SCORES, REFERENCE, RISK = "scores", "reference", "risk-net"  # kinds of entries
_WEIGHTS = "weights.safetensors"  # of a model bundle, beside its card

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


@dataclass(frozen=True)
class Entry:
    """One scoring file, or bundle, that can be asked for by name.

    name       : what `--model`, or `--reference`, takes
    path       : the scoring file, or the bundle's .zip
    kind       : "scores", "reference" or "risk-net" (what `genomed train` made)
    sha256     : digest of the file when it was added; "" when it was not added by us
    source     : where it came from: a path, a URL, or "bundled panel"
    added      : UTC time at which it was added, ISO 8601; "" when unknown
    models     : names of the scores in the file, or the bundle's own name
    trait      : what the first of them predicts, or who is in the reference
    builds     : genome builds it gives positions for; empty when it is keyed by ID
    n_variants : rows of the first score, variants that place people, or that a model reads
    n_refused  : rows of the first score that cannot be used
    """

    name: str
    path: Path
    kind: str = SCORES
    sha256: str = ""
    source: str = ""
    added: str = ""
    models: tuple[str, ...] = ()
    trait: str = ""
    builds: tuple[str, ...] = ()
    n_variants: int = 0
    n_refused: int = 0

    def card(self) -> str:
        """The entry as text of its model.json, which names the file without its directory."""
        return json.dumps(asdict(self) | {"path": self.path.name}, indent=1) + "\n"


def default_library() -> Path:
    """GENOMED_LIBRARY, or the place for data that a user of this system expects."""
    named = os.environ.get("GENOMED_LIBRARY")
    if named:
        return Path(named).expanduser()
    if sys.platform == "darwin":
        data = Path.home() / "Library" / "Application Support"
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return data / "genomed" / "models"


def panel_paths() -> list[Path]:
    """The scoring files that come with genomed, in order of their names."""
    return sorted((Path(__file__).parent.parent / "panel").glob("*.txt"))


def find_model(text: str, library: Path | None = None) -> Path:
    """The scoring file that `text` means: a path, else a library model, else one of the panel.

    library : None stands for `default_library()`
    Raises UnknownNameError, with names that come close, when there is no such model.
    """
    path = Path(text).expanduser()
    if path.is_file():
        return path
    library = default_library() if library is None else library
    known = {entry.name: entry.path for entry in [*panel_entries(), *library_entries(library)]}
    if text in known:
        return known[text]
    close = get_close_matches(text, known, n=3)
    close = close or [name for name in sorted(known) if name.lower() == text.lower()]
    hint = f"did you mean {' or '.join(close)}?" if close else "`genomed models list` shows all"
    raise UnknownNameError(f"no file and no model called {text!r} (library: {library}); {hint}")


def locate_model(text: str, library: Path | None = None) -> Path:
    """What `find_model` finds, or the directory of a model bundle."""
    path = Path(text).expanduser()
    return path if path.is_dir() and bundle_kind(path) == RISK else find_model(text, library)


def read_named_models(text: str, library: Path | None = None) -> list[ScoreModel]:
    """Read what `find_model` finds; models of the panel say so instead of giving a path."""
    path = find_model(text, library)
    if is_bundle(path):
        raise UsageError(f"{text!r} is a reference bundle, not a model; give it with --reference")
    models = read_models(path)
    if path in panel_paths():
        return [replace(model, source=PANEL_SOURCE) for model in models]
    return models


def panel_entries() -> list[Entry]:
    """The bundled models, by name of their file; nothing is read."""
    return [Entry(path.stem, path, source=PANEL_SOURCE) for path in panel_paths()]


def library_entries(library: Path) -> list[Entry]:
    """Every model of a library, in order of their names; empty when there is no such directory.

    What a card tells is taken from it. A card that cannot be read, or whose file is gone, is an
    entry all the same: `genomed models verify` says what is wrong with it.
    """
    if not library.is_dir():
        return []
    return sorted(_entries(library), key=lambda entry: entry.name)


def _entries(library: Path) -> Iterator[Entry]:
    for path in library.iterdir():
        if path.name.startswith(".") or path.name.endswith((".part", ".json", ".md5", ".tar")):
            continue
        if path.is_file():
            yield Entry(_stem(path.name), path)
        elif (path / CARD).is_file():
            yield _entry_of_card(path)


def _entry_of_card(directory: Path) -> Entry:
    """The entry a card describes; one without a digest where the card is damaged."""
    try:
        card = json.loads((directory / CARD).read_text(encoding="utf-8"))
        file = Path(str(card["path"])).name  # a card names a file beside it, never one elsewhere
        return Entry(
            name=directory.name,
            path=directory / file,
            kind=str(card.get("kind", SCORES)),
            sha256=str(card["sha256"]),
            source=str(card["source"]),
            added=str(card["added"]),
            models=tuple(map(str, card["models"])),
            trait=str(card["trait"]),
            builds=tuple(map(str, card["builds"])),
            n_variants=int(card["n_variants"]),
            n_refused=int(card["n_refused"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Entry(directory.name, directory / CARD)


def is_zip(path: Path) -> bool:
    """Whether a file is a zip from its first byte on; a tar may hold one, and zipfile finds it."""
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06") and zipfile.is_zipfile(path)
    except OSError:
        return False


def is_bundle(path: Path) -> bool:
    """Whether a path is a reference bundle: a directory, or a zip, that has a bundle.json."""
    return bundle_kind(path) == REFERENCE


def bundle_kind(path: Path) -> str | None:
    """REFERENCE or RISK, for a directory or zip of a bundle's files; None for anything else.

    The card of a model bundle has the name of a library's cards, so a directory needs its weights.
    """
    if path.is_dir():
        if (path / BUNDLE).is_file():
            return REFERENCE
        return RISK if (path / _WEIGHTS).is_file() else None
    if not is_zip(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (OSError, EOFError, zipfile.BadZipFile):
        return None
    return REFERENCE if BUNDLE in names else RISK if names & {CARD, _WEIGHTS} else None


def describe(entry: Entry) -> Entry:
    """Read the file and fill in what it holds; raises InputError where it is broken."""
    kind = bundle_kind(entry.path)
    if kind is not None:
        return _described_bundle(entry) if kind == REFERENCE else _described_risk(entry)
    models = read_models(entry.path)
    first = models[0]
    return replace(
        entry,
        models=tuple(model.name for model in models),
        trait=first.trait,
        builds=tuple(build or "not stated" for build in first.loci),
        n_variants=len(first.variants),
        n_refused=len(first.variants) - first.variants["refused"].null_count(),
    )


def _described_bundle(entry: Entry) -> Entry:
    from genomed.io.bundle import open_bundle  # noqa: PLC0415 - scores need none of it

    bundle = open_bundle(entry.path)
    n_populations = bundle.labels["population"].n_unique()
    return replace(
        entry,
        kind=REFERENCE,
        models=(bundle.name,),
        trait=f"reference of {bundle.labels.height:,} people in {n_populations} populations",
        builds=(bundle.build,),
        n_variants=bundle.loadings.height,
        n_refused=0,
    )


def _described_risk(entry: Entry) -> Entry:
    from genomed.io.model_bundle import open_model_bundle  # noqa: PLC0415 - scores need none of it

    bundle = open_model_bundle(entry.path)
    trait = bundle.facts.get("trait")
    told = trait if isinstance(trait, dict) else {}
    return replace(
        entry,
        kind=RISK,
        models=(bundle.name,),
        trait=f"{told.get('name', bundle.name)} ({told.get('kind', 'of no kind')} trait)",
        builds=(bundle.build,),
        n_variants=bundle.variants.height,
        n_refused=0,
    )


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def checked_name(name: str) -> str:
    """The name, if it may stand for a model; UsageError otherwise."""
    if not _NAME.fullmatch(name) or name.endswith((".part", ".json", ".md5", ".tar")):
        raise UsageError(
            f"{name!r} cannot be the name of a model; use up to 100 letters, digits and . _ + -"
        )
    return name


def add_model(
    library: Path,
    path: Path,
    *,
    name: str | None = None,
    source: str | None = None,
    added: str | None = None,
    replace_it: bool = False,
) -> Entry:
    """Copy a scoring file or a bundle into the library, once it was read without an error.

    name       : None takes the only score's own name, or the file's without endings
    source     : None takes the absolute path
    added      : None takes the present time
    replace_it : put it in the place of a model of this name that is there already; adding the
                 same bytes again is no error either way
    Raises InputError when the file is no scoring file, UsageError when the name is taken.
    """
    found = describe(Entry("", path))
    only = found.models[0] if len(found.models) == 1 else ""
    label = checked_name(name or (only if _NAME.fullmatch(only) else _stem(path.name)))
    entry = replace(
        found,
        name=label,
        path=library / label / _file_name(path.name),
        sha256=file_digest(path),
        source=source or str(path.absolute()),
        added=added or datetime.now(UTC).isoformat(timespec="seconds"),
    )
    present = None if replace_it else check_name_is_free(library, entry)
    if present is None:
        _install(library, path, entry)
    return present or entry


def check_name_is_free(library: Path, entry: Entry) -> Entry | None:
    """The very same model if it is in the library already; UsageError when it is another."""
    present = {known.name: known for known in library_entries(library)}.get(entry.name)
    if present is None:
        return None
    if present.path.is_file() and file_digest(present.path) == entry.sha256:
        return present
    raise UsageError(
        f"the library has another model called {entry.name!r}; give --name, or --replace it"
    )


def _install(library: Path, path: Path, entry: Entry) -> None:
    """Make the model's directory beside its place, check the copy, and rename it."""
    made = library / f".{entry.name}.{os.getpid()}.part"
    try:
        library.mkdir(parents=True, exist_ok=True)
        try:
            made.mkdir()
            copied = made / entry.path.name
            shutil.copyfile(path, copied)
            (made / CARD).write_text(entry.card(), encoding="utf-8")
            if file_digest(copied) != entry.sha256:
                raise InputError(f"{path}: changed while it was copied; add it again")
            _put_in_place(made, library / entry.name)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"{library}: the model cannot be written ({error.strerror}); "
            "give a directory of your own with --library or GENOMED_LIBRARY"
        ) from None


def _put_in_place(made: Path, target: Path) -> None:
    """Rename `made`; what stood there before is moved aside first, and deleted last."""
    aside = made.with_suffix(".old.part")
    if target.exists():
        target.rename(aside)
    made.rename(target)
    if aside.is_dir():
        shutil.rmtree(aside, ignore_errors=True)


def _stem(file_name: str) -> str:
    """File name without what says how it is packed and of what kind it is."""
    bare = re.sub(r"(_hmPOS_GRCh3[78])?(\.(txt|tsv|csv|tab|zip))?(\.(gz|bgz|zst))?$", "", file_name)
    return bare or file_name


def _file_name(name: str) -> str:
    """The file's name in the library: no characters that need quoting, never the card's."""
    plain = re.sub(r"[^A-Za-z0-9._+-]", "_", name).lstrip(".")
    return f"scores_{plain}" if plain in ("", CARD) else plain[-100:]
