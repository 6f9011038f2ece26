"""Leave the market for sure. An exit is never blocked, and may be sent again: reduce-only cannot add exposure.

The order of steps: take the resting targets off the book (a venue refuses to close what is already promised), close at
market, look until flat, and only then take the stop off. The position is never without its stop on the way.
"""

from decimal import Decimal

from app.domain import events as ev
from app.domain.errors import VenueUnavailable
from app.domain.money import Quantity
from app.domain.order import OrderKind, OrderState, Unknown
from app.domain.position import VenuePosition
from app.pipeline.desk import Desk
from app.pipeline.journal import Journal

_TRIES = 5


async def close_all(desk: Desk, journal: Journal, leg: str) -> None:
    """Bring the position to flat. Raises VenueUnavailable when the venue will not let us see it flat: try again."""
    await cancel_targets(desk, why="closing the position")
    for attempt in range(_TRIES):
        held = await desk.venue_position()
        if held is None:
            return
        await _close_once(desk, journal, leg, held)
        if await _flat_soon(desk, held):
            return
        await desk.bot.clock.sleep(desk.bot.timing.poll_s * 2**attempt)
    raise VenueUnavailable(f"{desk.symbol} is still not flat after {_TRIES} attempts to close it")


async def _close_once(desk: Desk, journal: Journal, leg: str, held: VenuePosition) -> None:
    """One market order for the whole position, in slices no larger than the venue takes."""
    instrument = (await desk.exchange.instruments()).get(desk.symbol)
    quantity = min(held.quantity, instrument.max_market_quantity) if instrument else held.quantity
    request = desk.request(journal, leg, held.side.exit, OrderKind.MARKET, quantity=quantity, reduce_only=True)
    outcome = await desk.send(journal, request, leg)
    if not isinstance(outcome, Unknown):
        await desk.settled(request) if journal.story.orders[request.client_id].state is OrderState.ACCEPTED else None


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

    A partial exit sent twice would close twice, so an unknown outcome is resolved before anything else happens.
    """
    line = journal.story.leg("close")
    held = await desk.venue_position()
    if line is None and held is not None:
        await cancel_targets(desk, why="reducing the position")
        instrument = (await desk.exchange.instruments())[desk.symbol]
        quantity = min(instrument.market_quantity(held.quantity.times(ratio)), held.quantity)
        if not quantity:
            quantity = min(instrument.min_quantity, held.quantity)
        request = desk.request(journal, "close", held.side.exit, OrderKind.MARKET, quantity=quantity, reduce_only=True)
        await desk.send(journal, request, "close")
        line = journal.story.leg("close")
    elif line is not None and line.state is OrderState.INTENT:
        await desk.send_intended(journal, line.intent.request)
    if line is None or line.state is OrderState.REJECTED:
        return Quantity(Decimal(0))
    if line.state in (OrderState.SENT, OrderState.UNKNOWN):
        position = await desk.bot.records.position(desk.account, desk.symbol)
        found = await desk.resolve(journal, line, before=position.quantity if position else Quantity(Decimal(0)))
    else:
        found = await desk.settled(line.intent.request)
    return found.filled if found else Quantity(Decimal(0))


async def cancel_targets(desk: Desk, why: str) -> None:
    """Take-profits and trailing stops off the book; the stop stays."""
    await _cancel_legs(desk, why, keep_stop=True)


async def cancel_protection(desk: Desk, why: str) -> None:
    """Everything of ours off the book. Only for a position that is flat."""
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
