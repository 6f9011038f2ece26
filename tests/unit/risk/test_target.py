"""From the position held to the one asked for."""

from decimal import Decimal

import pytest

from app.domain.decision import DenyReason, Move, Refusal
from app.domain.side import OrderSide, Side, Target
from app.pipeline.target import judged_side, reduction_ratio, wanted_side, which_move
from tests import builders as a

LONG, SHORT = a.a_position(), a.a_position(side=Side.SHORT)
BUY, SELL = OrderSide.BUY, OrderSide.SELL


def moved(position, **signal):
    answer = which_move(a.a_signal(**signal), position)
    return answer.reason if isinstance(answer, Refusal) else answer


@pytest.mark.parametrize(
    ("target", "action", "position", "move"),
    [
        (Target.LONG, BUY, None, Move.OPEN),
        (Target.LONG, BUY, LONG, Move.ADD),
        (Target.LONG, BUY, SHORT, Move.REVERSE),
        (Target.SHORT, SELL, None, Move.OPEN),
        (Target.SHORT, SELL, SHORT, Move.ADD),
        (Target.SHORT, SELL, LONG, Move.REVERSE),
        (Target.LONG, None, None, Move.OPEN),
        (Target.LONG, None, LONG, Move.ADD),
        (Target.LONG, None, SHORT, Move.REVERSE),
        (Target.FLAT, SELL, LONG, Move.CLOSE),
        (Target.FLAT, BUY, SHORT, Move.CLOSE),
        (Target.FLAT, None, LONG, Move.CLOSE),
        (Target.FLAT, None, SHORT, Move.CLOSE),
        (Target.FLAT, SELL, None, DenyReason.ALREADY_FLAT),
        (None, BUY, None, Move.OPEN),
        (None, SELL, None, Move.OPEN),
        (None, BUY, LONG, Move.ADD),
        (None, SELL, SHORT, Move.ADD),
        (None, SELL, LONG, Move.CLOSE),
        (None, BUY, SHORT, Move.CLOSE),
        (None, None, None, DenyReason.NO_DIRECTION),
        (None, None, LONG, DenyReason.NO_DIRECTION),
    ],
)
def test_the_move_leads_from_what_is_held_to_what_is_asked_for(target, action, position, move):
    assert moved(position, target=target, action=action) == move


@pytest.mark.parametrize(
    ("prev", "position", "move"),
    [
        (Target.LONG, LONG, Move.CLOSE),
        (Target.SHORT, SHORT, Move.CLOSE),
        (Target.LONG, SHORT, DenyReason.ALREADY_FLAT),
        (Target.SHORT, LONG, DenyReason.ALREADY_FLAT),
        (Target.FLAT, LONG, Move.CLOSE),
        (Target.FLAT, SHORT, Move.CLOSE),
    ],
)
def test_an_exit_of_one_side_never_closes_the_other(prev, position, move):
    assert moved(position, target=Target.FLAT, action=None, prev_target=prev) == move


@pytest.mark.parametrize(
    ("size", "prev_size", "move"),
    [
        ("1", "2", Move.REDUCE),
        ("0", "2", Move.REDUCE),
        ("2", "2", DenyReason.UNKNOWN_REDUCTION),
        ("3", "2", DenyReason.UNKNOWN_REDUCTION),
        (None, "2", DenyReason.UNKNOWN_REDUCTION),
        ("1", None, DenyReason.UNKNOWN_REDUCTION),
        ("-1", "2", DenyReason.UNKNOWN_REDUCTION),
        ("NaN", "2", DenyReason.UNKNOWN_REDUCTION),
        ("0", "Infinity", DenyReason.UNKNOWN_REDUCTION),
    ],
)
def test_a_sell_that_stays_long_reduces_by_the_ratio_of_sizes_or_not_at_all(size, prev_size, move):
    sizes = {"size": size and Decimal(size), "prev_size": prev_size and Decimal(prev_size)}
    assert moved(LONG, target=Target.LONG, action=SELL, **sizes) == move


def test_a_shrinking_size_reduces_even_without_an_action():
    sizes = {"size": Decimal(1), "prev_size": Decimal(3)}
    assert moved(LONG, target=Target.LONG, action=None, **sizes) is Move.REDUCE
    assert moved(LONG, target=Target.LONG, action=BUY, prev_target=Target.LONG, **sizes) is Move.REDUCE
    assert moved(SHORT, target=Target.SHORT, action=None, **sizes) is Move.REDUCE


def test_a_growing_or_equal_size_adds():
    assert moved(LONG, size=Decimal(3), prev_size=Decimal(2)) is Move.ADD
    assert moved(LONG, size=Decimal(2), prev_size=Decimal(2)) is Move.ADD


def test_turning_from_a_large_short_to_a_small_long_is_a_reversal_not_a_reduction():
    sizes = {"size": Decimal(1), "prev_size": Decimal(2), "prev_target": Target.SHORT}
    assert moved(SHORT, target=Target.LONG, action=BUY, **sizes) is Move.REVERSE
    assert moved(None, target=Target.LONG, action=BUY, **sizes) is Move.OPEN
    assert moved(LONG, target=Target.LONG, action=BUY, **sizes) is Move.ADD


def test_a_reduction_of_what_is_not_held_never_opens_anything():
    sizes = {"size": Decimal(1), "prev_size": Decimal(2), "prev_target": Target.LONG}
    for action in (SELL, None, BUY):
        assert moved(None, target=Target.LONG, action=action, **sizes) is DenyReason.ALREADY_FLAT
        assert moved(SHORT, target=Target.LONG, action=action, **sizes) is Move.CLOSE
    assert moved(None, target=Target.LONG, action=SELL) is DenyReason.ALREADY_FLAT
    assert moved(SHORT, target=Target.LONG, action=SELL) is Move.CLOSE


def test_sizes_without_a_previous_side_prove_a_reduction_only_of_what_is_held():
    sizes = {"size": Decimal(1), "prev_size": Decimal(2)}
    assert moved(LONG, target=Target.LONG, action=BUY, **sizes) is Move.REDUCE
    assert moved(None, target=Target.LONG, action=BUY, **sizes) is Move.OPEN
    assert moved(SHORT, target=Target.LONG, action=BUY, **sizes) is Move.REVERSE


def test_the_reduction_is_the_share_the_strategy_gave_up():
    assert reduction_ratio(a.a_signal(size=Decimal(3), prev_size=Decimal(4))) == Decimal("0.25")
    assert reduction_ratio(a.a_signal(size=Decimal(0), prev_size=Decimal(4))) == 1
    assert reduction_ratio(a.a_signal(size=Decimal(0), prev_size=Decimal(0))) is None
    almost = Decimal(1) - Decimal("1e-40")
    assert reduction_ratio(a.a_signal(size=Decimal(1), prev_size=Decimal(1) / almost)) is None


def test_the_wanted_side_is_the_targets_before_the_actions():
    assert wanted_side(a.a_signal(target=Target.SHORT, action=BUY)) is Side.SHORT
    assert wanted_side(a.a_signal(target=Target.FLAT, action=BUY)) is None
    assert wanted_side(a.a_signal(target=None, action=BUY)) is Side.LONG
    assert wanted_side(a.a_signal(target=None, action=SELL)) is Side.SHORT
    assert wanted_side(a.a_signal(target=None, action=None)) is None


def test_the_verdict_is_about_the_side_being_entered():
    assert judged_side(a.a_short_signal(), Move.REVERSE, LONG) is Side.SHORT
    assert judged_side(a.a_signal(), Move.OPEN, None) is Side.LONG
    assert judged_side(a.a_signal(target=None), Move.ADD, LONG) is Side.LONG
    assert judged_side(a.an_exit(), Move.CLOSE, LONG) is Side.LONG
    with pytest.raises(ValueError, match="no direction"):
        judged_side(a.an_exit(), Move.CLOSE, None)
