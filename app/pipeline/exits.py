"""Leave the market for sure. An exit is never blocked, and may be sent again: reduce-only cannot add exposure.

The order of steps: take the resting targets off the book (a venue refuses to close what is already promised), close at
market, look until flat, and only then take the stop off. The position is never without its stop on the way.
"""

import contextlib
from decimal import Decimal

from app.domain import events as ev
from app.domain.errors import VenueUnavailable
from app.domain.instrument import Instrument
from app.domain.money import Quantity
from app.domain.order import Accepted, OrderKind, OrderOutcome, OrderState, Rejected
from app.domain.position import VenuePosition
from app.domain.story import OrderLine
from app.pipeline.desk import Desk
from app.pipeline.journal import Journal

_TRIES = 5
_REDUCTIONS = 12  # refused attempts, which take some minutes, before a reduction is given up


async def close_all(desk: Desk, journal: Journal, leg: str) -> None:
    """Bring the position to flat. Raises VenueUnavailable when the venue will not let us see it flat: try again."""
    with contextlib.suppress(VenueUnavailable):  # a target that cannot be taken off is no reason to stay
        await cancel_targets(desk, why="closing the position")
    for attempt in range(_TRIES):
        held = await desk.venue_position()
        if held is None:
            return
        if wait_s := desk.pause_s(journal, leg):
            raise VenueUnavailable(f"the venue keeps refusing to close {desk.symbol}: next try in {wait_s:.0f} s")
        if isinstance(await _close_once(desk, journal, leg, held), Rejected):
            await _make_way(desk, held)
        if await _flat_soon(desk, held):
            return
        await desk.bot.clock.sleep(desk.bot.timing.poll_s * 2**attempt)
    raise VenueUnavailable(f"{desk.symbol} is still not flat after {_TRIES} attempts to close it")


async def _close_once(desk: Desk, journal: Journal, leg: str, held: VenuePosition) -> OrderOutcome:
    """One market order for the whole position, in slices no larger than the venue takes."""
    instrument = await _instrument(desk)
    quantity = min(held.quantity, instrument.max_market_quantity) if instrument else held.quantity
    request = desk.request(journal, leg, held.side.exit, OrderKind.MARKET, quantity=quantity, reduce_only=True)
    outcome = await desk.send(journal, request, leg)
    if isinstance(outcome, Accepted):
        with contextlib.suppress(VenueUnavailable):  # the position says whether it is over
            await desk.settled(request)
    return outcome


async def _instrument(desk: Desk) -> Instrument | None:
    """The symbol's rules, if they can be had: leaving does not wait for them."""
    try:
        return (await desk.exchange.instruments()).get(desk.symbol)
    except VenueUnavailable:
        return None


async def _make_way(desk: Desk, held: VenuePosition) -> None:
    """Take off whatever has spoken for the position, also what others placed: a venue refuses to promise it twice.

    Everything that goes here could do nothing but reduce, and an exit comes first. Stops stay.
    """
    with contextlib.suppress(VenueUnavailable):
        for order in await desk.exchange.open_orders(desk.symbol):
            if order.side is held.side.exit and order.reduce_only and order.kind is not OrderKind.STOP:
                await desk.cancel_foreign(order)


async def _flat_soon(desk: Desk, before: VenuePosition) -> bool:
    """True when flat; False as soon as it is seen that this attempt is over and something is still held."""
    pause = desk.bot.timing.poll_s
    for _ in range(_TRIES):
        held = await desk.venue_position()
        if held is None:
            return True
        if held.quantity != before.quantity:
            return False
        await desk.bot.clock.sleep(pause)
        pause *= 2
    return False


async def reduce(desk: Desk, journal: Journal, ratio: Decimal) -> Quantity:
    """Close a share of the position once; returns what the venue executed.

    A partial exit sent twice would close twice, so an unknown outcome is resolved before anything else happens; only
    one that certainly closed nothing is sent again. Raises VenueUnavailable when it has to wait.
    """
    for attempt in range(_TRIES):
        line = journal.story.leg("close")
        if line is None or _came_to_nothing(line):
            held = await desk.venue_position()
            if held is None:
                break
            await _reduce_again(desk, journal, held, ratio)
        elif line.state is OrderState.INTENT:
            await desk.send_intended(journal, line.intent.request)
        line = journal.story.leg("close")
        if line is not None and line.state in (OrderState.SENT, OrderState.UNKNOWN):
            position = await desk.bot.records.position(desk.account, desk.symbol)
            await desk.resolve(journal, line, before=position.quantity if position else Quantity(Decimal(0)))
        if line is not None and not _came_to_nothing(line):
            return (await desk.settled(line.intent.request)).filled
        await desk.bot.clock.sleep(desk.bot.timing.poll_s * 2**attempt)
    refused = sum(line.intent.leg == "close" for line in journal.story.orders.values())
    if 0 < refused < _REDUCTIONS or desk.bot.health.why_halted(desk.account):
        raise VenueUnavailable(f"the venue refused to reduce {desk.symbol} {refused} times: tried again")
    return Quantity(Decimal(0))


async def _reduce_again(desk: Desk, journal: Journal, held: VenuePosition, ratio: Decimal) -> None:
    """The next attempt, once the venue has been left alone long enough and nothing else has spoken for the position."""
    if wait_s := desk.pause_s(journal, "close"):
        raise VenueUnavailable(f"the venue keeps refusing to reduce {desk.symbol}: next try in {wait_s:.0f} s")
    if journal.story.leg("close") is not None:
        await _make_way(desk, held)
    await _reduce_once(desk, journal, held, ratio)


def _came_to_nothing(line: OrderLine) -> bool:
    """Whether it is certain that this attempt was not executed: refused, or proven never to have arrived."""
    return line.state is OrderState.REJECTED or (line.state is OrderState.EXPIRED and not line.venue_order_id)


async def _reduce_once(desk: Desk, journal: Journal, held: VenuePosition, ratio: Decimal) -> None:
    await cancel_targets(desk, why="reducing the position")
    instrument = await _instrument(desk)
    if instrument is None:
        raise VenueUnavailable(f"the venue does not say in which steps {desk.symbol} can be reduced")
    quantity = min(instrument.market_quantity(held.quantity.times(ratio)), held.quantity)
    if not quantity:
        quantity = min(instrument.min_quantity, held.quantity)
    request = desk.request(journal, "close", held.side.exit, OrderKind.MARKET, quantity=quantity, reduce_only=True)
    await desk.send(journal, request, "close")


async def cancel_targets(desk: Desk, why: str) -> None:
    """Take-profits and trailing stops off the book; the stop stays."""
    await _cancel_legs(desk, why, keep_stop=True)


async def cancel_protection(desk: Desk, why: str) -> None:
    """Everything of ours off the book, once the venue itself says that nothing is held."""
    if await desk.venue_position() is None:
        await _cancel_legs(desk, why, keep_stop=False)


async def _cancel_legs(desk: Desk, why: str, *, keep_stop: bool) -> None:
    for row in await desk.bot.records.open_orders(desk.account, desk.symbol):
        request = row.intent.request
        if request.adds_exposure or (keep_stop and request.close_position):
            continue
        journal = await desk.journal(row.stream)
        line = journal.story.orders[request.client_id]
        if line.state is OrderState.INTENT:
            await journal.record(ev.OrderExpired(request.client_id, f"never sent: {why}"))
        elif line.intent.request.kind.conditional:
            await desk.cancel(journal, line, why)
