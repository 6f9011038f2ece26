"""What the page's charts draw, thinned out and rounded; the figures beside them are computed from every bar."""

import math
from typing import Any

import numpy as np

from app.backtest.metrics import fall
from app.history import Floats, Stamps
from app.reports.report import Report
from app.reports.thin import Joined, extremes, joined, spans_orders

MOST_POINTS = 3000
MOST_CANDLES = 10_000
MOST_MARKS = 2000  # trades marked on the candles
_OVERLAY = 2.0  # a line is drawn over the price when it stays within a factor of this of its range


def build(report: Report) -> dict[str, Any]:
    run = report.run
    candles = joined(run.series, MOST_CANDLES)
    unmarked = max(0, len(run.trades) - MOST_MARKS)
    return {
        "width": candles.width,
        "unmarked": unmarked,
        "quote": report.quote,
        "equity": _equity(report),
        "candles": {
            "t": _seconds(candles.ts),
            **{name: _rounded(getattr(candles, name)) for name in ("open", "high", "low", "close")},
        },
        "lines": _lines(report, candles),
        "trades": _marks(report, candles, unmarked),
    }


def _equity(report: Report) -> dict[str, Any]:
    """The measured part: equity, buying and holding with the same money, and the drawdown in per cent."""
    run = report.run
    first = min(run.warm_up, max(len(run.equity) - 1, 0))
    equity, close = run.equity[first:], run.series.close[first:]
    if not len(equity):
        return {"t": [], "own": [], "hold": [], "fall": [], "log": False}
    hold = close / close[0] * equity[0]
    below = fall(equity) * -100.0
    picked = np.union1d(extremes(equity, MOST_POINTS), [int(below.argmin())])
    return {
        "t": _seconds(run.series.ts[first:][picked] + run.series.step_ms),
        "own": _rounded(equity[picked]),
        "hold": _rounded(hold[picked]),
        "fall": _rounded(below[picked]),
        "log": spans_orders(equity, hold),
    }


def _lines(report: Report, candles: Joined) -> list[dict[str, Any]]:
    low, high = (float(candles.low.min()), float(candles.high.max())) if len(candles.ts) else (0.0, 0.0)
    found = []
    for title, values in report.plots.items():
        known = values[np.isfinite(values)]
        if len(known) and low / _OVERLAY < known.min() and known.max() < high * _OVERLAY:
            found.append({"title": title, "v": _rounded(values[candles.last])})
    return found


def _marks(report: Report, candles: Joined, unmarked: int) -> list[list[Any]]:
    """[position of the entry's candle, of the exit's, side, gain > 0, 0 or < 0] of the newest trades."""
    rows = report.run.trades[unmarked:]
    entry, exit_ = rows["entry_bar"] // candles.width, rows["exit_bar"] // candles.width
    return [
        [int(start), int(end), int(side), int(np.sign(pnl))]
        for start, end, side, pnl in zip(entry, exit_, rows["side"], rows["pnl"], strict=True)
    ]


def _seconds(ts: Stamps) -> list[int]:
    found: list[int] = (ts // 1000).tolist()
    return found


def _rounded(values: Floats) -> list[float | None]:
    """Seven significant digits of the largest: finer than a screen. Null where there is no value."""
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max()) if len(finite) else 1.0
    digits = 6 - math.floor(math.log10(largest)) if largest > 0 else 2
    found: list[Any] = np.round(values, digits).tolist()
    return [value if math.isfinite(value) else None for value in found] if len(finite) < len(values) else found
