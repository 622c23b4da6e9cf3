"""A start is the polynomial through the neighbours that are known by then."""

import numpy as np

from mscale_uq.solve.neighbours import NEAREST, starts

PLACES = np.array([0.9, 0.5, -0.1, -0.4, -0.8, 0.3, 0.6])


def test_a_polynomial_of_as_many_neighbours_is_met():
    solutions = 1 - 2 * PLACES + PLACES ** (NEAREST - 1)
    assert np.allclose((starts(PLACES) @ solutions)[NEAREST:], solutions[NEAREST:], rtol=0, atol=1e-14)


def test_a_start_rests_on_the_nearest_of_those_before_it():
    weights = starts(PLACES)
    assert not np.triu(weights).any()
    assert np.array_equal(weights[1], np.eye(PLACES.size)[0])
    assert np.flatnonzero(weights[-1]).tolist() == [0, 1, 2, 3, 5]  # -0.8 is the farthest from 0.6
