"""A list of trades from TradingView against our backtest of the same strategy, trade by trade.

Everything is compared per base unit, so it does not matter how the chart's positions were sized. Only the stretch that
both cover is compared: charts hold less history than files of candles do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.domain.errors import OperatorError
from app.history import CandleSeries
from app.pine.clock import Clock, entry_stamps, find_clock, fit, stamp, zone
from app.pine.compare import Deal, DealsMatch, Tolerance, compare_deals, deals_of
from app.pine.tester import LARGEST_SHARE, trade_as_tester
from app.pine.trade_list import Listed, TradeList
from app.strategies.definition import StrategyDefinition


@dataclass(frozen=True, slots=True)
class Comparison:
    clock: Clock
    fee_rate: float  # on each side
    fee_told: bool  # given by the person, rather than taken from the list's own profits
    outside: int  # trades of the list beyond our candles
    tolerance: Tolerance
    match: DealsMatch  # prices and profits per base unit

    def in_words(self) -> list[tuple[str, Deal, str]]:
        """The trades that are not the same, in order of entry: (whose, the trade, what about it)."""
        match = self.match
        rows = [("both", pair.theirs, "; ".join(pair.differences)) for pair in match.pairs if pair.differences]
        rows += [("only here", deal, "the chart did not trade it") for deal in match.ours_only]
        rows += [("only on the chart", deal, "our backtest did not trade it") for deal in match.theirs_only]
        return sorted(rows, key=lambda row: row[1].entry_bar)


def compare_list(
    listed: TradeList,
    definition: StrategyDefinition,
    series: CandleSeries,
    params: Mapping[str, object] | None = None,
    *,
    timezone: str | None = None,
    fee_rate: float | None = None,
) -> Comparison:
    """`timezone` and `fee_rate` None = find them. Raises OperatorError when nothing of the list is in the candles."""
    clock = fit(timezone, listed, series) if timezone else find_clock(listed, series)
    theirs = _deals(listed.trades, series, clock.name)
    if not theirs:
        raise OperatorError(f"none of the list's {len(listed.trades)} trades lies within {series.source}")
    rate = fee_rate if fee_rate is not None else fee_rate_of(listed.trades)
    signals = definition.signals(series, params)
    capital = 2 * float(series.high.max()) / LARGEST_SHARE
    run = trade_as_tester(series, signals, capital=capital, quantity=1.0, fee_rate=rate)
    first, last = theirs[0].entry_bar, theirs[-1].entry_bar
    ours = [deal for deal in deals_of(run) if first <= deal.entry_bar <= last]
    # Profits are printed to the cent, of the whole position; the commission was read from such profits.
    cents = 2 * listed.cent / min(trade.quantity for trade in listed.trades)
    tolerance = Tolerance(price=listed.tick, pnl=cents)
    match = compare_deals(ours, theirs, tolerance)
    return Comparison(clock, rate, fee_rate is not None, len(listed.trades) - len(theirs), tolerance, match)


def fee_rate_of(trades: Sequence[Listed]) -> float:
    """The commission that explains the list's profits: the middle one of what each trade says; 0 when none says."""
    rates = [
        (trade.side * (trade.exit_price - trade.entry_price) * trade.quantity - trade.pnl)
        / (trade.quantity * (trade.exit_price + trade.entry_price))
        for trade in trades
        if trade.pnl is not None
    ]
    return max(round(float(np.median(rates)), 6), 0.0) if rates else 0.0


def _deals(trades: Sequence[Listed], series: CandleSeries, clock: str) -> list[Deal]:
    """The list's trades that lie within the candles, per base unit, in order of entry."""
    where = zone(clock)
    entries = entry_stamps(trades, where)
    found = []
    for trade, entered in zip(trades, entries, strict=True):
        left = stamp(trade.exit_time, where)
        if series.ts[0] <= entered and left < series.ts[-1] + series.step_ms:
            found.append(_deal(trade, _bar(series, int(entered)), _bar(series, left)))
    return sorted(found, key=lambda deal: deal.entry_bar)


def _bar(series: CandleSeries, at: int) -> int:
    return int(np.searchsorted(series.ts, at, side="right")) - 1


def _deal(trade: Listed, entry_bar: int, exit_bar: int) -> Deal:
    # A list without profits says nothing about them: what the prices make is as good as any.
    pnl = trade.pnl / trade.quantity if trade.pnl is not None else trade.side * (trade.exit_price - trade.entry_price)
    return Deal(trade.side, entry_bar, exit_bar, 1.0, trade.entry_price, trade.exit_price, pnl)
