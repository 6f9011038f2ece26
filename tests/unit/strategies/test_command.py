"""`tradingbot strategies`, as it is typed."""

import json

import pytest
from typer.testing import CliRunner

from app.commands.strategies import app
from app.domain.errors import OperatorError
from app.strategies.registry import SHIPPED, definition
from tests.unit.strategies.test_registry import BREAKOUT


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """A folder without strategies in it."""
    monkeypatch.chdir(tmp_path)


def typed(*words: str, **env: str) -> str:
    result = CliRunner().invoke(app, list(words), env=env)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result.output


def test_the_list_says_what_each_does_and_when_it_starts():
    listed = typed()
    for name in SHIPPED:
        assert name in listed
        assert f"{definition(name).warm_up()} bars" in listed
    assert "Follows a band of average true ranges" in listed


def test_one_strategy_shows_its_parameters():
    shown = typed("supertrend")
    assert "SuperTrend (supertrend)" in shown
    assert "It loses in ranges" in shown
    rows = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert rows["factor"].split() == ["factor", "3", "1", "to", "8", "0.1", "ATRs", "distance", "of", "the", "band"]
    assert "first 171 bars" in shown


def test_json_is_for_programs():
    listed = json.loads(typed("--json"))
    assert [one["name"] for one in listed["strategies"]] == list(SHIPPED)
    one = json.loads(typed("ema_cross", "--json"))
    assert one["warm_up_bars"] == 401
    assert one["parameters"][0] == {
        "name": "fast",
        "default": 21,
        "low": 2,
        "high": 100,
        "step": 1,
        "unit": "bars",
        "about": "length of the faster average",
        "type": "int",
    }


def test_a_folder_of_ones_own_is_looked_into(tmp_path):
    (tmp_path / "mine.py").write_text(BREAKOUT.format(name="breakout"))
    (tmp_path / "bad.py").write_text("import nothing_of_that_name")
    for listed in (typed("--strategies-dir", str(tmp_path)), typed(STRATEGIES_DIR=str(tmp_path))):
        assert "Buys a new high." in listed
        assert "not loaded: bad.py: ModuleNotFoundError" in listed
    assert "bad.py" in json.loads(typed("--json", STRATEGIES_DIR=str(tmp_path)))["not_loaded"]


def test_a_misspelt_name_is_understood():
    with pytest.raises(OperatorError, match="did you mean supertrend"):
        typed("supertrnd")
