"""SQL over the store: right answers, and no way out of it."""

import os
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.candle_store.layout import FUNDING, Market
from app.candle_store.soundness import inspect
from app.candle_store.sql import query
from app.candle_store.store import CandleStore
from app.commands import data_view
from app.domain.errors import BadSettings
from tests.unit.candle_store.conftest import HOUR, T0, Put, columns, flat, market


@pytest.fixture
def store(put: Put, tmp_path: Path) -> CandleStore:
    """Two fetched markets over several months, a flat one, and funding rates."""
    put(market(1_600))
    filled = put(market(300, "4h", "ETHUSDT"), exchange="okx")
    flat(tmp_path, "BTCUSDT-perp-1h.parquet", columns(market(40)))
    rates = {"ts": np.arange(5, dtype=np.int64) * 8 * HOUR + T0, "funding_rate": np.full(5, 1e-4)}
    with filled.locked():
        filled.write(Market("BTCUSDT", FUNDING, "binance"), rates, ())
    return filled


def test_the_view_has_every_candle_once_with_its_names(store: CandleStore) -> None:
    told = query(store, "SELECT exchange, symbol, interval, count(*), min(ts), max(high) FROM candles GROUP BY ALL")
    start = datetime(2024, 1, 1)  # noqa: DTZ001 - UTC without saying so, as SQL has it
    assert set(told.rows) == {
        ("binance", "BTCUSDT", "1h", 1_600, start, market(1_600).high.max()),
        ("okx", "ETHUSDT", "4h", 300, start, market(300, "4h", "ETHUSDT").high.max()),
        ("", "BTCUSDT", "1h", 40, start, market(40).high.max()),
    }
    assert query(store, "SELECT count(*), sum(funding_rate) FROM funding").rows[0] == (5, pytest.approx(5e-4))


def test_only_as_many_rows_as_asked_for(store: CandleStore) -> None:
    told = query(store, "SELECT ts FROM candles ORDER BY ts", limit=7)
    assert (told.columns, len(told.rows), told.more) == (("ts",), 7, True)
    assert query(store, "SELECT 1 AS one", limit=7).more is False


@pytest.mark.parametrize(
    "sql",
    [
        "DROP VIEW candles",
        "COPY (SELECT 1) TO '{root}/x.csv'",
        "CREATE TABLE x AS SELECT 1",
        "SELECT 1; SELECT 2",
        "SET threads = 1",
        "INSTALL httpfs",
        "ATTACH '{root}/x.db'",
        "PRAGMA version",
        "",
    ],
)
def test_nothing_but_one_select_is_done(store: CandleStore, sql: str) -> None:
    with pytest.raises(BadSettings, match="one SELECT"):
        query(store, sql.format(root=store.root))
    assert {path.name for path in store.root.iterdir()} == {".lock", "candles", "funding", "BTCUSDT-perp-1h.parquet"}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{root}/{way}')",
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM '{file}'",
    ],
)
def test_other_files_are_out_of_reach(store: CandleStore, tmp_path_factory, sql: str) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    with pytest.raises(BadSettings, match="cannot be answered"):
        query(store, sql.format(file=secret, root=store.root, way=os.path.relpath(secret, store.root)))


def test_a_wrong_query_gets_duckdbs_own_words(store: CandleStore) -> None:
    with pytest.raises(BadSettings, match="volum"):
        query(store, "SELECT volum FROM candles")


@pytest.mark.parametrize("spoil", ["cut short", "seconds"])
def test_a_file_that_cannot_be_read_is_named_by_every_reader(tmp_path: Path, spoil: str) -> None:
    told = columns(market(40))
    path = flat(tmp_path, "BTCUSDT-perp-1h.parquet", told)
    if spoil == "seconds":  # as a number, a time could be in any unit
        pq.write_table(pa.table({**told, "ts": told["ts"] // 1000}), path)
    else:
        path.write_bytes(path.read_bytes()[:500])
    store = CandleStore(tmp_path)
    readers = (
        lambda: query(store, "SELECT count(*) FROM candles"),
        lambda: store.read("BTCUSDT", "1h"),
        lambda: inspect(store.markets()),
        lambda: data_view.holdings(store.markets()),
    )
    for reader in readers:
        with pytest.raises(BadSettings, match="cannot be read"):
            reader()


def test_an_empty_folder_has_empty_views(tmp_path: Path) -> None:
    assert query(CandleStore(tmp_path), "SELECT count(*) FROM candles").rows == ((0,),)
    assert query(CandleStore(tmp_path), "SELECT * FROM funding").columns == ("exchange", "symbol", "ts", "funding_rate")


def test_folders_with_odd_names_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "it's [odd]*"
    folder.mkdir()
    flat(folder, "BTCUSDT-perp-1h.parquet", columns(market(40)))
    assert query(CandleStore(folder), "SELECT count(*) FROM candles").rows == ((40,),)
