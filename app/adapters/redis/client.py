"""One connection pool, tuned to fail fast: a slow answer from Redis is worth less than none."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.domain.errors import BadSettings

FAILURES = (RedisError, OSError, TimeoutError)
"""Everything a call to Redis ends in when Redis is down, full, loading, read-only or not a Redis."""

TIMEOUT_S = 0.25
_CONNECTIONS = 4


def connect(url: str, *, timeout_s: float = TIMEOUT_S) -> Redis:
    """A client for `redis://`, `rediss://` or `unix://`; no connection is made before the first call.

    The library retries three times by default, which turns a dead server into seconds: here a call fails once.
    Raises BadSettings for a URL of another kind. `await client.aclose()` when done.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:  # its text may hold the password
        raise BadSettings("REDIS_URL must look like redis://host:6379/0, rediss://… or unix://…") from None
    return Redis.from_pool(pool)
