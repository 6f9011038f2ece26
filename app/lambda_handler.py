"""AWS Lambda: the webhook and /health alone, behind an API Gateway, a function URL or a load balancer.

An alert is answered 202 when SQS has it (app.intake). Settings, strategies and answers are the server's. Settings that
cannot be used, and secrets that cannot be read, fail the start: TradingView resends what was answered 5xx. Nothing
heavy is imported here (databases, models, arrays): the first alert after a pause waits for it.
"""

import asyncio
import concurrent.futures
import logging
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from mangum import Mangum
from mangum.handlers import ALB
from mangum.types import Scope

from app.adapters.aws.secrets import read_secrets
from app.adapters.aws.spill import SpillSender
from app.domain.errors import BadSettings, OperatorError
from app.intake import accepted_figures, intake_api, intake_app
from app.log import configure_logging, register_secrets
from app.settings import Settings
from app.settings.rotation import SettingsSource
from app.settings.shapes import SecretRef

log = structlog.get_logger(__name__)
LOOK_S = 0.5  # the most that an alert waits for news about rotated secrets


class Balancer(ALB):
    """A load balancer's event. It appends its caller to X-Forwarded-For: what stands before that was sent by anybody.

    Gateways and function URLs name the caller in the request's context, and their headers are not believed at all.
    """

    @property
    def scope(self) -> Scope:
        scope = super().scope
        lists = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        scope["client"] = (",".join(lists).rpartition(",")[2].strip(), 0)
        return scope


class Intake:
    """One sandbox's handler: made in the init phase, then called with one event after another, never with two at once.

    Making it raises OperatorError when a person must change something.
    """

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._source = SettingsSource(self._fetch, env=env, env_file=None, trades=False)
        self._started = False
        settings = self._source.first()
        self._started = True
        self._lines = configure_logging(settings.log.level, json=settings.log.json, stream=sys.stdout)
        logging.getLogger("mangum").setLevel(logging.WARNING)  # the webhook itself says what it answered
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)  # where Mangum looks for one
        self._sender = SpillSender(str(settings.cloud.spill_queue_url))
        self._thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="secrets")
        self._looking: concurrent.futures.Future[Settings | None] | None = None
        self._looked_at = time.monotonic()
        try:
            self._loop.run_until_complete(self._sender.open())
            self._use(settings)
        except OperatorError:
            self.close()
            raise

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        try:
            self._follow_rotations()
            answer: dict[str, Any] = self._answer(event, context)
        except Exception:  # of an event that is none; the app itself answers whatever happens
            incident = secrets.token_hex(6)
            log.exception("unexpected", incident=incident)
            error = f'{{"code":"unexpected","field":"","detail":"the log has it as incident {incident}"}}'
            answer = {
                "statusCode": 503,
                "headers": {"content-type": "application/json"},
                "body": f'{{"error":{error}}}',
            }
        self._print_figures()
        self._lines.flush()  # the sandbox freezes until the next event, and may never wake
        return answer

    def close(self) -> None:
        """Let go of everything. Lambda itself never asks."""
        self._loop.run_until_complete(self._sender.close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._thread.shutdown(cancel_futures=True)
        self._loop.close()
        asyncio.set_event_loop(None)

    def _use(self, settings: Settings) -> None:
        """Answer by these settings from now on. Raises BadRegistry, and then goes on as before."""
        register_secrets(settings.secrets())
        api = intake_api(settings, self._sender)  # no proxies: the event says who called
        app = intake_app(api, settings.watch.release)
        self._answer = Mangum(app, lifespan="off", custom_handlers=[Balancer])
        deployment = settings.watch.deployment
        self._print_figures = (
            accepted_figures(api, self._lines.write, deployment).print if settings.watch.emf else _nothing
        )
        self._refresh_s = settings.cloud.refresh_s

    # --- secrets -----------------------------------------------------------------------------------------

    def _fetch(self, refs: Sequence[SecretRef]) -> Mapping[str, str]:
        """At the start all of them, or good alerts would be refused as strangers; later the old ones stay in force."""
        found = read_secrets(refs)
        missing = sorted(ref.name for ref in refs if ref.name not in found)
        if missing and not self._started:
            raise BadSettings(
                f"these secrets cannot be read: {', '.join(missing)}; may this function's role read them?"
            )
        return found

    def _follow_rotations(self) -> None:
        """Look for rotated secrets now and then, in a thread: a store that hangs must not cost an alert."""
        if self._looking is None:
            if not self._source.rotates or time.monotonic() - self._looked_at < self._refresh_s:
                return
            self._looking = self._thread.submit(self._source.changed)
        concurrent.futures.wait([self._looking], timeout=LOOK_S)
        if not self._looking.done():
            return
        looked, self._looking, self._looked_at = self._looking, None, time.monotonic()
        try:
            settings = looked.result()
            if settings is not None:
                self._use(settings)
        except OperatorError as error:
            # What is wrong is said; where it was noticed would be of no use.
            log.error("the rotated settings cannot be used; the old ones stay in force", why=str(error))  # noqa: TRY400


def _nothing() -> None:
    return None


def __getattr__(name: str) -> Intake:
    """`handler` is made when Lambda looks it up, in its init phase; importing this module reads no settings."""
    if name != "handler":
        raise AttributeError(name)
    made = globals()["handler"] = Intake()
    return made
