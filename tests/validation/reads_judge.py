"""samtools, mosdepth and bedtools as judges of what is said of alignments."""

import ctypes.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from datafiles import shared_data

# File, and the reference it needs.
FILES = {
    "reads/bcftools_mpileup/mpileup.1.bam": "reads/bcftools_mpileup/mpileup.ref.fa",
    "reads/bcftools_mpileup/mpileup.2.bam": "reads/bcftools_mpileup/mpileup.ref.fa",
    "reads/bcftools_mpileup/mpileup.3.bam": "reads/bcftools_mpileup/mpileup.ref.fa",
    "reads/deepvariant_chr20/NA12878_S1.chr20.10_10p1mb.bam": None,
    "reads/freebayes_tiny/1read.bam": "reads/freebayes_tiny/q.fa",
    "reads/freebayes_tiny/NA12878.chr22.tiny.bam": "reads/freebayes_tiny/q.fa",
    "reads/freebayes_tiny/NA12878.chr22.tiny.cram": "reads/freebayes_tiny/q.fa",
    "reads/gatk_chr17/NA12878.chr17_69k_70k.dictFix.bam": (
        "reads/gatk_chr17/human_g1k_v37.chr17_1Mb.fasta"
    ),
    "reads/gatk_chr17/NA12878.chr17_69k_70k.dictFix.cram": (
        "reads/gatk_chr17/human_g1k_v37.chr17_1Mb.fasta"
    ),
}


def files_of(name: str) -> tuple[Path, Path | None]:
    """A file of alignments and its reference."""
    reference = FILES[name]
    return shared_data(name), None if reference is None else shared_data(reference)


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def samtools(command: str, path: Path, reference: Path | None, *options: str) -> list[list[str]]:
    """Lines of a samtools command, cut at tabs."""
    more = [] if reference is None else ["--reference", str(reference)]
    done = subprocess.run(
        [tool("samtools"), command, *options, *more, str(path)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [line.split("\t") for line in done.stdout.splitlines()]


def mosdepth(prefix: Path, path: Path, reference: Path | None, *options: str) -> None:
    """Run mosdepth; Debian's loads libhts.so by a name that only its -dev package brings."""
    program = tool("mosdepth")
    library = ctypes.util.find_library("hts")
    links = prefix.parent / "lib"
    links.mkdir(exist_ok=True)
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"):
        if library and (Path(folder) / library).exists() and not (links / "libhts.so").exists():
            (links / "libhts.so").symlink_to(Path(folder) / library)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(links)}
    environment |= {f"MOSDEPTH_Q{i}": name for i, name in enumerate(
        ("NO_COVERAGE", "LOW_COVERAGE", "CALLABLE", "HIGH_COVERAGE"))}  # fmt: skip
    more = [] if reference is None else ["-f", str(reference)]
    done = subprocess.run(
        [program, *options, *more, str(prefix), str(path)],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    if "could not load" in done.stderr:
        pytest.skip("mosdepth finds no libhts.so")
    assert done.returncode == 0, done.stderr
