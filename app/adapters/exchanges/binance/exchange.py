"""The Binance adapter as the pipeline sees it: ports.Exchange and ports.MarketData over one client."""

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from app.adapters.exchanges.binance.account import Account, key_dangers, refusal_of_key
from app.adapters.exchanges.binance.client import BinanceClient
from app.adapters.exchanges.binance.codes import Forget
from app.adapters.exchanges.binance.config import BinanceConfig
from app.adapters.exchanges.binance.limits import Limits
from app.adapters.exchanges.binance.market import Market
from app.adapters.exchanges.binance.orders import Orders
from app.adapters.exchanges.binance.stream import UserStream
from app.domain.candle import MarketView
from app.domain.errors import VenueUnavailable
from app.domain.ids import Symbol
from app.domain.instrument import Instrument
from app.domain.order import Fill, OrderOutcome, OrderRequest, Rejected, VenueOrder
from app.domain.position import AccountBalance, VenuePosition
from app.ports import Clock, VenueNews

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Parts:
    client: BinanceClient
    orders: Orders
    account: Account
    market: Market
    stream: UserStream


class BinanceExchange:
    """Open it inside the event loop it is used in; closed, it answers VenueUnavailable and places nothing."""

    name = "binance"

    def __init__(
        self,
        config: BinanceConfig,
        clock: Clock,
        *,
        jitter: Callable[[], float] = random.random,
        limits: Limits | None = None,
    ) -> None:
        """`limits` are shared with whoever else asks from this address: a ban is on the address, not on the key."""
        self._limits = limits
        self.unknown_window_s = config.unknown_window_s
        self._config = config
        self._clock = clock
        self._jitter = jitter
        self._parts: _Parts | None = None

    async def open(self) -> None:
        """Connect and measure the venue's clock. A venue that does not answer now is asked again when needed."""
        client = BinanceClient(self._config, self._clock, self._limits)
        account = Account(client)

        def settings_changed(symbol: Symbol | None, leverage: int | None) -> None:
            if symbol is None:
                account.forget(Forget.ACCOUNT)
            else:
                account.leverage_changed(symbol, leverage)

        self._parts = _Parts(
            client,
            Orders(client, account.forget),
            account,
            Market(client),
            UserStream(client, on_config=settings_changed, jitter=self._jitter),
        )
        try:
            await client.server_time()
        except VenueUnavailable as error:
            log.warning("the venue does not answer yet", venue=self.name, error=str(error))

    async def close(self) -> None:
        if self._parts is not None:
            await self._parts.client.close()
            self._parts = None

    @property
    def _open(self) -> _Parts:
        if self._parts is None:
            raise VenueUnavailable("the exchange adapter is not open")
        return self._parts

    # --- ports.Exchange ------------------------------------------------------------------------------

    async def server_time(self) -> datetime:
        return await self._open.client.server_time()

    async def instruments(self) -> Mapping[Symbol, Instrument]:
        return await self._open.account.instruments()

    async def balance(self) -> AccountBalance:
        return await self._open.account.balance()

    async def positions(self) -> Sequence[VenuePosition]:
        return await self._open.account.positions()

    async def prepare(self, symbol: Symbol, leverage: int) -> Rejected | None:
        return await self._open.account.prepare(symbol, leverage)

    async def place(self, request: OrderRequest, *, sent_at: datetime) -> OrderOutcome:
        if self._parts is None:
            return Rejected(0, "not sent: the exchange adapter is not open")
        return await self._parts.orders.place(request, sent_at=sent_at)

    async def find(self, request: OrderRequest) -> VenueOrder | None:
        return await self._open.orders.find(request)

    async def cancel(self, request: OrderRequest) -> bool:
        return await self._open.orders.cancel(request)

    async def open_orders(self, symbol: Symbol) -> Sequence[VenueOrder]:
        return await self._open.orders.open_orders(symbol)

    async def fills(self, symbol: Symbol, since: datetime) -> Sequence[Fill]:
        return await self._open.account.fills(symbol, since)

    def news(self) -> AsyncIterator[VenueNews]:
        return self._open.stream.news()

    def stream_silent_s(self) -> float | None:
        """Since the user stream was last connected; None when nobody listens to it."""
        return None if self._parts is None else self._parts.stream.silent_s()

    # --- ports.MarketData ----------------------------------------------------------------------------

    async def view(self, symbol: Symbol, interval: str) -> MarketView:
        return await self._open.market.view(symbol, interval)

    # --- before going live ---------------------------------------------------------------------------

    async def key_dangers(self) -> list[str]:
        """Why this key must not be used for live trading; empty when it may. Raises VenueUnavailable."""
        return await key_dangers(self._open.client)

    async def refusal_of_key(self) -> str | None:
        """What the venue says when it does not take this key pair; None when it does. Raises VenueUnavailable."""
        return await refusal_of_key(self._open.client)
