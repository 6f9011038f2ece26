"""A vote: what one seat said, or why it said nothing. An error is never a vote."""

from dataclasses import dataclass
from enum import StrEnum


class Seat(StrEnum):
    GPT = "gpt"
    CLAUDE = "claude"
    LLAMA = "llama"
    LSTM = "lstm"

    @property
    def language_model(self) -> bool:
        return self is not Seat.LSTM


class Opinion(StrEnum):
    LONG = "LONG"
    SHORT = "SHORT"
    NEUTRAL = "NEUTRAL"


class NoVote(StrEnum):
    ABSTAIN = "ABSTAIN"  # the seat is not filled
    LATE = "LATE"  # no answer inside the deadline
    ERROR = "ERROR"  # an answer that is not a vote, or no answer at all


@dataclass(frozen=True, slots=True)
class Vote:
    seat: Seat
    voter: str  # the model that sat there, e.g. "gpt-5-mini", "stand-in", "lstm 2026-11-20"
    opinion: Opinion | None  # None exactly when `no_vote` is set
    confidence: int  # 0-100; 0 when there is no vote
    no_vote: NoVote | None = None
    reason: str = ""  # the voter's own short reason, or what went wrong; never parsed
    latency_ms: int = 0
    prompt_sha256: str = ""
    answer: str = ""  # what came back, cut to 4,000 characters
    answer_sha256: str = ""

    def __post_init__(self) -> None:
        if (self.opinion is None) == (self.no_vote is None):
            raise ValueError("a vote has an opinion or a reason for having none, not both")
        if not 0 <= self.confidence <= 100:  # noqa: PLR2004 - the scale is the definition
            raise ValueError(f"confidence is 0-100, not {self.confidence}")
