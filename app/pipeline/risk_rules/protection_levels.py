"""Where an entry leaves: its stop, its targets, and the leverage at which the stop comes before liquidation. Pure.

A level on the wrong side would fire at once or never, so it is a refusal, never a correction. Rounding to the tick:
- the stop goes towards the entry, so that no more is lost than the strategy allowed (the size is computed afterwards,
  from the rounded stop, so the money at risk does not change);
- a target of the alert goes towards the entry, so that it is reached when the strategy's own is;
- a target made here from a rule goes away from the entry, so that it still earns the multiple the rule asks for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from app.domain.candle import MarketView
from app.domain.decision import DenyReason, Refusal
from app.domain.instrument import Instrument
from app.domain.money import Price
from app.domain.policy import RiskPolicy, StrategyProfile, TakeProfitRule
from app.domain.position import Position
from app.domain.side import Side
from app.domain.signal import Signal, TakeProfit, TrailingStop
from app.pipeline.risk_rules.refusals import refused, say

# An isolated position is liquidated about 1 / leverage - maintenance rate away from its entry (Binance, "Liquidation
# price of USDⓈ-M futures", one position, no bracket amount). 1 % covers the first brackets of listed coins.
MAINTENANCE_RATE: Final = Decimal("0.01")
# The stop has to lie within this share of that way: mark price and fills move past a stop before it is executed.
STOP_SHARE_OF_LIQUIDATION: Final = Decimal("0.8")


@dataclass(frozen=True, slots=True)
class Levels:
    """Everything about an entry except its size. All prices are on the venue's tick."""

    side: Side
    reference: Price  # mark price at the time of the decision
    stop: Price
    take_profits: tuple[TakeProfit, ...]  # nearest first, ratios sum to at most 1
    trailing_stop: TrailingStop | None
    max_leverage: int  # above it liquidation could come before the stop
    why: tuple[str, ...]

    @property
    def stop_distance(self) -> Decimal:
        """Quote currency per base unit, at least one tick."""
        return abs(self.reference.value - self.stop.value)


def reference_price(view: MarketView | None, instrument: Instrument | None) -> Price | None:
    """The mark price on the nearest tick; None when there is no usable one."""
    if view is None or instrument is None:
        return None
    mark = _decimal(view.mark_price)
    if mark is None or mark < instrument.tick:
        return None
    return instrument.quoted(Price(mark))


def protect(
    signal: Signal,
    side: Side,
    *,
    reference: Price,
    atr: float,
    instrument: Instrument,
    added_to: Position | None,
    policy: RiskPolicy,
    profile: StrategyProfile,
) -> Levels | Refusal:
    """The levels of an entry on `side` at `reference`, or why it cannot be protected or is not worth it.

    `atr` is in quote currency. `added_to` is the position an ADD joins: its stop is kept or tightened, never loosened.
    """
    stop = _stop(signal, side, reference, atr=atr, instrument=instrument, policy=policy)
    if isinstance(stop, Refusal):
        return stop
    price, why = stop
    if added_to is not None and added_to.stop_price is not None:
        held = _onto_tick(added_to.stop_price.value, instrument.tick, side)
        if (held - price) * side.sign > 0:
            price, why = held, f"The stop stays at {say(held)}: an addition never loosens it."
            if (reference.value - price) * side.sign < instrument.tick:
                return _stop_wrong_side(side, price, reference)
    max_leverage = _safe_leverage(reference.value, abs(reference.value - price))
    if max_leverage < 1:
        detail = f"A {side} from {reference} would be liquidated before its stop at {say(price)}, even at leverage 1."
        return refused(DenyReason.STOP_BEYOND_LIQUIDATION, detail, stop=say(price), reference=reference)
    if signal.take_profits:
        targets = _targets_of_alert(signal.take_profits, side, reference, instrument.tick)
    else:
        rules = policy.take_profits if profile.take_profits is None else profile.take_profits
        targets = _targets_of_rules(rules, side, reference, abs(reference.value - price), instrument.tick)
    if isinstance(targets, Refusal):
        return targets
    rewarded = _worth_it(targets, reference, Price(price), policy)
    if isinstance(rewarded, Refusal):
        return rewarded
    trailing = _trailing(signal.trailing_stop, side, instrument.tick)
    return Levels(side, reference, Price(price), targets, trailing, max_leverage, (why, rewarded))


def _stop(
    signal: Signal, side: Side, reference: Price, *, atr: float, instrument: Instrument, policy: RiskPolicy
) -> tuple[Decimal, str] | Refusal:
    """The stop price on its tick, and where it came from."""
    if signal.stop_loss is not None:
        price = _onto_tick(signal.stop_loss.value, instrument.tick, side)
        if (reference.value - price) * side.sign < instrument.tick:
            return _stop_wrong_side(side, signal.stop_loss.value, reference)
        return price, f"The stop at {say(price)} is the alert's."
    spread = _decimal(atr)
    if spread is None or spread <= 0:
        detail = f"The alert brings no stop, and the average true range is {atr}: there is nothing to make one from."
        return refused(DenyReason.NO_STOP, detail, atr=atr)
    distance = spread * policy.atr_stop_multiple
    if side is Side.LONG and distance >= reference.value:
        detail = f"A stop {say(distance)} away from {reference} would lie below zero."
        return refused(DenyReason.STOP_BEYOND_LIQUIDATION, detail, distance=say(distance), reference=reference)
    price = _onto_tick(reference.value - side.sign * distance, instrument.tick, side)
    if (reference.value - price) * side.sign < instrument.tick:
        detail = f"{say(policy.atr_stop_multiple)} average true ranges are {say(distance)}, less than one tick."
        return refused(DenyReason.NO_STOP, detail, distance=say(distance), tick=instrument.tick)
    multiple = say(policy.atr_stop_multiple)
    return price, f"The stop at {say(price)} is {multiple} average true ranges of {say(spread)} away."


def _stop_wrong_side(side: Side, stop: Decimal, reference: Price) -> Refusal:
    where = "below" if side is Side.LONG else "above"
    detail = f"The stop of a {side} has to be at least one tick {where} the mark price {reference}, not at {say(stop)}."
    return refused(DenyReason.STOP_WRONG_SIDE, detail, stop=say(stop), reference=reference)


def _safe_leverage(reference: Decimal, distance: Decimal) -> int:
    """The highest whole leverage at which the stop is inside its share of the way to liquidation; 0 when none is."""
    return int(1 / (distance / reference / STOP_SHARE_OF_LIQUIDATION + MAINTENANCE_RATE))


def _targets_of_alert(
    wanted: Sequence[TakeProfit], side: Side, reference: Price, tick: Decimal
) -> tuple[TakeProfit, ...] | Refusal:
    targets: list[TakeProfit] = []
    for target in wanted:
        price = _onto_tick(target.price.value, tick, side.opposite)
        if (price - reference.value) * side.sign < tick:
            return _target_wrong_side(side, target.price, reference)
        targets.append(TakeProfit(Price(price), target.ratio))
    return _within_whole(targets, reference)


def _target_wrong_side(side: Side, target: Price, reference: Price) -> Refusal:
    where = "above" if side is Side.LONG else "below"
    detail = f"A target of a {side} has to be at least one tick {where} the mark price {reference}, not at {target}."
    return refused(DenyReason.TAKE_PROFIT_WRONG_SIDE, detail, target=target, reference=reference)


def _targets_of_rules(
    rules: Sequence[TakeProfitRule], side: Side, reference: Price, distance: Decimal, tick: Decimal
) -> tuple[TakeProfit, ...] | Refusal:
    targets: list[TakeProfit] = []
    for rule in rules:
        price = _onto_tick(reference.value + side.sign * distance * rule.reward_risk, tick, side)
        if price <= 0 or (price - reference.value) * side.sign < tick:
            detail = f"A {side} from {reference} cannot earn {say(rule.reward_risk)} times a stop {say(distance)} away."
            return refused(DenyReason.REWARD_RISK, detail, reference=reference, distance=say(distance))
        targets.append(TakeProfit(Price(price), rule.ratio))
    return _within_whole(targets, reference)


def _within_whole(targets: Sequence[TakeProfit], reference: Price) -> tuple[TakeProfit, ...]:
    """Nearest first; what goes beyond the whole position is cut from the farthest."""
    left, kept = Decimal(1), []
    for target in sorted(targets, key=lambda item: abs(item.price.value - reference.value)):
        ratio = min(target.ratio, left)
        if ratio > 0:
            kept.append(TakeProfit(target.price, ratio))
            left -= ratio
    return tuple(kept)


def _worth_it(targets: Sequence[TakeProfit], reference: Price, stop: Price, policy: RiskPolicy) -> str | Refusal:
    """The ratio in words, or REWARD_RISK.

    Reward is what the targets earn, weighted by their shares. A share without a target counts as earning nothing: it
    may earn more, but nobody has said so. A strategy without any target leaves by signal or stop: nothing to weigh.
    """
    if not targets:
        return "Reward against risk was not checked: there are no targets, the position leaves by signal or stop."
    distance = abs(reference.value - stop.value)
    reward = sum((target.ratio * abs(target.price.value - reference.value) for target in targets), Decimal(0))
    said = f"{say(reward / distance)} (targets {say(reward)} away on average, stop {say(distance)})"
    if reward < policy.min_reward_risk * distance:
        detail = f"Reward against risk is {said}, below the {say(policy.min_reward_risk)} asked for."
        return refused(
            DenyReason.REWARD_RISK, detail, reward_risk=say(reward / distance), minimum=policy.min_reward_risk
        )
    return f"Reward against risk is {said}."


def _trailing(trailing: TrailingStop | None, side: Side, tick: Decimal) -> TrailingStop | None:
    if trailing is None or trailing.activation is None:
        return trailing
    activation = _onto_tick(trailing.activation.value, tick, side.opposite)
    return TrailingStop(trailing.callback_rate, Price(activation) if activation > 0 else None)


def _decimal(number: float) -> Decimal | None:
    """The exact decimal a statistic prints as; None for NaN and infinity."""
    value = Decimal(str(number))
    return value if value.is_finite() else None


def _onto_tick(value: Decimal, tick: Decimal, towards: Side) -> Decimal:
    """The neighbouring price the venue quotes, in the direction that a position of that side profits from."""
    rounding = ROUND_CEILING if towards is Side.LONG else ROUND_FLOOR
    return (value / tick).to_integral_value(rounding=rounding) * tick
