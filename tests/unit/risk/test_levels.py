"""Stops, targets, and whether the trade is worth its risk."""

from decimal import Decimal

import pytest

from app.domain.decision import DenyReason, Refusal
from app.domain.policy import TakeProfitRule
from app.domain.side import Side
from app.domain.signal import TrailingStop
from tests import builders as a
from tests.unit.risk.deciding import decided, entry, plan, reason

R = DenyReason


def rules(*pairs: tuple[str, str]) -> tuple[TakeProfitRule, ...]:
    return tuple(TakeProfitRule(Decimal(multiple), Decimal(ratio)) for multiple, ratio in pairs)


# --- the stop ----------------------------------------------------------------------------------------


def test_the_alerts_stop_is_kept():
    assert entry(decided(a.a_signal())).stop_loss == a.price(49_000)
    assert entry(decided(a.a_short_signal())).stop_loss == a.price(51_000)


def test_without_one_the_stop_is_two_average_true_ranges_away():
    assert entry(decided(a.a_signal(stop_loss=None))).stop_loss == a.price(49_000)
    assert entry(decided(a.a_short_signal(stop_loss=None))).stop_loss == a.price(51_000)


def test_a_stop_off_the_tick_moves_towards_the_entry():
    assert entry(decided(a.a_signal(stop_loss=a.price("49000.01")))).stop_loss == a.price("49000.1")
    assert entry(decided(a.a_short_signal(stop_loss=a.price("50999.99")))).stop_loss == a.price("50999.9")


@pytest.mark.parametrize(("stop", "passes"), [("49999.9", True), ("49999.91", False), ("50000", False)])
def test_a_longs_stop_is_at_least_a_tick_below_the_mark_price(stop, passes):
    answer = decided(a.a_signal(stop_loss=a.price(stop)))
    assert plan(answer) if passes else reason(answer) is R.STOP_WRONG_SIDE


@pytest.mark.parametrize(("stop", "passes"), [("50000.1", True), ("50000.09", False), ("50000", False)])
def test_a_shorts_stop_is_at_least_a_tick_above_the_mark_price(stop, passes):
    answer = decided(a.a_short_signal(stop_loss=a.price(stop)))
    assert plan(answer) if passes else reason(answer) is R.STOP_WRONG_SIDE


@pytest.mark.parametrize("atr", [0.0, -1.0, 0.04, float("inf"), float("nan")])
def test_without_a_stop_and_without_a_usable_range_there_is_no_entry(atr):
    assert reason(decided(a.a_signal(stop_loss=None), view=a.a_view(atr=atr))) is R.NO_STOP


def test_a_range_stop_of_exactly_one_tick_is_a_stop():
    assert entry(decided(a.a_signal(stop_loss=None), view=a.a_view(atr=0.05))).stop_loss == a.price("49999.9")


@pytest.mark.parametrize(
    ("signal", "wrong", "detail"),
    [
        (a.a_signal, {"stop_loss": a.price(51_000)}, "The stop of a LONG has to be at least one tick below"),
        (a.a_short_signal, {"stop_loss": a.price(49_000)}, "The stop of a SHORT has to be at least one tick above"),
        (a.a_signal, {"take_profits": (a.a_take_profit(1),)}, "A target of a LONG has to be at least one tick above"),
        (
            a.a_short_signal,
            {"take_profits": (a.a_take_profit(60_000),)},
            "A target of a SHORT has to be at least one tick below",
        ),
    ],
)
def test_a_level_on_the_wrong_side_is_told_where_it_belongs(signal, wrong, detail):
    answer = decided(signal(**wrong))
    assert isinstance(answer, Refusal)
    assert answer.detail.startswith(f"{detail} the mark price 50000, not at ")


def test_a_range_stop_below_zero_is_refused():
    assert reason(decided(a.a_signal(stop_loss=None), view=a.a_view(atr=25_000.0))) is R.STOP_BEYOND_LIQUIDATION


def test_the_size_is_computed_from_the_mark_price_on_its_tick():
    made = entry(decided(a.a_signal(), view=a.a_view(mark_price=50_000.04)))
    assert made.reference_price == a.price(50_000)


# --- the stop and liquidation --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "distance", "passes"),
    [(Side.LONG, 39_600, True), (Side.LONG, "39600.1", False), (Side.SHORT, 39_600, True), (Side.SHORT, 40_000, False)],
)
def test_a_stop_farther_than_leverage_one_allows_is_refused(side, distance, passes):
    # 80 % of the way to liquidation, which at leverage 1 is 99 % of the price: 0.8 x 0.99 x 50,000 = 39,600
    signal = a.a_signal if side is Side.LONG else a.a_short_signal
    stop = a.price(Decimal(50_000) - side.sign * Decimal(distance))
    policy = a.a_policy(take_profits=())
    answer = decided(signal(stop_loss=stop), policy=policy)
    assert plan(answer) if passes else reason(answer) is R.STOP_BEYOND_LIQUIDATION


def test_a_far_stop_lowers_the_leverage_instead_of_being_refused():
    # a stop 20 % away: 1 / (0.20 / 0.8 + 0.01) = 3.8, so leverage 3 at most
    signal = a.a_signal(stop_loss=a.price(40_000))
    policy = a.a_policy(risk_per_trade=Decimal("0.9"), max_notional=a.money(10**9), max_exposure_rate=Decimal(99))
    decision = plan(decided(signal, policy=policy, balance=a.a_balance(10_000, 2_000)))
    assert decision.entry is not None
    assert decision.entry.leverage == 3
    assert any("at leverage 3" in line for line in decision.why)


# --- targets -------------------------------------------------------------------------------------------


def targets(answer):
    return [(str(target.price), str(target.ratio)) for target in entry(answer).take_profits]


def test_targets_come_from_the_account_when_the_alert_brings_none():
    assert targets(decided(a.a_signal())) == [("51500", "0.5"), ("53000", "0.5")]
    assert targets(decided(a.a_short_signal())) == [("48500", "0.5"), ("47000", "0.5")]


def test_a_strategys_own_rules_come_before_the_accounts():
    assert targets(decided(a.a_signal(), profile=a.a_profile(take_profits=rules(("2", "1"))))) == [("52000", "1")]


def test_the_alerts_targets_come_before_every_rule():
    signal = a.a_signal(take_profits=(a.a_take_profit(53_000, "0.4"), a.a_take_profit(51_600, "0.6")))
    assert targets(decided(signal)) == [("51600", "0.6"), ("53000", "0.4")]


def test_targets_beyond_the_whole_position_are_cut_from_the_farthest():
    signal = a.a_signal(take_profits=tuple(a.a_take_profit(at, "0.6") for at in (53_000, 52_000, 54_000)))
    assert targets(decided(signal)) == [("52000", "0.6"), ("53000", "0.4")]


def test_targets_of_the_alert_move_towards_the_entry_and_those_of_rules_away_from_it():
    assert targets(decided(a.a_signal(take_profits=(a.a_take_profit("52000.07"),)))) == [("52000", "1")]
    assert targets(decided(a.a_short_signal(take_profits=(a.a_take_profit("47999.93"),)))) == [("48000", "1")]
    odd = a.a_profile(take_profits=rules(("1.50005", "1")))
    assert targets(decided(a.a_signal(), profile=odd)) == [("51500.1", "1")]
    assert targets(decided(a.a_short_signal(), profile=odd)) == [("48499.9", "1")]


@pytest.mark.parametrize(("signal", "at"), [(a.a_signal, "50000.09"), (a.a_short_signal, "49999.91")])
def test_a_target_is_at_least_a_tick_beyond_the_mark_price(signal, at):
    assert reason(decided(signal(take_profits=(a.a_take_profit(at),)))) is R.TAKE_PROFIT_WRONG_SIDE


def test_one_target_on_the_wrong_side_is_enough():
    both = (a.a_take_profit(53_000, "0.5"), a.a_take_profit(49_000, "0.5"))
    assert reason(decided(a.a_signal(take_profits=both))) is R.TAKE_PROFIT_WRONG_SIDE


def test_a_short_cannot_earn_more_than_its_price():
    far = a.a_short_signal(stop_loss=a.price(70_000))
    assert reason(decided(far)) is R.REWARD_RISK


@pytest.mark.parametrize("multiple", ["0", "-2"])
def test_a_rule_that_earns_nothing_is_no_target(multiple):
    profile = a.a_profile(take_profits=rules((multiple, "1")))
    assert reason(decided(a.a_signal(), profile=profile)) is R.REWARD_RISK


# --- reward against risk ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pairs", "passes"),
    [
        ([(51_500, "1")], True),  # exactly 1.5
        ([("51499.9", "1")], False),
        ([(51_000, "0.5"), (52_000, "0.5")], True),
        ([(51_000, "0.5"), ("51999.9", "0.5")], False),
        ([(53_000, "0.5")], True),  # the other half counts as earning nothing
        ([("52999.9", "0.5")], False),
    ],
)
def test_targets_must_earn_one_and_a_half_times_the_stop(pairs, passes):
    signal = a.a_signal(take_profits=tuple(a.a_take_profit(at, ratio) for at, ratio in pairs))
    answer = decided(signal)
    assert plan(answer) if passes else reason(answer) is R.REWARD_RISK


def test_too_little_reward_is_told_in_numbers():
    answer = decided(a.a_signal(take_profits=(a.a_take_profit(50_500),)))
    assert isinstance(answer, Refusal)
    assert answer.numbers == {"reward_risk": "0.5", "minimum": "1.5"}
    assert (
        answer.detail == "Reward against risk is 0.5 (targets 500 away on average, stop 1000), below the 1.5 asked for."
    )


def test_a_rule_of_exactly_the_minimum_passes_at_any_stop_distance():
    profile = a.a_profile(take_profits=rules(("1.5", "1")))
    for stop in ("49000.1", "48999.9", "49123.7"):
        assert plan(decided(a.a_signal(stop_loss=a.price(stop)), profile=profile))


def test_a_strategy_that_leaves_by_signal_is_not_weighed_and_says_so():
    decision = plan(decided(a.a_signal(), profile=a.a_profile(take_profits=())))
    assert decision.entry is not None
    assert decision.entry.take_profits == ()
    assert any("was not checked" in line for line in decision.why)


# --- additions and trailing stops ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "held", "brought", "stop"),
    [
        (Side.LONG, 48_500, 49_000, 49_000),
        (Side.LONG, 49_500, 49_000, 49_500),
        (Side.LONG, None, 49_000, 49_000),
        (Side.SHORT, 51_500, 51_000, 51_000),
        (Side.SHORT, 50_500, 51_000, 50_500),
    ],
)
def test_an_addition_keeps_or_tightens_the_stop(side, held, brought, stop):
    signal = a.a_signal if side is Side.LONG else a.a_short_signal
    position = a.a_position(side=side, stop_price=held and a.price(held), quantity=a.quantity("0.01"))
    answer = decided(signal(stop_loss=a.price(brought)), position, profile=a.a_profile(max_entries=2))
    assert entry(answer).stop_loss == a.price(stop)


def test_an_addition_to_a_position_about_to_be_stopped_is_refused():
    about_to_stop = a.a_position(stop_price=a.price(50_000))
    assert reason(decided(a.a_signal(), about_to_stop, profile=a.a_profile(max_entries=2))) is R.STOP_WRONG_SIDE


def test_a_reversal_does_not_inherit_the_old_stop():
    held = a.a_position(stop_price=a.price("50500"))
    assert entry(decided(a.a_short_signal(), held)).stop_loss == a.price(51_000)


def test_a_trailing_stop_is_passed_on_with_its_activation_on_the_tick():
    trailing = TrailingStop(Decimal("0.01"), a.price("51000.07"))
    passed = entry(decided(a.a_signal(trailing_stop=trailing))).trailing_stop
    assert passed == TrailingStop(Decimal("0.01"), a.price(51_000))
    plain = TrailingStop(Decimal("0.01"))
    assert entry(decided(a.a_signal(trailing_stop=plain))).trailing_stop == plain
    tiny = TrailingStop(Decimal("0.01"), a.price("0.01"))
    assert entry(decided(a.a_signal(trailing_stop=tiny))).trailing_stop == TrailingStop(Decimal("0.01"))
