"""Strategies of the user's own: one file, one decorator, found; a broken one is named and hides nothing."""

import textwrap

import numpy as np
import pytest

from app.domain.errors import OperatorError
from app.strategies.registry import SHIPPED, catalogue, definition, definitions
from tests.unit.strategies.markets import MARKET

BREAKOUT = '''
from app.strategies import ta
from app.strategies.definition import strategy
from app.strategies.expressions import SignalRules, close, high, low
from app.strategies.parameters import param


@strategy("{name}", title="Breakout")
class Breakout:
    """Buys a new high. It loses when the new high is the last."""

    length: int = param(20, low=5, high=200, unit="bars", about="length of the channel")

    def rules(self) -> SignalRules:
        return SignalRules(
            enter_long=above(ta.highest(high, self.length)),
            enter_short=close < ta.lowest(low, self.length)[1],
        )


def above(channel):
    return close > channel[1]
'''


@pytest.fixture
def folder(tmp_path):
    def write(**files: str):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        return tmp_path

    return write


def rules(body: str, name: str = "mine") -> str:
    return BREAKOUT.format(name=name).split("    def rules")[0] + f"    def rules(self):\n        {body}\n"


def test_the_nine_are_there():
    assert tuple(definitions()) == SHIPPED
    assert len(SHIPPED) == 9


def test_a_file_with_a_strategy_is_enough(folder):
    found = definition("breakout", folder(mine=BREAKOUT.format(name="breakout")))
    signals = found.signals(MARKET, {"length": 50})
    channel = np.array([MARKET.high[max(bar - 50, 0) : bar].max() for bar in range(60, len(MARKET))])
    np.testing.assert_array_equal(signals.enter_long[60:], MARKET.close[60:] > channel)
    assert signals.warm_up == 50
    assert "ta.highest(high, length)" in found.pine()
    assert 'strategy.exit("Long exit"' not in found.pine()  # it sets no levels


def test_a_folder_called_strategies_is_used_by_itself(folder, monkeypatch):
    path = folder(mine=BREAKOUT.format(name="breakout"))
    path.joinpath("strategies").mkdir()
    path.joinpath("mine.py").rename(path / "strategies" / "mine.py")
    monkeypatch.chdir(path)
    assert "breakout" in definitions()


def test_an_edited_file_is_read_anew(folder):
    path = folder(mine=BREAKOUT.format(name="breakout"))
    assert definition("breakout", path).check()["length"] == 20
    folder(mine=BREAKOUT.format(name="breakout").replace("param(20,", "param(30,"))
    assert definition("breakout", path).check()["length"] == 30


def test_a_broken_file_is_named_and_hides_no_other(folder):
    path = folder(
        good=BREAKOUT.format(name="good"),
        syntax="def (:\n",
        missing="import nothing_of_that_name\n",
        empty="x = 1\n",
        fails="\n\nraise RuntimeError('no')\n",
        _helper="raise RuntimeError('not looked at')\n",
    )
    found = catalogue(path)
    assert list(found.definitions) == [*SHIPPED, "good"]
    assert set(found.broken) == {"syntax.py", "missing.py", "empty.py", "fails.py"}
    assert "no @strategy class" in found.broken["empty.py"]
    assert "nothing_of_that_name" in found.broken["missing.py"]
    assert found.broken["fails.py"] == "fails.py: RuntimeError: no (line 3)"
    assert found.broken["syntax.py"] == "syntax.py: SyntaxError: invalid syntax (line 1)"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            rules("return SignalRules(enter_long=close > 1 if self.length > 5 else close < 1)"),
            "where(condition, a, b) instead of if",
        ),
        (rules("return SignalRules(enter_long=close > 1 and close < 2)"), "& | ~ instead of and, or, not"),
        (rules("return SignalRules(enter_long=close)"), "a condition is wanted"),
        (rules("return SignalRules()"), "never enters"),
        (rules("return close > 1"), "has to return SignalRules"),
        (rules("return SignalRules(enter_long=close > undefined)"), "undefined"),
        (rules("return SignalRules(enter_long=close > ta.sma(close, self.lenght))"), "lenght"),
        (rules("return SignalRules(enter_long=close > 1)", "Bad Name"), "lower-case"),
        (rules("return SignalRules(enter_long=close > 1)").replace("low=5", "low=50"), "default 20"),
        (rules("return SignalRules(enter_long=close > 1)").replace(": int = param(20", ": int = param(20.5"), "whole"),
        (rules("return SignalRules(enter_long=close > 1)").replace(": int", ": str"), "int or a float"),
        (rules("return SignalRules(enter_long=close > 1)").replace('"""Buys', 'b"""Buys'), "docstring"),
        (rules("return SignalRules(enter_long=close > 1)", "supertrend"), "already"),
    ],
)
def test_a_strategy_that_cannot_be_used_says_why(folder, text, why):
    found = catalogue(folder(mine=text))
    assert list(found.definitions) == list(SHIPPED)
    assert why in found.broken["mine.py"]
    assert found.broken["mine.py"].startswith("mine.py: ")
    with pytest.raises(OperatorError, match="mine"):
        definition("mine", folder())


@pytest.mark.parametrize(
    "body",
    [
        "return SignalRules(enter_long=close > 1 and close < 2)",
        "return SignalRules(enter_long=close)",
        "return SignalRules(enter_long=close > undefined)",
        "return SignalRules(enter_long=close > ta.sma(close, self.lenght))",
    ],
)
def test_an_error_in_the_rules_names_the_line(folder, body):
    assert catalogue(folder(mine=rules(body))).broken["mine.py"].endswith("(line 15)")


def test_two_files_with_one_name_are_an_error(folder):
    found = catalogue(folder(first=BREAKOUT.format(name="mine"), second=BREAKOUT.format(name="mine")))
    assert "mine" in found.definitions
    assert "second.py: there is a strategy 'mine' already" in found.broken["second.py"]


def test_an_imported_strategy_is_not_the_files_own(folder):
    found = catalogue(folder(mine="from app.strategies.supertrend import SuperTrend\n" + BREAKOUT.format(name="mine")))
    assert not found.broken
    assert list(found.definitions) == [*SHIPPED, "mine"]


def test_an_unknown_name_is_answered_with_the_one_that_was_meant():
    with pytest.raises(OperatorError, match=r"no strategy 'supertend'; did you mean supertrend\?"):
        definition("supertend")


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(OperatorError, match="not a folder"):
        definitions(tmp_path / "nowhere")
