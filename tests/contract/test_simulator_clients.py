"""The local exchange judged by clients nobody here wrote: python-binance and ccxt trade on it over real sockets."""

import asyncio
import hashlib
import hmac
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from simulator.clock import Mode
from simulator.config import Limits, SimulatorConfig
from simulator.refusals import Reason
from simulator.server import bind, create_app, serve
from simulator.wire.binance.codes import CODES as BINANCE_CODES

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports names that websockets has deprecated
    from binance import AsyncClient, BinanceSocketManager
    from binance.exceptions import BinanceAPIException

PERP = "BTC/USDT:USDT"
REPO = Path(__file__).resolve().parents[2]


@dataclass
class Exchange:
    base: str
    http: aiohttp.ClientSession

    async def admin(self, what: str, **asked: Any) -> Any:
        """GET without arguments, POST with."""
        call = (
            self.http.post(f"{self.base}/_sim/{what}", json=asked)
            if asked
            else self.http.get(f"{self.base}/_sim/{what}")
        )
        async with call as answer:
            return await answer.json()

    async def signed(self, method: str, path: str, **params: Any) -> tuple[int, Any, Any]:
        """A request of our own making: (status, body, headers)."""
        query = urlencode({"timestamp": int(time.time() * 1000)} | params)
        signature = hmac.new(b"paper-trading-secret", query.encode(), hashlib.sha256).hexdigest()
        url, headers = f"{self.base}{path}?{query}&signature={signature}", {"X-MBX-APIKEY": "paper-trading-key"}
        async with self.http.request(method, url, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers


@asynccontextmanager
async def running(**changes: Any) -> AsyncIterator[Exchange]:
    sock, ready = bind("127.0.0.1", 0), asyncio.Event()
    config = SimulatorConfig(**{"symbols": ("BTCUSDT", "ETHUSDT"), "bars": 2000} | changes)
    task = asyncio.create_task(serve(config, ready=ready, sock=sock, app=create_app(config)))
    await asyncio.wait_for(ready.wait(), 10)
    async with aiohttp.ClientSession() as http:
        yield Exchange(f"http://127.0.0.1:{sock.getsockname()[1]}", http)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    async with running() as one:
        yield one


@pytest.fixture
async def client(exchange: Exchange) -> AsyncIterator[AsyncClient]:
    one = AsyncClient("paper-trading-key", "paper-trading-secret")
    one.FUTURES_URL = f"{exchange.base}/fapi"
    yield one
    await one.close_connection()


@pytest.fixture
def ccxt() -> Any:
    return importlib.import_module("ccxt.async_support")  # seconds: for the process that needs it, not for each


@pytest.fixture
async def trader(exchange: Exchange, ccxt: Any) -> AsyncIterator[Any]:
    one = ccxt.binanceusdm({"apiKey": "paper-trading-key", "secret": "paper-trading-secret", "enableRateLimit": False})
    for name, url in one.urls["api"].items():
        if name.startswith("fapi"):
            one.urls["api"][name] = url.replace("https://fapi.binance.com", exchange.base)
    one.options["fetchCurrencies"] = False
    yield one
    await one.close()


# --- python-binance ----------------------------------------------------------------------------------


async def test_python_binance_trades_from_leverage_to_flat(exchange: Exchange, client: AsyncClient) -> None:
    symbols = {row["symbol"] for row in (await client.futures_exchange_info())["symbols"]}
    assert symbols == {"BTCUSDT", "ETHUSDT"}
    await client.futures_change_margin_type(symbol="BTCUSDT", marginType="ISOLATED")
    assert (await client.futures_change_leverage(symbol="BTCUSDT", leverage=5))["leverage"] == 5
    opened = await client.futures_create_order(
        symbol="BTCUSDT",
        side="BUY",
        type="MARKET",
        quantity="0.01",
        newClientOrderId="entry",
        newOrderRespType="RESULT",
    )
    assert opened["status"] == "FILLED"
    assert "avgPrice" not in opened
    assert "cumQuote" not in opened
    await client.futures_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01")
    (held,) = await client.futures_position_information(symbol="BTCUSDT")
    assert Decimal(held["positionAmt"]) == Decimal("0.02")
    mark = Decimal(held["markPrice"])
    stop = await client.futures_create_algo_order(
        symbol="BTCUSDT",
        side="SELL",
        type="STOP_MARKET",
        clientAlgoId="stop",
        closePosition="true",
        triggerPrice=tick(mark, "0.95"),
    )
    profit = await client.futures_create_order(
        symbol="BTCUSDT",
        side="SELL",
        type="TAKE_PROFIT_MARKET",
        quantity="0.01",
        reduceOnly="true",
        triggerPrice=tick(mark, "1.05"),
    )
    waiting = await client.futures_get_open_orders(symbol="BTCUSDT", conditional=True)
    assert {row["algoId"] for row in waiting} == {stop["algoId"], profit["algoId"]}
    assert await client.futures_get_open_orders(symbol="BTCUSDT") == []
    assert (await client.futures_get_order(symbol="BTCUSDT", clientAlgoId="stop"))["algoStatus"] == "NEW"
    assert (await client.futures_get_order(symbol="BTCUSDT", origClientOrderId="entry"))["avgPrice"] != "0"
    resting = await client.futures_create_order(
        symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.01", price=tick(mark, "0.97")
    )
    assert [row["orderId"] for row in await client.futures_get_open_orders()] == [resting["orderId"]]
    assert (await client.futures_cancel_order(symbol="BTCUSDT", orderId=resting["orderId"]))["status"] == "CANCELED"
    assert (await client.futures_cancel_order(symbol="BTCUSDT", clientAlgoId="stop"))["msg"] == "success"
    assert (await client.futures_cancel_all_open_orders(symbol="BTCUSDT", conditional=True))["code"] == 200
    await client.futures_create_order(symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.02", reduceOnly="true")
    assert await client.futures_position_information(symbol="BTCUSDT") == []
    trades = await client.futures_account_trades(symbol="BTCUSDT")
    assert [row["side"] for row in trades] == ["BUY", "BUY", "SELL"]
    (balance,) = await client.futures_account_balance()
    told = (await exchange.admin("ledger"))["account"]
    assert Decimal(balance["balance"]) == Decimal(told["wallet"]) < 10_000
    assert len(await client.futures_klines(symbol="BTCUSDT", interval="4h", limit=100)) == 100
    assert (await client.futures_account())["totalPositionInitialMargin"] == "0.00000000"


def tick(price: Decimal, factor: str) -> str:
    return str((price * Decimal(factor)).quantize(Decimal("0.1")))


async def test_python_binance_hears_the_user_stream(exchange: Exchange, client: AsyncClient) -> None:
    manager = BinanceSocketManager(client)
    manager.FSTREAM_URL = exchange.base.replace("http", "ws") + "/"
    socket = manager.futures_user_socket()
    socket.TIMEOUT = 0.2  # how long its reader waits before it notices that it should end
    async with socket as stream:
        await client.futures_change_leverage(symbol="ETHUSDT", leverage=3)
        await client.futures_create_order(
            symbol="ETHUSDT", side="BUY", type="MARKET", quantity="0.1", newClientOrderId="in"
        )
        await client.futures_create_algo_order(
            symbol="ETHUSDT",
            side="SELL",
            type="STOP_MARKET",
            clientAlgoId="guard",
            closePosition="true",
            triggerPrice="1000",
        )
        await client.futures_create_order(
            symbol="ETHUSDT", side="SELL", type="MARKET", quantity="0.1", reduceOnly="true"
        )
        heard = [await asyncio.wait_for(stream.recv(), 5) for _ in range(9)]
    told = [one["e"] + (f" {one['o']['X']}" if "o" in one else "") for one in heard]
    assert told == [
        "ACCOUNT_CONFIG_UPDATE",
        "ORDER_TRADE_UPDATE NEW",
        "ORDER_TRADE_UPDATE FILLED",
        "ACCOUNT_UPDATE",
        "ALGO_UPDATE NEW",
        "ORDER_TRADE_UPDATE NEW",
        "ORDER_TRADE_UPDATE FILLED",
        "ACCOUNT_UPDATE",
        "ALGO_UPDATE EXPIRED",
    ]
    filled = heard[2]["o"]
    assert (filled["c"], filled["z"], filled["R"]) == ("in", "0.100", False)
    assert heard[7]["a"]["P"][0]["pa"] == "0.000"


async def test_python_binance_hears_market_streams(exchange: Exchange, client: AsyncClient) -> None:
    manager = BinanceSocketManager(client)
    manager.FSTREAM_URL = exchange.base.replace("http", "ws") + "/"
    async with manager.futures_multiplex_socket(["btcusdt@kline_1h", "ethusdt@markPrice"]) as stream:
        heard = [await asyncio.wait_for(stream.recv(), 5) for _ in range(2)]
    assert {one["stream"] for one in heard} == {"btcusdt@kline_1h", "ethusdt@markPrice"}
    assert {one["data"]["s"] for one in heard} == {"BTCUSDT", "ETHUSDT"}


async def test_python_binance_places_and_cancels_in_batches(client: AsyncClient) -> None:
    mark = Decimal((await client.futures_mark_price(symbol="BTCUSDT"))["markPrice"])
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": tick(mark, "0.97")}
    answers = await client.futures_place_batch_order(
        batchOrders=[
            order | {"quantity": "0.01", "newClientOrderId": "a"},
            order | {"quantity": "0.0001", "newClientOrderId": "b"},
        ]
    )
    assert answers[0]["status"] == "NEW"
    assert answers[1]["code"] == -1111
    assert (await client.futures_cancel_all_open_orders(symbol="BTCUSDT"))["code"] == 200
    assert await client.futures_get_open_orders() == []


# --- ccxt --------------------------------------------------------------------------------------------


async def test_ccxt_trades_from_markets_to_flat(trader: Any) -> None:
    markets = await trader.load_markets()
    assert markets[PERP]["precision"] == {"amount": 0.001, "price": 0.1, "base": 1e-8, "quote": 1e-8}
    assert markets[PERP]["limits"]["cost"]["min"] == 100
    await trader.set_margin_mode("isolated", PERP)
    await trader.set_leverage(4, PERP)
    opened = await trader.create_order(PERP, "market", "buy", 0.02)
    assert (opened["status"], opened["filled"]) == ("closed", 0.02)
    price = (await trader.fetch_ticker(PERP))["last"]
    await trader.create_order(PERP, "market", "sell", 0.02, None, {"stopLossPrice": price * 0.95, "reduceOnly": True})
    await trader.create_order(PERP, "market", "sell", 0.02, None, {"takeProfitPrice": price * 1.05, "reduceOnly": True})
    trigger = await trader.fetch_open_orders(PERP, params={"trigger": True})
    assert len(trigger) == 2
    assert await trader.fetch_open_orders(PERP) == []
    (held,) = await trader.fetch_positions([PERP])
    assert (held["contracts"], held["side"], held["marginMode"]) == (0.02, "long", "isolated")
    assert 0 < held["liquidationPrice"] < price
    limit = await trader.create_order(PERP, "limit", "buy", 0.01, price * 0.97)
    assert (await trader.fetch_order(limit["id"], PERP))["status"] == "open"
    assert (await trader.cancel_order(limit["id"], PERP))["status"] == "canceled"
    await trader.cancel_order(trigger[0]["id"], PERP, {"trigger": True})
    await trader.cancel_all_orders(PERP, {"trigger": True})
    assert await trader.fetch_open_orders(PERP, params={"trigger": True}) == []
    await trader.create_order(PERP, "market", "sell", 0.02, None, {"reduceOnly": True})
    assert await trader.fetch_positions([PERP]) == []
    assert [one["side"] for one in await trader.fetch_my_trades(PERP)] == ["buy", "sell"]
    assert (await trader.fetch_balance())["USDT"]["total"] < 10_000
    assert len(await trader.fetch_ohlcv(PERP, "15m", limit=50)) == 50
    assert (await trader.fetch_leverage(PERP))["longLeverage"] == 4
    assert (await trader.fetch_order_book(PERP, 5))["bids"][0][0] < price * 1.001
    assert (await trader.fetch_funding_rate(PERP))["fundingRate"] == 0.0001


async def test_ccxt_recognises_refusals(trader: Any, ccxt: Any) -> None:
    await trader.load_markets()
    with pytest.raises(ccxt.ExchangeError, match="-2019"):
        await trader.create_order(PERP, "market", "buy", 50)
    above = (await trader.fetch_ticker(PERP))["last"] * 1.05
    with pytest.raises(ccxt.ExchangeError, match="-2021"):
        await trader.create_order(PERP, "market", "sell", 0.01, None, {"stopLossPrice": above})
    with pytest.raises(ccxt.OrderNotFound):
        await trader.fetch_order("123", PERP)
    trader.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError):
        await trader.fetch_balance()


# --- the wire itself ---------------------------------------------------------------------------------

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
STOP = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "algoType": "CONDITIONAL", "triggerPrice": "1000"}
CODES: list[tuple[int, str, str, dict[str, str]]] = [
    (-1121, "POST", "order", ORDER | {"symbol": "NOPE"}),
    (-1102, "POST", "order", ORDER | {"quantity": ""}),
    (-1117, "POST", "order", ORDER | {"side": "UP"}),
    (-1116, "POST", "order", ORDER | {"type": "MARKT"}),
    (-1111, "POST", "order", ORDER | {"quantity": "0.00001"}),
    (-1100, "POST", "order", ORDER | {"quantity": "1e-3"}),
    (-4003, "POST", "order", ORDER | {"quantity": "-1"}),
    (-4164, "POST", "order", ORDER | {"quantity": "0.001"}),
    (-4005, "POST", "order", ORDER | {"quantity": "121"}),
    (-4014, "POST", "order", ORDER | {"type": "LIMIT", "timeInForce": "GTC", "price": "40000.05"}),
    (-4016, "POST", "order", ORDER | {"type": "LIMIT", "timeInForce": "GTC", "price": "400000"}),
    (-2019, "POST", "order", ORDER | {"quantity": "50"}),
    (-2022, "POST", "order", ORDER | {"reduceOnly": "true"}),
    (-4120, "POST", "order", ORDER | {"type": "STOP_MARKET", "stopPrice": "1"}),
    (-4061, "POST", "order", ORDER | {"positionSide": "LONG"}),
    (-4015, "POST", "order", ORDER | {"newClientOrderId": "x" * 37}),
    (-4509, "POST", "algoOrder", STOP | {"closePosition": "true"}),
    (-2021, "POST", "algoOrder", STOP | {"quantity": "1", "triggerPrice": "900000"}),
    (-4136, "POST", "algoOrder", STOP | {"type": "STOP", "price": "900", "closePosition": "true"}),
    (-2013, "GET", "order", {"symbol": "BTCUSDT", "origClientOrderId": "nobody"}),
    (-2013, "GET", "algoOrder", {"clientAlgoId": "nobody"}),
    (-2011, "DELETE", "order", {"symbol": "BTCUSDT", "origClientOrderId": "nobody"}),
    (-2011, "DELETE", "algoOrder", {"clientAlgoId": "nobody"}),
    (-4046, "POST", "marginType", {"symbol": "BTCUSDT", "marginType": "CROSSED"}),
    (-4059, "POST", "positionSide/dual", {"dualSidePosition": "false"}),
    (-4028, "POST", "leverage", {"symbol": "BTCUSDT", "leverage": "500"}),
    (-1021, "GET", "income", {"timestamp": "1600000000000"}),
    (-1021, "GET", "income", {"timestamp": "9900000000000"}),
    (-1131, "GET", "income", {"recvWindow": "60001"}),
    (-1120, "GET", "klines", {"symbol": "BTCUSDT", "interval": "7m"}),
    (-4165, "GET", "userTrades", {"symbol": "BTCUSDT", "startTime": "0", "endTime": "900000000"}),
    (-5000, "GET", "nowhere", {}),
]


async def test_every_refusal_has_its_number(exchange: Exchange) -> None:
    told = [
        (await exchange.signed(method, f"/fapi/v1/{path}", **params))[1]["code"] for _, method, path, params in CODES
    ]
    assert told == [code for code, *_ in CODES]
    assert (await exchange.admin("ledger"))["orders"] == []


def test_no_reason_of_the_venue_is_without_a_number() -> None:
    assert set(BINANCE_CODES) == set(Reason)


async def test_keys_and_signatures_are_checked(exchange: Exchange) -> None:
    url = f"{exchange.base}/fapi/v2/balance?timestamp={int(time.time() * 1000)}"
    tries = [({}, "", -2014), ({"X-MBX-APIKEY": "other-key"}, "", -2015)]
    known = {"X-MBX-APIKEY": "paper-trading-key"}
    tries += [(known, "", -1102), (known, "&signature=00ff", -1022)]
    for headers, more, code in tries:
        async with exchange.http.get(url + more, headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (401 if code in (-2014, -2015) else 400, code)


async def test_protection_rules_of_the_algo_endpoint(client: AsyncClient) -> None:
    await client.futures_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.02")
    stop = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "STOP_MARKET",
        "closePosition": "true",
        "triggerPrice": "30000",
    }
    await client.futures_create_algo_order(**stop, clientAlgoId="one")
    for more, code in (
        ({"clientAlgoId": "two"}, -4130),
        ({"clientAlgoId": "one"}, -4116),
        ({"quantity": "0.01"}, -4137),
    ):
        with pytest.raises(BinanceAPIException) as caught:
            await client.futures_create_algo_order(**stop, **more)
        assert caught.value.code == code


async def test_limits_are_counted_and_enforced() -> None:
    async with running(limits=Limits(weight_1m=30, orders_10s=2)) as exchange:
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
        answers = [await exchange.signed("POST", "/fapi/v1/order", **order) for _ in range(3)]
        assert [status for status, *_ in answers] == [200, 200, 429]
        assert answers[1][2]["X-MBX-ORDER-COUNT-10S"] == "2"
        assert answers[2][1]["code"] == -1015
        weights = [await exchange.signed("GET", "/fapi/v2/account") for _ in range(7)]
        assert [status for status, *_ in weights] == [200] * 6 + [429]
        assert weights[5][2]["X-MBX-USED-WEIGHT-1M"] == "30"
        assert (weights[6][1]["code"], int(weights[6][2]["Retry-After"]) > 0) == (-1003, True)
        assert len((await exchange.admin("ledger"))["orders"]) == 2


async def test_time_is_moved_from_outside_and_stops_trigger_on_the_way() -> None:
    async with running(mode=Mode.STEPPED) as exchange:
        now = (await exchange.admin("clock"))["now_ms"]
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01", "newClientOrderId": "in"}
        await exchange.signed("POST", "/fapi/v1/order", **order, timestamp=now)
        mark = Decimal((await exchange.admin("ledger"))["positions"][0]["mark_price"])
        stop = {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "type": "STOP_MARKET",
            "algoType": "CONDITIONAL",
            "closePosition": "true",
        }
        stop |= {"clientAlgoId": "out", "triggerPrice": tick(mark, "0.97")}
        await exchange.signed("POST", "/fapi/v1/algoOrder", **stop, timestamp=now)
        assert (await exchange.admin("clock", advance_s=60 * 86_400))["now_ms"] == now + 60 * 86_400_000
        told = await exchange.admin("ledger")
        assert told["positions"] == []
        rows = {(row["client_id"], row["algo"]): row for row in told["orders"]}
        assert rows["out", True]["status"] == "FINISHED"
        assert rows["out", False]["parent_client_id"] == "out"
        assert rows["out", False]["fills"][0]["realised_pnl"].startswith("-")
        assert len((await exchange.admin("equity"))["points"]) > 60 * 24
        assert "error" in await exchange.admin("clock", now="2020-01-01T00:00:00+00:00")
        assert (await exchange.admin("reset", balance="777"))["balance"] == "777"
        assert (await exchange.admin("ledger"))["orders"] == []


async def test_a_kline_stream_says_when_a_bar_is_closed() -> None:
    async with (
        running(mode=Mode.STEPPED) as exchange,
        exchange.http.ws_connect(f"{exchange.base}/market/ws/btcusdt@kline_4h") as stream,
    ):
        first = json.loads((await asyncio.wait_for(stream.receive(), 5)).data)["k"]
        await exchange.admin("clock", advance_s=8 * 3600)
        bars = [json.loads((await asyncio.wait_for(stream.receive(), 5)).data)["k"] for _ in range(3)]
    hours = [(bar["t"] - first["t"]) // 3_600_000 for bar in bars]
    assert [(hour, bar["x"]) for hour, bar in zip(hours, bars, strict=True)] == [(0, True), (4, True), (8, False)]


async def test_scripted_faults_strike_before_or_after_execution(exchange: Exchange) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    unknown = {"code": -1000, "msg": "Unknown error, please check your request or try again later."}
    rule = {"method": "POST", "path": "/fapi/v1/order", "status": 503, "body": unknown}
    await exchange.admin("faults", rules=[rule | {"when": "before"}, rule | {"when": "after", "hide_s": 60}])
    assert (await exchange.signed("POST", "/fapi/v1/order", **order, newClientOrderId="lost"))[0] == 503
    assert (await exchange.signed("POST", "/fapi/v1/order", **order, newClientOrderId="done"))[0] == 503
    assert [row["client_id"] for row in (await exchange.admin("ledger"))["orders"]] == ["done"]
    asked = await exchange.signed("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="done")
    assert asked[1]["code"] == -2013  # executed, and not yet to be found
    await exchange.admin("faults", rules=[{"path": "/fapi/v1/order", "drop": True, "when": "after"}])
    with pytest.raises(aiohttp.ClientError):
        await exchange.signed("POST", "/fapi/v1/order", **order, newClientOrderId="cut")
    assert [row["client_id"] for row in (await exchange.admin("ledger"))["orders"]] == ["done", "cut"]
    assert "error" in await exchange.admin("faults", rules=[{"nonsense": 1}])


async def test_streams_fall_silent_expire_and_break_when_told_to(exchange: Exchange) -> None:
    async with exchange.http.post(
        f"{exchange.base}/fapi/v1/listenKey", headers={"X-MBX-APIKEY": "paper-trading-key"}
    ) as answer:
        key = (await answer.json())["listenKey"]
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    for path in (f"/private/ws?listenKey={key}", f"/private/ws/{key}", f"/ws/{key}", f"/private/stream?streams={key}"):
        async with exchange.http.ws_connect(exchange.base + path) as stream:
            await exchange.signed("POST", "/fapi/v1/order", **order)
            message = json.loads((await asyncio.wait_for(stream.receive(), 5)).data)
            assert message.get("data", message)["e"] == "ORDER_TRADE_UPDATE"
    async with exchange.http.ws_connect(f"{exchange.base}/private/ws/{key}") as stream:
        await exchange.admin("streams", silence_s=3600)
        await exchange.signed("POST", "/fapi/v1/order", **order)
        await exchange.admin("streams", expire_listen_key=True)
        assert json.loads((await asyncio.wait_for(stream.receive(), 5)).data)["e"] == "listenKeyExpired"
        await exchange.admin("streams", disconnect=True)
        assert (await asyncio.wait_for(stream.receive(), 5)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


async def test_the_venue_deleverages_and_liquidates_on_command(exchange: Exchange) -> None:
    await exchange.signed("POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.02")
    assert (await exchange.admin("force", symbol="BTCUSDT", kind="adl", quantity="0.01"))["closed"] == ["adl_autoclose"]
    (closed,) = (await exchange.admin("force", symbol="BTCUSDT", kind="liquidation"))["closed"]
    assert closed.startswith("autoclose-")
    assert (await exchange.admin("ledger"))["positions"] == []


# --- kill -9 -----------------------------------------------------------------------------------------

PROGRAM = """
import asyncio, sys
from pathlib import Path
from simulator.config import SimulatorConfig
from simulator.server import bind, serve
sock = bind("127.0.0.1", int(sys.argv[2]))
print(sock.getsockname()[1], flush=True)
asyncio.run(serve(SimulatorConfig(symbols=("BTCUSDT",), bars=2000, journal_path=Path(sys.argv[1])), sock=sock))
"""


def start(journal: Path, port: int = 0) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-c", PROGRAM, str(journal), str(port)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=REPO, env=os.environ | {"PYTHONPATH": str(REPO)}
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def stop(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


async def test_every_answered_order_survives_kill_nine(tmp_path: Path) -> None:
    process, port = start(tmp_path / "venue.db")
    answered: list[str] = []
    try:
        async with aiohttp.ClientSession() as http:
            exchange = Exchange(f"http://127.0.0.1:{port}", http)
            await exchange.signed("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=3)

            async def trade(number: int) -> None:
                for turn in range(200):
                    client_id = f"n{number}-{turn}"
                    side = "BUY" if turn % 2 else "SELL"
                    order = {"symbol": "BTCUSDT", "side": side, "type": "MARKET", "quantity": "0.002"}
                    status, *_ = await exchange.signed("POST", "/fapi/v1/order", **order, newClientOrderId=client_id)
                    if status == 200:
                        answered.append(client_id)
                    if len(answered) == 60:
                        os.kill(process.pid, signal.SIGKILL)

            await asyncio.gather(*[trade(number) for number in range(4)], return_exceptions=True)
            stop(process)
            assert len(answered) >= 60
            process, _ = start(tmp_path / "venue.db", port)
            told = await exchange.admin("ledger")
            kept = [row["client_id"] for row in told["orders"]]
            assert set(answered) <= set(kept)
            assert len(kept) == len(set(kept))
            sums = sum(
                Decimal(f["quantity"]) * (1 if row["side"] == "BUY" else -1)
                for row in told["orders"]
                for f in row["fills"]
            )
            held = sum(Decimal(one["quantity"]) * (1 if one["side"] == "LONG" else -1) for one in told["positions"])
            assert sums == held
            assert (await exchange.signed("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT"))[1][0]["leverage"] == "3"
    finally:
        stop(process)
