"""A map of the search: the best value found at each pair of two parameters, so that people see plateaus and spikes."""

from collections.abc import Sequence

import numpy as np

from app.history import Floats
from app.optimize.evaluate import Scored
from app.optimize.space import Axis, SearchSpace
from app.reports.report import Surface

_MOST = 25  # cells along one side; longer axes are joined into bins


def surface(space: SearchSpace, scored: Sequence[Scored], figure: str, chosen: Scored | None) -> Surface | None:
    """Over the two axes the values depend on most; None for a search along a single axis.

    Where a pair was tried with several values of the other parameters, the best counts. NaN = not tried, or no value.
    """
    valued = [one for one in scored if one.value is not None]
    if len([axis for axis in space.axes if axis.count > 1]) < 2 or not valued:  # noqa: PLR2004 - a map has two sides
        return None
    x, y = sorted(space.axes, key=lambda axis: -_weight(axis, valued))[:2]
    xs, ys = _cells(x), _cells(y)
    values = np.full((len(ys), len(xs)), np.nan)
    for one in valued:
        row, column = _cell(ys, one.point[y.name]), _cell(xs, one.point[x.name])
        values[row, column] = np.nanmax([values[row, column], one.value])
    at = (chosen.point[x.name], chosen.point[y.name]) if chosen is not None else None
    spot = (xs[_cell(xs, at[0])], ys[_cell(ys, at[1])]) if at is not None else None
    return Surface(figure, x.name, tuple(xs), y.name, tuple(ys), values, spot)


def _weight(axis: Axis, valued: Sequence[Scored]) -> float:
    """How much of the values' variance lies between the cells of an axis (the correlation ratio)."""
    cells = _cells(axis)
    groups: dict[int, list[float]] = {}
    for one in valued:
        groups.setdefault(_cell(cells, one.point[axis.name]), []).append(one.value or 0.0)
    means = np.array([np.mean(group) for group in groups.values()])
    sizes = np.array([len(group) for group in groups.values()])
    centre = float(np.average(means, weights=sizes))
    return float(np.average((means - centre) ** 2, weights=sizes)) if len(groups) > 1 else -1.0


def _cells(axis: Axis) -> Floats:
    count = min(axis.count, _MOST)
    if axis.count <= _MOST:
        return np.array(axis.values(), dtype=np.float64)
    steps = np.linspace(0, axis.count - 1, count).round().astype(int)
    return np.array([axis.value(step) for step in steps], dtype=np.float64)  # values there are, not fractions of them


def _cell(cells: Floats, value: float) -> int:
    return int(np.abs(cells - value).argmin())
