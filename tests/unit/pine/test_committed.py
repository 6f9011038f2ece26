"""pine/ holds what the strategies render to, all of them and nothing else."""

import pytest

from app.strategies.registry import SHIPPED, definition
from tests.architecture.skeleton import ROOT

AGAIN = "render them again: tradingbot pine export --all --out pine/"


def test_every_strategy_has_its_script():
    assert {path.name for path in (ROOT / "pine").iterdir()} == {f"{name}.pine" for name in SHIPPED}, AGAIN


@pytest.mark.parametrize("name", SHIPPED)
def test_the_committed_script_is_what_the_strategy_renders_to(name):
    assert (ROOT / "pine" / f"{name}.pine").read_text() == definition(name).pine(), AGAIN
