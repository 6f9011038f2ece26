"""From series, signals, rules and costs to what the kernel takes: checked numbers and arrays of one kind.

numba compiles anew for each kind of array, so all become contiguous and read-only here. Arrays of one repeated value,
which is how a strategy says "never", become empty ones and are not copied.
"""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.backtest.layout import SIZINGS, TERMS, Bars, Rates, Says
from app.backtest.model import Costs, Funding, Intrabar, Rules, Sizing
from app.domain.errors import BadSettings
from app.history import CandleSeries, Floats
from app.strategies.signals import Signals

YEAR_MS = 365 * 86_400_000
AT_OPEN_MS = 60_000  # funding booked within this of a bar's open is that of the open: venues stamp it ms late

_COLUMNS = ("open", "high", "low", "close")
_BLOCK = 8192  # bars checked at a time: what does not leave the processor's cache is checked several times as fast


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A market with rules and costs, ready for any signals."""

    series: CandleSeries
    rules: Rules
    bars: Bars
    rates: Rates
    terms: NDArray[np.void]  # one row of TERMS
    ladder: Floats  # (t, 2)

    @property
    def rows_of_targets(self) -> int:
        """How many targets can wait at once."""
        return self.rules.max_entries * max(1, len(self.ladder))


def prepare(series: CandleSeries, rules: Rules, costs: Costs, funding: Funding | None) -> Prepared:
    """Raises BadSettings for rules, costs, candles or funding that make no sense."""
    _check_rules(rules)
    _check_costs(costs)
    bars = Bars(*(_frozen(getattr(series, name), np.float64) for name in _COLUMNS))
    _check_bars(series, bars)
    ladder = _ladder(rules)
    return Prepared(series, rules, bars, _rates(series, funding), _terms(series, rules, costs, ladder), ladder)


def heard(ready: Prepared, signals: Signals) -> Says:
    """The signals as the kernel takes them. Raises BadSettings when they are not those of this series."""
    if len(signals) != len(ready.series):
        raise BadSettings(f"{len(signals)} bars of signals for {len(ready.series)} bars of {ready.series.symbol}")
    if signals.warm_up < 0:
        raise BadSettings(f"a warm-up of {signals.warm_up} bars: it must not be negative")
    rules = ready.rules
    says = Says(
        enter_long=_frozen(signals.enter_long, np.bool_),
        enter_short=_frozen(signals.enter_short, np.bool_),
        exit_long=_or_absent(signals.exit_long, np.bool_),
        exit_short=_or_absent(signals.exit_short, np.bool_),
        long_stop=_or_absent(signals.long_stop, np.float64),
        short_stop=_or_absent(signals.short_stop, np.float64),
        long_target=_or_absent(signals.long_target, np.float64),
        short_target=_or_absent(signals.short_target, np.float64),
        level_bars=_frozen(np.empty(0) if signals.level_bars is None else signals.level_bars, np.int64),
    )
    if rules.sizing is Sizing.RISK and math.isnan(rules.stop_rate) and _stopless(says, rules):
        raise BadSettings(
            "sizing by risk needs a stop, and the signals bring none: set stop_rate, or size by equity or quantity"
        )
    return says


def _stopless(says: Says, rules: Rules) -> bool:
    """Whether there is a side that is entered and never given a stop."""
    long = rules.longs and not len(says.long_stop) and bool(says.enter_long.any())
    return long or (rules.shorts and not len(says.short_stop) and bool(says.enter_short.any()))


def _frozen(array: NDArray[Any], kind: type[Any]) -> NDArray[Any]:
    """Contiguous, of one type, read-only; copied only when it is not already so."""
    view = np.ascontiguousarray(array, dtype=kind).view()
    view.flags.writeable = False
    return view


def _or_absent(array: NDArray[Any], kind: type[Any]) -> NDArray[Any]:
    """An array that repeats one False or NaN becomes empty."""
    if len(array) and array.strides[0] == 0 and (not array[0] or array[0] != array[0]):
        array = array[:0]
    return _frozen(array, kind)


def _rates(series: CandleSeries, funding: Funding | None) -> Rates:
    """Each rate with the bar that was open at its time; those outside the series are left out."""
    if funding is None or not len(series):
        return Rates(_frozen(np.empty(0), np.int64), _frozen(np.empty(0), np.float64), _frozen(np.empty(0), np.bool_))
    if len(funding.ts) != len(funding.rate):
        raise BadSettings(f"funding: {len(funding.ts)} times but {len(funding.rate)} rates")
    if len(funding.ts) > 1 and int(np.diff(funding.ts).min()) < 0:
        raise BadSettings("funding: the rates are not in order of time")
    if not np.isfinite(funding.rate).all():
        raise BadSettings("funding: a rate that is not a number")
    inside = (funding.ts >= series.ts[0]) & (funding.ts < series.ts[-1] + series.step_ms)
    at = funding.ts[inside]
    bar = np.searchsorted(series.ts, at, side="right") - 1
    near = at - series.ts[bar] < min(AT_OPEN_MS, series.step_ms)
    return Rates(_frozen(bar, np.int64), _frozen(funding.rate[inside], np.float64), _frozen(near, np.bool_))


def _ladder(rules: Rules) -> Floats:
    """Nearest first; what goes beyond the whole position is cut from the farthest, as the live risk stage does."""
    left, rungs = 1.0, []
    for target in sorted(rules.targets, key=lambda one: one.reward_risk):
        ratio = min(target.ratio, left)
        if ratio > 0.0:
            rungs.append((target.reward_risk, ratio))
            left -= ratio
    return _frozen(np.array(rungs, dtype=np.float64).reshape(-1, 2), np.float64)


def _terms(series: CandleSeries, rules: Rules, costs: Costs, ladder: Floats) -> NDArray[np.void]:
    terms = np.zeros(1, TERMS)
    values = {
        "equity": rules.equity,
        "size": rules.size,
        "leverage": rules.leverage,
        "max_notional": rules.max_notional,
        "max_exposure_rate": rules.max_exposure_rate,
        "stop_rate": rules.stop_rate,
        "target_rate": rules.target_rate,
        "trailing_rate": 0.0 if math.isnan(rules.trailing_rate) else rules.trailing_rate,
        "maintenance_rate": rules.maintenance_rate,
        "step": rules.quantity_step,
        "min_notional": rules.min_notional,
        "min_reward_risk": rules.min_reward_risk,
        "fee": costs.taker_fee_rate,
        "target_fee": costs.taker_fee_rate if costs.market_targets else costs.maker_fee_rate,
        "slippage": costs.slippage_rate,
        "target_slippage": costs.slippage_rate if costs.market_targets else 0.0,
        "bars_per_year": YEAR_MS / series.step_ms,
        "sizing": SIZINGS.index(rules.sizing),
        "max_entries": rules.max_entries,
        "longs": rules.longs,
        "shorts": rules.shorts,
        "chart": rules.intrabar is Intrabar.CHART,
        "whole": abs(float(ladder[:, 1].sum()) - 1.0) < 1e-9,  # noqa: PLR2004 - the rounding of 0.3 + 0.3 + 0.4
    }
    for name, value in values.items():
        terms[name] = value
    return terms


# --- what makes no sense -----------------------------------------------------------------------------


def _check_bars(series: CandleSeries, bars: Bars) -> None:
    """A low above the close, say, would let a stop sleep. NaN fails every comparison."""
    for start in range(0, len(series), _BLOCK):
        opened, high, low, close = (column[start : start + _BLOCK] for column in bars)
        possible = (low > 0.0) & (high < math.inf)
        for price in (opened, close):
            possible &= (low <= price) & (price <= high)
        if possible.all():
            continue
        bar = start + int(np.argmin(possible))
        prices = ", ".join(f"{name} {column[bar]:g}" for name, column in zip(_COLUMNS, bars, strict=True))
        raise BadSettings(
            f"{series.source}: bar {bar} cannot be ({prices}): prices are positive numbers, and the open and the close"
            " lie between the low and the high"
        )


def _check_rules(rules: Rules) -> None:
    _between("equity", rules.equity, above=0.0)
    _between("size", rules.size, above=0.0)
    _between("leverage", rules.leverage, least=1.0)
    _between("max_notional", rules.max_notional, above=0.0, infinite=True)
    _between("max_exposure_rate", rules.max_exposure_rate, above=0.0, infinite=True)
    _between("max_entries", rules.max_entries, least=1.0)
    _between("maintenance_rate", rules.maintenance_rate, least=0.0, below=1.0)
    _between("quantity_step", rules.quantity_step, least=0.0)
    _between("min_notional", rules.min_notional, least=0.0)
    _between("min_reward_risk", rules.min_reward_risk, least=0.0)
    for name in ("stop_rate", "trailing_rate"):
        if not math.isnan(getattr(rules, name)):
            _between(name, getattr(rules, name), above=0.0, below=1.0)
    if not math.isnan(rules.target_rate):
        _between("target_rate", rules.target_rate, above=0.0)
    for target in rules.targets:
        _between("a target's reward_risk", target.reward_risk, above=0.0)
        _between("a target's ratio", target.ratio, above=0.0)
    if not (rules.longs or rules.shorts):
        raise BadSettings("neither longs nor shorts are allowed: there is nothing to test")


def _check_costs(costs: Costs) -> None:
    for one in fields(costs):
        if one.name.endswith("_rate"):
            # A maker can be paid for resting (a negative fee); nobody is paid for slippage.
            least = -0.01 if one.name == "maker_fee_rate" else 0.0
            _between(one.name, getattr(costs, one.name), least=least, below=0.5)


def _between(
    name: str,
    value: float,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    infinite: bool = False,
) -> None:
    asked = [
        *([f"above {above:g}"] if above is not None else []),
        *([f"at least {least:g}"] if least is not None else []),
        *([f"below {below:g}"] if below is not None else []),
    ]
    wrong = (
        math.isnan(value)
        or (math.isinf(value) and not infinite)
        or (above is not None and value <= above)
        or (least is not None and value < least)
        or (below is not None and value >= below)
    )
    if wrong:
        raise BadSettings(f"{name} is {value:g}: it has to be a number {' and '.join(asked)}")
