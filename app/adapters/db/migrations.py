"""The schema, brought up to what this code expects. A database that is older than the code refuses to open.

The scripts live in `alembic/` beside the checkout's `alembic.ini`, or under `share/tradingbot-ai/alembic` where the
package was installed. One process migrates at a time; a migration is one transaction on both databases.
"""

import sysconfig
from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from alembic import command
from app.adapters.db.store import unavailable
from app.domain.errors import OperatorError

_CHECKOUT = Path(__file__).resolve().parents[3]
_INSTALLED = Path(sysconfig.get_path("data")) / "share" / "tradingbot-ai"
_MIGRATION_LOCK = 7_405_118  # any number nobody else locks


def config() -> Config:
    """Alembic's configuration with absolute paths. Raises OperatorError when the scripts are not there."""
    for place in (_CHECKOUT, _INSTALLED):
        # Not every folder called alembic is ours: site-packages has the library under that name.
        if (place / "alembic" / "versions" / "0001_first.py").is_file():
            settings = Config()
            settings.set_main_option("script_location", str(place / "alembic").replace("%", "%%"))
            return settings
    raise OperatorError("the migration scripts (alembic/) are missing from this installation")


async def change_schema(engine: AsyncEngine, revision: str = "head") -> None:
    """Bring the schema to a revision; downwards when it is older than the current one."""
    settings = config()
    with unavailable():
        async with engine.execution_options(writes=True).begin() as connection:
            await connection.run_sync(_run, settings, revision)


async def check_schema(engine: AsyncEngine) -> None:
    """Raise OperatorError when the database is older than this code. A newer one is fine: a deploy is under way."""
    scripts = ScriptDirectory.from_config(config())
    with unavailable():
        async with engine.connect() as connection:
            current = await connection.run_sync(_current)
    head = scripts.get_current_head()
    known = {script.revision for script in scripts.walk_revisions()}
    if current is None or (current != head and current in known):
        raise OperatorError(f"the database is at schema {current or 'none'}, this version needs {head}: migrate it")


def _run(connection: Connection, settings: Config, revision: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SET LOCAL lock_timeout = 0"))  # wait for another migration as long as it takes
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    settings.attributes["connection"] = connection
    if revision == "base" or _is_down(settings, connection, revision):
        command.downgrade(settings, revision)
    else:
        command.upgrade(settings, revision)


def _is_down(settings: Config, connection: Connection, revision: str) -> bool:
    current = _current(connection)
    if current is None or revision in ("head", current):
        return False
    older = {script.revision for script in ScriptDirectory.from_config(settings).walk_revisions("base", current)}
    return revision in older


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
