"""Importing the heavy libraries, quicker."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["no_collection"]


@contextmanager
def no_collection() -> Iterator[None]:
    """Leave garbage alone while importing: modules make a hundred thousand objects and no garbage,
    and looking for it takes a seventh of the start-up of ``genomed risk``."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
