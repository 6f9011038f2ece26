"""The offline stand-ins: three different rules, plainly labelled, decided where the market is."""

import numpy as np
import pytest

from ai.ensemble.stand_in import STAND_INS
from app.domain.policy import VerdictPolicy
from app.domain.side import Side
from app.domain.vote import Opinion, Seat
from app.pipeline.verdict import count
from tests.unit.verdict.builders import a_case, a_market

RNG = np.random.default_rng(11)
NOISE = RNG.normal(0, 0.003, 200)
RISING = 100 * np.exp(np.cumsum(NOISE + 0.003))
FALLING = 100 * np.exp(np.cumsum(NOISE - 0.003))
SIDEWAYS = 100 + np.sin(np.arange(200.0) / 3)


async def votes_on(closes):
    return [await voter.vote(a_case(view=a_market(closes))) for voter in STAND_INS.values()]


@pytest.mark.parametrize(("closes", "side"), [(RISING, Side.LONG), (FALLING, Side.SHORT)], ids=["rising", "falling"])
async def test_a_clear_trend_is_approved_its_way_and_refused_against_it(closes, side):
    votes = await votes_on(closes)

    assert count(votes, side, VerdictPolicy()).approved
    assert not count(votes, side.opposite, VerdictPolicy()).approved


async def test_a_market_that_goes_nowhere_gets_no_approval_either_way():
    votes = await votes_on(SIDEWAYS[:190])

    assert not count(votes, Side.LONG, VerdictPolicy()).approved
    assert not count(votes, Side.SHORT, VerdictPolicy()).approved


async def test_the_three_can_disagree():
    """A sharp rebound in a falling market: the price is high in its range while the averages still point down."""
    rebound = np.concatenate([FALLING, FALLING[-1] * np.exp(np.cumsum(np.full(6, 0.006)))])

    assert len({vote.opinion for vote in await votes_on(rebound)}) > 1


async def test_mirrored_markets_get_mirrored_votes():
    up, down = await votes_on(RISING), await votes_on(1e4 / RISING)

    assert [v.opinion for v in up] == [Opinion.LONG] * 3
    assert [v.opinion for v in down] == [Opinion.SHORT] * 3


async def test_nobody_could_take_them_for_a_language_model():
    assert set(STAND_INS) == {Seat.GPT, Seat.CLAUDE, Seat.LLAMA}
    for vote in await votes_on(RISING):
        assert vote.voter.startswith("stand-in ")
        assert vote.reason.startswith("rule, not a model")
    assert len({vote.voter for vote in await votes_on(RISING)}) == 3


async def test_the_same_market_gets_the_same_votes():
    assert await votes_on(RISING) == await votes_on(RISING)


async def test_too_little_history_raises():
    for voter in STAND_INS.values():
        with pytest.raises(ValueError, match="candles are needed"):
            await voter.vote(a_case(view=a_market(bars=30)))
