"""Acceptance cards: what every venue adapter must do, numbered, played against the local exchange.

A card speaks only of ports.Exchange and of the exchange's own ledger, so the same cards serve every venue. What differs
between venues (how to open the adapter, what its paths are called) is a `Venue`; everything else is here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import numpy as np
import pytest

from app.domain.errors import VenueUnavailable
from app.domain.ids import AccountId, Symbol, client_order_id
from app.domain.money import Price, Quantity
from app.domain.order import Accepted, Halt, OrderKind, OrderRequest, OrderState, Rejected, Unknown, VenueOrder
from app.domain.side import OrderSide, Side
from app.history import CandleSeries
from app.ports import Clock, Exchange, MarketData, VenueNews
from simulator.admin import ledger
from simulator.clock import Mode
from simulator.config import SimulatorConfig
from simulator.floor import Floor
from simulator.server import bind, create_app, serve

BTC = Symbol("BTCUSDT")
ONE = Quantity.of("0.1")
PATIENCE_S = 10.0
HOUR = timedelta(hours=1)
START = datetime(2026, 1, 15, 12, tzinfo=UTC)
CALM, DIP, PEAK = 60_000.0, 57_000.0, 63_000.0


def market() -> CandleSeries:
    """Calm for weeks, then (from START) calm for two hours, a dip for two, calm for two, a peak for two, calm."""
    hours = 1_000
    closes = np.full(hours, CALM)
    now = 600
    closes[now + 2 : now + 4] = DIP
    closes[now + 6 : now + 8] = PEAK
    opens = np.concatenate(([CALM], closes[:-1]))
    first = int((START - now * HOUR).timestamp() * 1000)
    return CandleSeries(
        symbol=BTC,
        interval="1h",
        ts=np.arange(hours, dtype=np.int64) * 3_600_000 + first,
        open=opens,
        high=np.maximum(opens, closes) + 20,
        low=np.minimum(opens, closes) - 20,
        close=closes,
        volume=np.full(hours, 1_000.0),
        source="written for the cards",
    )


class Adapter(Exchange, MarketData, Protocol):
    """What a venue package offers: both ports on one object, opened and closed."""

    async def open(self) -> None: ...


@dataclass(frozen=True)
class Venue:
    """One venue's words for what the cards do."""

    name: str
    make: Callable[[str, SimulatorConfig, Clock], Adapter]  # address of the local exchange, host:port
    order_path: str
    stop_path: str
    unknown: tuple[int, Any]  # an answer after which the outcome is not known: status, body
    limited: tuple[int, Any, Mapping[str, str]]  # an answer that asks for a pause


@dataclass
class Bench:
    venue: Venue
    exchange: Adapter
    floor: Floor
    stop_serving: Callable[[], Awaitable[None]]
    orders_made: int = 0

    @property
    def clock(self) -> Clock:
        return self.floor.clock

    # --- the exchange's own view ---

    def orders(self) -> list[dict[str, Any]]:
        """Every order the exchange ever accepted, by its ledger."""
        self.floor.settle()
        rows: list[dict[str, Any]] = ledger(self.floor.venue.state)["orders"]
        return rows

    def held(self) -> Decimal:
        """Signed size of the position by the ledger."""
        rows = ledger(self.floor.venue.state)["positions"]
        return sum((Decimal(row["quantity"]) * (1 if row["side"] == "LONG" else -1) for row in rows), Decimal(0))

    # --- what a card does ---

    def request(self, leg: str = "entry", **changes: Any) -> OrderRequest:
        """A fresh request: 0.1 BTC bought at market unless told otherwise."""
        self.orders_made += 1
        made = OrderRequest(
            client_id=client_order_id(f"card-{self.orders_made}", leg, 0),
            account=AccountId("main"),
            symbol=BTC,
            side=OrderSide.BUY,
            kind=OrderKind.MARKET,
            quantity=ONE,
        )
        return replace(made, **changes)

    def stop(self, trigger: str, side: OrderSide = OrderSide.SELL) -> OrderRequest:
        return self.request(
            "stop", side=side, kind=OrderKind.STOP, quantity=None, trigger_price=Price.of(trigger), close_position=True
        )

    async def place(self, request: OrderRequest) -> Accepted | Rejected | Unknown:
        return await self.exchange.place(request, sent_at=self.clock.now())

    async def enter(self, side: OrderSide = OrderSide.BUY) -> OrderRequest:
        await self.exchange.prepare(BTC, 5)
        request = self.request(side=side)
        assert isinstance(await self.place(request), Accepted)
        return request

    async def protect(self, trigger: str) -> OrderRequest:
        request = self.stop(trigger)
        assert isinstance(await self.place(request), Accepted)
        return request

    async def found(self, request: OrderRequest) -> VenueOrder:
        order = await self.exchange.find(request)
        assert order is not None
        return order

    async def book(self) -> Sequence[VenueOrder]:
        return await self.exchange.open_orders(BTC)

    async def pass_hours(self, hours: float) -> None:
        await self.floor.move_to(self.clock.now() + hours * HOUR)

    def trouble(self, **rule: Any) -> None:
        self.floor.faults.set([rule])

    def lose_answer(self, path: str, *, when: str) -> None:
        status, body = self.venue.unknown
        self.trouble(method="POST", path=path, when=when, status=status, body=body)


Play = Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True)
class Card:
    number: int
    title: str
    play: Play


CARDS: list[Card] = []


def card(number: int, title: str) -> Callable[[Play], Play]:
    def keep(play: Play) -> Play:
        assert number not in {known.number for known in CARDS}, f"two cards are number {number}"
        CARDS.append(Card(number, title, play))
        return play

    return keep


@asynccontextmanager
async def bench(venue: Venue) -> AsyncIterator[Bench]:
    """A local exchange of its own, whose time stands still until the card moves it, and the adapter talking to it."""
    config = SimulatorConfig(series={BTC: market()}, start=START, mode=Mode.STEPPED, balance=Decimal(10_000))
    app, listening, ready = create_app(config), bind("127.0.0.1", 0), asyncio.Event()
    port = listening.getsockname()[1]
    serving = asyncio.create_task(serve(config, ready=ready, app=app, sock=listening))
    await asyncio.wait_for(ready.wait(), PATIENCE_S)

    async def stop_serving() -> None:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    exchange = venue.make(f"127.0.0.1:{port}", config, app.state.clock)
    await exchange.open()
    try:
        yield Bench(venue, exchange, app.state.floor, stop_serving)
    finally:
        await exchange.close()
        await stop_serving()


# --- asking ------------------------------------------------------------------------------------------


@card(1, "the venue's clock is told")
async def _clock(b: Bench) -> None:
    assert abs(await b.exchange.server_time() - b.clock.now()) < timedelta(milliseconds=2)


@card(2, "instruments carry the venue's filters, in base units")
async def _instruments(b: Bench) -> None:
    btc, contract = (await b.exchange.instruments())[BTC], b.floor.venue.state.contract(BTC)
    assert (btc.tick, btc.step, btc.trading) == (contract.tick, contract.step, True)
    assert btc.min_quantity.value == contract.min_quantity
    assert btc.max_market_quantity.value == contract.max_market_quantity
    assert btc.min_notional.value == contract.min_notional
    assert btc.max_leverage == contract.max_leverage


@card(3, "market data are closed candles up to now and the live price")
async def _market(b: Bench) -> None:
    view = await b.exchange.view(BTC, "1h")
    assert len(view.candles) >= 240
    assert view.candles[-1].open_time + HOUR <= b.clock.now()
    assert b.clock.now() - view.candles[-1].open_time <= 2 * HOUR
    assert view.mark_price == pytest.approx(CALM, rel=0.01)
    assert view.atr == pytest.approx(40, rel=0.5)


@card(4, "an empty account has a balance and nothing else")
async def _empty(b: Bench) -> None:
    balance = await b.exchange.balance()
    assert balance.equity.value == balance.wallet.value == 10_000
    assert list(await b.exchange.positions()) == list(await b.book()) == []
    assert list(await b.exchange.fills(BTC, b.clock.now() - HOUR)) == []


@card(5, "an order nobody placed is not found")
async def _absent(b: Bench) -> None:
    assert await b.exchange.find(b.request()) is None
    assert await b.exchange.find(b.stop("59000")) is None


# --- entering ----------------------------------------------------------------------------------------


@card(10, "a market entry is executed once, and order, position, fills and balance agree with the ledger")
async def _entry(b: Bench) -> None:
    request = await b.enter()
    (row,) = b.orders()
    assert (row["client_id"], row["executed_quantity"], row["reduce_only"]) == (request.client_id, "0.1", False)
    order = await b.found(request)
    assert (order.client_id, order.venue_order_id) == (request.client_id, row["order_id"])
    assert (order.state, order.filled, order.kind) == (OrderState.FILLED, ONE, OrderKind.MARKET)
    (position,) = await b.exchange.positions()
    assert (position.symbol, position.side, position.quantity) == (BTC, Side.LONG, ONE)
    assert position.entry_price.value == Decimal(row["average_price"])
    (fill,) = await b.exchange.fills(BTC, b.clock.now() - HOUR)
    assert (fill.venue_order_id, fill.side, fill.quantity) == (row["order_id"], OrderSide.BUY, ONE)
    assert fill.fee.value == Decimal(row["fills"][0]["fee"]) > 0
    assert (await b.exchange.balance()).wallet.value == 10_000 - fill.fee.value


@card(11, "a short is a short")
async def _short(b: Bench) -> None:
    await b.enter(OrderSide.SELL)
    (position,) = await b.exchange.positions()
    assert (position.side, position.quantity, b.held()) == (Side.SHORT, ONE, -ONE.value)


@card(12, "preparing sets isolated margin and leverage, and may be repeated")
async def _prepared(b: Bench) -> None:
    for _ in range(2):
        await b.exchange.prepare(BTC, 7)
    await b.place(b.request())
    (row,) = ledger(b.floor.venue.state)["positions"]
    (position,) = await b.exchange.positions()
    assert (row["margin"], row["leverage"], position.leverage) == ("isolated", 7, 7)


@card(13, "an order the venue turns down is rejected, with its code, and not in the ledger")
async def _refused(b: Bench) -> None:
    await b.exchange.prepare(BTC, 5)
    for wrong in (
        b.request(quantity=Quantity.of("0.0015")),  # not on the step
        b.request(quantity=Quantity.of("0.001")),  # below the least notional
        b.request(quantity=Quantity.of("50")),  # beyond the margin
        b.request(symbol=Symbol("NOSUCHUSDT")),
    ):
        outcome = await b.place(wrong)
        assert isinstance(outcome, Rejected)
        assert outcome.code != 0
        assert outcome.halt is Halt.NO
    assert b.orders() == []


@card(14, "a partial fill is told with what was filled; the rest has lapsed")
async def _partial(b: Bench) -> None:
    b.trouble(fill_ratio="0.3")
    order = await b.found(await b.enter())
    assert (order.state, order.filled) == (OrderState.EXPIRED, Quantity.of("0.03"))
    assert b.held() == Decimal("0.03")


@card(15, "hedge mode set by hand refuses the order; preparing again puts it right")
async def _hedge(b: Bench) -> None:
    await b.exchange.prepare(BTC, 5)
    b.floor.venue.state.account.hedge_mode = True
    assert isinstance(await b.place(b.request()), Rejected)
    await b.enter()
    assert b.held() == ONE.value


# --- outcomes that are not known ---------------------------------------------------------------------


@card(20, "executed, but the answer is lost: unknown, then found, one order")
async def _executed_unheard(b: Bench) -> None:
    await b.exchange.prepare(BTC, 5)
    b.lose_answer(b.venue.order_path, when="after")
    request = b.request()
    assert isinstance(await b.place(request), Unknown)
    assert (await b.found(request)).state is OrderState.FILLED
    assert [row["client_id"] for row in b.orders()] == [request.client_id]


@card(21, "not executed, and the answer does not tell: unknown, not found, no order")
async def _not_executed(b: Bench) -> None:
    await b.exchange.prepare(BTC, 5)
    b.lose_answer(b.venue.order_path, when="before")
    request = b.request()
    assert isinstance(await b.place(request), Unknown)
    assert await b.exchange.find(request) is None
    assert b.orders() == []


@card(22, "the connection is cut after execution: unknown, then found, one order")
async def _cut_after(b: Bench) -> None:
    await b.exchange.prepare(BTC, 5)
    b.trouble(method="POST", path=b.venue.order_path, when="after", drop=True)
    request = b.request()
    assert isinstance(await b.place(request), Unknown)
    assert (await b.found(request)).state is OrderState.FILLED
    assert len(b.orders()) == 1


@card(23, "the connection is cut before execution: unknown, not found, no order")
async def _cut_before(b: Bench) -> None:
    await b.exchange.prepare(BTC, 5)
    b.trouble(method="POST", path=b.venue.order_path, when="before", drop=True)
    request = b.request()
    assert isinstance(await b.place(request), Unknown)
    assert await b.exchange.find(request) is None
    assert b.orders() == []


@card(24, "a fresh order can be missing from queries, for less than the unknown window")
async def _listed_late(b: Bench) -> None:
    await b.exchange.prepare(BTC, 5)
    b.trouble(method="POST", path=b.venue.order_path, when="after", hide_s=2.5)
    request = b.request()
    assert isinstance(await b.place(request), Accepted)
    assert await b.exchange.find(request) is None
    await b.floor.move_to(b.clock.now() + timedelta(seconds=2.5))
    assert (await b.found(request)).state is OrderState.FILLED
    assert b.exchange.unknown_window_s > 5 + 2.5


@card(25, "a request that left too late is refused by the venue itself")
async def _late(b: Bench) -> None:
    await b.exchange.prepare(BTC, 5)
    outcome = await b.exchange.place(
        b.request(), sent_at=b.clock.now() - timedelta(seconds=b.exchange.unknown_window_s)
    )
    assert isinstance(outcome, Rejected)
    assert outcome.halt is not Halt.NO
    assert b.orders() == []


@card(26, "a venue that cannot be reached: nothing left, and questions go unanswered")
async def _unreachable(b: Bench) -> None:
    await b.stop_serving()
    outcome = await b.place(b.request())
    assert isinstance(outcome, Rejected | Unknown)
    assert isinstance(await b.place(b.request()), Rejected)  # the kept connection is known to be gone by now
    for question in (b.exchange.positions(), b.exchange.balance(), b.book(), b.exchange.server_time()):
        with pytest.raises(VenueUnavailable):
            await question


@card(27, "being limited halts entries, which are then held back here, and lets a stop pass")
async def _limited(b: Bench) -> None:
    await b.enter()
    status, body, headers = b.venue.limited
    b.trouble(method="POST", path=b.venue.order_path, status=status, body=body, headers=headers)
    for _ in range(2):
        outcome = await b.place(b.request())
        assert isinstance(outcome, Rejected)
        assert outcome.halt is not Halt.NO
    assert b.floor.faults.rules[0].struck == 1
    await b.protect("59000")
    assert [row["type"] for row in b.orders()] == ["MARKET", "STOP_MARKET"]


# --- stops -------------------------------------------------------------------------------------------


@card(30, "a whole-position stop rests where the book shows it")
async def _stop_rests(b: Bench) -> None:
    await b.enter()
    request = await b.protect("58000")
    (order,) = await b.book()
    assert (order.client_id, order.kind, order.side) == (request.client_id, OrderKind.STOP, OrderSide.SELL)
    assert (order.trigger_price, order.close_position, order.state) == (Price.of(58_000), True, OrderState.ACCEPTED)
    row = b.orders()[-1]
    assert (row["trigger_price"], row["close_position"], row["status"]) == ("58000", True, "NEW")


@card(31, "a stop executed at its trigger is found with the order it became, and its fills carry that order's number")
async def _stop_triggers(b: Bench) -> None:
    await b.enter()
    request = await b.protect("58000")
    before = b.clock.now()
    await b.pass_hours(3)
    assert b.held() == 0
    order = await b.found(request)
    assert (order.client_id, order.state, order.filled) == (request.client_id, OrderState.FILLED, ONE)
    fills = await b.exchange.fills(BTC, before)
    assert [fill.venue_order_id for fill in fills][-1] == order.child_order_id != ""
    assert fills[-1].realised_pnl.value < 0
    assert await b.exchange.cancel(request) is False
    assert list(await b.exchange.positions()) == []


@card(32, "a stop refused at its trigger is rejected, and the position is still open")
async def _stop_rejected(b: Bench) -> None:
    await b.enter()
    request = await b.protect("58000")
    b.trouble(reject_trigger="Margin is insufficient.")
    await b.pass_hours(3)
    assert (await b.found(request)).state is OrderState.REJECTED
    assert b.held() == ONE.value
    assert list(await b.book()) == []


@card(33, "a stop without a position is refused")
async def _stop_when_flat(b: Bench) -> None:
    outcome = await b.place(b.stop("58000"))
    assert isinstance(outcome, Rejected)
    assert b.orders() == []


@card(34, "a stop the market has already passed is refused")
async def _stop_passed(b: Bench) -> None:
    await b.enter()
    outcome = await b.place(b.stop("61000"))
    assert isinstance(outcome, Rejected)
    assert len(b.orders()) == 1


@card(35, "a stop sent again under its own id is the same stop")
async def _stop_again(b: Bench) -> None:
    await b.enter()
    request = b.stop("58000")
    assert await b.place(request) == await b.place(request)
    assert len(b.orders()) == 2


@card(36, "a second whole-position stop counts as placed at the same trigger only")
async def _second_stop(b: Bench) -> None:
    await b.enter()
    first = await b.place(b.stop("58000"))
    assert await b.place(b.stop("58000")) == first
    assert isinstance(await b.place(b.stop("57500")), Rejected)
    assert [order.trigger_price for order in await b.book()] == [Price.of(58_000)]


@card(37, "a stop whose answer is lost is found, and one stop rests")
async def _stop_unheard(b: Bench) -> None:
    await b.enter()
    b.lose_answer(b.venue.stop_path, when="after")
    request = b.stop("58000")
    assert isinstance(await b.place(request), Unknown)
    assert (await b.found(request)).state is OrderState.ACCEPTED
    assert len(await b.book()) == 1


@card(38, "a cancelled stop is off the book, and cancelling it again says so")
async def _cancel(b: Bench) -> None:
    await b.enter()
    request = await b.protect("58000")
    assert await b.exchange.cancel(request) is True
    assert await b.exchange.cancel(request) is True
    assert list(await b.book()) == []
    assert (await b.found(request)).state is OrderState.CANCELED
    assert b.orders()[-1]["status"] == "CANCELED"


@card(39, "a filled market order was not cancelled")
async def _cancel_filled(b: Bench) -> None:
    assert await b.exchange.cancel(await b.enter()) is False


# --- leaving -----------------------------------------------------------------------------------------


@card(40, "a reduce-only close leaves the account flat, and another opens nothing")
async def _close(b: Bench) -> None:
    await b.enter()
    assert isinstance(await b.place(b.request("close", side=OrderSide.SELL, reduce_only=True)), Accepted)
    assert b.held() == 0
    again = await b.place(b.request("close", side=OrderSide.SELL, reduce_only=True))
    assert isinstance(again, Rejected)
    assert b.held() == 0


@card(41, "a take-profit on a part of the position rests beside the stop and takes its part")
async def _take_profit(b: Bench) -> None:
    await b.enter()
    await b.protect("55000")
    request = b.request(
        "tp1",
        side=OrderSide.SELL,
        kind=OrderKind.TAKE_PROFIT,
        quantity=Quantity.of("0.04"),
        trigger_price=Price.of(62_000),
        reduce_only=True,
    )
    assert isinstance(await b.place(request), Accepted)
    assert {order.kind for order in await b.book()} == {OrderKind.STOP, OrderKind.TAKE_PROFIT}
    await b.pass_hours(7)
    order = await b.found(request)
    assert (order.state, order.filled) == (OrderState.FILLED, Quantity.of("0.04"))
    assert b.held() == Decimal("0.06")
    assert [order.kind for order in await b.book()] == [OrderKind.STOP]


@card(42, "a trailing stop follows and closes")
async def _trailing(b: Bench) -> None:
    await b.enter()
    request = b.request(
        "trail",
        side=OrderSide.SELL,
        kind=OrderKind.TRAILING_STOP,
        callback_rate=Decimal("0.02"),
        trigger_price=Price.of(62_000),
        reduce_only=True,
    )
    assert isinstance(await b.place(request), Accepted)
    (order,) = await b.book()
    assert (order.kind, order.quantity, order.trigger_price) == (OrderKind.TRAILING_STOP, ONE, Price.of(62_000))
    await b.pass_hours(9)
    assert (await b.found(request)).state is OrderState.FILLED
    assert b.held() == 0


@card(43, "fills are told oldest first, and the same again when asked again")
async def _fills(b: Bench) -> None:
    start = b.clock.now()
    await b.enter()
    await b.pass_hours(1)
    await b.place(b.request("close", side=OrderSide.SELL, reduce_only=True))
    once, twice = await b.exchange.fills(BTC, start), await b.exchange.fills(BTC, start)
    assert once == twice
    assert [fill.side for fill in once] == [OrderSide.BUY, OrderSide.SELL]
    assert [fill.side for fill in await b.exchange.fills(BTC, once[1].at)] == [OrderSide.SELL]
    wallet = 10_000 + sum(fill.realised_pnl.value - fill.fee.value for fill in once)
    assert (await b.exchange.balance()).wallet.value == wallet


# --- news --------------------------------------------------------------------------------------------


@card(50, "news ring for a symbol when its order fills, and for everything after each connection")
async def _news(b: Bench) -> None:
    news = b.exchange.news()

    async def hear(wanted: Symbol | None) -> VenueNews:
        while True:
            heard = await anext(news)
            if heard.symbol == wanted:
                return heard

    try:
        assert (await asyncio.wait_for(hear(None), PATIENCE_S)).what == "reconnected"
        await b.enter()
        await asyncio.wait_for(hear(BTC), PATIENCE_S)
    finally:
        await news.aclose()  # type: ignore[attr-defined]
