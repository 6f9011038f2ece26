"""The image that trades carries no research libraries: what it needs works without them, and the rest says so."""

import importlib.util
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from app.extras import RESEARCH
from app.strategies import kernels
from tests.architecture.locks import only
from tests.architecture.skeleton import ROOT

# A program in which these libraries are not installed: an import of None fails as one that finds nothing.
WITHOUT = f"""
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(RESEARCH)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


pytestmark = pytest.mark.long


def without_research(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + program], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_list_is_the_extra() -> None:
    assert {requirement.name for requirement in only("research")} == RESEARCH


def test_what_the_image_runs_loads_without_them() -> None:
    result = without_research(
        "import app.commands.serve, app.commands.venue, app.commands.doctor, app.commands.strategy, app.commands.aws\n"
        "import app.commands.migrate, app.commands.health, app.commands.backup, app.commands.restore\n"
        "import app.commands.why, app.commands.verify, app.commands.replay, app.commands.strategies\n"
        "import app.strategies.evaluate, app.live.engine, ai.lstm.serve\n"
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("command", ["backtest ema_cross", "optimize ema_cross", "data list", "demo"])
def test_research_says_what_is_missing_and_what_to_do(command: str) -> None:
    words = ["tradingbot", *command.split()]
    result = without_research(f"sys.argv = {words!r}\nfrom app.cli import main\nmain()\n")
    assert result.returncode == 2
    assert "needs the 'research' extra" in result.stderr
    assert "make setup" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_folder_of_candles_needs_them_too() -> None:
    result = without_research(
        "import pathlib, tempfile\nfrom app.history import load_series\nfrom app.domain.errors import OperatorError\n"
        "folder = tempfile.mkdtemp(); pathlib.Path(folder, 'BTCUSDT-perp-1h.parquet').touch()\n"
        "try:\n    load_series(folder, 'BTCUSDT', '1h')\n"
        "except OperatorError as error:\n    print(error)\n"
    )
    assert "pyarrow is missing" in result.stdout, result.stderr


# --- indicators: the same to the last bit ------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain() -> ModuleType:
    """The kernels as the image has them: Python, not compiled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "numba", None)
        spec = importlib.util.spec_from_file_location("plain_kernels", kernels.__file__)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def markets() -> list[Any]:
    rng = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 400)))
    gaps = close.copy()
    gaps[rng.integers(0, 400, 60)] = np.nan
    return [close, np.round(close), gaps]


@pytest.mark.parametrize("market", markets(), ids=["smooth", "ties", "gaps"])
def test_an_indicator_is_the_same_compiled_and_not(plain: ModuleType, market: Any) -> None:
    high, low = market * 1.01, market * 0.99
    up, down = high > 101, low < 99
    calls: dict[str, tuple[Any, ...]] = {
        **dict.fromkeys(("sma", "stdev", "ema", "rma", "rsi", "cci", "highest", "lowest"), (market, 14)),
        "stoch": (market, high, low, 14),
        "tr": (high, low, market),
        "atr": (high, low, market, 14),
        "supertrend": (high, low, market, 3.0, 10),
        "crossover": (market, np.roll(market, 3)),
        "crossunder": (market, np.roll(market, 3)),
        "pivothigh": (market, 4, 2),
        "pivotlow": (market, 4, 2),
        "valuewhen": (up, market, 1),
        "barssince": (up,),
        "latch": (up, down, down, up),
    }
    public = {
        name
        for name, value in vars(plain).items()
        if callable(value) and getattr(value, "__module__", "") == "plain_kernels"
    }
    assert {name for name in public if not name.startswith("_")} == calls.keys()
    for name, arguments in calls.items():
        np.testing.assert_array_equal(
            getattr(plain, name)(*arguments), getattr(kernels, name)(*arguments), err_msg=name
        )
