"""The web application on a real SQLite database, with everything around it in the test's hands."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from app.adapters.db.database import Database
from app.adapters.local import LocalDoorbell, LocalRateLimiter
from app.api.deps import AccountView, Api, IntakeRules, Probe
from app.api.server import server_options
from app.commands.hosting import listen
from app.domain.ids import AccountId, AlertId, Symbol
from app.domain.money import Money
from app.domain.position import AccountBalance
from app.main import create_app
from app.ports import AlertInbox
from app.registry import Registry
from tests.fakes import FakeClock
from tests.intake_messages import SECRET

WEBHOOK = "/api/v1/webhooks/tradingview"
_paths: dict[str, Any] = {}
TOKEN = "test-token-Rk8wPz3sVn6yBq1x"
SENDER = "198.51.100.7"


@dataclass
class Switches:
    """Remembers how the switches stand, as the account's stream would."""

    paused: str | None = None
    killed: str | None = None

    async def pause(self, by: str, why: str = "") -> str:
        self.paused = f"{by}: {why}"
        return "main is paused."

    async def resume(self, by: str) -> str:
        self.paused = self.killed = None
        return "main may trade again."

    async def kill(self, by: str, why: str = "") -> str:
        self.killed = f"{by}: {why}"
        return "main is killed."


@dataclass
class World:
    """Change `rules`, `inbox` and so on first; `client`, `post` and `get` each build the app from them."""

    database: Database
    clock: FakeClock
    strategies: Path
    rules: IntakeRules = field(default_factory=lambda: IntakeRules(storage_timeout_s=30))  # however busy the machine is
    inbox: AlertInbox | None = None
    doorbell: Any = field(default_factory=LocalDoorbell)
    switches: Any = field(default_factory=Switches)
    probes: dict[str, Probe] = field(default_factory=dict)
    balance: AccountBalance | None = field(
        default_factory=lambda: AccountBalance(*(Money(Decimal(n)) for n in (10_000, 9_000, 9_900)))
    )
    tradable: Collection[Symbol] = frozenset({Symbol("BTCUSDT"), Symbol("ETHUSDT")})
    token: str = TOKEN
    paper: bool = True
    sender: str = SENDER
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    alarms: list[str] = field(default_factory=list)

    def api(self) -> Api:
        registry = Registry(
            self.strategies,
            paper=self.paper,
            webhook_secret=SECRET,
            monotonic=self.clock.monotonic,
            alarm=self.alarms.append,
        )
        return Api(
            inbox=self.inbox or self.database.inbox,
            queries=self.database.queries,
            doorbell=self.doorbell,
            limiter=LocalRateLimiter(self.clock),
            strategies=registry,
            controls=self.switches,
            clock=self.clock,
            new_alert_id=lambda: AlertId(f"01KE{next(self._numbers):022d}"),
            listed=lambda: self.tradable,
            accounts=self._accounts,
            probes=self.probes,
            metrics=CollectorRegistry(),
            api_token=self.token,
            paper=self.paper,
            intake=self.rules,
        )

    def with_rules(self, **changes: Any) -> None:
        self.rules = replace(self.rules, **changes)

    @asynccontextmanager
    async def client(self, app: FastAPI | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """Calls the app without a socket, from `sender`. Every answer must be one the OpenAPI document declares."""
        app = app or create_app(self.api())
        declared = declared_statuses(app)

        async def check(response: httpx.Response) -> None:
            statuses = declared(response.request.method, response.request.url.path)
            assert statuses is None or response.status_code in statuses, f"{response.status_code} is not declared"

        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=(self.sender, 50_000)),
            base_url="http://localhost:8001",
            event_hooks={"response": [check]},
        ) as client:
            yield client

    async def post(self, body: bytes, **headers: str) -> httpx.Response:
        async with self.client() as client:
            return await client.post(WEBHOOK, content=body, headers=headers)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        async with self.client() as client:
            return await client.get(path, headers={"authorization": f"Bearer {TOKEN}"} | headers)

    async def rows(self) -> int:
        return len(await self.database.queries.alerts(limit=500))

    async def stored_bodies(self) -> list[bytes]:
        return [line.alert.body for line in await self.database.queries.alerts(limit=500)]

    async def _accounts(self) -> Sequence[AccountView]:
        main = AccountId("main")
        facts = await self.database.records.account_facts(main)
        return [AccountView(main, "binance", "paper", self.balance, facts)]


@asynccontextmanager
async def world_on(template: Path, folder: Path) -> AsyncIterator[World]:
    path = folder / "intake.db"
    shutil.copy(template, path)
    clock = FakeClock()
    async with Database(f"sqlite:///{path}", clock, busy_timeout_s=30, put_timeout_s=30) as database:
        yield World(database, clock, folder / "strategies.yaml")


def declared_statuses(app: FastAPI) -> Callable[[str, str], set[int] | None]:
    """Which statuses the OpenAPI document names for a path; None for paths it does not have."""
    global _paths  # noqa: PLW0603 - the same for every app, and slow to make
    _paths = _paths or app.openapi()["paths"]
    paths = _paths

    def of(method: str, path: str) -> set[int] | None:
        for template, operations in paths.items():
            names, parts = template.split("/"), path.split("/")
            fits = len(names) == len(parts) and all(n == p or n[:1] == "{" for n, p in zip(names, parts, strict=True))
            if fits and method.lower() in operations:
                return {int(status) for status in operations[method.lower()]["responses"]}
        return None

    return of


@asynccontextmanager
async def serving(app: FastAPI, **options: Any) -> AsyncIterator[tuple[str, int]]:
    """The app behind a real uvicorn on loopback, run as in production."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", **(server_options() | options)))
    task = asyncio.create_task(server.serve([listener]))
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        await task
        listener.close()
