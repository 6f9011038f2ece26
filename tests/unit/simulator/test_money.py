"""Margin, liquidation, funding; and the ledger's identities under any sequence of orders."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.account import Cause
from simulator.events import MarginCalled
from simulator.funding import Funding
from simulator.instruments import contract_for
from simulator.margin import liquidation_price, maintenance
from simulator.orders import Kind, Order, Status
from simulator.refusals import Reason, Refusal
from simulator.state import State, Terms
from tests.unit.simulator.builders import BUY, SELL, Bar, Trader, flat, venue


def isolated(*bars: Bar, leverage: int = 10, terms: Terms | None = None, **more: object) -> Trader:
    trader = Trader(venue(*bars, terms=terms or Terms(half_spread=Decimal(0), slippage=Decimal(0)), **more))  # type: ignore[arg-type]
    trader.venue.set_margin_type("BTCUSDT", isolated=True)
    trader.venue.set_leverage("BTCUSDT", leverage)
    return trader


def causes(state: State) -> dict[Cause, Decimal]:
    return {
        cause: sum((row.amount for row in state.account.income if row.cause is cause), Decimal(0)) for cause in Cause
    }


def test_maintenance_margin_grows_without_steps_over_the_brackets() -> None:
    contract = contract_for("BTCUSDT")
    for bracket in contract.brackets[:-1]:
        below, above = maintenance(contract, bracket.cap), maintenance(contract, bracket.cap + Decimal("0.01"))
        assert 0 <= above - below < Decimal("0.01")
    assert maintenance(contract, Decimal(1000)) == Decimal(4)


@pytest.mark.parametrize(("amount", "expected"), [("0.1", "45180.722892"), ("-0.1", "54780.876494")])
def test_the_liquidation_price_is_where_margin_meets_maintenance(amount: str, expected: str) -> None:
    contract, cost = contract_for("BTCUSDT"), Decimal(5000)
    price = liquidation_price(contract, Decimal(amount), cost, Decimal(500), cost)
    assert price is not None
    assert round(price, 6) == Decimal(expected)
    sign = 1 if Decimal(amount) > 0 else -1
    left = Decimal(500) + Decimal(amount) * price - sign * cost
    assert abs(left - maintenance(contract, abs(Decimal(amount)) * price)) < Decimal("1e-15")


def test_an_isolated_position_is_liquidated_and_loses_its_margin_and_no_more() -> None:
    trader = isolated(*flat(50_000, 1), (50_000, 50_000, 44_000, 44_500))
    trader.market(BUY, "0.1")
    wallet = trader.venue.state.account.wallet
    trader.hours(2)
    assert trader.amount == 0
    closing = list(trader.venue.state.orders.values())[-1]
    assert closing.request.client_id.startswith("autoclose-")
    assert abs(closing.average_price - Decimal("45180.7")) < 2
    lost = wallet - trader.venue.state.account.wallet
    assert Decimal(450) < lost <= Decimal(500)


def test_a_gap_beyond_bankruptcy_is_borne_by_the_insurance_fund() -> None:
    trader = isolated(*flat(50_000, 1), *flat(40_000, 2))
    trader.market(BUY, "0.1")
    wallet = trader.venue.state.account.wallet
    trader.hours(1)
    assert trader.amount == 0
    assert trader.venue.state.account.wallet == wallet - 500
    assert causes(trader.venue.state)[Cause.INSURANCE_CLEAR] > 0


def test_a_cross_position_is_held_by_the_whole_wallet() -> None:
    bars = [*flat(50_000, 1), (50_000, 50_000, 44_000, 44_500), (44_500, 44_500, 30_000, 30_000)]
    trader = Trader(venue(*bars, balance="1500"))
    trader.venue.set_leverage("BTCUSDT", 10)
    trader.market(BUY, "0.1")
    trader.hours(2)
    assert trader.amount == Decimal("0.1")
    trader.hours(1)
    assert trader.amount == 0
    assert 0 <= trader.venue.state.account.wallet < 30


def test_a_stop_before_the_liquidation_price_saves_the_rest() -> None:
    trader = isolated(*flat(50_000, 1), (50_000, 50_000, 44_000, 44_500))
    trader.market(BUY, "0.1")
    trader.stop(46_000)
    trader.hours(2)
    assert not any(one.request.client_id.startswith("autoclose") for one in trader.venue.state.orders.values())
    assert causes(trader.venue.state)[Cause.REALIZED_PNL] == pytest.approx(Decimal(-400), abs=Decimal("0.1"))


def test_a_margin_call_comes_before_the_liquidation() -> None:
    trader = isolated(*flat(50_000, 1), (50_000, 50_000, 45_200, 45_210), *flat(45_210, 1))
    trader.market(BUY, "0.1")
    trader.hours(2)
    assert trader.amount == Decimal("0.1")
    assert [type(event) for event in trader.venue.state.take_events()].count(MarginCalled) == 1


def test_margin_is_reserved_and_given_back() -> None:
    trader = isolated(*flat(50_000, 4))
    state = trader.venue.state
    trader.limit(BUY, "0.1", 49_000)
    assert state.available() == Decimal(10_000) - 490
    trader.venue.cancel_all("BTCUSDT")
    trader.market(BUY, "0.1")
    assert state.available() == state.account.wallet - 500
    assert trader.venue.move_margin("BTCUSDT", state.account.held()[0].side, Decimal(100)) is None
    assert state.account.held()[0].isolated_wallet == 600
    trader.market(SELL, "0.1")
    assert state.available() == state.account.wallet
    moved = trader.venue.move_margin("BTCUSDT", state.account.position("BTCUSDT", "BOTH").side, Decimal(1))  # type: ignore[arg-type]
    assert moved == Refusal(Reason.NOT_ISOLATED)


def test_funding_is_paid_every_eight_hours_by_the_rate_of_that_hour() -> None:
    eight = 8 * 3_600_000
    midnight = venue(*flat(50_000, 2)).now_ms
    history = {"BTCUSDT": ([midnight + eight, midnight + 2 * eight], [Decimal("0.001"), Decimal("-0.0005")])}
    trader = Trader(venue(*flat(50_000, 30), rates=Funding(Decimal("0.0001"), history)))
    trader.market(BUY, "0.1")
    trader.hours(7.9)
    assert causes(trader.venue.state)[Cause.FUNDING_FEE] == 0
    trader.hours(17)
    paid = [row.amount for row in trader.venue.state.account.income if row.cause is Cause.FUNDING_FEE]
    assert paid == [Decimal(-5), Decimal("2.5"), Decimal("-0.5")]  # the third hour has no history: the default rate


def test_deleveraging_closes_under_the_venues_own_name_and_leaves_orders_alone() -> None:
    trader = Trader(venue(*flat(50_000, 3)))
    trader.market(BUY, "0.2")
    resting = trader.limit(BUY, "0.1", 49_000)
    (order,) = trader.venue.force_close("BTCUSDT", adl=True, quantity=Decimal("0.05"))
    assert order.request.client_id == "adl_autoclose"
    assert (trader.amount, resting.status) == (Decimal("0.15"), Status.NEW)


steps = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "reduce", "stop", "profit", "trail", "limit", "cancel", "wait"]),
        st.integers(min_value=2, max_value=400),
        st.integers(min_value=-40, max_value=40),
    ),
    max_size=25,
)
walks = st.lists(st.tuples(st.integers(-300, 300), st.integers(0, 200), st.integers(0, 200)), min_size=12, max_size=12)


def bars_of(walk: list[tuple[int, int, int]]) -> list[Bar]:
    price, bars = 50_000.0, []
    for change, up, down in walk:
        close = max(1000.0, price + 10 * change)
        bars.append((price, max(price, close) + 10 * up, max(500.0, min(price, close) - 10 * down), close))
        price = close
    return bars


def act(trader: Trader, what: str, size: int, offset: int) -> None:
    quantity, mark = str(Decimal(size) / 1000), trader.venue.state.mark("BTCUSDT")
    price = (mark * (1 + Decimal(offset) / 1000)).quantize(Decimal("0.1"))
    out = SELL if trader.amount > 0 else BUY
    place, conditional = trader.venue.place, trader.venue.place_conditional
    if what in ("buy", "sell"):
        place(trader.ask(BUY if what == "buy" else SELL, Kind.MARKET, quantity))
    elif what == "reduce":
        before = trader.amount
        order = place(trader.ask(out, Kind.MARKET, quantity, reduce_only=True))
        if isinstance(order, Order):
            assert abs(trader.amount) <= abs(before)
            assert trader.amount * before >= 0
    elif what == "stop":
        conditional(trader.ask(out, Kind.STOP_MARKET, trigger_price=price, close_position=True))
    elif what == "profit":
        conditional(trader.ask(out, Kind.TAKE_PROFIT_MARKET, quantity, trigger_price=price, reduce_only=True))
    elif what == "trail":
        conditional(trader.ask(out, Kind.TRAILING_STOP_MARKET, quantity, callback_rate="0.5", reduce_only=True))
    elif what == "limit":
        place(trader.ask(BUY if offset < 0 else SELL, Kind.LIMIT, quantity, price=price))
    elif what == "cancel":
        trader.venue.cancel_all("BTCUSDT")
    else:
        trader.hours(size / 200)


@settings(max_examples=80, deadline=None)
@given(walk=walks, plan=steps, separate=st.booleans(), leverage=st.integers(1, 50), ratio=st.sampled_from(["1", "0.4"]))
def test_the_ledger_adds_up_whatever_happens(
    walk: list[tuple[int, int, int]], plan: list[tuple[str, int, int]], separate: bool, leverage: int, ratio: str
) -> None:
    trader = Trader(venue(*bars_of(walk), terms=Terms(fill_ratio=Decimal(ratio)), rates=Funding(Decimal("0.0003"))))
    trader.venue.set_leverage("BTCUSDT", leverage)
    if separate:
        trader.venue.set_margin_type("BTCUSDT", isolated=True)
    for what, size, offset in plan:
        act(trader, what, size, offset)
    trader.hours(12)
    state = trader.venue.state
    account, fills = state.account, list(state.fills.values())
    # wallet = start + realised - fees - funding (+ what insurance took or bore)
    assert account.wallet == account.start_balance + sum((row.amount for row in account.income), Decimal(0))
    assert causes(state)[Cause.COMMISSION] == -sum((fill.fee for fill in fills), Decimal(0))
    assert causes(state)[Cause.REALIZED_PNL] == sum((fill.realised_pnl for fill in fills), Decimal(0))
    # position = sum of fills, order = sum of its fills
    bought = sum((fill.quantity if fill.side is BUY else -fill.quantity for fill in fills), Decimal(0))
    assert trader.amount == bought
    for order in state.orders.values():
        assert order.executed == sum((state.fills[one].quantity for one in order.fills), Decimal(0)) <= order.quantity
    # equity = cash ever moved + what is held at the mark
    cash = sum((fill.quantity * fill.price * (-1 if fill.side is BUY else 1) for fill in fills), Decimal(0))
    other = account.start_balance + sum(
        (row.amount for row in account.income if row.cause is not Cause.REALIZED_PNL), Decimal(0)
    )
    worth = trader.amount * state.mark("BTCUSDT") if trader.amount else Decimal(0)
    assert abs(state.equity_now() - (other + cash + worth)) < Decimal("1e-12")
    # margin stays sound
    assert account.wallet >= 0
    assert all(
        (one.isolated_wallet > -account.start_balance) if one.amount else not one.isolated_wallet
        for one in account.positions.values()
    )
    assert set(state.open_orders) == {one.order_id for one in state.orders.values() if one.status.open}
    assert set(state.active) == {one.algo_id for one in state.conditionals.values() if one.active}
