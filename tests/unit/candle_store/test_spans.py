"""Arithmetic on stretches of time, against the slow and obvious way."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.candle_store.spans import clock_text, first_open, merged, month_span, months, opened, runs, without
from tests.unit.candle_store.conftest import DAY, HOUR, T0

spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


def _points(some: object) -> set[int]:
    return {at for start, end in some for at in range(start, end)}  # type: ignore[attr-defined]


@given(spans)
def test_merged_is_the_same_time_in_few_spans(some: list[tuple[int, int]]) -> None:
    found = merged(some)
    assert _points(found) == _points(some)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(found))


@given(st.tuples(st.integers(0, 40), st.integers(0, 40)), spans)
def test_without_is_what_is_left(span: tuple[int, int], some: list[tuple[int, int]]) -> None:
    assert _points(without(span, some)) == _points([span]) - _points(some)


def test_runs_break_where_bars_are_missing() -> None:
    ts = np.array([0, 1, 2, 5, 6, 9], dtype=np.int64) * HOUR
    assert runs(ts, HOUR) == ((0, 3 * HOUR), (5 * HOUR, 7 * HOUR), (9 * HOUR, 10 * HOUR))
    assert runs(ts[:0], HOUR) == ()


def test_months_follow_each_other_over_leap_days_and_new_year() -> None:
    found = list(months((T0 - DAY, T0 + 60 * DAY)))
    assert [name for name, _ in found] == ["2023-12", "2024-01", "2024-02"]
    assert all(one[1][1] == other[1][0] for one, other in itertools.pairwise(found))
    assert month_span("2024-02")[1] - month_span("2024-02")[0] == 29 * DAY
    assert list(months((T0, T0))) == []


@pytest.mark.parametrize(("step", "at", "wanted"), [(HOUR, T0 + 1, T0 + HOUR), (HOUR, T0, T0), (7 * DAY, T0, T0)])
def test_first_open_is_on_the_grid(step: int, at: int, wanted: int) -> None:
    assert first_open(at, step) == wanted  # 2024 begins on a Monday
    assert opened(at, step) <= at < opened(at, step) + step


def test_clock_text_is_short() -> None:
    assert (clock_text(T0), clock_text(T0 + 61_000)) == ("2024-01-01 00:00", "2024-01-01 00:01:01")
