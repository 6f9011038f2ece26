"""A landscape whose best point is known: what a search has to find."""

from collections.abc import Sequence

from app.optimize.evaluate import Scored
from app.optimize.space import Axis, Point, SearchSpace

SPACE = SearchSpace((Axis("length", 2, 60, 1, integer=True), Axis("factor", 1.0, 6.0, 0.1)), {"stop": 2.0})
TOP = {"length": 37, "factor": 3.3, "stop": 2.0}


class Hill:
    """One smooth top; points with length 10 have no value. Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Point] = []

    def __call__(self, points: Sequence[Point]) -> list[Scored]:
        self.asked += points
        return [self._scored(point) for point in points]

    def _scored(self, point: Point) -> Scored:
        if point["length"] == 10:
            return Scored(point, None, {"trades": 3.0}, "3 trades, at least 30 are needed")
        height = -(((point["length"] - TOP["length"]) / 20) ** 2) - (point["factor"] - TOP["factor"]) ** 2
        return Scored(point, height, {"trades": 100.0})
