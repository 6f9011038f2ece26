"""The user stream: a bell that rings when something changed. What changed is read over REST.

It reconnects for ever, with growing, jittered pauses, and rings for everything after each (re)connection, for whatever
happened in between was missed. Losing it costs promptness, never correctness. It never waits for its listener: when
unread news pile up they are folded into one "look at everything".
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from app.adapters.exchanges.binance import codes
from app.adapters.exchanges.binance.client import BinanceClient, ErrorAnswer
from app.domain.errors import VenueUnavailable
from app.domain.ids import Symbol
from app.ports import VenueNews

log = structlog.get_logger(__name__)

_OPEN_TIMEOUT_S = 5.0
_MAX_FRAME = 1 << 20
_RETRY_REFRESH_S = 60.0
_SETTLED_S = 60.0  # a connection that lived this long ends the growing of pauses
# Client ids of orders the venue itself placed on the account.
_VENUE_ORDERS = {"autoclose-": "liquidation", "adl_autoclose": "adl", "settlement_autoclose-": "settlement"}

# websockets logs request lines at debug level, and the address carries the listen key.
_QUIET = logging.getLogger(f"{__name__}.wire")
_QUIET.setLevel(logging.WARNING)


class UserStream:
    """`jitter` gives numbers from 0 to 1; `on_config` hears of changed account settings (None: unknown which)."""

    def __init__(
        self,
        client: BinanceClient,
        *,
        on_config: Callable[[Symbol | None, int | None], None],
        jitter: Callable[[], float],
    ) -> None:
        self._client = client
        self._config = client.config
        self._clock = client.clock
        self._on_config = on_config
        self._jitter = jitter
        self._down_since: float | None = None  # monotonic; None while connected, and before anybody listened
        self._wanted = False

    def silent_s(self) -> float | None:
        """0 while connected (a dead connection is found by its pings), else since when; None: nobody listens."""
        if not self._wanted:
            return None
        return 0.0 if self._down_since is None else self._clock.monotonic() - self._down_since

    async def news(self) -> AsyncIterator[VenueNews]:
        """Until the listener stops listening."""
        inbox = _Inbox(self._config.stream_backlog)
        self._wanted, self._down_since = True, self._clock.monotonic()
        pump = asyncio.create_task(self._pump(inbox), name="binance user stream")
        try:
            while True:
                yield await inbox.get()
        finally:
            self._wanted = False
            pump.cancel()
            with suppress(asyncio.CancelledError):
                await pump

    async def _pump(self, inbox: "_Inbox") -> None:
        pause_s = self._config.stream_pause_s
        while True:
            started = self._clock.monotonic()
            try:
                await self._listen(inbox)
                problem = "closed"
            except (VenueUnavailable, WebSocketException, OSError, TimeoutError) as error:
                problem = type(error).__name__  # not its text: it may name the address with the listen key
            except Exception:  # noqa: BLE001 - a bell that breaks for good would make a slow bot
                problem = "unexpected"
                log.error("the user stream broke unexpectedly")  # noqa: TRY400 - frames and addresses stay out of logs
            if self._clock.monotonic() - started > _SETTLED_S:
                pause_s = self._config.stream_pause_s
            log.warning("the user stream ended, reconnecting", problem=problem, pause_s=round(pause_s, 1))
            await self._clock.sleep(pause_s * (0.5 + self._jitter() / 2))
            pause_s = min(pause_s * 2, self._config.stream_pause_max_s)

    async def _listen(self, inbox: "_Inbox") -> None:
        """One connection, until it ends."""
        key = await self._client.futures_stream_get_listen_key()
        # A ping every third of the allowed silence, unanswered for the rest of it: the connection is closed as dead.
        third = self._config.stream_silence_s / 3
        async with connect(
            f"{self._config.ws_url.rstrip('/')}/private/ws?listenKey={key}",
            open_timeout=_OPEN_TIMEOUT_S,
            ping_interval=third,
            ping_timeout=2 * third,
            close_timeout=1,
            max_size=_MAX_FRAME,
            logger=_QUIET,
            proxy=None,
        ) as socket:
            self._down_since = None
            self._on_config(None, None)  # what was changed during the gap is not known
            inbox.put(VenueNews(None, "reconnected"))
            refresh = asyncio.create_task(self._refresh(key, socket), name="binance listen key")
            try:
                async for frame in socket:
                    if not self._heard(frame, inbox):
                        return
            finally:
                self._down_since = self._clock.monotonic()
                refresh.cancel()
                with suppress(asyncio.CancelledError):
                    await refresh

    async def _refresh(self, key: str, socket: ClientConnection) -> None:
        """Keep the listen key alive; close the connection when the venue does not know it any more."""
        pause_s = self._config.stream_key_refresh_s
        while True:
            await self._clock.sleep(pause_s)
            try:
                await self._client.futures_stream_keepalive(key)
                pause_s = self._config.stream_key_refresh_s
            except ErrorAnswer as error:
                if error.code == codes.NO_LISTEN_KEY:
                    await socket.close()
                    return
                pause_s = _RETRY_REFRESH_S
            except VenueUnavailable:
                pause_s = _RETRY_REFRESH_S

    def _heard(self, frame: str | bytes, inbox: "_Inbox") -> bool:
        """Pass a frame on; False when the venue says that the stream is over."""
        try:
            told = json.loads(frame)
            event = told.get("data", told)
            if event.get("e") == "listenKeyExpired":
                return False
            news = read(event)
            if event.get("e") == "ACCOUNT_CONFIG_UPDATE" and "ac" in event:
                self._on_config(Symbol(event["ac"]["s"]), event["ac"].get("l"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            news = [VenueNews(None, "unreadable")]
        for item in news:
            inbox.put(item)
        return True


def read(event: Mapping[str, Any]) -> list[VenueNews]:
    """What a stream event hints at; empty for one that says nothing about orders or positions."""
    match event.get("e"):
        case "ORDER_TRADE_UPDATE":
            order = event["o"]
            names = (what for prefix, what in _VENUE_ORDERS.items() if str(order["c"]).startswith(prefix))
            return [VenueNews(Symbol(order["s"]), next(names, f"order {order['X']}".lower()))]
        case "ALGO_UPDATE":
            return [VenueNews(Symbol(event["o"]["s"]), f"conditional {event['o']['X']}".lower())]
        case "CONDITIONAL_ORDER_TRIGGER_REJECT":
            return [VenueNews(Symbol(event["or"]["s"]), "conditional rejected")]
        case "ACCOUNT_UPDATE":
            symbols = dict.fromkeys(row["s"] for row in event["a"].get("P", []))
            return [VenueNews(Symbol(symbol), "position") for symbol in symbols] or [VenueNews(None, "balance")]
        case "ACCOUNT_CONFIG_UPDATE" if "ac" in event:
            return [VenueNews(Symbol(event["ac"]["s"]), "settings")]
        case "ACCOUNT_CONFIG_UPDATE":
            return [VenueNews(None, "settings")]
        case "MARGIN_CALL":
            return [VenueNews(None, "margin call")]
        case _:
            return []


class _Inbox:
    """A bounded queue that never makes its writer wait."""

    def __init__(self, size: int) -> None:
        self._queue: asyncio.Queue[VenueNews] = asyncio.Queue(size)

    def put(self, news: VenueNews) -> None:
        if self._queue.full():
            while not self._queue.empty():
                self._queue.get_nowait()
            news = VenueNews(None, "too much news")
        self._queue.put_nowait(news)

    async def get(self) -> VenueNews:
        return await self._queue.get()
