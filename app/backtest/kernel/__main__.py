"""python -m app.backtest.kernel: compile the simulation now and keep it on disk, where every later process finds it."""

import numpy as np

from app.backtest.engine import score
from app.backtest.model import Rules
from app.history import CandleSeries
from app.strategies.signals import Signals


def compile_now() -> None:
    """One bar is enough: numba compiles for kinds of arrays, not for their lengths."""
    price, never, none = np.ones(1), np.zeros(1, np.bool_), np.full(1, np.nan)
    series = CandleSeries("", "1h", np.zeros(1, np.int64), price, price, price, price, price, "one bar")
    score(series, Signals(never, never, never, never, none, none, none, none, 0), Rules(stop_rate=0.1))


if __name__ == "__main__":
    compile_now()
