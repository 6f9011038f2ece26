"""The rule, as a pure function of the votes."""

from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.policy import VerdictPolicy
from app.domain.side import Side
from app.domain.verdict import VerdictReason
from app.domain.vote import NoVote, Opinion, Seat
from app.pipeline.verdict import count
from tests.unit.verdict.builders import a_vote

LONG, SHORT, NEUTRAL = Opinion.LONG, Opinion.SHORT, Opinion.NEUTRAL
ABSTAIN, LATE, ERROR = NoVote.ABSTAIN, NoVote.LATE, NoVote.ERROR
POLICY = VerdictPolicy()


def verdict(gpt, claude, llama, lstm=ABSTAIN, *, side=Side.LONG, confidence=(80, 80, 80), policy=POLICY):
    opinions = (gpt, claude, llama, lstm)
    return count(
        [a_vote(seat, op, c) for seat, op, c in zip(Seat, opinions, (*confidence, 99), strict=True)], side, policy
    )


@pytest.mark.parametrize(
    ("opinions", "reason"),
    [
        ((LONG, LONG, LONG), VerdictReason.APPROVED),
        ((LONG, LONG, SHORT), VerdictReason.APPROVED),
        ((LONG, LATE, LONG), VerdictReason.APPROVED),
        ((ERROR, LONG, LONG), VerdictReason.APPROVED),
        ((LONG, LONG, SHORT, NEUTRAL), VerdictReason.APPROVED),
        ((LONG, LONG, SHORT, LONG), VerdictReason.APPROVED),
        ((LONG, LONG, SHORT, ERROR), VerdictReason.APPROVED),
        ((LONG, LONG, LONG, LATE), VerdictReason.APPROVED),
        ((LONG, LONG, LONG, SHORT), VerdictReason.LSTM_CONTRADICTS),
        ((LONG, SHORT, NEUTRAL), VerdictReason.NO_QUORUM),
        ((LONG, LATE, ERROR, LONG), VerdictReason.NO_QUORUM),
        ((LONG, ERROR, ERROR), VerdictReason.NO_QUORUM),
        ((SHORT, SHORT, LONG), VerdictReason.NO_QUORUM),
        ((NEUTRAL, NEUTRAL, NEUTRAL, LONG), VerdictReason.NO_QUORUM),
        ((ABSTAIN, ABSTAIN, ABSTAIN, LONG), VerdictReason.NO_QUORUM),
        ((ERROR, ERROR, ERROR, ERROR), VerdictReason.NO_QUORUM),
    ],
)
def test_majority_of_the_language_models_without_the_lstms_contradiction(opinions, reason):
    reached = verdict(*opinions)

    assert reached.reason is reason
    assert reached.approved is (reason is VerdictReason.APPROVED)


def test_the_rule_is_the_same_for_shorts():
    assert verdict(SHORT, SHORT, LONG, NEUTRAL, side=Side.SHORT).approved
    assert verdict(SHORT, SHORT, LONG, LONG, side=Side.SHORT).reason is VerdictReason.LSTM_CONTRADICTS
    assert verdict(LONG, LONG, LONG, side=Side.SHORT).reason is VerdictReason.NO_QUORUM


@pytest.mark.parametrize(
    ("confidence", "approved"),
    [((70, 70, 0), False), ((71, 70, 0), True), ((100, 41, 0), True), ((100, 40, 100), False), ((0, 0, 0), False)],
)
def test_mean_confidence_of_the_agreeing_must_be_above_the_threshold(confidence, approved):
    reached = verdict(LONG, LONG, SHORT, confidence=confidence)

    assert reached.approved is approved
    assert reached.mean_confidence == sum(confidence[:2]) / 2
    if not approved:
        assert reached.reason is VerdictReason.LOW_CONFIDENCE


def test_thresholds_are_settings():
    assert not verdict(LONG, LONG, SHORT, policy=VerdictPolicy(quorum=3)).approved
    assert verdict(LONG, SHORT, SHORT, policy=VerdictPolicy(quorum=1)).approved
    assert verdict(LONG, LONG, LONG, SHORT, policy=VerdictPolicy(lstm_veto=False)).approved
    assert not verdict(LONG, LONG, LONG, policy=VerdictPolicy(min_confidence=80)).approved


def test_a_quorum_of_nobody_still_approves_nothing():
    assert not verdict(ERROR, ERROR, ERROR, policy=VerdictPolicy(quorum=0)).approved


def test_no_vote_turned_into_silence_ever_helps_an_entry():
    """Over all 6^4 combinations: replacing any seat's answer by a failure never turns a refusal into an approval,
    except that a contradicting LSTM which falls silent no longer contradicts."""
    options = (LONG, SHORT, NEUTRAL, ABSTAIN, LATE, ERROR)
    for opinions in product(options, repeat=4):
        if verdict(*opinions).approved:
            continue
        for i in range(3):
            silenced = [ERROR if k == i else op for k, op in enumerate(opinions)]
            assert not verdict(*silenced).approved, opinions


@given(
    st.tuples(*[st.sampled_from([LONG, SHORT, NEUTRAL, LATE, ERROR])] * 4),
    st.tuples(*[st.integers(0, 100)] * 3),
    st.sampled_from(Side),
)
def test_the_order_of_answers_does_not_matter_and_approval_means_what_it_says(opinions, confidence, side):
    votes = [a_vote(seat, op, c) for seat, op, c in zip(Seat, opinions, (*confidence, 50), strict=True)]
    reached = count(votes, side, POLICY)

    assert {count(order, side, POLICY).reason for order in permutations(votes)} == {reached.reason}
    if reached.approved:
        named = [v.confidence for v in votes[:3] if v.opinion == side.value]
        assert len(named) >= 2
        assert sum(named) > 70 * len(named)
        assert votes[3].opinion != side.opposite.value
        assert count(votes, side.opposite, POLICY).reason is not VerdictReason.APPROVED
