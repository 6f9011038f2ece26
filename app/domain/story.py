"""One alert's story, folded from its events: where the pipeline resumes after a crash, and what `why` prints."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from app.domain import events as ev
from app.domain.alert import AlertState
from app.domain.decision import Decision, Refusal
from app.domain.ids import ClientOrderId
from app.domain.order import TRANSITIONS, Fill, OrderIntent, OrderState
from app.domain.signal import Signal
from app.domain.verdict import Verdict
from app.domain.vote import Vote


@dataclass(slots=True)
class OrderLine:
    """One order of the story."""

    intent: OrderIntent
    state: OrderState = OrderState.INTENT
    sent_at: datetime | None = None
    deadline: datetime | None = None
    venue_order_id: str = ""
    note: str = ""  # code and text of a rejection, or why the outcome is unknown
    fills: list[Fill] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity.value for fill in self.fills), Decimal(0))

    def fill(self, fill: Fill, *, complete: bool) -> None:
        """Count an execution once, however often it is reported."""
        known = any(seen.trade_id == fill.trade_id for seen in self.fills)
        if not known:
            self.fills.append(fill)
        if complete or not known:
            self.move(OrderState.FILLED if complete else OrderState.PARTIALLY_FILLED)

    def move(self, state: OrderState) -> None:
        """Follow the table of allowed transitions; an impossible one is ignored, for events may repeat."""
        if state is not self.state and state in TRANSITIONS[self.state]:
            self.state = state


@dataclass(slots=True)
class Story:
    """The fold. `version` is the stream version it has seen."""

    version: int = 0
    accepted: ev.AlertAccepted | None = None
    signal: Signal | None = None
    votes: list[Vote] = field(default_factory=list)
    verdict: Verdict | None = None
    decision: Decision | None = None
    refusal: Refusal | None = None
    finished: ev.AlertFinished | None = None
    closed: ev.PositionClosed | None = None
    failures: int = 0
    orders: dict[ClientOrderId, OrderLine] = field(default_factory=dict)
    log: list[ev.Recorded] = field(default_factory=list)

    @classmethod
    def of(cls, recorded: Iterable[ev.Recorded]) -> "Story":
        story = cls()
        for item in recorded:
            story.log.append(item)
            story.add(item.event)
        return story

    @property
    def state(self) -> AlertState:
        if self.finished:
            return self.finished.state
        return AlertState.WORKING if self.version > 1 else AlertState.PENDING

    def leg(self, leg: str) -> OrderLine | None:
        """The latest attempt at a leg."""
        lines = [line for line in self.orders.values() if line.intent.leg == leg]
        return lines[-1] if lines else None

    def add(self, event: ev.Event) -> None:  # noqa: C901, PLR0912 - one flat case per kind of event
        self.version += 1
        match event:
            case ev.AlertAccepted():
                self.accepted = event
            case ev.SignalRead(signal=signal):
                self.signal = signal
            case ev.VoteCast(vote=vote):
                self.votes.append(vote)
            case ev.VerdictReached(verdict=verdict):
                self.verdict = verdict
            case ev.DecisionMade(decision=decision):
                self.decision = decision
            case ev.AlertRefused(refusal=refusal):
                self.refusal = refusal
            case ev.AlertFinished():
                self.finished = event
            case ev.HandlerFailed():
                self.failures += 1
            case ev.PositionClosed():
                self.closed = event
            case ev.OrderIntended(intent=intent):
                self.orders[intent.request.client_id] = OrderLine(intent)
            case ev.OrderSent(client_id=client_id, sent_at=sent_at, deadline=deadline):
                line = self.orders[client_id]
                line.sent_at, line.deadline = sent_at, deadline
                line.move(OrderState.SENT)
            case ev.OrderAccepted(client_id=client_id, venue_order_id=venue_order_id):
                self.orders[client_id].venue_order_id = venue_order_id
                self.orders[client_id].move(OrderState.ACCEPTED)
            case ev.OrderRejected(client_id=client_id, code=code, text=text):
                self.orders[client_id].note = f"{code}: {text}"
                self.orders[client_id].move(OrderState.REJECTED)
            case ev.OrderOutcomeUnknown(client_id=client_id, reason=reason):
                self.orders[client_id].note = reason
                self.orders[client_id].move(OrderState.UNKNOWN)
            case ev.OrderFilled(client_id=client_id, fill=fill, complete=complete):
                self.orders[client_id].fill(fill, complete=complete)
            case ev.OrderCanceled(client_id=client_id, why=why):
                self.orders[client_id].note = why
                self.orders[client_id].move(OrderState.CANCELED)
            case ev.OrderExpired(client_id=client_id, why=why):
                self.orders[client_id].note = why
                self.orders[client_id].move(OrderState.EXPIRED)
            case _:
                pass
