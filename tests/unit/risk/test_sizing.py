"""How much: the risk per trade over the stop distance, cut by every limit."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.decision import DenyReason, Refusal
from tests import builders as a
from tests.unit.risk.deciding import decided, entry, plan, reason

R = DenyReason


def sized(**changes):
    """Quantity, notional, risk and leverage of the plain long; stop 1,000 away at 50,000."""
    position = changes.pop("position", None)
    made = entry(decided(changes.pop("signal", a.a_signal()), position, **changes))
    return str(made.quantity), str(made.notional), str(made.risk), made.leverage


def test_one_percent_of_equity_is_lost_at_the_stop():
    assert sized() == ("0.1", "5000", "100", 1)  # 10,000 x 1 % / 1,000
    assert sized(signal=a.a_short_signal()) == ("0.1", "5000", "100", 1)


def test_a_strategys_own_risk_can_only_be_smaller():
    assert sized(profile=a.a_profile(risk_per_trade=Decimal("0.005")))[0] == "0.05"
    assert sized(profile=a.a_profile(risk_per_trade=Decimal("0.02")))[0] == "0.1"


def test_the_size_is_floored_to_the_coarser_step():
    assert sized(signal=a.a_signal(stop_loss=a.price(48_900)))[0] == "0.09"  # 100 / 1,100 = 0.0909…
    assert sized(instrument=a.an_instrument(market_step=Decimal("0.03")))[0] == "0.09"
    assert sized(instrument=a.an_instrument(step=Decimal("0.04")))[0] == "0.08"


# --- each cap ------------------------------------------------------------------------------------------


def test_a_symbol_holds_no_more_than_its_notional():
    assert sized(policy=a.a_policy(max_notional=a.money(2_500)))[:2] == ("0.05", "2500")
    assert sized(profile=a.a_profile(max_notional=a.money(2_000)))[:2] == ("0.04", "2000")
    assert sized(profile=a.a_profile(max_notional=a.money(20_000)))[0] == "0.1"


def test_an_addition_gets_what_the_position_leaves_at_the_mark_price():
    profile = a.a_profile(max_entries=2, max_notional=a.money(6_000))
    held = a.a_position(quantity=a.quantity("0.1"), entry_price=a.price(10))
    assert sized(position=held, profile=profile)[0] == "0.02"  # 6,000 - 0.1 x 50,000
    full = a.a_position(quantity=a.quantity("0.12"))
    assert reason(decided(a.a_signal(), full, profile=profile)) is R.MAX_EXPOSURE


def test_what_another_alert_reserved_on_the_symbol_counts():
    reserved = a.facts(reservations=(a.a_reservation(symbol=a.BTC, notional=a.money(8_000)),))
    assert sized(facts=reserved)[1] == "2000"
    mine = a.a_reservation(symbol=a.BTC, notional=a.money(8_000), alert_id=a.a_signal().alert_id)
    assert sized(facts=a.facts(reservations=(mine,)))[1] == "5000"


def test_all_positions_and_promises_share_the_exposure():
    eth = a.a_position(symbol=a.ETH, quantity=a.quantity(8), entry_price=a.price(2_000))
    assert sized(facts=a.facts(positions=(eth,)))[1] == "4000"  # 2 x 10,000 - 16,000
    promised = a.a_reservation(symbol="SOLUSDT", notional=a.money(3_000))
    assert sized(facts=a.facts(positions=(eth,), reservations=(promised,)))[1] == "1000"
    more = a.a_reservation(symbol="SOLUSDT", notional=a.money(4_000))
    assert reason(decided(a.a_signal(), facts=a.facts(positions=(eth,), reservations=(more,)))) is R.MAX_EXPOSURE


def test_a_position_and_the_promise_it_came_from_count_once_until_the_alert_is_final():
    eth = a.a_position(symbol=a.ETH, quantity=a.quantity(8), entry_price=a.price(2_000))  # 16,000
    rest = {16_000: "4000", 15_000: "4000", 18_000: "2000"}  # filled in full; above its promise; in part so far
    for notional, left in rest.items():
        same = a.a_reservation(symbol=a.ETH, notional=a.money(notional), alert_id=eth.alert_id, entered=True)
        assert sized(facts=a.facts(positions=(eth,), reservations=(same,)))[1] == left
    other = a.a_reservation(symbol=a.ETH, notional=a.money(3_000))  # an addition by another alert
    assert sized(facts=a.facts(positions=(eth,), reservations=(other,)))[1] == "1000"
    elsewhere = a.a_reservation(symbol="SOLUSDT", notional=a.money(3_000), alert_id=eth.alert_id)
    assert sized(facts=a.facts(positions=(eth,), reservations=(elsewhere,)))[1] == "1000"


def test_an_addition_counts_its_own_position_once_and_a_reversal_does_not_count_it():
    held = a.a_position(quantity=a.quantity("0.3"))
    policy = a.a_policy(max_notional=a.money(10**6))
    adding = decided(a.a_signal(), held, policy=policy, profile=a.a_profile(max_entries=2))
    assert str(entry(adding).notional) == "5000"  # 20,000 - 15,000
    assert str(entry(decided(a.a_short_signal(), held, policy=policy)).notional) == "5000"
    turning = decided(a.a_short_signal(), a.a_position(quantity=a.quantity("0.399")), policy=policy)
    assert str(entry(turning).notional) == "5000"


def test_the_venues_largest_market_order_is_a_cap():
    assert sized(instrument=a.an_instrument(max_market_quantity=a.quantity("0.0305")))[0] == "0.03"


# --- margin and leverage -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("available", "leverage"),
    [
        ("5025", 1),  # 5,000 / 1 + 0.5 % of 5,000
        ("5024.99", 2),
        ("2525", 2),
        ("2524.99", 3),
        ("1025", 5),
    ],
)
def test_the_smallest_leverage_that_fits_is_used(available, leverage):
    assert sized(balance=a.a_balance(10_000, available)) == ("0.1", "5000", "100", leverage)


def test_beyond_the_highest_leverage_the_size_shrinks():
    assert sized(balance=a.a_balance(10_000, "1024.99")) == ("0.099", "4950", "99", 5)
    assert sized(balance=a.a_balance(10_000, 205))[:2] == ("0.02", "1000")


@pytest.mark.parametrize(
    "changes",
    [
        {"policy": a.a_policy(max_leverage=2)},
        {"profile": a.a_profile(max_leverage=2)},
        {"instrument": a.an_instrument(max_leverage=2)},
    ],
)
def test_the_lowest_leverage_limit_counts(changes):
    assert sized(balance=a.a_balance(10_000, 1_010), **changes) == ("0.04", "2000", "40", 2)


def test_a_strategy_cannot_raise_the_leverage():
    assert sized(balance=a.a_balance(10_000, 205), profile=a.a_profile(max_leverage=50))[3] == 5


def test_margin_promised_to_an_entry_that_is_not_filled_yet_is_not_spent_twice():
    promised = a.a_reservation(symbol=a.ETH, notional=a.money(6_000))
    assert sized(facts=a.facts(reservations=(promised,)))[3] == 2  # 4,000 left for 5,000
    eth = a.a_position(symbol=a.ETH, quantity=a.quantity("0.01"))
    added_to = a.facts(reservations=(promised,), positions=(eth,))
    assert sized(facts=added_to)[3] == 2
    entered = a.facts(reservations=(replace(promised, entered=True),))
    assert sized(facts=entered)[3] == 1  # the venue has already taken it


@pytest.mark.parametrize("available", [0, -5, "0.5"])
def test_without_margin_there_is_no_entry(available):
    assert reason(decided(a.a_signal(), balance=a.a_balance(10_000, available))) is R.TOO_SMALL


def test_a_leverage_limit_of_zero_stops_entries():
    assert reason(decided(a.a_signal(), policy=a.a_policy(max_leverage=0))) is R.TOO_SMALL


@pytest.mark.parametrize("equity", [0, -100])
def test_without_equity_there_is_nothing_to_risk(equity):
    broke = a.facts(day=None, day_start_equity=None, peak_equity=None)
    assert reason(decided(a.a_signal(), facts=broke, balance=a.a_balance(equity, 1_000))) is R.TOO_SMALL


# --- too small -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("least", "passes"), [("0.1", True), ("0.101", False)])
def test_the_venues_smallest_quantity(least, passes):
    answer = decided(a.a_signal(), instrument=a.an_instrument(min_quantity=a.quantity(least)))
    assert plan(answer) if passes else reason(answer) is R.TOO_SMALL


@pytest.mark.parametrize(("least", "passes"), [("5000", True), ("5000.01", False)])
def test_the_venues_smallest_notional(least, passes):
    answer = decided(a.a_signal(), instrument=a.an_instrument(min_notional=a.money(least)))
    assert plan(answer) if passes else reason(answer) is R.TOO_SMALL


def test_too_small_tells_what_made_it_small_and_what_is_needed():
    answer = decided(a.a_signal(), policy=a.a_policy(max_notional=a.money(80)))
    assert isinstance(answer, Refusal)
    assert answer.reason is R.TOO_SMALL
    assert "a symbol may hold 80" in answer.detail
    assert answer.numbers == {
        "quantity": "0.001",
        "notional": "50",
        "min_quantity": "0.001",
        "min_notional": "100",
    }


# --- words ---------------------------------------------------------------------------------------------


def test_the_decision_says_what_shaped_it():
    decision = plan(decided(a.a_signal(stop_loss=None), policy=a.a_policy(max_notional=a.money(2_500))))
    assert decision.why == (
        "The stop at 49000 is 2 average true ranges of 500 away.",
        "Reward against risk is 2.25 (targets 2250 away on average, stop 1000).",
        "1 % of equity is 100; over a stop distance of 1000 that is 0.1 BTC.",
        "Cut to 0.05 BTC: a symbol may hold 2500, of which 0 is taken.",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"policy": a.a_policy(max_notional=a.money(5_000))},
        {"instrument": a.an_instrument(max_market_quantity=a.quantity("0.1"))},
    ],
)
def test_a_cap_that_did_not_bind_is_not_mentioned(changes):
    assert not any(line.startswith("Cut") for line in plan(decided(a.a_signal(), **changes)).why)


def test_the_venues_cap_is_mentioned_where_it_binds():
    decision = plan(decided(a.a_signal(), instrument=a.an_instrument(max_market_quantity=a.quantity("0.03"))))
    assert decision.why[-1] == "Cut to 0.03 BTC: the venue's largest market order."
