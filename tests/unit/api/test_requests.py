"""Requests are counted by route and status, and by nothing that was typed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from app.api.requests import OTHER, RequestMeter
from app.main import create_app
from tests.intake_world import World


async def test_answers_are_counted_by_the_route_they_were_declared_with(world: World) -> None:
    told: list[tuple[str, int, float]] = []
    app = create_app(replace(world.api(), requested=lambda *what: told.append(what)))
    async with world.client(app) as client:
        await client.get("/api/v1/health")
        await client.get("/health")
        await client.get("/api/v1/alerts/01J0000000000000000000SECRET")
        await client.get("/wp-admin/login.php?token=abc")
        await client.post("/api/v1/webhooks/tradingview", content=b"{")
    assert [(route, status) for route, status, _ in told] == [
        ("/health", 200),
        ("/health", 200),
        ("/alerts/{alert_id}", 401),
        (OTHER, 404),
        ("/webhooks/tradingview", 400),
    ]
    assert all(0 <= seconds < 60 for _, _, seconds in told)


async def test_a_request_that_breaks_is_counted_and_goes_on_breaking(world: World) -> None:
    told: list[tuple[str, int, float]] = []

    async def breaks(*_: Any) -> None:
        await asyncio.sleep(0)
        raise RuntimeError("no")

    send: Callable[..., Awaitable[None]] = breaks
    meter = RequestMeter(breaks, replace(world.api(), requested=lambda *what: told.append(what)))
    with pytest.raises(RuntimeError):
        await meter({"type": "http"}, breaks, send)
    assert [(route, status) for route, status, _ in told] == [(OTHER, 0)]
