"""The desk: the one place where orders leave. Intent before wire, one outcome per request, nothing assumed.

Each request is committed as an intent, then committed as sent with a deadline, then sent once. What comes back is
Accepted, Rejected or Unknown; Unknown is resolved by looking, never by sending again (see `resolve`).
"""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from app.domain import events as ev
from app.domain.errors import VenueUnavailable, VersionConflict
from app.domain.ids import AccountId, AlertId, ClientOrderId, Symbol, account_stream, client_order_id
from app.domain.money import Price, Quantity
from app.domain.order import (
    Accepted,
    Halt,
    OrderIntent,
    OrderKind,
    OrderOutcome,
    OrderRequest,
    OrderState,
    Rejected,
    Unknown,
    VenueOrder,
)
from app.domain.position import VenuePosition
from app.domain.side import OrderSide
from app.domain.story import OrderLine
from app.pipeline.bot import Bot
from app.pipeline.journal import Journal
from app.pipeline.wording import message_for_event, one_line
from app.ports import Append, Exchange, Fence, Message

_REFUSALS = 5  # of one leg in a row, before there is a pause between tries
_LONGEST_PAUSE_S = 60.0
_SAME_STREAK = timedelta(seconds=2 * _LONGEST_PAUSE_S)  # refusals further apart have nothing to do with each other


@dataclass(slots=True)
class Desk:
    """One symbol of one account, held by this worker for as long as its fence is good."""

    bot: Bot
    fence: Fence
    _journals: dict[str, Journal] = field(default_factory=dict)

    @property
    def account(self) -> AccountId:
        return self.fence.account

    @property
    def symbol(self) -> Symbol:
        return self.fence.symbol

    @property
    def exchange(self) -> Exchange:
        return self.bot.exchanges[self.account]

    async def journal(self, stream: str) -> Journal:
        """The one open journal of a stream: two would disagree about its version."""
        if stream not in self._journals:
            self._journals[stream] = await Journal.open(self.bot.log, stream, self.fence)
        return self._journals[stream]

    def open_journals(self) -> tuple[Journal, ...]:
        return tuple(self._journals.values())

    async def announce(self, journal: Journal, event: ev.Event, *, once_per: str = "") -> None:
        """Record something people must hear about, and queue a message: one for each `once_per`, if given."""
        text = message_for_event(event)
        key = f"{journal.stream}/{once_per or journal.story.version + 1}"
        await journal.record(event, messages=[Message(key, text)] if text else [])

    async def venue_position(self) -> VenuePosition | None:
        held = [p for p in await self.exchange.positions() if p.symbol == self.symbol]
        return held[0] if held else None

    # --- sending -------------------------------------------------------------------------------------

    def request(
        self,
        journal: Journal,
        leg: str,
        side: OrderSide,
        kind: OrderKind,
        *,
        quantity: Quantity | None = None,
        trigger_price: Price | None = None,
        callback_rate: Decimal | None = None,
        reduce_only: bool = False,
        close_position: bool = False,
    ) -> OrderRequest:
        """A request for the next attempt at this leg."""
        return OrderRequest(
            client_id=self.next_id(journal, leg),
            account=self.account,
            symbol=self.symbol,
            side=side,
            kind=kind,
            quantity=quantity,
            trigger_price=trigger_price,
            callback_rate=callback_rate,
            reduce_only=reduce_only,
            close_position=close_position,
        )

    def pause_s(self, journal: Journal, leg: str) -> float:
        """Seconds to leave a leg alone that the venue has refused again and again; the pause grows to a minute."""
        lines = [line for line in journal.story.orders.values() if line.intent.leg == leg]
        now = last = self.bot.clock.now()
        refusals = 0
        for line in reversed(lines):
            if line.state is not OrderState.REJECTED or line.sent_at is None or last - line.sent_at > _SAME_STREAK:
                break
            last, refusals = line.sent_at, refusals + 1
        if refusals <= _REFUSALS:
            return 0.0
        pause_s = min(2.0 ** min(refusals - _REFUSALS, 10), _LONGEST_PAUSE_S)
        since_s = (now - (lines[-1].sent_at or now)).total_seconds()
        return min(max(pause_s - since_s, 0.0), pause_s)  # a clock that was set back makes it no longer

    def next_id(self, journal: Journal, leg: str) -> ClientOrderId:
        """The client id of the next attempt at this leg; the first attempt is epoch 0."""
        epoch = sum(line.intent.leg == leg for line in journal.story.orders.values())
        return client_order_id(journal.stream, leg, epoch)

    async def send(self, journal: Journal, request: OrderRequest, leg: str) -> OrderOutcome:
        """Commit the intent, commit that it leaves, send it once, commit what came back."""
        alert_id = AlertId(journal.stream.removeprefix("alert:")) if journal.stream.startswith("alert:") else None
        await journal.record(ev.OrderIntended(OrderIntent(request, leg, alert_id)))
        return await self.send_intended(journal, request)

    async def send_intended(self, journal: Journal, request: OrderRequest) -> OrderOutcome:
        """The second half of `send`, for an intent that is committed and was never sent."""
        clock, timing = self.bot.clock, self.bot.timing
        sent_at, started = clock.now(), clock.monotonic()
        deadline = sent_at + timedelta(seconds=timing.send_deadline_s)
        await journal.record(ev.OrderSent(request.client_id, sent_at, deadline))
        if clock.monotonic() - started > timing.send_deadline_s:
            # This process was stopped between the commit and here. Whoever looks for the order from now on may
            # already have found it absent, so it must not leave any more.
            outcome: OrderOutcome = Unknown("held up before sending; not sent")
        else:
            outcome = await self.exchange.place(request, sent_at=sent_at)
        await self._record_outcome(journal, request, outcome)
        return outcome

    async def record_late(self, journal: Journal, request: OrderRequest, venue_order_id: str) -> None:
        """Write down an order that left while nothing could be written, and was found at the venue since."""
        now = self.bot.clock.now()
        intent = OrderIntent(request, "stop", AlertId(journal.stream.removeprefix("alert:")))
        await journal.record(
            ev.OrderIntended(intent),
            ev.OrderSent(request.client_id, now, now),
            ev.OrderAccepted(request.client_id, venue_order_id),
        )

    async def _record_outcome(self, journal: Journal, request: OrderRequest, outcome: OrderOutcome) -> None:
        leg = journal.story.orders[request.client_id].intent.leg
        match outcome:
            case Accepted(venue_order_id=venue_order_id):
                await journal.record(ev.OrderAccepted(request.client_id, venue_order_id))
            case Rejected(code=code, text=text):
                await journal.record(ev.OrderRejected(request.client_id, code, text))
                await self.halt(outcome)
            case Unknown(reason=reason):
                await journal.record(ev.OrderOutcomeUnknown(request.client_id, reason))
        self.bot.metrics.ordered(leg, type(outcome).__name__.lower())

    async def halt(self, refusal: Rejected) -> None:
        """Open nothing any more when a refusal says so: until a look has succeeded, or until a person resumes."""
        if refusal.halt is Halt.NO:
            return
        why = f"{refusal.code}: {refusal.text}"
        self.bot.health.halt(self.account, why, self.bot.clock.monotonic())
        self.bot.metrics.alarm("entries_halted")
        if refusal.halt is Halt.UNTIL_RESUMED:
            await self._pause(why)

    async def _pause(self, why: str) -> None:
        """Record the pause once and say so; whoever else writes to the account meanwhile is let through first."""
        stream = account_stream(self.account)
        if (await self.bot.records.account_facts(self.account)).paused:
            hour = self.bot.clock.now().strftime("%Y-%m-%dT%H")
            text = f"🚨 {self.account} is paused, and the venue refuses even exits and stops: {one_line(why, 300)}."
            await self.bot.outbox.put(f"{stream}/refused/{hour}", text)
        while not (facts := await self.bot.records.account_facts(self.account)).paused:
            event = ev.TradingPaused(self.account, "the venue", why)
            message = Message(f"{stream}/{facts.version}/{event.type}", message_for_event(event) or why)
            with contextlib.suppress(VersionConflict):
                await self.bot.log.append(Append(stream, facts.version, (event,)), messages=[message])

    # --- looking -------------------------------------------------------------------------------------

    async def resolve(
        self,
        journal: Journal,
        line: OrderLine,
        *,
        before: Quantity,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> VenueOrder | None:
        """Find out what became of an order whose outcome is unknown. `before` is the position size before it was sent.

        Returns the venue's record of it, or None once it is proven that it was never executed: the venue does not list
        it after its window closed, and the position has not moved. A position that was moved by others proves nothing
        either way; then the venue not listing the order until we give up has to do. Raises VenueUnavailable when
        neither can be had in time; the order then stays UNKNOWN for the next try. `meanwhile` is done between looks.
        """
        clock, request = self.bot.clock, line.intent.request
        started, pause = clock.monotonic(), self.bot.timing.poll_s
        while True:
            found = await self._look(request)
            if found is not None:
                await self.record_found(journal, found)
                return found
            late = clock.monotonic() - started > self.bot.timing.unknown_give_up_s
            if await self._window_closed(line, started) and (absent := await self._absent(request, before, late=late)):
                await journal.record(ev.OrderExpired(request.client_id, absent))
                return None
            if late:
                raise VenueUnavailable(f"order {request.client_id} is neither found nor proven absent")
            if meanwhile is not None:
                with contextlib.suppress(VenueUnavailable):
                    await meanwhile()
            await clock.sleep(pause)
            pause = min(pause * 2, self.bot.timing.poll_max_s)

    async def _window_closed(self, line: OrderLine, started: float) -> bool:
        """Has the time passed after which the venue refuses the request? By its clock, or by waiting it out."""
        waited_s = self.bot.clock.monotonic() - started
        if waited_s >= self.bot.timing.send_deadline_s + self.exchange.unknown_window_s:
            return True
        return line.deadline is not None and await self.is_past(line.deadline)

    async def is_past(self, deadline: datetime) -> bool:
        """Whether nothing sent before the deadline can be executed any more, by the venue's clock: ours may step."""
        closes = deadline + timedelta(seconds=self.exchange.unknown_window_s)
        if self.bot.clock.now() < closes:
            return False
        try:
            return await self.exchange.server_time() >= closes
        except VenueUnavailable:
            return False

    async def _look(self, request: OrderRequest) -> VenueOrder | None:
        try:
            return await self.exchange.find(request)
        except VenueUnavailable:
            return None  # no answer is not an answer; the caller keeps asking until its own limit

    async def _absent(self, request: OrderRequest, before: Quantity, *, late: bool) -> str:
        """Why it is certain that the order was never executed; "" when it is not."""
        try:
            # A second look after the window closed: the first may have been asked a moment before the order arrived.
            if await self.exchange.find(request) is not None:
                return ""
            held = await self.venue_position()
        except VenueUnavailable:
            return ""
        if (held.quantity if held else Quantity(Decimal(0))) == before:
            return "not at the venue after its window closed, position unchanged"
        return "not at the venue long after its window closed; the position was moved by other orders" if late else ""

    async def record_found(self, journal: Journal, found: VenueOrder) -> None:
        """The venue knows the order: note its number, and its end if it ended without being executed."""
        line = next(o for o in journal.story.orders.values() if o.intent.request.client_id == found.client_id)
        if not line.venue_order_id:
            await journal.record(ev.OrderAccepted(line.intent.request.client_id, found.venue_order_id))
        await self.record_end(journal, line, found)

    async def record_end(self, journal: Journal, line: OrderLine, found: VenueOrder) -> None:
        """Note a cancellation, lapse or late rejection. Fills are recorded one by one by the reconciler."""
        client_id = line.intent.request.client_id
        if line.state.final or line.state is found.state:
            return
        if found.state is OrderState.CANCELED:
            await journal.record(ev.OrderCanceled(client_id, "cancelled at the venue"))
        elif found.state is OrderState.EXPIRED:
            await journal.record(ev.OrderExpired(client_id, "lapsed at the venue"))
        elif found.state is OrderState.REJECTED:
            await journal.record(ev.OrderRejected(client_id, 0, "rejected by the venue after it was accepted"))

    async def settled(
        self, request: OrderRequest, meanwhile: Callable[[], Awaitable[None]] | None = None
    ) -> VenueOrder:
        """An accepted market order in its final state, or partly filled when its rest takes too long.

        `meanwhile` is done between looks.

        Raises VenueUnavailable when no execution was seen in time: the venue has the order, so it may yet come.
        """
        clock, timing = self.bot.clock, self.bot.timing
        started, pause, seen = clock.monotonic(), timing.poll_s, None
        while clock.monotonic() - started < timing.fill_wait_s:
            found = await self._look(request)
            seen = found or seen
            if found is not None and found.state.final:
                return found
            if meanwhile is not None:
                with contextlib.suppress(VenueUnavailable):
                    await meanwhile()
            await clock.sleep(pause)
            pause = min(pause * 2, timing.poll_max_s)
        if seen is None or not seen.filled:
            raise VenueUnavailable(f"order {request.client_id} was accepted, and no end of it was seen")
        return seen

    async def cancel(self, journal: Journal, line: OrderLine, why: str) -> bool:
        """Take an order off the book; False when it was executed instead. Raises VenueUnavailable."""
        if line.state.final:
            return True
        await self.bot.lanes.renew(self.fence, self.bot.timing.lease_s)  # a worker that lost its lane cancels nothing
        gone = await self.exchange.cancel(line.intent.request)
        if gone:
            await journal.record(ev.OrderCanceled(line.intent.request.client_id, why))
        return gone

    async def cancel_foreign(self, order: VenueOrder) -> bool:
        """Take an order off the book that we did not place, as `cancel` does with ours."""
        request = OrderRequest(
            client_id=ClientOrderId(order.client_id),
            account=self.account,
            symbol=self.symbol,
            side=order.side,
            kind=order.kind or OrderKind.MARKET,  # of the kinds we never send, only regular ones are reached
            quantity=order.quantity,
            reduce_only=order.reduce_only,
            close_position=order.close_position,
        )
        return await self.exchange.cancel(request)
