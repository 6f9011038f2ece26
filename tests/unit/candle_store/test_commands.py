"""`tradingbot data` as it is typed."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from app.commands.data import app
from app.domain.errors import BadSettings
from tests.unit.candle_store.conftest import Put, columns, flat, market

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)

    def type_in(*words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--data-dir", str(tmp_path)])

    return type_in


def test_list_says_what_there_is(run: Run, put: Put) -> None:
    assert "no candles yet: tradingbot data fetch" in run("list").output
    put(market(1_000))
    (line,) = json.loads(run("list", "--json").output)
    size = line.pop("size_bytes")
    assert size > 0
    assert line == {
        "exchange": "binance",
        "symbol": "BTCUSDT",
        "interval": "1h",
        "rows": 1_000,
        "first": "2024-01-01T00:00:00+00:00",
        "last": "2024-02-11T15:00:00+00:00",
        "files": 2,
    }
    assert "1,000" in run("list").output


def test_report_ends_in_1_when_something_is_unsound(run: Run, put: Put, tmp_path: Path) -> None:
    put(market(100))
    sound = run("report")
    assert sound.exit_code == 0
    assert "binance BTCUSDT 1h" in sound.output
    holed = {name: np.delete(values, [5, 6]) for name, values in columns(market(100, symbol="ETHUSDT")).items()}
    flat(tmp_path, "ETHUSDT-perp-1h.parquet", holed)
    told = run("report")
    assert told.exit_code == 1
    assert "ETHUSDT 1h is unsound: 2 bars missing" in told.output
    assert "2 bars missing from 2024-01-01 05:00 up to 2024-01-01 07:00 (not fetched)" in told.output
    assert run("report", "--symbol", "BTC-USDT-SWAP").exit_code == 0
    found = run("report", "--symbol", "ETHUSDT", "--json")
    assert found.exit_code == 1
    (data,) = json.loads(found.output)
    assert (data["sound"], data["missing"], data["gaps"][0]["bars"]) == (False, 2, 2)
    with pytest.raises(BadSettings, match="data list"):
        CliRunner().invoke(app, ["report", "--interval", "5m", "--data-dir", str(tmp_path)], catch_exceptions=False)


def test_query_answers_people_and_programs(run: Run, put: Put) -> None:
    put(market(48))
    values = "count(*) AS bars, max(ts) AS last, 0.5::DECIMAL(3,1) AS half, 'nan'::DOUBLE AS none"
    sql = f"SELECT symbol, {values} FROM candles GROUP BY 1"
    (row,) = json.loads(run("query", sql, "--json").output)
    assert row == {"symbol": "BTCUSDT", "bars": 48, "last": "2024-01-02T23:00:00", "half": 0.5, "none": None}
    assert "BTCUSDT" in run("query", sql).output
    cut = run("query", "SELECT ts FROM candles", "--limit", "3")
    assert "only the first 3 rows" in cut.stderr
    assert len(json.loads(run("query", "SELECT ts FROM candles", "--limit", "0", "--json").output)) == 48


def test_resample_keeps_longer_candles(run: Run, put: Put) -> None:
    put(market(48))
    assert (
        "BTCUSDT 4h: 12 bars joined from binance 1h"
        in run("resample", "--symbol", "btcusdt", "--interval", "4h").output
    )
    assert [line["interval"] for line in json.loads(run("list", "--json").output)] == ["1h", "4h"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--from", "yesterday"), "is no date"),
        (("--from", "2024-02-01", "--to", "2024-01-01"), "is not before"),
        (("--interval", "7m"), "unknown interval"),
    ],
)
def test_fetch_refuses_before_asking_anybody(run: Run, tmp_path: Path, words: tuple[str, ...], why: str) -> None:
    told = run("fetch", "--symbol", "BTCUSDT", *words)
    assert told.exit_code != 0
    assert why in told.output + str(told.exception)
    assert list(tmp_path.iterdir()) == []
