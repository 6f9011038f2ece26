"""A venue's public candles as the live engine wants them: what there is, then each new one once it has closed."""

import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime

from app.adapters.market_data.klines import KlineStream, Wire, read_candles
from app.candle_store.download import GRACE_MS, CandleSource
from app.candle_store.spans import opened
from app.domain.candle import Candle
from app.domain.ids import Symbol
from app.history import interval_ms
from app.ports import Clock


class LiveCandles:
    """Implements app.live.feed.CandleFeed: a connection of its own for every market that is followed."""

    def __init__(
        self, source: CandleSource, wire: Wire, clock: Clock, *, jitter: Callable[[], float] = random.random
    ) -> None:
        self._source, self._wire, self._clock, self._jitter = source, wire, clock, jitter
        self._streams: set[KlineStream] = set()

    def silent_s(self) -> float | None:
        """Of the market that has said nothing for longest; None when none is followed."""
        return max((stream.silent_s for stream in self._streams), default=None)

    async def history(self, symbol: Symbol, interval: str, bars: int) -> Sequence[Candle]:
        step = interval_ms(interval)
        end = opened(await self._source.now_ms() - GRACE_MS, step)
        return await read_candles(self._source, symbol, interval, (end - bars * step, end))

    async def closed(self, symbol: Symbol, interval: str, after: datetime) -> AsyncGenerator[Candle]:
        name = (symbol, interval)
        stream = KlineStream(
            self._wire, self._source, [name], clock=self._clock, jitter=self._jitter, since={name: after}
        )
        self._streams.add(stream)
        try:
            async with aclosing(stream.candles()) as candles:
                async for told in candles:
                    yield told.candle
        finally:
            self._streams.discard(stream)
