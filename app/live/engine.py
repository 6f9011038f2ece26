"""Runs the registry's own strategies: each candle that closes may become an alert, taken in like any other.

From there on it is the same path: stored, judged, sized, protected, explained. Every process may run the engine, for
the same bar gives the same alert and the inbox knows it. A feed that falls silent raises nothing, so nothing is
opened on it; people are told. What fails on one market costs no other market its turn.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import structlog

from app.domain.candle import INTERVALS, Candle
from app.domain.errors import OperatorError
from app.domain.ids import StrategyId, Symbol
from app.domain.policy import OwnRun, StrategyProfile
from app.endurance import survive
from app.history import CandleSeries
from app.live.feed import CandleFeed
from app.live.wish import message, wish
from app.ports import Clock, Metrics, Outbox, Records
from app.strategies.signals import Signals

log = structlog.get_logger(__name__)
Market = tuple[Symbol, str]  # symbol and interval
_LEAST_BARS = 500  # of history: recursive averages have forgotten their start by then


@dataclass(frozen=True, slots=True)
class Definition:
    """What the engine needs of a strategy: how much history, and what it says about it. Raises OperatorError."""

    warm_up: Callable[[OwnRun], int]  # bars
    signals: Callable[[OwnRun, CandleSeries], Signals]


@dataclass(frozen=True, slots=True)
class LiveConfig:
    registry_s: float = 5.0  # between looks at which strategies there are
    grace_s: float = 30.0  # a candle may be this late before its feed counts as silent
    again_s: float = 1.0  # after trouble
    mended_s: float = 60.0  # between tries of what a person must mend


@dataclass(slots=True)
class LiveEngine:
    """One process's share. `run` ends when `stop` is set."""

    feed: CandleFeed
    profiles: Callable[[], Sequence[StrategyProfile]]  # of the registry, as it is now
    definition: Definition
    take: Callable[[bytes, StrategyProfile], Awaitable[None]]  # stores an alert, as the webhook does
    records: Records
    outbox: Outbox
    metrics: Metrics
    clock: Clock
    config: LiveConfig = field(default_factory=LiveConfig)
    _following: dict[Market, asyncio.Task[None]] = field(default_factory=dict)
    _broken: set[StrategyId] = field(default_factory=set)  # told about: their definition cannot run

    async def run(self, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                self._follow_what_is_wanted()
                waiting = asyncio.ensure_future(stop.wait())
                await asyncio.wait({waiting}, timeout=self.config.registry_s)
                waiting.cancel()
        finally:
            for task in self._following.values():
                task.cancel()
            await asyncio.gather(*self._following.values(), return_exceptions=True)

    def _follow_what_is_wanted(self) -> None:
        wanted = {market for profile in self._own() for market in _markets(profile)}
        for market in wanted - self._following.keys():
            self._following[market] = asyncio.create_task(self._follow(market))
        for market in self._following.keys() - wanted:
            self._following.pop(market).cancel()

    def _own(self) -> list[StrategyProfile]:
        return [profile for profile in self.profiles() if profile.runs is not None]

    def _on(self, market: Market) -> list[StrategyProfile]:
        return [profile for profile in self._own() if market in _markets(profile)]

    # --- one market ----------------------------------------------------------------------------------

    async def _follow(self, market: Market) -> None:
        """Until cancelled: history, then every candle that closes; from the start again after trouble."""
        seen: datetime | None = None
        while True:
            candles: deque[Candle] = deque(maxlen=await self._bars_needed(market))
            await survive(self._live_or_tell(market, candles, seen), self.metrics, pause_s=self.config.again_s)
            seen = candles[-1].open_time if candles else seen

    async def _bars_needed(self, market: Market) -> int:
        """Four warm-ups: strategies are exact when what came before their history is forgotten."""
        warm_ups = [await self._warm_up(profile) for profile in self._on(market)]
        return max([_LEAST_BARS, *(4 * bars for bars in warm_ups)])

    async def _live_or_tell(self, market: Market, candles: deque[Candle], seen: datetime | None) -> None:
        """What a person must mend (there is no such market) is told once an hour: a strategy waits in vain for it."""
        try:
            await self._live_through(market, candles, seen)
        except OperatorError as error:
            log.warning("a market cannot be followed", market="/".join(market), error=str(error))
            text = f"🚨 {_said(market)} cannot be followed: {error}"
            await self.outbox.put(f"feed/{'/'.join(market)}/{self.clock.now():%Y%m%dT%H}/impossible", text)
            await asyncio.sleep(self.config.mended_s)

    async def _live_through(self, market: Market, candles: deque[Candle], seen: datetime | None) -> None:
        symbol, interval = market
        candles.extend(await self.feed.history(symbol, interval, candles.maxlen or _LEAST_BARS))
        if not candles:
            await self.clock.sleep(self.config.again_s)  # a market without a single closed candle
            return
        await self._consider(market, candles, seen)
        async with aclosing(self.feed.closed(symbol, interval, candles[-1].open_time)) as closing:
            while True:
                candle = await self._next(market, closing.__anext__(), candles[-1].open_time)
                before = candles[-1].open_time
                candles.append(candle)
                await self._consider(market, candles, before)

    async def _next(self, market: Market, coming: Awaitable[Candle], newest: datetime) -> Candle:
        """The next candle to close; says so when it is overdue."""
        waiting = asyncio.ensure_future(coming)
        due = newest + 2 * INTERVALS[market[1]] + timedelta(seconds=self.config.grace_s)
        told = False
        try:
            while True:
                late_s = (self.clock.now() - due).total_seconds()
                if late_s >= 0 and not told:
                    told = True
                    await self._tell_silence(market, newest, due)
                # Looked at in real time, for the venue's clock may run faster.
                done, _ = await asyncio.wait({waiting}, timeout=self.config.again_s)
                if done:
                    break
        finally:
            waiting.cancel()
            await asyncio.wait({waiting})  # the feed is closed after this, and only one may be at it
        if told:
            await self.outbox.put(f"feed/{'/'.join(market)}/{due:%Y%m%dT%H%M}/back", f"✅ {_said(market)} is back.")
        return waiting.result()

    async def _tell_silence(self, market: Market, newest: datetime, due: datetime) -> None:
        self.metrics.alarm("feed_silent")
        since = newest + INTERVALS[market[1]]
        text = f"🚨 no {_said(market)} since {since:%Y-%m-%d %H:%M} UTC: nothing is opened by strategies run on it."
        await self.outbox.put(f"feed/{'/'.join(market)}/{due:%Y%m%dT%H%M}", text)

    # --- one strategy --------------------------------------------------------------------------------

    async def _consider(self, market: Market, candles: Sequence[Candle], seen: datetime | None) -> None:
        """Let every strategy of this market look at the newest bar. `seen` is the last bar that was looked at."""
        series = _series(market, candles)
        for profile in self._on(market):
            await survive(self._ask(profile, series, seen), self.metrics, pause_s=0)

    async def _ask(self, profile: StrategyProfile, series: CandleSeries, seen: datetime | None) -> None:
        runs = profile.runs
        signals = await self._signals(profile, series)
        if runs is None or signals is None:
            return
        position = await self.records.position(profile.account, Symbol(series.symbol))
        held = position.side if position is not None and position.strategy == profile.strategy else None
        opened = position.opened_at if position is not None else None
        made = wish(signals, held, _first_unseen(series, seen, opened))
        if made is None:
            return
        body = message(
            made,
            strategy=profile.strategy,
            symbol=Symbol(series.symbol),
            interval=series.interval,
            bar_time=_opened(series, made.bar),
            close=float(series.close[made.bar]),
            held=held,
            comment=f"{runs.definition} on its own {series.interval} candles",
        )
        await self.take(body, profile)

    async def _signals(self, profile: StrategyProfile, series: CandleSeries) -> Signals | None:
        """In a thread: the first evaluation compiles. None for a definition that cannot run, which is told once."""
        assert profile.runs is not None  # noqa: S101 - `_own` says so
        try:
            return await asyncio.to_thread(self.definition.signals, profile.runs, series)
        except OperatorError as error:
            await self._tell_broken(profile, error)
            return None

    async def _warm_up(self, profile: StrategyProfile) -> int:
        assert profile.runs is not None  # noqa: S101
        try:
            return await asyncio.to_thread(self.definition.warm_up, profile.runs)
        except OperatorError as error:
            await self._tell_broken(profile, error)
            return 0

    async def _tell_broken(self, profile: StrategyProfile, error: OperatorError) -> None:
        if profile.strategy not in self._broken:
            self._broken.add(profile.strategy)
            log.error("a strategy cannot run", strategy=profile.strategy, error=str(error))
            key = f"live/{profile.strategy}/{self.clock.now():%Y%m%dT%H}"
            await self.outbox.put(key, f"🚨 {profile.strategy} cannot run: {error}")


def _markets(profile: StrategyProfile) -> set[Market]:
    return {(symbol, profile.runs.interval) for symbol in profile.symbols} if profile.runs else set()


def _said(market: Market) -> str:
    return f"{market[1]} candles of {market[0]}"


def _series(market: Market, candles: Sequence[Candle]) -> CandleSeries:
    def column(name: str) -> np.typing.NDArray[np.float64]:
        return np.array([getattr(candle, name) for candle in candles], dtype=np.float64)

    stamps = np.array([int(candle.open_time.timestamp() * 1000) for candle in candles], dtype=np.int64)
    names = ("open", "high", "low", "close", "volume")
    columns = {name: column(name) for name in names}
    return CandleSeries(symbol=market[0], interval=market[1], ts=stamps, source="live", **columns)


def _first_unseen(series: CandleSeries, seen: datetime | None, opened: datetime | None) -> int:
    """The first bar whose exits are still to be looked at: after the last one seen, or the one it was opened in."""
    newest = len(series) - 1
    since = seen or opened
    if since is None:
        return newest
    after = int(np.searchsorted(series.ts, since.timestamp() * 1000, side="right"))
    return min(after if seen else max(after - 1, 0), newest)


def _opened(series: CandleSeries, bar: int) -> datetime:
    return datetime.fromtimestamp(int(series.ts[bar]) / 1000, UTC)
