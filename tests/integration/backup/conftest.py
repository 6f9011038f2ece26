"""A database in which everything has happened, and commands as they are typed beside it."""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from app.adapters.db.database import Database
from app.cli import app
from tests.fakes import FakeClock
from tests.integration.backup.filled import lived

KEY = "7f" * 32


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder without .env, and logging left as it was found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENCRYPTION_KEY", KEY)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


@dataclass(frozen=True)
class Filled:
    """A database with a history, and the commands on it."""

    url: str
    events: int

    def run(self, *words: str, code: int = 0, **env: str) -> Result:
        result = CliRunner().invoke(app, list(words), env={"DATABASE_URL": self.url} | env)
        assert result.exit_code == code, result.output
        return result

    def data(self, *words: str, code: int = 0, **env: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run(*words, "--json", code=code, **env).stdout)
        return found

    def do(self, *statements: str) -> None:
        """Change the database behind the bot's back."""
        asyncio.run(_execute(self.url, statements))


@pytest.fixture
def filled(database_url: str) -> Filled:
    return Filled(database_url, asyncio.run(_lived(database_url)))


@pytest.fixture
def sqlite_filled(sqlite_template: Path, tmp_path: Path) -> Filled:
    """For what does not depend on the database."""
    path = tmp_path / "filled.db"
    path.write_bytes(sqlite_template.read_bytes())
    url = f"sqlite:///{path}"
    return Filled(url, asyncio.run(_lived(url)))


async def _lived(url: str) -> int:
    clock = FakeClock()
    async with Database(url, clock, busy_timeout_s=30, put_timeout_s=30) as database:
        return await lived(database, clock)


async def _execute(url: str, statements: tuple[str, ...]) -> None:
    database = Database(url, FakeClock())
    try:
        async with database.engine.execution_options(writes=True).begin() as connection:
            for statement in statements:
                await connection.exec_driver_sql(statement)
    finally:
        await database.close()
