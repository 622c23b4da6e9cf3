"""Errors that are carried from what a stage reads to what it makes."""

import numpy as np
import pytest

from mscale_uq.core.carried import CarriedError
from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.errors import NoGradient, WiringError


def mixed(rate, scale):
    return np.stack([rate[0] + 2 * rate[1], rate[0] * rate[1]]) * scale


def test_errors_of_a_sum_and_a_product_are_those_of_the_textbook():
    stage = CarriedError(Formula(mixed, "made"), ["rate"])
    made = stage.value({"rate": np.array([3.0, 5.0]), "scale": 2.0, "rate_var": np.array([0.1, 0.2])})
    assert made["made"] == pytest.approx([26.0, 30.0])
    assert made["made_var"] == pytest.approx([4 * (0.1 + 4 * 0.2), 4 * (25 * 0.1 + 9 * 0.2)], rel=1e-12)


def test_small_errors_spread_what_is_made_as_stated():
    stage, rng = CarriedError(Formula(mixed, "made"), ["rate"]), np.random.default_rng(5)
    sd = np.array([0.02, 0.05])
    drawn = [mixed(np.array([3.0, 5.0]) + sd * rng.standard_normal(2), 2.0) for _ in range(2000)]
    stated = stage.value({"rate": np.array([3.0, 5.0]), "scale": 2.0, "rate_var": sd**2})["made_var"]
    assert np.var(drawn, axis=0) / stated == pytest.approx(1.0, abs=4 * np.sqrt(2 / 2000))


def test_one_variance_may_serve_all_entries_and_none_is_differentiated():
    stage = CarriedError(Formula(mixed, "made"), ["rate"])
    values = {"rate": np.array([3.0, 5.0]), "scale": 1.0, "rate_var": 0.1}
    assert stage.value(values)["made_var"] == pytest.approx([0.5, 3.4])
    with pytest.raises(NoGradient):
        stage.linearize(values)
    with pytest.raises(WiringError, match="does not read 'speed'"):
        CarriedError(Formula(mixed, "made"), ["speed"])


def at_points(rate, pair, scale):
    return scale * (rate**2 + pair[:, 0] * pair[:, 1])


def test_points_carry_their_own_errors_alone():
    """d/drate = 2 s r, d/dpair = s (pair_1, pair_0), d/ds the rest: each point by hand."""
    r, pair, s = np.array([3.0, 5.0, 0.5]), np.array([[1.0, 2.0], [0.3, 4.0], [7.0, 0.1]]), 2.0
    r_var, pair_var, s_var = np.array([0.1, 0.2, 0.4]), np.array([[0.5, 0.1], [0.2, 0.2], [0.1, 0.9]]), 0.3
    stage = CarriedError(PointwiseFormula(at_points, "made"), ["rate", "pair", "scale"])
    variances = {"rate_var": r_var, "pair_var": pair_var, "scale_var": s_var}
    made = stage.value({"rate": r, "pair": pair, "scale": s, **variances})
    by_pair = s**2 * (pair[:, ::-1] ** 2 * pair_var).sum(axis=1)
    by_scale = (r**2 + pair.prod(axis=1)) ** 2 * s_var
    assert made["made"] == pytest.approx(s * (r**2 + pair.prod(axis=1)))
    assert made["made_var"] == pytest.approx((2 * s * r) ** 2 * r_var + by_pair + by_scale, rel=1e-12)
