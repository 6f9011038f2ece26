# ruff: noqa: PLR0917 - compiled functions take no keywords
"""How a position is entered or added to: how much, with which levels, and where its margin is used up.

x = side * price, as in exits.py. Nothing here gives more room than the live risk stage.
"""

import math
from typing import Any

import numpy as np

from app.backtest.kernel.compiling import inlined
from app.backtest.layout import SIZINGS
from app.backtest.model import Sizing
from app.history import Floats

# Kept free of margin, as a share of the notional: the live risk stage's HEADROOM_RATE (both fees, a poor fill).
HEADROOM_RATE = 0.005
# The live risk stage keeps the stop within this share of the way to liquidation, taking this maintenance rate.
STOP_SHARE_OF_LIQUIDATION = 0.8
SAFE_MAINTENANCE_RATE = 0.01

EQUITY, RISK = SIZINGS.index(Sizing.EQUITY), SIZINGS.index(Sizing.RISK)


@inlined
def _floored(quantity: float, step: float) -> float:
    """Onto the venue's step. What lacks a hair of rounding is on it: 0.3 / 0.1 is 2.9999999999999996."""
    return math.floor(quantity / step * (1.0 + 1e-12) + 1e-12) * step if step > 0.0 else quantity


@inlined
def _size(account: Any, position: Any, terms: Any, reference: float, distance: float) -> tuple[float, int]:
    """(quantity, leverage) of an entry, as app/pipeline/risk_rules/sizing.py; 0 when the limits leave none.

    Every limit is a cap on the quantity, whatever the way of sizing. Nothing is rounded up.
    """
    equity = account.cash + position.side * (reference - position.entry) * position.quantity
    stopped = 0.0 < distance < np.inf  # otherwise there is no stop, or a chart's that the open has passed
    if equity <= 0.0 or (terms.sizing == RISK and not stopped):
        return 0.0, 0
    most = terms.leverage
    if stopped:
        most = min(most, 1.0 / (distance / reference / STOP_SHARE_OF_LIQUIDATION + SAFE_MAINTENANCE_RATE))
    most = math.floor(most)
    # The venue does not lend against open profit in isolated margin; an open loss is taken off all the same.
    usable = min(equity, account.cash) - position.margin
    if most < 1 or usable <= 0.0:  # liquidated before its stop even without leverage, or no margin is free
        return 0.0, 0
    quantity = terms.size
    if terms.sizing == EQUITY:
        quantity = equity * terms.size / reference
    elif terms.sizing == RISK:
        quantity = equity * terms.size / distance
    held = position.quantity * reference
    # notional / leverage + headroom x notional <= usable, solved for the notional
    affordable = usable * most / (1.0 + HEADROOM_RATE * most)
    room = min(terms.max_notional, equity * terms.max_exposure_rate) - held
    quantity = min(quantity, min(room, affordable) / reference)
    quantity = _floored(quantity, terms.step)
    notional = quantity * reference
    if quantity <= 0.0 or notional < terms.min_notional:
        return 0.0, 0
    return quantity, max(1, min(most, math.ceil(notional / (usable - HEADROOM_RATE * notional) - 1e-9)))


@inlined
def enter(
    account: Any, position: Any, terms: Any, ladder: Floats, targets: Floats, bar: int, side: float, reference: float,
    stop: float, goal: float,
) -> None:  # fmt: skip
    """Open, or add to what is held, at this bar's open (`reference`). `stop` and `goal` are the signal's or NaN."""
    fill = reference * (1.0 + side * terms.slippage)
    if math.isnan(stop):
        stop = fill * (1.0 - side * terms.stop_rate)
    x_stop = -np.inf if math.isnan(stop) else side * stop
    if position.side != 0.0:
        x_stop = max(x_stop, position.stop)  # an addition never loosens the stop
    made = math.isnan(goal) and len(ladder) > 0 and x_stop > -np.inf
    if math.isnan(goal) and not made:
        goal = fill * (1.0 + side * terms.target_rate)
    x = side * reference
    # A level the open has already passed: the live risk stage refuses such an entry (STOP_WRONG_SIDE,
    # TAKE_PROFIT_WRONG_SIDE), so it is left out. TradingView enters and leaves at the same open: `_inside` does that.
    if not terms.chart and (x_stop >= x or side * goal <= x):
        return
    distance = x - x_stop
    if made and side * (x + distance * ladder[-1, 0]) <= 0.0:
        return  # a short cannot earn that much: the live risk stage refuses it too
    if not _worth_it(terms, ladder, made, distance, side * goal - x):
        return
    quantity, leverage = _size(account, position, terms, reference, distance)
    if quantity == 0.0:
        return
    _join(account, position, terms, bar, side, quantity, fill, leverage)
    position.stop = x_stop
    if made:
        _set_ladder(position, terms, ladder, targets, quantity, x, distance)
    elif not math.isnan(goal):
        _add_target(position, targets, side * goal, quantity)


@inlined
def _worth_it(terms: Any, ladder: Floats, made: bool, distance: float, reward: float) -> bool:  # noqa: FBT001
    """Whether the targets earn enough for the stop: REWARD_RISK of the live risk stage. Not asked without either.

    `reward` is the distance to a single target, NaN = none; a share of a ladder without a target earns nothing.
    """
    if terms.min_reward_risk <= 0.0:
        return True
    if made:
        reward = 0.0
        for number in range(len(ladder)):
            reward += ladder[number, 0] * ladder[number, 1] * distance
    if math.isnan(reward) or not 0.0 < distance < np.inf:
        return True
    return bool(reward >= terms.min_reward_risk * distance * (1.0 - 1e-12))


@inlined
def _join(
    account: Any, position: Any, terms: Any, bar: int, side: float, quantity: float, fill: float, leverage: int
) -> None:
    """The fill: average price, fee, isolated margin, and where that margin is used up."""
    fee = quantity * fill * terms.fee
    if position.side == 0.0:
        position.side, position.entry_bar = side, bar
        position.margin = position.entry_fees = position.funding = 0.0
        position.trail = position.best = position.worst = side * fill
    before = position.quantity
    position.entry = (position.entry * before + fill * quantity) / (before + quantity)
    position.quantity = before + quantity
    position.entries += 1
    position.margin += quantity * fill / leverage
    position.entry_fees += fee
    account.cash -= fee
    liquidate_at(position, terms)


@inlined
def liquidate_at(position: Any, terms: Any) -> None:
    """Where margin + profit = maintenance: simulator/margin.py for one isolated position, first bracket."""
    per_unit, rate = position.margin / position.quantity, position.side * terms.maintenance_rate
    position.liquidation = (position.side * position.entry - per_unit) / (1.0 - rate)


@inlined
def _set_ladder(
    position: Any, terms: Any, ladder: Floats, targets: Floats, quantity: float, x: float, distance: float
) -> None:
    """Shares floored to the step; the last takes the rest where they make up the whole, as the live order stage."""
    left = quantity
    for number in range(len(ladder)):
        share = _floored(min(quantity * ladder[number, 1], left), terms.step)
        if terms.whole and number == len(ladder) - 1:
            share = left
        left -= share
        if share > 0.0:
            _add_target(position, targets, x + distance * ladder[number, 0], share)


@inlined
def _add_target(position: Any, targets: Floats, x: float, quantity: float) -> None:
    """Keep the targets that wait in order, nearest first; those of earlier entries stay."""
    first, last = position.target, position.targets
    if first > 0:  # those that were met make room: there is a row for every target of every entry
        for row in range(first, last):
            targets[row - first, 0], targets[row - first, 1] = targets[row, 0], targets[row, 1]
        last -= first
        position.target = 0
    while last > 0 and targets[last - 1, 0] > x:
        targets[last, 0], targets[last, 1] = targets[last - 1, 0], targets[last - 1, 1]
        last -= 1
    targets[last, 0], targets[last, 1] = x, quantity
    position.targets += 1 - first
