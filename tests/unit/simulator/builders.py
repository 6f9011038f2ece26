"""A venue on hand-written bars: (open, high, low, close) per hour from midnight on."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np

from app.domain.side import OrderSide
from app.history import CandleSeries
from simulator.funding import Funding
from simulator.market import Market
from simulator.orders import Conditional, Kind, NewOrder, Order, PositionSide, TimeInForce
from simulator.refusals import Reason, Refusal
from simulator.state import Terms
from simulator.venue import Venue

HOUR_MS = 3_600_000
MIDNIGHT = datetime(2024, 3, 1, tzinfo=UTC)
START_MS = int(MIDNIGHT.timestamp() * 1000)
BUY, SELL = OrderSide.BUY, OrderSide.SELL
FREE = Terms(half_spread=Decimal(0), slippage=Decimal(0))  # market orders fill at the price: sums are easy to follow
Bar = tuple[float, float, float, float]


def series(symbol: str, bars: Sequence[Bar], interval: str = "1h") -> CandleSeries:
    columns = np.array(bars, dtype=float)
    return CandleSeries(
        symbol=symbol,
        interval=interval,
        ts=START_MS + HOUR_MS * np.arange(len(bars), dtype=np.int64),
        open=columns[:, 0].copy(),
        high=columns[:, 1].copy(),
        low=columns[:, 2].copy(),
        close=columns[:, 3].copy(),
        volume=np.full(len(bars), 60.0),
        source="by hand",
    )


def flat(price: float, bars: int) -> list[Bar]:
    return [(price, price, price, price)] * bars


def venue(
    *bars: Bar, terms: Terms = FREE, balance: str = "10000", rates: Funding | None = None, **others: Sequence[Bar]
) -> Venue:
    """BTCUSDT on `bars`, other symbols by keyword, at midnight, one-way mode."""
    markets = {"BTCUSDT": series("BTCUSDT", bars)} | {name: series(name, rows) for name, rows in others.items()}
    return Venue.open(
        Market(markets),
        balance=Decimal(balance),
        now_ms=START_MS,
        terms=terms,
        rates=rates or Funding(Decimal(0)),
    )


class Trader:
    """Short words for what tests do all the time. Ids count up."""

    def __init__(self, where: Venue, symbol: str = "BTCUSDT") -> None:
        self.venue, self.symbol, self._ids = where, symbol, 0

    def ask(self, side: OrderSide, kind: Kind, quantity: str | None = None, **more: object) -> NewOrder:
        self._ids += 1
        prices = {name: Decimal(str(value)) for name, value in more.items() if name in _NUMBERS}
        rest = {name: value for name, value in more.items() if name not in _NUMBERS}
        return NewOrder(
            symbol=self.symbol,
            side=side,
            kind=kind,
            quantity=None if quantity is None else Decimal(quantity),
            **{"client_id": f"t{self._ids}"} | prices | rest,  # type: ignore[arg-type]
        )

    def market(self, side: OrderSide, quantity: str, **more: object) -> Order:
        order = self.venue.place(self.ask(side, Kind.MARKET, quantity, **more))
        assert isinstance(order, Order), order
        return order

    def limit(self, side: OrderSide, quantity: str, price: object, **more: object) -> Order:
        order = self.venue.place(self.ask(side, Kind.LIMIT, quantity, price=price, **more))
        assert isinstance(order, Order), order
        return order

    def conditional(self, side: OrderSide, kind: Kind, quantity: str | None = None, **more: object) -> Conditional:
        algo = self.venue.place_conditional(self.ask(side, kind, quantity, **more))
        assert isinstance(algo, Conditional), algo
        return algo

    def stop(self, trigger: object, **more: object) -> Conditional:
        """A protective stop on the whole long position."""
        return self.conditional(SELL, Kind.STOP_MARKET, trigger_price=trigger, close_position=True, **more)

    def refused(self, request: NewOrder) -> Reason:
        answer = self.venue.place_conditional(request) if request.kind.conditional else self.venue.place(request)
        assert isinstance(answer, Refusal), answer
        return answer.reason

    def hours(self, count: float) -> None:
        self.venue.advance(self.venue.now_ms + int(count * HOUR_MS))

    @property
    def amount(self) -> Decimal:
        return sum((one.amount for one in self.venue.state.account.held() if one.symbol == self.symbol), Decimal(0))

    @property
    def fills(self) -> list[tuple[Decimal, Decimal]]:
        """(price, quantity), oldest first."""
        return [(one.price, one.quantity) for one in self.venue.state.fills.values()]


_NUMBERS = ("price", "trigger_price", "activation_price", "callback_rate")
__all__ = ["BUY", "FREE", "HOUR_MS", "SELL", "START_MS", "Kind", "PositionSide", "Reason", "TimeInForce", "Trader"]
