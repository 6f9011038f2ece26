"""Commands as they are typed, in a folder of their own, on a real database."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from app.adapters.db.database import Database
from app.cli import app
from app.domain.alert import Alert, Preset
from app.domain.events import Event
from app.domain.ids import AlertId, alert_stream
from app.ports import Append
from tests.fakes import FakeClock
from tests.unit.notify import stories as s

BODY = b'{"secret": "s3cr3t-canary", "strategy": "supertrend-btc-1h", "symbol": "BTCUSDT.P"}'


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder without .env, and logging left as it was found."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def run() -> Callable[..., Result]:
    """`run("why", "--last", DATABASE_URL=…)`: what the command says and how it ends."""

    def type_in(*words: str, **env: str) -> Result:
        return CliRunner().invoke(app, list(words), env=env)

    return type_in


@pytest.fixture
def store(database_url: str) -> Callable[..., None]:
    """Record an alert and what became of it, as intake and pipeline do."""

    def record(alert_id: AlertId, *events: Event) -> None:
        asyncio.run(_record(database_url, alert_id, events))

    return record


async def _record(url: str, alert_id: AlertId, events: Sequence[Event]) -> None:
    alert = Alert(
        alert_id=alert_id,
        strategy=s.STRATEGY,
        account=s.MAIN,
        symbol=s.BTC,
        preset=Preset.NATIVE,
        dedupe_key=alert_id,
        body=BODY,
        received_at=s.T0,
        sender="52.89.214.238",
    )
    async with Database(url, FakeClock()) as database:
        await database.inbox.put(alert)
        if events:
            await database.events.append(Append(alert_stream(alert_id), 1, tuple(events)))


@pytest.fixture
def sql(database_url: str) -> Callable[[str], Any]:
    """Change the database behind the bot's back."""

    def change(statement: str) -> None:
        asyncio.run(_execute(database_url, statement))

    return change


async def _execute(url: str, statement: str) -> None:
    database = Database(url, FakeClock())
    try:
        async with database.engine.execution_options(writes=True).begin() as connection:
            await connection.exec_driver_sql(statement)
    finally:
        await database.close()
