"""A signal: an alert made sense of."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from app.domain.ids import AccountId, AlertId, StrategyId, Symbol
from app.domain.money import Price
from app.domain.side import OrderSide, Target


@dataclass(frozen=True, slots=True)
class TakeProfit:
    price: Price
    ratio: Decimal  # share of the position to take here, 0 < ratio <= 1


@dataclass(frozen=True, slots=True)
class TrailingStop:
    callback_rate: Decimal  # distance as a fraction of the price, e.g. 0.01 = 1 %
    activation: Price | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """What a strategy asks for. `target` is None when the alert named only an action (see `pipeline/risk.py`)."""

    alert_id: AlertId
    strategy: StrategyId
    account: AccountId
    symbol: Symbol
    interval: str  # a key of candle.INTERVALS
    action: OrderSide | None
    target: Target | None
    bar_time: datetime | None  # open time of the bar that fired, UTC
    fired_at: datetime  # when TradingView fired (or, if the format does not say, when it arrived), UTC
    received_at: datetime
    confirmed: bool  # the bar was closed; False refuses entries
    price: Price | None
    stop_loss: Price | None
    take_profits: tuple[TakeProfit, ...] = ()
    trailing_stop: TrailingStop | None = None
    prev_target: Target | None = None
    size: Decimal | None = (
        None  # the strategy's own position size after the signal: only its ratio to `prev_size` is used
    )
    prev_size: Decimal | None = None
    order_id: str = ""  # the strategy's name for its order; part of the dedupe key, shown, never interpreted
    notes: tuple[str, ...] = field(default=())  # what the reader ignored or completed, in plain words

    @property
    def exit_only(self) -> bool:
        """True when nothing but leaving the market is asked for: never judged by AI, never blocked by limits."""
        return self.target is Target.FLAT
