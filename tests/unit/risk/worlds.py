"""Whole worlds for the risk stage to decide in, from the ordinary to the absurd, for Hypothesis to choose among.

A world is drawn from one seed by plain `random`: about a hundred times faster than drawing each of its sixty numbers
through Hypothesis, which pays for hundreds of worlds per property. Nothing shrinks; the failing world is printed, and
Hypothesis replays it first on the next run.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st

from app.domain.decision import Decision, Move, Refusal
from app.domain.ids import AlertId, Symbol
from app.domain.money import Money, Price
from app.domain.policy import RiskPolicy, StrategyProfile, TakeProfitRule
from app.domain.position import Position
from app.domain.side import OrderSide, Side, Target
from app.domain.signal import Signal, TakeProfit, TrailingStop
from app.pipeline.risk import decide
from app.pipeline.target import which_move
from tests import builders as a

SOL = Symbol("SOLUSDT")
T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """One call of `decide`."""

    signal: Signal
    inputs: dict[str, Any]

    def decided(self, move: Move | None = None, **changes: Any) -> Decision | Refusal:
        chosen = move or which_move(self.signal, self.inputs["position"])
        return chosen if isinstance(chosen, Refusal) else decide(self.signal, chosen, **{**self.inputs, **changes})


class Dice(Random):
    def decimal(self, low: float, high: float, places: int = 4) -> Decimal:
        return Decimal(str(round(self.uniform(low, high), places)))

    def magnitude(self, low: float, high: float) -> Decimal:
        """Each order of magnitude is as likely as the next."""
        return Decimal(f"{math.exp(self.uniform(math.log(low), math.log(high))):.6g}")

    def money(self, low: float, high: float) -> Money:
        return Money(self.decimal(low, high, 2))

    def maybe(self, make: Callable[[], T], chance: float = 0.5) -> T | None:
        return make() if self.random() < chance else None

    def some(self, make: Callable[[], T], most: int) -> tuple[T, ...]:
        return tuple(make() for _ in range(self.randint(0, most)))


def a_world(dice: Dice) -> World:
    """An entry with nothing wrong about it but the numbers: every limit bites in some of these."""
    mark = dice.magnitude(0.01, 200_000)
    side = dice.choice(list(Side))
    held = dice.maybe(lambda: _position(dice, a.BTC, mark), 0.4)
    others = dice.some(lambda: _position(dice, dice.choice([a.ETH, SOL]), mark), 2)
    equity = dice.magnitude(100, 1_000_000)
    signal = a.a_signal(
        target=Target(side),
        action=side.entry,
        stop_loss=dice.maybe(lambda: Price(mark * (1 - side.sign * dice.magnitude(0.0005, 0.9))), 0.7),
        take_profits=dice.some(
            lambda: TakeProfit(Price(mark * (1 + side.sign * dice.magnitude(0.01, 0.95))), dice.decimal(0.05, 1, 2)), 3
        ),
        trailing_stop=dice.maybe(
            lambda: TrailingStop(dice.decimal(0.001, 0.1), dice.maybe(lambda: Price(mark * dice.decimal(0.8, 1.2))))
        ),
    )
    promised = dice.some(lambda: _reservation(dice, equity), 2)
    return World(
        signal,
        {
            "position": held,
            "view": a.a_view(candles=(), mark_price=float(mark), atr=float(mark * dice.magnitude(0.0001, 0.3))),
            "instrument": _instrument(dice, mark),
            "balance": a.a_balance(equity, equity * dice.magnitude(0.01, 1.1)),
            "facts": a.facts(
                day_start_equity=None,
                peak_equity=None,
                positions=(*{one.symbol: one for one in others}.values(), *((held,) if held else ())),
                reservations=tuple({room.alert_id: room for room in promised}.values()),  # one for each alert
            ),
            "record": a.a_record(dice.randint(0, 40), dice.randint(15, 40)),
            "newest": None,
            "policy": _policy(dice, equity),
            "profile": _profile(dice, equity),
            "now": a.NOW,
            "ready": a.ready(),
        },
    )


def a_wild_world(dice: Dice) -> World:
    """Anything the types allow, and what does not fit together: whatever comes, the stage must answer."""
    world = a_world(dice)
    signal = replace(world.signal, **_some_of(dice, _wild_signal(dice)))
    newest = replace(world.signal, **_wild_signal(dice), alert_id=AlertId(dice.choice(["other", signal.alert_id])))
    facts = replace(world.inputs["facts"], **_some_of(dice, _wild_facts(dice), 0.15))
    changes = {
        "view": dice.maybe(lambda: a.a_view(candles=(), mark_price=_wild_float(dice), atr=_wild_float(dice)), 0.7),
        "instrument": None,
        "balance": dice.maybe(lambda: a.a_balance(dice.decimal(-100, 100), dice.decimal(-100, 100)), 0.7),
        "facts": facts,
        "newest": newest,
        "ready": a.ready(reconciled=dice.random() < 0.5, clock_skew_s=_wild_float(dice), halted=dice.choice(["", "x"])),
    }
    return World(signal, {**world.inputs, **_some_of(dice, changes, 0.3)})


def _until(make: Callable[[Dice], World], good: Callable[[World], bool]) -> Callable[[int], World]:
    def search(seed: int) -> World:
        dice = Dice(seed)
        while not good(world := make(dice)):
            pass
        return world

    return search


def _enters(world: World) -> bool:
    answer = world.decided()
    return isinstance(answer, Decision) and answer.entry is not None


seeds = st.integers(0, 2**63)
worlds = seeds.map(lambda seed: a_world(Dice(seed)))
entered_worlds = seeds.map(_until(a_world, _enters))
wild_worlds = seeds.map(lambda seed: a_wild_world(Dice(seed)))
wild_entered_worlds = seeds.map(_until(a_wild_world, _enters))


# --- the parts ---------------------------------------------------------------------------------------


def _position(dice: Dice, symbol: Symbol, mark: Decimal) -> Position:
    side = dice.choice(list(Side))
    return a.a_position(
        symbol=symbol,
        side=side,
        quantity=a.quantity(dice.magnitude(1, 5_000) / mark),
        entry_price=Price(mark * dice.decimal(0.5, 1.5)),
        stop_price=dice.maybe(lambda: Price(mark * (1 - side.sign * dice.decimal(-0.02, 0.2)))),
        entries=dice.randint(1, 3),
    )


def _instrument(dice: Dice, mark: Decimal) -> Any:
    tick = Decimal(1).scaleb(mark.adjusted() - dice.randint(2, 6)) * dice.choice([1, 5, Decimal("2.5")])
    step = Decimal(1).scaleb(dice.randint(-2, 1) - mark.adjusted())
    coarser = dice.choice([1, 1, 1, 10])
    return a.an_instrument(
        tick=tick,
        step=step,
        market_step=step * coarser,
        min_quantity=a.quantity(step * coarser * dice.randint(1, 10)),
        max_market_quantity=a.quantity(step * int(dice.magnitude(10, 10**6))),
        min_notional=dice.money(0, 200),
        max_leverage=dice.randint(1, 125),
    )


def _policy(dice: Dice, equity: Decimal) -> RiskPolicy:
    return a.a_policy(
        max_positions=dice.randint(2, 6),
        max_leverage=dice.randint(1, 20),
        max_notional=Money(equity * dice.magnitude(0.01, 10)),
        max_exposure_rate=dice.magnitude(0.05, 10),
        risk_per_trade=dice.magnitude(0.0005, 0.3),
        min_reward_risk=dice.choice([Decimal(0), dice.decimal(0, 2, 2)]),
        atr_stop_multiple=dice.decimal(0.1, 5, 1),
        take_profits=_rules(dice),
        win_rate_min_trades=dice.randint(0, 100),
    )


def _profile(dice: Dice, equity: Decimal) -> StrategyProfile:
    return a.a_profile(
        max_notional=dice.maybe(lambda: Money(equity * dice.magnitude(0.01, 10)), 0.3),
        max_leverage=dice.maybe(lambda: dice.randint(1, 20), 0.3),
        risk_per_trade=dice.maybe(lambda: dice.magnitude(0.0005, 0.3), 0.3),
        max_entries=dice.randint(1, 6),
        take_profits=dice.maybe(lambda: _rules(dice), 0.3),
        min_win_rate=dice.maybe(lambda: dice.decimal(0, 1, 2), 0.2),
    )


def _rules(dice: Dice) -> tuple[TakeProfitRule, ...]:
    return dice.some(lambda: TakeProfitRule(dice.decimal(-0.1, 5, 2), dice.decimal(0.05, 1, 2)), 3)


def _reservation(dice: Dice, equity: Decimal) -> Any:
    return a.a_reservation(
        alert_id=dice.choice(["r1", "r2", a.a_signal().alert_id, a.a_position().alert_id]),
        symbol=dice.choice([a.BTC, a.ETH, SOL]),
        notional=Money(equity * dice.magnitude(0.001, 1)),
        entered=dice.choice([True, False]),
    )


def _wild_signal(dice: Dice) -> dict[str, Any]:
    return {
        "target": dice.choice([None, *Target]),
        "action": dice.choice([None, *OrderSide]),
        "prev_target": dice.choice([None, *Target]),
        "size": dice.maybe(lambda: _wild_decimal(dice)),
        "prev_size": dice.maybe(lambda: _wild_decimal(dice)),
        "fired_at": _wild_time(dice),
        "bar_time": dice.maybe(lambda: _wild_time(dice)),
        "interval": dice.choice(["1h", "4h"]),
        "confirmed": dice.random() < 0.5,
    }


def _wild_facts(dice: Dice) -> dict[str, Any]:
    day = a.NOW.date() + timedelta(days=dice.randint(-2, 2))
    return {
        "paused": True,
        "killed": True,
        "drawdown_latched": True,
        "daily_loss_day": day,
        "day": dice.choice([None, day]),
        "day_start_equity": dice.money(-100, 100_000),
        "peak_equity": dice.money(-100, 100_000),
        "entries_at": dice.some(lambda: _wild_time(dice), 40),
        "last_entry_at": {a.BTC: _wild_time(dice)},
    }


def _some_of(dice: Dice, changes: dict[str, Any], chance: float = 0.4) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if dice.random() < chance}


def _wild_time(dice: Dice) -> datetime:
    return a.NOW - a.seconds(dice.choice([-100.0, -1.0, 0.0, 1.0, 59.0, 61.0, 3_600.0, 90_000.0]))


def _wild_decimal(dice: Dice) -> Decimal:
    return Decimal(dice.choice(["NaN", "sNaN", "Infinity", "-Infinity", "0", "-1", "1", "2", "1e-400", "1e400"]))


def _wild_float(dice: Dice) -> float:
    return dice.choice([math.nan, math.inf, -math.inf, 0.0, -1.0, 5e-324, 1.7e308, 0.1, 0.5, 50_000.0])
