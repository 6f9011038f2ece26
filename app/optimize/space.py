"""The search space: which parameters move, between which limits, in which steps. One definition for every method.

A mistake in what a person typed raises OperatorError with the ranges that are allowed.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.domain.errors import OperatorError
from app.strategies.parameters import Parameter, meant

Point = Mapping[str, float]
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter that moves: low, low + step, … up to high. Whole numbers for integer parameters."""

    name: str
    low: float
    high: float
    step: float
    integer: bool = False

    @property
    def count(self) -> int:
        """How many values it takes; a tiny tolerance keeps 1.0 in 0.1 … 1.0 by 0.1."""
        return math.floor((self.high - self.low) / self.step + 1e-9) + 1

    def value(self, index: int) -> float:
        """The value at a position, 0 to count - 1, without the noise of repeated addition."""
        exact = self.low + index * self.step
        return round(exact) if self.integer else round(exact, 10)

    def values(self) -> list[float]:
        return [self.value(index) for index in range(self.count)]


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """Axes that move, and the parameters that stay where they are."""

    axes: tuple[Axis, ...]
    fixed: Mapping[str, float]

    @property
    def size(self) -> int:
        """Number of different points."""
        return math.prod(axis.count for axis in self.axes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    def point(self, indices: Sequence[int]) -> dict[str, float]:
        """The parameters at a position on every axis."""
        moving = {axis.name: axis.value(int(index)) for axis, index in zip(self.axes, indices, strict=True)}
        return {**self.fixed, **moving}

    def indices(self, point: Point) -> tuple[int, ...]:
        """The position of a point on every axis: the inverse of `point`."""
        return tuple(round((point[axis.name] - axis.low) / axis.step) for axis in self.axes)

    def grid(self) -> Iterator[dict[str, float]]:
        """Every point, the last axis moving fastest."""
        for indices in itertools.product(*(range(axis.count) for axis in self.axes)):
            yield self.point(indices)

    def spread(self) -> Iterator[dict[str, float]]:
        """Every point once, in an order of which every beginning lies evenly over the space.

        Steps of the golden section around the grid (Weyl, 1916): who stops early has not seen one corner of it only.
        """
        size, counts = self.size, [axis.count for axis in self.axes]
        stride = max(1, round(size * _GOLDEN))
        while math.gcd(stride, size) != 1:
            stride += 1
        for number in range(size):
            place, indices = number * stride % size, [0] * len(counts)
            for axis in range(len(counts) - 1, -1, -1):
                place, indices[axis] = divmod(place, counts[axis])
            yield self.point(indices)

    def key(self, point: Point) -> tuple[float, ...]:
        """What makes a point the same as another one."""
        return tuple(point[axis.name] for axis in self.axes)


def space_of(parameters: Sequence[Parameter], asked: Sequence[str] = (), fixed: Point | None = None) -> SearchSpace:
    """The space of a strategy: all of its parameters over their whole ranges, or only those that were asked for.

    `asked` holds "name", "name=low:high" or "name=low:high:step"; the parameters that are not named stay at `fixed` or
    at their defaults. Raises OperatorError.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name in fixed or {}:
        _known(name, known)
    wanted = dict(_parsed(text, known) for text in asked) if asked else {name: _axis(known[name]) for name in known}
    still = {name: known[name].default for name in known if name not in wanted}
    still |= {name: value for name, value in (fixed or {}).items() if name not in wanted}
    if not wanted:
        raise OperatorError("there is no parameter to search over")
    return SearchSpace(tuple(wanted[name] for name in known if name in wanted), still)


def _parsed(text: str, known: Mapping[str, Parameter]) -> tuple[str, Axis]:
    name, _, limits = text.partition("=")
    parameter = _known(name.strip(), known)
    if not limits:
        return parameter.name, _axis(parameter)
    try:
        numbers = [float(part) for part in limits.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or not all(map(math.isfinite, numbers)):
        raise OperatorError(f"{text!r} is not a range: write {name}=LOW:HIGH or {name}=LOW:HIGH:STEP")
    low, high, step = numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else None  # noqa: PLR2004
    return parameter.name, _axis(parameter, low, high, step)


def _axis(parameter: Parameter, low: float | None = None, high: float | None = None, step: float | None = None) -> Axis:
    begin, end = parameter.low if low is None else low, parameter.high if high is None else high
    chosen = parameter.step if step is None else step
    said = f"{parameter.name} lies between {parameter.low:g} and {parameter.high:g}"
    if not parameter.low <= begin <= end <= parameter.high:
        raise OperatorError(f"{said}, not {begin:g} to {end:g}")
    if chosen <= 0 or (parameter.integer and not all(float(part).is_integer() for part in (begin, end, chosen))):
        kind = "a whole number above zero" if parameter.integer else "above zero"
        raise OperatorError(f"{said}; its step is {kind}, not {chosen:g}")
    return Axis(parameter.name, begin, end, chosen, parameter.integer)


def _known(name: str, known: Mapping[str, Parameter]) -> Parameter:
    if name not in known:
        raise OperatorError(f"there is no parameter {name!r}{meant(name, known)}")
    return known[name]
