"""Signing in with a token instead of a password, as ElastiCache asks for it, against a real server."""

import hashlib
import hmac
from urllib.parse import parse_qsl, quote

import botocore.session
import pytest
from redis.exceptions import RedisError

from app.adapters.aws.cache_token import LIVES_S, REUSED_S, CacheToken
from app.adapters.redis import RedisRateLimiter, connect
from app.adapters.redis.client import RENEW_S
from app.domain.errors import OperatorError
from tests.fakes import FakeClock

REGION, USER, CACHE, SECRET_KEY = "ap-southeast-2", "tradingbot-user", "tradingbot-prod", "a-secret-access-key"


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def identity(**kept):
    """A task's identity, with temporary credentials as ECS gives them."""
    session = botocore.session.Session()
    session.set_config_variable("region", kept.get("region", REGION))
    session.set_credentials("AKIDEXAMPLE", SECRET_KEY, "a-session-token")
    return session


def signature(query: dict[str, str]) -> str:
    """Signature Version 4 of the presigned request, computed from AWS's description of it."""

    def keyed(key: bytes, text: str) -> bytes:
        return hmac.new(key, text.encode(), hashlib.sha256).digest()

    signed = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in query.items() if k != "X-Amz-Signature")
    text = "&".join(f"{k}={v}" for k, v in signed)
    request = f"GET\n/\n{text}\nhost:{CACHE}\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
    at = query["X-Amz-Date"]
    scope = f"{at[:8]}/{REGION}/elasticache/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (at[:8], REGION, "elasticache", "aws4_request"):
        key = keyed(key, part)
    return keyed(key, to_sign).hex()


def test_the_token_is_a_presigned_request_to_connect_without_its_scheme():
    user, token = CacheToken(USER, "Tradingbot-PROD", session=identity())()
    address, _, text = token.partition("?")
    query = dict(parse_qsl(text, strict_parsing=True))
    assert (user, address) == (USER, f"{CACHE}/")
    assert (query["Action"], query["User"], query["X-Amz-Expires"]) == ("connect", USER, str(LIVES_S))
    assert query["X-Amz-Credential"].split("/")[2:] == [REGION, "elasticache", "aws4_request"]
    assert query["X-Amz-Security-Token"] == "a-session-token"
    assert query["X-Amz-Signature"] == signature(query)
    assert SECRET_KEY not in token


def test_a_token_is_given_again_while_it_can_still_be_used():
    time = Time()
    session = identity()
    sign_in = CacheToken(USER, CACHE, session=session, monotonic=time)
    _, first = sign_in()
    session.set_credentials("AKIDROTATED", SECRET_KEY)
    time.now += REUSED_S - 1
    assert sign_in()[1] == first
    time.now += 2
    assert "AKIDROTATED" in sign_in()[1]
    assert REUSED_S < LIVES_S


def test_without_a_region_the_operator_is_told():
    with pytest.raises(OperatorError, match="AWS_REGION"):
        CacheToken(USER, CACHE, session=identity(region=None))


async def test_a_real_server_takes_the_pair_that_is_sent(client, redis_url):
    sign_in = CacheToken(USER, CACHE, session=identity())
    user, token = sign_in()
    await client.acl_setuser(
        user, enabled=True, passwords=[f"+{token}"], categories=["+@all"], keys=["*"], channels=["*"]
    )
    async with connect(redis_url, timeout_s=5, sign_in=sign_in) as signed_in:
        assert await signed_in.acl_whoami() in (USER, USER.encode())
        await client.acl_setuser(user, enabled=True, reset_passwords=True, passwords=["+another"])
        assert await signed_in.ping()  # who is in stays in
    async with connect(redis_url, timeout_s=5, sign_in=sign_in) as refused:
        with pytest.raises(RedisError):
            await refused.ping()


async def test_a_connection_is_renewed_with_a_new_token_before_the_cache_hangs_up(client, redis_url):
    time = Time()
    asked = []

    def sign_in() -> tuple[str, str]:
        asked.append(time.now)
        return "default", "whatever"  # the default user needs no password

    async with connect(redis_url, timeout_s=5, sign_in=sign_in, monotonic=time) as renewed:
        first = await renewed.client_id()
        time.now += RENEW_S - 1
        assert await renewed.client_id() == first
        time.now += 1
        second = await renewed.client_id()
        assert second != first
        assert await renewed.client_id() == second
    assert set(asked) == {1000.0, 1000.0 + RENEW_S}  # over a unix socket the library asks twice
    assert RENEW_S < 12 * 3600


async def test_without_credentials_the_limits_are_local_and_nothing_breaks(redis_url):
    def sign_in() -> tuple[str, str]:
        raise ConnectionError("there are no AWS credentials to sign in to Redis with")

    async with connect(redis_url, timeout_s=5, sign_in=sign_in) as client:
        limiter = RedisRateLimiter(client, FakeClock())
        assert [await limiter.allow("sender", limit=2, window_s=60) for _ in range(3)] == [True, True, False]
