"""The log of training can be read while it is written, and goes on after a kill."""

import json
from pathlib import Path

import pytest

from genomed.errors import OutputError
from genomed.io.training_log import TrainingLog


def epoch(number: int) -> dict[str, object]:
    return {"epoch": number, "gain": number / 10, "gate": [0.1, 0.2]}


def lines(directory: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]


def test_each_epoch_is_a_line_at_once(tmp_path: Path) -> None:
    with TrainingLog(tmp_path) as log:
        log(epoch(0))
        assert lines(tmp_path) == [epoch(0)]
        log(epoch(1))
        assert lines(tmp_path) == [epoch(0), epoch(1)]


def test_a_run_taken_up_again_repeats_no_line(tmp_path: Path) -> None:
    with TrainingLog(tmp_path) as log:
        for number in range(3):
            log(epoch(number))
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"epoch": 3, "ga')  # cut by a kill
    with TrainingLog(tmp_path, first_epoch=2) as log:
        log(epoch(2))
        log(epoch(3))
    assert lines(tmp_path) == [epoch(number) for number in range(4)]


def test_a_new_run_begins_a_new_log(tmp_path: Path) -> None:
    for _ in range(2):
        with TrainingLog(tmp_path) as log:
            log(epoch(0))
    assert lines(tmp_path) == [epoch(0)]


def test_tensorboard_reads_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with TrainingLog(tmp_path) as log:
        log(epoch(0))
        log(epoch(1))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == ["gain", "gate/0", "gate/1"]
    assert [event.value for event in events.Scalars("gain")] == pytest.approx([0.0, 0.1])


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        TrainingLog(tmp_path / "file")
