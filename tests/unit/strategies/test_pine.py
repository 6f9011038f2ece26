"""The exported scripts: what they hold, that they say the same twice, and that the bot understands their alerts."""

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest

from app.domain.ids import StrategyId
from app.domain.money import Price
from app.domain.side import OrderSide, Target
from app.pipeline.alert import Message, read_message
from app.strategies import ta
from app.strategies.expressions import close, na, parameter, rounded, where
from app.strategies.pine_text import RESERVED, Writer
from app.strategies.registry import definitions

ALL = list(definitions().values())
each = pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)


def assigned(script: str) -> dict[str, str]:
    """name: expression, for every variable that is declared on one line."""
    return dict(re.findall(r"^(?:var )?(?:int|float|bool|string) (\w+) = (.+)$", script, re.MULTILINE))


@each
def test_the_same_definition_gives_the_same_text(one):
    assert one.pine() == one.pine({each.name: each.default for each in one.parameters})


@each
def test_every_parameter_is_an_input_with_its_range(one):
    values = assigned(one.pine())
    for parameter_ in one.parameters:
        kind = "int" if parameter_.integer else "float"
        found = re.fullmatch(
            rf"input\.{kind}\((\S+), \"[^\"]+\", minval=(\S+), maxval=(\S+), step=(\S+), group=.*tooltip=\"(.+)\"\)",
            values[parameter_.name if parameter_.name not in RESERVED else f"{parameter_.name}_2"],
        )
        assert found
        expected = (parameter_.default, parameter_.low, parameter_.high, parameter_.step)
        assert tuple(map(float, found.groups()[:4])) == expected
        assert parameter_.about[1:] in found[5]


def test_given_values_become_defaults():
    supertrend = next(one for one in ALL if one.name == "supertrend")
    script = supertrend.pine({"factor": 2, "atr_period": 21})
    assert "float factor = input.float(2.0," in script
    assert '"params": {"atr_period": 21, "factor": 2.0,' in script


@each
def test_the_script_waits_as_long_as_we_do(one):
    script = assigned(one.pine())
    for values in (one.check(), {each.name: each.high for each in one.parameters}):
        names = {name: int(value) for name, value in values.items()}
        formula = script["warm_up"].replace("math.max", "max")
        assert eval(formula, {"max": max}, names) == one.warm_up(values)  # noqa: S307 - our own arithmetic
    assert script["ready"] == "bar_index >= warm_up"
    for flag in ("enter_long", "enter_short", "exit_long", "exit_short"):
        assert flag not in script or script[flag].startswith("ready and ")


@each
def test_every_call_of_an_indicator_stands_alone(one):
    """Within and, or, ?: and if Pine would not run it on every bar."""
    for line in one.pine().splitlines():
        if not line.startswith("//") and "ta." in line:
            assert re.fullmatch(r"(?:(?:float|bool) \w+|\[\w+, \w+\]) = ta\.\w+(?:\([^()]*\))?", line), line


@each
def test_no_name_is_declared_twice_or_before_its_use(one):
    script = one.pine()
    declared = re.findall(r"^(?:var )?(?:int|float|bool|string) (\w+) =", script, re.MULTILINE)
    declared += [
        name.strip() for names in re.findall(r"^\[(.+?)\] =", script, re.MULTILINE) for name in names.split(",")
    ]
    assert len(declared) == len(set(declared))
    known: set[str] = set()
    for line in script.splitlines():
        found = re.match(r"(?:var )?(?:int|float|bool) (\w+) = (.+)", line)
        if found and not found[2].startswith("input."):
            assert set(re.findall(r"(?<![.\w\"])[a-z]\w*_\w+(?![\w(])", found[2])) & set(declared) <= known, line
        known |= set(re.findall(r"^(?:var )?(?:int|float|bool|string) (\w+) =", line))
        known |= {name for names in re.findall(r"^\[(.+?)\] =", line) for name in names.split(", ")}


@each
def test_orders_are_as_the_backtest_takes_them(one):
    script = one.pine()
    for setting in (
        "process_orders_on_close=false",
        "calc_on_every_tick=false",
        "pyramiding=0",
        "margin_long=0",
        "commission_type=strategy.commission.percent",
    ):
        assert setting in script
    for side, other in (("long", "<="), ("short", ">=")):
        assert f"bool open_{side} = enter_{side} and strategy.position_size {other} 0\n" in script
        exits = [line for line in script.splitlines() if line.startswith(f'strategy.exit("{side.capitalize()} exit"')]
        assert len(exits) == 1  # at top level, on every bar
        assert f"stop=held_{side}_stop" in exits[0]
    assert script.endswith(")\n")


def test_the_secret_is_an_input_that_is_empty():
    assert all(re.search(r'string secret = input\.string\("", ', one.pine()) for one in ALL)


# --- the alerts, run as Pine would run them -------------------------------------------------------------


def sent(
    script: str,
    order: str,
    secret: str = "s3cret-of-the-strategy",
    *,
    period: str = "60",
    confirmed: bool = True,
    **levels: float,
) -> str:
    """The text of the message an order sends: the script's own lines, with Pine's words made Python's."""
    body = re.search(r"^message\((.+?)\) =>\n((?:    .+\n)+)", script, re.MULTILINE)
    call = re.search(rf"{re.escape(order)}.*?alert_message=message\((.+)\)\)", script)
    assert body
    assert call
    names = [part.split()[1] for part in body[1].split(", ")]
    pine = {
        "secret": secret,
        "alert_name": "supertrend-btc-1h",
        "syminfo": SimpleNamespace(ticker="BTCUSDT.P", prefix="BINANCE"),
        "timeframe": SimpleNamespace(period=period),
        "barstate": SimpleNamespace(isconfirmed=confirmed),
        "str": SimpleNamespace(tostring=lambda value: str(value).lower()),
        "time": 1767610800000,
        "now": "1767614400123",
        "close": 43000.5,
        "na": math.nan,
        "price_text": lambda price: "" if math.isnan(price) else repr(price),
        **levels,
    }
    arguments = eval(f"[{call[1]}]", {"__builtins__": {}}, pine)  # noqa: S307 - the script is ours
    pine |= dict(zip(names, arguments, strict=True))
    lines = body[2].replace('(target == "flat" ? "" : levels)', '("" if target == "flat" else levels)').splitlines()
    for line in lines[:-1]:
        name, text = re.fullmatch(r"    string (\w+) = (.+)", line).groups()
        pine[name] = eval(text, {"__builtins__": {}}, pine)  # noqa: S307
    return eval(lines[-1].strip(), {"__builtins__": {}}, pine)  # noqa: S307


def understood(text: str) -> Message:
    found = read_message(text.encode())
    assert isinstance(found, Message), found
    assert not found.notes
    return found


LEVELS = {"long_stop": 42000.25, "short_stop": 44000.0, "long_target": 46000.0, "short_target": 40000.0}


@each
def test_the_bot_understands_entries(one):
    for side, action in (("long", OrderSide.BUY), ("short", OrderSide.SELL)):
        found = understood(sent(one.pine(), f'strategy.entry("{side.capitalize()}"', **LEVELS))
        assert found.secret.reveal() == "s3cret-of-the-strategy"
        assert (found.strategy, found.symbol, found.interval) == ("supertrend-btc-1h", "BTCUSDT", "1h")
        assert (found.action, found.target, found.order_id) == (action, Target(side.upper()), side.capitalize())
        assert found.bar_time == datetime(2026, 1, 5, 11, tzinfo=UTC)
        assert found.fired_at == datetime(2026, 1, 5, 12, 0, 0, 123000, tzinfo=UTC)
        assert found.confirmed
        assert found.price == Price.of("43000.5")
        assert found.stop_loss == Price(Decimal(repr(LEVELS[f"{side}_stop"])))
        target = Price(Decimal(repr(LEVELS[f"{side}_target"])))
        assert [(each.price, each.ratio) for each in found.take_profits] == (
            [(target, Decimal(1))] if f"float {side}_target = " in one.pine() else []
        )


@each
def test_the_bot_understands_brackets_which_carry_no_firing_time(one):
    for side, action in (("long", OrderSide.SELL), ("short", OrderSide.BUY)):
        found = understood(sent(one.pine(), f'strategy.exit("{side.capitalize()} exit"'))
        assert (found.action, found.target, found.prev_target) == (action, Target.FLAT, Target(side.upper()))
        assert found.fired_at is None
        assert found.bar_time is not None
        assert found.stop_loss is None
        assert not found.take_profits


def test_the_bot_understands_exits_by_signal():
    closing = [one for one in ALL if "strategy.close(" in one.pine()]
    assert len(closing) >= 5
    for one in closing:
        found = understood(sent(one.pine(), 'strategy.close("Long"'))
        assert (found.action, found.target, found.prev_target) == (OrderSide.SELL, Target.FLAT, Target.LONG)
        assert found.fired_at is not None


@each
def test_a_bar_that_is_not_closed_is_said_to_be_unconfirmed(one):
    """The bot then refuses an entry: a person who has the script run on every tick is not traded on noise."""
    found = understood(sent(one.pine(), 'strategy.entry("Long"', confirmed=False, **LEVELS))
    assert not found.confirmed


@pytest.mark.parametrize(("period", "interval"), [("5", "5m"), ("240", "4h"), ("1D", "1d"), ("1W", "1w")])
def test_the_bot_understands_the_charts_interval(period, interval):
    script = definitions()["supertrend"].pine()
    assert understood(sent(script, 'strategy.entry("Long"', period=period, **LEVELS)).interval == interval


@each
def test_alerts_are_told_apart_by_the_order_they_are_of(one):
    """Whatever fires on one bar is another alert to the bot, and what fires twice is one."""
    script = one.pine()
    orders = [
        f'strategy.{kind}("{side}{name}"'
        for side in ("Long", "Short")
        for kind, name in (("entry", ""), ("close", ""), ("exit", " exit"))
        if f'strategy.{kind}("{side}{name}"' in script
    ]
    keys = {understood(sent(script, order, **LEVELS)).dedupe_key(StrategyId("x")) for order in orders}
    assert len(keys) == len(orders) >= 4


@each
def test_a_message_fits_into_an_alert(one):
    """TradingView cuts alert messages off at 4096 characters."""
    script = one.pine()
    longest = dict.fromkeys(LEVELS, 123456.7890123456)
    assert len(sent(script, 'strategy.entry("Short"', secret="x" * 200, **longest)) < 2048


@each
def test_the_script_keeps_to_what_tradingviews_compiler_takes(one):
    script = one.pine()
    lines = script.splitlines()
    assert lines[0] == "//@version=6"
    assert sum(line.startswith("strategy(") for line in lines) == 1
    for line in lines:
        assert (len(line) - len(line.lstrip())) in (0, 4), line  # a block is 4 deep; any other depth goes on a line
        assert line.isascii()
        assert "\t" not in line
    titles = re.findall(r"= input\.\w+\([^\"]*(?:\"[^\"]*\", )?\"([^\"]+)\", (?:minval|group)", script)
    assert len(titles) == len(set(titles)) == len(one.parameters) + 4
    assert len(re.findall(r"^plot\(", script, re.MULTILINE)) <= 60  # 64 outputs, and alerts count too
    # A bool is never na in v6, and history is kept of variables only.
    assert not re.search(r"\bbool \w+ = na\b", script)
    assert not re.search(r"\)\[", script)
    for call in re.findall(r"^strategy\.exit\(.+$", script, re.MULTILINE):
        assert "qty" not in call  # the whole of its entry
    alerts = re.findall(r"^    alert\(.+$", script, re.MULTILINE)
    assert len(alerts) >= 2
    assert all(alert.endswith(", alert.freq_once_per_bar_close)") for alert in alerts)


def test_levels_that_are_not_there_are_left_out():
    script = definitions()["bollinger"].pine()  # it has no target
    found = understood(sent(script, 'strategy.entry("Long"', long_stop=42000.0))
    assert found.stop_loss == Price.of("42000.0")
    assert found.take_profits == ()
    nothing = understood(sent(script, 'strategy.entry("Long"', long_stop=math.nan))
    assert nothing.stop_loss is None


@each
def test_what_is_sent_at_the_close_is_what_the_order_sends(one):
    """So that a person who lets both fire has each alert count once."""
    script = one.pine()
    calls = re.findall(r"^    alert\((message\(.+\)), alert\.freq_once_per_bar_close\)$", script, re.MULTILINE)
    orders = re.findall(r"^    strategy\.(?:entry|close)\(.+?alert_message=(message\(.+\))\)$", script, re.MULTILINE)
    assert calls == orders
    assert calls


# --- expressions as text --------------------------------------------------------------------------------

A, B, N = parameter("a"), parameter("b"), parameter("length")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (close - (A - B), "close - (a - b)"),
        (close - A - B, "close - a - b"),
        ((close + A) * B, "(close + a) * b"),
        (close / (A * B), "close / (a * b)"),
        (-(close + A), "-(close + a)"),
        (-close * A, "-close * a"),
        (close * -2, "close * -2"),
        (close - -2.5, "close - -2.5"),
        (~((close > A) & (close < B)), "not (close > a and close < b)"),
        (((close > A) | (close > B)) & (close > 1), "(close > a or close > b) and close > 1"),
        ((close > A) | ((close > B) & (close > 1)), "close > a or close > b and close > 1"),
        (where(close > A, where(close > B, 1, 2), 3), "close > a ? (close > b ? 1 : 2) : 3"),
        (where(close > A, 1, 2) + 1, "(close > a ? 1 : 2) + 1"),
        (~na(close), "not na(close)"),
        (abs(close - A), "math.abs(close - a)"),
        (rounded(close / A, 10), "math.round(close / a, 10)"),
        (close[A + 1], "close[a + 1]"),
        (close * 1e-9, "close * 1e-09"),
        (close * 1e20, "close * 1e+20"),
    ],
)
def test_parentheses_stand_where_pine_needs_them(expression, text):
    assert Writer([expression], ["a", "b"]).texts == [text]


def test_what_is_used_twice_or_looked_back_at_has_a_variable():
    middle = (close + A) / 2
    writer = Writer([middle > 1, middle[1] > 2], ["a"])
    assert writer.lines == ["float value = (close + a) / 2"]
    assert writer.texts == ["value > 1", "value[1] > 2"]


def test_names_are_the_persons_own_unless_pine_needs_them():
    first, second = ta.ema(close, N).named("close"), ta.sma(close, N).named("Fast EMA!")
    writer = Writer([first - second, parameter("time") + 1], ["length", "time"])
    assert writer.lines == ["float close_2 = ta.ema(close, length)", "float fast_ema = ta.sma(close, length)"]
    assert writer.texts == ["close_2 - fast_ema", "time_2 + 1"]
