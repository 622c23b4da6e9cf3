"""Branches, corners and searches in formulas: a derivative that they hide is refused, any other is exact."""

import numpy as np
import pytest
from scipy import special

from mscale_uq.core.formula import Formula, PointwiseFormula
from mscale_uq.errors import NoGradient


def test_abs_hidden_deep_in_a_formula_is_found():
    def friction(speed, drag):
        slow = np.log1p(speed**2)
        return drag * slow * np.exp(-np.abs(speed)) + np.sin(speed)

    assert np.isfinite(Formula(friction, "force").value({"speed": 0.3, "drag": 2.0})["force"])
    with pytest.raises(NoGradient, match="absolute is not analytic"):
        Formula(friction, "force").linearize({"speed": 0.3, "drag": 2.0})


@pytest.mark.parametrize("x", [-0.7, 0.4])
def test_a_branch_is_taken_as_the_real_number_would(x):
    def softplus(x):
        return np.where(x > 0, x + np.log1p(np.exp(-x)), np.log1p(np.exp(x)))

    slope = Formula(softplus, "y").linearize({"x": x})[1].jvp({"x": 1.0})["y"]
    assert slope == pytest.approx(1 / (1 + np.exp(-x)), rel=1e-14)


def test_a_pole_of_the_derivative_is_refused():
    with pytest.raises(NoGradient, match="not analytic at this point"):
        Formula(lambda x: np.sqrt(x), "y").linearize({"x": 0.0})


@pytest.mark.parametrize(
    "cut",
    [
        lambda x: (x - 2.9) ** 101.0,
        lambda x: np.power(-2.0, x + 1.0),
        lambda x: special.gamma(x - 3.5),
    ],
)
def test_round_off_of_a_branch_cut_is_no_derivative(cut):
    """Complex powers and gamma functions of negative numbers have imaginary parts that no step made."""
    stage = Formula(cut, "y", name="cut")
    try:
        slope = float(stage.linearize({"x": 2.0})[1].jvp({"x": 1.0})["y"])
    except NoGradient:
        return
    central = (cut(2.0 + 1e-6) - cut(2.0 - 1e-6)) / 2e-6
    assert slope == pytest.approx(central, rel=1e-4)


def bisected(x):
    """The root of u^3 + u = x, found by comparisons alone."""
    low, high = 0.0, 10.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if middle**3 + middle < x else (low, middle)
    return low


HIDDEN_BY_COMPARISONS = {
    "bisection": (bisected, 2.0),
    "bisection beside x": (lambda x: x * bisected(x), 2.0),
    "kink, value 0": (lambda x: np.where(x > 0, x, 0.0), 0.0),
    "kink, value 2": (lambda x: np.where(x > 2.0, 3 * x, x + 4), 2.0),
    "kink in an if": (lambda x: x if x >= 0 else -x, 0.0),
    "jump": (lambda x: np.where(x < 1.0, x, x + 1), 1.0),
    "bisection under something steep": (lambda x: 1000 * x + bisected(x), 2.0),
}


@pytest.mark.parametrize("what", HIDDEN_BY_COMPARISONS)
@pytest.mark.parametrize("kind", [Formula, PointwiseFormula])
def test_a_derivative_hidden_by_comparisons_is_refused(kind, what):
    function, x = HIDDEN_BY_COMPARISONS[what]
    with pytest.raises(NoGradient, match=r"formula 'hidden': 'y' takes its value from comparisons of 'x'"):
        kind(function, "y", name="hidden").linearize({"x": np.array(x)})


def test_a_bisection_is_found_beside_a_steep_output():
    with pytest.raises(NoGradient, match="comparisons of 'x'"):
        Formula(lambda x: np.stack([1000 * x, x * 0 + bisected(x)]), "y").linearize({"x": np.array(2.0)})


def test_a_search_at_one_point_is_found_beside_a_steep_point():
    roots = np.vectorize(bisected, otypes=[float])

    def viscosity(x):
        return np.where(x < 10, roots(np.array([2.0, 9.0])) if np.ndim(x) else 0.0, x**2)

    found = PointwiseFormula(viscosity, "y").tangent({"x": np.array([2.0, 300.0])})[1]
    assert found[:, 0, 0] == pytest.approx([0.0, 600.0])  # constant there: the root does not look at x

    def kinked(x):
        return np.where(x > 2, 3 * x, x + 4) * np.where(x > 100, x, 1.0)

    with pytest.raises(NoGradient, match="comparisons of 'x'"):
        PointwiseFormula(kinked, "y").tangent({"x": np.array([2.0, 3000.0])})


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: np.sqrt(x**2), 0.0),
        (lambda x: np.sqrt((x - 2) ** 2), 2.0),
    ],
)
def test_an_absolute_value_in_disguise_is_refused_at_its_corner(function, x):
    with pytest.raises(NoGradient, match="kink"):
        Formula(function, "y").linearize({"x": np.array(x)})


@pytest.mark.parametrize("power", [2, 3, 5])
def test_a_power_has_its_slope_at_zero(power):
    slope = Formula(lambda x: np.where(x >= 0, x**power, -(x**power)), "y").linearize({"x": 0.0})[1]
    assert slope.jvp({"x": 1.0})["y"] == pytest.approx(0, abs=1e-30)


def test_a_value_that_depends_on_how_it_is_called_is_refused():
    def caught(x):
        try:
            return float(x) ** 2
        except NoGradient:
            return 17.0

    with pytest.raises(NoGradient, match="not analytic"):
        Formula(caught, "y").linearize({"x": 2.0})


@pytest.mark.parametrize("x", [2.0 - 3e-7, 2.0 + 3e-7, 1.0, 5.0])
def test_close_to_a_kink_the_slope_is_that_of_its_side(x):
    slope = (
        Formula(lambda x: np.where(x > 2.0, 3 * x, x + 4), "y").linearize({"x": x})[1].jvp({"x": 1.0})["y"]
    )
    assert slope == (3 if x > 2 else 1)


def test_branches_that_meet_with_one_slope_have_it_on_the_border_too():
    def huber(x):
        return np.where(x * x <= 1, x * x / 2, x - 0.5)

    assert Formula(huber, "y").linearize({"x": 1.0})[1].jvp({"x": 1.0})["y"] == 1


def test_a_rate_that_begins_with_slope_zero_is_differentiable_at_zero():
    stage = PointwiseFormula(lambda c, k: np.where(c > 0, c**2 / (k + c), 0.0), "y")
    _, tangent = stage.tangent({"c": np.array([0.0, 1.0]), "k": 1.0})
    assert tangent[:, 0, :] == pytest.approx(np.array([[0.0, 0.0], [0.75, -0.25]]))


def test_a_step_function_is_flat_beside_its_step():
    assert (
        Formula(lambda x: np.where(x > 1, 2.0, 1.0), "y").linearize({"x": 3.0})[1].jvp({"x": 1.0})["y"] == 0
    )


def test_a_residual_that_cancels_to_round_off_keeps_its_derivative():
    root = 0.2591711018190737  # of 0.2 exp(u) = u
    slope = Formula(lambda u: 0.2 * np.exp(u) - u, "r").linearize({"u": root})[1].jvp({"u": 1.0})["r"]
    assert slope == pytest.approx(root - 1, rel=1e-12)
