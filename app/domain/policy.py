"""The rules an operator sets: frozen, validated once at start, read by the stages. Rates are fractions (0.01 = 1 %)."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from app.domain.ids import AccountId, StrategyId, Symbol
from app.domain.money import Money
from app.domain.side import Side


@dataclass(frozen=True, slots=True)
class VerdictPolicy:
    quorum: int = 2  # language models that must name the signal's side, of the three seats
    min_confidence: float = 70.0  # the mean confidence of the agreeing must be above this
    lstm_veto: bool = True  # an LSTM vote for the opposite side stops the entry
    deadline_s: float = 4.0  # all seats together


@dataclass(frozen=True, slots=True)
class TakeProfitRule:
    """A target the bot sets when the alert brings none."""

    reward_risk: Decimal  # distance from the entry, in multiples of the stop distance
    ratio: Decimal  # share of the position


@dataclass(frozen=True, slots=True)
class RiskPolicy:
    """Limits of one account. A strategy's own caps can only be tighter."""

    entry_max_age_s: float = 60.0
    exit_max_age_s: float = 86_400.0
    max_clock_skew_s: float = 0.5
    cooldown_s: float = 60.0  # between entries on one symbol
    orders_per_minute: int = 10  # entries, all symbols
    max_positions: int = 5
    max_leverage: int = 5
    max_notional: Money = field(default_factory=lambda: Money(Decimal(10_000)))  # per symbol
    max_exposure_rate: Decimal = Decimal("2.0")  # total notional / equity
    risk_per_trade: Decimal = Decimal("0.01")  # of equity, lost when the stop is hit
    daily_loss_rate: Decimal = Decimal("0.05")  # of the day's first equity: no entries until the next UTC day
    max_drawdown_rate: Decimal = Decimal("0.20")  # from the highest equity: no entries until resumed by hand
    min_reward_risk: Decimal = Decimal("1.5")
    min_win_rate: Decimal = Decimal("0.55")
    win_rate_min_trades: int = 20  # below this many closed trades the win rate says nothing
    atr_stop_multiple: Decimal = Decimal("2.0")
    take_profits: tuple[TakeProfitRule, ...] = (
        TakeProfitRule(Decimal("1.5"), Decimal("0.5")),
        TakeProfitRule(Decimal("3.0"), Decimal("0.5")),
    )
    allow_unconfirmed: bool = False


@dataclass(frozen=True, slots=True)
class OwnRun:
    """A strategy that the bot runs itself, on live candles, instead of waiting for its alerts."""

    definition: str  # one of `tradingbot strategies`
    interval: str  # of the candles, e.g. 1h
    parameters: tuple[tuple[str, Decimal], ...] = ()  # those that differ from the defaults


@dataclass(frozen=True, slots=True)
class StrategyProfile:
    """What one strategy may do: from the registry. None = the account's limit applies."""

    strategy: StrategyId
    account: AccountId
    symbols: frozenset[Symbol]  # empty = every symbol of the venue
    sides: frozenset[Side] = frozenset(Side)
    max_notional: Money | None = None
    max_leverage: int | None = None
    risk_per_trade: Decimal | None = None
    max_entries: int = 1  # entries per position; more allow adds (pyramiding)
    take_profits: tuple[TakeProfitRule, ...] | None = None  # () = leave by signal or stop only
    min_win_rate: Decimal | None = None
    enabled: bool = True
    runs: OwnRun | None = None


SecretKind = Literal["current", "upcoming", "shared"]
"""A strategy's own, the one a rotation brings, or WEBHOOK_SECRET."""


@dataclass(frozen=True, slots=True)
class Proven:
    """Who a message comes from, and by which secret that is known."""

    profile: StrategyProfile
    by: SecretKind
