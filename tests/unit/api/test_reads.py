"""Reads for people: one alert's story, lists in pages, and who may see them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.domain import events as ev
from app.domain.alert import AlertState
from app.domain.decision import DenyReason, Refusal, Stage
from app.domain.ids import AccountId, AlertId, Symbol, account_stream, alert_stream, client_order_id, position_stream
from app.domain.money import Money, Price, Quantity
from app.domain.order import Fill, OrderIntent, OrderKind, OrderRequest
from app.domain.side import OrderSide, Side
from app.domain.signal import Signal
from app.domain.vote import NoVote, Opinion, Seat, Vote
from app.pipeline.alert import signal_from
from app.ports import Append
from tests.intake_messages import native
from tests.intake_world import TOKEN, World

MAIN, BTC = AccountId("main"), Symbol("BTCUSDT")
READS = ["/alerts", "/alerts/x", "/orders", "/positions", "/trades", "/account"]


async def accepted(world: World, number: int = 0) -> AlertId:
    response = await world.post(native(order_id=f"order {number}"))
    assert response.status_code == 202
    return AlertId(response.json()["alert_id"])


async def signal_of(world: World, alert_id: AlertId) -> Signal:
    found = await world.database.queries.alert(alert_id)
    assert found is not None
    signal = signal_from(found[0])
    assert isinstance(signal, Signal)
    return signal


async def record(world: World, alert_id: AlertId, *events: ev.Event) -> None:
    stream = alert_stream(alert_id)
    version = len(await world.database.events.read(stream))
    await world.database.events.append(Append(stream, version, events))


def intent(alert_id: AlertId) -> OrderIntent:
    request = OrderRequest(
        client_order_id(alert_id, "entry", 0), MAIN, BTC, OrderSide.BUY, OrderKind.MARKET, Quantity.of("0.01")
    )
    return OrderIntent(request, "entry", alert_id)


async def test_an_alert_that_waits(world: World) -> None:
    alert_id = await accepted(world)
    body = (await world.get(f"/api/v1/alerts/{alert_id}")).json()
    assert body["alert_id"] == alert_id
    assert body["state"] == "pending"
    assert (body["signal"], body["verdict"], body["decision"], body["refusal"]) == (None, None, None, None)
    assert (body["votes"], body["orders"]) == ([], [])
    assert [event["type"] for event in body["events"]] == ["AlertAccepted"]


async def test_a_refused_alert_says_why_with_its_numbers(world: World) -> None:
    alert_id = await accepted(world)
    votes = [
        Vote(Seat.GPT, "stand-in", Opinion.LONG, 80, reason="trend"),
        Vote(Seat.LLAMA, "llama", None, 0, no_vote=NoVote.LATE),
    ]
    refusal = Refusal(Stage.RISK, DenyReason.COOLDOWN, "60 s have not passed.", {"passed_s": "12"})
    await record(world, alert_id, ev.SignalRead(await signal_of(world, alert_id)), *map(ev.VoteCast, votes))
    await record(world, alert_id, ev.AlertRefused(refusal), ev.AlertFinished(AlertState.REFUSED, "Too soon."))
    body = (await world.get(f"/api/v1/alerts/{alert_id}")).json()
    assert (body["state"], body["summary"]) == ("refused", "Too soon.")
    assert body["refusal"] == {
        "stage": "risk",
        "reason": "COOLDOWN",
        "detail": "60 s have not passed.",
        "numbers": {"passed_s": "12"},
    }
    assert [(vote["seat"], vote["opinion"], vote["no_vote"]) for vote in body["votes"]] == [
        ("gpt", "LONG", None),
        ("llama", None, "LATE"),
    ]
    assert (body["signal"]["price"], body["signal"]["target"]) == ("43000.5", "LONG")
    assert body["events"][-1]["data"] == {"state": "refused", "summary": "Too soon."}


async def test_an_alert_with_an_order(world: World) -> None:
    alert_id = await accepted(world)
    order = intent(alert_id)
    client_id = order.request.client_id
    now = datetime(2026, 1, 5, 12, tzinfo=UTC)
    fill = Fill("7", "v1", BTC, OrderSide.BUY, Quantity.of("0.01"), Price.of(43000), Money.of("0.2"), Money.of(0), now)
    await record(world, alert_id, ev.OrderIntended(order), ev.OrderSent(client_id, now, now))
    await record(world, alert_id, ev.OrderAccepted(client_id, "v1"), ev.OrderFilled(client_id, fill, complete=True))
    [shown] = (await world.get(f"/api/v1/alerts/{alert_id}")).json()["orders"]
    assert (shown["leg"], shown["state"], shown["filled"], shown["quantity"]) == ("entry", "FILLED", "0.01", "0.01")
    assert shown["fills"][0]["price"] == "43000"
    [row] = (await world.get("/api/v1/orders")).json()["orders"]
    assert (row["client_id"], row["state"], row["alert_id"]) == (client_id, "FILLED", alert_id)


async def test_lists_come_in_pages_the_newest_first(world: World) -> None:
    ids = []
    for number in range(5):
        ids.append(await accepted(world, number))
        world.clock.advance(1)
    seen: list[str] = []
    before: str | None = ""
    while before is not None:
        page = (await world.get(f"/api/v1/alerts?limit=2{f'&before={before}' if before else ''}")).json()
        seen += [alert["alert_id"] for alert in page["alerts"]]
        before = page["next"]
    assert seen == ids[::-1]


async def test_positions_and_trades(world: World) -> None:
    alert_id = await accepted(world)
    opened = ev.PositionOpened(MAIN, BTC, Side.LONG, Quantity.of("0.01"), Price.of(43000), "mine", alert_id)
    await world.database.events.append(Append(position_stream(MAIN, BTC), 0, (opened,)))
    [held] = (await world.get("/api/v1/positions")).json()["positions"]
    assert (held["symbol"], held["side"], held["quantity"], held["entry_price"]) == ("BTCUSDT", "LONG", "0.01", "43000")
    closed = ev.PositionClosed(
        MAIN,
        BTC,
        Side.LONG,
        Quantity.of("0.01"),
        Price.of(43000),
        Price.of(44000),
        Money.of(10),
        Money.of("0.4"),
        "mine",
        alert_id,
        world.clock.now(),
        "signal",
    )
    await world.database.events.append(Append(position_stream(MAIN, BTC), 1, (closed,)))
    assert (await world.get("/api/v1/positions")).json() == {"positions": []}
    [trade] = (await world.get("/api/v1/trades")).json()["trades"]
    assert (trade["realised_pnl"], trade["exit_price"], trade["why"]) == ("10", "44000", "signal")


async def test_the_account(world: World) -> None:
    paused = ev.TradingPaused(MAIN, "test", "lunch")
    await world.database.events.append(Append(account_stream(MAIN), 0, (paused,)))
    body = (await world.get("/api/v1/account")).json()
    assert (body["account"], body["exchange"], body["mode"], body["accounts"]) == ("main", "binance", "paper", ["main"])
    assert (body["equity"], body["available"], body["paused"], body["killed"]) == ("10000", "9000", True, False)


async def test_an_account_whose_venue_is_silent(world: World) -> None:
    world.balance = None
    body = (await world.get("/api/v1/account?account=main")).json()
    assert (body["equity"], body["paused"]) == (None, False)


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/alerts/nobody", 404, "alert_id"),
        ("/account?account=nobody", 404, "account"),
        ("/alerts?limit=0", 422, "limit"),
        ("/alerts?limit=many", 422, "limit"),
        ("/orders?limit=501", 422, "limit"),
        ("/trades?before=x", 422, "before"),
        ("/trades?before=99999999999999999999999", 422, "before"),
        (f"/alerts/{'x' * 65}", 422, "alert_id"),
    ],
)
async def test_what_cannot_be_read(world: World, path: str, status: int, field: str) -> None:
    response = await world.get(f"/api/v1{path}")
    assert (response.status_code, response.json()["error"]["field"]) == (status, field)


# --- who may read ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"]
)
async def test_reads_need_the_token(world: World, path: str, value: str) -> None:
    response = await world.get(f"/api/v1{path}", authorization=value)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


async def test_the_scheme_is_written_in_any_case(world: World) -> None:
    assert (await world.get("/api/v1/alerts", authorization=f"bearer {TOKEN}")).status_code == 200


LOCAL: list[tuple[dict[str, Any], dict[str, str], int]] = [
    ({"sender": "127.0.0.1"}, {}, 200),
    ({"sender": "::1"}, {"host": "[::1]:8001"}, 200),
    ({"sender": "127.0.0.1"}, {"host": "localhost"}, 200),
    ({"sender": "198.51.100.7"}, {}, 401),
    ({"sender": "127.0.0.1", "paper": False}, {}, 401),
    ({"sender": "127.0.0.1"}, {"x-forwarded-for": "198.51.100.7"}, 401),  # somebody else through a local proxy
    ({"sender": "127.0.0.1"}, {"host": "evil.example:8001"}, 401),  # a page whose name points here
    ({"sender": "127.0.0.1", "token": TOKEN}, {}, 401),
]


@pytest.mark.parametrize(("changes", "headers", "status"), LOCAL)
async def test_without_a_token_only_this_machine_reads_and_only_on_paper(
    world: World, changes: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    world.strategies.write_text("strategies: {}\n")
    world.token = ""
    for name, value in changes.items():
        setattr(world, name, value)
    response = await world.get("/api/v1/alerts", authorization="", **headers)
    assert response.status_code == status


async def test_an_empty_token_opens_nothing(world: World) -> None:
    world.token = ""
    assert (await world.get("/api/v1/alerts", authorization="Bearer ")).status_code == 401


async def test_prices_and_sizes_are_text(world: World) -> None:
    alert_id = await accepted(world)
    await record(world, alert_id, ev.SignalRead(await signal_of(world, alert_id)))
    signal = (await world.get(f"/api/v1/alerts/{alert_id}")).json()["signal"]
    assert Decimal(signal["stop_loss"]) == 42000
    assert isinstance(signal["stop_loss"], str)
