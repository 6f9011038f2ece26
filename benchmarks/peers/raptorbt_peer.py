# ruff: noqa: ANN001, ANN201, ANN202, I001 - a script for the peers' interpreter, whose packages ours does not know
"""Runs in the peers' interpreter; stopwatch.py says how. One side of a market per run."""

import numpy as np
import raptorbt

import stopwatch


def config_of(job):
    """Fills at the next open; no stop or target where the rate is NaN."""
    config = raptorbt.BacktestConfig(
        initial_capital=float(job["equity"]),
        fees=float(job["fee_rate"]),
        slippage=float(job["slippage_rate"]),
        fill_timing="next_bar_open",
    )
    for name, set_rate in (
        ("stop_rate", config.set_fixed_stop),
        ("target_rate", config.set_fixed_target),
        ("trailing_rate", config.set_trailing_stop),
    ):
        if not np.isnan(job[name]):
            set_rate(float(job[name]))
    return config


def columns_of(job):
    return [job["ts"] * 1_000_000, *(job[name] for name in ("open", "high", "low", "close", "volume"))]


def one(job):
    """A run, with the figures that it always computes."""
    columns, config, side = columns_of(job), config_of(job), int(job["side"])
    entries, exits = (job["enter_long"], job["exit_long"]) if side > 0 else (job["enter_short"], job["exit_short"])
    return (
        lambda: raptorbt.run_single_backtest(
            *columns, entries, exits, direction=side, weight=1.0, symbol="X", config=config
        ),
        lambda found: [float(len(found.trades()))],
    )


def sweep(job):
    """All pairs in one batch over all cores, the longs and the shorts of each: from average lines to figures."""
    columns, config, lines, pairs = columns_of(job), config_of(job), job["lines"], job["pairs"].tolist()
    silent = job["silent"]

    def call():
        items = []
        for number, (fast, slow) in enumerate(pairs):
            up = lines[fast] > lines[slow]
            turned = np.empty(len(up), np.bool_)
            np.not_equal(up[1:], up[:-1], out=turned[1:])
            turned[: silent[slow]] = False
            rise, fall = turned & up, turned & ~up
            items.append(raptorbt.BatchSingleItem(f"{number} long", rise, fall, direction=1, config=config))
            items.append(raptorbt.BatchSingleItem(f"{number} short", fall, rise, direction=-1, config=config))
        return raptorbt.batch_single_backtest(*columns, items, config=config)

    def shown(found):
        earned = np.zeros(len(pairs))
        for name, result in found:
            earned[int(name.split()[0])] += sum(trade.pnl / trade.size for trade in result.trades())
        return earned.tolist()

    return call, shown


def trades(job):
    """[entry bar, exit bar, side, pnl per unit, is it the end of the data] of every trade."""
    return [
        [row.entry_idx, row.exit_idx, int(job["side"]), row.pnl / row.size, row.exit_reason == "EndOfData"]
        for row in one(job)[0]().trades()
    ]


if __name__ == "__main__":
    stopwatch.main(f"raptorbt {raptorbt.__version__}", trades, {"one": one, "sweep": sweep})
