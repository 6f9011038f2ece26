"""Secrets are planted in every setting that holds one, and wherever a secret could come from outside; then the bot
trades, fails and answers with all its watchers on. None of them may show up in anything that leaves the process.
"""

import io
import json
import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import sentry_sdk
import structlog
from pydantic import SecretStr

from app.adapters.metrics import PrometheusMetrics
from app.domain.vote import Seat
from app.log import configure_logging, register_secrets
from app.settings.assemble import PAPER_KEY, PAPER_SECRET
from app.settings.environment import Environment
from tests.contract.llm_wire import KEY
from tests.contract.loopback import as_json
from tests.e2e.world import World, running_bot
from tests.monitoring.receiver import Receiver, receiving

SECRETS = sorted(
    name for name, field in Environment.model_fields.items() if field.annotation in (SecretStr, SecretStr | None)
)
PLACES = {  # settings whose secret is part of an address
    "DATABASE_URL": "sqlite:///{path}",  # a file: it has none
    "REDIS_URL": "",  # nothing listens there: see below
}
CANARIES = {name: f"CANARY{name.replace('_', '')}7d2c9b4e" for name in SECRETS if name not in PLACES}
CANARIES |= {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY}  # what the models' loopback servers let in
FORMS = {form for value in (*CANARIES.values(), PAPER_SECRET) for form in (value, quote(value, safe=""))}


def settings(receiver: Receiver) -> dict[str, str]:
    env = dict(CANARIES)
    env["SENTRY_DSN"] = f"http://{CANARIES['SENTRY_DSN']}@127.0.0.1:{receiver.port}/1"
    env["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization={CANARIES['OTEL_EXPORTER_OTLP_HEADERS']}"
    env["TELEGRAM_CHAT_IDS"] = "1"
    env["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.url
    env["METRICS_EMF"] = "true"
    return env


@pytest.fixture
def logged() -> Iterator[Callable[[], str]]:
    """What the bot logs, as JSON."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    writer = configure_logging(json=True, stream=stream)
    root.handlers[:-1] = []  # the test runner's own would render every record once more
    yield lambda: stream.getvalue() if writer.flush(5) else ""
    writer.close()
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


async def break_everything(world: World, monkeypatch: pytest.MonkeyPatch) -> list[httpx.Response]:
    """Trade, and let each part fail with a secret in its mouth. Returns the answers that a stranger would see."""
    bot = world.stage.application.bot
    assert bot is not None
    mine = {"secret": CANARIES["WEBHOOK_SECRET"]}
    await world.enters(**mine)
    await world.story(world.exit(**mine))
    world.opinions[Seat.GPT] = as_json({"error": {"message": f"bad key {CANARIES['OPENAI_API_KEY']}"}}, 401)
    world.opinions[Seat.CLAUDE] = f"not a vote: {CANARIES['ANTHROPIC_API_KEY']}"
    await world.story(world.alert(**mine))
    world.models_say("LONG")
    refused = {"code": -2015, "msg": f"invalid {PAPER_KEY} {PAPER_SECRET} {CANARIES['BINANCE_API_SECRET']}"}
    await world.faults({"method": "POST", "path": "/fapi/v1/order", "status": 400, "body": refused})
    await world.story(world.alert(**mine))

    async def breaks(*_: Any, **__: Any) -> None:
        words = " ".join(CANARIES.values())
        raise RuntimeError(f"https://api.telegram.org/bot{CANARIES['TELEGRAM_BOT_TOKEN']}/x?signature=1 {words}")

    with monkeypatch.context() as patch:
        patch.setattr(bot.records, "newest_signal", breaks)
        await world.story(world.alert(**mine))
        patch.setattr(world.database.queries, "orders", breaks)
        answers = [await world.stage.bot.get("/orders")]
    bot_client = world.stage.bot
    answers += [
        await world.post(world.alert(secret=f"{CANARIES['WEBHOOK_SECRET']}x")),
        await world.post(b'{"secret": "%s", "strategy": ' % CANARIES["WEBHOOK_SECRET"].encode()),
        await world.post(f"secret={CANARIES['WEBHOOK_SECRET']}; strategy=trend; nonsense".encode()),
        await bot_client.get(f"/nothing?token={CANARIES['API_TOKEN']}"),
        await bot_client.get("/alerts", headers={"Authorization": f"Bearer {CANARIES['API_TOKEN']}x"}),
        await bot_client.get(f"/alerts?limit={CANARIES['API_TOKEN']}"),
        await bot_client.get("/ready"),
    ]
    return answers


def dumped(path: Path) -> str:
    with sqlite3.connect(path) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for table in tables for row in database.execute(f'SELECT * FROM "{table}"')]
    database.close()
    return "\n".join(
        part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for row in rows for part in row
    )


def leaks(surfaces: dict[str, str]) -> dict[str, list[str]]:
    found = {where: sorted(form for form in FORMS if form in text) for where, text in surfaces.items()}
    return {where: forms for where, forms in found.items() if forms}


async def test_no_planted_secret_shows_up_anywhere(
    sqlite_template: Path, tmp_path: Path, logged: Callable[[], str], capfd, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_secrets([*CANARIES.values(), PAPER_SECRET])
    database = tmp_path / "bot.db"
    shutil.copy(sqlite_template, database)
    with receiving() as receiver:
        async with running_bot(f"sqlite:///{database}", tmp_path, env=settings(receiver)) as world:
            answers = await break_everything(world, monkeypatch)
            page = (await world.stage.bot.get("/metrics")).text
            told = world.told()
        sentry_sdk.flush(5)
        posted = {where: b"\n".join(b for path, _, b in receiver.received if where in path) for where in ("v1", "api")}
    surfaces = {
        "log": logged(),
        "metrics": page,
        "traces": posted["v1"].decode("utf-8", "replace"),
        # The DSN's key is what Sentry knows us by: it is in the envelope's address, and may be.
        "sentry": posted["api"].decode("utf-8", "replace").replace(CANARIES["SENTRY_DSN"], ""),
        "emf": capfd.readouterr().out,
        "error pages": "\n".join(answer.text + str(answer.headers) for answer in answers),
        "database": dumped(database),
        "messages": told,
    }
    assert not leaks(surfaces)
    all_happened(surfaces, answers)


def all_happened(surfaces: dict[str, str], answers: list[httpx.Response]) -> None:
    """The silence means something: each surface was written to, with what should be there instead."""
    assert [answer.status_code for answer in answers] == [503, 401, 400, 400, 404, 401, 422, 200]
    assert "the handler broke" in surfaces["log"]
    assert "[redacted]" in surfaces["log"]
    assert "tradingbot_alarms_total" in surfaces["metrics"]
    assert "order entry" in surfaces["traces"]
    assert "the handler broke" in surfaces["sentry"]
    assert "RuntimeError" in surfaces["sentry"]
    assert json.loads(surfaces["emf"].splitlines()[-1])["AlertsAccepted"] >= 5
    assert "HandlerFailed" in surfaces["database"]
    assert "-2015" in surfaces["database"]
    assert surfaces["messages"].count("\n") > 5


def test_a_leak_would_be_noticed() -> None:
    one = CANARIES["API_TOKEN"]
    assert leaks({"log": f"x {one} y", "metrics": "fine"}) == {"log": [one]}
    assert len(CANARIES) >= 14, "settings that hold secrets are not found any more"


def test_a_label_cannot_carry_a_secret() -> None:
    """Even a defect that counts by a secret leaves no trace of it."""
    metrics = PrometheusMetrics()
    one = CANARIES["API_TOKEN"]
    metrics.alarm(one)
    metrics.finished(one, 1)
    metrics.ordered(one, one)
    assert one not in metrics.render().decode()
