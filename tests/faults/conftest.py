"""Fixtures of the process tests. `soak` marks what is repeated for hours, and is left out unless asked for."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.faults.site import Site, site_on


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: many repetitions with many seeds; run by `make soak`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "soak" in (config.option.markexpr or ""):
        return
    left_out = [item for item in items if item.get_closest_marker("soak")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Site]]:
    """An installation on each kind of database."""
    return lambda **how: site_on(database_url, tmp_path, **how)


@pytest.fixture
def postgres_site(postgres_url: str, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Site]]:
    """An installation whose database several bots can share. Mark the test `postgres`."""
    return lambda **how: site_on(postgres_url, tmp_path, **how)
