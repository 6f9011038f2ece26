"""What stops an entry: each reason from the plain case by one change, and each limit on both sides of its edge."""

import math
from datetime import UTC, timedelta, timezone
from decimal import Decimal

import pytest

from app.domain.decision import DenyReason, Move, Refusal, Stage
from app.domain.ids import AlertId
from app.domain.side import Side
from app.domain.signal import Signal
from tests import builders as a
from tests.unit.risk.deciding import decided, entry, plan, reason

R = DenyReason
NEWER = a.a_signal(alert_id=AlertId("newer"), bar_time=a.NOW, fired_at=a.NOW)
LONG = a.a_position()

ONE_CHANGE_REFUSALS = [
    (R.STALE, {"signal": a.a_signal(fired_at=a.NOW - a.seconds(61))}),
    (R.UNCONFIRMED, {"signal": a.a_signal(confirmed=False)}),
    (R.SUPERSEDED, {"newest": NEWER}),
    (R.SYMBOL_NOT_ALLOWED, {"profile": a.a_profile(symbols=frozenset({a.ETH}))}),
    (R.SYMBOL_NOT_ALLOWED, {"instrument": None, "listed": False}),
    (R.NO_MARKET_DATA, {"instrument": None}),  # the venue did not answer: it may in a moment
    (R.SYMBOL_NOT_ALLOWED, {"instrument": a.an_instrument(trading=False)}),
    (R.SYMBOL_NOT_ALLOWED, {"instrument": a.an_instrument(tick=Decimal(0))}),
    (R.SYMBOL_NOT_ALLOWED, {"instrument": a.an_instrument(step=Decimal(0), market_step=Decimal(0))}),
    (R.SIDE_NOT_ALLOWED, {"profile": a.a_profile(sides=frozenset({Side.SHORT}))}),
    (R.NO_DIRECTION, {"signal": a.a_signal(target=None, action=None), "move": Move.OPEN}),
    (R.KILLED, {"facts": a.facts(killed=True)}),
    (R.PAUSED, {"facts": a.facts(paused=True)}),
    (R.PAUSED, {"profile": a.a_profile(enabled=False)}),
    (R.NOT_RECONCILED, {"ready": a.ready(reconciled=False)}),
    (R.NOT_RECONCILED, {"ready": a.ready(halted="429")}),
    (R.CLOCK_SKEW, {"ready": a.ready(clock_skew_s=0.6)}),
    (R.CLOCK_SKEW, {"ready": a.ready(clock_skew_s=-0.6)}),
    (R.CLOCK_SKEW, {"ready": a.ready(clock_skew_s=math.nan)}),
    (R.CLOCK_SKEW, {"ready": a.ready(clock_skew_s=math.inf)}),
    (R.DAILY_LOSS_LIMIT, {"facts": a.facts(daily_loss_day=a.NOW.date())}),
    (R.DAILY_LOSS_LIMIT, {"balance": a.a_balance(9_500)}),
    (R.DRAWDOWN_LATCHED, {"facts": a.facts(drawdown_latched=True)}),
    (R.DRAWDOWN_LATCHED, {"facts": a.facts(peak_equity=a.money(12_500))}),
    (R.COOLDOWN, {"facts": a.facts(last_entry_at={a.BTC: a.NOW - a.seconds(59)})}),
    (R.RATE_LIMIT, {"facts": a.facts(entries_at=(a.NOW - a.seconds(30),) * 10)}),
    (
        R.MAX_POSITIONS,
        {"facts": a.facts(positions=(a.a_position(symbol=a.ETH),)), "policy": a.a_policy(max_positions=1)},
    ),
    (R.ALREADY_IN_POSITION, {"position": LONG}),
    (R.ALREADY_IN_POSITION, {"position": LONG, "move": Move.OPEN}),
    (R.ALREADY_IN_POSITION, {"position": LONG, "move": Move.REVERSE}),
    (R.ALREADY_FLAT, {"move": Move.ADD}),
    (R.ALREADY_FLAT, {"move": Move.REVERSE}),
    (R.ALREADY_FLAT, {"position": a.a_position(side=Side.SHORT), "move": Move.ADD}),
    (R.UNKNOWN_REDUCTION, {"position": LONG, "move": Move.REDUCE}),
    (R.NO_MARKET_DATA, {"view": None}),
    (R.NO_MARKET_DATA, {"balance": None}),
    (R.NO_MARKET_DATA, {"view": a.a_view(mark_price=math.nan)}),
    (R.NO_MARKET_DATA, {"view": a.a_view(mark_price=0.0)}),
    (R.NO_STOP, {"signal": a.a_signal(stop_loss=None), "view": a.a_view(atr=math.nan)}),
    (R.STOP_WRONG_SIDE, {"signal": a.a_signal(stop_loss=a.price(51_000))}),
    (R.STOP_BEYOND_LIQUIDATION, {"signal": a.a_signal(stop_loss=a.price(5_000))}),
    (R.TAKE_PROFIT_WRONG_SIDE, {"signal": a.a_signal(take_profits=(a.a_take_profit(49_500),))}),
    (R.REWARD_RISK, {"signal": a.a_signal(take_profits=(a.a_take_profit(51_000),))}),
    (R.WIN_RATE, {"record": a.a_record(20, 11)}),
    (R.MAX_EXPOSURE, {"facts": a.facts(positions=(a.a_position(symbol=a.ETH, quantity=a.quantity(1)),))}),
    (R.TOO_SMALL, {"instrument": a.an_instrument(min_notional=a.money(5_001))}),
]
ELSEWHERE = {  # refusals of the other stages
    R.UNREADABLE_ALERT, R.NO_QUORUM, R.LOW_CONFIDENCE, R.LSTM_CONTRADICTS,
    R.VENUE_REJECTED, R.NOT_EXECUTED, R.STOP_IMPOSSIBLE, R.QUARANTINED,
}  # fmt: skip


@pytest.mark.parametrize(("why", "changes"), ONE_CHANGE_REFUSALS)
def test_one_change_to_the_plain_case_refuses_it_with_its_own_reason(why, changes):
    case = {"signal": a.a_signal(), **changes}
    answer = decided(case.pop("signal"), case.pop("position", None), **case)
    assert reason(answer) is why
    assert isinstance(answer, Refusal)
    assert answer.stage is Stage.RISK
    assert answer.detail.endswith(".")
    assert all(isinstance(number, str) for number in answer.numbers.values())


def test_every_reason_of_the_risk_stage_can_happen():
    assert {why for why, _ in ONE_CHANGE_REFUSALS} == set(DenyReason) - ELSEWHERE


def test_the_plain_case_is_accepted():
    assert plan(decided(a.a_signal())).move is Move.OPEN
    assert plan(decided(a.a_short_signal())).move is Move.OPEN


# --- edges -------------------------------------------------------------------------------------------


def refused_or_none(answer):
    return answer.reason if isinstance(answer, Refusal) else None


@pytest.mark.parametrize(("age", "expected"), [(60, None), (60.001, R.STALE), (-5, None), (-5.001, R.STALE)])
def test_an_entry_is_fresh_for_sixty_seconds_and_not_from_the_future(age, expected):
    assert refused_or_none(decided(a.a_signal(fired_at=a.NOW - a.seconds(age)))) == expected


def test_a_refusal_shows_its_numbers():
    answer = decided(a.a_signal(fired_at=a.NOW - a.seconds(90)))
    assert isinstance(answer, Refusal)
    assert answer.detail == "The alert fired 90.000 s ago; 60 s is the limit."
    assert answer.numbers == {"age_s": "90.0", "max_age_s": "60.0"}


def test_an_unconfirmed_entry_passes_where_the_operator_allows_it():
    assert plan(decided(a.a_signal(confirmed=False), policy=a.a_policy(allow_unconfirmed=True)))


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        ({"bar_time": a.NOW, "fired_at": a.NOW - a.seconds(1)}, R.SUPERSEDED),
        ({"fired_at": a.NOW}, R.SUPERSEDED),  # the same bar, fired later
        ({"fired_at": a.NOW - a.seconds(1)}, None),  # the same second: not known to be newer
        ({"bar_time": a.NOW - timedelta(hours=2), "fired_at": a.NOW}, None),  # an older bar delivered late
        ({"bar_time": a.NOW - timedelta(hours=2), "fired_at": a.NOW, "interval": "4h"}, R.SUPERSEDED),
        ({"bar_time": None, "fired_at": a.NOW}, R.SUPERSEDED),
        ({"bar_time": None, "fired_at": a.NOW - a.seconds(2)}, None),
        ({"fired_at": a.NOW, "alert_id": a.a_signal().alert_id}, None),  # itself, on a second attempt
    ],
)
def test_newer_is_a_later_bar_then_a_later_firing(newest, expected):
    other: Signal = a.a_signal(**{"alert_id": AlertId("other"), **newest})
    assert refused_or_none(decided(a.a_signal(), newest=other)) == expected


def test_no_symbols_in_the_profile_means_every_symbol_of_the_venue():
    assert plan(decided(a.a_signal(), profile=a.a_profile(symbols=frozenset())))


@pytest.mark.parametrize("skew", [0.5, -0.5, 0.0])
def test_a_clock_half_a_second_off_is_good_enough(skew):
    assert plan(decided(a.a_signal(), ready=a.ready(clock_skew_s=skew)))


@pytest.mark.parametrize(
    ("equity", "expected"), [("9500.01", None), ("9500", R.DAILY_LOSS_LIMIT), ("9000", R.DAILY_LOSS_LIMIT)]
)
def test_the_daily_loss_is_reached_at_exactly_its_limit(equity, expected):
    assert refused_or_none(decided(a.a_signal(), balance=a.a_balance(equity))) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"daily_loss_day": a.NOW.date() - timedelta(days=1)}, None),
        ({"daily_loss_day": a.NOW.date() + timedelta(days=1)}, R.DAILY_LOSS_LIMIT),  # the clock stepped back
        ({"day": a.NOW.date() - timedelta(days=1), "day_start_equity": a.money(20_000)}, None),
        ({"day": a.NOW.date() + timedelta(days=1), "day_start_equity": a.money(20_000)}, R.DAILY_LOSS_LIMIT),
        ({"day": None, "day_start_equity": None, "peak_equity": None}, None),
    ],
)
def test_the_daily_loss_belongs_to_its_utc_day(changes, expected):
    assert refused_or_none(decided(a.a_signal(), facts=a.facts(**changes))) == expected


def test_the_day_is_utc_wherever_the_clock_says_it_is():
    just_after_midnight = a.NOW.replace(hour=0, minute=30)
    in_new_york = just_after_midnight.astimezone(timezone(-timedelta(hours=5)))
    assert in_new_york.date() < just_after_midnight.astimezone(UTC).date()
    latched = a.facts(daily_loss_day=a.NOW.date())
    signal = a.a_signal(fired_at=just_after_midnight)
    assert reason(decided(signal, facts=latched, now=in_new_york)) is R.DAILY_LOSS_LIMIT
    yesterday = a.facts(daily_loss_day=in_new_york.date())
    assert plan(decided(signal, facts=yesterday, now=in_new_york))


@pytest.mark.parametrize(("peak", "expected"), [("12499.99", None), ("12500", R.DRAWDOWN_LATCHED)])
def test_the_drawdown_is_reached_at_exactly_its_limit(peak, expected):
    assert refused_or_none(decided(a.a_signal(), facts=a.facts(peak_equity=a.money(peak)))) == expected


@pytest.mark.parametrize(("ago", "expected"), [(60, None), (59.999, R.COOLDOWN), (-3_600, R.COOLDOWN)])
def test_a_symbol_cools_down_for_sixty_seconds(ago, expected):
    last = {a.BTC: a.NOW - a.seconds(ago), a.ETH: a.NOW}
    assert refused_or_none(decided(a.a_signal(), facts=a.facts(last_entry_at=last))) == expected


@pytest.mark.parametrize(
    ("ages", "expected"),
    [
        ([59.999] * 9 + [60], None),
        ([59.999] * 10, R.RATE_LIMIT),
        ([0] * 9 + [-3_600], R.RATE_LIMIT),
        ([600] * 50, None),
    ],
)
def test_ten_entries_a_minute_and_not_one_more(ages, expected):
    entries = tuple(a.NOW - a.seconds(age) for age in ages)
    assert refused_or_none(decided(a.a_signal(), facts=a.facts(entries_at=entries))) == expected


def test_positions_and_promises_on_other_symbols_take_places():
    policy = a.a_policy(max_positions=2, max_exposure_rate=Decimal(100))
    eth, sol = a.a_position(symbol=a.ETH), a.a_reservation(symbol="SOLUSDT")
    cases = {
        (eth,): ((), None),
        (eth, LONG): ((), None),  # the signal's own symbol is not another one
        (): ((sol, a.a_reservation()), R.MAX_POSITIONS),
    }
    for positions, (reservations, expected) in cases.items():
        facts = a.facts(positions=positions, reservations=reservations)
        assert refused_or_none(decided(a.a_signal(), facts=facts, policy=policy)) == expected
    same_symbol_twice = a.facts(positions=(eth,), reservations=(a.a_reservation(symbol=a.ETH),))
    assert plan(decided(a.a_signal(), facts=same_symbol_twice, policy=policy))
    both = a.facts(positions=(eth,), reservations=(sol,))
    assert reason(decided(a.a_signal(), facts=both, policy=policy)) is R.MAX_POSITIONS
    mine = a.facts(positions=(eth,), reservations=(a.a_reservation(symbol="SOLUSDT", alert_id=a.a_signal().alert_id),))
    assert plan(decided(a.a_signal(), facts=mine, policy=policy))


@pytest.mark.parametrize(("entries", "most", "expected"), [(1, 2, None), (2, 2, R.ALREADY_IN_POSITION)])
def test_a_position_takes_as_many_entries_as_its_strategy_may_make(entries, most, expected):
    held = a.a_position(entries=entries)
    assert refused_or_none(decided(a.a_signal(), held, profile=a.a_profile(max_entries=most))) == expected


@pytest.mark.parametrize(
    ("trades", "wins", "expected"),
    [
        (20, 11, R.WIN_RATE),  # exactly 55 % is not more than 55 %
        (20, 12, None),
        (19, 0, None),  # too few to say anything
        (21, 11, R.WIN_RATE),
        (100, 55, R.WIN_RATE),
        (100, 56, None),
    ],
)
def test_more_than_55_percent_of_enough_trades_must_have_won(trades, wins, expected):
    assert refused_or_none(decided(a.a_signal(), record=a.a_record(trades, wins))) == expected


def test_a_strategys_own_win_rate_can_only_be_stricter():
    half, most = a.a_profile(min_win_rate=Decimal("0.5")), a.a_profile(min_win_rate=Decimal("0.8"))
    assert reason(decided(a.a_signal(), profile=half, record=a.a_record(20, 11))) is R.WIN_RATE
    assert reason(decided(a.a_signal(), profile=most, record=a.a_record(20, 16))) is R.WIN_RATE
    assert plan(decided(a.a_signal(), profile=most, record=a.a_record(20, 17)))


def test_without_any_trade_there_is_no_win_rate_to_fail():
    assert plan(decided(a.a_signal(), policy=a.a_policy(win_rate_min_trades=0)))


def test_the_first_reason_in_the_list_is_the_one_that_is_told():
    stale = a.a_signal(fired_at=a.NOW - a.seconds(3_600), confirmed=False)
    assert reason(decided(stale, facts=a.facts(killed=True, paused=True))) is R.STALE
    assert reason(decided(a.a_signal(), facts=a.facts(killed=True, paused=True))) is R.KILLED


def test_an_action_without_a_target_opens_its_side():
    assert entry(decided(a.a_signal(target=None))).side is Side.LONG
    assert entry(decided(a.a_short_signal(target=None))).side is Side.SHORT
