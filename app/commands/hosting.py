"""Servers inside this process's event loop: the bot's own API, and in paper mode the local exchange beside it."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from app.api.server import server_options
from app.domain.errors import BadSettings
from app.settings import Settings
from simulator.clock import Mode
from simulator.config import SimulatorConfig
from simulator.server import bind, create_app, serve


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
    server = Server(uvicorn.Config(app, lifespan="off", **server_options()))
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
        stop.set()
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping, number)
    return stop
