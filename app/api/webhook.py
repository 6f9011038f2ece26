"""POST /webhooks/tradingview: the door. An alert is answered 202 only after it is durable.

The order of the checks is the order of their cost: address, rate, size, format, secret, symbol, backlog, and at last
the database (with a queue behind it on AWS). TradingView resends 5xx and hangs up after 3 s, so storage that is slow is
answered 503 after 2: the commit may still happen, and then the resend is a duplicate. Nothing after the commit can turn
the answer into an error.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from prometheus_client import Counter, Histogram
from pydantic import BaseModel

from app.api.auth import client_address, is_allowed
from app.api.body import read_body
from app.api.deps import IntakeApi
from app.api.errors import CODES, ApiError, declared, refusal
from app.domain.alert import Preset
from app.domain.errors import StorageUnavailable
from app.domain.ids import StrategyId
from app.domain.policy import SecretKind, StrategyProfile
from app.pipeline.alert import Message, Unreadable, alert_of, read_message
from app.ports import PutResult

log = structlog.get_logger(__name__)
T = TypeVar("T")
BACKLOG_MAX_AGE_S = 1.0
PATH = "/webhooks/tradingview"


class AcceptedBody(BaseModel):
    alert_id: str
    status: Literal["accepted", "duplicate"]
    preset: Preset


def routes(api: IntakeApi) -> APIRouter:
    router = APIRouter(tags=["webhook"])
    intake = _Intake(api)

    @router.post(
        PATH,
        status_code=202,
        response_class=JSONResponse,
        responses={202: {"model": AcceptedBody}, **declared(400, 401, 403, 408, 413, 422, 429)},
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": {"type": "object"}},
                    "text/plain": {"schema": {"type": "string"}},
                },
            }
        },
    )
    async def take_alert(request: Request) -> JSONResponse:
        """Take an alert in. The body is read as raw bytes; its format is recognised from its keys and named."""
        return await intake.take(request)

    return router


@dataclass(frozen=True, slots=True)
class _Taken:
    """An alert that is durable, and by which secret it came in."""

    stored: PutResult
    preset: Preset
    strategy: StrategyId
    proven_by: SecretKind


class _Intake:
    """The webhook's work, and the little it remembers: the last look at the backlog."""

    def __init__(self, api: IntakeApi) -> None:
        self._api = api
        self._rules = api.intake
        self._backlog = 0
        self._backlog_at: float | None = None
        self._unanswered: set[asyncio.Task[Any]] = set()
        self._answers = Counter(
            "tradingbot_webhook_answers", "Answers of the webhook", ["status", "preset"], registry=api.metrics
        )
        self._secrets = Counter(
            "tradingbot_webhook_secrets", "Alerts taken, by which secret proved them", ["secret"], registry=api.metrics
        )
        for kind in get_args(SecretKind):
            self._secrets.labels(kind)
        self._seconds = Histogram("tradingbot_webhook_seconds", "Time to answer an alert", registry=api.metrics)

    async def take(self, request: Request) -> JSONResponse:
        started = self._api.clock.monotonic()
        sender = client_address(request.scope, self._rules.trusted_proxies)
        try:
            taken = await self._accept(request, sender)
        except ApiError as error:
            self._answers.labels(str(error.status), "").inc()
            log.warning("alert not taken", status=error.status, code=error.code, field=error.field, sender=sender)
            raise
        finally:
            self._seconds.observe(self._api.clock.monotonic() - started)
        status = "duplicate" if taken.stored.duplicate else "accepted"
        self._stored(taken, status, sender)
        return JSONResponse({"alert_id": taken.stored.alert_id, "status": status, "preset": taken.preset}, 202)

    async def _accept(self, request: Request, sender: str) -> _Taken:
        """Everything up to the commit. Raises ApiError."""
        rules = self._rules
        if not is_allowed(sender, rules.allow_from):
            raise ApiError(403, CODES[403], "this address may not send alerts", close=True)
        if rules.rate_limit and not await self._api.limiter.allow(
            f"webhook:{sender}", limit=rules.rate_limit, window_s=rules.rate_window_s
        ):
            raise ApiError(429, CODES[429], "too many messages from this address")
        body = await read_body(request, limit=rules.max_body, timeout_s=rules.body_timeout_s)
        message = read_message(body)
        if isinstance(message, Unreadable):
            raise refusal(message)
        proven = self._api.strategies.authenticate(message.strategy, message.secret)
        if proven is None:
            raise ApiError(401, CODES[401], "no strategy has this name and this secret", field="secret")
        self._check_symbol(message, proven.profile)
        alert = alert_of(
            body,
            message,
            proven.profile,
            alert_id=self._api.new_alert_id(),
            received_at=self._api.clock.now(),
            sender=sender,
        )
        if isinstance(alert, Unreadable):
            raise refusal(alert)
        try:
            async with asyncio.timeout(rules.storage_timeout_s):
                await self._check_backlog(message)
                stored = await self._in_time(self._api.inbox.put(alert))
        except TimeoutError:
            raise _not_stored("the database did not answer in time") from None
        except StorageUnavailable as error:
            log.warning("alert could not be stored", why=str(error))
            raise _not_stored("the alert could not be stored") from None
        return _Taken(stored, message.preset, proven.profile.strategy, proven.by)

    def _check_symbol(self, message: Message, profile: StrategyProfile) -> None:
        """While the venue has not told what it lists, everything is let in: TradingView never resends a 4xx.

        An exit is let in although the strategy may no longer trade the symbol, or nobody may: it may still be held.
        """
        symbol, listed = message.symbol, self._api.listed()
        if profile.symbols and symbol not in profile.symbols and not message.exit_only:
            raise ApiError(422, CODES[422], f"{profile.strategy} may not trade {symbol}", field="symbol")
        if listed and symbol not in listed and not message.exit_only:
            raise ApiError(422, CODES[422], f"{symbol} is not listed on this exchange", field="symbol")

    async def _check_backlog(self, message: Message) -> None:
        """Shed entries when the workers do not keep up. Exits reduce risk: they are let in for longer."""
        now = self._api.clock.monotonic()
        if self._backlog_at is None or now - self._backlog_at > BACKLOG_MAX_AGE_S:
            self._backlog_at = now  # one request looks, the others use what is known
            self._backlog = await self._in_time(self._api.inbox.backlog())
        limit = self._rules.max_backlog * (2 if message.exit_only else 1)
        if self._backlog >= limit:
            raise ApiError(429, CODES[429], f"{self._backlog} alerts are waiting already")

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for storage without waiting for its clean-up: at the time limit it is cancelled and left to itself."""
        task = asyncio.ensure_future(work)
        self._unanswered.add(task)
        task.add_done_callback(self._forget)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            raise
        return task.result()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._unanswered.discard(task)
        if not task.cancelled():
            task.exception()  # seen: whoever waited has it, or has given up

    def _stored(self, taken: _Taken, status: str, sender: str) -> None:
        alert_id = taken.stored.alert_id
        try:
            if not taken.stored.duplicate:
                self._api.doorbell.ring()
            self._answers.labels("202", taken.preset).inc()
            self._secrets.labels(taken.proven_by).inc()
            log.info(
                "alert taken",
                alert_id=alert_id,
                status=status,
                preset=str(taken.preset),
                strategy=taken.strategy,
                proven_by=taken.proven_by,
                sender=sender,
            )
        except Exception:  # it is stored: nothing may turn the answer into an error now
            log.exception("alert is stored, but was not announced", alert_id=alert_id)


def _not_stored(detail: str) -> ApiError:
    return ApiError(503, CODES[503], f"{detail}; send it again, a repeat is recognised")
