"""With nothing listening where Redis should be, everything goes on inside the process."""

import asyncio
from pathlib import Path

import pytest

from app.adapters.redis import RedisDoorbell, RedisRateLimiter, connect
from app.adapters.redis.breaker import Breaker
from app.domain.errors import BadSettings
from tests.fakes import FakeClock


@pytest.fixture
def nobody(tmp_path: Path) -> str:
    return f"unix://{tmp_path}/nobody.sock"


async def test_rings_still_arrive(nobody: str) -> None:
    client = connect(nobody)
    doorbell = RedisDoorbell(client, FakeClock(), name="a")
    await doorbell.start()
    for _ in range(100):
        waiting = asyncio.create_task(doorbell.wait(3600))
        await asyncio.sleep(0)
        doorbell.ring()
        await asyncio.wait_for(waiting, timeout=10)
    assert not doorbell.connected
    await doorbell.close()
    await client.aclose()


async def test_rings_arrive_before_start_and_after_close(nobody: str) -> None:
    doorbell = RedisDoorbell(connect(nobody), FakeClock(), name="a")
    doorbell.ring()
    await asyncio.wait_for(doorbell.wait(3600), timeout=10)
    await doorbell.start()
    await doorbell.close()
    doorbell.ring()
    await asyncio.wait_for(doorbell.wait(3600), timeout=10)


async def test_limits_still_hold(nobody: str) -> None:
    limiter = RedisRateLimiter(connect(nobody), FakeClock())
    answers = [await limiter.allow("sender", limit=3, window_s=60) for _ in range(5)]
    assert answers == [True, True, True, False, False]


@pytest.mark.parametrize("url", ["", "localhost", "http://localhost:6379", "redis://:hunter2@host:port"])
def test_a_wrong_url_is_the_operators_to_mend_and_is_not_repeated(url: str) -> None:
    with pytest.raises(BadSettings, match="REDIS_URL must look like") as caught:
        connect(url)
    assert "hunter2" not in str(caught.value)


def test_an_outage_costs_one_try_per_pause() -> None:
    clock = FakeClock()
    breaker = Breaker(clock, pause_s=1, longest_s=4)
    assert breaker.may_try()
    assert breaker.failed(), "the first failure is news"
    tries_at = []
    for second in range(20):
        if breaker.may_try():
            tries_at.append(second)
            assert not breaker.failed(), "the others are not"
        clock.advance(1)
    assert tries_at == [1, 3, 7, 11, 15, 19]


def test_after_the_pause_only_one_caller_tries() -> None:
    clock = FakeClock()
    breaker = Breaker(clock, pause_s=1)
    breaker.failed()
    clock.advance(1)
    assert [breaker.may_try() for _ in range(3)] == [True, False, False]


def test_a_success_ends_the_outage() -> None:
    breaker = Breaker(FakeClock())
    assert not breaker.succeeded(), "there was none"
    breaker.failed()
    assert breaker.succeeded()
    assert breaker.may_try()
