"""The webhook behind the real server on loopback, against clients that do not play by the rules."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.api.server import MAX_HEAD_BYTES, GuardedHttp
from app.main import create_app
from tests.intake_messages import native
from tests.intake_world import WEBHOOK, World, serving

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PATIENCE_S = 30


@asynccontextmanager
async def connected(address: tuple[str, int]) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def status_of(reader: asyncio.StreamReader) -> int:
    """Of the next answer; 0 when the server just hung up."""
    try:
        line = await asyncio.wait_for(reader.readline(), PATIENCE_S)
    except ConnectionError:
        return 0
    return int(line.split()[1]) if line else 0


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE_S)
    except ConnectionError:
        return b""


def head(*lines: str, path: str = WEBHOOK) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "host: localhost", *lines, "", ""]).encode()


def request(body: bytes) -> bytes:
    return head(f"content-length: {len(body)}") + body


async def good_alert(address: tuple[str, int], number: int) -> int:
    async with connected(address) as (reader, writer):
        writer.write(request(native(order_id=f"order {number}")))
        return await status_of(reader)


async def test_an_alert_over_a_socket(world: World) -> None:
    async with serving(create_app(world.api())) as address, connected(address) as (reader, writer):
        writer.write(head(f"content-length: {len(native())}", "connection: close") + native())
        answer = await rest_of(reader)
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 202")
    assert b"uvicorn" not in top
    assert json.loads(body)["status"] == "accepted"
    [line] = await world.database.queries.alerts(limit=5)
    assert line.alert.sender == "127.0.0.1"


async def test_the_server_believes_no_forwarded_address_by_itself(world: World) -> None:
    async with serving(create_app(world.api())) as address, connected(address) as (reader, writer):
        writer.write(head(f"content-length: {len(native())}", "x-forwarded-for: 52.89.214.238") + native())
        assert await status_of(reader) == 202
    [line] = await world.database.queries.alerts(limit=5)
    assert line.alert.sender == "127.0.0.1"


async def test_a_10_megabyte_stream_is_cut_off_at_the_limit(world: World) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    sent = 0
    async with serving(create_app(world.api())) as address, connected(address) as (reader, writer):
        writer.write(head("transfer-encoding: chunked"))
        status = asyncio.create_task(status_of(reader))
        try:
            while sent < 10_000_000 and not status.done():
                writer.write(chunk)
                sent += len(chunk)
                await asyncio.wait_for(writer.drain(), PATIENCE_S)
        except ConnectionError:
            pass
        assert await status in (413, 0)  # the answer can be lost when the connection is cut under full buffers
        await asyncio.wait_for(_closed(reader), PATIENCE_S)
        assert await good_alert(address, 1) == 202
    assert sent < 10_000_000
    assert await world.rows() == 1


async def _closed(reader: asyncio.StreamReader) -> None:
    try:
        await reader.read()
    except ConnectionError:
        return


async def test_an_oversized_chunked_body_is_413(world: World) -> None:
    body = native(comment="x" * 17_000)
    async with serving(create_app(world.api())) as address, connected(address) as (reader, writer):
        writer.write(head("transfer-encoding: chunked") + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        assert await status_of(reader) == 413


async def test_a_body_that_never_ends_is_408(world: World) -> None:
    world.with_rules(body_timeout_s=0.1)
    async with serving(create_app(world.api())) as address, connected(address) as (reader, writer):
        writer.write(head("content-length: 500") + b'{"secret":')
        assert await status_of(reader) == 408
        assert b"connection: close" in await rest_of(reader)


async def test_a_sender_that_hangs_up_leaves_no_row(world: World) -> None:
    async with serving(create_app(world.api())) as address:
        async with connected(address) as (_, writer):
            writer.write(request(native())[:-10])
            await writer.drain()
        assert await good_alert(address, 1) == 202
    assert await world.rows() == 1


async def test_500_slow_heads_are_dropped_while_alerts_go_through(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GuardedHttp, "head_timeout_s", 2.0)
    async with serving(create_app(world.api())) as address:
        slow = [await asyncio.open_connection(*address) for _ in range(500)]
        for number, (_, writer) in enumerate(slow):
            writer.write(head()[: number % 60])  # some say nothing at all
        assert [await good_alert(address, number) for number in range(5)] == [202] * 5
        assert set(await asyncio.gather(*(status_of(reader) for reader, _ in slow))) == {0}
        for _, writer in slow:
            writer.transport.abort()


async def test_an_idle_connection_is_kept_for_the_next_alert(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuardedHttp, "head_timeout_s", 1.0)
    async with serving(create_app(world.api())) as address, connected(address) as (reader, writer):
        for number in range(2):
            writer.write(request(native(order_id=f"order {number}")))
            answer = await asyncio.wait_for(reader.readuntil(b'"native"}'), PATIENCE_S)
            assert b" 202 " in answer
            with pytest.raises(TimeoutError):  # idle for longer than a head may take
                await asyncio.wait_for(reader.read(1), 1.5)
    assert await world.rows() == 2


async def test_a_slow_second_head_is_dropped_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuardedHttp, "head_timeout_s", 1.0)
    async with serving(create_app(world.api())) as address, connected(address) as (reader, writer):
        writer.write(request(native()))
        await asyncio.wait_for(reader.readuntil(b'"native"}'), PATIENCE_S)
        writer.write(b"POST /api")
        assert await rest_of(reader) == b""


@pytest.mark.parametrize(
    "lines",
    [
        [f"x-long: {'x' * 65_536}"],
        [f"x-{number}: {'x' * 100}" for number in range(700)],
    ],
)
async def test_64_kilobytes_of_headers_are_refused(world: World, lines: list[str]) -> None:
    async with serving(create_app(world.api())) as address:
        async with connected(address) as (reader, writer):
            writer.write(head(*lines))
            assert await status_of(reader) in (431, 0)
        assert await good_alert(address, 1) == 202
    assert await world.rows() == 1


async def test_a_head_that_grows_for_ever_is_refused_early(world: World) -> None:
    sent = 0
    async with serving(create_app(world.api())) as address, connected(address) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nx-long: ")
        status = asyncio.create_task(status_of(reader))
        try:
            while sent < 10_000_000 and not status.done():
                writer.write(b"x" * 4096)
                sent += 4096
                await asyncio.wait_for(writer.drain(), PATIENCE_S)
                await asyncio.sleep(0)
        except ConnectionError:
            pass
        assert await status in (431, 0)
    assert MAX_HEAD_BYTES < sent < 10_000_000


async def test_what_is_no_http_is_refused(world: World) -> None:
    async with serving(create_app(world.api())) as address:
        async with connected(address) as (reader, writer):
            writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello?\r\n\r\n")
            assert await status_of(reader) == 400
        assert await good_alert(address, 1) == 202


async def test_200_alerts_over_many_connections_are_all_stored(world: World) -> None:
    async with serving(create_app(world.api())) as address:
        answers = await asyncio.gather(*(good_alert(address, number % 100) for number in range(200)))
    assert set(answers) == {202}
    assert await world.rows() == 100
