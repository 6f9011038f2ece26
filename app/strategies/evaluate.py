"""Expressions evaluated on a market's bars: a graph becomes a program once, and runs for many parameter sets.

Every value is remembered under what it is computed from, with parameters replaced by their values, so a sweep computes
each indicator once however many sets, strategies or threads ask for it. What is handed out is read-only and shared.
Division by zero and absent values are part of the language (see `expressions`); nothing here raises on any candles.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.history import CandleSeries, Floats
from app.strategies import kernels
from app.strategies.program import Program, Step
from app.strategies.ta import FUNCTIONS

Flags = NDArray[np.bool_]
Scalar: TypeAlias = float  # of a condition: 1.0 or 0.0
Value: TypeAlias = Scalar | NDArray[Any]  # the same on every bar, or (n,) float64 or bool
Stored: TypeAlias = NDArray[Any] | tuple[NDArray[Any], ...]

_TOLERANCE = 1e-10  # numbers that close compare as equal, as TradingView measures
_SERIES_KEPT = 64
_SHAPES_KEPT = 1_000_000


class Cache:
    """Computed arrays by what they were computed from. Safe to share between threads; holds at most `max_bytes`.

    What was not used for longest goes first. A series is known by identity and kept alive while its arrays may be here.
    """

    def __init__(self, max_bytes: int = 256 * 1024 * 1024) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._lock = threading.Lock()
        self._stored: OrderedDict[int, Stored] = OrderedDict()
        self._names: dict[tuple[Any, ...], int] = {}
        self._next = 0
        self._series: OrderedDict[int, tuple[CandleSeries, int]] = OrderedDict()

    def name(self, shape: tuple[Any, ...]) -> int:
        """A number for what is computed like this, the same whenever it is asked for."""
        with self._lock:
            if len(self._names) > _SHAPES_KEPT:
                self._names.clear()  # numbers are never used again, so what was stored under them just ages out
            found = self._names.get(shape)
            if found is None:
                found = self._names[shape] = self._next = self._next + 1
            return found

    def get(self, name: int) -> Stored | None:
        with self._lock:
            found = self._stored.get(name)
            if found is not None:
                self._stored.move_to_end(name)
            return found

    def put(self, name: int, value: Stored) -> None:
        with self._lock:
            if name in self._stored:
                return
            self._stored[name] = value
            self.bytes += _size(value)
            while self.bytes > self.max_bytes and len(self._stored) > 1:
                self.bytes -= _size(self._stored.popitem(last=False)[1])

    def market(self, series: CandleSeries) -> int:
        """A number for a series."""
        with self._lock:
            known = self._series.get(id(series))
            if known is None:
                self._next += 1
                known = self._series[id(series)] = (series, -self._next)
                if len(self._series) > _SERIES_KEPT:
                    self._series.popitem(last=False)
            self._series.move_to_end(id(series))
            return known[1]


def scalars_of(program: Program, parameters: Mapping[str, float]) -> list[Scalar | None]:
    """The value of each step that is the same on every bar; None for the others."""
    values: list[Scalar | None] = []
    for step in program.steps:
        if not step.scalar:
            values.append(None)
        elif step.op == "number":
            values.append(float(step.data or 0))
        elif step.op == "parameter":
            values.append(float(parameters[str(step.data)]))
        else:
            args = [np.float64(values[arg] or 0.0) for arg in step.args]
            values.append(float(ARITHMETIC[step.op](*args)))
    return values


def evaluate(program: Program, series: CandleSeries, parameters: Mapping[str, float], cache: Cache) -> list[Value]:
    """The value of each root: a float where it is the same on every bar, else a read-only array (n,)."""
    run = Evaluation(program, series, parameters, cache)
    with np.errstate(all="ignore"):
        return [run.value(root) for root in program.roots]


class Evaluation:
    """A program on one series with one set of parameters. Its steps are computed when they are asked for, and once."""

    def __init__(self, program: Program, series: CandleSeries, parameters: Mapping[str, float], cache: Cache) -> None:
        self.program = program
        self.series = series
        self.cache = cache
        with np.errstate(all="ignore"):
            self.scalars = scalars_of(program, parameters)
        self.market = cache.market(series)
        self.names: dict[int, int] = {}
        self.known: dict[int, Stored] = {}

    def at(self, index: int, bars: NDArray[np.int64]) -> Value:
        """The value of a step on these bars only, (k,): arithmetic on top of indicators is done for nothing else."""
        scalar = self.scalars[index]
        if scalar is not None:
            return scalar
        step = self.program.steps[index]
        if step.op in ARITHMETIC and index not in self.known:
            return np.asarray(ARITHMETIC[step.op](*[self.at(arg, bars) for arg in step.args]))
        whole = self.stored(index)
        assert not isinstance(whole, tuple)  # noqa: S101 - a call is read through its outputs only
        return whole[bars]

    def value(self, index: int) -> Value:
        scalar = self.scalars[index]
        if scalar is not None:
            return scalar
        stored = self.stored(index)
        assert not isinstance(stored, tuple)  # noqa: S101 - a call is read through its outputs only
        return stored

    def stored(self, index: int) -> Stored:
        found = self.known.get(index)
        if found is not None:
            return found
        step = self.program.steps[index]
        # Indicators only: what is made of them is cheaper to compute again than to keep.
        kept = step.op == "call" and not step.flag
        found = self.cache.get(self._name(index)) if kept else None
        if found is None:
            found = _shared(self._compute(step))
            if kept:
                self.cache.put(self._name(index), found)
        self.known[index] = found
        return found

    def _name(self, index: int) -> int:
        """What the cache calls the step's value: after what it is computed from, parameters by their values."""
        known = self.names.get(index)
        if known is None:
            step, scalar = self.program.steps[index], self.scalars[index]
            if scalar is not None:
                shape: tuple[Any, ...] = (scalar,)
            elif step.op == "series":
                shape = (self.market, step.data)
            else:
                shape = (step.op, step.data, *[self._name(arg) for arg in step.args])
            known = self.names[index] = self.cache.name(shape)
        return known

    def _compute(self, step: Step) -> Stored:
        if step.op == "series":
            return _column(self.series, str(step.data))
        if step.op == "call":
            return self._call(str(step.data), step.args)
        if step.op == "output":
            outputs = self.stored(step.args[0])
            return outputs[int(step.data or 0)] if isinstance(outputs, tuple) else outputs
        if step.op == "latch":
            return kernels.latch(*[self._array(arg, np.bool_) for arg in step.args])
        if step.op == "[]":
            dtype = np.bool_ if step.flag else np.float64
            return _ago(self._array(step.args[0], dtype), self._whole(step.args[1]))
        values = [self.value(arg) for arg in step.args]
        if step.op in ("and", "or"):
            return self._joined(step.op, values[0], values[1])
        return np.asarray(ARITHMETIC[step.op](*values))

    def _joined(self, op: str, left: Value, right: Value) -> NDArray[Any]:
        """Of two conditions, one may be the same on every bar and decide, or not matter at all."""
        for one, other in ((left, right), (right, left)):
            if not isinstance(one, np.ndarray):
                decides = bool(one) == (op == "or")
                return np.full(len(self.series), bool(one)) if decides else np.asarray(other)
        return np.asarray(ARITHMETIC[op](left, right))

    def _call(self, name: str, args: tuple[int, ...]) -> Stored:
        function = FUNCTIONS[name]
        given: list[Any] = []
        for place, arg in enumerate(args):
            if place in function.lengths:
                given.append(self._whole(arg))
            elif place in function.numbers:
                given.append(float(self.scalars[arg] or 0.0))
            else:
                given.append(self._array(arg, np.bool_ if self.program.steps[arg].flag else np.float64))
        return KERNELS[name](*given)  # type: ignore[no-any-return]

    def _whole(self, index: int) -> int:
        return int(self.scalars[index] or 0)

    def _array(self, index: int, dtype: type) -> NDArray[Any]:
        value = self.value(index)
        return value if isinstance(value, np.ndarray) else _shared_array(np.full(len(self.series), value, dtype))


def _size(value: Stored) -> int:
    return sum(array.nbytes for array in value) if isinstance(value, tuple) else value.nbytes


def _shared(value: Stored) -> Stored:
    return tuple(_shared_array(array) for array in value) if isinstance(value, tuple) else _shared_array(value)


def _shared_array(array: NDArray[Any]) -> NDArray[Any]:
    """Contiguous and read-only: safe to share, and one type for every kernel."""
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array


def _column(series: CandleSeries, name: str) -> Floats:
    match name:
        case "hl2":
            return (series.high + series.low) / 2
        case "hlc3":
            return (series.high + series.low + series.close) / 3
        case "ohlc4":
            return (series.open + series.high + series.low + series.close) / 4
        case _:
            column: Floats = getattr(series, name)
            return column


def _ago(array: NDArray[Any], bars: int) -> NDArray[Any]:
    out = np.full(len(array), np.nan) if array.dtype == np.float64 else np.zeros(len(array), np.bool_)
    bars = max(bars, 0)  # never into the future, whatever the parameters say
    out[bars:] = array[: max(len(array) - bars, 0)]
    return out


def _equal(left: Any, right: Any) -> Any:
    return (np.abs(left - right) <= _TOLERANCE) | (left == right)


ARITHMETIC: dict[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "neg": np.negative,
    "abs": np.abs,
    "max": np.maximum,
    "min": np.minimum,
    "round": lambda value, digits: np.round(value, int(digits)),
    "nz": lambda value, other: np.where(np.isfinite(value), value, other),
    "na": lambda value: ~np.isfinite(value),
    ">": lambda left, right: (left - right) > _TOLERANCE,
    "<": lambda left, right: (left - right) < -_TOLERANCE,
    # Two equal infinities have no difference, so the comparison itself comes along.
    ">=": lambda left, right: ((left - right) >= -_TOLERANCE) | (left >= right),
    "<=": lambda left, right: ((left - right) <= _TOLERANCE) | (left <= right),
    "==": _equal,
    # Not the opposite of ==: with na both are false.
    "!=": lambda left, right: np.abs(left - right) > _TOLERANCE,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "?:": np.where,
}

KERNELS: dict[str, Callable[..., Any]] = {name: getattr(kernels, name) for name in FUNCTIONS}
