"""A position: what we hold, and what stands between it and a loss."""

from dataclasses import dataclass
from datetime import datetime

from app.domain.ids import AccountId, AlertId, Symbol
from app.domain.money import Money, Price, Quantity
from app.domain.side import Side


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """A position as the venue reports it; flat positions are not reported."""

    symbol: Symbol
    side: Side
    quantity: Quantity
    entry_price: Price
    mark_price: Price
    unrealised_pnl: Money
    leverage: int
    liquidation_price: Price | None


@dataclass(frozen=True, slots=True)
class Position:
    """A position as our own records have it."""

    account: AccountId
    symbol: Symbol
    side: Side
    quantity: Quantity
    entry_price: Price
    strategy: str  # "" when adopted from the venue
    alert_id: AlertId | None  # the alert that opened it; None when adopted
    opened_at: datetime
    entries: int  # how many entries built it
    stop_price: Price | None
    realised_pnl: Money  # of partial exits so far, without fees
    fees: Money


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """An account as the venue reports it, in the settlement currency."""

    equity: Money  # wallet balance + unrealised PnL
    available: Money
    wallet: Money
