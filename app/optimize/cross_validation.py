"""Combinatorial purged cross-validation: not one history out of sample but many, and how far they lie apart.

López de Prado, Advances in Financial Machine Learning (2018), chapter 12. History is cut into groups; every choice of
some groups is held out once, the best configuration is chosen on the rest, and what it did on the held-out groups is
joined into whole paths. Bars next to a held-out group are purged: a position may reach across the border.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from app.domain.errors import OperatorError
from app.history import Floats

Splits = list[tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidation:
    sharpes: Floats  # of each path, per year, ascending
    inside: float  # mean Sharpe ratio, per year, of the choice where it was chosen
    outside: float  # mean over the paths
    loss_share: float  # share of paths with a Sharpe ratio below zero
    splits: int
    groups: int
    held_out: int
    configurations: int
    purged: int  # bars left out on each side of a held-out group

    @property
    def paths(self) -> int:
        return len(self.sharpes)


def cross_validate(
    matrix: Floats, bars_per_year: float, *, groups: int = 10, held_out: int = 2, purge: int = 0, embargo: int = 0
) -> CrossValidation:
    """`matrix` holds returns per bar, shape (bars, configurations). `embargo` bars more are left out after a group.

    Raises OperatorError when there is not enough to cut.
    """
    bars, configurations = matrix.shape
    edges = np.linspace(0, bars, groups + 1).astype(np.int64)
    if configurations < 2 or not 0 < held_out < groups or bars // groups <= 2 * (purge + embargo) + 2:  # noqa: PLR2004
        raise OperatorError(
            f"cross-validation needs at least 2 configurations and groups longer than what is purged around them;"
            f" there are {configurations}, and {bars} bars in {groups} groups with {purge + embargo} purged a side"
        )
    splits: Splits = list(combinations(range(groups), held_out))
    sums = np.vstack([np.zeros(configurations), np.cumsum(matrix, axis=0)])
    squares = np.vstack([np.zeros(configurations), np.cumsum(np.square(matrix), axis=0)])
    chosen, inside = np.zeros(len(splits), dtype=np.int64), np.zeros(len(splits))
    for number, split in enumerate(splits):
        ratios = _train_ratios(sums, squares, _train(edges, split, purge, embargo))
        chosen[number] = int(ratios.argmax())
        inside[number] = ratios[chosen[number]]
    paths = _paths(matrix, edges, splits, chosen, math.comb(groups - 1, held_out - 1))
    yearly = math.sqrt(bars_per_year)
    found = np.sort(np.array([_ratio(path) for path in paths])) * yearly
    return CrossValidation(
        sharpes=found,
        inside=float(inside.mean()) * yearly,
        outside=float(found.mean()),
        loss_share=float((found < 0).mean()),
        splits=len(splits),
        groups=groups,
        held_out=held_out,
        configurations=configurations,
        purged=purge + embargo,
    )


def _train(edges: NDArray[np.int64], split: tuple[int, ...], purge: int, embargo: int) -> list[tuple[int, int]]:
    """The bars to choose on: the other groups, cut where they touch a held-out one."""
    parts = []
    for group in range(len(edges) - 1):
        if group in split:
            continue
        begin = int(edges[group]) + (purge + embargo if group - 1 in split else 0)
        end = int(edges[group + 1]) - (purge if group + 1 in split else 0)
        parts.append((begin, end))
    return parts


def _train_ratios(sums: Floats, squares: Floats, parts: list[tuple[int, int]]) -> Floats:
    """Sharpe ratio per bar of each configuration over these stretches; 0 for one that never moved."""
    count = sum(end - begin for begin, end in parts)
    total = np.sum([sums[end] - sums[begin] for begin, end in parts], axis=0)
    square = np.sum([squares[end] - squares[begin] for begin, end in parts], axis=0)
    mean = total / count
    variance = np.maximum(square / count - np.square(mean), 0.0)
    moves = variance > 1e-18  # noqa: PLR2004 - rounding noise of a flat line
    return np.asarray(np.divide(mean, np.sqrt(variance), out=np.zeros_like(mean), where=moves))


def _paths(
    matrix: Floats, edges: NDArray[np.int64], splits: Splits, chosen: NDArray[np.int64], count: int
) -> list[Floats]:
    """Path p joins, for every group, what the p-th split that holds it out chose and got there."""
    holding = [[number for number, split in enumerate(splits) if group in split] for group in range(len(edges) - 1)]
    return [
        np.concatenate(
            [matrix[edges[group] : edges[group + 1], chosen[numbers[path]]] for group, numbers in enumerate(holding)]
        )
        for path in range(count)
    ]


def _ratio(values: Floats) -> float:
    spread = float(values.std())
    return float(values.mean()) / spread if spread > 1e-9 else 0.0  # noqa: PLR2004 - rounding noise of a flat line
