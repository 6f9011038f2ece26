"""Candles for the tests of strategies, and ways to ask one expression."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from app.history import CandleSeries, synthetic
from app.strategies.evaluate import Cache, evaluate
from app.strategies.program import Program

MARKET = synthetic("BTCUSDT", "1h", 2500, seed=11, start=datetime(2024, 1, 1, tzinfo=UTC))
COLUMNS = ("open", "high", "low", "close", "volume")


def series(**columns: Any) -> CandleSeries:
    """Bars with these columns; what is left out is as the close, or 1.0."""
    close = np.asarray(columns.get("close", [1.0] * len(next(iter(columns.values())))), dtype=float)
    filled = {name: np.array(columns.get(name, close), dtype=float) for name in COLUMNS}
    ts = 3_600_000 * np.arange(len(close), dtype=np.int64)
    return CandleSeries(symbol="TESTUSDT", interval="1h", ts=ts, source="test", **filled)


def changed(market: CandleSeries, start: int, **columns: Any) -> CandleSeries:
    """The market with other values from bar `start` on."""
    made = {}
    for name in COLUMNS:
        made[name] = getattr(market, name).copy()
        made[name][start:] = columns.get(name, made[name][start:])
    return CandleSeries(symbol=market.symbol, interval=market.interval, ts=market.ts.copy(), source="changed", **made)


def valued(expression: Any, market: CandleSeries = MARKET, **parameters: float) -> Any:
    """What one expression is on each bar (or for all of them)."""
    return evaluate(Program([expression]), market, parameters, Cache())[0]
