"""Whose address counts: only what balancers of ours wrote into X-Forwarded-For is believed."""

from ipaddress import ip_network

import pytest

from app.api.auth import TRADINGVIEW, client_address, is_allowed
from tests.intake_messages import native
from tests.intake_world import World

TV = "52.89.214.238"
EVIL = "203.0.113.66"


def scope(peer: str | None, *forwarded: str) -> dict[str, object]:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"type": "http", "client": (peer, 1) if peer is not None else None, "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "hops", "expected"),
    [
        (TV, [], 0, TV),
        (EVIL, [TV], 0, EVIL),  # nobody of ours wrote that
        ("10.0.0.1", [TV], 1, TV),
        ("10.0.0.1", [f"{TV}, {EVIL}"], 1, EVIL),  # the caller invented the first entry
        ("10.0.0.1", [TV, EVIL], 1, EVIL),  # the same in two headers
        ("10.0.0.1", [f"{EVIL}, {TV}, 10.0.0.2"], 2, TV),
        ("10.0.0.1", [f"{TV}"], 2, "10.0.0.1"),  # came around one of the balancers
        ("10.0.0.1", [], 1, "10.0.0.1"),
        ("10.0.0.1", [f"{TV}, "], 1, ""),
        ("10.0.0.1", ["nonsense"], 1, ""),
        ("10.0.0.1", [f"{TV}:4711"], 1, TV),
        ("10.0.0.1", ["[2001:db8::1]:4711"], 1, "2001:db8::1"),
        ("10.0.0.1", [f"::ffff:{TV}"], 1, TV),
        (f"::ffff:{TV}", [], 0, TV),
        (None, [], 0, ""),
    ],
)
def test_the_clients_address(peer: str | None, forwarded: list[str], hops: int, expected: str) -> None:
    assert client_address(scope(peer, *forwarded), hops) == expected


def test_the_allow_list() -> None:
    assert is_allowed(EVIL, ())
    assert is_allowed(TV, TRADINGVIEW)
    assert not is_allowed(EVIL, TRADINGVIEW)
    assert not is_allowed("", TRADINGVIEW)
    assert is_allowed("2001:db8::7", [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")])


@pytest.mark.parametrize(
    ("sender", "hops", "headers", "status"),
    [
        (TV, 0, {}, 202),
        (EVIL, 0, {}, 403),
        (EVIL, 0, {"x-forwarded-for": TV}, 403),
        (EVIL, 1, {"x-forwarded-for": TV}, 202),  # the peer is our balancer then
        ("10.0.0.1", 1, {"x-forwarded-for": f"{TV}, {EVIL}"}, 403),
        (EVIL, 0, {"x-real-ip": TV, "forwarded": f"for={TV}", "true-client-ip": TV}, 403),
        (EVIL, 0, {"x-client-cert": "CN=TradingView Webhooks"}, 403),
    ],
)
async def test_only_listed_senders_get_in(
    world: World, sender: str, hops: int, headers: dict[str, str], status: int
) -> None:
    world.sender = sender
    world.with_rules(allow_from=TRADINGVIEW, trusted_proxies=hops)
    response = await world.post(native(), **headers)
    assert response.status_code == status
    assert await world.rows() == (status == 202)


async def test_a_spoofed_header_does_not_escape_the_rate_limit(world: World) -> None:
    world.with_rules(rate_limit=2)
    async with world.client() as client:
        statuses = [
            (
                await client.post(
                    "/api/v1/webhooks/tradingview", content=native(), headers={"x-forwarded-for": f"192.0.2.{n}"}
                )
            ).status_code
            for n in range(3)
        ]
    assert statuses == [202, 202, 429]
