"""The webhook with the queue alone behind it: all there is on Lambda, and what a server has until its database answers.

An alert is answered 202 when the queue has it; workers drain it into the database, and find out what is a duplicate and
what the venue does not list. Nothing heavy is imported here (databases, models, arrays): on Lambda the first alert
after a pause waits for it.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Protocol

import structlog
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from app.adapters.alert_ids import new_alert_id
from app.adapters.clock import SystemClock
from app.adapters.emf import OF_AN_API, EmfPrinter, Sample
from app.adapters.local import LocalDoorbell, LocalRateLimiter
from app.api import health, webhook
from app.api.deps import IntakeApi, IntakeRules
from app.api.web import web_app
from app.log import LineWriter
from app.registry import Registry
from app.registry.parse import DEFAULT_ACCOUNT
from app.settings import Settings
from app.spill import QueuedAlerts, SpillQueue

log = structlog.get_logger(__name__)
SPILLING = "spilling"  # what /health says of a server without its database: it lives, and takes alerts


class OpenQueue(SpillQueue, Protocol):
    async def open(self) -> None: ...
    async def close(self) -> None: ...


def intake_api(settings: Settings, queue: SpillQueue, *, trusted_proxies: int = 0) -> IntakeApi:
    """What the webhook needs when the queue is all there is. Raises BadRegistry."""
    clock, secret = SystemClock(), settings.intake.webhook_secret
    registry = Registry(
        settings.intake.strategies_file,
        paper=settings.paper,
        webhook_secret=secret.get_secret_value() if secret else "",
        monotonic=clock.monotonic,
        alarm=log.error,
        accounts=(DEFAULT_ACCOUNT,),
    )
    return IntakeApi(
        inbox=QueuedAlerts(queue),
        doorbell=LocalDoorbell(),
        limiter=LocalRateLimiter(clock),
        strategies=registry,
        clock=clock,
        new_alert_id=new_alert_id,
        listed=frozenset,
        intake=IntakeRules(settings.server.allowed_senders, trusted_proxies),
    )


def intake_app(api: IntakeApi, release: str, status: str = "ok", fit: Callable[[], bool] = lambda: True) -> Starlette:
    """The webhook and /health; what else is asked for is not there yet, where `status` is not "ok"."""
    app = web_app([webhook.routes(api), health.liveness(release, status, fit)], documented=False)
    if status != "ok":
        app.mount("/", JSONResponse({"status": "starting"}, 503))
    return app


def accepted_figures(api: IntakeApi, write: Callable[[str], None], deployment: str) -> EmfPrinter:
    """Prints how many alerts were accepted since it last did, for CloudWatch."""

    def accepted() -> Iterator[Sample]:
        samples = [sample for family in api.metrics.collect() for sample in family.samples]
        count = sum(
            s.value for s in samples if s.name == "tradingbot_webhook_answers_total" and s.labels["status"] == "202"
        )
        yield "tradingbot_alerts_accepted_total", {"outcome": "accepted"}, count

    real = SystemClock()
    return EmfPrinter(
        accepted, lambda: None, write, deployment=deployment, now=real.now, sleep=asyncio.sleep, only=OF_AN_API
    )


class QueueIntake:
    """What a server answers with while it waits for its database: alerts go into the queue, all else is answered 503.

    /health is answered 200 during an outage, or the load balancer would send no alerts here, and ECS would end the
    task. Where the database refuses this very process (`passing` is false) it is 503: tasks of the release before,
    which work, must not make room for this one. Alerts are taken in all the same.
    """

    def __init__(self, settings: Settings, queue: OpenQueue) -> None:
        self._queue = queue
        self.passing = True
        api = intake_api(settings, queue, trusted_proxies=settings.server.trusted_proxies)
        self.web: ASGIApp = intake_app(api, settings.watch.release, SPILLING, lambda: self.passing)
        self._lines = LineWriter(sys.stdout) if settings.watch.emf else None
        self._figures = (
            accepted_figures(api, self._lines.write, settings.watch.deployment) if self._lines is not None else None
        )

    async def open(self) -> None:
        """Raises OperatorError when there is no such queue."""
        await self._queue.open()
        if self._figures is not None:
            await self._figures.start()

    async def close(self) -> None:
        if self._figures is not None:
            await self._figures.close()
        if self._lines is not None:
            self._lines.close()
        await self._queue.close()
