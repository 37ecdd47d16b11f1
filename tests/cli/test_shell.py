"""How the program ends: exit codes, one line for an expected error, tidy when it is stopped."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from genomed import __version__
from genomed.cli import COMMANDS

# A command of our own beside the real ones, run through the real main.
PROGRAM = """
import sys, time
from pathlib import Path
from genomed.cli import app, main
from genomed.errors import InputError

@app.command()
def scene(what: str, file: Path = Path()) -> None:
    if what == "expected":
        raise InputError("cohort.vcf, line 3: no sample columns; write a header line")
    if what == "bug":
        raise ZeroDivisionError("our mistake")
    if what == "interrupt":
        raise KeyboardInterrupt
    if what == "words":
        for _ in range(100_000):
            print("words")
    if what == "wait":
        try:
            file.write_text("half")
            print("ready", flush=True)
            time.sleep(60)
        finally:
            file.unlink()

main()
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False
    )


def test_the_version_is_shown() -> None:
    assert run("--version").stdout == f"genomed {__version__}\n"


def test_python_dash_m_is_the_same_program() -> None:
    command = [sys.executable, "-m", "genomed", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout == f"genomed {__version__}\n"


def test_no_arguments_show_help() -> None:
    done = run()

    assert done.returncode == 2
    assert "Usage:" in done.stdout + done.stderr


def test_help_shows_the_commands_in_the_order_in_which_they_follow_each_other() -> None:
    command = [sys.executable, "-m", "genomed", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert re.findall(r"^  ([a-z]+)  ", done.stdout, re.M) == list(COMMANDS)


@pytest.mark.parametrize("group", [[], ["reads"], ["models"]], ids=["genomed", "reads", "models"])
def test_what_a_command_does_is_listed_in_full(group: list[str]) -> None:
    command = [sys.executable, "-m", "genomed", *group, "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    listed = text.partition("Commands:")[2]
    assert "..." not in listed
    entries = re.findall(r"^  [a-z]+  .*(?:\n {4}.*)*", listed, re.M)
    assert entries
    assert all(entry.endswith((".", "?")) for entry in entries)


def test_an_expected_error_is_one_line_and_its_exit_code() -> None:
    done = run("scene", "expected")

    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == "error: cohort.vcf, line 3: no sample columns; write a header line\n"


def test_a_bug_keeps_its_traceback() -> None:
    done = run("scene", "bug")

    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.endswith("ZeroDivisionError: our mistake\n")


def test_an_unknown_option_exits_with_2() -> None:
    done = run("scene", "expected", "--colour")

    assert done.returncode == 2
    assert "No such option: --colour" in done.stderr


def test_an_interrupt_exits_with_130() -> None:
    done = run("scene", "interrupt")

    assert done.returncode == 130
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_being_stopped_removes_what_is_half_written(
    tmp_path: Path, signum: signal.Signals, status: int
) -> None:
    half_written = tmp_path / "half"
    command = [sys.executable, "-c", PROGRAM, "scene", "wait", "--file", str(half_written)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        assert half_written.exists()
        process.send_signal(signum)
        assert process.wait(timeout=30) == status
        assert b"Traceback" not in process.stderr.read()

    assert not half_written.exists()


def test_a_reader_that_leaves_early_hears_no_complaint() -> None:
    command = [sys.executable, "-c", PROGRAM, "scene", "words"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        complaint = process.stderr.read()

    assert complaint == b""
