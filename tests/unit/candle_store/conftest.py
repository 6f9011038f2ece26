"""Stores made of generated markets, and small ways to spoil them."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.candle_store.layout import Market
from app.candle_store.part import Columns
from app.candle_store.spans import Spans, milliseconds
from app.candle_store.store import CandleStore
from app.history import CandleSeries, synthetic

SINCE = datetime(2024, 1, 1, tzinfo=UTC)
T0 = milliseconds(SINCE)
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NAMES = ("ts", "open", "high", "low", "close", "volume")
BTC = Market("BTCUSDT", "1h", "binance")

Put = Callable[..., CandleStore]


@cache
def market(bars: int, interval: str = "1h", symbol: str = "BTCUSDT") -> CandleSeries:
    return synthetic(symbol, interval, bars, 7, SINCE)


def columns(series: CandleSeries) -> Columns:
    return {name: np.array(getattr(series, name)) for name in NAMES}


def same(found: CandleSeries, wanted: CandleSeries) -> bool:
    return all(np.array_equal(getattr(found, name), getattr(wanted, name)) for name in NAMES)


def flat(folder: Path, name: str, told: Columns) -> Path:
    """A file as others write them: no word about what was asked for."""
    arrays: dict[str, Any] = {key: pa.array(values) for key, values in told.items()}
    arrays["ts"] = arrays["ts"].cast(pa.timestamp("ms", tz="UTC"))
    pq.write_table(pa.table(arrays), folder / name)
    return folder / name


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """`put(series)` into a store, as fetched from a venue unless `covered` says otherwise."""

    def write(series: CandleSeries, exchange: str = "binance", covered: Spans | None = None) -> CandleStore:
        store = CandleStore(tmp_path)
        span = (int(series.ts[0]), int(series.ts[-1]) + series.step_ms)
        with store.locked():
            store.write(
                Market(series.symbol, series.interval, exchange),
                columns(series),
                (span,) if covered is None else covered,
            )
        return store

    return write
