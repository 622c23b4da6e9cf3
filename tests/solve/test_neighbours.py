"""A start is the polynomial through its neighbours, and belongs to one evaluation."""

import numpy as np

from mscale_uq.solve.neighbours import NEAREST, Family, start_of


def kept(family, place, solution):
    with family.member(place):
        start = start_of("chi")
        guess = start.guess()
        start.keep(np.asarray(solution))
    return guess


def test_a_polynomial_of_as_many_neighbours_is_met_and_the_first_has_none():
    def solution(x):
        return np.array([[1 - 2 * x + x**4, x**2], [0.0, 3 * x**3]])

    family = Family()
    guesses = [kept(family, x, solution(x)) for x in (0.9, 0.5, -0.1, -0.4, -0.8)]
    assert guesses[0] is None
    assert np.array_equal(guesses[1], solution(0.9))
    assert np.allclose(kept(family, 0.3, solution(0.3)), solution(0.3), rtol=0, atol=1e-14)
    assert len(family.solved["chi"]) == NEAREST + 1


def test_only_members_of_a_family_have_neighbours_and_every_name_its_own():
    assert start_of("chi") is None
    family = Family()
    kept(family, 0.0, [1.0])
    with family.member(0.5):
        assert start_of("other").guess() is None
        with Family().member(0.1):
            assert start_of("chi").guess() is None
        assert start_of("chi").guess() == [1.0]
    assert start_of("chi") is None
