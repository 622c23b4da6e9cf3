"""Branches with known folds: a cubic, an ellipse, and Bratu's problem, whose fold has a closed form."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import brentq

from mscale_uq.core.continuation import Curve, Stride
from mscale_uq.core.newton import NewtonSettings, find_root
from mscale_uq.core.on_branch import arrive, crossings, first_fold
from mscale_uq.solve.symmetric import symmetric_body

FOLD = 2 / (3 * np.sqrt(3))  # of x^3 - x + mu = 0, at x = 1/sqrt(3)


def cubic(u, s):
    """dx/dt = x - x^3 - mu."""
    x = u[0]
    return np.array([x - x**3 - s]), np.array([[1 - 3 * x**2]]), np.array([-1.0])


def cubic_from(mu, reach):
    start = [x.real for x in np.roots([-1, 0, 1, -mu]) if abs(x.imag) < 1e-12]
    return Curve(cubic, np.array([max(start, key=abs)]), mu, reach)


def bratu(nodes):
    """u'' + s exp(u) = 0 on (0, 1), u = 0 at the ends: half of it, from the middle, as a body of size 1/2."""
    body, free = symmetric_body("slab", nodes), slice(0, nodes - 1)
    K, w = 4 * body.stiffness[free, free], body.weights[free]

    def family(u, s):
        made = np.exp(u)
        return s * made - K @ u / w, np.diag(s * made) - K / w[:, None], made

    return Curve(family, np.zeros(nodes - 1), 0.0, 1.0), body


def height(u0):
    """The middle of Bratu's solution: u0 = 2 ln cosh(c), lambda = 8 (c/cosh c)^2."""
    c = np.arccosh(np.exp(u0 / 2))
    return 8 * (c / np.cosh(c)) ** 2


def test_a_cubic_turns_where_it_must():
    folds = [point for point, turns in cubic_from(-1.0, 1.0).points() if turns]
    assert [fold.parameter for fold in folds] == pytest.approx([FOLD, -FOLD], rel=1e-13)
    assert [fold.unknown[0] for fold in folds] == pytest.approx([3**-0.5, -(3**-0.5)], rel=1e-10)


@pytest.mark.parametrize("mu", [-0.3849, -0.2, 0.0, 0.1, 0.3849])
def test_between_its_folds_a_cubic_has_two_stable_states_and_an_unstable_one(mu):
    found = crossings(cubic_from(-1.0, 1.0), mu, -2.0, 2.0)
    exact = sorted(np.roots([1, 0, -1, mu]).real, reverse=True)
    assert [point.unknown[0] for point in found] == pytest.approx(exact, abs=1e-11)
    assert [point.stable for point in found] == [True, False, True]


@pytest.mark.parametrize("mu", [-0.9, -0.385, 0.385, 1.5])
def test_beyond_them_it_has_one(mu):
    found = crossings(cubic_from(-1.0, 1.0), mu, -2.0, 2.0)
    assert len(found) == 1
    assert found[0].stable


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_a_branch_does_not_depend_on_the_units(unit):
    """mu in another unit, x in another, the equation in a third."""

    def other(u, s):
        r, J, slope = cubic(u * unit**2, s / unit)
        return 7 * unit * r, 7 * unit**3 * J, 7 * slope

    x = np.array([1.3247179572447460])
    curve = Curve(other, x / unit**2, -unit, unit)
    assert [point.parameter / unit for point, turns in curve.points() if turns] == pytest.approx(
        [FOLD, -FOLD], rel=1e-12
    )


def test_a_closed_branch_is_followed_around():
    """x^2 + (s - 1)^2 = 1 turns at s = 0 and s = 2, again and again."""

    def circle(u, s):
        return np.array([u[0] ** 2 + (s - 1) ** 2 - 1]), np.array([[2 * u[0]]]), np.array([2 * (s - 1)])

    curve = Curve(circle, np.array([1.0]), 1.0, 1.0, Stride(most=120))
    folds = [point.parameter for point, turns in curve.points() if turns]
    assert len(folds) > 3
    assert folds == pytest.approx(([2.0, 0.0] * len(folds))[: len(folds)], abs=1e-12)


def test_the_fold_of_bratus_problem_is_that_of_its_closed_form():
    """lambda* = 8 (c/cosh c)^2 where c tanh c = 1: 3.513830719."""
    c = brentq(lambda c: c * np.tanh(c) - 1, 1.0, 1.5, xtol=1e-15)
    exact = 8 * (c / np.cosh(c)) ** 2
    assert exact == pytest.approx(3.513830719, abs=1e-9)
    curve, body = bratu(10)
    fold = first_fold(curve, 10.0)
    assert fold.parameter == pytest.approx(exact, rel=1e-11)
    middle = body.at(np.zeros(1)) @ np.append(fold.unknown, 0.0)
    assert middle[0] == pytest.approx(2 * np.log(np.cosh(c)), abs=1e-8)


def test_errors_of_that_fold_fall_faster_than_any_power():
    errors = [abs(first_fold(bratu(n)[0], 10.0).parameter / 3.5138307191250 - 1) for n in (3, 4, 5, 6)]
    assert all(b < a / 8 for a, b in pairwise(errors))


@pytest.mark.parametrize("s", [0.5, 2.0, 3.5, 3.51383])
def test_bratus_problem_has_a_lower_stable_solution_and_an_upper_unstable_one(s):
    curve, body = bratu(14)
    found = crossings(curve, s, -1.0, 10.0)[:2]
    middles = [float((body.at(np.zeros(1)) @ np.append(point.unknown, 0.0))[0]) for point in found]
    top = 1.1868421  # of the fold
    exact = [brentq(lambda u: height(u) - s, *ends, xtol=1e-14) for ends in ((1e-9, top), (top, 20.0))]
    # Near the fold, the upper solution reaches ten times as far for the same error.
    assert middles == pytest.approx(exact, abs=2e-6)
    assert [point.stable for point in found] == [True, False]
    unstable = [value for value in found[1].eigenvalues if value.real > 0]
    assert len(unstable) == 1


def test_beyond_its_fold_bratus_problem_has_none():
    curve, _ = bratu(8)
    found, fold = arrive(curve, 3.52)
    assert found is None
    assert fold.parameter == pytest.approx(3.5138307, abs=1e-6)
    assert first_fold(curve, 3.5) is None


def test_a_homotopy_goes_through_folds_to_the_only_root():
    """From x = 1.2, on the side of the folds where no root is; Newton's method alone ends at the hump."""
    mu = 0.5

    def residual(u):
        return cubic(u, mu)[:2]

    root = find_root(residual, np.array([1.2]), NewtonSettings(max_iterations=3))
    assert root.converged
    assert root.unknown[0] == pytest.approx(np.roots([1, 0, -1, mu]).real.min(), rel=1e-12)


def test_a_homotopy_that_comes_back_says_that_there_is_no_root():
    root = find_root(
        lambda u: (np.array([u[0] ** 2 + 1e-3]), np.array([[2 * u[0]]])), np.array([1.0]), NewtonSettings()
    )
    assert not root.converged
    assert root.fold
    assert root.unknown[0] == pytest.approx(0.0, abs=1e-6)
