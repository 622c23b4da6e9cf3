"""Conduction in slab, cylinder and sphere against an exact field and the budget."""

import numpy as np
import pytest

from mscale_uq.solve.symmetric import SHAPES, symmetric_body
from mscale_uq.solve.symmetric_kernels import conduct

HALF_WIDTH, CONDUCTIVITY = 0.3, 1.7


def rates(body, field, lost, gained=0.0):
    p = np.concatenate([[np.nan], [HALF_WIDTH, body.surface], body.weights, body.stiffness.ravel()])
    dy = np.full(field.size, gained)
    conduct(field, p, 1, CONDUCTIVITY, lost, dy)
    return dy


@pytest.mark.parametrize("shape", SHAPES)
def test_a_quartic_field_changes_as_its_laplacian_says_if_its_flux_leaves(shape):
    """u = (r/a)^4, a the half width: its Laplacian is 4 (m + 3) r^2/a^4, its slope at the surface 4/a."""
    body, m = symmetric_body(shape, 5), SHAPES.index(shape)
    made = rates(body, body.nodes**4, lost=-CONDUCTIVITY * 4 / HALF_WIDTH, gained=2.0)
    laplacian = 4 * (m + 3) * body.nodes**2 / HALF_WIDTH**2
    assert made == pytest.approx(2.0 + CONDUCTIVITY * laplacian, rel=1e-11)


@pytest.mark.parametrize("shape", SHAPES)
def test_all_that_changes_is_what_leaves_through_the_surface(shape):
    """Surface over volume of a body of half width a is (m + 1)/a."""
    body, m = symmetric_body(shape, 4), SHAPES.index(shape)
    made = rates(body, np.array([3.0, -1.0, 0.5, 2.0]), lost=7.0)
    assert body.weights @ made == pytest.approx(-7.0 * (m + 1) / HALF_WIDTH, rel=1e-12)


def test_a_field_without_slope_and_flux_stays():
    body = symmetric_body("cylinder", 4)
    assert rates(body, np.full(4, 5.0), lost=0.0) == pytest.approx(np.zeros(4), abs=1e-10)
