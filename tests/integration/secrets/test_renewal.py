"""Secrets are rotated while the whole bot runs: nobody is refused, nothing leaks, and what is bad changes nothing."""

import asyncio
import contextlib
import gc
import os
import re
import threading
import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
import pytest

from app.adapters.aws import secrets as adapter
from app.adapters.aws.secrets import read_secrets
from app.adapters.clock import SystemClock
from app.application import Application, Role
from app.bootstrap import build
from app.commands.hosting import listen, local_exchange, serving
from app.commands.renewal import Pace, Renewal, Tenant
from app.main import create_app
from app.settings import Settings
from app.settings.rotation import SettingsSource
from simulator.config import SimulatorConfig
from tests.aws.server import moto, moto_process  # noqa: F401 - fixtures
from tests.faults.processes import free_port
from tests.faults.site import until

TOKENS = [f"an-api-token-for-tests-number-{n}-0123456789" for n in range(10)]
QUICK = Pace(every_s=0.05, hurry_s=0.05, stagger_s=0.0, least_s=0.0, again_s=0.05)


class Store(dict[str, str]):
    """Secrets by the name of their setting."""

    def __call__(self, refs: Any) -> dict[str, str]:
        return {ref.name: self[ref.name] for ref in refs if ref.name in self}


@dataclass
class House:
    renewal: Renewal
    client: httpx.AsyncClient
    made: list[Application] = field(default_factory=list)

    async def status(self, token: str) -> int:
        return (await self.client.get("/account", headers={"Authorization": f"Bearer {token}"})).status_code

    async def takes(self, token: str) -> None:
        async def taken() -> bool:
            return await self.status(token) == 200

        await until("the new token is in force", taken)

    async def ready(self) -> dict[str, Any]:
        body: dict[str, Any] = (await self.client.get("/ready")).json()
        return body

    async def is_ready(self) -> None:
        async def ready() -> bool:
            return bool((await self.ready())["ready"])

        await until("ready", ready)

    async def alone(self) -> None:
        """Wait until every application but the newest has been closed."""

        async def closed() -> bool:
            return all(app.venue.exchange._parts is None for app in self.made[:-1])

        await until("the old applications have ended", closed)


@contextlib.asynccontextmanager
async def house(folder: Path, fetch: Any, pace: Pace = QUICK, **env: str) -> AsyncIterator[House]:
    port = free_port()
    env = {
        "TRADING_MODE": "paper",
        "BINANCE_BASE_URL": f"http://127.0.0.1:{port}",
        "SIMULATOR_PORT": str(port),
        "DATABASE_URL": f"sqlite:///{folder / 'bot.db'}",
        "STRATEGIES_FILE": str(folder / "strategies.yaml"),
        "SECRETS_FROM_AWS": "API_TOKEN=token",
        "API_TOKEN": TOKENS[0],
        "WORKER_IDLE_POLL_S": "0.1",
    } | env
    source = SettingsSource(fetch, env=env, env_file=None)
    settings = source.first()
    paper = settings.venue
    keys = (paper.api_key.get_secret_value(), paper.api_secret.get_secret_value())

    def make(settings: Settings) -> Tenant:
        application = build(settings, role=Role.ALL, probes=renewal.probes, on_refused=renewal.refused)
        it.made.append(application)
        return Tenant(application, create_app(application.api))

    renewal = Renewal(source, make, clock=SystemClock(), luck=lambda: 0.5, pace=pace)
    listening = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/api/v1"
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(local_exchange(SimulatorConfig(api_key=keys[0], api_secret=keys[1]), port))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30, trust_env=False))
        it = House(renewal, client)
        stack.push_async_callback(renewal.close)
        stop = asyncio.Event()
        await renewal.first(settings, migrate=True, stop=stop)
        await stack.enter_async_context(serving(renewal.door, listening))
        running = asyncio.create_task(renewal.run(stop))
        try:
            yield it
        finally:
            stop.set()
            await asyncio.wait_for(running, 60)


async def test_a_rotated_token_is_in_force_and_no_request_was_refused(moto, monkeypatch, tmp_path):  # noqa: F811
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    adapter._client.cache_clear()
    vault = boto3.client("secretsmanager")
    vault.create_secret(Name="token", SecretString=TOKENS[1])
    async with house(tmp_path, read_secrets) as it:
        assert await it.status(TOKENS[0]) == 401, "the environment's was true when the process began"
        assert await it.status(TOKENS[1]) == 200
        answers: list[int] = []
        asking = asyncio.create_task(_ask_on(it, answers))
        vault.put_secret_value(SecretId="token", SecretString=TOKENS[2])
        await it.takes(TOKENS[2])
        assert await it.status(TOKENS[1]) == 401
        await it.is_ready()
        await it.alone()
        asking.cancel()
        assert set(answers) == {200}
        assert len(it.made) == 2
    adapter._client.cache_clear()


async def _ask_on(it: House, answers: list[int]) -> None:
    """A new connection each time, without a pause."""
    while True:
        async with httpx.AsyncClient(base_url=it.client.base_url, timeout=30, trust_env=False) as fresh:
            answers.append((await fresh.get("/health")).status_code)


async def test_settings_that_make_no_sense_change_nothing_but_readiness(tmp_path):
    store = Store(API_TOKEN=TOKENS[1], AI_QUORUM="2")
    async with house(tmp_path, store, SECRETS_FROM_AWS="API_TOKEN=token, AI_QUORUM=quorum") as it:
        await it.is_ready()
        store |= {"API_TOKEN": TOKENS[2], "AI_QUORUM": "many"}
        await until("it says so", lambda: _not_ready(it, "settings"))
        assert await it.status(TOKENS[1]) == 200
        assert await it.status(TOKENS[2]) == 401
        store["AI_QUORUM"] = "3"
        await it.takes(TOKENS[2])
        await it.is_ready()
        assert it.made[-1].settings.verdict.quorum == 3
        assert len(it.made) == 2


async def test_settings_that_cannot_be_opened_are_tried_until_they_can(tmp_path):
    good, empty = (f"sqlite:///{tmp_path / name}.db" for name in ("good", "empty"))
    store = Store(API_TOKEN=TOKENS[1], DATABASE_URL=good)
    async with house(tmp_path, store, SECRETS_FROM_AWS="API_TOKEN=token, DATABASE_URL=url") as it:
        await it.is_ready()
        store |= {"API_TOKEN": TOKENS[2], "DATABASE_URL": empty}
        await until("it says so", lambda: _not_ready(it, "settings"))
        await until("it tries again", lambda: _made(it, 4))
        assert await it.status(TOKENS[1]) == 200, "the old application works on"
        store["DATABASE_URL"] = good
        await it.takes(TOKENS[2])
        await it.is_ready()
        await it.alone()


async def _not_ready(it: House, check: str) -> bool:
    checks = (await it.ready())["checks"]
    assert check in checks
    return not checks[check]["ok"]


async def _made(it: House, number: int) -> bool:
    return len(it.made) >= number


@pytest.mark.postgres
async def test_a_rotated_database_password_is_looked_for_when_the_old_one_is_refused(
    postgres_server, postgres_url, tmp_path
):
    """As RDS rotates it: connections there are live on, new ones are refused until the secret is read again."""
    database, role = re.search(r"/(test_\w+)", postgres_url)[1], f"rotated_{os.getpid()}"
    folder = re.search(r"host=(\S+)", postgres_url)[1]
    rules = Path(postgres_server.pgdata) / "pg_hba.conf"
    before = rules.read_text()
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'the-first-password'")
        rules.write_text(f"local all {role} scram-sha-256\n{before}")
        admin.execute("SELECT pg_reload_conf()")
        try:
            store = Store(DATABASE_PASSWORD="the-first-password")
            env = {
                "DATABASE_URL": f"postgresql://{role}@/{database}?host={folder}",
                "SECRETS_FROM_AWS": "DATABASE_PASSWORD=rds#password",
            }
            seldom = Pace(every_s=3600, hurry_s=0.05, stagger_s=3600, least_s=0, again_s=0.05)
            async with house(tmp_path, store, seldom, **env) as it:
                await it.is_ready()
                store["DATABASE_PASSWORD"] = "the-second-password"
                admin.execute(f"ALTER ROLE {role} PASSWORD 'the-second-password'")
                await it.is_ready()
                assert len(it.made) == 1, "who is in stays in: nothing to do yet"
                admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
                await until("the new password is used", lambda: _made(it, 2))
                await it.is_ready()
                await it.alone()
        finally:
            rules.write_text(before)
            admin.execute("SELECT pg_reload_conf()")
            admin.execute(f"DROP OWNED BY {role}")
            admin.execute(f"DROP ROLE {role}")


async def test_renewing_again_and_again_leaves_nothing_behind(tmp_path):
    store = Store(API_TOKEN=TOKENS[1])
    async with house(tmp_path, store) as it:
        await it.is_ready()
        counts = []
        for token in TOKENS[2:6]:
            store["API_TOKEN"] = token
            await it.takes(token)
            await it.is_ready()
            old = weakref.ref(it.made.pop(0).database)
            await until("nothing of the old application is held", lambda old=old: _is_gone(old))
            counts.append(await _settled())
        assert len(it.made) == 1
        pools = [count.pop("pooled") for count in counts]
        assert counts[-1] == counts[0], counts
        # As many as questions happened to be asked at once: a little more or less, but not those of every application.
        assert pools[-1] < 2 * pools[0], pools


async def _is_gone(thing: weakref.ref[Any]) -> bool:
    gc.collect()
    return thing() is None


async def _settled() -> dict[str, int]:
    """Tasks, threads and open files, once they do not change any more; what pools hold apart.

    Those are connections to other servers, and to the database: files of it, each with a thread of its own.
    """

    def count() -> dict[str, int]:
        tasks = [task for task in asyncio.all_tasks() if not task.done()]
        files = [_target(path) for path in Path("/proc/self/fd").iterdir()]
        sockets = {line.split()[9] for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]}
        connected = sum(file.removeprefix("socket:[").rstrip("]") in sockets for file in files)
        stored = sum(Path(file).name.startswith("bot.db") for file in files)
        workers = sum("_connection_worker_thread" in thread.name for thread in threading.enumerate())
        return {
            "tasks": len(tasks),
            "threads": threading.active_count() - workers,
            "files": len(files) - connected - stored,
            "pooled": connected + stored + workers,
        }

    before: dict[str, int] = {}
    same = 0
    while same < 5:
        now = count()
        same = same + 1 if now == before else 0
        before = now
        await asyncio.sleep(0.1)
    return before


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:  # the folder itself, which was open while it was read
        return ""
