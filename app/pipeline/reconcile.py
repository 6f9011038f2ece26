"""Make our records say what the venue says: orders, fills, position. The venue is the truth; streams only ring a bell.

`sync` runs under the lane of its symbol, before every alert is decided, after every order, and every few seconds for
all symbols in use. It changes nothing at the venue. A fill counts once, by its trade id. What the venue holds and we
do not know is adopted; protecting it is the guardian's work. VenueUnavailable means nothing is known: open nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from app.domain import events as ev
from app.domain.ids import ClientOrderId, alert_stream, position_stream
from app.domain.money import NO_MONEY, Money, Price, Quantity
from app.domain.order import Fill, OrderState, VenueOrder
from app.domain.position import Position, VenuePosition
from app.pipeline.desk import Desk
from app.pipeline.journal import Journal
from app.ports import OrderRow

_OVERLAP = timedelta(seconds=5)  # fills are asked for again this far back: venues stamp and list them late
_LOOKBACK = timedelta(hours=1)  # when nothing tells since when
_LONGEST_LOOKBACK = timedelta(days=7)  # what venues answer in one page; every look covers it again
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


async def sync(desk: Desk) -> Position | None:
    """Our position after our records agree with the venue."""
    clock, timing = desk.bot.clock, desk.bot.timing
    started, pause = clock.monotonic(), timing.poll_s
    while True:
        rows = list(await desk.bot.records.open_orders(desk.account, desk.symbol))
        limbo, children = await _settle_orders(desk, rows)
        venue = await desk.venue_position()
        await _record_fills(desk, rows, children, limbo=bool(limbo))
        ours = await desk.bot.records.position(desk.account, desk.symbol)
        late = clock.monotonic() - started > timing.lag_s
        if ours is None and venue is not None and any(_may_have_opened(row) for row in limbo):
            return None  # an order of ours is being looked for: the position is most likely its own
        if ours is None or venue is not None or late or await _exits_explain(desk, ours):
            break
        # Seen flat a moment before the last fill is listed: without it the trade would be told wrong for ever.
        await clock.sleep(pause)
        pause = min(pause * 2, timing.poll_max_s)
    await _follow_position(desk, ours, venue)
    return await desk.bot.records.position(desk.account, desk.symbol)


def _may_have_opened(row: OrderRow) -> bool:
    return row.intent.request.adds_exposure and not row.venue_order_id


# --- orders ------------------------------------------------------------------------------------------


async def _settle_orders(desk: Desk, rows: Sequence[OrderRow]) -> tuple[list[OrderRow], dict[str, ClientOrderId]]:
    """Bring every order that is not final up to date.

    Returns those that are still unresolved, and the venue numbers of orders that our conditional orders became.
    """
    on_book = {order.client_id for order in await desk.exchange.open_orders(desk.symbol)} if rows else set()
    limbo, children = list[OrderRow](), dict[str, ClientOrderId]()
    for row in rows:
        request = row.intent.request
        if row.state is OrderState.INTENT or (request.client_id in on_book and row.venue_order_id):
            continue
        found = await desk.exchange.find(request)
        journal = await desk.journal(row.stream)
        if found is None:
            if not await _lapsed(desk, journal, row):
                limbo.append(row)
            continue
        if found.child_order_id:
            children[found.child_order_id] = request.client_id
        await _note(desk, journal, row, found)
    return limbo, children


async def _lapsed(desk: Desk, journal: Journal, row: OrderRow) -> bool:
    """Whether an order that the venue does not list is over: once its window has closed, not before.

    An entry that may never have arrived is proven absent by its alert, as long as that is being worked on.
    """
    closed = row.deadline is not None and await desk.is_past(row.deadline)
    if not closed or (_may_have_opened(row) and journal.story.finished is None):
        return False
    await journal.record(ev.OrderExpired(row.intent.request.client_id, "not listed by the venue"))
    return True


async def _note(desk: Desk, journal: Journal, row: OrderRow, found: VenueOrder) -> None:
    line = journal.story.orders[row.intent.request.client_id]
    if not line.venue_order_id:
        await journal.record(ev.OrderAccepted(row.intent.request.client_id, found.venue_order_id))
    if found.state is OrderState.REJECTED and line.state is OrderState.ACCEPTED:
        desk.bot.metrics.alarm("conditional_rejected_at_trigger")
    await desk.record_end(journal, line, found)


# --- fills -------------------------------------------------------------------------------------------


async def _record_fills(
    desk: Desk, rows: Sequence[OrderRow], children: dict[str, ClientOrderId], *, limbo: bool
) -> None:
    records, asked = desk.bot.records, False
    for fill in await desk.exchange.fills(desk.symbol, await _fills_since(desk, rows)):
        if await records.fill_known(desk.account, desk.symbol, fill.trade_id):
            continue
        row = await _order_of(desk, fill, children)
        if row is None and not asked:  # an order that was still on the book may have triggered since
            asked, children = True, children | await _triggered(desk, rows)
            row = await _order_of(desk, fill, children)
        if row is not None:
            journal = await desk.journal(row.stream)
            line = journal.story.orders[row.intent.request.client_id]
            wanted = row.intent.request.quantity
            complete = wanted is not None and line.filled + fill.quantity.value >= wanted.value
            complete |= row.intent.request.close_position and await desk.venue_position() is None
            await journal.record(ev.OrderFilled(row.intent.request.client_id, fill, complete))
        elif not limbo:
            position = await records.position(desk.account, desk.symbol)
            if position is not None and fill.at >= position.opened_at:
                journal = await desk.journal(home_stream(position))
                await journal.record(ev.ExternalFill(desk.account, fill, "not an order of ours"))


async def _triggered(desk: Desk, rows: Sequence[OrderRow]) -> dict[str, ClientOrderId]:
    """The venue numbers of orders that our resting conditional orders have become by now."""
    children = dict[str, ClientOrderId]()
    for row in rows:
        request = row.intent.request
        if request.kind.conditional and row.venue_order_id:
            found = await desk.exchange.find(request)
            if found is not None and found.child_order_id:
                children[found.child_order_id] = request.client_id
    return children


async def _order_of(desk: Desk, fill: Fill, children: dict[str, ClientOrderId]) -> OrderRow | None:
    records = desk.bot.records
    if fill.venue_order_id in children:
        return await records.order(children[fill.venue_order_id])
    return await records.order_by_venue_id(desk.account, desk.symbol, fill.venue_order_id)


async def _fills_since(desk: Desk, rows: Sequence[OrderRow]) -> datetime:
    """From the oldest order whose fills may be missing, or the last fill we know, whichever is earlier."""
    resting = {OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED}
    moving = [row for row in rows if not (row.intent.request.kind.conditional and row.state in resting)]
    starts = [row.sent_at for row in moving if row.sent_at is not None]
    last = await desk.bot.records.last_fill_at(desk.account, desk.symbol)
    if last is not None:
        starts.append(last)
    now = desk.bot.clock.now()
    return max(min(starts, default=now - _LOOKBACK), now - _LONGEST_LOOKBACK) - _OVERLAP


# --- position ----------------------------------------------------------------------------------------


async def _follow_position(desk: Desk, ours: Position | None, venue: VenuePosition | None) -> None:
    if ours is not None and (venue is None or venue.side is not ours.side):
        await _close(desk, ours)
        ours = None
    if venue is None:
        return
    if ours is None:
        await _open(desk, venue)
    elif (ours.quantity, ours.entry_price) != (venue.quantity, venue.entry_price):
        journal = await desk.journal(home_stream(ours))
        added = venue.quantity > ours.quantity
        await journal.record(
            ev.PositionChanged(desk.account, desk.symbol, venue.quantity, venue.entry_price, added=added)
        )


async def _open(desk: Desk, venue: VenuePosition) -> None:
    """A position that was not there: opened by an entry of ours, or by somebody else."""
    journal = await _opener(desk, venue) or _reached(desk)
    signal = journal.story.signal if journal else None
    if journal is not None and signal is not None:
        await journal.record(
            ev.PositionOpened(
                account=desk.account,
                symbol=desk.symbol,
                side=venue.side,
                quantity=venue.quantity,
                entry_price=venue.entry_price,
                strategy=signal.strategy,
                alert_id=signal.alert_id,
                stop_price=_resting_stop(journal),
            )
        )
        return
    journal = await desk.journal(position_stream(desk.account, desk.symbol))
    desk.bot.metrics.alarm("position_adopted")
    await desk.announce(
        journal, ev.PositionAdopted(desk.account, desk.symbol, venue.side, venue.quantity, venue.entry_price)
    )


async def _opener(desk: Desk, venue: VenuePosition) -> Journal | None:
    """The alert whose entry was filled since the last position was closed, whoever looks and whatever became of it."""
    for client_id, fill in await desk.bot.records.fills_of_position(_unrecorded(desk, venue)):
        row = await desk.bot.records.order(client_id) if client_id and fill.side is venue.side.entry else None
        if row is not None and row.intent.request.adds_exposure:
            return await desk.journal(row.stream)
    return None


def _unrecorded(desk: Desk, venue: VenuePosition) -> Position:
    return Position(
        account=desk.account,
        symbol=desk.symbol,
        side=venue.side,
        quantity=venue.quantity,
        entry_price=venue.entry_price,
        strategy="",
        alert_id=None,
        opened_at=_LONG_AGO,
        entries=0,
        stop_price=None,
        realised_pnl=NO_MONEY,
        fees=NO_MONEY,
    )


def _reached(desk: Desk) -> Journal | None:
    """The alert at this desk whose entry reached the venue: its fills may be listed a moment later."""
    for journal in desk.open_journals():
        line = journal.story.leg("entry")
        if line is not None and line.venue_order_id and journal.story.finished is None:
            return journal
    return None


def _resting_stop(journal: Journal) -> Price | None:
    """The stop of the alert that opened the position, as far as it is known to rest at the venue."""
    line = journal.story.leg("stop")
    return line.intent.request.trigger_price if line is not None and line.state is OrderState.ACCEPTED else None


async def _close(desk: Desk, ours: Position) -> None:
    fills = await desk.bot.records.fills_of_position(ours)
    entries = [fill for _, fill in fills if fill.side is ours.side.entry]
    exits = [(client_id, fill) for client_id, fill in fills if fill.side is ours.side.exit]
    held = sum((fill.quantity.value for fill in entries), Decimal(0))
    sold = sum((fill.quantity.value for _, fill in exits), Decimal(0))
    turnover = sum((fill.quantity.at(fill.price).value for _, fill in exits), Decimal(0))
    journal = await desk.journal(home_stream(ours))
    await desk.announce(
        journal,
        ev.PositionClosed(
            account=desk.account,
            symbol=desk.symbol,
            side=ours.side,
            quantity=Quantity(held) if held else ours.quantity,
            entry_price=ours.entry_price,
            exit_price=Price(turnover / sold) if sold else ours.entry_price,
            realised_pnl=_total([fill.realised_pnl for _, fill in fills]),
            fees=_total([fill.fee for _, fill in fills]),
            strategy=ours.strategy,
            alert_id=ours.alert_id,
            opened_at=ours.opened_at,
            why=await _why_closed(desk, exits),
        ),
    )


async def _why_closed(desk: Desk, exits: Sequence[tuple[ClientOrderId | None, Fill]]) -> str:
    if not exits or exits[-1][0] is None:
        return "outside"
    row = await desk.bot.records.order(exits[-1][0])
    leg = row.intent.leg if row else ""
    names = {"stop": "stop", "trail": "trailing stop", "close": "signal", "flatten": "flattened"}
    return "take-profit" if leg.startswith("tp") else names.get(leg, "outside")


async def _exits_explain(desk: Desk, ours: Position) -> bool:
    """Whether the fills we know add up to flat."""
    fills = await desk.bot.records.fills_of_position(ours)
    return (
        sum((fill.quantity.value * (1 if fill.side is ours.side.entry else -1) for _, fill in fills), Decimal(0)) <= 0
    )


def _total(amounts: Sequence[Money]) -> Money:
    return sum(amounts, start=NO_MONEY)


def home_stream(position: Position) -> str:
    """The stream a position's story is told in: the alert that opened it, else its own."""
    if position.alert_id is not None:
        return alert_stream(position.alert_id)
    return position_stream(position.account, position.symbol)
