"""Signals, markets, votes and voters for tests of the verdict and its seats."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from app import indicators
from app.domain.candle import Candle, MarketView
from app.domain.ids import AccountId, AlertId, StrategyId, Symbol
from app.domain.money import Price
from app.domain.side import OrderSide, Target
from app.domain.signal import Signal
from app.domain.vote import NoVote, Opinion, Seat, Vote
from app.pipeline.verdict import Jury
from app.ports import Case

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def a_signal(target: Target | None = Target.LONG, **changes: Any) -> Signal:
    signal = Signal(
        alert_id=AlertId("01JH0000000000000000000000"),
        strategy=StrategyId("ema-cross"),
        account=AccountId("main"),
        symbol=Symbol("BTCUSDT"),
        interval="1h",
        action=OrderSide.SELL if target is Target.SHORT else OrderSide.BUY,
        target=target,
        bar_time=NOON - timedelta(hours=1),
        fired_at=NOON,
        received_at=NOON,
        confirmed=True,
        price=None,
        stop_loss=None,
    )
    return replace(signal, **changes)


def a_market(closes: Any = None, *, volumes: Any = None, bars: int = 200, symbol: str = "BTCUSDT") -> MarketView:
    """Hourly candles up to noon around the given closes (a quiet random walk when there are none)."""
    if closes is None:
        closes = 40_000 * np.exp(np.cumsum(np.random.default_rng(7).normal(0, 0.004, bars)))
    closes = np.asarray(closes, dtype=float)
    opens = np.concatenate([closes[:1], closes[:-1]])
    highs = np.maximum(opens, closes) * 1.001
    lows = np.minimum(opens, closes) * 0.999
    volumes = np.full(len(closes), 100.0) if volumes is None else np.asarray(volumes, dtype=float)
    start = NOON - len(closes) * timedelta(hours=1)
    rows = zip(opens, highs, lows, closes, volumes, strict=True)
    candles = tuple(Candle(start + i * timedelta(hours=1), *map(float, row)) for i, row in enumerate(rows))
    atr = indicators.atr(highs, lows, closes)
    return MarketView(symbol, "1h", candles, float(closes[-1]), float(atr[-1]) if len(atr) else 0.0)


def a_case(signal: Signal | None = None, view: MarketView | None = None, prompt: str = "LONG or SHORT?") -> Case:
    return Case(signal or a_signal(), view or a_market(), prompt)


def a_vote(seat: Seat, opinion: Opinion | NoVote = Opinion.LONG, confidence: int = 80) -> Vote:
    if isinstance(opinion, NoVote):
        return Vote(seat, "model", None, 0, opinion)
    return Vote(seat, f"{seat}-model", opinion, confidence)


def price(text: str) -> Price:
    return Price(Decimal(text))


class FixedPrompter:
    def __init__(self, prompt: str = "LONG or SHORT?") -> None:
        self._prompt = prompt

    def prompt(self, signal: Signal, view: MarketView) -> str:
        return self._prompt


@dataclass(frozen=True)
class ScriptedVoter:
    """Votes by calling `script`, which may hang, raise or return anything."""

    seat: Seat
    script: Callable[[Case], Awaitable[Any]]
    name: str = "scripted"

    async def vote(self, case: Case) -> Any:
        return await self.script(case)


def says(seat: Seat, opinion: Opinion, confidence: int = 80) -> ScriptedVoter:
    async def script(case: Case) -> Vote:
        return Vote(seat, "scripted", opinion, confidence, reason="because")

    return ScriptedVoter(seat, script)


def raises(seat: Seat, error: BaseException) -> ScriptedVoter:
    async def script(case: Case) -> Vote:
        raise error

    return ScriptedVoter(seat, script)


def hangs(seat: Seat) -> ScriptedVoter:
    async def script(case: Case) -> Vote:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return ScriptedVoter(seat, script)


def jury_of(*voters: Any) -> Jury:
    return Jury(FixedPrompter(), tuple(voters))
