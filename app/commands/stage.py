"""The bot and its exchange side by side in this process, on free ports of this machine: for the demo and for tests.

They share nothing but the exchange's clock; everything else goes over HTTP and websockets as it would anywhere.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import httpx

from app.bootstrap import Application, ClosableNotifier, build
from app.commands.hosting import listen, local_exchange, serving
from app.domain.errors import VenueUnavailable
from app.main import create_app
from app.pipeline.bot import Timing
from app.settings import Settings
from app.tls import trusted
from simulator.config import SimulatorConfig

READY_TRIES = 300
READY_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything running, and where to reach it."""

    application: Application
    bot: httpx.AsyncClient  # of the API, with its token
    venue: httpx.AsyncClient  # of the exchange's controls


@contextlib.asynccontextmanager
async def staged(
    settings: Settings,
    config: SimulatorConfig,
    *,
    notifier: ClosableNotifier | None = None,
    timing: Timing | None = None,
) -> AsyncIterator[Stage]:
    """Both are ready when the block begins; what runs when it ends is finished first."""
    async with contextlib.AsyncExitStack() as stack:
        with listen("127.0.0.1", 0) as probe:
            port = int(probe.getsockname()[1])
        paper = settings.venue
        config = replace(
            config, api_key=paper.api_key.get_secret_value(), api_secret=paper.api_secret.get_secret_value()
        )
        exchange = await stack.enter_async_context(local_exchange(config, port))
        url = f"http://127.0.0.1:{port}"
        venue = replace(settings.venue, rest_url=url, ws_url=url.replace("http", "ws"), spot_url=url)
        application = build(
            replace(settings, venue=venue), clock=exchange.state.clock, notifier=notifier, timing=timing
        )
        stack.push_async_callback(application.close)
        await application.open(migrate=True)
        listening = listen("127.0.0.1", 0)
        bot_url = f"http://127.0.0.1:{listening.getsockname()[1]}/api/v1"
        await stack.enter_async_context(serving(create_app(application.api), listening))
        token = settings.server.api_token.get_secret_value() if settings.server.api_token else ""
        local = functools.partial(httpx.AsyncClient, verify=trusted(), trust_env=False)
        client = local(base_url=bot_url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        bot = await stack.enter_async_context(client)
        controls = await stack.enter_async_context(local(base_url=url, timeout=60))
        stop = asyncio.Event()
        working = asyncio.create_task(application.run(stop))
        try:
            await _until_ready(bot)
            yield Stage(application, bot, controls)
        finally:
            stop.set()
            await working


async def _until_ready(bot: httpx.AsyncClient) -> None:
    """Raises VenueUnavailable with what is missing when the bot does not become ready."""
    for _ in range(READY_TRIES):
        answer = await bot.get("/ready")
        if answer.status_code == httpx.codes.OK:
            return
        await asyncio.sleep(READY_PAUSE_S)
    raise VenueUnavailable(f"the bot did not become ready: {answer.text}")
