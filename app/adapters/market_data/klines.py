"""Live candles: every closed one exactly once, in order, whatever the connection does.

Venues push the forming candle several times a second and mark its last message. This passes only closed candles on. A
connection that breaks, falls silent or says something unreadable is made anew, with growing, jittered pauses, for ever;
what was missed meanwhile is read over REST before anything newer is passed on. BadSettings is raised for what a person
must change, and nothing else is.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from app.candle_store.download import GRACE_MS, CandleSource
from app.candle_store.part import PRICES
from app.candle_store.spans import Span, clock_text, milliseconds, moment, opened
from app.domain.candle import Candle
from app.domain.errors import BadSettings, VenueUnavailable
from app.history import interval_ms
from app.ports import Clock

log = structlog.get_logger(__name__)

Name = tuple[str, str]  # (symbol, interval)

_OPEN_TIMEOUT_S = 10.0
_MAX_FRAME = 1 << 20
_BACKLOG = 1_000  # candles nobody has taken yet; beyond it the lanes wait
_PAUSE_S, _PAUSE_MAX_S = 0.5, 30.0
_SETTLED_S = 60.0  # a connection that lived this long ends the growing of pauses
_YOUNG_MS = 30_000  # a candle that closed this recently may still be on its way to the venue's REST
_RETRY_S = 1.0
_VENUE_PAUSE_S = 10.0  # after REST has tried for a minute


@dataclass(frozen=True, slots=True)
class Tick:
    """One message about one candle; `candle` only when it has closed."""

    name: Name
    open_ms: int
    candle: Candle | None


@dataclass(frozen=True, slots=True)
class ClosedCandle:
    symbol: str
    interval: str
    candle: Candle


class Wire(Protocol):
    """How one venue's public stream is spoken."""

    keepalive: str | None  # to be said now and then, where the protocol's own pings do not count

    def url(self, names: Sequence[Name]) -> str: ...

    def hello(self, names: Sequence[Name]) -> Sequence[str]:
        """What is said once connected."""
        ...

    def read(self, frame: str | bytes) -> Sequence[Tick]:
        """Raises ValueError, KeyError, TypeError or IndexError when unreadable, BadSettings for a refusal."""
        ...


@dataclass(slots=True, eq=False)
class _Lane:
    """One market. Its messages are worked through one by one; None stands for a new connection."""

    name: Name
    step_ms: int
    last: int | None  # open time of the newest candle passed on; None: begin with the next one that closes
    forming: int = -1
    inbox: asyncio.Queue[Tick | None] = field(default_factory=asyncio.Queue)

    def __str__(self) -> str:
        return " ".join(self.name)


class KlineStream:
    """`since` tells when the newest candle already known of a market opened: those after it are passed on first.

    `silence_s`: a connection without any message for this long is made anew.
    """

    def __init__(
        self,
        wire: Wire,
        history: CandleSource,
        names: Sequence[Name],
        *,
        clock: Clock,
        jitter: Callable[[], float],
        since: Mapping[Name, datetime] | None = None,
        silence_s: float = 30.0,
    ) -> None:
        known = {name: milliseconds(at) for name, at in (since or {}).items()}
        self._wire, self._history, self._clock, self._jitter = wire, history, clock, jitter
        self._silence_s = silence_s
        self._names = tuple(dict.fromkeys(names))
        self._lanes = {name: _Lane(name, interval_ms(name[1]), known.get(name)) for name in self._names}
        self._heard_at = self._told_at = clock.monotonic()

    @property
    def silent_s(self) -> float:
        """Since a candle was last heard of, whatever connections were made meanwhile; at first, since the making."""
        return self._clock.monotonic() - self._told_at

    async def candles(self) -> AsyncGenerator[ClosedCandle]:
        """Closed candles, growing in time within each market. Raises BadSettings when a person must act."""
        out: asyncio.Queue[ClosedCandle | Exception] = asyncio.Queue(_BACKLOG)
        tasks = [asyncio.create_task(self._pump(out), name="kline stream")]
        tasks += [
            asyncio.create_task(self._deliver(lane, out), name=f"candles {lane}") for lane in self._lanes.values()
        ]
        try:
            while True:
                told = await out.get()
                if isinstance(told, Exception):
                    raise told
                yield told
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # --- the connection ------------------------------------------------------------------------------

    async def _pump(self, out: "asyncio.Queue[ClosedCandle | Exception]") -> None:
        pause_s = _PAUSE_S
        while True:
            started = self._clock.monotonic()
            try:
                await self._listen()
                problem = "closed"
            except BadSettings as error:
                await out.put(error)
                return
            except (WebSocketException, OSError, TimeoutError) as error:
                problem = type(error).__name__
            except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
                problem = f"unreadable: {type(error).__name__}: {error}"[:200]
            if self._clock.monotonic() - started > _SETTLED_S:
                pause_s = _PAUSE_S
            log.warning("the kline stream ended, reconnecting", problem=problem, pause_s=round(pause_s, 1))
            await self._clock.sleep(pause_s * (0.5 + self._jitter() / 2))
            pause_s = min(pause_s * 2, _PAUSE_MAX_S)

    async def _listen(self) -> None:
        """One connection, until it ends."""
        async with connect(
            self._wire.url(self._names), open_timeout=_OPEN_TIMEOUT_S, close_timeout=1, max_size=_MAX_FRAME, proxy=None
        ) as socket:
            for words in self._wire.hello(self._names):
                await socket.send(words)
            self._heard_at = self._clock.monotonic()
            for lane in self._lanes.values():
                lane.inbox.put_nowait(None)
            watching = asyncio.create_task(self._watch(socket), name="kline stream watch")
            try:
                async for frame in socket:
                    self._hear(frame)
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching

    async def _watch(self, socket: ClientConnection) -> None:
        """Close a connection that is open and dead: subscribed, answering pings, and silent."""
        while True:
            await self._clock.sleep(self._silence_s / 3)
            silent_s = self._clock.monotonic() - self._heard_at
            if silent_s >= self._silence_s:
                log.warning("the kline stream fell silent", silent_s=round(silent_s))
                await socket.close()
                return
            if self._wire.keepalive is not None:
                await socket.send(self._wire.keepalive)

    def _hear(self, frame: str | bytes) -> None:
        now = self._clock.monotonic()
        for tick in self._wire.read(frame):
            self._heard_at = self._told_at = now  # an answer to a keepalive is no news
            lane = self._lanes.get(tick.name)
            if lane is None:
                continue
            if tick.candle is not None or tick.open_ms > lane.forming:
                lane.forming = max(lane.forming, tick.open_ms)
                lane.inbox.put_nowait(tick)

    # --- the candles ---------------------------------------------------------------------------------

    async def _deliver(self, lane: _Lane, out: "asyncio.Queue[ClosedCandle | Exception]") -> None:
        try:
            while True:
                tick = await lane.inbox.get()
                if tick is None:
                    await self._after_connecting(lane, out)
                    continue
                if lane.last is None:
                    lane.last = tick.open_ms - lane.step_ms
                await self._catch_up(lane, tick.open_ms, out)
                if tick.candle is not None:
                    await _pass_on(lane, tick.candle, out)
        except Exception as error:  # noqa: BLE001 - told to the listener: a lane that died quietly would starve it
            await out.put(error)

    async def _after_connecting(self, lane: _Lane, out: "asyncio.Queue[ClosedCandle | Exception]") -> None:
        """What has closed since the newest candle passed on; a quiet market may not speak for minutes."""
        while lane.last is not None:
            try:
                now_ms = await self._history.now_ms()
            except VenueUnavailable as error:
                await self._wait_for_venue(lane, error)
                continue
            await self._catch_up(lane, opened(now_ms - GRACE_MS, lane.step_ms), out)
            return

    async def _catch_up(self, lane: _Lane, upto_ms: int, out: "asyncio.Queue[ClosedCandle | Exception]") -> None:
        """Pass on, from REST, every candle that opened before `upto_ms`. Nothing newer is passed on meanwhile."""
        while lane.last is not None and lane.last + lane.step_ms < upto_ms:
            age_ms = milliseconds(self._clock.now()) - upto_ms
            if age_ms < GRACE_MS:  # the last trades of the newest one may still be on their way
                await self._clock.sleep((GRACE_MS - age_ms) / 1000)
            try:
                found = await read_candles(self._history, *lane.name, (lane.last + lane.step_ms, upto_ms))
            except VenueUnavailable as error:
                await self._wait_for_venue(lane, error)
                continue
            for candle in found:
                await _pass_on(lane, candle, out)
            if lane.last + lane.step_ms < upto_ms:
                if age_ms < _YOUNG_MS:
                    await self._clock.sleep(_RETRY_S)
                    continue
                log.warning("the venue has no candles there", market=str(lane), since=clock_text(lane.last))
                lane.last = upto_ms - lane.step_ms

    async def _wait_for_venue(self, lane: _Lane, error: VenueUnavailable) -> None:
        log.warning("missed candles cannot be read yet", market=str(lane), error=str(error))
        await self._clock.sleep(_VENUE_PAUSE_S * (0.5 + self._jitter() / 2))


async def read_candles(source: CandleSource, symbol: str, interval: str, span: Span) -> list[Candle]:
    """The closed candles that opened within `span`, oldest first. Raises VenueUnavailable, BadSettings."""
    found: list[Candle] = []
    async with aclosing(source.candles(symbol, interval, span)) as pages:
        async for page in pages:
            columns = [page.columns[name].tolist() for name in ("ts", *PRICES, "volume")]
            found += [Candle(moment(ts), *values) for ts, *values in zip(*columns, strict=True)]
    return sorted(found, key=lambda candle: candle.open_time)


async def _pass_on(lane: _Lane, candle: Candle, out: "asyncio.Queue[ClosedCandle | Exception]") -> None:
    """Once, and only forward."""
    open_ms = milliseconds(candle.open_time)
    if lane.last is None or open_ms > lane.last:
        lane.last = open_ms
        symbol, interval = lane.name
        await out.put(ClosedCandle(symbol, interval, candle))
