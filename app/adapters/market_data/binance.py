"""Binance USDⓈ-M public data: klines and funding rates over REST, live klines over its market stream.

Request weight is counted per address, and a bot may be trading from the same one: above half of the limit this waits
for the next minute. Source of limits and shapes: Binance USDⓈ-M Futures, "Kline/Candlestick Data", "Get Funding Rate
History", "General Info / LIMITS", "Kline/Candlestick Streams".
"""

import json
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Self

from app.adapters.market_data.klines import Name, Tick
from app.adapters.market_data.public_api import PublicApi, Refused, Told
from app.adapters.market_data.rows import Row, a_list, bar, columns, near, number, whole
from app.candle_store.download import Page
from app.candle_store.layout import FUNDING, Market
from app.candle_store.spans import Span, moment
from app.domain.candle import Candle
from app.domain.errors import BadSettings, VenueUnavailable
from app.history import interval_ms
from app.ports import Clock

BASE_URL = "https://fapi.binance.com"
WS_URL = "wss://fstream.binance.com"
_KLINES, _FUNDING = "/fapi/v1/klines", "/fapi/v1/fundingRate"
Asked = dict[str, str | int]

_PAGE = 1_000  # candles: a weight of 5; more cost 10
_WEIGHT_LIMIT = 2_400  # per minute
_WEIGHT_SHARE = 0.5
_FUNDING_PAGE = 1_000
_FUNDING_PACE_S = 0.7  # 500 questions in five minutes
_MOST_STREAMS = 200
_UNALIGNED = "3d"  # its bars do not start where three-day bars start elsewhere
_UNKNOWN_SYMBOL = "-1121"
_BUSY = frozenset({-1000, -1001, -1003, -1007, -1008})  # internal trouble, limits, overload
_SECOND_MS, _MINUTE_MS = 1_000, 60_000


class BinanceHistory:
    """Implements app.candle_store.download.CandleSource. Symbols as Binance names them: BTCUSDT."""

    exchange = "binance"

    def __init__(self, *, clock: Clock, base_url: str = BASE_URL, jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._api = PublicApi("Binance", base_url, clock=clock, jitter=jitter, told=_told)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._api.close()

    async def now_ms(self) -> int:
        told = await self._ask("/fapi/v1/time", {})
        try:
            return whole(told["serverTime"])
        except (ValueError, TypeError, KeyError) as error:
            raise VenueUnavailable("Binance does not tell its time") from error

    async def candles(self, symbol: str, interval: str, span: Span) -> AsyncGenerator[Page]:
        market, step = Market(symbol, interval, self.exchange), interval_ms(interval)
        if interval == _UNALIGNED:
            raise BadSettings(
                f"Binance's {interval} bars start on other days than elsewhere: fetch 1d and resample them"
            )
        start, end = span
        while start < end:
            asked: Asked = {
                "symbol": symbol,
                "interval": interval,
                "startTime": start,
                "endTime": end - 1,
                "limit": _PAGE,
            }
            rows = a_list(await self._ask(_KLINES, asked), market.name)
            found = columns(market, rows, lambda row: _candle(row, step), (start, end))
            # Answers begin at startTime. One that ends early may have been cut: only an empty one says "no more".
            stop = int(found["ts"][-1]) + step if rows else end
            yield Page(start, stop, found)
            start = stop

    async def funding(self, symbol: str, span: Span) -> AsyncGenerator[Page]:
        market = Market(symbol, FUNDING, self.exchange)
        start, end = span
        while start < end:
            asked: Asked = {"symbol": symbol, "startTime": start, "endTime": end - 1, "limit": _FUNDING_PAGE}
            rows = a_list(await self._ask(_FUNDING, asked, pace_s=_FUNDING_PACE_S), market.name)
            found = columns(market, rows, _rate, (start, end))
            stop = min(end, int(found["ts"][-1]) + _SECOND_MS) if rows else end
            yield Page(start, stop, found)
            start = stop

    async def _ask(self, path: str, params: Asked, *, pace_s: float = 0.0) -> Any:
        try:
            told, headers = await self._api.get(path, params, pace_s=pace_s)
        except Refused as error:
            if error.code != _UNKNOWN_SYMBOL:
                raise
            symbol = str(params["symbol"])
            raise BadSettings(f"Binance has no contract {symbol}{near(symbol, await self._symbols())}") from error
        used = headers.get("X-MBX-USED-WEIGHT-1M", "")
        if used.isascii() and used.isdigit() and int(used) > _WEIGHT_SHARE * _WEIGHT_LIMIT:
            await self._clock.sleep(_to_next_minute_s(self._clock))
        return told

    async def _symbols(self) -> list[str]:
        told, _ = await self._api.get("/fapi/v1/exchangeInfo", {}, pace_s=0.0)
        try:
            return [str(row["symbol"]) for row in told["symbols"]]
        except (TypeError, KeyError):
            return []


def _told(status: int, body: Any) -> Told | None:
    """Errors are {"code": -1121, "msg": "Invalid symbol."} with a 4xx or 5xx status."""
    if not isinstance(body, dict) or not isinstance(body.get("code"), int) or body["code"] >= 0:
        return None
    again = body["code"] in _BUSY or status >= 500  # noqa: PLR2004 - HTTP's own class
    return Told(f"{body['code']} {body.get('msg', '')}", code=str(body["code"]), again=again)


def _candle(row: Any, step_ms: int) -> Row:
    """[open time, open, high, low, close, volume, close time, …]; the volume is in base units."""
    ts = whole(row[0])
    if whole(row[6]) != ts + step_ms - 1:
        raise ValueError("it closes when no bar of this length does")
    return bar(ts, row[1:6])


def _rate(row: Any) -> Row:
    """{"symbol", "fundingTime": ms, "fundingRate": "0.0001", …}; the time is often some ms past the hour."""
    return whole(row["fundingTime"]) // _SECOND_MS * _SECOND_MS, number(row["fundingRate"])


def _to_next_minute_s(clock: Clock) -> float:
    """The venue counts weight by the minutes of its clock; a second more for the clocks' difference."""
    at_ms = int(clock.now().timestamp() * 1000)
    return (_MINUTE_MS - at_ms % _MINUTE_MS) / 1000 + 1.0


# --- live --------------------------------------------------------------------------------------------


class BinanceKlines:
    """Implements app.adapters.market_data.klines.Wire: one combined stream of <symbol>@kline_<interval>."""

    keepalive: str | None = None  # the venue pings by itself

    def __init__(self, ws_url: str = WS_URL) -> None:
        self._url = ws_url.rstrip("/")

    def url(self, names: Sequence[Name]) -> str:
        if len(names) > _MOST_STREAMS:
            raise BadSettings(f"{len(names)} markets on one connection; Binance takes {_MOST_STREAMS}")
        streams = "/".join(f"{symbol.lower()}@kline_{interval}" for symbol, interval in names)
        return f"{self._url}/market/stream?streams={streams}"

    def hello(self, names: Sequence[Name]) -> Sequence[str]:  # noqa: ARG002 - the address says it all
        return ()

    def read(self, frame: str | bytes) -> Sequence[Tick]:
        """{"stream", "data": {"e": "kline", "s", "k": {"t", "T", "i", "o", "h", "l", "c", "v", "x": closed, …}}}."""
        event = json.loads(frame)["data"]
        if event["e"] != "kline":
            return ()
        told = event["k"]
        name, at = (str(event["s"]), str(told["i"])), whole(told["t"])
        if told["x"] is not True:
            return (Tick(name, at, None),)
        row = [at, *(told[key] for key in "ohlcv"), told["T"]]
        _, *values = _candle(row, interval_ms(name[1]))
        return (Tick(name, at, Candle(moment(at), *values)),)
