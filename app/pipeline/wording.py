"""What people are told: one short message per outcome, plain words first, numbers that can be checked.

Made of recorded events only. Other people's words (reasons, venue texts) are cut and cleaned before they get in.
"""

import unicodedata
from decimal import Decimal

from app.domain import events as ev
from app.domain.alert import AlertState
from app.domain.decision import DenyReason, Move
from app.domain.money import Money, Price, Quantity
from app.domain.order import OrderState
from app.domain.side import Side
from app.domain.story import OrderLine, Story
from app.domain.verdict import Verdict, VerdictReason
from app.domain.vote import Vote

LONGEST = 600  # characters: longer messages hit a chat's flood limits sooner and are not read
_NOT_VOTED = "not asked: leaving the market is never put to a vote"


def message_for(story: Story) -> str:
    """One short message about an alert: outcome, votes and verdict, where it came from. At most LONGEST characters."""
    head = [_headline(story), *_after_entry(story)]
    tail = [_origin(story)]
    votes = _votes(story, with_reasons=True)
    if _length(head, votes, tail) > LONGEST:  # the voters' own words are the first thing to go
        votes = _votes(story, with_reasons=False)
    room = LONGEST - _length(votes, tail) - 1
    return "\n".join([_cut("\n".join(head), room), *votes, *tail])


def message_for_event(event: ev.Event) -> str | None:  # noqa: C901 - one flat case per kind of event
    """What happened outside an alert's own outcome; None for what nobody needs to be told.

    A position closed by a signal is None: the closing alert's own message tells that.
    """
    match event:
        case ev.PositionClosed(why="signal"):
            return None
        case ev.PositionClosed():
            mark = "🎯" if event.why == "take-profit" else "⬜"
            return f"{mark} {closed_words(event.why)}: {_closed(event)}\n{_who(event.strategy, event.alert_id)}"
        case ev.PositionAdopted(side=side, symbol=symbol, quantity=quantity, entry_price=price):
            return (
                f"👀 found on the venue: {_holding(side, symbol, quantity)} @ {number(price)}, not opened by the bot. "
                "It is watched and protected from now on."
            )
        case ev.ProtectionFailed(symbol=symbol, why=why):
            return f"🚨 NO STOP on {symbol}: {one_line(why, 300)}. The position is being closed at market. Please look."
        case ev.ExternalFill(fill=fill, what=what):
            return (
                f"👀 not our order: {fill.side} {number(fill.quantity)} {fill.symbol} "
                f"@ {number(fill.price)} ({one_line(what, 100)})"
            )
        case ev.DailyLossLatched(lost=lost, limit=limit, day=day):
            return (
                f"🛑 daily loss limit: {money(lost)} lost on {day}, {money(limit)} allowed. "
                "No new entries until the next UTC day; exits and stops go on."
            )
        case ev.DrawdownLatched(peak=peak, equity=equity, limit_rate=rate):
            return (
                f"🛑 drawdown limit: equity {money(equity)} is more than {_percent(Decimal(rate))} below its peak "
                f"{money(peak)}. No new entries until trading is resumed by hand."
            )
        case ev.TradingPaused(account=account, by=by, why=why):
            return (
                f"⏸ paused {account} by {one_line(by, 60)}: {one_line(why, 300)}. "
                "No new entries; exits and stops go on."
            )
        case ev.TradingResumed(account=account, by=by, equity=equity):
            return f"▶ resumed {account} by {one_line(by, 60)} at equity {money(equity)}."
        case ev.KillSwitchThrown(account=account, by=by, why=why):
            return (
                f"🛑 KILL SWITCH {account} by {one_line(by, 60)}: {one_line(why, 300)}. Every position is being closed."
            )
        case ev.AlertRefused(refusal=refusal) if refusal.reason is DenyReason.QUARANTINED:
            return f"🚨 quarantined: {one_line(refusal.detail, 400)}. Other alerts go on."
        case _:
            return None


def number(value: Decimal | Price | Quantity) -> str:
    """Digits with thousands separators and no trailing zeros: 64210.50 reads 64,210.5."""
    bare = value if isinstance(value, Decimal) else value.value
    text = format(bare, ",f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(value: Money) -> str:
    return f"{value.value:,.2f} USDT"


def gain(value: Money) -> str:
    """Money with its sign: a profit is told from a loss at a glance."""
    return f"{value.value:+,.2f} USDT"


def closed_words(why: str) -> str:
    """Who or what ended a position."""
    return {"outside": "closed outside the bot", "flattened": "closed by the bot's guard"}.get(why, f"closed by {why}")


def vote_words(vote: Vote) -> str:
    """A seat by the name of whoever really sits there; a stand-in is never called by the model it stands in for."""
    said = f"{vote.opinion} {vote.confidence}" if vote.opinion else str(vote.no_vote)
    if not vote.voter:
        return f"{vote.seat} seat {said}"
    seat = "" if vote.seat in vote.voter.lower() else f" ({vote.seat} seat)"
    return f"{one_line(vote.voter, 40)}{seat} {said}"


def verdict_words(verdict: Verdict) -> str:
    """The count and what it was counted against."""
    if verdict.reason is VerdictReason.EXIT_NOT_JUDGED:
        return _NOT_VOTED
    seats = sum(vote.seat.language_model for vote in verdict.votes)
    return (
        f"{verdict.reason}: {verdict.agreeing} of {seats} say {verdict.side} (needs {verdict.quorum}), "
        f"mean confidence {verdict.mean_confidence:g} (needs more than {verdict.min_confidence:g})"
    )


def _headline(story: Story) -> str:
    match story.state:
        case AlertState.FILLED:
            return _entered(story)
        case AlertState.CLOSED:
            return _left(story)
        case AlertState.REFUSED if story.refusal:
            refusal = story.refusal
            return (
                f"🚫 {_subject(story)} refused at {refusal.stage}: {refusal.reason} — {one_line(refusal.detail, 300)}"
            )
        case AlertState.EXPIRED:
            return f"⌛ {_subject(story)} expired, nothing was traded: {_summary(story)}"
        case AlertState.FAILED if story.refusal:
            return f"❌ {_subject(story)} failed: {story.refusal.reason} — {one_line(story.refusal.detail, 300)}"
        case AlertState.FAILED:
            return f"❌ {_subject(story)} failed: {_summary(story)}"
        case state:
            return f"{_subject(story)} {state}: {_summary(story)}"


def _entered(story: Story) -> str:
    entry = story.decision.entry if story.decision else None
    line = story.leg("entry")
    if entry is None or line is None or not line.fills:
        return f"✅ {_subject(story)}: {_summary(story)}"
    wanted = line.intent.request.quantity or entry.quantity
    short = "" if line.filled >= wanted.value else f" (of {number(wanted)} asked)"
    return f"✅ {_holding(entry.side, line.intent.request.symbol, Quantity(line.filled))}{short} @ {_average(line)}"


def _after_entry(story: Story) -> list[str]:
    """Stop and targets as they rest on the venue; what was reversed on the way."""
    if story.state is not AlertState.FILLED or story.decision is None or story.decision.entry is None:
        return []
    lines = []
    if story.decision.move is Move.REVERSE and (made := _made(story)):
        lines.append(f"reversed, the old position made {made}")
    stop = story.leg("stop")
    protection = f"stop {number(story.decision.entry.stop_loss)}"
    if stop is None or stop.state not in (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.FILLED):
        protection = f"⚠ stop at {number(story.decision.entry.stop_loss)} is not confirmed"
    elif price := stop.intent.request.trigger_price:
        protection = f"stop {number(price)}"
    targets = [f"{number(target.price)} ({_percent(target.ratio)})" for target in story.decision.entry.take_profits]
    lines.append(" · ".join([protection, *(["targets " + ", ".join(targets)] if targets else [])]))
    return lines


def _left(story: Story) -> str:
    if story.closed:
        return f"⬜ closed by signal: {_closed(story.closed)}"
    decision, line = story.decision, story.leg("close")
    if decision is None or line is None or not line.fills:
        return f"⬜ {_subject(story)}: {_summary(story)}"
    made = _made(story)
    result = f" · PnL {made}" if made else ""
    side = f"{decision.close_side} " if decision.close_side else ""
    how = f"reduced {side}{decision.symbol} by" if decision.move is Move.REDUCE else f"closed {side}{decision.symbol}"
    return f"⬜ {how} {number(line.filled)} @ {_average(line)}{result}"


def _closed(event: ev.PositionClosed) -> str:
    pnl = gain(event.realised_pnl - event.fees)
    return (
        f"{_holding(event.side, event.symbol, event.quantity)} @ {number(event.exit_price)} "
        f"(from {number(event.entry_price)}) · PnL {pnl} after {money(event.fees)} fees"
    )


def _made(story: Story) -> str:
    """What leaving made: of the whole trade if its end was seen, else of the closing fills alone."""
    if story.closed:
        return f"{gain(story.closed.realised_pnl - story.closed.fees)} after {money(story.closed.fees)} fees"
    fills = [fill for line in story.orders.values() if line.intent.leg == "close" for fill in line.fills]
    if not fills:
        return ""
    pnl = Money(sum((fill.realised_pnl.value - fill.fee.value for fill in fills), Decimal(0)))
    return f"{gain(pnl)} after this exit's fee"


def _votes(story: Story, *, with_reasons: bool) -> list[str]:
    """The votes line and the verdict line."""
    if not story.votes:
        leaving = story.decision is not None and not story.decision.move.enters
        return [f"votes: {verdict_words(story.verdict) if story.verdict else _NOT_VOTED if leaving else 'not asked'}"]
    said = [
        vote_words(vote) + (f" “{one_line(vote.reason, 60)}”" if with_reasons and vote.reason else "")
        for vote in story.votes
    ]
    verdict = [f"verdict: {verdict_words(story.verdict)}"] if story.verdict else []
    return ["votes: " + " · ".join(said), *verdict]


def _origin(story: Story) -> str:
    signal, accepted = story.signal, story.accepted
    strategy = signal.strategy if signal else accepted.strategy if accepted else ""
    alert_id = signal.alert_id if signal else accepted.alert_id if accepted else None
    return _who(f"{strategy} {signal.interval}" if signal else strategy, alert_id)


def _who(strategy: str, alert_id: str | None) -> str:
    alert = f"alert {alert_id[:12]}" if alert_id else "no alert of ours"
    return f"{strategy} · {alert}" if strategy else alert


def _subject(story: Story) -> str:
    """What the alert was about, as far as it was understood."""
    if story.signal:
        wish = story.signal.target or story.signal.action
        return f"{wish} {story.signal.symbol}" if wish else str(story.signal.symbol)
    return str(story.accepted.symbol) if story.accepted else "alert"


def _summary(story: Story) -> str:
    return one_line(story.finished.summary, 300) if story.finished else "on its way"


def _holding(side: Side, symbol: str, quantity: Quantity) -> str:
    return f"{side} {symbol} {number(quantity)}"


def _average(line: OrderLine) -> str:
    paid = sum((fill.quantity.value * fill.price.value for fill in line.fills), Decimal(0))
    places = max(-int(fill.price.value.as_tuple().exponent) for fill in line.fills)
    return number(round(paid / line.filled, max(places, 0)))


def _percent(rate: Decimal) -> str:
    return f"{number(rate * 100)} %"


def one_line(text: str, longest: int) -> str:
    """Other people's words on one line: no control or direction-changing characters, cut to length."""
    clean = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
    return _cut(" ".join(clean.split()), longest)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _length(*parts: list[str]) -> int:
    return sum(len(line) + 1 for part in parts for line in part) - 1
