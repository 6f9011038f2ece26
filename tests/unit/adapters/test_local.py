import asyncio

from hypothesis import given
from hypothesis import strategies as st

from app.adapters.local import MOST_REMEMBERED_RINGS, LocalDoorbell, LocalRateLimiter
from app.ports import Doorbell, RateLimiter
from tests.fakes import FakeClock

LONG = 3600.0  # a wait that ends by a ring or hangs the test


async def wakes(doorbell: Doorbell) -> bool:
    """Whether a wait returns because of a ring, without any time passing."""
    waiting = asyncio.create_task(doorbell.wait(LONG))
    done, _ = await asyncio.wait((waiting,), timeout=0.05)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    return bool(done)


async def test_a_ring_wakes_everybody_who_waits() -> None:
    doorbell = LocalDoorbell()
    waiters = [asyncio.create_task(doorbell.wait(LONG)) for _ in range(3)]
    await asyncio.sleep(0)
    doorbell.ring()
    await asyncio.wait_for(asyncio.gather(*waiters), timeout=10)


async def test_a_ring_that_nobody_heard_answers_the_next_wait() -> None:
    doorbell = LocalDoorbell()
    doorbell.ring()
    await asyncio.wait_for(doorbell.wait(LONG), timeout=10)
    assert not await wakes(doorbell)


async def test_without_a_ring_the_wait_ends_by_itself() -> None:
    await asyncio.wait_for(LocalDoorbell().wait(0.01), timeout=10)


async def test_unheard_rings_are_remembered_up_to_a_bound() -> None:
    doorbell = LocalDoorbell()
    for _ in range(10 * MOST_REMEMBERED_RINGS):
        doorbell.ring()
    for _ in range(MOST_REMEMBERED_RINGS):
        assert await wakes(doorbell)
    assert not await wakes(doorbell)


async def test_a_cancelled_wait_takes_no_ring_with_it() -> None:
    doorbell = LocalDoorbell()
    waiting = asyncio.create_task(doorbell.wait(LONG))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    doorbell.ring()
    assert await wakes(doorbell)


async def test_the_limit_is_reached_and_ends_with_the_window() -> None:
    clock = FakeClock()
    limiter: RateLimiter = LocalRateLimiter(clock)
    answers = [await limiter.allow("sender", limit=3, window_s=60) for _ in range(5)]
    assert answers == [True, True, True, False, False]
    clock.advance(59.9)
    assert not await limiter.allow("sender", limit=3, window_s=60)
    clock.advance(0.1)
    assert await limiter.allow("sender", limit=3, window_s=60)


async def test_keys_and_windows_are_counted_apart() -> None:
    limiter = LocalRateLimiter(FakeClock())
    assert await limiter.allow("a", limit=1, window_s=60)
    assert await limiter.allow("b", limit=1, window_s=60)
    assert await limiter.allow("a", limit=1, window_s=1)
    assert not await limiter.allow("a", limit=1, window_s=60)


async def test_a_flood_of_keys_is_bounded_and_drops_the_oldest() -> None:
    limiter = LocalRateLimiter(FakeClock(), max_keys=100)
    await limiter.allow("first", limit=1, window_s=60)
    for number in range(1000):
        await limiter.allow(f"key {number}", limit=1, window_s=60)
    assert len(limiter) == 100
    assert await limiter.allow("first", limit=1, window_s=60), "its count was dropped, not kept for ever"
    assert not await limiter.allow("key 999", limit=1, window_s=60)


@given(
    gaps=st.lists(st.floats(0, 30), max_size=60),
    limit=st.integers(1, 5),
    window_s=st.floats(1, 60),
)
def test_no_window_ever_lets_more_than_its_limit_pass(gaps: list[float], limit: int, window_s: float) -> None:
    async def passed() -> list[float]:
        clock = FakeClock()
        limiter = LocalRateLimiter(clock)
        times = []
        for gap in gaps:
            clock.advance(gap)
            if await limiter.allow("key", limit=limit, window_s=window_s):
                times.append(clock.monotonic())
        return times

    times = asyncio.run(passed())
    for start in times:
        assert sum(start <= at < start + window_s for at in times) <= 2 * limit
