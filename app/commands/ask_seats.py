"""One real question to every filled seat, about a made-up market: the only part of the doctor that costs money."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from ai.ensemble.claude import ClaudeVoter
from ai.ensemble.gpt import GptVoter
from ai.ensemble.llama import LlamaVoter
from ai.ensemble.prompt import MarketPrompter
from ai.ensemble.wire import BACKSTOP_S
from app.commands.checkups import Finding, Level
from app.domain.candle import MarketView
from app.domain.ids import AccountId, AlertId, StrategyId, Symbol
from app.domain.side import Target
from app.domain.signal import Signal
from app.history import PAPER_SEED, PAPER_START_BAR, synthetic
from app.indicators import atr
from app.log import redact
from app.pipeline.wording import one_line
from app.ports import Case
from app.settings import Settings

_SYMBOL, _INTERVAL = Symbol("BTCUSDT"), "1h"

Model = GptVoter | ClaudeVoter | LlamaVoter


async def ask_seats(found: Settings) -> list[Finding]:
    """What each filled seat answers, and how long it takes against AI_DEADLINE_S."""
    voters = _voters(found)
    case = _case()
    return list(await asyncio.gather(*(_ask(voter, case, found.verdict.deadline_s) for voter in voters)))


def _voters(found: Settings) -> list[Model]:
    gpt, claude, llama = found.seats.gpt, found.seats.claude, found.seats.llama
    limit_s = found.verdict.deadline_s + BACKSTOP_S
    voters: list[Model] = []
    if gpt.api_key:
        key = gpt.api_key.get_secret_value()
        voters.append(GptVoter(api_key=key, model=gpt.model, base_url=gpt.base_url, timeout_s=limit_s))
    if claude.api_key:
        key = claude.api_key.get_secret_value()
        voters.append(ClaudeVoter(api_key=key, model=claude.model, base_url=claude.base_url, timeout_s=limit_s))
    if llama.base_url:
        voters.append(LlamaVoter(host=llama.base_url, model=llama.model, timeout_s=limit_s))
    return voters


def _case() -> Case:
    """A long entry into the synthetic market's opening trend: a question, but nobody's trade."""
    now = datetime.now(UTC)
    start = now - timedelta(hours=PAPER_START_BAR)
    series = synthetic(_SYMBOL, _INTERVAL, PAPER_START_BAR, PAPER_SEED, start)
    candles = series.candles()
    ranges = atr(series.high, series.low, series.close)
    view = MarketView(_SYMBOL, _INTERVAL, candles, mark_price=candles[-1].close, atr=float(ranges[-1]))
    signal = Signal(
        alert_id=AlertId("doctor"),
        strategy=StrategyId("doctor"),
        account=AccountId("main"),
        symbol=_SYMBOL,
        interval=_INTERVAL,
        action=None,
        target=Target.LONG,
        bar_time=None,
        fired_at=now,
        received_at=now,
        confirmed=True,
        price=None,
        stop_loss=None,
    )
    return Case(signal, view, MarketPrompter().prompt(signal, view))


async def _ask(voter: Model, case: Case, limit_s: float) -> Finding:
    name, started = f"{voter.seat} asked", time.monotonic()
    try:
        async with asyncio.timeout(limit_s):
            vote = await voter.vote(case)
    except TimeoutError:
        return Finding(name, Level.FAIL, f"no answer within AI_DEADLINE_S={limit_s:g}", "allow more, or a faster model")
    except Exception as error:  # noqa: BLE001 - every failure of a foreign service is what is looked for here
        return Finding(name, Level.FAIL, one_line(redact(str(error)), 200), "mend its key, model name or address")
    finally:
        await voter.close()
    took_ms = (time.monotonic() - started) * 1000
    said = f"{vote.opinion} {vote.confidence} “{one_line(vote.reason, 80)}”"
    return Finding(name, Level.OK, f"{voter.name}: {said} after {took_ms:,.0f} ms")
