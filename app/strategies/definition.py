"""A strategy as everyone else sees it: its name and parameters, its signals on candles, and its Pine script.

`@strategy` makes one of a class that says its parameters and its rules. The rules are asked once, with symbols for the
parameters; what they return is the graph that everything here comes from. A class that cannot be used raises
BadStrategy when it is defined, with what to change.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, dataclass_transform, get_type_hints

import numpy as np

from app.history import CandleSeries
from app.strategies import pine
from app.strategies.expressions import (
    BadStrategy,
    Condition,
    Number,
    SignalRules,
    condition,
    number,
    parameter,
)
from app.strategies.linear import Bars, longest
from app.strategies.parameters import Parameter, check, param
from app.strategies.program import Program
from app.strategies.signals import FLAGS, LEVELS, Flags, Floats, Signals
from app.strategies.warm_up import warm_up

if TYPE_CHECKING:
    from app.strategies.evaluate import Cache, Value

# An entry goes before an exit, and two opposite entries cancel each other.
_GOES_BEFORE = {
    "enter_long": ("enter_short",),
    "enter_short": ("enter_long",),
    "exit_long": ("enter_long", "enter_short"),
    "exit_short": ("enter_long", "enter_short"),
}
_ASKED = {  # what the rules ask for is called in Pine; the names of FLAGS are for what comes of it
    "enter_long": "long_signal",
    "enter_short": "short_signal",
    "exit_long": "long_exit_signal",
    "exit_short": "short_exit_signal",
}


class HasRules(Protocol):
    """What `@strategy` is put on."""

    def rules(self) -> SignalRules: ...


S = TypeVar("S", bound=type[HasRules])


@dataclass(frozen=True, eq=False)
class StrategyDefinition:
    """One strategy. Safe to use from several threads."""

    name: str
    title: str
    about: str  # the class's docstring
    parameters: tuple[Parameter, ...]
    made: Callable[..., HasRules]  # the class

    @cached_property
    def rules(self) -> SignalRules:
        """What its rules say with symbols for the parameters. Raises BadStrategy when they cannot be used."""
        try:
            rules = self.made(**{one.name: parameter(one.name) for one in self.parameters}).rules()
        except (BadStrategy, TypeError) as error:
            raise BadStrategy(f"strategy {self.name}: {error}") from error
        if not isinstance(rules, SignalRules):
            raise BadStrategy(f"strategy {self.name}: rules() has to return SignalRules(…), not {type(rules).__name__}")
        if rules.enter_long is False and rules.enter_short is False:
            raise BadStrategy(f"strategy {self.name}: it never enters: give SignalRules an enter_long or enter_short")
        return rules

    def check(self, params: Mapping[str, object] | None = None) -> dict[str, float]:
        """Every parameter's value, the given ones over the defaults. Raises BadSettings."""
        return check(self.parameters, params, self.name)

    def warm_up(self, params: Mapping[str, object] | None = None) -> int:
        """Bars at the start of a history on which nothing is said."""
        values = self.check(params)
        return max(one.value(values) for one in self._bars)

    def signals(
        self, series: CandleSeries, params: Mapping[str, object] | None = None, cache: "Cache | None" = None
    ) -> Signals:
        """What the strategy says on each bar. With a cache, calls that share indicators compute them once.

        A series that is shorter than the warm-up, or whose values are not there, gives no signals. Raises BadSettings
        for parameters that do not fit.
        """
        values = self.check(params)
        found = dict(zip(self._parts, _evaluated(self._program, series, values, cache), strict=True))
        ready = max(one.value(values) for one in self._bars)
        flags = {name: _flags(found.get(name, 0.0), len(series), ready) for name in FLAGS}
        levels = {name: _floats(found.get(name, np.nan), len(series)) for name in LEVELS}
        arrays: dict[str, Any] = {**flags, **levels}
        return Signals(**arrays, warm_up=ready)

    def signals_to_score(self, series: CandleSeries, params: Mapping[str, object], cache: "Cache") -> Signals:
        """The same signals with levels on the bars of entries only: all that a backtest reads of them."""
        from app.strategies.evaluate import Evaluation  # noqa: PLC0415 - numba, as below

        values, parts = self.check(params), dict(zip(self._parts, self._program.roots, strict=True))
        ready = max(one.value(values) for one in self._bars)
        run = Evaluation(self._program, series, values, cache)
        with np.errstate(all="ignore"):
            flags = {
                name: _flags(run.value(parts[name]) if name in parts else 0.0, len(series), ready) for name in FLAGS
            }
            bars = np.flatnonzero(flags["enter_long"] | flags["enter_short"])
            levels = {
                name: _floats(run.at(parts[name], bars) if name in parts else np.nan, len(bars)) for name in LEVELS
            }
        arrays: dict[str, Any] = {**flags, **levels}
        return Signals(**arrays, warm_up=ready, level_bars=bars)

    def plots(
        self, series: CandleSeries, params: Mapping[str, object] | None = None, cache: "Cache | None" = None
    ) -> dict[str, Floats]:
        """Lines to draw over the price, (n,) each, by title; NaN where there is no value yet."""
        return self._drawn(self.rules.plots, series, params, cache)

    def oscillators(
        self, series: CandleSeries, params: Mapping[str, object] | None = None, cache: "Cache | None" = None
    ) -> dict[str, Floats]:
        """Lines with a scale of their own, to draw below the price."""
        return self._drawn(self.rules.oscillators, series, params, cache)

    def pine(self, params: Mapping[str, object] | None = None) -> str:
        """A Pine v6 strategy that says the same, with these values as the inputs' defaults."""
        return pine.render(
            pine.Script(
                name=self.name,
                title=self.title,
                about=self.about,
                parameters=self.parameters,
                values=self.check(params),
                parts=self._parts,
                warm_up=self._bars,
                plots=self.rules.plots,
                oscillators=self.rules.oscillators,
            )
        )

    @cached_property
    def _parts(self) -> dict[str, Condition | Number]:
        """The flags and levels that exist, by name."""
        levels = {name: getattr(self.rules, name) for name in LEVELS}
        return {**agreed(self.rules), **{name: number(one) for name, one in levels.items() if one is not None}}

    @cached_property
    def _bars(self) -> Bars:
        return longest(warm_up(part) for part in self._parts.values())

    @cached_property
    def _program(self) -> Program:
        return Program(list(self._parts.values()))

    def _drawn(
        self,
        lines: Mapping[str, Number],
        series: CandleSeries,
        params: Mapping[str, object] | None,
        cache: "Cache | None",
    ) -> dict[str, Floats]:
        found = _evaluated(Program(list(lines.values())), series, self.check(params), cache)
        return {title: _floats(value, len(series)) for title, value in zip(lines, found, strict=True)}


def _evaluated(
    program: Program, series: CandleSeries, values: Mapping[str, float], cache: "Cache | None"
) -> "list[Value]":
    from app.strategies.evaluate import Cache, evaluate  # noqa: PLC0415 - numba: a second that listing need not pay

    return evaluate(program, series, values, cache or Cache())


def _flags(value: "Value", bars: int, ready: int) -> Flags:
    flags = value.copy() if isinstance(value, np.ndarray) else np.full(bars, bool(value))
    flags[:ready] = False
    flags.setflags(write=False)
    return flags


def _floats(value: "Value", bars: int) -> Floats:
    return value if isinstance(value, np.ndarray) else np.broadcast_to(np.float64(value), bars)


def agreed(rules: SignalRules, prefix: str = "") -> dict[str, Condition]:
    """The flags that exist, made so that no two of them ask for opposite things on one bar.

    What the rules ask for by themselves is called by names beginning with `prefix` in the script.
    """
    asked = {name: condition(getattr(rules, name)) for name in FLAGS if getattr(rules, name) is not False}
    asked = {name: flag if flag.label else flag.named(prefix + _ASKED[name]) for name, flag in asked.items()}
    flags = {}
    for name, flag in asked.items():
        for other in _GOES_BEFORE[name]:
            if other in asked:
                flag = flag & ~asked[other]  # noqa: PLW2901 - built up
        flags[name] = flag
    return flags


def rules_by_default(cls: type[HasRules]) -> SignalRules:
    """What a `@strategy` class says with its default parameters, for use inside another strategy's rules."""
    one: StrategyDefinition = cls.definition  # type: ignore[attr-defined] # which @strategy has put there
    return cls(**{each.name: number(each.default) for each in one.parameters}).rules()


@dataclass_transform(frozen_default=True, field_specifiers=(param,))
def strategy(name: str, *, title: str) -> Callable[[S], S]:
    """Make a strategy of a class: its annotated fields are the parameters, its `rules()` the signals.

    The class becomes a frozen dataclass. `name` is what commands call it, `title` what people read.
    """

    def wrap(cls: S) -> S:
        made: Any = dataclass(frozen=True)(cls)
        made.definition = _defined(made, name, title)
        return made  # type: ignore[no-any-return]

    return wrap


def _defined(cls: Any, name: str, title: str) -> StrategyDefinition:
    if not name.isidentifier() or name != name.lower():
        raise BadStrategy(f"strategy name {name!r}: use lower-case letters, digits and _, e.g. my_breakout")
    about = (cls.__doc__ or "").strip()
    if not about or about.startswith(f"{cls.__name__}("):  # what dataclass writes where nobody did
        raise BadStrategy(f"strategy {name}: say in its docstring what it does and when it loses")
    hints = get_type_hints(cls)
    parameters = tuple(_parameter(one, hints[one.name], name) for one in fields(cls))
    return StrategyDefinition(name, title, about, parameters, cls)


def _parameter(one: Any, hint: object, strategy_name: str) -> Parameter:
    if hint not in (int, float) or "low" not in one.metadata:
        raise BadStrategy(f"strategy {strategy_name}: {one.name} has to be an int or a float, made by param(…)")
    return Parameter(one.name, one.default, integer=hint is int, **one.metadata)
