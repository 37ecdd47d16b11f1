"""Seconds that the phases of a step take."""

import time

__all__ = ["Clock"]


class Clock:
    """Seconds spent in each phase, as the hidden ``--timings`` prints them."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Count what went by since the last lap to a phase."""
        now = time.perf_counter()
        self.phases[name] = self.phases.get(name, 0.0) + now - self._last
        self._last = now
