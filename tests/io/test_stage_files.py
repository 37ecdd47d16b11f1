"""Stages of a run come back to the bit, and those of another run not at all."""

from pathlib import Path

import numpy as np
import pytest

from genomed.errors import InputError
from genomed.io.stage_files import StageFiles


def test_what_was_kept_comes_back_to_the_bit(tmp_path: Path) -> None:
    files = StageFiles(tmp_path / "run", "one")
    value = np.array([0.1, np.nan, 1e-300])
    files.save("linear", {"beta": value}, {"penalty": 1 / 3, "names": ["a", None]})
    found = StageFiles(tmp_path / "run", "one").load("linear")
    assert found is not None
    arrays, facts = found
    assert arrays["beta"].tobytes() == value.tobytes()
    assert facts == {"penalty": 1 / 3, "names": ["a", None]}
    assert files.load("pairs") is None


def test_a_stage_of_another_run_is_refused(tmp_path: Path) -> None:
    StageFiles(tmp_path, "one").save("linear", {}, {})
    with pytest.raises(InputError, match="is of a run with other data"):
        StageFiles(tmp_path, "two").load("linear")


def test_a_damaged_stage_is_refused(tmp_path: Path) -> None:
    files = StageFiles(tmp_path, "one")
    files.save("linear", {"beta": np.ones(100)}, {})
    place = tmp_path / "linear.safetensors"
    place.write_bytes(place.read_bytes()[:-20])
    with pytest.raises(InputError, match="cannot be read"):
        files.load("linear")


def test_nothing_is_left_when_a_run_is_complete(tmp_path: Path) -> None:
    files = StageFiles(tmp_path / "run", "one")
    files.save("linear", {"beta": np.ones(3)}, {})
    files.clear()
    assert not (tmp_path / "run").exists()
