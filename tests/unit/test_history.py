"""Candle series: files that are good, files that are not, and the generated market."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.domain.errors import BadSettings
from app.history import (
    PAPER_SEED,
    PAPER_START_BAR,
    CandleSeries,
    load_folder,
    load_funding,
    load_series,
    synthetic,
)

START = datetime(2024, 1, 1, tzinfo=UTC)


def write(path: Path, rows: int = 48, step_minutes: int = 60, **changes: object) -> None:
    close = np.linspace(100.0, 110.0, rows)
    columns: dict[str, object] = {
        "ts": pa.array(
            [START + timedelta(minutes=step_minutes * row) for row in range(rows)], pa.timestamp("ms", "UTC")
        ),
        "open": close,
        "high": close + 1,
        "low": close - 1,
        "close": close,
        "volume": np.ones(rows),
    }
    columns |= changes
    pq.write_table(pa.table({name: column for name, column in columns.items() if column is not None}), path)


def ema(values: np.ndarray, length: int) -> float:
    average = values[0]
    for value in values[1:]:
        average += 2 / (length + 1) * (value - average)
    return float(average)


def test_a_folder_is_read_by_symbol_and_interval(tmp_path: Path) -> None:
    write(tmp_path / "BTCUSDT-perp-1h.parquet")
    write(tmp_path / "BTCUSDT-perp-mark-1h.parquet")
    write(tmp_path / "ETHUSDT-perp-5m-2023-2024.parquet", rows=36, step_minutes=5)
    found = load_folder(tmp_path)
    assert sorted(found) == ["BTCUSDT", "ETHUSDT"]
    assert len(found["BTCUSDT"]) == 48
    assert found["BTCUSDT"].source == "BTCUSDT-perp-1h.parquet"
    assert int(found["BTCUSDT"].ts[0]) == int(START.timestamp() * 1000)
    assert found["ETHUSDT"].interval == "1h"
    assert len(found["ETHUSDT"]) == 3


def test_the_longest_fitting_file_is_joined_into_the_interval_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "BTCUSDT-perp-1m.parquet", rows=60, step_minutes=1)
    write(tmp_path / "BTCUSDT-perp-1h.parquet", rows=48)
    four_hours = load_series(tmp_path, "BTCUSDT", "4h")
    assert four_hours.source == "BTCUSDT-perp-1h.parquet"
    assert len(four_hours) == 12
    assert len(load_series(tmp_path, "BTCUSDT", "30m")) == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"high": np.full(48, 1.0)}, "high or low"),
        ({"open": np.full(48, np.nan)}, "positive number"),
        ({"close": None}, "cannot be read"),
        ({"ts": pa.array([START] * 48, pa.timestamp("ms", "UTC"))}, "order of time"),
    ],
)
def test_a_damaged_file_is_named_and_refused(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    write(tmp_path / "BTCUSDT-perp-1h.parquet", **changes)
    with pytest.raises(BadSettings, match=says) as caught:
        load_series(tmp_path, "BTCUSDT", "1h")
    assert "BTCUSDT-perp-1h.parquet" in str(caught.value)


def test_what_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "BTCUSDT-perp-1h.parquet").write_bytes(b"not parquet")
    with pytest.raises(BadSettings, match="no candles of ETHUSDT"):
        load_series(tmp_path, "ETHUSDT", "1h")
    with pytest.raises(BadSettings, match="cannot be read"):
        load_series(tmp_path, "BTCUSDT", "1h")
    with pytest.raises(BadSettings, match="not a folder"):
        load_folder(tmp_path / "nowhere")
    with pytest.raises(BadSettings, match="unknown interval"):
        load_series(tmp_path, "BTCUSDT", "7m")
    assert load_funding(tmp_path, "BTCUSDT") is None


def test_joining_bars_keeps_extremes_and_sums_and_drops_incomplete_ends() -> None:
    hours = synthetic("BTCUSDT", "1h", 100, 3, START + timedelta(hours=2))
    days = hours.resampled("1d")
    assert len(days) == 3
    inside = hours.between(START + timedelta(days=1), START + timedelta(days=2))
    assert len(inside) == 24
    assert days.open[0] == inside.open[0]
    assert days.close[0] == inside.close[-1]
    assert days.high[0] == inside.high.max()
    assert days.low[0] == inside.low.min()
    assert days.volume[0] == pytest.approx(inside.volume.sum())
    weeks = synthetic("BTCUSDT", "1d", 40, 3, START).resampled("1w")
    assert datetime.fromtimestamp(int(weeks.ts[0]) / 1000, UTC).weekday() == 0
    with pytest.raises(BadSettings, match="cannot be joined"):
        days.resampled("1h")


def test_a_series_cannot_be_changed() -> None:
    series = synthetic("BTCUSDT", "1h", 10, 1, START)
    with pytest.raises(ValueError, match="read-only"):
        series.close[0] = 1.0
    assert len(series[2:5]) == 3
    first = series.candles()[0]
    assert first.open_time == START
    assert first.low <= first.open <= first.high


def test_the_generated_market_is_the_same_everywhere() -> None:
    def told(series: CandleSeries) -> bytes:
        return b"".join(getattr(series, name).tobytes() for name in ("ts", "open", "high", "low", "close", "volume"))

    once, again = (synthetic("BTCUSDT", "1h", 800, PAPER_SEED, START) for _ in range(2))
    assert told(once) == told(again)
    assert told(once) != told(synthetic("BTCUSDT", "1h", 800, PAPER_SEED + 1, START))
    assert once.source == f"synthetic seed={PAPER_SEED}"
    longer = synthetic("BTCUSDT", "1h", 800, PAPER_SEED, START)[:400]
    assert told(longer) == told(once[:400])


def test_generated_bars_are_sound_on_the_tick_and_alive() -> None:
    series = synthetic("ETHUSDT", "1h", 26_280, PAPER_SEED, START)
    assert (series.high >= np.maximum(series.open, series.close)).all()
    assert (series.low <= np.minimum(series.open, series.close)).all()
    assert np.array_equal(series.open[1:], series.close[:-1])
    assert np.array_equal(np.round(series.close, 2), series.close)
    moves = np.abs(np.diff(np.log(series.close)))
    assert np.corrcoef(moves[:-1], moves[1:])[0, 1] > 0.1  # volatility clusters
    assert np.corrcoef(moves, series.volume[1:])[0, 1] > 0.2  # and volume follows it
    assert series.close.max() / series.close.min() < 20  # three years stay believable


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_the_paper_market_opens_in_an_established_uptrend(symbol: str) -> None:
    closes = synthetic(symbol, "1h", 1000, PAPER_SEED, START).close
    seen = closes[:PAPER_START_BAR]
    assert len(seen) >= 400
    assert seen[-1] > ema(seen, 20) > ema(seen, 50) > ema(seen, 200)
    assert seen[-1] > seen[-120] * 1.05
    assert closes[PAPER_START_BAR : PAPER_START_BAR + 72].min() > seen[-1] * 0.97
