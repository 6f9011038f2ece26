"""`tradingbot migrate`: the schema that this release expects, before its processes start. Safe to run again.

Exit code 1 when the database does not answer within 10 s or a table stays in use: nothing was changed, run it again.
"""

import asyncio

import typer

from app.adapters.clock import SystemClock
from app.adapters.db.database import Database
from app.adapters.db.migrations import SchemaChange, known_revisions
from app.commands import shared
from app.domain.errors import StorageUnavailable

app = typer.Typer(rich_markup_mode=None)
CONNECT_S = 10.0  # for the database to answer at all
PATIENCE_S = 600.0  # for another migration, and for each statement of our own


@app.command()
def migrate(json: shared.Json = False) -> None:
    """Bring the database's schema up to date. One process migrates at a time; the others wait for it.

    A database that is newer than this release is left as it is: a release can be rolled back, its schema never is.
    """
    done = asyncio.run(_migrate())
    newer = done.after not in known_revisions()
    if json:
        shared.print_json({"from": done.before, "to": done.after, "changed": done.before != done.after, "newer": newer})
    elif newer:
        typer.echo(f"the database is at schema {done.after}, which is newer than this release: left as it is")
    elif done.before == done.after:
        typer.echo(f"the database is at schema {done.after} already")
    else:
        typer.echo(f"the database was brought from schema {done.before or 'none'} to {done.after}")


async def _migrate() -> SchemaChange:
    found = shared.settings()
    database = Database(found.database.url.get_secret_value(), SystemClock(), busy_timeout_s=PATIENCE_S)
    try:
        await _connected(database)
        return await database.migrate()
    finally:
        await database.close()


async def _connected(database: Database) -> None:
    """Leaves an open connection in the pool, which the migration takes. Raises StorageUnavailable."""
    try:
        async with asyncio.timeout(CONNECT_S):
            await database.queries.ping()
    except TimeoutError:
        raise StorageUnavailable(f"the database does not answer within {CONNECT_S:g} s: nothing was changed") from None
