# ruff: noqa: PLR0917 - compiled functions take no keywords
"""Equity bar by bar as running sums, and the figures they make: defined as in app.backtest.metrics."""

import math
from typing import Any

import numpy as np

from app.backtest.kernel.compiling import inlined, summing
from app.history import Floats

LARGEST_EXPONENT = 700.0  # exp(709) is the largest float


@inlined
def mark(account: Any, position: Any, close: Floats, start: int, stop: int, equity: Floats, exposure: Floats) -> None:
    """Equity at the close of bars start … stop - 1, on which the position does not change."""
    held = position.side * position.quantity
    base = account.cash - held * position.entry
    if held == 0.0:
        _sample(account, account.cash, stop - start)
    else:
        account.bars_held += stop - start
        _samples(account, close[start:stop], base, held)
    if len(equity):
        for bar in range(start, stop):
            equity[bar] = base + held * close[bar] if held != 0.0 else account.cash
            exposure[bar] = held * close[bar]


@inlined
def _sample(account: Any, value: float, count: int) -> None:
    """Equity stands at `value` for `count` bars: only the first of them can be a change."""
    if count <= 0:
        return
    change = value / account.previous - 1.0
    account.total += change
    account.squares += change * change
    account.down += min(change, 0.0) ** 2
    account.summed += value * count
    account.peak = max(account.peak, value)
    account.drawdown = max(account.drawdown, 1.0 - value / account.peak)
    account.previous = value
    if value <= 0.0:
        account.ruined = 1


@inlined
def _samples(account: Any, close: Floats, base: float, held: float) -> None:
    """The same, bar by bar."""
    _returns(account, close, base, held)
    peak, drawdown = account.peak, account.drawdown
    for bar in range(len(close)):
        value = base + held * close[bar]
        if value > peak:
            peak = value
        elif peak - value > drawdown * peak:
            drawdown = 1.0 - value / peak
    account.peak, account.drawdown = peak, drawdown
    if drawdown >= 1.0:
        account.ruined = 1


@summing
def _returns(account: Any, close: Floats, base: float, held: float) -> None:
    total, squares, down, summed, previous = 0.0, 0.0, 0.0, 0.0, account.previous
    for bar in range(len(close)):
        value = base + held * close[bar]
        change = value / previous - 1.0
        loss = min(change, 0.0)
        total += change
        squares += change * change
        down += loss * loss
        summed += value
        previous = value
    account.total += total
    account.squares += squares
    account.down += down
    account.summed += summed
    account.previous = previous


@inlined
def figures(account: Any, terms: Any, count: int, score: Any) -> None:
    """From the running sums over `count` returns to SCORE; NaN where app.backtest.metrics says None."""
    years = count / terms.bars_per_year
    growth = account.cash / terms.equity
    score.equity, score.fees, score.funding = account.cash, account.fees, account.funding
    score.trades, score.liquidations = account.rows, account.liquidations
    score.win_rate = account.wins / account.rows if account.rows else np.nan
    score.profit_factor = account.gains / account.lost if account.losses else np.nan
    score.expectancy = (account.gains - account.lost) / account.rows if account.rows else np.nan
    score.total_return = growth - 1.0 if count else np.nan
    score.exposure = account.bars_held / count if count else np.nan
    score.max_drawdown = account.drawdown if count else np.nan
    mean_equity = account.summed / (count + 1)
    score.turnover = account.filled / mean_equity / years if count and mean_equity > 0.0 else np.nan
    score.cagr = score.volatility = score.sharpe = score.sortino = score.calmar = np.nan
    if count == 0 or account.ruined:
        return
    if math.log(growth) / years < LARGEST_EXPONENT:
        score.cagr = math.expm1(math.log(growth) / years)
    if score.max_drawdown > 0.0:
        score.calmar = score.cagr / score.max_drawdown
    _risk(account, terms.bars_per_year, count, score)


@inlined
def _risk(account: Any, bars_per_year: float, count: int, score: Any) -> None:
    """The averages over returns. Sharpe (1994), Sortino & Price (1994), with a risk-free rate and target of 0."""
    mean, year = account.total / count, math.sqrt(bars_per_year)
    if count > 1:
        spread = math.sqrt(max(account.squares - count * mean * mean, 0.0) / (count - 1))
        score.volatility = spread * year
        if spread > 1e-14 + 1e-12 * abs(mean):
            score.sharpe = mean / spread * year
    if account.down > 0.0:
        score.sortino = mean / math.sqrt(account.down / count) * year
