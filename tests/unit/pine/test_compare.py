"""Two accounts of one strategy: what is the same, what differs, and what is said about it."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from app.backtest.model import TRADE, Costs, ExitReason, Rules, Run
from app.history import synthetic
from app.pine.compare import (
    Deal,
    DealsMatch,
    EquityMatch,
    Parity,
    Tolerance,
    compare_deals,
    compare_equity,
    compare_signals,
    deals_of,
)
from app.strategies.signals import Signals

BARS = 10
LONG = Deal(side=1, entry_bar=3, exit_bar=5, quantity=2.0, entry_price=100.0, exit_price=110.0, pnl=19.0)
SHORT = Deal(side=-1, entry_bar=5, exit_bar=8, quantity=2.0, entry_price=110.0, exit_price=100.0, pnl=19.0)


def said(warm_up: int = 2, **fields: dict[int, float]) -> Signals:
    """`said(enter_long={4: 1}, long_stop={4: 95})`."""
    arrays = {}
    for name in ("enter_long", "enter_short", "exit_long", "exit_short"):
        arrays[name] = column(fields.get(name, {}), 0) > 0
    for name in ("long_stop", "short_stop", "long_target", "short_target"):
        arrays[name] = column(fields.get(name, {}), np.nan)
    return Signals(**arrays, warm_up=warm_up)


def column(values: dict[int, float], other: float) -> np.ndarray:
    filled = np.full(BARS, other, dtype=float)
    for bar, value in values.items():
        filled[bar] = value
    return filled


def a_run(rows: list[tuple[Deal, ExitReason]], equity: np.ndarray) -> Run:
    trades = np.zeros(len(rows), TRADE)
    for row, (deal, reason) in zip(trades, rows, strict=True):
        for name in ("side", "entry_bar", "exit_bar", "quantity", "entry_price", "exit_price", "pnl"):
            row[name] = getattr(deal, name)
        row["reason"] = reason
    series = synthetic("BTCUSDT", "1h", len(equity), 1, datetime(2024, 1, 1, tzinfo=UTC))
    return Run(series, Rules(), Costs(), trades, equity, np.zeros(len(equity)), liquidated=False, warm_up=0)


# --- signals ---------------------------------------------------------------------------------------


def test_equal_flags_and_levels_have_no_difference():
    ours = said(enter_long={4: 1}, long_stop={4: 95.0})
    theirs = {"enter_long": column({4: 1}, 0), "long_stop": column({4: 95.0 * (1 + 1e-12)}, np.nan)}
    found = compare_signals(ours, theirs)
    assert [(field.name, field.compared, field.different) for field in found] == [
        ("enter_long", 10, 0),
        ("long_stop", 1, 0),
    ]


def test_the_first_flag_that_differs_is_told():
    (field,) = compare_signals(said(enter_short={4: 1, 7: 1}), {"enter_short": column({7: 1, 9: 1}, 0)})
    assert (field.different, field.first) == (2, 4)
    assert field.sentence == "enter_short is on here and off there on bar 4"


def test_a_flag_that_is_not_a_number_is_off():
    (field,) = compare_signals(said(enter_long={4: 1}), {"enter_long": column({}, np.nan)})
    assert field.different == 1


def test_what_is_said_during_the_warm_up_differs_from_our_silence():
    (field,) = compare_signals(said(warm_up=5), {"enter_long": column({4: 1}, 0)})
    assert (field.compared, field.different, field.first) == (BARS, 1, 4)


def test_a_field_that_only_we_have_is_a_difference():
    (flag,) = compare_signals(said(enter_long={4: 1, 7: 1}), {})
    assert (flag.different, flag.sentence) == (2, "there is no enter_long there")
    ours = said(enter_long={4: 1}, long_stop={4: 95.0})
    assert [field.different for field in compare_signals(ours, {"enter_long": column({4: 1}, 0)})] == [0, 1]


def test_a_level_is_compared_only_where_it_is_read():
    ours = said(enter_long={4: 1}, long_stop={4: 95.0, 6: 1.0})
    theirs = {"enter_long": column({4: 1}, 0), "long_stop": column({4: 95.001, 6: 2.0}, np.nan)}
    level = compare_signals(ours, theirs)[1]
    assert (level.compared, level.different, level.first) == (1, 1, 4)
    assert level.sentence == "long_stop is 95 here and 95.001 there on bar 4"


def test_a_level_one_side_does_not_have_differs():
    ours = said(enter_long={4: 1})
    theirs = {"enter_long": column({4: 1}, 0), "long_stop": column({4: 95.0}, np.nan)}
    assert compare_signals(ours, theirs)[1].different == 1


# --- trades ----------------------------------------------------------------------------------------


def test_equal_trades_agree_in_any_order():
    match = compare_deals([LONG, SHORT], [SHORT, LONG])
    assert match.agrees
    assert match.equal == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"exit_bar": 6}, "left 1 bar earlier here"),
        ({"exit_price": 110.1}, "exit price 110 here, 110.1 there"),
        ({"entry_price": 99.9}, "entry price 100 here, 99.9 there"),
        ({"quantity": 1.0}, "quantity 2 here, 1 there"),
        ({"pnl": 18.0}, "profit 19 here, 18 there: check the commission"),
        ({"entry_bar": 1, "exit_bar": 4}, "entered 2 bars later here"),
    ],
)
def test_what_differs_is_said(change, words):
    match = compare_deals([LONG], [replace(LONG, **change)])
    assert not match.agrees
    assert words in match.pairs[0].differences


def test_trades_of_one_side_only_are_told_apart():
    far = replace(LONG, entry_bar=9, exit_bar=9)
    match = compare_deals([LONG], [SHORT, far])
    assert (match.pairs, match.ours_only, match.theirs_only) == ((), (LONG,), (SHORT, far))


def test_parts_of_one_position_are_paired_by_where_they_end():
    parts = [LONG, replace(LONG, exit_bar=7, exit_price=120.0, pnl=39.0)]
    assert compare_deals(parts, parts[::-1]).agrees


def test_within_a_tick_is_the_same():
    other = replace(LONG, exit_price=110.1, pnl=19.2)
    assert compare_deals([LONG], [other], Tolerance(price=0.1)).agrees
    assert not compare_deals([LONG], [replace(other, exit_price=110.2)], Tolerance(price=0.1)).agrees
    assert not compare_deals([LONG], [replace(other, pnl=19.5)], Tolerance(price=0.1)).agrees


def test_a_trade_the_end_of_the_data_closed_is_left_out():
    run = a_run([(SHORT, ExitReason.STOP), (LONG, ExitReason.TARGET), (LONG, ExitReason.END)], np.full(BARS, 100.0))
    assert deals_of(run) == (LONG, SHORT)


# --- equity ----------------------------------------------------------------------------------------


def test_the_largest_difference_of_equity_is_found():
    theirs = column({7: 100.5}, 100.0)
    found = compare_equity(a_run([], np.full(BARS, 100.0)), theirs, start=0)
    assert (found.compared, found.bar, found.agrees) == (BARS, 7, False)
    assert found.worst == pytest.approx(0.005)


def test_equity_that_is_missing_does_not_agree():
    found = compare_equity(a_run([], np.full(BARS, 100.0)), column({7: np.nan}, 100.0), start=0)
    assert (found.bar, found.agrees) == (7, False)


def test_the_bar_on_which_only_our_data_ended_is_left_out():
    run = a_run([(LONG, ExitReason.END)], np.full(BARS, 100.0))
    found = compare_equity(run, column({9: 55.0}, 100.0), start=0)
    assert (found.compared, found.agrees) == (BARS - 1, True)


# --- in words --------------------------------------------------------------------------------------


def account(deals: DealsMatch, worst: float = 0.0, **flags: dict[int, float]) -> Parity:
    theirs = {name: column(values, 0) for name, values in flags.items()}
    return Parity("an engine", BARS, 2, compare_signals(said(), theirs), deals, EquityMatch(BARS, worst, 6))


def test_agreement_in_words():
    found = account(compare_deals([LONG], [LONG]), enter_long={})
    assert found.agrees
    assert found.sentences() == (
        "10 bars, the first 2 of them warm-up, compared in 1 signals and 0 levels: all the same",
        "1 of 1 trades are the same",
        "equity differs by 0 at most (allowed 1e-06)",
    )


def test_disagreement_in_words():
    found = account(compare_deals([LONG, SHORT], [replace(LONG, exit_bar=6)]), worst=0.01, enter_long={4: 1})
    assert not found.agrees
    text = "\n".join(found.sentences())
    assert "1 differ" in text
    assert "enter_long is on there and off here on bar 4 (1 of 10)" in text
    assert "0 of 2 trades are the same" in text
    assert "first that differs: bar 3: left 1 bar earlier here" in text
    assert "1 only here; the first is a short entered on bar 5" in text
    assert "equity differs by 1.0e-02 at most on bar 6" in text


@pytest.mark.parametrize("broken", ["signals", "trades", "equity"])
def test_any_kind_of_difference_is_disagreement(broken):
    deals = compare_deals([LONG], [] if broken == "trades" else [LONG])
    flags = {4: 1.0} if broken == "signals" else {}
    assert not account(deals, worst=1e-5 if broken == "equity" else 0.0, enter_long=flags).agrees
