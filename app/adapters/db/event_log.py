"""The event log: append-only, hash-chained, with the projections kept in the same transaction.

An append either is there completely or not at all. When the connection breaks inside COMMIT the log is read again,
under the lock of the chain's head, before anything is said; it is never written again blindly.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.db.chain import canonical, row_hash
from app.adapters.db.outbox import queue_messages
from app.adapters.db.projections import project
from app.adapters.db.store import CommitUnknown, Store, WallClock
from app.adapters.db.tables import chain_head, events, lanes
from app.domain.errors import LaneLost, StorageUnavailable, VersionConflict
from app.domain.events import Event, Recorded
from app.ports import Append, Clock, Fence, Message


@dataclass(frozen=True, slots=True)
class Written:
    """What one transaction added to the chain."""

    recorded: tuple[Recorded, ...]
    rows: tuple[dict[str, Any], ...]


class SqlEventLog:
    """EventLog on a database."""

    def __init__(self, store: Store, clock: Clock, wall_clock: WallClock) -> None:
        self._store = store
        self._clock = clock
        self._wall_clock = wall_clock

    async def append(self, *appends: Append, fence: Fence | None = None, messages: Sequence[Message] = ()) -> None:
        written: Written | None = None
        try:
            async with self._store.write() as connection:
                head = await lock_head(connection)
                if fence is not None:
                    await _check_fence(connection, fence, self._wall_clock())
                numbered = await _number(connection, appends)
                if numbered:
                    written = await extend_chain(connection, head, numbered, self._clock.now())
                    await project(connection, written.recorded)
                await queue_messages(self._store, connection, messages, self._wall_clock())
        except CommitUnknown:
            if written is None or not await self._arrived(written):
                raise

    async def read(self, stream: str) -> Sequence[Recorded]:
        query = sa.select(events).where(events.c.stream == stream).order_by(events.c.version)
        async with self._store.read() as connection:
            return [recorded(row) for row in await connection.execute(query)]

    async def _arrived(self, written: Written) -> bool:
        """Whether a transaction that ended in an unknown COMMIT is there. Holding the head's lock makes it certain."""
        last = written.rows[-1]
        async with self._store.write() as connection:
            await lock_head(connection)
            stored = await connection.scalar(sa.select(events.c.hash).where(events.c.seq == last["seq"]))
        return bool(stored == last["hash"])


async def lock_head(connection: AsyncConnection) -> tuple[int, str]:
    """Become the only appender until the transaction ends; (seq, hash) of the last event."""
    head = (await connection.execute(sa.select(chain_head.c.seq, chain_head.c.hash).with_for_update())).one_or_none()
    if head is None:
        raise StorageUnavailable("the head of the chain is missing: is the database migrated?")
    return head.seq, head.hash


async def extend_chain(
    connection: AsyncConnection,
    head: tuple[int, str],
    numbered: Sequence[tuple[str, int, Event]],
    at: datetime,
) -> Written:
    """Write (stream, version, event) after `head`, which must be locked, and move the head."""
    seq, previous = head
    rows, done = [], []
    at = at.astimezone(UTC)
    for stream, version, event in numbered:
        seq += 1
        row: dict[str, Any] = {
            "seq": seq,
            "stream": stream,
            "version": version,
            "type": event.type,
            "at": at,
            "data": canonical(event.data()),
            "prev_hash": previous,
        }
        row["hash"] = previous = row_hash(row)
        rows.append(row)
        done.append(Recorded(seq, stream, version, at, event))
    await connection.execute(sa.insert(events), rows)
    await connection.execute(sa.update(chain_head).values(seq=seq, hash=previous))
    return Written(tuple(done), tuple(rows))


def recorded(row: Any) -> Recorded:
    """A row of `events` as the domain sees it. Raises ValueError when its data does not fit its type."""
    event = Event.read(row.type, json.loads(row.data))
    return Recorded(row.seq, row.stream, row.version, row.at, event)


async def _check_fence(connection: AsyncConnection, fence: Fence, now: datetime) -> None:
    """The lane stays ours until this transaction ends, for taking it over needs the row we lock here."""
    query = (
        sa.select(lanes.c.token, lanes.c.owner, lanes.c.expires_at)
        .where(lanes.c.account == fence.account, lanes.c.symbol == fence.symbol)
        .with_for_update(read=True)
    )
    lane = (await connection.execute(query)).one_or_none()
    where = f"lane {fence.account}/{fence.symbol}"
    if lane is None or lane.token != fence.token or not lane.owner:
        raise LaneLost(f"{where}: token {fence.token} is no longer the newest")
    if lane.expires_at <= now:
        raise LaneLost(f"{where}: the lease ran out")


async def _number(connection: AsyncConnection, appends: Sequence[Append]) -> list[tuple[str, int, Event]]:
    """Give every event its version, after checking that no stream has moved on."""
    if not appends:
        return []
    query = (
        sa.select(events.c.stream, sa.func.max(events.c.version).label("version"))
        .where(events.c.stream.in_({append.stream for append in appends}))
        .group_by(events.c.stream)
    )
    versions = {row.stream: row.version for row in await connection.execute(query)}
    numbered: list[tuple[str, int, Event]] = []
    for append in appends:
        version = versions.get(append.stream, 0)
        if version != append.expected_version:
            raise VersionConflict(f"{append.stream} is at {version}, not at {append.expected_version}")
        for event in append.events:
            version += 1
            numbered.append((append.stream, version, event))
        versions[append.stream] = version
    return numbered
