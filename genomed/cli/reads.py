"""`genomed reads`: commands over alignments, one file each."""

import typer

from genomed.cli.command import Command, Group
from genomed.cli.reads_call import reads_call
from genomed.cli.reads_features import reads_features
from genomed.cli.reads_qc import reads_qc
from genomed.cli.reads_score import reads_score
from genomed.cli.reads_train import reads_train

__all__ = ["reads_app"]

reads_app = typer.Typer(
    name="reads",
    cls=Group,
    help="Coverage, identity, evidence and calls from BAM and CRAM.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
reads_app.command("qc", cls=Command)(reads_qc)
reads_app.command("features", cls=Command)(reads_features)
reads_app.command("call", cls=Command)(reads_call)
reads_app.command("score", cls=Command)(reads_score)
reads_app.command("train", cls=Command)(reads_train)
