"""Reads the pipeline decides from. Each method sees one consistent snapshot."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.db import account_state
from app.adapters.db.rows import LIVE, fills_since, order_rows, position_rows
from app.adapters.db.store import Store
from app.adapters.db.tables import alerts, events, fills, is_open, orders, positions, reservations, signals, trades
from app.domain.codec import decode
from app.domain.ids import AccountId, AlertId, ClientOrderId, StrategyId, Symbol, account_stream
from app.domain.money import Money
from app.domain.order import Fill, OrderState
from app.domain.position import Position
from app.domain.signal import Signal
from app.ports import AccountFacts, Clock, OrderRow, Reservation, StrategyRecord

_RECENT = timedelta(hours=1)
_TAKEN = tuple(state.value for state in (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.FILLED))


class SqlRecords:
    """Records on a database."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def account_facts(self, account: AccountId) -> AccountFacts:
        async with self._store.read() as connection:
            stream = events.c.stream == account_stream(account)
            version = await connection.scalar(sa.select(sa.func.max(events.c.version)).where(stream))
            state = await account_state.load(connection, account)
            return AccountFacts(
                version=version or 0,
                paused=state.paused,
                killed=state.killed,
                daily_loss_day=state.daily_loss_day,
                drawdown_latched=state.drawdown_latched,
                day=state.day,
                day_start_equity=None if state.day_start_equity is None else Money(state.day_start_equity),
                peak_equity=None if state.peak_equity is None else Money(state.peak_equity),
                entries_at=await self._recent_entries(connection, account),
                last_entry_at=await _last_entries(connection, account),
                reservations=await _reservations(connection, account),
                positions=tuple(await position_rows(connection, positions.c.account == account)),
            )

    async def strategy_record(self, strategy: StrategyId) -> StrategyRecord:
        count = sa.func.count().label("trades")
        query = sa.select(trades.c.won, count).where(trades.c.strategy == strategy).group_by(trades.c.won)
        async with self._store.read() as connection:
            counts = {row.won: row.trades for row in await connection.execute(query)}
        return StrategyRecord(trades=sum(counts.values()), wins=counts.get(True, 0))

    async def newest_signal(self, account: AccountId, symbol: Symbol, strategy: StrategyId) -> Signal | None:
        query = sa.select(signals.c.signal).where(
            signals.c.account == account, signals.c.symbol == symbol, signals.c.strategy == strategy
        )
        async with self._store.read() as connection:
            text = await connection.scalar(query)
        return None if text is None else decode(Signal, json.loads(text))

    async def position(self, account: AccountId, symbol: Symbol) -> Position | None:
        async with self._store.read() as connection:
            found = await position_rows(connection, positions.c.account == account, positions.c.symbol == symbol)
        return found[0] if found else None

    async def open_orders(self, account: AccountId, symbol: Symbol) -> Sequence[OrderRow]:
        where = (orders.c.account == account, orders.c.symbol == symbol, orders.c.state.in_(LIVE))
        async with self._store.read() as connection:
            return await order_rows(connection, sa.select(orders).where(*where).order_by(orders.c.seq))

    async def order(self, client_id: ClientOrderId) -> OrderRow | None:
        return await self._one_order(orders.c.client_id == client_id)

    async def order_by_venue_id(self, account: AccountId, symbol: Symbol, venue_order_id: str) -> OrderRow | None:
        return await self._one_order(
            orders.c.account == account, orders.c.symbol == symbol, orders.c.venue_order_id == venue_order_id
        )

    async def fill_known(self, account: AccountId, symbol: Symbol, trade_id: str) -> bool:
        where = (fills.c.account == account, fills.c.symbol == symbol, fills.c.trade_id == trade_id)
        async with self._store.read() as connection:
            return bool(await connection.scalar(sa.select(sa.exists().where(*where))))

    async def fills_of_position(self, position: Position) -> Sequence[tuple[ClientOrderId | None, Fill]]:
        async with self._store.read() as connection:
            return await fills_since(connection, position.account, position.symbol, position.opened_at)

    async def last_fill_at(self, account: AccountId, symbol: Symbol) -> datetime | None:
        where = (fills.c.account == account, fills.c.symbol == symbol)
        async with self._store.read() as connection:
            return await connection.scalar(sa.select(fills.c.at).where(*where).order_by(fills.c.at.desc()).limit(1))

    async def symbols_in_use(self, account: AccountId) -> Sequence[Symbol]:
        held = sa.select(positions.c.symbol).where(positions.c.account == account)
        ordered = sa.select(orders.c.symbol).where(orders.c.account == account, orders.c.state.in_(LIVE))
        async with self._store.read() as connection:
            return sorted(Symbol(symbol) for symbol in await connection.scalars(held.union(ordered)))

    async def _one_order(self, *where: sa.ColumnElement[bool]) -> OrderRow | None:
        newest = sa.select(orders).where(*where).order_by(orders.c.seq.desc()).limit(1)
        async with self._store.read() as connection:
            found = await order_rows(connection, newest)
        return found[0] if found else None

    async def _recent_entries(self, connection: AsyncConnection, account: AccountId) -> tuple[datetime, ...]:
        since = self._clock.now() - _RECENT
        query = (
            sa.select(reservations.c.reserved_at)
            .where(reservations.c.account == account, reservations.c.reserved_at >= since)
            .order_by(reservations.c.seq)
        )
        return tuple(await connection.scalars(query))


async def _last_entries(connection: AsyncConnection, account: AccountId) -> dict[Symbol, datetime]:
    newest = (
        sa.select(sa.func.max(reservations.c.seq))
        .where(reservations.c.account == account)
        .group_by(reservations.c.symbol)
    )
    query = sa.select(reservations.c.symbol, reservations.c.reserved_at).where(reservations.c.seq.in_(newest))
    return {Symbol(row.symbol): row.reserved_at for row in await connection.execute(query)}


async def _reservations(connection: AsyncConnection, account: AccountId) -> tuple[Reservation, ...]:
    """The newest of every alert that is not final. An alert the inbox does not know counts: that is the safe side."""
    final = sa.exists().where(alerts.c.alert_id == reservations.c.alert_id, ~is_open(alerts))
    newest: Any = reservations.alias("newest")
    last = sa.select(sa.func.max(newest.c.seq)).where(newest.c.alert_id == reservations.c.alert_id).scalar_subquery()
    entered = sa.exists().where(
        orders.c.alert_id == reservations.c.alert_id, orders.c.adds_exposure, orders.c.state.in_(_TAKEN)
    )
    query = (
        sa.select(reservations, entered.label("entered"))
        .where(reservations.c.account == account, ~final, reservations.c.seq == last)
        .order_by(reservations.c.seq)
    )
    return tuple(
        Reservation(AlertId(row.alert_id), Symbol(row.symbol), Money(row.notional), bool(row.entered))
        for row in await connection.execute(query)
    )
