# ruff: noqa: PLR0917 - compiled functions take no keywords
"""The simulation: arrays in, trades and figures out. Compiled by numba; nothing here raises, callers check the input.

One function, `simulate`, serves a full run and a score: a full run hands in arrays to record into, a score hands in
empty ones. Bars on which nothing can happen are only marked to the close; every other bar goes through `live`.
"""

from typing import Any

import numba
import numpy as np

from app.backtest.kernel.compiling import STAMP, inlined, lent
from app.backtest.kernel.figures import figures, mark
from app.backtest.kernel.one_bar import due, live
from app.backtest.kernel.quiet_bars import first_set, stretch, until
from app.backtest.layout import Bars, Rates, Says, Tape
from app.history import Floats


@inlined
def _at(values: Any, bar: int, absent: Any) -> Any:
    return values[bar] if len(values) else absent


@inlined
def _place(level_bars: Any, bar: int) -> Any:
    """Where this bar's levels are: at its own place, or where it is among those that have any."""
    return np.searchsorted(level_bars, bar) if len(level_bars) else bar


@inlined
def _run(
    bars: Bars, says: Says, rates: Rates, ladder: Floats, warm_up: int, terms_row: Any, accounts: Any, positions: Any,
    targets: Floats, tape: Tape, scores: Any,
) -> None:  # fmt: skip
    account, position, terms = accounts[0], positions[0], terms_row[0]
    opened, high, low, close = lent(bars.open), lent(bars.high), lent(bars.low), lent(bars.close)
    long, short, long_exit, short_exit = (
        lent(says.enter_long), lent(says.enter_short), lent(says.exit_long), lent(says.exit_short),
    )  # fmt: skip
    long_stop, short_stop, long_goal, short_goal = (
        lent(says.long_stop), lent(says.short_stop), lent(says.long_target), lent(says.short_target),
    )  # fmt: skip
    level_bars = lent(says.level_bars)
    paid_at, paid, paid_at_open = lent(rates.bar), lent(rates.rate), lent(rates.at_open)
    trades, equity, exposure = lent(tape.trades), lent(tape.equity), lent(tape.exposure)
    steps, waiting = lent(ladder), lent(targets)
    count = len(close)
    account.cash = account.previous = account.peak = account.summed = terms.equity
    first = min(warm_up + 1, count)
    for at in range(min(first, len(equity))):
        equity[at], exposure[at] = terms.equity, 0.0
    bar = first - 1  # the bar whose close was decided last
    while bar < count:
        said = slice(bar, count - 1)
        if position.side == 0.0:
            heard_long, heard_short = long if terms.longs else short, short if terms.shorts else long
            next_bar = bar + 1 + first_set(heard_long[said], heard_short[said])
        elif position.side > 0.0:
            next_bar = until(position, terms, waiting, low, high, short, long_exit, long, paid_at, bar + 1)
            if len(trades):
                stretch(position, low, high, bar + 1, next_bar)
        else:
            next_bar = until(position, terms, waiting, high, low, long, short_exit, short, paid_at, bar + 1)
            if len(trades):
                stretch(position, high, low, bar + 1, next_bar)
        mark(account, position, close, max(bar, first), min(next_bar, count), equity, exposure)
        if next_bar < count:
            last = next_bar - 1
            signs = long[last], short[last], _at(long_exit, last, False), _at(short_exit, last, False)
            levels = np.nan, np.nan, np.nan, np.nan
            if signs[0] | signs[1]:
                place = _place(level_bars, last)
                levels = (
                    _at(long_stop, place, np.nan), _at(short_stop, place, np.nan),
                    _at(long_goal, place, np.nan), _at(short_goal, place, np.nan),
                )  # fmt: skip
            candle = opened[next_bar], high[next_bar], low[next_bar], close[next_bar]
            rates_due = due(position, paid_at, paid, paid_at_open, next_bar)
            ends = next_bar == count - 1
            live(account, position, terms, steps, waiting, trades, next_bar, signs, levels, candle, rates_due, ends)
        bar = next_bar
    figures(account, terms, max(count - 1 - warm_up, 0), scores[0])


def _entry(stamp: int) -> Any:
    """The one function that is called from Python and kept on disk; compiling.py says what the stamp is for."""

    def simulate(
        bars: Bars, says: Says, rates: Rates, ladder: Floats, warm_up: int, terms: Any, accounts: Any, positions: Any,
        targets: Floats, tape: Tape, scores: Any,
    ) -> None:  # fmt: skip
        """One parameter set on one market. `terms` has one row; `accounts`, `positions`, `scores` one row of zeros.

        `ladder` is (t, 2): targets made from the stop distance, nearest first, as its multiple and the share that
        leaves. `targets` is working space, (max_entries * targets per entry, 2). What is said before bar `warm_up` is
        not heard.
        """
        stamp  # noqa: B018 - a closure holds what it names
        _run(bars, says, rates, ladder, warm_up, terms, accounts, positions, targets, tape, scores)

    return numba.njit(cache=True, nogil=True, error_model="numpy")(simulate)


simulate = _entry(STAMP)
