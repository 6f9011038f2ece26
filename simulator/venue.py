"""The exchange: commands in, orders or refusals out, events on the side. Knows no wire format and no clock of its own.

Every command acts at `now_ms`, the last moment `advance` has lived through. Nothing here is undone: a refusal leaves
the state as it was, an acceptance is final.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from simulator import execution, rules
from simulator.account import Account, Position, Settings
from simulator.events import Change, LeverageChanged
from simulator.funding import Funding
from simulator.margin import rounded
from simulator.market import Market
from simulator.orders import AlgoStatus, Conditional, NewOrder, Order, PositionSide, Status, TimeInForce
from simulator.refusals import Reason, Refusal
from simulator.state import State, Terms
from simulator.timeline import Timeline, follow


@dataclass(slots=True)
class Venue:
    state: State
    rates: Funding = field(default_factory=Funding)
    _timeline: Timeline = field(init=False)

    def __post_init__(self) -> None:
        self._timeline = Timeline(self.state, self.rates)

    @classmethod
    def open(
        cls, market: Market, *, balance: Decimal, now_ms: int, terms: Terms | None = None, rates: Funding | None = None
    ) -> "Venue":
        """A venue with a fresh account."""
        account = Account(start_balance=balance, wallet=balance)
        return cls(State(market, account, terms or Terms(), now_ms), rates or Funding())

    def restart(self, state: State, rates: Funding) -> None:
        """Begin again with another state; whoever holds this venue keeps holding the live one."""
        self.state, self.rates = state, rates
        self._timeline = Timeline(state, rates)

    @property
    def now_ms(self) -> int:
        return self.state.now_ms

    def advance(self, to: datetime | int) -> None:
        """Live up to a moment: prices move, orders fill, stops trigger, funding is paid."""
        self._timeline.advance(to if isinstance(to, int) else int(to.timestamp() * 1000))

    # --- orders ---

    def test(self, request: NewOrder) -> Refusal | None:
        return rules.first_refusal(self.state, request, rules.REGULAR)

    def place(self, request: NewOrder) -> Order | Refusal:
        """A market or limit order. It has met the market when this returns."""
        refusal = self.test(request)
        if refusal:
            return refusal
        order = self.state.add_order(request)
        execution.enter(self.state, order)
        return order

    def place_conditional(self, request: NewOrder) -> Conditional | Refusal:
        if request.close_position:
            request = replace(request, time_in_force=TimeInForce.GTE_GTC)
        refusal = rules.first_refusal(self.state, request, rules.CONDITIONAL)
        if refusal:
            return refusal
        algo = self.state.add_conditional(request)
        if request.callback_rate is not None:
            follow(algo, self.state.mark(request.symbol))
        return algo

    def find(self, symbol: str, order_id: int | None = None, client_id: str | None = None) -> Order | Refusal:
        """By either id; of several orders that used one client id, the newest."""
        key = order_id if order_id is not None else self.state.by_client.get((symbol, client_id or ""))
        order = self.state.orders.get(key) if key is not None else None
        return order if order and order.request.symbol == symbol else Refusal(Reason.NO_SUCH_ORDER)

    def find_conditional(self, algo_id: int | None = None, client_id: str | None = None) -> Conditional | Refusal:
        key = algo_id if algo_id is not None else self.state.algo_by_client.get(client_id or "")
        algo = self.state.conditionals.get(key) if key is not None else None
        return algo or Refusal(Reason.NO_SUCH_ORDER)

    def cancel(self, symbol: str, order_id: int | None = None, client_id: str | None = None) -> Order | Refusal:
        order = self.find(symbol, order_id, client_id)
        if isinstance(order, Refusal) or not order.status.open:
            return Refusal(Reason.NOTHING_TO_CANCEL)
        order.status = Status.CANCELED
        self.state.order_changed(order, Change.CANCELED)
        if order.parent_id is not None:
            parent = self.state.conditionals[order.parent_id]
            parent.status = AlgoStatus.FINISHED
            self.state.conditional_changed(parent)
        return order

    def cancel_conditional(self, algo_id: int | None = None, client_id: str | None = None) -> Conditional | Refusal:
        algo = self.find_conditional(algo_id, client_id)
        if isinstance(algo, Refusal) or not algo.active:
            return Refusal(Reason.NOTHING_TO_CANCEL)
        algo.status = AlgoStatus.CANCELED
        self.state.conditional_changed(algo)
        return algo

    def cancel_all(self, symbol: str) -> list[Order]:
        """Regular orders only, as on the real venue: conditional orders stay."""
        mine = [order for order in self.state.open_orders.values() if order.request.symbol == symbol]
        return [done for order in mine if isinstance(done := self.cancel(symbol, order.order_id), Order)]

    def cancel_all_conditionals(self, symbol: str) -> list[Conditional]:
        mine = [algo for algo in self.state.active.values() if algo.request.symbol == symbol]
        return [done for algo in mine if isinstance(done := self.cancel_conditional(algo.algo_id), Conditional)]

    # --- settings ---

    def set_leverage(self, symbol: str, leverage: int) -> Settings | Refusal:
        state = self.state
        if symbol not in state.market.contracts:
            return Refusal(Reason.UNKNOWN_SYMBOL)
        settings, contract = state.account.of(symbol), state.contract(symbol)
        if not 1 <= leverage <= contract.max_leverage:
            return Refusal(Reason.LEVERAGE_INVALID, str(leverage))
        held = [one for one in state.account.held() if one.symbol == symbol]
        if any(one.isolated for one in held) and leverage < settings.leverage:
            return Refusal(Reason.LEVERAGE_LOWER_WITH_POSITION)
        if sum(abs(one.amount) for one in held) * state.mark(symbol) > contract.cap_at(leverage):
            return Refusal(Reason.LEVERAGE_CAP)
        settings.leverage = leverage
        state.touch("settings", symbol)
        state.events.append(LeverageChanged(state.now_ms, symbol, leverage))
        return settings

    def set_margin_type(self, symbol: str, *, isolated: bool) -> Refusal | None:
        state = self.state
        if symbol not in state.market.contracts:
            return Refusal(Reason.UNKNOWN_SYMBOL)
        settings = state.account.of(symbol)
        if settings.isolated == isolated:
            return Refusal(Reason.SAME_MARGIN_TYPE)
        if self._has_orders(symbol):
            return Refusal(Reason.MARGIN_TYPE_WITH_ORDERS)
        if any(one.symbol == symbol for one in state.account.held()):
            return Refusal(Reason.MARGIN_TYPE_WITH_POSITION)
        settings.isolated = isolated
        state.touch("settings", symbol)
        for position in state.account.positions.values():
            if position.symbol == symbol:
                position.isolated = isolated
        return None

    def set_hedge_mode(self, *, hedge: bool) -> Refusal | None:
        state = self.state
        if state.account.hedge_mode == hedge:
            return Refusal(Reason.SAME_POSITION_MODE)
        if self._has_orders(None):
            return Refusal(Reason.POSITION_MODE_WITH_ORDERS)
        if state.account.held():
            return Refusal(Reason.POSITION_MODE_WITH_POSITION)
        state.account.hedge_mode = hedge
        state.touch("account", 0)
        return None

    def move_margin(self, symbol: str, side: PositionSide, amount: Decimal) -> Refusal | None:
        """Add to (or, negative, take from) an isolated position's margin."""
        state = self.state
        position = state.account.position(symbol, side)
        if not position.amount or not position.isolated:
            return Refusal(Reason.NOT_ISOLATED)
        spare = (
            position.isolated_wallet + min(position.pnl(state.mark(symbol)), Decimal(0)) - state.initial_of(position)
        )
        if amount > state.available() or -amount > spare:
            return Refusal(Reason.ISOLATED_MARGIN_SHORT)
        position.isolated_wallet += rounded(amount)
        state.account_changed("MARGIN_TRANSFER", position)
        return None

    def _has_orders(self, symbol: str | None) -> bool:
        waiting = {one.request.symbol for one in self.state.open_orders.values()}
        waiting |= {one.request.symbol for one in self.state.active.values()}
        return bool(waiting) if symbol is None else symbol in waiting

    # --- the venue's own hand ---

    def force_close(self, symbol: str, *, adl: bool, quantity: Decimal | None = None) -> list[Order]:
        """Deleverage or liquidate what is held on a symbol at the current price, under the venue's own client ids."""
        prefix = "adl_autoclose" if adl else f"autoclose-{self.now_ms}"
        held = [one for one in self.state.account.held() if one.symbol == symbol]
        return [self._force(position, prefix, quantity) for position in held]

    def _force(self, position: Position, client_id: str, quantity: Decimal | None) -> Order:
        return execution.force_close(self.state, position, client_id, self.state.mark(position.symbol), quantity)
