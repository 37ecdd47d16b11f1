"""Options that several commands share, each declared once; defaults are in genomed.settings."""

import re
from pathlib import Path
from typing import Annotated

import typer

from genomed.steps.machine import available_threads

__all__ = [
    "Calls",
    "CallsReference",
    "Codes",
    "Cohort",
    "CohortBuild",
    "Covariates",
    "Device",
    "GroupFile",
    "Groups",
    "IndexedAlignments",
    "Json",
    "Library",
    "LogFile",
    "MaxMemory",
    "Out",
    "Quiet",
    "ReadGroupSample",
    "RegionText",
    "Relatives",
    "Samples",
    "Store",
    "StoreBuild",
    "Threads",
    "Timings",
    "Verbose",
    "available_threads",
    "parse_device",
    "parse_memory",
]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_BYTES = {"": 1 << 30, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_device(text: str) -> str:
    """``cpu``, ``cuda`` or ``cuda:1``, whether it is there or not."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?", text):
        raise typer.BadParameter(f"{text!r} is neither cpu nor cuda")
    return text


def parse_memory(text: str | int) -> int:
    """Read ``4G``, ``512M`` or ``1.5 GiB`` as bytes; a bare number is in GiB."""
    size = _SIZE.fullmatch(str(text).strip())
    n_bytes = int(float(size[1]) * _BYTES[size[2].upper()]) if size else 0
    if n_bytes <= 0:
        raise typer.BadParameter(f"{text!r} is not an amount of memory; write it as 4G or 512M")
    return n_bytes


Cohort = Annotated[
    str,
    typer.Argument(
        metavar="COHORT",
        help="VCF, VCF.gz, BCF, gVCF, PGEN, BED or BGEN; - reads VCF from standard input.",
        show_default=False,
    ),
]
Store = Annotated[
    str,
    typer.Argument(
        metavar="STORE", help="PGEN or BED fileset: its prefix, or the .pgen or .bed.",
        show_default=False,
    ),
]  # fmt: skip
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Directory for the results.")]
RegionText = Annotated[
    str | None,
    typer.Option("--region", metavar="CONTIG:FIRST-LAST", help="Look only here; 1-based."),
]
Samples = Annotated[
    str | None,
    typer.Option(
        "--samples", metavar="FILE|NAMES", help="File with one sample a line, or NAME,NAME,..."
    ),
]
Covariates = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Table of covariates, one line per sample.")
]
Codes = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Dated codes of records, for the net: sample, code, date or age."
    ),
]
Groups = Annotated[
    str | None,
    typer.Option(
        metavar="FILE[:COLUMN]|COLUMN",
        help="Ancestry of people: a table of samples, or a column of the .psam.",
    ),
]
GroupFile = Annotated[
    str | None,
    typer.Option(metavar="FILE[:COLUMN]", help="Ancestry of people: a table of samples."),
]
Relatives = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Kinship table of `genomed structure`. Default: looked for."),
]
StoreBuild = Annotated[
    str | None, typer.Option(metavar="GRCh37|GRCh38", help="The store's genome build.")
]
CohortBuild = Annotated[
    str | None,
    typer.Option(metavar="GRCh37|GRCh38", help="The cohort's build, if its header is silent."),
]
Calls = Annotated[
    Path,
    typer.Argument(metavar="VCF", help="Calls, sorted: VCF, VCF.gz or BCF.", show_default=False),
]
IndexedAlignments = Annotated[
    Path,
    typer.Argument(
        metavar="BAM", help="Coordinate-sorted, indexed BAM or CRAM.", show_default=False
    ),
]
CallsReference = Annotated[
    Path,
    typer.Option(
        "--reference", metavar="FASTA", help="Reference of both, plain or compressed.",
        show_default=False,
    ),
]  # fmt: skip
ReadGroupSample = Annotated[
    str | None,
    typer.Option(
        "--sample", metavar="NAME", help="In files of several samples: read this one's groups only."
    ),
]
Threads = Annotated[
    int, typer.Option("--threads", "-t", min=1, help="Threads; the results do not depend on it.")
]
Timings = Annotated[bool, typer.Option("--timings", hidden=True)]  # seconds of each phase
Device = Annotated[
    str,
    typer.Option(metavar="cpu|cuda", parser=parse_device, help="Where matrices are multiplied."),
]
Library = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        envvar="GENOMED_LIBRARY",
        help="Directory of models and references.",
        show_default="in the user's data directory",
    ),
]
MaxMemory = Annotated[
    int | None,
    typer.Option(
        "--max-memory", metavar="SIZE", parser=parse_memory, help="Most memory to use, as in 4G."
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the summary as JSON, for another program.")
]
Verbose = Annotated[
    int, typer.Option("--verbose", "-v", count=True, help="Say more; twice says everything.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
LogFile = Annotated[
    Path | None,
    typer.Option("--log-file", metavar="FILE", help="Append every message as JSON lines."),
]
