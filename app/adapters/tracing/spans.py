"""One alert's events as spans: the alert, and under it each step that took time.

Ids are derived from the alert's id and the step's name, so the same story always gives the same trace. Attributes are
names, numbers and codes; no message, no prompt, no answer and no text of a venue is among them. Times are the log's.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain import events as ev
from app.domain.alert import AlertState
from app.domain.decision import Decision
from app.domain.ids import ClientOrderId, trace_id
from app.domain.vote import Vote

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened at one time inside a step."""

    name: str
    at: datetime
    about: Mapping[str, Value] = field(default_factory=dict)


@dataclass(slots=True)
class Step:
    """A span before anybody sends it. `key` is unique in its trace; `parent` is another step's, "" for the root."""

    key: str
    name: str
    parent: str
    begin: datetime
    end: datetime
    about: dict[str, Value] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    failed: bool = False


ROOT = "alert"


def trace_number(alert_id: str) -> int:
    return int(trace_id(alert_id), 16)


def span_number(alert_id: str, key: str) -> int:
    """64 bits, never 0: that would mean no span."""
    return int(hashlib.sha256(f"span|{alert_id}|{key}".encode()).hexdigest()[:16], 16) or 1


def steps_of(recorded: Sequence[ev.Recorded]) -> list[Step]:
    """The trace of a story that begins with AlertAccepted; empty for any other. The root comes first."""
    if not recorded or not isinstance(recorded[0].event, ev.AlertAccepted):
        return []
    return _Tracing(recorded[0].event, recorded).steps()


def step_of_trade(trade: ev.PositionClosed, closed_at: datetime) -> Step:
    """A position from its first fill to its end, which comes long after the alert that opened it was finished."""
    about: dict[str, Value] = {
        "position.side": trade.side,
        "position.quantity": str(trade.quantity),
        "position.entry_price": str(trade.entry_price),
        "position.exit_price": str(trade.exit_price),
        "position.realised_pnl_usdt": str(trade.realised_pnl),
        "position.fees_usdt": str(trade.fees),
        "position.closed_by": trade.why,
    }
    return Step("position", f"position {trade.symbol}", ROOT, min(trade.opened_at, closed_at), closed_at, about)


class _Tracing:
    """Reads a story once, front to back."""

    def __init__(self, accepted: ev.AlertAccepted, recorded: Sequence[ev.Recorded]) -> None:
        begin = recorded[0].at
        about: dict[str, Value] = {
            "alert.id": accepted.alert_id,
            "alert.strategy": accepted.strategy,
            "alert.account": accepted.account,
            "alert.symbol": accepted.symbol,
            "alert.preset": accepted.preset,
        }
        self._root = Step(ROOT, f"alert {accepted.symbol}", "", begin, begin, about)
        self._done: list[Step] = [Step("accept", "accept", ROOT, begin, begin)]
        self._orders: dict[ClientOrderId, Step] = {}
        self._before = begin  # when the last step ended
        self._filled_at: datetime | None = None  # the first fill of the entry: until the stop rests, it is naked
        self._recorded = recorded

    def steps(self) -> list[Step]:
        for item in self._recorded:
            self._read(item.event, item.at)
            if isinstance(item.event, ev.AlertFinished):
                break  # what comes later belongs to the position
        return [self._root, *self._done, *self._orders.values()]

    def _read(self, event: ev.Event, at: datetime) -> None:
        match event:
            case ev.SignalRead(signal=signal):
                about: dict[str, Value] = {"signal.interval": signal.interval, "signal.exit_only": signal.exit_only}
                self._ended("read", at, about)
            case ev.VerdictReached(verdict=verdict):
                self._verdict(verdict.votes, at)
                self._ended("verdict", at, {"verdict.reason": verdict.reason, "verdict.agreeing": verdict.agreeing})
            case ev.DecisionMade(decision=decision):
                self._ended("decision", at, dict(_plan(decision)))
            case ev.StopPlaced(stop_price=price):
                begin = self._filled_at or at
                self._done.append(Step("stop", "stop placed", ROOT, begin, at, {"stop.price": str(price)}))
            case ev.HandlerFailed(attempt=attempt):
                self._root.moments.append(Moment("handler failed", at, {"attempt": attempt}))
            case ev.AlertRefused(refusal=refusal):
                self._root.about |= {"refusal.stage": refusal.stage, "refusal.reason": refusal.reason}
            case ev.AlertFinished(state=state):
                self._root.end = max(at, self._root.begin)
                self._root.about["alert.state"] = state
                self._root.failed = state is AlertState.FAILED
            case _:
                self._order(event, at)

    def _ended(self, name: str, at: datetime, about: dict[str, Value]) -> None:
        """A stage of the main path, which begins where the one before it ended."""
        self._done.append(Step(name, name, ROOT, min(self._before, at), at, about))
        self._before = at

    def _verdict(self, votes: Sequence[Vote], at: datetime) -> None:
        """Votes are recorded together with the verdict; when each came follows from how long it took."""
        asked = at - timedelta(milliseconds=max((vote.latency_ms for vote in votes), default=0))
        self._before = max(self._before, asked) if asked < at else self._before
        for vote in votes:
            took = timedelta(milliseconds=vote.latency_ms)
            about: dict[str, Value] = {
                "vote.voter": vote.voter,
                "vote.outcome": str(vote.no_vote or vote.opinion),
                "vote.confidence": vote.confidence,
            }
            self._done.append(Step(f"vote {vote.seat}", f"vote {vote.seat}", "verdict", asked, asked + took, about))

    # --- orders ----------------------------------------------------------------------------------------

    def _order(self, event: ev.Event, at: datetime) -> None:
        if isinstance(event, ev.OrderIntended):
            request = event.intent.request
            about: dict[str, Value] = {
                "order.client_id": request.client_id,
                "order.leg": event.intent.leg,
                "order.side": request.side,
                "order.kind": request.kind,
                "order.quantity": str(request.quantity) if request.quantity else "all",
            }
            key, leg = f"order {request.client_id}", event.intent.leg
            self._orders[request.client_id] = Step(key, f"order {leg}", ROOT, at, at, about)
            return
        client_id = getattr(event, "client_id", None)
        step = self._orders.get(client_id) if client_id is not None else None
        if step is not None:
            for moment in _moments(event, at):
                step.moments.append(moment)
                step.end = max(step.end, at)
            step.failed |= isinstance(event, ev.OrderRejected)
            if isinstance(event, ev.OrderFilled) and step.about["order.leg"] == "entry":
                self._filled_at = self._filled_at or at


def _moments(event: ev.Event, at: datetime) -> Iterator[Moment]:
    match event:
        case ev.OrderSent():
            yield Moment("sent", at)
        case ev.OrderAccepted(venue_order_id=venue_order_id):
            yield Moment("accepted", at, {"order.venue_id": venue_order_id})
        case ev.OrderRejected(code=code):
            yield Moment("rejected", at, {"order.code": code})
        case ev.OrderOutcomeUnknown():
            yield Moment("unknown", at)
        case ev.OrderFilled(fill=fill, complete=complete):
            about: dict[str, Value] = {"fill.quantity": str(fill.quantity), "fill.price": str(fill.price)}
            yield Moment("filled" if complete else "partly filled", at, about)
        case ev.OrderCanceled():
            yield Moment("canceled", at)
        case ev.OrderExpired():
            yield Moment("expired", at)
        case _:
            pass


def _plan(decision: Decision) -> Iterator[tuple[str, Value]]:
    yield "decision.move", decision.move
    if decision.entry is not None:
        yield "decision.side", decision.entry.side
        yield "decision.quantity", str(decision.entry.quantity)
        yield "decision.leverage", decision.entry.leverage
        yield "decision.stop", str(decision.entry.stop_loss)
