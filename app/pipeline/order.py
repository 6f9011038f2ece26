"""Stage 4: reach the target position on the venue, and leave it protected.

Open and add: entry, stop, targets. Reduce and close: exit. Reverse: close, wait for flat, open. Every step first looks
at the alert's own story, so a run that was killed anywhere goes on where it stopped and nothing is done twice.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from app.domain import events as ev
from app.domain.alert import AlertState
from app.domain.decision import Decision, DenyReason, Entry, Move, Refusal, Stage
from app.domain.errors import StorageUnavailable, VenueUnavailable
from app.domain.ids import alert_stream
from app.domain.money import Quantity, plain
from app.domain.order import OrderKind, OrderRequest, OrderState, VenueOrder
from app.domain.position import VenuePosition
from app.domain.side import Side
from app.domain.story import OrderLine
from app.pipeline.desk import Desk
from app.pipeline.exits import cancel_protection, close_all, reduce
from app.pipeline.guardian import Protection, ensure_stop, stop_unrecorded
from app.pipeline.journal import Journal
from app.pipeline.reconcile import home_stream, sync
from app.pipeline.risk_rules.latches import utc_day

_NOTHING = Quantity(Decimal(0))


@dataclass(frozen=True, slots=True)
class Finish:
    """How an alert ended: its final state and one sentence for people; a refusal when somebody said no."""

    state: AlertState
    summary: str
    refusal: Refusal | None = None
    trade: ev.PositionClosed | None = None  # the position that this alert has closed, if its end was seen


async def execute(desk: Desk, journal: Journal, decision: Decision) -> Finish:
    """Do what was decided. Raises VenueUnavailable when the venue keeps silent: the alert is then tried again."""
    match decision.move:
        case Move.CLOSE:
            return await _close(desk, journal, decision)
        case Move.REDUCE:
            return await _reduce(desk, journal, decision)
        case Move.REVERSE:
            left = await _close(desk, journal, decision) if journal.story.leg("entry") is None else None
            entered = await _enter(desk, journal, _entry(decision))
            return replace(entered, trade=left.trade) if left else entered
        case Move.OPEN | Move.ADD:
            return await _enter(desk, journal, _entry(decision))


def _entry(decision: Decision) -> Entry:
    if decision.entry is None:
        raise ValueError(f"{decision.move} without an entry")
    return decision.entry


# --- leaving -----------------------------------------------------------------------------------------


async def _close(desk: Desk, journal: Journal, decision: Decision) -> Finish:
    held = await desk.venue_position()
    ours = await desk.bot.records.position(desk.account, desk.symbol)
    if held is not None and held.side is decision.close_side:
        await close_all(desk, journal, "close")
    gone = await sync(desk) is None
    await cancel_protection(desk, why="the position is closed")
    trade = (await desk.journal(home_stream(ours))).story.closed if ours and gone else None
    return Finish(AlertState.CLOSED, f"closed {decision.close_side} {desk.symbol}", trade=trade)


async def _reduce(desk: Desk, journal: Journal, decision: Decision) -> Finish:
    before = await desk.bot.records.position(desk.account, desk.symbol)
    executed = await reduce(desk, journal, decision.close_ratio)
    after = await sync(desk)
    if after is None:
        await cancel_protection(desk, why="the position is closed")
    elif before is not None and before.alert_id is not None:
        opened = await desk.journal(alert_stream(before.alert_id))
        if opened.story.decision is not None and opened.story.decision.entry is not None:
            await _place_targets(desk, opened, opened.story.decision.entry, after.quantity)
    line = journal.story.leg("close")
    if not executed:
        note = line.note if line else "the position was already closed"
        return _failed(DenyReason.VENUE_REJECTED if line else DenyReason.ALREADY_FLAT, f"nothing was closed: {note}")
    return Finish(AlertState.CLOSED, f"reduced {decision.close_side} {desk.symbol} by {executed}")


# --- entering ----------------------------------------------------------------------------------------


async def _enter(desk: Desk, journal: Journal, entry: Entry) -> Finish:
    try:
        return await _enter_protected(desk, journal, entry)
    except StorageUnavailable:
        line = journal.story.leg("entry")
        if line is not None and line.state is not OrderState.INTENT:
            await stop_unrecorded(desk, journal, entry.side, entry.stop_loss)
        raise


async def _enter_protected(desk: Desk, journal: Journal, entry: Entry) -> Finish:
    line = await _entry_sent(desk, journal, entry)
    if isinstance(line, Finish):
        return line
    if line.state is OrderState.REJECTED:
        return _failed(DenyReason.VENUE_REJECTED, f"the venue rejected the entry: {line.note}")
    if line.state is OrderState.EXPIRED and not line.venue_order_id:
        return _expired(f"the entry was never executed: {line.note}")
    found = await _entry_outcome(desk, journal, line, entry)
    if found is None:
        return _expired("the entry never reached the market")
    if not found.filled:
        return _failed(DenyReason.NOT_EXECUTED, f"the entry ended {found.state} without a fill")
    await _shown(desk, entry.side)
    protected = await ensure_stop(desk, journal, entry.side, entry.stop_loss)
    position = await sync(desk)
    if protected is Protection.CLOSED or journal.story.leg("flatten") is not None:
        await cancel_protection(desk, why="the position is closed")
        detail = "the entry was filled but no stop could be placed: the position is closed again"
        return _failed(DenyReason.STOP_IMPOSSIBLE, detail)
    filled = Quantity(line.filled) if line.filled else found.filled
    if position is not None:
        await _place_targets(desk, journal, entry, filled)
    at = f" @ {plain(_average(line))}" if line.fills else ""
    after = f"stop {entry.stop_loss}" if protected is Protection.RESTS else "and the position is gone again already"
    return Finish(AlertState.FILLED, f"{entry.side} {desk.symbol} {filled}{at}, {after}")


async def _shown(desk: Desk, side: Side) -> None:
    """Wait until the venue shows the position a fill has made: it may list the one later than the other."""
    clock, timing = desk.bot.clock, desk.bot.timing
    started, pause = clock.monotonic(), timing.poll_s
    while clock.monotonic() - started < timing.lag_s:
        held = await desk.venue_position()
        if held is not None and held.side is side:
            return
        await clock.sleep(pause)
        pause = min(pause * 2, timing.poll_max_s)


async def _entry_sent(desk: Desk, journal: Journal, entry: Entry) -> OrderLine | Finish:
    """The entry order, sent once in the life of this alert; or the end of an alert whose entry must not be sent."""
    line = journal.story.leg("entry")
    if line is not None and line.state is not OrderState.INTENT:
        return line
    held = await desk.venue_position()
    refused = None if _too_old(desk, journal) else await _prepare(desk, entry, held)
    why = f"the venue refused to set up the symbol: {refused}" if refused else await _overtaken(desk, journal, held)
    if why:
        await journal.drop_unsent(why)
        return _failed(DenyReason.VENUE_REJECTED, why) if refused else _expired(why)
    if line is None:
        request = desk.request(journal, "entry", entry.side.entry, OrderKind.MARKET, quantity=entry.quantity)
        await desk.send(journal, request, "entry")
    else:
        request = line.intent.request
        await desk.send_intended(journal, request)
    return journal.story.orders[request.client_id]


async def _prepare(desk: Desk, entry: Entry, held: VenuePosition | None) -> str:
    """Why the venue will not have the symbol as the entry needs it; "" when it has."""
    if held is None:
        await cancel_protection(desk, why="left over from an earlier position")
    if held is None or held.leverage < entry.leverage:  # under an open position venues let it rise, never fall
        refused = await desk.exchange.prepare(desk.symbol, entry.leverage)
        if refused is not None:
            await desk.halt(refused)
            return f"{refused.code}: {refused.text}"
    return ""


def _too_old(desk: Desk, journal: Journal) -> bool:
    signal = journal.story.signal
    limit = timedelta(seconds=desk.bot.risk_policy.entry_max_age_s)
    return signal is not None and desk.bot.clock.now() - signal.fired_at > limit


async def _overtaken(desk: Desk, journal: Journal, held: VenuePosition | None) -> str:
    """Why an entry that was decided on must not be sent now; "" when it may. Time can have passed since the decision.

    Raises VenueUnavailable while the account is not known to be in order: the alert waits for as long as it is fresh.
    """
    decision = journal.story.decision
    if _too_old(desk, journal):
        return "the order could not leave while the signal was fresh"
    facts = await desk.bot.records.account_facts(desk.account)
    if facts.killed or facts.paused:
        return f"trading was {'killed' if facts.killed else 'paused'} before the order left"
    if facts.drawdown_latched or facts.daily_loss_day == utc_day(desk.bot.clock.now()):
        return "a loss limit was reached before the order left"
    if decision is not None and decision.entry is not None:
        expected = decision.entry.side if decision.move is Move.ADD else None
        if (held.side if held else None) is not expected:
            return "the position has changed since the decision"
    ready = desk.bot.health.readiness(desk.account, desk.bot.clock.monotonic())
    if not ready.reconciled or ready.halted:
        raise VenueUnavailable(f"the account is not known to be in order: {ready.halted or 'not reconciled'}")
    return ""


async def _entry_outcome(desk: Desk, journal: Journal, line: OrderLine, entry: Entry) -> VenueOrder | None:
    """What the venue made of the entry: its final record, or None when it is proven never to have been executed."""
    position = await desk.bot.records.position(desk.account, desk.symbol)
    before = position.quantity if position else _NOTHING

    async def protect() -> None:
        """The position is seen before the order is: it gets its stop at once, not when the order is found."""
        held = await desk.venue_position()
        if held is not None and held.side is entry.side and held.quantity > before:
            await ensure_stop(desk, journal, entry.side, entry.stop_loss)

    unknown = line.state in (OrderState.SENT, OrderState.UNKNOWN)
    if unknown and await desk.resolve(journal, line, before=before, meanwhile=protect) is None:
        return None
    return await desk.settled(line.intent.request, meanwhile=protect)


async def _place_targets(desk: Desk, journal: Journal, entry: Entry, quantity: Quantity) -> None:
    """Take-profits and a trailing stop. One that is refused is noted, not fatal: the stop protects all the same."""
    instrument = (await desk.exchange.instruments())[desk.symbol]
    left = quantity
    for number, target in enumerate(entry.take_profits, start=1):
        last = number == len(entry.take_profits) and sum(t.ratio for t in entry.take_profits) == 1
        share = left if last else min(quantity.times(target.ratio).floored_to(instrument.step), left)
        left = left - share
        if share < instrument.min_quantity:
            continue
        request = desk.request(
            journal,
            f"tp{number}",
            entry.side.exit,
            OrderKind.TAKE_PROFIT,
            quantity=share,
            trigger_price=target.price,
            reduce_only=True,
        )
        await _rest(desk, journal, request, f"tp{number}")
    if entry.trailing_stop is not None:
        request = desk.request(
            journal,
            "trail",
            entry.side.exit,
            OrderKind.TRAILING_STOP,
            quantity=quantity,
            trigger_price=entry.trailing_stop.activation,
            callback_rate=entry.trailing_stop.callback_rate,
            reduce_only=True,
        )
        await _rest(desk, journal, request, "trail")


async def _rest(desk: Desk, journal: Journal, request: OrderRequest, leg: str) -> None:
    """Have a target resting at the venue, unless it rests or did its work already. `request` is the next attempt at it.

    One whose fate is unknown is looked for first: two of a kind would take twice the share. One that ended (cancelled
    for a reduction, lost on the way, refused at another time) is placed anew, once.
    """
    line = journal.story.leg(leg)
    if line is not None and line.state is OrderState.INTENT:
        await desk.send_intended(journal, line.intent.request)
    elif line is None or line.state in (OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED):
        await desk.send(journal, request, leg)
    line = journal.story.leg(leg)
    if line is None or line.state not in (OrderState.SENT, OrderState.UNKNOWN):
        return
    held = await desk.venue_position()
    found = await desk.resolve(journal, line, before=held.quantity if held else _NOTHING)
    if found is None:
        await desk.send(journal, replace(request, client_id=desk.next_id(journal, leg)), leg)


def _average(line: OrderLine) -> Decimal:
    worth = sum((fill.quantity.value * fill.price.value for fill in line.fills), Decimal(0))
    return (worth / line.filled).quantize(Decimal("1e-8"))


# --- endings -----------------------------------------------------------------------------------------


def _failed(reason: DenyReason, detail: str) -> Finish:
    return Finish(AlertState.FAILED, detail, Refusal(Stage.ORDER, reason, detail))


def _expired(detail: str) -> Finish:
    return Finish(AlertState.EXPIRED, detail, Refusal(Stage.ORDER, DenyReason.NOT_EXECUTED, detail))
