"""Tables of rates by age: what is read, and what is refused with its line."""

from pathlib import Path

import pytest

from genomed.errors import InputError
from genomed.io.incidence import read_incidence


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_rate_holds_to_the_next_age_and_the_last_as_long_as_the_one_before(tmp_path):
    table = written(tmp_path / "i.tsv", "age\trate\n30\t0.001\n50\t0.01\n60\t0.02\n")
    (name,) = found = read_incidence(table)
    assert name == ""
    assert found[""].edges.tolist() == [30, 50, 60, 70]
    assert found[""].rate.tolist() == [0.001, 0.01, 0.02]


def test_rates_may_differ_by_sex(tmp_path):
    text = "sex,age,rate\nM,30,0.1\nM,40,0.2\nfemale,30,0.3\nfemale,50,0.4\n"
    found = read_incidence(written(tmp_path / "i.csv", text))
    assert {name: one.edges.tolist() for name, one in found.items()} == {
        "male": [30, 40, 50], "female": [30, 50, 70],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age\tincidence\n30\t0.1\n", "line 1: has no column rate"),
        ("age\trate\n30\t0.1\n", "line 2: give rates at two ages or more"),
        ("age\trate\n30\t0.1\n20\t0.1\n", "line 3: ages must ascend"),
        ("age\trate\n30\t0.1\n40\tx\n", "line 3: 'x' in column rate is no number"),
        ("age\trate\n30\t-0.1\n40\t0.1\n", "line 2: '-0.1' in column rate is no number"),
        ("age\trate\n30\t0.1\n40\t\n", "line 3: None in column rate is no number"),
        ("age\trate\tsex\n30\t0.1\tX\n40\t0.1\tX\n", "line 2: 'X' is no sex"),
    ],
)
def test_a_table_that_gives_no_rates_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_incidence(written(tmp_path / "i.tsv", text))
