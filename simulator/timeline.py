"""Time passes: walk the price path bar by bar and let it meet orders, stops and liquidation prices.

A leg is a straight run of the price. Within it everything happens in order of time over all markets. Between bars the
price may jump; what a jump passes is executed at the far side, as in a real gap. Quiet bars cost almost nothing:
a bar is walked in detail only when its range touches a level.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from app.domain.side import OrderSide
from simulator import execution, funding
from simulator.account import Position
from simulator.events import MarginCalled
from simulator.orders import ZERO, Conditional, Kind, NewOrder, Order
from simulator.state import State

_NEVER_UP, _NEVER_DOWN = float("inf"), 0.0
_CALL_AT = Decimal("0.8")  # maintenance / margin at which a margin call is sent


@dataclass(frozen=True, slots=True)
class Level:
    """A price at which something happens: on the way up, or on the way down."""

    price: float
    up: bool
    fire: Callable[[State, float], None]  # with the market's price at that moment
    from_ms: int = 0  # not before


class Timeline:
    """Moves one State through its market's time."""

    def __init__(self, state: State, rates: funding.Funding) -> None:
        self.state = state
        self.rates = rates
        self._screened_version = -1
        self._screen: dict[str, tuple[float, float]] = {}

    def advance(self, to_ms: int) -> None:
        """Live through every moment up to `to_ms`. Going back in time is not possible: an earlier time does nothing."""
        state, market = self.state, self.state.market
        while state.now_ms < to_ms:
            boundary = market.next_boundary(state.now_ms)
            stop = min(boundary, to_ms)
            if self._touched(stop):
                self._walk(stop)
            state.now_ms = stop
            if stop == boundary:
                self._close_bar(boundary)

    def _close_bar(self, boundary: int) -> None:
        """The jump to the next bar's open, funding if due, and one sample of equity."""
        state = self.state
        for symbol in self._interesting():
            feed = state.market.feeds[symbol]
            bar = feed.index(boundary)
            if 0 < bar < feed.size and feed.open[bar] != feed.close[bar - 1]:
                self._run([(symbol, feed.close[bar - 1], feed.open[bar])], boundary, boundary)
        if funding.due(boundary):
            funding.settle(state, self.rates)
            for symbol in self._interesting():
                price = float(state.mark(symbol))
                self._run([(symbol, price, price)], boundary, boundary)
        state.equity.append((boundary, state.equity_now()))

    # --- is there anything to do in this bar? ---

    def _interesting(self) -> dict[str, tuple[float, float]]:
        """Symbols with an order or a position; the level screen is refreshed when the book changed."""
        state = self.state
        if self._screened_version != state.version:
            self._screened_version = state.version
            self._screen = {symbol: self._band(symbol) for symbol in self._symbols()}
        return self._screen

    def _symbols(self) -> set[str]:
        state = self.state
        waiting = {one.request.symbol for one in state.open_orders.values()}
        waiting |= {one.request.symbol for one in state.active.values()}
        return waiting | {one.symbol for one in state.account.held()}

    def _band(self, symbol: str) -> tuple[float, float]:
        """(low, high): while the price stays strictly inside, nothing can happen on this symbol."""
        state = self.state
        if any(
            one.request.symbol == symbol and one.request.kind is Kind.TRAILING_STOP_MARKET
            for one in state.active.values()
        ):
            return _NEVER_UP, _NEVER_DOWN  # a moving level: every bar is walked
        low, high = _NEVER_DOWN, _NEVER_UP
        for level in self._levels(symbol):
            low, high = (low, min(high, level.price)) if level.up else (max(low, level.price), high)
        calls = [one for one in state.account.held() if one.symbol == symbol and not one.margin_called]
        for position in calls:
            called = state.liquidation_of(position)
            if called is not None:  # walk bars that come within 5 % of a liquidation: margin calls are checked there
                near = float(called) * (1.05 if position.amount > 0 else 0.95)
                low, high = (max(low, near), high) if position.amount > 0 else (low, min(high, near))
        return low, high

    def _touched(self, stop_ms: int) -> bool:
        state = self.state
        held = state.account.held()
        if len(held) > 1 and any(not one.isolated for one in held):
            return True  # the levels of cross positions move with each other's prices
        for symbol, (low, high) in self._interesting().items():
            feed = state.market.feeds[symbol]
            bar = feed.index(state.now_ms)
            if 0 <= bar < feed.size:
                if feed.low[bar] <= low or feed.high[bar] >= high:
                    return True
                self._decide(symbol, bar)
        return stop_ms < state.now_ms

    def _decide(self, symbol: str, bar: int) -> None:
        """Fix which extreme comes first, once, at the moment the price leaves the open."""
        feed = self.state.market.feeds[symbol]
        if self.state.now_ms != feed.start_ms + bar * feed.step_ms or bar in feed.low_first:
            return
        net = sum((one.amount for one in self.state.account.held() if one.symbol == symbol), ZERO)
        if net and (net > 0) != feed.goes_low_first(bar):
            feed.low_first[bar] = net > 0
            self.state.touched.add(("path", f"{symbol}|{bar}"))

    # --- walking ---

    def _walk(self, stop_ms: int) -> None:
        """The rest of the current bar up to `stop_ms`, leg by leg."""
        state = self.state
        opened = state.market.next_boundary(state.now_ms) - state.market.step_ms
        corners = {stop_ms}
        for symbol in self._interesting():
            feed = state.market.feeds[symbol]
            bar = feed.index(state.now_ms)
            if 0 <= bar < feed.size:
                self._decide(symbol, bar)
                corners |= {opened + offset for offset, _ in feed.knots(bar)}
        for corner in sorted(corners):
            if corner > state.now_ms and state.now_ms < stop_ms:
                begin, end = state.now_ms, min(corner, stop_ms)
                runs = []
                for symbol in self._interesting():
                    feed = state.market.feeds[symbol]
                    bar = feed.index(begin)
                    if 0 <= bar < feed.size:
                        runs.append((symbol, feed.value(bar, begin - opened), feed.value(bar, end - opened)))
                self._run(runs, begin, end)
                state.now_ms = end

    def _run(self, runs: Iterable[tuple[str, float, float]], begin: int, end: int) -> None:
        """One leg on several markets, (symbol, from, to): fire what is met, earliest first, until nothing more is."""
        runs, state = list(runs), self.state
        reached = {symbol: start if begin < end else goal for symbol, start, goal in runs}  # a jump is at its goal
        while True:
            met = [one for symbol, _, goal in runs for one in self._met(symbol, reached[symbol], goal, (begin, end))]
            if not met:
                break
            at_ms, _, symbol, price, level = min(met, key=lambda one: one[:2])
            state.now_ms = max(state.now_ms, at_ms)
            reached[symbol] = price
            level.fire(state, price)
        for symbol, _, goal in runs:
            self._follow(symbol, goal)
            self._call(symbol)

    def _met(
        self, symbol: str, now: float, goal: float, span: tuple[int, int]
    ) -> list[tuple[int, float, str, float, Level]]:
        """Levels met on the way from `now` to `goal`: when, how far off, and at which price."""
        feed, met = self.state.market.feeds[symbol], []
        for level in self._levels(symbol):
            if level.from_ms > self.state.now_ms:
                continue
            if level.price <= max(now, goal) if level.up else level.price >= min(now, goal):
                price = max(level.price, now) if level.up else min(level.price, now)  # a level left behind fires here
                at_ms = self.state.now_ms if price == now else feed.when(price, max(span[0], self.state.now_ms))
                met.append((min(at_ms, span[1]), abs(price - now), symbol, price, level))
        return met

    def _levels(self, symbol: str) -> list[Level]:
        state = self.state
        levels = [
            Level(
                float(order.request.price or ZERO),
                order.request.side is OrderSide.SELL,
                _matching(order),
                order.resting_from_ms,
            )
            for order in state.open_orders.values()
            if order.request.symbol == symbol
        ]
        for algo in state.active.values():
            if algo.request.symbol == symbol:
                price = trigger_level(algo)
                if price is not None:
                    levels.append(Level(float(price), rises(algo.request), _triggering(algo)))
        for position in state.account.held():
            if position.symbol == symbol:
                price = state.liquidation_of(position)
                if price is not None:
                    levels.append(Level(float(price), position.amount < 0, _liquidating(position)))
        return levels

    def _follow(self, symbol: str, price: float) -> None:
        """Trailing stops see the end of a leg: activate, and keep the best price."""
        for algo in self.state.active.values():
            asked = algo.request
            if (
                asked.symbol == symbol
                and asked.kind is Kind.TRAILING_STOP_MARKET
                and follow(algo, Decimal(repr(price)))
            ):
                self.state.touch("conditional", algo.algo_id)

    def _call(self, symbol: str) -> None:
        """Warn once when most of a position's margin is used up."""
        state = self.state
        for one in state.account.held():
            if one.symbol == symbol and not one.margin_called:
                mark, need = state.mark(symbol), state.maintenance_of(one)
                if need > _CALL_AT * (state.collateral_of(one) + one.pnl(mark)):
                    one.margin_called = True
                    state.touch("position", f"{one.symbol}|{one.side}")
                    state.events.append(MarginCalled(state.now_ms, state.account.cross_wallet, one, mark, need))


def rises(asked: NewOrder) -> bool:
    """Whether the trigger is met from below: stops of buyers, take-profits of sellers."""
    return (asked.side is OrderSide.BUY) != (asked.kind in (Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_MARKET))


def trigger_level(algo: Conditional) -> Decimal | None:
    """Where a conditional order triggers now; None while a trailing stop is not active."""
    asked = algo.request
    if asked.kind is not Kind.TRAILING_STOP_MARKET:
        return asked.trigger_price
    if algo.extreme is None:
        return None
    distance = (asked.callback_rate or ZERO) / 100
    return algo.extreme * (1 - distance if asked.side is OrderSide.SELL else 1 + distance)


def follow(algo: Conditional, price: Decimal) -> bool:
    """Let a trailing stop see a price; True when that changed it."""
    asked, best = algo.request, algo.extreme
    sells = asked.side is OrderSide.SELL
    if best is None:
        start = asked.activation_price
        if start is not None and not (price >= start if sells else price <= start):
            return False
        algo.extreme = price
        return True
    if price > best if sells else price < best:
        algo.extreme = price
        return True
    return False


def _matching(order: Order) -> Callable[[State, float], None]:
    return lambda state, _price: execution.match(state, order)


def _triggering(algo: Conditional) -> Callable[[State, float], None]:
    return lambda state, _price: execution.trigger(state, algo)


def _liquidating(position: Position) -> Callable[[State, float], None]:
    return lambda state, price: execution.liquidate(state, position, Decimal(repr(price)))
