"""Backtests: one in full, one as a score, many parameter sets at once. Raises BadSettings for what a person must mend.

The same compiled function runs in all three, so a score and a report cannot disagree. Sizes, stops and targets follow
the live risk stage; docs/concepts/backtest.md says what is decided how, and what a backtest cannot know.
"""

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.backtest.inputs import Prepared, heard, prepare
from app.backtest.kernel.simulation import simulate
from app.backtest.layout import ACCOUNT, POSITION, SCORE, Says, Tape
from app.backtest.model import TRADE, Costs, Funding, Rules, Run
from app.domain.errors import BadSettings
from app.history import CandleSeries
from app.strategies.signals import Signals

Params = TypeVar("Params")
Progress = Callable[[int, int], None]  # sets done, sets in all

_NO_TAPE = Tape(np.empty(0, TRADE), np.empty(0), np.empty(0))


class Scores(NamedTuple):
    """Quick figures of one parameter set, defined as in app.backtest.metrics; NaN = not defined for this run."""

    total_return: float  # final / first equity - 1
    cagr: float
    volatility: float  # per year
    sharpe: float
    sortino: float
    calmar: float
    max_drawdown: float  # share of the peak, 0.25 = a quarter; at closes
    trades: float  # parts of positions that were closed
    win_rate: float
    profit_factor: float
    expectancy: float  # mean pnl of a trade, quote currency
    exposure: float  # share of bars at whose close a position was held
    turnover: float  # notional of all fills / mean equity / years
    fees: float  # quote currency
    funding: float  # positive = paid
    equity: float  # at the end
    liquidations: float


def backtest(
    series: CandleSeries,
    signals: Signals,
    rules: Rules = Rules(),  # noqa: B008 - frozen
    costs: Costs = Costs(),  # noqa: B008 - frozen
    funding: Funding | None = None,
) -> Run:
    """One run in full: every trade, equity and exposure at every close. `funding` None = none is charged."""
    ready = prepare(series, rules, costs, funding)
    says = heard(ready, signals)
    count, rungs = len(series), max(1, len(ready.ladder))
    # A row for each part of each entry there can be; memory that is never written to is never taken.
    entries = int(np.count_nonzero(signals.enter_long | signals.enter_short))
    tape = Tape(np.empty(entries * (rungs + 1), TRADE), np.empty(count), np.empty(count))
    account, _ = _simulate(ready, says, signals.warm_up, tape)
    return Run(
        series=series,
        rules=rules,
        costs=costs,
        trades=tape.trades[: int(account["rows"])].copy(),
        equity=tape.equity,
        exposure=tape.exposure,
        liquidated=bool(account["liquidations"]),
        warm_up=signals.warm_up,
    )


def score(
    series: CandleSeries,
    signals: Signals,
    rules: Rules = Rules(),  # noqa: B008 - frozen
    costs: Costs = Costs(),  # noqa: B008 - frozen
    funding: Funding | None = None,
) -> Scores:
    """The same run as figures only, without storing trades or equity."""
    ready = prepare(series, rules, costs, funding)
    _, found = _simulate(ready, heard(ready, signals), signals.warm_up, _NO_TAPE)
    return Scores(*found.item())


def sweep(  # noqa: PLR0917 - the same order as backtest
    series: CandleSeries,
    signals_of: Callable[[Params], Signals],
    parameter_sets: Sequence[Params],
    rules: Rules = Rules(),  # noqa: B008 - frozen
    costs: Costs = Costs(),  # noqa: B008 - frozen
    funding: Funding | None = None,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.void]:
    """`score` of every parameter set: rows of SCORE (the fields of Scores), in the order of `parameter_sets`.

    Threads share the market and hold one set's signals each, so memory does not grow with the number of sets.
    `signals_of` is called from several threads. What it raises ends the sweep, with the set it was about.
    """
    ready = prepare(series, rules, costs, funding)
    scores = np.zeros(len(parameter_sets), SCORE)

    def one(number: int) -> None:
        signals = _about(parameter_sets[number], lambda: signals_of(parameter_sets[number]))
        _simulate(ready, heard(ready, signals), signals.warm_up, _NO_TAPE, scores[number : number + 1])

    _on_all_cores(one, len(parameter_sets), workers, progress)
    return scores


def sweep_markets(  # noqa: PLR0917 - the same order as backtest
    markets: Sequence[CandleSeries],
    signals_of: Callable[[CandleSeries, Params], Signals],
    parameter_sets: Sequence[Params],
    rules: Rules = Rules(),  # noqa: B008 - frozen
    costs: Costs = Costs(),  # noqa: B008 - frozen
    funding: Sequence[Funding | None] | None = None,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.void]:
    """`sweep` on several markets, each with equity of its own: SCORE of shape (markets, sets)."""
    rates = funding if funding is not None else [None] * len(markets)
    if len(rates) != len(markets):
        raise BadSettings(f"{len(markets)} markets, but funding for {len(rates)}: give one entry each, or None")
    ready = [prepare(one, rules, costs, rate) for one, rate in zip(markets, rates, strict=True)]
    width = len(parameter_sets)
    scores = np.zeros(len(markets) * width, SCORE)

    def one(number: int) -> None:
        market, params = ready[number // width], parameter_sets[number % width]
        signals = _about(params, lambda: signals_of(market.series, params))
        _simulate(market, heard(market, signals), signals.warm_up, _NO_TAPE, scores[number : number + 1])

    _on_all_cores(one, len(scores), workers, progress)
    return scores.reshape(len(markets), width)


def _simulate(
    ready: Prepared, says: Says, warm_up: int, tape: Tape, scores: NDArray[np.void] | None = None
) -> tuple[np.void, np.void]:
    """Run the kernel; the account and the score it leaves."""
    accounts, positions = np.zeros(1, ACCOUNT), np.zeros(1, POSITION)
    found = np.zeros(1, SCORE) if scores is None else scores
    targets = np.empty((ready.rows_of_targets, 2))
    simulate(
        *(ready.bars, says, ready.rates, ready.ladder, warm_up, ready.terms),
        *(accounts, positions, targets, tape, found),
    )
    return accounts[0], found[0]


def _about(params: object, make: Callable[[], Signals]) -> Signals:
    try:
        return make()
    except Exception as error:
        error.add_note(f"while computing the signals of {params!r}")
        raise


def _on_all_cores(one: Callable[[int], None], count: int, workers: int | None, progress: Progress | None) -> None:
    """Call `one` for 0 … count - 1 from several threads; the first error stops the rest."""
    numbers, lock, done = iter(range(count)), threading.Lock(), itertools.count(1)

    def work() -> None:
        for number in _shared(numbers, lock):
            try:
                one(number)
            except BaseException:
                with lock:
                    for _ in numbers:  # nothing is left for the others
                        pass
                raise
            if progress is not None:
                with lock:
                    progress(next(done), count)

    crew = min(workers or _cores(), max(count, 1))
    if crew == 1:
        work()
        return
    with ThreadPoolExecutor(crew, thread_name_prefix="sweep") as pool:
        for future in [pool.submit(work) for _ in range(crew)]:
            future.result()


def _shared(numbers: Iterator[int], lock: threading.Lock) -> Iterator[int]:
    while True:
        with lock:
            number = next(numbers, None)
        if number is None:
            return
        yield number


def _cores() -> int:
    """Cores this process may use, which a container limits."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
