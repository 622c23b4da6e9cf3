"""A random field in its modes: known eigenvalues, its covariance, and modes settled by the mesh alone."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import gamma, kv

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import ParameterError
from mscale_uq.macro.random_field import CORRELATION, KINDS, Covariance, KarhunenLoeve


def line(elements, uneven=0.0):
    """Centres and lengths of elements that fill (-1, 1), growing towards the right."""
    even = np.linspace(0.0, 1.0, elements + 1)
    nodes = 2 * (even + uneven * even * (even - 1)) - 1
    return (nodes[1:] + nodes[:-1])[:, None] / 2, np.diff(nodes)


def square(elements):
    middles = (np.arange(elements) + 0.5) / elements
    centres = np.stack(np.meshgrid(middles, middles, indexing="ij"), axis=-1).reshape(-1, 2)
    return centres, np.full(elements**2, 1 / elements**2)


def exponential_eigenvalues(count, length):
    """Those of exp(-|x - y|/length) on (-1, 1), from the equations of Ghanem and Spanos (1991)."""
    c, found = 1 / length, []
    for k in range(count):
        left, right = k * np.pi / 2 + 1e-12, (k + 1) * np.pi / 2 - 1e-12
        even, odd = (lambda w: c - w * np.tan(w)), (lambda w: w + c * np.tan(w))
        w = brentq(odd if k % 2 else even, left, right, xtol=1e-14)
        found.append(2 * c / (w**2 + c**2))
    return np.array(found)


def eigenvalues(areas, field):
    """lambda, since each phi has norm one over the area."""
    return areas @ field.modes**2


@pytest.mark.parametrize("uneven", [0.0, 0.5])
def test_eigenvalues_of_the_exponential_covariance_are_those_of_its_integral_equation(uneven):
    exact, errors = exponential_eigenvalues(6, length=1.0), []
    for elements in (50, 100, 200):
        centres, areas = line(elements, uneven)
        field = KarhunenLoeve(centres, areas, Covariance("exponential", 1.0), 6)
        errors.append(np.abs(eigenvalues(areas, field) / exact - 1).max())
        assert field.share == pytest.approx(exact.sum() / 2, rel=2 * errors[-1])
    assert errors[-1] < 2e-3
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx([2.0, 2.0], abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_all_modes_together_are_the_covariance(kind):
    centres, areas = line(30, uneven=0.5)
    field = KarhunenLoeve(centres, areas, Covariance(kind, 0.4, sd=1.7), 30)
    expected = 1.7**2 * CORRELATION[kind](np.abs(centres - centres.T) / 0.4)
    assert field.modes @ field.modes.T == pytest.approx(expected, abs=1e-7)
    assert field.share == pytest.approx(1.0, abs=1e-12)


def test_what_is_cut_off_is_what_the_share_says():
    centres, areas = square(8)
    few, all_of_them = (
        KarhunenLoeve(centres, areas, Covariance("matern_3_2", 0.3, 2.0), modes) for modes in (12, 64)
    )
    missing = np.diag(all_of_them.modes @ all_of_them.modes.T - few.modes @ few.modes.T)
    assert np.all(missing > 0)
    assert areas @ missing == pytest.approx(2.0**2 * (1 - few.share), rel=1e-10)


@pytest.mark.parametrize(("kind", "nu"), [("exponential", 0.5), ("matern_3_2", 1.5), ("matern_5_2", 2.5)])
def test_correlations_of_matern_are_those_of_the_bessel_function(kind, nu):
    r = np.array([0.05, 0.3, 1.0, 2.5])
    s = np.sqrt(2 * nu) * r
    assert CORRELATION[kind](r) == pytest.approx(2 ** (1 - nu) / gamma(nu) * s**nu * kv(nu, s), rel=1e-12)


def test_equal_modes_of_a_square_are_products_of_waves_with_those_along_y_first():
    """Without a rule, any rotation of two equal modes would do, and each machine would have its own."""
    centres, areas = square(9)
    modes = KarhunenLoeve(centres, areas, Covariance("squared_exponential", 0.3), 15).modes.T
    waves = []
    for mode in modes.reshape(-1, 9, 9):
        assert np.linalg.svd(mode, compute_uv=False)[1] < 1e-9 * np.linalg.norm(mode)
        waves.append(tuple(int(np.sum(np.diff(np.sign(side)) != 0)) for side in (mode[:, 0], mode[0])))
    assert waves[:6] == [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0)]
    assert all(a < b for a, b in pairwise(waves) if a == b[::-1])


def test_modes_do_not_depend_on_round_off():
    centres, areas = square(8)
    here, there = (
        KarhunenLoeve(centres + shift, areas, Covariance("matern_5_2", 0.4), 20).modes for shift in (0.0, 0.1)
    )
    assert here == pytest.approx(there, abs=1e-9)


def test_the_derivative_of_a_field_is_exact():
    field = KarhunenLoeve(*line(12), Covariance("matern_3_2", 0.5), 4)
    parameters = [Parameter("mean", "1", 0.3), Parameter("xi", "1", (0.5, -1.0, 2.0, 0.1), shape=(4,))]
    model = ForwardModel([field], parameters, ["field"])
    assert np.allclose(model.jacobian(model.theta()), np.column_stack([np.ones(12), field.modes]))
    assert check_gradient(model, model.theta(), np.random.default_rng(1)).ok


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda: KarhunenLoeve(*line(4), Covariance("exponential", 1.0), 5), "5 modes"),
        (lambda: KarhunenLoeve(line(4)[0], -line(4)[1], Covariance("exponential", 1.0), 2), "areas"),
        (lambda: Covariance("matern32", 1.0), "did you mean 'matern_3_2'"),
        (lambda: Covariance("exponential", 0.0), "positive"),
        (lambda: Covariance("exponential", 1.0, sd=-1.0), "positive"),
    ],
)
def test_what_is_no_field_is_refused(broken, said):
    with pytest.raises(ParameterError, match=said):
        broken()
