"""From molecules to FASTQ: our own reads, or those of ART and dwgsim, whose errors are others'."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from genomes import LETTERS

__all__ = ["SEQUENCERS", "art", "dwgsim", "write_fastq"]


def write_fastq(out: Path, pairs: tuple[np.ndarray, np.ndarray]) -> None:
    """reads_1.fq and reads_2.fq; every record is as long as the others."""
    bases, quality = pairs
    n, _, length = bases.shape
    names = np.char.zfill(np.arange(n).astype("S9"), 9).view(np.uint8).reshape(n, 9)
    for mate in range(2):
        record = np.empty((n, 2 * length + 18), np.uint8)
        record[:, :2] = np.frombuffer(b"@r", np.uint8)
        record[:, 2:11] = names
        record[:, 11:13] = np.frombuffer(f"/{mate + 1}".encode(), np.uint8)
        record[:, 13] = 10
        record[:, 14 : 14 + length] = LETTERS[bases[:, mate]]
        record[:, 14 + length : 17 + length] = np.frombuffer(b"\n+\n", np.uint8)
        record[:, 17 + length : 17 + 2 * length] = quality[:, mate] + 33
        record[:, -1] = 10
        record.tofile(out / f"reads_{mate + 1}.fq")


def art(out: Path, molecules: list[np.ndarray], depth: float, seed: int) -> None:
    """HiSeq 2500 profiles of ART (Huang et al. 2012, doi:10.1093/bioinformatics/btr708).

    depth : of each molecule
    """
    _write_molecules(out / "donor.fa", molecules)
    _run(out, "art_illumina -q -na -ss HS25 -p -l 150 -m 350 -s 60"
         f" -f {depth} -rs {seed} -i donor.fa -o art")  # fmt: skip
    for mate in (1, 2):
        (out / f"art{mate}.fq").rename(out / f"reads_{mate}.fq")
    (out / "donor.fa").unlink()


def dwgsim(out: Path, molecules: list[np.ndarray], depth: float, seed: int) -> None:
    """Uniform errors that grow along the read; no mutations of its own.

    depth : of each molecule
    """
    _write_molecules(out / "donor.fa", molecules)
    _run(out, "samtools faidx donor.fa && dwgsim -1 125 -2 125 -d 400 -s 80 -r 0 -R 0 -y 0 -e"
         f" 0.002-0.012 -E 0.003-0.02 -o 1 -C {depth} -z {seed} donor.fa dw")  # fmt: skip
    for mate in (1, 2):
        _run(out, f"gzip -dc dw.bwa.read{mate}.fastq.gz > reads_{mate}.fq")
    for path in (*out.glob("dw.*"), *out.glob("donor.fa*")):
        path.unlink()


SEQUENCERS = {"art": art, "dwgsim": dwgsim}


def _write_molecules(path: Path, molecules: list[np.ndarray]) -> None:
    with path.open("w") as file:
        for number, bases in enumerate(molecules):
            text = LETTERS[bases].tobytes().decode()
            file.write(f">m{number}\n")
            file.writelines(f"{text[i : i + 60]}\n" for i in range(0, len(text), 60))


def _run(out: Path, command: str) -> None:
    done = subprocess.run(["bash", "-c", command], cwd=out, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stderr.decode()}")
