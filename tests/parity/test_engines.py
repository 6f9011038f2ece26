"""Exported scripts under Pine engines: signals, trades and equity are those of our backtest."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.history import CandleSeries, load_series
from app.pine import engines
from app.pine.compare import FLAGS
from app.pine.tester import parity
from app.strategies.registry import SHIPPED, definition
from tests.parity.conftest import ENGINES, ROOT
from tests.parity.fills import CASES, Case
from tests.parity.fills import market as handmade
from tests.parity.fills import script as handmade_script
from tests.parity.goldens import candles

BARS = int(os.environ.get("PARITY_BARS", "10000"))  # the newest real candles of each market; 0 = all there are
MARKETS = ("generated", "BTCUSDT 1h", "ETHUSDT 1h", "BTCUSDT 5m")
LEAST = 10  # signals and trades that have to be there: an engine that runs nothing agrees with nothing
NAMES = {"PineTS": "pinets", "PyneCore": "pynecore"}


@pytest.fixture(scope="module", params=MARKETS)
def market(request: pytest.FixtureRequest) -> CandleSeries:
    if request.param == "generated":
        return candles()
    folder = Path(os.environ.get("DATA_DIR") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real candles in {folder}: name their folder in DATA_DIR")
    return load_series(folder, *request.param.split())[-BARS:]


@pytest.fixture(params=sorted(NAMES.values()))
def engine(request: pytest.FixtureRequest) -> engines.Engine:
    found = {NAMES[one.name]: one for one in engines.installed(ENGINES)}
    if request.param not in found:
        pytest.skip(f"{request.param} is not installed: make parity")
    return found[request.param]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_script_trades_as_the_backtest_does(
    name: str, engine: engines.Engine, market: CandleSeries, measured: Callable[..., None]
) -> None:
    found = definition(name)
    account = engines.run(engine, found.pine(), market)
    compared = parity(found, market, account)
    assert compared.agrees, compared.sentences()
    assert {field.name for field in compared.signals} >= {"enter_long", "enter_short"}

    said = {flag: int(np.nansum(account.signals[flag])) for flag in FLAGS if flag in account.signals}
    assert said["enter_long"] + said["enter_short"] >= LEAST
    assert min(said.values()) > 0, "a signal that is never on was not compared"
    assert len(account.deals) >= LEAST
    assert np.ptp(account.equity) > 0
    measured(
        name,
        engine.name,
        f"{market.symbol} {market.interval}{', generated' if 'synthetic' in market.source else ''}",
        f"{len(market):,}",
        f"{sum(said.values()):,}",
        f"{compared.deals.equal:,}",
        f"{compared.equity.worst:.0e}",
    )


def test_a_script_that_differs_is_noticed(engine: engines.Engine) -> None:
    """The comparison can fail: a script with another period is not the same strategy."""
    found, market = definition("ema_cross"), candles()
    account = engines.run(engine, found.pine({"slow": 90}), market)
    assert not parity(found, market, account).agrees


def test_every_script_parses() -> None:
    refused = engines.refused_by_parser({name: definition(name).pine() for name in SHIPPED}, ENGINES)
    if refused is None:
        pytest.skip("pynescript is not installed: make parity")
    assert not refused


def test_what_is_not_pine_is_refused() -> None:
    refused = engines.refused_by_parser({"cci": definition("cci").pine().replace("ta.cci(", "ta.cci((")}, ENGINES)
    if refused is None:
        pytest.skip("pynescript is not installed: make parity")
    assert refused.startswith("cci: ")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bars_made_by_hand_are_filled_as_written(case: Case, engine: engines.Engine) -> None:
    account = engines.run(engine, handmade_script(case), handmade(case))
    found = [(d.side, d.entry_bar, d.exit_bar, d.entry_price, d.exit_price) for d in account.deals]
    own = case.pinets if engine.name == "PineTS" and case.pinets is not None else case.trades
    assert found == own
