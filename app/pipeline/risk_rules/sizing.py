"""How much: equity x risk per trade ÷ stop distance, cut down by every limit and to the venue's steps. Pure.

Every limit is a cap on one number, the quantity, so a tighter limit can never enlarge it, and each cap that did shape
it says so in the decision. Nothing is ever rounded up. When a cap leaves nothing, that is the refusal.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final, TypeVar

from app.domain.decision import DenyReason, Refusal
from app.domain.ids import AlertId, Symbol
from app.domain.instrument import Instrument
from app.domain.money import NO_MONEY, NOTHING, Money, Quantity
from app.domain.policy import RiskPolicy, StrategyProfile
from app.domain.position import AccountBalance, Position
from app.pipeline.risk_rules.protection_levels import Levels
from app.pipeline.risk_rules.refusals import percent, refused, say
from app.ports import AccountFacts, Reservation

_Limit = TypeVar("_Limit", Money, Decimal, int)

# Kept free of margin, as a share of the notional: taker fees both ways (2 x 0.05 % on Binance and OKX) and a market
# fill up to 0.4 % past the mark price.
HEADROOM_RATE: Final = Decimal("0.005")


@dataclass(frozen=True, slots=True)
class Sized:
    """A quantity on the venue's step, and what it comes to at the reference price."""

    quantity: Quantity
    notional: Money
    risk: Money  # lost if the stop is hit at its price, without fees
    leverage: int  # the smallest whole one whose margin the account has
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Cap:
    most: Money  # notional
    sentence: str
    reason: DenyReason  # when it leaves nothing


def size(
    levels: Levels,
    *,
    alert_id: AlertId,
    instrument: Instrument,
    added_to: Position | None,
    balance: AccountBalance,
    facts: AccountFacts,
    policy: RiskPolicy,
    profile: StrategyProfile,
) -> Sized | Refusal:
    """The largest quantity that breaks no limit, or the limit that leaves none.

    `added_to` is the position an ADD joins: what it holds counts against every limit.
    """
    rate = _tightest(policy.risk_per_trade, profile.risk_per_trade)
    budget = balance.equity.times(rate)
    if budget <= NO_MONEY:
        detail = f"Equity is {say(balance.equity.value)}: there is nothing to risk {percent(rate)} of."
        return refused(DenyReason.TOO_SMALL, detail, equity=balance.equity)
    quantity = budget.value / levels.stop_distance
    over = f"{percent(rate)} of equity is {say(budget.value)}; over a stop distance of {say(levels.stop_distance)}"
    why = [f"{over} that is {say(quantity)} {instrument.base}."]
    taken = _Taken.of(facts, alert_id, levels, instrument.symbol, added_to)
    max_leverage = _max_leverage(levels, instrument, policy, profile)
    for cap in _caps(taken, max_leverage, balance, policy, profile):
        if cap.most <= NO_MONEY:
            return refused(cap.reason, f"Nothing is left: {cap.sentence}.", left=cap.most)
        most = cap.most.value / levels.reference.value
        if most < quantity:
            quantity = most
            why.append(f"Cut to {say(quantity)} {instrument.base}: {cap.sentence}.")
    if instrument.max_market_quantity.value < quantity:
        why.append(f"Cut to {instrument.max_market_quantity} {instrument.base}: the venue's largest market order.")
    floored = instrument.market_quantity(Quantity(quantity))
    notional = floored.at(levels.reference)
    if floored == NOTHING or notional < instrument.min_notional:
        return _too_small(floored, notional, instrument, why)
    leverage = _smallest_leverage(notional, taken.usable(balance), max_leverage)
    risk = Money(floored.value * levels.stop_distance)
    return Sized(floored, notional, risk, leverage, tuple(why))


@dataclass(frozen=True, slots=True)
class _Taken:
    """Notional that is in use or promised. Other symbols count at their entry price, this one at the mark price.

    A position whose alert is not final yet is that alert's promise come true: the larger of the two counts, not both.
    """

    on_symbol: Money  # position being added to, and other alerts' reservations
    in_total: Money
    not_yet_margin: Money  # reserved but not entered: the venue still calls its margin available

    @staticmethod
    def of(
        facts: AccountFacts, alert_id: AlertId, levels: Levels, symbol: Symbol, added_to: Position | None
    ) -> "_Taken":
        promised = [room for room in facts.reservations if room.alert_id != alert_id]
        held = [
            (item.symbol, item.alert_id, item.quantity.at(item.entry_price))
            for item in facts.positions
            if item.symbol != symbol
        ]
        if added_to:
            held.append((symbol, added_to.alert_id, added_to.quantity.at(levels.reference)))
        to_come = [(room.symbol, _unfilled(room, held)) for room in promised]
        used = [(on, notional) for on, _, notional in held] + to_come
        return _Taken(
            on_symbol=_sum(notional for on, notional in used if on == symbol),
            in_total=_sum(notional for _, notional in used),
            not_yet_margin=_sum(room.notional for room in promised if not room.entered),
        )

    def usable(self, balance: AccountBalance) -> Money:
        """Margin for this entry. Promised entries are taken to need their full notional: the most they can."""
        return balance.available - self.not_yet_margin


def _caps(
    taken: _Taken, max_leverage: int, balance: AccountBalance, policy: RiskPolicy, profile: StrategyProfile
) -> tuple[_Cap, ...]:
    per_symbol = _tightest(policy.max_notional, profile.max_notional)
    exposure = balance.equity.times(policy.max_exposure_rate)
    usable = taken.usable(balance)
    # notional / leverage + headroom x notional <= usable, solved for the notional
    affordable = usable.times(max_leverage / (1 + HEADROOM_RATE * max_leverage))
    return (
        _Cap(
            per_symbol - taken.on_symbol,
            f"a symbol may hold {say(per_symbol.value)}, of which {say(taken.on_symbol.value)} is taken",
            DenyReason.MAX_EXPOSURE,
        ),
        _Cap(
            exposure - taken.in_total,
            f"all positions together may hold {say(exposure.value)} ({say(policy.max_exposure_rate)} x equity), of "
            f"which {say(taken.in_total.value)} is taken",
            DenyReason.MAX_EXPOSURE,
        ),
        _Cap(
            affordable,
            f"{say(usable.value)} of free margin at leverage {max_leverage} carries {say(affordable.value)} with fees",
            DenyReason.TOO_SMALL,
        ),
    )


def _max_leverage(levels: Levels, instrument: Instrument, policy: RiskPolicy, profile: StrategyProfile) -> int:
    """The tightest of account, strategy, venue, and what keeps the stop before liquidation."""
    allowed = _tightest(policy.max_leverage, profile.max_leverage)
    return max(0, min(allowed, instrument.max_leverage, levels.max_leverage))


def _smallest_leverage(notional: Money, usable: Money, most: int) -> int:
    """The least borrowed that fits: notional / leverage <= usable - headroom."""
    free = usable.value - notional.value * HEADROOM_RATE
    return min(most, int((notional.value / free).to_integral_value(rounding=ROUND_CEILING)))


def _too_small(floored: Quantity, notional: Money, instrument: Instrument, why: list[str]) -> Refusal:
    least = f"{instrument.min_quantity} {instrument.base} and {instrument.min_notional} notional"
    detail = f"{why[-1]} In the venue's steps that is {floored} ({say(notional.value)}); it takes at least {least}."
    return refused(
        DenyReason.TOO_SMALL,
        detail,
        quantity=floored,
        notional=notional,
        min_quantity=instrument.min_quantity,
        min_notional=instrument.min_notional,
    )


def _tightest(account: _Limit, strategy: _Limit | None) -> _Limit:
    """A strategy's own limit can only be tighter than the account's."""
    return account if strategy is None else min(account, strategy)


def _unfilled(room: Reservation, held: list[tuple[Symbol, AlertId | None, Money]]) -> Money:
    """What is promised beyond the position that the same alert has opened."""
    filled = _sum(notional for symbol, alert_id, notional in held if (symbol, alert_id) == (room.symbol, room.alert_id))
    return max(room.notional - filled, NO_MONEY)


def _sum(amounts: Iterable[Money]) -> Money:
    return sum(amounts, start=NO_MONEY)
