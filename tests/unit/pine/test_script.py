"""What a script says about itself, and the plots that are put at its end."""

import re

import pytest

from app.domain.errors import OperatorError
from app.pine.script import instrumented, origin, parse_params, shown
from app.strategies.registry import SHIPPED, definition

HEAD = '//@version=6\n// tradingbot: {"strategy": "ema_cross", "params": {"fast": 9}}\nstrategy("x")\n'


def test_a_script_says_what_it_came_from():
    said = origin(HEAD)
    assert (said.strategy, said.params) == ("ema_cross", {"fast": 9})


@pytest.mark.parametrize("name", SHIPPED)
def test_every_exported_script_says_so_with_its_values(name):
    found = definition(name)
    said = origin(found.pine())
    assert said.strategy == name
    assert found.check(said.params) == found.check()


def test_values_that_were_chosen_are_said():
    assert origin(definition("ema_cross").pine({"fast": 9})).params["fast"] == 9


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("strategy('x')", "does not say which strategy"),
        ("// tradingbot: {broken}", "cannot be read"),
        ('// tradingbot: {"params": {}}', "cannot be read"),
        ('// tradingbot: {"strategy": "x", "params": 3}', "cannot be read"),
    ],
)
def test_a_script_that_does_not_say_is_refused(text, complaint):
    with pytest.raises(OperatorError, match=complaint):
        origin(text)


def test_only_what_the_script_has_is_shown():
    source = HEAD + "bool enter_long = close > open\nfloat long_stop = low\nif enter_long\n    enter_short = true\n"
    assert list(shown(source).values()) == ["enter_long", "long_stop"]
    added = instrumented(source).removeprefix(source)
    assert added.splitlines() == [
        'plot(enter_long ? 1 : 0, "parity:enter_long")',
        'plot(long_stop, "parity:long_stop")',
        'plot(strategy.equity, "parity:equity")',
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_everything_a_strategy_says_is_shown(name):
    found = definition(name)
    rules = found.rules
    flags = {
        flag for flag in ("enter_long", "enter_short", "exit_long", "exit_short") if getattr(rules, flag) is not False
    }
    levels = {
        level
        for level in ("long_stop", "short_stop", "long_target", "short_target")
        if getattr(rules, level) is not None
    }
    assert set(shown(found.pine()).values()) == flags | levels


def test_nothing_of_the_script_is_changed():
    source = definition("supertrend").pine()
    assert instrumented(source).startswith(source.rstrip())
    assert not re.search(r"parity:", source)


def test_parameters_as_they_are_typed():
    assert parse_params(["fast=9", "slow=21,stop_atr=2.5"]) == {"fast": 9, "slow": 21, "stop_atr": 2.5}
    assert isinstance(parse_params(["fast=9"])["fast"], int)


@pytest.mark.parametrize("word", ["fast", "fast=", "fast=nine", "=9x"])
def test_parameters_that_are_none(word):
    with pytest.raises(OperatorError, match="not name=number"):
        parse_params([word])
