"""The main path: one alert from arrival to its end, in five calls.

A stage returns what the next one needs, or a Refusal: a value with a reason, which ends the walk and is announced like
any other outcome. Every stage first looks whether the story already holds its result, so a run that was killed anywhere
is simply run again. Exceptions mean "not now" (Retryable) or "not by me" (LaneLost, VersionConflict); the worker knows.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from app.domain import events as ev
from app.domain.alert import Alert, AlertState
from app.domain.decision import Decision, DenyReason, Move, Refusal, Stage
from app.domain.errors import Retryable, VenueUnavailable, VersionConflict
from app.domain.ids import account_stream, alert_stream
from app.domain.policy import StrategyProfile
from app.domain.position import Position
from app.domain.signal import Signal
from app.domain.verdict import Verdict, VerdictReason
from app.pipeline.alert import signal_from
from app.pipeline.bot import Bot
from app.pipeline.desk import Desk
from app.pipeline.journal import Journal
from app.pipeline.notify import announcement
from app.pipeline.order import Finish, execute
from app.pipeline.reconcile import sync
from app.pipeline.risk import decide, exit_of_refused_reversal
from app.pipeline.target import judged_side, which_move
from app.pipeline.verdict import judge
from app.ports import Append, Claim

T = TypeVar("T")
_RACES = 20  # entries on other symbols that may take room in the limits while this one is being decided


@dataclass(slots=True)
class Walk:
    """One alert on its way, and the desk of its symbol."""

    bot: Bot
    alert: Alert
    desk: Desk
    journal: Journal
    followed: bool  # another alert waits for this one to end


async def run(bot: Bot, claim: Claim) -> AlertState:
    """Take the alert to its end and say so. Returns the final state."""
    desk = Desk(bot, claim.fence)
    walk = Walk(bot, claim.alert, desk, await desk.journal(alert_stream(claim.alert.alert_id)), claim.followed)
    if walk.journal.story.finished is None:
        outcome = await _outcome(walk)
        if isinstance(outcome, Refusal):
            outcome = Finish(AlertState.REFUSED, f"{outcome.reason}: {outcome.detail}", outcome)
        await finish(bot, walk.journal, walk.alert, outcome)
    return walk.journal.story.state


async def _outcome(walk: Walk) -> Finish | Refusal:
    if walk.journal.story.refusal is not None:
        return walk.journal.story.refusal
    signal = await _read(walk)
    if isinstance(signal, Refusal):
        return signal
    plan = await _plan(walk, signal)
    if isinstance(plan, Refusal):
        return plan
    move, position = plan
    verdict = await _judge(walk, signal, move, position)
    decision = await _decide(walk, signal, move, position, verdict)
    if isinstance(decision, Refusal):
        return decision
    return await execute(walk.desk, walk.journal, decision)


# --- stage 1: alert ------------------------------------------------------------------------------------


async def _read(walk: Walk) -> Signal | Refusal:
    if walk.journal.story.signal is not None:
        return walk.journal.story.signal
    signal = signal_from(walk.alert)
    if isinstance(signal, Signal):
        await walk.journal.record(ev.SignalRead(signal))
    return signal


async def _plan(walk: Walk, signal: Signal) -> tuple[Move, Position | None] | Refusal:
    """What has to move, seen from the position the venue really holds."""
    decided = walk.journal.story.decision
    if decided is not None:
        return decided.move, None
    try:
        position = await sync(walk.desk)
    except VenueUnavailable as error:
        known = await walk.bot.records.position(signal.account, signal.symbol)
        if signal.exit_only and known is not None:
            return _move_or_no(signal, known)  # leaving does not wait for bookkeeping
        if signal.exit_only or known is not None:
            raise  # what may have to leave the market waits for the venue; it is not refused
        detail = f"Our records could not be compared with the venue: {error}"
        return _final(walk, signal, Refusal(Stage.RISK, DenyReason.NOT_RECONCILED, detail))
    return _move_or_no(signal, position)


def _move_or_no(signal: Signal, position: Position | None) -> tuple[Move, Position | None] | Refusal:
    move = which_move(signal, position)
    return move if isinstance(move, Refusal) else (move, position)


# --- stage 2: verdict ----------------------------------------------------------------------------------


async def _judge(walk: Walk, signal: Signal, move: Move, position: Position | None) -> Verdict | Refusal | None:
    """The jury's verdict on an entry; None for an exit, which is never judged."""
    if not move.enters or walk.journal.story.decision is not None:
        return None
    if walk.journal.story.verdict is None:
        foreseen = await _weigh(walk, signal, move, position)
        if isinstance(foreseen, Refusal) or foreseen.decision.entry is None:
            return foreseen if isinstance(foreseen, Refusal) else None  # what risk would refuse is not put to a vote
        try:
            view = await walk.bot.market[signal.account].view(signal.symbol, signal.interval)
        except VenueUnavailable as error:
            refusal = Refusal(Stage.VERDICT, DenyReason.NO_MARKET_DATA, f"no market data to judge by: {error}")
            return _final(walk, signal, refusal)
        asked, verdict = await judge(
            signal,
            judged_side(signal, move, position),
            view,
            jury=walk.bot.jury,
            policy=walk.bot.verdict_policy,
            clock=walk.bot.clock,
        )
        for vote in verdict.votes:
            outcome = vote.no_vote or vote.opinion
            walk.bot.metrics.voted(vote.seat, str(outcome), vote.latency_ms / 1000)
        await walk.journal.record(asked, *map(ev.VoteCast, verdict.votes), ev.VerdictReached(verdict))
        return verdict
    return walk.journal.story.verdict


def _refused(verdict: Verdict) -> Refusal:
    votes = ", ".join(
        f"{vote.seat} {vote.opinion or vote.no_vote} {vote.confidence or ''}".strip() for vote in verdict.votes
    )
    mean, least = f"{verdict.mean_confidence:.1f}", f"{verdict.min_confidence:g}"
    why = {
        VerdictReason.NO_QUORUM: f"{verdict.agreeing} language models said {verdict.side}, {verdict.quorum} needed",
        VerdictReason.LOW_CONFIDENCE: f"mean confidence {mean} is not above {least}",
        VerdictReason.LSTM_CONTRADICTS: f"the LSTM names the opposite of {verdict.side}",
    }[verdict.reason]
    numbers = {
        "agreeing": str(verdict.agreeing),
        "quorum": str(verdict.quorum),
        "mean_confidence": mean,
        "min_confidence": least,
    }
    return Refusal(Stage.VERDICT, DenyReason(verdict.reason.value), f"{why} ({votes})", numbers)


# --- stage 3: risk -------------------------------------------------------------------------------------


async def _decide(
    walk: Walk, signal: Signal, move: Move, position: Position | None, verdict: Verdict | Refusal | None
) -> Decision | Refusal:
    """A plan inside every limit. Room for an entry is reserved with it, so limits hold across symbols too."""
    story = walk.journal.story
    if story.decision is not None:
        return story.decision
    refusal = verdict if isinstance(verdict, Refusal) else None
    if isinstance(verdict, Verdict) and not verdict.approved:
        refusal = _refused(verdict)
    if refusal is not None:
        return await _still_leave(walk, signal, move, position, refusal)
    for _ in range(_RACES):
        decided = await _weigh(walk, signal, move, position)
        if isinstance(decided, Refusal):
            return decided
        try:
            await walk.journal.record(ev.DecisionMade(decided.decision), also=decided.reservation)
        except VersionConflict:
            continue  # another symbol's entry took room in between: weigh again with the new facts
        return decided.decision
    raise Retryable("the account's limits are changing too fast to decide")


async def _still_leave(
    walk: Walk, signal: Signal, move: Move, position: Position | None, refusal: Refusal
) -> Decision | Refusal:
    """What a refused entry leaves to do: nothing, unless it was to reverse. Then the old position still goes."""
    if move is not Move.REVERSE or position is None:
        return refusal
    leaving = await _weigh(walk, signal, Move.CLOSE, position)
    if isinstance(leaving, Refusal):
        return leaving
    decision = exit_of_refused_reversal(signal, position, refusal)
    await walk.journal.record(ev.DecisionMade(decision))
    return decision


@dataclass(frozen=True, slots=True)
class _Weighed:
    decision: Decision
    reservation: tuple[Append, ...]


async def _weigh(walk: Walk, signal: Signal, move: Move, position: Position | None) -> _Weighed | Refusal:
    bot, account = walk.bot, signal.account
    facts = await bot.records.account_facts(account)
    exchange = bot.exchanges[account]
    entering = move.enters
    listed = await _asked(exchange.instruments()) if entering else None
    decision = decide(
        signal,
        move,
        position=position,
        view=await _asked(bot.market[account].view(signal.symbol, signal.interval)) if entering else None,
        instrument=(listed or {}).get(signal.symbol),
        listed=listed is None or signal.symbol in listed,
        balance=await _asked(exchange.balance()) if entering else None,
        facts=facts,
        record=await bot.records.strategy_record(signal.strategy),
        newest=await bot.records.newest_signal(account, signal.symbol, signal.strategy),
        policy=bot.risk_policy,
        profile=_profile(walk, signal, move),
        now=bot.clock.now(),
        ready=bot.health.readiness(account, bot.clock.monotonic()),
    )
    if isinstance(decision, Refusal):
        return _final(walk, signal, decision)
    if decision.entry is None:
        return _Weighed(decision, ())
    reserved = ev.EntryReserved(
        account, signal.alert_id, signal.strategy, signal.symbol, decision.entry.side, decision.entry.notional
    )
    return _Weighed(decision, (Append(account_stream(account), facts.version, (reserved,)),))


def _final(walk: Walk, signal: Signal, refusal: Refusal) -> Refusal:
    """The refusal, unless it may pass: a venue without an answer is asked again while the signal is fresh.

    Raises VenueUnavailable in that case. An entry that another alert waits behind, which may be an exit, is refused at
    once. A signal that has grown stale by waiting is told what it waited for.
    """
    bot, limit = walk.bot, timedelta(seconds=walk.bot.risk_policy.entry_max_age_s)
    passing = refusal.reason in (DenyReason.NOT_RECONCILED, DenyReason.NO_MARKET_DATA)
    if passing and not walk.followed and bot.clock.now() - signal.fired_at <= limit:
        raise VenueUnavailable(refusal.detail)
    ready = bot.health.readiness(signal.account, bot.clock.monotonic())
    arrived_fresh = signal.received_at - signal.fired_at <= limit
    if refusal.reason is DenyReason.STALE and arrived_fresh and (ready.halted or not ready.reconciled):
        waited = f"{refusal.detail} It waited: {ready.halted or 'our records could not be compared with the venue'}."
        return Refusal(refusal.stage, DenyReason.NOT_RECONCILED, waited, refusal.numbers)
    if refusal.reason is DenyReason.STALE and arrived_fresh and bot.profile_of(signal.strategy) is None:
        unknown = f"{refusal.detail} The registry has no strategy {signal.strategy}."
        return Refusal(refusal.stage, DenyReason.STALE, unknown, refusal.numbers)
    return refusal


async def _asked(question: Awaitable[T]) -> T | None:
    """The venue's answer; None when there is none, which refuses an entry and lets an exit through."""
    try:
        return await question
    except VenueUnavailable:
        return None


def _profile(walk: Walk, signal: Signal, move: Move) -> StrategyProfile:
    """The strategy's own caps. One that the registry does not have may leave the market but not enter it.

    It may have been removed since the alert was taken; or it was added, and this process has yet to hear of it: raises
    Retryable while the signal is fresh. An entry that another alert waits behind, and one that leaves another position,
    is refused at once: what may leave the market does not wait.
    """
    bot = walk.bot
    profile = bot.profile_of(signal.strategy)
    if profile is not None:
        return profile
    fresh = bot.clock.now() - signal.fired_at <= timedelta(seconds=bot.risk_policy.entry_max_age_s)
    if move.enters and move is not Move.REVERSE and fresh and not walk.followed:
        raise Retryable(f"the registry has no strategy {signal.strategy} (yet)")
    return StrategyProfile(signal.strategy, signal.account, frozenset(), sides=frozenset())


# --- stage 5: notify -----------------------------------------------------------------------------------


async def finish(bot: Bot, journal: Journal, alert: Alert, finish: Finish) -> None:
    """Write the last word and queue the message about it, in one transaction."""
    events: list[ev.Event] = []
    if finish.refusal is not None and journal.story.refusal is None:
        events.append(ev.AlertRefused(finish.refusal))
    events.append(ev.AlertFinished(finish.state, finish.summary))
    told = [*events, finish.trade] if finish.trade else events
    await journal.record(*events, messages=[announcement(journal.story, told)])
    if finish.refusal is not None:
        bot.metrics.refused(finish.refusal.reason)
    bot.metrics.finished(finish.state, (bot.clock.now() - alert.received_at).total_seconds())
