"""Builders of runs: equity as given, trades as given, so that every figure can be known beforehand."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from app.backtest.model import TRADE, Costs, ExitReason, Rules, Run
from app.history import CandleSeries, interval_ms

START = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday


def market(closes: Sequence[float], interval: str = "1h", start: datetime = START) -> CandleSeries:
    close = np.array(closes, dtype=np.float64)
    open_ = np.r_[close[:1], close[:-1]]
    return CandleSeries(
        symbol="BTCUSDT",
        interval=interval,
        ts=int(start.timestamp() * 1000) + interval_ms(interval) * np.arange(len(close), dtype=np.int64),
        open=open_,
        high=np.maximum(open_, close) * 1.001,
        low=np.minimum(open_, close) * 0.999,
        close=close,
        volume=np.ones(len(close)),
        source="made for a test",
    )


def trade(pnl: float, bars: tuple[int, int] = (1, 2), side: int = 1, **more: Any) -> tuple[Any, ...]:
    """Quantity 1 at 100 unless said otherwise; the exit price follows from what it earned."""
    row = {
        "entry_bar": bars[0],
        "exit_bar": bars[1],
        "side": side,
        "quantity": 1.0,
        "entry_price": 100.0,
        "exit_price": 100.0 + side * pnl,
        "fees": 0.0,
        "funding": 0.0,
        "pnl": pnl,
        "best": max(pnl, 0.0),
        "worst": min(pnl, 0.0),
        "reason": ExitReason.SIGNAL,
    } | more
    return tuple(row[name] for name in TRADE.names or ())


def run_of(
    equity: Sequence[float],
    trades: Sequence[tuple[Any, ...]] = (),
    *,
    closes: Sequence[float] | None = None,
    interval: str = "1h",
    start: datetime = START,
    warm_up: int = 0,
    held: Sequence[int] = (),
    **more: Any,
) -> Run:
    """`held` are the bars at whose close a position is open."""
    values = np.array(equity, dtype=np.float64)
    exposure = np.zeros(len(values))
    exposure[list(held)] = 100.0
    return Run(
        series=market(closes if closes is not None else np.full(len(values), 100.0).tolist(), interval, start),
        rules=more.pop("rules", Rules(equity=float(values[0]) if len(values) else 10_000.0)),
        costs=Costs(),
        trades=np.array(list(trades), dtype=TRADE),
        equity=values,
        exposure=exposure,
        liquidated=False,
        warm_up=warm_up,
        **more,
    )
