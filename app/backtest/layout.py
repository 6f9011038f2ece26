"""What the kernel reads and writes: arrays in tuples, numbers in records. A changed record makes numba compile anew."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.backtest.model import Sizing
from app.history import Floats, Stamps
from app.strategies.signals import Flags

_CASH_FIELDS = (
    *("cash", "previous", "peak", "drawdown", "total", "squares", "down", "summed"),
    *("gains", "lost", "fees", "funding", "filled"),
)
_COUNTS = ("bars_held", "rows", "wins", "losses", "liquidations", "ruined")
ACCOUNT = np.dtype([*((name, np.float64) for name in _CASH_FIELDS), *((name, np.int64) for name in _COUNTS)])
"""The money, and running sums for the figures."""

POSITION = np.dtype(
    [
        ("side", np.float64),  # 1 long, -1 short, 0 flat
        ("quantity", np.float64),
        ("entry", np.float64),  # average fill price
        ("stop", np.float64),  # x
        ("liquidation", np.float64),  # x
        ("trail", np.float64),  # x: best price the trailing stop has seen
        ("margin", np.float64),  # isolated
        ("entry_fees", np.float64),  # of what is still held
        ("funding", np.float64),  # paid for what is still held
        ("best", np.float64),  # x, since the entry
        ("worst", np.float64),
        ("entry_bar", np.int64),
        ("entries", np.int64),
        ("target", np.int64),  # the next one in `targets`
        ("targets", np.int64),  # how many there are
        ("rate", np.int64),  # the next funding
    ]
)

SIZINGS = tuple(Sizing)  # TERMS has the place in it

TERMS = np.dtype(
    [
        *((name, np.float64) for name in ("equity", "size", "leverage", "max_notional", "max_exposure_rate")),
        *(
            (name, np.float64)
            for name in ("stop_rate", "target_rate", "trailing_rate", "maintenance_rate", "step", "min_notional")
        ),
        ("min_reward_risk", np.float64),
        *((name, np.float64) for name in ("fee", "target_fee", "slippage", "target_slippage", "bars_per_year")),
        *((name, np.int64) for name in ("sizing", "max_entries", "longs", "shorts", "chart", "whole")),
    ]
)
"""Rules and Costs as numbers. No trailing stop is a rate of 0; `whole` = the ladder's shares make up the position."""

SCORE = np.dtype(
    [
        (name, np.float64)
        for name in (
            *("total_return", "cagr", "volatility", "sharpe", "sortino", "calmar", "max_drawdown"),
            *("trades", "win_rate", "profit_factor", "expectancy", "exposure", "turnover", "fees", "funding"),
            *("equity", "liquidations"),
        )
    ]
)
"""Quick figures, defined as in app.backtest.metrics; NaN = not defined for this run."""


class Bars(NamedTuple):
    """(n,) each."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats


class Says(NamedTuple):
    """What the strategy says, (n,) each; an array of length 0 = never. Levels may be given for `level_bars` only."""

    enter_long: Flags
    enter_short: Flags
    exit_long: Flags
    exit_short: Flags
    long_stop: Floats
    short_stop: Floats
    long_target: Floats
    short_target: Floats
    level_bars: Stamps  # (k,), growing; of length 0 = every bar


class Rates(NamedTuple):
    """Funding, (m,) each, in order of time."""

    bar: Stamps  # the bar it falls into
    rate: Floats
    at_open: Flags  # at the bar's open, not inside it


class Tape(NamedTuple):
    """Where a full run is recorded; arrays of length 0 = not recorded."""

    trades: NDArray[np.void]  # TRADE
    equity: Floats
    exposure: Floats
