"""Products of Chebyshev and trigonometric polynomials."""

import numpy as np
import pytest

from mscale_uq.errors import ParameterError
from mscale_uq.solve.product_polynomial import Axis, ProductPolynomial

BOX = (Axis(-2.0, 1.0, 9), Axis(0.0, np.pi, 7, periodic=True), Axis(0.5, 2.0, 8))


def on_grid(function, axes):
    grid = np.meshgrid(*(axis.places for axis in axes), indexing="ij")
    return np.stack([np.asarray(part) for part in function(*grid)], axis=-1)


def polynomial(a, angle, b):
    """In the span of the basis of `BOX`."""
    return a**8 * b**3 + np.cos(2 * angle) * b**7, np.sin(6 * angle) * a - 4 * b


def slopes(a, angle, b):
    return np.array(
        [
            [8 * a**7 * b**3, np.sin(6 * angle)],
            [-2 * np.sin(2 * angle) * b**7, 6 * np.cos(6 * angle) * a],
            [3 * a**8 * b**2 + 7 * np.cos(2 * angle) * b**6, -4.0],
        ]
    )


def test_what_is_in_the_span_is_met_with_its_slopes():
    found = ProductPolynomial(BOX, on_grid(polynomial, BOX))
    rng = np.random.default_rng(1)
    for x in rng.uniform([-2, -5, 0.5], [1, 5, 2], (40, 3)):
        made = found(x)
        assert np.allclose(made[0], polynomial(*x), atol=1e-11 * 400)
        assert np.allclose(made[1:], slopes(*x), atol=1e-11 * 4000)


def test_the_error_of_an_analytic_function_falls_geometrically():
    def runge(x):
        return (1 / (1 + x**2),)

    errors = []
    for nodes in (4, 8, 16, 32):
        axes = (Axis(-1.0, 1.0, nodes),)
        found = ProductPolynomial(axes, on_grid(runge, axes))
        errors.append(max(abs(found(np.array([x]))[0, 0] - runge(x)[0]) for x in np.linspace(-1, 1, 101)))
    # Its poles at +-i lie on the ellipse of parameter 1 + sqrt 2.
    rates = np.array(errors[:-1]) / np.array(errors[1:])
    assert np.all(rates > 0.5 * (1 + np.sqrt(2)) ** np.array([4, 8, 16]))


def test_outside_the_box_the_value_is_that_of_its_edge():
    found = ProductPolynomial(BOX, on_grid(polynomial, BOX))
    outside, edge = found(np.array([3.0, 0.3, 1.0])), found(np.array([1.0, 0.3, 1.0]))
    assert np.allclose(outside[0], edge[0])
    assert np.all(outside[1] == 0)
    assert np.allclose(outside[2:], edge[2:])


def test_a_direction_in_which_nothing_varies_has_one_node_and_no_slope():
    found = ProductPolynomial((Axis(2.0, 2.0, 1), Axis(0.0, 1.0, 2)), np.array([[[3.0], [1.0]]]))
    assert found(np.array([2.0, 0.5]))[:2, 0] == pytest.approx([2.0, 0.0])


def test_an_even_number_of_nodes_along_an_angle_is_refused():
    with pytest.raises(ParameterError, match="odd number of nodes"):
        Axis(0.0, 1.0, 4, periodic=True)


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ParameterError, match="not finite"):
        ProductPolynomial((Axis(0.0, 1.0, 2),), np.array([[1.0], [np.nan]]))
