"""An order: one leg on a venue, and the life it may lead."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum, auto

from app.domain.ids import AccountId, AlertId, ClientOrderId, Symbol
from app.domain.money import Money, Price, Quantity
from app.domain.side import OrderSide


class OrderState(StrEnum):
    INTENT = "INTENT"  # committed, nothing sent
    SENT = "SENT"  # committed that it is about to leave; may or may not have reached the venue
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"  # on positive proof only
    UNKNOWN = "UNKNOWN"  # not an error path: a state that is resolved by looking
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"  # never reached the market, or the venue let it lapse

    @property
    def final(self) -> bool:
        """Nothing rests at the venue any more. Fills that were on their way may still be reported."""
        return self in _FINAL


_S = OrderState
_FINAL = frozenset({_S.FILLED, _S.REJECTED, _S.CANCELED, _S.EXPIRED})
TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    # An intent that was never sent may lapse; it is never rejected, for nobody was asked.
    _S.INTENT: frozenset({_S.SENT, _S.EXPIRED}),
    # A fill can be seen (stream, reconciliation) before the answer to the request is.
    _S.SENT: frozenset({_S.ACCEPTED, _S.REJECTED, _S.UNKNOWN, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.EXPIRED}),
    # Found: any living or final state. Proven absent: EXPIRED. Never back to SENT.
    _S.UNKNOWN: frozenset({_S.ACCEPTED, _S.REJECTED, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.EXPIRED}),
    # REJECTED after ACCEPTED: a conditional order refused at its trigger.
    _S.ACCEPTED: frozenset({_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.EXPIRED, _S.REJECTED}),
    # A cancel can lose to a fill, and a rest can be cancelled after a partial fill.
    _S.PARTIALLY_FILLED: frozenset({_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.EXPIRED}),
    _S.FILLED: frozenset(),
    # A fill that was on its way when the cancel was confirmed still counts.
    _S.CANCELED: frozenset({_S.PARTIALLY_FILLED, _S.FILLED}),
    # Venues report "expired" for the unfilled rest of a market order after its fills, in either order.
    _S.EXPIRED: frozenset({_S.PARTIALLY_FILLED, _S.FILLED}),
    _S.REJECTED: frozenset(),
}


class OrderKind(StrEnum):
    MARKET = "MARKET"
    STOP = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT_MARKET"
    TRAILING_STOP = "TRAILING_STOP_MARKET"

    @property
    def conditional(self) -> bool:
        return self is not OrderKind.MARKET


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """Everything a venue needs to know. Sizes and prices are already on the venue's steps.

    `close_position` closes whatever is open when triggered and takes no quantity; otherwise `quantity` is set.
    Only an order with neither `reduce_only` nor `close_position` can add exposure: it is never sent twice.
    """

    client_id: ClientOrderId
    account: AccountId
    symbol: Symbol
    side: OrderSide
    kind: OrderKind
    quantity: Quantity | None = None
    trigger_price: Price | None = None
    callback_rate: Decimal | None = None  # fraction, trailing stops only
    reduce_only: bool = False
    close_position: bool = False

    @property
    def adds_exposure(self) -> bool:
        return not (self.reduce_only or self.close_position)


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """A request together with why it exists."""

    request: OrderRequest
    leg: str  # "entry", "close", "stop", "tp1", …, "trail", "flatten"
    alert_id: AlertId | None  # None for the guardian's own orders


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution, as the venue numbers it."""

    trade_id: str  # unique per (account, symbol): a repeated event counts once
    venue_order_id: str
    symbol: Symbol
    side: OrderSide
    quantity: Quantity
    price: Price
    fee: Money  # paid, positive; a rebate is negative
    realised_pnl: Money
    at: datetime


# --- the three ways a request can end -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Accepted:
    venue_order_id: str


class Halt(Enum):
    """Whether a refusal says that nothing may be opened any more, and until when."""

    NO = auto()
    UNTIL_LOOKED = auto()  # a rate limit, the clock: until the venue has answered a complete look
    UNTIL_RESUMED = auto()  # the key, the account: until a person has seen to it


@dataclass(frozen=True, slots=True)
class Rejected:
    """Positive proof that the venue did not and will not execute it."""

    code: int
    text: str
    halt: Halt = Halt.NO


@dataclass(frozen=True, slots=True)
class Unknown:
    """Anything else. A timeout is never a rejection."""

    reason: str


OrderOutcome = Accepted | Rejected | Unknown


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue reports it."""

    client_id: str
    venue_order_id: str
    symbol: Symbol
    side: OrderSide
    kind: OrderKind | None  # None: a type we never send (placed by hand)
    state: OrderState
    quantity: Quantity  # 0 for close_position orders
    filled: Quantity
    average_price: Price | None
    trigger_price: Price | None
    reduce_only: bool
    close_position: bool
    child_order_id: str = ""  # of a triggered conditional order: the order it became
    updated_at: datetime | None = None
