"""Stage two: ask the four seats, count their votes. Only entries come here; an exit is never put to a vote.

Failure here means a missing vote, never an exception: a seat that is empty, late or broken is recorded as such and
weighs nothing. Since the quorum is counted over the seats and not over the answers, every failure makes an entry
harder and none makes it easier.
"""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.domain.candle import MarketView
from app.domain.events import VotesAsked
from app.domain.policy import VerdictPolicy
from app.domain.side import Side
from app.domain.signal import Signal
from app.domain.verdict import Verdict, VerdictReason
from app.domain.vote import NoVote, Opinion, Seat, Vote
from app.ports import Case, Clock, Prompter, Voter

ANSWER_LIMIT = 4_000  # characters of an answer that are kept; its hash covers all of it
_REASON_LIMIT = 300

_NAMES_OF_SECRETS = "api[-_ ]?key|authorization|secret|token|password|passphrase|signature"
_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+\S+"), r"\1 ***"),
    (re.compile(rf"(?i)({_NAMES_OF_SECRETS})([\"']?\s*[:=]\s*[\"']?)[^\s\"',}}]+"), r"\1\2***"),
    (re.compile(r"\bsk-[\w-]{4,}"), "***"),
    (re.compile(r"://[^/\s@]+@"), "://***@"),
    (re.compile(r"[\w-]{32,}"), "***"),  # nothing that long is a word
)

# Voters that ignored their cancellation. The loop only holds tasks weakly, so somebody has to until they end.
_abandoned: set[asyncio.Task[Vote]] = set()


@dataclass(frozen=True, slots=True)
class Jury:
    """Who is asked. A seat without a voter abstains; two voters on one seat would be a vote too many."""

    prompter: Prompter
    voters: tuple[Voter, ...]

    def __post_init__(self) -> None:
        seats = [voter.seat for voter in self.voters]
        if len(seats) != len(set(seats)):
            raise ValueError(f"one voter per seat, not {', '.join(seats)}")


async def judge(
    signal: Signal,
    side: Side,
    view: MarketView,
    *,
    jury: Jury,
    policy: VerdictPolicy,
    clock: Clock,
) -> tuple[VotesAsked, Verdict]:
    """Ask every seat at once and count what is there when the deadline strikes. Raises nothing."""
    try:
        prompt = jury.prompter.prompt(signal, view)
    except Exception as error:  # noqa: BLE001 - whatever went wrong, there is no question to vote on
        votes = tuple(_no_vote(seat, _name(jury, seat), NoVote.ERROR, redacted(error)) for seat in Seat)
        return _asked("", policy), count(votes, side, policy)
    cast = await _ask_all(jury.voters, Case(signal, view, prompt), policy.deadline_s, clock)
    votes = tuple(cast.get(seat) or _no_vote(seat, "", NoVote.ABSTAIN, "the seat is empty") for seat in Seat)
    return _asked(prompt, policy), count(votes, side, policy)


def count(votes: Sequence[Vote], side: Side, policy: VerdictPolicy) -> Verdict:
    """The rule, and nothing but the rule.

    Approved when at least `quorum` of the three language models name the side, those that do are on average more
    confident than `min_confidence`, and the LSTM does not name the opposite side. NEUTRAL and no-votes weigh nothing.
    """
    agreeing = [vote for vote in votes if vote.seat.language_model and vote.opinion is Opinion(side.value)]
    mean = sum(vote.confidence for vote in agreeing) / len(agreeing) if agreeing else 0.0
    contradicted = any(vote.seat is Seat.LSTM and vote.opinion is Opinion(side.opposite.value) for vote in votes)
    if len(agreeing) < policy.quorum:
        reason = VerdictReason.NO_QUORUM
    elif not mean > policy.min_confidence:
        reason = VerdictReason.LOW_CONFIDENCE
    elif policy.lstm_veto and contradicted:
        reason = VerdictReason.LSTM_CONTRADICTS
    else:
        reason = VerdictReason.APPROVED
    return Verdict(
        approved=reason is VerdictReason.APPROVED,
        reason=reason,
        side=side,
        agreeing=len(agreeing),
        quorum=policy.quorum,
        mean_confidence=mean,
        min_confidence=policy.min_confidence,
        votes=tuple(votes),
    )


def redacted(error: BaseException) -> str:
    """An exception in one line of at most 300 characters, without anything that looks like a credential."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text[:_REASON_LIMIT]


async def _ask_all(voters: Sequence[Voter], case: Case, deadline_s: float, clock: Clock) -> dict[Seat, Vote]:
    """One vote or no-vote per voter. Returns when all have answered or the deadline strikes, whichever is first."""
    started = clock.monotonic()
    tasks = [asyncio.create_task(_ask(voter, case, clock)) for voter in voters]
    deadline = asyncio.ensure_future(clock.sleep(deadline_s))
    try:
        while not deadline.done() and (waiting := [task for task in tasks if not task.done()]):
            await asyncio.wait([*waiting, deadline], return_when=asyncio.FIRST_COMPLETED)
        elapsed_ms = _elapsed_ms(started, clock)
        return {voter.seat: _outcome(voter, task, elapsed_ms) for voter, task in zip(voters, tasks, strict=True)}
    finally:
        deadline.cancel()
        for task in tasks:
            _let_go(task)


async def _ask(voter: Voter, case: Case, clock: Clock) -> Vote:
    started = clock.monotonic()
    try:
        vote = _checked(await voter.vote(case), voter)
    except Exception as error:  # noqa: BLE001 - an error is never a vote, whatever its type
        answer = str(getattr(error, "answer", ""))  # what came back, where the voter could tell
        vote = _no_vote(voter.seat, voter.name, NoVote.ERROR, redacted(error), answer=answer)
    asked = _sha256(case.prompt) if voter.seat.language_model else ""
    return replace(vote, latency_ms=_elapsed_ms(started, clock), prompt_sha256=asked, answer=vote.answer[:ANSWER_LIMIT])


def _checked(answer: object, voter: Voter) -> Vote:
    """The type checker cannot vouch for every voter at run time, and a vote decides about money."""
    if not isinstance(answer, Vote) or answer.seat is not voter.seat:
        raise TypeError(f"not a vote for the seat {voter.seat}")
    return answer


def _outcome(voter: Voter, task: asyncio.Task[Vote], elapsed_ms: int) -> Vote:
    if not task.done():
        return replace(
            _no_vote(voter.seat, voter.name, NoVote.LATE, "no answer inside the deadline"), latency_ms=elapsed_ms
        )
    if task.cancelled():
        return _no_vote(voter.seat, voter.name, NoVote.ERROR, "the voter gave up")
    return task.result()


def _let_go(task: asyncio.Task[Vote]) -> None:
    """Cancel without waiting: a voter that will not stop must not hold up the verdict."""
    if task.cancel():
        _abandoned.add(task)
        task.add_done_callback(_abandoned.discard)


def _no_vote(seat: Seat, voter: str, why: NoVote, reason: str, *, answer: str = "") -> Vote:
    sha256 = _sha256(answer) if answer else ""
    return Vote(seat, voter, None, 0, why, reason=reason, answer=answer[:ANSWER_LIMIT], answer_sha256=sha256)


def _name(jury: Jury, seat: Seat) -> str:
    return next((voter.name for voter in jury.voters if voter.seat is seat), "")


def _asked(prompt: str, policy: VerdictPolicy) -> VotesAsked:
    return VotesAsked(prompt, _sha256(prompt), deadline_ms=round(policy.deadline_s * 1000))


def _elapsed_ms(since: float, clock: Clock) -> int:
    return max(0, round((clock.monotonic() - since) * 1000))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
