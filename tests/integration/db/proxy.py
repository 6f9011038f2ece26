"""A wire between the bot and PostgreSQL that can be cut, also in the middle of a COMMIT."""

import asyncio
import contextlib
from enum import Enum

from sqlalchemy.engine import make_url


class Cut(Enum):
    """When the connection breaks, once."""

    NEVER = 0
    BEFORE_COMMIT = 1  # the server never hears of it
    AFTER_COMMIT = 2  # the server has committed, the answer is lost


class Proxy:
    """TCP on loopback in front of a server's unix socket."""

    def __init__(self, url: str) -> None:
        self._socket = f"{make_url(url).query['host']}/.s.PGSQL.5432"
        self._database = make_url(url).database
        self._server: asyncio.Server | None = None
        self._port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.cut = Cut.NEVER
        self.stay_down = False  # after the cut, nobody gets through

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/{self._database}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse new connections and break the ones there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._open):
            writer.transport.abort()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream = await asyncio.open_unix_connection(self._socket)
        self._open |= {writer, upstream}
        last_words = asyncio.Event()
        both = {
            asyncio.create_task(self._questions(reader, upstream, last_words)),
            asyncio.create_task(self._answers(upstream_reader, writer, last_words)),
        }
        for task in both:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, upstream):
            end.transport.abort()
            self._open.discard(end)

    async def _questions(
        self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter, last_words: asyncio.Event
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if b"COMMIT;" in data and self.cut is not Cut.NEVER:
                    cut, self.cut = self.cut, Cut.NEVER
                    if self.stay_down and self._server is not None:
                        self._server.close()
                        self._server = None
                    if cut is Cut.BEFORE_COMMIT:
                        return
                    last_words.set()
                upstream.write(data)
                await upstream.drain()

    @staticmethod
    async def _answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, last_words: asyncio.Event) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if last_words.is_set():
                    if b"COMMIT\x00" in data:  # the command tag: it is done, and nobody will hear of it
                        return
                    continue
                writer.write(data)
                await writer.drain()
