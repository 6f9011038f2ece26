"""Storage, watched: whoever counts or traces hears of what was committed, right after it was, and never before.

A listener that breaks is logged and costs nothing else: the event is stored, and that is what counts.
"""

from collections.abc import Callable, Sequence

import structlog

from app.adapters.metrics.prometheus import PrometheusMetrics
from app.domain import events as ev
from app.domain.alert import Alert
from app.domain.ids import AccountId, Symbol
from app.domain.order import OrderState
from app.ports import AlertInbox, Append, Claim, EventLog, Fence, Lanes, Message, PutResult

log = structlog.get_logger(__name__)
Listener = Callable[[str, ev.Event], None]
"""Stream and event. Called inside the event loop: must not block."""

STATES_OF_EVENTS: dict[type[ev.Event], OrderState] = {
    ev.OrderIntended: OrderState.INTENT,
    ev.OrderSent: OrderState.SENT,
    ev.OrderAccepted: OrderState.ACCEPTED,
    ev.OrderRejected: OrderState.REJECTED,
    ev.OrderOutcomeUnknown: OrderState.UNKNOWN,
    ev.OrderCanceled: OrderState.CANCELED,
    ev.OrderExpired: OrderState.EXPIRED,
}


class WatchedEventLog:
    """An EventLog that tells `listeners` of every event it has stored."""

    def __init__(self, inner: EventLog, listeners: Sequence[Listener]) -> None:
        self._inner = inner
        self._listeners = tuple(listeners)

    async def append(self, *appends: Append, fence: Fence | None = None, messages: Sequence[Message] = ()) -> None:
        await self._inner.append(*appends, fence=fence, messages=messages)
        for append in appends:
            for event in append.events:
                self._tell(append.stream, event)

    async def read(self, stream: str) -> Sequence[ev.Recorded]:
        return await self._inner.read(stream)

    def _tell(self, stream: str, event: ev.Event) -> None:
        for listener in self._listeners:
            try:
                listener(stream, event)
            except Exception:
                log.exception("a listener broke", what=event.type)


class CountedInbox:
    """An AlertInbox that counts what was stored, and the lanes that were claimed with it.

    Outermost, so that an alert which was spilled counts too.
    """

    def __init__(self, inner: AlertInbox, metrics: PrometheusMetrics) -> None:
        self._inner = inner
        self._metrics = metrics

    async def put(self, alert: Alert) -> PutResult:
        stored = await self._inner.put(alert)
        self._metrics.taken("duplicate" if stored.duplicate else "accepted")
        return stored

    async def claim(self, owner: str, lease_s: float) -> Claim | None:
        claim = await self._inner.claim(owner, lease_s)
        if claim is not None:
            self._metrics.holds(+1)
        return claim

    async def release(self, claim: Claim, *, rest_s: float = 0.0) -> None:
        """Not ours any more from here on, even if storage cannot be told: the lease then runs out."""
        self._metrics.holds(-1)
        await self._inner.release(claim, rest_s=rest_s)

    async def backlog(self) -> int:
        return await self._inner.backlog()


class CountedLanes:
    """Lanes that count those held."""

    def __init__(self, inner: Lanes, metrics: PrometheusMetrics) -> None:
        self._inner = inner
        self._metrics = metrics

    async def take(self, account: AccountId, symbol: Symbol, owner: str, lease_s: float) -> Fence | None:
        fence = await self._inner.take(account, symbol, owner, lease_s)
        if fence is not None:
            self._metrics.holds(+1)
        return fence

    async def renew(self, fence: Fence, lease_s: float) -> None:
        await self._inner.renew(fence, lease_s)

    async def give_back(self, fence: Fence) -> None:
        self._metrics.holds(-1)
        await self._inner.give_back(fence)


def counting(metrics: PrometheusMetrics) -> Listener:
    """A listener that counts decisions, the states orders come into, and what closed positions have made."""

    def count(_: str, event: ev.Event) -> None:
        match event:
            case ev.DecisionMade(decision=decision):
                metrics.decided(decision.move)
            case ev.OrderFilled(complete=complete):
                metrics.order_is(OrderState.FILLED if complete else OrderState.PARTIALLY_FILLED)
            case ev.PositionClosed():
                metrics.closed(event)
            case _ if type(event) in STATES_OF_EVENTS:
                metrics.order_is(STATES_OF_EVENTS[type(event)])
            case _:
                pass

    return count
