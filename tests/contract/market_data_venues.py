"""Public history as Binance and OKX tell it, from candles made here, over HTTP on loopback."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np

from app.candle_store.spans import milliseconds
from app.history import CandleSeries, synthetic
from tests.contract.loopback import Answer, Loopback, Request, as_json

HOUR = 3_600_000
SINCE = datetime(2024, 1, 1, tzinfo=UTC)
T0 = milliseconds(SINCE)
BINANCE_KLINES, BINANCE_FUNDING, BINANCE_TIME = "/fapi/v1/klines", "/fapi/v1/fundingRate", "/fapi/v1/time"
OKX_CANDLES, OKX_FUNDING = "/api/v5/market/history-candles", "/api/v5/public/funding-rate-history"
OKX_TIME, OKX_INSTRUMENTS = "/api/v5/public/time", "/api/v5/public/instruments"

Row = list[Any]


@cache
def market(bars: int, interval: str = "1h", since: datetime = SINCE) -> CandleSeries:
    return synthetic("BTCUSDT", interval, bars, 7, since)


def without(series: CandleSeries, first: int, last: int) -> CandleSeries:
    """The same market with a hole: bars first … last - 1 never were."""
    keep = np.r_[0:first, last : len(series)]
    columns = {name: getattr(series, name)[keep] for name in ("ts", "open", "high", "low", "close", "volume")}
    return CandleSeries(symbol=series.symbol, interval=series.interval, source=series.source, **columns)


@dataclass
class Venue:
    """`spoil` changes an answer's rows before they leave; `before` may answer a request instead of the venue."""

    series: CandleSeries
    now_ms: int
    page: int = 1_000
    spoil: Callable[[list[Any]], list[Any]] = field(default=lambda rows: rows)
    before: Callable[[Request, int], Answer | None] = field(default=lambda _request, _count: None)
    asked: list[Request] = field(default_factory=list)  # of candles and rates
    funding: list[tuple[int, str]] = field(default_factory=list)

    def rows(self) -> list[tuple[int, list[str], int]]:
        """(open, [o, h, l, c, v] as text, close) of every bar that has opened, the forming one included."""
        return [row for row in _rows(self.series) if row[0] <= self.now_ms]

    def _answer(self, request: Request, tell: Callable[[dict[str, str]], Any]) -> Answer:
        self.asked.append(request)
        return self.before(request, len(self.asked)) or as_json(tell(request.query))


class BinanceVenue(Venue):
    def loopback(self) -> Loopback:
        return Loopback(
            {
                f"GET {BINANCE_TIME}": lambda _: as_json({"serverTime": self.now_ms}),
                f"GET {BINANCE_KLINES}": lambda request: self._answer(request, self._klines),
                f"GET {BINANCE_FUNDING}": lambda request: self._answer(request, self._rates),
                "GET /fapi/v1/exchangeInfo": as_json({"symbols": [{"symbol": "BTCUSDT"}, {"symbol": "ETHUSDT"}]}),
            }
        )

    def _klines(self, asked: dict[str, str]) -> list[Row]:
        start, end, limit = int(asked["startTime"]), int(asked["endTime"]), min(int(asked["limit"]), self.page)
        rows = [
            [ts, *values, close, "1.0", 10, "0.5", "0.5", "0"]
            for ts, values, close in self.rows()
            if start <= ts <= end
        ]
        return self.spoil(rows[:limit])

    def _rates(self, asked: dict[str, str]) -> list[dict[str, Any]]:
        start, end, limit = int(asked["startTime"]), int(asked["endTime"]), min(int(asked["limit"]), self.page)
        rows = [
            {"symbol": asked["symbol"], "fundingTime": at, "fundingRate": rate, "markPrice": "42000.0"}
            for at, rate in self.funding
            if start <= at <= end
        ]
        return self.spoil(rows[:limit])


@dataclass
class OkxVenue(Venue):
    page: int = 300

    def loopback(self) -> Loopback:
        return Loopback(
            {
                f"GET {OKX_TIME}": lambda _: _data([{"ts": str(self.now_ms)}]),
                f"GET {OKX_CANDLES}": lambda request: self._answer(request, self._candles),
                f"GET {OKX_FUNDING}": lambda request: self._answer(request, self._rates),
                f"GET {OKX_INSTRUMENTS}": _data([{"instId": "BTC-USDT-SWAP"}, {"instId": "ETH-USDT-SWAP"}]),
            }
        )

    def _candles(self, asked: dict[str, str]) -> dict[str, Any]:
        if asked["bar"] == "1Dutc" and self.series.interval != "1d":
            return {"code": "0", "msg": "", "data": self._days(asked)}
        rows = [
            [str(ts), *values[:4], "628", values[4], "62800", "1" if close < self.now_ms else "0"]
            for ts, values, close in self.rows()
            if int(asked["before"]) < ts < int(asked["after"])
        ]
        newest_first = rows[::-1][: min(int(asked["limit"]), self.page)]
        return {"code": "0", "msg": "", "data": self.spoil(newest_first)}

    def _days(self, asked: dict[str, str]) -> list[Row]:
        days = sorted({ts // (24 * HOUR) * 24 * HOUR for ts, _, _ in self.rows()}, reverse=True)
        inside = [day for day in days if int(asked["before"]) < day < int(asked["after"])]
        return [[str(day), "1", "1", "1", "1", "1", "1", "1", "1"] for day in inside[: self.page]]

    def _rates(self, asked: dict[str, str]) -> dict[str, Any]:
        rows = [
            {"instId": asked["instId"], "fundingRate": "0.9", "realizedRate": rate, "fundingTime": str(at)}
            for at, rate in reversed(self.funding)
            if int(asked["before"]) < at < int(asked["after"])
        ]
        return {"code": "0", "msg": "", "data": self.spoil(rows[: int(asked["limit"])])}


def _data(rows: list[Any]) -> Answer:
    return as_json({"code": "0", "msg": "", "data": rows})


@cache
def _rows(s: CandleSeries) -> list[tuple[int, list[str], int]]:
    values = zip(s.ts.tolist(), s.open, s.high, s.low, s.close, s.volume, strict=True)
    return [(ts, [repr(float(value)) for value in rest], ts + s.step_ms - 1) for ts, *rest in values]
