"""What the routes need, handed in as one frozen object: no route reaches for anything global."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from prometheus_client import CollectorRegistry

from app.domain.alert import Alert
from app.domain.ids import AccountId, AlertId, StrategyId, Symbol
from app.domain.policy import Proven
from app.domain.position import AccountBalance
from app.pipeline.alert import MAX_BYTES, Secret
from app.ports import AccountFacts, Bell, Clock, PutResult, Queries, RateLimiter

Network = IPv4Network | IPv6Network

Probe = Callable[[], Awaitable[str]]
"""A readiness check: returns what is worth knowing, raises when the service cannot work."""


class Gatekeeper(Protocol):
    """The strategy registry, as the webhook sees it."""

    def authenticate(self, strategy: StrategyId | None, secret: Secret) -> Proven | None:
        """Whose secret this is; None for an unknown name and for a wrong secret alike, in the same time."""
        ...


class Shelf(Protocol):
    """An AlertInbox, as the webhook sees it: alerts are put there, and somebody else takes them."""

    async def put(self, alert: Alert) -> PutResult: ...
    async def backlog(self) -> int: ...


class Controls(Protocol):
    """The switches. Each answers with a sentence about what is now so; raises Retryable when it was not recorded."""

    async def pause(self, by: str, why: str = "") -> str: ...
    async def resume(self, by: str) -> str: ...
    async def kill(self, by: str, why: str = "") -> str: ...


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account: what the venue says (None when it does not answer) and what our records say."""

    account: AccountId
    exchange: str
    mode: str  # paper, testnet or live
    balance: AccountBalance | None
    facts: AccountFacts


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """How the webhook treats senders. Sizes in bytes."""

    allow_from: tuple[Network, ...] = ()  # empty = every address
    trusted_proxies: int = 0  # balancers between the internet and us that append to X-Forwarded-For
    max_body: int = MAX_BYTES
    body_timeout_s: float = 2.0
    storage_timeout_s: float = 2.0  # TradingView hangs up after 3
    rate_limit: int = 6_000  # messages per sender and window; TradingView's addresses are shared by all its users
    rate_window_s: float = 10.0
    max_backlog: int = 10_000  # alerts waiting; exits are taken up to twice as many


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeApi:
    """What taking alerts in needs: all there is on Lambda."""

    inbox: Shelf
    doorbell: Bell
    limiter: RateLimiter
    strategies: Gatekeeper
    clock: Clock
    new_alert_id: Callable[[], AlertId]
    listed: Callable[[], Collection[Symbol]]  # what the venue lists, halted or not; empty = not told yet; never blocks
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)
    intake: IntakeRules = field(default_factory=IntakeRules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api(IntakeApi):
    queries: Queries
    controls: Controls
    accounts: Callable[[], Awaitable[Collection[AccountView]]]
    probes: Mapping[str, Probe]  # beside the database, which is always checked
    api_token: str  # "" = reads from this machine only, and only in paper mode
    paper: bool
    release: str = "dev"  # which build this is
    requested: Callable[[str, int, float], None] = lambda *_: None  # hears route, status and seconds of every answer
