"""The genome build of a cohort: what was asked for, unless its contig lengths say otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from genomed.assemblies import CONTIG_LENGTHS, detect_build, normalise_build
from genomed.errors import BuildError, InputError, UsageError
from genomed.regions import canonical_contig

__all__ = ["choose_build"]


def choose_build(
    contigs: Mapping[str, int | None], asked: str | None, path: str | Path
) -> tuple[str | None, str]:
    """The build, None where nothing tells it, and what it was told by.

    contigs : name in any spelling -> length in bases, None where unknown
    asked   : the value of --build
    path    : of the cohort, for messages
    raises  : UsageError for a build that is not known, BuildError where contig lengths are those of
              another, InputError where they contradict each other and nothing was asked for
    """
    try:
        detected = detect_build(contigs)
    except ValueError as error:
        if asked is None:
            raise InputError(f"{path}: {error} with --build") from None
        detected = None
    if asked is None:
        if detected is None:
            return None, "the header gives no known contig lengths"
        return detected, _evidence(contigs, detected)
    build = normalise_build(asked)
    if build is None:
        known = ", ".join(CONTIG_LENGTHS)
        raise UsageError(f"--build {asked!r} is not a genome build; known: {known}")
    if detected not in (None, build):
        raise BuildError(f"{path}: --build says {build}, but {_evidence(contigs, str(detected))}")
    return build, f"--build {asked} was given"


def _evidence(contigs: Mapping[str, int | None], build: str) -> str:
    known = CONTIG_LENGTHS[build]
    for name, length in contigs.items():
        if length is not None and known.get(canonical_contig(name)) == length:
            return f"contig {name} is {length:,} bases long, as in {build}"
    return f"contig lengths are those of {build}"
