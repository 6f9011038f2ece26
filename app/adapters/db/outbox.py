"""Messages to people, kept until they are delivered. A channel that fails costs a later try, never a trade.

`due` hands a message to one caller at a time: if that one dies, the message is due again after a while. So a message
can arrive twice after a crash. A channel that is down for hours makes messages late; after about a day of trying a
message is kept as undelivered.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.db.store import Store, WallClock, is_due
from app.adapters.db.tables import outbox
from app.ports import Message

MAX_TRIES = 300
FIRST_PAUSE_S = 2.0
MAX_PAUSE_S = 300.0
IN_HAND_S = 30.0  # how long whoever was handed a message has it to themselves


class SqlOutbox:
    """Outbox on a database."""

    def __init__(self, store: Store, wall_clock: WallClock) -> None:
        self._store = store
        self._wall_clock = wall_clock

    async def put(self, key: str, text: str) -> None:
        async with self._store.write() as connection:
            await queue_messages(self._store, connection, [Message(key, text)], self._wall_clock())

    async def due(self, limit: int) -> Sequence[tuple[str, str]]:
        now = self._wall_clock()
        waiting = (
            sa.select(outbox.c.key, outbox.c.text)
            .where(outbox.c.state == "waiting", is_due(outbox.c.due_at, now, longest_s=MAX_PAUSE_S))
            .order_by(outbox.c.put_at, outbox.c.key)
            .limit(limit)
        )
        if self._store.one_writer:
            async with self._store.read() as connection:
                if (await connection.execute(waiting)).first() is None:
                    return []
        async with self._store.write() as connection:
            rows = (await connection.execute(waiting.with_for_update(skip_locked=True))).all()
            keys = [row.key for row in rows]
            if keys:
                in_hand = {"due_at": now + timedelta(seconds=IN_HAND_S)}
                await connection.execute(sa.update(outbox).where(outbox.c.key.in_(keys)).values(in_hand))
        return [(row.key, row.text) for row in rows]

    async def counts(self) -> Mapping[str, int]:
        """How many messages are waiting, delivered or given up."""
        query = sa.select(outbox.c.state, sa.func.count()).group_by(outbox.c.state)
        async with self._store.read() as connection:
            return {row.state: row[1] for row in await connection.execute(query)}

    async def delivered(self, key: str) -> None:
        async with self._store.write() as connection:
            await connection.execute(sa.update(outbox).where(outbox.c.key == key).values(state="delivered", error=""))

    async def failed(self, key: str, error: str) -> None:
        mine = sa.and_(outbox.c.key == key, outbox.c.state == "waiting")
        async with self._store.write() as connection:
            tries = await connection.scalar(sa.select(outbox.c.tries).where(mine).with_for_update())
            if tries is None:
                return
            tries += 1
            pause_s = min(MAX_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(tries - 1, 10))
            row = {
                "tries": tries,
                "error": error[:500],
                "state": "undelivered" if tries >= MAX_TRIES else "waiting",
                "due_at": self._wall_clock() + timedelta(seconds=pause_s),
            }
            await connection.execute(sa.update(outbox).where(mine).values(row))


async def queue_messages(store: Store, connection: AsyncConnection, messages: Sequence[Message], now: datetime) -> None:
    """Queue each once, inside the caller's transaction: said exactly when what it speaks of is true."""
    if not messages:
        return
    rows = [
        {
            "key": message.key,
            "text": message.text,
            "state": "waiting",
            "tries": 0,
            "put_at": now,
            "due_at": now,
            "error": "",
        }
        for message in messages
    ]
    await connection.execute(store.insert(outbox).on_conflict_do_nothing(), rows)
