"""The logarithm of the normal distribution function, against quadrature, its expansion and finite steps."""

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import norm

from mscale_uq.solve.log_phi import left_below, log_phi


def test_it_is_the_logarithm_of_the_integral_and_its_derivative_the_slope():
    z = np.array([-6.0, -1.0, 0.3, 5.0])
    value, slope = log_phi(z)
    exact = [integrate.quad(norm.pdf, -np.inf, one, epsabs=0)[0] for one in z]
    assert value == pytest.approx(np.log(exact), rel=1e-9)
    h = 1e-5
    assert slope == pytest.approx((log_phi(z + h)[0] - log_phi(z - h)[0]) / (2 * h), rel=1e-7)


def test_far_in_the_tail_the_slope_is_that_of_its_expansion():
    """phi/Phi at -x is x + 1/x - 2/x^3 + 10/x^5 .."""
    x = 60.0
    assert log_phi(np.array(-x))[1] == pytest.approx(x + 1 / x - 2 / x**3 + 10 / x**5, rel=1e-9)


@pytest.mark.parametrize("z", [-3.0, 0.0, 1.2, 8.0])
def test_what_is_left_of_a_cut_off_reading_is_the_expected_square_of_its_score(z):
    seen = integrate.quad(lambda e: e**2 * norm.pdf(e), -np.inf, z, epsabs=0)[0]
    assert left_below(np.array(z)) == pytest.approx(seen + norm.pdf(z) ** 2 / norm.sf(z), rel=1e-9)
