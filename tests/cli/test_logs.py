"""Messages: words for people on stderr, JSON lines for programs in a file."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from genomed.cli.logs import configure_logging
from genomed.errors import OutputError

LOGGER = logging.getLogger("genomed.steps.risk")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    logger = logging.getLogger("genomed")
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield
    for handler in set(logger.handlers) - set(before[0]):
        handler.close()
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.mark.parametrize(
    ("verbose", "quiet", "shown"),
    [
        (0, True, "error: e\n"),
        (2, True, "error: e\n"),
        (0, False, "warning: w\nerror: e\n"),
        (1, False, "i\nwarning: w\nerror: e\n"),
        (2, False, "d\ni\nwarning: w\nerror: e\n"),
        (5, False, "d\ni\nwarning: w\nerror: e\n"),
    ],
)
def test_each_v_says_more_and_q_says_errors_only(
    capsys: pytest.CaptureFixture[str], verbose: int, quiet: bool, shown: str
) -> None:
    configure_logging(verbose, quiet)
    for level, text in [(10, "d"), (20, "i"), (30, "w"), (40, "e")]:
        LOGGER.log(level, text)

    assert capsys.readouterr().err == shown


def test_the_log_file_holds_one_json_object_per_message(tmp_path: Path) -> None:
    configure_logging(quiet=True, log_file=tmp_path / "log.jsonl")
    LOGGER.debug("read %d records", 3, extra={"n_records": 3, "path": Path("a.vcf")})

    (line,) = (tmp_path / "log.jsonl").read_text().splitlines()
    entry = json.loads(line)
    time = entry.pop("time")
    assert time.endswith("+00:00")
    assert entry == {
        "level": "debug",
        "logger": "genomed.steps.risk",
        "message": "read 3 records",
        "n_records": 3,
        "path": "a.vcf",
    }


def test_a_message_of_two_lines_stays_one_line_of_json(tmp_path: Path) -> None:
    configure_logging(log_file=tmp_path / "log.jsonl")
    LOGGER.error("one\ntwo")

    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 1


def test_an_exception_keeps_its_traceback_in_the_log_file(tmp_path: Path) -> None:
    configure_logging(log_file=tmp_path / "log.jsonl")
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        LOGGER.exception("stopped")

    entry = json.loads((tmp_path / "log.jsonl").read_text())
    assert entry["traceback"].endswith("ZeroDivisionError")


def test_a_log_file_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the log cannot be written"):
        configure_logging(log_file=tmp_path / "no" / "such" / "log.jsonl")


def test_configuring_twice_says_everything_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    configure_logging()
    LOGGER.warning("once")

    assert capsys.readouterr().err == "warning: once\n"


def test_other_loggers_are_left_alone() -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    configure_logging(2)

    assert (root.handlers[:], root.level) == before
