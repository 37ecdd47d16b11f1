"""What runs leave in the directory of their results."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from genomed.errors import OutputError
from genomed.io.outputs import OutputDirectory, hidden_directory

WRITE_AND_WAIT = """
import sys, time
from pathlib import Path
from genomed.io.outputs import OutputDirectory
with OutputDirectory(Path(sys.argv[1])) as directory:
    directory.write_text("a.txt", "half")
    print("writing", flush=True)
    time.sleep(60)
"""


def hidden(directory: Path) -> list[Path]:
    return sorted(directory.glob(".genomed-*"))


def test_what_a_killed_run_left_goes_with_the_next_but_not_what_a_living_one_makes(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", WRITE_AND_WAIT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        (living,) = hidden(tmp_path)
        with OutputDirectory(tmp_path) as directory:
            directory.write_text("b.txt", "whole")
        assert hidden(tmp_path) == [living]
        os.kill(other.pid, signal.SIGKILL)
    assert hidden(tmp_path) == [living]

    with OutputDirectory(tmp_path) as directory:
        directory.write_text("b.txt", "whole")

    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with OutputDirectory(tmp_path / "new") as directory:
            directory.write_text("a.txt", "half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(ZeroDivisionError), hidden_directory(tmp_path):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_full_disc_is_told_as_one_whoever_writes_there(tmp_path: Path) -> None:
    """/dev/full takes nothing."""

    def fill() -> None:
        with OutputDirectory(tmp_path / "new") as directory:
            directory.place("a.txt").symlink_to("/dev/full")
            directory.made("a.txt").write_text("much")

    with pytest.raises(OutputError, match=r"new: results cannot be written \(No space left"):
        fill()
    assert list(tmp_path.iterdir()) == []
