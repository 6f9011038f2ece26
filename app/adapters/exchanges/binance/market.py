"""Market data for judging a signal: closed candles, their ATR, the mark price. Only entries need it.

VenueUnavailable when there is no answer, too few candles, or the newest is stale: nothing is judged on old data.
"""

import math
from datetime import timedelta

from app.adapters.exchanges.binance import parse
from app.adapters.exchanges.binance.client import BinanceClient, both
from app.adapters.exchanges.binance.limits import HeldBack
from app.domain.candle import INTERVALS, MarketView
from app.domain.errors import VenueUnavailable
from app.domain.ids import Symbol
from app.indicators import atr

MIN_CANDLES = 240
ATR_PERIOD = 14
_STALE_INTERVALS = 2
_LIMIT = 499  # the most candles for a request weight of 2


class Market:
    def __init__(self, client: BinanceClient) -> None:
        self._client = client

    async def view(self, symbol: Symbol, interval: str) -> MarketView:
        if interval not in INTERVALS:
            raise VenueUnavailable(f"no candles of {interval}")
        refused = self._client.limits.why_no_entry()
        if refused is not None:
            raise HeldBack(f"not sent: {refused}")
        rows, premium = await both(
            self._client.futures_klines(symbol=symbol, interval=interval, limit=_LIMIT),
            self._client.futures_mark_price(symbol=symbol),
        )
        now = self._client.venue_now()
        candles = parse.candles(rows, now)
        price, priced_at = parse.mark(premium)
        if len(candles) < MIN_CANDLES:
            raise VenueUnavailable(f"{symbol} {interval}: {len(candles)} closed candles, {MIN_CANDLES} are needed")
        length = INTERVALS[interval]
        _fresh(f"{symbol} {interval}: the last closed candle", now - (candles[-1].open_time + length), length)
        _fresh(f"{symbol}: the mark price", now - priced_at, length)
        ranges = atr([c.high for c in candles], [c.low for c in candles], [c.close for c in candles], ATR_PERIOD)
        last = float(ranges[-1])
        if not math.isfinite(last):
            raise VenueUnavailable(f"{symbol} {interval}: no average true range")
        return MarketView(symbol, interval, candles, float(price.value), last)


def _fresh(what: str, age: timedelta, interval: timedelta) -> None:
    if age > _STALE_INTERVALS * interval:
        raise VenueUnavailable(f"{what} is {age.total_seconds():.0f} s old")
