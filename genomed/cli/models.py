"""`genomed models`: the library of scoring files and bundles that `genomed risk` finds by name."""

import json
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genomed.cli.command import Group
from genomed.cli.options import Codes, Covariates, Groups, Json, Library, Threads, available_threads
from genomed.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from genomed.io.library import Entry

__all__ = ["models_app"]

models_app = typer.Typer(
    name="models",
    cls=Group,
    help="List, show, add, verify, pack and fetch scoring files, trained models and references.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Replace = Annotated[
    bool, typer.Option("--replace", help="Put it in the place of a model of the same name.")
]

_COLUMNS = (
    "name",
    "kind",
    "trait",
    "builds",
    "n_variants",
    "n_refused",
    "source",
    "added",
    "sha256",
)
_COLUMNS_ON_A_TERMINAL = _COLUMNS[:-2]  # a digest is for programs
_FOLDED = ("trait", "source", "value", "detail")  # columns that may break over lines


@models_app.command("list")
def list_(library: Library = None, as_json: Json = False) -> None:
    """List the bundled models and those of the library."""
    from genomed.steps.models import list_models

    entries = list_models(_library(library))
    if as_json:
        _print_json([_facts(entry) for entry in entries])
        return
    rows = [_facts(entry) for entry in entries]
    columns = _COLUMNS_ON_A_TERMINAL if sys.stdout.isatty() else _COLUMNS
    _print_table(columns, [[_cell(row[column]) for column in columns] for row in rows])


@models_app.command()
def show(
    name: Annotated[str, typer.Argument(help="Model or reference, or the path of one.")],
    library: Library = None,
    as_json: Json = False,
) -> None:
    """Show what a model holds: header, variants, builds and what is refused."""
    from genomed.steps.models import show_model

    details = [asdict(score) for score in show_model(name, _library(library))]
    if as_json:
        _print_json(details)
        return
    for score in details:
        _print_table(("what", "value"), list(_lines(score)))


@models_app.command()
def add(
    file: Annotated[
        Path, typer.Argument(help="Scoring file, bundle of a model or reference, or a pack.")
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="Name to ask for it by; else the score's own.")
    ] = None,
    library: Library = None,
    replace: Replace = False,
) -> None:
    """Add a scoring file, a bundle, or every model of a pack, to the library."""
    from genomed.steps.models import add_models

    for entry in add_models(_library(library), file, name=name, replace_it=replace):
        _say_added(entry)


@models_app.command()
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Models, or paths of bundles and files; the whole library when none."),
    ] = None,
    library: Library = None,
    as_json: Json = False,
) -> None:
    """Check digests and read every model again; exit code 3 when one is not sound."""
    from genomed.steps.models import verify_models

    verdicts = verify_models(_library(library), names or [])
    if as_json:
        _print_json([asdict(verdict) for verdict in verdicts])
    else:
        rows = [[verdict.name, verdict.status, verdict.detail] for verdict in verdicts]
        _print_table(("name", "status", "detail"), rows)
    unsound = [verdict.name for verdict in verdicts if not verdict.is_sound]
    if unsound:
        raise InputError(
            f"{len(unsound)} of {len(verdicts)} models are not sound: {', '.join(unsound)}; "
            "copy them again, or add or fetch them with --replace"
        )


@models_app.command()
def audit(
    name: Annotated[str, typer.Argument(metavar="BUNDLE", help="Bundle, or its path.")],
    store: Annotated[str, typer.Argument(metavar="STORE", help="PGEN or BED it was trained on.")],
    traits: Annotated[Path, typer.Option(metavar="FILE", help="Table of traits of the training.")],
    members: Annotated[
        Path,
        typer.Option(
            "--predictions",
            "--split",
            metavar="FILE",
            help="Who was learned from: OUT.training/predictions.tsv.gz, or train's --split.",
        ),
    ],
    trait: Annotated[
        str | None,
        typer.Option("--trait", "-p", metavar="NAME", show_default="the bundle's"),
    ] = None,
    covariates: Covariates = None,
    codes: Codes = None,
    groups: Groups = None,
    n_draws: Annotated[int, typer.Option("--bootstrap", min=0, help="Draws of people.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 1,
    threads: Threads = available_threads(),
    as_json: Json = False,
) -> None:
    """Attack a trained model: can those it was learned from be told from others by their loss?"""
    from genomed.steps.models_audit import AuditInputs, run_audit

    inputs = AuditInputs(
        name,
        store,
        traits,
        members,
        trait=trait,
        covariates=covariates,
        codes=codes,
        groups=groups,
    )
    found = run_audit(inputs, n_draws=n_draws, seed=seed, threads=threads)
    rows: list[dict[str, Any]] = [
        {"model": part}
        | {k: None if v != v else v for k, v in one._asdict().items()}  # NaN is no JSON
        for part, told in found.measures.items()
        for one in told
    ]
    if as_json:
        facts = {"n_members": found.n_members, "n_others": found.n_others, "measures": rows}
        _print_json({"name": found.name, "verdict": found.verdict, **facts,
                     "warnings": found.warnings})  # fmt: skip
        return
    cells = [
        [row["model"], row["name"],
         *("" if row[k] is None else f"{row[k]:.4f}" for k in ("value", "low", "high"))]
        for row in rows
    ]  # fmt: skip
    _print_table(("model", "measure", "value", "low", "high"), cells)
    for line in (found.verdict, *found.warnings):
        typer.echo(line, err=True)


@models_app.command()
def pack(
    names: Annotated[list[str], typer.Argument(help="Models to carry.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Archive to write: .tar or .zip.")],
    library: Library = None,
) -> None:
    """Write models and their digests into one file, to be added on another machine."""
    from genomed.steps.models import pack_models

    packed = pack_models(_library(library), names, out)
    typer.echo(f"{out}: {len(packed)} models; add them elsewhere with `genomed models add {out}`")


@models_app.command()
def unpack(
    file: Annotated[Path, typer.Argument(help="Pack made by `genomed models pack`.")],
    library: Library = None,
    replace: Replace = False,
) -> None:
    """Add every model of a pack to the library; the same as `add`."""
    from genomed.io.model_pack import read_pack

    for entry in read_pack(file, _library(library), replace_it=replace):
        _say_added(entry)


@models_app.command()
def fetch(
    accession: Annotated[str, typer.Argument(metavar="PGS_ID", help="As in PGS000001.")],
    build: Annotated[str, typer.Option("--build", help="GRCh37 or GRCh38.")] = "GRCh38",
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", help="Mirror to fetch from.", show_default="the PGS Catalog"),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name to ask for it by; else the PGS_ID.")
    ] = None,
    library: Library = None,
    replace: Replace = False,
) -> None:
    """Download a harmonised PGS Catalog score; goes on from where an earlier call stopped."""
    from genomed.steps.models import CATALOG_URL, fetch_model

    with _progress_bar(accession) as progress:
        entry = fetch_model(
            _library(library),
            accession,
            build=build,
            base_url=base_url or CATALOG_URL,
            name=name,
            replace_it=replace,
            progress=progress,
        )
    _say_added(entry)


def _library(given: Path | None) -> Path:
    from genomed.io.library import default_library

    return given or default_library()


def _facts(entry: "Entry") -> dict[str, Any]:
    return asdict(entry) | {"path": str(entry.path)}


def _say_added(entry: "Entry") -> None:
    refused = f", {entry.n_refused} of them refused" if entry.n_refused else ""
    typer.echo(f"{entry.name}: {entry.n_variants} variants{refused} ({entry.trait})")


def _lines(score: dict[str, Any]) -> "Iterator[list[str]]":
    for key, value in score.items():
        if isinstance(value, dict):
            yield from ([f"{key}: {part}", _cell(text)] for part, text in value.items())
        else:
            yield [key, _cell(value)]


def _cell(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))


def _print_table(columns: tuple[str, ...], rows: list[list[str]]) -> None:
    """A table for the eye on a terminal, tab-separated values for a pipe."""
    if not sys.stdout.isatty():
        for row in [list(columns), *rows]:
            typer.echo("\t".join(" ".join(cell.split()) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in _FOLDED)
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    Console().print(table)


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)  # not markup: a trait may hold square brackets


@contextmanager
def _progress_bar(label: str) -> "Iterator[Callable[[int, int | None], None]]":
    """A bar on stderr, on a terminal only; gives the function that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    console, silent = Console(stderr=True), not sys.stderr.isatty()
    with Progress(*columns, console=console, transient=True, disable=silent) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
