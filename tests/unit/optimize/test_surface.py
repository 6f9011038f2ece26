"""The map of a search shows the hill that was searched."""

import numpy as np

from app.optimize.space import Axis, SearchSpace
from app.optimize.surface import surface
from tests.unit.optimize.hills import Hill

LENGTH, FACTOR = Axis("length", 30, 40, 2, integer=True), Axis("factor", 3.0, 3.5, 0.1)
USELESS = Axis("useless", 0, 5, 1, integer=True)


def tried(space):
    return Hill()(list(space.grid()))


def test_every_cell_holds_the_value_that_was_found_there():
    space = SearchSpace((LENGTH, FACTOR), {"stop": 2.0})
    scored = tried(space)
    best = max(scored, key=lambda one: one.value)
    drawn = surface(space, scored, "height", best)
    assert {drawn.x_name, drawn.y_name} == {"length", "factor"}
    assert drawn.values.shape == (len(drawn.y), len(drawn.x))
    row, column = np.unravel_index(np.nanargmax(drawn.values), drawn.values.shape)
    assert (drawn.x[column], drawn.y[row]) == drawn.chosen
    assert drawn.chosen == (best.point[drawn.x_name], best.point[drawn.y_name])
    assert np.isfinite(drawn.values).all()


def test_the_parameters_that_matter_are_drawn_and_the_best_of_the_others_counts():
    space = SearchSpace((USELESS, LENGTH, FACTOR), {"stop": 2.0})
    scored = tried(space)
    drawn = surface(space, scored, "height", None)
    assert {drawn.x_name, drawn.y_name} == {"length", "factor"}
    assert np.nanmax(drawn.values) == max(one.value for one in scored)


def test_what_was_not_tried_or_has_no_value_is_empty():
    space = SearchSpace((Axis("length", 9, 11, 1, integer=True), FACTOR), {"stop": 2.0})
    drawn = surface(space, tried(space)[:-1], "height", None)
    by_length = drawn.values if drawn.x_name == "length" else drawn.values.T
    assert np.isnan(by_length[:, 1]).all()
    assert np.isnan(by_length[-1, -1])
    assert np.isfinite(by_length).sum() == 2 * 6 - 1


def test_long_axes_are_joined():
    space = SearchSpace((Axis("length", 11, 210, 1, integer=True), FACTOR), {"stop": 2.0})
    drawn = surface(space, tried(space), "height", None)
    assert max(drawn.values.shape) == 25
    assert np.isfinite(drawn.values).all()


def test_one_axis_makes_no_map():
    space = SearchSpace((LENGTH,), {"factor": 3.0, "stop": 2.0})
    assert surface(space, tried(space), "height", None) is None
