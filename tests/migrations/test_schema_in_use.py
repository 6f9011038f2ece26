"""A migration on a database that is in use: nobody queues behind it for long, and nothing is half done."""

import asyncio
import shutil
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.config import Config

from app.adapters.db import migrations
from app.adapters.db.database import Database
from app.adapters.db.migrations import change_schema
from app.adapters.db.store import make_engine
from app.domain.errors import OperatorError, StorageUnavailable
from tests.fakes import FakeClock
from tests.integration.db.cases import an_alert, until
from tests.migrations.trees import NEXT, ROOT

pytestmark = pytest.mark.postgres
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def one_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema has one more migration than the code."""
    shutil.copytree(ROOT / "alembic", tmp_path / "alembic")
    head = migrations.head_revision()
    (tmp_path / "alembic" / "versions" / "9999_next.py").write_text(NEXT.format(head=head))
    settings = Config()
    settings.set_main_option("script_location", str(tmp_path / "alembic"))
    monkeypatch.setattr(migrations, "config", lambda: settings)


async def test_a_table_in_use_is_waited_for_a_moment_at_a_time(
    postgres_url: str, one_more: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "TABLE_PATIENCE_MS", 200)
    monkeypatch.setattr(migrations, "PAUSES_S", (0.05,) * 1000)
    engine = make_engine(postgres_url)
    with psycopg.connect(postgres_url) as reader, psycopg.connect(postgres_url, autocommit=True) as watcher:
        reader.execute("SELECT count(*) FROM alerts").fetchone()  # and its transaction stays open, as a backup's does
        migrating = asyncio.create_task(change_schema(engine))

        async def waits() -> bool:
            return bool(_one(watcher, WAITING))

        await until(waits)
        database = Database(postgres_url, FakeClock(), put_timeout_s=5)
        await database.inbox.put(an_alert(1))  # behind the migration, which soon lets go
        await database.close()
        assert not migrating.done()
        assert _one(watcher, "SELECT version_num FROM alembic_version") != "9999"
        reader.rollback()
        await asyncio.wait_for(migrating, 30)
        assert _one(watcher, "SELECT version_num FROM alembic_version") == "9999"
        assert _one(watcher, "SELECT count(*) FROM alerts WHERE origin IS NULL") == 1
    await engine.dispose()


async def test_a_table_that_stays_in_use_is_said_with_nothing_changed(
    postgres_url: str, one_more: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "TABLE_PATIENCE_MS", 50)
    monkeypatch.setattr(migrations, "PAUSES_S", (0.01, 0.01))
    engine = make_engine(postgres_url)
    with psycopg.connect(postgres_url) as reader:
        reader.execute("SELECT count(*) FROM orders").fetchone()
        with pytest.raises(StorageUnavailable, match=r"a table stays in use .*: nothing was changed"):
            await change_schema(engine)
        names = {row[0] for row in reader.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        assert "origins" not in names
    await engine.dispose()


async def test_code_that_is_older_than_the_schema_goes_on(
    postgres_url: str, one_more: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(postgres_url, FakeClock(), put_timeout_s=30)
    with pytest.raises(OperatorError, match="this version needs 9999: migrate it"):
        await database.open()
    await database.migrate()
    await database.open()
    monkeypatch.undo()  # back to the code as it is, which knows no 9999
    await database.open()
    await database.inbox.put(an_alert(1))
    async with database.engine.connect() as connection:
        assert await connection.scalar(sa.text("SELECT count(*) FROM alerts WHERE origin IS NULL")) == 1
    await database.close()


def _one(connection: psycopg.Connection, query: str) -> object:
    row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None
