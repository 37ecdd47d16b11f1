"""Any stretch of a reference, from any layout of it."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.errors import InputError
from genomed.io.fasta import Fasta
from genomed.stats.normalise import reference_bases

CONTIGS = {"chr1": "ACGTNacgtRYKMACGTAC", "2": "A", "chrM": "GATTACA" * 9}


def fasta_text(width: int, end: str = "\n", last: str = "\n") -> str:
    lines = []
    for name, sequence in CONTIGS.items():
        lines += [f">{name} a comment"]
        lines += [sequence[i : i + width] for i in range(0, len(sequence), width)]
    return end.join(lines) + last


def check(fasta: Fasta) -> None:
    assert fasta.contigs == {name: len(sequence) for name, sequence in CONTIGS.items()}
    for name, sequence in CONTIGS.items():
        plain = "".join(c if c in "ACGT" else "N" for c in sequence.upper())
        found = fasta.sequence(name)
        for start in range(len(sequence)):
            assert reference_bases(found, start, start + 5) == plain[start : start + 5]
    assert fasta.sequence("1") == fasta.sequence("chr1")
    assert fasta.sequence("MT") is not None
    assert fasta.sequence("3") is None


@given(st.integers(1, 70), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\n", "\n\n"]))
def test_lines_of_any_length_and_end(
    tmp_path_factory: pytest.TempPathFactory, width: int, end: str, last: str
) -> None:
    path = tmp_path_factory.mktemp("fasta") / "a.fa"
    path.write_text(fasta_text(width, end, last), newline="")
    check(Fasta(path))


def test_a_compressed_file_and_an_index_beside_it(tmp_path: Path) -> None:
    text = fasta_text(10)
    (tmp_path / "a.fa.gz").write_bytes(gzip.compress(text.encode()))
    check(Fasta(tmp_path / "a.fa.gz"))
    pysam = pytest.importorskip("pysam")
    (tmp_path / "a.fa").write_text(text)
    pysam.faidx(str(tmp_path / "a.fa"))
    check(Fasta(tmp_path / "a.fa"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "cannot be read"),
        ("ACGT\n", "does not begin with '>'"),
        (">1\nACGT\nAC\nACGT\n", "differ in length"),
    ],
)
def test_what_is_no_fasta_is_refused(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "a.fa").write_text(text)
    with pytest.raises(InputError, match=what):
        Fasta(tmp_path / "a.fa")


def test_an_index_of_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(fasta_text(10))
    (tmp_path / "a.fa.fai").write_text("chr1\t500\t6\t10\t11\n")
    with pytest.raises(InputError, match="does not fit"):
        Fasta(tmp_path / "a.fa")
    (tmp_path / "a.fa.fai").write_text("chr1\tmany\n")
    with pytest.raises(InputError, match="line 1: not a line"):
        Fasta(tmp_path / "a.fa")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Fasta(tmp_path / "absent.fa")


def test_bases_are_not_copied(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(fasta_text(10))
    text = Fasta(tmp_path / "a.fa").sequence("chr1").text
    assert not text.flags.owndata
    assert text.dtype == np.uint8
