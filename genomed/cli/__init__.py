"""The command line: one file per command, and the one place where errors become exit codes.

A command file declares options, calls one step and prints a summary. It imports nothing heavy at
its top, so ``genomed --help`` answers in a third of a second; tests/test_startup.py counts modules.
"""

import signal
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.main import get_command, get_group

from genomed import __version__
from genomed.cli.command import Command, Group
from genomed.errors import GenomedError

__all__ = ["app", "main"]

COMMANDS = (  # in the order in which they follow each other
    *("convert", "qc", "structure", "reads", "train", "risk", "evaluate", "explain"),
    *("report", "plan", "run", "models", "doctor"),
)
_CONTEXTS = {"run": {"allow_extra_args": True, "ignore_unknown_options": True}}


class _Commands(Mapping[str, Any]):
    """Commands by name, each made when it is asked for: Typer takes 5 ms for one.

    made : those that are there already
    """

    def __init__(self, made: Mapping[str, Any]) -> None:
        self._made = dict(made)

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            if name not in COMMANDS:
                raise KeyError(name)
            module = import_module(f"genomed.cli.{name}")
            group = getattr(module, f"{name}_app", None)
            self._made[name] = _alone(getattr(module, name)) if group is None else get_group(group)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*COMMANDS, *self._made)))

    def __len__(self) -> int:
        return len(set(COMMANDS) | set(self._made))


def _alone(function: Any) -> Any:
    """A command that belongs to no group."""
    program = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
    )
    name = function.__name__
    program.command(name, cls=Command, context_settings=_CONTEXTS.get(name))(function)
    return get_command(program)


class _OnDemand(Group):
    """The program's commands, of which a run needs one."""

    def __init__(self, *, commands: Any, **settings: Any) -> None:
        on_demand: Any = _Commands(commands)
        super().__init__(commands=on_demand, **settings)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


app = typer.Typer(
    name="genomed",
    cls=_OnDemand,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback is for us; keep it plain
    rich_markup_mode=None,  # formatting help with rich would double the time --help takes
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(value: bool) -> None:
    """Print the version and leave, when --version was given."""
    if value:
        typer.echo(f"genomed {__version__}")
        raise typer.Exit


@app.callback()
def genomed(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """From VCF and BAM to disease-risk scores that can be trusted."""


def stop_on_sigterm(signum: int, frame: FrameType | None) -> NoReturn:
    """Leave as if asked to, so that `finally` blocks remove what is half-written."""
    raise SystemExit(128 + signum)


def main() -> None:
    """Run the program: expected errors become one line on stderr and an exit code."""
    signal.signal(signal.SIGTERM, stop_on_sigterm)
    try:
        app()
    except GenomedError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
