"""Rebuild the projections from the events alone, in a scratch database, and compare them with the live ones.

A difference means a projection was changed behind the log's back, or a projector has changed its mind: the log is
right. Working columns of the inbox (lease, attempts, turn, body) are not derived from events and not compared, but the
body of every alert must still have the hash its AlertAccepted recorded.
"""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.adapters.db.event_log import recorded
from app.adapters.db.projections import project
from app.adapters.db.scratch import database_bytes, scratch_folder
from app.adapters.db.store import Store, make_engine
from app.adapters.db.tables import (
    accounts,
    alerts,
    events,
    fills,
    metadata,
    orders,
    positions,
    reservations,
    signals,
    trades,
    votes,
)
from app.domain.alert import AlertState
from app.domain.errors import ChainBroken

TABLES = (alerts, signals, votes, orders, fills, positions, trades, accounts, reservations)
_WORKING = frozenset({"body", "received_at", "attempts", "failures_at_claim", "due_at"})
_PAGE = 500
_SHOWN = 20
_SCRATCH_RATE = 0.25  # of the database; an eighth where most alerts were refused: events and bodies stay out


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that is not what the events say. `column` is "" when the whole row is missing or surplus."""

    table: str
    key: str
    column: str
    live: str
    rebuilt: str


@dataclass(frozen=True, slots=True)
class ReplayReport:
    events: int
    rows: int  # in the rebuilt tables
    different: int  # rows that differ
    differences: tuple[Difference, ...]  # the first of them

    @property
    def ok(self) -> bool:
        return self.different == 0


async def replay(engine: AsyncEngine) -> ReplayReport:
    """Compare table by table, in one snapshot of the live database.

    Raises ChainBroken for an event that cannot be read, OperatorError when the temporary folder is too small,
    StorageUnavailable when the database does not answer.
    """
    async with Store(engine).read() as connection:
        needs = int(await database_bytes(connection) * _SCRATCH_RATE)
    with scratch_folder("replay-", needs) as folder:
        url = f"sqlite:///{folder / 'scratch.db'}"
        scratch = make_engine(url)
        try:
            async with Store(engine).read(unhurried=True) as live:
                count = await _rebuild(live, url)
                async with scratch.connect() as rebuilt:
                    return await _compare(count, live, rebuilt)
        finally:
            await scratch.dispose()


class _Direct:
    """A connection used in this thread: a hop to another one and back for each statement would be most of the time."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    async def execute(self, statement: sa.Executable, /) -> sa.CursorResult[Any]:
        return self._connection.execute(statement)


async def _rebuild(live: AsyncConnection, url: str) -> int:
    count = after = 0
    scratch = sa.create_engine(url, poolclass=sa.NullPool)
    with scratch.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        metadata.create_all(connection)
        into = _Direct(connection)
        while True:
            page = sa.select(events).where(events.c.seq > after).order_by(events.c.seq).limit(_PAGE)
            rows = (await live.execute(page)).all()
            for row in rows:
                try:
                    await project(into, [recorded(row)])
                except (ValueError, sa.exc.IntegrityError) as error:
                    raise ChainBroken(row.seq, f"cannot be replayed: {error}") from error
            count += len(rows)
            if len(rows) < _PAGE:
                return count
            after = rows[-1].seq


async def _compare(count: int, live: AsyncConnection, rebuilt: AsyncConnection) -> ReplayReport:
    rows = different = 0
    shown: list[Difference] = []
    for table in TABLES:
        async for mine, theirs in _pairs(_rows(live, table, bodies=True), _rows(rebuilt, table, bodies=False)):
            rows += theirs is not None
            found = _differences(table.name, mine, theirs)
            different += bool(found)
            shown += found[: _SHOWN - len(shown)]
    return ReplayReport(count, rows, different, tuple(shown))


Row = tuple[tuple[Any, ...], dict[str, Any]]  # key, columns to compare


async def _pairs(mine: AsyncIterator[Row], theirs: AsyncIterator[Row]) -> AsyncIterator[tuple[Row | None, Row | None]]:
    """Walk both sides in the order of their keys; a row that one side lacks comes with None."""
    left, right = await anext(mine, None), await anext(theirs, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[0] < right[0]):
            yield left, None
            left = await anext(mine, None)
        elif left is None or right[0] < left[0]:
            yield None, right
            right = await anext(theirs, None)
        else:
            yield left, right
            left, right = await anext(mine, None), await anext(theirs, None)


def _differences(table: str, live: Row | None, rebuilt: Row | None) -> list[Difference]:
    if live is None or rebuilt is None:
        key = "/".join(map(str, (live or rebuilt or ((),))[0]))
        return [Difference(table, key, "", *(("missing", "a row") if live is None else ("a row", "missing")))]
    return [
        Difference(table, "/".join(map(str, live[0])), name, str(value), str(rebuilt[1][name]))
        for name, value in live[1].items()
        if value != rebuilt[1][name]
    ]


async def _rows(connection: AsyncConnection, table: sa.Table, *, bodies: bool) -> AsyncIterator[Row]:
    """The rows by key, a page at a time, in the byte order both databases agree on."""
    by_bytes = connection.dialect.name == "postgresql"
    order = [
        column.collate("C") if by_bytes and isinstance(column.type, sa.Text) else column
        for column in table.primary_key.columns
    ]
    query = sa.select(table).order_by(*order).execution_options(yield_per=_PAGE)
    names = [column.name for column in table.primary_key.columns]
    async with connection.stream(query) as result:
        async for row in result.mappings():
            yield tuple(row[name] for name in names), _comparable(table, row, bodies=bodies)


def _comparable(table: sa.Table, row: Any, *, bodies: bool) -> dict[str, Any]:
    values = {name: value for name, value in row.items() if table is not alerts or name not in _WORKING}
    if table is alerts:
        if not AlertState(row["state"]).final:
            values["state"] = "open"  # pending or working: the inbox's own business
        if bodies:
            values["body_sha256"] = hashlib.sha256(row["body"]).hexdigest()
    return values
