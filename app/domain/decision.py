"""The decision: the risk stage's approved plan, or a refusal with the numbers behind it."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from app.domain.ids import Symbol
from app.domain.money import Money, Price, Quantity
from app.domain.side import Side
from app.domain.signal import TakeProfit, TrailingStop


class Stage(StrEnum):
    """The stages of the main path, by the file that holds them."""

    ALERT = "alert"
    VERDICT = "verdict"
    RISK = "risk"
    ORDER = "order"


class DenyReason(StrEnum):
    """Every way the bot says no. A member's name is what users, metrics and the API show."""

    # alert
    UNREADABLE_ALERT = "UNREADABLE_ALERT"
    # verdict
    NO_QUORUM = "NO_QUORUM"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    LSTM_CONTRADICTS = "LSTM_CONTRADICTS"
    # risk: is the signal itself in order
    STALE = "STALE"
    UNCONFIRMED = "UNCONFIRMED"
    SUPERSEDED = "SUPERSEDED"
    SYMBOL_NOT_ALLOWED = "SYMBOL_NOT_ALLOWED"
    SIDE_NOT_ALLOWED = "SIDE_NOT_ALLOWED"
    NO_DIRECTION = "NO_DIRECTION"
    # risk: may the bot open anything now
    KILLED = "KILLED"
    PAUSED = "PAUSED"
    NOT_RECONCILED = "NOT_RECONCILED"
    CLOCK_SKEW = "CLOCK_SKEW"
    DAILY_LOSS_LIMIT = "DAILY_LOSS_LIMIT"
    DRAWDOWN_LATCHED = "DRAWDOWN_LATCHED"
    COOLDOWN = "COOLDOWN"
    RATE_LIMIT = "RATE_LIMIT"
    # risk: does it fit beside what is open
    ALREADY_FLAT = "ALREADY_FLAT"
    ALREADY_IN_POSITION = "ALREADY_IN_POSITION"
    UNKNOWN_REDUCTION = "UNKNOWN_REDUCTION"
    MAX_POSITIONS = "MAX_POSITIONS"
    MAX_EXPOSURE = "MAX_EXPOSURE"
    # risk: is the trade worth it, and can it be sized
    NO_STOP = "NO_STOP"
    STOP_WRONG_SIDE = "STOP_WRONG_SIDE"
    STOP_BEYOND_LIQUIDATION = "STOP_BEYOND_LIQUIDATION"
    TAKE_PROFIT_WRONG_SIDE = "TAKE_PROFIT_WRONG_SIDE"
    REWARD_RISK = "REWARD_RISK"
    WIN_RATE = "WIN_RATE"
    TOO_SMALL = "TOO_SMALL"
    # order
    NO_MARKET_DATA = "NO_MARKET_DATA"
    VENUE_REJECTED = "VENUE_REJECTED"
    NOT_EXECUTED = "NOT_EXECUTED"
    STOP_IMPOSSIBLE = "STOP_IMPOSSIBLE"
    QUARANTINED = "QUARANTINED"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no, with a reason a machine can count and numbers a person can check."""

    stage: Stage
    reason: DenyReason
    detail: str  # one plain sentence with the numbers
    numbers: dict[str, str] = field(default_factory=dict)


class Move(StrEnum):
    """What has to happen on the venue to reach the target position."""

    OPEN = "OPEN"
    ADD = "ADD"
    REDUCE = "REDUCE"
    CLOSE = "CLOSE"
    REVERSE = "REVERSE"  # close, wait for flat, open

    @property
    def enters(self) -> bool:
        """True when exposure grows: these are judged by AI and limited by risk."""
        return self in (Move.OPEN, Move.ADD, Move.REVERSE)


@dataclass(frozen=True, slots=True)
class Entry:
    """The part of a decision that adds exposure."""

    side: Side
    quantity: Quantity
    reference_price: Price  # mark price the size was computed from
    stop_loss: Price
    take_profits: tuple[TakeProfit, ...]
    trailing_stop: TrailingStop | None
    leverage: int
    notional: Money
    risk: Money  # lost if the stop is hit at its price, without fees


@dataclass(frozen=True, slots=True)
class Decision:
    move: Move
    symbol: Symbol
    entry: Entry | None  # set exactly when the move enters
    close_side: Side | None = None  # side of the position to shrink, for REDUCE, CLOSE and REVERSE
    close_ratio: Decimal = Decimal(1)  # share of the position to close, 0 < ratio <= 1
    why: tuple[str, ...] = ()  # the numbers that shaped it, in plain words
