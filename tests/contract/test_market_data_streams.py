"""Live candles over real WebSockets on loopback: closed ones only, each once, in order, and what was missed."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from app.adapters.market_data.binance import BinanceHistory, BinanceKlines
from app.adapters.market_data.klines import ClosedCandle, KlineStream
from app.adapters.market_data.okx import OkxHistory, OkxKlines
from app.candle_store.spans import moment
from app.domain.errors import BadSettings
from simulator.clock import Mode
from simulator.config import SimulatorConfig
from simulator.server import bind, create_app
from simulator.server import serve as serve_simulator
from tests.contract import market_data_venues as v
from tests.contract.clocks import StillClock
from tests.contract.loopback import RESET

PATIENCE_S = 5.0
BARS = v.market(200)
CANDLES = BARS.candles()


@dataclass
class Setup:
    venue: v.Venue
    clock: StillClock
    stream: KlineStream
    told: AsyncGenerator[ClosedCandle]
    connections: asyncio.Queue[ServerConnection] = field(default_factory=asyncio.Queue)
    paths: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)  # what the stream said to the venue
    _next: asyncio.Task[ClosedCandle] | None = None

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.paths.append(connection.request.path)
        self.connections.put_nowait(connection)
        with suppress(ConnectionClosed):
            async for words in connection:
                self.heard.append(str(words))

    def listen(self) -> asyncio.Task[ClosedCandle]:
        """Somebody waits for the next candle; the stream only works while somebody does."""
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self.told))
        return self._next

    async def connected(self) -> ServerConnection:
        self.listen()
        return await asyncio.wait_for(self.connections.get(), PATIENCE_S)

    async def hear(self) -> ClosedCandle:
        found = await asyncio.wait_for(asyncio.shield(self.listen()), PATIENCE_S)
        self._next = None
        return found

    async def until(self, condition: Callable[[], bool]) -> None:
        async def poll() -> None:
            while not condition():  # noqa: ASYNC110 - on objects that know nothing of events
                await asyncio.sleep(0)

        await asyncio.wait_for(poll(), PATIENCE_S)

    async def pause(self, least: float, most: float) -> None:
        """Let a pause of this length pass, once somebody makes one."""
        found: list[float] = []

        def asleep() -> bool:
            found[:] = [pause for pause in self.clock.pauses() if least <= pause <= most]
            return bool(found)

        await self.until(asleep)
        self.clock.advance(found[0])

    async def quiet(self) -> None:
        """Whatever is on its way has arrived, and no candle came of it."""
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert self._next is not None
        assert not self._next.done()

    def to(self, bar: int, seconds: float = 5.0) -> None:
        """Move everybody's time to a little after this bar has opened."""
        at = BARS.ts[bar] + round(seconds * 1000)
        self.venue.now_ms, self.clock.at = int(at), moment(int(at))


@asynccontextmanager
async def listening(
    names: tuple[tuple[str, str], ...] = (("BTCUSDT", "1h"),), since: int | None = None, exchange: str = "binance"
) -> AsyncIterator[Setup]:
    clock = StillClock(moment(int(BARS.ts[100])) + timedelta(seconds=5))
    here: list[Setup] = []
    venue = (v.BinanceVenue if exchange == "binance" else v.OkxVenue)(BARS, int(BARS.ts[100]) + 5_000)

    async def handle(connection: ServerConnection) -> None:
        await here[0].serve(connection)

    async with venue.loopback() as rest, serve(handle, "127.0.0.1", 0) as server:
        ws = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        wire = BinanceKlines(ws) if exchange == "binance" else OkxKlines(ws)
        source = BinanceHistory if exchange == "binance" else OkxHistory
        async with source(clock=clock, base_url=rest.url, jitter=lambda: 1.0) as history:
            known = dict.fromkeys(names, CANDLES[since].open_time) if since is not None else None
            stream = KlineStream(wire, history, names, clock=clock, jitter=lambda: 1.0, since=known)
            here.append(Setup(venue, clock, stream, stream.candles()))
            try:
                yield here[0]
            finally:
                if here[0]._next is not None:
                    here[0]._next.cancel()
                    await asyncio.gather(here[0]._next, return_exceptions=True)
                await here[0].told.aclose()


def kline(bar: int, *, closed: bool = True, symbol: str = "BTCUSDT", **change: Any) -> str:
    values = {key: repr(float(getattr(BARS, name)[bar])) for key, name in zip("ohlcv", _NAMES, strict=True)}
    told = {"t": int(BARS.ts[bar]), "T": int(BARS.ts[bar]) + v.HOUR - 1, "s": symbol, "i": "1h", **values, "x": closed}
    data = {"e": "kline", "E": 1, "s": symbol, "k": told | change}
    return json.dumps({"stream": f"{symbol.lower()}@kline_1h", "data": data})


_NAMES = ("open", "high", "low", "close", "volume")


def btc(bar: int) -> ClosedCandle:
    return ClosedCandle("BTCUSDT", "1h", CANDLES[bar])


async def test_only_closed_candles_are_passed_on_each_once() -> None:
    async with listening() as setup:
        venue = await setup.connected()
        assert setup.paths == ["/market/stream?streams=btcusdt@kline_1h"]
        for frame in (kline(100, closed=False), kline(100, closed=False), kline(100), kline(100), kline(99)):
            await venue.send(frame)
        assert await setup.hear() == btc(100)
        setup.listen()
        await setup.quiet()
        await venue.send(kline(101))
        assert await setup.hear() == btc(101)
        assert setup.venue.asked == []


async def test_a_candle_that_never_came_is_read_over_rest_first() -> None:
    async with listening() as setup:
        venue = await setup.connected()
        await venue.send(kline(100))
        assert await setup.hear() == btc(100)
        setup.to(104)
        await venue.send(kline(103))
        setup.listen()
        assert [await setup.hear() for _ in range(3)] == [btc(101), btc(102), btc(103)]


async def test_a_last_message_that_was_lost_shows_when_the_next_candle_forms() -> None:
    async with listening() as setup:
        venue = await setup.connected()
        await venue.send(kline(100))
        assert await setup.hear() == btc(100)
        setup.to(102, seconds=1)
        await venue.send(kline(102, closed=False))
        setup.listen()
        await setup.pause(1.9, 2.1)  # its last trades may still be on their way
        assert await setup.hear() == btc(101)


async def test_what_was_missed_while_away_comes_first() -> None:
    async with listening() as setup:
        venue = await setup.connected()
        await venue.send(kline(100))
        assert await setup.hear() == btc(100)
        setup.listen()
        venue.transport.abort()
        await setup.pause(0, 0.6)
        setup.to(105, seconds=60)
        venue = await setup.connected()
        await venue.send(kline(105))
        assert [await setup.hear() for _ in range(5)] == [btc(bar) for bar in range(101, 106)]


async def test_pauses_between_connections_grow() -> None:
    async with listening() as setup:
        for least in (0.5, 1, 2, 4, 8, 16, 30, 30):
            (await setup.connected()).transport.abort()
            await setup.pause(least, least)


async def test_a_known_past_is_continued() -> None:
    async with listening(since=96) as setup:
        await setup.connected()
        assert [await setup.hear() for _ in range(3)] == [btc(97), btc(98), btc(99)]
        setup.listen()
        await setup.quiet()


async def test_while_rest_is_down_nothing_newer_is_passed_on() -> None:
    async with listening() as setup:
        venue = await setup.connected()
        await venue.send(kline(100))
        assert await setup.hear() == btc(100)
        setup.to(104, seconds=60)
        setup.venue.before = lambda *_: RESET
        await venue.send(kline(103))
        setup.listen()
        while len(setup.venue.asked) < 10:  # one question is seven attempts: the stream itself asks anew
            setup.clock.advance(0.5)
            await venue.send(kline(104, closed=False))
            await setup.until(lambda: setup.stream._heard_at == setup.clock.seconds)
        await setup.quiet()
        setup.venue.before = lambda *_: None
        while not setup.listen().done():
            setup.clock.advance(1)
            await asyncio.sleep(0)
        assert [await setup.hear() for _ in range(3)] == [btc(101), btc(102), btc(103)]


async def test_a_hole_of_the_venues_own_is_passed_over() -> None:
    async with listening() as setup:
        venue = await setup.connected()
        await venue.send(kline(100))
        await setup.hear()
        setup.venue.series = v.without(BARS, 102, 104)
        setup.to(106, seconds=60)
        await venue.send(kline(105))
        assert [await setup.hear() for _ in range(3)] == [btc(101), btc(104), btc(105)]


async def test_a_candle_rest_is_late_with_is_asked_for_again() -> None:
    async with listening() as setup:
        venue = await setup.connected()
        await venue.send(kline(100))
        await setup.hear()
        setup.venue.series = v.without(BARS, 101, 102)
        setup.to(102)
        await venue.send(kline(102, closed=False))
        setup.listen()
        await setup.until(lambda: len(setup.venue.asked) == 1)
        setup.venue.series = BARS
        await setup.pause(0.9, 1.1)
        assert await setup.hear() == btc(101)


async def test_silence_makes_the_connection_new() -> None:
    async with listening() as setup:
        setup.listen()
        venue = await setup.connected()
        await venue.send(kline(100))
        await setup.hear()
        setup.listen()
        for _ in range(2):
            await setup.pause(9.9, 10.1)
        setup.clock.seconds += 1  # the last word is older than the connection's watch is exact
        await setup.pause(8, 10.1)
        await setup.pause(0, 0.6)
        await setup.connected()
        assert len(setup.paths) == 2


@pytest.mark.parametrize("frame", ["{", "[]", '{"data": {"e": "kline"}}', kline(101, h="0.01"), kline(101, c="NaN")])
async def test_a_message_that_cannot_be_read_costs_the_connection_and_no_candle(frame: str) -> None:
    async with listening() as setup:
        venue = await setup.connected()
        await venue.send(kline(100))
        await setup.hear()
        setup.listen()
        await venue.send(frame)
        await setup.pause(0, 0.6)
        setup.to(102, seconds=60)
        await setup.connected()
        assert await setup.hear() == btc(101)


async def test_markets_do_not_wait_for_each_other() -> None:
    async with listening((("BTCUSDT", "1h"), ("ETHUSDT", "1h"))) as setup:
        venue = await setup.connected()
        assert setup.paths == ["/market/stream?streams=btcusdt@kline_1h/ethusdt@kline_1h"]
        await venue.send(kline(100))
        await setup.hear()
        setup.venue.before = lambda *_: RESET
        setup.to(104)
        await venue.send(kline(103))  # BTC has to catch up and cannot
        await venue.send(kline(103, symbol="ETHUSDT"))
        assert await setup.hear() == ClosedCandle("ETHUSDT", "1h", CANDLES[103])


async def test_an_unknown_contract_is_a_persons_to_mend() -> None:
    async with listening(since=90) as setup:
        setup.venue.before = lambda *_: v.as_json({"code": -1121, "msg": "Invalid symbol."}, 400)
        await setup.connected()
        with pytest.raises(BadSettings, match="no contract"):
            await setup.hear()


async def test_a_lane_that_breaks_tells_its_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_self: object) -> int:
        raise RuntimeError("broken")

    monkeypatch.setattr(BinanceHistory, "now_ms", broken)
    async with listening(since=90) as setup:
        await setup.connected()
        with pytest.raises(RuntimeError, match="broken"):
            await setup.hear()


async def test_the_local_exchange_streams_its_candles() -> None:
    """Its time is moved by hand: over one bar, then over five at once while nobody is connected."""
    start = datetime(2024, 1, 5, 4, 30, tzinfo=UTC)
    config = SimulatorConfig(symbols=("BTCUSDT",), bars=300, mode=Mode.STEPPED, start=start)
    app, sock, ready = create_app(config), bind("127.0.0.1", 0), asyncio.Event()
    running = asyncio.create_task(serve_simulator(config, ready=ready, sock=sock, app=app))
    await asyncio.wait_for(ready.wait(), PATIENCE_S)
    at, clock = f"127.0.0.1:{sock.getsockname()[1]}", app.state.clock
    wanted = config.candles()["BTCUSDT"].candles()
    first = next(place for place, candle in enumerate(wanted) if candle.open_time > start) - 1
    try:
        async with (
            httpx.AsyncClient(base_url=f"http://{at}", trust_env=False) as admin,
            BinanceHistory(clock=clock, base_url=f"http://{at}") as history,
        ):
            names = (("BTCUSDT", "1h"),)
            stream = KlineStream(BinanceKlines(f"ws://{at}"), history, names, clock=clock, jitter=lambda: 0.0)
            told = stream.candles()
            heard = asyncio.ensure_future(anext(told))
            while stream._lanes[names[0]].forming < 0:  # noqa: ASYNC110 - the first message has no event of its own
                await asyncio.sleep(0.01)
            await admin.post("/_sim/clock", json={"advance_s": 3_600})
            found = [await asyncio.wait_for(heard, PATIENCE_S)]
            await admin.post("/_sim/streams", json={"disconnect": True})
            await admin.post("/_sim/clock", json={"advance_s": 5 * 3_600})
            found += [await asyncio.wait_for(anext(told), PATIENCE_S) for _ in range(5)]
            await told.aclose()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [one.candle for one in found] == list(wanted[first : first + 6])


# --- OKX ---------------------------------------------------------------------------------------------


def okx(bar: int, confirm: str = "1", channel: str = "candle1H") -> str:
    prices = [repr(float(getattr(BARS, name)[bar])) for name in _NAMES]
    row = [str(BARS.ts[bar]), *prices[:4], "628", prices[4], "62800", confirm]
    return json.dumps({"arg": {"channel": channel, "instId": "BTC-USDT-SWAP"}, "data": [row]})


async def test_okx_candles_are_subscribed_to_and_read() -> None:
    async with listening(exchange="okx") as setup:
        venue = await setup.connected()
        await setup.until(lambda: bool(setup.heard))
        asked = {"op": "subscribe", "args": [{"channel": "candle1H", "instId": "BTC-USDT-SWAP"}]}
        assert (setup.paths, json.loads(setup.heard[0])) == (["/ws/v5/business"], asked)
        for frame in (json.dumps({"event": "subscribe", "arg": asked["args"][0]}), "pong", okx(100, "0"), okx(100)):
            await venue.send(frame)
        assert await setup.hear() == btc(100)
        setup.to(103)
        await venue.send(okx(102))
        assert [await setup.hear() for _ in range(2)] == [btc(101), btc(102)]


async def test_okx_is_pinged_and_an_answer_to_that_is_no_news() -> None:
    async with listening(exchange="okx") as setup:
        venue = await setup.connected()
        for _ in range(2):
            await setup.pause(9.9, 10.1)
            await setup.until(lambda: setup.heard[-1] == "ping")
            await venue.send("pong")
        await setup.pause(9.9, 10.1)
        await setup.pause(0, 0.6)  # reconnecting
        await setup.connected()


async def test_okx_refusals_are_a_persons_to_mend_and_its_notices_are_heeded() -> None:
    async with listening(exchange="okx") as setup:
        venue = await setup.connected()
        await venue.send(json.dumps({"event": "notice", "code": "64008", "msg": "The connection will soon be closed"}))
        await setup.pause(0, 0.6)
        venue = await setup.connected()
        await venue.send(json.dumps({"event": "error", "code": "60018", "msg": "Wrong channel"}))
        with pytest.raises(BadSettings, match="60018"):
            await setup.hear()


def test_more_markets_than_one_connection_takes_are_refused() -> None:
    with pytest.raises(BadSettings, match="201 markets"):
        BinanceKlines().url([(f"X{number}USDT", "1h") for number in range(201)])
