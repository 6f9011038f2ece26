"""The seats against a server that others wrote: the same models, prompts and rule, somebody else's idea of the wire."""

from collections.abc import Iterator

import pytest

from ai.seats import SeatsConfig, fill_seats
from app.domain.policy import VerdictPolicy
from app.domain.side import Side
from app.domain.verdict import Verdict, VerdictReason
from app.domain.vote import NoVote, Opinion
from app.pipeline.verdict import Jury, judge
from tests.aimock import aimock
from tests.contract.clocks import StillClock
from tests.unit.verdict.builders import a_market, a_signal


@pytest.fixture(scope="module")
def services() -> Iterator[str]:
    with aimock() as url:
        yield url


async def verdict_by(url: str, gpt: str, claude: str, llama: str) -> Verdict:
    seats = fill_seats(
        SeatsConfig(
            openai_api_key="sk-test",
            openai_base_url=f"{url}/v1",
            gpt_model=gpt,
            anthropic_api_key="sk-test",
            anthropic_base_url=url,
            claude_model=claude,
            ollama_host=url,
            llama_model=llama,
            lstm_weights=None,
            timeout_s=30,
        )
    )
    try:
        _, verdict = await judge(
            a_signal(),
            Side.LONG,
            a_market(),
            jury=Jury(seats.prompter, seats.voters),
            policy=VerdictPolicy(),
            clock=StillClock(),
        )
    finally:
        await seats.close()
    return verdict


async def test_agreeing_votes_let_an_entry_through(services):
    verdict = await verdict_by(services, "gpt-long", "claude-long", "llama-long")

    assert verdict.approved
    assert [vote.confidence for vote in verdict.votes[:3]] == [81, 77, 73]
    assert verdict.votes[0].reason == "The averages are stacked upwards."


async def test_disagreeing_votes_stop_it(services):
    verdict = await verdict_by(services, "gpt-short", "claude-long", "llama-neutral")

    assert verdict.reason is VerdictReason.NO_QUORUM
    assert [vote.opinion for vote in verdict.votes[:3]] == [Opinion.SHORT, Opinion.LONG, Opinion.NEUTRAL]


async def test_a_busy_service_and_a_chatty_one_cast_no_vote(services):
    verdict = await verdict_by(services, "gpt-busy", "claude-prose", "llama-long")

    assert verdict.reason is VerdictReason.NO_QUORUM
    assert [vote.no_vote for vote in verdict.votes[:2]] == [NoVote.ERROR, NoVote.ERROR]
    assert "429" in verdict.votes[0].reason
    assert verdict.votes[1].answer == "On balance I would lean towards LONG."


async def test_a_model_that_does_not_exist_casts_no_vote(services):
    verdict = await verdict_by(services, "gpt-typo", "claude-long", "llama-long")

    assert verdict.votes[0].no_vote is NoVote.ERROR
    assert verdict.approved
