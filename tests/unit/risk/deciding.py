"""`decide` on the plain case of tests/builders.py, with only what a test is about said aloud."""

from typing import Any

from app.domain.decision import Decision, DenyReason, Entry, Refusal
from app.domain.position import Position
from app.domain.signal import Signal
from app.pipeline.risk import decide
from app.pipeline.target import which_move
from tests import builders as a


def decided(signal: Signal, position: Position | None = None, **changes: Any) -> Decision | Refusal:
    """The risk stage's answer; the move is the one that `which_move` finds unless it is given."""
    move = changes.pop("move", None) or which_move(signal, position)
    if isinstance(move, Refusal):
        return move
    world = {
        "view": a.a_view(),
        "instrument": a.an_instrument(),
        "balance": a.a_balance(),
        "facts": a.facts(positions=(position,) if position else ()),
        "record": a.a_record(),
        "newest": None,
        "policy": a.a_policy(),
        "profile": a.a_profile(),
        "now": a.NOW,
        "ready": a.ready(),
    }
    return decide(signal, move, position=position, **{**world, **changes})


def reason(answer: Decision | Refusal) -> DenyReason:
    assert isinstance(answer, Refusal), answer
    return answer.reason


def plan(answer: Decision | Refusal) -> Decision:
    assert isinstance(answer, Decision), answer
    return answer


def entry(answer: Decision | Refusal) -> Entry:
    made = plan(answer).entry
    assert made is not None
    return made
