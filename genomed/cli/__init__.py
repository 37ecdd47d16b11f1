"""The command line: one file per command, and the one place where errors become exit codes.

A command file declares options, calls one step and prints a summary. It imports nothing heavy at
its top, so ``genomed --help`` answers in a third of a second; tests/test_startup.py counts modules.
"""

import signal
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from genomed import __version__
from genomed.cli.command import Command, Group
from genomed.cli.convert import convert
from genomed.cli.doctor import doctor
from genomed.cli.evaluate import evaluate
from genomed.cli.explain import explain
from genomed.cli.models import models_app
from genomed.cli.plan import plan
from genomed.cli.qc import qc
from genomed.cli.reads import reads_app
from genomed.cli.report import report
from genomed.cli.risk import risk
from genomed.cli.run import run
from genomed.cli.structure import structure_app
from genomed.cli.train import train
from genomed.errors import GenomedError

__all__ = ["app", "main"]

ORDER = (
    *("convert", "qc", "structure", "reads", "train", "risk", "evaluate", "explain"),
    *("report", "plan", "run", "models", "doctor"),
)


class _InOrder(Group):
    """Shows the commands in the order in which they follow each other."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands, key=lambda name: (*ORDER, name).index(name))


app = typer.Typer(
    name="genomed",
    cls=_InOrder,
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


for command in (convert, qc, train, risk, evaluate, explain, report, plan, doctor):
    app.command(cls=Command)(command)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(run)
for group in (structure_app, reads_app, models_app):
    app.add_typer(group)


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
