"""What happened, in the core's own words. The wire turns these into user-stream messages.

Orders and conditionals are copies as of the event, so a message rendered later still tells the moment's truth.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from simulator.account import Position
from simulator.orders import Conditional, Fill, Order


class Change(StrEnum):
    """Why an order event was sent."""

    NEW = "NEW"
    TRADE = "TRADE"
    CALCULATED = "CALCULATED"  # liquidation or deleveraging
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class OrderChanged:
    at_ms: int
    change: Change
    order: Order
    fill: Fill | None = None


@dataclass(frozen=True, slots=True)
class ConditionalChanged:
    at_ms: int
    conditional: Conditional
    child: Order | None = None


@dataclass(frozen=True, slots=True)
class AccountChanged:
    at_ms: int
    cause: str  # ORDER, FUNDING_FEE, MARGIN_TYPE_CHANGE, MARGIN_TRANSFER
    balance_change: Decimal  # without realised PnL and fees
    wallet: Decimal
    cross_wallet: Decimal
    positions: tuple[tuple[Position, Decimal], ...]  # with their unrealised PnL


@dataclass(frozen=True, slots=True)
class LeverageChanged:
    at_ms: int
    symbol: str
    leverage: int


@dataclass(frozen=True, slots=True)
class MarginCalled:
    """Little margin is left; sent once per position until it recovers."""

    at_ms: int
    cross_wallet: Decimal
    position: Position
    mark: Decimal
    maintenance: Decimal


Event = OrderChanged | ConditionalChanged | AccountChanged | LeverageChanged | MarginCalled
