"""How many bars an expression needs before what it says no longer depends on where the history began."""

from app.strategies.expressions import Expression
from app.strategies.linear import NONE, Bars, Linear, linear, longest, plus
from app.strategies.ta import FUNCTIONS

# A latch remembers its last event, however old. So many bars are given to it to see one; see the measurement in
# docs/concepts/indicators.md.
_EVENT = 100


def warm_up(expression: Expression, known: dict[int, Bars] | None = None) -> Bars:
    """As sums of parameters, the largest of which counts. `known` is what is remembered within one graph."""
    known = {} if known is None else known
    if id(expression) not in known:
        below = longest(warm_up(arg, known) for arg in expression.args)
        known[id(expression)] = plus(below, _own(expression)) if expression.args else NONE
    return known[id(expression)]


def _own(expression: Expression) -> Linear:
    """What the node adds to the history its arguments need."""
    if expression.op == "[]":
        return linear(expression.args[1]) or Linear()
    if expression.op == "latch":
        return Linear(_EVENT)
    if expression.op != "call":
        return Linear()
    function = FUNCTIONS[str(expression.data)]
    own = Linear(function.more)
    for place, times in zip(function.lengths, function.bars, strict=True):
        own += (linear(expression.args[place]) or Linear()).times(times)
    return own
