"""Builders: a few bars drawn by hand, and signals on some of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.backtest.model import Costs, Rules, Sizing
from app.history import CandleSeries
from app.strategies.signals import Signals

HOUR_MS = 3_600_000
FREE = Costs(taker_fee_rate=0.0, maker_fee_rate=0.0, slippage_rate=0.0)
QUIET = (100.0, 101.0, 99.0, 100.0)


def bars(*candles: Sequence[float], interval: str = "1h") -> CandleSeries:
    """(open, high, low, close) each, hour by hour."""
    columns = np.array(candles, dtype=np.float64).reshape(-1, 4).T
    step = {"1h": HOUR_MS, "1d": 24 * HOUR_MS}[interval]
    stamps = 1_700_006_400_000 + step * np.arange(len(candles), dtype=np.int64)
    names = ("open", "high", "low", "close")
    prices = {name: np.ascontiguousarray(column) for name, column in zip(names, columns, strict=True)}
    return CandleSeries("BTCUSDT", interval, stamps, volume=np.ones(len(candles)), source="drawn by a test", **prices)


def said(
    count: int,
    *,
    long: Sequence[int] = (),
    short: Sequence[int] = (),
    leave_long: Sequence[int] = (),
    leave_short: Sequence[int] = (),
    levels: Mapping[str, Mapping[int, float]] | None = None,
    warm_up: int = 0,
) -> Signals:
    """Flags on the bars named; levels by name and bar, as {"long_stop": {0: 95.0}}."""

    def flags(at: Sequence[int]) -> Any:
        if not len(at):
            return np.broadcast_to(np.False_, count)
        row = np.zeros(count, dtype=np.bool_)
        row[list(at)] = True
        return row

    def prices(name: str) -> Any:
        given = (levels or {}).get(name, {})
        if not given:
            return np.broadcast_to(np.nan, count)
        row = np.full(count, np.nan)
        row[list(given)] = list(given.values())
        return row

    return Signals(
        enter_long=flags(long),
        enter_short=flags(short),
        exit_long=flags(leave_long),
        exit_short=flags(leave_short),
        long_stop=prices("long_stop"),
        short_stop=prices("short_stop"),
        long_target=prices("long_target"),
        short_target=prices("short_target"),
        warm_up=warm_up,
    )


def units(size: float = 1.0, **more: Any) -> Rules:
    """A fixed quantity and no limit that could touch it."""
    return Rules(**({"sizing": Sizing.QUANTITY, "size": size, "max_notional": float("inf"), "equity": 1e6} | more))
