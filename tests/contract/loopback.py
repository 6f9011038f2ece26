"""A hand-written HTTP/1.1 server on loopback: it keeps the bytes it was sent and answers the bytes it was given.

No HTTP library stands between the test and the wire, so it can do what real networks do: cut an answer short, say
nothing, reset the connection after the request was read.
"""

import asyncio
import json
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, Self
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    raw_query: str  # of the URL for GET and DELETE, of the body otherwise
    headers: Mapping[str, str]  # names in lower case
    raw: bytes

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))


@dataclass(frozen=True)
class Answer:
    """Bytes to send back; then the connection stays, ends, or is reset."""

    raw: bytes
    end: str = "stay"  # stay | close | reset | hang


def answer(status: int, body: bytes | str, **headers: str) -> Answer:
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Answer("\r\n".join(lines).encode() + b"\r\n\r\n" + data)


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    return answer(status, json.dumps(value), Content_Type="application/json", **headers)


def error(status: int, code: int, text: str, **headers: str) -> Answer:
    return as_json({"code": code, "msg": text}, status, **headers)


RESET = Answer(b"", "reset")
HANG = Answer(b"", "hang")
CLOSE = Answer(b"", "close")

Route = Answer | Callable[[Request], Answer]


@dataclass
class Loopback:
    """`routes` maps "METHOD /path" to an answer, a function of the request, or a list of answers used up in turn."""

    routes: dict[str, Route | list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _serving: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._released.set()
        self._server.close()
        for writer in list(self._serving.values()):
            writer.close()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def of(self, method: str, path: str) -> list[Request]:
        return [request for request in self.requests if (request.method, request.path) == (method, path)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                reply = self._reply(request)
                writer.write(reply.raw)
                await writer.drain()
                if reply.end == "hang":
                    await self._released.wait()
                if reply.end == "reset":
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, linger)
                if reply.end != "stay":
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            del self._serving[task]

    def _reply(self, request: Request) -> Answer:
        route = self.routes.get(f"{request.method} {request.path}")
        if isinstance(route, list):
            route = route.pop(0) if route else None
        if route is None:
            return answer(404, "<html>no such route</html>")
        return route if isinstance(route, Answer) else route(request)


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode().rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    path, _, query = target.partition("?")
    return Request(method, path, query or body.decode(), headers, head + body)
