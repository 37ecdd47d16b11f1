"""BED files are read by contig, sorted; a wrong line is told by its number."""

import gzip

import pytest

from genomed.errors import InputError
from genomed.io.intervals import read_intervals, windows

TEXT = b"track name=x\n#c\tx\nchr1\t10\t20\tb\textra\nchr1\t5\t30\ta\r\n\nchrM\t0\t1\n9\t1\t2\n"


def test_regions_come_by_contig_and_sorted(tmp_path):
    path = tmp_path / "x.bed"
    path.write_bytes(TEXT)
    found, strange = read_intervals(path, ["1", "MT"])
    assert found[0].start.tolist() == [5, 10]
    assert found[0].end.tolist() == [30, 20]
    assert found[0].name == ["a", "b"]
    assert found[1].name is None
    assert strange == ["9"]


def test_a_compressed_bed_is_the_same(tmp_path):
    path = tmp_path / "x.bed.gz"
    path.write_bytes(gzip.compress(TEXT))
    assert read_intervals(path, ["1", "MT"])[0][0].name == ["a", "b"]


@pytest.mark.parametrize("line", [b"1\t5", b"1\t9\t5", b"1\tx\t5", b"1\t-1\t5", b"1 5 9"])
def test_a_wrong_line_is_told_by_its_number(tmp_path, line):
    path = tmp_path / "x.bed"
    path.write_bytes(b"1\t1\t2\n" + line + b"\n")
    with pytest.raises(InputError, match=r"x\.bed, line 2: is not a region"):
        read_intervals(path, ["1"])


@pytest.mark.parametrize(
    ("text", "reason"), [(b"", "has no regions"), (b"#\n", "has no regions"),
                         (b"7\t1\t2\n", "may be of another build"),
                         (b"1\t1\t2\nchr1\t1\t2\n", "in two ways")],
)  # fmt: skip
def test_a_bed_without_use_is_refused(tmp_path, text, reason):
    path = tmp_path / "x.bed"
    path.write_bytes(text)
    with pytest.raises(InputError, match=reason):
        read_intervals(path, ["1"])


def test_windows_cover_a_contig_once():
    found = windows(25, 10)
    assert list(zip(found.start.tolist(), found.end.tolist(), strict=True)) == [
        (0, 10), (10, 20), (20, 25),
    ]  # fmt: skip
