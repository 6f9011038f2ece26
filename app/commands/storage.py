"""The database, opened by a command that only looks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.adapters.clock import SystemClock
from app.adapters.db.database import Database
from app.domain.errors import OperatorError
from app.settings import Settings


@asynccontextmanager
async def open_database(found: Settings) -> AsyncIterator[Database]:
    """The database, opened for looking. Raises OperatorError when there is none, StorageUnavailable when it is down."""
    refuse_missing(found)
    opened = Database(found.database.url.get_secret_value(), SystemClock())
    try:
        await opened.open()
        yield opened
    finally:
        await opened.close()


def refuse_missing(found: Settings) -> None:
    """Raise OperatorError when an embedded database is not there: looking must not make an empty one."""
    file = database_file(found)
    if file is not None and not file.exists():
        raise OperatorError(f"there is no database at {file} yet: tradingbot serve makes one")


def database_file(found: Settings) -> Path | None:
    """Where an embedded database is kept; None for a server."""
    url = found.database.url.get_secret_value()
    return Path(url.partition(":///")[2].partition("?")[0]) if found.database.embedded else None
