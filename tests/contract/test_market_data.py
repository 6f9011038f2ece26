"""Public history over real HTTP: every candle once, in order, closed; and what happens when the venue misbehaves."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.adapters.market_data.binance import BinanceHistory
from app.adapters.market_data.okx import OkxHistory, instrument
from app.candle_store.download import Filled, fill
from app.candle_store.layout import FUNDING, Market
from app.candle_store.soundness import inspect
from app.candle_store.spans import DAY_MS, milliseconds
from app.candle_store.store import CandleStore
from app.domain.errors import BadSettings, VenueUnavailable
from app.history import CandleSeries
from simulator.clock import Mode
from simulator.config import SimulatorConfig
from simulator.server import bind, create_app, serve
from tests.contract import market_data_venues as v
from tests.contract.loopback import CLOSE, RESET, Answer, Request, answer, as_json, error
from tests.fakes import FakeClock

BTC = Market("BTCUSDT", "1h", "binance")
BTC_OKX = Market("BTCUSDT", "1h", "okx")
REPO = Path(__file__).resolve().parents[2]
LATER = v.T0 + 400 * DAY_MS  # long after everything that was traded


async def get(
    folder: Path, venue: v.Venue, market: Market = BTC, span: tuple[int, int] | None = None, clock: Any = None
) -> Filled:
    """Fetch into `folder` what it does not have; `span` is all of 300 days by default."""
    store, clock = CandleStore(folder), clock or FakeClock()
    history = BinanceHistory if market.exchange == "binance" else OkxHistory
    async with venue.loopback() as loopback, history(clock=clock, base_url=loopback.url, jitter=lambda: 1.0) as source:
        with store.locked():
            return await fill(store, source, market, span or (v.T0, v.T0 + 300 * DAY_MS), clock=clock)


def same(found: CandleSeries, wanted: CandleSeries) -> bool:
    return all(
        np.array_equal(getattr(found, name), getattr(wanted, name))
        for name in ("ts", "open", "high", "low", "close", "volume")
    )


# --- Binance -----------------------------------------------------------------------------------------


async def test_pages_join_into_every_candle_once(tmp_path) -> None:
    venue = v.BinanceVenue(v.market(2_500), LATER)
    told = await get(tmp_path, venue)
    assert same(CandleStore(tmp_path).read("BTCUSDT", "1h"), venue.series)
    assert (told.rows, told.asked, told.late) == (2_500, 4, ())
    assert [request.query["limit"] for request in venue.asked] == ["1000"] * 4  # the last one finds nothing more


@pytest.mark.parametrize("page", [500, 1])
async def test_answers_shorter_than_asked_for_lose_nothing(tmp_path, page: int) -> None:
    venue = v.BinanceVenue(v.market(60 if page == 1 else 2_500), LATER, page=page)
    await get(tmp_path, venue)
    assert same(CandleStore(tmp_path).read("BTCUSDT", "1h"), venue.series)


def test_an_address_that_is_none_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(BadSettings, match="no address of Binance"):
        BinanceHistory(clock=FakeClock(), base_url="fapi.binance.com")


async def test_what_is_there_is_not_asked_for_again(tmp_path) -> None:
    venue = v.BinanceVenue(v.market(2_500), LATER)
    middle = (v.T0 + 700 * v.HOUR, v.T0 + 900 * v.HOUR)
    await get(tmp_path, venue, span=middle)
    venue.asked.clear()
    await get(tmp_path, venue, span=(v.T0, v.T0 + 2_500 * v.HOUR))
    times = [(int(one.query["startTime"]), int(one.query["endTime"]) + 1) for one in venue.asked]
    assert times[0] == (v.T0, middle[0])
    assert all(start >= middle[1] for start, _ in times[1:])
    venue.asked.clear()
    told = await get(tmp_path, venue, span=(v.T0, v.T0 + 2_500 * v.HOUR))
    assert (told.rows, venue.asked) == (0, [])
    assert same(CandleStore(tmp_path).read("BTCUSDT", "1h"), venue.series)


async def test_a_forming_candle_is_left_for_later(tmp_path) -> None:
    venue = v.BinanceVenue(v.market(100), v.T0 + 50 * v.HOUR + 1_000)  # bar 49 ended a second ago: too fresh
    await get(tmp_path, venue)
    assert same(CandleStore(tmp_path).read("BTCUSDT", "1h"), venue.series[:49])
    venue.now_ms += 2_000
    told = await get(tmp_path, venue)
    assert told.rows == 1
    assert same(CandleStore(tmp_path).read("BTCUSDT", "1h"), venue.series[:50])


async def test_candles_the_venue_is_late_with_are_asked_for_again(tmp_path) -> None:
    venue = v.BinanceVenue(v.market(50), v.T0 + 52 * v.HOUR)
    told = await get(tmp_path, venue)
    assert told.late == ((v.T0 + 50 * v.HOUR, v.T0 + 51 * v.HOUR),)
    venue.series = v.market(60)
    told = await get(tmp_path, venue)
    assert (told.rows, told.late) == (1, ())


async def test_a_gap_of_the_venues_own_is_asked_about_once_and_told(tmp_path) -> None:
    venue = v.BinanceVenue(v.without(v.market(300), 100, 130), LATER)
    await get(tmp_path, venue)
    venue.asked.clear()
    await get(tmp_path, venue, span=(v.T0, v.T0 + 300 * v.HOUR))
    assert venue.asked == []
    (report,) = inspect(CandleStore(tmp_path).markets())
    (gap,) = report.gaps
    assert (gap.start, gap.end, gap.bars, gap.at_venue) == (v.T0 + 100 * v.HOUR, v.T0 + 130 * v.HOUR, 30, True)
    assert report.problems == ()


async def test_a_gap_of_ours_is_fetched_and_meanwhile_unsound(tmp_path) -> None:
    venue = v.BinanceVenue(v.market(300), LATER)
    for first, last in ((0, 100), (130, 300)):
        await get(tmp_path, venue, span=(v.T0 + first * v.HOUR, v.T0 + last * v.HOUR))
    (report,) = inspect(CandleStore(tmp_path).markets())
    assert report.problems == ("30 bars missing",)
    await get(tmp_path, venue)
    (report,) = inspect(CandleStore(tmp_path).markets())
    assert (report.problems, report.gaps, report.rows) == ((), (), 300)


async def test_months_are_those_of_utc_whatever_the_machine_thinks(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        # Over both changes of the clocks there, and every end of a month.
        venue = v.BinanceVenue(v.market(24 * 330), LATER)
        await get(tmp_path, venue, span=(v.T0, v.T0 + 330 * DAY_MS))
        folder = BTC.folder(tmp_path)
        for path in folder.iterdir():
            bars = CandleStore(tmp_path).load(BTC, _month(path.stem))
            assert datetime.fromtimestamp(int(bars.ts[0]) / 1000, UTC).strftime("%Y-%m-%d %H") == f"{path.stem}-01 00"
            assert datetime.fromtimestamp(int(bars.ts[-1]) / 1000, UTC).strftime("%Y-%m") == path.stem
        assert len(list(folder.iterdir())) == 11
        assert same(CandleStore(tmp_path).read("BTCUSDT", "1h"), venue.series)
    finally:
        monkeypatch.undo()
        time.tzset()


def _month(name: str) -> tuple[int, int]:
    year, month = map(int, name.split("-"))
    first = datetime(year, month, 1, tzinfo=UTC)
    return milliseconds(first), milliseconds(datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC))


async def test_funding_rates_lie_on_the_second(tmp_path) -> None:
    rates = [(v.T0 + 8 * v.HOUR * number + number % 7, f"{number / 1e6:.8f}") for number in range(1_500)]
    venue = v.BinanceVenue(v.market(10), LATER + 200 * DAY_MS, funding=rates)
    market = Market("BTCUSDT", FUNDING, "binance")
    await get(tmp_path, venue, market, (v.T0, v.T0 + 600 * DAY_MS))
    found = CandleStore(tmp_path).funding("BTCUSDT")
    assert found is not None
    assert found[0].tolist() == [at // 1000 * 1000 for at, _ in rates]
    assert found[1].tolist() == [float(rate) for _, rate in rates]
    assert len(venue.asked) == 3


@pytest.mark.parametrize(("status", "header", "least"), [(429, "7", 7), (418, "130", 130), (429, "soon", 60)])
async def test_a_venue_that_asks_for_a_pause_gets_it(tmp_path, status: int, header: str, least: float) -> None:
    def first_refused(_request: Request, count: int) -> Answer | None:
        return error(status, -1003, "Too many requests", Retry_After=header) if count == 1 else None

    clock, venue = FakeClock(), v.BinanceVenue(v.market(100), LATER, before=first_refused)
    begun = clock.monotonic()
    told = await get(tmp_path, venue, clock=clock)
    assert told.rows == 100
    assert clock.monotonic() - begun >= least


async def test_a_long_ban_is_not_sat_out(tmp_path) -> None:
    venue = v.BinanceVenue(v.market(100), LATER, before=lambda *_: error(418, -1003, "banned", Retry_After="86400"))
    with pytest.raises(VenueUnavailable, match="86400 s"):
        await get(tmp_path, venue)
    assert len(venue.asked) == 1


async def test_above_half_of_the_weight_it_waits_for_the_next_minute(tmp_path) -> None:
    venue = v.BinanceVenue(v.market(2_500), LATER)
    heavy = {1: "1199", 2: "1201"}

    def told(request: Request, count: int) -> Answer:
        return as_json(venue._klines(request.query), X_MBX_USED_WEIGHT_1M=heavy.get(count, "5"))

    venue.before = told
    clock = FakeClock(datetime(2026, 1, 5, 12, 0, 20, tzinfo=UTC))
    await get(tmp_path, venue, clock=clock)
    assert clock.now() == datetime(2026, 1, 5, 12, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "trouble",
    [
        RESET,
        CLOSE,
        answer(502, "<html>bad gateway</html>"),
        error(503, -1008, "Server is currently overloaded"),
        error(400, -1001, "Internal error"),
        answer(200, "<html>sign in to the network</html>"),
        answer(200, "[[17040"),
    ],
)
async def test_trouble_that_passes_is_waited_out(tmp_path, trouble: Answer) -> None:
    venue = v.BinanceVenue(v.market(100), LATER, before=lambda _, count: trouble if count < 4 else None)
    assert (await get(tmp_path, venue)).rows == 100
    assert len(venue.asked) == 5


async def test_trouble_that_stays_ends_in_one_error_and_what_came_before_is_kept(tmp_path) -> None:
    down: list[bool] = []
    venue = v.BinanceVenue(v.market(2_500), LATER, before=lambda _, count: RESET if count > 2 and not down else None)
    with pytest.raises(VenueUnavailable, match="run it again later"):
        await get(tmp_path, venue)
    assert same(CandleStore(tmp_path).read("BTCUSDT", "1h"), venue.series[:2_000])
    down.append(False)
    venue.asked.clear()
    await get(tmp_path, venue)
    assert int(venue.asked[0].query["startTime"]) == v.T0 + 2_000 * v.HOUR
    assert same(CandleStore(tmp_path).read("BTCUSDT", "1h"), venue.series)


async def test_a_region_that_is_not_served_is_said_at_once(tmp_path) -> None:
    venue = v.BinanceVenue(v.market(10), LATER, before=lambda *_: answer(451, "unavailable"))
    with pytest.raises(BadSettings, match="region"):
        await get(tmp_path, venue)
    assert len(venue.asked) == 1


async def test_an_unknown_symbol_gets_a_suggestion(tmp_path) -> None:
    venue = v.BinanceVenue(v.market(10), LATER, before=lambda *_: error(400, -1121, "Invalid symbol."))
    with pytest.raises(BadSettings, match="no contract BTCUDST; did you mean BTCUSDT"):
        await get(tmp_path, venue, Market("BTCUDST", "1h", "binance"))


def _spoiled(row: int, change: Callable[[list[Any]], Any]) -> Callable[[list[Any]], list[Any]]:
    def spoil(rows: list[Any]) -> list[Any]:
        told = [list(one) for one in rows]
        told[row] = change(told[row])
        return told

    return spoil


def _with(at: int, value: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda row: [*row[:at], value, *row[at + 1 :]]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_with(1, "NaN"), "not a number"),
        (_with(4, "inf"), "not a number"),
        (_with(1, 42_000.5), "written as text"),
        (_with(2, "0.01"), "do not contain"),
        (_with(3, "-5"), "not positive"),
        (_with(5, "-1"), "negative volume"),
        (_with(0, "1704067200000"), "whole number"),
        (_with(0, v.T0 + 5 * v.HOUR), "it closes when"),
        (_with(6, v.T0), "it closes when"),
        (lambda row: [row[0] + 1, *row[1:6], row[6] + 1], "bar opens then"),
        (lambda row: [row[0] - v.HOUR, *row[1:6], row[6] - v.HOUR], "not after"),
        (lambda row: [row[0] - 900 * v.HOUR, *row[1:6], row[6] - 900 * v.HOUR], "outside the time"),
        (lambda _: "nonsense", "unreadable"),
        (lambda _: [], "unreadable"),
        (lambda _: None, "unreadable"),
    ],
)
async def test_one_wrong_row_is_named_and_nothing_of_its_page_is_kept(tmp_path, change, why: str) -> None:
    venue = v.BinanceVenue(v.market(100), LATER, spoil=_spoiled(17, change))
    with pytest.raises(VenueUnavailable, match=rf"binance BTCUSDT 1h: row 18 .*{why}"):
        await get(tmp_path, venue)
    assert not BTC.folder(tmp_path).exists()


async def test_an_answer_that_is_no_list_is_unreadable(tmp_path) -> None:
    venue = v.BinanceVenue(v.market(100), LATER, before=lambda *_: as_json({"rows": []}))
    with pytest.raises(VenueUnavailable, match="no list"):
        await get(tmp_path, venue)


async def test_three_day_bars_are_refused_before_anything_is_asked(tmp_path) -> None:
    venue = v.BinanceVenue(v.market(100), LATER)
    with pytest.raises(BadSettings, match="resample"):
        await get(tmp_path, venue, Market("BTCUSDT", "3d", "binance"))
    assert venue.asked == []


async def test_killed_half_way_it_goes_on_where_it_stopped(tmp_path) -> None:
    """SIGKILL while the third page is on its way: two are on disk, whole, and are not asked for again."""
    child: list[asyncio.subprocess.Process] = []

    def kill(_request: Request, count: int) -> Answer | None:
        if count == 3:
            os.kill(child[0].pid, signal.SIGKILL)
        return None

    venue = v.BinanceVenue(v.market(2_500), LATER, before=kill)
    async with venue.loopback() as loopback:
        command = "from app.commands.data import app; app()"
        words = [
            "fetch",
            "--symbol",
            "BTCUSDT",
            "--interval",
            "1h",
            "--from",
            "2024-01-01",
            "--to",
            "2024-04-14T04:00",
            "--data-dir",
        ]
        child.append(
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", command, *words, str(tmp_path), cwd=REPO,
                env={**os.environ, "BINANCE_BASE_URL": loopback.url},
            )
        )  # fmt: skip
        assert await asyncio.wait_for(child[0].wait(), 30) == -signal.SIGKILL
    assert same(CandleStore(tmp_path).read("BTCUSDT", "1h"), venue.series[:2_000])
    venue.asked.clear()
    await get(tmp_path, venue)
    assert int(venue.asked[0].query["startTime"]) == v.T0 + 2_000 * v.HOUR
    assert same(CandleStore(tmp_path).read("BTCUSDT", "1h"), venue.series)


async def test_the_local_exchange_is_read_like_the_real_one(tmp_path) -> None:
    start = datetime(2024, 3, 20, 12, tzinfo=UTC)
    config = SimulatorConfig(symbols=("BTCUSDT",), bars=2_200, mode=Mode.STEPPED, start=start)
    served, sock, ready = create_app(config), bind("127.0.0.1", 0), asyncio.Event()
    running = asyncio.create_task(serve(config, ready=ready, sock=sock, app=served))
    try:
        await asyncio.wait_for(ready.wait(), 10)
        store, clock = CandleStore(tmp_path), FakeClock()
        async with BinanceHistory(clock=clock, base_url=f"http://127.0.0.1:{sock.getsockname()[1]}") as source:
            with store.locked():
                for kind in ("1h", FUNDING):
                    market = Market("BTCUSDT", kind, "binance")
                    await fill(store, source, market, (v.T0, LATER), clock=clock)
        wanted = config.candles()["BTCUSDT"].between(datetime(2024, 1, 1, tzinfo=UTC), start)[:-1]
        assert same(store.read("BTCUSDT", "1h"), wanted)
        rates = store.funding("BTCUSDT")
        assert rates is not None
        assert rates[0].tolist() == list(range(v.T0, milliseconds(start), 8 * v.HOUR))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


# --- OKX ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [300, 100, 7])
async def test_okx_pages_are_walked_back_however_long_they_are(tmp_path, page: int) -> None:
    venue = v.OkxVenue(v.market(700), LATER, page=page)
    told = await get(tmp_path, venue, BTC_OKX, (v.T0, v.T0 + 700 * v.HOUR))
    assert told.rows == 700
    assert same(CandleStore(tmp_path).read("BTCUSDT", "1h"), venue.series)
    hours = [one for one in venue.asked if one.query["bar"] == "1H"]
    assert {one.query["instId"] for one in hours} == {"BTC-USDT-SWAP"}


async def test_okx_volume_is_in_base_units_and_days_start_in_utc(tmp_path) -> None:
    venue = v.OkxVenue(v.market(40, "1d"), LATER)
    await get(tmp_path, venue, Market("BTCUSDT", "1d", "okx"))
    assert {one.query["bar"] for one in venue.asked} == {"1Dutc"}
    assert same(CandleStore(tmp_path).read("BTCUSDT", "1d"), venue.series)


async def test_okx_years_before_the_listing_are_not_walked_through(tmp_path) -> None:
    listed = datetime(2024, 6, 1, tzinfo=UTC)
    venue = v.OkxVenue(v.market(2_000, "1m", listed), milliseconds(listed) + 400 * DAY_MS)
    span = (milliseconds(datetime(2020, 1, 1, tzinfo=UTC)), milliseconds(listed) + 2_000 * 60_000)
    await get(tmp_path, venue, Market("BTCUSDT", "1m", "okx"), span)
    assert same(CandleStore(tmp_path).read("BTCUSDT", "1m"), venue.series)
    assert len(venue.asked) < 25


async def test_okx_unfinished_candles_are_left_for_later(tmp_path) -> None:
    def unfinished(rows: list[Any]) -> list[Any]:
        """OKX has not confirmed the newest one yet, although its time is over."""
        return [[*rows[0][:-1], "0"], *rows[1:]] if rows else rows

    venue = v.OkxVenue(v.market(60), v.T0 + 50 * v.HOUR + 10_000, spoil=unfinished)
    told = await get(tmp_path, venue, BTC_OKX)
    assert told.late == ((v.T0 + 49 * v.HOUR, v.T0 + 50 * v.HOUR),)
    assert same(CandleStore(tmp_path).read("BTCUSDT", "1h"), venue.series[:49])
    venue.spoil = lambda rows: rows
    await get(tmp_path, venue, BTC_OKX)
    assert same(CandleStore(tmp_path).read("BTCUSDT", "1h"), venue.series[:50])


async def test_okx_an_old_candle_that_has_not_closed_is_wrong(tmp_path) -> None:
    venue = v.OkxVenue(v.market(60), LATER, spoil=_spoiled(5, _with(8, "0")))
    with pytest.raises(VenueUnavailable, match="it has not closed"):
        await get(tmp_path, venue, BTC_OKX)


async def test_okx_funding_is_what_was_realized(tmp_path) -> None:
    rates = [(v.T0 + 8 * v.HOUR * number, f"{number / 1e6:.8f}") for number in range(250)]
    venue = v.OkxVenue(v.market(10), LATER, funding=rates)
    await get(tmp_path, venue, Market("BTCUSDT", FUNDING, "okx"))
    found = CandleStore(tmp_path).funding("BTCUSDT")
    assert found is not None
    assert found[0].tolist() == [at for at, _ in rates]
    assert found[1].tolist() == [float(rate) for _, rate in rates]


async def test_okx_errors_come_with_status_200(tmp_path) -> None:
    busy = as_json({"code": "50011", "msg": "Too Many Requests", "data": []})
    clock = FakeClock()
    venue = v.OkxVenue(v.market(60), LATER, before=lambda _, count: busy if count < 3 else None)
    assert (await get(tmp_path, venue, BTC_OKX, clock=clock)).rows == 60
    unknown = as_json({"code": "51001", "msg": "Instrument ID does not exist", "data": []})
    venue = v.OkxVenue(v.market(60), LATER, before=lambda *_: unknown)
    with pytest.raises(BadSettings, match="no contract BTCC-USDT-SWAP; did you mean BTC-USDT-SWAP"):
        await get(tmp_path, venue, Market("BTCCUSDT", "1h", "okx"))


async def test_okx_questions_keep_their_distance(tmp_path) -> None:
    clock = FakeClock()
    begun, venue = clock.monotonic(), v.OkxVenue(v.market(1_200), LATER, page=50)
    await get(tmp_path, venue, BTC_OKX, clock=clock)
    assert clock.monotonic() - begun >= 0.1 * (len(venue.asked) - 1)


async def test_okx_bars_that_do_not_start_in_utc_are_refused(tmp_path) -> None:
    venue = v.OkxVenue(v.market(10), LATER)
    with pytest.raises(BadSettings, match="8h"):
        await get(tmp_path, venue, Market("BTCUSDT", "8h", "okx"))


@pytest.mark.parametrize(
    ("symbol", "name"), [("BTCUSDT", "BTC-USDT-SWAP"), ("ETHUSDC", "ETH-USDC-SWAP"), ("1INCHUSDT", "1INCH-USDT-SWAP")]
)
def test_okx_names(symbol: str, name: str) -> None:
    assert instrument(symbol) == name


@pytest.mark.parametrize("symbol", ["USDT", "BTCUSD", "", "BTC-USDT"])
def test_okx_no_names(symbol: str) -> None:
    with pytest.raises(BadSettings, match="no swap of OKX"):
        instrument(symbol)
