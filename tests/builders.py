"""Builders of domain values: a plain, acceptable case each, changed by keyword to the case a test is about.

The defaults fit together: a BTCUSDT market at 50,000, an account of 10,000 USDT that is flat, ready and within every
limit, and a fresh, confirmed signal to go long with a stop 1,000 (2 %) away.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.domain.candle import Candle, MarketView
from app.domain.ids import AccountId, AlertId, StrategyId, Symbol
from app.domain.instrument import Instrument
from app.domain.money import Money, Price, Quantity
from app.domain.policy import RiskPolicy, StrategyProfile
from app.domain.position import AccountBalance, Position
from app.domain.side import OrderSide, Side, Target
from app.domain.signal import Signal, TakeProfit
from app.pipeline.risk_rules.checks import Readiness
from app.ports import AccountFacts, Reservation, StrategyRecord

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)  # the time tests.fakes.FakeClock starts at
ACCOUNT = AccountId("main")
STRATEGY = StrategyId("supertrend-btc-1h")
BTC = Symbol("BTCUSDT")
ETH = Symbol("ETHUSDT")


def price(text: str | int | Decimal) -> Price:
    return Price.of(text)


def money(text: str | int | Decimal) -> Money:
    return Money.of(text)


def quantity(text: str | int | Decimal) -> Quantity:
    return Quantity.of(text)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def a_signal(**changes: Any) -> Signal:
    """Go long, from the 1-hour bar that closed a second ago."""
    signal = Signal(
        alert_id=AlertId("01JZ0000000000000000000001"),
        strategy=STRATEGY,
        account=ACCOUNT,
        symbol=BTC,
        interval="1h",
        action=OrderSide.BUY,
        target=Target.LONG,
        bar_time=NOW - timedelta(hours=1),
        fired_at=NOW - seconds(1),
        received_at=NOW,
        confirmed=True,
        price=price(50_000),
        stop_loss=price(49_000),
    )
    return replace(signal, **changes)


def a_short_signal(**changes: Any) -> Signal:
    return a_signal(**{"action": OrderSide.SELL, "target": Target.SHORT, "stop_loss": price(51_000), **changes})


def an_exit(**changes: Any) -> Signal:
    """Leave a long."""
    return a_signal(
        **{
            "action": OrderSide.SELL,
            "target": Target.FLAT,
            "prev_target": Target.LONG,
            "stop_loss": None,
            **changes,
        }
    )


def a_take_profit(at: str | int | Decimal, ratio: str | Decimal = "1") -> TakeProfit:
    return TakeProfit(price(at), Decimal(ratio))


def a_view(**changes: Any) -> MarketView:
    """120 quiet hours around 50,000."""
    candles = tuple(
        Candle(NOW - timedelta(hours=120 - i), 50_000.0, 50_250.0, 49_750.0, 50_000.0, 100.0) for i in range(120)
    )
    view = MarketView(symbol=BTC, interval="1h", candles=candles, mark_price=50_000.0, atr=500.0)
    return replace(view, **changes)


def an_instrument(**changes: Any) -> Instrument:
    instrument = Instrument(
        symbol=BTC,
        base="BTC",
        quote="USDT",
        tick=Decimal("0.1"),
        step=Decimal("0.001"),
        min_quantity=quantity("0.001"),
        max_quantity=quantity(1000),
        market_step=Decimal("0.001"),
        max_market_quantity=quantity(120),
        min_notional=money(100),
        max_leverage=125,
    )
    return replace(instrument, **changes)


def a_balance(equity: str | int | Decimal = 10_000, available: str | int | Decimal | None = None) -> AccountBalance:
    free = equity if available is None else available
    return AccountBalance(equity=money(equity), available=money(free), wallet=money(equity))


def a_position(**changes: Any) -> Position:
    """0.1 BTC long since an hour ago, opened by the strategy of `a_signal`."""
    position = Position(
        account=ACCOUNT,
        symbol=BTC,
        side=Side.LONG,
        quantity=quantity("0.1"),
        entry_price=price(49_500),
        strategy=STRATEGY,
        alert_id=AlertId("01JZ0000000000000000000000"),
        opened_at=NOW - timedelta(hours=1),
        entries=1,
        stop_price=price(48_500),
        realised_pnl=money(0),
        fees=money("2.5"),
    )
    return replace(position, **changes)


def a_reservation(**changes: Any) -> Reservation:
    return replace(Reservation(AlertId("01JZ0000000000000000000009"), ETH, money(1_000)), **changes)


def facts(**changes: Any) -> AccountFacts:
    """A flat account whose day began at 10,000."""
    plain = AccountFacts(
        version=1,
        paused=False,
        killed=False,
        daily_loss_day=None,
        drawdown_latched=False,
        day=NOW.date(),
        day_start_equity=money(10_000),
        peak_equity=money(10_000),
        entries_at=(),
        last_entry_at={},
        reservations=(),
        positions=(),
    )
    return replace(plain, **changes)


def a_record(trades: int = 0, wins: int = 0) -> StrategyRecord:
    return StrategyRecord(trades=trades, wins=wins)


def a_policy(**changes: Any) -> RiskPolicy:
    return replace(RiskPolicy(), **changes)


def a_profile(**changes: Any) -> StrategyProfile:
    return replace(StrategyProfile(STRATEGY, ACCOUNT, frozenset({BTC, ETH})), **changes)


def ready(**changes: Any) -> Readiness:
    return replace(Readiness(reconciled=True, clock_skew_s=0.01), **changes)
