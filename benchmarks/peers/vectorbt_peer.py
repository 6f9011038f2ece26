# ruff: noqa: ANN001, ANN201, ANN202, I001 - a script for the peers' interpreter, whose packages ours does not know
"""Runs in the peers' interpreter; stopwatch.py says how. Long and short by reversal; its stops are not ours."""

from functools import partial

import numpy as np
import pandas as pd
import vectorbt as vbt

import stopwatch

COLUMNS = 10
FLAGS = ("enter_long", "enter_short", "exit_long", "exit_short")


def portfolio(job, close, flags, engine="auto"):
    """A decision of bar i is filled at the open of i + 1: the signals come shifted, the price is the open."""
    stops = {
        name: float(job[rate])
        for name, rate in (("sl_stop", "stop_rate"), ("tp_stop", "target_rate"))
        if not np.isnan(job[rate])
    }
    enter_long, enter_short, exit_long, exit_short = flags
    wide = (slice(None), None) if enter_long.ndim > 1 else slice(None)
    return vbt.Portfolio.from_signals(
        close,
        entries=enter_long,
        exits=exit_long,
        short_entries=enter_short,
        short_exits=exit_short,
        price=job["open"][wide],
        open=job["open"][wide],
        high=job["high"][wide],
        low=job["low"][wide],
        size=float(job["quantity"]),
        size_type="amount",
        init_cash=float(job["equity"]),
        fees=float(job["fee_rate"]),
        slippage=float(job["slippage_rate"]),
        freq="1h",
        engine=engine,
        **stops,
    )


def inputs(job):
    close = pd.Series(job["close"], index=pd.to_datetime(job["ts"], unit="ms"))
    return close, [np.r_[False, job[name][:-1]] for name in FLAGS]


def figures(found):
    """The four figures that are timed with a run."""
    return found.total_return(), found.sharpe_ratio(), found.max_drawdown(), found.trades.win_rate()


def one(job, engine):
    close, flags = inputs(job)

    def call():
        found = portfolio(job, close, flags, engine)
        return found, figures(found)

    return call, lambda result: [float(result[0].trades.count())]


def sweep(job, engine):
    """Pairs as columns, COLUMNS at a time, which costs it less time and memory than all at once: lines to figures."""
    close, _ = inputs(job)
    lines, pairs, silent = job["lines"], job["pairs"], job["silent"]
    never = np.array([[False]])

    def some(part):
        up = np.ascontiguousarray((lines[part[:, 0]] > lines[part[:, 1]]).T)
        later = np.zeros_like(up)  # on the bar of the fill
        np.not_equal(up[1:-1], up[:-2], out=later[2:])
        for column, slow in enumerate(part[:, 1]):
            later[: silent[slow] + 1, column] = False
        was = np.zeros_like(up)
        was[1:] = up[:-1]
        found = portfolio(job, close, (later & was, later & ~was, never, never), engine)
        return np.asarray(found.total_profit()), figures(found)

    return (
        lambda: [some(pairs[start : start + COLUMNS]) for start in range(0, len(pairs), COLUMNS)],
        lambda found: np.concatenate([profit for profit, _ in found]).tolist(),
    )


def trades(job):
    """[entry bar, exit bar, side, pnl per unit, is it still open at the end] of every trade."""
    rows = portfolio(job, *inputs(job)).trades.records
    return [
        [int(row.entry_idx), int(row.exit_idx), 1 - 2 * int(row.direction), row.pnl / row.size, row.status == 0]
        for row in rows.itertuples()
    ]


if __name__ == "__main__":
    works = {
        f"{name} {engine}": partial(make, engine=engine)
        for engine in ("rust", "numba")
        for name, make in (("one", one), ("sweep", sweep))
    }
    stopwatch.main(f"vectorbt {vbt.__version__}", trades, works)
