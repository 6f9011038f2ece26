"""The verdict: votes, counted."""

from dataclasses import dataclass
from enum import StrEnum

from app.domain.side import Side
from app.domain.vote import Vote


class VerdictReason(StrEnum):
    APPROVED = "APPROVED"
    EXIT_NOT_JUDGED = "EXIT_NOT_JUDGED"
    NO_QUORUM = "NO_QUORUM"  # too few language models named the signal's side
    LOW_CONFIDENCE = "LOW_CONFIDENCE"  # they did, but not confidently enough
    LSTM_CONTRADICTS = "LSTM_CONTRADICTS"


@dataclass(frozen=True, slots=True)
class Verdict:
    approved: bool
    reason: VerdictReason
    side: Side | None  # the side that was judged; None for an exit
    agreeing: int  # language models that named the signal's side
    quorum: int
    mean_confidence: float  # of the agreeing language models, 0 when there are none
    min_confidence: float
    votes: tuple[Vote, ...]
