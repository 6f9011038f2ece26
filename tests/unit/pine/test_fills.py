"""The backtest in CHART mode fills as TradingView's tester does; what that is, `make parity` asks the engines."""

import pytest

from app.backtest.model import ExitReason
from app.pine.compare import deals_of
from app.pine.tester import trade_as_tester
from tests.parity.fills import CASES, Case, market, signals


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bars_made_by_hand_are_filled_as_the_tester_fills_them(case: Case):
    run = trade_as_tester(market(case), signals(case), capital=1e6, quantity=1.0, fee_rate=0.0)
    found = [(d.side, d.entry_bar, d.exit_bar, d.entry_price, d.exit_price) for d in deals_of(run)]
    assert found == case.trades
    reverses = "enter_short" in case.also
    held = [row for row in run.trades if row["reason"] == ExitReason.END]
    assert [int(row["side"]) for row in held] == ([-1] if reverses else [] if case.trades else [case.side])
