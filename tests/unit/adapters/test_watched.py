"""What is committed is counted, once, and only then."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.adapters.metrics import PrometheusMetrics, WatchedEventLog, counting
from app.domain import events as ev
from app.domain.errors import VersionConflict
from app.domain.ids import AccountId, ClientOrderId, Symbol
from app.domain.money import Money, Price, Quantity
from app.domain.side import Side
from app.ports import Append
from tests.unit.adapters.test_metrics import scraped

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
ID = ClientOrderId("a" * 32)


class Log:
    """Stores everything, or refuses everything."""

    def __init__(self) -> None:
        self.refuses = False

    async def append(self, *_: Append, **__: Any) -> None:
        if self.refuses:
            raise VersionConflict("somebody was first")

    async def read(self, stream: str) -> list[ev.Recorded]:
        return []


def closed(made: str, fees: str, why: str = "stop") -> ev.PositionClosed:
    return ev.PositionClosed(
        account=AccountId("main"),
        symbol=Symbol("BTCUSDT"),
        side=Side.LONG,
        quantity=Quantity(Decimal(1)),
        entry_price=Price.of("100"),
        exit_price=Price.of("100"),
        realised_pnl=Money(Decimal(made)),
        fees=Money(Decimal(fees)),
        strategy="s",
        alert_id=None,
        opened_at=AT,
        why=why,
    )


async def test_orders_and_results_are_counted_when_they_are_stored() -> None:
    metrics = PrometheusMetrics()
    log = WatchedEventLog(Log(), [counting(metrics)])
    await log.append(
        Append("alert:1", 3, (ev.OrderAccepted(ID, "7"), ev.OrderRejected(ID, -1, "no"))),
        Append("alert:2", 3, (closed("10", "1"), closed("-4", "1", "signal"), closed("0", "-2", "odd"))),
    )
    assert scraped(metrics, "tradingbot_order_states_total", state="ACCEPTED") == 1
    assert scraped(metrics, "tradingbot_order_states_total", state="REJECTED") == 1
    assert scraped(metrics, "tradingbot_realised_usdt_total", account="main", kind="gain") == 12
    assert scraped(metrics, "tradingbot_realised_usdt_total", account="main", kind="loss") == 4
    assert scraped(metrics, "tradingbot_realised_usdt_total", account="main", kind="fees") == 2
    assert scraped(metrics, "tradingbot_positions_closed_total", why="stop") == 1
    assert scraped(metrics, "tradingbot_positions_closed_total", why="other") == 1


async def test_what_was_not_stored_is_not_counted() -> None:
    metrics, inner = PrometheusMetrics(), Log()
    inner.refuses = True
    log = WatchedEventLog(inner, [counting(metrics)])
    with pytest.raises(VersionConflict):
        await log.append(Append("alert:1", 3, (ev.OrderAccepted(ID, "7"),)))
    assert scraped(metrics, "tradingbot_order_states_total", state="ACCEPTED") == 0


async def test_a_listener_that_breaks_costs_nobody_else_anything() -> None:
    def breaks(_: str, __: ev.Event) -> None:
        raise RuntimeError("a defect")

    metrics = PrometheusMetrics()
    await WatchedEventLog(Log(), [breaks, counting(metrics)]).append(Append("a", 0, (ev.OrderAccepted(ID, "7"),)))
    assert scraped(metrics, "tradingbot_order_states_total", state="ACCEPTED") == 1
