"""Contigs are found by any usual spelling, and the spelling of the file comes first."""

import pytest

from genomed.regions import ContigNames, canonical_contig


@pytest.mark.parametrize(
    ("name", "canonical"),
    [("chr1", "1"), ("Chr7", "7"), ("chrM", "MT"), ("26", "MT"), ("23", "X"), ("chry", "Y"),
     ("25", "X"), ("XY", "X"), ("PAR1", "X"), ("chrUn_KI270742v1", "Un_KI270742v1")],
)  # fmt: skip
def test_names_that_mean_one_contig_become_one(name: str, canonical: str) -> None:
    assert canonical_contig(name) == canonical


def test_a_name_as_spelt_comes_before_one_that_means_the_same() -> None:
    names = ContigNames(["chr1", "1", "chrX", "PAR1"])
    assert [names.place(name) for name in ("1", "chr1", "X", "23", "PAR1")] == [1, 0, 2, 2, 3]
    assert names.place("chr2") is None
