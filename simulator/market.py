"""Candles into a price at every moment.

Inside a bar the price runs at one speed: open → one extreme → the other → close. Which extreme comes first is the
pessimistic one for whoever holds a position when the price leaves the open (a long sees the low first, so its stop is
met before its take-profit); with nothing held, a rising bar goes low first and a falling bar high first. After the
last bar the price stands still. Last, mark and index price are the same.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

import numpy as np

from app.domain.errors import BadSettings
from app.history import CandleSeries, group_start, interval_ms
from simulator.instruments import Contract, contract_for

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Kline:
    """A bar as seen at some moment: the last one may still be forming."""

    open_ms: int
    close_ms: int  # last millisecond of the bar
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(slots=True)
class Feed:
    """One market's bars as plain lists (the engine reads single values), gaps filled, on the tick."""

    contract: Contract
    start_ms: int
    step_ms: int
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]
    source: str
    low_first: dict[int, bool] = field(default_factory=dict)  # bars whose path was decided by a held position
    digits: int = field(init=False)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.digits, self.size = self.contract.price_decimals, len(self.open)

    @classmethod
    def of(cls, series: CandleSeries, shift_ms: int) -> "Feed":
        contract = contract_for(series.symbol)
        step, count = series.step_ms, int((series.ts[-1] - series.ts[0]) // series.step_ms) + 1
        slots = (series.ts - series.ts[0]) // step
        at = np.maximum.accumulate(np.bincount(slots, weights=np.arange(len(slots)), minlength=count)).astype(np.int64)
        real = np.zeros(count, dtype=bool)
        real[slots] = True
        close = np.round(series.close, contract.price_decimals)[at]

        def column(values: "np.typing.NDArray[np.float64]") -> list[float]:
            on_tick = np.round(values, contract.price_decimals)[at]
            return [float(value) for value in np.where(real, on_tick, close)]

        volume = [float(value) for value in np.where(real, series.volume[at], 0.0)]
        return cls(
            contract=contract,
            start_ms=int(series.ts[0]) + shift_ms,
            step_ms=step,
            open=column(series.open),
            high=column(series.high),
            low=column(series.low),
            close=[float(value) for value in close],
            volume=volume,
            source=series.source,
        )

    def __len__(self) -> int:
        return self.size

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.size * self.step_ms

    def index(self, at_ms: int) -> int:
        """The bar this moment belongs to; -1 before the first, len() after the last."""
        bar = (at_ms - self.start_ms) // self.step_ms
        return -1 if bar < 0 else min(bar, self.size)

    def goes_low_first(self, bar: int) -> bool:
        return self.low_first.get(bar, self.close[bar] >= self.open[bar])

    def knots(self, bar: int) -> tuple[tuple[int, float], ...]:
        """The bar's path: (milliseconds since its open, price) at its four corners."""
        first, second = self.low[bar], self.high[bar]
        if not self.goes_low_first(bar):
            first, second = second, first
        if second == self.open[bar]:
            second = first  # that extreme was the open itself: the price need not come back to it
        corners = (self.open[bar], first, second, self.close[bar])
        way = [abs(later - earlier) for earlier, later in pairwise(corners)]
        pace = self.step_ms / sum(way) if sum(way) else 0.0
        one, two = round(way[0] * pace), round((way[0] + way[1]) * pace)
        return ((0, corners[0]), (one, corners[1]), (two, corners[2]), (self.step_ms, corners[3]))

    def value(self, bar: int, offset_ms: int) -> float:
        """Price inside a bar, on the tick."""
        if offset_ms == 0:
            return self.open[bar]
        knots = self.knots(bar)
        for (begin, from_price), (end, to_price) in pairwise(knots):
            if begin == end:
                continue
            if offset_ms <= end:
                exact = from_price + (to_price - from_price) * (offset_ms - begin) / (end - begin)
                return round(exact, self.digits)
        return knots[-1][1]

    def price(self, at_ms: int) -> Decimal:
        bar = self.index(at_ms)
        if bar < 0:
            raise BadSettings(f"{self.contract.symbol} has no price yet at {at_ms}")
        if bar >= len(self):
            return Decimal(repr(self.close[-1]))
        return Decimal(repr(self.value(bar, at_ms - self.start_ms - bar * self.step_ms)))

    def when(self, price: float, after_ms: int) -> int:
        """The first millisecond at or after `after_ms`, in the same bar, by which the path has come to `price`."""
        bar = self.index(after_ms)
        opened = self.start_ms + bar * self.step_ms
        for (begin, from_price), (end, to_price) in pairwise(self.knots(bar)):
            low, high = min(from_price, to_price), max(from_price, to_price)
            if opened + end > after_ms and low <= price <= high and from_price != to_price:
                offset = begin + math.ceil((price - from_price) / (to_price - from_price) * (end - begin))
                if opened + offset >= after_ms:
                    return opened + offset
        return after_ms

    def part(self, bar: int, begin_ms: int, end_ms: int) -> tuple[float, float, float, float, float]:
        """(open, high, low, close, volume) of a stretch of one bar, offsets from its open."""
        opened, closed = self.value(bar, begin_ms), self.value(bar, end_ms)
        inside = [price for offset, price in self.knots(bar) if begin_ms <= offset <= end_ms]
        share = (end_ms - begin_ms) / self.step_ms
        return (
            opened,
            max(opened, closed, *inside),
            min(opened, closed, *inside),
            closed,
            round(self.volume[bar] * share, 3),
        )


class Market:
    """All feeds on one grid of time. `shift_ms` moves the candles' own time onto the venue's."""

    def __init__(self, series: Mapping[str, CandleSeries], shift_ms: int = 0) -> None:
        steps = {one.step_ms for one in series.values()}
        if len(steps) != 1:
            raise BadSettings("the markets of one venue need bars of one length")
        self.step_ms = steps.pop()
        self.shift_ms = shift_ms
        self.feeds = {symbol: Feed.of(one, shift_ms) for symbol, one in series.items()}
        self.contracts: dict[str, Contract] = {symbol: feed.contract for symbol, feed in self.feeds.items()}

    def price(self, symbol: str, at_ms: int) -> Decimal:
        return self.feeds[symbol].price(at_ms)

    @property
    def end_ms(self) -> int:
        return max(feed.end_ms for feed in self.feeds.values())

    def next_boundary(self, at_ms: int) -> int:
        """When the bar that holds `at_ms` ends."""
        start = next(iter(self.feeds.values())).start_ms
        return start + ((at_ms - start) // self.step_ms + 1) * self.step_ms

    def klines(
        self,
        symbol: str,
        interval: str,
        *,
        now_ms: int,
        limit: int,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> list[Kline]:
        """Bars opened up to now, oldest first; the last one forms. Finer than the feed's they follow its path."""
        feed, wide = self.feeds[symbol], interval_ms(interval)
        horizon = min(now_ms, feed.end_ms)
        last = min(horizon - (horizon == feed.end_ms), end_ms if end_ms is not None else horizon)
        first = max(start_ms or 0, feed.start_ms)
        newest = _group(last, wide)
        oldest = _group(first, wide)
        oldest += wide if oldest < first else 0
        if start_ms is None:
            oldest = max(oldest, newest - (limit - 1) * wide)
        opens = range(oldest, newest + 1, wide)[:limit]
        return [self._kline(feed, begin, wide, horizon) for begin in opens]

    def _kline(self, feed: Feed, begin: int, wide: int, horizon: int) -> Kline:
        pieces = list(_pieces(feed, begin, min(begin + wide, max(horizon, begin))))
        opened, *_, closed = pieces[0][0], pieces[-1][3]
        high, low = max(piece[1] for piece in pieces), min(piece[2] for piece in pieces)
        return Kline(begin, begin + wide - 1, opened, high, low, closed, round(sum(piece[4] for piece in pieces), 3))

    def day(self, symbol: str, now_ms: int) -> Kline:
        """The last 24 hours as one bar."""
        feed = self.feeds[symbol]
        horizon = min(now_ms, feed.end_ms)
        return self._kline(feed, max(horizon - DAY_MS, feed.start_ms), DAY_MS, horizon)


def _group(at_ms: int, wide: int) -> int:
    return int(group_start(np.array([at_ms]), wide)[0])


def _pieces(feed: Feed, begin: int, end: int) -> Iterator[tuple[float, float, float, float, float]]:
    """The stretch [begin, end] cut at the feed's own bars; at least one piece, even of no length."""
    at = begin
    while True:
        bar = min(feed.index(at), len(feed) - 1)
        opened = feed.start_ms + bar * feed.step_ms
        stop = min(end, opened + feed.step_ms)
        if at == opened and stop == opened + feed.step_ms:
            yield feed.open[bar], feed.high[bar], feed.low[bar], feed.close[bar], feed.volume[bar]
        else:
            yield feed.part(bar, at - opened, stop - opened)
        at = stop
        if at >= end:
            return
