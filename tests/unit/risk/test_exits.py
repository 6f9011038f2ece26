"""Leaving is never blocked by a limit: only by age, by a newer wish for the position, or by nothing being there."""

from datetime import timedelta
from decimal import Decimal

import pytest

from app.domain.decision import DenyReason, Move, Refusal
from app.domain.ids import AlertId
from app.domain.side import OrderSide, Side, Target
from app.pipeline.risk import exit_of_refused_reversal
from app.pipeline.risk_rules.refusals import refused
from tests import builders as a
from tests.unit.risk.deciding import decided, plan, reason

LONG, SHORT = a.a_position(), a.a_position(side=Side.SHORT, stop_price=a.price(51_500))
NOTHING_IS_WELL = {
    "view": None,
    "instrument": None,
    "balance": None,
    "facts": a.facts(
        killed=True,
        paused=True,
        drawdown_latched=True,
        daily_loss_day=a.NOW.date(),
        entries_at=(a.NOW,) * 50,
        last_entry_at={a.BTC: a.NOW},
    ),
    "record": a.a_record(100, 0),
    "policy": a.a_policy(max_positions=0, orders_per_minute=0, max_leverage=0),
    "profile": a.a_profile(enabled=False, symbols=frozenset({a.ETH}), sides=frozenset()),
    "ready": a.ready(reconciled=False, clock_skew_s=99.0, halted="418"),
}


def newer(**changes):
    return a.a_signal(**{"alert_id": AlertId("newer"), "bar_time": a.NOW, "fired_at": a.NOW, **changes})


def test_a_close_goes_through_when_nothing_else_would():
    decision = plan(decided(a.an_exit(confirmed=False), LONG, **NOTHING_IS_WELL))
    assert (decision.move, decision.close_side, decision.close_ratio) == (Move.CLOSE, Side.LONG, 1)
    assert decision.entry is None


def test_a_reduction_goes_through_when_nothing_else_would():
    sold = a.a_signal(action=OrderSide.SELL, size=Decimal(3), prev_size=Decimal(4), confirmed=False)
    decision = plan(decided(sold, LONG, **NOTHING_IS_WELL))
    assert (decision.move, decision.close_side, decision.close_ratio) == (Move.REDUCE, Side.LONG, Decimal("0.25"))
    assert decision.entry is None
    assert decision.why == ("Closing 25 % of the LONG position of 0.1.",)


@pytest.mark.parametrize(("age", "refused"), [(86_400, False), (86_400.001, True), (-3_600, False)])
def test_an_exit_lives_for_a_day(age, refused):
    answer = decided(a.an_exit(fired_at=a.NOW - a.seconds(age)), LONG)
    assert isinstance(answer, Refusal) is refused
    assert not refused or reason(answer) is DenyReason.STALE


def test_a_late_exit_does_not_close_the_position_of_a_newer_entry():
    assert reason(decided(a.an_exit(), LONG, newest=newer())) is DenyReason.SUPERSEDED
    assert reason(decided(a.an_exit(), LONG, newest=newer(target=None))) is DenyReason.SUPERSEDED


@pytest.mark.parametrize(
    "newest",
    [
        newer(target=Target.FLAT, action=OrderSide.SELL),  # wants to be flat as well
        newer(target=Target.SHORT, action=OrderSide.SELL),  # does not want the long either
        newer(target=None, action=OrderSide.SELL),
        newer(bar_time=a.NOW - timedelta(hours=2)),  # an older bar
        newer(alert_id=a.an_exit().alert_id),  # itself, on a second attempt
    ],
)
def test_an_exit_is_overtaken_only_by_a_newer_wish_for_that_position(newest):
    assert plan(decided(a.an_exit(), LONG, newest=newest)).move is Move.CLOSE


def test_an_exit_of_the_other_side_or_of_nothing_is_already_done():
    assert reason(decided(a.an_exit(), None, move=Move.CLOSE)) is DenyReason.ALREADY_FLAT
    assert reason(decided(a.an_exit(), SHORT, move=Move.CLOSE)) is DenyReason.ALREADY_FLAT


# --- reversals ---------------------------------------------------------------------------------------


def test_a_reversal_closes_one_side_and_enters_the_other():
    decision = plan(decided(a.a_short_signal(), LONG))
    assert (decision.move, decision.close_side, decision.close_ratio) == (Move.REVERSE, Side.LONG, 1)
    assert decision.entry is not None
    assert decision.entry.side is Side.SHORT


@pytest.mark.parametrize("change", NOTHING_IS_WELL)
def test_a_reversal_that_may_not_enter_still_leaves(change):
    decision = plan(decided(a.a_short_signal(), LONG, **{change: NOTHING_IS_WELL[change]}))
    assert (decision.move, decision.close_side, decision.entry) == (Move.CLOSE, Side.LONG, None)
    (why,) = decision.why
    assert why.startswith("entry refused: ")


def test_a_reversal_too_old_to_enter_still_leaves_until_it_is_too_old_for_an_exit():
    hour_old = a.a_short_signal(fired_at=a.NOW - timedelta(hours=1))
    assert plan(decided(hour_old, LONG)).why == (
        "entry refused: STALE: The alert fired 3600.000 s ago; 60 s is the limit.",
    )
    days_old = a.a_short_signal(fired_at=a.NOW - timedelta(days=2))
    assert reason(decided(days_old, LONG)) is DenyReason.STALE


def test_a_reversal_overtaken_by_a_newer_wish_for_the_position_leaves_it_alone():
    assert reason(decided(a.a_short_signal(), LONG, newest=newer())) is DenyReason.SUPERSEDED
    flat = newer(target=Target.FLAT, action=OrderSide.SELL)
    assert plan(decided(a.a_short_signal(), LONG, newest=flat)).move is Move.CLOSE


def test_the_exit_of_a_refused_reversal_names_the_side_held_and_the_reason():
    no = refused(DenyReason.NO_QUORUM, "1 of 3 agreed.")
    decision = exit_of_refused_reversal(a.a_signal(), SHORT, no)
    assert (decision.move, decision.symbol, decision.close_side) == (Move.CLOSE, a.BTC, Side.SHORT)
    assert decision.why == ("entry refused: NO_QUORUM: 1 of 3 agreed.",)
