"""Our account of a strategy, traded as TradingView's strategy tester trades: what other accounts are compared with.

Fixed quantity, commission on both sides, no slippage and no limits; where a bar does not tell which way the price went,
the tester's rule (Intrabar.CHART) decides.
"""

import math
from collections.abc import Mapping

from app.backtest.engine import backtest
from app.backtest.model import Costs, Intrabar, Rules, Run, Sizing
from app.domain.errors import OperatorError
from app.history import CandleSeries
from app.pine.compare import Parity, compare_deals, compare_equity, compare_signals, deals_of
from app.pine.engines import Account
from app.strategies.definition import StrategyDefinition
from app.strategies.signals import Signals

LARGEST_SHARE = 0.5  # of the capital, for one position: beyond it our margin rules would have a say, the tester's not


def trade_as_tester(series: CandleSeries, signals: Signals, *, capital: float, quantity: float, fee_rate: float) -> Run:
    """A backtest by the tester's rules. `fee_rate` on each side, as a fraction of the notional.

    Exported scripts switch the tester's margin off. Ours cannot be, so the capital has to be large enough that it
    never binds: OperatorError otherwise.
    """
    if len(series) and quantity * float(series.high.max()) > LARGEST_SHARE * capital:
        raise OperatorError(
            f"{quantity:g} {series.symbol} can cost more than half of the capital of {capital:,.0f}:"
            " lower the script's quantity or raise its initial_capital"
        )
    rules = Rules(
        equity=capital,
        sizing=Sizing.QUANTITY,
        size=quantity,
        leverage=1,
        max_notional=math.inf,
        max_exposure_rate=math.inf,
        maintenance_rate=0.0,
        intrabar=Intrabar.CHART,
    )
    return backtest(series, signals, rules, Costs(taker_fee_rate=fee_rate, maker_fee_rate=fee_rate, slippage_rate=0.0))


def parity(
    definition: StrategyDefinition, series: CandleSeries, account: Account, params: Mapping[str, object] | None = None
) -> Parity:
    """An engine's account of an exported script against ours, with the quantity that the engine traded.

    Raises OperatorError when neither side closed a trade: nothing compared is not agreement.
    """
    signals = definition.signals(series, params)
    # An engine that traded nothing does not say how much it would have: any quantity shows that we differ.
    quantity = account.deals[0].quantity if account.deals else _any_quantity(series, account.capital)
    run = trade_as_tester(series, signals, capital=account.capital, quantity=quantity, fee_rate=account.fee_rate)
    ours = deals_of(run)
    if not (ours or account.deals):
        raise OperatorError(
            f"no trade was closed on {len(series):,} bars, {signals.warm_up} of them warm-up, neither here nor by"
            f" {account.engine}, so there is nothing to compare: give it more candles"
        )
    return Parity(
        engine=account.engine,
        bars=len(series),
        warm_up=signals.warm_up,
        signals=compare_signals(signals, account.signals),
        deals=compare_deals(ours, account.deals),
        equity=compare_equity(run, account.equity, start=0),
    )


def _any_quantity(series: CandleSeries, capital: float) -> float:
    return LARGEST_SHARE * capital / max(float(series.high.max(initial=0.0)), 1.0)
