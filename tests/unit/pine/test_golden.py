"""What Pine engines said about the shipped strategies, recorded, is what signals and backtest say now."""

import numpy as np
import pytest

from app.pine.compare import compare_deals, compare_signals, deals_of
from app.pine.tester import trade_as_tester
from app.strategies.registry import SHIPPED, definition
from tests.parity.goldens import FOLDER, candles, load


@pytest.fixture(scope="module")
def market():
    return candles()


def test_every_strategy_that_ships_is_recorded():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_signals_trades_and_equity_are_as_recorded(name, market):
    golden = load(name)
    account = golden.account
    signals = definition(name).signals(market, golden.params)
    assert not [field.sentence for field in compare_signals(signals, account.signals) if field.different]

    run = trade_as_tester(
        market,
        signals,
        capital=account.capital,
        quantity=account.deals[0].quantity,
        fee_rate=account.fee_rate,
    )
    match = compare_deals(deals_of(run), account.deals)
    assert match.equal == len(account.deals) > 10
    assert match.agrees
    np.testing.assert_allclose(run.equity[golden.equity_bars], account.equity, rtol=1e-9)
