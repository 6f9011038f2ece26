"""The simulator as a server: REST, streams and controls on one port, in this process or as one of its own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.domain.errors import BadSettings
from simulator.admin import Admin
from simulator.clock import Mode
from simulator.config import SimulatorConfig
from simulator.floor import Floor
from simulator.wire.binance.rest import Rest
from simulator.wire.binance.stream import ListenKeys, Streams

_TRANSPORT = "simulator.transport"
_TICK_S = 0.1
_METHODS = ["GET", "POST", "PUT", "DELETE"]


def create_app(config: SimulatorConfig) -> Starlette:
    """The ASGI application. `app.state.floor` holds everything; `.venue` and `.clock` are its shortcuts."""
    floor = Floor(config)
    keys = ListenKeys(floor)
    streams = Streams(floor, keys)
    rest = Rest(floor, keys, _cut)

    async def trade(request: Request) -> Response:
        return await rest(request)

    async def stream(connection: WebSocket) -> None:
        path, query = connection.url.path, connection.query_params
        if path.endswith("/stream"):
            await streams.serve(connection, query.get("streams", "").split("/"), combined=True)
            return
        names = connection.path_params.get("names", "").split("/")
        await streams.serve(connection, [*names, query.get("listenKey", "")], combined=False)

    routes = [
        *Admin(floor, streams, keys).routes(),
        *[Route(f"/{api}/{{path:path}}", trade, methods=_METHODS) for api in ("fapi", "api", "sapi")],
        *[
            WebSocketRoute(f"{prefix}{path}", stream)
            for prefix in ("", "/private", "/public", "/market")
            for path in ("/ws", "/ws/{names:path}", "/stream")
        ],
    ]
    app = Starlette(routes=routes, lifespan=_lifespan(floor, streams))
    app.state.floor, app.state.venue, app.state.clock = floor, floor.venue, floor.clock
    return app


def _lifespan(floor: Floor, streams: Streams) -> Any:
    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        ticking = asyncio.create_task(_tick(floor, streams))
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            floor.close()

    return lifespan


async def _tick(floor: Floor, streams: Streams) -> None:
    """Time passes even when nobody asks: orders fill and streams speak on their own."""
    while True:
        if floor.clock.mode is not Mode.STEPPED:
            floor.settle()
        streams.tick()
        await asyncio.sleep(_TICK_S)


# --- running it --------------------------------------------------------------------------------------


class _Protocol(HttpToolsProtocol):
    """Lets a scripted fault reach the connection it is to cut."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[_TRANSPORT] = self.transport  # type: ignore[literal-required]


def _cut(request: Request) -> Response:
    transport = request.scope.get(_TRANSPORT)
    if transport is not None:
        transport.abort()
    return Response(status_code=502)  # never seen after a cut; what a server without transports can do instead


class _Server(uvicorn.Server):
    """Leaves signals to the program it runs in, and says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: asyncio.Event | None) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready and not self.should_exit:
            self._ready.set()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. Raises BadSettings when the port is taken."""
    try:
        listening = socket.create_server((host, port), backlog=512)
    except OSError as error:
        raise BadSettings(f"the simulator cannot listen on {host}:{port}: {error.strerror}") from error
    # Connections inherit it. Without, an answer in two pieces waits 40 ms for the other side's delayed acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


async def serve(
    config: SimulatorConfig,
    host: str = "127.0.0.1",
    port: int = 8002,
    ready: asyncio.Event | None = None,
    *,
    app: Starlette | None = None,
    sock: socket.socket | None = None,
) -> None:
    """Run until cancelled, inside the caller's event loop; `ready` is set once requests are answered.

    `app` is one made by create_app (to share its clock), `sock` one made by bind. Raises BadSettings as they do.
    """
    listening = sock or bind(host, port)
    settings = uvicorn.Config(
        app or create_app(config),
        http=_Protocol,
        ws="websockets-sansio",
        lifespan="on",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=60,  # a venue keeps idle connections; closing them early looks like lost answers
        timeout_graceful_shutdown=2,
    )
    server = _Server(settings, ready)
    running = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        server.should_exit = True
        await running
        raise
    finally:
        listening.close()
