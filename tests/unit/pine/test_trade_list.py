"""Exported lists of trades, in the layouts and number formats TradingView has had."""

from datetime import datetime

import pytest

from app.domain.errors import OperatorError
from app.pine.trade_list import parse_trade_list, read_trade_list

OLD = """\
Trade #,Type,Signal,Date/Time,Price USDT,Contracts,Profit USDT,Profit %,Cum. Profit USDT,Cum. Profit %,Run-up USDT,Run-up %,Drawdown USDT,Drawdown %
1,Entry Long,Long,2024-01-03 09:00,42150.5,0.01,8.1,1.92,8.1,0.08,9,2.1,1.2,0.3
1,Exit Long,Long exit,2024-01-03 17:00,42980,0.01,8.1,1.92,8.1,0.08,9,2.1,1.2,0.3
2,Entry Short,Short,2024-01-05 11:00,43500,0.01,-4.3,-0.94,3.8,0.04,1,0.1,5,1.2
2,Exit Short,Long,2024-01-06 08:00,43910.5,0.01,-4.3,-0.94,3.8,0.04,1,0.1,5,1.2
"""  # noqa: E501 - as it comes
NEW = """\
Trade #,Type,Date and time,Signal,Price USDT,Position size (qty),Position size (value),Net P&L USDT,Net P&L %,Favorable excursion USDT,Favorable excursion %,Adverse excursion USDT,Adverse excursion %,Cumulative P&L USDT,Cumulative P&L %
3,Exit long,2024-01-09 22:00,Open,43610,0.01,428,8.1,1.89,9,2,1,0.2,11.9,0.1
3,Entry long,2024-01-08 14:00,Long,42800,0.01,428,8.1,1.89,9,2,1,0.2,11.9,0.1
2,Exit short,2024-01-06 08:00,Long,43910.5,0.01,435,-4.3,-0.94,1,0.1,5,1.2,3.8,0.04
2,Entry short,2024-01-05 11:00,Short,43500,0.01,435,-4.3,-0.94,1,0.1,5,1.2,3.8,0.04
1,Exit long,2024-01-03 17:00,Long exit,42980,0.01,421.505,8.1,1.92,9,2.1,1.2,0.3,8.1,0.08
1,Entry long,2024-01-03 09:00,Long,42150.5,0.01,421.505,8.1,1.92,9,2.1,1.2,0.3,8.1,0.08
"""  # noqa: E501 - as it comes
SHORT = "Trade #,Type,Signal,Date/Time,Price,Contracts,Profit\n"


def one(entry_time: str, exit_time: str, price: str = "100", header: str = SHORT, separator: str = ",") -> str:
    rows = (f"1,Entry Long,L,{entry_time},{price},1,", f"1,Exit Long,X,{exit_time},{price},1,5")
    return "\n".join(line.replace(",", separator) for line in (header.strip(), *rows))


def test_the_older_layout():
    found = parse_trade_list(OLD, "trades.csv")
    assert (len(found.trades), found.still_open, found.tick, found.cent) == (2, 0, 0.1, 0.1)
    first, second = found.trades
    assert (first.number, first.side, first.quantity, first.pnl) == (1, 1, 0.01, 8.1)
    assert (first.entry_price, first.exit_price) == (42150.5, 42980.0)
    assert (first.entry_time, first.exit_time) == (datetime(2024, 1, 3, 9), datetime(2024, 1, 3, 17))  # noqa: DTZ001
    assert (second.side, second.pnl, second.exit_signal) == (-1, -4.3, "Long")


def test_the_current_layout_is_read_newest_first_and_exit_first():
    found = parse_trade_list(NEW, "trades.csv")
    assert found.trades == parse_trade_list(OLD, "trades.csv").trades


def test_a_trade_that_is_still_open_is_counted_and_left_out():
    assert parse_trade_list(NEW, "trades.csv").still_open == 1
    without_exit = OLD + "3,Entry Long,Long,2024-01-08 14:00,42800,0.01,,,,,,,,\n"
    assert parse_trade_list(without_exit, "trades.csv").still_open == 1


@pytest.mark.parametrize(
    ("entered", "left", "hour"),
    [
        ("2024-03-15T09:30:00", "2024-03-15T10:30:00", 9),
        ("15.03.2024 09:30", "15.03.2024 10:30", 9),
        ("15/03/2024 09:30", "15/03/2024 10:30", 9),  # there is no month 15
        ("03/15/2024 09:30 PM", "03/15/2024 10:30 PM", 21),
        ('"Mar 15, 2024, 09:30"', '"Mar 15, 2024, 10:30"', 9),
        ("45366.395833333336", "45366.4375", 9),  # days, as Excel counts them
    ],
)
def test_dates_in_the_formats_exports_have(entered, left, hour):
    (trade,) = parse_trade_list(one(entered, left), "trades.csv").trades
    assert trade.entry_time == datetime(2024, 3, 15, hour, 30)  # noqa: DTZ001


def test_daily_bars_have_dates_only():
    (trade,) = parse_trade_list(one("2024-03-15", "2024-03-18"), "trades.csv").trades
    assert trade.exit_time == datetime(2024, 3, 18)  # noqa: DTZ001


def test_dates_that_can_be_read_twice_are_asked_about():
    with pytest.raises(OperatorError, match=r"day/month and as month/day.*--date-format"):
        parse_trade_list(one("03/04/2024 09:30", "03/04/2024 10:30"), "trades.csv")
    (trade,) = parse_trade_list(one("03/04/2024 09:30", "03/04/2024 10:30"), "x", "%d/%m/%Y %H:%M").trades
    assert trade.entry_time.month == 4


def test_the_order_of_trades_settles_what_single_dates_leave_open():
    """Trade 2 comes after trade 1: 03/02 then 01/03 is February and March, not January after March."""
    rows = (
        "1,Entry Long,L,03/02/2024 09:00,100,1,",
        "1,Exit Long,X,03/02/2024 10:00,100,1,5",
        "2,Entry Long,L,01/03/2024 09:00,100,1,",
        "2,Exit Long,X,01/03/2024 10:00,100,1,5",
    )
    found = parse_trade_list(SHORT + "\n".join(rows), "trades.csv")
    assert [trade.entry_time.month for trade in found.trades] == [2, 3]


@pytest.mark.parametrize(
    ("price", "separator", "value", "tick"),
    [
        ('"42,150.50"', ",", 42150.5, 0.01),
        ('"42150,50"', ",", 42150.5, 0.01),
        ("42.150,50", ";", 42150.5, 0.01),
        ("0,512", ";", 0.512, 0.001),
        ("42\u00a0150.5", ",", 42150.5, 0.1),
    ],
)
def test_numbers_as_languages_write_them(price, separator, value, tick):
    text = one("2024-03-15 09:30", "2024-03-15 10:30", "PRICE", separator=separator).replace("PRICE", price)
    found = parse_trade_list(text, "trades.csv")
    assert found.trades[0].entry_price == value
    assert found.tick == pytest.approx(tick)


def test_a_minus_sign_as_it_is_printed():
    text = one("2024-03-15 09:30", "2024-03-15 10:30").replace(",5", ",\u221212.5")
    assert parse_trade_list(text, "trades.csv").trades[0].pnl == -12.5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("a,b,c\n1,2,3\n", "no column for trade number, type, date and time, price.*English"),
        (SHORT + "1,Sideways,L,2024-03-15,100,1,\n", "line 2: 'sideways' is neither an entry nor an exit"),
        (SHORT + "1,Entry Long,L,2024-03-15,abc,1,\n", "line 2: not a row of a list of trades"),
        (SHORT + "1,Entry Long\n", "line 2: not a row"),
        (SHORT + "1,Entry Long,L,2024-03-15,nan,1,\n", "line 2: not a row.*'nan' is not a number"),
        (SHORT + "1,Entry Long,L,2024-03-15,100,0,\n", "line 2: not a row.*'0' is not above 0"),
        (SHORT + "1,Exit Long,L,2024-03-15,100,1,\n", "trade 1 has an exit and no entry"),
        (one("2024-03-15", "2024-03-16") + "\n1,Exit Long,X,2024-03-16,100,1,5", "line 4: trade 1 is there twice"),
        (one("yesterday", "today"), "'today' is not understood.*--date-format"),
        (one("2024-03-15 09:30+02:00", "2024-03-15 10:30+02:00"), "carry a zone"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(text, complaint):
    with pytest.raises(OperatorError, match=complaint):
        parse_trade_list(text, "trades.csv")


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "trades.xlsx"
    path.write_bytes(b"PK\x03\x04\xff\xfe\x00")
    with pytest.raises(OperatorError, match="download as CSV"):
        read_trade_list(path)
    path.write_bytes(b"\xef\xbb\xbf" + OLD.encode())
    assert len(read_trade_list(path).trades) == 2
