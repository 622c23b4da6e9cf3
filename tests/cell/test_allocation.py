"""Optimum and transient of a divided proteome, by closed form and by independent search."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar

from mscale_uq.cell.allocation import (
    burdened_growth,
    inhibited_share,
    optimum,
    share_after_upshift,
)
from mscale_uq.core.formula import Formula
from mscale_uq.errors import Infeasible

GAMMA, KAPPA, TOTAL, IDLE = 10.0, 5.0, 0.45, 0.05
HOURS = np.array([0.0, 0.5, 1.0, 2.0, 3.0])


def test_the_published_optimum():
    assert optimum(GAMMA, KAPPA, TOTAL, IDLE) == pytest.approx((0.1833333, 1.3333333), abs=5e-8)


def test_no_other_division_grows_faster():
    """The smaller of two rates, maximised by search."""

    def falling(share):
        return -min(GAMMA * (share - IDLE), KAPPA * (TOTAL - share))

    found = optimum(GAMMA, KAPPA, TOTAL, IDLE)
    best = minimize_scalar(falling, bounds=(0.06, 0.44), method="bounded", options={"xatol": 1e-10})
    assert (best.x, -best.fun) == pytest.approx(found, rel=1e-6)
    assert -best.fun <= found[1] * (1 + 1e-12)


def test_the_slowed_and_the_undisturbed_line_cross_at_the_optimum():
    share, growth = optimum(GAMMA, KAPPA, TOTAL, IDLE)
    assert inhibited_share(growth, KAPPA, TOTAL) == pytest.approx(share, rel=1e-14)
    assert GAMMA * (share - IDLE) == pytest.approx(growth, rel=1e-14)


def test_slower_protein_making_moves_a_cell_along_its_line():
    for slowed in (1.0, 3.0, 7.0):
        share, growth = optimum(slowed, KAPPA, TOTAL, IDLE)
        assert inhibited_share(growth, KAPPA, TOTAL) == pytest.approx(share, rel=1e-14)


def test_a_proteome_without_room_does_not_grow():
    with pytest.raises(Infeasible, match="no growth"):
        optimum(GAMMA, KAPPA, 0.05, 0.05)


def test_burden_takes_growth_in_proportion_and_never_makes_it_negative():
    growth = burdened_growth(1.2, np.array([0.0, 0.1, 0.4, 0.7]), 0.4)
    assert growth == pytest.approx([1.2, 0.9, 0.0, 0.0], abs=1e-15)


def test_burden_is_what_the_optimum_loses_with_a_smaller_total():
    """A useless share phi leaves total - phi: growth falls to zero at phi = total - idle."""
    growth = optimum(GAMMA, KAPPA, TOTAL, IDLE)[1]
    burden = np.array([0.05, 0.2, 0.39])
    left = [optimum(GAMMA, KAPPA, TOTAL - share, IDLE)[1] for share in burden]
    assert burdened_growth(growth, burden, TOTAL - IDLE) == pytest.approx(left, rel=1e-12)


def test_the_published_upshift():
    start, target = (optimum(GAMMA, kappa, TOTAL, IDLE)[0] for kappa in (2.0, 8.0))
    share = share_after_upshift(HOURS, start, GAMMA, IDLE, target)
    published = [0.11666667, 0.15549438, 0.18870588, 0.21969857, 0.22635869]
    assert share == pytest.approx(published, abs=5e-9)
    # The known 1.7636 at 3 h is rounded up from 1.763587.
    assert GAMMA * (share - IDLE) == pytest.approx([0.6667, 1.0549, 1.3871, 1.6970, 1.7636], abs=5e-5)


def test_the_upshift_solves_its_differential_equation():
    start, target = (optimum(GAMMA, kappa, TOTAL, IDLE)[0] for kappa in (2.0, 8.0))

    def rate(_, share):
        return GAMMA * (share - IDLE) * (target - share)

    course = solve_ivp(rate, (0, 3), [start], t_eval=HOURS, rtol=1e-11, atol=1e-13)
    assert share_after_upshift(HOURS, start, GAMMA, IDLE, target) == pytest.approx(course.y[0], rel=1e-9)


def test_an_upshift_starts_and_ends_at_rest():
    start, target = (optimum(GAMMA, kappa, TOTAL, IDLE)[0] for kappa in (2.0, 8.0))
    assert share_after_upshift(0.0, start, GAMMA, IDLE, target) == pytest.approx(start, rel=1e-14)
    assert share_after_upshift(50.0, start, GAMMA, IDLE, target) == pytest.approx(target, rel=1e-14)


def test_they_serve_in_formulas_with_exact_derivatives():
    point = {"gamma": 10.0, "kappa": 5.0, "total": 0.45, "idle": 0.05}
    linear = Formula(optimum, ("share", "growth")).linearize(point)[1]
    assert linear.jvp({"total": np.array(1.0)})["growth"] == pytest.approx(50 / 15, rel=1e-14)
    assert linear.jvp({"kappa": np.array(1.0)})["growth"] == pytest.approx(0.4 * 100 / 225, rel=1e-14)
