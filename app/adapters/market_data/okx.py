"""OKX v5 public data of USDT- and USDC-margined swaps: candles and funding rates over REST, live candles.

Everything is answered newest first, in pages whose length has changed before (100, now 300): pages are walked back
until the time that was asked for is covered, so no length is relied upon. OKX keeps funding rates for about three
months. Source of limits and shapes: OKX API v5, "Get candlesticks history", "Get funding rate history",
"Candlesticks channel".
"""

import json
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Self

from app.adapters.market_data.klines import Name, Tick
from app.adapters.market_data.public_api import PublicApi, Refused, Told
from app.adapters.market_data.rows import Row, a_list, bar, columns, near, number
from app.candle_store.download import Page
from app.candle_store.layout import FUNDING, Market
from app.candle_store.spans import DAY_MS, Span, moment, opened
from app.domain.candle import Candle
from app.domain.errors import BadSettings, VenueUnavailable
from app.history import interval_ms
from app.ports import Clock

BASE_URL = "https://www.okx.com"
WS_URL = "wss://ws.okx.com:8443"
_CANDLES, _FUNDING = "/api/v5/market/history-candles", "/api/v5/public/funding-rate-history"
Asked = dict[str, str | int]

_PAGE, _FUNDING_PAGE = 300, 100
_PACE_S = 0.11  # 20 questions in two seconds, with a margin
_SLOW_PACE_S = 0.22  # 10 in two seconds
_QUOTES = ("USDT", "USDC")
# From six hours on, only the "utc" bars start at midnight UTC; the others start in Hong Kong.
BARS = {
    "1m": "1m",
    "3m": "3m",
    "5m": "5m",
    "15m": "15m",
    "30m": "30m",
    "1h": "1H",
    "2h": "2H",
    "4h": "4H",
    "6h": "6Hutc",
    "12h": "12Hutc",
    "1d": "1Dutc",
    "1w": "1Wutc",
}
_UNKNOWN_INSTRUMENT = "51001"
_BUSY = frozenset({"50001", "50004", "50011", "50013", "50026", "50040", "50061"})  # limits, overload, internal trouble
_CLOSED = "1"


def instrument(symbol: str) -> str:
    """BTCUSDT → BTC-USDT-SWAP. Raises BadSettings for what is no linear swap."""
    for quote in _QUOTES:
        base = symbol.removesuffix(quote)
        if base and base != symbol and base.isalnum():
            return f"{base}-{quote}-SWAP"
    raise BadSettings(f"{symbol} is no swap of OKX: write BTCUSDT or BTC-USDT-SWAP ({' or '.join(_QUOTES)} swaps only)")


class OkxHistory:
    """Implements app.candle_store.download.CandleSource. Symbols as in the rest of the product: BTCUSDT."""

    exchange = "okx"

    def __init__(self, *, clock: Clock, base_url: str = BASE_URL, jitter: Callable[[], float] = random.random) -> None:
        self._api = PublicApi("OKX", base_url, clock=clock, jitter=jitter, told=_told)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._api.close()

    async def now_ms(self) -> int:
        rows = await self._ask("/api/v5/public/time", {}, pace_s=_SLOW_PACE_S)
        try:
            return int(rows[0]["ts"])
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise VenueUnavailable("OKX does not tell its time") from error

    async def candles(self, symbol: str, interval: str, span: Span) -> AsyncGenerator[Page]:
        market, name, step = Market(symbol, interval, self.exchange), instrument(symbol), interval_ms(interval)
        if interval not in BARS:
            raise BadSettings(f"OKX has no {interval} bars that start in UTC: fetch shorter ones and resample them")
        start = await self._first(market, span)
        if start > span[0]:
            yield Page(span[0], start, columns(market, [], _candle, span))
        asked: Asked = {"instId": name, "bar": BARS[interval], "limit": _PAGE}
        while start < span[1]:
            stop = min(span[1], start + _PAGE * step)
            async for page in self._back(market, _CANDLES, asked, (start, stop), _candle, pace_s=_PACE_S):
                yield page
            start = stop

    async def funding(self, symbol: str, span: Span) -> AsyncGenerator[Page]:
        market = Market(symbol, FUNDING, self.exchange)
        asked: Asked = {"instId": instrument(symbol), "limit": _FUNDING_PAGE}
        async for page in self._back(market, _FUNDING, asked, span, _rate, pace_s=_SLOW_PACE_S):
            yield page

    async def _back(
        self,
        market: Market,
        path: str,
        params: Asked,
        span: Span,
        read: Callable[[Any], Row],
        *,
        pace_s: float,
    ) -> AsyncGenerator[Page]:
        """Everything within `span`, newest page first, until an answer is empty or reaches its start."""
        start, end = span
        while start < end:
            # Both bounds are exclusive.
            rows = await self._ask(path, params | {"after": end, "before": start - 1}, pace_s=pace_s)
            found = columns(market, _without_forming(rows)[::-1], read, (start, end))
            reached = start if not len(found["ts"]) else int(found["ts"][0])
            yield Page(reached, end, found)
            end = reached

    async def _first(self, market: Market, span: Span) -> int:
        """The day of the first candle, or the start of a short span.

        Walking through years of nothing by the minute would take hours. The listing time OKX tells is no help: that of
        old contracts is later than their first candle.
        """
        start, end = span
        if market.step_ms >= DAY_MS or end - start <= _PAGE * market.step_ms:
            return start
        days, at = Market(market.symbol, "1d", self.exchange), opened(start, DAY_MS)
        asked: Asked = {"instId": instrument(market.symbol), "bar": BARS["1d"], "limit": _PAGE}
        while at < end:
            stop = at + _PAGE * DAY_MS
            found = [
                int(page.columns["ts"][0])
                async for page in self._back(days, _CANDLES, asked, (at, stop), _any_day, pace_s=_PACE_S)
                if len(page.columns["ts"])
            ]
            if found:
                return max(start, min(found))
            at = stop
        return max(start, opened(end - 1, DAY_MS))  # a contract listed today has no day that has closed

    async def _names(self) -> list[str]:
        rows = await self._ask("/api/v5/public/instruments", {"instType": "SWAP"})
        return [str(row.get("instId")) for row in rows if isinstance(row, dict)]

    async def _ask(self, path: str, params: Asked, *, pace_s: float = _PACE_S) -> list[Any]:
        try:
            told, _ = await self._api.get(path, params, pace_s=pace_s)
        except Refused as error:
            if error.code != _UNKNOWN_INSTRUMENT:
                raise
            name = str(params["instId"])
            raise BadSettings(f"OKX has no contract {name}{near(name, await self._names())}") from error
        return a_list(told.get("data") if isinstance(told, dict) else told, f"OKX {path}")


def _told(_status: int, body: Any) -> Told | None:
    """Errors are {"code": "51001", "msg": …}, with status 200 as well; "0" is success."""
    if not isinstance(body, dict) or body.get("code") in (None, "0"):
        return None
    return Told(
        f"{body['code']} {body.get('msg', '')}", code=str(body["code"]), again=str(body["code"]) in _BUSY, wait_s=2.0
    )


def _without_forming(rows: list[Any]) -> list[Any]:
    """Without the newest candle while OKX still calls it unfinished; an older one that does so is unreadable."""
    if rows and isinstance(rows[0], list) and rows[0][-1:] == ["0"]:
        return rows[1:]
    return rows


def _candle(row: Any) -> Row:
    """[ts, open, high, low, close, contracts, base units, quote units, "1" = closed], all text."""
    ts, *prices, _contracts, volume, _quoted, confirm = row
    if confirm != _CLOSED:
        raise ValueError("it has not closed")
    return bar(int(ts), [*prices, volume])


def _any_day(row: Any) -> Row:
    """A day's candle of which only the time is used: today's may be forming."""
    return int(row[0]), 0.0, 0.0, 0.0, 0.0, 0.0


def _rate(row: Any) -> Row:
    """{"fundingTime": "ms", "fundingRate", "realizedRate"}: what was charged is the realized rate."""
    return int(row["fundingTime"]), number(row.get("realizedRate") or row["fundingRate"])


# --- live --------------------------------------------------------------------------------------------


class OkxKlines:
    """Implements app.adapters.market_data.klines.Wire: the candle channels of the business stream."""

    keepalive = "ping"  # without it OKX hangs up on a connection that was silent for 30 s

    def __init__(self, ws_url: str = WS_URL) -> None:
        self._url = ws_url.rstrip("/")
        self._names: dict[tuple[str, str], Name] = {}

    def url(self, names: Sequence[Name]) -> str:  # noqa: ARG002 - they are subscribed to after connecting
        return f"{self._url}/ws/v5/business"

    def hello(self, names: Sequence[Name]) -> Sequence[str]:
        for symbol, interval in names:
            if interval not in BARS:
                raise BadSettings(f"OKX has no {interval} bars that start in UTC")
            self._names[f"candle{BARS[interval]}", instrument(symbol)] = (symbol, interval)
        args = [{"channel": channel, "instId": name} for channel, name in self._names]
        return (json.dumps({"op": "subscribe", "args": args}),)

    def read(self, frame: str | bytes) -> Sequence[Tick]:
        """{"arg": {"channel": "candle1H", "instId"}, "data": [[ts, o, h, l, c, …, "1" = closed]]}; or an event."""
        if frame == "pong":
            return ()
        told = json.loads(frame)
        if told.get("event") == "error":
            raise BadSettings(f"OKX refuses the stream: {told.get('code')} {told.get('msg')}")
        if told.get("event") == "notice":
            raise ValueError("OKX is about to hang up")  # 64008: it gives 30 s to connect anew
        if "data" not in told:
            return ()
        name = self._names[told["arg"]["channel"], told["arg"]["instId"]]
        return [_tick(name, row) for row in told["data"]]


def _tick(name: Name, row: Any) -> Tick:
    at = int(row[0])
    if row[-1] != _CLOSED:
        return Tick(name, at, None)
    _, *values = _candle(row)
    return Tick(name, at, Candle(moment(at), *values))
