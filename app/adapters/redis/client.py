"""One connection pool, tuned to fail fast: a slow answer from Redis is worth less than none.

Signing in is with the URL's password, or with a token that is asked for anew whenever a connection is made: a cache
that knows its clients by such tokens hangs up after 12 hours, so connections are renewed before.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import RedisError

from app.domain.errors import BadSettings

FAILURES = (RedisError, OSError, TimeoutError)
"""Everything a call to Redis ends in when Redis is down, full, loading, read-only or not a Redis."""

TIMEOUT_S = 0.25
SIGN_IN_TIMEOUT_S = 1.0  # with a token: whoever checks it asks somebody else
RENEW_S = 11 * 3600.0
_CONNECTIONS = 4

SignIn = Callable[[], tuple[str, str]]
"""User and token. May block; raises ConnectionError when there is none to be had."""


class _Tokens(CredentialProvider):
    """Asked by the library whenever it makes a connection."""

    def __init__(self, sign_in: SignIn) -> None:
        self._sign_in = sign_in

    def get_credentials(self) -> tuple[str, str]:
        return self._sign_in()

    async def get_credentials_async(self) -> tuple[str, str]:
        return await asyncio.to_thread(self._sign_in)


class _Pool(BlockingConnectionPool):
    """Gives out no connection that is older than RENEW_S: it is made anew."""

    def __init__(self, *, monotonic: Callable[[], float], **how: Any) -> None:
        super().__init__(**how)
        self._monotonic = monotonic
        self._since: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    async def ensure_connection(self, connection: Any) -> None:
        now = self._monotonic()
        if connection.is_connected and now - self._since.get(connection, now) >= RENEW_S:
            await connection.disconnect()
        if not connection.is_connected:
            self._since[connection] = now
        await super().ensure_connection(connection)


def connect(
    url: str,
    *,
    timeout_s: float | None = None,
    sign_in: SignIn | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Redis:
    """A client for `redis://`, `rediss://` or `unix://`; no connection is made before the first call.

    The library retries three times by default, which turns a dead server into seconds: here a call fails once.
    `sign_in` takes the place of a password in the URL. Raises BadSettings for a URL of another kind.
    `await client.aclose()` when done.
    """
    wait_s = timeout_s or (SIGN_IN_TIMEOUT_S if sign_in else TIMEOUT_S)
    how: dict[str, Any] = {"credential_provider": _Tokens(sign_in)} if sign_in else {}
    try:
        found = _Pool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=wait_s,
            socket_timeout=wait_s,
            socket_connect_timeout=wait_s,
            retry=Retry(NoBackoff(), 0),
            monotonic=monotonic,
            **how,
        )
    except ValueError:  # its text may hold the password
        raise BadSettings("REDIS_URL must look like redis://host:6379/0, rediss://… or unix://…") from None
    return Redis.from_pool(found)
