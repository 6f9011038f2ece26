"""The running bot on an SQLite file: for everything that does not depend on which database it is."""

import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import World, running_bot

RunningBot = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def bot(sqlite_template: Path, tmp_path: Path) -> RunningBot:
    """`async with bot(...) as world`; the next bot on the same `database` finds what the last one left behind."""

    def start(*, database: str = "bot", **options: Any) -> AbstractAsyncContextManager[World]:
        path = tmp_path / f"{database}.db"
        if not path.exists():
            shutil.copy(sqlite_template, path)
        return running_bot(f"sqlite:///{path}", tmp_path, **options)

    return start


@pytest.fixture(
    params=[
        pytest.param("sqlite_url", id="sqlite"),
        pytest.param("postgres_url", id="postgresql", marks=[pytest.mark.postgres, pytest.mark.long]),
    ]
)
def database_url(request: pytest.FixtureRequest) -> str:
    """Scenes run on SQLite, and on PostgreSQL in `make test-long`; the process tests do it the other way round."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def any_bot(database_url: str, tmp_path: Path) -> RunningBot:
    """The same on every database, where the database decides the outcome."""
    return lambda **options: running_bot(database_url, tmp_path, **options)
