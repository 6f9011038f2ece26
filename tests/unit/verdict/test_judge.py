"""Asking the seats: together, under one deadline, whatever they do."""

import asyncio
import gc

import pytest

from app.domain.policy import VerdictPolicy
from app.domain.side import Side
from app.domain.verdict import VerdictReason
from app.domain.vote import NoVote, Opinion, Seat, Vote
from app.pipeline.verdict import Jury, judge
from tests.fakes import FakeClock
from tests.unit.verdict.builders import (
    FixedPrompter,
    ScriptedVoter,
    a_market,
    a_signal,
    hangs,
    jury_of,
    raises,
    says,
)

LONG, SHORT, NEUTRAL = Opinion.LONG, Opinion.SHORT, Opinion.NEUTRAL


class HeldClock(FakeClock):
    """A clock whose deadline strikes when the test says so."""

    def __init__(self):
        super().__init__()
        self.asleep = asyncio.Event()
        self.strike = asyncio.Event()

    async def sleep(self, seconds):
        self.asleep.set()
        await self.strike.wait()
        self.advance(seconds)


async def judged(*voters, clock=None, jury=None):
    return await judge(
        a_signal(),
        Side.LONG,
        a_market(),
        jury=jury or jury_of(*voters),
        policy=VerdictPolicy(),
        clock=clock or HeldClock(),
    )


def by_seat(verdict):
    return {vote.seat: vote for vote in verdict.votes}


async def test_four_agreeing_seats_approve_and_the_question_is_recorded():
    asked, verdict = await judged(*(says(seat, LONG, 90) for seat in Seat))

    assert verdict.approved
    assert verdict.agreeing == 3
    assert verdict.mean_confidence == 90
    assert asked.prompt == "LONG or SHORT?"
    assert asked.deadline_ms == 4000
    assert [v.prompt_sha256 for v in verdict.votes] == [asked.prompt_sha256] * 3 + [""]


async def test_votes_come_in_the_order_of_the_seats_whoever_answers_first():
    gate = asyncio.Event()

    async def slow(case):
        await gate.wait()
        return Vote(Seat.GPT, "slow", LONG, 80)

    async def opens_the_gate(case):
        gate.set()
        return Vote(Seat.LSTM, "fast", NEUTRAL, 50)

    _, verdict = await judged(ScriptedVoter(Seat.LSTM, opens_the_gate), ScriptedVoter(Seat.GPT, slow))

    assert [vote.seat for vote in verdict.votes] == list(Seat)


async def test_seats_are_asked_at_the_same_time():
    """Each waits until all have been asked; in sequence this would never end."""
    everybody = asyncio.Barrier(4)

    def waits(seat):
        async def script(case):
            await everybody.wait()
            return Vote(seat, "x", LONG, 80)

        return ScriptedVoter(seat, script)

    _, verdict = await asyncio.wait_for(judged(*(waits(seat) for seat in Seat)), 10)

    assert verdict.approved


async def test_an_empty_seat_abstains():
    _, verdict = await judged(says(Seat.GPT, LONG))

    assert [v.no_vote for v in verdict.votes] == [None, NoVote.ABSTAIN, NoVote.ABSTAIN, NoVote.ABSTAIN]
    assert verdict.reason is VerdictReason.NO_QUORUM


async def test_one_seat_hanging_costs_nothing_but_its_vote():
    clock = HeldClock()
    task = asyncio.create_task(
        judged(says(Seat.GPT, LONG), hangs(Seat.CLAUDE), says(Seat.LLAMA, LONG), says(Seat.LSTM, NEUTRAL), clock=clock)
    )
    await asyncio.wait_for(clock.asleep.wait(), 10)
    assert not task.done()

    clock.strike.set()
    _, verdict = await asyncio.wait_for(task, 10)

    late = by_seat(verdict)[Seat.CLAUDE]
    assert late.no_vote is NoVote.LATE
    assert late.latency_ms == 4000
    assert verdict.approved


async def test_a_seat_that_refuses_to_be_cancelled_does_not_hold_up_the_verdict():
    clock, release, ended = HeldClock(), asyncio.Event(), asyncio.Event()

    async def stubborn(case):
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        ended.set()
        raise RuntimeError("nobody is listening any more")

    clock.strike.set()
    _, verdict = await asyncio.wait_for(judged(ScriptedVoter(Seat.GPT, stubborn), clock=clock), 10)
    assert by_seat(verdict)[Seat.GPT].no_vote is NoVote.LATE

    gc.collect()  # the abandoned task must survive until it ends, and end without a complaint from the loop
    release.set()
    await asyncio.wait_for(ended.wait(), 10)


async def test_a_late_seat_is_told_to_stop():
    clock, stopped = HeldClock(), asyncio.Event()

    async def script(case):
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    clock.strike.set()
    await judged(ScriptedVoter(Seat.GPT, script), clock=clock)

    await asyncio.wait_for(stopped.wait(), 10)


async def test_when_the_caller_is_cancelled_the_seats_are_too():
    started, stopped = asyncio.Event(), asyncio.Event()

    async def script(case):
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    task = asyncio.create_task(judged(ScriptedVoter(Seat.GPT, script)))
    await asyncio.wait_for(started.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await asyncio.wait_for(stopped.wait(), 10)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("boom"), TimeoutError(), ValueError(""), RecursionError("deep"), asyncio.CancelledError()],
    ids=lambda e: type(e).__name__,
)
async def test_an_error_is_never_a_vote(error):
    _, verdict = await judged(says(Seat.GPT, LONG), raises(Seat.CLAUDE, error))

    broken = by_seat(verdict)[Seat.CLAUDE]
    assert broken.no_vote is NoVote.ERROR
    assert broken.opinion is None
    assert verdict.reason is VerdictReason.NO_QUORUM


async def test_two_agreeing_one_late_and_one_broken_follow_the_rule():
    clock = HeldClock()
    clock.strike.set()

    async def late_unless_lucky(case):
        await asyncio.Event().wait()

    voters = [
        says(Seat.GPT, LONG, 75),
        says(Seat.CLAUDE, LONG, 72),
        ScriptedVoter(Seat.LLAMA, late_unless_lucky),
        raises(Seat.LSTM, OSError("gone")),
    ]
    _, verdict = await judged(*voters, clock=clock)

    assert verdict.approved
    assert [v.no_vote for v in verdict.votes] == [None, None, NoVote.LATE, NoVote.ERROR]


async def test_a_three_way_tie_is_refused():
    _, verdict = await judged(says(Seat.GPT, LONG), says(Seat.CLAUDE, SHORT), says(Seat.LLAMA, NEUTRAL))

    assert verdict.reason is VerdictReason.NO_QUORUM
    assert verdict.agreeing == 1


@pytest.mark.parametrize("nonsense", [None, "LONG", 7, Vote(Seat.GPT, "impostor", LONG, 100)], ids=repr)
async def test_a_voter_that_returns_nonsense_or_votes_on_another_seat_is_an_error(nonsense):
    async def script(case):
        return nonsense

    _, verdict = await judged(ScriptedVoter(Seat.CLAUDE, script))

    assert by_seat(verdict)[Seat.CLAUDE].no_vote is NoVote.ERROR
    assert by_seat(verdict)[Seat.GPT].no_vote is NoVote.ABSTAIN


@pytest.mark.parametrize(
    "leak",
    [
        "401 for sk-live-CANARY0123",
        "headers {'Authorization': 'Bearer CANARY.token'}",
        'headers {"x-api-key": "CANARY"}',
        "GET https://user:CANARY@host/v1",
        "api_key=CANARY&x=1",
        "0123456789abcdefCANARY0123456789abcdef",
    ],
)
async def test_credentials_in_an_error_are_blanked(leak):
    _, verdict = await judged(raises(Seat.GPT, RuntimeError(leak)))

    reason = by_seat(verdict)[Seat.GPT].reason
    assert "CANARY" not in reason
    assert reason.startswith("RuntimeError: ")


async def test_an_endless_error_or_answer_is_cut():
    error = RuntimeError("word " * 10_000)
    error.answer = "x" * 100_000

    _, verdict = await judged(raises(Seat.GPT, error))

    broken = by_seat(verdict)[Seat.GPT]
    assert len(broken.reason) <= 300
    assert len(broken.answer) == 4_000
    assert len(broken.answer_sha256) == 64


async def test_without_a_question_nobody_votes():
    class Mute(FixedPrompter):
        def prompt(self, signal, view):
            raise ValueError("too few candles")

    jury = Jury(Mute(), tuple(says(seat, LONG, 100) for seat in Seat))
    asked, verdict = await judged(jury=jury)

    assert asked.prompt == ""
    assert {vote.no_vote for vote in verdict.votes} == {NoVote.ERROR}
    assert "too few candles" in verdict.votes[0].reason
    assert not verdict.approved


async def test_latency_is_measured_on_the_monotonic_clock():
    clock = HeldClock()

    async def script(case):
        clock.advance(1.25)
        return Vote(Seat.GPT, "x", LONG, 80, latency_ms=7)

    _, verdict = await judged(ScriptedVoter(Seat.GPT, script), clock=clock)

    assert by_seat(verdict)[Seat.GPT].latency_ms == 1250


def test_a_jury_has_one_voter_per_seat():
    with pytest.raises(ValueError, match="one voter per seat"):
        jury_of(says(Seat.GPT, LONG), says(Seat.GPT, LONG))
