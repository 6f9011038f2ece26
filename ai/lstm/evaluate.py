"""How good are the probabilities? Measured against knowing nothing but how often each class occurs.

Everything here works on arrays and ONNX: no training library is needed to judge a model on new data.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ai.lstm.features import Bars, features, labels, moves, usable_ends, windows
from ai.lstm.serve import Forecaster, opinion_of
from app.domain.vote import Opinion

Floats = NDArray[np.float64]
Classes = NDArray[np.int64]
_SIGN = {Opinion.LONG: 1, Opinion.NEUTRAL: 0, Opinion.SHORT: -1}
_BATCH = 512


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Shares are fractions. What the seat would have voted is NEUTRAL unless a side is clearly probable."""

    windows: int
    class_shares: tuple[float, float, float]  # SHORT, NEUTRAL, LONG as they happened
    accuracy: float  # of the most probable class
    majority_accuracy: float  # of always naming the most frequent class of the training data
    log_loss: float
    prior_log_loss: float  # of always answering with the class shares of the training data
    calibration_error: float  # of the most probable class, expected over ten bins
    voted_share: float  # how often the seat would have named a side
    voted_right: float  # of these, how often the price went that way at all: 0.5 is a coin
    voted_right_error: float  # standard error of that for independent windows; these overlap, so it is larger

    def plain(self) -> dict[str, Any]:
        """JSON data, rounded to four decimals."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


def evaluate(model: Forecaster, bars: Bars, ends: NDArray[np.intp] | None = None) -> Evaluation:
    """Judge a model on the windows ending at `ends`, or on every usable one. Raises ValueError when there is none."""
    ends = usable_ends(bars) if ends is None else ends
    if not len(ends):
        raise ValueError("not enough candles for a single window with a known outcome")
    table = features(bars)
    parts = [ends[first : first + _BATCH] for first in range(0, len(ends), _BATCH)]
    probabilities = np.concatenate([model.probabilities(windows(table, part)) for part in parts])
    return _measure(
        probabilities,
        labels(bars)[ends],
        moves(bars)[ends],
        prior=np.array(model.about["training_class_shares"]),
        clear=model.clear,
    )


def _measure(probabilities: Floats, label: Classes, move: Floats, *, prior: Floats, clear: float) -> Evaluation:
    """(m, 3) probabilities, (m,) classes, (m,) moves in ATR, (3,) class shares of the training data."""
    named = probabilities.argmax(axis=1)
    votes = np.array([_SIGN[opinion_of(row, clear)] for row in probabilities])
    right = (np.sign(move) == votes)[votes != 0]
    hit = float(right.mean()) if len(right) else 0.0
    short, neutral, long = (np.bincount(label, minlength=3) / len(label)).tolist()
    return Evaluation(
        windows=len(label),
        class_shares=(short, neutral, long),
        accuracy=float((named == label).mean()),
        majority_accuracy=float((label == prior.argmax()).mean()),
        log_loss=_log_loss(probabilities, label),
        prior_log_loss=_log_loss(np.tile(prior, (len(label), 1)), label),
        calibration_error=_calibration_error(probabilities.max(axis=1), named == label),
        voted_share=float((votes != 0).mean()),
        voted_right=hit,
        voted_right_error=float(np.sqrt(hit * (1 - hit) / len(right))) if len(right) else 0.0,
    )


def _log_loss(probabilities: Floats, label: Classes) -> float:
    return float(-np.log(np.clip(probabilities[np.arange(len(label)), label], 1e-9, 1)).mean())


def _calibration_error(confidence: Floats, correct: NDArray[np.bool_]) -> float:
    """Mean distance between confidence and accuracy over ten equal bins (Naeini, Cooper, Hauskrecht 2015)."""
    bins = np.minimum((confidence * 10).astype(int), 9)
    inside = [bins == number for number in np.unique(bins)]
    return float(sum(where.mean() * abs(confidence[where].mean() - correct[where].mean()) for where in inside))


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value
