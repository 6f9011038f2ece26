"""`tradingbot serve`: the webhook, the API and the worker in one process or apart; in paper mode the exchange too."""

import contextlib
import random
from typing import Annotated

import structlog
import typer
import uvloop

from app.adapters.clock import SystemClock
from app.adapters.exchanges.binance.limits import Limits
from app.application import Application, Role
from app.bootstrap import build
from app.commands.hosting import listen, paper_exchange, serving, stop_on_signals
from app.commands.renewal import Pace, Renewal, Tenant
from app.commands.shared import console, from_aws
from app.intake import QueueIntake
from app.log import configure_logging, register_secrets
from app.main import create_app
from app.settings import Settings
from app.settings.rotation import SettingsSource

app = typer.Typer(rich_markup_mode=None)
log = structlog.get_logger(__name__)


@app.command()
def serve(
    role: Annotated[
        Role,
        typer.Option(
            help="all: everything in this process. api: take alerts in and answer, trade nothing. worker: trade; its "
            "port only says how it is."
        ),
    ] = Role.ALL,
    host: Annotated[str | None, typer.Option(help="Address to listen on; HOST otherwise.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port to listen on; PORT otherwise.")] = None,
    *,
    migrate: Annotated[bool, typer.Option(help="Bring the database schema up to date first.")] = True,
) -> None:
    """Take alerts, trade them, guard the positions. Ctrl-C stops it: running work is finished first."""
    early: list[str] = []

    def warn(text: str) -> None:
        """What is said before it is known how to log is said when it is."""
        (log.warning if structlog.is_configured() else early.append)(text)

    source = SettingsSource(lambda refs: from_aws(refs, warn))
    settings = source.first()
    configure_logging(settings.log.level, json=settings.log.json)
    register_secrets(settings.secrets())
    for warning in (*early, *settings.warnings):
        log.warning(warning)
    where = (host or settings.server.host, port or settings.server.port)
    uvloop.run(_serve(source, role, *where, migrate=migrate))


async def _serve(source: SettingsSource, role: Role, host: str, port: int, *, migrate: bool) -> None:
    settings = source.current
    stop = stop_on_signals()
    listening = listen(host, port)
    async with contextlib.AsyncExitStack() as stack:
        own = role is Role.ALL
        exchange = await paper_exchange(stack, settings, own=own, stop=stop) if settings.paper else None
        clock = exchange.state.clock if exchange else SystemClock()
        limits = Limits(clock.monotonic)  # the process's, for a ban outlives a renewal

        def make(settings: Settings) -> Tenant:
            application = build(
                settings, role=role, clock=clock, probes=renewal.probes, on_refused=renewal.refused, limits=limits
            )
            return Tenant(application, create_app(application.api, answers=role.answers))

        pace = Pace(settings.cloud.refresh_s)
        renewal = Renewal(
            source,
            make,
            clock=SystemClock(),
            luck=random.random,
            pace=pace,
            porter=lambda found: queue_intake(found) if role.answers else None,
        )
        stack.push_async_callback(renewal.close)
        await stack.enter_async_context(serving(renewal.door, listening))
        application = await renewal.first(settings, migrate=migrate, stop=stop)
        if application is not None:
            _greet(application, f"http://{host}:{port}")
            await renewal.run(stop)
    log.info("stopped")


def queue_intake(settings: Settings) -> QueueIntake | None:
    """Who takes alerts in while the database is away; None where there is no queue to put them into."""
    url = settings.cloud.spill_queue_url
    if url is None:
        return None
    from app.adapters.aws.spill import SpillSender  # noqa: PLC0415 - boto3 is loaded where there is AWS

    return QueueIntake(settings, SpillSender(url))


def _greet(application: Application, url: str) -> None:
    settings, role = application.settings, application.role
    facts = {"webhook": f"{url}/api/v1/webhooks/tradingview"} if role.answers else {"health": f"{url}/api/v1/health"}
    if role.works:
        facts["seats"] = "; ".join(application.notes)
    log.info("ready", role=role.value, mode=settings.mode.value, exchange=settings.venue.rest_url, **facts)
    if settings.paper and role is Role.ALL:
        console().print(
            f"\nPaper trading, no real money. Alerts go to [bold]{url}/api/v1/webhooks/tradingview[/bold]\n"
            f"API and docs: {url}/docs   exchange ledger: {settings.venue.rest_url}/_sim/ledger\n"
            "A strategy and its secret:  tradingbot strategy add NAME   ·   one alert's story:  tradingbot why --last\n"
        )
