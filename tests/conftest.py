"""Shared by every test: Hypothesis profiles, --slow, a device fixture and an empty library."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# numba compiles on the first example, so no example has a deadline.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run tests marked slow as well")


def cuda_is_available() -> bool:
    import torch

    return torch.cuda.is_available()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow = [item for item in items if item.get_closest_marker("slow")]
    gpu = [item for item in items if item.get_closest_marker("gpu")]
    if not config.getoption("--slow"):
        for item in slow:
            item.add_marker(pytest.mark.skip(reason="slow; run with --slow"))
    if gpu and not cuda_is_available():
        for item in gpu:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    """A torch device; the test runs once on each kind."""
    return request.param


@pytest.fixture(scope="session", autouse=True)
def empty_library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's own model library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENOMED_LIBRARY", str(tmp_path_factory.mktemp("library")))
        yield
