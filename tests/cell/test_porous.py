"""The scalars of porous media, at known numbers and in their limits."""

import numpy as np
import pytest

from mscale_uq.cell.porous import bruggeman_exponent, bruggeman_ratio, tortuosity_factor
from mscale_uq.core.formula import Formula


def test_a_fifth_of_the_diffusivity_at_a_porosity_of_035_is_a_tortuosity_factor_of_175():
    assert tortuosity_factor(0.35, 1 / 5) == pytest.approx(1.75, rel=1e-15)
    assert bruggeman_exponent(0.35, 1 / 5) == pytest.approx(1.5330577, abs=5e-8)


def test_bruggemans_exponent_of_three_halves_gives_the_published_numbers():
    ratio = bruggeman_ratio(0.35, 1.5)
    assert ratio == pytest.approx(0.2070628, abs=5e-8)
    assert tortuosity_factor(0.35, ratio) == pytest.approx(1.6903085, abs=5e-8)


def test_straight_pores_have_a_tortuosity_factor_and_an_exponent_of_one():
    assert tortuosity_factor(0.35, 0.35) == 1.0
    assert bruggeman_exponent(0.35, 0.35) == 1.0


def test_the_exponent_is_the_inverse_of_the_ratio():
    exponents = np.linspace(1.0, 4.0, 7)
    assert bruggeman_exponent(0.3, bruggeman_ratio(0.3, exponents)) == pytest.approx(exponents, rel=1e-14)


def test_pores_that_do_not_percolate_are_infinitely_tortuous():
    assert tortuosity_factor(0.35, 0.0) == np.inf
    assert bruggeman_exponent(0.35, 0.0) == np.inf


def test_they_serve_in_formulas_with_exact_derivatives():
    stage = Formula(bruggeman_exponent, "exponent")
    linear = stage.linearize({"porosity": 0.35, "ratio": 0.2})[1]
    assert linear.jvp({"ratio": 1.0})["exponent"] == pytest.approx(1 / (0.2 * np.log(0.35)), rel=1e-14)
    slope = -np.log(0.2) / (0.35 * np.log(0.35) ** 2)
    assert linear.jvp({"porosity": 1.0})["exponent"] == pytest.approx(slope, rel=1e-14)
