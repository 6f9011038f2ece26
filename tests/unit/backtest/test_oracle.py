"""The kernel against the oracle: random markets, signals and rules, every row and the equity at every bar."""

import numpy as np

from app.backtest.engine import backtest
from app.backtest.model import Costs, ExitReason, Funding, Intrabar, Rules, Sizing, TargetRule
from tests.unit.backtest.markets import HOUR_MS, bars, said
from tests.unit.backtest.oracle import Oracle

BARS, CASES = 100, 300
FIELDS = (
    *("entry_bar", "exit_bar", "side", "quantity", "entry_price", "exit_price"),
    *("fees", "funding", "pnl", "reason"),
)
NAN, NONE = float("nan"), float("inf")
LADDERS = (
    (),
    (),
    (TargetRule(1.0, 0.5), TargetRule(2.0, 0.5)),
    (TargetRule(3.0, 0.25), TargetRule(1.0, 0.3)),
    (TargetRule(1.5, 0.4), TargetRule(0.5, 0.4), TargetRule(2.5, 0.9)),
)


def _market(dice):
    """Wild and on a grid of tenths, so that levels are jumped over, and touched exactly, all the time."""
    close = np.round(100 * np.exp(np.cumsum(dice.normal(0, dice.choice([0.003, 0.02, 0.06]), BARS))), 1)
    close = np.maximum(close, 1.0)
    opened = np.maximum(np.round(np.r_[100.0, close[:-1]] * (1 + dice.normal(0, 0.006, BARS)), 1), 0.5)
    spread = np.round(dice.exponential(dice.choice([0.1, 1.0, 3.0]), (2, BARS)), 1)
    low = np.maximum(np.minimum(opened, close) - spread[0], 0.1)
    return bars(*zip(opened, np.maximum(opened, close) + spread[1], low, close, strict=True))


def _signals(dice, series):
    flags = {name: np.flatnonzero(dice.random(BARS) < dice.choice([0.02, 0.1, 0.3])) for name in ("long", "short")}
    flags |= {f"leave_{name}": np.flatnonzero(dice.random(BARS) < 0.04) for name in ("long", "short")}
    levels = {}
    for name, side in (("long", 1), ("short", -1)):
        for kind, towards in (("stop", -1), ("target", 1)):
            if dice.random() < 0.35:  # one in twenty on the wrong side
                distance = dice.exponential(3.0, BARS) * np.where(dice.random(BARS) < 0.05, -1, 1)
                prices = np.round(series.close + side * towards * distance, 1)
                prices[(dice.random(BARS) < 0.3) | (prices <= 0)] = NAN
                levels[f"{name}_{kind}"] = dict(enumerate(prices))
    return said(BARS, levels=levels, warm_up=int(dice.integers(0, 30)), **flags)


def _rules(dice):
    sizing = dice.choice(list(Sizing))
    return Rules(
        equity=float(dice.choice([500.0, 10_000.0])),
        sizing=sizing,
        size=float(dice.choice({"quantity": [0.7, 9.0], "equity": [0.5, 20.0, 20.0], "risk": [0.01, 0.2]}[sizing])),
        leverage=int(dice.choice([1, 25, 25])),
        max_notional=float(dice.choice([2_000.0, NONE, NONE])),
        max_exposure_rate=float(dice.choice([2.0, NONE, NONE])),
        stop_rate=0.03 if sizing is Sizing.RISK else float(dice.choice([NAN, NAN, 0.03])),
        target_rate=float(dice.choice([NAN, 0.05])),
        targets=LADDERS[dice.integers(len(LADDERS))],
        trailing_rate=float(dice.choice([NAN, NAN, 0.02])),
        max_entries=int(dice.choice([1, 3])),
        longs=bool(dice.random() < 0.9),
        shorts=True,
        maintenance_rate=float(dice.choice([0.004, 0.02])),
        quantity_step=float(dice.choice([0.0, 0.1])),
        min_notional=float(dice.choice([0.0, 50.0])),
        min_reward_risk=float(dice.choice([0.0, 0.0, 1.2])),
        intrabar=dice.choice(list(Intrabar)),
    )


def _case(seed):
    dice = np.random.default_rng(seed)
    series = _market(dice)
    costs = Costs(
        *dice.choice([0.0, 0.0005, 0.002], 2),
        float(dice.choice([0.0, 0.001])),
        market_targets=bool(dice.random() < 0.5),
    )
    stamps = series.ts[0] + (dice.choice([0, 7, HOUR_MS // 2], 14) + 8 * HOUR_MS * np.arange(1, 15)).astype(np.int64)
    rates = dice.choice([0.0, 0.01], 1) * dice.normal(0, 1, len(stamps))
    return series, _signals(dice, series), _rules(dice), costs, Funding(stamps, rates)


def test_every_row_and_every_equity_is_that_of_the_oracle():
    seen = dict.fromkeys(ExitReason, 0)
    for seed in range(CASES):
        case = _case(seed)
        run, expected = backtest(*case), Oracle(*case).run()
        ours = np.array([[row[name] for name in FIELDS] for row in run.trades]).reshape(-1, len(FIELDS))
        theirs = np.array(expected.rows, dtype=np.float64).reshape(-1, len(FIELDS))
        for number, (one, two) in enumerate(zip(ours, theirs, strict=False)):
            assert np.allclose(one, two, rtol=1e-8, atol=1e-8), (seed, number, *zip(FIELDS, one, two, strict=True))
        assert len(ours) == len(theirs), seed
        assert np.allclose(run.equity, expected.equity, rtol=1e-9, atol=1e-7), seed
        for reason in run.trades["reason"]:
            seen[ExitReason(reason)] += 1
    assert min(seen.values()) >= 30, seen  # every way out was compared
