"""Formats of other services, as their documentation shows them."""

from decimal import Decimal
from typing import Any

import pytest

from app.domain.alert import Preset
from app.domain.money import Price
from app.domain.side import OrderSide, Target
from app.domain.signal import TakeProfit
from app.pipeline.alert import Message, read_message
from tests.intake_messages import PRESETS, SECRET, key_value, okx_a, okx_b, three_commas, traderspost


def read(body: bytes) -> Message:
    found = read_message(body)
    assert isinstance(found, Message), found
    return found


@pytest.mark.parametrize("name", PRESETS)
def test_every_format_is_recognised_by_its_keys(name: str) -> None:
    found = read(PRESETS[name]())
    assert found.preset is Preset(name)
    assert found.secret.reveal() == SECRET
    assert found.symbol == "BTCUSDT"
    assert found.action is OrderSide.BUY


def test_3commas_strategy_type() -> None:
    found = read(three_commas())
    assert found.strategy == "7c1f5d0e-0d7b-4f3a-9f5e-1f6f3b8a2c11"
    assert (found.target, found.prev_target) == (Target.LONG, Target.FLAT)
    assert (found.size, found.prev_size, found.price) == (Decimal("0.5"), Decimal(0), Price.of("43000.5"))
    assert any("order" in note for note in found.notes)


@pytest.mark.parametrize(
    ("action", "target", "leaves"),
    [
        ("enter_long", Target.LONG, None),
        ("enter_short", Target.SHORT, None),
        ("exit_long", Target.FLAT, Target.LONG),
        ("exit_short", Target.FLAT, Target.SHORT),
    ],
)
def test_3commas_custom_type(action: str, target: Target, leaves: Target | None) -> None:
    found = read(three_commas(action=action, strategy_info=None))
    assert (found.target, found.prev_target) == (target, leaves)


def test_okx_a_market_position_is_the_target() -> None:
    found = read(okx_a(action="sell", marketPosition="flat", prevMarketPosition="long", id="Exit"))
    assert (found.target, found.prev_target, found.order_id) == (Target.FLAT, Target.LONG, "Exit")
    assert found.strategy is None  # the token says whose it is


def test_okx_a_without_market_position_is_told_by_its_action() -> None:
    found = read(okx_a(marketPosition=None, prevMarketPosition=None))
    assert (found.preset, found.action, found.target) == (Preset.OKX_SIGNAL_A, OrderSide.BUY, None)


@pytest.mark.parametrize(
    ("action", "side", "target", "leaves"),
    [
        ("ENTER_LONG", OrderSide.BUY, Target.LONG, None),
        ("EXIT_LONG", OrderSide.SELL, Target.FLAT, Target.LONG),
        ("ENTER_SHORT", OrderSide.SELL, Target.SHORT, None),
        ("EXIT_SHORT", OrderSide.BUY, Target.FLAT, Target.SHORT),
    ],
)
def test_okx_b_says_which_side_an_exit_leaves(
    action: str, side: OrderSide, target: Target, leaves: Target | None
) -> None:
    found = read(okx_b(action=action))
    assert (found.action, found.target, found.prev_target) == (side, target, leaves)


def test_traderspost_distances_are_measured_from_the_signal_price() -> None:
    found = read(traderspost())
    assert found.stop_loss == Price(Decimal(40850))
    assert found.take_profits == (TakeProfit(Price(Decimal(47300)), Decimal(1)),)
    assert found.target is Target.LONG


def test_traderspost_distances_of_a_short_lie_on_the_other_side() -> None:
    found = read(
        traderspost(action="sell", sentiment="bearish", stopLoss={"type": "stop", "amount": 1000}, takeProfit=None)
    )
    assert (found.target, found.stop_loss) == (Target.SHORT, Price(Decimal(44000)))


def test_traderspost_absolute_prices_need_no_reference() -> None:
    found = read(
        traderspost(signalPrice=None, stopLoss={"type": "stop", "stopPrice": 42000}, takeProfit={"limitPrice": 46000})
    )
    assert (found.stop_loss, found.take_profits[0].price) == (Price.of(42000), Price.of(46000))


def test_traderspost_trailing_stop() -> None:
    found = read(traderspost(stopLoss={"type": "trailing_stop", "trailPercent": "1.5"}))
    assert found.trailing_stop is not None
    assert found.trailing_stop.callback_rate == Decimal("0.015")


@pytest.mark.parametrize(
    ("changes", "action", "target"),
    [
        ({"sentiment": None}, OrderSide.BUY, None),
        ({"sentiment": "long"}, OrderSide.BUY, Target.LONG),
        ({"action": "sell", "sentiment": "flat"}, OrderSide.SELL, Target.FLAT),
        ({"action": "exit", "sentiment": None}, None, Target.FLAT),
        ({"action": "exit", "sentiment": "flat"}, None, Target.FLAT),
        ({"action": "add"}, OrderSide.BUY, Target.LONG),
        ({"action": "add", "sentiment": "bearish"}, OrderSide.SELL, Target.SHORT),
        ({"action": "cancel"}, None, None),
    ],
)
def test_traderspost_actions(changes: dict[str, Any], action: OrderSide | None, target: Target | None) -> None:
    found = read(traderspost(**changes))
    assert (found.action, found.target) == (action, target)


def test_traderspost_exit_ignores_stops_it_cannot_measure() -> None:
    assert read(traderspost(action="exit", sentiment=None, signalPrice=None)).exit_only


def test_pairs() -> None:
    found = read(key_value())
    assert (found.strategy, found.action, found.target) == ("supertrend-btc-1h", OrderSide.BUY, None)
    assert found.stop_loss == Price.of(42000)
    assert [target.price for target in found.take_profits] == [Price.of(45000), Price.of(47000)]


def test_pairs_ratios_above_one_are_weights() -> None:
    ratios = [target.ratio for target in read(key_value()).take_profits]
    assert ratios == [Decimal("0.3333"), Decimal("0.6666")]


def test_pairs_on_lines_in_lower_case() -> None:
    assert read(key_value().replace(b";", b"\r\n").replace(b"SYMBOL", b"symbol")).symbol == "BTCUSDT"


def test_pairs_with_line_breaks_as_pine_writes_them() -> None:
    assert read(key_value().replace(b";", b"\\n")).symbol == "BTCUSDT"


def test_pairs_close() -> None:
    assert read(key_value(SIGNAL="CLOSE")).target is Target.FLAT


def test_pairs_cancel_asks_for_nothing() -> None:
    found = read(key_value(SIGNAL="CANCEL", MARKET_POSITION="long"))
    assert (found.action, found.target) == (None, None)


def test_pairs_reduce_only_leaves_one_side_and_opens_none() -> None:
    found = read(key_value(SIGNAL="SELL", REDUCE_ONLY="true"))
    assert (found.target, found.prev_target) == (Target.FLAT, Target.LONG)


def test_pairs_with_a_target() -> None:
    found = read(key_value(SIGNAL="SELL", MARKET_POSITION="short", PREV_MARKET_POSITION="long"))
    assert (found.target, found.prev_target) == (Target.SHORT, Target.LONG)


@pytest.mark.parametrize("name", ["3commas", "okx-signal-a", "okx-signal-b", "traderspost"])
def test_the_json_formats_may_name_strategy_interval_and_bar(name: str) -> None:
    body = PRESETS[name](strategy="mine", interval="240", bar_time="2026-01-05T08:00:00Z")
    found = read(body)
    assert (found.strategy, found.interval, str(found.bar_time)) == ("mine", "4h", "2026-01-05 08:00:00+00:00")
