"""Connections and transactions: what differs between SQLite and PostgreSQL ends in this file.

Everything that goes wrong with the database itself leaves here as StorageUnavailable. A connection that breaks inside
COMMIT leaves as CommitUnknown: whoever wrote must look whether it is there before saying anything.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.domain.errors import BadSettings, OperatorError, StorageRefused, StorageUnavailable

WallClock = Callable[[], datetime]
_STEPPED_BACK_S = 60.0
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
    "postgresql+psycopg": "postgresql+asyncpg",
}
# SQLSTATE classes and codes after which the same work may succeed later or elsewhere: connection, resources,
# operator intervention, system error, rolled back by the server, authentication, missing database;
# lock timeout, and a primary that has become a read-only standby.
_RETRYABLE_CLASSES = frozenset({"08", "53", "57", "58", "40", "28", "3D"})
_NOT_SIGNED_IN = "28"
_NOT_LET_IN = frozenset({_NOT_SIGNED_IN, "3D"})
_LAST_PORT = 65_535
_RETRYABLE_CODES = frozenset({"55P03", "25006", "25P03"})


def utc_now() -> datetime:
    """Real time, for leases and pauses: they must run out even while the venue's clock is replayed."""
    return datetime.now(UTC)


def is_due(when: sa.ColumnElement[Any], now: datetime, *, longest_s: float = 0.0) -> sa.ColumnElement[bool]:
    """The moment has come, or it is further ahead than anybody puts one: then the clock was set back in between.

    `longest_s` is how far ahead moments of this kind are put; a minute more is allowed for hosts that disagree.
    """
    return sa.or_(when <= now, when > now + timedelta(seconds=longest_s + _STEPPED_BACK_S))


class CommitUnknown(StorageUnavailable):
    """The connection broke inside COMMIT: the transaction may or may not be there."""


def async_url(text: str) -> URL:
    """The URL with the async driver in it. Raises BadSettings for anything but SQLite files and PostgreSQL."""
    try:
        url = make_url(text)
    except sa.exc.ArgumentError as error:
        raise BadSettings("DATABASE_URL is not a URL") from error  # never echoed: it may hold a password
    if url.drivername not in _DRIVERS:
        raise BadSettings(f"DATABASE_URL: {url.drivername} is not supported; use sqlite:///file or postgresql://…")
    if url.port is not None and not 0 < url.port <= _LAST_PORT:
        raise BadSettings(f"DATABASE_URL: there is no port {url.port}")
    url = url.set(drivername=_DRIVERS[url.drivername])
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise BadSettings("DATABASE_URL: an in-memory database forgets; name a file")
    if "sslmode" in url.query:  # libpq's word; asyncpg takes the same values as `ssl`
        url = url.update_query_dict({"ssl": url.query["sslmode"]}).difference_update_query(["sslmode"])
    return url


def when_refused(engine: AsyncEngine, call: Callable[[], None]) -> None:
    """`call` this when the server refuses our password: it may have been rotated. Must not block."""

    @event.listens_for(engine.sync_engine, "handle_error")
    def failed(context: Any) -> None:
        if str(getattr(context.original_exception, "sqlstate", "")).startswith(_NOT_SIGNED_IN):
            call()


def make_engine(text: str, *, busy_timeout_s: float = 5.0, pool_size: int = 10) -> AsyncEngine:
    """An engine with the settings the durable core relies on. Nothing is connected yet."""
    url = async_url(text)
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, busy_timeout_s, pool_size)
    return _postgresql_engine(url, busy_timeout_s, pool_size)


def _sqlite_engine(url: URL, busy_timeout_s: float, pool_size: int) -> AsyncEngine:
    file = Path(str(url.database)).absolute()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSettings(f"DATABASE_URL: the folder {file.parent} cannot be made: {error.strerror}") from error
    engine = create_async_engine(url, pool_size=pool_size, max_overflow=0, pool_timeout=busy_timeout_s)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours: the driver would start transactions too late
        cursor = connection.cursor()
        with _sound(file):
            for pragma in (
                f"busy_timeout = {int(busy_timeout_s * 1000)}",
                "journal_mode = WAL",
                "synchronous = FULL",  # a commit survives a power cut, not only a crash
                "foreign_keys = ON",
            ):
                cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes the lock at once: upgrading a read lock later would fail without waiting.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def _sound(file: Path) -> Iterator[None]:
    """Say what a file is that SQLite does not take for one of its own."""
    try:
        yield
    except sqlite3.OperationalError:  # locked, or out of room: that passes
        raise
    except sqlite3.DatabaseError as error:
        raise OperatorError(
            f"{file} is no SQLite database, or its beginning is damaged ({error}): restore a backup, or name another "
            "file in DATABASE_URL"
        ) from error


def _postgresql_engine(url: URL, busy_timeout_s: float, pool_size: int) -> AsyncEngine:
    milliseconds = str(int(busy_timeout_s * 1000))
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=busy_timeout_s,
        connect_args={
            "timeout": busy_timeout_s,
            "command_timeout": 2 * busy_timeout_s,  # the server is gone without a word
            "server_settings": {
                "application_name": "tradingbot",
                "lock_timeout": milliseconds,
                # A process that was stopped inside a transaction must not hold its locks for ever.
                "idle_in_transaction_session_timeout": milliseconds,
            },
        },
    )

    @event.listens_for(engine.sync_engine, "checkout")
    def alive(connection: Any, _record: Any, _proxy: Any) -> None:
        # The server said goodbye while the connection lay in the pool: take another one, without a round trip.
        if connection.driver_connection.is_closed():
            raise sa.exc.DisconnectionError

    return engine


class Store:
    """Transactions on one engine. Inside a process SQLite has one writer at a time; waiting is fair, in order."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        self.one_writer = self.dialect == "sqlite"
        self._writing = asyncio.Lock()
        # SQLite readers see a snapshot anyway. Writers on PostgreSQL take a lock first and then read what is newest.
        writer: dict[str, Any] = {} if self.one_writer else {"isolation_level": "READ COMMITTED"}
        reader: dict[str, Any] = {} if self.one_writer else {"isolation_level": "REPEATABLE READ"}
        self._writer = engine.execution_options(writes=True, **writer)
        self._reader = engine.execution_options(**reader)

    @asynccontextmanager
    async def read(self, *, unhurried: bool = False) -> AsyncIterator[AsyncConnection]:
        """One consistent snapshot. `unhurried` is for reports that think between their questions."""
        with unavailable():
            async with self._reader.connect() as connection:
                if unhurried and not self.one_writer:
                    await connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed at the end of the block, rolled back when the block raises."""
        if self.one_writer:
            async with self._writing, self._transaction() as connection:
                yield connection
        else:
            async with self._transaction() as connection:
                yield connection

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        with unavailable():
            async with self._writer.connect() as connection:
                yield connection
                try:
                    await connection.commit()
                except (sa.exc.SQLAlchemyError, OSError) as error:
                    raise CommitUnknown(f"lost during commit: {type(error).__name__}") from error

    def insert(self, table: sa.Table) -> "postgresql.Insert | sqlite.Insert":
        """An INSERT that knows ON CONFLICT."""
        return sqlite.insert(table) if self.one_writer else postgresql.insert(table)


@contextmanager
def unavailable() -> Iterator[None]:
    """Turn what the database cannot help into StorageUnavailable; our own mistakes stay what they are."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, OSError) as error:  # OSError covers refused connections and timeouts
        if _retryable(error):
            kind = StorageRefused if _state(error)[:2] in _NOT_LET_IN else StorageUnavailable
            raise kind(_short(error)) from error
        raise


def _retryable(error: Exception) -> bool:
    if isinstance(error, OSError | sa.exc.TimeoutError | sa.exc.PendingRollbackError):
        return True
    if not isinstance(error, sa.exc.DBAPIError):
        # The pool's own words when it drew two dead connections in a row.
        return isinstance(error, sa.exc.InvalidRequestError) and str(error) == "This connection is closed"
    if error.connection_invalidated:
        return True
    if state := _state(error):
        return state[:2] in _RETRYABLE_CLASSES or state in _RETRYABLE_CODES
    if isinstance(getattr(error.orig, "__cause__", None), ValueError):
        return False  # the driver refused a value: waiting does not change it
    return isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.InternalError)


def _state(error: Exception) -> str:
    """The SQLSTATE; "" where there is none."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""


def _short(error: Exception) -> str:
    """The driver's own words, without the statement and its parameters."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
    return f"the database: {type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}"[:300]
