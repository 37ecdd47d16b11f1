"""CRAM and SAM as BAM records, by htslib.

Whole files are turned by a process of their own: its memory and its threads are its own, and it
does not wait for Python's lock. Small regions of an indexed file are not worth a process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from genomed.errors import InputError
from genomed.io.bgzf import RECORD_ROOM, TextStream
from genomed.regions import Region

__all__ = ["IndexedRegions", "open_alignments", "text_of_header", "turned"]

SMALL_BP = 1 << 20
_PROGRAM = """
import sys, pysam
pysam.set_verbosity(1)
pysam.samtools.view("--no-PG", "-u", "-o", "-", *sys.argv[1:], catch_stdout=False)
"""
# Unless told where references lie, htslib asks a server on the internet for them (samtools
# manual, "Environment variables"); no command of genomed does.
_NO_DOWNLOAD = "/dev/null/%s"


def open_alignments(path: str, reference: Path | None) -> Any:
    """Open a file with pysam; raises InputError when it cannot be read."""
    import pysam  # noqa: PLC0415 - most files are BAM, which need it not

    os.environ.setdefault("REF_PATH", _NO_DOWNLOAD)
    name = None if reference is None else str(reference)
    was = pysam.set_verbosity(0)
    try:
        return pysam.AlignmentFile(path, reference_filename=name, check_sq=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as alignments ({error}); copy or make it again"
        ) from None
    finally:
        pysam.set_verbosity(was)


def text_of_header(path: str) -> tuple[str, list[tuple[str, int]]]:
    """Text of a header, and its contigs with their lengths."""
    with open_alignments(path, None) as file:
        return str(file.header), list(zip(file.references, file.lengths, strict=True))


@contextmanager
def turned(
    path: str, reference: Path | None, threads: int, region: Region | None = None
) -> Iterator[TextStream]:
    """A stream of the file, or of a region of it, as BAM; used in a `with` block.

    Raises OSError with htslib's words when it cannot be read to the end; whatever the stream says
    of missing bytes comes from that.
    """
    command = [sys.executable, "-c", _PROGRAM, "-@", str(threads - 1)]
    command += [] if reference is None else ["-T", str(reference)]
    command += ["--", path, *([] if region is None else [str(region)])]
    environment = {"REF_PATH": _NO_DOWNLOAD, **os.environ}
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, env=environment) as process,
    ):
        assert process.stdout is not None
        read_all = False
        try:
            yield TextStream(path, stream=process.stdout, room=RECORD_ROOM)
            read_all = True
        except InputError:
            if process.wait() == 0:
                raise
        finally:
            if not read_all:
                process.kill()
        if process.wait():
            said.seek(0)
            raise OSError(_reason(said.read().decode(errors="replace")))


class IndexedRegions:
    """A file with an index, opened once for many small regions."""

    def __init__(self, path: str, reference: Path | None, threads: int) -> None:
        self._path, self._reference, self._threads = path, reference, threads
        self._file: Any = None

    @contextmanager
    def stream(self, region: Region) -> Iterator[TextStream]:
        """The alignments that overlap a region, as `turned` gives them."""
        if region.end - region.start > SMALL_BP:
            with turned(self._path, self._reference, self._threads, region) as stream:
                yield stream
            return
        if self._file is None:
            self._file = open_alignments(self._path, self._reference)
        import pysam  # noqa: PLC0415 - see open_alignments

        with tempfile.TemporaryFile() as held:
            try:
                with pysam.AlignmentFile(held, "wbu", template=self._file) as out:
                    for read in self._file.fetch(*region):
                        out.write(read)
            except ValueError as error:
                raise OSError(str(error)) from None
            held.seek(0)
            with closing(TextStream(self._path, stream=held, room=RECORD_ROOM)) as stream:
                yield stream

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


def _reason(text: str) -> str:
    """The first thing that htslib complained of."""
    lines = [line for line in text.splitlines() if line.startswith(("[E::", "samtools"))]
    return lines[0] if lines else "htslib gave no reason"
