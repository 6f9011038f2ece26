# ruff: noqa: ANN001, ANN201, ANN202, I001 - a script for the peers' interpreter, whose packages ours does not know
"""Runs in the peers' interpreter; stopwatch.py says how. Long and short by reversal, no stops."""

import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

import stopwatch


def test_of(job):
    """backtesting.py's test of a job. Its sizes are whole units and its slippage a spread around the price."""

    class Flags(Strategy):
        def init(self):
            pass

        def next(self):
            bar = len(self.data) - 1
            if job["enter_long"][bar]:
                self.buy(size=1)
            elif job["enter_short"][bar]:
                self.sell(size=1)

    frame = pd.DataFrame(
        {name.capitalize(): job[name] for name in ("open", "high", "low", "close", "volume")},
        index=pd.to_datetime(job["ts"], unit="ms"),
    )
    return Backtest(
        frame,
        Flags,
        cash=float(job["equity"]),
        commission=float(job["fee_rate"]),
        spread=float(job["slippage_rate"]),
        exclusive_orders=True,
        finalize_trades=True,
    )


def trades(job):
    """[entry bar, exit bar, side, pnl per unit net of fees, is it the end of the data] of every trade."""
    rows = test_of(job).run()["_trades"]
    last = len(job["close"]) - 1
    return [
        [int(row.EntryBar), int(row.ExitBar), int(np.sign(row.Size)), row.PnL / abs(row.Size), row.ExitBar == last]
        for row in rows.itertuples()
    ]


def one(job):
    """A run with the statistics that it always computes."""
    test = test_of(job)
    return test.run, lambda found: [float(found["# Trades"])]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    stopwatch.main(f"backtesting.py {version('backtesting')}", trades, {"one": one})
