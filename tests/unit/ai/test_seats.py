"""Who sits where, by configuration."""

from pathlib import Path

import pytest

from ai.seats import SeatsConfig, fill_seats
from app.domain.vote import Seat
from app.pipeline.verdict import Jury

KEYS = {"openai_api_key": "sk-canary", "anthropic_api_key": "sk-canary", "ollama_host": "http://127.0.0.1:9"}


async def names(**settings):
    seats = fill_seats(SeatsConfig(**settings))
    Jury(seats.prompter, seats.voters)  # one voter per seat, or this raises
    await seats.close()
    return {voter.seat: voter.name for voter in seats.voters}


async def test_without_keys_paper_mode_seats_stand_ins():
    seated = await names(stand_ins=True)

    assert [seated[s] for s in (Seat.GPT, Seat.CLAUDE, Seat.LLAMA)] == [
        "stand-in trend",
        "stand-in momentum",
        "stand-in structure",
    ]
    assert seated[Seat.LSTM].startswith("lstm ")


async def test_without_keys_real_money_leaves_the_seats_empty():
    assert set(await names(stand_ins=False)) == {Seat.LSTM}


@pytest.mark.parametrize("stand_ins", [True, False])
async def test_with_keys_the_models_sit_there_whatever_the_mode(stand_ins):
    seated = await names(**KEYS, gpt_model="g", claude_model="c", llama_model="l", stand_ins=stand_ins)

    assert [seated[s] for s in (Seat.GPT, Seat.CLAUDE, Seat.LLAMA)] == ["g", "c", "l"]


async def test_one_missing_key_is_one_stand_in():
    seated = await names(**{**KEYS, "anthropic_api_key": ""}, gpt_model="g", llama_model="l", stand_ins=True)

    assert (seated[Seat.GPT], seated[Seat.CLAUDE], seated[Seat.LLAMA]) == ("g", "stand-in momentum", "l")


@pytest.mark.parametrize("weights", [None, Path("/nowhere")])
async def test_without_weights_the_lstm_seat_is_empty(weights):
    assert Seat.LSTM not in await names(stand_ins=True, lstm_weights=weights)


async def test_the_notes_say_who_sits_where():
    seats = fill_seats(SeatsConfig(**KEYS, gpt_model="g", lstm_weights=None))
    await seats.close()

    assert seats.notes[0] == "gpt: g"
    assert seats.notes[3] == "lstm: empty"


def test_keys_do_not_show():
    config = SeatsConfig(**KEYS)

    assert "canary" not in repr(config)
