"""`tradingbot serve`: the webhook, the API and the worker in one process; in paper mode the exchange too."""

import contextlib
from typing import Annotated

import structlog
import typer
import uvloop

from app.bootstrap import Application, build
from app.commands.hosting import answers, listen, local_exchange, serving, simulator_config, stop_on_signals
from app.commands.shared import console
from app.log import configure_logging, register_secrets
from app.main import create_app
from app.ports import Clock
from app.settings import Settings, load_settings

app = typer.Typer(rich_markup_mode=None)
log = structlog.get_logger(__name__)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; HOST otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; PORT otherwise.")] = None,
    *,
    migrate: Annotated[bool, typer.Option(help="Bring the database schema up to date first.")] = True,
) -> None:
    """Take alerts, trade them, guard the positions. Ctrl-C stops it: running work is finished first."""
    settings = load_settings()
    configure_logging(settings.log.level, json=settings.log.json)
    register_secrets(settings.secrets())
    for warning in settings.warnings:
        log.warning(warning)
    uvloop.run(_serve(settings, host or settings.server.host, port or settings.server.port, migrate=migrate))


async def _serve(settings: Settings, host: str, port: int, *, migrate: bool) -> None:
    stop = stop_on_signals()
    listening = listen(host, port)
    async with contextlib.AsyncExitStack() as stack:
        clock: Clock | None = None
        if settings.paper and not await answers(settings.venue.rest_url):
            exchange = await stack.enter_async_context(
                local_exchange(simulator_config(settings), settings.simulator.port)
            )
            clock = exchange.state.clock
        application = build(settings, clock=clock)
        stack.push_async_callback(application.close)
        await application.open(migrate=migrate)
        async with serving(create_app(application.api), listening):
            _greet(application, f"http://{host}:{port}")
            await application.run(stop)
    log.info("stopped")


def _greet(application: Application, url: str) -> None:
    settings = application.settings
    log.info(
        "ready",
        mode=settings.mode.value,
        webhook=f"{url}/api/v1/webhooks/tradingview",
        exchange=settings.venue.rest_url,
        seats="; ".join(application.notes),
    )
    if settings.paper:
        console().print(
            f"\nPaper trading, no real money. Alerts go to [bold]{url}/api/v1/webhooks/tradingview[/bold]\n"
            f"API and docs: {url}/docs   exchange ledger: {settings.venue.rest_url}/_sim/ledger\n"
            "A strategy and its secret:  tradingbot strategy add NAME   ·   one alert's story:  tradingbot why --last\n"
        )
