"""The jobs on which our engine is held against engines nobody here wrote: a market, signals, rules and costs each.

A job is a flat mapping of arrays and numbers, saved as .npz for a peer's interpreter; `ours` runs it through ours.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from app.backtest.engine import backtest
from app.backtest.model import Costs, ExitReason, Rules, Run, Sizing
from app.history import CandleSeries, Floats, synthetic
from app.strategies.signals import Flags, Signals

START = datetime(2020, 1, 1, tzinfo=UTC)
NAN = float("nan")
RATES = ("stop_rate", "target_rate", "trailing_rate", "fee_rate", "slippage_rate")


@dataclass(frozen=True, slots=True)
class Job:
    """What every engine can be told."""

    name: str
    series: CandleSeries
    fast: int  # bars of the quicker average of the cross
    slow: int
    side: int = 0  # 1 longs only, -1 shorts only, 0 both by reversal
    stop_rate: float = NAN
    target_rate: float = NAN
    trailing_rate: float = NAN
    fee_rate: float = 0.0
    slippage_rate: float = 0.0

    def signals(self) -> Signals:
        up, down = crosses(self.series.close, self.fast, self.slow)
        never, none = np.broadcast_to(np.False_, len(up)), np.broadcast_to(np.nan, len(up))
        if self.side == 0:
            return Signals(up, down, never, never, none, none, none, none, 0)
        return Signals(up, down, down, up, none, none, none, none, 0)

    def rules(self) -> Rules:
        """Fixed quantity, as little borrowed as can be: the peers know no margin."""
        return Rules(
            equity=1e9,
            sizing=Sizing.QUANTITY,
            size=1.0,
            max_notional=math.inf,
            stop_rate=self.stop_rate,
            target_rate=self.target_rate,
            trailing_rate=self.trailing_rate,
            longs=self.side >= 0,
            shorts=self.side <= 0,
        )

    def costs(self) -> Costs:
        """The peers take one fee and slip every order, targets too."""
        return Costs(self.fee_rate, self.fee_rate, self.slippage_rate, market_targets=True)

    def arrays(self) -> Mapping[str, Any]:
        signals, rules = self.signals(), self.rules()
        flags = {name: np.ascontiguousarray(getattr(signals, name)) for name in Signals.__slots__[:4]}
        columns = {name: getattr(self.series, name) for name in ("ts", "open", "high", "low", "close", "volume")}
        rates = {name: getattr(self, name) for name in RATES}
        return {**columns, **flags, **rates, "side": self.side, "equity": rules.equity, "quantity": rules.size}

    def run(self) -> Run:
        return backtest(self.series, self.signals(), self.rules(), self.costs())


class Told(NamedTuple):
    """What `score` and `backtest` take."""

    series: CandleSeries
    signals: Signals
    rules: Rules
    costs: Costs


def told(arrays: Mapping[str, Any]) -> Told:
    """A job that came back from its file, for our own process."""
    columns = {name: arrays[name] for name in ("ts", "open", "high", "low", "close", "volume")}
    series = CandleSeries(symbol="BTCUSDT", interval="1h", source="a job's file", **columns)
    never, none = np.broadcast_to(np.False_, len(series)), np.broadcast_to(np.nan, len(series))
    long, short, long_exit, short_exit = (
        arrays[name] if arrays[name].any() else never for name in Signals.__slots__[:4]
    )
    rates = {name: float(arrays[name]) for name in RATES}
    job = Job("", series, 0, 0, int(arrays["side"]), **rates)
    return Told(
        series, Signals(long, short, long_exit, short_exit, none, none, none, none, 0), job.rules(), job.costs()
    )


def crosses(close: Floats, fast: int, slow: int) -> tuple[Flags, Flags]:
    """Bars on which the quicker exponential average comes above, and below, the slower; silent for the first slow."""
    up = ema(close, fast) > ema(close, slow)
    turned = np.r_[False, up[1:] != up[:-1]]
    turned[:slow] = False
    return turned & up, turned & ~up


def ema(values: Floats, period: int) -> Floats:
    """Exponential average with weight 2 / (period + 1), from the first value on."""
    weight, level, out = 2.0 / (period + 1), float(values[0]), np.empty(len(values))
    for at, value in enumerate(values.tolist()):
        level += weight * (value - level)
        out[at] = level
    return out


def jumpy(series: CandleSeries, seed: int) -> CandleSeries:
    """The same market with opens away from the last close, so that levels are jumped over."""
    opened = series.open * (1 + 0.006 * np.random.default_rng(seed).standard_normal(len(series)))
    return CandleSeries(
        symbol=series.symbol,
        interval=series.interval,
        ts=series.ts,
        open=opened,
        high=np.maximum(series.high, opened),
        low=np.minimum(series.low, opened),
        close=series.close,
        volume=series.volume,
        source=f"{series.source}, jumpy",
    )


def one_sided(series: CandleSeries) -> Iterator[Job]:
    """What raptorbt can be asked: one direction, and every way out of a position."""
    exits: Mapping[str, Mapping[str, float]] = {
        "signal": {},
        "stop": {"stop_rate": 0.01},
        "target": {"target_rate": 0.015},
        "stop and target": {"stop_rate": 0.008, "target_rate": 0.01},
        "trailing": {"trailing_rate": 0.012},
        "trailing and target": {"trailing_rate": 0.012, "target_rate": 0.02},
        "stop, target, costs": {
            "stop_rate": 0.008,
            "target_rate": 0.01,
            "fee_rate": 0.0005,
            "slippage_rate": 0.0002,
        },
    }
    for side in (1, -1):
        for name, rates in exits.items():
            yield Job(f"{'long' if side > 0 else 'short'}: {name}", series, 5, 13, side, **rates)


def reversals(series: CandleSeries) -> Iterator[Job]:
    """What all can be asked: the cross without stops."""
    yield Job("reversal", series, 5, 13)
    yield Job("reversal, fees", series, 5, 13, fee_rate=0.0005)


def slipped(series: CandleSeries) -> Job:
    """What vectorbt can be asked besides: backtesting.py slips entries only."""
    return Job("reversal, costs", series, 5, 13, fee_rate=0.0005, slippage_rate=0.0002)


def markets(bars: int) -> Mapping[str, CandleSeries]:
    calm = synthetic("BTCUSDT", "1h", bars, 7, START)
    return {"calm": calm, "jumpy": jumpy(calm, 7)}


def rows(run: Run) -> list[tuple[int, int, int, float, bool]]:
    """Our trades as the peers report theirs: (entry bar, exit bar, side, pnl per unit, is it the end of the data)."""
    return [
        (
            int(row["entry_bar"]),
            int(row["exit_bar"]),
            int(row["side"]),
            float(row["pnl"] / row["quantity"]),
            int(row["reason"]) == ExitReason.END,
        )
        for row in run.trades
    ]


def difference(ours: list[Any], theirs: list[Any], *, ends: bool, tolerance: float = 1e-6) -> str:
    """The first trade that is not the same, in words; "" when all are. `ends`: the forced end counts too."""
    mine, other = (ours, theirs) if ends else ([row for row in rows if not row[4]] for rows in (ours, theirs))
    for number, (one, two) in enumerate(zip(mine, other, strict=False)):
        if tuple(one[:3]) != tuple(two[:3]) or abs(one[3] - two[3]) > tolerance * max(1.0, abs(two[3])):
            return f"trade {number}: ours {one}, theirs {two}"
    return "" if len(mine) == len(other) else f"{len(mine)} trades, theirs {len(other)}"


def ends_alike(peer: str, job: Job) -> bool:
    """Does the peer close what is held at the end of the data as we do? raptorbt does, but takes no fee for it."""
    return peer == "raptorbt" and job.fee_rate == 0.0
