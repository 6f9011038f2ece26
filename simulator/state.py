"""Everything the venue knows, in one place: market, book, account, time, and what is waiting to be told or stored.

`touch` marks a row as changed; the journal writes exactly the touched rows before any answer leaves.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from simulator.account import Account, Position
from simulator.events import AccountChanged, Change, ConditionalChanged, Event, OrderChanged
from simulator.instruments import Contract
from simulator.margin import liquidation_price, maintenance
from simulator.market import Market
from simulator.orders import ZERO, Conditional, Fill, NewOrder, Order, PositionSide

FIRST_ORDER_ID = 8_000_000_000
FIRST_ALGO_ID = 1_000_000_000_000
FIRST_TRADE_ID = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Terms:
    """What trading costs here. Rates are fractions of notional; spread and slippage fractions of price."""

    maker_fee: Decimal = Decimal("0.0002")
    taker_fee: Decimal = Decimal("0.0005")
    half_spread: Decimal = Decimal("0.00002")
    slippage: Decimal = Decimal("0.0001")  # of every taker fill, always against the taker
    liquidation_fee: Decimal = Decimal("0.0125")
    fill_ratio: Decimal = Decimal(1)  # share of an order its first execution takes
    max_conditionals: int = 200
    expire_close_position: bool = True  # closePosition orders go when their position does (GTE_GTC)


@dataclass(slots=True)
class Hooks:
    """Where scripted faults reach into the engine. None = behave."""

    fill_ratio: Callable[[Order], Decimal | None] | None = None
    reject_trigger: Callable[[Conditional], str | None] | None = None


@dataclass(slots=True)
class State:
    market: Market
    account: Account
    terms: Terms
    now_ms: int
    orders: dict[int, Order] = field(default_factory=dict)  # every order ever accepted
    conditionals: dict[int, Conditional] = field(default_factory=dict)
    fills: dict[int, Fill] = field(default_factory=dict)
    equity: list[tuple[int, Decimal]] = field(default_factory=list)  # (ms, equity) at the close of each bar
    open_orders: dict[int, Order] = field(default_factory=dict)
    active: dict[int, Conditional] = field(default_factory=dict)  # conditionals waiting for their trigger
    by_client: dict[tuple[str, str], int] = field(default_factory=dict)  # (symbol, client id) → newest order
    algo_by_client: dict[str, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    touched: set[tuple[str, int | str]] = field(default_factory=set)
    version: int = 0  # grows with every change that may move a trigger level
    hooks: Hooks = field(default_factory=Hooks)

    # --- reading ---

    def contract(self, symbol: str) -> Contract:
        return self.market.contracts[symbol]

    def mark(self, symbol: str) -> Decimal:
        """The price now. Last, mark and index price are one here."""
        return self.market.price(symbol, self.now_ms)

    def quote(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Best bid and ask around the price."""
        price, tick = self.mark(symbol), self.contract(symbol).tick
        bid = on_tick(price * (1 - self.terms.half_spread), tick, ROUND_FLOOR)
        return bid, max(on_tick(price * (1 + self.terms.half_spread), tick, ROUND_CEILING), bid + tick)

    def equity_now(self) -> Decimal:
        return self.account.wallet + sum((one.pnl(self.mark(one.symbol)) for one in self.account.held()), ZERO)

    def maintenance_of(self, position: Position) -> Decimal:
        return maintenance(self.contract(position.symbol), abs(position.amount) * self.mark(position.symbol))

    def initial_of(self, position: Position) -> Decimal:
        """Initial margin at the current price."""
        return abs(position.amount) * self.mark(position.symbol) / self.account.of(position.symbol).leverage

    def collateral_of(self, position: Position) -> Decimal:
        """What stands behind a position besides its own PnL: see margin.liquidation_price."""
        if position.isolated:
            return position.isolated_wallet
        others = [one for one in self.account.held() if not one.isolated and one is not position]
        shared = sum((one.pnl(self.mark(one.symbol)) - self.maintenance_of(one) for one in others), ZERO)
        return self.account.cross_wallet + shared

    def liquidation_of(self, position: Position) -> Decimal | None:
        notional = abs(position.amount) * self.mark(position.symbol)
        contract = self.contract(position.symbol)
        return liquidation_price(contract, position.amount, position.cost, self.collateral_of(position), notional)

    def order_margin(self, symbol: str) -> Decimal:
        """Margin held for resting orders: what the larger side would need beyond the position's own."""
        bids = asks = ZERO
        for order in self.open_orders.values():
            if order.request.symbol == symbol and not order.request.reduce_only:
                worth = order.remaining * (order.request.price or ZERO)
                bids, asks = (bids + worth, asks) if order.request.side == "BUY" else (bids, asks + worth)
        if not bids and not asks:
            return ZERO
        leverage, mark = self.account.of(symbol).leverage, self.mark(symbol)
        if self.account.hedge_mode:
            return (bids + asks) / leverage
        held = self.account.position(symbol, PositionSide.BOTH).amount * mark
        return max(ZERO, max(abs(held + bids), abs(held - asks)) - abs(held)) / leverage

    def available(self) -> Decimal:
        """What new positions may be opened with; never negative."""
        free = self.account.cross_wallet
        for position in self.account.held():
            if not position.isolated:
                free += position.pnl(self.mark(position.symbol)) - self.initial_of(position)
        for symbol in {order.request.symbol for order in self.open_orders.values()}:
            free -= self.order_margin(symbol)
        return max(ZERO, free)

    # --- changing ---

    def add_order(self, request: NewOrder, parent_id: int | None = None) -> Order:
        order = Order(FIRST_ORDER_ID + len(self.orders), request, self.now_ms, self.now_ms, parent_id=parent_id)
        self.orders[order.order_id] = self.open_orders[order.order_id] = order
        self.by_client[request.symbol, request.client_id] = order.order_id
        self.order_changed(order, Change.NEW)
        return order

    def add_conditional(self, request: NewOrder) -> Conditional:
        algo = Conditional(FIRST_ALGO_ID + len(self.conditionals), request, self.now_ms, self.now_ms)
        self.conditionals[algo.algo_id] = self.active[algo.algo_id] = algo
        self.algo_by_client[request.client_id] = algo.algo_id
        self.conditional_changed(algo)
        return algo

    def order_changed(self, order: Order, change: Change, fill: Fill | None = None) -> None:
        """Record and announce; an order that is no longer open leaves the book."""
        order.updated_ms = self.now_ms
        if not order.status.open:
            self.open_orders.pop(order.order_id, None)
        self.touch("order", order.order_id)
        self.events.append(OrderChanged(self.now_ms, change, _copy_order(order), fill))

    def conditional_changed(self, algo: Conditional) -> None:
        algo.updated_ms = self.now_ms
        if not algo.active:
            self.active.pop(algo.algo_id, None)
        self.touch("conditional", algo.algo_id)
        child = self.orders.get(algo.child_id) if algo.child_id else None
        self.events.append(ConditionalChanged(self.now_ms, _copy_conditional(algo), child and _copy_order(child)))

    def account_changed(self, cause: str, *positions: Position, balance_change: Decimal = ZERO) -> None:
        for position in positions:
            self.touch("position", f"{position.symbol}|{position.side}")
        self.touch("account", 0)
        told = tuple((_copy_position(one), one.pnl(self.mark(one.symbol))) for one in positions)
        account = self.account
        self.events.append(
            AccountChanged(self.now_ms, cause, balance_change, account.wallet, account.cross_wallet, told)
        )

    def touch(self, kind: str, key: int | str) -> None:
        self.touched.add((kind, key))
        self.version += 1

    def take_events(self) -> list[Event]:
        taken, self.events = self.events, []
        return taken


def on_tick(price: Decimal, tick: Decimal, rounding: str) -> Decimal:
    return (price / tick).to_integral_value(rounding=rounding) * tick


def _copy_order(order: Order) -> Order:
    return Order(**{name: getattr(order, name) for name in Order.__slots__})


def _copy_conditional(algo: Conditional) -> Conditional:
    return Conditional(**{name: getattr(algo, name) for name in Conditional.__slots__})


def _copy_position(position: Position) -> Position:
    return Position(**{name: getattr(position, name) for name in Position.__slots__})
