"""Fixtures of the process tests."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.faults.site import Site, site_on


@pytest.fixture(
    params=[
        pytest.param("sqlite_url", id="sqlite", marks=pytest.mark.long),
        pytest.param("postgres_url", id="postgresql", marks=pytest.mark.postgres),
    ]
)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Site]]:
    """An installation on each kind of database; on SQLite in `make test-long` only."""
    database_url = request.getfixturevalue(request.param)
    return lambda **how: site_on(database_url, tmp_path, **how)


@pytest.fixture
def postgres_site(postgres_url: str, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Site]]:
    """An installation whose database several bots can share. Mark the test `postgres`."""
    return lambda **how: site_on(postgres_url, tmp_path, **how)
