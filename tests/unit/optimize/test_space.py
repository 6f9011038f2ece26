"""What a person may ask to be searched, and how mistakes are answered."""

import numpy as np
import pytest

from app.domain.errors import OperatorError
from app.optimize.space import Axis, space_of
from app.strategies.parameters import Parameter

LENGTH = Parameter("length", 14, 2, 50, 1, "bars", "of the average", integer=True)
FACTOR = Parameter("factor", 3.0, 1.0, 6.0, 0.5, "ATRs", "distance", integer=False)
BOTH = (LENGTH, FACTOR)


def test_nothing_asked_for_is_everything_in_its_own_steps():
    space = space_of(BOTH)
    assert space.names == ("length", "factor")
    assert space.size == 49 * 11
    assert space.fixed == {}


def test_what_is_not_asked_for_stays_where_it_is():
    assert space_of(BOTH, ["factor"]).fixed == {"length": 14}
    assert space_of(BOTH, ["factor=1:2"], {"length": 20}).fixed == {"length": 20}


def test_a_range_with_and_without_a_step():
    assert space_of(BOTH, ["length=10:20:5"]).axes[0].values() == [10, 15, 20]
    assert space_of(BOTH, ["factor=1:2"]).axes[0].values() == [1.0, 1.5, 2.0]
    assert space_of(BOTH, ["factor=2:2"]).axes[0].values() == [2.0]


def test_values_are_exact_and_whole_numbers_are_whole():
    values = Axis("x", 0.1, 1.0, 0.1).values()
    assert values == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert all(isinstance(value, int) for value in space_of(BOTH, ["length"]).axes[0].values())


def test_the_grid_has_every_point_once():
    space = space_of(BOTH, ["length=10:12", "factor=1:2"])
    points = [space.key(point) for point in space.grid()]
    assert len(points) == len(set(points)) == space.size == 9
    assert points[:2] == [(10, 1.0), (10, 1.5)]


@pytest.mark.parametrize("asked", [["length", "factor"], ["length=10:11", "factor=1:1"], ["length=2:50:4"]])
def test_a_spread_has_every_point_once_and_begins_everywhere(asked):
    space = space_of(BOTH, asked)
    points = [space.key(point) for point in space.spread()]
    assert sorted(points) == sorted(space.key(point) for point in space.grid())
    for at, axis in enumerate(space.axes):
        beginning = [point[at] for point in points[: len(points) // 4]]
        middle = (axis.low + axis.value(axis.count - 1)) / 2
        assert len(points) < 20 or abs(np.mean(beginning) - middle) < 0.1 * (axis.high - axis.low)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("lenght", "did you mean length?"),
        ("colour=1:2", "there are length, factor"),
        ("length=5", "write length=LOW:HIGH"),
        ("length=a:b", "write length=LOW:HIGH"),
        ("length=1:2:3:4", "write length=LOW:HIGH"),
        ("length=5:nan", "write length=LOW:HIGH"),
        ("length=1:20", "length lies between 2 and 50, not 1 to 20"),
        ("length=20:10", "length lies between 2 and 50, not 20 to 10"),
        ("factor=1:2:0", "its step is above zero"),
        ("factor=1:2:-1", "its step is above zero"),
        ("length=2:10:0.5", "a whole number above zero"),
        ("length=2.5:10", "a whole number above zero"),
    ],
)
def test_mistakes_say_what_to_write(asked, said):
    with pytest.raises(OperatorError) as raised:
        space_of(BOTH, [asked])
    assert said in str(raised.value)


def test_nothing_to_search_over():
    with pytest.raises(OperatorError, match="no parameter to search over"):
        space_of(())
