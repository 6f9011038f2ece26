"""The figures of one run. A figure that cannot be computed is None and `Metrics.missing` says why: never inf or NaN.

Averages leave out the warm-up: the first return is that of bar warm_up + 1, the first on which a position can be open,
measured from the equity at the close of bar warm_up. Returns are those of equity from close to close, per bar and not
logarithmic; the risk-free rate is 0. A year has 365 days, since these markets trade through the night and the weekend:
8,760 hourly bars. Formulas are those of quantstats where the definitions coincide (docs/concepts/metrics.md says where
they do not), with the sources each one names.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.backtest.breakdown import Bucket, Month, by_hour, by_month, by_weekday
from app.backtest.model import Run
from app.history import Floats

YEAR_MS = 365 * 86_400_000

Trades = NDArray[np.void]
Missing = dict[str, str]

_NO_BARS = "no bar after the warm-up"
_RUINED = "equity fell to zero or below"
_NO_TRADE = "no trade"
_NO_LOSS = "no losing trade"
_NO_WIN = "no winning trade"


@dataclass(frozen=True, slots=True)
class Span:
    """What was measured."""

    start_ms: int  # open of the first bar measured, milliseconds since 1970 UTC
    end_ms: int  # close of the last bar
    bars: int  # returns that were averaged: all bars but the warm-up and the one they start from
    warm_up: int  # bars left out at the start
    bars_per_year: float  # 365 days / interval
    years: float  # bars / bars_per_year


@dataclass(frozen=True, slots=True)
class Growth:
    """How equity changed. r are the returns per bar, P the bars per year, n their number."""

    start: float  # equity at the beginning, quote currency
    end: float  # equity at the end
    total: float | None  # end / start - 1
    cagr: float | None  # (1 + total) ** (1 / years) - 1, the compound annual growth rate
    volatility: float | None  # sd(r) * sqrt(P) with n - 1 in the denominator, per year
    sharpe: float | None  # mean(r) / sd(r) * sqrt(P). Sharpe, "The Sharpe Ratio" (1994)
    sortino: float | None  # mean(r) / sqrt(sum(min(r, 0)**2) / n) * sqrt(P). Sortino & Price (1994), target 0
    calmar: float | None  # cagr / max drawdown over the whole span. Young (1991) takes 36 months


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall of equity below its highest close so far, the start included. Inside bars it may be deeper."""

    depth: float | None  # share of the peak that was lost, 0.25 = a quarter
    peak_ms: int | None  # close of the bar of the peak it fell from
    bottom_ms: int | None  # close of the bar of the lowest point
    recovered_ms: int | None  # close of the first bar back at the peak or above
    bars: int | None  # from the peak to the recovery, or to the end of the data
    recovery_bars: int | None  # from the bottom to the recovery
    longest_bars: int | None  # longest time from any peak to its recovery, or to the end


@dataclass(frozen=True, slots=True)
class TradeFigures:
    """About closed trades, net of fees and funding. A target that closes half of a position is a trade of its own."""

    count: int
    entries: int  # what they were parts of: positions opened, one per bar and side
    wins: int  # pnl > 0
    losses: int  # pnl < 0
    win_rate: float | None  # wins / count
    entry_win_rate: float | None  # share of entries whose parts together gained
    profit_factor: float | None  # sum of gains / sum of losses
    expectancy: float | None  # mean pnl, quote currency
    expectancy_rate: float | None  # mean of pnl / (quantity * entry price)
    average_win: float | None  # quote currency
    average_loss: float | None  # quote currency, negative
    payoff: float | None  # average win / -average loss
    best: float | None  # quote currency
    worst: float | None
    longest_losing_streak: int  # losing trades in a row, in order of exit
    average_bars_held: float | None  # exit bar - entry bar
    longs: int
    shorts: int
    long_pnl: float
    short_pnl: float


@dataclass(frozen=True, slots=True)
class Use:
    """How much it traded, how long it was exposed, and what that took."""

    exposure: float | None  # share of measured bars at whose close a position was held
    turnover: float | None  # notional of all fills, both ways, / mean equity / years
    fees: float  # quote currency, both ways
    funding: float  # quote currency, positive = paid
    cost_share: float | None  # (fees + funding) / profit before them


@dataclass(frozen=True, slots=True)
class Market:
    """Buying at the close of bar warm_up and holding to the end: no costs, no leverage."""

    total: float | None
    cagr: float | None
    sharpe: float | None
    drawdown: float | None  # share of the peak


@dataclass(frozen=True, slots=True)
class Metrics:
    span: Span
    growth: Growth
    drawdown: Drawdown
    trades: TradeFigures
    use: Use
    market: Market
    by_hour: tuple[Bucket, ...]  # 24
    by_weekday: tuple[Bucket, ...]  # 7, from Monday
    by_month: tuple[Month, ...]  # every calendar month of the measured span, oldest first
    missing: Missing  # name of a figure that is None, as "group.figure": why


def metrics(run: Run) -> Metrics:
    """Every figure of a run. Never raises for a run without trades, without bars or ruined: it says so in `missing`."""
    missing: Missing = {}
    first = min(run.warm_up, max(len(run.equity) - 1, 0))
    equity = run.equity[first:]
    span = _span(run, first)
    drawdown = _drawdown(run, first, missing)
    return Metrics(
        span=span,
        growth=_growth(run, equity, span, drawdown.depth, missing),
        drawdown=drawdown,
        trades=_trade_figures(run.trades, missing),
        use=_use(run, equity, span, missing),
        market=_market(run.series.close[first:], span, missing),
        by_hour=by_hour(run),
        by_weekday=by_weekday(run),
        by_month=by_month(run, first),
        missing=missing,
    )


def returns(run: Run) -> Floats:
    """Returns per bar after the warm-up, shape (span.bars,). Empty when equity ever fell to zero or below."""
    equity = run.equity[min(run.warm_up, max(len(run.equity) - 1, 0)) :]
    return _returns(equity) if len(equity) > 1 and equity.min() > 0 else np.empty(0)


def sharpe_ratio(values: Floats, bars_per_year: float) -> float | None:
    """Mean over standard deviation, per year; None with fewer than two returns or when they never differ."""
    spread = _spread(values)
    return None if spread is None else float(values.mean() / spread * math.sqrt(bars_per_year))


def no_spread(values: Floats) -> str:
    """Why `sharpe_ratio` is None."""
    if len(values) < 2:  # noqa: PLR2004 - a spread needs two
        return "one bar" if len(values) else _NO_BARS
    return "every bar earns the same" if values.any() else "nothing ever moved"


# --- growth ------------------------------------------------------------------------------------------


def _span(run: Run, first: int) -> Span:
    series = run.series
    bars = max(len(series) - 1 - first, 0)
    bars_per_year = YEAR_MS / series.step_ms
    start = int(series.ts[min(first + 1, len(series) - 1)]) if len(series) else 0
    end = int(series.ts[-1]) + series.step_ms if len(series) else 0
    return Span(start, end, bars, run.warm_up, bars_per_year, bars / bars_per_year)


def _growth(run: Run, equity: Floats, span: Span, depth: float | None, missing: Missing) -> Growth:
    start = float(equity[0]) if len(equity) else run.rules.equity
    end = float(equity[-1]) if len(equity) else start
    if span.bars == 0 or equity.min() <= 0:
        why = _NO_BARS if span.bars == 0 else _RUINED
        _miss(missing, why, "growth", "cagr", "volatility", "sharpe", "sortino", "calmar")
        total = None if span.bars == 0 else end / start - 1
        if total is None:
            missing["growth.total"] = why
        return Growth(start, end, total, None, None, None, None, None)
    values = _returns(equity)
    cagr = _cagr(end / start, span.years)
    if cagr is None:
        missing["growth.cagr"] = "the span is too short for a yearly rate"
    sharpe, sortino = sharpe_ratio(values, span.bars_per_year), _sortino(values, span.bars_per_year)
    if sharpe is None:
        missing["growth.sharpe"] = no_spread(values)
    if sortino is None:
        missing["growth.sortino"] = "no bar lost"
    calmar = cagr / depth if cagr is not None and depth else None
    if calmar is None:
        missing["growth.calmar"] = "no drawdown" if not depth else missing["growth.cagr"]
    volatility = float(values.std(ddof=1)) * math.sqrt(span.bars_per_year) if len(values) > 1 else None
    if volatility is None:
        missing["growth.volatility"] = "one bar"
    return Growth(start, end, end / start - 1, cagr, volatility, sharpe, sortino, calmar)


def _returns(equity: Floats) -> Floats:
    return equity[1:] / equity[:-1] - 1.0


def _cagr(ratio: float, years: float) -> float | None:
    """None where the yearly rate is beyond what a float holds (a gain within minutes, say)."""
    exponent = math.log(ratio) / years
    return math.expm1(exponent) if exponent < 700 else None  # noqa: PLR2004 - exp(709) is the largest float


def _spread(values: Floats) -> float | None:
    """Standard deviation, or None when there is none to speak of: rounding noise is not risk."""
    if len(values) < 2:  # noqa: PLR2004 - a spread needs two
        return None
    spread = float(values.std(ddof=1))
    return spread if spread > 1e-14 + 1e-12 * abs(float(values.mean())) else None


def _sortino(values: Floats, bars_per_year: float) -> float | None:
    downside = math.sqrt(float(np.square(np.minimum(values, 0.0)).sum()) / len(values))
    return float(values.mean()) / downside * math.sqrt(bars_per_year) if downside > 0 else None


# --- drawdown ----------------------------------------------------------------------------------------


def fall(equity: Floats) -> Floats:
    """Share of the highest value so far that is lost, >= 0, same shape. Above 1 when equity is negative."""
    return 1.0 - equity / np.maximum.accumulate(equity)


def _drawdown(run: Run, first: int, missing: Missing) -> Drawdown:
    equity = run.equity[first:]
    names = ("depth", "peak_ms", "bottom_ms", "recovered_ms", "bars", "recovery_bars", "longest_bars")
    if len(equity) < 2:  # noqa: PLR2004 - one bar has no change
        _miss(missing, _NO_BARS, "drawdown", *names)
        return Drawdown(None, None, None, None, None, None, None)
    below = fall(equity)
    bottom = int(below.argmax())
    depth = float(below[bottom])
    if depth <= 0.0:
        _miss(missing, "equity never fell", "drawdown", *names[1:])
        return Drawdown(0.0, None, None, None, None, None, None)
    peak = int(np.flatnonzero(below[: bottom + 1] <= 0.0)[-1])
    after = np.flatnonzero(below[bottom:] <= 0.0)
    end = bottom + int(after[0]) if len(after) else None
    if end is None:
        _miss(missing, "not recovered by the end", "drawdown", "recovered_ms", "recovery_bars")
    high = np.flatnonzero(below <= 0.0)
    waits = np.diff(np.r_[high, len(equity) - 1 if below[-1] > 0 else high[-1]])
    closes = run.series.ts[first:] + run.series.step_ms
    return Drawdown(
        depth=depth,
        peak_ms=int(closes[peak]),
        bottom_ms=int(closes[bottom]),
        recovered_ms=None if end is None else int(closes[end]),
        bars=(len(equity) - 1 if end is None else end) - peak,
        recovery_bars=None if end is None else end - bottom,
        longest_bars=int(waits.max()),
    )


# --- trades ------------------------------------------------------------------------------------------


def _trade_figures(trades: Trades, missing: Missing) -> TradeFigures:
    pnl, count = trades["pnl"], len(trades)
    gains, losses = pnl[pnl > 0], pnl[pnl < 0]
    long = trades["side"] > 0
    average_win = _mean(gains, "average_win", _NO_WIN if count else _NO_TRADE, missing)
    average_loss = _mean(losses, "average_loss", _NO_LOSS if count else _NO_TRADE, missing)
    per_entry = _pnl_per_entry(trades)
    if not count:
        _miss(missing, _NO_TRADE, "trades", "win_rate", "entry_win_rate", "best", "worst")
    if not len(losses):
        _miss(missing, _NO_LOSS if count else _NO_TRADE, "trades", "profit_factor", "payoff")
    elif not len(gains):
        missing["trades.payoff"] = _NO_WIN
    return TradeFigures(
        count=count,
        entries=len(per_entry),
        wins=len(gains),
        losses=len(losses),
        win_rate=len(gains) / count if count else None,
        entry_win_rate=float((per_entry > 0).mean()) if count else None,
        profit_factor=float(gains.sum() / -losses.sum()) if len(losses) else None,
        expectancy=_mean(pnl, "expectancy", _NO_TRADE, missing),
        expectancy_rate=_mean(
            pnl / (trades["quantity"] * trades["entry_price"]), "expectancy_rate", _NO_TRADE, missing
        ),
        average_win=average_win,
        average_loss=average_loss,
        payoff=average_win / -average_loss if average_win is not None and average_loss is not None else None,
        best=float(pnl.max()) if count else None,
        worst=float(pnl.min()) if count else None,
        longest_losing_streak=_longest_run(pnl < 0),
        average_bars_held=_mean(trades["exit_bar"] - trades["entry_bar"], "average_bars_held", _NO_TRADE, missing),
        longs=int(long.sum()),
        shorts=int((~long).sum()),
        long_pnl=float(pnl[long].sum()),
        short_pnl=float(pnl[~long].sum()),
    )


def _pnl_per_entry(trades: Trades) -> Floats:
    """Net pnl of each entry: parts that share the bar and the side were opened together."""
    key = trades["entry_bar"] * 2 + (trades["side"] > 0)
    found, entry = np.unique(key, return_inverse=True)
    total = np.zeros(len(found))
    np.add.at(total, entry, trades["pnl"])
    return total


def _longest_run(flags: NDArray[np.bool_]) -> int:
    """Length of the longest unbroken row of True."""
    breaks = np.flatnonzero(~flags)
    return int(np.diff(np.r_[-1, breaks, len(flags)]).max()) - 1


def _mean(values: NDArray[Any], name: str, why: str, missing: Missing) -> float | None:
    if len(values):
        return float(values.mean())
    missing[f"trades.{name}"] = why
    return None


# --- use and market ----------------------------------------------------------------------------------


def _use(run: Run, equity: Floats, span: Span, missing: Missing) -> Use:
    trades = run.trades
    fees, funding, net = (float(trades[name].sum()) for name in ("fees", "funding", "pnl"))
    before = net + fees + funding
    if before <= 0:
        missing["use.cost_share"] = "no profit before costs"
    if span.bars == 0:
        _miss(missing, _NO_BARS, "use", "exposure", "turnover")
        return Use(None, None, fees, funding, (fees + funding) / before if before > 0 else None)
    mean_equity = float(equity.mean())
    filled = float((trades["quantity"] * (trades["entry_price"] + trades["exit_price"])).sum())
    if mean_equity <= 0:
        missing["use.turnover"] = _RUINED
    return Use(
        exposure=float((run.exposure[-span.bars :] != 0).mean()),
        turnover=filled / mean_equity / span.years if mean_equity > 0 else None,
        fees=fees,
        funding=funding,
        cost_share=(fees + funding) / before if before > 0 else None,
    )


def _market(close: Floats, span: Span, missing: Missing) -> Market:
    if span.bars == 0:
        _miss(missing, _NO_BARS, "market", "total", "cagr", "sharpe", "drawdown")
        return Market(None, None, None, None)
    ratio = float(close[-1] / close[0])
    cagr, sharpe = _cagr(ratio, span.years), sharpe_ratio(_returns(close), span.bars_per_year)
    if cagr is None:
        missing["market.cagr"] = "the span is too short for a yearly rate"
    if sharpe is None:
        missing["market.sharpe"] = no_spread(_returns(close))
    return Market(ratio - 1, cagr, sharpe, float(fall(close).max()))


def _miss(missing: Missing, why: str, group: str, *names: str) -> None:
    for name in names:
        missing[f"{group}.{name}"] = why
