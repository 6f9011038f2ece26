"""One installation: a database, a venue and three language models that survive, and bots that do not.

Everything is reached as its users reach it: the bot over HTTP, the venue through its ledger. Waiting is always for a
condition, with a limit that is far beyond what a healthy machine needs.
"""

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from app.commands.hosting import local_exchange
from app.domain.vote import Seat
from simulator.config import Limits, SimulatorConfig
from tests.contract.llm_wire import KEY, MODELS, WIRES, says, text_answer
from tests.contract.loopback import HANG, Answer, Loopback, Request
from tests.faults.books import Books
from tests.faults.processes import Program, free_port
from tests.intake_messages import SECRET

T = TypeVar("T")
UNLIMITED = Limits(weight_1m=1_000_000, orders_1m=1_000_000, orders_10s=1_000_000)
TOKEN = "an-api-token-for-tests"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT")
PATIENCE_S = 90.0
LEASE_S = 2
FINAL = ("filled", "refused", "closed", "expired", "failed")
_SIDE = re.compile(r"wants to enter (LONG|SHORT)")


RESENDS = 3


@dataclass
class Sent:
    """An alert as it was sent, and what the bot has said to it so far."""

    symbol: str
    body: bytes
    alert_id: str | None = None  # None: never answered 2xx
    answers: list[str] = field(default_factory=list)  # "accepted", "duplicate", or the status of another answer

    @property
    def taken_once(self) -> bool:
        """Accepted once; or never, when it was stored although the answer was that it may not be."""
        accepted = self.answers.count("accepted")
        return accepted == 1 or (accepted == 0 and "503" in self.answers and "duplicate" in self.answers)


@dataclass
class App:
    """One `tradingbot serve`."""

    program: Program
    client: httpx.AsyncClient

    async def post(self, alert: Sent) -> None:
        """Send an alert; no answer is an answer too."""
        answer = await self.answer_to(alert.body)
        if answer is None:
            alert.answers.append("none")
        elif answer.status_code == httpx.codes.ACCEPTED:
            alert.answers.append(answer.json()["status"])
            assert alert.alert_id in (None, answer.json()["alert_id"]), "one alert, two rows"
            alert.alert_id = answer.json()["alert_id"]
        else:
            alert.answers.append(str(answer.status_code))

    async def answer_to(self, body: bytes) -> httpx.Response | None:
        try:
            return await self.client.post("/webhooks/tradingview", content=body)
        except httpx.TransportError:
            return None

    async def get(self, path: str) -> Any:
        """None while nobody answers, or the answer is that it cannot be answered now."""
        try:
            answer = await self.client.get(path)
        except httpx.TransportError:
            return None
        return answer.json() if answer.is_success else None

    async def ready(self) -> None:
        async def is_ready() -> bool:
            assert self.program.running, self.program.said()[-3000:]
            return await self.get("/ready") is not None

        await until("the bot is ready", is_ready)

    async def finished(self, alert: Sent) -> dict[str, Any]:
        """The whole story of an alert, once it has ended."""

        async def ended() -> Any:
            story = await self.get(f"/alerts/{alert.alert_id}")
            return story if story and story["state"] in FINAL else None

        return await until(f"{alert.alert_id} on {alert.symbol} ends", ended)  # type: ignore[no-any-return]


@dataclass
class Site:
    folder: Path
    books: Books
    models: Mapping[Seat, Loopback]
    venue: httpx.AsyncClient
    env: dict[str, str]
    closing: contextlib.AsyncExitStack
    sent: list[Sent] = field(default_factory=list)
    apps: list[App] = field(default_factory=list)
    gate: dict[str, bool] = field(default_factory=lambda: {"open": True})  # closed: the models never answer

    # --- programs ---------------------------------------------------------------------------------------

    async def start(
        self, *, ready: bool = True, second: bool = False, role: str = "", migrate: bool = True, **env: str
    ) -> App:
        """A bot, at the place where the last one was; `second` puts it beside that. With a role, it is all it does."""
        port = env.get("PORT", self.env["PORT"])
        if second:
            port = str(free_port())
        url = f"http://127.0.0.1:{port}/api/v1"
        client = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10, trust_env=False
        )
        await self.closing.enter_async_context(client)
        words = ("serve", *(("--role", role) if role else ()), *(() if migrate else ("--no-migrate",)))
        program = Program(*words, env=self.env | env | {"PORT": port}, folder=self.folder, name=f"serve{role}")
        self.closing.callback(program.kill)
        app = App(program, client)
        self.apps.append(app)
        if ready:
            await app.ready()
        return app

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Run another `tradingbot` command to its end: exit code, and what it said."""
        program = Program(*arguments, env=self.env, folder=self.folder)
        program.log.unlink(missing_ok=True)
        return await program.ended(PATIENCE_S), program.said()

    # --- alerts -----------------------------------------------------------------------------------------

    def alert(self, symbol: str, kind: str, **changes: Any) -> Sent:
        """kind: long, short or exit, all of the strategy named trend."""
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        fields = {
            "secret": SECRET,
            "strategy": "trend",
            "symbol": f"{symbol}.P",
            "interval": "60",
            "fired_at": stamp,
            "order_id": f"order-{len(self.sent)}",
            "action": "buy" if kind == "long" else "sell",
            "market_position": "flat" if kind == "exit" else kind,
        } | changes
        alert = Sent(symbol, json.dumps(fields).encode())
        self.sent.append(alert)
        return alert

    @property
    def taken(self) -> list[Sent]:
        """The alerts the bot has promised to work on."""
        return [alert for alert in self.sent if alert.alert_id]

    async def send_in_turn(self, app: App, alerts: list[Sent]) -> None:
        """All symbols at once; within a symbol in order, each as soon as the last is answered.

        As TradingView does, what is answered 503 (a busy database) is sent again, a few times.
        """

        async def lane(symbol: str) -> None:
            for alert in alerts:
                if alert.symbol == symbol:
                    await app.post(alert)
                    for _ in range(RESENDS):
                        if alert.answers[-1] == "503":
                            await app.post(alert)

        await asyncio.gather(*(lane(symbol) for symbol in {alert.symbol for alert in alerts}))

    # --- the venue --------------------------------------------------------------------------------------

    async def ledger(self) -> dict[str, Any]:
        ledger: dict[str, Any] = (await self.venue.get("/_sim/ledger")).json()
        return ledger

    async def venue_rules(self, *rules: Mapping[str, Any]) -> None:
        answer = await self.venue.post("/_sim/faults", json={"rules": rules})
        assert answer.is_success, answer.text

    async def rule_struck(self, number: int = 0) -> None:
        """Wait until the venue is in the middle of the trouble it was told to make."""

        async def struck() -> bool:
            rules = (await self.venue.get("/_sim/faults")).json()["rules"]
            return bool(rules[number]["struck"])

        await until(f"rule {number} strikes", struck)


async def until(what: str, holds: Callable[[], Awaitable[T]], within_s: float = PATIENCE_S) -> T:
    """The first truthy answer. Asks less and less often: each question is work for the processes that are watched."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    pause_s = 0.02
    while not (found := await holds()):
        if loop.time() > deadline:
            raise AssertionError(f"never came true: {what}")
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.2)
    return found


@contextlib.asynccontextmanager
async def site_on(
    database_url: str, folder: Path, *, embedded: bool = False, metered: bool = True, **env: str
) -> AsyncIterator[Site]:
    """An installation without a bot.

    The venue is a process of its own, unless it is `embedded` in the bot's. Where it is not `metered` it runs in the
    test's process and has no rate limits: for tests that do in a minute what no account does in ten.
    """
    async with contextlib.AsyncExitStack() as stack:
        gate = {"open": True}
        models = {}
        for seat, wire in WIRES.items():
            models[seat] = await stack.enter_async_context(Loopback({wire.route: _agreeing(seat, gate)}))
        port = free_port()
        settings = _settings(folder, database_url, models, port) | env
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)
        venue = await stack.enter_async_context(client)
        site = Site(folder, Books(database_url), models, venue, settings, stack, gate=gate)
        if not embedded:
            settings["BINANCE_BASE_URL"] = f"http://127.0.0.1:{port}"
        if not metered:
            await stack.enter_async_context(local_exchange(SimulatorConfig(limits=UNLIMITED), port))
        elif not embedded:
            program = Program("venue", env=settings, folder=folder)
            stack.callback(program.kill)
            await until("the venue answers", lambda: _answers(venue, program))
        yield site


async def _answers(venue: httpx.AsyncClient, program: Program) -> bool:
    assert program.running, program.said()
    try:
        return (await venue.get("/_sim/clock")).is_success
    except httpx.TransportError:
        return False


def _settings(folder: Path, database_url: str, models: Mapping[Seat, Loopback], venue_port: int) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder),
        "OMP_NUM_THREADS": "1",
        "TRADING_MODE": "paper",
        "PORT": str(free_port()),
        "API_TOKEN": TOKEN,
        "WEBHOOK_SECRET": SECRET,
        "STRATEGIES_FILE": str(folder / "strategies.yaml"),
        "DATABASE_URL": database_url,
        "SIMULATOR_PORT": str(venue_port),
        "SIMULATOR_JOURNAL": str(folder / "venue.journal"),
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": f"{models[Seat.GPT].url}/v1",
        "GPT_MODEL": MODELS[Seat.GPT],
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": models[Seat.CLAUDE].url,
        "CLAUDE_MODEL": MODELS[Seat.CLAUDE],
        "OLLAMA_HOST": models[Seat.LLAMA].url,
        "LLAMA_MODEL": MODELS[Seat.LLAMA],
        "AI_LSTM_VETO": "false",
        "AI_DEADLINE_S": "30",
        # Limits that would refuse what these tests are about; how they work is tested elsewhere.
        "RISK_PER_TRADE": "0.001",
        "RISK_MAX_POSITIONS": "50",
        "RISK_MAX_EXPOSURE_RATE": "50",
        "RISK_ORDERS_PER_MINUTE": "300",
        "RISK_COOLDOWN_S": "0",
        "RISK_ENTRY_MAX_AGE_S": "900",
        "RISK_MAX_CLOCK_SKEW_S": "5",
        "RISK_MIN_WIN_RATE": "0",
        "RISK_DAILY_LOSS_RATE": "1",
        "RISK_MAX_DRAWDOWN_RATE": "1",
        "WORKER_LEASE_S": str(LEASE_S),
        "WORKER_RECONCILE_S": "3",
        "WORKER_IDLE_POLL_S": "0.2",
    }


def _agreeing(seat: Seat, gate: Mapping[str, bool]) -> Callable[[Request], Answer]:
    """A model that wants what the strategy wants; says nothing while the gate is closed."""

    def reply(request: Request) -> Answer:
        if not gate["open"]:
            return HANG
        asked = _SIDE.search(request.raw_query)
        return text_answer(seat, says(asked.group(1) if asked else "NEUTRAL", 90))(request)

    return reply
