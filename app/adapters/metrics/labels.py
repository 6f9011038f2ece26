"""Every label value there is. What is not in its set is counted as "other": nothing from outside can add a series."""

import math

from app.domain.alert import AlertState
from app.domain.decision import Move
from app.domain.order import OrderState
from app.domain.vote import NoVote, Opinion

OTHER = "other"

STATES = frozenset(state.value for state in AlertState if state.final)
ORDER_STATES = frozenset(state.value for state in OrderState)
MOVES = frozenset(move.value for move in Move)
VOTES = frozenset(item.value for kind in (Opinion, NoVote) for item in kind)
LEGS = frozenset({"entry", "close", "stop", "take_profit", "trail", "flatten"})
OUTCOMES = frozenset({"accepted", "rejected", "unknown"})
TAKEN = frozenset({"accepted", "duplicate"})
FEEDS = frozenset({"candles", "user_stream"})
ENDS = frozenset({"take-profit", "stop", "trailing stop", "signal", "flattened", "outside"})  # PositionClosed.why
REALISED = frozenset({"gain", "loss", "fees"})
TOKENS = frozenset({"input", "output"})
PROBED = frozenset({"database", "venue"})
SWITCHES = frozenset({"paused", "killed", "daily_loss", "drawdown", "not_reconciled"})  # what keeps entries away
MESSAGES = frozenset({"waiting", "undelivered"})
DOOR = "/webhooks/tradingview"  # the route whose failures lose alerts
FAILED = frozenset({"500", "503"})
TRACES = frozenset({"exported", "failed", "dropped"})
ALARMS = frozenset(
    {
        "conditional_rejected_at_trigger",
        "entries_halted",
        "feed_silent",
        "flattened",
        "naked_position",
        "position_adopted",
        "quarantined",
        "spill_unreadable",
        "stop_unrecorded",
        "venue_silent",
        "worker_loop",
    }
)


def one_of(known: frozenset[str], value: str) -> str:
    return value if value in known else OTHER


def leg_of(leg: str) -> str:
    """tp1, tp2, … are one leg here: their number is for people to choose."""
    is_take_profit = leg.startswith("tp") and leg[2:].isdigit()
    return "take_profit" if is_take_profit else one_of(LEGS, leg)


def known(value: float | None) -> float:
    """A gauge nobody could read is NaN."""
    return math.nan if value is None else value


def elapsed(seconds: float) -> float:
    """A clock that stepped back must not make a time negative; one NaN would spoil a sum for ever."""
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0
