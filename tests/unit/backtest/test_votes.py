"""Stored verdicts laid over signals."""

from datetime import UTC, datetime, timedelta

import numpy as np

from app.backtest.engine import backtest
from app.backtest.votes import StoredVerdict, replay
from app.domain.side import Side
from app.history import synthetic
from app.strategies.signals import Signals
from tests.unit.backtest.markets import units

START = datetime(2024, 1, 1, tzinfo=UTC)
SERIES = synthetic("BTCUSDT", "1h", 10, 1, START)


def signals(longs: tuple[int, ...], shorts: tuple[int, ...] = ()) -> Signals:
    none, never = np.full(10, np.nan), np.zeros(10, dtype=bool)
    long, short = never.copy(), never.copy()
    long[list(longs)], short[list(shorts)] = True, True
    return Signals(long, short, short, long, none, none, none, none, 0)


def verdict(bar: int, side: Side, *, approved: bool) -> StoredVerdict:
    return StoredVerdict(START + timedelta(hours=bar), side, approved)


def test_refused_entries_are_not_traded_and_exits_are_left_alone():
    said = signals((2, 5), (3,))
    found = replay(said, SERIES, [verdict(2, Side.LONG, approved=False), verdict(3, Side.SHORT, approved=True)])
    assert np.flatnonzero(found.signals.enter_long).tolist() == [5]
    assert np.flatnonzero(found.signals.enter_short).tolist() == [3]
    assert set(np.flatnonzero(said.exit_short)) <= set(np.flatnonzero(found.signals.exit_short))
    assert np.array_equal(found.signals.exit_long, said.exit_long)
    assert (found.entries, found.judged, found.refused) == (3, 2, 1)
    assert "2 of 3 entry signals, 1 of them refused" in found.said()


def test_a_refused_reversal_still_leaves_the_old_position_as_live():
    none, never = np.full(10, np.nan), np.zeros(10, dtype=bool)
    long, short = never.copy(), never.copy()
    long[2], short[5] = True, True
    said = Signals(long, short, never, never, none, none, none, none, 0)
    found = replay(said, SERIES, [verdict(5, Side.SHORT, approved=False)]).signals
    run = backtest(SERIES, found, units(0.01))
    assert [(int(one["entry_bar"]), int(one["exit_bar"]), int(one["side"])) for one in run.trades] == [(3, 6, 1)]


def test_a_bar_that_wants_both_sides_stays_one_that_enters_nothing():
    found = replay(signals((2,), (2,)), SERIES, [verdict(2, Side.LONG, approved=False)])
    assert found.entries == 0
    assert found.signals.enter_long[2] == found.signals.enter_short[2]


def test_a_verdict_about_the_other_side_or_another_bar_says_nothing():
    found = replay(
        signals((2,)), SERIES, [verdict(2, Side.SHORT, approved=False), verdict(4, Side.LONG, approved=False)]
    )
    assert found.signals.enter_long[2]
    assert found.said().startswith("none is stored for any of the 1 entry signals")


def test_of_several_verdicts_the_last_counts():
    again = [verdict(2, Side.LONG, approved=False), verdict(2, Side.LONG, approved=True)]
    assert replay(signals((2,)), SERIES, again).refused == 0


def test_the_strategys_own_arrays_stay_as_they_are():
    said = signals((2,))
    replay(said, SERIES, [verdict(2, Side.LONG, approved=False)])
    assert said.enter_long[2]
