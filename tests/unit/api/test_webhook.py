"""The webhook: 2xx only for what is stored, a clear 4xx for the sender's mistakes, 503 for ours, never a 500."""

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.domain.alert import Alert
from app.domain.errors import StorageUnavailable
from app.domain.signal import Signal
from app.log import Redactor
from app.pipeline.alert import signal_from
from app.ports import PutResult
from app.registry import add_strategy, finish_rotation, rotate
from tests.intake_messages import MALFORMED, PRESETS, SECRET, native
from tests.intake_world import WEBHOOK, World


def error_of(response: httpx.Response) -> dict[str, str]:
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "field", "detail"}
    return dict(body["error"])


# --- taken in ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
async def test_a_good_alert_is_stored_and_its_format_named(world: World, preset: str) -> None:
    response = await world.post(PRESETS[preset]())
    assert response.status_code == 202
    [line] = await world.database.queries.alerts(limit=10)
    assert response.json() == {"alert_id": line.alert.alert_id, "status": "accepted", "preset": preset}
    assert (line.alert.symbol, line.alert.account, line.alert.sender) == ("BTCUSDT", "main", "198.51.100.7")
    assert line.alert.received_at == world.clock.now()
    assert isinstance(signal_from(line.alert), Signal)


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "image/png", ""])
async def test_the_content_type_means_nothing(world: World, content_type: str) -> None:
    assert (await world.post(native(), **{"content-type": content_type})).status_code == 202


async def test_a_repeat_is_a_duplicate_of_the_first(world: World) -> None:
    first = await world.post(native())
    again = await world.post(native(fired_at="2026-01-05T12:00:05Z"))
    assert again.status_code == 202
    assert again.json() == first.json() | {"status": "duplicate"}
    assert await world.rows() == 1


async def test_50_equal_alerts_at_once_are_one_alert(world: World) -> None:
    async with world.client() as client:
        answers = await asyncio.gather(*(client.post(WEBHOOK, content=native()) for _ in range(50)))
    statuses = [answer.json()["status"] for answer in answers]
    assert {answer.status_code for answer in answers} == {202}
    assert (statuses.count("accepted"), statuses.count("duplicate")) == (1, 49)
    assert len({answer.json()["alert_id"] for answer in answers}) == 1
    assert await world.rows() == 1


async def test_the_workers_are_woken_once(world: World) -> None:
    await world.post(native())
    await asyncio.wait_for(world.doorbell.wait(3600), timeout=10)
    await world.post(native())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(world.doorbell.wait(3600), timeout=0)


async def test_a_resend_after_outages_is_one_alert(world: World) -> None:
    """TradingView's pattern: 503, 503, 503, then taken, 5 s apart."""
    inbox = Outage(world, answers=3)
    world.inbox = inbox
    async with world.client() as client:
        statuses = []
        for _ in range(5):
            statuses.append((await client.post(WEBHOOK, content=native())).status_code)
            world.clock.advance(5)
    assert statuses == [503, 503, 503, 202, 202]
    assert await world.rows() == 1


# --- refused -------------------------------------------------------------------------------------------------


async def test_no_malformed_body_gets_further_than_a_clear_4xx(world: World) -> None:
    async with world.client() as client:
        for name, (body, status, field) in MALFORMED.items():
            response = await client.post(WEBHOOK, content=body)
            assert (response.status_code, error_of(response)["field"]) == (status, field), name
    assert await world.rows() == 0


BODIES = st.binary(max_size=400) | st.builds(
    lambda good, start, length, patch: good[: start % len(good)] + patch + good[start % len(good) + length :],
    st.sampled_from([make() for make in PRESETS.values()]),
    st.integers(0, 1000),
    st.integers(0, 6),
    st.binary(max_size=4),
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(BODIES, min_size=20, max_size=40))
async def test_no_bytes_end_in_a_server_error(world: World, bodies: list[bytes]) -> None:
    async with world.client() as client:
        for body in bodies:
            before = await world.rows()
            response = await client.post(WEBHOOK, content=body)
            assert response.status_code in (202, 400, 401, 413, 422)
            if response.status_code != 202:
                assert error_of(response)["code"]
                assert await world.rows() == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"symbol": "DOGEUSDT.P"}, "symbol"),
        ({"secret": "x" * 43}, "secret"),
        ({"secret": None}, "secret"),
        ({"secret": ""}, "secret"),
    ],
)
async def test_what_may_not_trade(world: World, changes: dict[str, Any], field: str) -> None:
    response = await world.post(native(**changes))
    assert response.status_code == (422 if field == "symbol" else 401)
    assert error_of(response)["field"] == field
    assert await world.rows() == 0


async def test_a_symbol_the_strategy_may_not_trade(world: World) -> None:
    secret = add_strategy(world.strategies, "mine", ["ETHUSDT"])
    refused = await world.post(native(secret=secret, strategy="mine"))
    assert (refused.status_code, error_of(refused)["field"]) == (422, "symbol")
    taken = await world.post(native(secret=secret, strategy="mine", symbol="ETHUSDT.P"))
    assert taken.status_code == 202


async def test_an_unknown_strategy_and_a_wrong_secret_look_alike(world: World) -> None:
    secret = add_strategy(world.strategies, "mine", [])
    world.paper = False
    async with world.client() as client:
        answers = [
            await client.post(WEBHOOK, content=native(strategy=name, secret=given))
            for name, given in [("mine", "wrong"), ("unknown", "wrong"), ("unknown", secret), ("mine", SECRET)]
        ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1


async def test_an_old_secret_ends_with_its_rotation(world: World) -> None:
    old = add_strategy(world.strategies, "mine", [])
    async with world.client() as client:

        async def answer(secret: str, bar: int) -> int:
            body = native(strategy="mine", secret=secret, bar_time=f"2026-01-05T{bar:02}:00:00Z")
            world.clock.advance(1)
            return (await client.post(WEBHOOK, content=body)).status_code

        assert await answer(old, 1) == 202
        new = rotate(world.strategies, "mine")
        assert (await answer(old, 2), await answer(new, 3)) == (202, 202)
        finish_rotation(world.strategies, "mine")
        assert (await answer(old, 4), await answer(new, 5)) == (401, 202)


async def test_compressed_bodies_are_refused(world: World) -> None:
    response = await world.post(native(), **{"content-encoding": "gzip"})
    assert (response.status_code, error_of(response)["field"]) == (400, "content-encoding")


@pytest.mark.parametrize("length", ["99999999", "16385", "9" * 5000])
async def test_an_announced_size_is_believed(world: World, length: str) -> None:
    assert (await world.post(native(), **{"content-length": length})).status_code == 413


async def test_other_methods_and_paths_have_the_same_shape(world: World) -> None:
    async with world.client() as client:
        wrong_method = await client.put(WEBHOOK, content=native())
        wrong_path = await client.post(f"{WEBHOOK}/x", content=native())
    assert (wrong_method.status_code, error_of(wrong_method)["code"]) == (405, "method_not_allowed")
    assert (wrong_path.status_code, error_of(wrong_path)["code"]) == (404, "not_found")


# --- overload ------------------------------------------------------------------------------------------------


async def test_too_many_messages_of_one_sender(world: World) -> None:
    world.with_rules(rate_limit=3, rate_window_s=10)
    async with world.client() as client:
        statuses = [(await client.post(WEBHOOK, content=native())).status_code for _ in range(4)]
        assert statuses == [202, 202, 202, 429]
        world.clock.advance(11)
        assert (await client.post(WEBHOOK, content=native())).status_code == 202


async def test_a_full_backlog_sheds_entries_before_exits(world: World) -> None:
    world.with_rules(max_backlog=1)
    async with world.client() as client:

        async def answer(bar: int, position: str) -> int:
            world.clock.advance(2)
            action = "sell" if position == "flat" else "buy"
            body = native(
                bar_time=f"2026-01-05T{bar:02}:00:00Z",
                action=action,
                market_position=position,
                market_position_size=None,
            )
            return (await client.post(WEBHOOK, content=body)).status_code

        assert await answer(1, "long") == 202
        assert await answer(2, "long") == 429
        assert await answer(3, "flat") == 202
        assert await answer(4, "flat") == 429
    assert await world.rows() == 2


# --- our own trouble -----------------------------------------------------------------------------------------


class Outage:
    """An inbox that fails a number of times, in one of several ways, and works again."""

    def __init__(self, world: World, *, answers: int = 10**6, error: Exception | None = None) -> None:
        self._inbox = world.database.inbox
        self._left = answers
        self._error = error or StorageUnavailable("connection refused by db.internal:5432")

    async def put(self, alert: Alert) -> PutResult:
        if self._left:
            self._left -= 1
            raise self._error
        return await self._inbox.put(alert)

    async def backlog(self) -> int:
        return 0

    async def claim(self, *_: Any) -> None: ...
    async def release(self, *_: Any) -> None: ...


class Stuck(Outage):
    """An inbox that never answers and does not even stop when it is told to."""

    def __init__(self, world: World, where: str) -> None:
        super().__init__(world)
        self.where = where
        self.released = asyncio.Event()

    async def put(self, alert: Alert) -> PutResult:
        if self.where == "put":
            await self._hang()
        return await self._inbox.put(alert)

    async def backlog(self) -> int:
        if self.where == "backlog":
            await self._hang()
        return 0

    async def _hang(self) -> None:
        while not self.released.is_set():
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                continue


async def test_an_outage_is_a_503_that_asks_for_a_resend(world: World) -> None:
    world.inbox = Outage(world)
    response = await world.post(native())
    assert (response.status_code, error_of(response)["code"]) == (503, "unavailable")
    assert "db.internal" not in response.text


@pytest.mark.parametrize("where", ["put", "backlog"])
async def test_a_database_that_hangs_is_a_503_in_time(world: World, where: str) -> None:
    stuck = Stuck(world, where)
    world.inbox = stuck
    world.with_rules(storage_timeout_s=0.05)
    try:
        response = await asyncio.wait_for(world.post(native()), timeout=30)
    finally:
        stuck.released.set()
    assert response.status_code == 503


async def test_a_bug_is_a_503_with_an_incident_number(world: World) -> None:
    world.inbox = Outage(world, error=RuntimeError("surprise"))
    with capture_logs() as logs:
        response = await world.post(native())
    assert (response.status_code, error_of(response)["code"]) == (503, "unexpected")
    assert "surprise" not in response.text
    [incident] = [entry for entry in logs if entry["event"] == "unexpected"]
    assert incident["incident"] in error_of(response)["detail"]
    assert incident["error"] == "RuntimeError"


async def test_nothing_after_storing_spoils_the_answer(world: World) -> None:
    class Broken:
        def ring(self) -> None:
            raise RuntimeError("no bell")

    world.doorbell = Broken()
    assert (await world.post(native())).status_code == 202
    assert await world.rows() == 1


# --- secrets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
async def test_the_secret_is_in_no_row_no_log_and_no_answer(world: World, preset: str) -> None:
    world.with_rules(max_backlog=3)
    with capture_logs() as logs:
        async with world.client() as client:
            good = PRESETS[preset]()
            bodies = [good, good, good[:-3], good + b"!", good.replace(b"BTC", b"XYZ")]
            texts = [(await client.post(WEBHOOK, content=body)).text for body in bodies]
        world.inbox = Outage(world, error=RuntimeError("surprise"))
        texts.append((await world.post(PRESETS[preset]())).text)
    events = [item for line in await world.database.queries.alerts(limit=9) for item in await story(world, line)]
    assert await world.rows() == 1
    assert SECRET not in f"{texts} {logs} {await world.stored_bodies()!r} {events}"


async def story(world: World, line: Any) -> Any:
    found = await world.database.queries.alert(line.alert.alert_id)
    assert found is not None
    return found[1]


async def test_every_answer_is_counted(world: World) -> None:
    async with world.client() as client:
        await client.post(WEBHOOK, content=native())
        await client.post(WEBHOOK, content=b"{}")
        metrics = (await client.get("/metrics")).text
    assert 'tradingbot_webhook_answers_total{preset="native",status="202"} 1.0' in metrics
    assert 'tradingbot_webhook_answers_total{preset="",status="422"} 1.0' in metrics


async def test_it_is_known_which_secret_is_still_in_use(world: World) -> None:
    async with world.client() as client:
        with capture_logs() as logs:
            await client.post(WEBHOOK, content=native())
        metrics = (await client.get("/metrics")).text
    taken = [line for line in logs if line["event"] == "alert taken"]
    assert [(line["strategy"], line["proven_by"]) for line in taken] == [("supertrend-btc-1h", "shared")]
    assert 'tradingbot_webhook_secrets_total{secret="shared"} 1.0' in metrics
    assert 'tradingbot_webhook_secrets_total{secret="current"} 0.0' in metrics
    assert Redactor().value(taken[0]) == taken[0]
