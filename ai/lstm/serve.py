"""The LSTM seat: an exported network on ONNX Runtime, one thread, a fraction of a millisecond, no TensorFlow.

Weights that are missing leave the seat empty (None from `open_lstm`); weights that do not fit this code, or were
changed after training, raise BadSettings. Too few candles raise ValueError: the seat then casts no vote.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ai.lstm.features import MIN_BARS, NAMES, STEPS, Bars, Windows, features, windows
from app.domain.candle import Candle, MarketView
from app.domain.errors import BadSettings
from app.domain.vote import Opinion, Seat, Vote
from app.ports import Case

WEIGHTS: Final = Path(__file__).parent / "weights"  # shipped: trained on generated candles
MODEL_FILE: Final = "model.onnx"
ABOUT_FILE: Final = "model.json"
_MOST_BARS: Final = 250  # of history: what came before no longer shows in a window
CLASSES: Final = (Opinion.SHORT, Opinion.NEUTRAL, Opinion.LONG)


class Forecaster:
    """Probabilities of SHORT, NEUTRAL and LONG over the next bars."""

    def __init__(self, network: bytes, about: dict[str, Any]) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._mean = np.array(about["scaler"]["mean"], dtype=np.float32)
        self._scale = np.array(about["scaler"]["scale"], dtype=np.float32)
        self.about = about
        self.clear = float(about["clear"])

    def probabilities(self, batch: Windows) -> NDArray[np.float64]:
        """(m, 60, 10) windows -> (m, 3), rows summing to 1, in the order of CLASSES."""
        (raw,) = self._session.run(None, {self._input: (batch - self._mean) / self._scale})
        return np.asarray(raw, dtype=np.float64)

    def forecast(self, view: MarketView) -> NDArray[np.float64]:
        """(3,) for the last closed bar of a market. Raises ValueError below MIN_BARS candles or on a NaN."""
        if len(view.candles) < MIN_BARS:
            raise ValueError(f"{MIN_BARS} candles are needed, got {len(view.candles)}")
        table = features(bars_of(view.candles[-_MOST_BARS:]))
        window = windows(table, np.array([len(table) - 1], dtype=np.intp))
        if not np.isfinite(window).all():
            raise ValueError("a candle is not a number")
        (row,) = self.probabilities(window)
        return np.asarray(row)


class LstmVoter:
    """Implements `app.ports.Voter`."""

    seat = Seat.LSTM

    def __init__(self, forecaster: Forecaster) -> None:
        self.name = f"lstm {forecaster.about['sha256'][:8]}"
        self._forecaster = forecaster

    async def vote(self, case: Case) -> Vote:
        """NEUTRAL unless a side is clearly probable; the confidence is the probability of what is named, in percent."""
        row = self._forecaster.forecast(case.view)
        opinion = opinion_of(row, self._forecaster.clear)
        shares = {name.value: round(float(share), 4) for name, share in zip(CLASSES, row, strict=True)}
        answer = json.dumps(shares)
        return Vote(
            seat=self.seat,
            voter=self.name,
            opinion=opinion,
            confidence=round(100 * shares[opinion]),
            reason=", ".join(f"{name} {share:.0%}" for name, share in shares.items()),
            answer=answer,
            answer_sha256=hashlib.sha256(answer.encode()).hexdigest(),
        )

    async def close(self) -> None:
        """Nothing to close."""


def opinion_of(row: NDArray[np.float64], clear: float) -> Opinion:
    """(3,) probabilities -> LONG or SHORT when that one reaches `clear` (above one half), else NEUTRAL."""
    short, _, long = row
    if max(short, long) < clear:
        return Opinion.NEUTRAL
    return Opinion.LONG if long > short else Opinion.SHORT


def open_forecaster(folder: Path) -> Forecaster | None:
    """The model in `folder`; None when there is none. Raises BadSettings when there is one that cannot be trusted."""
    path, about_path = folder / MODEL_FILE, folder / ABOUT_FILE
    if not path.exists():
        return None
    try:
        network, about = path.read_bytes(), json.loads(about_path.read_text())
        known = (about["features"], about["steps"], about["classes"])
        if about["sha256"] != hashlib.sha256(network).hexdigest():
            raise BadSettings(f"{path} is not the network that {ABOUT_FILE} describes; train again")
        if known != (list(NAMES), STEPS, list(CLASSES)) or not float(about["clear"]) > 0.5:  # noqa: PLR2004 - a majority
            raise BadSettings(f"{path} was trained for other features than this version computes; train again")
        return Forecaster(network, about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSettings(f"{about_path} cannot be read: {error}") from error


def open_lstm(folder: Path) -> LstmVoter | None:
    """The voter for Seat.LSTM; None, an empty seat, when there are no weights."""
    forecaster = open_forecaster(folder)
    return LstmVoter(forecaster) if forecaster else None


def bars_of(candles: Sequence[Candle]) -> Bars:
    high, low, close, volume = (
        np.array([getattr(candle, name) for candle in candles], dtype=np.float64)
        for name in ("high", "low", "close", "volume")
    )
    return Bars(high, low, close, volume)
