"""One rate limit over all processes; each process's own count is what remains when Redis is gone.

Too strict would turn away good alerts, so every failure falls back to the local count. That one is kept all along:
an outage does not start everybody at zero.
"""

import hashlib
import math

import structlog
from redis.asyncio import Redis

from app.adapters.local import LocalRateLimiter
from app.adapters.redis.breaker import Breaker
from app.adapters.redis.client import FAILURES
from app.ports import Clock

_log = structlog.get_logger(__name__)
_LONGEST_KEY = 100


class RedisRateLimiter:
    """Fixed windows as in `LocalRateLimiter`, opened by a key's first call in any process and ended by Redis.

    Memory in Redis is one small expiring key per (key, window); long keys are stored by their digest.
    """

    def __init__(self, client: Redis, clock: Clock, *, prefix: str = "tradingbot:rate") -> None:
        self._client = client
        self._prefix = prefix
        self._local = LocalRateLimiter(clock)
        self._breaker = Breaker(clock)

    async def allow(self, key: str, *, limit: int, window_s: float) -> bool:
        allowed_here = await self._local.allow(key, limit=limit, window_s=window_s)
        if not self._breaker.may_try():
            return allowed_here
        try:
            count = await self._count(key, window_s)
        except FAILURES as error:
            if self._breaker.failed():
                _log.warning("rate_limits_are_local", why=type(error).__name__)
            return allowed_here
        if self._breaker.succeeded():
            _log.info("rate_limits_are_shared_again")
        return count <= limit

    async def _count(self, key: str, window_s: float) -> int:
        """Calls in the window, this one included. SET NX opens the window with its end, INCR keeps that end."""
        name = f"{self._prefix}:{window_s:g}:{key if len(key) <= _LONGEST_KEY else _digest(key)}"
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.set(name, 0, px=max(1, math.ceil(window_s * 1000)), nx=True)
            pipeline.incr(name)
            _, count = await pipeline.execute()
        return int(count)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
