"""Scores, sweeps and what must hold for every run whatever its rules."""

import gzip
import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.backtest.engine import Scores, backtest, score, sweep, sweep_markets
from app.backtest.layout import SCORE
from app.backtest.metrics import metrics
from app.backtest.model import Costs, Funding, Intrabar, Rules, Sizing, TargetRule
from app.domain.errors import BadSettings
from app.strategies.signals import FLAGS, LEVELS
from benchmarks.jobs import Job, difference, ends_alike, markets, one_sided, reversals, rows, slipped
from benchmarks.parity import GOLDEN, GOLDEN_BARS
from tests.unit.backtest.markets import QUIET, bars, said

BARS = 600
NAN, NONE = float("nan"), float("inf")
RULES = (
    Rules(),
    Rules(sizing=Sizing.EQUITY, size=2.0, max_notional=NONE),
    Rules(sizing=Sizing.QUANTITY, size=0.05, trailing_rate=0.01, intrabar=Intrabar.CHART),
    Rules(targets=(TargetRule(1.0, 0.4), TargetRule(2.0, 0.3)), max_entries=3, quantity_step=0.001),
    Rules(
        sizing=Sizing.EQUITY, size=30.0, leverage=30, max_notional=NONE, max_exposure_rate=NONE, maintenance_rate=0.01
    ),
    Rules(trailing_rate=0.02, target_rate=0.01, longs=False, min_notional=50.0),
)


@pytest.fixture(scope="module")
def market():
    return markets(BARS)["jumpy"]


def _noise(series, seed, *, stops=True):
    """Signals without sense: entries, exits and levels at random, some of them on the wrong side."""
    rng = np.random.default_rng(seed)
    count = len(series)
    chosen = {name: np.flatnonzero(rng.random(count) < 0.08) for name in ("long", "short", "leave_long", "leave_short")}
    levels = {}
    if stops:
        for name, side in (("long", 1), ("short", -1)):
            distance = rng.exponential(0.01, count)
            levels[f"{name}_stop"] = dict(enumerate(series.close * (1 - side * distance)))
            goals = np.where(rng.random(count) < 0.4, series.close * (1 + side * 2 * distance), NAN)
            levels[f"{name}_target"] = dict(enumerate(goals))
    return said(count, levels=levels, warm_up=int(rng.integers(0, 40)), **chosen)


def _funding(series):
    stamps = series.ts[0] + 8 * 3_600_000 * np.arange(1, len(series) // 8)
    return Funding(stamps, 0.001 * np.sin(np.arange(len(stamps))))


def _runs(series):
    for number, rules in enumerate(RULES):
        for seed in range(3):
            signals = _noise(series, 10 * number + seed, stops=number != 4)
            yield signals, rules, Costs(market_targets=bool(seed % 2)), _funding(series)


def test_a_score_is_what_the_metrics_of_the_full_run_say(market):
    for job in _runs(market):
        run, found = backtest(market, *job), score(market, *job)
        figures = metrics(run)
        growth, trades, use = figures.growth, figures.trades, figures.use
        expected = Scores(
            growth.total, growth.cagr, growth.volatility, growth.sharpe, growth.sortino, growth.calmar,
            figures.drawdown.depth, trades.count, trades.win_rate, trades.profit_factor, trades.expectancy,
            use.exposure, use.turnover, use.fees, use.funding, growth.end, run.trades["reason"].tolist().count(5),
        )  # fmt: skip
        assert trades.count > 10
        for name, ours, theirs in zip(Scores._fields, found, expected, strict=True):
            assert ours == pytest.approx(NAN if theirs is None else theirs, rel=1e-9, abs=1e-9, nan_ok=True), name
    assert Scores._fields == SCORE.names


def test_trades_add_up_to_the_equity(market):
    liquidations = 0
    for signals, rules, costs, funding in _runs(market):
        run = backtest(market, signals, rules, costs, funding)
        trades = run.trades
        assert run.equity[-1] == pytest.approx(rules.equity + trades["pnl"].sum(), abs=1e-7)
        gross = trades["side"] * (trades["exit_price"] - trades["entry_price"]) * trades["quantity"]
        assert trades["pnl"] == pytest.approx(gross - trades["fees"] - trades["funding"], abs=1e-9)
        assert (trades["exit_bar"] >= trades["entry_bar"]).all()
        assert (np.diff(trades["exit_bar"]) >= 0).all()
        assert (trades["entry_bar"] > signals.warm_up).all()
        assert (run.equity > 0).all()
        held = np.zeros(len(market))
        for trade in trades:  # notional at each close, rebuilt from the rows; adding changes it within a position
            held[trade["entry_bar"] : trade["exit_bar"]] += trade["side"] * trade["quantity"]
        if rules.max_entries == 1:
            assert run.exposure == pytest.approx(held * market.close, abs=1e-6)
        assert run.exposure[-1] == 0.0
        liquidations += run.liquidated
    assert liquidations > 0


def test_nothing_sees_the_future(market):
    cut = BARS - 150
    short = market[:cut]
    for signals, rules, costs, funding in _runs(market):
        whole = backtest(market, signals, rules, costs, funding)
        past = replace(signals, **{name: getattr(signals, name)[:cut] for name in (*FLAGS, *LEVELS)})
        part = backtest(short, past, rules, costs, funding)
        ended = whole.trades[whole.trades["exit_bar"] < cut - 1]
        assert len(ended) > 5
        assert (part.trades[: len(ended)] == ended).all()
        assert (part.equity[:-1] == whole.equity[: cut - 1]).all()


def test_tighter_limits_never_enlarge_a_position(market):
    signals = _noise(market, 1)
    before = np.inf
    for most in (50_000.0, 20_000.0, 5_000.0, 1_000.0):
        run = backtest(market, signals, Rules(max_notional=most, size=0.05))
        assert (run.trades["quantity"] * run.trades["entry_price"]).max() <= min(before, most * 1.001)
        before = most


def test_a_sweep_gives_each_set_its_own_score_in_order_on_any_number_of_threads(market):
    sets = [(fast, slow) for fast in (3, 5, 8) for slow in (13, 21, 34)]
    rules, told = Rules(stop_rate=0.02), []
    expected = [score(market, _cross(market, pair), rules) for pair in sets]
    for workers in (1, 2, None):
        found = sweep(market, lambda pair: _cross(market, pair), sets, rules, workers=workers)
        assert [Scores(*row) for row in found.tolist()] == [pytest.approx(one, nan_ok=True) for one in expected]
    sweep(market, lambda pair: _cross(market, pair), sets, rules, workers=2, progress=lambda *at: told.append(at))
    assert told == [(number, len(sets)) for number in range(1, len(sets) + 1)]
    assert len(sweep(market, lambda pair: _cross(market, pair), [], rules)) == 0


def test_a_sweep_over_markets_is_a_sweep_of_each(market):
    other, sets = markets(300)["calm"], [(3, 13), (5, 21)]
    rules = Rules(stop_rate=0.02)
    found = sweep_markets([market, other], _cross, sets, rules, funding=[_funding(market), None])
    assert found.shape == (2, 2)
    one = score(other, _cross(other, sets[1]), rules)
    assert Scores(*found[1, 1].item()) == pytest.approx(one, nan_ok=True)
    paid = score(market, _cross(market, sets[0]), rules, Costs(), _funding(market))
    assert Scores(*found[0, 0].item()) == pytest.approx(paid, nan_ok=True)
    with pytest.raises(BadSettings, match="2 markets"):
        sweep_markets([market, other], _cross, sets, rules, funding=[None])


def test_the_first_error_ends_a_sweep_and_names_its_set(market):
    asked, lock = [], threading.Lock()

    def signals_of(period):
        with lock:
            asked.append(period)
        if period == 7:
            raise ValueError("no such period")
        return _cross(market, (period, 50))

    with pytest.raises(ValueError, match="no such period") as caught:
        sweep(market, signals_of, [7, *range(8, 40)] * 20, Rules(stop_rate=0.02), workers=2)
    assert caught.value.__notes__ == ["while computing the signals of 7"]
    assert len(asked) < 600


def _cross(series, pair):
    return Job("sweep", series, *pair).signals()


# --- engines nobody here wrote -----------------------------------------------------------------------


def test_every_trade_is_that_of_raptorbt_vectorbt_and_backtesting():
    golden = json.loads(gzip.decompress((GOLDEN / "peers.json.gz").read_bytes()))
    known = markets(GOLDEN_BARS)
    jobs = {
        (name, job.name): job
        for name, series in known.items()
        for job in (*one_sided(series), *reversals(series), slipped(series))
    }
    compared = 0
    for record in golden:
        job, peer = jobs[record["market"], record["job"]], record["peer"].split()[0]
        why = difference(rows(job.run()), record["trades"], ends=ends_alike(peer, job))
        assert not why, (record["peer"], record["market"], record["job"], why)
        compared += len(record["trades"])
    assert {record["peer"].split()[0] for record in golden} == {"raptorbt", "vectorbt", "backtesting"}
    assert {(record["market"], record["job"]) for record in golden} == set(jobs)
    assert compared > 2000


def test_the_comparison_notices_a_trade_that_is_not_the_same():
    """The chart's order inside a bar is not raptorbt's, and the stop one step away is not the same stop."""
    job = next(job for job in one_sided(markets(GOLDEN_BARS)["jumpy"]) if job.name == "long: stop and target")
    ours = rows(job.run())
    chart = rows(backtest(job.series, job.signals(), _with(job.rules(), intrabar=Intrabar.CHART), job.costs()))
    assert "trade" in difference(ours, chart, ends=True)
    assert difference(ours, [*ours[:-1], (*ours[-1][:3], ours[-1][3] + 0.1, ours[-1][4])], ends=True)
    assert difference(ours, ours[:-1], ends=True)


def _with(rules, **changes):
    return Rules(**{name: getattr(rules, name) for name in Rules.__slots__} | changes)


def test_the_golden_file_is_there():
    assert Path(GOLDEN / "peers.json.gz").exists()


@pytest.mark.parametrize(
    "candle",
    [(1.0, 2.0, 0.5, NAN), (NAN, 2.0, 0.5, 1.0), (1.0, 2.0, 0.0, 1.0), (1.0, 2.0, 1.5, 1.7), (1.0, NONE, 1.0, 1.0)],
)
def test_a_bar_that_cannot_be_is_refused_by_its_number(candle):
    series = bars(*[QUIET] * 9000, candle, QUIET)
    with pytest.raises(BadSettings, match="bar 9000 cannot be"):
        backtest(series, said(9002), Rules(stop_rate=0.1))
