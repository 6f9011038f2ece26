"""The live engine on a feed that a test drives: what is asked for, when, and what people are told."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np
import pytest

from app.domain.candle import Candle
from app.domain.errors import OperatorError, StorageUnavailable, VenueUnavailable
from app.domain.ids import AccountId, StrategyId, Symbol
from app.domain.policy import OwnRun, StrategyProfile
from app.domain.side import OrderSide, Side, Target
from app.history import CandleSeries
from app.live.engine import Definition, LiveConfig, LiveEngine
from app.pipeline.alert import Message, read_message
from app.strategies.signals import Signals
from tests import builders as a
from tests.fakes import FakeClock

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OWN = StrategyProfile(StrategyId("own"), AccountId("main"), frozenset({Symbol("BTCUSDT")}), runs=OwnRun("above", "1h"))


def bar(number: int, close: float) -> Candle:
    return Candle(START + number * HOUR, close, close + 1, close - 1, close, 10.0)


def above_hundred(_: OwnRun, series: CandleSeries) -> Signals:
    """Long when the close crosses above 100, out when it crosses below."""
    up = series.close > 100
    crossed = np.r_[False, up[1:] != up[:-1]]
    none = np.full(len(series), np.nan)
    off = np.zeros(len(series), dtype=bool)
    return Signals(crossed & up, off, crossed & ~up, off, series.close - 5, none, none, none, 0)


class Feed:
    """History, then what the test sends; an exception breaks the connection."""

    def __init__(self, history: Sequence[Candle]) -> None:
        self.past = list(history)
        self.coming: asyncio.Queue[Candle | Exception] = asyncio.Queue()
        self.asked_for: list[int] = []

    async def history(self, symbol: Symbol, interval: str, bars: int) -> Sequence[Candle]:
        self.asked_for.append(bars)
        return self.past[-bars:]

    async def closed(self, symbol: Symbol, interval: str, after: datetime) -> AsyncIterator[Candle]:
        while True:
            item = await self.coming.get()
            if isinstance(item, Exception):
                raise item
            if item.open_time > after:
                yield item


@dataclass
class Told:
    by_key: dict[str, str] = field(default_factory=dict)  # each key once, as the outbox does it

    @property
    def texts(self) -> list[str]:
        return list(self.by_key.values())

    async def put(self, key: str, text: str) -> None:
        self.by_key.setdefault(key, text)

    def alarm(self, name: str) -> None:
        pass


@dataclass
class Records:
    held: object = None

    down: int = 0  # so often the database cannot be read

    async def position(self, account: AccountId, symbol: Symbol) -> object:
        if self.down:
            self.down -= 1
            raise StorageUnavailable("not now")
        return self.held


class World:
    def __init__(self, closes: Sequence[float], definition: Definition | None = None) -> None:
        self.feed = Feed([bar(number, close) for number, close in enumerate(closes)])
        self.clock = FakeClock(START + len(closes) * HOUR)
        self.told, self.records = Told(), Records()
        self.plain = plain = definition or Definition(lambda _: 10, above_hundred)
        self.bars = 0  # of the longest series that was looked at
        self.bars_of: dict[str, list[int]] = {}  # of every look, by definition
        self.profiles = [OWN]
        self.taken: set[str] = set()
        self.lost = 0  # so often the database cannot be written
        self.alerts: asyncio.Queue[Message] = asyncio.Queue()
        self.engine = LiveEngine(
            self.feed,
            lambda: self.profiles,
            Definition(plain.warm_up, self._signals),
            self._take,
            self.records,  # type: ignore[arg-type]
            self.told,  # type: ignore[arg-type]
            self.told,  # type: ignore[arg-type]
            self.clock,
            LiveConfig(registry_s=0.01, again_s=0.01, patience_s=0.0),
        )
        self.next = len(closes)

    def _signals(self, runs: OwnRun, series: CandleSeries) -> Signals:
        self.bars = max(self.bars, len(series))
        self.bars_of.setdefault(runs.definition, []).append(len(series))
        return self.plain.signals(runs, series)

    async def _take(self, body: bytes, profile: StrategyProfile) -> None:
        assert profile.strategy == OWN.strategy
        read = read_message(body)
        assert isinstance(read, Message), read
        if self.lost:
            self.lost -= 1
            raise StorageUnavailable("not now")
        key = read.dedupe_key(profile.strategy)
        if key not in self.taken:  # as the inbox does it
            self.taken.add(key)
            self.alerts.put_nowait(read)

    async def closes_at(self, price: float, after_s: float = 3600) -> None:
        """One more candle, and every strategy has looked at it."""
        self.clock.advance(after_s)
        self.feed.past.append(bar(self.next, price))
        self.feed.coming.put_nowait(self.feed.past[-1])
        self.next += 1
        await self.has_looked(self.next)

    async def alert(self) -> Message:
        return await asyncio.wait_for(self.alerts.get(), 10)

    async def has_looked(self, bars: int) -> None:
        async def wait() -> None:
            while self.bars < bars:  # noqa: ASYNC110 - nobody sets an event
                await asyncio.sleep(0.002)

        await asyncio.wait_for(wait(), 10)

    async def hears(self, words: str) -> None:
        async def wait() -> None:
            while not any(words in text for text in self.told.texts):  # noqa: ASYNC110 - nobody sets an event
                await asyncio.sleep(0.005)

        await asyncio.wait_for(wait(), 10)

    async def __aenter__(self) -> Self:
        self.stop = asyncio.Event()
        self.running = asyncio.create_task(self.engine.run(self.stop))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        await asyncio.wait_for(self.running, 10)


def a_long(since: int) -> object:
    return replace(a.a_position(), side=Side.LONG, strategy=StrategyId("own"), opened_at=START + since * HOUR)


async def test_a_candle_that_closes_becomes_an_alert_with_its_levels():
    async with World([90, 95]) as world:
        await world.closes_at(101.0)
        alert = await world.alert()
    assert (alert.target, alert.action) == (Target.LONG, OrderSide.BUY)
    assert alert.bar_time == START + 2 * HOUR
    assert alert.fired_at == START + 3 * HOUR
    assert float(alert.stop_loss.value) == 96.0


async def test_every_candle_is_looked_at_once_and_quiet_ones_say_nothing():
    async with World([90, 95]) as world:
        for price in (96, 97, 101, 102, 103):
            await world.closes_at(price)
        assert (await world.alert()).bar_time == START + 4 * HOUR
        world.records.held = a_long(5)
        await world.closes_at(99)
        assert (await world.alert()).target == "FLAT"
        assert world.alerts.empty()


async def test_an_exit_that_was_missed_while_away_is_asked_for_at_the_start():
    world = World([90, 101, 102, 99, 98])
    world.records.held = a_long(2)
    async with world:
        alert = await world.alert()
    assert (alert.target, alert.action, alert.bar_time) == (Target.FLAT, OrderSide.SELL, START + 3 * HOUR)


async def test_an_entry_that_was_missed_while_away_is_not_made():
    async with World([90, 101, 102]) as world:
        await world.closes_at(103)
        await world.closes_at(99)
        await world.closes_at(104)
        assert (await world.alert()).bar_time == START + 5 * HOUR
        assert world.alerts.empty()


async def test_a_position_of_another_strategy_is_not_this_ones_to_close():
    world = World([90, 101, 99])
    world.records.held = replace(a_long(1), strategy=StrategyId("other"))
    async with world:
        await world.closes_at(101)
        assert (await world.alert()).target == "LONG"


async def test_a_broken_connection_is_made_again_and_nothing_is_asked_twice():
    async with World([90, 95]) as world:
        await world.closes_at(101)
        first = await world.alert()
        world.feed.coming.put_nowait(VenueUnavailable("gone"))
        world.records.held = a_long(3)
        await world.closes_at(99)
        second = await world.alert()
        assert (first.target, second.target) == ("LONG", "FLAT")
        assert world.alerts.empty()


async def test_a_feed_that_falls_silent_is_told_and_so_is_its_return():
    async with World([90, 95]) as world:
        world.clock.advance(3600 + 31)
        await world.hears("no 1h candles of BTCUSDT since 2026-01-05 14:00")
        await world.closes_at(96, after_s=0)
        await world.hears("1h candles of BTCUSDT is back")
        assert len(world.told.texts) == 2


async def test_a_venue_whose_clock_runs_fast_is_waited_for_in_real_time():
    world = World([90, 95])
    world.engine.config = replace(world.engine.config, patience_s=10.0)
    async with world:
        world.clock.advance(3600 + 31)
        await asyncio.sleep(0.1)  # many looks at the clock
        assert world.told.texts == []
        world.clock.advance(10)
        await world.hears("no 1h candles of BTCUSDT since")


@pytest.mark.parametrize("error", [OperatorError("there is no strategy nonsense"), ZeroDivisionError("of a user's")])
async def test_a_definition_that_cannot_run_is_told_once_an_hour_and_harms_no_other(error):
    def broken(runs: OwnRun, series: CandleSeries) -> Signals:
        if runs.definition == "nonsense":
            raise error
        return above_hundred(runs, series)

    world = World([90, 95], Definition(lambda _: 10, broken))
    world.profiles = [replace(OWN, strategy=StrategyId("bad"), runs=OwnRun("nonsense", "1h")), OWN]
    async with world:
        for price in (96, 101):
            await world.closes_at(price, after_s=600)
        assert (await world.alert()).strategy == "own"
        await world.hears(f"bad cannot run: {'' if isinstance(error, OperatorError) else 'ZeroDivisionError: '}{error}")
        assert len(world.told.texts) == 1
        await world.closes_at(102)
        await world.hears("bad cannot run")
    assert len(world.told.texts) == 2


async def test_the_registry_is_followed_while_it_runs():
    world = World([90, 95])
    world.profiles = []
    async with world:
        assert world.bars == 0
        world.profiles = [OWN]
        await world.closes_at(101)
        assert (await world.alert()).target == "LONG"


async def test_history_covers_four_warm_ups():
    async with World([90, 101], Definition(lambda _: 300, above_hundred)) as world:
        await world.alert()
    assert world.feed.asked_for == [1200]


@pytest.mark.parametrize("trouble", [VenueUnavailable("not now"), RuntimeError("a bug")])
async def test_one_markets_trouble_is_not_anothers(trouble):
    world = World([90, 95])
    history = world.feed.history

    async def half(symbol: Symbol, interval: str, bars: int) -> Sequence[Candle]:
        if symbol == "ETHUSDT":
            raise trouble
        return await history(symbol, interval, bars)

    world.feed.history = half
    world.profiles = [replace(OWN, strategy=StrategyId("eth"), symbols=frozenset({Symbol("ETHUSDT")})), OWN]
    async with world:
        await world.closes_at(101)
        assert (await world.alert()).strategy == "own"


async def test_a_warm_up_that_fails_does_not_end_the_market():
    failing = [RuntimeError("a bug of the user's"), RuntimeError("again")]

    def warm_up(runs: OwnRun) -> int:
        if failing:
            raise failing.pop()
        return 10

    async with World([90, 95], Definition(warm_up, above_hundred)) as world:
        await world.closes_at(101)
        assert (await world.alert()).target == "LONG"


async def test_a_strategy_that_comes_later_and_needs_more_history_gets_it():
    def warm_up(runs: OwnRun) -> int:
        return 300 if runs.definition == "long" else 10

    world = World([90.0] * 1300, Definition(warm_up, above_hundred))
    late = replace(OWN, strategy=StrategyId("late"), runs=OwnRun("long", "1h"))
    async with world:
        await world.has_looked(500)
        world.profiles = [OWN, late]
        world.clock.advance(3600)
        world.feed.past.append(bar(1300, 90))
        world.feed.coming.put_nowait(world.feed.past[-1])
        while "long" not in world.bars_of:  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0.002)
    assert world.feed.asked_for == [500, 1200]
    assert set(world.bars_of["long"]) == {1200}  # never on less than it needs


@pytest.mark.parametrize("where", ["read", "written"])
async def test_what_is_asked_for_outlives_a_database_that_is_away(where):
    async with World([90, 95]) as world:
        world.records.down, world.lost = (3, 0) if where == "read" else (0, 3)
        await world.closes_at(101)
        assert (await world.alert()).target == "LONG"


async def test_an_exit_that_could_not_be_asked_for_is_asked_for_on_the_next_bar():
    world = World([90, 101, 102])
    world.records.held = a_long(2)
    async with world:
        await world.has_looked(3)
        world.records.down = 1
        world.clock.advance(2 * 3600)  # the bar comes so late that the next one is due: it is not tried again
        await world.closes_at(99)
        await world.closes_at(98)
        alert = await world.alert()
    assert (alert.target, alert.bar_time) == (Target.FLAT, START + 3 * HOUR)
    assert alert.fired_at == START + 5 * HOUR  # it is owed now


async def test_an_exit_that_waits_to_be_done_is_one_alert():
    world = World([90, 101, 102])
    world.records.held = a_long(2)
    async with world:
        for price in (99, 98, 97):
            await world.closes_at(price)
        assert (await world.alert()).target == Target.FLAT
        assert world.alerts.empty()


async def test_the_bar_that_opened_a_position_does_not_close_it():
    def both(runs: OwnRun, series: CandleSeries) -> Signals:
        said = above_hundred(runs, series)
        return replace(said, exit_long=said.enter_long)

    world = World([90, 95], Definition(lambda _: 10, both))
    async with world:
        await world.closes_at(101)
        assert (await world.alert()).target == "LONG"
        world.records.held = a_long(3)
        looks = len(world.bars_of["above"])
        world.feed.coming.put_nowait(VenueUnavailable("gone"))
        while len(world.bars_of["above"]) == looks:  # noqa: ASYNC110 - the same bar is looked at again
            await asyncio.sleep(0.002)
        await world.closes_at(102)
        assert world.alerts.empty()


@pytest.mark.parametrize("whose", ["other", ""])
async def test_a_position_of_another_is_not_turned_round_and_people_are_told(whose):
    world = World([90, 95])
    world.records.held = replace(a_long(1), side=Side.SHORT, strategy=StrategyId(whose))
    async with world:
        await world.closes_at(101)
        await world.hears("own wants to be LONG in BTCUSDT and is not: a SHORT of " + (whose or "nobody's"))
        assert world.alerts.empty()


async def test_a_history_that_cannot_be_read_is_told_once_an_hour():
    world = World([90, 101])
    history, away = world.feed.history, [True]

    async def trouble(symbol: Symbol, interval: str, bars: int) -> Sequence[Candle]:
        world.feed.asked_for.append(bars)
        if away:
            raise VenueUnavailable("maintenance")
        return await history(symbol, interval, bars)

    world.feed.history = trouble
    async with world:
        await world.hears("1h candles of BTCUSDT cannot be read yet")
        while len(world.feed.asked_for) < 5:  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0.002)
        assert len(world.told.texts) == 1
        away.clear()
        assert (await world.alert()).target == "LONG"


async def test_a_slow_strategy_keeps_no_other_waiting():
    go_on = threading.Event()

    def slow(runs: OwnRun, series: CandleSeries) -> Signals:
        if runs.definition == "slow":
            go_on.wait(10)
        return above_hundred(runs, series)

    world = World([90, 101], Definition(lambda _: 10, slow))
    world.profiles = [replace(OWN, strategy=StrategyId("slow"), runs=OwnRun("slow", "1h")), OWN]
    async with world:
        try:
            assert (await world.alert()).strategy == "own"
        finally:
            go_on.set()


async def test_a_strategy_that_is_switched_off_enters_nothing_and_still_leaves():
    world = World([90, 95])
    world.profiles = [replace(OWN, enabled=False)]
    async with world:
        await world.closes_at(101)
        world.records.held = a_long(2)
        await world.closes_at(99)
        assert (await world.alert()).target == "FLAT"
        assert world.alerts.empty()


async def test_a_registry_that_fails_once_does_not_end_the_engine():
    world = World([90, 95])
    profiles, failures = world.engine.profiles, [RuntimeError("once")]

    def failing() -> list[StrategyProfile]:
        if failures:
            raise failures.pop()
        return list(profiles())

    world.engine.profiles = failing
    async with world:
        await world.closes_at(101)
        assert (await world.alert()).target == Target.LONG
