"""How much of a result may be luck: bootstrap intervals, the deflated Sharpe ratio, the probability of overfitting.

Everything here is about returns per bar and is the same in every run for the same seed. What cannot be said (too few
bars, too few trades) is None with a reason in `missing`. None of it knows whether the market will stay as it was.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from app.backtest.metrics import YEAR_MS, no_spread, returns, sharpe_ratio
from app.backtest.model import Run
from app.domain.errors import BadSettings
from app.history import Floats

SAMPLES = 2000
LEVEL = 0.95
_BLOCKS = 16  # of the cross-validation; the paper's own choice
_FEWEST_BARS = 30  # fewer say nothing about a spread
_MOST_STEPS = 20_000  # longer series are compounded into this many steps before they are resampled
_EULER = 0.5772156649015329  # the Euler-Mascheroni constant
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What the same returns, in other orders and proportions, would have given. Percentile intervals."""

    total: Interval  # return over the span, fraction
    sharpe: Interval | None  # per year; None when resamples without any movement are among them
    drawdown: Interval  # deepest fall, share of the peak
    loss_share: float  # share of resamples that ended below where they started
    level: float  # share of resamples inside each interval, half of the rest on either side
    samples: int
    block: int  # steps that stay together
    step_bars: int  # bars compounded into one step; 1 unless the series is longer than 20,000 bars
    seed: int


@dataclass(frozen=True, slots=True)
class Overfitting:
    """Combinatorially symmetric cross-validation: whether the best of one half of history does well in the other."""

    probability: float  # share of splits in which the best of one half is in the lower half of the other
    loss_share: float  # share of splits in which the best of one half loses in the other
    splits: int
    configurations: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Statistics:
    bootstrap: Bootstrap | None
    psr: float | None  # probability that the true Sharpe ratio is above 0
    dsr: float | None  # the same above what the best of `trials` worthless strategies would show
    trials: int  # how many this one was chosen among; 1 = none that we know of
    trials_sharpe: float | None  # per year: what the best of that many worthless ones is expected to show
    overfitting: Overfitting | None
    missing: dict[str, str]


@dataclass(frozen=True, slots=True)
class Rivals:
    """What a run was chosen among, itself included. Whoever searches says all it tried, not only what it kept."""

    trials: int = 1
    variance: float | None = None  # of their Sharpe ratios per bar (not per year)
    overfitting: Overfitting | None = None  # of choosing among them


ALONE = Rivals()


def rivals(runs: Sequence[Run]) -> Rivals:
    """Of runs on one series. A ruined one counts as tried; its Sharpe ratio and returns cannot be compared."""
    values = [found for found in map(returns, runs) if len(found) >= 2 * _BLOCKS]
    ratios = [ratio for ratio in (sharpe_ratio(found, 1.0) for found in values) if ratio is not None]
    together = None
    if len(values) > 1:
        shortest = min(map(len, values))
        together = overfitting(np.stack([found[-shortest:] for found in values], axis=1))
    return Rivals(len(runs), float(np.var(ratios, ddof=1)) if len(ratios) > 1 else None, together)


def assess(run: Run, among: Rivals = ALONE, *, samples: int = SAMPLES, seed: int = 0) -> Statistics:
    """All of it for one run. Raises nothing: what cannot be said is None, with the reason in `missing`."""
    values = returns(run)
    bars_per_year = YEAR_MS / run.series.step_ms
    missing: dict[str, str] = {}
    if len(values) < _FEWEST_BARS:
        ruined = len(run.equity) > 0 and run.equity.min() <= 0
        why = "equity fell to zero or below" if ruined else f"fewer than {_FEWEST_BARS} bars"
        missing |= dict.fromkeys(("bootstrap", "psr"), why)
        resampled, psr = None, None
    else:
        resampled = bootstrap(values, bars_per_year, samples=samples, seed=seed)
        psr = _probability(values, 0.0)
        if resampled.sharpe is None:
            missing["bootstrap.sharpe"] = "too few trades: some resamples have none"
        if psr is None:
            missing["psr"] = no_spread(values)
    dsr, hurdle = None, None
    if among.trials < 2:  # noqa: PLR2004 - one trial is no choice
        missing["dsr"] = "chosen among one: nothing to deflate"
    elif psr is None or among.variance is None:
        missing["dsr"] = missing.get("psr", "the Sharpe ratios of the others are not known")
    else:
        # Trials that resemble each other, or were found where others did well, lie closer together than worthless ones
        # would: their variance is taken to be at least that of as many independent ones of this length (Lo, 2002).
        hurdle = expected_best_sharpe(among.trials, max(among.variance, 1 / (len(values) - 1)))
        dsr = _probability(values, hurdle)
    if among.overfitting is None:
        missing["overfitting"] = "needs the returns of every configuration tried"
    yearly = None if hurdle is None else hurdle * math.sqrt(bars_per_year)
    return Statistics(resampled, psr, dsr, among.trials, yearly, among.overfitting, missing)


# --- bootstrap ---------------------------------------------------------------------------------------


def bootstrap(
    values: Floats,
    bars_per_year: float,
    *,
    samples: int = SAMPLES,
    block: int | None = None,
    level: float = LEVEL,
    seed: int = 0,
) -> Bootstrap:
    """Circular block bootstrap of returns per bar, shape (n,), n >= 2, all above -1.

    Blocks of consecutive bars are drawn with replacement from the series bent into a circle until n bars are reached;
    the last block is cut. Politis & Romano, "A circular block-resampling procedure for stationary data" (1992). Without
    `block` its length is the longest of `block_length` of the returns, the same of their squares (volatility comes in
    clusters, and a drawdown is made of them) and the cube root of n: too long a block costs a little precision, one
    that is too short misses risk.

    Blocks are summarised once for each start, so that a sample costs n / block steps and not n.
    """
    step_bars = math.ceil(len(values) / _MOST_STEPS)
    values = _compounded(values, step_bars)
    count = len(values)
    length = min(block or _safe_length(values), count)
    rng = np.random.Generator(np.random.PCG64(seed))
    full, rest = divmod(count, length)
    walk = _Walk(samples)
    whole = _blocks(values, length)
    for _ in range(full):
        walk.append(whole, rng.integers(count, size=samples))
    if rest:
        walk.append(_blocks(values, rest), rng.integers(count, size=samples))
    mean = walk.total / count
    variance = np.maximum(walk.squares / count - np.square(mean), 0.0) * count / (count - 1)
    moving = variance > 1e-18  # noqa: PLR2004 - what rounding leaves of no variance at all
    sharpe = mean[moving] / np.sqrt(variance[moving]) * math.sqrt(bars_per_year / step_bars)
    return Bootstrap(
        total=_interval(walk.equity - 1.0, level),
        sharpe=_interval(sharpe, level) if moving.all() else None,
        drawdown=_interval(walk.depth, level),
        loss_share=float((walk.equity < 1.0).mean()),
        level=level,
        samples=samples,
        block=length,
        step_bars=step_bars,
        seed=seed,
    )


@dataclass(frozen=True, slots=True)
class _Blocks:
    """What one block of bars does, by the bar it starts at; every array (n,)."""

    growth: Floats  # equity after it, when it starts at 1
    high: Floats  # highest equity inside, the start included
    low: Floats  # lowest equity inside, the start included
    depth: Floats  # deepest fall inside
    total: Floats  # sum of returns
    squares: Floats  # sum of squared returns


def _blocks(values: Floats, length: int) -> _Blocks:
    count = len(values)
    around = np.r_[values, values[: length - 1]]
    growth, high, low = np.ones(count), np.ones(count), np.ones(count)
    depth, total, squares = np.zeros(count), np.zeros(count), np.zeros(count)
    for offset in range(length):
        change = around[offset : offset + count]
        growth *= 1.0 + change
        np.maximum(high, growth, out=high)
        np.minimum(low, growth, out=low)
        np.maximum(depth, 1.0 - growth / high, out=depth)
        total += change
        squares += change * change
    return _Blocks(growth, high, low, depth, total, squares)


class _Walk:
    """Many resampled histories at once, each grown block by block; every array (samples,)."""

    def __init__(self, samples: int) -> None:
        self.equity, self.peak, self.depth = np.ones(samples), np.ones(samples), np.zeros(samples)
        self.total, self.squares = np.zeros(samples), np.zeros(samples)

    def append(self, blocks: _Blocks, starts: NDArray[np.int64]) -> None:
        # A fall is either inside the block, or from a peak before it to the block's lowest point. Where the block has
        # made a new peak first, the second is the shallower and does no harm.
        np.maximum(self.depth, blocks.depth[starts], out=self.depth)
        np.maximum(self.depth, 1.0 - self.equity * blocks.low[starts] / self.peak, out=self.depth)
        np.maximum(self.peak, self.equity * blocks.high[starts], out=self.peak)
        self.equity *= blocks.growth[starts]
        self.total += blocks.total[starts]
        self.squares += blocks.squares[starts]


def _compounded(values: Floats, step: int) -> Floats:
    """Returns over `step` bars each; what is left over at the end makes a shorter last step."""
    if step == 1:
        return values
    return np.expm1(np.add.reduceat(np.log1p(values), np.arange(0, len(values), step)))


def _interval(values: Floats, level: float) -> Interval:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _safe_length(values: Floats) -> int:
    return max(block_length(values), block_length(np.square(values)), math.ceil(math.cbrt(len(values))))


def block_length(values: Floats) -> int:
    """The block length at which the circular block bootstrap of the mean errs least; 1 where the past says nothing.

    Politis & White, "Automatic block-length selection for the dependent bootstrap" (2004), with the correction of
    Patton, Politis & White (2009). Rounded up; at most min(3 sqrt(n), n / 3).
    """
    count = len(values)
    centred = values - values.mean()
    enough = max(5, int(math.log10(count)))
    last_lag = math.ceil(math.sqrt(count)) + enough
    if float(np.square(centred).sum()) <= 0.0 or last_lag >= count:
        return 1
    covariance = _autocovariance(centred, last_lag)
    width = min(2 * _memory(covariance / covariance[0], count, enough), last_lag)
    lags = np.arange(1, width + 1)
    ratio = lags / width
    window = np.where(ratio <= 0.5, 1.0, 2.0 * (1.0 - ratio))  # noqa: PLR2004 - the trapezoid of the paper
    spectrum = float(covariance[0] + 2.0 * (window * covariance[lags]).sum())
    slope = float(2.0 * (window * lags * covariance[lags]).sum())
    if spectrum <= 0.0:
        return 1
    best = (2.0 * slope * slope / (4.0 / 3.0 * spectrum * spectrum)) ** (1 / 3) * count ** (1 / 3)
    return max(1, math.ceil(min(float(best), math.ceil(min(3 * math.sqrt(count), count / 3)))))


def _autocovariance(centred: Floats, last_lag: int) -> Floats:
    """Lags 0 to `last_lag`, divided by n. By way of the spectrum; padded, so that the end never meets the start."""
    count = len(centred)
    spectrum = np.fft.rfft(centred, 2 * count)
    return np.fft.irfft(np.square(np.abs(spectrum)), 2 * count)[: last_lag + 1] / count


def _memory(correlation: Floats, count: int, enough: int) -> int:
    """The first lag from which `enough` correlations in a row are noise, counted as arch does; else the last lag."""
    noise = np.abs(correlation[1:]) < 2.0 * math.sqrt(math.log10(count) / count)
    for lag in range(1, len(noise) - enough + 1):
        if noise[lag - 1 : lag - 1 + enough].all():
            return lag
    return len(noise)


# --- Sharpe ratios -----------------------------------------------------------------------------------


def probabilistic_sharpe(sharpe: float, count: int, skewness: float, kurtosis: float, hurdle: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above `hurdle`; both per period, over `count` periods.

    Bailey & López de Prado, "The Sharpe ratio efficient frontier" (2012). Kurtosis of a normal distribution is 3.
    """
    variance = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe
    return _NORMAL.cdf((sharpe - hurdle) * math.sqrt((count - 1) / max(variance, 1e-12)))  # it is never negative


def expected_best_sharpe(trials: int, variance: float) -> float:
    """Sharpe ratio the best of `trials` independent worthless strategies is expected to show, `variance` among them.

    Bailey & López de Prado, "The deflated Sharpe ratio" (2014): an approximation for many trials, 4 % too high at 10.
    Per whatever period the variance is per. Strategies that resemble each other count for fewer than they are.
    """
    if trials < 2:  # noqa: PLR2004 - one was not chosen
        return 0.0
    first, second = _NORMAL.inv_cdf(1 - 1 / trials), _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * ((1 - _EULER) * first + _EULER * second)


def _probability(values: Floats, hurdle: float) -> float | None:
    sharpe = sharpe_ratio(values, 1.0)
    if sharpe is None:
        return None
    skewness, kurtosis = _moments(values)
    return probabilistic_sharpe(sharpe, len(values), skewness, kurtosis, hurdle)


def _moments(values: Floats) -> tuple[float, float]:
    """Skewness and kurtosis (3 = normal), corrected for the sample's size as most statistics programs do."""
    count = len(values)
    centred = values - values.mean()
    second, third, fourth = (float((centred**power).mean()) for power in (2, 3, 4))
    skewness = third / second**1.5 * math.sqrt(count * (count - 1)) / (count - 2)
    excess = (count - 1) / ((count - 2) * (count - 3)) * ((count + 1) * (fourth / second**2 - 3.0) + 6.0)
    return skewness, excess + 3.0


# --- overfitting -------------------------------------------------------------------------------------


def overfitting(matrix: Floats, blocks: int = _BLOCKS) -> Overfitting:
    """Probability of backtest overfitting of choosing by Sharpe ratio.

    `matrix` holds returns, shape (bars, configurations). Time is cut into `blocks` (even) equal parts, the oldest bars
    that do not fit left out; every half of the parts once chooses and the other half judges. Bailey, Borwein, López de
    Prado & Zhu, "The probability of backtest overfitting" (2015). A configuration that never moves has a ratio of 0.
    Raises BadSettings for fewer than 2 configurations or fewer than 2 bars a block.
    """
    bars, configurations = matrix.shape
    if configurations < 2 or blocks < 2 or blocks % 2 or bars < 2 * blocks:  # noqa: PLR2004
        raise BadSettings(
            f"overfitting needs at least 2 configurations and 2 bars for each of an even number of blocks;"
            f" there are {configurations}, {bars} and {blocks}"
        )
    size = bars // blocks
    parts = matrix[bars - size * blocks :].reshape(blocks, size, configurations)
    totals, squares = parts.sum(axis=1), np.square(parts).sum(axis=1)
    halves = np.array([[part in half for part in range(blocks)] for half in combinations(range(blocks), blocks // 2)])
    count = size * blocks // 2
    below, losing = 0, 0
    at_once = max(1, 1_000_000 // configurations)
    for first in range(0, len(halves), at_once):
        chosen = halves[first : first + at_once].astype(np.float64)
        inside = _ratios(chosen @ totals, chosen @ squares, count)
        outside = _ratios((1 - chosen) @ totals, (1 - chosen) @ squares, count)
        score = np.take_along_axis(outside, inside.argmax(axis=1)[:, None], axis=1)
        # The rank among n, from 1; equals share theirs. Its place rank / (n + 1) is at most 1/2 in the lower half.
        rank = (outside < score).sum(axis=1) + ((outside == score).sum(axis=1) + 1) / 2
        below += int((rank / (configurations + 1) <= 0.5).sum())  # noqa: PLR2004
        losing += int((score < 0).sum())
    splits = len(halves)
    return Overfitting(below / splits, losing / splits, splits, configurations, blocks)


def _ratios(totals: Floats, squares: Floats, count: int) -> Floats:
    mean = totals / count
    variance = np.maximum(squares / count - np.square(mean), 0.0)
    return np.divide(mean, np.sqrt(variance), out=np.zeros_like(mean), where=variance > 1e-18)  # noqa: PLR2004
