"""Training through the command people use: repeatable, quiet in a pipe, and honest. Each run is a process of its own,
because TensorFlow's threads and seeds belong to a process, and so that no other test carries its weight."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ai.lstm.features import Bars, features, usable_ends, windows
from ai.lstm.serve import ABOUT_FILE, WEIGHTS, open_forecaster
from app.commands import train as command
from app.domain.errors import OperatorError
from app.history import synthetic

ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def trained(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DATA_DIR"} | ONE_THREAD
    return subprocess.run(
        [sys.executable, "-c", "from app.cli import main; main()", "train", "--out", str(out), *options],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def predictions(folder: Path) -> np.ndarray:
    series = synthetic("BTCUSDT", "1h", 600, 1, datetime(2024, 1, 1, tzinfo=UTC))
    bars = Bars(series.high, series.low, series.close, series.volume)
    model = open_forecaster(folder)
    assert model
    return model.probabilities(windows(features(bars), usable_ends(bars)))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("small")
    return folder, trained(folder, "--bars", "1500", "--epochs", "1", "--json")


def test_the_command_says_what_it_learned_and_writes_what_the_seat_reads(small):
    folder, run = small

    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert said == {"folder": str(folder), "epochs": 1, **json.loads((folder / ABOUT_FILE).read_text())}
    assert said["test"]["majority_accuracy"] > 0
    assert said["data"]["source"] == "synthetic seed=7"
    assert np.allclose(predictions(folder).sum(axis=1), 1, atol=1e-5)


def test_it_is_quiet_in_a_pipe(small):
    _, run = small

    assert "epochs" not in run.stderr
    assert "\x1b" not in run.stdout + run.stderr


def test_the_same_seed_gives_the_same_network(small, tmp_path):
    folder, _ = small
    again = trained(tmp_path, "--bars", "1500", "--epochs", "1")

    assert "without a model" in again.stdout
    np.testing.assert_array_equal(predictions(tmp_path), predictions(folder))


def test_too_few_candles_are_a_plain_refusal(tmp_path):
    run = trained(tmp_path, "--bars", "300", "--epochs", "1")

    assert run.returncode == 2
    assert "300 candles are too few to train on" in run.stderr
    assert "Traceback" not in run.stderr


def test_without_the_extra_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(OperatorError, match="make setup-dev"):
        command._check_extra()


def test_the_shipped_weights_were_trained_on_candles_that_can_be_made_again():
    data = json.loads((WEIGHTS / ABOUT_FILE).read_text())["data"]
    series = synthetic(data["symbol"], data["interval"], data["bars"], 7, datetime(2019, 1, 1, tzinfo=UTC))

    assert fingerprint(series) == data["sha256"]


def fingerprint(series) -> str:
    """As the trainer computes it, without importing the trainer (and TensorFlow with it)."""
    columns = (series.ts, series.open, series.high, series.low, series.close, series.volume)
    return hashlib.sha256(b"".join(np.ascontiguousarray(column).tobytes() for column in columns)).hexdigest()


@pytest.mark.skipif(not os.environ.get("NIGHTLY"), reason="minutes of training; set NIGHTLY=1 to run it")
def test_the_documented_command_makes_the_shipped_weights_again(tmp_path):
    assert trained(tmp_path).returncode == 0

    np.testing.assert_allclose(predictions(tmp_path), predictions(WEIGHTS), atol=1e-4)
