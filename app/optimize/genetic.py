"""A genetic search over the grid of a search space: fast enough to evaluate thousands of points in a second.

Individuals are positions on the axes, whole numbers, so every child is a valid point. Tournament selection, uniform
crossover, and mutation that steps to a near value or jumps anywhere; the best are kept (Goldberg, Genetic Algorithms,
1989; Deb, 2000, for tournaments that rank what has no value behind everything that has one). Deterministic by seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.optimize.evaluate import Evaluate, Scored
from app.optimize.space import SearchSpace

Genes = NDArray[np.int64]  # (individuals, axes)


@dataclass(frozen=True, slots=True)
class GeneticConfig:
    population: int = 50
    generations: int = 50
    elite: int = 2  # survive unchanged
    mutation_rate: float = 0.15  # chance per gene
    jump_rate: float = 0.3  # of mutations: anywhere on the axis instead of near by
    near: float = 0.1  # how far a near mutation goes, as a share of the axis


class GeneticSearch:
    """Generation by generation, so that progress can be shown and the search stopped between two."""

    def __init__(
        self, space: SearchSpace, evaluate: Evaluate, config: GeneticConfig, seed: int, known: Sequence[Scored] = ()
    ) -> None:
        self._space, self._evaluate, self._config = space, evaluate, config
        self._counts = np.array([axis.count for axis in space.axes])
        self._dice = np.random.default_rng(seed)
        self._seen = {space.indices(one.point): one for one in known}
        self._population = self._first(known)

    def step(self, most: int | None = None) -> list[Scored]:
        """Evaluate one generation and breed the next. Returns what was evaluated for the first time, `most` of it."""
        new = self._evaluate_new(most)
        values = np.array([self._value(row) for row in self._population])
        self._population = self._breed(values)
        return new

    def _first(self, known: Sequence[Scored]) -> Genes:
        """Random individuals, after the best of an earlier search where there was one."""
        size, axes = self._config.population, len(self._counts)
        genes = self._dice.integers(0, self._counts, size=(size, axes))
        ranked = sorted((one for one in known if one.value is not None), key=lambda one: -(one.value or 0.0))
        for row, one in enumerate(ranked[: size // 2]):
            genes[row] = self._space.indices(one.point)
        return np.clip(genes, 0, self._counts - 1)

    def _evaluate_new(self, most: int | None) -> list[Scored]:
        rows = dict.fromkeys(tuple(map(int, row)) for row in self._population)
        fresh = [row for row in rows if row not in self._seen][:most]
        scored = list(self._evaluate([self._space.point(row) for row in fresh])) if fresh else []
        self._seen.update(zip(fresh, scored, strict=True))
        return scored

    def _value(self, row: Genes) -> float:
        found = self._seen.get(tuple(map(int, row)))
        return -np.inf if found is None or found.value is None else found.value

    def _breed(self, values: NDArray[np.float64]) -> Genes:
        config, dice, genes = self._config, self._dice, self._population
        best = genes[np.argsort(-values, kind="stable")[: config.elite]]
        children = len(genes) - len(best)
        mother, father = self._winners(values, children), self._winners(values, children)
        mix = dice.random((children, genes.shape[1])) < 0.5  # noqa: PLR2004 - either parent, by a coin
        born = np.where(mix, genes[mother], genes[father])
        return np.vstack([best, self._mutated(born)])

    def _winners(self, values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
        one, other = self._dice.integers(0, len(values), size=(2, count))
        return np.asarray(np.where(values[one] >= values[other], one, other))

    def _mutated(self, genes: Genes) -> Genes:
        config, dice, counts = self._config, self._dice, self._counts
        reach = np.maximum(1, np.round(counts * config.near)).astype(np.int64)
        near = genes + dice.integers(-reach, reach + 1, size=genes.shape)
        jump = dice.integers(0, counts, size=genes.shape)
        changed = np.where(dice.random(genes.shape) < config.jump_rate, jump, near)
        mutated = np.where(dice.random(genes.shape) < config.mutation_rate, changed, genes)
        return np.asarray(np.clip(mutated, 0, counts - 1))
