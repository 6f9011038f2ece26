"""Reads for people: lists, newest first, and one alert with its whole story."""

import json
from collections.abc import Sequence

import sqlalchemy as sa

from app.adapters.db.event_log import recorded
from app.adapters.db.inbox import stored_alert
from app.adapters.db.rows import order_rows, position_rows
from app.adapters.db.store import Store
from app.adapters.db.tables import alerts, events, orders, trades
from app.domain.alert import Alert, AlertState
from app.domain.codec import decode
from app.domain.events import PositionClosed, Recorded, SignalRead, VerdictReached
from app.domain.ids import AlertId, StrategyId, Symbol, alert_stream
from app.domain.position import Position
from app.domain.signal import Signal
from app.domain.verdict import Verdict
from app.ports import AlertLine, OrderRow, Trade


class SqlQueries:
    """Queries on a database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def alerts(self, *, limit: int, before: AlertId | None = None) -> Sequence[AlertLine]:
        query = sa.select(alerts).order_by(alerts.c.alert_id.desc()).limit(limit)
        if before is not None:
            query = query.where(alerts.c.alert_id < before)
        async with self._store.read() as connection:
            rows = await connection.execute(query)
            return [AlertLine(stored_alert(row), AlertState(row.state), row.summary) for row in rows]

    async def alert(self, alert_id: AlertId) -> tuple[Alert, Sequence[Recorded]] | None:
        story = sa.select(events).where(events.c.stream == alert_stream(alert_id)).order_by(events.c.version)
        async with self._store.read() as connection:
            row = (await connection.execute(sa.select(alerts).where(alerts.c.alert_id == alert_id))).one_or_none()
            if row is None:
                return None
            return stored_alert(row), [recorded(item) for item in await connection.execute(story)]

    async def judged_strategies(self) -> frozenset[StrategyId]:
        """Those whose alerts have ever been put to the vote."""
        stream = sa.literal(alert_stream("")) + alerts.c.alert_id
        query = sa.select(alerts.c.strategy).distinct().join(events, events.c.stream == stream)
        async with self._store.read() as connection:
            rows = await connection.execute(query.where(events.c.type == VerdictReached.__name__))
            return frozenset(StrategyId(row.strategy) for row in rows)

    async def verdicts(self, strategy: StrategyId, symbol: Symbol) -> Sequence[tuple[Signal, Verdict]]:
        """Every verdict on an alert of this strategy and symbol, the oldest first."""
        streams = sa.select(sa.literal(alert_stream("")) + alerts.c.alert_id).where(
            alerts.c.strategy == strategy, alerts.c.symbol == symbol
        )
        query = (
            sa.select(events)
            .where(events.c.stream.in_(streams), events.c.type.in_([SignalRead.__name__, VerdictReached.__name__]))
            .order_by(events.c.seq)
        )
        signals: dict[str, Signal] = {}
        found: list[tuple[Signal, Verdict]] = []
        async with self._store.read() as connection:
            for row in await connection.execute(query):
                match recorded(row).event:
                    case SignalRead(signal):
                        signals[row.stream] = signal
                    case VerdictReached(verdict):
                        found.append((signals[row.stream], verdict))
        return found

    async def orders(self, *, limit: int, before: str | None = None) -> Sequence[OrderRow]:
        query = sa.select(orders).order_by(orders.c.seq.desc()).limit(limit)
        if before is not None:
            page = orders.alias("page")
            query = query.where(
                orders.c.seq < sa.select(page.c.seq).where(page.c.client_id == before).scalar_subquery()
            )
        async with self._store.read() as connection:
            return await order_rows(connection, query)

    async def positions(self) -> Sequence[Position]:
        async with self._store.read() as connection:
            return await position_rows(connection)

    async def trades(self, *, limit: int, before: int | None = None) -> Sequence[Trade]:
        query = sa.select(trades).order_by(trades.c.trade_id.desc()).limit(limit)
        if before is not None:
            query = query.where(trades.c.trade_id < before)
        async with self._store.read() as connection:
            return [
                Trade(row.trade_id, row.closed_at, decode(PositionClosed, json.loads(row.closed)))
                for row in await connection.execute(query)
            ]

    async def ping(self) -> None:
        async with self._store.read() as connection:
            await connection.execute(sa.select(1))
