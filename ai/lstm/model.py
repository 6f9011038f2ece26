"""The network: two stacked LSTMs and a softmax over SHORT, NEUTRAL, LONG. Needs the `train` extra."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Read when TensorFlow loads. Its errors come as exceptions anyway, and oneDNN would add up in an order of its own.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import tensorflow as tf

from ai.lstm.features import NAMES, STEPS, Windows

UNITS = (64, 32)
DROPOUT = 0.3
BATCH = 256
PATIENCE = 3


def repeatable(seed: int) -> None:
    """Make the same seed give the same weights on this machine: fixed seeds, ordered operations, one thread.

    Call before anything else runs in TensorFlow. Another processor may round sums differently in the last digit.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def build(units: tuple[int, ...] = UNITS) -> Any:
    """A compiled Keras model, (batch, 60, 10) -> (batch, 3)."""
    layers: list[Any] = [keras.Input((STEPS, len(NAMES)), name="window")]
    for depth, size in enumerate(units, start=1):
        layers += [keras.layers.LSTM(size, return_sequences=depth < len(units)), keras.layers.Dropout(DROPOUT)]
    layers.append(keras.layers.Dense(3, activation="softmax", name="probabilities"))
    model = keras.Sequential(layers)
    model.compile(optimizer=keras.optimizers.Adam(5e-4, clipnorm=1.0), loss="sparse_categorical_crossentropy")
    return model


def fit(
    model: Any,
    inputs: Windows,
    classes: NDArray[np.int64],
    validation: tuple[Windows, NDArray[np.int64]],
    *,
    class_weights: NDArray[np.float64],
    epochs: int,
    on_epoch: Callable[[int, dict[str, float]], None],
) -> None:
    """Train until validation has not improved for PATIENCE epochs, and keep the best weights.

    (m, 60, 10) windows and (m,) classes; `on_epoch` gets the index from 0 and Keras's losses.
    """
    model.fit(
        inputs,
        classes,
        validation_data=validation,
        class_weight=dict(enumerate(class_weights.tolist())),
        epochs=epochs,
        batch_size=BATCH,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True),
            keras.callbacks.LambdaCallback(on_epoch_end=on_epoch),
        ],
    )


def export(model: Any, path: Path) -> None:
    """Write the network as ONNX. Keras's own export works; the converter's `from_keras` does not know Keras 3."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras looks for a NumPy name that no longer exists
        model.export(str(path), format="onnx", verbose=False)
