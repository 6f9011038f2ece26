# ruff: noqa: PLR0917 - compiled functions take no keywords
"""One bar on which something may happen: in which order, and along which way inside the bar.

x = side * price, as in exits.py. What a bar leaves open is decided against the trader and said at the line.
"""

from typing import Any

import numpy as np

from app.backtest.kernel.compiling import inlined
from app.backtest.kernel.entries import enter, liquidate_at
from app.backtest.kernel.exits import END, REVERSAL, SIGNAL, at_market, barrier, leave, stopped, take_targets
from app.history import Floats, Stamps
from app.strategies.signals import Flags

STAY = -1.0


@inlined
def due(position: Any, at: Stamps, rate: Floats, at_open: Flags, bar: int) -> tuple[float, float]:
    """Funding of this bar: (at its open, inside it), as rates."""
    opening, inside = 0.0, 0.0
    while position.rate < len(at) and at[position.rate] <= bar:
        if at[position.rate] == bar:
            if at_open[position.rate]:
                opening += rate[position.rate]
            else:
                inside += rate[position.rate]
        position.rate += 1
    return opening, inside


@inlined
def _fund(account: Any, position: Any, terms: Any, amount: float) -> None:
    """A payment (or a credit, negative). It is taken from the isolated margin."""
    if amount != 0.0 and position.side != 0.0:
        account.cash -= amount
        position.funding += amount
        position.margin -= amount
        liquidate_at(position, terms)


@inlined
def _wanted(position: Any, terms: Any, signs: tuple[bool, bool, bool, bool]) -> tuple[float, float]:
    """What the last closed bar asks for: (side to enter or 0, why to leave or STAY).

    `signs` are enter_long, enter_short, exit_long, exit_short. Both sides at once say nothing about entering. An exit
    speaks about the position that is held: it wins over adding to it, and means nothing to an entry. A side that the
    rules leave out still closes the other one.
    """
    want = 0.0 if signs[0] == signs[1] else (1.0 if signs[0] else -1.0)
    allowed = want if (terms.longs if want > 0.0 else terms.shorts) else 0.0
    if position.side == 0.0:
        return allowed, STAY
    if want == -position.side:
        return allowed, REVERSAL
    if signs[2] if position.side > 0.0 else signs[3]:
        return 0.0, SIGNAL
    return (allowed if position.entries < terms.max_entries else 0.0), STAY


@inlined
def live(
    account: Any, position: Any, terms: Any, ladder: Floats, targets: Floats, trades: Any, bar: int,
    signs: tuple[bool, bool, bool, bool], levels: tuple[float, float, float, float],
    candle: tuple[float, float, float, float], rates: tuple[float, float], ends: bool,  # noqa: FBT001 - no keywords
) -> None:  # fmt: skip
    """One bar on which something may happen: its open, its inside, and the end of the data.

    `levels` are long stop, short stop, long target, short target of the bar before, NaN = none; `candle` open, high,
    low, close; `rates` the funding at the open and inside.
    """
    price = candle[0]
    want, why = _wanted(position, terms, signs)
    # Longs pay a positive rate to shorts. Orders of a closed bar leave at the very moment of a funding: whoever leaves
    # or enters then is taken to pay if it is a payment, and to miss it if it is a credit.
    due = position.side * position.quantity * price * rates[0]
    _fund(account, position, terms, due if why == STAY else max(due, 0.0))
    # The signal's order goes before a stop or target that the open has passed, as on TradingView.
    if why != STAY:
        at_market(account, position, terms, trades, bar, position.side * price, why)
    if want != 0.0:
        before = position.quantity
        stop, goal = (levels[0], levels[2]) if want > 0.0 else (levels[1], levels[3])
        enter(account, position, terms, ladder, targets, bar, want, price, stop, goal)
        _fund(account, position, terms, max(want * (position.quantity - before) * price * rates[0], 0.0))
    if position.side == 0.0:
        return
    # Funding inside a bar: a payment is due whenever in the bar the position was left, a credit only if it never was.
    _fund(account, position, terms, max(position.side * position.quantity * price * rates[1], 0.0))
    _inside(account, position, terms, targets, trades, bar, candle)
    _fund(account, position, terms, min(position.side * position.quantity * price * rates[1], 0.0))
    if ends and position.side != 0.0:  # a mark, not a market order: no slippage, but the fee
        leave(account, position, trades, bar, position.quantity, candle[3], terms.fee, END)


@inlined
def _inside(
    account: Any, position: Any, terms: Any, targets: Floats, trades: Any, bar: int,
    candle: tuple[float, float, float, float],
) -> None:  # fmt: skip
    """Stops and targets, from the entry bar on, along the way the price is taken to have gone."""
    side = position.side
    start, high, low = side * candle[0], side * candle[1], side * candle[2]
    position.best, position.worst = max(position.best, start), min(position.worst, start)
    if start <= barrier(position, terms):
        stopped(account, position, terms, trades, bar, start)  # a gap: the open is the first price there is
        return
    # A target that the open has passed fills at the open on a chart. Otherwise it fills at its own price, at which it
    # rested in the book: a better one is not counted on.
    take_targets(account, position, terms, targets, trades, bar, start, start if terms.chart else -np.inf)
    # Pessimistic: the adverse extreme first, so a stop is met before any target.
    first, second = min(high, low), max(high, low)
    if terms.chart:
        # TradingView: the extreme nearer to the open comes first, the low when both are as near.
        high_first = candle[1] - candle[0] < candle[0] - candle[2]
        first, second = (high, low) if high_first else (low, high)
    _leg(account, position, terms, targets, trades, bar, start, first)
    _leg(account, position, terms, targets, trades, bar, first, second)
    if terms.chart:
        _leg(account, position, terms, targets, trades, bar, second, side * candle[3])
    elif position.side != 0.0:
        # Pessimistic: the trailing stop stands all bar long where the bars before have drawn it. The bar's own best
        # price moves it for the next bar only, which fills at its open when this close is beyond it already.
        position.trail = max(position.trail, second)


@inlined
def _leg(
    account: Any, position: Any, terms: Any, targets: Floats, trades: Any, bar: int, start: float, stop: float
) -> None:
    """A straight run of the price, in x."""
    if position.side == 0.0:
        return
    if stop < start:
        level = barrier(position, terms)
        if stop <= level:
            stopped(account, position, terms, trades, bar, level)
        else:
            position.worst = min(position.worst, stop)
        return
    take_targets(account, position, terms, targets, trades, bar, stop, -np.inf)
    if position.side != 0.0:
        position.best = max(position.best, stop)
        if terms.chart:
            position.trail = max(position.trail, stop)
