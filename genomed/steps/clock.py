"""When a step began, and the seconds that its phases take."""

import time
from datetime import UTC, datetime

__all__ = ["Clock"]


class Clock:
    """Seconds spent in each phase, as ``--timings`` prints them; started: as run.json says."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self.started = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Count what went by since the last lap to a phase."""
        now = time.perf_counter()
        self.phases[name] = self.phases.get(name, 0.0) + now - self._last
        self._last = now
