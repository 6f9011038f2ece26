"""A graph of expressions in the order of computation, equal parts once: what is evaluated, and what becomes Pine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.strategies.expressions import Condition, Expression


@dataclass(frozen=True, slots=True)
class Step:
    op: str
    data: str | float | None
    args: tuple[int, ...]  # earlier steps
    scalar: bool  # the same on every bar: made of numbers and parameters only
    flag: bool  # a condition


class Program:
    """`roots` are the steps of the expressions it was made of, in their order."""

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self.steps: list[Step] = []
        self.labels: dict[int, str] = {}  # what people call a step
        self._known: dict[tuple[Any, ...], int] = {}
        self._seen: dict[int, int] = {}
        self._expressions = tuple(expressions)  # kept, so that the ids in `_seen` stay theirs
        self.roots = tuple(self._add(expression) for expression in expressions)

    def _add(self, expression: Expression) -> int:
        if id(expression) in self._seen:
            return self._seen[id(expression)]
        args = tuple(self._add(arg) for arg in expression.args)
        flag = isinstance(expression, Condition)
        shape = (expression.op, expression.data, args, flag)
        if shape not in self._known:
            self._known[shape] = len(self.steps)
            scalar = not expression.varies and all(self.steps[arg].scalar for arg in args)
            self.steps.append(Step(expression.op, expression.data, args, scalar, flag))
        index = self._seen[id(expression)] = self._known[shape]
        if expression.label:
            self.labels.setdefault(index, expression.label)
        return index
