"""Everything that can happen, in the past tense. Each is one row of the audit chain; tables are projections of these.

Streams: `alert:<id>` holds one alert's story, `account:<name>` the account's switches and reservations,
`position:<account>:<symbol>` what happened to a position outside any alert.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from app.domain.alert import AlertState, Preset
from app.domain.codec import decode, encode
from app.domain.decision import Decision, Refusal
from app.domain.ids import AccountId, AlertId, ClientOrderId, StrategyId, Symbol
from app.domain.money import Money, Price, Quantity
from app.domain.order import Fill, OrderIntent
from app.domain.side import Side
from app.domain.signal import Signal
from app.domain.verdict import Verdict
from app.domain.vote import Vote


class Event:
    """A fact. Subclasses are frozen dataclasses; `type` is the class name and never changes once stored."""

    __slots__ = ()
    registry: ClassVar[dict[str, type["Event"]]] = {}

    def __init_subclass__(cls) -> None:
        Event.registry[cls.__name__] = cls

    @property
    def type(self) -> str:
        return type(self).__name__

    def data(self) -> dict[str, Any]:
        """Plain JSON data; `Event.read` turns it back."""
        plain: dict[str, Any] = encode(self)
        return plain

    @staticmethod
    def read(kind: str, data: dict[str, Any]) -> "Event":
        """The event of that type. Raises ValueError when the data does not fit it."""
        if kind not in Event.registry:
            raise ValueError(f"no event is called {kind}")
        return decode(Event.registry[kind], data)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with its place in the log."""

    seq: int  # position in the whole chain, from 1, without gaps
    stream: str
    version: int  # position in its stream, from 1, without gaps
    at: datetime
    event: Event


# --- an alert's way ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class AlertAccepted(Event):
    alert_id: AlertId
    strategy: StrategyId
    account: AccountId
    symbol: Symbol
    preset: Preset
    dedupe_key: str
    body_sha256: str
    sender: str


@dataclass(frozen=True)
class SignalRead(Event):
    signal: Signal


@dataclass(frozen=True)
class VotesAsked(Event):
    """The one question every seat was asked, built from numbers and enums only."""

    prompt: str
    prompt_sha256: str
    deadline_ms: int


@dataclass(frozen=True)
class VoteCast(Event):
    vote: Vote


@dataclass(frozen=True)
class VerdictReached(Event):
    verdict: Verdict


@dataclass(frozen=True)
class DecisionMade(Event):
    decision: Decision


@dataclass(frozen=True)
class AlertRefused(Event):
    refusal: Refusal


@dataclass(frozen=True)
class AlertFinished(Event):
    """The last word on an alert: its final state and one sentence for people."""

    state: AlertState
    summary: str


@dataclass(frozen=True)
class HandlerFailed(Event):
    """An attempt at this alert ended in an exception; after three the alert is quarantined."""

    attempt: int
    error: str  # class and message, redacted


# --- orders ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OrderIntended(Event):
    intent: OrderIntent


@dataclass(frozen=True)
class OrderSent(Event):
    """Committed before the request leaves. After `deadline` the sender must not send it any more."""

    client_id: ClientOrderId
    sent_at: datetime
    deadline: datetime


@dataclass(frozen=True)
class OrderAccepted(Event):
    client_id: ClientOrderId
    venue_order_id: str


@dataclass(frozen=True)
class OrderRejected(Event):
    client_id: ClientOrderId
    code: int
    text: str


@dataclass(frozen=True)
class OrderOutcomeUnknown(Event):
    client_id: ClientOrderId
    reason: str


@dataclass(frozen=True)
class OrderFilled(Event):
    """One execution of one of our orders; `complete` when it was the last."""

    client_id: ClientOrderId
    fill: Fill
    complete: bool


@dataclass(frozen=True)
class OrderCanceled(Event):
    client_id: ClientOrderId
    why: str


@dataclass(frozen=True)
class OrderExpired(Event):
    client_id: ClientOrderId
    why: str


# --- positions ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PositionOpened(Event):
    account: AccountId
    symbol: Symbol
    side: Side
    quantity: Quantity
    entry_price: Price
    strategy: str
    alert_id: AlertId | None
    stop_price: Price | None = None  # of the stop that rests already: it is placed before anything else is looked at


@dataclass(frozen=True)
class PositionChanged(Event):
    """Quantity or average price moved: an add, a partial exit, a take-profit."""

    account: AccountId
    symbol: Symbol
    quantity: Quantity
    entry_price: Price
    added: bool  # True when an entry added to it


@dataclass(frozen=True)
class StopPlaced(Event):
    account: AccountId
    symbol: Symbol
    client_id: ClientOrderId
    stop_price: Price


@dataclass(frozen=True)
class PositionAdopted(Event):
    """The venue holds a position we did not know: it is now watched and protected."""

    account: AccountId
    symbol: Symbol
    side: Side
    quantity: Quantity
    entry_price: Price


@dataclass(frozen=True)
class ExternalFill(Event):
    """An execution of an order that is not ours: a person on the phone, a liquidation, an ADL."""

    account: AccountId
    fill: Fill
    what: str


@dataclass(frozen=True)
class PositionClosed(Event):
    account: AccountId
    symbol: Symbol
    side: Side
    quantity: Quantity  # the most it held
    entry_price: Price
    exit_price: Price  # average over all exits
    realised_pnl: Money  # without fees
    fees: Money
    strategy: str
    alert_id: AlertId | None
    opened_at: datetime
    why: str  # "take-profit", "stop", "signal", "flattened", "outside"


@dataclass(frozen=True)
class ProtectionFailed(Event):
    """A stop could not be placed and the position is being closed instead. Always an alarm."""

    account: AccountId
    symbol: Symbol
    why: str


# --- the account -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EntryReserved(Event):
    """Room in the limits taken by an approved entry until its alert is final."""

    account: AccountId
    alert_id: AlertId
    strategy: StrategyId
    symbol: Symbol
    side: Side
    notional: Money


@dataclass(frozen=True)
class EquityMarked(Event):
    account: AccountId
    equity: Money
    wallet: Money


@dataclass(frozen=True)
class TradingPaused(Event):
    account: AccountId
    by: str
    why: str


@dataclass(frozen=True)
class TradingResumed(Event):
    """Ends a pause, the kill switch and the drawdown latch. The daily-loss latch ends with its UTC day."""

    account: AccountId
    by: str
    equity: Money  # the new high-water mark for the drawdown latch


@dataclass(frozen=True)
class KillSwitchThrown(Event):
    """No entries, and every position is closed."""

    account: AccountId
    by: str
    why: str


@dataclass(frozen=True)
class DailyLossLatched(Event):
    account: AccountId
    day: str  # UTC, YYYY-MM-DD
    lost: Money
    limit: Money


@dataclass(frozen=True)
class DrawdownLatched(Event):
    account: AccountId
    peak: Money
    equity: Money
    limit_rate: str
