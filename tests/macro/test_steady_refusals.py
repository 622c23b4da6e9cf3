"""Steady problems that have no answer, or not the one that was meant."""

import numpy as np
import pytest
from plates import line, solve, square
from skfem import (
    ElementLineP2,
)

from mscale_uq.errors import Infeasible, InputError, SolveFailed, WiringError
from mscale_uq.macro.boundary import Dirichlet, Neumann, Source
from mscale_uq.macro.diffusion import DiffusionProblem
from mscale_uq.macro.steady import SteadyDiffusion


def test_a_node_on_two_held_boundaries_belongs_to_the_first_named():
    basis = square(4)
    made = solve(basis, conductivity=1.0, boundaries={"left": Dirichlet(1.0), "bottom": Dirichlet(0.0)})
    corner = np.argmin(np.sum(basis.doflocs**2, axis=0))
    assert made["u"][corner] == 1.0


def test_growth_faster_than_diffusion_can_level_is_still_solved():
    # u'' + r u = 0 with r beyond the first eigenvalue pi^2, so that the matrix is indefinite
    rate = 20.0
    basis = line(60, ElementLineP2())
    ends = {"left": Dirichlet(0.0), "right": Dirichlet(1.0)}
    made = solve(basis, conductivity=1.0, reaction=-rate, boundaries=ends)
    exact = np.sin(np.sqrt(rate) * basis.doflocs[0]) / np.sin(np.sqrt(rate))
    np.testing.assert_allclose(made["u"], exact, atol=2e-6)


def test_a_steady_field_that_nothing_holds_is_refused_when_it_is_made():
    with pytest.raises(InputError, match="only up to a constant"):
        SteadyDiffusion(DiffusionProblem(line(4), "K", reaction=0.0, boundaries={"left": Neumann("g")}))


def test_a_reaction_that_vanishes_by_value_is_a_failed_solve():
    stage = SteadyDiffusion(DiffusionProblem(line(4), 1.0, reaction="r", boundaries={"left": Neumann(1.0)}))
    with pytest.raises(SolveFailed, match=r"singular|not positive definite"):
        stage.value({"r": np.array(0.0)})


@pytest.mark.parametrize(
    "K", [0.0, -1.0, np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([[-1.0, 0.0], [0.0, -1.0]])]
)
def test_a_conductivity_that_is_not_positive_definite_is_infeasible(K):
    with pytest.raises(Infeasible, match="conductivity"):
        solve(square(2), conductivity=K, boundaries={"left": Dirichlet(0.0)})


def test_a_conductivity_that_is_not_a_number_is_a_failed_solve():
    with pytest.raises(SolveFailed, match="not finite"):
        solve(square(2), conductivity=np.nan, boundaries={"left": Dirichlet(0.0)})


def test_an_unknown_boundary_is_refused_with_a_near_match():
    with pytest.raises(InputError, match="did you mean 'left'"):
        DiffusionProblem(line(4), 1.0, boundaries={"lefty": Dirichlet(0.0)})


def test_a_flux_through_an_insulated_side_is_refused():
    with pytest.raises(InputError, match="insulated"):
        DiffusionProblem(square(2), 1.0, boundaries={"left": Dirichlet(0.0)}, fluxes={"f": "top"})


def test_a_flux_through_one_of_two_held_sides_that_meet_is_refused_but_their_sum_is_given():
    sides = {"left": Dirichlet(0.0), "bottom": Dirichlet(0.0)}
    with pytest.raises(InputError, match="together"):
        DiffusionProblem(square(2), 1.0, boundaries=sides, fluxes={"f": "left"})
    made = solve(
        square(2), conductivity=1.0, sources=Source(1.0), boundaries=sides, fluxes={"f": ("left", "bottom")}
    )
    assert made["f"] == pytest.approx(-1.0, rel=1e-12)


def test_a_condition_of_an_unknown_kind_is_refused():
    with pytest.raises(InputError, match="Dirichlet, Neumann, Robin"):
        DiffusionProblem(line(2), 1.0, boundaries={"left": 3.0})


def test_several_members_at_once_are_refused_by_the_steady_stage():
    stage = SteadyDiffusion(DiffusionProblem(line(2), "K", boundaries={"left": Dirichlet(0.0)}))
    with pytest.raises(WiringError, match="3 members"):
        stage.value({"K": np.ones(3)})
