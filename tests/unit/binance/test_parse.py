"""Reading numbers, times and rows: exact or not at all."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.exchanges.binance import parse
from app.domain.money import plain
from app.domain.order import OrderState
from tests.contract import binance_answers as told

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**18), max_value=10**18, places=12))
def test_what_we_write_we_read_back_exactly(number: Decimal) -> None:
    assert parse.decimal(plain(number)) == number


@given(st.text())
def test_a_text_is_a_finite_number_or_unreadable(text: str) -> None:
    try:
        number = parse.decimal(text)
    except parse.Unreadable:
        return
    assert number.is_finite()
    assert text.isascii()


@pytest.mark.parametrize(
    "value",
    ["NaN", "sNaN", "Infinity", "-inf", "", " 1", "1 ", "1_000", "１２", "0x10", "1,5", None, True, 1.5, [], {}, b"1"],
)
def test_not_a_number(value: Any) -> None:
    with pytest.raises(parse.Unreadable):
        parse.decimal(value)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2900, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - the strategy wants naive bounds
def test_times_go_there_and_back_at_millisecond_precision(at: datetime) -> None:
    back = parse.moment(parse.to_ms(at))
    assert timedelta(0) <= at - back < timedelta(milliseconds=1)


@pytest.mark.parametrize("value", [-1, True, None, "1795176000000", 1.5, Decimal(1), 10**15])
def test_not_a_time(value: Any) -> None:
    with pytest.raises(parse.Unreadable):
        parse.moment(value)


@pytest.mark.parametrize(
    ("parser", "row"),
    [
        (parse.order, told.order()),
        (parse.algo_order, told.algo()),
        (parse.position, told.position()),
        (parse.balance, told.account()),
        (parse.commission, told.trade(1)),
        (parse.mark, {"markPrice": "1", "time": told.NOW_MS}),
        (lambda row: parse.instrument(row, 20), told.symbol()),
    ],
    ids=["order", "algo", "position", "balance", "commission", "mark", "instrument"],
)
@given(data=st.data())
def test_a_damaged_row_is_read_or_refused_and_never_anything_else(parser: Any, row: dict, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(sorted(row)))
    damaged = dict(row)
    if data.draw(st.booleans()):
        del damaged[field]
    else:
        damaged[field] = data.draw(JSON)
    with suppress(parse.Unreadable):
        parser(damaged)


@pytest.mark.parametrize("answer", [None, [], "", 0, {}, {"orderId": 1}, {"orderId": True, "clientOrderId": "x"}])
def test_an_acknowledgement_names_our_order_or_is_none(answer: Any) -> None:
    with pytest.raises(parse.Unreadable):
        parse.placed(answer, "orderId", "clientOrderId", "x")


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("NEW", OrderState.ACCEPTED),
        ("PARTIALLY_FILLED", OrderState.PARTIALLY_FILLED),
        ("FILLED", OrderState.FILLED),
        ("CANCELED", OrderState.CANCELED),
        ("REJECTED", OrderState.REJECTED),
        ("EXPIRED", OrderState.EXPIRED),
        ("EXPIRED_IN_MATCH", OrderState.EXPIRED),
    ],
)
def test_order_states(word: str, state: OrderState) -> None:
    assert parse.order(told.order(status=word)).state is state


def test_a_state_nobody_has_documented_is_unreadable() -> None:
    with pytest.raises(parse.Unreadable):
        parse.order(told.order(status="SOMETHING_NEW"))
    with pytest.raises(parse.Unreadable):
        parse.algo_order(told.algo(algoStatus="SOMETHING_NEW"))


def test_the_error_names_the_field_and_not_its_content() -> None:
    row = told.order()
    del row["executedQty"]
    with pytest.raises(parse.Unreadable, match="executedQty"):
        parse.order(row)
    with pytest.raises(parse.Unreadable) as caught:
        parse.order(told.order(side="<script>"))
    assert "script" not in str(caught.value)


def test_a_trailing_stop_tells_its_activation_price() -> None:
    row = told.algo(orderType="TRAILING_STOP_MARKET", activatePrice="70000", triggerPrice="0", closePosition=False)
    assert str(parse.algo_order(row).trigger_price) == "70000"
