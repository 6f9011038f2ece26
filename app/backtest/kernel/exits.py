# ruff: noqa: PLR0917 - compiled functions take no keywords
"""How a position is left, wholly or in part: at what price, and what is booked.

Prices are compared in the position's own direction, x = side * price: "up" is profit for a short too, so every rule
is written once. A level that does not exist is -inf (below) or +inf (above).
"""

from typing import Any

from app.backtest.kernel.compiling import called, inlined
from app.backtest.model import ExitReason
from app.history import Floats

# Floats, because numba compiles a function anew for every whole number or bool that is passed as a constant.
SIGNAL, REVERSAL, STOP, TARGET, TRAILING, LIQUIDATION, END = map(float, ExitReason)
ALL = 1.0 - 1e-9  # of a position: what is left beyond it is rounding


@called
def leave(
    account: Any, position: Any, trades: Any, bar: int, quantity: float, price: float, fee_rate: float, reason: float
) -> None:
    """Close `quantity` at `price` and write the row. Fees and funding of the entry go with the share that leaves."""
    share = 1.0
    if quantity < position.quantity * ALL:
        share = quantity / position.quantity
    else:
        quantity = position.quantity
    gross = position.side * (price - position.entry) * quantity
    fee, entry_fees, funding = price * quantity * fee_rate, position.entry_fees * share, position.funding * share
    pnl = gross - fee - entry_fees - funding
    x = position.side * price
    position.best, position.worst = max(position.best, x), min(position.worst, x)
    if account.rows < len(trades):
        row, entry = trades[account.rows], position.side * position.entry
        row.entry_bar, row.exit_bar = position.entry_bar, bar
        row.side, row.quantity, row.reason = int(position.side), quantity, reason
        row.entry_price, row.exit_price = position.entry, price
        row.fees, row.funding, row.pnl = fee + entry_fees, funding, pnl
        row.best, row.worst = max(position.best - entry, 0.0) * quantity, min(position.worst - entry, 0.0) * quantity
    _book(account, pnl, fee + entry_fees, funding, quantity * (position.entry + price))
    account.cash += gross - fee
    position.margin *= 1.0 - share
    position.entry_fees -= entry_fees
    position.funding -= funding
    position.quantity -= quantity
    if share == 1.0:
        position.side = position.quantity = position.entry = 0.0
        position.entries = position.targets = position.target = 0


@inlined
def _book(account: Any, pnl: float, fees: float, funding: float, filled: float) -> None:
    account.rows += 1
    account.fees += fees
    account.funding += funding
    account.filled += filled
    if pnl > 0.0:
        account.wins += 1
        account.gains += pnl
    elif pnl < 0.0:
        account.losses += 1
        account.lost -= pnl


@inlined
def at_market(account: Any, position: Any, terms: Any, trades: Any, bar: int, x: float, reason: float) -> None:
    """Close everything with a market order at x: slippage and the taker fee."""
    price = position.side * x * (1.0 - position.side * terms.slippage)
    leave(account, position, trades, bar, position.quantity, price, terms.fee, reason)


@inlined
def barrier(position: Any, terms: Any) -> float:
    """The highest x below which the position is left: stop, trailing stop or liquidation. -inf when there is none."""
    level = max(position.stop, position.liquidation)
    if terms.trailing_rate > 0.0:
        level = max(level, trailing_level(position, terms))
    return float(level)


@inlined
def trailing_level(position: Any, terms: Any) -> float:
    return float(position.trail * (1.0 - position.side * terms.trailing_rate))


@inlined
def stopped(account: Any, position: Any, terms: Any, trades: Any, bar: int, x: float) -> None:
    """The price has come down to the barrier, or opened beyond it, at x."""
    if x <= position.liquidation:
        # Margin used up. The venue's liquidation fee and the insurance fund are taken to keep all that is left of it,
        # so the isolated margin is lost, no more and no less: the fill is put at the bankruptcy price.
        price = position.entry - position.side * position.margin / position.quantity
        account.liquidations += 1
        leave(account, position, trades, bar, position.quantity, price, 0.0, LIQUIDATION)
        return
    trailing = terms.trailing_rate > 0.0 and trailing_level(position, terms) > position.stop
    at_market(account, position, terms, trades, bar, x, TRAILING if trailing else STOP)


@inlined
def take_targets(
    account: Any, position: Any, terms: Any, targets: Floats, trades: Any, bar: int, x: float, gap: float
) -> None:
    """The price has come up to x: close what the targets on the way close, at `gap` at the least."""
    while position.side != 0.0 and position.target < position.targets and targets[position.target, 0] <= x:
        level, quantity = targets[position.target, 0], targets[position.target, 1]
        fill = max(level, gap)
        price = position.side * fill * (1.0 - position.side * terms.target_slippage)
        position.target += 1
        position.best = max(position.best, fill)
        leave(account, position, trades, bar, min(quantity, position.quantity), price, terms.target_fee, TARGET)
