"""What traders send and what the venue keeps of it. Times are milliseconds since 1970 UTC; money is Decimal."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from app.domain.side import OrderSide

ZERO = Decimal(0)


class Kind(StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"

    @property
    def conditional(self) -> bool:
        return self not in (Kind.LIMIT, Kind.MARKET)

    @property
    def becomes(self) -> "Kind":
        """What a conditional order turns into when it triggers."""
        return Kind.LIMIT if self in (Kind.STOP, Kind.TAKE_PROFIT) else Kind.MARKET


class PositionSide(StrEnum):
    BOTH = "BOTH"  # one-way mode
    LONG = "LONG"
    SHORT = "SHORT"


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"  # post only
    GTE_GTC = "GTE_GTC"  # until cancelled, or until the position it protects is gone


class Status(StrEnum):
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"

    @property
    def open(self) -> bool:
        return self in (Status.NEW, Status.PARTIALLY_FILLED)


class AlgoStatus(StrEnum):
    NEW = "NEW"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A request for a regular or a conditional order; fields that do not belong to the kind are None or False."""

    symbol: str
    side: OrderSide
    kind: Kind
    client_id: str
    quantity: Decimal | None = None  # None only with close_position
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    activation_price: Decimal | None = None  # trailing stops
    callback_rate: Decimal | None = None  # percent, trailing stops: 1 means 1 %
    time_in_force: TimeInForce = TimeInForce.GTC
    position_side: PositionSide = PositionSide.BOTH
    reduce_only: bool = False
    close_position: bool = False
    working_type: str = "CONTRACT_PRICE"


@dataclass(slots=True)
class Fill:
    """One execution."""

    trade_id: int
    order_id: int
    symbol: str
    side: OrderSide
    position_side: PositionSide
    price: Decimal
    quantity: Decimal
    fee: Decimal
    realised_pnl: Decimal
    maker: bool
    at_ms: int


@dataclass(slots=True)
class Order:
    """A regular order, as the matching engine knows it."""

    order_id: int
    request: NewOrder
    created_ms: int
    updated_ms: int
    status: Status = Status.NEW
    executed: Decimal = ZERO
    cost: Decimal = ZERO  # sum of price x quantity over its fills
    parent_id: int | None = None  # the conditional order it came from
    fills: tuple[int, ...] = ()  # trade ids
    resting_from_ms: int = 0  # the rest of a partly filled order is not matched before

    @property
    def quantity(self) -> Decimal:
        return self.request.quantity or ZERO

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.executed

    @property
    def average_price(self) -> Decimal:
        return self.cost / self.executed if self.executed else ZERO


@dataclass(slots=True)
class Conditional:
    """A conditional order, waiting for its trigger outside the matching engine."""

    algo_id: int
    request: NewOrder
    created_ms: int
    updated_ms: int
    status: AlgoStatus = AlgoStatus.NEW
    child_id: int | None = None  # the order it became
    triggered_ms: int = 0
    reject_reason: str = ""
    extreme: Decimal | None = None  # trailing stops: the best price since activation, None before

    @property
    def active(self) -> bool:
        return self.status is AlgoStatus.NEW
