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
from typing import TypeVar

import numpy as np
import structlog

from app.domain.candle import INTERVALS, Candle
from app.domain.errors import OperatorError, Retryable, VenueUnavailable
from app.domain.ids import Symbol
from app.domain.policy import OwnRun, StrategyProfile
from app.domain.position import Position
from app.domain.side import Target
from app.endurance import survive
from app.history import CandleSeries
from app.live.feed import CandleFeed
from app.live.wish import message, wish
from app.ports import Clock, Metrics, Outbox, Records
from app.strategies.signals import Signals

log = structlog.get_logger(__name__)
Market = tuple[Symbol, str]  # symbol and interval
T = TypeVar("T")
_LEAST_BARS = 500  # of history: recursive averages have forgotten their start by then


@dataclass(frozen=True, slots=True)
class Definition:
    """What the engine needs of a strategy: how much history, and what it says about it. Raises OperatorError."""

    warm_up: Callable[[OwnRun], int]  # bars
    signals: Callable[[OwnRun, CandleSeries], Signals]


@dataclass(frozen=True, slots=True)
class LiveConfig:
    registry_s: float = 5.0  # between looks at which strategies there are
    grace_s: float = 20.0  # a candle may be this late before its feed counts as silent
    patience_s: float = 10.0  # and is waited for so long in real time, for the venue's clock may run faster
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

    async def run(self, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                await survive(self._follow_what_is_wanted(), self.metrics, pause_s=0)
                waiting = asyncio.ensure_future(stop.wait())
                await asyncio.wait({waiting}, timeout=self.config.registry_s)
                waiting.cancel()
        finally:
            for task in self._following.values():
                task.cancel()
            await asyncio.gather(*self._following.values(), return_exceptions=True)

    async def _follow_what_is_wanted(self) -> None:
        wanted = {market for profile in self._own() for market in _markets(profile)}
        self._following = {market: task for market, task in self._following.items() if not task.done()}
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
        while True:
            await survive(self._live_or_tell(market), self.metrics, pause_s=self.config.again_s)

    async def _bars_needed(self, market: Market) -> int:
        """Four warm-ups: strategies are exact when what came before their history is forgotten."""
        warm_ups = [await self._said_by(profile, self.definition.warm_up) for profile in self._on(market)]
        return max([_LEAST_BARS, *(4 * bars for bars in warm_ups if bars is not None)])

    async def _live_or_tell(self, market: Market) -> None:
        """What a person must mend (there is no such market) is told once an hour: a strategy waits in vain for it."""
        try:
            await self._live_through(market)
        except OperatorError as error:
            log.warning("a market cannot be followed", market="/".join(market), error=str(error))
            await self._tell_trouble(market, f"cannot be followed: {error}", "impossible")
            await asyncio.sleep(self.config.mended_s)

    async def _live_through(self, market: Market) -> None:
        """Returns when a strategy has come that needs a longer history."""
        symbol, interval = market
        bars = await self._bars_needed(market)
        candles = deque(await self._history(market, bars), maxlen=bars)
        if not candles:
            await self.clock.sleep(self.config.again_s)  # a market without a single closed candle
            return
        await self._consider(market, candles)
        async with aclosing(self.feed.closed(symbol, interval, candles[-1].open_time)) as closing:
            while True:
                candles.append(await self._next(market, closing.__anext__(), candles[-1].open_time))
                if await self._bars_needed(market) > bars:
                    return
                await self._consider(market, candles)

    async def _history(self, market: Market, bars: int) -> Sequence[Candle]:
        try:
            return await self.feed.history(*market, bars)
        except VenueUnavailable:
            self.metrics.alarm("feed_silent")
            await self._tell_trouble(market, "cannot be read yet: nothing is opened by strategies run on it.", "unread")
            raise

    async def _tell_trouble(self, market: Market, text: str, kind: str) -> None:
        key = f"feed/{'/'.join(market)}/{self.clock.now():%Y%m%dT%H}/{kind}"
        await self.outbox.put(key, f"🚨 {_said(market)} {text}")

    async def _next(self, market: Market, coming: Awaitable[Candle], newest: datetime) -> Candle:
        """The next candle to close; says so when it is overdue."""
        waiting = asyncio.ensure_future(coming)
        due = newest + 2 * INTERVALS[market[1]] + timedelta(seconds=self.config.grace_s)
        told, overdue_at = False, None
        try:
            while True:
                if overdue_at is None and self.clock.now() >= due:
                    overdue_at = self.clock.monotonic()
                if (
                    not told
                    and overdue_at is not None
                    and self.clock.monotonic() - overdue_at >= self.config.patience_s
                ):
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

    async def _consider(self, market: Market, candles: Sequence[Candle]) -> None:
        """Let every strategy of this market look at the newest bar."""
        series = _series(market, candles)
        asked = (self._ask(profile, series) for profile in self._on(market))
        await asyncio.gather(*(survive(one, self.metrics, pause_s=0) for one in asked))

    async def _ask(self, profile: StrategyProfile, series: CandleSeries) -> None:
        """Again while the database is away; when the next bar has closed, that one asks for what is still owed."""
        signals = await self._said_by(profile, lambda runs: self.definition.signals(runs, series))
        if signals is None:
            return None
        until = _closed(series) + INTERVALS[series.interval]
        while True:
            try:
                return await self._ask_for(profile, series, signals)
            except Retryable as error:
                if self.clock.now() >= until:
                    raise
                log.warning("an own alert waits", strategy=profile.strategy, error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(self.config.again_s)

    async def _ask_for(self, profile: StrategyProfile, series: CandleSeries, signals: Signals) -> None:
        symbol, runs = Symbol(series.symbol), profile.runs
        position = await self.records.position(profile.account, symbol)
        its_own = position is not None and position.strategy == profile.strategy
        held = position.side if position is not None and its_own else None
        made = wish(signals, held, _first_after(series, position.opened_at) if position is not None else 0)
        if made is None or (not profile.enabled and made.target is not Target.FLAT):
            return
        if position is not None and not its_own and made.target.side is position.side.opposite:
            await self._tell_taken(profile, position, made.target, _opened(series, made.bar))
            return
        body = message(
            made,
            strategy=profile.strategy,
            symbol=symbol,
            interval=series.interval,
            bar_time=_opened(series, made.bar),
            fired_at=_closed(series),
            close=float(series.close[made.bar]),
            held=held,
            comment=f"{runs.definition if runs else ''} on its own {series.interval} candles",
        )
        await self.take(body, profile)

    async def _tell_taken(
        self, profile: StrategyProfile, position: Position, target: Target, bar_time: datetime
    ) -> None:
        """Asking for it would close what is not this strategy's to close."""
        symbol, whose = position.symbol, position.strategy or "nobody's strategy"
        text = f"{profile.strategy} wants to be {target} in {symbol} and is not: a {position.side} of {whose} is open."
        await self.outbox.put(f"live/{profile.strategy}/{symbol}/{bar_time:%Y%m%dT%H%M}/taken", text)

    async def _said_by(self, profile: StrategyProfile, ask: Callable[[OwnRun], T]) -> T | None:
        """In a thread: the first evaluation compiles. None for a definition that cannot run: told once an hour."""
        assert profile.runs is not None  # noqa: S101 - `_own` says so
        try:
            return await asyncio.to_thread(ask, profile.runs)
        except OperatorError as error:
            why = str(error)
        except Exception as error:  # whatever a file of the user's raises: a bot that says nothing would be believed
            log.exception("a strategy failed", strategy=profile.strategy)
            why = f"{type(error).__name__}: {error}"
        log.warning("a strategy cannot run", strategy=profile.strategy, error=why)
        key = f"live/{profile.strategy}/{self.clock.now():%Y%m%dT%H}"
        await self.outbox.put(key, f"🚨 {profile.strategy} cannot run: {why}")
        return None


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


def _first_after(series: CandleSeries, opened: datetime) -> int:
    """The first bar that closed after a position was opened: from there on exits are meant for it."""
    step_ms = INTERVALS[series.interval] // timedelta(milliseconds=1)
    return int(np.searchsorted(series.ts + step_ms, opened.timestamp() * 1000, side="right"))


def _opened(series: CandleSeries, bar: int) -> datetime:
    return datetime.fromtimestamp(int(series.ts[bar]) / 1000, UTC)


def _closed(series: CandleSeries) -> datetime:
    """When the newest bar closed."""
    return _opened(series, len(series) - 1) + INTERVALS[series.interval]
