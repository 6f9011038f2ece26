"""No position without a stop. Runs right after every entry, and over all symbols every few seconds in every task.

A stop closes the whole position whatever its size, so partial fills and adds are covered. When a stop cannot be placed
in three tries, or the market is already past it, the position is closed at market: that is what the stop was for.
"""

import contextlib
from collections.abc import Collection, Sequence
from decimal import Decimal
from enum import StrEnum

from app.domain import events as ev
from app.domain.errors import VenueUnavailable
from app.domain.ids import AccountId, ClientOrderId, Symbol, position_stream
from app.domain.money import Price
from app.domain.order import Accepted, OrderKind, OrderRequest, OrderState, VenueOrder
from app.domain.position import Position, VenuePosition
from app.domain.side import Side
from app.pipeline.bot import Bot
from app.pipeline.desk import Desk
from app.pipeline.exits import cancel_protection, close_all
from app.pipeline.journal import Journal
from app.pipeline.reconcile import home_stream, sync
from app.ports import OrderRow

_EMERGENCY_RATE = Decimal("0.02")  # stop distance for an adopted position when there is no market data to measure with
_SAFE_DIGITS = 4  # of a price whose tick is not known: coarse enough to be on it
_INTERVAL = "1h"  # whose ATR measures the stop of an adopted position


async def guard(desk: Desk) -> None:
    """Bring our records and the venue together, then leave the symbol protected or flat.

    Records that cannot be brought up to date now are no reason to leave a position without its stop.
    """
    trouble: VenueUnavailable | None = None
    try:
        ours = await sync(desk)
    except VenueUnavailable as error:
        trouble, ours = error, await desk.bot.records.position(desk.account, desk.symbol)
    await _protect(desk, ours)
    if trouble is not None:
        raise trouble


async def _protect(desk: Desk, ours: Position | None) -> None:
    venue = await desk.venue_position()
    if venue is None:
        await cancel_protection(desk, why="the position is closed")
        return
    journal = await desk.journal(home_stream(ours) if ours else position_stream(desk.account, desk.symbol))
    facts = await desk.bot.records.account_facts(desk.account)
    if facts.killed:
        try:
            await close_all(desk, journal, "flatten")
            await sync(desk)
            await cancel_protection(desk, why="kill switch")
        except VenueUnavailable:
            await _have_stop(desk, ours, journal)  # what cannot be closed now is protected meanwhile
            raise
        return
    await _have_stop(desk, ours, journal)


async def _have_stop(desk: Desk, ours: Position | None, journal: Journal) -> None:
    venue = await desk.venue_position()
    if venue is not None and covering_stop(await desk.exchange.open_orders(desk.symbol), venue) is None:
        desk.bot.metrics.alarm("naked_position")
        await ensure_stop(desk, journal, venue.side, await _stop_level(desk, ours, venue))


async def is_in_order(bot: Bot, account: AccountId, symbol: Symbol, venue: VenuePosition | None) -> bool:
    """A quick look: the position is as recorded, its stop rests, and so does every order that should. Changes nothing.

    Asks the venue for the symbol's book only; `venue` is its position as just told. False = `guard` has to look.
    """
    ours = await bot.records.position(account, symbol)
    rows = await bot.records.open_orders(account, symbol)
    if ours is None or venue is None:
        return ours is None and venue is None and not rows
    if (ours.side, ours.quantity, ours.entry_price) != (venue.side, venue.quantity, venue.entry_price):
        return False
    if (await bot.records.account_facts(account)).killed:
        return False
    book = await bot.exchanges[account].open_orders(symbol)
    resting = {order.client_id for order in book}
    return covering_stop(book, venue) is not None and all(_rests(row, resting) for row in rows)


def _rests(row: OrderRow, resting: Collection[str]) -> bool:
    request = row.intent.request
    accepted = row.state is OrderState.ACCEPTED and bool(row.venue_order_id)
    return accepted and request.kind.conditional and request.client_id in resting


class Protection(StrEnum):
    RESTS = "RESTS"  # the stop is at the venue
    GONE = "GONE"  # there is no position of that side to protect
    CLOSED = "CLOSED"  # no stop could be had, so the position was closed


async def ensure_stop(desk: Desk, journal: Journal, side: Side, level: Price) -> Protection:
    """Have a stop at this level resting at the venue, or no position."""
    tries = desk.bot.timing.stop_tries
    for attempt in range(tries + 1):
        venue = await desk.venue_position()
        if venue is None or venue.side is not side:
            return Protection.GONE
        if _already_past(level, venue):
            return await _flatten(desk, journal, f"the market ({venue.mark_price}) is past the stop at {level}")
        live = covering_stop(await desk.exchange.open_orders(desk.symbol), venue)
        if live is not None and live.trigger_price == level:
            await _note_stop(desk, journal, live, side, level)
            return Protection.RESTS
        if attempt == tries or desk.pause_s(journal, "stop"):
            break
        if live is not None:
            await _take_off(desk, live)
        request = _stop_request(desk, journal, side, level)
        outcome = await desk.send(journal, request, "stop")
        if isinstance(outcome, Accepted):
            await journal.record(ev.StopPlaced(desk.account, desk.symbol, request.client_id, level))
            return Protection.RESTS
        # Busy venues recover in moments; one whose answer was lost is listed in moments, if it arrived.
        await desk.bot.clock.sleep(desk.bot.timing.stop_pause_s * 2**attempt)
    return await _flatten(desk, journal, f"no stop could be placed in {tries} tries")


def covering_stop(book: Sequence[VenueOrder], venue: VenuePosition) -> VenueOrder | None:
    """The resting stop that would close all of this position, if there is one."""
    for order in book:
        whole = order.close_position or (order.reduce_only and order.quantity >= venue.quantity)
        if order.kind is OrderKind.STOP and order.side is venue.side.exit and whole and order.trigger_price is not None:
            return order
    return None


async def stop_unrecorded(desk: Desk, journal: Journal, side: Side, level: Price) -> None:
    """The database is away and a position may just have been made: place its stop all the same.

    The entry may still be on its way: it is looked for until it could not be executed any more. The stop has the id of
    the next attempt, so that the run which goes on later finds it and writes it down.
    """
    clock, timing = desk.bot.clock, desk.bot.timing
    desk.bot.metrics.alarm("stop_unrecorded")
    request, started, pause = _stop_request(desk, journal, side, level), clock.monotonic(), timing.poll_s
    while clock.monotonic() - started < desk.exchange.unknown_window_s + timing.lag_s:
        with contextlib.suppress(VenueUnavailable):
            held = await desk.venue_position()
            if held is not None and held.side is side:
                if covering_stop(await desk.exchange.open_orders(desk.symbol), held) is not None:
                    return
                await desk.exchange.place(request, sent_at=clock.now())
        await clock.sleep(pause)
        pause = min(pause * 2, timing.poll_max_s)


def _stop_request(desk: Desk, journal: Journal, side: Side, level: Price) -> OrderRequest:
    return desk.request(journal, "stop", side.exit, OrderKind.STOP, trigger_price=level, close_position=True)


async def _note_stop(desk: Desk, journal: Journal, live: VenueOrder, side: Side, level: Price) -> None:
    """A stop from an earlier attempt, or from before a crash, does the work: say so in the records."""
    client_id = ClientOrderId(live.client_id)
    if client_id == desk.next_id(journal, "stop"):  # placed while the database was away: see `stop_unrecorded`
        await desk.record_late(journal, _stop_request(desk, journal, side, level), live.venue_order_id)
    row = await desk.bot.records.order(client_id)
    ours = await desk.bot.records.position(desk.account, desk.symbol)
    if row is not None and (ours is None or ours.stop_price != level):
        await journal.record(ev.StopPlaced(desk.account, desk.symbol, ClientOrderId(live.client_id), level))


async def _take_off(desk: Desk, live: VenueOrder) -> None:
    """Remove the old stop: venues hold one whole-position stop a side. The new one follows at once."""
    row = await desk.bot.records.order(ClientOrderId(live.client_id))
    if row is not None:
        journal = await desk.journal(row.stream)
        await desk.cancel(journal, journal.story.orders[row.intent.request.client_id], "moving the stop")
    elif live.close_position:
        await desk.cancel_foreign(live)


async def _flatten(desk: Desk, journal: Journal, why: str) -> Protection:
    desk.bot.metrics.alarm("flattened")
    if desk.pause_s(journal, "flatten"):
        await close_all(desk, journal, "flatten")  # nothing new to say before the next try
    hour = desk.bot.clock.now().strftime("%Y-%m-%dT%H")
    await desk.announce(
        journal, ev.ProtectionFailed(desk.account, desk.symbol, why), once_per=f"{desk.symbol}/unprotected/{hour}"
    )
    with contextlib.suppress(VenueUnavailable):
        await sync(desk)  # on record while it is there, or its loss would be in no trade
    await close_all(desk, journal, "flatten")
    return Protection.CLOSED


def _already_past(level: Price, venue: VenuePosition) -> bool:
    return (venue.mark_price.value - level.value) * venue.side.sign <= 0


async def _stop_level(desk: Desk, ours: Position | None, venue: VenuePosition) -> Price:
    """Where the stop belongs: as recorded, as decided by an alert that is not finished, or measured now."""
    if ours is not None and ours.stop_price is not None:
        return ours.stop_price
    for stream in await _streams(desk, ours):
        decision = (await desk.journal(stream)).story.decision
        if decision is not None and decision.entry is not None and decision.entry.side is venue.side:
            return decision.entry.stop_loss
    distance = venue.mark_price.value * _EMERGENCY_RATE
    with contextlib.suppress(
        VenueUnavailable
    ):  # then the fixed distance stands: a rough stop now beats a fine one later
        view = await desk.bot.market[desk.account].view(desk.symbol, _INTERVAL)
        measured = Decimal(repr(view.atr)) * desk.bot.risk_policy.atr_stop_multiple
        if 0 < measured < venue.mark_price.value / 2:
            distance = measured
    level = venue.mark_price.value - distance * venue.side.sign
    with contextlib.suppress(VenueUnavailable, KeyError):
        return (await desk.exchange.instruments())[desk.symbol].quoted(Price(level))
    return Price(level.quantize(Decimal(1).scaleb(level.adjusted() - _SAFE_DIGITS + 1)))


async def _streams(desk: Desk, ours: Position | None) -> list[str]:
    rows = await desk.bot.records.open_orders(desk.account, desk.symbol)
    entries = [row.stream for row in rows if row.intent.request.adds_exposure]
    return ([home_stream(ours)] if ours else []) + entries
