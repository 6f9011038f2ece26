"""What `make bench` times: for every row the job, our work, the peers' work, what has to agree, and the target."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from app.history import synthetic
from benchmarks.jobs import START, Job, ema

BARS, MANY_BARS, QUICK_BARS = 58_623, 1_000_000, 3_000
MANY_START = START.replace(year=1900)  # a million hours fit before today
FAST, SLOW = 10, 50

RUST, NUMBA, RAPTOR, BACKTESTING = "vectorbt, Rust", "vectorbt, Numba", "raptorbt", "backtesting.py"
SCORE, FULL, SIMULATIONS = "score", "full run", "its simulations alone"


@dataclass(frozen=True)
class Contender:
    """An engine at a piece of work, as benchmarks/peers/stopwatch.py names it; `script` None = ours."""

    label: str
    work: str
    script: str | None = None
    module: str = "benchmarks.ours"


@dataclass(frozen=True)
class Row:
    name: str
    about: str
    arrays: Callable[[], Mapping[str, Any]]
    contenders: tuple[Contender, ...]  # ours first
    same: tuple[str, ...] = ()  # peers whose results must be ours before anything is timed
    job: Callable[[], Job] | None = None  # compared trade by trade; None = by what the works answer
    ratios: Mapping[str, float] = field(default_factory=dict)  # peer: how many times as long as ours it has to take
    limits: Mapping[str, float] = field(default_factory=dict)  # contender: ours may take so many times as long
    most_seconds: float | None = None
    most_mb: float | None = None
    fresh: bool = False  # a new process each time, from its start to its answer


def _vectorbt(work: str) -> tuple[Contender, Contender]:
    return Contender(RUST, f"{work} rust", "vectorbt"), Contender(NUMBA, f"{work} numba", "vectorbt")


def rows(*, quick: bool) -> list[Row]:
    bars, many = (QUICK_BARS, 2 * QUICK_BARS) if quick else (BARS, MANY_BARS)

    def cross(count: int, **more: Any) -> Callable[[], Job]:
        def make() -> Job:
            start = START if count <= BARS else MANY_START
            return Job("cross", synthetic("BTCUSDT", "1h", count, 7, start), FAST, SLOW, **more)

        return make

    plain, stops = cross(bars), cross(bars, side=1, stop_rate=0.02, target_rate=0.04)
    ours = Contender(SCORE, "one"), Contender(FULL, "full")
    return [
        Row(
            "EMA cross by reversal",
            f"{bars:,} hourly bars, signals given, run and figures",
            lambda: plain().arrays(),
            (*ours, *_vectorbt("one"), Contender(BACKTESTING, "one", "backtesting")),
            same=("vectorbt", "backtesting"),
            job=plain,
            ratios={RUST: 10},
        ),
        Row(
            "EMA cross, longs with stop and target",
            f"{bars:,} hourly bars; vectorbt has other rules for stops, so only raptorbt's trades are ours",
            lambda: stops().arrays(),
            (*ours, *_vectorbt("one"), Contender(RAPTOR, "one", "raptorbt")),
            same=("raptorbt",),
            job=stops,
            ratios={RUST: 10},
        ),
        _at_length(cross(many), many, ours),
        _sweep(plain, quick=quick),
        Row(
            "The shipped EMA cross, 1,000 pairs" if not quick else "The shipped EMA cross, a grid",
            f"{bars:,} bars, from candles: indicators, signals, ATR stops and targets, sizes by risk",
            lambda: plain().arrays(),
            (Contender("grid", "grid"),),
            most_mb=400,
        ),
        Row(
            "Genetic search, 50 generations of 50",
            f"{bars:,} bars, all five parameters of the shipped EMA cross, from candles; every different point once",
            lambda: plain().arrays(),
            (Contender("genetic", "genetic"), Contender(SIMULATIONS, "simulations")),
            limits={SIMULATIONS: 3},
            most_seconds=0.6,
        ),
        Row(
            "First backtest in a fresh process",
            f"{bars:,} bars from a file, from the start of the interpreter to the figures; disk caches warm",
            lambda: stops().arrays(),
            (Contender(SCORE, "one", module="benchmarks.first"), *_vectorbt("one")),
            most_seconds=1.0,
            fresh=True,
        ),
    ]


def _at_length(make: Callable[[], Job], bars: int, ours: tuple[Contender, ...]) -> Row:
    return Row(
        "A long history",
        f"{bars:,} bars, EMA cross by reversal, signals given, run and figures",
        lambda: make().arrays(),
        (*ours, *_vectorbt("one")),
        same=("vectorbt",),
        job=make,
        ratios={RUST: 5},
    )


def _sweep(make: Callable[[], Job], *, quick: bool) -> Row:
    fast, slow = (range(2, 7), range(10, 30, 10)) if quick else (range(2, 52), range(60, 260, 10))

    def arrays() -> Mapping[str, Any]:
        job, periods = make(), [*fast, *slow]
        lines = np.stack([ema(job.series.close, period) for period in periods])
        pairs = [(one, len(fast) + other) for one in range(len(fast)) for other in range(len(slow))]
        return {**job.arrays(), "lines": lines, "pairs": np.array(pairs), "silent": np.array(periods)}

    return Row(
        f"Sweep of {len(fast) * len(slow):,} pairs",
        "average lines given, once for each period; from there signals, runs and figures of every pair",
        arrays,
        (Contender("sweep", "sweep"), *_vectorbt("sweep"), Contender(RAPTOR, "sweep", "raptorbt")),
        same=("vectorbt", "raptorbt"),
        ratios={RUST: 40, RAPTOR: 15},
        most_mb=400,
    )


def without(row: Row, installed: bool) -> Row:  # noqa: FBT001 - reads as a sentence
    """The row as it can be timed here: ours alone where the peers are not installed."""
    if installed:
        return row
    return replace(row, contenders=tuple(one for one in row.contenders if one.script is None), same=())
