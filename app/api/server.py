"""How uvicorn is to be run: limits against slow and oversized requests, which no application code ever sees.

uvicorn bounds neither the size of the headers nor the time they may take, so a client could hold connections and
memory for ever. GuardedHttp does: it hangs up.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 16 * 1024  # request line and headers; real ones have under 2
HEAD_TIMEOUT_S = 5.0  # for a complete head, from connecting or from the end of the answer before
KEEP_ALIVE_S = 75  # longer than a load balancer's 60, or it would meet closed connections


class GuardedHttp(HttpToolsProtocol):
    """uvicorn's fast HTTP/1.1 protocol with a limit on the head of a request, in bytes and in time."""

    head_timeout_s = HEAD_TIMEOUT_S
    _head_bytes = 0
    _head_done = False
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._head_bytes += 0 if self._head_done else len(data)
        super().data_received(data)
        if self._head_done or self.transport.is_closing():
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse()
        elif self._head_bytes and self._head_timer is None:
            self._wait_for_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_done = False

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD_BYTES:
            self._refuse()
            raise ValueError("request head too large")  # stops the parser; the connection is closing
        self._head_done = True
        self._head_bytes = 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._head_done = False  # what comes next on this connection is the head of another request

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n")
            self.transport.close()


def server_options() -> dict[str, Any]:
    """Keyword arguments for uvicorn.Config or uvicorn.run, beside the app, host and port.

    `proxy_headers` is off because uvicorn would believe X-Forwarded-For from any process on this machine;
    `app.api.auth.client_address` reads it instead, with the number of trusted balancers. `log_config` is None because
    the bot has its own logging.
    """
    return {
        "http": GuardedHttp,
        "ws": "none",
        "loop": "auto",
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
        "log_config": None,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": 25,
        "backlog": 2048,
    }
