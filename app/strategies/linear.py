"""Whole numbers of bars as sums of parameters, such as 4 * slow + 26: what lengths and warm-ups are.

They are kept as sums, not as numbers, so that a warm-up can be both computed and written into a script whose user
changes the inputs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.strategies.expressions import Expression


@dataclass(frozen=True, slots=True)
class Linear:
    """constant + sum of factor * parameter, in bars."""

    constant: int = 0
    terms: tuple[tuple[str, int], ...] = ()  # (parameter, factor), by name; no factor is 0

    def __add__(self, other: "Linear") -> "Linear":
        factors = dict(self.terms)
        for name, factor in other.terms:
            factors[name] = factors.get(name, 0) + factor
        return Linear(self.constant + other.constant, tuple(sorted((n, f) for n, f in factors.items() if f)))

    def times(self, factor: int) -> "Linear":
        return Linear(self.constant * factor, tuple((name, own * factor) for name, own in self.terms if factor))

    def value(self, parameters: Mapping[str, float]) -> int:
        return self.constant + sum(factor * int(parameters[name]) for name, factor in self.terms)

    def covers(self, other: "Linear") -> bool:
        """Never below `other`, given that no parameter that is a length is negative."""
        own, its = dict(self.terms), dict(other.terms)
        return self.constant >= other.constant and all(own.get(name, 0) >= its.get(name, 0) for name in {*own, *its})


Bars = frozenset[Linear]  # as many bars as the largest of these
NONE: Bars = frozenset({Linear()})


def longest(all_: Iterable[Bars]) -> Bars:
    """The larger of several, without those another one covers."""
    sums = {one for bars in all_ for one in bars}
    return frozenset(one for one in sums if not any(other != one and other.covers(one) for other in sums)) or NONE


def plus(bars: Bars, more: Linear) -> Bars:
    return frozenset(one + more for one in bars)


def linear(expression: Expression) -> Linear | None:
    """The expression as a sum, or None when it is not one with whole numbers."""
    if expression.op == "number":
        number = float(expression.data or 0)
        return Linear(int(number)) if number == int(number) else None
    if expression.op == "parameter":
        return Linear(0, ((str(expression.data), 1),))
    parts = [linear(part) for part in expression.args] if expression.op in ("+", "-", "*", "neg") else []
    known = [part for part in parts if part is not None]
    if not parts or len(known) != len(parts):
        return None
    if expression.op == "neg":
        return known[0].times(-1)
    left, right = known
    if expression.op == "*":
        return _product(left, right)
    return left + (right if expression.op == "+" else right.times(-1))


def _product(left: Linear, right: Linear) -> Linear | None:
    if not left.terms:
        return right.times(left.constant)
    return left.times(right.constant) if not right.terms else None
