"""What a strategy can be set to: each parameter with its range, step and unit, and the check of values against them."""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain.errors import BadSettings
from app.strategies.expressions import BadStrategy


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number that can be changed, from `low` to `high`. The step is for searching; any value between is taken."""

    name: str
    default: float  # an int when `integer`
    low: float
    high: float
    step: float
    unit: str
    about: str
    integer: bool

    def __post_init__(self) -> None:
        if not self.low <= self.default <= self.high or self.step <= 0:
            raise BadStrategy(
                f"parameter {self.name}: the default {self.default:g} has to lie between low {self.low:g} and"
                f" high {self.high:g}, and the step {self.step:g} above 0"
            )
        if self.integer and any(number % 1 for number in (self.default, self.low, self.high, self.step)):
            raise BadStrategy(f"parameter {self.name} is an int: default, low, high and step are whole numbers")

    def checked(self, value: object) -> float:
        """`value` as this parameter's own type. Raises BadSettings."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise BadSettings(f"{self.name} has to be a number, not {value!r}")
        if self.integer and value % 1:
            raise BadSettings(f"{self.name} has to be a whole number ({self.unit}), not {value!r}")
        if not self.low <= value <= self.high:
            raise BadSettings(f"{self.name} lies between {self.low:g} and {self.high:g} ({self.unit}), not {value:g}")
        return int(value) if self.integer else float(value)


def param(default: float, *, low: float, high: float, about: str, step: float = 1, unit: str = "") -> Any:
    """A field of a strategy; whether it is a whole number is said by its annotation, `int` or `float`."""
    return field(default=default, metadata={"low": low, "high": high, "step": step, "unit": unit, "about": about})


def check(parameters: Iterable[Parameter], given: Mapping[str, object] | None, strategy: str) -> dict[str, float]:
    """Every parameter's value: the given one, else its default. Raises BadSettings naming the one that is wrong."""
    known = {parameter.name: parameter for parameter in parameters}
    for name in given or {}:
        if name not in known:
            raise BadSettings(f"{strategy} has no parameter {name!r}{meant(name, known)}")
    values = {name: parameter.default for name, parameter in known.items()}
    return {**values, **{name: known[name].checked(value) for name, value in (given or {}).items()}}


def meant(name: str, known: Iterable[str]) -> str:
    """What a misspelt name was probably to be, or what there is, as the end of an error message."""
    names = list(known)
    close = difflib.get_close_matches(name.lower(), names, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; there are {', '.join(names)}" if names else "; it has none"
