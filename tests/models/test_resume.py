"""A training that is killed goes on as if nothing had happened; several processes train one."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from datafiles import REPOSITORY
from safetensors.numpy import load

from genomed.errors import InputError
from genomed.io.checkpoints import Checkpoints
from genomed.models.training import FittedHead, fit_head, run_fingerprint

SCRIPT = Path(__file__).with_name("head_case.py")


def started(directory: Path, *words: str, **variables: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"} | variables
    command = [sys.executable, str(SCRIPT), str(directory), *words]
    return subprocess.Popen(command, env=environment)


def run(directory: Path, *words: str) -> bytes:
    directory.mkdir(exist_ok=True)
    assert started(directory, *words).wait(120) == 0
    return (directory / "fitted-0").read_bytes()


@pytest.mark.parametrize("words", [(), ("adversary",)], ids=["plain", "adversary"])
@pytest.mark.slow
def test_after_kill_9_the_result_is_the_same_to_the_byte(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    whole = run(tmp_path / "whole", *words)
    (tmp_path / "killed").mkdir()
    process = started(tmp_path / "killed", "slowly", *words)
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed" / "epoch-2").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "fitted-0").exists()
    (tmp_path / "killed" / "epoch-1").unlink()
    assert run(tmp_path / "killed", *words) == whole
    assert not (tmp_path / "killed" / "epoch-1").exists()  # what was done was not done again


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.slow
def test_two_processes_train_the_model_of_one(tmp_path: Path) -> None:
    alone = load(run(tmp_path / "alone"))
    (tmp_path / "both").mkdir()
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    processes = [
        started(tmp_path / "both", RANK=str(rank), LOCAL_RANK=str(rank), **shared)
        for rank in range(2)
    ]
    assert [process.wait(180) for process in processes] == [0, 0]
    first, second = ((tmp_path / "both" / f"fitted-{rank}").read_bytes() for rank in range(2))
    assert first == second
    together = load(first)["out_of_fold"][:, 0]
    # Dropout and forgotten calls are drawn apart, so that the two agree as two seeds do.
    assert np.corrcoef(together, alone["out_of_fold"][:, 0])[0, 1] > 0.9


@pytest.fixture
def head_case(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import head_case

    return head_case


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, head_case) -> None:  # type: ignore[no-untyped-def]
    head_case.train(tmp_path)
    with pytest.raises(InputError, match="other data, settings, seed or versions"):
        head_case.train(tmp_path, learning_rate=1e-3)


def test_a_finished_run_is_read_and_not_trained_again(tmp_path: Path, head_case) -> None:  # type: ignore[no-untyped-def]
    first: FittedHead = head_case.train(tmp_path)
    seen: list[object] = []
    again: FittedHead = head_case.train(tmp_path, seen.append)
    assert not seen
    assert head_case.as_bytes(again) == head_case.as_bytes(first)
    assert again.history.equals(first.history)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path, head_case) -> None:  # type: ignore[no-untyped-def]
    head_case.train(tmp_path)
    file = tmp_path / "checkpoints" / "epoch-0001.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(InputError, match="not what was written"):
        head_case.train(tmp_path)


def test_a_fingerprint_tells_a_single_label_and_the_seed(head_case) -> None:  # type: ignore[no-untyped-def]
    given = head_case.case()
    place = {"device": "cpu", "threads": 1}
    one = run_fingerprint(**given, **place)
    assert run_fingerprint(**head_case.case(), **place) == one
    assert run_fingerprint(**(given | {"seed": 8}), **place) != one
    given["families"][0].y[5] += 1e-12
    assert run_fingerprint(**given, **place) != one


def test_checkpoints_are_cleared_when_told(tmp_path: Path, head_case) -> None:  # type: ignore[no-untyped-def]
    given = head_case.case()
    keeper = Checkpoints(tmp_path / "kept", "f")
    fit_head(**given, keeper=keeper)
    names = sorted(path.name for path in (tmp_path / "kept").iterdir())
    epochs = [f"epoch-{i:04d}.safetensors" for i in range(5)]
    assert names == [*epochs, "optimiser-0004.safetensors", "progress.json"]
    keeper.clear()
    assert not (tmp_path / "kept").exists()
