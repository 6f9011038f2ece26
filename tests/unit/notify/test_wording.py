"""What a person reads on the phone: the outcome first, the votes by their real names, the reason with its numbers."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import events as ev
from app.domain.alert import AlertState
from app.domain.decision import DenyReason, Move, Stage
from app.domain.money import Money
from app.domain.side import OrderSide, Side, Target
from app.domain.verdict import VerdictReason
from app.domain.vote import NoVote, Opinion, Seat, Vote
from app.pipeline.wording import LONGEST, message_for, message_for_event, number, vote_words
from tests.unit.notify import stories as s


def lines(events):
    return message_for(s.story(events)).splitlines()


def test_a_filled_entry_names_side_size_price_stop_and_targets():
    first, second, *_ = lines(s.entered())
    assert first == "✅ LONG BTCUSDT 0.015 @ 64,210"
    assert second == "stop 62,900 · targets 66,175 (50 %), 68,140 (50 %)"


def test_a_stop_that_the_venue_has_not_confirmed_is_not_called_a_stop():
    assert "⚠ stop at 62,900 is not confirmed" in message_for(s.story(s.entered(stop_accepted=False)))


def test_a_partial_fill_says_how_much_was_asked_and_its_average_price():
    events = [
        s.accepted(),
        s.signal_read(),
        s.decided(),
        s.order("entry", OrderSide.BUY),
        s.sent("entry"),
        s.filled("entry", OrderSide.BUY, "0.005", "64210.0", complete=False),
        s.filled("entry", OrderSide.BUY, "0.004", "64211.0", complete=False),
        s.finished(AlertState.FILLED),
    ]
    assert lines(events)[0] == "✅ LONG BTCUSDT 0.009 (of 0.015 asked) @ 64,210.4"


def test_a_refusal_names_stage_reason_and_numbers():
    events = [
        s.accepted(),
        s.signal_read(),
        *s.judged(),
        s.refused(Stage.RISK, DenyReason.COOLDOWN, "12 s since the last entry, 60 s required"),
        s.finished(AlertState.REFUSED),
    ]
    assert lines(events)[0] == ("🚫 LONG BTCUSDT refused at risk: COOLDOWN — 12 s since the last entry, 60 s required")


def test_every_seat_appears_under_the_name_of_whoever_sat_there():
    (votes,) = [line for line in lines(s.entered()) if line.startswith("votes:")]
    assert "gpt-5.4-mini (gpt seat) LONG 82" not in votes
    assert "gpt-5.4-mini LONG 82 “trend and momentum agree”" in votes
    assert "stand-in (claude seat) LONG 77" in votes
    assert "llama3.1:8b (llama seat) LATE" not in votes
    assert "llama3.1:8b LATE" in votes
    assert "lstm 2026-11-20 NEUTRAL 51" in votes


@pytest.mark.parametrize("no_vote", list(NoVote))
def test_a_no_vote_is_shown_as_what_it_is(no_vote):
    assert vote_words(Vote(Seat.CLAUDE, "", None, 0, no_vote=no_vote)) == f"claude seat {no_vote}"


def test_a_model_whose_name_hides_its_seat_is_shown_with_it():
    assert vote_words(Vote(Seat.GPT, "o9", Opinion.SHORT, 66)) == "o9 (gpt seat) SHORT 66"


def test_the_verdict_line_carries_the_count_and_the_thresholds():
    events = [s.accepted(), s.signal_read(), *s.judged(reason=VerdictReason.NO_QUORUM)]
    assert "verdict: NO_QUORUM: 2 of 3 say LONG (needs 2), mean confidence 79.5 (needs more than 70)" in message_for(
        s.story(events)
    )


def test_a_close_tells_what_it_made_after_fees_and_that_nobody_voted():
    events = [
        s.accepted(),
        s.signal_read(Target.FLAT),
        s.decided(Move.CLOSE, Side.LONG),
        s.order("close", OrderSide.SELL),
        s.sent("close"),
        s.filled("close", OrderSide.SELL, "0.015", "65100.5", pnl="13.3575"),
        s.finished(AlertState.CLOSED),
    ]
    first, second, *_ = lines(events)
    assert first == "⬜ closed LONG BTCUSDT 0.015 @ 65,100.5 · PnL +12.88 USDT after this exit's fee"
    assert second == "votes: not asked: leaving the market is never put to a vote"


def test_a_reduction_is_not_called_a_close():
    events = [
        s.accepted(),
        s.signal_read(Target.LONG),
        s.decided(Move.REDUCE, Side.LONG),
        s.order("close", OrderSide.SELL),
        s.sent("close"),
        s.filled("close", OrderSide.SELL, "0.005", "65100.5", pnl="4"),
        s.finished(AlertState.CLOSED),
    ]
    assert lines(events)[0].startswith("⬜ reduced LONG BTCUSDT by 0.005 @ 65,100.5")


def test_a_reversal_tells_both_halves():
    events = s.entered()
    events[events.index(s.decided())] = s.decided(Move.REVERSE, Side.SHORT)
    events[-1:-1] = [
        s.order("close", OrderSide.BUY),
        s.sent("close"),
        s.filled("close", OrderSide.BUY, "0.02", "64000", pnl="-7.50"),
    ]
    text = message_for(s.story(events))
    assert text.startswith("✅ LONG BTCUSDT 0.015")
    assert "reversed, the old position made -7.98 USDT" in text


@pytest.mark.parametrize(
    ("state", "mark"), [(AlertState.EXPIRED, "⌛"), (AlertState.FAILED, "❌"), (AlertState.CLOSED, "⬜")]
)
def test_other_endings_carry_the_summary(state, mark):
    events = [s.accepted(), s.signal_read(), s.finished(state, "proven absent after 7 s")]
    first = lines(events)[0]
    assert first.startswith(mark)
    assert "proven absent after 7 s" in first


def test_the_origin_line_leads_to_the_whole_story():
    assert lines(s.entered())[-1] == f"supertrend-btc-1h 1h · alert {s.ALERT[:12]}"


def test_a_long_story_keeps_votes_and_origin_and_stays_short():
    chatty = tuple(Vote(seat, f"model-{seat}-" + "x" * 60, Opinion.LONG, 80, reason="because " * 40) for seat in Seat)
    events = [
        s.accepted(),
        s.signal_read(),
        *s.judged(chatty),
        s.refused(Stage.RISK, DenyReason.MAX_EXPOSURE, "numbers " * 200),
        s.finished(AlertState.REFUSED),
    ]
    text = message_for(s.story(events))
    assert len(text) <= LONGEST
    assert "refused at risk: MAX_EXPOSURE" in text
    assert "verdict: APPROVED" in text
    assert text.endswith(s.ALERT[:12])


@given(st.text(max_size=300))
def test_other_peoples_words_cannot_break_the_lines(text):
    votes = (Vote(Seat.GPT, "gpt", Opinion.LONG, 80, reason=text),)
    events = [s.accepted(), s.signal_read(), *s.judged(votes), s.finished(AlertState.FAILED, text)]
    message = message_for(s.story(events))
    assert len(message.splitlines()) == 4
    assert not any(ord(char) < 32 and char != "\n" for char in message)


@pytest.mark.parametrize(
    ("value", "text"), [("64210.50", "64,210.5"), ("0.00100", "0.001"), ("1000", "1,000"), ("1E+3", "1,000")]
)
def test_numbers_read_like_numbers(value, text):
    assert number(Decimal(value)) == text


# --- events outside an alert's own outcome -----------------------------------------------------------

PAUSED = ev.TradingPaused(s.MAIN, "api", "maintenance")


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (s.closed_by("stop"), ["closed by stop", "LONG BTCUSDT 0.015 @ 62,898.5", "PnL -20.62 USDT", s.ALERT[:12]]),
        (s.closed_by("take-profit"), ["🎯 closed by take-profit"]),
        (s.closed_by("outside"), ["closed outside the bot"]),
        (
            ev.PositionAdopted(s.MAIN, s.BTC, Side.SHORT, s.quantity("0.2"), s.price("64000")),
            ["SHORT BTCUSDT 0.2 @ 64,000", "not opened by the bot"],
        ),
        (ev.ProtectionFailed(s.MAIN, s.BTC, "-2021 three times"), ["NO STOP on BTCUSDT", "-2021 three times"]),
        (ev.DailyLossLatched(s.MAIN, "2026-01-05", Money.of("512.4"), Money.of("500")), ["512.40 USDT", "500.00"]),
        (ev.DrawdownLatched(s.MAIN, Money.of("12000"), Money.of("9500"), "0.20"), ["20 %", "12,000.00", "9,500.00"]),
        (PAUSED, ["paused main by api: maintenance"]),
        (ev.TradingResumed(s.MAIN, "api", Money.of("9500")), ["resumed main by api", "9,500.00 USDT"]),
        (ev.KillSwitchThrown(s.MAIN, "cli", "panic"), ["KILL SWITCH main by cli: panic"]),
        (s.refused(Stage.ORDER, DenyReason.QUARANTINED, "broke three times"), ["quarantined: broke three times"]),
    ],
)
def test_what_people_must_hear_about(event, words):
    text = message_for_event(event)
    assert text is not None
    assert len(text) <= LONGEST
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    "event", [s.closed_by("signal"), s.accepted(), s.refused(Stage.RISK, DenyReason.COOLDOWN, "12 s")]
)
def test_what_the_alerts_own_message_tells_is_not_told_twice(event):
    assert message_for_event(event) is None
