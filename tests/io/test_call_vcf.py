"""Records of calls: alleles that the genotype lacks are left out, and the rest is rewritten."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genomed.errors import InputError, OutputError
from genomed.features.call_sites import SITES_SCHEMA
from genomed.io.call_vcf import CallVcf, block_lines, call_lines, trimmed


def line_of(
    ref: str, alts: tuple[str, str], genotype: tuple[int, int], depth: int = 9,
    asked: tuple[bool, bool] = (False, False),
) -> list[str]:  # fmt: skip
    table = pl.DataFrame(
        [("1", 100, ref, *alts)], schema=SITES_SCHEMA, orient="row"
    )  # fmt: skip
    (line,) = call_lines(
        table, np.array([genotype], np.int8), np.array([40]), np.array([51.5]),
        np.array([[90, 10, 80, 20, 0, 70]]), np.array([depth]), np.array([[1, 5, 3]]),
        np.array([asked]),
    )  # fmt: skip
    return line.split("\t")


def test_a_genotype_of_both_alts_keeps_both() -> None:
    cells = line_of("CAA", ("C", "CA"), (1, 2))
    assert cells[3:7] == ["CAA", "C,CA", "51.50", "PASS"]
    assert cells[9] == "1/2:40:9:1,5,3:90,10,80,20,0,70"


def test_an_alt_that_is_not_in_the_genotype_is_left_out_and_the_rest_is_trimmed() -> None:
    cells = line_of("CAA", ("C", "CA"), (0, 2))
    assert cells[3:5] == ["CA", "C"]
    assert cells[9] == "0/1:40:9:1,3:70,0,50"


def test_a_site_like_the_reference_keeps_its_first_alt() -> None:
    assert line_of("A", ("G", ""), (0, 0))[9] == "0/0:40:9:1,5:80,0,70"


def test_alts_that_were_asked_for_stay_whatever_the_genotype_is() -> None:
    cells = line_of("A", ("G", "T"), (0, 0), asked=(True, True))
    assert cells[4] == "G,T"
    assert cells[9] == "0/0:40:9:1,5,3:90,10,80,20,0,70"


def test_a_site_without_reads_has_no_genotype() -> None:
    assert line_of("A", ("G", ""), (0, 0), depth=0)[9].startswith("./.:40:0")


def test_trimming_leaves_a_base_of_every_allele() -> None:
    assert trimmed("CAAA", ["CAA", "CA"]) == ("CAA", ["CA", "C"])
    assert trimmed("A", ["G"]) == ("A", ["G"])
    assert trimmed("CA", ["CAA"]) == ("C", ["CA"])


def test_blocks_break_where_the_class_of_gq_does_and_leave_out_calls() -> None:
    gq = np.array([0, 0, 31, 38, 45, 45, 45])
    depth = np.array([0, 0, 10, 12, 15, 15, 16])
    is_call = np.array([False, False, False, False, False, True, False])
    lines = [line.split("\t") for line in block_lines("1", "ACGTACG", 10, gq, depth, is_call)]
    assert [(int(c[1]), c[3], c[7], c[9]) for c in lines] == [
        (11, "A", "END=12", "./.:0:0"), (13, "G", "END=14", "0/0:31:10"),
        (15, "A", "END=15", "0/0:45:15"), (17, "G", "END=17", "0/0:45:16"),
    ]  # fmt: skip


def test_a_full_disc_is_told_and_hides_no_earlier_error() -> None:
    """/dev/full takes nothing, and htslib says so when the file is closed."""
    full = Path("/dev/full")
    with pytest.raises(OutputError, match="cannot be written"), CallVcf(full, "##x\n") as vcf:
        vcf.add(["1\t2"])
    with pytest.raises(InputError, match="first"), CallVcf(full, "##x\n"):
        raise InputError("first")
