"""The user stream over a real WebSocket on loopback: what rings, and what happens when it breaks."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from app.adapters.exchanges.binance import BinanceConfig, BinanceExchange
from app.ports import VenueNews
from tests.contract.clocks import StillClock
from tests.contract.loopback import Answer, Loopback, as_json, error
from tests.contract.test_binance_account import LEVERAGE, set_up
from tests.contract.test_binance_wire import BTC, KEY, SECRET, TIME, server_time

LISTEN_KEY = "/fapi/v1/listenKey"
PATIENCE_S = 10.0


@dataclass
class Streams:
    """The venue's side of the user stream: connections in the order they came."""

    connections: asyncio.Queue[ServerConnection] = field(default_factory=asyncio.Queue)
    paths: list[str] = field(default_factory=list)

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.paths.append(connection.request.path)
        self.connections.put_nowait(connection)
        await connection.wait_closed()

    async def next(self) -> ServerConnection:
        return await asyncio.wait_for(self.connections.get(), PATIENCE_S)


@dataclass
class Setup:
    exchange: BinanceExchange
    rest: Loopback
    streams: Streams
    clock: StillClock
    news: AsyncIterator[VenueNews]

    async def hear(self) -> VenueNews:
        return await asyncio.wait_for(anext(self.news), PATIENCE_S)

    async def until(self, condition: Callable[[], bool]) -> None:
        async def poll() -> None:
            while not condition():  # noqa: ASYNC110 - on objects that know nothing of events
                await asyncio.sleep(0)

        await asyncio.wait_for(poll(), PATIENCE_S)

    async def wait_out(self, least: float, most: float) -> float:
        """Let a pause of this length pass, once somebody makes one. Returns how long it was."""
        found: list[float] = []

        def asleep() -> bool:
            found[:] = [pause for pause in self.clock.pauses() if least <= pause <= most]
            return bool(found)

        await self.until(asleep)
        self.clock.advance(found[0])
        return found[0]

    async def pause_over(self) -> float:
        """Let the pause before the next connection pass."""
        return await self.wait_out(0, 30)


@asynccontextmanager
async def listening(listen_key: Answer | list[Answer] | None = None, **config: Any) -> AsyncIterator[Setup]:
    streams, clock = Streams(), StillClock()
    routes = {TIME: server_time(), f"POST {LISTEN_KEY}": listen_key or as_json({"listenKey": "LK"}), **set_up()}
    async with Loopback(routes) as rest, serve(streams.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = BinanceConfig(KEY, SECRET, base_url=rest.url, ws_url=f"ws://127.0.0.1:{port}", **config)
        exchange = BinanceExchange(settings, clock, jitter=lambda: 1.0)
        await exchange.open()
        news = exchange.news()
        try:
            yield Setup(exchange, rest, streams, clock, news)
        finally:
            await news.aclose()  # type: ignore[attr-defined]
            await exchange.close()


def order_update(symbol: str = "BTCUSDT", **order: Any) -> str:
    return json.dumps({"e": "ORDER_TRADE_UPDATE", "E": 1, "o": {"s": symbol, "c": "x", "X": "FILLED"} | order})


async def test_it_connects_with_its_listen_key_and_rings_for_everything() -> None:
    async with listening() as setup:
        assert await setup.hear() == VenueNews(None, "reconnected")
        assert setup.streams.paths == ["/private/ws?listenKey=LK"]
        (request,) = setup.rest.of("POST", LISTEN_KEY)
        assert request.headers["x-mbx-apikey"] == KEY


@pytest.mark.parametrize(
    ("event", "news"),
    [
        (json.loads(order_update()), [VenueNews(BTC, "order filled")]),
        (json.loads(order_update(c="autoclose-1")), [VenueNews(BTC, "liquidation")]),
        (json.loads(order_update(c="adl_autoclose")), [VenueNews(BTC, "adl")]),
        (json.loads(order_update(c="settlement_autoclose-1")), [VenueNews(BTC, "settlement")]),
        ({"stream": "x", "data": json.loads(order_update())}, [VenueNews(BTC, "order filled")]),
        ({"e": "ALGO_UPDATE", "o": {"s": "BTCUSDT", "X": "REJECTED"}}, [VenueNews(BTC, "conditional rejected")]),
        ({"e": "CONDITIONAL_ORDER_TRIGGER_REJECT", "or": {"s": "BTCUSDT"}}, [VenueNews(BTC, "conditional rejected")]),
        (
            {"e": "ACCOUNT_UPDATE", "a": {"m": "ORDER", "P": [{"s": "BTCUSDT"}, {"s": "ETHUSDT"}, {"s": "BTCUSDT"}]}},
            [VenueNews(BTC, "position"), VenueNews("ETHUSDT", "position")],
        ),
        ({"e": "ACCOUNT_UPDATE", "a": {"m": "FUNDING_FEE", "B": []}}, [VenueNews(None, "balance")]),
        ({"e": "ACCOUNT_CONFIG_UPDATE", "ac": {"s": "BTCUSDT", "l": 25}}, [VenueNews(BTC, "settings")]),
        ({"e": "ACCOUNT_CONFIG_UPDATE", "ai": {"j": True}}, [VenueNews(None, "settings")]),
        ({"e": "MARGIN_CALL", "p": [{"s": "BTCUSDT"}]}, [VenueNews(None, "margin call")]),
        ({"e": "ORDER_TRADE_UPDATE"}, [VenueNews(None, "unreadable")]),
        ([], [VenueNews(None, "unreadable")]),
    ],
)
async def test_what_rings_for_which_event(event: Any, news: list[VenueNews]) -> None:
    async with listening() as setup:
        await setup.hear()
        connection = await setup.streams.next()
        await connection.send(json.dumps({"e": "TRADE_LITE", "s": "BTCUSDT"}))  # says nothing the others do not
        await connection.send(json.dumps(event))
        assert [await setup.hear() for _ in news] == news


@pytest.mark.parametrize("frame", ["{", b"\xff\xfe", "[" * 100_000])
async def test_a_frame_that_cannot_be_read_rings_for_everything(frame: str | bytes) -> None:
    async with listening() as setup:
        await setup.hear()
        await (await setup.streams.next()).send(frame)
        assert await setup.hear() == VenueNews(None, "unreadable")


async def test_a_cut_connection_is_made_again_and_rings_for_everything() -> None:
    async with listening() as setup:
        for _ in range(4):
            assert await setup.hear() == VenueNews(None, "reconnected")
            (await setup.streams.next()).transport.abort()
            await setup.pause_over()
        assert await setup.hear() == VenueNews(None, "reconnected")


async def test_pauses_grow_while_the_venue_stays_away() -> None:
    async with listening([error(500, 0, "down")] * 5 + [as_json({"listenKey": "LK"})]) as setup:
        heard = asyncio.create_task(setup.hear())
        assert [await setup.pause_over() for _ in range(5)] == [0.5, 1.0, 2.0, 4.0, 8.0]
        assert await heard == VenueNews(None, "reconnected")


async def test_an_expired_key_means_a_new_one() -> None:
    async with listening([as_json({"listenKey": "OLD"}), as_json({"listenKey": "NEW"})]) as setup:
        await setup.hear()
        await (await setup.streams.next()).send(json.dumps({"e": "listenKeyExpired", "listenKey": "OLD"}))
        await setup.pause_over()
        assert await setup.hear() == VenueNews(None, "reconnected")
        assert setup.streams.paths[-1].endswith("listenKey=NEW")


async def test_the_key_is_refreshed_every_half_hour() -> None:
    async with listening() as setup:
        setup.rest.routes[f"PUT {LISTEN_KEY}"] = as_json({})
        await setup.hear()
        for count in (1, 2):
            assert await setup.wait_out(100, 10_000) == 1_800
            await setup.until(lambda count=count: len(setup.rest.of("PUT", LISTEN_KEY)) == count)


async def test_a_key_that_cannot_be_refreshed_is_tried_again_and_replaced_when_unknown() -> None:
    async with listening() as setup:
        setup.rest.routes[f"PUT {LISTEN_KEY}"] = [
            error(500, 0, "x"),
            error(400, -1125, "This listenKey does not exist."),
        ]
        await setup.hear()
        await setup.wait_out(1_800, 1_800)
        await setup.wait_out(60, 60)
        await setup.until(lambda: len(setup.rest.of("PUT", LISTEN_KEY)) == 2)
        await setup.pause_over()
        assert await setup.hear() == VenueNews(None, "reconnected")


async def test_a_connection_that_has_died_silently_is_noticed() -> None:
    async with listening(stream_silence_s=0.3) as setup:
        await setup.hear()
        connection = await setup.streams.next()
        connection.transport.pause_reading()  # type: ignore[attr-defined] # its pongs will never come
        await setup.pause_over()
        assert await setup.hear() == VenueNews(None, "reconnected")


async def test_a_listener_that_lags_is_told_to_look_at_everything() -> None:
    async with listening(stream_backlog=5) as setup:
        assert await setup.hear() == VenueNews(None, "reconnected")
        connection = await setup.streams.next()
        for number in range(7):
            await connection.send(order_update(symbol=f"S{number}USDT"))
        await (await connection.ping())  # frames are read in order: all seven have been
        heard = [await setup.hear() for _ in range(2)]
    assert heard == [VenueNews(None, "too much news"), VenueNews("S6USDT", "order filled")]


async def test_settings_changed_elsewhere_are_set_again() -> None:
    async with listening() as setup:
        await setup.hear()
        connection = await setup.streams.next()
        await setup.exchange.prepare(BTC, 5)

        async def tell(leverage: int) -> None:
            await connection.send(json.dumps({"e": "ACCOUNT_CONFIG_UPDATE", "ac": {"s": "BTCUSDT", "l": leverage}}))
            await setup.hear()

        await tell(5)  # our own change, coming back
        await setup.exchange.prepare(BTC, 5)
        assert len(setup.rest.of("POST", LEVERAGE)) == 1
        await tell(25)
        await setup.exchange.prepare(BTC, 5)
        assert len(setup.rest.of("POST", LEVERAGE)) == 2


async def test_the_listen_key_stays_out_of_logs(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with listening(as_json({"listenKey": "LK-CANARY"})) as setup:
        await setup.hear()
        (await setup.streams.next()).transport.abort()
        await setup.pause_over()
        await setup.hear()
    client_logs = [r.getMessage() for r in caplog.records if not r.name.startswith("websockets.server")]
    assert "LK-CANARY" not in "\n".join(client_logs) + "".join(capsys.readouterr())
