"""One run to report on: 400 hourly bars, a random walk, forty trades, everything known."""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from app.backtest.metrics import metrics
from app.backtest.model import ExitReason, Rules, Run
from app.backtest.statistics import ALONE, Rivals, assess
from app.history import CandleSeries
from app.reports import Report, Surface
from tests.unit.backtest.runs import run_of, trade


def a_run(*, bars: int = 400, trades: int = 40, drift: float = 0.0004, **about: str) -> Run:
    rng = np.random.default_rng(5)
    equity = np.round(10_000 * np.cumprod(1 + np.r_[0.0, rng.normal(drift, 0.004, bars - 1)]), 6)
    closes = 40_000 * np.cumprod(1 + np.r_[0.0, rng.normal(0, 0.005, bars - 1)])
    width = (bars - 2) // max(trades, 1)
    rows = [
        trade(
            float(rng.normal(5, 50)),
            (1 + number * width, 1 + number * width + max(1, width // 2)),
            1 if number % 2 else -1,
            fees=0.5,
            reason=ExitReason(number % 4),
        )
        for number in range(trades)
    ]
    run = run_of(equity.tolist(), rows, closes=closes.tolist(), held=range(1, bars, 2), rules=Rules())
    return replace(run, about={"strategy": "supertrend", "parameters": "atr_period=10, factor=3", **about})


def a_report(run: Run | None = None, among: Rivals = ALONE, **more: Any) -> Report:
    run = run or a_run()
    return Report(run, metrics(run), assess(run, among, samples=200), **more)


def a_surface() -> Surface:
    values = np.arange(12.0).reshape(3, 4)
    values[1, 2] = np.nan
    return Surface("Sharpe ratio", "factor", (1.0, 2.0, 3.0, 4.0), "atr_period", (7.0, 10.0, 14.0), values, (3.0, 14.0))


def from_source(source: str) -> CandleSeries:
    """The candles of a_run, said to come from elsewhere."""
    series = a_run().series
    given = {field.name: getattr(series, field.name) for field in fields(series)}
    return CandleSeries(**{**given, "source": source})
