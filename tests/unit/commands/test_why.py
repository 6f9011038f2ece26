"""`tradingbot why`: the story on one screen, and the same data for programs."""

import asyncio
import json

import pytest
from rich.console import Console

from app.adapters.db.database import Database
from app.api.alerts import story_data
from app.commands.story_view import render
from app.domain import events as ev
from app.domain.alert import Alert, AlertState, Preset
from app.domain.decision import DenyReason, Stage
from app.domain.ids import AlertId
from app.domain.side import Side
from app.domain.vote import NoVote, Opinion, Seat, Vote
from tests.fakes import FakeClock
from tests.unit.notify import stories as s

BODY = b'{"secret": "s3cr3t-canary", "symbol": "BTCUSDT.P"}'
ALERT = Alert(s.ALERT, s.STRATEGY, s.MAIN, s.BTC, Preset.NATIVE, "key", BODY, s.T0, "52.89.214.238")
ONE_SCREEN = 50  # lines


def told(*events: ev.Event, width: int = 110) -> str:
    console = Console(width=width, record=True, file=None)
    with console.capture() as capture:
        console.print(render(ALERT, s.story(events)))
    return capture.get()


# --- the view --------------------------------------------------------------------------------------------


def test_a_filled_entry_is_told_from_arrival_to_outcome_on_one_screen():
    text = told(*s.entered())
    for words in (
        f"alert {s.ALERT} · supertrend-btc-1h · BTCUSDT · FILLED",
        "from 52.89.214.238, native message of 50 bytes",
        "target LONG, BTCUSDT 1h",
        "fired 2,000 ms before it arrived",
        "(82 + 77) / 2 = 79.5",
        "2 of 3 say LONG (needs 2), mean confidence 79.5 (needs more than 70)",
        "leverage 3, 19.58 USDT lost if the stop is hit",
        "capped at 0.015",
        "STOP_MARKET",
        "62,900",
        "ACCEPTED",
        "64,210",
        "0.48 USDT",
        "filled: LONG 0.015 BTCUSDT, protected",
        "+0 ms AlertAccepted",
        "+440 ms OrderFilled",
    ):
        assert words in text
    assert len(text.splitlines()) <= ONE_SCREEN


@pytest.mark.parametrize("row", ["gpt-5.4-mini LONG 82 812", "stand-in LONG 77 1", "llama3.1:8b LATE 4,000"])
def test_every_seat_has_its_row(row):
    assert any(all(cell in line.split() for cell in row.split()) for line in told(*s.entered()).splitlines())


def test_an_empty_seat_is_nobody():
    vote = Vote(Seat.CLAUDE, "", None, 0, no_vote=NoVote.ABSTAIN)
    assert "nobody" in told(s.accepted(), ev.VoteCast(vote))


def test_a_refusal_shows_its_numbers():
    text = told(
        s.accepted(),
        s.signal_read(),
        s.refused(Stage.RISK, DenyReason.COOLDOWN, "12 s since the last entry", since_s="12", required_s="60"),
        s.finished(AlertState.REFUSED, "refused"),
    )
    assert "at risk: COOLDOWN — 12 s since the last entry" in text
    assert "since_s = 12" in text
    assert "required_s = 60" in text


def test_an_unknown_order_shows_why_it_is_unknown():
    text = told(
        s.accepted(),
        s.order("entry", s.OrderSide.BUY),
        s.sent("entry"),
        ev.OrderOutcomeUnknown(s.order("entry", s.OrderSide.BUY).intent.request.client_id, "read timeout"),
    )
    assert "UNKNOWN" in text
    assert "read timeout" in text
    assert "working: not finished" in text


def test_a_broken_handler_and_a_closed_position_are_told():
    text = told(s.accepted(), ev.HandlerFailed(1, "KeyError: x"), s.closed_by("stop"))
    assert "its handler broke 1 times" in text
    assert "HandlerFailed (KeyError: x)" in text
    assert "closed by stop at 62,898.5: -20.62 USDT after 0.95 USDT fees" in text


def test_the_secret_of_the_message_is_not_shown():
    assert "canary" not in told(s.accepted())


def test_other_peoples_words_are_not_markup():
    vote = Vote(Seat.GPT, "[red]gpt[/red]", Opinion.LONG, 80, reason="[/bold] [link=x]")
    text = told(s.accepted(), ev.VoteCast(vote), s.finished(AlertState.FAILED, "[/nothing]"))
    assert "[red]gpt[/red]" in text
    assert "[/bold] [link=x]" in text
    assert "[/nothing]" in text


def test_nothing_but_the_arrival_is_a_story_too():
    text = told()
    assert "arrived" in text
    assert "pending: not finished" in text


def test_a_reversal_says_what_is_closed():
    assert "REVERSE BTCUSDT, closing 100% of the SHORT" in told(s.accepted(), s.decided(s.Move.REVERSE, Side.SHORT))


# --- the command -----------------------------------------------------------------------------------------

OTHER = AlertId("01JGXTESTALERT000000000002")


@pytest.fixture
def two(store):
    store(s.ALERT, *s.entered()[1:])
    store(OTHER, s.finished(AlertState.EXPIRED, "too old"))


def test_one_alert_by_its_id(run, two, database_url):
    result = run("why", s.ALERT, DATABASE_URL=database_url)
    assert result.exit_code == 0, result.output
    assert "FILLED" in result.output
    assert "canary" not in result.output


def test_the_newest_alert(run, two, database_url):
    result = run("why", "--last", DATABASE_URL=database_url)
    assert OTHER in result.output
    assert "EXPIRED" in result.output


def test_the_beginning_of_an_id_is_enough_when_it_means_one(run, store, database_url):
    store(s.ALERT, *s.entered()[1:])
    assert "FILLED" in run("why", s.ALERT[:12], DATABASE_URL=database_url).output


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((s.ALERT[:10],), f"several alerts' ids begin with {s.ALERT[:10]}: {OTHER}, {s.ALERT}"),
        (("02",), "no alert's id begins with 02"),
        (("00",), "no alert's id begins with 00"),
        ((s.ALERT + "9",), "no alert's id begins with"),
        ((), "give the beginning of an alert id, or --last"),
        ((s.ALERT, "--last"), "give the beginning of an alert id, or --last"),
    ],
)
def test_what_means_no_alert_is_said_in_one_line(run, two, database_url, words, complaint):
    result = run("why", *words, DATABASE_URL=database_url)
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.split())


def test_programs_get_what_the_api_answers(run, two, database_url):
    printed = json.loads(run("why", s.ALERT, "--json", DATABASE_URL=database_url).stdout)

    async def answer():
        async with Database(database_url, FakeClock()) as database:
            found = await database.queries.alert(s.ALERT)
            assert found is not None
            return story_data(*found)

    assert printed == json.loads(json.dumps(asyncio.run(answer())))
    assert printed["state"] == "filled"


def test_without_a_database_it_says_what_to_do(run):
    result = run("why", "--last")
    assert result.exit_code == 2
    assert result.stderr.startswith("tradingbot: there is no database at var/tradingbot.sqlite3 yet")


def test_an_empty_database_has_no_alerts(run, database_url):
    assert "there are no alerts yet" in run("why", "--last", DATABASE_URL=database_url).stderr
