"""Every defect planted by hand is found where it was planted, and nothing else is."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from app.candle_store.part import Columns
from app.candle_store.soundness import Gap, Idle, Report, inspect
from app.candle_store.store import CandleStore
from tests.unit.candle_store.conftest import HOUR, T0, Put, columns, flat, market

BARS = 500


def look(folder: Path, told: Columns, **options: float) -> Report:
    flat(folder, "BTCUSDT-perp-1h.parquet", told)
    (report,) = inspect(CandleStore(folder).markets(), **options)  # type: ignore[arg-type]
    return report


@pytest.fixture
def bars() -> Columns:
    return columns(market(BARS))


def test_sound_candles_are_sound(tmp_path: Path, bars: Columns) -> None:
    report = look(tmp_path, bars)
    assert report.problems == ()
    assert (report.rows, report.first, report.last) == (BARS, T0, T0 + (BARS - 1) * HOUR)
    empty = {"duplicates", "disordered", "off_grid", "impossible", "gaps", "idle_bars", "idle", "jumps"}
    assert not any(getattr(report, field.name) for field in fields(report) if field.name in empty)


def test_gaps_are_named_to_the_bar(tmp_path: Path, bars: Columns) -> None:
    holes = [*range(10, 13), *range(200, 201)]
    report = look(tmp_path, {name: np.delete(values, holes) for name, values in bars.items()})
    assert report.gaps == (
        Gap(T0 + 10 * HOUR, T0 + 13 * HOUR, 3, at_venue=False),
        Gap(T0 + 200 * HOUR, T0 + 201 * HOUR, 1, at_venue=False),
    )
    assert report.problems == ("4 bars missing",)


def test_a_gap_the_venue_was_asked_about_in_part_is_still_ours(put: Put) -> None:
    series = market(BARS)
    put(series[:100], covered=((T0, T0 + 105 * HOUR),))
    store = put(series[110:], covered=((T0 + 110 * HOUR, T0 + BARS * HOUR),))
    (report,) = inspect(store.markets())
    assert report.gaps == (Gap(T0 + 100 * HOUR, T0 + 110 * HOUR, 10, at_venue=False),)


def test_gaps_across_files_are_found(put: Put) -> None:
    series = market(2_000)
    put(series[:740])
    (report,) = inspect(put(series[750:]).markets())
    assert [(gap.start, gap.bars) for gap in report.gaps] == [(T0 + 740 * HOUR, 10)]


def test_repeated_bars_are_counted(tmp_path: Path, bars: Columns) -> None:
    report = look(tmp_path, {name: np.insert(values, 50, values[50:52]) for name, values in bars.items()})
    assert report.problems == ("2 bars repeated", "1 bars out of order")
    assert report.gaps == ()


def test_disorder_is_counted_and_the_rest_is_said_of_the_bars_in_order(tmp_path: Path, bars: Columns) -> None:
    order = np.r_[0:100, 300:400, 100:300, 400:BARS]
    report = look(tmp_path, {name: values[order] for name, values in bars.items()})
    assert (report.disordered, report.duplicates, report.gaps) == (1, 0, ())


def test_bars_off_the_grid_are_counted(tmp_path: Path, bars: Columns) -> None:
    bars["ts"][77] += 60_000
    report = look(tmp_path, bars)
    assert report.off_grid == 1
    assert "1 bars off the grid" in report.problems


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("high", 0.5),
        ("low", 1e9),
        ("low", 0.0),
        ("open", np.nan),
        ("low", np.nan),
        ("close", np.nan),
        ("close", -1.0),
        ("high", np.inf),
        ("volume", -0.1),
        ("volume", np.nan),
    ],
)
def test_impossible_bars_are_named(tmp_path: Path, bars: Columns, name: str, value: float) -> None:
    bars[name][123] = value
    report = look(tmp_path, bars)
    assert (report.impossible, report.impossible_at) == (1, (T0 + 123 * HOUR,))
    assert report.problems == ("1 impossible bars",)
    assert not any(np.isnan(jump.change) for jump in report.largest_jumps)


def test_idle_stretches_are_told_from_their_length_on_and_do_not_count(tmp_path: Path, bars: Columns) -> None:
    for first, last in ((5, 8), (100, 112), (300, 330)):
        bars["volume"][first:last] = 0.0
    report = look(tmp_path, bars, idle_bars=10)
    assert report.idle_bars == 45
    runs = [(300, 30), (100, 12)]
    assert report.idle == tuple(Idle(T0 + at * HOUR, T0 + (at + size) * HOUR, size) for at, size in runs)
    assert report.problems == ()


@pytest.mark.parametrize(("name", "factor", "change"), [("high", 1.5, 0.5), ("low", 0.6, -0.4)])
def test_jumps_show_in_wicks(tmp_path: Path, bars: Columns, name: str, factor: float, change: float) -> None:
    bars[name][321] = bars["close"][320] * factor
    report = look(tmp_path, bars, jump=0.3)
    (found,) = report.largest_jumps
    assert (report.jumps, found.at) == (1, T0 + 321 * HOUR)
    assert found.change == pytest.approx(change)
    assert report.problems == ()


def test_jumps_are_those_a_slow_loop_finds(tmp_path: Path, bars: Columns) -> None:
    limit, wanted = 0.008, {}
    for at in range(1, BARS):
        last = bars["close"][at - 1]
        up, down = bars["high"][at] / last - 1, bars["low"][at] / last - 1
        if max(up, -down) > limit:
            wanted[T0 + at * HOUR] = up if up > -down else down
    report = look(tmp_path, bars, jump=limit)
    assert report.jumps == len(wanted) > 20
    worst = sorted(wanted.values(), key=abs, reverse=True)[:20]
    assert [jump.change for jump in report.largest_jumps] == pytest.approx(worst)


def test_a_market_without_bars_is_unsound(tmp_path: Path, bars: Columns) -> None:
    report = look(tmp_path, {name: values[:0] for name, values in bars.items()})
    assert (report.problems, report.first) == (("no bars",), None)
