"""Records what quantstats and arch say about a few equity curves: peers.json, compared with ours in every test run.

Run in an environment of its own (not the product's): pip install quantstats==0.0.86 arch==8.0.0, then
`python tests/unit/backtest/golden_metrics/record.py`. The curves are stored beside the answers, so that nothing depends
on a random generator staying what it is.
"""

import importlib.metadata
import json
from pathlib import Path

import numpy as np
import pandas as pd
import quantstats.stats as qs
from arch.bootstrap import optimal_block_length

YEAR_S = 365 * 86_400
START = "2023-11-20 00:00"


def curves() -> dict[str, tuple[str, np.ndarray]]:
    """Interval and equity; each begins with the value the first return is measured from."""
    rng = np.random.default_rng(11)
    days = np.r_[0.0, rng.normal(0.001, 0.02, 500)]
    hours = np.r_[0.0, rng.standard_t(3, 1500) * 0.002 - 0.00005]
    idle = np.r_[0.0, rng.normal(0.0004, 0.004, 900) * (rng.random(900) < 0.2)]
    shocks = rng.normal(0, 0.003, 1200)
    clustered = np.zeros(1201)
    for bar in range(1, 1201):
        clustered[bar] = 0.4 * clustered[bar - 1] + shocks[bar - 1]
    named = {"daily": ("1d", days), "hourly": ("1h", hours), "idle": ("15m", idle), "clustered": ("1h", clustered)}
    return {name: (interval, np.round(10_000 * np.cumprod(1 + r), 6)) for name, (interval, r) in named.items()}


def answers(interval: str, equity: np.ndarray) -> dict[str, object]:
    seconds = {"15m": 900, "1h": 3600, "1d": 86_400}[interval]
    periods = YEAR_S / seconds
    index = pd.date_range(START, periods=len(equity), freq=pd.Timedelta(seconds=seconds))
    r = pd.Series(equity, index=index).pct_change().iloc[1:]
    months = qs.monthly_returns(r, eoy=False)
    names = [f"{year}-{month:02}" for year in months.index for month in range(1, 13)]
    blocks = optimal_block_length(r.to_numpy())
    return {
        "total": float(qs.comp(r)),
        "cagr": float(qs.cagr(r, periods=periods)),
        "sharpe": float(qs.sharpe(r, periods=periods)),
        "sortino": float(qs.sortino(r, periods=periods)),
        "volatility": float(qs.volatility(r, periods=periods)),
        "calmar": float(qs.calmar(r, periods=periods)),
        "drawdown": float(qs.max_drawdown(r)),
        "psr": float(qs.probabilistic_sharpe_ratio(r)),
        "months": dict(zip(names, months.to_numpy().ravel().tolist(), strict=True)),
        "block": float(blocks["circular"].iloc[0]),
    }


def main() -> None:
    found = {name: {"interval": i, "equity": e.tolist(), **answers(i, e)} for name, (i, e) in curves().items()}
    versions = {name: importlib.metadata.version(name) for name in ("quantstats", "arch", "pandas", "numpy")}
    path = Path(__file__).with_name("peers.json")
    path.write_text(json.dumps({"versions": versions, "start": START, "curves": found}) + "\n")


if __name__ == "__main__":
    main()
