"""python-binance's AsyncClient with what it loses mended (docs/decisions/0005): every request passes `_request`.

The endpoints, paths and the signature are the library's; what is sent and how a failure is told are ours. A failure is
one of four, all VenueUnavailable, so that a question simply goes unanswered while `orders.place` can tell them apart:

VenueUnavailable
├── HeldBack      refused here, to stay inside the rate limits: never left
├── NotSent       no connection: never left
├── NoAnswer      it may have left, and nothing readable came back: anything may have happened
└── ErrorAnswer   the venue answered with an error: `codes` knows what that proves

No exception carries a key, a signature, a header or an address, and none is chained to one that does.
"""

import asyncio
import json
import logging
import warnings
from collections.abc import Coroutine
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from app.adapters.exchanges.binance import codes, parse
from app.adapters.exchanges.binance.config import BinanceConfig
from app.adapters.exchanges.binance.limits import Limits
from app.domain.errors import VenueUnavailable
from app.log import redact
from app.ports import Clock

with warnings.catch_warnings():
    # It imports names that websockets has deprecated; we do not use its websockets.
    warnings.simplefilter("ignore", DeprecationWarning)
    from binance import AsyncClient

log = logging.getLogger(__name__)

_MAX_TEXT = 200
_GOOD_SAMPLE_S = 1.0  # a round trip longer than this says too little about the clocks to replace what we know
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)  # refused, no such host, no TLS, no route
_ORDER_PATHS = ("/order", "/algoOrder")
# What has to be seen before a stop can be placed or a position closed. Asked for by few and seldom.
_LOOK_PATHS = (*_ORDER_PATHS, "/positionRisk", "/openOrders", "/openAlgoOrders")


class NotSent(VenueUnavailable):
    pass


class NoAnswer(VenueUnavailable):
    pass


class ErrorAnswer(VenueUnavailable):
    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(f"HTTP {status}, code {code}: {text}")
        self.status = status
        self.code = code  # 0 when the answer has none
        self.text = text


class BinanceClient(AsyncClient):  # type: ignore[misc] # the library has no types
    """Build it inside a running event loop; building asks the venue nothing."""

    def __init__(self, config: BinanceConfig, clock: Clock, limits: Limits | None = None) -> None:
        self.config = config
        self.clock = clock
        self.limits = limits or Limits(clock.monotonic)
        self.offset = timedelta(0)  # venue time - ours
        self._offset_known = False
        super().__init__(api_key=config.api_key, api_secret=config.api_secret)
        self.FUTURES_URL = f"{config.base_url.rstrip('/')}/fapi"
        self.MARGIN_API_URL = f"{config.spot_url.rstrip('/')}/sapi"

    def _get_headers(self) -> dict[str, str]:
        return {"Accept": "application/json", "User-Agent": "tradingbot-ai", "X-MBX-APIKEY": self.config.api_key}

    def _init_session(self) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=self.config.request_timeout_s, connect=self.config.connect_timeout_s)
        return aiohttp.ClientSession(
            headers=self._get_headers(), timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )

    async def close(self) -> None:
        await self.session.close()

    # --- time ----------------------------------------------------------------------------------------

    def venue_now(self) -> datetime:
        return self.clock.now() + self.offset

    def stamp(self, at: datetime) -> int:
        """A moment of our clock as a request's timestamp: milliseconds of the venue's clock."""
        return parse.to_ms(at + self.offset)

    async def server_time(self) -> datetime:
        """The venue's clock as it was half-way through the request. Also measures how far ours is off."""
        sent, started = self.clock.now(), self.clock.monotonic()
        answer = await self.futures_time()
        half_way = sent + (self.clock.now() - sent) / 2  # on the clock that is compared, whatever its pace
        venue = parse.moment(answer.get("serverTime") if isinstance(answer, dict) else None)
        if self.clock.monotonic() - started <= _GOOD_SAMPLE_S or not self._offset_known:
            self.offset = venue - half_way
            self._offset_known = True
        return venue

    # --- requests ------------------------------------------------------------------------------------

    async def _request(
        self,
        method: str,
        uri: str,
        signed: bool,  # noqa: FBT001 - the library's signature
        force_params: bool = False,  # noqa: ARG002, FBT001, FBT002 - the library's signature
        **kwargs: Any,
    ) -> Any:
        """Send one request and return its JSON, numbers as int or Decimal. A caller's `timestamp` is kept.

        Raises one of the four failures of this module.
        """
        method = method.upper()
        self.limits.check(protective=uri.endswith(_LOOK_PATHS if method == "GET" else _ORDER_PATHS))
        params = {key: value for key, value in (kwargs.get("data") or {}).items() if value is not None}
        query = self._query(params, signed=signed)
        try:
            return await self._send(method, uri, query)
        except ErrorAnswer as error:
            if signed and error.code == codes.CLOCK:
                self._offset_known = False
                await self._measure_again()
            raise

    def _query(self, params: dict[str, Any], *, signed: bool) -> str:
        if not signed:
            return urlencode(sorted(params.items()))
        params.setdefault("timestamp", self.stamp(self.clock.now()))
        params["recvWindow"] = self.config.recv_window_ms
        query = urlencode(sorted(params.items()))
        return f"{query}&signature={self._hmac_signature(query)}"

    async def _send(self, method: str, uri: str, query: str) -> Any:
        in_url = method in ("GET", "DELETE")
        url = URL(f"{uri}?{query}" if in_url and query else uri, encoded=True)
        headers = {} if in_url else {"Content-Type": "application/x-www-form-urlencoded"}
        failure: VenueUnavailable
        if self.session.closed:
            raise NotSent("not sent: the connection to the venue was closed")
        try:
            # Redirects are not followed: 307 and 308 would send the order a second time.
            async with self.session.request(
                method, url, data=None if in_url else query.encode(), headers=headers, allow_redirects=False
            ) as response:
                body = await response.read()
                return self._read(response.status, response.headers, body)
        except _NEVER_SENT as error:
            failure = NotSent(f"not sent: no connection to the venue ({type(error).__name__})")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = NoAnswer(f"no answer ({type(error).__name__})")
        # Raised here and not above: the errors of the HTTP library know the URL with its signature.
        raise failure

    def _read(self, status: int, headers: Any, body: bytes) -> Any:
        self.limits.read(headers)
        answer = _json(body)
        if 200 <= status < 300:  # noqa: PLR2004 - HTTP's own class
            if answer is None:
                raise NoAnswer(f"HTTP {status} with {'an unreadable' if body else 'an empty'} body")
            return answer
        told = answer if isinstance(answer, dict) else {}
        code = told.get("code") if isinstance(told.get("code"), int) else 0
        text = self._clean(str(told["msg"]) if "msg" in told else body.decode("utf-8", "replace"))
        if status in (418, 429) or code in codes.RATE_LIMITED:
            self.limits.back_off(status, headers.get("Retry-After"))
        raise ErrorAnswer(status, int(code or 0), text)

    def _clean(self, text: str) -> str:
        """The venue's words, short, printable and without our secrets should it ever echo them."""
        for secret in (self.config.api_secret, self.config.api_key):
            if secret:
                text = text.replace(secret, "***")
        return "".join(ch if ch.isprintable() else " " for ch in redact(text).strip())[:_MAX_TEXT]

    async def _measure_again(self) -> None:
        """After the venue called our time wrong. The order that was refused stays refused; the next one is right."""
        try:
            await self.server_time()
        except VenueUnavailable as error:
            log.warning("could not measure the clock: %s", error)


async def both(first: Coroutine[Any, Any, Any], second: Coroutine[Any, Any, Any]) -> tuple[Any, Any]:
    """Two questions at once; when one fails, the other is called off and nothing is left running."""
    tasks = (asyncio.create_task(first), asyncio.create_task(second))
    try:
        return await tasks[0], await tasks[1]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _json(body: bytes) -> Any:
    """None for anything that is not JSON (JSON's own null included: no endpoint answers it)."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(constant)
