"""From rows to what the domain and the ports call things. Read helpers shared by the repositories."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.db.tables import fills, orders, positions, trades
from app.domain.codec import decode
from app.domain.ids import AccountId, AlertId, ClientOrderId, Symbol
from app.domain.money import Money, Price, Quantity
from app.domain.order import Fill, OrderIntent, OrderState
from app.domain.position import Position
from app.domain.side import OrderSide, Side
from app.ports import OrderRow

_ENDED = (OrderState.FILLED, OrderState.REJECTED, OrderState.CANCELED, OrderState.EXPIRED)
LIVE = tuple(state.value for state in OrderState if state not in _ENDED)


async def order_rows(connection: AsyncConnection, query: sa.Select[Any]) -> list[OrderRow]:
    """The orders of a `select(orders)`, each with what was filled of it."""
    rows = (await connection.execute(query)).all()
    ids = [row.client_id for row in rows]
    filled: dict[str, Decimal] = defaultdict(Decimal)
    executions = sa.select(fills.c.client_id, fills.c.quantity).where(fills.c.client_id.in_(ids))
    for client_id, quantity in await connection.execute(executions) if ids else ():
        filled[client_id] += quantity
    return [
        OrderRow(
            intent=decode(OrderIntent, json.loads(row.intent)),
            state=OrderState(row.state),
            venue_order_id=row.venue_order_id,
            sent_at=row.sent_at,
            deadline=row.deadline,
            filled=filled[row.client_id],
            stream=row.stream,
        )
        for row in rows
    ]


async def position_rows(connection: AsyncConnection, *where: sa.ColumnElement[bool]) -> list[Position]:
    """Open positions. Profit and fees so far are summed from the fills that belong to each."""
    query = sa.select(positions).where(*where).order_by(positions.c.account, positions.c.symbol)
    found = []
    for row in (await connection.execute(query)).all():
        executions = await _since_last_close(connection, row.account, row.symbol)
        # The event that opened the position comes after the fills that made it: start at the first of those.
        entries = [item.at for item in executions if item.adds_exposure and item.alert_id == row.alert_id]
        start = min([row.opened_at, *entries])
        found.append(_position(row, start, [item for item in executions if item.at >= start]))
    return found


async def fills_since(
    connection: AsyncConnection, account: str, symbol: str, start: datetime
) -> list[tuple[ClientOrderId | None, Fill]]:
    executions = await _since_last_close(connection, account, symbol)
    return [
        (None if row.client_id is None else ClientOrderId(row.client_id), fill_of(row))
        for row in executions
        if row.at >= start
    ]


def fill_of(row: Any) -> Fill:
    return Fill(
        trade_id=row.trade_id,
        venue_order_id=row.venue_order_id,
        symbol=Symbol(row.symbol),
        side=OrderSide(row.side),
        quantity=Quantity(row.quantity),
        price=Price(row.price),
        fee=Money(row.fee),
        realised_pnl=Money(row.realised_pnl),
        at=row.at,
    )


async def _since_last_close(connection: AsyncConnection, account: str, symbol: str) -> Sequence[Any]:
    """Fills recorded after the last position on the symbol was closed, oldest first."""
    closed = (
        sa.select(sa.func.coalesce(sa.func.max(trades.c.trade_id), 0))
        .where(trades.c.account == account, trades.c.symbol == symbol)
        .scalar_subquery()
    )
    query = (
        sa.select(fills, orders.c.alert_id, orders.c.adds_exposure)
        .join_from(fills, orders, orders.c.client_id == fills.c.client_id, isouter=True)
        .where(fills.c.account == account, fills.c.symbol == symbol, fills.c.seq > closed)
        .order_by(fills.c.at, fills.c.seq)
    )
    return (await connection.execute(query)).all()


def _position(row: Any, start: datetime, executions: Iterable[Any]) -> Position:
    executions = list(executions)
    return Position(
        account=AccountId(row.account),
        symbol=Symbol(row.symbol),
        side=Side(row.side),
        quantity=Quantity(row.quantity),
        entry_price=Price(row.entry_price),
        strategy=row.strategy,
        alert_id=None if row.alert_id is None else AlertId(row.alert_id),
        opened_at=start,
        entries=row.entries,
        stop_price=None if row.stop_price is None else Price(row.stop_price),
        realised_pnl=Money(sum((item.realised_pnl for item in executions), Decimal(0))),
        fees=Money(sum((item.fee for item in executions), Decimal(0))),
    )
