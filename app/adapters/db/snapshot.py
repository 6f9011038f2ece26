"""Every table out of a database and into another one, as plain values that are the same on SQLite and PostgreSQL.

Which tables and columns there are is asked of the database, not of the code: a release backs up what a newer one has
added, and rows go back into the schema they came from. Amounts, moments, days and bytes are written in one way only,
so rows that were loaded and read again must be the same text; a restore is proven by comparing.
"""

import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.adapters.db import account_state
from app.adapters.db.chain import row_hash
from app.adapters.db.event_log import extend_chain, lock_head
from app.adapters.db.migrations import change_within, current_revision, head_revision
from app.adapters.db.projections import project
from app.adapters.db.store import Store
from app.adapters.db.tables import GENESIS, chain_head, events, metadata
from app.adapters.db.types import Exact, utc_text
from app.domain.errors import OperatorError, StorageUnavailable
from app.domain.events import TradingPaused
from app.domain.ids import account_stream
from app.domain.money import plain

_PAGE = 1_000
_OWN = "alembic_version"  # says which schema this is; travels as Snapshot.revision
Row = list[Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """A table as it is in this database."""

    table: sa.Table
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.table.name


class Snapshot:
    """A database at one moment: every read sees the same rows, whatever is written meanwhile."""

    def __init__(self, connection: AsyncConnection, revision: str, layouts: Mapping[str, Layout]) -> None:
        self._connection = connection
        self.revision = revision
        self.layouts = layouts
        self.dialect = connection.dialect.name

    @classmethod
    async def on(cls, connection: AsyncConnection) -> Self:
        """What this transaction sees. Raises OperatorError when there is no schema of ours."""
        revision = await connection.run_sync(current_revision)
        if revision is None:
            raise OperatorError("the database has no tables of the bot's: is DATABASE_URL the right one?")
        return cls(connection, revision, await connection.run_sync(_layouts, revision))

    async def pages(self, layout: Layout) -> AsyncIterator[list[Row]]:
        """The rows in the order of their keys, a page at a time, as values of an archive."""
        written = [_written(layout.table.name, column) for column in layout.table.c]
        query = sa.select(layout.table).order_by(*self._order(layout.table)).execution_options(yield_per=_PAGE)
        async with self._connection.stream(query) as result:
            async for page in result.partitions():
                yield [_row(written, row) for row in page]

    async def compare_head(self, chain: "ChainWatch") -> None:
        """A log that was cut, or went on without its head, is noticed here."""
        head = (await self._connection.execute(sa.select(chain_head.c.seq, chain_head.c.hash))).one_or_none()
        if chain.broken_at is None and (head is None or tuple(head) != (chain.events, chain.head)):
            chain.broken_at = chain.events + 1

    async def head_at(self, seq: int) -> str | None:
        """The hash of an event; None when there is none."""
        log = self.layouts["events"].table
        found: str | None = await self._connection.scalar(sa.select(log.c.hash).where(log.c.seq == seq))
        return found

    def _order(self, table: sa.Table) -> list[Any]:
        """By the bytes of the key, which both databases agree on."""
        keys = table.primary_key.columns or table.c
        bytewise = self.dialect == "postgresql"
        return [key.collate("C") if bytewise and isinstance(key.type, sa.String) else key for key in keys]


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[Snapshot]:
    """One consistent snapshot of a whole database, for as long as the block takes. Raises StorageUnavailable."""
    async with Store(engine).read(unhurried=True) as connection:
        yield await Snapshot.on(connection)


@dataclass(slots=True)
class ChainWatch:
    """Follows the audit chain while events go by: cheaper than a second look, for the rows are in hand anyway."""

    events: int = 0  # that add up, from the first on; their last hash is `head`
    head: str = GENESIS
    broken_at: int | None = None

    def see(self, columns: Sequence[str], page: Sequence[Row]) -> None:
        for values in page:
            if self.broken_at is not None:
                return
            row = dict(zip(columns, values, strict=True))
            whole = row["seq"] == self.events + 1 and row["prev_hash"] == self.head and row["hash"] == row_hash(row)
            if whole:
                self.events, self.head = row["seq"], row["hash"]
            else:
                self.broken_at = self.events + 1


# --- loading ---------------------------------------------------------------------------------------------


async def refuse_unless_empty(engine: AsyncEngine) -> None:
    """Raise OperatorError when the database holds anything at all."""
    async with Store(engine).read() as connection:
        found = await connection.run_sync(_held)
    if found:
        raise OperatorError(
            f"the database to restore into is not empty ({found}): nothing was changed. Name a new one; "
            "a database in use is never overwritten"
        )


class Loading:
    """Rows into an empty schema, in one transaction."""

    def __init__(self, connection: AsyncConnection, layouts: Mapping[str, Layout]) -> None:
        self._connection = connection
        self._layouts = layouts

    @classmethod
    async def into(cls, connection: AsyncConnection) -> Self:
        """Raises OperatorError when somebody else began to use the database meanwhile."""
        loading = cls(connection, (await Snapshot.on(connection)).layouts)
        taken = await connection.execute(sa.delete(chain_head).where(chain_head.c.seq == 0))
        if taken.rowcount != 1:
            raise OperatorError("the database is in use: somebody wrote to it just now. Nothing was restored")
        return loading

    async def add(self, table: str, columns: Sequence[str], page: Sequence[Row]) -> None:
        """Raises OperatorError when the schema has no such table or columns."""
        layout = self._layouts.get(table)
        if layout is None or set(layout.columns) != set(columns):
            raise OperatorError(f"the table {table} of the archive does not fit the schema it says it was made for")
        read = [_read(layout.table.c[name]) for name in columns]
        for start in range(0, len(page), _PAGE):
            rows = [
                {
                    name: value if value is None or how is None else how(value)
                    for name, how, value in zip(columns, read, values, strict=True)
                }
                for values in page[start : start + _PAGE]
            ]
            await self._connection.execute(sa.insert(layout.table), rows)

    @asynccontextmanager
    async def loaded(self) -> AsyncIterator[Snapshot]:
        """What is there now, before it is committed."""
        nested = await self._connection.begin_nested()
        yield await Snapshot.on(self._connection)
        await nested.rollback()  # closes its cursors: PostgreSQL changes no table that one of ours is open on

    async def upgrade(self) -> None:
        """Bring the schema to this code's, before the rows are committed: after it no more can be added."""
        await change_within(self._connection)

    async def pause(self, pause: TradingPaused, at: datetime) -> int:
        """Record the pause with the rows it is about, unless there is one; how many events that took.

        Nobody can use the rows without it. Call it after `upgrade`. Raises OperatorError for a log that is so damaged
        that nothing can be written after it.
        """
        if (await account_state.load(self._connection, pause.account)).paused:
            return 0
        stream = account_stream(pause.account)
        try:
            head = await lock_head(self._connection)
            newest = sa.select(sa.func.max(events.c.version)).where(events.c.stream == stream)
            version = await self._connection.scalar(newest) or 0
            written = await extend_chain(self._connection, head, [(stream, version + 1, pause)], at)
            await project(self._connection, written.recorded)
        except (sa.exc.IntegrityError, StorageUnavailable) as error:
            raise OperatorError(
                "the log in this backup does not end where its head says, so the pause of a restored bot cannot be "
                "recorded after it: nothing was restored. Take an older backup; --audit FILE writes this one's log"
            ) from error
        return len(written.rows)


@asynccontextmanager
async def loading(engine: AsyncEngine, revision: str) -> AsyncIterator[Loading]:
    """Into tables of this revision. Committed at the end of the block, tables and all; nothing is when it raises.

    So a bot that waits for its schema begins on all of it or on nothing.
    """
    async with Store(engine).write() as connection:
        await change_within(connection, revision)
        yield await Loading.into(connection)


# --- what is in the database -----------------------------------------------------------------------------


def _layouts(connection: Connection, revision: str) -> dict[str, Layout]:
    names = set(sa.inspect(connection).get_table_names()) - {_OWN}
    if revision == head_revision():
        names &= metadata.tables.keys()  # of another revision we do not know which tables are the bot's: all
    found = sa.MetaData()
    found.reflect(connection, only=sorted(names))
    return {name: Layout(found.tables[name], tuple(found.tables[name].c.keys())) for name in sorted(names)}


def _held(connection: Connection) -> str:
    """What there is, in words; "" for nothing."""
    for name in sorted(set(sa.inspect(connection).get_table_names()) - {_OWN}):
        if name == chain_head.name:
            if last := connection.scalar(sa.select(chain_head.c.seq)):
                return f"its log has {last:,} events"
        elif connection.scalar(sa.select(sa.literal(1)).select_from(sa.table(name)).limit(1)):
            return f"the table {name} has rows"
        elif name not in metadata.tables:
            return f"it has a table {name}, which is not the bot's"
    return ""


# --- values ----------------------------------------------------------------------------------------------

Change = Callable[[Any], Any]


def _row(written: Sequence[Change | None], row: Sequence[Any]) -> Row:
    return [value if how is None or value is None else how(value) for how, value in zip(written, row, strict=True)]


def _written(table: str, column: sa.Column[Any]) -> Change | None:
    """How a value of this column, as the driver gives it, becomes one of an archive. None: it is one already."""
    known = metadata.tables.get(table)
    if known is not None and column.name in known.c and isinstance(known.c[column.name].type, Exact):
        return _amount  # text on SQLite: only the code knows that it is an amount
    return _kind(column, writing=True)


def _read(column: sa.Column[Any]) -> Change | None:
    """How a value of an archive becomes what the driver takes for this column."""
    return _kind(column, writing=False)


def _kind(column: sa.Column[Any], *, writing: bool) -> Change | None:
    """By what the database says the column holds. Raises OperatorError for what an archive has no spelling for."""
    for kind, write, read in _KINDS:
        if isinstance(column.type, kind) and not isinstance(column.type, sa.Float):
            return write if writing else read
    raise OperatorError(f"{column.table.name}.{column.name}: a column of type {column.type} cannot be backed up")


def _amount(value: Decimal | str) -> str:
    """Zero has no sign: PostgreSQL does not keep it."""
    amount = Decimal(value)
    return plain(amount) if amount else "0"


_KINDS: tuple[tuple[type[sa.types.TypeEngine[Any]], Change | None, Change | None], ...] = (
    (sa.Boolean, bool, bool),
    (sa.Integer, None, None),
    (sa.String, None, None),
    (sa.DateTime, utc_text, datetime.fromisoformat),
    (sa.Date, date.isoformat, date.fromisoformat),
    (sa.LargeBinary, lambda value: base64.b64encode(value).decode("ascii"), base64.b64decode),
    (sa.Numeric, _amount, Decimal),
)
