"""Fixtures of the process tests."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.faults.site import Site, site_on


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Site]]:
    """An installation on each kind of database."""
    return lambda **how: site_on(database_url, tmp_path, **how)


@pytest.fixture
def postgres_site(postgres_url: str, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Site]]:
    """An installation whose database several bots can share. Mark the test `postgres`."""
    return lambda **how: site_on(postgres_url, tmp_path, **how)
