"""Our own message: every field becomes what it says."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.domain.alert import Preset
from app.domain.money import Price
from app.domain.side import OrderSide, Target
from app.domain.signal import TakeProfit, TrailingStop
from app.pipeline.alert import Message, read_message
from tests.intake_messages import SECRET, native, raw


def message(**changes: Any) -> Message:
    found = read_message(native(**changes))
    assert isinstance(found, Message), found
    return found


def test_the_whole_message() -> None:
    found = message()
    assert found.preset is Preset.NATIVE
    assert found.secret.reveal() == SECRET
    assert (found.strategy, found.symbol, found.interval) == ("supertrend-btc-1h", "BTCUSDT", "1h")
    assert (found.action, found.target, found.prev_target) == (OrderSide.BUY, Target.LONG, Target.FLAT)
    assert found.bar_time == datetime(2026, 1, 5, 11, tzinfo=UTC)
    assert found.fired_at == datetime(2026, 1, 5, 12, tzinfo=UTC)
    assert found.size == Decimal("0.5")
    assert (found.price, found.stop_loss) == (Price.of("43000.5"), Price.of("42000"))
    half = Decimal("0.5")
    assert found.take_profits == (TakeProfit(Price.of("45000"), half), TakeProfit(Price.of("47000"), half))
    assert found.trailing_stop == TrailingStop(Decimal("0.01"))
    assert found.confirmed
    assert found.order_id == "Long"
    assert found.notes == ()


@pytest.mark.parametrize(
    "ticker",
    [
        "BTCUSDT",
        "btcusdt.p",
        "BTCUSDT.P",
        "BINANCE:BTCUSDT.P",
        "OKX:BTCUSDT.P",
        "BYBIT:BTCUSDT.P",
        "BTCUSDTPERP",
        "BTCUSDT-PERP",
        "BTC/USDT",
        "BTC/USDT:USDT",
        "BTC-USDT-SWAP",
        "OKX:BTC-USDT-SWAP",
        "BTC-USDT",
    ],
)
def test_every_spelling_of_a_ticker_is_one_symbol(ticker: str) -> None:
    assert message(symbol=ticker).symbol == "BTCUSDT"


def test_symbols_with_digits_stay_whole() -> None:
    assert message(symbol="1000PEPEUSDT.P").symbol == "1000PEPEUSDT"


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("1", "1m"),
        ("15", "15m"),
        ("60", "1h"),
        (60, "1h"),
        ("240", "4h"),
        ("D", "1d"),
        ("1D", "1d"),
        ("W", "1w"),
        ("1h", "1h"),
        ("4H", "4h"),
        ("1d", "1d"),
        ("720", "12h"),
        ("1440", "1d"),
    ],
)
def test_intervals(sent: object, meant: str) -> None:
    assert message(interval=sent).interval == meant


def test_without_an_interval_a_note_says_what_was_assumed() -> None:
    found = message(interval=None)
    assert found.interval == "1h"
    assert "interval" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-05", "0.00001"),
        ('"1e-05"', "0.00001"),
        ("43000", "43000"),
        ('"43000.10"', "43000.10"),
        ("4.3E+4", "43000"),
        ("0.1", "0.1"),
        ("3.3333333333333335", "3.3333333333333335"),
        ('".5"', "0.5"),
        ('"+7."', "7"),
    ],
)
def test_numbers_are_exactly_what_was_written(text: str, value: str) -> None:
    found = read_message(raw("price", text))
    assert isinstance(found, Message), found
    assert found.price == Price(Decimal(value))


@pytest.mark.parametrize("absent", [None, "", "null"])
def test_an_empty_stop_is_no_stop(absent: str | None) -> None:
    body = raw("stop_loss", "null") if absent == "null" else native(stop_loss=absent)
    found = read_message(body)
    assert isinstance(found, Message)
    assert found.stop_loss is None


@pytest.mark.parametrize(
    ("sent", "meant"), [(True, True), ("true", True), (False, False), ("False", False), (None, True), ("", True)]
)
def test_confirmed(sent: object, meant: bool) -> None:
    assert message(confirmed=sent).confirmed is meant


def test_times_with_an_offset_become_utc() -> None:
    assert message(bar_time="2026-01-05T13:00:00+02:00").bar_time == datetime(2026, 1, 5, 11, tzinfo=UTC)


@pytest.mark.parametrize("unix", [1767610800, "1767610800", 1767610800000, "1767610800000"])
def test_unix_times(unix: object) -> None:
    assert message(bar_time=unix).bar_time == datetime(2026, 1, 5, 11, tzinfo=UTC)


def test_one_take_profit_without_ratio_takes_everything() -> None:
    assert message(take_profits=[{"price": "45000"}]).take_profits[0].ratio == 1


def test_take_profits_without_ratios_share_equally_and_exactly() -> None:
    ratios = [target.ratio for target in message(take_profits=[{"price": n} for n in (1, 2, 3)]).take_profits]
    assert sum(ratios) == 1
    assert max(ratios) - min(ratios) <= Decimal("0.0002")


def test_a_take_profit_without_price_is_not_there() -> None:
    sent = [{"price": "45000", "ratio": "0.5"}, {"price": "", "ratio": "0.5"}]
    assert len(message(take_profits=sent).take_profits) == 1


def test_an_empty_trailing_stop_is_none() -> None:
    assert message(trailing_stop={"callback_rate": ""}).trailing_stop is None


def test_an_exit_is_flat_and_drops_what_only_an_entry_needs() -> None:
    found = message(action="sell", market_position="flat", prev_market_position="long", market_position_size=0)
    assert found.exit_only
    assert (found.stop_loss, found.take_profits, found.trailing_stop) == (None, (), None)
    assert found.notes


@pytest.mark.parametrize("word", ["close", "exit", "CLOSE"])
def test_close_needs_no_position(word: str) -> None:
    found = message(action=word, market_position=None, prev_market_position=None)
    assert (found.action, found.target) == (None, Target.FLAT)


def test_an_action_alone_leaves_the_target_open() -> None:
    found = message(market_position=None, prev_market_position=None)
    assert (found.action, found.target) == (OrderSide.BUY, None)


def test_a_target_alone_is_enough() -> None:
    found = message(action=None)
    assert (found.action, found.target) == (None, Target.LONG)


def test_a_reduction_is_no_contradiction() -> None:
    found = message(action="sell", prev_market_position="long", prev_market_position_size="1")
    assert (found.action, found.target, found.prev_size) == (OrderSide.SELL, Target.LONG, Decimal(1))


def test_a_reversal() -> None:
    found = message(action="sell", market_position="short", prev_market_position="long")
    assert (found.target, found.prev_target) == (Target.SHORT, Target.LONG)


def test_what_has_no_effect_is_said() -> None:
    found = message(leverage=20, volume=7)
    assert found.notes == ("ignored: leverage, volume",)


def test_the_content_may_be_indented_and_end_with_a_line_break() -> None:
    assert isinstance(read_message(b"\n  " + native() + b"\n\n"), Message)
