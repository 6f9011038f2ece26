"""Against a real server: shared while it is up, local while it is not, shared again by itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import monotonic

import pytest
from redis.asyncio import Redis

from app.adapters.redis import RedisDoorbell, RedisRateLimiter, connect
from tests.redis_server import RedisServer


class QuickClock:
    """Real time, with pauses cut short."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return monotonic() * 50

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 50)


CLOCK = QuickClock()
PATIENT = 20.0  # seconds: a busy machine is not an outage


async def until(true: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while True:
            answer = true()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.005)


@asynccontextmanager
async def ringing(url: str, name: str, silence_s: float = 15) -> AsyncIterator[RedisDoorbell]:
    """A process's doorbell: connected, and with the ring of its own beginning already heard."""
    async with connect(url) as client:
        doorbell = RedisDoorbell(client, CLOCK, name=name, silence_s=silence_s)
        await doorbell.start()
        try:
            await until(lambda: doorbell.connected)
            await heard(doorbell)
            yield doorbell
        finally:
            await doorbell.close()


async def heard(doorbell: RedisDoorbell) -> None:
    await asyncio.wait_for(doorbell.wait(3600), timeout=20)


async def rings_through(sender: RedisDoorbell, receiver: RedisDoorbell) -> None:
    """A ring may be lost at a seam; ringing on is what a busy intake does."""
    hearing = asyncio.create_task(heard(receiver))
    while not hearing.done():
        sender.ring()
        await asyncio.wait((hearing,), timeout=0.02)
    await hearing


async def test_a_ring_is_heard_in_every_process(redis_url: str) -> None:
    async with ringing(redis_url, "a") as a, ringing(redis_url, "b") as b, ringing(redis_url, "c") as c:
        hearing = asyncio.gather(heard(a), heard(b), heard(c))
        await asyncio.sleep(0)
        a.ring()
        await hearing


async def test_a_process_hears_its_own_ring_once(redis_url: str) -> None:
    async with ringing(redis_url, "a") as a, ringing(redis_url, "b") as b:
        hearing = asyncio.gather(heard(a), heard(b))
        await asyncio.sleep(0)
        a.ring()
        await hearing
        # b's answer reaches a after a's own echo: had the echo been a ring, two would have been remembered.
        b.ring()
        await until(lambda: a._local._remembered > 0)
        assert a._local._remembered == 1


async def test_rings_come_through_again_after_the_server_was_killed(redis_server: RedisServer) -> None:
    async with ringing(redis_server.url, "a") as a, ringing(redis_server.url, "b") as b:
        redis_server.kill()
        await until(lambda: not (a.connected or b.connected))
        a.ring()
        await heard(a)
        redis_server.start()
        await until(lambda: a.connected and b.connected)
        await heard(b)  # the ring after the gap
        await rings_through(a, b)


async def test_a_line_that_is_silently_dead_is_noticed(redis_server: RedisServer) -> None:
    async with ringing(redis_server.url, "a", silence_s=0.2) as a, ringing(redis_server.url, "b", silence_s=0.2) as b:
        redis_server.freeze()
        await until(lambda: not a.connected)
        a.ring()
        await heard(a)
        redis_server.thaw()
        await until(lambda: a.connected and b.connected)
        await rings_through(a, b)


async def test_a_quiet_line_is_not_taken_for_a_dead_one(redis_url: str) -> None:
    async with ringing(redis_url, "a", silence_s=0.1) as a:
        await asyncio.sleep(0.5)  # several silences, each answered
        assert a.connected


async def test_a_limit_holds_over_all_processes(redis_url: str) -> None:
    async with connect(redis_url, timeout_s=PATIENT) as one, connect(redis_url, timeout_s=PATIENT) as other:
        limiters = [RedisRateLimiter(client, CLOCK) for client in (one, other)]
        answers = await asyncio.gather(
            *(limiters[n % 2].allow("sender", limit=10, window_s=60) for n in range(30)),
        )
    assert sum(answers) == 10


async def test_counts_expire_with_their_window(client: Redis) -> None:
    limiter = RedisRateLimiter(client, CLOCK)
    for _ in range(3):
        await limiter.allow("sender", limit=1, window_s=60)
    await limiter.allow("x" * 10_000, limit=1, window_s=60)
    names = await client.keys("tradingbot:rate:*")
    assert len(names) == 2
    assert max(len(name) for name in names) < 128
    for name in names:
        assert 0 < await client.pttl(name) <= 60_000

    assert await limiter.allow("quick", limit=1, window_s=0.05)
    await until(lambda: limiter.allow("quick", limit=1, window_s=0.05))


async def test_a_limit_survives_the_death_of_the_server(redis_server: RedisServer, client: Redis) -> None:
    limiter = RedisRateLimiter(client, CLOCK)
    assert [await limiter.allow("sender", limit=4, window_s=6000) for _ in range(3)] == [True] * 3
    redis_server.kill()
    answers = [await limiter.allow("sender", limit=4, window_s=6000) for _ in range(3)]
    assert answers == [True, False, False], "the local count went on from three"


async def test_counting_is_shared_again_after_an_outage(redis_server: RedisServer, client: Redis) -> None:
    limiter = RedisRateLimiter(client, CLOCK)
    redis_server.kill()
    await limiter.allow("sender", limit=100, window_s=6000)
    redis_server.start()

    async def counted() -> bool:
        await limiter.allow("sender", limit=100, window_s=6000)
        return bool(await client.keys("tradingbot:rate:*"))

    await until(counted)


async def test_a_mute_server_costs_one_timeout_and_no_answer(redis_server: RedisServer, client: Redis) -> None:
    redis_server.freeze()
    limiter = RedisRateLimiter(client, _Standing())
    answers = [await limiter.allow("sender", limit=50, window_s=60) for _ in range(100)]
    assert answers == [True] * 50 + [False] * 50
    redis_server.thaw()
    assert not await client.keys("tradingbot:rate:*"), "after the first timeout Redis was left alone"


class _Standing(QuickClock):
    def monotonic(self) -> float:
        return 1000.0


@pytest.mark.parametrize(
    "breakage",
    [("CONFIG", "SET", "maxmemory", "1"), ("REPLICAOF", "127.0.0.1", "1")],
    ids=["out of memory", "read-only"],
)
async def test_a_server_that_refuses_writes_is_as_good_as_none(client: Redis, breakage: tuple[str, ...]) -> None:
    await client.execute_command(*breakage)
    limiter = RedisRateLimiter(client, CLOCK)
    answers = [await limiter.allow("sender", limit=2, window_s=6000) for _ in range(4)]
    assert answers == [True, True, False, False]


async def test_a_wiped_server_is_used_as_it_is(client: Redis) -> None:
    limiter = RedisRateLimiter(client, CLOCK)
    assert await limiter.allow("sender", limit=1, window_s=6000)
    await client.flushall()
    assert await limiter.allow("sender", limit=1, window_s=6000)
    assert not await limiter.allow("sender", limit=1, window_s=6000)


async def test_a_switch_is_felt_in_other_processes_and_only_there(redis_url):
    looked = []
    async with ringing(redis_url, "api") as api, ringing(redis_url, "worker") as worker:
        api.heed(lambda: looked.append("api"))
        worker.heed(lambda: looked.append("worker"))
        await rings_through(api, worker)  # an alert is no switch
        assert looked == []
        api.press()
        await heard(worker)
        assert looked == ["worker"]
