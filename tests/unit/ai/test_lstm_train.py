"""Training through the command people use: repeatable, quiet in a pipe, and honest. Each run is a process of its own,
because TensorFlow's threads and seeds belong to a process, and so that no other test carries its weight."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ai.lstm.features import HORIZON, STEPS, Bars, features, usable_ends, windows
from ai.lstm.serve import ABOUT_FILE, WEIGHTS, open_forecaster
from ai.lstm.split import split
from app.commands import train as command
from app.domain.errors import BadSettings, OperatorError
from app.history import CandleSeries, synthetic

START = datetime(2024, 1, 1, tzinfo=UTC)

_RUN = """
import sys
from app.cli import app
for folder in sys.argv[1].split("|"):
    app(["train", "--out", folder, *sys.argv[2:]], standalone_mode=False)
"""


def trained(*folders: Path, options: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    """Run the command once per folder, in one process that is not ours."""
    return subprocess.run(
        [sys.executable, "-c", _RUN, "|".join(map(str, folders)), *options],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "DATA_DIR"},
    )


def columns(series: CandleSeries) -> Bars:
    return Bars(series.high, series.low, series.close, series.volume)


def predictions(folder: Path) -> np.ndarray:
    bars = columns(synthetic("BTCUSDT", "1h", 600, 1, START))
    model = open_forecaster(folder)
    assert model
    return model.probabilities(windows(features(bars), usable_ends(bars)))


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> "tuple[Path, Path, subprocess.CompletedProcess[str]]":
    """Trained once for the whole run: whichever process comes first does it, the others wait and read."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "trained-twice"
    shared.mkdir(exist_ok=True)
    first, second, said = shared / "first", shared / "second", shared / "said.json"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            run = trained(first, second, options=("--bars", "1500", "--epochs", "1", "--json"))
            said.write_text(json.dumps([run.returncode, run.stdout, run.stderr]))
    code, out, err = json.loads(said.read_text())
    return first, second, subprocess.CompletedProcess([], code, out, err)


@pytest.mark.long
def test_the_command_says_what_it_learned_and_writes_what_the_seat_reads(twice):
    first, _, run = twice

    assert run.returncode == 0, run.stderr
    said, _ = json.JSONDecoder().raw_decode(run.stdout)
    assert said == {"folder": str(first), "epochs": 1, **json.loads((first / ABOUT_FILE).read_text())}
    assert said["test"]["majority_accuracy"] > 0
    assert said["data"]["source"] == "synthetic seed=7"
    assert np.allclose(predictions(first).sum(axis=1), 1, atol=1e-5)


@pytest.mark.long
def test_it_is_quiet_in_a_pipe(twice):
    *_, run = twice

    assert "epochs" not in run.stderr
    assert "\x1b" not in run.stdout + run.stderr


@pytest.mark.long
def test_the_same_seed_gives_the_same_network(twice):
    first, second, _ = twice

    np.testing.assert_array_equal(predictions(first), predictions(second))


def test_the_parts_share_no_bar_and_no_outcome():
    bars = columns(synthetic("BTCUSDT", "1h", 3_000, 1, START))
    training, validation, judged = split(bars)

    assert training[-1] + HORIZON < validation[0] - STEPS + 1
    assert validation[-1] + HORIZON < judged[0] - STEPS + 1
    assert judged[-1] == 3_000 - HORIZON - 1


def test_too_few_candles_are_a_plain_refusal():
    with pytest.raises(BadSettings, match="300 candles are too few to train on"):
        split(columns(synthetic("BTCUSDT", "1h", 300, 1, START)))


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
