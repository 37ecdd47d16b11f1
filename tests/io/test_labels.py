"""Tables of populations, as users and public panels spell them."""

from pathlib import Path

import pytest
from datafiles import REPOSITORY, shared_data

from genomed.errors import InputError
from genomed.io.labels import read_labels


def written(folder: Path, text: str) -> Path:
    path = folder / "labels.tsv"
    path.write_text(text)
    return path


def test_the_1000_genomes_panel_is_read():
    path = shared_data("cohort/panel/integrated_call_samples_v3.20130502.ALL.panel")
    labels = read_labels(path)
    assert labels.height == 2504
    assert labels["superpopulation"].n_unique() == 5
    assert labels.row(0) == ("HG00096", "GBR", "EUR")


def test_a_psam_with_populations_is_read():
    labels = read_labels(REPOSITORY / "examples" / "data" / "cohort.psam")
    assert set(labels["population"]) == {"AFR", "EAS", "EUR"}
    assert labels["superpopulation"].null_count() == labels.height


def test_people_without_a_population_are_left_out(tmp_path):
    labels = read_labels(written(tmp_path, "sample\tgroup\na\tX\nb\tNA\n"))
    assert labels.rows() == [("a", "X", None)]


def test_a_superpopulation_alone_is_the_population(tmp_path):
    labels = read_labels(written(tmp_path, "#IID\tsuper_pop\na\tEUR\n"))
    assert labels.rows() == [("a", "EUR", "EUR")]


def test_a_sample_that_occurs_twice_is_named_by_line(tmp_path):
    with pytest.raises(InputError, match=r"line 3: a occurs twice"):
        read_labels(written(tmp_path, "sample\tpopulation\na\tX\na\tY\n"))


def test_a_table_without_populations_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"line 1: none of the columns sample, height is called population"
    ):
        read_labels(written(tmp_path, "sample\theight\na\t1.8\n"))


def test_a_line_cut_short_is_named(tmp_path):
    with pytest.raises(InputError, match=r"line 3: has only 1 fields"):
        read_labels(written(tmp_path, "sample\tpopulation\na\tX\nb\n"))


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="is empty"):
        read_labels(written(tmp_path, "\n"))
