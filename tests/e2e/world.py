"""The whole bot on loopback: real HTTP, a real database, the local exchange, and three language models that say what
the test tells them to. The market is drawn by hand, so that a stop is hit when the test wants it hit.
"""

import asyncio
import contextlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import numpy as np
import sqlalchemy as sa

from app.adapters.db.database import Database
from app.adapters.db.tables import alerts
from app.commands.stage import Stage, staged
from app.domain.vote import Seat
from app.history import CandleSeries
from app.pipeline.bot import Timing
from app.settings import load_settings
from simulator.clock import Mode
from simulator.config import SimulatorConfig
from tests.contract.llm_wire import KEY, MODELS, WIRES, says, text_answer
from tests.contract.loopback import Answer, Loopback, Request
from tests.intake_messages import SECRET

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WARM_UP = 600
TOKEN = "an-api-token-for-tests"
RESENDS = 4


def drawn_market(symbol: str, price: float, future: Sequence[float]) -> CandleSeries:
    """`WARM_UP` quiet bars up to START, then one bar for each close in `future`; bars overshoot by 0.05 %."""
    rng = np.random.default_rng(len(symbol))
    past = price * (1 + 0.001 * rng.standard_normal(WARM_UP))
    past[-1] = price
    close = np.concatenate([past, np.asarray([*future, *([future[-1] if future else price] * 48)])])
    opened = np.concatenate([[price], close[:-1]])
    wick = close * 0.0005
    stamps = np.asarray([int((START + HOUR * (i - WARM_UP)).timestamp() * 1000) for i in range(len(close))], np.int64)
    return CandleSeries(
        symbol,
        "1h",
        stamps,
        np.round(opened, 1),
        np.round(np.maximum(opened, close) + wick, 1),
        np.round(np.minimum(opened, close) - wick, 1),
        np.round(close, 1),
        np.full(len(close), 1000.0),
        "drawn by a test",
    )


@dataclass
class World:
    """The running bot, seen from outside."""

    stage: Stage
    opinions: dict[Seat, Answer | str]  # what each model answers
    messages: Path
    seats: dict[Seat, Loopback]  # the three models' servers, and what they were asked
    resent: int = 0  # messages that were answered 5xx and sent again
    _sent: int = 0
    _extra: dict[str, Any] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        return self.stage.application.database

    @property
    def now(self) -> datetime:
        return self.stage.application.bot.clock.now()

    def models_say(self, opinion: str, confidence: int = 85) -> None:
        for seat in self.opinions:
            self.opinions[seat] = says(opinion, confidence)

    def alert(self, **changes: Any) -> dict[str, Any]:
        """A long entry on BTCUSDT with stop and targets; a field set to None is left out."""
        self._sent += 1
        stamp = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        fields: dict[str, Any] = {
            "secret": SECRET,
            "strategy": "trend",
            "symbol": "BTCUSDT.P",
            "interval": "60",
            "bar_time": stamp,
            "fired_at": stamp,
            "action": "buy",
            "order_id": f"order-{self._sent}",
            "market_position": "long",
            "price": "50000",
            "stop_loss": "49000",
            "take_profits": [{"price": "51500", "ratio": "0.5"}, {"price": "53000", "ratio": "0.5"}],
        }
        return {key: value for key, value in (fields | changes).items() if value is not None}

    def exit(self, **changes: Any) -> dict[str, Any]:
        leave = {"action": "sell", "market_position": "flat", "stop_loss": None, "take_profits": None}
        return self.alert(**(leave | changes))

    def short(self, **changes: Any) -> dict[str, Any]:
        turned = {
            "action": "sell",
            "market_position": "short",
            "stop_loss": "51000",
            "take_profits": [{"price": "48000", "ratio": "1"}],
        }
        return self.alert(**(turned | changes))

    async def post(self, body: Mapping[str, Any] | bytes) -> httpx.Response:
        """As TradingView sends: what is answered 5xx (a busy database) is sent again, a few times."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        for _ in range(RESENDS):
            answer = await self.stage.bot.post("/webhooks/tradingview", content=content)
            if not answer.is_server_error:
                break
            self.resent += 1
        return answer

    async def story(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send an alert and wait for its end."""
        answer = await self.post(body)
        assert answer.status_code == 202, answer.text
        return await self.finished(answer.json()["alert_id"])

    async def enters(self, **changes: Any) -> dict[str, Any]:
        """A long entry that is made; `changes` to its alert. Fails here, with the reason, when it is not."""
        story = await self.story(self.alert(**changes))
        assert story["state"] == "filled", (story["summary"], story["votes"])
        return story

    async def finished(self, alert_id: str) -> dict[str, Any]:
        async def wait() -> dict[str, Any]:
            while True:
                story: dict[str, Any] = await self.get(f"/alerts/{alert_id}")
                if story["state"] not in ("pending", "working"):
                    return story
                await asyncio.sleep(0.08)

        return await asyncio.wait_for(wait(), 30)

    async def tries(self, alert_id: str) -> int:
        """How often the alert was taken up."""
        query = sa.select(alerts.c.attempts).where(alerts.c.alert_id == alert_id)
        async with self.database.engine.connect() as connection:
            return int(await connection.scalar(query))

    async def get(self, path: str) -> Any:
        answer = await self.stage.bot.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ledger(self) -> dict[str, Any]:
        ledger: dict[str, Any] = (await self.stage.venue.get("/_sim/ledger")).json()
        return ledger

    async def entries(self) -> list[dict[str, Any]]:
        """Market orders the venue accepted that could add exposure."""
        orders = (await self.ledger())["orders"]
        return [
            one for one in orders if one["type"] == "MARKET" and not one["reduce_only"] and not one["parent_order_id"]
        ]

    async def resting(self) -> list[dict[str, Any]]:
        """Conditional orders that wait at the venue."""
        return [one for one in (await self.ledger())["orders"] if one["algo"] and one["status"] == "NEW"]

    async def faults(self, *rules: Mapping[str, Any]) -> None:
        """The trouble the venue makes from now on, instead of any before: see docs/concepts/simulator.md."""
        answer = await self.stage.venue.post("/_sim/faults", json={"rules": rules})
        assert answer.status_code == 200, answer.text

    async def struck(self) -> list[int]:
        """How often each rule has struck."""
        return [rule["struck"] for rule in (await self.stage.venue.get("/_sim/faults")).json()["rules"]]

    async def streams(self, **what: Any) -> None:
        assert (await self.stage.venue.post("/_sim/streams", json=what)).status_code == 200

    async def outsider(self, method: str, path: str, **params: Any) -> Any:
        """A request of somebody else on the same account: a person with the exchange's own app."""
        keys = self.stage.application.settings.venue
        params["timestamp"] = int(self.now.timestamp() * 1000)
        query = urlencode(params)
        signature = hmac.new(keys.api_secret.get_secret_value().encode(), query.encode(), "sha256").hexdigest()
        answer = await self.stage.venue.request(
            method,
            f"{path}?{query}&signature={signature}",
            headers={"X-MBX-APIKEY": keys.api_key.get_secret_value()},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def trade_by_hand(self, side: str, quantity: str, symbol: str = "BTCUSDT") -> Any:
        return await self.outsider("POST", "/fapi/v1/order", symbol=symbol, side=side, type="MARKET", quantity=quantity)

    @contextlib.asynccontextmanager
    async def time_flows(self, speed: float = 1.0) -> AsyncIterator[None]:
        """The venue's clock, which otherwise stands still, runs while the block does."""

        async def flow() -> None:
            while True:
                await asyncio.sleep(0.05)
                await self.hours_pass(0.05 * speed / 3600)

        flowing = asyncio.create_task(flow())
        try:
            yield
        finally:
            flowing.cancel()
            await asyncio.gather(flowing, return_exceptions=True)

    async def held(self) -> tuple[str, Decimal] | None:
        """What the venue holds: side and size."""
        positions = (await self.ledger())["positions"]
        return (positions[0]["side"], Decimal(positions[0]["quantity"])) if positions else None

    async def stops(self) -> list[str]:
        """Trigger prices of the stops that rest and would close everything."""
        return [one["trigger_price"] for one in await self.resting() if one["close_position"]]

    async def looks(self, times: int) -> None:
        """Wait for so many complete looks at the account, begun after now."""
        for _ in range(times + 1):  # the first may have begun before
            before = dict(self.stage.application.bot.health.looked_at)

            async def looked(before: dict[Any, float] = before) -> bool:
                return self.stage.application.bot.health.looked_at != before

            await self.until("a complete look", looked)

    async def is_told(self, text: str) -> None:
        async def holds() -> bool:
            return text in self.told()

        await self.until(f"the message {text!r}", holds)

    async def hours_pass(self, hours: float) -> None:
        await self.stage.venue.post("/_sim/clock", json={"advance_s": hours * 3600})

    async def until(self, what: str, holds: Any) -> None:
        """Wait for what the background work is about to bring about."""

        async def wait() -> None:
            while not await holds():  # noqa: ASYNC110 - what is waited for happens behind HTTP: nobody sets an event
                await asyncio.sleep(0.08)

        try:
            await asyncio.wait_for(wait(), 20)
        except TimeoutError:
            raise AssertionError(f"never came true: {what}") from None

    async def position_is(self, quantity: str | None) -> None:
        """Our record of the only position, once the venue's news have arrived."""

        async def holds() -> bool:
            held = (await self.get("/positions"))["positions"]
            return (not held) if quantity is None else [row["quantity"] for row in held] == [quantity]

        await self.until(f"position {quantity}", holds)

    def told(self) -> str:
        return self.messages.read_text()


@contextlib.asynccontextmanager
async def running_bot(
    database_url: str,
    folder: Path,
    *,
    future: Sequence[float] = (50000.0,),
    env: Mapping[str, str] | None = None,
    models: bool = True,
    timing: Timing | None = None,
    venue_journal: Path | None = None,
) -> AsyncIterator[World]:
    """BTCUSDT starts at 50,000 and follows `future`, hour by hour; ETHUSDT stays at 3,000.

    With a journal, the venue goes on from where an earlier one with the same market left off.
    """
    from app.adapters.console import ConsoleNotifier  # noqa: PLC0415 - opens its thread when made

    opinions: dict[Seat, Answer | str] = {seat: says("LONG", 85) for seat in WIRES}
    async with contextlib.AsyncExitStack() as stack:
        seats = dict[Seat, Loopback]()
        for seat, wire in WIRES.items():
            seats[seat] = await stack.enter_async_context(Loopback({wire.route: _speaker(seat, opinions)}))
        settings = load_settings(
            {
                "TRADING_MODE": "paper",
                "DATABASE_URL": database_url,
                "STRATEGIES_FILE": str(folder / "strategies.yaml"),
                "WEBHOOK_SECRET": SECRET,
                "API_TOKEN": TOKEN,
                "AI_LSTM_VETO": "false",
                "RISK_COOLDOWN_S": "0",
                "SIMULATOR_JOURNAL": "",
                **(_model_settings(seats) if models else {}),
                **(env or {}),
            },
            env_file=None,
        )
        config = SimulatorConfig(
            series={"BTCUSDT": drawn_market("BTCUSDT", 50_000, future), "ETHUSDT": drawn_market("ETHUSDT", 3000, ())},
            start=START,
            mode=Mode.STEPPED,
            balance=Decimal(10_000),
            journal_path=venue_journal,
        )
        messages = folder / "messages.txt"
        notifier = ConsoleNotifier(stack.enter_context(messages.open("a")))
        stage = await stack.enter_async_context(staged(settings, config, notifier=notifier, timing=timing))
        yield World(stage, opinions, messages, seats)


def _model_settings(seats: Mapping[Seat, Loopback]) -> dict[str, str]:
    return {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": f"{seats[Seat.GPT].url}/v1",
        "GPT_MODEL": MODELS[Seat.GPT],
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": seats[Seat.CLAUDE].url,
        "CLAUDE_MODEL": MODELS[Seat.CLAUDE],
        "OLLAMA_HOST": seats[Seat.LLAMA].url,
        "LLAMA_MODEL": MODELS[Seat.LLAMA],
    }


def _speaker(seat: Seat, opinions: Mapping[Seat, Answer | str]) -> Any:
    def reply(request: Request) -> Answer:
        said = opinions[seat]
        return said if isinstance(said, Answer) else text_answer(seat, said)(request)

    return reply
