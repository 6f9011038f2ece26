"""Plain words: each warning appears when it is true, and only then."""

from dataclasses import replace

import numpy as np
import pytest

from app.backtest.model import Costs, Intrabar, Rules
from app.backtest.statistics import Rivals
from app.reports import figures, text, words
from app.reports.thin import extremes
from tests.unit.backtest.runs import run_of, trade
from tests.unit.reports.given import a_report, a_run, from_source


def said(report) -> str:
    return " ".join(words.limits(report))


def long_run(**about):
    """Two years, 200 trades: no warning about length or number."""
    return a_run(bars=17_520, trades=200, **about)


def gapped(missing: int):
    run = run_of([100.0] * 100)
    ts = run.series.ts + 3_600_000 * missing * (np.arange(100) >= 50)
    return replace(run, series=replace(run.series, ts=ts))


SYNTHETIC = replace(a_run(), series=from_source("synthetic seed=7"))

CASES = {
    "are generated": (a_report(SYNTHETIC), a_report()),
    "Only 40 positions": (a_report(), a_report(long_run())),
    "There was no trade": (a_report(a_run(trades=0)), a_report()),
    "Chosen among 9": (a_report(among=Rivals(9, 0.001)), a_report()),
    "If other parameters or strategies were tried": (a_report(), a_report(among=Rivals(9, 0.001))),
    "stretched from 17 days": (a_report(), a_report(long_run())),
    "AI verdict was left out": (a_report(), a_report(a_run(votes="Votes of March were replayed."))),
    "Votes of March were replayed.": (a_report(a_run(votes="Votes of March were replayed.")), a_report()),
    "was liquidated": (a_report(replace(a_run(), liquidated=True)), a_report()),
    "It fell 25.0 % below its peak and went on. As it ships, the live bot enters nothing more from 20.0 % on": (
        a_report(run_of([100.0, 75.0, 110.0])),
        a_report(run_of([100.0, 81.0, 110.0])),
    ),
    "50.0 % of its positions gained. As it ships, the live bot enters nothing more": (
        a_report(run_of([100.0] * 50, [trade(1.0 if n % 2 else -1.0, (n, n + 1)) for n in range(40)])),
        a_report(run_of([100.0] * 50, [trade(1.0 if n % 3 else -1.0, (n, n + 1)) for n in range(40)])),
    ),
    "The smallest trade was 10.00 USDT": (
        a_report(run_of([100.0] * 9, [trade(1.0, quantity=0.1)])),
        a_report(run_of([100.0] * 9, [trade(1.0, quantity=0.1)], rules=Rules(min_notional=5.0))),
    ),
    "3 of 103 bars are missing": (a_report(gapped(3)), a_report(run_of([100.0] * 100))),
    "sets targets of its own where a signal brings none": (a_report(), None),
    "(0.020 % and no slippage at targets, which rest in the book)": (
        a_report(replace(a_run(), costs=Costs(market_targets=False))),
        a_report(),
    ),
    "the stop is taken to be hit before any target": (
        a_report(),
        a_report(replace(a_run(), rules=Rules(intrabar=Intrabar.CHART))),
    ),
    "as on TradingView": (a_report(replace(a_run(), rules=Rules(intrabar=Intrabar.CHART))), a_report()),
    "Without its best trade the gain of 10.00 USDT would be a loss of 30.00": (
        a_report(run_of([1000.0] * 9, [trade(40.0), trade(-30.0)])),
        a_report(run_of([1000.0] * 9, [trade(4.0)] * 10)),
    ),
}


@pytest.mark.parametrize("line", CASES)
def test_a_warning_is_there_when_it_is_true(line: str) -> None:
    true, false = CASES[line]
    assert line in said(true)
    assert false is None or line not in said(false)


def test_costs_are_named() -> None:
    line = said(a_report(a_run(funding="as the venue charged it")))
    assert "fee 0.050 %, slippage 0.010 %, funding as the venue charged it." in line


def test_summary() -> None:
    report = a_report(run_of([1000.0, 1100.0, 880.0, 1200.0], [trade(200.0, fees=50.0)], closes=[10, 11, 12, 15.0]))
    lines = words.summary(report)
    assert lines[0] == "From 2024-01-01 to 2024-01-01 it turned 1,000.00 USDT into 1,200.00 USDT (+20.0 %) in 1 trade."
    assert lines[1] == "Buying and holding changed by +50.0 %: the strategy made less than that."
    assert lines[2] == "At worst it was 20.0 % below its peak of 2024-01-01; it took 2 hours to come back."
    assert lines[3] == "Fees and funding came to 50.00 USDT, 20.0 % of the profit before them."


def test_luck_is_not_called_skill() -> None:
    noise = " ".join(words.summary(a_report(a_run(drift=0.0))))
    assert "Skill cannot be told from luck here." in noise
    skill = " ".join(words.summary(a_report(a_run(drift=0.002))))
    assert "Skill" not in skill
    assert "It loses reliably." in " ".join(words.summary(a_report(a_run(drift=-0.002))))


@pytest.mark.parametrize(("curve", "lasted"), [([100, 90, 95, 101], "3 hours"), ([100, 90, 95, 99], "3+ hours")])
def test_a_drawdown_that_is_not_over_does_not_look_recovered(curve, lasted) -> None:
    found = {one.key: one.value for group in figures.groups(a_report(run_of(curve))) for one in group.figures}
    assert found["drawdown.bars"] == lasted


def test_every_figure_without_a_value_says_why() -> None:
    for run in (a_run(trades=0), run_of([1.0, 1.0]), run_of([]), run_of([5.0] + [-1.0] * 50)):
        for group in figures.groups(a_report(run)):
            for one in group.figures:
                assert one.value != text.MISSING or one.detail, one
                assert "nan" not in one.value
                assert "inf" not in one.value


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.00"), (1234.5, "1,234.50"), (-0.0005, "−0.00050"), (-12.0, "−12.00"), (None, "–"), (0.00123, "0.0012")],
)
def test_money(value, shown) -> None:
    assert text.money(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.1234, "+12.3 %"), (-0.5, "−50.0 %"), (0.0, "+0.0 %"), (250.0, "+25,000 %"), (1e9, "+1.00e+11 %"), (None, "–")],
)
def test_percent(value, shown) -> None:
    assert text.percent(value, signed=True) == shown


@pytest.mark.parametrize(("value", "shown"), [(107_087.0, "107,087"), (0.000012345678, "0.00001235"), (2.5, "2.5")])
def test_price(value, shown) -> None:
    assert text.price(value) == shown


def test_extremes_keep_the_peaks() -> None:
    for count in (1, 2, 3000, 3001, 7919):
        values = np.random.default_rng(count).normal(size=count)
        picked = extremes(values, 3000)
        assert {0, count - 1, int(values.argmin()), int(values.argmax())} <= set(picked.tolist())
        assert (np.diff(picked) > 0).all()
        assert len(picked) <= 3004
