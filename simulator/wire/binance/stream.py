"""The websocket side: the user stream, and market streams that repeat what REST would say.

Messages are hints. A listener that cannot keep up is cut off rather than buffered without end; a listen key that runs
out says so once and then falls silent, as on the real venue.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from simulator.events import Event
from simulator.floor import Floor
from simulator.wire.binance.codes import WireError
from simulator.wire.binance.messages import market_messages, user_message
from simulator.wire.binance.params import Params

_QUEUE = 10_000
_POLL_S = 0.25  # how often market streams look
_TIMES = ("E", "T", "u", "a", "f", "l")  # fields that change although nothing happened
_INVALID = WireError(
    -1125, "This listenKey does not exist. Please use `POST /fapi/v1/listenKey` to recreate `listenKey`"
)


class ListenKeys:
    """One key at a time, as the account has one; valid for an hour of real time after creation or extension."""

    def __init__(self, floor: Floor, token: Callable[[], str] = lambda: secrets.token_hex(32)) -> None:
        self._floor, self._token = floor, token
        self._key, self._until = "", 0.0

    def valid(self, key: str) -> bool:
        return bool(key) and key == self._key and self._floor.clock.monotonic() < self._until

    def create(self, _floor: Floor, _params: Params) -> Any:
        if not self.valid(self._key):
            self._key = self._token()
        return self._extended()

    def extend(self, _floor: Floor, _params: Params) -> Any:
        if not self.valid(self._key):
            raise _INVALID
        return self._extended()

    def drop(self, _floor: Floor, _params: Params) -> Any:
        self._key = ""
        return {}

    def expire(self) -> None:
        """Let the current key run out now."""
        self._until = 0.0

    def take_expired(self) -> str | None:
        """The key that has just run out, once."""
        if self._key and not self.valid(self._key):
            expired, self._key = self._key, ""
            return expired
        return None

    def _extended(self) -> Any:
        self._until = self._floor.clock.monotonic() + self._floor.config.listen_key_ttl_s
        return {"listenKey": self._key}


@dataclass(slots=True, eq=False)
class Listener:
    """One connection: what it asked for and what waits to be sent."""

    names: set[str]
    combined: bool  # /stream wraps each message with the name of its stream
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(_QUEUE))
    overrun: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, name: str, message: Any) -> None:
        try:
            self.queue.put_nowait(orjson.dumps({"stream": name, "data": message} if self.combined else message))
        except asyncio.QueueFull:
            self.overrun.set()


class Streams:
    """All open connections of one floor."""

    def __init__(self, floor: Floor, keys: ListenKeys) -> None:
        self._floor, self._keys = floor, keys
        self._listeners: set[Listener] = set()
        self._silent_until = 0.0
        floor.listeners.append(self.publish)

    def silence(self, seconds: float) -> None:
        """User streams stay connected and say nothing: what happens meanwhile is never told."""
        self._silent_until = self._floor.clock.monotonic() + seconds

    def disconnect(self) -> None:
        """Cut every connection, as at the end of its 24 hours."""
        for listener in self._listeners:
            listener.overrun.set()

    def publish(self, event: Event) -> None:
        if self._listeners and self._floor.clock.monotonic() >= self._silent_until:
            self._tell_users(user_message(self._floor, event))

    def tick(self) -> None:
        """Called now and then: say which listen key has run out."""
        expired = self._keys.take_expired()
        if expired:
            at = self._floor.clock.now_ms()
            for listener in self._listeners:
                if expired in listener.names:
                    listener.tell(expired, {"e": "listenKeyExpired", "E": at, "listenKey": expired})

    def _tell_users(self, message: Any) -> None:
        for listener in self._listeners:
            for name in listener.names:
                if self._keys.valid(name):
                    listener.tell(name, message)

    async def serve(self, socket: WebSocket, names: Iterable[str], *, combined: bool) -> None:
        """One connection, from handshake to its end."""
        await socket.accept()
        listener = Listener({name for name in names if name}, combined)
        self._listeners.add(listener)
        tasks = [
            asyncio.create_task(work)
            for work in (
                self._read(socket, listener),
                self._write(socket, listener),
                self._poll(listener),
                listener.overrun.wait(),
            )
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._listeners.discard(listener)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if listener.overrun.is_set():
            await socket.close(1008, "disconnected")

    async def _read(self, socket: WebSocket, listener: Listener) -> None:
        """SUBSCRIBE and UNSUBSCRIBE requests, until the other side leaves."""
        while True:
            try:
                asked = orjson.loads(await socket.receive_text())
            except (WebSocketDisconnect, KeyError):
                return
            except orjson.JSONDecodeError:
                listener.queue.put_nowait(orjson.dumps({"code": 3, "msg": "Invalid JSON"}))
                continue
            names = {str(name) for name in asked.get("params") or []}
            if asked.get("method") == "SUBSCRIBE":
                listener.names |= names
            elif asked.get("method") == "UNSUBSCRIBE":
                listener.names -= names
            listener.queue.put_nowait(orjson.dumps({"result": None, "id": asked.get("id")}))

    async def _write(self, socket: WebSocket, listener: Listener) -> None:
        while True:
            message = await listener.queue.get()
            try:
                await socket.send_text(message.decode())
            except (WebSocketDisconnect, RuntimeError):
                return  # the other side left while we spoke

    async def _poll(self, listener: Listener) -> None:
        """Market streams: say what has changed since the last look."""
        last: dict[str, Any] = {}
        while True:
            for name in [one for one in listener.names if "@" in one]:
                self._floor.settle()
                for message in market_messages(self._floor, name, last.get(name)):
                    if not _same(message, last.get(name)):
                        last[name] = message
                        listener.tell(name, message)
            await asyncio.sleep(_POLL_S)


def _same(message: Any, last: Any) -> bool:
    """Whether nothing but the time has changed."""
    return last is not None and all(last.get(key) == value for key, value in message.items() if key not in _TIMES)
