"""The rules of docs/concepts/backtest.md once more, slow and plain: bar by bar, in prices, longs and shorts apart.

Written from that page to be compared with the compiled kernel, so it shares no code with it, only the vocabulary.
"""

import math
from dataclasses import dataclass, field

from app.backtest.model import ExitReason, Intrabar, Sizing

HEADROOM, SHARE_OF_LIQUIDATION, SAFE_MAINTENANCE = 0.005, 0.8, 0.01


@dataclass
class Held:
    long: bool
    bar: int
    quantity: float = 0.0
    entry: float = 0.0
    stop: float | None = None
    best: float = 0.0  # what the trailing stop hangs on
    margin: float = 0.0
    fees: float = 0.0
    funding: float = 0.0
    entries: int = 0
    targets: list = field(default_factory=list)  # [price, quantity], nearest first

    def profit(self, price):
        return (price - self.entry if self.long else self.entry - price) * self.quantity

    def worse(self, price, level):
        """Has the price come to a level on the losing side?"""
        return price <= level if self.long else price >= level

    def better(self, price, level):
        return price >= level if self.long else price <= level


class Oracle:
    def __init__(self, series, signals, rules, costs, funding):
        self.series, self.signals, self.rules, self.costs = series, signals, rules, costs
        self.cash, self.held, self.rows, self.equity = rules.equity, None, [], []
        self.chart = rules.intrabar is Intrabar.CHART
        self.rates = [[0.0, 0.0] for _ in range(len(series))]  # at the open, inside
        for stamp, rate in zip(funding.ts.tolist(), funding.rate.tolist(), strict=True):
            bar, late = divmod(stamp - int(series.ts[0]), series.step_ms)
            if 0 <= bar < len(series):
                self.rates[bar][late >= 60_000] += rate

    def run(self):
        bars = zip(*(getattr(self.series, name).tolist() for name in ("open", "high", "low", "close")), strict=True)
        for bar, candle in enumerate(bars):
            if bar > self.signals.warm_up:
                self.one(bar, *candle)
            self.equity.append(self.cash + (self.held.profit(candle[3]) if self.held else 0.0))
        return self

    def one(self, bar, opened, high, low, close):
        at_open, inside = self.rates[bar]
        enter, leave = self.asked(bar - 1)
        if self.held:
            due = self.due(opened, at_open)
            self.pay(due if leave is None or due > 0 else 0.0)
        if leave is not None:
            self.market(bar, opened, leave)
        if enter is not None:
            before = self.held.quantity if self.held else 0.0
            self.enter(bar, opened, enter)
            if self.held and self.held.quantity > before:
                added = (self.held.quantity - before) * opened * at_open * (1 if enter else -1)
                self.pay(max(added, 0.0))
        if self.held:
            self.pay(max(self.due(opened, inside), 0.0))
            self.walk(bar, opened, high, low, close)
        if self.held:
            self.pay(min(self.due(opened, inside), 0.0))
            if bar == len(self.series) - 1:
                self.leave(bar, self.held.quantity, close, self.costs.taker_fee_rate, ExitReason.END)

    def asked(self, bar):
        """(long to enter or None, why to leave or None)."""
        said, rules = self.signals, self.rules
        long, short = bool(said.enter_long[bar]), bool(said.enter_short[bar])
        side = long if long != short else None
        allowed = side if side is not None and (rules.longs if side else rules.shorts) else None
        if not self.held:
            return allowed, None
        if side is not None and side != self.held.long:
            return allowed, ExitReason.REVERSAL
        if said.exit_long[bar] if self.held.long else said.exit_short[bar]:
            return None, ExitReason.SIGNAL
        return (allowed if self.held.entries < rules.max_entries else None), None

    # --- money ---------------------------------------------------------------------------------------

    def due(self, price, rate):
        return self.held.quantity * price * rate * (1 if self.held.long else -1)

    def pay(self, amount):
        if amount and self.held:
            self.cash -= amount
            self.held.funding += amount
            self.held.margin -= amount

    def leave(self, bar, quantity, price, fee_rate, reason):
        held = self.held
        whole = quantity >= held.quantity * (1 - 1e-9)
        share = 1.0 if whole else quantity / held.quantity
        quantity = held.quantity if whole else quantity
        gross = (price - held.entry if held.long else held.entry - price) * quantity
        fee, entry_fees, funding = quantity * price * fee_rate, held.fees * share, held.funding * share
        side = 1 if held.long else -1
        pnl = gross - fee - entry_fees - funding
        self.rows.append(
            (held.bar, bar, side, quantity, held.entry, price, fee + entry_fees, funding, pnl, int(reason))
        )
        self.cash += gross - fee
        if whole:
            self.held = None
            return
        held.quantity -= quantity
        held.margin -= held.margin * share
        held.fees -= entry_fees
        held.funding -= funding

    def market(self, bar, price, reason):
        slip = self.costs.slippage_rate
        price *= 1 - slip if self.held.long else 1 + slip
        self.leave(bar, self.held.quantity, price, self.costs.taker_fee_rate, reason)

    # --- inside a bar --------------------------------------------------------------------------------

    def liquidation(self):
        """Where margin and profit together are the maintenance margin."""
        held, rate = self.held, self.rules.maintenance_rate
        if held.long:
            return (held.entry * held.quantity - held.margin) / (held.quantity * (1 - rate))
        return (held.entry * held.quantity + held.margin) / (held.quantity * (1 + rate))

    def trailing(self):
        rate = self.rules.trailing_rate
        if math.isnan(rate):
            return None
        return self.held.best * (1 - rate if self.held.long else 1 + rate)

    def barrier(self):
        levels = [level for level in (self.held.stop, self.trailing(), self.liquidation()) if level is not None]
        return max(levels) if self.held.long else min(levels)

    def stopped(self, bar, price):
        held, trailing = self.held, self.trailing()
        if held.worse(price, self.liquidation()):
            lost = held.margin / held.quantity
            self.leave(bar, held.quantity, held.entry - lost if held.long else held.entry + lost, 0.0, 5)
            return
        first = trailing is not None and (held.stop is None or (trailing > held.stop) == held.long)
        first = first and trailing != held.stop
        self.market(bar, price, ExitReason.TRAILING if first else ExitReason.STOP)

    def take(self, bar, price, *, opened):
        while self.held and self.held.targets and self.held.better(price, self.held.targets[0][0]):
            level, quantity = self.held.targets.pop(0)
            fill = price if opened and self.chart else level
            costs = self.costs
            if costs.market_targets:
                fill *= 1 - costs.slippage_rate if self.held.long else 1 + costs.slippage_rate
            fee = costs.taker_fee_rate if costs.market_targets else costs.maker_fee_rate
            self.leave(bar, min(quantity, self.held.quantity), fill, fee, ExitReason.TARGET)

    def walk(self, bar, opened, high, low, close):
        held = self.held
        if held.worse(opened, self.barrier()):
            self.stopped(bar, opened)
            return
        self.take(bar, opened, opened=True)
        if self.chart:
            path = [high, low, close] if high - opened < opened - low else [low, high, close]
        else:
            path = [low, high] if held.long else [high, low]
        at = opened
        for price in path:
            if not self.held:
                return
            against = price < at if held.long else price > at
            if against and held.worse(price, self.barrier()):
                self.stopped(bar, self.barrier())
                return
            if not against:
                self.take(bar, price, opened=False)
                if self.chart:
                    held.best = max(held.best, price) if held.long else min(held.best, price)
            at = price
        held.best = max(held.best, at) if held.long and not self.chart else held.best
        held.best = min(held.best, at) if not held.long and not self.chart else held.best

    # --- entering ------------------------------------------------------------------------------------

    def enter(self, bar, opened, long):
        rules, said = self.rules, self.signals
        sign = 1 if long else -1
        fill = opened * (1 + sign * self.costs.slippage_rate)
        stop = float((said.long_stop if long else said.short_stop)[bar - 1])
        goal = float((said.long_target if long else said.short_target)[bar - 1])
        stop = fill * (1 - sign * rules.stop_rate) if math.isnan(stop) else stop
        stop = None if math.isnan(stop) else stop
        if self.held and self.held.stop is not None:
            old = self.held.stop
            stop = old if stop is None else (max(stop, old) if long else min(stop, old))
        ladder = math.isnan(goal) and bool(rules.targets) and stop is not None
        if math.isnan(goal) and not ladder:
            goal = fill * (1 + sign * rules.target_rate)
        if not self.chart:
            if stop is not None and (stop >= opened if long else stop <= opened):
                return
            if not math.isnan(goal) and (goal <= opened if long else goal >= opened):
                return
        distance = None if stop is None else (opened - stop if long else stop - opened)
        if ladder:
            farthest = max(one.reward_risk for one in rules.targets)
            if opened + sign * distance * farthest <= 0:
                return
        if rules.min_reward_risk and (ladder or not math.isnan(goal)):
            earned = (
                sum(multiple * ratio * distance for multiple, ratio in self.rungs())
                if ladder
                else sign * (goal - opened)
            )
            if distance and distance > 0 and earned < rules.min_reward_risk * distance * (1 - 1e-12):
                return
        quantity, leverage = self.size(opened, distance)
        if not quantity:
            return
        self.fill(bar, long, quantity, fill, leverage)
        self.held.stop = stop
        for target in self.ladder(opened, sign * distance, quantity) if ladder else [[goal, quantity]]:
            if not math.isnan(target[0]):
                self.held.targets.append(target)
        self.held.targets.sort(key=lambda one: one[0] * sign)

    def fill(self, bar, long, quantity, price, leverage):
        if not self.held:
            self.held = Held(long=long, bar=bar, best=price)
        held, fee = self.held, quantity * price * self.costs.taker_fee_rate
        held.entry = (held.entry * held.quantity + price * quantity) / (held.quantity + quantity)
        held.quantity += quantity
        held.entries += 1
        held.margin += quantity * price / leverage
        held.fees += fee
        self.cash -= fee

    def ladder(self, opened, distance, quantity):
        left, found, rungs = quantity, [], self.rungs()
        whole = math.isclose(sum(ratio for _, ratio in rungs), 1.0)
        for number, (multiple, ratio) in enumerate(rungs, 1):
            part = left if whole and number == len(rungs) else self.floored(min(quantity * ratio, left))
            left -= part
            if part > 0:
                found.append([opened + distance * multiple, part])
        return found

    def rungs(self):
        rungs, room = [], 1.0
        for one in sorted(self.rules.targets, key=lambda one: one.reward_risk):
            rungs.append((one.reward_risk, min(one.ratio, room)))
            room -= rungs[-1][1]
        return [rung for rung in rungs if rung[1] > 0]

    def floored(self, quantity):
        step = self.rules.quantity_step
        return math.floor(round(quantity / step, 9)) * step if step else quantity

    def size(self, opened, distance):
        rules = self.rules
        taken = self.held.margin if self.held else 0.0
        held = self.held.quantity * opened if self.held else 0.0
        equity = self.cash + (self.held.profit(opened) if self.held else 0.0)
        known = distance is not None and distance > 0
        if equity <= 0 or (rules.sizing is Sizing.RISK and not known):
            return 0.0, 0
        most = rules.leverage
        if known:
            most = min(most, math.floor(1 / (distance / opened / SHARE_OF_LIQUIDATION + SAFE_MAINTENANCE)))
        free = min(equity, self.cash) - taken
        if most < 1 or free <= 0:
            return 0.0, 0
        wanted = {
            Sizing.QUANTITY: rules.size,
            Sizing.EQUITY: equity * rules.size / opened,
            Sizing.RISK: equity * rules.size / distance if known else 0.0,
        }[rules.sizing]
        room = min(rules.max_notional, equity * rules.max_exposure_rate) - held
        caps = [room / opened, free * most / (1 + HEADROOM * most) / opened]
        quantity = self.floored(min(wanted, *caps)) if min(caps) > 0 else 0.0
        notional = quantity * opened
        if quantity <= 0 or notional < rules.min_notional:
            return 0.0, 0
        fits = (one for one in range(1, most + 1) if notional / one + HEADROOM * notional <= free * (1 + 1e-9))
        return quantity, next(fits, most)
