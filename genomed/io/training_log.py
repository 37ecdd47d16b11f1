"""What happened in training, epoch by epoch, as JSON lines and as TensorBoard events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from genomed.errors import OutputError

__all__ = ["TrainingLog"]


class TrainingLog:
    """A log to be called with one mapping per epoch, which holds "epoch".

    Lines go to ``log.jsonl`` in the directory, events to ``tensorboard/`` beside it where
    tensorboard is installed. A run that is taken up again goes on in the same file; epochs that it
    repeats are removed first.
    """

    def __init__(self, directory: Path, *, first_epoch: int = 0) -> None:
        self.path = directory / "log.jsonl"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            kept = _lines_before(self.path, first_epoch)
            self.path.write_text("".join(kept))
            self._file = self.path.open("a")
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from None
        self._events: Any = None
        if find_spec("tensorboard") is not None:
            writer = import_module("torch.utils.tensorboard").SummaryWriter
            self._events = writer(str(directory / "tensorboard"), purge_step=first_epoch or None)

    def __call__(self, facts: Mapping[str, Any]) -> None:
        """Write one epoch, at once readable for others."""
        self._file.write(json.dumps(dict(facts), allow_nan=False) + "\n")
        self._file.flush()
        if self._events is None:
            return
        for name, value in _numbers(facts):
            self._events.add_scalar(name, value, int(facts["epoch"]))
        self._events.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if self._events is not None:
            self._events.close()


def _numbers(facts: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Names and values of what can be drawn; lists by their place."""
    found = []
    for name, value in facts.items():
        parts = value if isinstance(value, list) else [value]
        for i, part in enumerate(parts):
            if isinstance(part, int | float) and name != "epoch":
                found.append((f"{name}/{i}" if isinstance(value, list) else name, float(part)))
    return found


def _lines_before(path: Path, epoch: int) -> list[str]:
    """Whole lines of earlier epochs."""
    if not path.exists() or not epoch:
        return []
    lines = []
    for line in path.read_text().splitlines(keepends=True):
        try:
            if line.endswith("\n") and int(json.loads(line)["epoch"]) < epoch:
                lines.append(line)
        except (ValueError, KeyError, TypeError):
            continue  # cut by a kill
    return lines
