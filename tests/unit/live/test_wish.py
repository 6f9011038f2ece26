"""What is asked for after a bar has closed, and that the bot's own parser reads it as meant."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from app.domain.ids import StrategyId, Symbol
from app.domain.side import OrderSide, Side, Target
from app.live.wish import Wish, message, wish
from app.pipeline.alert import Message, read_message
from app.strategies.registry import definition
from app.strategies.signals import Signals

HOUR = timedelta(hours=1)
BARS = 6
LAST = BARS - 1


def signals(**said: list[int] | float) -> Signals:
    """Flags are set on the bars that are named; a level is the same on every bar."""
    flags = {name: np.zeros(BARS, dtype=bool) for name in ("enter_long", "enter_short", "exit_long", "exit_short")}
    levels = {name: np.full(BARS, np.nan) for name in ("long_stop", "short_stop", "long_target", "short_target")}
    for name, value in said.items():
        if isinstance(value, list):
            flags[name][value] = True
        else:
            levels[name][:] = value
    return Signals(**flags, **levels, warm_up=0)


def test_an_entry_on_the_newest_bar_is_asked_for_with_its_levels():
    asked = wish(signals(enter_long=[LAST], long_stop=95.0, long_target=110.0), None, LAST)
    assert asked == Wish(LAST, Target.LONG, 95.0, 110.0)
    assert wish(signals(enter_short=[LAST], short_stop=105.0), None, LAST) == Wish(LAST, Target.SHORT, 105.0, None)


def test_an_entry_that_was_missed_is_not_made_up_for():
    assert wish(signals(enter_long=[LAST - 1]), None, 0) is None


def test_the_side_that_is_held_is_not_asked_for_again():
    assert wish(signals(enter_long=[LAST]), Side.LONG, LAST) is None


def test_the_other_side_on_the_newest_bar_reverses():
    assert wish(signals(enter_short=[LAST], short_stop=105.0), Side.LONG, LAST) == Wish(LAST, Target.SHORT, 105.0)


@pytest.mark.parametrize(("side", "flag"), [(Side.LONG, "exit_long"), (Side.SHORT, "exit_short")])
def test_an_exit_that_was_missed_is_still_owed(side, flag):
    assert wish(signals(**{flag: [3]}), side, 2) == Wish(3, Target.FLAT)
    assert wish(signals(**{flag: [3]}), side, 4) is None  # it was before the position


def test_a_missed_reversal_leaves_and_does_not_turn_round():
    assert wish(signals(enter_short=[3]), Side.LONG, 2) == Wish(3, Target.FLAT)


def test_an_exit_before_the_entry_that_is_held_is_nobodys():
    assert wish(signals(exit_long=[2], enter_long=[3]), Side.LONG, 0) is None


def test_an_exit_that_was_missed_is_not_done_against_the_newest_bar():
    assert wish(signals(exit_long=[LAST - 1], enter_long=[LAST]), Side.LONG, 0) is None


def test_an_exit_of_the_other_side_is_nobodys():
    assert wish(signals(exit_short=[LAST]), Side.LONG, 0) is None
    assert wish(signals(exit_long=[LAST]), None, 0) is None


def test_a_bar_that_wants_both_sides_wants_neither():
    assert wish(signals(enter_long=[LAST], enter_short=[LAST]), None, LAST) is None


def test_no_bars_no_wish():
    empty = np.zeros(0, dtype=bool)
    levels = np.zeros(0)
    assert wish(Signals(empty, empty, empty, empty, levels, levels, levels, levels, 0), None, 0) is None


@pytest.mark.parametrize(
    ("made", "held", "action", "target"),
    [
        (Wish(LAST, Target.LONG, 95.25, 110.5), None, OrderSide.BUY, Target.LONG),
        (Wish(LAST, Target.SHORT, 105.0), Side.LONG, OrderSide.SELL, Target.SHORT),
        (Wish(LAST, Target.FLAT), Side.LONG, OrderSide.SELL, Target.FLAT),
        (Wish(LAST, Target.FLAT), Side.SHORT, OrderSide.BUY, Target.FLAT),
    ],
)
@pytest.mark.parametrize("interval", ["1m", "1h", "1d"])
def test_the_message_is_read_as_it_is_meant(made, held, action, target, interval):
    at = datetime(2026, 1, 5, tzinfo=UTC)
    body = message(
        made,
        strategy=StrategyId("own"),
        symbol=Symbol("BTCUSDT"),
        interval=interval,
        bar_time=at,
        fired_at=at + 2 * HOUR,
        close=100.125,
        held=held,
        comment="x",
    )
    read = read_message(body)
    assert isinstance(read, Message), read
    assert (read.strategy, read.symbol, read.interval) == ("own", "BTCUSDT", interval)
    assert (read.action, read.target, read.confirmed) == (action, target, True)
    assert read.bar_time == at
    assert read.fired_at == at + 2 * HOUR
    assert read.price.value == Decimal("100.125")
    assert (read.stop_loss.value if read.stop_loss else None) == (Decimal(str(made.stop)) if made.stop else None)
    assert [float(goal.price.value) for goal in read.take_profits] == ([made.take_profit] if made.take_profit else [])


@pytest.mark.parametrize(
    ("made", "held", "name"),
    [
        (Wish(LAST, Target.LONG), None, "Long"),
        (Wish(LAST, Target.SHORT), Side.LONG, "Short"),
        (Wish(LAST, Target.FLAT), Side.LONG, "Long close"),
        (Wish(LAST, Target.FLAT), Side.SHORT, "Short close"),
    ],
)
def test_an_exported_script_and_the_bot_raise_one_alert(made, held, name):
    """The same bar, heard on a chart and here: the inbox must know it."""
    at, strategy = datetime(2026, 1, 5, tzinfo=UTC), StrategyId("own")
    ours = read_message(
        message(
            made,
            strategy=strategy,
            symbol=Symbol("BTCUSDT"),
            interval="1h",
            bar_time=at,
            fired_at=at + HOUR,
            close=100.0,
            held=held,
            comment="x",
        )
    )
    said = definition("supertrend").pine() + definition("bollinger").pine()
    target = made.target.value.lower()
    (action,) = set(re.findall(rf'message\("(\w+)", "{target}", "[a-z]*", "{name}", now', said))
    theirs = read_message(
        (
            f'{{"secret": "x", "strategy": "own", "symbol": "BTCUSDT.P", "exchange": "BINANCE", "interval": "60", '
            f'"bar_time": "{int(at.timestamp() * 1000)}", "action": "{action}", "market_position": "{target}", '
            f'"order_id": "{name}"}}'
        ).encode()
    )
    assert isinstance(ours, Message)
    assert isinstance(theirs, Message), theirs
    assert ours.dedupe_key(strategy) == theirs.dedupe_key(strategy)
