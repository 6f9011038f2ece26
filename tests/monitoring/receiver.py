"""A server on loopback that takes whatever is posted to it and keeps it, as a tracing or error service would."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """`status` is answered to everything; `bodies` are unpacked, with the path and headers they came with."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.status = 200
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        self.more = threading.Condition()

    def bodies(self) -> list[bytes]:
        with self.more:
            return [body for _, _, body in self.received]

    def wait_for(self, holds: Any, timeout_s: float = 20) -> None:
        with self.more:
            assert self.more.wait_for(holds, timeout_s), "it never came"


@contextmanager
def receiving() -> Iterator[Receiver]:
    here: list[Receiver] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            with here[0].more:
                here[0].received.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                here[0].more.notify_all()
            self.send_response(here[0].status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here.append(Receiver(server.server_address[1]))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield here[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
