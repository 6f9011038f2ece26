"""One database behind all storage ports: open it once, hand its parts to whoever needs them, close it at the end."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from sqlalchemy.ext.asyncio import AsyncEngine

from app.adapters.db.event_log import SqlEventLog
from app.adapters.db.inbox import SqlInbox
from app.adapters.db.lanes import SqlLanes
from app.adapters.db.migrations import SchemaChange, change_schema, check_schema
from app.adapters.db.outbox import SqlOutbox
from app.adapters.db.queries import SqlQueries
from app.adapters.db.records import SqlRecords
from app.adapters.db.store import Store, WallClock, make_engine, utc_now, when_refused
from app.ports import Clock


class Database:
    """The durable core on one URL.

    `clock` stamps events; `wall_clock` judges leases and pauses and must be real time. `busy_timeout_s` is how long a
    lock or a connection is waited for, `put_timeout_s` how long the sender of an alert waits for the commit.
    `on_refused` is called when the server refuses the password.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        wall_clock: WallClock = utc_now,
        busy_timeout_s: float = 5.0,
        put_timeout_s: float = 2.0,
        pool_size: int = 10,
        on_refused: Callable[[], None] | None = None,
    ) -> None:
        self.engine: AsyncEngine = make_engine(url, busy_timeout_s=busy_timeout_s, pool_size=pool_size)
        if on_refused is not None:
            when_refused(self.engine, on_refused)
        store = Store(self.engine)
        self.events = SqlEventLog(store, clock, wall_clock)
        self.inbox = SqlInbox(store, clock, wall_clock, put_timeout_s=put_timeout_s)
        self.lanes = SqlLanes(store, wall_clock)
        self.records = SqlRecords(store, clock)
        self.queries = SqlQueries(store)
        self.outbox = SqlOutbox(store, wall_clock)

    async def open(self, *, migrate: bool = False) -> None:
        """Check that the database answers and has our schema; with `migrate`, bring it up to date first.

        Raises StorageUnavailable when it does not answer, OperatorError when its schema is too old.
        """
        if migrate:
            await self.migrate()
        await check_schema(self.engine)

    async def migrate(self) -> SchemaChange:
        """Bring the schema to what this code expects. Waits for another process that is at it."""
        return await change_schema(self.engine)

    async def close(self) -> None:
        """Wait for alerts that are being stored, then let go of every connection."""
        await self.inbox.close()
        await self.engine.dispose()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
