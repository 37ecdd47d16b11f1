"""Where the real public data for tests lie; a test that needs them skips, by name, without them."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def data_root() -> Path:
    """GENOMED_TEST_DATA, or ../shared/data beside the repository."""
    return Path(os.environ.get("GENOMED_TEST_DATA", REPOSITORY / ".." / "shared" / "data"))


def shared_data(relative: str) -> Path:
    """Path of one public data file or folder; skips the calling test when it is not there."""
    path = data_root() / relative
    if not path.exists():
        pytest.skip(f"public test data not found: {relative} (set GENOMED_TEST_DATA)")
    return path
