"""Alerts, orders and fills for the tests of the durable core, and small tools to look at it from outside."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.domain import events as ev
from app.domain.alert import Alert, Preset
from app.domain.ids import AccountId, AlertId, StrategyId, Symbol, client_order_id
from app.domain.money import Money, Price, Quantity
from app.domain.order import Fill, OrderIntent, OrderKind, OrderRequest
from app.domain.side import OrderSide, Side

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)  # the time tests.fakes.FakeClock starts at
ACCOUNT = AccountId("main")
BTC, ETH, SOL = Symbol("BTCUSDT"), Symbol("ETHUSDT"), Symbol("SOLUSDT")
STRATEGY = StrategyId("trend")


class WallClock:
    """Real time that moves only when told to: leases run out when the test says so."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def an_alert(number: int, symbol: Symbol = BTC, **changes: Any) -> Alert:
    """The alert with that number; later numbers arrive later."""
    body = f'{{"number": {number}}}'.encode()
    alert = Alert(
        alert_id=AlertId(f"01JZ{number:022d}"),
        strategy=STRATEGY,
        account=ACCOUNT,
        symbol=symbol,
        preset=Preset.NATIVE,
        dedupe_key=hashlib.sha256(body).hexdigest(),
        body=body,
        received_at=NOW + timedelta(milliseconds=number),
        sender="127.0.0.1",
    )
    return replace(alert, **changes)


def an_intent(leg: str = "entry", symbol: Symbol = BTC, alert_id: str | None = "A", **changes: Any) -> OrderIntent:
    request = OrderRequest(
        client_id=client_order_id(f"{alert_id}{symbol}", leg, 0),
        account=ACCOUNT,
        symbol=symbol,
        side=OrderSide.BUY,
        kind=OrderKind.MARKET,
        quantity=Quantity.of("0.3"),
        reduce_only=leg not in ("entry", "add"),
    )
    return OrderIntent(replace(request, **changes), leg, None if alert_id is None else AlertId(alert_id))


def a_fill(trade_id: str, quantity: str = "0.1", symbol: Symbol = BTC, **changes: Any) -> Fill:
    fill = Fill(
        trade_id=trade_id,
        venue_order_id="900",
        symbol=symbol,
        side=OrderSide.BUY,
        quantity=Quantity.of(quantity),
        price=Price.of("50000.1"),
        fee=Money.of("0.02000004"),
        realised_pnl=Money.of(0),
        at=NOW,
    )
    return replace(fill, **changes)


def a_close(symbol: Symbol = BTC, pnl: str = "10", fees: str = "1", strategy: str = STRATEGY) -> ev.PositionClosed:
    return ev.PositionClosed(
        account=ACCOUNT,
        symbol=symbol,
        side=Side.LONG,
        quantity=Quantity.of("0.3"),
        entry_price=Price.of(50_000),
        exit_price=Price.of(50_100),
        realised_pnl=Money.of(pnl),
        fees=Money.of(fees),
        strategy=strategy,
        alert_id=AlertId("A"),
        opened_at=NOW,
        why="signal",
    )


def opened(symbol: Symbol = BTC, alert_id: str | None = "A") -> ev.PositionOpened:
    return ev.PositionOpened(
        account=ACCOUNT,
        symbol=symbol,
        side=Side.LONG,
        quantity=Quantity(Decimal("0.3")),
        entry_price=Price.of("50000.1"),
        strategy=STRATEGY,
        alert_id=None if alert_id is None else AlertId(alert_id),
    )


async def until(done: Callable[[], Awaitable[bool]], deadline_s: float = 30) -> None:
    """Poll until it is so."""

    async def poll() -> None:
        while not await done():  # noqa: ASYNC110 - what it waits for is in another process
            await asyncio.sleep(0.01)

    await asyncio.wait_for(poll(), deadline_s)
