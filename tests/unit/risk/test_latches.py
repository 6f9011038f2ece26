"""The limits that stay shut, and when equity has to be marked."""

from datetime import timedelta
from decimal import Decimal

import pytest

from app.domain.events import DailyLossLatched, DrawdownLatched, Event
from app.pipeline.risk_rules.latches import equity_mark_due, new_latches
from tests import builders as a

TODAY = a.NOW.date()
DAY = timedelta(days=1)


def latched(equity, **facts):
    return new_latches(a.facts(**facts), a.money(equity), a.a_policy(), a.NOW, account=a.ACCOUNT)


def test_a_daily_loss_at_its_limit_latches_with_its_numbers():
    assert latched("9500") == (DailyLossLatched(a.ACCOUNT, "2026-01-05", a.money(500), a.money(500)),)
    assert latched("9400") == (DailyLossLatched(a.ACCOUNT, "2026-01-05", a.money(600), a.money(500)),)
    assert latched("9500.01") == ()


def test_a_drawdown_at_its_limit_latches_with_its_numbers():
    expected = DrawdownLatched(a.ACCOUNT, a.money(12_500), a.money(10_000), "0.2")
    assert latched(10_000, peak_equity=a.money(12_500)) == (expected,)
    assert latched("10000.01", peak_equity=a.money(12_500)) == ()


def test_both_can_latch_at_once():
    kinds = [type(event) for event in latched(8_000)]
    assert kinds == [DailyLossLatched, DrawdownLatched]


def test_a_latch_that_is_shut_is_not_shut_again():
    assert latched(8_000, daily_loss_day=TODAY, drawdown_latched=True) == ()
    (again,) = latched(9_000, daily_loss_day=TODAY - DAY)
    assert isinstance(again, DailyLossLatched)


def test_yesterdays_equity_says_nothing_about_today():
    assert latched(9_000, day=TODAY - DAY) == ()
    assert latched(9_000, day=None, day_start_equity=None, peak_equity=None) == ()
    assert latched(9_000, day_start_equity=None) == ()


def test_latches_survive_being_written_down():
    for event in latched(8_000):
        assert Event.read(event.type, event.data()) == event


@pytest.mark.parametrize(
    ("equity", "changes", "due"),
    [
        (10_000, {}, False),
        (9_000, {}, False),
        ("10010", {}, False),  # a peak counts once it is 0.1 % above the last
        ("10010.01", {}, True),
        (9_000, {"day": TODAY - DAY}, True),
        (9_000, {"day": TODAY + DAY}, False),  # the clock stepped back
        (9_000, {"day": None, "day_start_equity": None}, True),
        (9_000, {"day_start_equity": None}, True),
        (9_000, {"peak_equity": None}, True),
    ],
)
def test_equity_is_marked_first_daily_and_at_every_peak(equity, changes, due):
    assert equity_mark_due(a.facts(**changes), a.money(equity), a.NOW) is due


def test_a_tighter_policy_latches_earlier():
    strict = a.a_policy(daily_loss_rate=Decimal("0.01"), max_drawdown_rate=Decimal("0.02"))
    events = new_latches(a.facts(), a.money("9850"), strict, a.NOW, account=a.ACCOUNT)
    assert [type(event) for event in events] == [DailyLossLatched]
