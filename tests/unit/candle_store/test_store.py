"""Reading and writing the store: what goes in comes out, from either layout, and a crash never shows."""

import json
import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from app.candle_store import part
from app.candle_store.joining import resample
from app.candle_store.layout import Market
from app.candle_store.store import CandleStore
from app.domain.errors import BadSettings
from app.history import load_funding, load_series
from tests.unit.candle_store.conftest import BTC, DAY, HOUR, NAMES, SINCE, T0, Put, columns, flat, market, same

DATA = Path(os.environ.get("DATA_DIR", "../shared/data"))


def test_what_goes_in_comes_out_over_the_ends_of_months(put: Put) -> None:
    series = market(2_000)
    store = put(series)
    assert same(store.read("BTCUSDT", "1h"), series)
    assert sorted(path.stem for path in BTC.folder(store.root).iterdir()) == ["2024-01", "2024-02", "2024-03"]


@pytest.mark.parametrize(("first", "last"), [(0, 2_000), (5, 6), (700, 760), (1_999, 2_000)])
def test_a_part_of_the_time_is_that_part(put: Put, first: int, last: int) -> None:
    series = market(2_000)
    found = put(series).read("BTCUSDT", "1h", SINCE + timedelta(hours=first), SINCE + timedelta(hours=last))
    assert same(found, series[first:last])


def test_one_end_may_be_open(put: Put) -> None:
    series, at = market(2_000), SINCE + timedelta(hours=900)
    store = put(series)
    assert same(store.read("BTCUSDT", "1h", start=at), series[900:])
    assert same(store.read("BTCUSDT", "1h", end=at), series[:900])


def test_longer_bars_are_joined_as_they_are_read(put: Put) -> None:
    series = market(3_000, "5m")
    assert same(put(series).read("BTCUSDT", "1h"), series.resampled("1h"))


def test_the_longest_fitting_bars_are_taken(put: Put) -> None:
    put(market(3_000, "5m"))
    hours = market(250)  # another market altogether
    assert same(put(hours).read("BTCUSDT", "2h"), hours.resampled("2h"))


def test_longer_bars_that_finer_ones_have_outgrown_are_not_taken(put: Put) -> None:
    minutes = market(3_000, "5m")
    put(minutes)
    assert same(put(market(200)).read("BTCUSDT", "1h"), minutes.resampled("1h"))


def test_longer_bars_with_an_older_history_are_taken_though_finer_ones_are_newer(put: Put) -> None:
    hours, minutes = market(200), market(3_000, "5m")
    put(minutes[600:])
    assert same(put(hours).read("BTCUSDT", "1h"), hours)


def test_rows_written_again_replace_the_old_ones(put: Put) -> None:
    series = market(100)
    put(series)
    changed = columns(series[40:60])
    changed["volume"] += 1.0
    store = CandleStore(put(series).root)
    with store.locked():
        assert store.write(BTC, changed, ()) == 0
    found = store.read("BTCUSDT", "1h")
    assert len(found) == 100
    assert np.array_equal(found.volume - series.volume, np.r_[np.zeros(40), np.ones(20), np.zeros(40)].round(1))


def test_rows_may_come_in_any_order(put: Put) -> None:
    series = market(50)
    order = np.random.default_rng(1).permutation(50)
    store = CandleStore(put(series[:1]).root)
    with store.locked():
        store.write(BTC, {name: values[order] for name, values in columns(series).items()}, ())
    assert same(store.read("BTCUSDT", "1h"), series)


def test_what_is_missing_is_what_was_not_asked_for(put: Put) -> None:
    store = put(market(48), covered=((T0, T0 + 20 * HOUR), (T0 + 30 * HOUR, T0 + 48 * HOUR)))
    assert store.missing(BTC, (T0 - DAY, T0 + 3 * DAY)) == (
        (T0 - DAY, T0),
        (T0 + 20 * HOUR, T0 + 30 * HOUR),
        (T0 + 48 * HOUR, T0 + 72 * HOUR),
    )


def test_that_the_venue_has_nothing_is_remembered_too(put: Put) -> None:
    store, hole = put(market(48), covered=((T0, T0 + 20 * HOUR),)), (T0 + 20 * HOUR, T0 + 90 * HOUR)
    with store.locked():
        assert store.write(BTC, {name: values[:0] for name, values in columns(market(1)).items()}, (hole,)) == 0
    assert store.missing(BTC, (T0, T0 + 100 * HOUR)) == ((T0 + 90 * HOUR, T0 + 100 * HOUR),)
    assert same(store.read("BTCUSDT", "1h"), market(48))


def test_files_of_other_months_are_not_opened(put: Put) -> None:
    store = put(market(2_000))
    (BTC.folder(store.root) / "2024-02.parquet").write_bytes(b"damaged")
    assert same(store.read("BTCUSDT", "1h", end=SINCE + timedelta(days=31)), market(2_000)[: 31 * 24])


def test_less_than_a_bar_is_not_missing(put: Put) -> None:
    store = put(market(48))
    assert store.missing(BTC, (T0 - HOUR + 1, T0 + 48 * HOUR)) == ()


def test_of_files_others_wrote_the_rows_count_as_asked_for(put: Put) -> None:
    store = put(market(48))
    (path,) = BTC.folder(store.root).iterdir()
    kept = {name: np.delete(values, slice(10, 13)) for name, values in columns(market(48)).items()}
    flat(path.parent, path.name, kept)
    assert store.missing(BTC, (T0, T0 + 48 * HOUR)) == ((T0 + 10 * HOUR, T0 + 13 * HOUR),)


def test_the_files_are_plain_parquet_with_the_usual_columns(put: Put) -> None:
    (path,) = BTC.folder(put(market(48)).root).iterdir()
    assert str(path).endswith("candles/exchange=binance/symbol=BTCUSDT/interval=1h/2024-01.parquet")
    schema = pq.read_schema(path)
    assert [field.name for field in schema] == list(NAMES)
    assert str(schema.field("ts").type) == "timestamp[ms, tz=UTC]"
    assert json.loads(schema.metadata[b"covered"]) == [[T0, T0 + 48 * HOUR]]


def test_a_crash_while_writing_leaves_the_old_file(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    series = market(100)
    store = put(series[:50])

    def half(table: object, file: object, **_: object) -> None:
        file.write(b"PAR1 and then the power went")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(part.pq, "write_table", half)
        with pytest.raises(KeyboardInterrupt), store.locked():
            store.write(BTC, columns(series[50:]), ((T0 + 50 * HOUR, T0 + 100 * HOUR),))
    assert same(store.read("BTCUSDT", "1h"), series[:50])
    assert store.missing(BTC, (T0, T0 + 100 * HOUR)) == ((T0 + 50 * HOUR, T0 + 100 * HOUR),)
    put(series[50:])
    assert same(store.read("BTCUSDT", "1h"), series)


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    with (
        CandleStore(tmp_path).locked(),
        pytest.raises(BadSettings, match="another process"),
        CandleStore(tmp_path).locked(),
    ):
        pass
    with CandleStore(tmp_path).locked():
        pass


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSettings, match="cannot be written"), CandleStore(tmp_path / "file" / "below").locked():
        pass


@pytest.mark.parametrize(
    ("symbol", "interval", "why"),
    [
        ("BTCUSD", "1h", "did you mean BTCUSDT"),
        ("DOGEUSDT", "1h", "there is BTCUSDT"),
        ("BTCUSDT", "5m", "no candles of BTCUSDT at 5m or finer in .*: there is 1h"),
        ("BTCUSDT", "7m", "unknown interval"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(put: Put, symbol: str, interval: str, why: str) -> None:
    store = put(market(48))
    with pytest.raises(BadSettings, match=why):
        store.read(symbol, interval)


def test_a_time_without_candles_and_a_folder_that_is_none_are_said(put: Put, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="in that time"):
        put(market(48)).read("BTCUSDT", "1h", SINCE + timedelta(days=400))
    with pytest.raises(BadSettings, match="data fetch"):
        CandleStore(tmp_path / "nowhere").read("BTCUSDT", "1h")


def test_the_same_market_from_two_venues_must_be_chosen(put: Put) -> None:
    put(market(48))
    store = put(market(24), exchange="okx")
    with pytest.raises(BadSettings, match=r"binance, okx.*--exchange"):
        store.read("BTCUSDT", "1h")
    assert len(CandleStore(store.root, "okx").read("BTCUSDT", "1h")) == 24
    assert len(CandleStore(store.root, "binance").read("BTCUSDT", "1h")) == 48


@pytest.mark.parametrize(
    ("name", "value"), [("high", 0.01), ("low", -1.0), ("close", np.nan), ("open", np.inf), ("volume", -1.0)]
)
def test_impossible_bars_are_not_read(put: Put, name: str, value: float) -> None:
    store = put(market(48))
    spoiled = columns(market(48))
    spoiled[name][7] = value
    with store.locked():
        store.write(BTC, spoiled, ())
    with pytest.raises(BadSettings, match="1 impossible bars, the first at 2024-01-01 07:00"):
        store.read("BTCUSDT", "1h")


def test_a_damaged_file_is_named(put: Put) -> None:
    store = put(market(48))
    (path,) = BTC.folder(store.root).iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    for look in (lambda: store.read("BTCUSDT", "1h"), lambda: store.missing(BTC, (T0, T0 + DAY))):
        with pytest.raises(BadSettings, match=r"2024-01\.parquet cannot be read"):
            look()


# --- flat folders ------------------------------------------------------------------------------------


def test_flat_folders_are_read_too(tmp_path: Path) -> None:
    flat(tmp_path, "BTCUSDT-perp-1h.parquet", columns(market(100)))
    flat(tmp_path, "BTCUSDT-perp-mark-1h.parquet", columns(market(50)))  # not its candles
    flat(tmp_path, "ETHUSDT-1h.parquet", columns(market(60, symbol="ETHUSDT")))
    store = CandleStore(tmp_path)
    assert same(store.read("BTCUSDT", "4h"), market(100).resampled("4h"))
    assert [found.name for found in store.markets()] == ["BTCUSDT 1h", "ETHUSDT 1h"]


def test_flat_files_of_several_years_are_one_market(tmp_path: Path) -> None:
    series = market(100)
    flat(tmp_path, "BTCUSDT-perp-1h-2023.parquet", columns(series[:40]))
    flat(tmp_path, "BTCUSDT-perp-1h-2024.parquet", columns(series[40:]))
    assert same(CandleStore(tmp_path).read("BTCUSDT", "1h"), series)


def test_flat_funding_is_read(tmp_path: Path) -> None:
    told = {"ts": np.array([T0, T0 + 8 * HOUR]), "funding_rate": np.array([1e-4, -2e-4])}
    flat(tmp_path, "BTCUSDT-perp-funding-8h.parquet", told)
    found = CandleStore(tmp_path).funding("BTCUSDT", end=SINCE + timedelta(hours=8))
    assert found is not None
    assert (found[0].tolist(), found[1].tolist()) == ([T0], [1e-4])
    assert CandleStore(tmp_path).funding("ETHUSDT") is None


@pytest.mark.skipif(not DATA.is_dir(), reason="no folder of real candles")
@pytest.mark.parametrize(("symbol", "interval"), [("BTCUSDT", "1h"), ("BTCUSDT", "1d"), ("ETHUSDT", "15m")])
def test_real_candles_are_read_as_the_simulator_reads_them(symbol: str, interval: str) -> None:
    store = CandleStore(DATA)
    assert same(store.read(symbol, interval), load_series(DATA, symbol, interval))
    funding, wanted = store.funding(symbol), load_funding(DATA, symbol)
    assert funding is not None
    assert wanted is not None
    assert all(np.array_equal(*pair) for pair in zip(funding, wanted, strict=True))


# --- joining -----------------------------------------------------------------------------------------


def test_kept_longer_bars_are_those_reading_would_join(put: Put) -> None:
    store = put(market(30_000, "5m"))
    joined = store.read("BTCUSDT", "4h")
    with store.locked():
        told = resample(store, "BTCUSDT", "4h")
    assert same(told, joined)
    assert Market("BTCUSDT", "4h", "binance") in store.markets()
    assert same(store.read("BTCUSDT", "4h"), joined)


def test_joined_bars_never_count_as_asked_for_and_never_replace_fetched_ones(put: Put) -> None:
    store = put(market(3_000, "5m"))
    with store.locked():
        resample(store, "BTCUSDT", "1h")
        put_more = market(6_000, "5m")
        store.write(Market("BTCUSDT", "5m", "binance"), columns(put_more), ())
        assert len(resample(store, "BTCUSDT", "1h")) == 500
    assert store.missing(BTC, (T0, T0 + DAY)) == ((T0, T0 + DAY),)
    put(market(24))
    with pytest.raises(BadSettings, match="fetched already"):
        resample(store, "BTCUSDT", "1h")
    found = store.read("BTCUSDT", "1h")
    assert same(found[:24], market(24))
    assert len(found) == 500


def test_nothing_finer_and_flat_files_are_not_joined_for_keeping(put: Put, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="or finer"):
        resample(put(market(48)), "BTCUSDT", "1h")
    flat(tmp_path, "ETHUSDT-perp-1h.parquet", columns(market(48, symbol="ETHUSDT")))
    with pytest.raises(BadSettings, match="flat files"):
        resample(CandleStore(tmp_path), "ETHUSDT", "4h")
