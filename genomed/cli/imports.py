"""Importing the heavy libraries, quicker."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["no_collection"]


@contextmanager
def no_collection() -> Iterator[None]:
    """Leave garbage alone while importing: modules make a hundred thousand objects and no garbage.

    Looking for it takes a seventh of the start-up of ``genomed risk``. What has been imported is
    put aside for good, as the collector would otherwise go through it again and again while the
    command runs (0.2 s), and once more when Python ends (0.4 s).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
