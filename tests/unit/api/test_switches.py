"""Pause, resume, kill; health, readiness, metrics; and a document that tells the truth about all of it."""

import asyncio
from importlib.metadata import version
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from app.domain.errors import StorageUnavailable, VenueUnavailable
from app.main import create_app
from tests.intake_world import TOKEN, World

TRADING = "/api/v1/trading"


async def press(world: World, switch: str, body: bytes = b"", token: str = TOKEN) -> httpx.Response:
    async with world.client() as client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return await client.post(f"{TRADING}/{switch}", content=body, headers=headers)


async def test_the_switches(world: World) -> None:
    paused = await press(world, "pause", b'{"why": "holiday"}')
    assert (paused.status_code, paused.json()) == (200, {"result": "main is paused."})
    assert world.switches.paused == "api: holiday"
    assert (await press(world, "kill")).status_code == 200
    assert world.switches.killed == "api: "
    assert (await press(world, "resume")).status_code == 200
    assert (world.switches.paused, world.switches.killed) == (None, None)


@pytest.mark.parametrize("switch", ["pause", "resume", "kill"])
@pytest.mark.parametrize("token", ["", "wrong"])
async def test_the_switches_need_the_token_even_here(world: World, switch: str, token: str) -> None:
    world.sender = "127.0.0.1"
    world.switches.paused = "before"
    for configured in (TOKEN, ""):
        world.token = configured
        assert (await press(world, switch, token=token)).status_code == 401
    assert (world.switches.paused, world.switches.killed) == ("before", None)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"why": 5}', 200),
        (b'{"why": ["x"]}', 422),
        (b'{"why": "' + b"x" * 300 + b'"}', 422),
        (b"x" * 20_000, 413),
        (b"[" * 10_000, 400),
        (b"\xff", 400),
    ],
)
async def test_a_reason_that_cannot_be_read_presses_nothing(world: World, body: bytes, status: int) -> None:
    assert (await press(world, "kill", body)).status_code == status
    assert (world.switches.killed is not None) == (status == 200)


@pytest.mark.parametrize("error", [StorageUnavailable("db.internal"), VenueUnavailable("x"), RuntimeError("y")])
async def test_a_switch_that_was_not_recorded_is_a_503(world: World, error: Exception) -> None:
    class Jammed:
        async def pause(self, by: str, why: str = "") -> str:
            raise error

    world.switches = Jammed()
    with capture_logs():
        response = await press(world, "pause")
    assert response.status_code == 503
    assert "db.internal" not in response.text


# --- health ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_health_needs_nothing(world: World, prefix: str) -> None:
    response = await world.get(f"{prefix}/health", authorization="")
    assert (response.status_code, response.json()) == (
        200,
        {"status": "ok", "version": version("tradingbot-ai"), "release": "dev"},
    )


async def fine() -> str:
    return "binance, 3 ms"


async def broken() -> str:
    raise VenueUnavailable("https://key:secret@venue.internal")


async def test_ready_when_every_check_passes(world: World) -> None:
    world.probes = {"venue": fine}
    response = await world.get("/ready", authorization="")
    assert response.status_code == 200
    assert response.json() == {
        "ready": True,
        "checks": {"database": {"ok": True, "detail": ""}, "venue": {"ok": True, "detail": "binance, 3 ms"}},
    }


async def test_not_ready_says_which_check_and_no_more(world: World) -> None:
    world.probes = {"venue": broken, "reconciled": fine}
    response = await world.get("/api/v1/ready", authorization="")
    assert response.status_code == 503
    assert response.json()["checks"]["venue"] == {"ok": False, "detail": "VenueUnavailable"}
    assert response.json()["checks"]["reconciled"]["ok"]
    assert "secret" not in response.text


async def test_a_check_that_hangs_does_not_hold_up_the_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs() -> str:
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr("app.api.health.PROBE_TIMEOUT_S", 0.05)
    world.probes = {"venue": hangs}
    response = await asyncio.wait_for(world.get("/ready"), timeout=30)
    assert response.status_code == 503
    assert "no answer" in response.json()["checks"]["venue"]["detail"]


@pytest.mark.parametrize("path", ["/metrics", "/api/v1/metrics"])
async def test_metrics_are_prometheus_text(world: World, path: str) -> None:
    response = await world.get(path, authorization="")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    assert "tradingbot_webhook_seconds_bucket" in response.text


# --- the document -------------------------------------------------------------------------------------------


def operations(world: World) -> dict[str, dict[str, Any]]:
    paths = create_app(world.api()).openapi()["paths"]
    return {f"{method.upper()} {path}": op for path, item in paths.items() for method, op in item.items()}


async def test_the_document_names_every_route_and_every_error(world: World) -> None:
    expected = {
        "POST /api/v1/webhooks/tradingview": {"202", "400", "401", "403", "408", "413", "422", "429", "503"},
        "GET /api/v1/alerts": {"200", "401", "422", "503"},
        "GET /api/v1/alerts/{alert_id}": {"200", "401", "404", "422", "503"},
        "GET /api/v1/orders": {"200", "401", "422", "503"},
        "GET /api/v1/positions": {"200", "401", "503"},
        "GET /api/v1/trades": {"200", "401", "422", "503"},
        "GET /api/v1/account": {"200", "401", "404", "422", "503"},
        "POST /api/v1/trading/pause": {"200", "400", "401", "408", "413", "422", "503"},
        "POST /api/v1/trading/resume": {"200", "401", "503"},
        "POST /api/v1/trading/kill": {"200", "400", "401", "408", "413", "422", "503"},
        "GET /api/v1/health": {"200", "503"},
        "GET /api/v1/ready": {"200", "503"},
        "GET /api/v1/metrics": {"200", "503"},
    }
    assert {name: set(op["responses"]) for name, op in operations(world).items()} == expected


async def test_every_error_has_the_one_shape(world: World) -> None:
    for name, op in operations(world).items():
        for status, response in op["responses"].items():
            if int(status) >= 400 and not name.endswith("/ready"):
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorBody"}, (name, status)


async def test_the_document_is_served(world: World) -> None:
    assert (await world.get("/api/v1/openapi.json")).json()["info"]["title"] == "TradingBot AI"
