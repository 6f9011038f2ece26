"""The LSTM seat: cautious, light, and never trusted with weights that do not fit."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from ai.lstm.evaluate import evaluate
from ai.lstm.features import MIN_BARS, STEPS
from ai.lstm.serve import ABOUT_FILE, MODEL_FILE, WEIGHTS, bars_of, open_forecaster, open_lstm, opinion_of
from app.domain.errors import BadSettings
from app.domain.vote import Opinion, Seat
from tests.unit.verdict.builders import a_case, a_market


def fresh_view(bars=300):
    return a_market(bars=bars)


@pytest.fixture
def copied(tmp_path):
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder)
    return folder


async def test_the_shipped_weights_vote():
    voter = open_lstm(WEIGHTS)
    vote = await voter.vote(a_case(view=fresh_view()))

    assert voter.seat is Seat.LSTM
    assert vote.voter.startswith("lstm ")
    assert sum(json.loads(vote.answer).values()) == pytest.approx(1, abs=1e-3)
    assert vote == await voter.vote(a_case(view=fresh_view()))


async def test_the_confidence_is_the_probability_of_what_is_named():
    vote = await open_lstm(WEIGHTS).vote(a_case(view=fresh_view()))

    assert vote.confidence == round(100 * json.loads(vote.answer)[vote.opinion])


@pytest.mark.parametrize(
    ("row", "opinion"),
    [
        ((0.1, 0.2, 0.7), Opinion.LONG),
        ((0.7, 0.2, 0.1), Opinion.SHORT),
        ((0.0, 0.45, 0.55), Opinion.LONG),
        ((0.3, 0.16, 0.54), Opinion.NEUTRAL),
        ((0.33, 0.34, 0.33), Opinion.NEUTRAL),
        ((0.5, 0.0, 0.5), Opinion.NEUTRAL),
        ((0.1, 0.8, 0.1), Opinion.NEUTRAL),
    ],
)
def test_neutral_unless_a_side_is_clearly_probable(row, opinion):
    assert opinion_of(np.array(row), 0.55) is opinion


def test_it_does_not_veto_at_random():
    """On random walks, which nobody can forecast, it names a side rarely: a veto by chance would cost good entries."""
    forecaster = open_forecaster(WEIGHTS)
    shares = []
    for seed in range(5):
        walk = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.005, 1_000)))
        shares.append(evaluate(forecaster, bars_of(a_market(walk).candles)).voted_share)

    assert np.mean(shares) < 0.15


async def test_too_few_candles_cast_no_vote():
    with pytest.raises(ValueError, match=f"{MIN_BARS} candles are needed"):
        await open_lstm(WEIGHTS).vote(a_case(view=fresh_view(MIN_BARS - 1)))


async def test_a_candle_that_is_not_a_number_casts_no_vote():
    closes = np.full(200, 100.0)
    closes[-3] = np.nan
    with pytest.raises(ValueError, match="not a number"):
        await open_lstm(WEIGHTS).vote(a_case(view=a_market(closes)))


def test_more_history_than_needed_hardly_changes_the_forecast():
    forecaster = open_forecaster(WEIGHTS)
    long = fresh_view(1_000)
    short = type(long)(long.symbol, long.interval, long.candles[-MIN_BARS:], long.mark_price, long.atr)

    np.testing.assert_allclose(forecaster.forecast(long), forecaster.forecast(short), atol=0.03)


def test_without_weights_the_seat_is_empty(tmp_path):
    assert open_lstm(tmp_path) is None


def test_weights_that_were_changed_are_refused(copied):
    path = copied / MODEL_FILE
    path.write_bytes(path.read_bytes() + b"\0")

    with pytest.raises(BadSettings, match="is not the network"):
        open_lstm(copied)


@pytest.mark.parametrize(
    "change", [{"features": ["close"]}, {"steps": STEPS + 1}, {"classes": ["LONG", "NEUTRAL", "SHORT"]}, {"clear": 0.4}]
)
def test_weights_for_other_features_are_refused(copied, change):
    path = copied / ABOUT_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    with pytest.raises(BadSettings, match="other features"):
        open_lstm(copied)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null"])
def test_a_damaged_description_is_refused(copied, text):
    (copied / ABOUT_FILE).write_text(text)

    with pytest.raises(BadSettings, match="cannot be read"):
        open_lstm(copied)


def test_serving_imports_no_training_library_and_filling_empty_seats_no_sdk():
    """Each would cost a paper market start-up time and memory: TensorFlow alone 500 MB."""
    script = (
        "import sys; from ai.seats import SeatsConfig, fill_seats; seats = fill_seats(SeatsConfig(stand_ins=True));"
        "heavy = {'tensorflow', 'keras', 'openai', 'anthropic', 'ollama', 'onnx', 'tf2onnx'} & set(sys.modules);"
        "assert not heavy, heavy; print(len(seats.voters))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert run.stdout.strip() == "4", run.stderr


def test_the_shipped_weights_are_small_and_say_where_they_come_from():
    about = json.loads((WEIGHTS / ABOUT_FILE).read_text())

    assert (WEIGHTS / MODEL_FILE).stat().st_size < 1_500_000
    assert about["data"]["source"].startswith("synthetic")
    assert set(about["test"]) >= {"accuracy", "majority_accuracy", "log_loss", "prior_log_loss", "calibration_error"}
