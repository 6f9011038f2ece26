"""Offline stand-ins for the language models, for paper trading without keys. Rules on indicators, and named so.

Each seat gets a rule of its own, so that they can disagree: one follows the trend, one the momentum, one where the
price stands in its recent range. They are deterministic and know nothing a chart does not show; they exist so that the
path from alert to order can be walked without an account anywhere, not because they are any good.

A rule scores the market from -1 (SHORT) to +1 (LONG). Under 0.2 either way it is NEUTRAL; otherwise the confidence is
55 + 45 x |score|, so that it takes a score above one third to carry a vote over the usual threshold of 70.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from ai.ensemble.reading import Reading, read
from ai.ensemble.schema import recorded
from app.domain.vote import Opinion, Seat, Vote
from app.ports import Case

_NEUTRAL_BELOW = 0.2


def trend(reading: Reading) -> float:
    """Where the averages stand to each other, the price to them, and which way MACD leans."""
    return (
        0.35 * _clip(reading.ema_spread_atr / 1.0)
        + 0.35 * _clip(reading.ema20_distance_atr / 1.5)
        + 0.3 * _clip(reading.macd_histogram_atr / 0.25)
    )


def momentum(reading: Reading) -> float:
    """RSI away from 50, and the last 5 and 20 bars' returns in multiples of what chance would have moved."""
    chance = max(reading.volatility_pct, 1e-9)
    return (
        0.4 * _clip((reading.rsi - 50) / 15)
        + 0.3 * _clip(reading.return_5_pct / (chance * 5**0.5))
        + 0.3 * _clip(reading.return_20_pct / (chance * 20**0.5))
    )


def structure(reading: Reading) -> float:
    """Where the close stands in the Bollinger bands and the 20-bar range; volume under its mean weakens it."""
    position = 0.5 * _clip((reading.bollinger_position - 0.5) / 0.4) + 0.5 * _clip((reading.range_position - 0.5) / 0.4)
    return position * min(1.0, 0.6 + 0.4 * reading.volume_ratio)


@dataclass(slots=True, eq=False)  # not frozen: the port declares plain attributes
class StandIn:
    """Implements `app.ports.Voter`. Raises ValueError when the market cannot be read."""

    seat: Seat
    name: str
    rule: Callable[[Reading], float]

    async def vote(self, case: Case) -> Vote:
        reading = read(case.view)
        score = _clip(self.rule(reading))
        opinion = Opinion.NEUTRAL
        if abs(score) >= _NEUTRAL_BELOW:
            opinion = Opinion.LONG if score > 0 else Opinion.SHORT
        confidence = round(55 + 45 * abs(score)) if opinion is not Opinion.NEUTRAL else 50
        reason = (
            f"rule, not a model: score {score:+.2f} from RSI {reading.rsi:.0f}, "
            f"EMA spread {reading.ema_spread_atr:+.2f} ATR, 20-bar return {reading.return_20_pct:+.2f} %"
        )
        answer = json.dumps({"opinion": opinion, "confidence": confidence, "reason": reason})
        return recorded(self.seat, self.name, opinion, confidence, reason=reason, answer=answer)

    async def close(self) -> None:
        """Nothing to close."""


STAND_INS = {
    Seat.GPT: StandIn(Seat.GPT, "stand-in trend", trend),
    Seat.CLAUDE: StandIn(Seat.CLAUDE, "stand-in momentum", momentum),
    Seat.LLAMA: StandIn(Seat.LLAMA, "stand-in structure", structure),
}


def _clip(value: float) -> float:
    return max(-1.0, min(1.0, value))
