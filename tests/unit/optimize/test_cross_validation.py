"""Cross-validation on returns whose truth is known."""

import numpy as np
import pytest

from app.domain.errors import OperatorError
from app.optimize.cross_validation import cross_validate

YEAR = 365.0
DICE = np.random.default_rng(11)
NOISE = DICE.normal(0.0, 0.01, (1500, 40))


def test_numbers_of_splits_and_paths_are_the_books():
    found = cross_validate(NOISE, YEAR, groups=6, held_out=2)
    assert (found.splits, found.paths) == (15, 5)  # chapter 12, figure 12.1
    assert np.all(np.diff(found.sharpes) >= 0)


def test_noise_looks_good_where_it_was_chosen_and_nowhere_else():
    """Over many markets of pure chance, for on a single one the luckiest configuration may stay so to the end."""
    dice = np.random.default_rng(5)
    found = [cross_validate(dice.normal(0.0, 0.01, (400, 20)), YEAR) for _ in range(60)]
    assert np.mean([one.inside for one in found]) > 1.5
    assert abs(np.mean([one.outside for one in found])) < 0.3
    assert 0.3 < np.mean([one.loss_share for one in found]) < 0.7


def test_a_configuration_that_is_really_better_is_found_and_keeps_its_promise():
    matrix = NOISE.copy()
    matrix[:, 7] += 0.003  # a Sharpe ratio of 0.3 a bar
    found = cross_validate(matrix, YEAR)
    truth = float(matrix[:, 7].mean() / matrix[:, 7].std()) * np.sqrt(YEAR)
    assert found.sharpes == pytest.approx(np.full(found.paths, truth), rel=1e-9)
    assert found.loss_share == 0.0


def test_one_split_by_hand():
    """Three groups of four bars, one held out: the best of the other two, judged on it."""
    left, right = np.array([0.02, 0.01] * 6), np.array([0.01, -0.01] * 6)
    right[:4] = [0.05, 0.04, 0.05, 0.04]
    matrix = np.column_stack([left, right])
    found = cross_validate(matrix, 1.0, groups=3, held_out=1)
    path = np.r_[left[:4], left[4:8], left[8:]]  # the left one is better on every pair of groups
    assert found.sharpes == pytest.approx([path.mean() / path.std()])


def test_what_touches_a_held_out_group_does_not_choose():
    """The wrong one shines only on the bars beside the groups, which are purged."""
    matrix = np.column_stack([np.tile([0.01, -0.008], 300), np.tile([0.008, -0.010], 300)])
    for edge in range(0, 601, 60):
        matrix[max(edge - 2, 0) : edge + 4, 1] = 0.03
    blind = cross_validate(matrix, YEAR, groups=10, held_out=9)
    purged = cross_validate(matrix, YEAR, groups=10, held_out=9, purge=2, embargo=2)
    shining = matrix[:, 1].mean() / matrix[:, 1].std() * np.sqrt(YEAR)
    assert blind.sharpes == pytest.approx(np.full(blind.paths, shining))
    truth = matrix[:, 0].mean() / matrix[:, 0].std() * np.sqrt(YEAR)
    assert purged.sharpes == pytest.approx(np.full(purged.paths, truth))


def test_flat_lines_are_worth_nothing_and_break_nothing():
    found = cross_validate(np.zeros((200, 3)), YEAR)
    assert (found.outside, found.inside, found.loss_share) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((100, 1), {}),
        ((20, 5), {}),
        ((1000, 5), {"held_out": 10}),
        ((1000, 5), {"held_out": 0}),
        ((1000, 5), {"purge": 60}),
    ],
)
def test_too_little_to_cut_says_so(shape, options):
    with pytest.raises(OperatorError, match="cross-validation needs"):
        cross_validate(np.zeros(shape), YEAR, **options)
