"""The probability that normal numbers lie above limits, against closed forms and an integral."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import log_ndtr
from scipy.stats import norm

from mscale_uq.solve.orthant import log_orthant


def test_one_number_has_the_normal_tail_far_out_too():
    for limit in (-40.0, 0.0, 3.0, 60.0):
        found, to_h, _ = log_orthant(np.array([limit]), np.array([[4.0]]))
        assert found == log_ndtr(-limit / 2)
        assert to_h[0] == pytest.approx(-np.exp(norm.logpdf(limit / 2) - log_ndtr(-limit / 2)) / 2, rel=1e-12)


@pytest.mark.parametrize("r", [-0.8, 0.0, 0.6, 0.99])
def test_two_numbers_lie_above_their_means_with_the_arcsine_law(r):
    exact = 0.25 + np.arcsin(r) / (2 * np.pi)
    assert log_orthant(np.zeros(2), np.array([[1.0, r], [r, 1.0]]))[0] == pytest.approx(
        np.log(exact), abs=1e-3
    )


@pytest.mark.parametrize("count", [3, 10, 30])
@pytest.mark.parametrize("limit", [-1.0, 0.0, 1.0])
def test_numbers_that_share_most_of_their_chance_have_an_integral_over_what_they_share(count, limit):
    shared = 0.9

    def given(t):
        return norm.pdf(t) * np.exp(count * log_ndtr((np.sqrt(shared) * t - limit) / np.sqrt(1 - shared)))

    exact = np.log(quad(given, -9, 12, epsabs=0, epsrel=1e-9, limit=500, points=[limit])[0])
    cov = np.full((count, count), shared) + (1 - shared) * np.eye(count)
    assert log_orthant(np.full(count, limit), cov)[0] == pytest.approx(exact, abs=0.01)


def test_derivatives_leave_a_remainder_of_second_order():
    rng = np.random.default_rng(1)
    root, h, move = rng.normal(size=(5, 5)), rng.normal(size=5), rng.normal(size=5)
    C, turn = root @ root.T + np.eye(5), rng.normal(size=(5, 5))
    turn = turn + turn.T
    value, to_h, to_C = log_orthant(h, C)
    steps = 10.0 ** -np.arange(1, 5)
    slope = to_h @ move + np.sum(to_C * turn) / 10
    left = [abs(log_orthant(h + e * move, C + e * turn / 10)[0] - value - e * slope) for e in steps]
    assert np.diff(np.log10(left)) == pytest.approx(-2, abs=0.1)
