"""Bring a market of the store up to date from a venue's public history: only what is missing is asked for.

What has been asked for is written every few seconds and at the end of every month of data, also when the work is cut
short; a killed process loses those few seconds and nothing else. Only closed bars are asked for, by the venue's clock.
Raises what the source raises (VenueUnavailable, BadSettings); everything before that is kept.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from app.candle_store.layout import FUNDING, Market
from app.candle_store.part import Columns, names
from app.candle_store.spans import DAY_MS, Span, Spans, merged, moment, opened, runs
from app.candle_store.store import CandleStore
from app.ports import Clock

GRACE_MS = 3_000  # after its end a bar is left alone for this long: late trades may still change it
_SETTLED_MS = DAY_MS  # a hole younger than this may yet be filled by the venue
_WRITE_EVERY_S = 5.0

Progress = Callable[[int, int], None]  # (milliseconds of history done, of how many)


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """One answer: every row the venue has from `start` up to and without `end`."""

    start: int
    end: int
    columns: Columns


class CandleSource(Protocol):
    """A venue's public history. Pages may come in any order and do not overlap."""

    exchange: str  # its name in the store

    async def now_ms(self) -> int:
        """The venue's clock."""
        ...

    def candles(self, symbol: str, interval: str, span: Span) -> AsyncGenerator[Page]:
        """Closed bars opening within `span`. The caller sees to it that all of them have closed."""
        ...

    def funding(self, symbol: str, span: Span) -> AsyncGenerator[Page]:
        """Funding rates that were charged within `span`."""
        ...


@dataclass(frozen=True, slots=True)
class Filled:
    market: Market
    rows: int  # that were not there before
    asked: int  # pages the venue was asked for
    late: Spans  # closed bars the venue does not have yet: ask again


async def fill(
    store: CandleStore,
    source: CandleSource,
    market: Market,
    span: Span,
    *,
    clock: Clock,
    progress: Progress = lambda _done, _of: None,
) -> Filled:
    """Ask `source` for what `store` does not have of `span`. Call it inside `store.locked()`."""
    now = await source.now_ms()
    span = (span[0], min(span[1], _last_end(market, now)))
    wanted = store.missing(market, span)
    total = sum(end - start for start, end in wanted)
    desk = _Desk(store, market, clock, settled_ms=now - _SETTLED_MS)
    done = 0
    progress(0, total)
    try:
        for one in wanted:
            asking = (
                source.funding(market.symbol, one)
                if market.interval == FUNDING
                else source.candles(market.symbol, market.interval, one)
            )
            async with aclosing(asking) as pages:
                async for page in pages:
                    desk.take(page)
                    done += page.end - page.start
                    progress(done, total)
    finally:
        desk.write()
    late = tuple((start, end) for start, end in store.missing(market, span) if end > now - _SETTLED_MS)
    return Filled(market, desk.rows, desk.pages, late)


def _last_end(market: Market, now_ms: int) -> int:
    """Up to where bars have closed for good."""
    if market.interval == FUNDING:
        return now_ms - GRACE_MS
    return opened(now_ms - GRACE_MS, market.step_ms)


class _Desk:
    """Pages that wait to be written."""

    def __init__(self, store: CandleStore, market: Market, clock: Clock, *, settled_ms: int) -> None:
        self._store, self._market, self._clock = store, market, clock
        self._settled_ms = settled_ms
        self._waiting: list[Page] = []
        self._written_at = clock.monotonic()
        self.rows = self.pages = 0

    def take(self, page: Page) -> None:
        self._waiting.append(page)
        self.pages += 1
        first = min(one.start for one in self._waiting)
        late = self._clock.monotonic() - self._written_at >= _WRITE_EVERY_S
        if late or f"{moment(first):%Y-%m}" != f"{moment(page.end):%Y-%m}":
            self.write()

    def write(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        columns = {name: np.concatenate([page.columns[name] for page in waiting]) for name in names(self._market)}
        covered = merged(span for page in waiting for span in self._covered(page))
        self.rows += self._store.write(self._market, columns, covered)
        self._written_at = self._clock.monotonic()

    def _covered(self, page: Page) -> Spans:
        """What need not be asked again. A young hole at the end of an answer may only be late."""
        ts = page.columns["ts"]
        told = runs(ts, self._market.step_ms)
        known = max(self._settled_ms, told[-1][1] if told else page.start)
        return merged([*told, (page.start, min(page.end, known))])
