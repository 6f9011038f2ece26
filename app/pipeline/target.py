"""What has to happen to get from the position we hold to the one a signal asks for. Pure: a table, written as code.

A wrong answer here is a wrong trade, so every doubtful case is read the way that adds no exposure:

| the signal says         | we are flat  | we hold that side | we hold the other side     |
|-------------------------|--------------|-------------------|----------------------------|
| target flat             | ALREADY_FLAT | CLOSE             | CLOSE, or ALREADY_FLAT (a) |
| target a side, growing  | OPEN         | ADD               | REVERSE                    |
| target a side, reducing | ALREADY_FLAT | REDUCE            | CLOSE                      |
| buy or sell, no target  | OPEN         | ADD               | CLOSE (b)                  |
| neither                 | NO_DIRECTION | NO_DIRECTION      | NO_DIRECTION               |

(a) when the signal says that it leaves a side, and it is not the one we hold.
(b) an action without a target that goes against the position may mean "get out" or "turn around": it is read as "get
    out", which costs a missed trade at worst.
"""

from decimal import Decimal

from app.domain.decision import DenyReason, Move, Refusal
from app.domain.position import Position
from app.domain.side import OrderSide, Side, Target
from app.domain.signal import Signal
from app.pipeline.risk_rules.refusals import refused


def which_move(signal: Signal, position: Position | None) -> Move | Refusal:
    """The one move that leads from `position` to what the signal asks for, or why there is none."""
    if signal.target is Target.FLAT:
        return nothing_held(signal) if position is None else other_side_left(signal, position) or Move.CLOSE
    side = wanted_side(signal)
    if side is None:
        return refused(DenyReason.NO_DIRECTION, "The alert names neither an action nor a target position.")
    if signal.target is not None and _shrinks(signal, side, position):
        return _shrunk(signal, side, position)
    if position is None:
        return Move.OPEN
    if position.side is side:
        return Move.ADD
    return Move.CLOSE if signal.target is None else Move.REVERSE


def wanted_side(signal: Signal) -> Side | None:
    """The side the signal wants to hold: its target's, else its action's; None when it wants none."""
    if signal.target is not None:
        return signal.target.side
    if signal.action is None:
        return None
    return Side.LONG if signal.action is OrderSide.BUY else Side.SHORT


def judged_side(signal: Signal, move: Move, position: Position | None) -> Side:
    """The side the verdict is about. An exit is not judged; asked all the same, it answers the side being left.

    Raises ValueError when there is no direction at all, which `which_move` has refused before.
    """
    side = wanted_side(signal) if move.enters or position is None else position.side
    if side is None:
        raise ValueError(f"{move} of alert {signal.alert_id} has no direction")
    return side


def nothing_held(signal: Signal) -> Refusal:
    return refused(DenyReason.ALREADY_FLAT, f"There is no {signal.symbol} position to close.")


def other_side_left(signal: Signal, position: Position) -> Refusal | None:
    """ALREADY_FLAT when the signal says it leaves a side and the position is on the other.

    An "exit long" that arrives after the reversal to short was done must not close the short.
    """
    left = signal.prev_target.side if signal.target is Target.FLAT and signal.prev_target else None
    if left is None or left is position.side:
        return None
    detail = f"The strategy left a {left} {signal.symbol} position; the one held is {position.side}."
    return refused(DenyReason.ALREADY_FLAT, detail, held=position.side, left=left)


def reduction_ratio(signal: Signal) -> Decimal | None:
    """The share of the position the strategy gave up: 1 - size / previous size. None when the sizes do not tell."""
    size, before = signal.size, signal.prev_size
    if size is None or before is None or not (size.is_finite() and before.is_finite()):
        return None
    if not 0 <= size < before:
        return None
    ratio = 1 - size / before
    return ratio if ratio > 0 else None


def _shrinks(signal: Signal, side: Side, position: Position | None) -> bool:
    """True when the strategy stays on its side with less.

    The order's own direction is proof. Sizes are proof only within one side: from 2 short to 1 long is a reversal.
    """
    if signal.action is side.exit:
        return True
    if reduction_ratio(signal) is None:
        return False
    if signal.prev_target is not None:
        return signal.prev_target.side is side
    return position is not None and position.side is side


def _shrunk(signal: Signal, side: Side, position: Position | None) -> Move | Refusal:
    if position is None:
        detail = f"The strategy reduced a {side} {signal.symbol} position that is not held here."
        return refused(DenyReason.ALREADY_FLAT, detail)
    if position.side is not side:
        return Move.CLOSE
    if reduction_ratio(signal) is None:
        detail = "The alert reduces the position but does not say from which size to which."
        return refused(DenyReason.UNKNOWN_REDUCTION, detail, size=signal.size, prev_size=signal.prev_size)
    return Move.REDUCE
