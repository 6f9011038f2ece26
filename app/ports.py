"""What the pipeline needs from the outside world. Adapters implement these; `tests/fakes.py` does too.

Times are UTC-aware, `*_s` are seconds. Methods that ask a venue raise VenueUnavailable when there is no answer;
methods that touch storage raise StorageUnavailable. `Exchange.place` never raises: its outcome is a value.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from app.domain.alert import Alert, AlertState
from app.domain.candle import MarketView
from app.domain.decision import DenyReason
from app.domain.events import Event, PositionClosed, Recorded
from app.domain.ids import AccountId, AlertId, ClientOrderId, StrategyId, Symbol
from app.domain.instrument import Instrument
from app.domain.money import Money
from app.domain.order import Fill, OrderIntent, OrderOutcome, OrderRequest, OrderState, Rejected, VenueOrder
from app.domain.position import AccountBalance, Position, VenuePosition
from app.domain.signal import Signal
from app.domain.vote import Seat, Vote

# --- time ------------------------------------------------------------------------------------------


class Clock(Protocol):
    def now(self) -> datetime:
        """UTC, the time the venue and the alerts live in. A replay may run it faster than real time."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step: for deadlines and latencies. Always real time."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Real seconds."""
        ...


# --- storage ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fence:
    """Proof of holding a lane. The token grows with every change of hands; an old one is refused."""

    account: AccountId
    symbol: Symbol
    token: int


@dataclass(frozen=True, slots=True)
class Append:
    """Events for one stream, to follow the version the writer last saw (0 = the stream does not exist yet)."""

    stream: str
    expected_version: int
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A text for people, to be delivered from the outbox. The same key is queued once."""

    key: str
    text: str


class EventLog(Protocol):
    async def append(self, *appends: Append, fence: Fence | None = None, messages: Sequence[Message] = ()) -> None:
        """Record all or nothing, in one transaction with the projections and the outbox.

        Raises VersionConflict when a stream has moved on, LaneLost when the fence is no longer valid.
        """
        ...

    async def read(self, stream: str) -> Sequence[Recorded]:
        """The whole stream, oldest first; empty when it does not exist."""
        ...


@dataclass(frozen=True, slots=True)
class PutResult:
    alert_id: AlertId  # of the stored alert: for a duplicate, the first one's
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """An alert to work on, with the lane that makes this worker the only one on its symbol."""

    alert: Alert
    fence: Fence
    attempt: int  # 1 on the first try
    followed: bool = False  # another alert waits behind it in the lane


class AlertInbox(Protocol):
    async def put(self, alert: Alert) -> PutResult:
        """Store durably and record AlertAccepted; an alert with a known dedupe key is a duplicate, not an error."""
        ...

    async def claim(self, owner: str, lease_s: float) -> Claim | None:
        """The oldest unfinished alert whose lane is free; None when there is nothing to do."""
        ...

    async def release(self, claim: Claim, *, rest_s: float = 0.0) -> None:
        """Give the lane back. An alert that is not final becomes claimable again after `rest_s`."""
        ...

    async def backlog(self) -> int:
        """How many alerts are not final."""
        ...


class Lanes(Protocol):
    """Serial lanes, one per (account, symbol), held by lease."""

    async def take(self, account: AccountId, symbol: Symbol, owner: str, lease_s: float) -> Fence | None:
        """Hold a free lane; None when somebody else does."""
        ...

    async def renew(self, fence: Fence, lease_s: float) -> None:
        """Raises LaneLost when the lease ran out and somebody took it."""
        ...

    async def give_back(self, fence: Fence) -> None: ...


@dataclass(frozen=True, slots=True)
class OrderRow:
    """Where one of our orders stands, as projected from its events."""

    intent: OrderIntent
    state: OrderState
    venue_order_id: str
    sent_at: datetime | None
    deadline: datetime | None
    filled: Decimal
    stream: str  # where its events go


@dataclass(frozen=True, slots=True)
class StrategyRecord:
    """What a strategy has done so far."""

    trades: int
    wins: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """Room taken by an approved entry whose alert is not final yet."""

    alert_id: AlertId
    symbol: Symbol
    notional: Money
    entered: bool = False  # the venue has taken the entry: what it calls available is without its margin


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """Everything the risk stage reads about an account at one version of its stream."""

    version: int  # of the account stream: append EntryReserved after exactly this
    paused: bool
    killed: bool
    daily_loss_day: date | None  # the UTC day the daily-loss latch closed, if any
    drawdown_latched: bool
    day: date | None  # the UTC day `day_start_equity` belongs to
    day_start_equity: Money | None
    peak_equity: Money | None
    entries_at: tuple[datetime, ...]  # times of the EntryReserved of the last hour, oldest first
    last_entry_at: Mapping[Symbol, datetime]
    reservations: tuple[Reservation, ...]
    positions: tuple[Position, ...]


class Records(Protocol):
    """Reads of the projections."""

    async def account_facts(self, account: AccountId) -> AccountFacts: ...

    async def strategy_record(self, strategy: StrategyId) -> StrategyRecord: ...

    async def newest_signal(self, account: AccountId, symbol: Symbol, strategy: StrategyId) -> Signal | None:
        """The newest signal (bar time, then firing time) of those already worked on, refused ones included."""
        ...

    async def position(self, account: AccountId, symbol: Symbol) -> Position | None: ...

    async def open_orders(self, account: AccountId, symbol: Symbol) -> Sequence[OrderRow]:
        """Our orders that are not final."""
        ...

    async def order(self, client_id: ClientOrderId) -> OrderRow | None: ...

    async def order_by_venue_id(self, account: AccountId, symbol: Symbol, venue_order_id: str) -> OrderRow | None: ...

    async def fill_known(self, account: AccountId, symbol: Symbol, trade_id: str) -> bool: ...

    async def fills_of_position(self, position: Position) -> Sequence[tuple[ClientOrderId | None, Fill]]:
        """All fills on the symbol since the position was opened, oldest first."""
        ...

    async def last_fill_at(self, account: AccountId, symbol: Symbol) -> datetime | None: ...

    async def symbols_in_use(self, account: AccountId) -> Sequence[Symbol]:
        """Symbols with an open position or an order that is not final."""
        ...


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One alert in a list."""

    alert: Alert
    state: AlertState
    summary: str  # of AlertFinished; "" before


@dataclass(frozen=True, slots=True)
class Trade:
    """A closed position."""

    trade_id: int  # grows with time
    closed_at: datetime
    what: PositionClosed


class Queries(Protocol):
    """Reads for people: the API and the command line. Newest first, `before` continues a page."""

    async def alerts(self, *, limit: int, before: AlertId | None = None) -> Sequence[AlertLine]: ...

    async def alert(self, alert_id: AlertId) -> tuple[Alert, Sequence[Recorded]] | None: ...

    async def orders(self, *, limit: int, before: str | None = None) -> Sequence[OrderRow]:
        """`before` is a client id."""
        ...

    async def positions(self) -> Sequence[Position]: ...

    async def trades(self, *, limit: int, before: int | None = None) -> Sequence[Trade]: ...

    async def ping(self) -> None:
        """Raises StorageUnavailable when the database does not answer."""
        ...


# --- between processes (Redis where there is one; the bot trades on without it) -----------------------


class Bell(Protocol):
    def ring(self) -> None:
        """Never blocks, never raises."""
        ...


class Doorbell(Bell, Protocol):
    """Wakes workers when there is work, in every process. Losing a ring costs one polling interval, nothing else."""

    async def wait(self, timeout_s: float) -> None:
        """Returns at the next ring or after the timeout."""
        ...


class RateLimiter(Protocol):
    async def allow(self, key: str, *, limit: int, window_s: float) -> bool:
        """Count one; False when there were more than `limit` in the window. Fails open to a local count."""
        ...


# --- the venue -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VenueNews:
    """A hint from the user stream that something changed; REST is the truth. symbol None = look at everything."""

    symbol: Symbol | None
    what: str


class Exchange(Protocol):
    """One account on one venue. Sizes in base units, prices in quote currency, on every venue."""

    name: str
    unknown_window_s: float  # after `deadline + this`, an order the venue does not list was never executed

    async def server_time(self) -> datetime: ...

    async def instruments(self) -> Mapping[Symbol, Instrument]:
        """Cached for at most an hour; a symbol that is not in it is not tradable."""
        ...

    async def balance(self) -> AccountBalance: ...

    async def positions(self) -> Sequence[VenuePosition]: ...  # open ones only

    async def prepare(self, symbol: Symbol, leverage: int) -> Rejected | None:
        """One-way mode, isolated margin and this leverage; "already so" is success.

        Returns the venue's refusal when it will not have it so. Raises VenueUnavailable when it gives no answer.
        """
        ...

    async def place(self, request: OrderRequest, *, sent_at: datetime) -> OrderOutcome:
        """Send once, stamped `sent_at`, so that the venue itself refuses a request that left too late. Never raises."""
        ...

    async def find(self, request: OrderRequest) -> VenueOrder | None:
        """Look the order up by its client id; None when the venue does not know it (which is not yet proof)."""
        ...

    async def cancel(self, request: OrderRequest) -> bool:
        """True when it is off the book (cancelled now, or already gone); False when it was executed instead."""
        ...

    async def open_orders(self, symbol: Symbol) -> Sequence[VenueOrder]:
        """Regular and conditional, ours and others'."""
        ...

    async def fills(self, symbol: Symbol, since: datetime) -> Sequence[Fill]:
        """Executions at or after `since`, oldest first, at most the venue's page; repeats are fine."""
        ...

    def news(self) -> AsyncIterator[VenueNews]:
        """The user stream. Reconnects by itself; says `symbol=None` after every gap."""
        ...

    async def close(self) -> None: ...


class MarketData(Protocol):
    async def view(self, symbol: Symbol, interval: str) -> MarketView:
        """Closed candles up to now and the mark price. Raises VenueUnavailable when stale or missing."""
        ...


# --- judges and listeners --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """What the seats are asked about. Numbers and enums only: no text of an alert ever gets here."""

    signal: Signal
    view: MarketView
    prompt: str


class Voter(Protocol):
    seat: Seat
    name: str  # of the model, for the record

    async def vote(self, case: Case) -> Vote:
        """One opinion. Raises on any failure: the pipeline turns that into a no-vote, never the voter."""
        ...


class Prompter(Protocol):
    def prompt(self, signal: Signal, view: MarketView) -> str:
        """The question all language models are asked."""
        ...


class Notifier(Protocol):
    async def send(self, text: str) -> None:
        """Deliver one short message. Raises on failure: the outbox tries again later."""
        ...


class Outbox(Protocol):
    async def put(self, key: str, text: str) -> None:
        """Queue a message; the same key is queued once."""
        ...

    async def due(self, limit: int) -> Sequence[tuple[str, str]]:
        """(key, text) of messages to try now, oldest first."""
        ...

    async def delivered(self, key: str) -> None: ...

    async def failed(self, key: str, error: str) -> None:
        """Try again later, with growing pauses; after about a day it is kept as undelivered."""
        ...


class Metrics(Protocol):
    """Counters the pipeline raises; every label is from a closed set."""

    def refused(self, reason: DenyReason) -> None: ...
    def finished(self, state: str, seconds: float) -> None: ...
    def voted(self, seat: Seat, outcome: str, seconds: float) -> None: ...
    def ordered(self, leg: str, outcome: str) -> None: ...
    def alarm(self, what: str) -> None: ...
