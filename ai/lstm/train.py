"""Train the LSTM on one market and write what `serve` needs: the network as ONNX, and everything about it as JSON.

Needs the `train` extra. Too few bars raise BadSettings. The report is honest by construction: the last 15 % of the
market are never looked at until the end, whole windows and horizons are left out between the parts, and every figure
stands beside what one gets for knowing nothing.
"""

import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ai.lstm import model as network
from ai.lstm.evaluate import Evaluation, evaluate
from ai.lstm.features import HORIZON, LABEL_ATR, NAMES, STEPS, Bars, Floats, features, labels, windows
from ai.lstm.serve import ABOUT_FILE, CLASSES, MODEL_FILE, Forecaster
from ai.lstm.split import Ends, split
from app.history import CandleSeries

CLEAR = 0.55  # probability from which a side is named; below it the seat says NEUTRAL
_VERSIONS = ("keras", "tensorflow-cpu", "tf2onnx", "onnx", "numpy", "ta-lib")


@dataclass(frozen=True, slots=True)
class Epoch:
    number: int  # from 1
    of: int
    loss: float
    validation_loss: float


@dataclass(frozen=True, slots=True)
class TrainReport:
    folder: Path
    epochs: tuple[Epoch, ...]
    about: dict[str, Any]  # as written to model.json
    test: Evaluation


def train(
    series: CandleSeries,
    *,
    seed: int,
    epochs: int,
    out_dir: Path,
    on_progress: Callable[[Epoch], None] = lambda _: None,
    units: tuple[int, ...] = network.UNITS,
) -> TrainReport:
    """Fit for at most `epochs`, keep the best on validation, export, and judge the exported file on the test part.

    The same series, seed and versions give the same predictions on the same kind of machine.
    """
    bars = Bars(series.high, series.low, series.close, series.volume)
    parts = split(bars)
    table, label = features(bars), labels(bars)
    mean, scale = _scaler(table, parts[0])
    shares = np.bincount(label[parts[0]], minlength=3) / len(parts[0])
    network.repeatable(seed)
    fitted, log = _fit(
        [(((windows(table, ends) - mean) / scale), label[ends]) for ends in parts[:2]],
        class_weights=1 / np.maximum(3 * shares, 1e-3),
        epochs=epochs,
        units=units,
        on_progress=on_progress,
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    network.export(fitted, out_dir / MODEL_FILE)
    content = (out_dir / MODEL_FILE).read_bytes()
    about = {
        "sha256": hashlib.sha256(content).hexdigest(),
        **_recipe(series, seed=seed, epochs=epochs, units=units),
        "scaler": {"mean": mean.tolist(), "scale": scale.tolist()},
        "training_class_shares": [round(float(share), 6) for share in shares],
        "windows": dict(zip(("training", "validation", "test"), map(len, parts), strict=True)),
        "losses": [[epoch.loss, epoch.validation_loss] for epoch in log],
    }
    test = evaluate(Forecaster(content, about), bars, parts[2])
    about["test"] = test.plain()
    (out_dir / ABOUT_FILE).write_text(json.dumps(about, indent=1) + "\n")
    return TrainReport(out_dir, log, about, test)


def _scaler(table: Floats, ends: Ends) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of each feature over the training bars alone, each (10,)."""
    rows = table[ends[0] - STEPS + 1 : ends[-1] + 1]
    return rows.mean(axis=0).astype(np.float32), np.maximum(rows.std(axis=0), 1e-6).astype(np.float32)


def _fit(
    data: list[tuple[NDArray[np.float32], NDArray[np.int64]]],
    *,
    class_weights: Floats,
    epochs: int,
    units: tuple[int, ...],
    on_progress: Callable[[Epoch], None],
) -> tuple[Any, tuple[Epoch, ...]]:
    (inputs, classes), validation = data
    log: list[Epoch] = []

    def note(index: int, logs: dict[str, float]) -> None:
        log.append(Epoch(index + 1, epochs, round(logs["loss"], 6), round(logs["val_loss"], 6)))
        on_progress(log[-1])

    fitted = network.build(units)
    network.fit(fitted, inputs, classes, validation, class_weights=class_weights, epochs=epochs, on_epoch=note)
    # Class weights make rare classes count while learning, and thereby too probable; dividing them out of the softmax
    # (a shift of its biases) gives probabilities again.
    kernel, bias = fitted.layers[-1].get_weights()
    fitted.layers[-1].set_weights([kernel, bias - np.log(class_weights)])
    return fitted, tuple(log)


def _recipe(series: CandleSeries, *, seed: int, epochs: int, units: tuple[int, ...]) -> dict[str, Any]:
    """All that went in: enough to train the same network again."""
    columns = (series.ts, series.open, series.high, series.low, series.close, series.volume)
    times = [datetime.fromtimestamp(int(ms) / 1000, UTC).isoformat() for ms in (series.ts[0], series.ts[-1])]
    return {
        "features": list(NAMES),
        "steps": STEPS,
        "horizon": HORIZON,
        "label_atr": LABEL_ATR,
        "classes": list(CLASSES),
        "clear": CLEAR,
        "units": list(units),
        "seed": seed,
        "epochs": epochs,
        "data": {
            "symbol": series.symbol,
            "interval": series.interval,
            "source": series.source,
            "bars": len(series),
            "first": times[0],
            "last": times[1],
            "sha256": hashlib.sha256(
                b"".join(np.ascontiguousarray(column).tobytes() for column in columns)
            ).hexdigest(),
        },
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in _VERSIONS}},
    }
