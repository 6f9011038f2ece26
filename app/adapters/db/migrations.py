"""The schema, brought up to what this code expects. A database that is older than the code refuses to open.

The scripts live in `alembic/` beside the checkout's `alembic.ini`, or under `share/tradingbot-ai/alembic` where the
package was installed. One process migrates at a time; a migration is one transaction on both databases. A table that
somebody reads for long (a backup) is not waited for with everybody else queueing behind: the migration lets go and
tries again, and says so in the end.
"""

import asyncio
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from alembic import command
from app.adapters.db.store import unavailable
from app.domain.errors import OperatorError, SchemaBehind, StorageUnavailable

_CHECKOUT = Path(__file__).resolve().parents[3]
_INSTALLED = Path(sysconfig.get_path("data")) / "share" / "tradingbot-ai"
_MIGRATION_LOCK = 7_405_118  # any number nobody else locks
_LOCK_NOT_AVAILABLE = "55P03"
TABLE_PATIENCE_MS = 1_000  # while a change waits for its table, everybody else waits behind it: alerts too
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)  # between tries, with nothing locked


def config() -> Config:
    """Alembic's configuration with absolute paths. Raises OperatorError when the scripts are not there."""
    for place in (_CHECKOUT, _INSTALLED):
        # Not every folder called alembic is ours: site-packages has the library under that name.
        if (place / "alembic" / "versions" / "0001_first.py").is_file():
            settings = Config()
            settings.set_main_option("script_location", str(place / "alembic").replace("%", "%%"))
            return settings
    raise OperatorError("the migration scripts (alembic/) are missing from this installation")


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """The schema before and after; None is an empty database."""

    before: str | None
    after: str | None


async def change_schema(engine: AsyncEngine, revision: str = "head") -> SchemaChange:
    """Bring the schema to a revision; downwards when it is older than the current one.

    A database that is newer than this code is left as it is: the release before this one must be able to come back.
    Raises StorageUnavailable, with nothing changed, when a table stays in use for minutes.
    """
    settings = config()
    with unavailable():
        for pause_s in (*PAUSES_S, None):
            try:
                async with engine.execution_options(writes=True).begin() as connection:
                    return await connection.run_sync(_run, settings, revision)
            except sa.exc.DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                    raise
            if pause_s is not None:
                await asyncio.sleep(pause_s)
    raise StorageUnavailable("a table stays in use (a backup? a long query?): nothing was changed, migrate again later")


async def change_within(connection: AsyncConnection, revision: str = "head") -> None:
    """Bring the schema to a revision as a part of the transaction the connection is in."""
    await connection.run_sync(_run, config(), revision)


async def check_schema(engine: AsyncEngine) -> None:
    """Raise SchemaBehind when the database is older than this code. A newer one is fine: a deploy is under way."""
    with unavailable():
        async with engine.connect() as connection:
            current = await connection.run_sync(current_revision)
    head = head_revision()
    if current is None or (current != head and current in known_revisions()):
        raise SchemaBehind(f"the database is at schema {current or 'none'}, this version needs {head}: migrate it")


def head_revision() -> str:
    """The schema this code was written for."""
    return str(ScriptDirectory.from_config(config()).get_current_head())


def known_revisions() -> set[str]:
    """Every schema this code knows the way to. One that is not among them is newer than the code."""
    return {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}


def current_revision(connection: Connection) -> str | None:
    """The schema a database is at; None without any."""
    return MigrationContext.configure(connection).get_current_revision()


def _run(connection: Connection, settings: Config, revision: str) -> SchemaChange:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SET LOCAL lock_timeout = 0"))  # wait for another migration as long as it takes
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        connection.execute(sa.text(f"SET LOCAL lock_timeout = {TABLE_PATIENCE_MS}"))
    settings.attributes["connection"] = connection
    before = current_revision(connection)
    if revision == "head" and before is not None and before not in known_revisions():
        return SchemaChange(before, before)
    if revision == "base" or _is_down(settings, connection, revision):
        command.downgrade(settings, revision)
    else:
        command.upgrade(settings, revision)
    return SchemaChange(before, current_revision(connection))


def _is_down(settings: Config, connection: Connection, revision: str) -> bool:
    current = current_revision(connection)
    if current is None or revision in ("head", current):
        return False
    older = {script.revision for script in ScriptDirectory.from_config(settings).walk_revisions("base", current)}
    return revision in older
