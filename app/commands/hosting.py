"""Servers inside this process's event loop: the bot's own API, and in paper mode the local exchange beside it.

There must be one paper exchange: two would be two accounts, each with half of the positions.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from urllib.parse import urlsplit

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from app.api.server import server_options
from app.domain.errors import BadSettings, OperatorError
from app.settings import Settings
from simulator.clock import Mode
from simulator.config import SimulatorConfig
from simulator.server import bind, create_app, serve

log = structlog.get_logger(__name__)
ENDING_S = 3  # at shutdown, for requests that have begun
VENUE_PATIENCE_S = 30.0  # for a paper exchange that starts at the same time
_LOOK_S = 0.5


class Server(uvicorn.Server):
    """uvicorn without its signal handlers, for the program decides when to stop; says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises BadSettings when the port is taken."""
    try:
        listening = socket.create_server((host, port), backlog=2048)
    except OSError as error:
        raise BadSettings(f"cannot listen on {host}:{port}: {error.strerror}; set PORT to another one") from error
    # Connections inherit it. Without, an answer in two pieces waits 40 ms for the other side's delayed acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, listening: socket.socket) -> AsyncIterator[None]:
    """The app answers while the block runs; afterwards open requests may finish."""
    options = server_options() | {"timeout_graceful_shutdown": ENDING_S}
    server = Server(uvicorn.Config(app, lifespan="off", **options))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await server.listening.wait()
        yield
    finally:
        server.should_exit = True
        await running
        listening.close()


def simulator_config(settings: Settings, *, mode: Mode | None = None) -> SimulatorConfig:
    """The local exchange that the settings ask for."""
    wanted = settings.simulator
    chosen = mode or (Mode.REAL if wanted.speed == 1 else Mode.SCALED)
    return SimulatorConfig(
        data_dir=settings.data_dir,
        seed=wanted.seed,
        mode=chosen,
        speed=wanted.speed,
        balance=Decimal(wanted.balance),
        journal_path=wanted.journal,
        api_key=settings.venue.api_key.get_secret_value(),
        api_secret=settings.venue.api_secret.get_secret_value(),
    )


@contextlib.asynccontextmanager
async def local_exchange(config: SimulatorConfig, port: int, *, host: str = "127.0.0.1") -> AsyncIterator[Starlette]:
    """The simulator, answering on loopback while the block runs. Raises BadSettings when it cannot."""
    listening = bind(host, port)
    app = create_app(config)
    ready = asyncio.Event()
    running = asyncio.create_task(serve(config, ready=ready, app=app, sock=listening))
    starting = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait({running, starting}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        yield app
    finally:
        starting.cancel()
        running.cancel()
        await asyncio.gather(running, starting, return_exceptions=True)


async def paper_exchange(
    stack: contextlib.AsyncExitStack,
    settings: Settings,
    *,
    own: bool,
    stop: asyncio.Event,
    patience_s: float = VENUE_PATIENCE_S,
) -> Starlette | None:
    """The exchange to trade on: the one that answers at the settings' address (None), or else one of our `own`.

    Raises OperatorError when there is none: neither may this process start one, nor does one come up in `patience_s`.
    Whoever is told to stop meanwhile waits no longer.
    """
    url, port = settings.venue.rest_url, settings.simulator.port
    if await answers(url):
        return None
    if own and url in (f"http://127.0.0.1:{port}", f"http://localhost:{port}"):
        return await stack.enter_async_context(local_exchange(simulator_config(settings), port))
    log.warning("waiting for the paper exchange", address=url)
    deadline = asyncio.get_running_loop().time() + patience_s
    while not (stop.is_set() or await answers(url)):
        if asyncio.get_running_loop().time() >= deadline:
            raise OperatorError(
                f"no paper exchange answers at {url}, and this process must not start one of its own: two exchanges "
                "would be two accounts. Start the one that all share (tradingbot venue) and let BINANCE_BASE_URL name "
                "it; or run everything in one process (tradingbot serve --role all, without BINANCE_BASE_URL)"
            )
        await asyncio.sleep(_LOOK_S)
    return None


async def answers(url: str) -> bool:
    """Whether something already listens at the URL's host and port."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def stop_on_signals() -> asyncio.Event:
    """Set by SIGTERM (a deploy) and SIGINT (Ctrl-C); a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stopping(number: int) -> None:
        log.info("stopping: nothing new is begun, what runs is finished first", signal=signal.Signals(number).name)
        stop.set()
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping, number)
    return stop
