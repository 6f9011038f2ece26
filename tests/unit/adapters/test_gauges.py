import asyncio
import math
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from app.adapters.metrics import GaugeSampler, PrometheusMetrics
from app.domain.errors import StorageUnavailable, VenueUnavailable
from app.domain.ids import AccountId, Symbol
from app.domain.money import NO_MONEY, Money, Price, Quantity
from app.domain.position import AccountBalance, Position
from app.domain.side import Side
from tests.fakes import FakeClock
from tests.unit.adapters.test_metrics import scraped

MAIN = AccountId("main")


class World:
    """A database and a venue that answer, or do not."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.held: list[Position] = []
        self.storage_down = self.venue_down = False
        self.broken: Exception | None = None
        self.metrics = PrometheusMetrics()
        ports: Any = SimpleNamespace(backlog=self.backlog, positions=self.positions, balance=self.balance)
        self.sampler = GaugeSampler(self.metrics, ports, ports, {MAIN: ports}, self.clock, every_s=15)

    async def backlog(self) -> int:
        if self.storage_down:
            raise StorageUnavailable("gone")
        return 7

    async def positions(self) -> Sequence[Position]:
        if self.broken:
            raise self.broken
        return self.held

    async def balance(self) -> AccountBalance:
        if self.venue_down:
            raise VenueUnavailable("silent")
        return AccountBalance(Money(Decimal("1234.5")), NO_MONEY, NO_MONEY)

    def hold(self, symbol: str, *, stop: str | None, age_s: float = 0) -> None:
        self.held.append(
            Position(
                account=MAIN,
                symbol=Symbol(symbol),
                side=Side.LONG,
                quantity=Quantity(Decimal(1)),
                entry_price=Price(Decimal(100)),
                strategy="s",
                alert_id=None,
                opened_at=self.clock.now() - timedelta(seconds=age_s),
                entries=1,
                stop_price=Price.of(stop) if stop else None,
                realised_pnl=NO_MONEY,
                fees=NO_MONEY,
            )
        )

    def gauge(self, name: str) -> float | None:
        return scraped(self.metrics, name, **({} if name == "tradingbot_backlog_alerts" else {"account": "main"}))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        for _ in iter(true, True):
            await asyncio.sleep(0)


async def test_the_gauges_show_what_is_there() -> None:
    world = World()
    world.hold("BTCUSDT", stop="90", age_s=500)
    world.hold("ETHUSDT", stop=None, age_s=1.5)
    world.hold("SOLUSDT", stop=None, age_s=0.5)
    await world.sampler.sample()
    assert world.gauge("tradingbot_backlog_alerts") == 7
    assert world.gauge("tradingbot_open_positions") == 3
    assert world.gauge("tradingbot_naked_seconds") == 1.5
    assert world.gauge("tradingbot_equity_usdt") == 1234.5


async def test_protected_positions_are_not_naked() -> None:
    world = World()
    world.hold("BTCUSDT", stop="90", age_s=500)
    await world.sampler.sample()
    assert world.gauge("tradingbot_naked_seconds") == 0


def test_what_was_never_read_is_not_a_zero() -> None:
    world = World()
    assert math.isnan(world.gauge("tradingbot_backlog_alerts") or 0)
    assert world.gauge("tradingbot_naked_seconds") is None
    assert world.gauge("tradingbot_equity_usdt") is None


async def test_what_stops_answering_becomes_unknown_and_the_rest_goes_on() -> None:
    world = World()
    await world.sampler.sample()
    world.storage_down = True
    await world.sampler.sample()
    unknown = ["tradingbot_backlog_alerts", "tradingbot_open_positions", "tradingbot_naked_seconds"]
    assert all(math.isnan(world.gauge(name) or 0) for name in unknown)
    assert world.gauge("tradingbot_equity_usdt") == 1234.5
    world.storage_down, world.venue_down = False, True
    await world.sampler.sample()
    assert world.gauge("tradingbot_backlog_alerts") == 7
    assert math.isnan(world.gauge("tradingbot_equity_usdt") or 0)


async def test_a_defect_does_not_end_the_sampling() -> None:
    world = World()
    world.broken = RuntimeError("a defect")
    await world.sampler.start()
    rounds = world.clock.monotonic() + 60  # four rounds that broke
    await until(lambda: world.clock.monotonic() >= rounds)
    world.broken = None
    await until(lambda: world.gauge("tradingbot_equity_usdt") is not None)
    await world.sampler.close()
    await world.sampler.close()
