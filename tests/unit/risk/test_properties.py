"""What holds for every world, not only for the ones somebody thought of."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain.decision import Decision, DenyReason, Move, Refusal, Stage
from app.domain.events import DecisionMade, Event
from app.domain.money import NO_MONEY, Money, Quantity
from app.pipeline.risk_rules.protection_levels import MAINTENANCE_RATE, STOP_SHARE_OF_LIQUIDATION
from app.pipeline.risk_rules.sizing import HEADROOM_RATE
from tests import builders as a
from tests.unit.risk.worlds import World, entered_worlds, wild_entered_worlds, wild_worlds, worlds

PATIENT = settings(max_examples=150, deadline=None)
A_HAIR = Decimal("1e-20")  # relative: what 28 digits cannot tell apart


def entered(world: World) -> Decision:
    answer = world.decided()
    assert isinstance(answer, Decision)
    assert answer.entry is not None
    return answer


def total(amounts) -> Decimal:
    return sum((amount.value for amount in amounts), Decimal(0))


class Limits:
    """The limits of a world, computed the plain way round: from the size to what it uses, not back."""

    def __init__(self, world: World, decision: Decision) -> None:
        i, signal = world.inputs, world.signal
        self.policy, self.profile, self.instrument = i["policy"], i["profile"], i["instrument"]
        self.entry, self.balance = decision.entry, i["balance"]
        self.rate = min(self.policy.risk_per_trade, self.profile.risk_per_trade or self.policy.risk_per_trade)
        held = i["position"].quantity.at(self.entry.reference_price) if decision.move is Move.ADD else NO_MONEY
        promised = [room for room in i["facts"].reservations if room.alert_id != signal.alert_id]
        uses = [(r.symbol, r.notional.value, r.alert_id) for r in promised]
        for p in i["facts"].positions:  # of a position and the promise it came from, the larger counts
            if p.symbol != signal.symbol or decision.move is Move.ADD:
                notional = held if p.symbol == signal.symbol else p.quantity.at(p.entry_price)
                same = [use for use in uses if (use[0], use[2]) == (p.symbol, p.alert_id)]
                uses = [use for use in uses if use not in same]
                uses.append((p.symbol, max([notional.value, *(use[1] for use in same)]), p.alert_id))
        self.on_symbol = sum((use[1] for use in uses if use[0] == signal.symbol), Decimal(0))
        self.in_total = sum((use[1] for use in uses), Decimal(0))
        self.usable = self.balance.available.value - total(r.notional for r in promised if not r.entered)
        caps = [self.policy.max_leverage, self.profile.max_leverage, self.instrument.max_leverage]
        self.max_leverage = min(cap for cap in caps if cap is not None)

    def broken(self, quantity: Decimal, leverage: int) -> list[str]:
        """Which limits an entry of this size at this leverage breaks."""
        reference = self.entry.reference_price.value
        notional, way = quantity * reference, abs(reference - self.entry.stop_loss.value)
        per_symbol = min(cap.value for cap in (self.policy.max_notional, self.profile.max_notional) if cap)
        most = {
            "risk": (quantity * way, self.balance.equity.value * self.rate),
            "notional": (notional + self.on_symbol, per_symbol),
            "exposure": (notional + self.in_total, self.balance.equity.value * self.policy.max_exposure_rate),
            "margin": (notional / leverage + notional * HEADROOM_RATE, self.usable),
            "leverage": (Decimal(leverage), Decimal(self.max_leverage)),
            "market order": (quantity, self.instrument.max_market_quantity.value),
            "liquidation": (
                way / reference,
                STOP_SHARE_OF_LIQUIDATION * (Decimal(1) / leverage - MAINTENANCE_RATE),
            ),
        }
        return [name for name, (used, limit) in most.items() if used > limit * (1 + A_HAIR)]


@PATIENT
@given(entered_worlds)
def test_no_entry_breaks_any_limit(world):
    decision = entered(world)
    limits = Limits(world, decision)
    assert limits.broken(decision.entry.quantity.value, decision.entry.leverage) == []


@PATIENT
@given(entered_worlds)
def test_one_step_more_or_one_leverage_less_would_break_one(world):
    decision = entered(world)
    limits, entry = Limits(world, decision), decision.entry
    step = max(limits.instrument.step, limits.instrument.market_step)
    larger = entry.quantity.value + step
    assert all(limits.broken(larger, leverage) for leverage in range(1, 126))
    assert entry.leverage == 1 or "margin" in limits.broken(entry.quantity.value, entry.leverage - 1)


@PATIENT
@given(entered_worlds)
def test_every_number_is_on_the_venues_steps_and_on_the_right_side(world):
    decision = entered(world)
    instrument, entry = world.inputs["instrument"], decision.entry
    tick, sign, reference = instrument.tick, entry.side.sign, entry.reference_price.value
    prices = [entry.reference_price, entry.stop_loss, *(target.price for target in entry.take_profits)]
    if entry.trailing_stop and entry.trailing_stop.activation:
        prices.append(entry.trailing_stop.activation)
    assert all(price.value % tick == 0 for price in prices)
    assert (reference - entry.stop_loss.value) * sign >= tick
    assert all((target.price.value - reference) * sign >= tick for target in entry.take_profits)
    assert sum(target.ratio for target in entry.take_profits) <= 1
    assert entry.quantity.value % max(instrument.step, instrument.market_step) == 0
    assert entry.quantity >= instrument.min_quantity
    assert entry.notional >= instrument.min_notional
    assert entry.notional == entry.quantity.at(entry.reference_price)
    assert entry.risk == Money(entry.quantity.value * abs(reference - entry.stop_loss.value))


@PATIENT
@given(entered_worlds)
def test_targets_are_worth_the_risk_or_there_are_none(world):
    entry = entered(world).entry
    way = abs(entry.reference_price.value - entry.stop_loss.value)
    earned = sum(t.ratio * abs(t.price.value - entry.reference_price.value) for t in entry.take_profits)
    assert not entry.take_profits or earned >= world.inputs["policy"].min_reward_risk * way


@PATIENT
@given(entered_worlds)
def test_the_stop_protects_no_less_than_the_alert_and_the_position_ask(world):
    decision = entered(world)
    entry, held = decision.entry, world.inputs["position"]
    asked = [world.signal.stop_loss, held.stop_price if decision.move is Move.ADD else None]
    assert all((entry.stop_loss.value - stop.value) * entry.side.sign >= 0 for stop in asked if stop)


shares = st.fractions(0, 1, max_denominator=1_000).map(lambda share: Decimal(share.numerator) / share.denominator)
TIGHTER = {
    "risk_per_trade": lambda policy, share: policy.risk_per_trade * share,
    "max_notional": lambda policy, share: policy.max_notional.times(share),
    "max_exposure_rate": lambda policy, share: policy.max_exposure_rate * share,
    "max_leverage": lambda policy, share: int(policy.max_leverage * share),
    "max_positions": lambda policy, share: int(policy.max_positions * share),
    "min_reward_risk": lambda policy, share: policy.min_reward_risk + share,
    "min_win_rate": lambda policy, share: policy.min_win_rate + share,
}


def size_of(answer: Decision | Refusal) -> Quantity:
    return answer.entry.quantity if isinstance(answer, Decision) and answer.entry else a.quantity(0)


@PATIENT
@given(entered_worlds, shares)
def test_a_tighter_limit_never_gives_a_larger_size(world, share):
    for name, tighten in TIGHTER.items():
        tighter = replace(world.inputs["policy"], **{name: tighten(world.inputs["policy"], share)})
        assert size_of(world.decided(policy=tighter)) <= size_of(world.decided()), name


@PATIENT
@given(entered_worlds, shares)
def test_a_strategys_own_limit_never_gives_a_larger_size(world, share):
    policy = world.inputs["policy"]
    unlimited = replace(world.inputs["profile"], max_notional=None, max_leverage=None, risk_per_trade=None)
    for own in (
        {"max_notional": policy.max_notional.times(share * 3)},
        {"max_leverage": int(policy.max_leverage * share * 3)},
        {"risk_per_trade": policy.risk_per_trade * share * 3},
    ):
        limited = replace(unlimited, **own)
        assert size_of(world.decided(profile=limited)) <= size_of(world.decided(profile=unlimited)), own


@PATIENT
@given(wild_worlds, st.none() | st.sampled_from(Move))
def test_whatever_comes_in_an_answer_comes_out(world, move):
    answer = world.decided(move)
    if isinstance(answer, Refusal):
        assert answer.stage is Stage.RISK
        assert answer.detail
        return
    assert answer.why
    assert (answer.entry is not None) == answer.move.enters
    assert (answer.close_side is None) == (answer.move in (Move.OPEN, Move.ADD))
    assert 0 < answer.close_ratio <= 1
    assert Event.read("DecisionMade", DecisionMade(answer).data()) == DecisionMade(answer)


@PATIENT
@given(wild_worlds, st.sampled_from([Move.CLOSE, Move.REDUCE, Move.REVERSE]))
def test_leaving_is_stopped_by_age_a_newer_wish_or_nothing_being_there_and_by_nothing_else(world, move):
    held = world.inputs["position"]
    assume(
        move is not Move.REVERSE or (held and world.signal.target and world.signal.target.side is held.side.opposite)
    )
    answer = world.decided(move)
    if isinstance(answer, Decision):
        assert answer.close_side is held.side
        return
    allowed = {DenyReason.STALE, DenyReason.SUPERSEDED, DenyReason.ALREADY_FLAT}
    if move is Move.REDUCE:
        allowed.add(DenyReason.UNKNOWN_REDUCTION)
    assert answer.reason in allowed
    age_s = (world.inputs["now"] - world.signal.fired_at).total_seconds()
    assert answer.reason is not DenyReason.STALE or age_s > world.inputs["policy"].exit_max_age_s
    assert answer.reason is not DenyReason.SUPERSEDED or world.inputs["newest"] is not None


@settings(PATIENT, max_examples=25)  # worlds this wild seldom let anything in: finding one takes many
@given(wild_entered_worlds)
def test_nothing_is_opened_unless_everything_is_known_good(world):
    entered(world)
    i = world.inputs
    assert i["ready"].reconciled
    assert not i["ready"].halted
    assert abs(i["ready"].clock_skew_s) <= i["policy"].max_clock_skew_s
    assert not any((i["facts"].killed, i["facts"].paused, i["facts"].drawdown_latched))
    assert None not in (i["view"], i["instrument"], i["balance"])
    assert world.signal.confirmed


@PATIENT
@given(worlds)
def test_the_same_world_gets_the_same_answer(world):
    assert world.decided() == world.decided()
