"""Expressions as Pine text: which get a variable of their own, what it is called, and where parentheses go."""

import re
from collections import Counter
from collections.abc import Sequence

from app.strategies.expressions import Expression
from app.strategies.program import Program, Step
from app.strategies.ta import FUNCTIONS

# What a name in a script must not be: Pine's own words and namespaces, and the names the rest of the script uses.
RESERVED = frozenset(
    """
    and array ask bar_index barstate bid bool box break by catch chart class close color const continue currency
    dayofmonth dayofweek do display ellipse else enum export extend false fill fixnan float font for format high hl2
    hlc3 hlcc4 hline hour if import in indicator input int is label last_bar_index last_bar_time library line linefill
    location log low map math matrix max_bars_back method minute month na not nz ohlc4 open or order plot plotshape
    polyline position range request return runtime scale second series session shape simple size source splits str
    strategy string struct switch syminfo ta table text throw ticker time timeframe timenow to true try type var varip
    volume weekofyear while xloc year yloc
    adjustment alertcondition backadjustment barcolor barmerge bgcolor dividends earnings footprint plotarrow plotbar
    plotcandle plotchar settlement_as_close time_close time_tradingday timestamp
    enter_long enter_short exit_long exit_short long_stop short_stop long_target short_target open_long open_short
    held_long_stop held_short_stop held_long_target held_short_target warm_up ready quantity alert_name secret
    alert_at_close price_text message close_long close_short now
    action target previous order_id fired stop limit price who when what levels
    """.split()  # noqa: SIM905 - a list of ninety quoted words would be no easier to read
)
_TERNARY, _OR, _AND, _EQUALITY, _RELATION, _SUM, _PRODUCT, _UNARY, _ATOM = range(1, 10)
_BINARY = {
    "or": _OR,
    "and": _AND,
    "==": _EQUALITY,
    "!=": _EQUALITY,
    "<": _RELATION,
    ">": _RELATION,
    "<=": _RELATION,
    ">=": _RELATION,
    "+": _SUM,
    "-": _SUM,
    "*": _PRODUCT,
    "/": _PRODUCT,
}
_SHORT = ("not", "neg", "[]")  # as short as the name of a variable would be
_FUNCTIONS = {"abs": "math.abs", "max": "math.max", "min": "math.min", "round": "math.round", "nz": "nz", "na": "na"}
_WORD = re.compile(r"[a-z][a-z0-9_]*")


def number_text(value: float) -> str:
    # Pine's int has 64 bits; what is larger is written as a float, as Python does it by itself.
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))


class Writer:
    """Turns a graph into lines that declare its variables (`lines`) and the texts that use them (`texts`, by root)."""

    def __init__(self, expressions: Sequence[Expression], parameters: Sequence[str]) -> None:
        self.program = Program(expressions)
        self.lines: list[str] = []
        self._taken = set(RESERVED)
        self.inputs = {name: self._name(name) for name in parameters}
        self._written: dict[int, tuple[str, int]] = {}  # step: (text, how tightly it binds)
        self._uses = Counter(arg for step in self.program.steps for arg in step.args)
        for index in range(len(self.program.steps)):
            self._written[index] = self._write(index)
        self.texts = [self._written[root][0] for root in self.program.roots]

    def _write(self, index: int) -> tuple[str, int]:
        step = self.program.steps[index]
        if step.op == "call":
            return self._call(index, step)
        if step.op == "latch":
            return self._latch(index, step)
        text, binds = self._inline(step)
        label = self.program.labels.get(index, "")
        leaf = step.op in ("series", "number", "parameter") or (step.op == "output" and not label)
        # A scalar stays where it is used: a variable of type float could not be a length or a number of bars back.
        shared = self._uses[index] > 1 and not step.scalar and step.op not in _SHORT
        shared = shared or self._looked_back(index)
        if leaf or not (label or shared):
            return text, binds
        if step.op == "output" and text in self._taken:
            return text, binds  # the call gave it its name already
        name = self._name(label or ("condition" if step.flag else "value"))
        self.lines.append(f"{'bool' if step.flag else 'float'} {name} = {text}")
        return name, _ATOM

    def _inline(self, step: Step) -> tuple[str, int]:
        if step.op == "series":
            return str(step.data), _ATOM
        if step.op == "number":
            if step.flag:
                return ("true" if step.data else "false"), _ATOM
            value = float(step.data or 0)
            return number_text(value), _ATOM if value >= 0 else _UNARY
        if step.op == "parameter":
            return self.inputs[str(step.data)], _ATOM
        if step.op == "output":
            return self._written[step.args[0]][0].split(", ")[int(step.data or 0)], _ATOM
        if step.op == "[]":
            return f"{self._within(step.args[0], _ATOM)}[{self._within(step.args[1], _TERNARY)}]", _ATOM
        return self._operation(step)

    def _operation(self, step: Step) -> tuple[str, int]:
        if step.op in _BINARY:
            binds = _BINARY[step.op]
            left, right = self._within(step.args[0], binds), self._within(step.args[1], binds + 1)
            return f"{left} {step.op} {right}", binds
        if step.op == "?:":
            test, then, otherwise = (self._within(arg, _TERNARY + 1) for arg in step.args)
            return f"{test} ? {then} : {otherwise}", _TERNARY
        if step.op in ("neg", "not"):
            sign = "-" if step.op == "neg" else "not "
            return sign + self._within(step.args[0], _UNARY + 1), _UNARY
        inside = ", ".join(self._within(arg, _TERNARY) for arg in step.args)
        return f"{_FUNCTIONS[step.op]}({inside})", _ATOM

    def _within(self, index: int, at_least: int) -> str:
        text, binds = self._written[index]
        return text if binds >= at_least else f"({text})"

    def _call(self, index: int, step: Step) -> tuple[str, int]:
        """A call on a line of its own. Its text is the names of its outputs, joined by commas."""
        function = FUNCTIONS[str(step.data)]
        inside = ", ".join(self._within(step.args[place], _TERNARY) for place in function.shown)
        call = f"{function.pine}({inside})" if inside else function.pine
        labels = {
            int(one.data or 0): self.program.labels.get(at, "")
            for at, one in enumerate(self.program.steps)
            if one.op == "output" and one.args == (index,)
        }
        if function.outputs:
            names = [self._name(labels.get(k) or f"{step.data}_{part}") for k, part in enumerate(function.outputs)]
            self.lines.append(f"[{', '.join(names)}] = {call}")
            return ", ".join(names), _ATOM
        name = self._name(labels.get(0) or str(step.data))
        flag = any(one.flag for one in self.program.steps if one.op == "output" and one.args == (index,))
        self.lines.append(f"{'bool' if flag else 'float'} {name} = {call}")
        return name, _ATOM

    def _latch(self, index: int, step: Step) -> tuple[str, int]:
        name = self._name(self.program.labels.get(index, "") or "stance")
        long, short, leave_long, leave_short = (self._within(arg, _EQUALITY) for arg in step.args)
        left = [f"{name} > 0 and {leave_long}"] if leave_long != "false" else []
        left += [f"{name} < 0 and {leave_short}"] if leave_short != "false" else []
        out = "".join(f"{one} ? 0 : " for one in left)
        self.lines.append(f"var float {name} = 0")
        self.lines.append(f"{name} := {long} ? 1 : {short} ? -1 : {out}{name}")
        return name, _ATOM

    def _looked_back(self, index: int) -> bool:
        """History is kept of variables: what is looked back at needs one."""
        return any(step.op == "[]" and step.args[0] == index for step in self.program.steps)

    def _name(self, wanted: str) -> str:
        base = wanted if _WORD.fullmatch(wanted) else re.sub(r"[^a-z0-9_]", "_", wanted.lower()).strip("_") or "value"
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name
