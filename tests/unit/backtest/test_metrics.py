"""Metrics: worked by hand, equal to quantstats where the definitions coincide, and silent where nothing can be said."""

import dataclasses
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.backtest.metrics import Metrics, metrics, returns
from app.backtest.statistics import _probability
from tests.unit.backtest.runs import START, run_of, trade

PEERS = json.loads((Path(__file__).parent / "golden_metrics" / "peers.json").read_text())
HOUR_MS = 3_600_000
START_MS = int(START.timestamp() * 1000)


def peer_run(name: str) -> tuple[Any, dict[str, Any]]:
    peer = PEERS["curves"][name]
    start = datetime.fromisoformat(PEERS["start"]).replace(tzinfo=UTC)
    return run_of(peer["equity"], interval=peer["interval"], start=start), peer


@pytest.mark.parametrize("name", PEERS["curves"])
def test_equal_to_quantstats(name: str) -> None:
    run, peer = peer_run(name)
    growth = metrics(run).growth
    ours = {
        figure: getattr(growth, figure) for figure in ("total", "cagr", "sharpe", "sortino", "volatility", "calmar")
    }
    ours["drawdown"] = -(metrics(run).drawdown.depth or 0.0)
    ours["psr"] = _probability(returns(run), 0.0)
    assert ours == pytest.approx({figure: peer[figure] for figure in ours}, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", PEERS["curves"])
def test_months_equal_to_quantstats(name: str) -> None:
    run, peer = peer_run(name)
    ours = {month.label: month.change for month in metrics(run).by_month}
    assert ours == pytest.approx({month: peer["months"][month] for month in ours}, rel=1e-9, abs=1e-12)
    assert not any(change for month, change in peer["months"].items() if month not in ours)


def test_growth_by_hand() -> None:
    growth = metrics(run_of([100.0, 110.0, 99.0, 108.9], interval="1d")).growth
    assert growth.total == pytest.approx(0.089)
    mean, spread = 0.1 / 3, math.sqrt(((0.1 - 0.1 / 3) ** 2 * 2 + (-0.1 - 0.1 / 3) ** 2) / 2)
    assert growth.sharpe == pytest.approx(mean / spread * math.sqrt(365))
    assert growth.sortino == pytest.approx(mean / math.sqrt(0.01 / 3) * math.sqrt(365))
    assert growth.cagr == pytest.approx(1.089 ** (365 / 3) - 1)
    assert growth.calmar == pytest.approx(growth.cagr / 0.1)


@pytest.mark.parametrize(("interval", "bars"), [("1h", 8760), ("1d", 365), ("15m", 35_040), ("1w", 365 / 7)])
def test_a_year_is_365_days_of_bars(interval: str, bars: float) -> None:
    assert metrics(run_of([1.0, 1.0], interval=interval)).span.bars_per_year == pytest.approx(bars)


def test_warm_up_is_left_out_of_every_average() -> None:
    curve = [100.0, 103.0, 99.0, 104.0, 102.0, 107.0]
    plain = metrics(run_of(curve, [trade(7.0, (1, 3))], held=[1, 2], closes=curve))
    waited = run_of([100.0] * 40 + curve, [trade(7.0, (41, 43))], held=[41, 42], closes=[50.0] * 40 + curve, warm_up=40)
    late = metrics(waited)
    assert late.growth == plain.growth
    assert late.market == plain.market
    assert late.use == plain.use
    assert late.span.bars == plain.span.bars == 5
    assert late.span.start_ms == START_MS + 41 * HOUR_MS


def test_the_deepest_drawdown_not_the_longest() -> None:
    """Peak 120 at bar 1, bottom 90 at bar 3, back at bar 4; the shallow fall after it lasts longer."""
    found = metrics(run_of([100, 120, 100, 90, 121, 120, 119, 118, 120, 122])).drawdown
    assert found.depth == pytest.approx(0.25)
    assert found.peak_ms == START_MS + 2 * HOUR_MS
    assert found.bottom_ms == START_MS + 4 * HOUR_MS
    assert found.recovered_ms == START_MS + 5 * HOUR_MS
    assert (found.bars, found.recovery_bars, found.longest_bars) == (3, 1, 5)


def test_a_drawdown_still_open() -> None:
    result = metrics(run_of([100, 90, 80, 85]))
    assert result.drawdown.depth == pytest.approx(0.2)
    assert (result.drawdown.bars, result.drawdown.longest_bars) == (3, 3)
    assert result.drawdown.recovered_ms is None
    assert result.missing["drawdown.recovered_ms"] == "not recovered by the end"


TRADES = [
    trade(10.0, (1, 3), fees=1.0, funding=0.5),
    trade(-4.0, (3, 5), -1, fees=1.0),
    trade(-6.0, (5, 6), quantity=2.0),
    trade(0.0, (6, 7)),
    trade(-2.0, (8, 9)),
    trade(6.0, (8, 10)),
]


def test_trades_by_hand() -> None:
    found = metrics(run_of([1000.0] * 12, TRADES, held=[1, 2, 3, 8])).trades
    assert (found.count, found.wins, found.losses, found.entries) == (6, 2, 3, 5)
    assert found.win_rate == pytest.approx(2 / 6)
    assert found.entry_win_rate == pytest.approx(2 / 5)  # -2 and +6 are parts of one entry
    assert found.profit_factor == pytest.approx(16 / 12)
    assert found.expectancy == pytest.approx(4 / 6)
    assert found.expectancy_rate == pytest.approx((0.10 - 0.04 - 0.03 + 0.0 - 0.02 + 0.06) / 6)
    assert (found.average_win, found.average_loss) == (8.0, -4.0)
    assert found.payoff == pytest.approx(2.0)
    assert (found.best, found.worst) == (10.0, -6.0)
    assert found.longest_losing_streak == 2  # a trade that earns nothing ends it
    assert found.average_bars_held == pytest.approx((2 + 2 + 1 + 1 + 1 + 2) / 6)
    assert (found.longs, found.shorts, found.long_pnl, found.short_pnl) == (5, 1, 8.0, -4.0)


def test_use_and_costs_by_hand() -> None:
    found = metrics(run_of([1000.0] * 12, TRADES, held=[1, 2, 3, 8], interval="1d")).use
    assert found.exposure == pytest.approx(4 / 11)
    filled = 210 + (100 + 104) + 2 * (100 + 94) + 200 + 198 + 206
    assert found.turnover == pytest.approx(filled / 1000 / (11 / 365))
    assert (found.fees, found.funding) == (2.0, 0.5)
    assert found.cost_share == pytest.approx(2.5 / 6.5)


def test_market_is_bought_and_held() -> None:
    found = metrics(run_of([1.0] * 4, closes=[100.0, 120.0, 90.0, 130.0])).market
    assert found.total == pytest.approx(0.3)
    assert found.drawdown == pytest.approx(0.25)


def test_buckets_by_exit_in_utc() -> None:
    trades = [trade(5.0, (1, 25)), trade(-2.0, (26, 49)), trade(1.0, (800, 801))]
    result = metrics(run_of(np.linspace(100.0, 104.0, 900).tolist(), trades))
    hours = {bucket.label: bucket for bucket in result.by_hour}
    assert (hours["01"].trades, hours["01"].wins, hours["01"].pnl) == (2, 1, 3.0)  # bars 25 and 49
    days = {bucket.label: bucket.trades for bucket in result.by_weekday}
    assert days == {"Mon": 0, "Tue": 1, "Wed": 1, "Thu": 0, "Fri": 0, "Sat": 1, "Sun": 0}  # 2, 3 January; 3 February
    assert [(month.label, month.trades) for month in result.by_month] == [("2024-01", 2), ("2024-02", 1)]
    total = math.prod(1 + (month.change or 0.0) for month in result.by_month) - 1
    assert total == pytest.approx(result.growth.total)


def figures(result: Metrics) -> dict[str, Any]:
    groups = {name: group for name, group in dataclasses.asdict(result).items() if isinstance(group, dict)}
    return {
        f"{name}.{figure}": value
        for name, group in groups.items()
        if name != "missing"
        for figure, value in group.items()
    }


AWKWARD = {
    "no bars": run_of([]),
    "one bar": run_of([100.0]),
    "two bars": run_of([100.0, 101.0]),
    "warm-up longer than the data": run_of([100.0, 101.0, 99.0], warm_up=50),
    "no trade": run_of([100.0] * 50),
    "only gains": run_of([100.0, 101.0, 102.5], [trade(1.0), trade(1.5)]),
    "only losses": run_of([100.0, 99.0, 98.0], [trade(-1.0), trade(-1.0)]),
    "ruined": run_of([100.0, 20.0, -5.0, -5.0], [trade(-105.0)]),
    "nothing left": run_of([100.0, 0.0, 0.0], [trade(-100.0)]),
    "a fortune in minutes": run_of([1.0, 1e9, 2e9], interval="1m"),
    "steady growth": run_of((100 * 1.01 ** np.arange(30)).tolist()),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_what_cannot_be_said_is_none_with_a_reason(name: str) -> None:
    result = metrics(AWKWARD[name])
    found = figures(result)
    assert {figure for figure, value in found.items() if value is None} == set(result.missing)
    assert all(math.isfinite(value) for value in found.values() if value is not None)
    assert json.dumps(dataclasses.asdict(result), allow_nan=False)


def test_reasons_are_in_words() -> None:
    gains = metrics(AWKWARD["only gains"])
    assert gains.trades.profit_factor is None
    assert gains.missing["trades.profit_factor"] == "no losing trade"
    assert metrics(AWKWARD["steady growth"]).missing["growth.sharpe"] == "every bar earns the same"
    ruined = metrics(AWKWARD["ruined"])
    assert ruined.growth.total == pytest.approx(-1.05)
    assert ruined.missing["growth.sharpe"] == "equity fell to zero or below"
    assert metrics(AWKWARD["no trade"]).missing["growth.sharpe"] == "nothing ever moved"
    assert metrics(AWKWARD["a fortune in minutes"]).missing["growth.cagr"].startswith("the span is too short")
