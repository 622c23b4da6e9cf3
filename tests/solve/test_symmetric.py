"""Even polynomials against exact means, fields and eigenvalues."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.special import jn_zeros

from mscale_uq.errors import InputError
from mscale_uq.solve.symmetric import SHAPES, symmetric_body

EIGENVALUES = {"slab": (np.pi / 2) ** 2, "cylinder": jn_zeros(0, 1)[0] ** 2, "sphere": np.pi**2}


@pytest.mark.parametrize("shape", SHAPES)
def test_means_of_even_polynomials_are_exact(shape):
    body, m = symmetric_body(shape, 5), SHAPES.index(shape)
    for power in range(9):
        assert body.weights @ body.nodes ** (2 * power) == pytest.approx(
            (m + 1) / (m + 1 + 2 * power), rel=1e-13
        )
    assert body.surface == m + 1


@pytest.mark.parametrize("shape", SHAPES)
def test_an_even_field_is_conducted_as_the_laplacian_says(shape):
    """r^4: its Laplacian is 4 (m + 3) r^2, its slope at the surface 4, and so is the flux there."""
    body, m = symmetric_body(shape, 4), SHAPES.index(shape)
    flow = body.stiffness @ body.nodes**4
    inside = -4 * (m + 3) * body.nodes**2 * body.weights
    inside[-1] += 4 * body.surface
    assert flow == pytest.approx(inside, abs=1e-12)
    assert body.stiffness @ np.ones(4) == pytest.approx(np.zeros(4), abs=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_errors_fall_faster_than_any_power(shape):
    """The slowest way to cool under a cold surface: (pi/2)^2, the first zero of J0, pi^2."""
    errors = []
    for nodes in (2, 3, 4, 5):
        body = symmetric_body(shape, nodes)
        free = slice(0, nodes - 1)
        slowest = eigh(body.stiffness[free, free], np.diag(body.weights[free]), eigvals_only=True)[0]
        errors.append(abs(slowest / EIGENVALUES[shape] - 1))
    assert all(b < a / 50 for a, b in pairwise(errors))
    assert errors[-1] < 2e-9


def test_values_between_nodes_are_those_of_the_polynomial():
    body, r = symmetric_body("cylinder", 4), np.linspace(0, 1, 7)
    assert body.at(r) @ body.nodes**6 == pytest.approx(r**6, abs=1e-13)


@pytest.mark.parametrize(("shape", "nodes"), [("cube", 4), ("slab", 1)])
def test_an_unknown_body_is_refused(shape, nodes):
    with pytest.raises(InputError, match="slab, cylinder, sphere; 2 nodes or more"):
        symmetric_body(shape, nodes)


@pytest.mark.parametrize("phi", [1.0, 3.0])
def test_what_consumes_at_first_order_works_at_the_effectiveness_of_thiele(phi):
    """Mean under one at the surface: tanh(phi)/phi in a slab, 3 (phi coth phi - 1)/phi^2 in a sphere."""
    known = {"slab": np.tanh(phi) / phi, "sphere": 3 / phi**2 * (phi / np.tanh(phi) - 1)}
    for shape, expected in known.items():
        body = symmetric_body(shape, 10)
        balance = body.stiffness + phi**2 * np.diag(body.weights)
        inner = np.linalg.solve(balance[:-1, :-1], -balance[:-1, -1])
        assert body.weights @ np.append(inner, 1.0) == pytest.approx(expected, rel=1e-9)
    assert known["slab"] == pytest.approx({1.0: 0.761594, 3.0: 0.331685}[phi], abs=5e-7)
