"""Every error genomed raises on purpose, and the exit code each one means.

    GenomedError           1   something went wrong that has no better name
    |- UsageError          2   options that contradict each other (also what Typer exits with)
    |- InputError          3   a file does not hold what its format, or its companion, promises
    |  |- BuildError       3   a model and a cohort are on different genome builds
    |- CoverageError       4   too little of a model is present to give any score
    |- OutputError         5   results cannot be written where they were asked for
    |- UnknownNameError    6   no model, reader or score of that name
    |- UnfitError          7   this machine cannot do what was asked (see `genomed doctor`)
    |- NetworkError        8   a download failed for good
    |- GapError             9   a measure differs more between groups than --max-gap allows

SIGINT ends with 130 and SIGTERM with 143. Any other exception is a bug and keeps its traceback.

A message says what, where and what to do next, in one sentence:
``cohort.vcf.gz, line 17: POS 'x' is not a number; check the file with `bcftools view```.
"""

__all__ = [
    "BuildError",
    "CoverageError",
    "GapError",
    "GenomedError",
    "InputError",
    "NetworkError",
    "OutputError",
    "UnfitError",
    "UnknownNameError",
    "UsageError",
]


class GenomedError(Exception):
    """Base of all expected errors; its text is shown to the user as it is."""

    exit_code = 1


class UsageError(GenomedError):
    """Options that contradict each other or cannot be honoured."""

    exit_code = 2


class InputError(GenomedError):
    """A file does not hold what its format, or its companion file, promises."""

    exit_code = 3


class BuildError(InputError):
    """A model and a cohort are on different genome builds."""


class CoverageError(GenomedError):
    """Too little of a model is present in the cohort to give any score."""

    exit_code = 4


class OutputError(GenomedError):
    """Results cannot be written: no permission, no space, or the directory vanished."""

    exit_code = 5


class UnknownNameError(GenomedError):
    """No reader, model or score is registered under this name."""

    exit_code = 6


class UnfitError(GenomedError):
    """This machine, or an optional package, cannot do what was asked."""

    exit_code = 7


class NetworkError(GenomedError):
    """A download failed and retrying did not help."""

    exit_code = 8


class GapError(GenomedError):
    """A measure differs more between groups of people than was allowed; results were written."""

    exit_code = 9
