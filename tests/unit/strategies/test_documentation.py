"""The pages on strategies and indicators: the example works as it stands, and nothing is left out."""

import re

import pytest

from app.strategies.registry import SHIPPED, catalogue
from app.strategies.ta import FUNCTIONS
from tests.architecture.skeleton import ROOT
from tests.unit.strategies.markets import MARKET

PAGE = (ROOT / "docs" / "concepts" / "strategies.md").read_text()
INDICATORS = (ROOT / "docs" / "concepts" / "indicators.md").read_text()


def test_the_example_is_a_strategy_that_trades(tmp_path):
    (code,) = re.findall(r"^```python\n(.+?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (tmp_path / "mine.py").write_text(code)
    found = catalogue(tmp_path)
    assert not found.broken
    (name,) = set(found.definitions) - set(SHIPPED)
    one = found.definitions[name]
    assert f"`{name}`" not in PAGE.split("## Add your own")[0]
    signals = one.signals(MARKET)
    assert signals.enter_long.sum() > 5
    assert signals.exit_long.sum() > 5
    assert (signals.long_stop[signals.enter_long] < MARKET.close[signals.enter_long]).all()
    assert f'"strategy": "{name}"' in one.pine()
    assert PAGE.count(name) >= 4  # the commands below the example are about it


def test_every_strategy_that_ships_has_a_row():
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(SHIPPED)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_indicator_is_explained(name):
    assert re.search(rf"^\|.*`{name}\(", INDICATORS, re.MULTILINE)
