"""Clock modes, beginnings, the journal, scripted faults: what holds a running simulator together."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from app.domain.errors import BadSettings
from simulator.admin import ledger
from simulator.clock import Mode, SimClock
from simulator.config import SimulatorConfig
from simulator.faults import Faults, RuleError
from simulator.floor import Floor
from simulator.orders import AlgoStatus, Kind, Status
from tests.unit.simulator.builders import BUY, SELL, Trader, flat, series

BARS = [(50_000, 50_800, 49_300, 50_400), (50_400, 51_600, 50_100, 51_500), (51_500, 51_900, 48_200, 48_800)] * 40
NOW = datetime(2026, 5, 4, 10, 20, 30, tzinfo=UTC)


class Hands:
    """Two clocks that a test turns by hand."""

    def __init__(self) -> None:
        self.wall, self.ticks = NOW, 100.0

    def turn(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.ticks += seconds

    def clock(self, mode: Mode, start: datetime | None = None, speed: float = 1.0) -> SimClock:
        return SimClock(mode, start, speed=speed, wall=lambda: self.wall, ticks=lambda: self.ticks)


def config(path: Path | None = None, mode: Mode = Mode.STEPPED) -> SimulatorConfig:
    return SimulatorConfig(series={"BTCUSDT": series("BTCUSDT", BARS)}, mode=mode, journal_path=path)  # type: ignore[arg-type]


def test_a_real_clock_is_the_computers_and_cannot_be_moved() -> None:
    hands = Hands()
    clock = hands.clock(Mode.REAL)
    hands.turn(5)
    assert clock.now() == NOW + timedelta(seconds=5)
    with pytest.raises(ValueError, match="cannot be moved"):
        clock.move_to(NOW + timedelta(hours=1))
    with pytest.raises(ValueError, match="cannot be left"):
        clock.change(Mode.STEPPED)


def test_a_scaled_clock_runs_faster_and_changes_pace_without_a_jump() -> None:
    hands = Hands()
    clock = hands.clock(Mode.SCALED, NOW, speed=3600)
    hands.turn(2)
    assert clock.now() == NOW + timedelta(hours=2)
    assert clock.monotonic() == 102.0
    clock.change(speed=60)
    assert clock.now() == NOW + timedelta(hours=2)
    hands.turn(1)
    assert clock.now() == NOW + timedelta(hours=2, minutes=1)
    clock.change(Mode.STEPPED)
    hands.turn(50)
    assert clock.now() == NOW + timedelta(hours=2, minutes=1)
    with pytest.raises(ValueError, match="has passed"):
        clock.move_to(NOW)
    with pytest.raises(ValueError, match="above zero"):
        clock.change(speed=0)


async def test_sleeping_is_real_time() -> None:
    clock = SimClock(Mode.STEPPED, NOW)
    await clock.sleep(0)
    assert clock.now() == NOW


def test_in_real_time_the_candles_are_laid_so_that_their_start_is_now() -> None:
    floor = Floor(config(mode=Mode.REAL), Hands().clock(Mode.REAL))
    first = floor.venue.state.market.klines("BTCUSDT", "1h", now_ms=floor.venue.now_ms, limit=1)[0]
    assert floor.venue.now_ms == int(NOW.timestamp() * 1000)
    assert datetime.fromtimestamp(first.open_ms / 1000, UTC) == NOW.replace(minute=0, second=0)
    assert first.open == BARS[59][0]


def test_a_start_outside_the_candles_is_refused() -> None:
    with pytest.raises(BadSettings, match="outside the candles"):
        Floor(replace(config(), start=NOW))
    with pytest.raises(BadSettings, match="no candles for"):
        Floor(replace(config(), symbols=("NOPEUSDT",)))
    with pytest.raises(BadSettings, match="eight hours"):
        Floor(replace(config(), interval="1d"))


def busy(floor: Floor) -> Trader:
    """A position with protection, a resting order, a closed trade, and a bit of history."""
    trader = Trader(floor.venue)
    floor.do(lambda venue: venue.set_margin_type("BTCUSDT", isolated=True))
    floor.do(lambda _: trader.market(BUY, "0.1"))
    floor.do(lambda _: trader.market(SELL, "0.04", reduce_only=True))
    floor.do(lambda _: trader.stop(44_000))
    floor.do(lambda _: trader.conditional(SELL, Kind.TRAILING_STOP_MARKET, "0.02", callback_rate=9, reduce_only=True))
    floor.do(lambda _: trader.limit(BUY, "0.01", 48_500))
    return trader


async def test_a_restart_restores_everything_exactly(tmp_path: Path) -> None:
    settings = config(tmp_path / "venue.db")
    floor = Floor(settings)
    busy(floor)
    await floor.move_to(floor.clock.now() + timedelta(hours=13, minutes=7))
    before = (ledger(floor.venue.state), floor.venue.state.equity, floor.venue.state.account)
    floor.close()
    again = Floor(settings)
    assert (ledger(again.venue.state), again.venue.state.equity, again.venue.state.account) == before
    assert again.clock.now() == floor.clock.now()
    assert again.venue.state.conditionals == floor.venue.state.conditionals
    assert again.venue.state.by_client == floor.venue.state.by_client
    # and both live on in the same way
    for one in (floor, again):
        one.venue.advance(one.venue.now_ms + 30 * 3_600_000)
    assert ledger(again.venue.state) == ledger(floor.venue.state)
    again.close()


async def test_a_reset_forgets_everything_and_a_journal_knows_its_market(tmp_path: Path) -> None:
    settings = config(tmp_path / "venue.db")
    floor = Floor(settings)
    busy(floor)
    start = floor.clock.now()
    await floor.move_to(start + timedelta(hours=3))
    desk = floor.venue
    floor.reset(balance=Decimal(500))
    assert floor.venue is desk
    assert (floor.clock.now(), floor.venue.state.account.wallet, floor.venue.state.orders) == (start, Decimal(500), {})
    floor.close()
    again = Floor(settings)
    assert again.venue.state.account.wallet == 500
    again.close()
    with pytest.raises(BadSettings, match="another market"):
        Floor(replace(settings, series={"BTCUSDT": series("BTCUSDT", flat(1.0, 9))}))
    (tmp_path / "other.db").write_text("not a database, but long enough to be taken for one " * 100)
    with pytest.raises(BadSettings, match="not a journal"):
        Floor(config(tmp_path / "other.db"))


async def test_others_get_a_turn_while_time_leaps() -> None:
    floor = Floor(SimulatorConfig(symbols=("BTCUSDT",), mode=Mode.STEPPED))
    leap = asyncio.create_task(floor.move_to(floor.clock.now() + timedelta(days=200)))
    turns = 0
    while not leap.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 5
    assert len(floor.venue.state.equity) == 200 * 24


def test_a_scripted_partial_fill_and_a_scripted_refusal_at_the_trigger() -> None:
    floor = Floor(config())
    trader = Trader(floor.venue)
    floor.faults.set(
        [{"fill_ratio": "0.3", "params": {"type": "MARKET"}}, {"reject_trigger": "Margin is insufficient"}]
    )
    first = floor.do(lambda _: trader.market(BUY, "0.1"))
    second = floor.do(lambda _: trader.market(BUY, "0.1"))
    assert [(one.status, one.executed) for one in (first, second)] == [
        (Status.EXPIRED, Decimal("0.03")),
        (Status.FILLED, Decimal("0.1")),
    ]
    stop = floor.do(lambda _: trader.stop(48_500))
    floor.venue.advance(floor.venue.now_ms + 4 * 3_600_000)
    assert (stop.status, stop.reject_reason) == (AlgoStatus.REJECTED, "Margin is insufficient")
    assert trader.amount == Decimal("0.13")


def test_rules_strike_the_requests_they_describe_and_no_others() -> None:
    faults = Faults(lambda: 0)
    faults.set(
        [
            {
                "method": "post",
                "path": "/fapi/v1/order",
                "skip": 1,
                "count": 2,
                "params": {"type": "MARKET"},
                "status": 503,
            }
        ]
    )
    asked = [("GET", "MARKET"), ("POST", "LIMIT"), *[("POST", "MARKET")] * 4]
    hits = [faults.strike(method, "/fapi/v1/order", {"type": kind}) is not None for method, kind in asked]
    assert hits == [False, False, False, True, True, False]
    faults.set([{"path": "/fapi/*", "count": None, "delay_s": 1}])
    assert all(faults.strike("GET", "/fapi/v1/time", {}) for _ in range(5))
    for wrong in ({"paht": "/x"}, {"path": "/x", "fill_ratio": "0.5"}, {}, {"path": "/x", "when": "never"}):
        with pytest.raises(RuleError):
            faults.set([wrong])
