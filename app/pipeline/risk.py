"""The risk stage: may this move be made now, and how large? Pure; the answer is a Decision or a Refusal with numbers.

Leaving is never blocked by a limit: an exit is refused only when it is too old, overtaken by a newer signal that wants
the position, or has nothing to close. Everything that adds exposure passes ENTRY_CHECKS in order, then gets its stop
and targets (protection_levels.py) and its size (sizing.py). What is not known good refuses entries, never exits.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from app.domain.candle import MarketView
from app.domain.decision import Decision, DenyReason, Entry, Move, Refusal
from app.domain.instrument import Instrument
from app.domain.policy import RiskPolicy, StrategyProfile
from app.domain.position import AccountBalance, Position
from app.domain.signal import Signal
from app.pipeline.risk_rules import checks
from app.pipeline.risk_rules.checks import Entering, Readiness
from app.pipeline.risk_rules.protection_levels import protect, reference_price
from app.pipeline.risk_rules.refusals import percent, refused
from app.pipeline.risk_rules.sizing import size
from app.pipeline.target import nothing_held, other_side_left, reduction_ratio, wanted_side
from app.ports import AccountFacts, StrategyRecord

ENTRY_CHECKS: Final[tuple[Callable[[Entering], Refusal | None], ...]] = (
    # is the signal itself in order
    checks.fresh,
    checks.confirmed,
    checks.newest_of_its_strategy,
    checks.symbol_allowed,
    checks.side_allowed,
    # may the bot open anything now
    checks.not_killed,
    checks.not_paused,
    checks.venue_known,
    checks.clock_true,
    checks.within_daily_loss,
    checks.within_drawdown,
    checks.cooled_down,
    checks.within_rate,
    # does it fit beside what is open
    checks.room_for_position,
    checks.room_for_entry,
)


def decide(
    signal: Signal,
    move: Move,
    *,
    position: Position | None,
    view: MarketView | None,
    instrument: Instrument | None,
    listed: bool = True,
    balance: AccountBalance | None,
    facts: AccountFacts,
    record: StrategyRecord,
    newest: Signal | None,
    policy: RiskPolicy,
    profile: StrategyProfile,
    now: datetime,
    ready: Readiness,
) -> Decision | Refusal:
    """The approved plan for `move`, which is `which_move` of this signal and this position.

    Whatever the venue did not answer is None: that refuses an entry and nothing else. `listed` is False when it did
    answer, and does not name the symbol.
    `newest` is the newest signal already worked on of the same strategy and symbol; the signal itself does not count.
    A reversal that may not enter still leaves: it becomes a CLOSE that says why.
    """
    if not move.enters:
        return _leave(signal, move, position, newest=newest, policy=policy, now=now)
    if move is Move.REVERSE:
        leaving = _leave(signal, Move.CLOSE, position, newest=newest, policy=policy, now=now)
        if isinstance(leaving, Refusal):
            return leaving
    side = wanted_side(signal)
    if side is None:
        return refused(DenyReason.NO_DIRECTION, "The alert names neither an action nor a target position.")
    decision = _enter(
        Entering(
            signal=signal,
            move=move,
            side=side,
            position=position,
            view=view,
            instrument=instrument,
            listed=listed,
            balance=balance,
            facts=facts,
            record=record,
            newest=newest,
            policy=policy,
            profile=profile,
            now=now,
            ready=ready,
        )
    )
    if isinstance(decision, Refusal) and move is Move.REVERSE and position is not None and position.side is not side:
        return exit_of_refused_reversal(signal, position, decision)
    return decision


def exit_of_refused_reversal(signal: Signal, position: Position, refusal: Refusal) -> Decision:
    """The half of a reversal that is always allowed: leave, and say why the other half is not done.

    It checks nothing itself. Where `decide` has not run yet (a verdict said no), ask `decide` for Move.CLOSE first: it
    refuses a reversal that a newer signal has overtaken.
    """
    why = f"entry refused: {refusal.reason}: {refusal.detail}"
    return Decision(Move.CLOSE, signal.symbol, entry=None, close_side=position.side, why=(why,))


# --- leaving ----------------------------------------------------------------------------------------


def _leave(
    signal: Signal, move: Move, position: Position | None, *, newest: Signal | None, policy: RiskPolicy, now: datetime
) -> Decision | Refusal:
    """CLOSE or REDUCE, stopped only by age, by a newer signal that wants the position, or by nothing being there."""
    age = now - signal.fired_at
    if age > timedelta(seconds=policy.exit_max_age_s):
        return checks.stale(age, policy.exit_max_age_s)
    if position is None:
        return nothing_held(signal)
    if no := other_side_left(signal, position):
        return no
    if newest and checks.overtakes(newest, signal) and wanted_side(newest) is position.side:
        return checks.superseded(newest, f"wants the {position.side} position")
    ratio = reduction_ratio(signal) if move is Move.REDUCE else Decimal(1)
    if ratio is None:
        detail = "The alert reduces the position but does not say from which size to which."
        return refused(DenyReason.UNKNOWN_REDUCTION, detail, size=signal.size, prev_size=signal.prev_size)
    why = f"Closing {percent(ratio)} of the {position.side} position of {position.quantity}."
    return Decision(move, signal.symbol, entry=None, close_side=position.side, close_ratio=ratio, why=(why,))


# --- entering ---------------------------------------------------------------------------------------


def _enter(e: Entering) -> Decision | Refusal:
    """OPEN, ADD or REVERSE: every check in order, then levels, track record and size."""
    for check in ENTRY_CHECKS:
        if no := check(e):
            return no
    reference = reference_price(e.view, e.instrument)
    if e.view is None or e.instrument is None or e.balance is None or reference is None:
        return refused(DenyReason.NO_MARKET_DATA, f"The {e.signal.symbol} price or the account's balance is not known.")
    levels = protect(
        e.signal,
        e.side,
        reference=reference,
        atr=e.view.atr,
        instrument=e.instrument,
        added_to=e.position if e.move is Move.ADD else None,
        policy=e.policy,
        profile=e.profile,
    )
    if isinstance(levels, Refusal):
        return levels
    if no := checks.wins_often_enough(e):
        return no
    sized = size(
        levels,
        alert_id=e.signal.alert_id,
        instrument=e.instrument,
        added_to=e.position if e.move is Move.ADD else None,
        balance=e.balance,
        facts=e.facts,
        policy=e.policy,
        profile=e.profile,
    )
    if isinstance(sized, Refusal):
        return sized
    entry = Entry(
        side=e.side,
        quantity=sized.quantity,
        reference_price=levels.reference,
        stop_loss=levels.stop,
        take_profits=levels.take_profits,
        trailing_stop=levels.trailing_stop,
        leverage=sized.leverage,
        notional=sized.notional,
        risk=sized.risk,
    )
    close_side = e.position.side if e.move is Move.REVERSE and e.position else None
    return Decision(e.move, e.signal.symbol, entry, close_side=close_side, why=levels.why + sized.why)
