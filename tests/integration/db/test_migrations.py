"""Migrations: up, down, up again, equal to the tables in code; one at a time; from anywhere."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import main as alembic_command_line
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from app.adapters.db.database import Database
from app.adapters.db.migrations import change_schema
from app.adapters.db.store import make_engine
from app.adapters.db.tables import metadata
from app.domain.errors import OperatorError
from tests.fakes import FakeClock
from tests.integration.db.cases import an_alert

ROOT = Path(__file__).resolve().parents[3]


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


def tables(connection: Connection) -> set[str]:
    return set(sa.inspect(connection).get_table_names())


async def looked_at(engine: AsyncEngine) -> tuple[set[str], list[object]]:
    async with engine.connect() as connection:
        return await connection.run_sync(tables), await connection.run_sync(differences)


async def test_up_down_and_up_again(empty_database_url: str) -> None:
    engine = make_engine(empty_database_url)
    try:
        for _ in range(2):
            await change_schema(engine)
            names, wrong = await looked_at(engine)
            assert wrong == []
            assert names == {*metadata.tables, "alembic_version"}
            await change_schema(engine, "base")
            names, _ = await looked_at(engine)
            assert names == {"alembic_version"}
    finally:
        await engine.dispose()


async def test_several_processes_may_start_on_an_empty_database_at_once(
    empty_database_url: str, clock: FakeClock
) -> None:
    databases = [Database(empty_database_url, clock, busy_timeout_s=30, put_timeout_s=30) for _ in range(4)]
    await asyncio.gather(*(database.open(migrate=True) for database in databases))
    results = await asyncio.gather(*(database.inbox.put(an_alert(1)) for database in databases))
    assert [result.duplicate for result in results].count(False) == 1
    for database in databases:
        await database.close()


async def test_an_older_schema_is_refused_and_a_newer_one_is_not(empty_database_url: str, clock: FakeClock) -> None:
    database = Database(empty_database_url, clock)
    with pytest.raises(OperatorError, match="migrate"):
        await database.open()
    await database.open(migrate=True)
    async with database.engine.execution_options(writes=True).begin() as connection:
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = 'of next year'"))
    await database.open()
    await database.close()


def test_the_command_line_finds_the_database_in_the_environment(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    monkeypatch.chdir(tmp_path)
    for arguments in (["upgrade", "head"], ["check"], ["downgrade", "base"]):
        alembic_command_line(["-c", str(ROOT / "alembic.ini"), *arguments])
