"""Bytes on the wire: what the Binance adapter sends, and what it concludes from every way an answer can fail."""

import hashlib
import hmac
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from app.adapters.exchanges.binance import BinanceConfig, BinanceExchange, codes
from app.domain.errors import VenueUnavailable
from app.domain.ids import AccountId, Symbol, client_order_id
from app.domain.money import Price, Quantity
from app.domain.order import Accepted, Halt, OrderKind, OrderRequest, OrderState, Rejected, Unknown
from app.domain.side import OrderSide
from tests.contract import binance_answers as told
from tests.contract.clocks import StillClock
from tests.contract.loopback import CLOSE, HANG, RESET, Answer, Loopback, Request, answer, as_json, error

KEY, SECRET = "key-CANARY-7c1f", "secret-CANARY-93ab"
BTC = Symbol("BTCUSDT")
ORDER, ALGO = "/fapi/v1/order", "/fapi/v1/algoOrder"
TIME = "GET /fapi/v1/time"

ENTRY = OrderRequest(
    client_id=client_order_id("01J", "entry", 0),
    account=AccountId("main"),
    symbol=BTC,
    side=OrderSide.BUY,
    kind=OrderKind.MARKET,
    quantity=Quantity.of("0.015"),
)
CLOSE_ALL = replace(ENTRY, side=OrderSide.SELL, reduce_only=True, client_id=client_order_id("01J", "close", 0))
STOP = replace(
    ENTRY,
    client_id=client_order_id("01J", "stop", 0),
    side=OrderSide.SELL,
    kind=OrderKind.STOP,
    quantity=None,
    trigger_price=Price.of("60000.50"),
    close_position=True,
)


def server_time(at_ms: int = told.NOW_MS) -> Answer:
    return as_json({"serverTime": at_ms})


@asynccontextmanager
async def venue(
    routes: dict, *, clock: StillClock | None = None, **config
) -> AsyncIterator[tuple[BinanceExchange, Loopback]]:
    async with Loopback({TIME: server_time(), **routes}) as loopback:
        settings = BinanceConfig(KEY, SECRET, base_url=loopback.url, spot_url=loopback.url, **config)
        exchange = BinanceExchange(settings, clock or StillClock())
        await exchange.open()
        try:
            yield exchange, loopback
        finally:
            await exchange.close()


async def place(exchange: BinanceExchange, request: OrderRequest = ENTRY):
    return await exchange.place(request, sent_at=StillClock().now())


def accepted(request: OrderRequest) -> Answer:
    if request.kind.conditional:
        return as_json(told.algo(clientAlgoId=request.client_id))
    return as_json(told.order(clientOrderId=request.client_id))


# --- what leaves -------------------------------------------------------------------------------------


def signed_params(request: Request) -> dict[str, str]:
    """The parameters, after checking that the signature covers exactly the bytes before it."""
    payload, _, signature = request.raw_query.rpartition("&signature=")
    assert signature == hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()
    return {name: value for name, value in request.query.items() if name != "signature"}


async def test_a_market_order_on_the_wire() -> None:
    async with venue({f"POST {ORDER}": accepted(ENTRY)}) as (exchange, loopback):
        assert await place(exchange) == Accepted("283194212")
        (request,) = loopback.of("POST", ORDER)
    assert signed_params(request) == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "MARKET",
        "quantity": "0.015",
        "newClientOrderId": ENTRY.client_id,
        "newOrderRespType": "ACK",
        "recvWindow": "5000",
        "timestamp": str(told.NOW_MS),
    }
    assert request.headers["x-mbx-apikey"] == KEY
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert SECRET.encode() not in request.raw


async def test_a_closing_market_order_is_reduce_only() -> None:
    async with venue({f"POST {ORDER}": accepted(CLOSE_ALL)}) as (exchange, loopback):
        await place(exchange, CLOSE_ALL)
        (request,) = loopback.of("POST", ORDER)
    assert request.query["reduceOnly"] == "true"


async def test_a_whole_position_stop_on_the_wire() -> None:
    async with venue({f"POST {ALGO}": accepted(STOP)}) as (exchange, loopback):
        assert await place(exchange, STOP) == Accepted("2146760")
        (request,) = loopback.of("POST", ALGO)
    assert signed_params(request) == {
        "algoType": "CONDITIONAL",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "STOP_MARKET",
        "triggerPrice": "60000.5",
        "workingType": "MARK_PRICE",
        "priceProtect": "FALSE",
        "closePosition": "true",
        "clientAlgoId": STOP.client_id,
        "newOrderRespType": "ACK",
        "recvWindow": "5000",
        "timestamp": str(told.NOW_MS),
    }


async def test_small_numbers_travel_as_plain_digits() -> None:
    target = replace(
        STOP,
        kind=OrderKind.TAKE_PROFIT,
        close_position=False,
        reduce_only=True,
        quantity=Quantity(Decimal("1E-5")),
        trigger_price=Price(Decimal("1.23E-6")),
    )
    async with venue({f"POST {ALGO}": accepted(target)}) as (exchange, loopback):
        await place(exchange, target)
        (request,) = loopback.of("POST", ALGO)
    sent = signed_params(request)
    assert (sent["quantity"], sent["triggerPrice"], sent["reduceOnly"]) == ("0.00001", "0.00000123", "true")
    assert "closePosition" not in sent


async def test_a_trailing_stop_on_the_wire() -> None:
    trail = replace(
        STOP,
        kind=OrderKind.TRAILING_STOP,
        close_position=False,
        reduce_only=True,
        quantity=Quantity.of("0.2"),
        callback_rate=Decimal("0.015"),
        trigger_price=Price.of("70000"),
    )
    async with venue({f"POST {ALGO}": accepted(trail)}) as (exchange, loopback):
        await place(exchange, trail)
        sent = signed_params(loopback.of("POST", ALGO)[0])
    assert (sent["type"], sent["callbackRate"], sent["activatePrice"]) == ("TRAILING_STOP_MARKET", "1.5", "70000")
    assert "triggerPrice" not in sent


async def test_the_timestamp_is_the_moment_of_sending_on_the_venues_clock() -> None:
    """So the venue itself refuses a request that was held up on its way, whatever our clock shows."""
    clock = StillClock()
    async with venue({TIME: server_time(told.NOW_MS + 700), f"POST {ORDER}": accepted(ENTRY)}, clock=clock) as (
        exchange,
        loopback,
    ):
        sent_at = clock.now()
        clock.advance(3)
        await exchange.place(ENTRY, sent_at=sent_at)
        sent = loopback.of("POST", ORDER)[0].query
    assert sent["timestamp"] == str(told.NOW_MS + 700)


async def test_queries_carry_their_own_timestamp_and_window() -> None:
    async with venue({"GET /fapi/v3/account": as_json(told.account())}) as (exchange, loopback):
        await exchange.balance()
        sent = signed_params(loopback.of("GET", "/fapi/v3/account")[0])
    assert sent == {"recvWindow": "5000", "timestamp": str(told.NOW_MS)}


async def test_opening_asks_the_time_and_nothing_else() -> None:
    async with venue({}) as (_, loopback):
        assert [request.path for request in loopback.requests] == ["/fapi/v1/time"]


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (replace(ENTRY, quantity=None), "an order needs a quantity"),
        (replace(ENTRY, quantity=Quantity.of(0)), "an order needs a quantity"),
        (replace(ENTRY, close_position=True), "cannot close the whole position"),
        (replace(STOP, trigger_price=None), "needs a trigger price"),
        (replace(STOP, kind=OrderKind.TRAILING_STOP), "cannot close the whole position"),
        (
            replace(
                STOP,
                kind=OrderKind.TRAILING_STOP,
                close_position=False,
                quantity=Quantity.of(1),
                callback_rate=Decimal("0.11"),
            ),
            "callback rate is 0.1 to 10 percent, not 11",
        ),
    ],
)
async def test_an_order_without_words_for_it_does_not_leave(request_: OrderRequest, why: str) -> None:
    async with venue({}) as (exchange, loopback):
        outcome = await place(exchange, request_)
        assert isinstance(outcome, Rejected)
        assert why in outcome.text
        assert not loopback.of("POST", ORDER) + loopback.of("POST", ALGO)


# --- faults of the wire ------------------------------------------------------------------------------

UNKNOWN_503 = "Unknown error, please check your request or try again later."
FULL = told.order(clientOrderId=ENTRY.client_id)

UNKNOWN_ENDINGS = {
    "reset after the request was read": RESET,
    "closed without an answer": CLOSE,
    "silence": HANG,
    "half an answer, then closed": Answer(answer(200, "x" * 50).raw[:-20], "close"),
    "truncated JSON": answer(200, b'{"orderId": 2831942, "clientOrd'),
    "empty 200": answer(200, b""),
    "200 with JSON null": answer(200, b"null"),
    "200 with a list": as_json([]),
    "200 that is HTML": answer(200, "<html>ok</html>"),
    "200 without an order id": as_json({"clientOrderId": ENTRY.client_id}),
    "200 with order id 0": as_json({**FULL, "orderId": 0}),
    "200 about another order": as_json({**FULL, "clientOrderId": "somebody-elses"}),
    "200 with an error code inside": error(200, -2019, "Margin is insufficient."),
    "NaN in the answer": answer(200, b'{"orderId": NaN}'),
    "bytes that are no text": answer(200, b"\xff\xfe\x00"),
    "deeply nested": answer(200, b"[" * 100_000),
    "307 to somewhere else": answer(307, b"", Location="/fapi/v1/order"),
    "302": answer(302, b"", Location="/elsewhere"),
    "502 HTML": answer(502, "<html>Bad Gateway</html>"),
    "500": error(500, -1000, "An unknown error occurred while processing the request."),
    "503 unknown": error(503, -1000, UNKNOWN_503),
    "503 something else": error(503, 0, "Please try again"),
    "503 HTML": answer(503, "<html>Service Unavailable.</html>"),
    "504": answer(504, ""),
    "408": error(408, -1007, "Timeout waiting for response from backend server."),
    "408 with a listed code": error(408, -2019, "Margin is insufficient."),
    "500 with a listed code": error(500, -2019, "Margin is insufficient."),
    "-1006": error(400, -1006, "An unexpected response was received. Execution status unknown."),
    "-1007": error(400, -1007, "Timeout. Send status unknown; execution status unknown."),
    "-1000": error(400, -1000, "An unknown error occured while processing the request."),
    "-1001 outside a 503": error(400, -1001, "Internal error; unable to process your request. Please try again."),
    "unlisted code": error(400, -9999, "Something new."),
    "code 0": error(400, 0, "zero"),
    "no code": as_json({"msg": "no code"}, 400),
    "code that is text": as_json({"code": "-2019", "msg": "text"}, 400),
    "403 from a firewall": answer(403, "<html>Forbidden</html>"),
    "404 HTML": answer(404, "<html>Not Found</html>"),
    "-1016": error(400, -1016, "This service is no longer available."),
    "-2020": error(400, -2020, "Unable to fill."),
}


@pytest.mark.parametrize("ending", UNKNOWN_ENDINGS.values(), ids=UNKNOWN_ENDINGS.keys())
@pytest.mark.parametrize("request_", [ENTRY, STOP], ids=["market", "stop"])
async def test_without_proof_the_outcome_is_unknown_and_nothing_is_sent_twice(
    ending: Answer, request_: OrderRequest
) -> None:
    path = ALGO if request_.kind.conditional else ORDER
    async with venue({f"POST {path}": ending}, request_timeout_s=0.3) as (exchange, loopback):
        outcome = await place(exchange, request_)
        assert isinstance(outcome, Unknown), outcome
        assert len(loopback.of("POST", path)) == 1
    assert KEY not in outcome.reason
    assert "signature" not in outcome.reason


async def test_a_reset_of_a_kept_connection_is_not_sent_again() -> None:
    """An idle connection that dies under a request is where HTTP clients like to retry by themselves."""
    answers = [accepted(ENTRY), RESET, accepted(ENTRY)]
    async with venue({f"POST {ORDER}": answers}) as (exchange, loopback):
        assert isinstance(await place(exchange), Accepted)
        assert isinstance(await place(exchange), Unknown)
        assert len(loopback.of("POST", ORDER)) == 2


async def test_a_refused_connection_is_proof_that_nothing_left() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        exchange = BinanceExchange(
            BinanceConfig(KEY, SECRET, base_url=f"http://127.0.0.1:{unused.getsockname()[1]}"), StillClock()
        )
        await exchange.open()
        outcome = await place(exchange)
        with pytest.raises(VenueUnavailable, match="not sent: no connection"):
            await exchange.balance()
        await exchange.close()
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.halt) == (0, Halt.NO)
    assert outcome.text.startswith("not sent: no connection to the venue")


async def test_a_name_that_does_not_resolve_is_proof_too() -> None:
    exchange = BinanceExchange(BinanceConfig(KEY, SECRET, base_url="http://venue.invalid"), StillClock())
    await exchange.open()
    outcome = await place(exchange)
    await exchange.close()
    assert isinstance(outcome, Rejected)
    assert outcome.text.startswith("not sent: no connection to the venue")


async def test_closed_it_places_nothing() -> None:
    async with venue({}) as (exchange, loopback):
        await exchange.close()
        assert isinstance(await place(exchange), Rejected)
        with pytest.raises(VenueUnavailable, match="not open"):
            await exchange.positions()
        assert not loopback.of("POST", ORDER)


# --- what the venue says in words --------------------------------------------------------------------


@pytest.mark.parametrize("row", codes.DEFINITE, ids=lambda row: str(row.code))
async def test_every_listed_refusal_is_a_rejection(row: codes.Row) -> None:
    status = 503 if row.code == -1008 else 400
    async with venue({f"POST {ORDER}": error(status, row.code, "as told")}) as (exchange, _):
        outcome = await place(exchange)
    assert outcome == Rejected(row.code, f"{row.meaning}: as told", row.halt)


@pytest.mark.parametrize(
    "text", ["Service Unavailable.", "Internal error; unable to process your request. Please try again."]
)
async def test_two_503_texts_are_documented_as_failed(text: str) -> None:
    async with venue({f"POST {ORDER}": error(503, -1001, text)}) as (exchange, _):
        assert await place(exchange) == Rejected(-1001, text)
    async with venue({f"POST {ORDER}": answer(503, text)}) as (exchange, _):
        assert await place(exchange) == Rejected(503, text)


@pytest.mark.parametrize("status", [418, 429])
async def test_being_limited_halts_entries_and_is_obeyed(status: int) -> None:
    clock = StillClock()
    limited = error(status, -1003, "Too many requests.", Retry_After="30")
    routes = {
        f"POST {ORDER}": [limited, accepted(ENTRY)],
        "GET /fapi/v3/account": as_json(told.account()),
        f"POST {ALGO}": accepted(STOP),
    }
    async with venue(routes, clock=clock) as (exchange, loopback):
        assert await place(exchange) == Rejected(-1003, "Too many requests.", Halt.UNTIL_LOOKED)
        held = await place(exchange)
        assert isinstance(held, Rejected)
        assert (held.code, held.halt) == (-1003, Halt.UNTIL_LOOKED)
        assert "another 30 s" in held.text
        with pytest.raises(VenueUnavailable, match="pause"):
            await exchange.balance()
        stop = await place(exchange, STOP)  # a stop may still try after a 429; a banned address stays silent
        assert isinstance(stop, Accepted if status == 429 else Rejected)
        assert len(loopback.of("POST", ORDER)) == 1
        clock.advance(31)
        assert isinstance(await place(exchange), Accepted)
        assert (await exchange.balance()).wallet.value == Decimal("1000.50")


async def test_a_limit_without_a_readable_body_is_one_all_the_same() -> None:
    async with venue({f"POST {ORDER}": answer(429, "<html>slow down</html>")}) as (exchange, _):
        assert await place(exchange) == Rejected(429, "<html>slow down</html>", Halt.UNTIL_LOOKED)


@pytest.mark.parametrize(
    ("header", "used"),
    [("X-MBX-USED-WEIGHT-1M", "2390"), ("X-MBX-ORDER-COUNT-10S", "241"), ("X-MBX-ORDER-COUNT-1M", "961")],
)
async def test_above_four_fifths_only_protection_leaves(header: str, used: str) -> None:
    clock = StillClock()
    busy = as_json({"serverTime": told.NOW_MS}, **{header.replace("-", "_"): used})
    routes = {TIME: busy, f"POST {ORDER}": [accepted(CLOSE_ALL), accepted(ENTRY)], f"POST {ALGO}": accepted(STOP)}
    async with venue(routes, clock=clock) as (exchange, loopback):
        shed = await place(exchange)
        assert isinstance(shed, Rejected)
        assert shed.halt is Halt.UNTIL_LOOKED
        assert used in shed.text
        with pytest.raises(VenueUnavailable, match="kept for protection"):
            await exchange.view(BTC, "1h")
        with pytest.raises(VenueUnavailable, match="kept for protection"):
            await exchange.prepare(BTC, 5)
        assert isinstance(await place(exchange, STOP), Accepted)
        assert isinstance(await place(exchange, CLOSE_ALL), Accepted)
        clock.advance(61)  # the window is over
        assert isinstance(await place(exchange), Accepted)
        assert len(loopback.of("POST", ORDER)) == 2


async def test_a_wrong_clock_is_refused_measured_and_then_right() -> None:
    routes = {
        TIME: [server_time(), server_time(told.NOW_MS + 6_000)],
        f"POST {ORDER}": [
            error(400, -1021, "Timestamp for this request is outside of the recvWindow."),
            accepted(ENTRY),
        ],
    }
    async with venue(routes) as (exchange, loopback):
        refused = await place(exchange)
        assert isinstance(refused, Rejected)
        assert (refused.code, refused.halt) == (-1021, Halt.UNTIL_LOOKED)
        assert isinstance(await place(exchange), Accepted)
        assert [r.query["timestamp"] for r in loopback.of("POST", ORDER)] == [
            str(told.NOW_MS),
            str(told.NOW_MS + 6_000),
        ]


async def test_the_venues_clock_is_told_as_it_is() -> None:
    clock = StillClock()
    async with venue({TIME: server_time(told.NOW_MS - 1_500)}, clock=clock) as (exchange, _):
        assert await exchange.server_time() == clock.now() - timedelta(seconds=1.5)


# --- our own id, and a stop that is already there ----------------------------------------------------

DUPLICATE = error(400, -4116, "ClientOrderId is duplicated.")
PROTECTED = error(
    400, -4130, "An open stop or take profit order with GTE and closePosition in the direction is existing."
)


@pytest.mark.parametrize("request_", [ENTRY, STOP], ids=["market", "stop"])
async def test_our_own_id_being_taken_means_it_exists(request_: OrderRequest) -> None:
    path = ALGO if request_.kind.conditional else ORDER
    async with venue({f"POST {path}": DUPLICATE, f"GET {path}": accepted(request_)}) as (exchange, _):
        assert await place(exchange, request_) == Accepted("2146760" if request_ is STOP else "283194212")


@pytest.mark.parametrize("look", [error(400, -2013, "Order does not exist."), HANG, answer(502, "")])
async def test_our_own_id_being_taken_and_not_found_is_unknown(look: Answer) -> None:
    routes = {f"POST {ORDER}": DUPLICATE, f"GET {ORDER}": look}
    async with venue(routes, request_timeout_s=0.3) as (exchange, _):
        assert isinstance(await place(exchange), Unknown)


@pytest.mark.parametrize(
    ("resting", "good"),
    [
        (told.algo(algoId=77, clientAlgoId="older", triggerPrice="60000.50"), True),
        (told.algo(triggerPrice="59000"), False),
        (told.algo(triggerPrice="60000.50", side="BUY"), False),
        (told.algo(triggerPrice="60000.50", orderType="TAKE_PROFIT_MARKET"), False),
        (told.algo(triggerPrice="60000.50", closePosition=False, quantity="0.001", reduceOnly=True), False),
    ],
)
async def test_already_protected_counts_only_at_the_same_trigger(resting: dict, good: bool) -> None:
    routes = {
        f"POST {ALGO}": PROTECTED,
        "GET /fapi/v1/openOrders": as_json([]),
        "GET /fapi/v1/openAlgoOrders": as_json([resting]),
    }
    async with venue(routes) as (exchange, _):
        outcome = await place(exchange, STOP)
    assert outcome == Accepted("77") if good else isinstance(outcome, Rejected) and outcome.code == -4130


async def test_already_protected_and_no_look_at_it_is_a_rejection() -> None:
    async with venue({f"POST {ALGO}": PROTECTED, "GET /fapi/v1/openOrders": answer(502, "")}) as (exchange, _):
        outcome = await place(exchange, STOP)
    assert isinstance(outcome, Rejected)
    assert outcome.code == -4130


# --- looking for an order ----------------------------------------------------------------------------

NOT_FOUND = error(400, -2013, "Order does not exist.")


async def test_a_market_order_is_found_by_its_client_id() -> None:
    filled = told.order(clientOrderId=ENTRY.client_id, status="FILLED", executedQty="0.015", avgPrice="61000.5")
    async with venue({f"GET {ORDER}": as_json(filled)}) as (exchange, loopback):
        found = await exchange.find(ENTRY)
        sent = signed_params(loopback.of("GET", ORDER)[0])
    assert found is not None
    assert (found.state, found.filled, found.average_price) == (
        OrderState.FILLED,
        Quantity.of("0.015"),
        Price.of("61000.5"),
    )
    assert (sent["symbol"], sent["origClientOrderId"]) == ("BTCUSDT", ENTRY.client_id)


@pytest.mark.parametrize("request_", [ENTRY, STOP], ids=["market", "stop"])
async def test_an_order_the_venue_does_not_know_is_none(request_: OrderRequest) -> None:
    path = ALGO if request_.kind.conditional else ORDER
    async with venue({f"GET {path}": NOT_FOUND}) as (exchange, _):
        assert await exchange.find(request_) is None


@pytest.mark.parametrize(
    "reply", [answer(502, ""), error(400, -1022, "Signature"), as_json({}), RESET, answer(200, "")]
)
async def test_no_answer_is_not_absence(reply: Answer) -> None:
    async with venue({f"GET {ORDER}": reply, f"GET {ALGO}": reply}) as (exchange, _):
        for request in (ENTRY, STOP):
            with pytest.raises(VenueUnavailable):
                await exchange.find(request)


@pytest.mark.parametrize(
    ("algo", "child", "state", "filled"),
    [
        ({"algoStatus": "NEW"}, None, OrderState.ACCEPTED, "0"),
        ({"algoStatus": "TRIGGERING"}, None, OrderState.ACCEPTED, "0"),
        ({"algoStatus": "CANCELED"}, None, OrderState.CANCELED, "0"),
        ({"algoStatus": "REJECTED"}, None, OrderState.REJECTED, "0"),
        ({"algoStatus": "EXPIRED"}, None, OrderState.EXPIRED, "0"),
        (
            {"algoStatus": "FINISHED", "actualOrderId": "9"},
            as_json(told.order(orderId=9, status="FILLED", executedQty="0.4", avgPrice="59990")),
            OrderState.FILLED,
            "0.4",
        ),
        (
            {"algoStatus": "TRIGGERED", "actualOrderId": 9},
            as_json(told.order(orderId=9, status="PARTIALLY_FILLED", executedQty="0.1", avgPrice="59990")),
            OrderState.PARTIALLY_FILLED,
            "0.1",
        ),
        (
            {"algoStatus": "FINISHED", "actualOrderId": "9"},
            as_json(told.order(orderId=9, status="EXPIRED")),
            OrderState.EXPIRED,
            "0",
        ),
        ({"algoStatus": "TRIGGERED", "actualOrderId": "9"}, NOT_FOUND, OrderState.ACCEPTED, "0"),
        (
            {"algoStatus": "FINISHED", "actualOrderId": "9", "actualPrice": "59990", "quantity": "0.4"},
            NOT_FOUND,
            OrderState.FILLED,
            "0.4",
        ),
    ],
)
async def test_a_conditional_order_is_found_with_the_fate_of_its_child(
    algo: dict, child: Answer | None, state: OrderState, filled: str
) -> None:
    routes = {
        f"GET {ALGO}": as_json(told.algo(clientAlgoId=STOP.client_id, **algo)),
        f"GET {ORDER}": child or NOT_FOUND,
    }
    async with venue(routes) as (exchange, loopback):
        found = await exchange.find(STOP)
        assert found is not None
        assert (found.client_id, found.venue_order_id) == (STOP.client_id, "2146760")
        assert (found.state, found.filled) == (state, Quantity.of(filled))
        assert found.child_order_id == ("9" if algo.get("actualOrderId") else "")
        assert len(loopback.of("GET", ORDER)) == bool(algo.get("actualOrderId"))


async def test_a_finished_order_whose_child_is_not_listed_yet_is_no_answer() -> None:
    routes = {f"GET {ALGO}": as_json(told.algo(algoStatus="FINISHED", actualOrderId="9")), f"GET {ORDER}": NOT_FOUND}
    async with venue(routes) as (exchange, _):
        with pytest.raises(VenueUnavailable):
            await exchange.find(STOP)


async def test_open_orders_are_regular_and_conditional_ours_and_others() -> None:
    routes = {
        "GET /fapi/v1/openOrders": as_json([told.order(clientOrderId="web_x", type="LIMIT", origType="LIMIT")]),
        "GET /fapi/v1/openAlgoOrders": as_json([told.algo(), told.algo(algoStatus="TRIGGERED", actualOrderId="5")]),
    }
    async with venue(routes) as (exchange, _):
        book = await exchange.open_orders(BTC)
    assert [(order.client_id, order.kind) for order in book] == [
        ("web_x", None),
        ("b" * 32, OrderKind.STOP),
        ("b" * 32, OrderKind.STOP),
    ]
    assert (book[1].trigger_price, book[1].close_position) == (Price.of("60000"), True)
    assert book[2].child_order_id == "5"


# --- cancelling --------------------------------------------------------------------------------------

GONE = error(400, -2011, "Unknown order sent.")


async def test_cancelling_names_the_order_by_its_client_id() -> None:
    routes = {
        f"DELETE {ORDER}": as_json(told.order(status="CANCELED")),
        f"DELETE {ALGO}": as_json({"algoId": 1, "clientAlgoId": STOP.client_id, "code": "200", "msg": "success"}),
    }
    async with venue(routes) as (exchange, loopback):
        assert await exchange.cancel(ENTRY) is True
        assert await exchange.cancel(STOP) is True
        assert signed_params(loopback.of("DELETE", ORDER)[0])["origClientOrderId"] == ENTRY.client_id
        assert signed_params(loopback.of("DELETE", ALGO)[0])["clientAlgoId"] == STOP.client_id


@pytest.mark.parametrize(
    ("look", "gone"),
    [
        (NOT_FOUND, True),
        (as_json(told.order(status="CANCELED")), True),
        (as_json(told.order(status="EXPIRED", executedQty="0.001")), True),
        (as_json(told.order(status="FILLED", executedQty="0.015")), False),
    ],
)
async def test_an_order_that_cannot_be_cancelled_was_cancelled_before_or_executed(look: Answer, gone: bool) -> None:
    async with venue({f"DELETE {ORDER}": GONE, f"GET {ORDER}": look}) as (exchange, _):
        assert await exchange.cancel(ENTRY) is gone


@pytest.mark.parametrize(
    ("algo", "child", "gone"),
    [
        ({"algoStatus": "CANCELED"}, NOT_FOUND, True),
        ({"algoStatus": "FINISHED", "actualOrderId": "9"}, as_json(told.order(orderId=9, status="FILLED")), False),
        ({"algoStatus": "TRIGGERED", "actualOrderId": "9"}, as_json(told.order(orderId=9)), False),
        ({"algoStatus": "FINISHED", "actualOrderId": "9"}, as_json(told.order(orderId=9, status="CANCELED")), True),
    ],
)
async def test_a_stop_that_has_triggered_was_not_cancelled(algo: dict, child: Answer, gone: bool) -> None:
    routes = {f"DELETE {ALGO}": GONE, f"GET {ALGO}": as_json(told.algo(**algo)), f"GET {ORDER}": child}
    async with venue(routes) as (exchange, _):
        assert await exchange.cancel(STOP) is gone


@pytest.mark.parametrize("reply", [answer(502, ""), error(400, -1021, "late"), RESET])
async def test_a_cancellation_without_an_answer_is_not_claimed(reply: Answer) -> None:
    async with venue({f"DELETE {ORDER}": reply}) as (exchange, _):
        with pytest.raises(VenueUnavailable):
            await exchange.cancel(ENTRY)


async def test_an_order_that_is_alive_and_cannot_be_cancelled_is_no_answer() -> None:
    async with venue({f"DELETE {ORDER}": GONE, f"GET {ORDER}": as_json(told.order())}) as (exchange, _):
        with pytest.raises(VenueUnavailable, match="cannot be cancelled"):
            await exchange.cancel(ENTRY)


# --- secrets -----------------------------------------------------------------------------------------


async def test_neither_key_nor_secret_nor_signature_gets_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = f"key {KEY} and secret {SECRET} are not valid"
    seen: list[str] = [repr(BinanceConfig(KEY, SECRET))]
    for reply in (error(401, -2015, echo), answer(500, echo), answer(200, echo), RESET, HANG, CLOSE):
        routes = {f"POST {ORDER}": reply, "GET /fapi/v3/account": reply}
        async with venue(routes, request_timeout_s=0.3) as (exchange, _):
            seen.append(repr(await place(exchange)))
            with pytest.raises(VenueUnavailable) as caught:
                await exchange.balance()
            error_: BaseException | None = caught.value
            while error_ is not None:
                seen.append(f"{error_!r} {error_}")
                error_ = error_.__cause__ or error_.__context__
    everything = "\n".join([*seen, caplog.text])
    for secret in (KEY, SECRET, "signature="):
        assert secret not in everything
