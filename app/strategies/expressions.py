"""The language strategies are written in: expressions over a market's bars, modelled on Pine.

An expression says what to compute and computes nothing. One graph of them is both evaluated on arrays (`evaluate`) and
written as Pine (`pine`), so the two cannot drift apart. Whatever neither side can express, such as deciding in Python
by a value that is not known yet, raises BadStrategy with what to write instead.

Meaning is Pine's. A number that is not there (`na`) makes arithmetic `na` and comparisons false; `na` is also said of
what is infinite. Two numbers at most 1e-10 apart compare as equal.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import add, eq, ge, gt, le, lt, mul, ne, sub, truediv
from typing import NoReturn, TypeAlias

from app.domain.errors import OperatorError
from app.strategies.signals import FLAGS, LEVELS

SERIES = ("open", "high", "low", "close", "volume")


class BadStrategy(OperatorError):  # noqa: N818 - reads as what it is
    """A strategy's file is wrong. The message says where and what to write instead."""


class Expression:
    """One node of the graph: what is done (`op`), to what (`args`), with what constant (`data`). Never changed."""

    __slots__ = ("args", "data", "label", "op")

    op: str
    args: "tuple[Expression, ...]"
    data: str | float | None  # name of a series, parameter or function; a number; which output of a function
    label: str  # what a person calls it: the name of its variable in Pine. "" = nobody named it

    def __init__(
        self, op: str, args: "tuple[Expression, ...]" = (), data: str | float | None = None, label: str = ""
    ) -> None:
        self.op = op
        self.args = args
        self.data = data
        self.label = label

    @property
    def varies(self) -> bool:
        """Differs from bar to bar by itself, whatever its arguments do."""
        return self.op in ("series", "call", "output", "[]", "latch")

    __hash__ = object.__hash__
    __iter__ = None  # `x[k]` looks back k bars; without this, Python would take it for an endless list

    def __bool__(self) -> NoReturn:
        raise BadStrategy(
            "its value is not known yet, so Python cannot decide by it: write where(condition, a, b) instead of if,"
            " & | ~ instead of and, or, not, and (a < b) & (b < c) instead of a < b < c"
        )

    def __contains__(self, item: object) -> NoReturn:
        raise BadStrategy("'in' cannot be used on expressions: compare with == and join with |")


class Number(Expression):
    """A number on every bar."""

    __slots__ = ()

    def named(self, name: str) -> "Number":
        """The same, called `name` in the exported script."""
        return Number(self.op, self.args, self.data, name)

    def __add__(self, other: "Numeric") -> "Number":
        return _computed("+", self, number(other))

    def __radd__(self, other: "Numeric") -> "Number":
        return _computed("+", number(other), self)

    def __sub__(self, other: "Numeric") -> "Number":
        return _computed("-", self, number(other))

    def __rsub__(self, other: "Numeric") -> "Number":
        return _computed("-", number(other), self)

    def __mul__(self, other: "Numeric") -> "Number":
        return _computed("*", self, number(other))

    def __rmul__(self, other: "Numeric") -> "Number":
        return _computed("*", number(other), self)

    def __truediv__(self, other: "Numeric") -> "Number":
        return _computed("/", self, number(other))

    def __rtruediv__(self, other: "Numeric") -> "Number":
        return _computed("/", number(other), self)

    def __neg__(self) -> "Number":
        return Number("number", data=-_value(self)) if self.op == "number" else Number("neg", (self,))

    def __abs__(self) -> "Number":
        return Number("abs", (self,))

    def __lt__(self, other: "Numeric") -> "Condition":
        return _compared("<", self, number(other))

    def __le__(self, other: "Numeric") -> "Condition":
        return _compared("<=", self, number(other))

    def __gt__(self, other: "Numeric") -> "Condition":
        return _compared(">", self, number(other))

    def __ge__(self, other: "Numeric") -> "Condition":
        return _compared(">=", self, number(other))

    # A comparison with == gives an expression here; hash and identity stay the object's own.
    __hash__ = Expression.__hash__

    def __eq__(self, other: object) -> "Condition":  # type: ignore[override]
        return _compared("==", self, number(other))

    def __ne__(self, other: object) -> "Condition":  # type: ignore[override]
        return _compared("!=", self, number(other))

    def __getitem__(self, bars: "Numeric") -> "Number":
        """The value `bars` bars ago; na where there was no such bar."""
        return Number("[]", (self, _bars(bars)))

    def __and__(self, other: object) -> NoReturn:
        raise BadStrategy("& and | join conditions: put each comparison in parentheses, (a > b) & (c > d)")

    __rand__ = __or__ = __ror__ = __and__

    def __floordiv__(self, other: object) -> NoReturn:
        raise BadStrategy("expressions know + - * / only")

    __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __floordiv__


class Condition(Expression):
    """True or false on every bar; never in between."""

    __slots__ = ()

    def named(self, name: str) -> "Condition":
        """The same, called `name` in the exported script."""
        return Condition(self.op, self.args, self.data, name)

    def __and__(self, other: "Conditional") -> "Condition":
        return _joined("and", self, condition(other))

    def __rand__(self, other: "Conditional") -> "Condition":
        return _joined("and", condition(other), self)

    def __or__(self, other: "Conditional") -> "Condition":
        return _joined("or", self, condition(other))

    def __ror__(self, other: "Conditional") -> "Condition":
        return _joined("or", condition(other), self)

    def __invert__(self) -> "Condition":
        return Condition("not", (self,))

    def __getitem__(self, bars: "Numeric") -> "Condition":
        """As it was `bars` bars ago; false where there was no such bar."""
        return Condition("[]", (self, _bars(bars)))

    __hash__ = Expression.__hash__

    def __eq__(self, other: object) -> NoReturn:
        raise BadStrategy("a condition is not compared: use it as it is, or with ~ for its opposite")

    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__

    def __add__(self, other: object) -> NoReturn:
        raise BadStrategy("a condition is not a number: write where(condition, 1, 0)")

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__


Numeric: TypeAlias = Number | float  # what a person may write where a number is wanted; int is a float to type checkers
Conditional: TypeAlias = Condition | bool


def number(value: object) -> Number:
    """`value` as an expression. Raises BadStrategy for what is no number."""
    if isinstance(value, Number):
        return value
    if isinstance(value, Condition):
        raise BadStrategy("a condition is not a number: write where(condition, 1, 0)")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadStrategy(f"{value!r} is not a number")
    return Number("number", data=float(value))


def condition(value: object) -> Condition:
    """`value` as an expression. Raises BadStrategy for what is neither true nor false."""
    if isinstance(value, Condition):
        return value
    if isinstance(value, bool):
        return Condition("number", data=float(value))
    raise BadStrategy("a condition is wanted here, such as close > open; a number does not say yes or no")


def parameter(name: str) -> Number:
    return Number("parameter", data=name)


# Numbers alone are computed at once, so that a graph and its script hold no arithmetic of constants.

_COMPUTE: dict[str, Callable[[float, float], float]] = {"+": add, "-": sub, "*": mul, "/": truediv}
_COMPARE: dict[str, Callable[[float, float], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge, "==": eq, "!=": ne}


def _computed(op: str, left: Number, right: Number) -> Number:
    if left.op == right.op == "number" and not (op == "/" and not _value(right)):
        return Number("number", data=_COMPUTE[op](_value(left), _value(right)))
    return Number(op, (left, right))


def _compared(op: str, left: Number, right: Number) -> Condition:
    if left.op == right.op == "number":
        return condition(_COMPARE[op](_value(left), _value(right)))
    return Condition(op, (left, right))


def _joined(op: str, left: Condition, right: Condition) -> Condition:
    for one, other in ((left, right), (right, left)):
        if one.op == "number":  # true and x is x, false and x is false; the other way round with or
            return other if (op == "and") == bool(one.data) else one
    return Condition(op, (left, right))


def _value(literal: Number) -> float:
    return float(literal.data or 0)


def _bars(value: object) -> Number:
    bars = number(value)
    if bars.op == "number" and (_value(bars) < 0 or _value(bars) % 1):
        raise BadStrategy(f"x[{bars.data:g}]: history is looked up by a whole number of bars, and never forward")
    return bars


# --- what a strategy writes with -----------------------------------------------------------------------

open_ = Number("series", data="open")
high = Number("series", data="high")
low = Number("series", data="low")
close = Number("series", data="close")
volume = Number("series", data="volume")
hl2 = Number("series", data="hl2")
hlc3 = Number("series", data="hlc3")
ohlc4 = Number("series", data="ohlc4")


def where(test: Conditional, then: Numeric, otherwise: Numeric) -> Number:
    """`then` on bars where the test holds, else `otherwise`: Pine's `test ? then : otherwise`."""
    return Number("?:", (condition(test), number(then), number(otherwise)))


def nz(value: Numeric, replacement: Numeric = 0.0) -> Number:
    """`value`, or the replacement where it is na."""
    return Number("nz", (number(value), number(replacement)))


def na(value: Numeric) -> Condition:
    """Whether `value` is not there."""
    return Condition("na", (number(value),))


def maximum(left: Numeric, right: Numeric) -> Number:
    return Number("max", (number(left), number(right)))


def minimum(left: Numeric, right: Numeric) -> Number:
    return Number("min", (number(left), number(right)))


def rounded(value: Numeric, digits: int) -> Number:
    """`value` to so many decimals."""
    return Number("round", (number(value), number(digits)))


def latch(
    enter_long: Conditional,
    enter_short: Conditional,
    exit_long: Conditional = False,  # noqa: FBT002 - a condition that never holds
    exit_short: Conditional = False,  # noqa: FBT002
) -> Number:
    """A stance that holds until it is changed: 1, -1 or 0, starting at 0. On one bar long goes first, then short."""
    return Number("latch", tuple(map(condition, (enter_long, enter_short, exit_long, exit_short))))


@dataclass(frozen=True, eq=False)
class SignalRules:
    """What a strategy says on each bar. A side that is never set is never traded; a level that is None is not set.

    Where both entries hold on one bar neither is taken, and an entry goes before an exit. Levels are read on the bar
    of the entry and hold until the position is closed.
    """

    enter_long: Conditional = False
    enter_short: Conditional = False
    exit_long: Conditional = False
    exit_short: Conditional = False
    long_stop: Number | None = None
    short_stop: Number | None = None
    long_target: Number | None = None
    short_target: Number | None = None
    plots: Mapping[str, Number] = field(default_factory=dict)  # on the price's own scale
    oscillators: Mapping[str, Number] = field(default_factory=dict)  # on a scale of their own, below the price

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            try:
                if name in FLAGS:
                    condition(value)
                elif name in LEVELS and value is not None:
                    number(value)
            except BadStrategy as error:
                raise BadStrategy(f"{name}: {error}") from None
