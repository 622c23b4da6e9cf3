import pickle

import numpy as np
import pytest
from skfem import Basis, ElementLineP1, ElementLineP2, ElementQuad1, Functional

from mscale_uq.core.dynamics import Rollout
from mscale_uq.errors import Infeasible, InputError, WiringError
from mscale_uq.macro.boundary import Dirichlet, Neumann, Robin, Source
from mscale_uq.macro.coefficient import Coefficient
from mscale_uq.macro.diffusion import DiffusionProblem
from mscale_uq.macro.flux import BoundaryFlux
from mscale_uq.macro.mesh import interval_mesh, tensor_mesh
from mscale_uq.macro.steady import SteadyDiffusion
from mscale_uq.macro.transient import TransientDiffusion

RNG = np.random.default_rng(0)  # never used by a step: diffusion is not random
SLAB = Basis(interval_mesh(np.linspace(0.0, 1.0, 41)), ElementLineP2())


def run(dynamics, field, stop, values=None):
    """One member from time zero to `stop`."""
    return dynamics.step(np.asarray(field)[None, :], 0.0, stop, values or {}, RNG)[0]


def fourier_filling(x, t, terms=200):
    """A slab held at one at x = 0 from time zero, closed at x = 1, empty before; D = L = 1."""
    a = (np.arange(terms) + 0.5) * np.pi
    return 1 - 2 * np.sum(np.exp(-(a**2) * t) / a * np.sin(np.outer(np.atleast_1d(x), a)), axis=1)


def fourier_uptake(t, terms=200):
    a = (np.arange(terms) + 0.5) * np.pi
    return 2 * np.sum(np.exp(-(a**2) * t))


def test_a_cosine_decays_by_diffusion_and_reaction_with_order_two_in_time():
    # u = exp(-t) cos(pi x), closed ends: C du/dt = K u'' - r u holds if r = C - K pi^2
    C, K = 2.0, 0.05
    problem = DiffusionProblem(SLAB, K, reaction=C - K * np.pi**2, storage=C)
    x = problem.nodes[:, 0]
    errors = [
        np.abs(
            run(TransientDiffusion(problem, 1.0 / n), np.cos(np.pi * x), 1.0) - np.exp(-1) * np.cos(np.pi * x)
        ).max()
        for n in (4, 8, 16, 32)
    ]
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    np.testing.assert_allclose(orders, 2.0, atol=0.1)


def test_a_closed_slab_fills_to_ninety_per_cent_at_its_closed_end_in_the_published_time():
    # penetration time 1.03110 L^2/D
    assert fourier_filling(1.0, 1.03110)[0] == pytest.approx(0.9, abs=1e-5)
    problem = DiffusionProblem(SLAB, "D", storage=1.0, boundaries={"left": Dirichlet(1.0)})
    dynamics = TransientDiffusion(problem, max_step=0.005)
    for D in (1.0, 4.0):
        field = run(dynamics, np.zeros(problem.size), 1.03110 / D, {"D": np.array(D)})
        np.testing.assert_allclose(field, fourier_filling(problem.nodes[:, 0], 1.03110), atol=3e-5)


def test_a_jump_at_the_wall_is_damped_and_not_left_ringing():
    # the first step is 1600 times the diffusion time of an element; Crank-Nicolson would ring for ever
    problem = DiffusionProblem(SLAB, 1.0, storage=1.0, boundaries={"left": Dirichlet(1.0)})
    field = run(TransientDiffusion(problem, max_step=1.0), np.zeros(problem.size), 10.0)
    np.testing.assert_allclose(field, 1.0, atol=1e-3)


def test_the_field_comes_to_the_steady_one():
    x = np.linspace(0.0, 1.0, 7)
    problem = DiffusionProblem(
        Basis(tensor_mesh(x, x), ElementQuad1()),
        Coefficient("K", "tensor"),
        reaction=0.4,
        storage="C",
        sources=Source("q"),
        boundaries={"bottom": Dirichlet("cold"), "left": Robin(2.0, "ambient"), "top": Neumann(0.3)},
        fluxes={"into_bottom": "bottom", "into_left": "left"},
    )
    values = {"K": np.array([[1.0, 0.2], [0.2, 0.6]]), "q": 3.0, "cold": 1.0, "ambient": 0.2}
    steady = SteadyDiffusion(problem).value({name: np.asarray(value) for name, value in values.items()})
    timed = {**values, "C": np.array(5.0)}
    field = run(TransientDiffusion(problem, max_step=50.0), np.zeros(problem.size), 1000.0, timed)
    np.testing.assert_allclose(field, steady["u"], atol=1e-10)
    fluxes = BoundaryFlux(problem).value({"u": field, **timed})
    for name, flux in fluxes.items():
        assert flux == pytest.approx(steady[name], abs=1e-9)


def test_the_steady_field_stays():
    problem = DiffusionProblem(
        SLAB, 0.3, reaction=1.0, storage=2.0, boundaries={"left": Dirichlet(1.0), "right": Robin(0.7, 0.1)}
    )
    steady = SteadyDiffusion(problem).value({})["u"]
    moved = run(TransientDiffusion(problem, max_step=0.1), steady, 1.0)
    np.testing.assert_allclose(moved, steady, atol=1e-12)


def content(basis, field):
    """Integral of a nodal field, by a weak form that the package does not use."""
    return Functional(lambda w: w["u"]).assemble(basis, u=basis.interpolate(field))


def test_an_insulated_slab_gains_exactly_what_its_sources_give():
    C, q, inflow = 1.7, 0.6, 0.25
    problem = DiffusionProblem(SLAB, 0.3, storage=C, sources=Source(q), boundaries={"right": Neumann(inflow)})
    start = np.random.default_rng(1).uniform(size=problem.size)
    field = run(TransientDiffusion(problem, max_step=0.3), start, 2.0)
    gained = C * (content(SLAB, field) - content(SLAB, start))
    assert gained == pytest.approx((q + inflow) * 2.0, rel=1e-11)


def test_flows_sources_and_reaction_balance_the_change_of_content_at_every_instant():
    problem = DiffusionProblem(
        SLAB,
        0.3,
        reaction=0.9,
        storage=1.7,
        sources=Source(0.6),
        boundaries={"left": Dirichlet(1.0), "right": Robin(0.7, 0.1)},
        fluxes={"left_in": "left", "right_in": "right"},
    )
    dynamics = TransientDiffusion(problem, max_step=1e-3)
    before, middle, after = (run(dynamics, np.zeros(problem.size), t) for t in (0.299, 0.3, 0.301))
    flux = BoundaryFlux(problem).value({"u": middle})
    change = 1.7 * (content(SLAB, after) - content(SLAB, before)) / 0.002
    assert flux["left_in"] + flux["right_in"] + 0.6 - 0.9 * content(SLAB, middle) == pytest.approx(
        change, rel=1e-5
    )


def test_the_uptake_of_a_filling_slab_is_that_of_its_fourier_series_with_order_two():
    errors = []
    for n in (10, 20, 40):
        basis = Basis(interval_mesh(np.linspace(0.0, 1.0, n + 1)), ElementLineP1())
        problem = DiffusionProblem(
            basis, 1.0, storage=1.0, boundaries={"left": Dirichlet(1.0)}, fluxes={"uptake": "left"}
        )
        field = run(TransientDiffusion(problem, max_step=5e-4), np.zeros(problem.size), 0.2)
        errors.append(BoundaryFlux(problem).value({"u": field})["uptake"] - fourier_uptake(0.2))
    orders = np.log2(np.abs(np.array(errors[:-1]) / np.array(errors[1:])))
    np.testing.assert_allclose(orders, 2.0, atol=0.05)


def test_a_body_that_conducts_well_cools_like_a_lump():
    # small Biot number: C L du/dt = 2 h (u_a - u)
    C, h, ambient, L = 3.0, 0.8, 20.0, 1.0
    sides = {"left": Robin(h, ambient), "right": Robin(h, ambient)}
    problem = DiffusionProblem(SLAB, 1e5, storage=C, boundaries=sides)
    field = run(TransientDiffusion(problem, max_step=0.005), np.full(problem.size, 80.0), 1.5)
    np.testing.assert_allclose(field, ambient + 60.0 * np.exp(-2 * h * 1.5 / (C * L)), rtol=1e-6)


def test_a_long_step_is_the_same_as_its_substeps_one_by_one():
    problem = DiffusionProblem(SLAB, 0.3, storage=1.0, boundaries={"left": Dirichlet(1.0)})
    dynamics = TransientDiffusion(problem, max_step=0.1)
    whole = run(dynamics, np.zeros(problem.size), 0.5)
    field = np.zeros(problem.size)
    for start in (0.0, 0.1, 0.2, 0.3, 0.4):
        field = dynamics.step(field[None], start, start + 0.1, {}, RNG)[0]
    np.testing.assert_allclose(field, whole, rtol=1e-12)


@pytest.mark.parametrize("varied", [("q",), ("D",), ("D", "q", "u0"), ()])
def test_an_ensemble_moves_like_its_members_one_by_one(varied):
    problem = DiffusionProblem(
        SLAB, "D", reaction=0.1, storage="C", sources=Source("q"), boundaries={"left": Dirichlet("u0")}
    )
    dynamics = TransientDiffusion(problem, max_step=0.05)
    rng = np.random.default_rng(5)
    states = rng.uniform(size=(6, problem.size))
    each = {
        "D": np.array([0.3, 0.4, 0.3, 0.5, 0.4, 0.3]),
        "q": rng.uniform(size=6),
        "u0": rng.uniform(size=6),
    }
    shared = {"D": np.array(0.3), "q": np.array(0.2), "u0": np.array(1.0), "C": np.array(1.4)}
    values = {name: each[name] if name in varied else value for name, value in shared.items()}
    together = dynamics.step(states, 0.0, 0.2, values, RNG)
    for member in range(6):
        own = {name: value[member] if name in varied else value for name, value in values.items()}
        alone = dynamics.step(states[member : member + 1], 0.0, 0.2, own, RNG)[0]
        np.testing.assert_allclose(together[member], alone, rtol=1e-12, atol=1e-14)


def test_step_and_linearised_step_give_the_same_field_and_leave_the_inputs_alone():
    problem = DiffusionProblem(SLAB, "D", storage=1.0, boundaries={"left": Dirichlet(1.0)})
    dynamics = TransientDiffusion(problem, max_step=0.05)
    state = np.random.default_rng(2).uniform(size=problem.size)
    before, values = state.copy(), {"D": np.array(0.3)}
    linear_field, _ = dynamics.linearize_step(state, 0.0, 0.2, values)
    np.testing.assert_array_equal(run(dynamics, state, 0.2, values), linear_field)
    np.testing.assert_array_equal(state, before)


def test_a_step_does_not_depend_on_the_steps_before_it():
    problem = DiffusionProblem(SLAB, "D", storage="C", boundaries={"left": Dirichlet(1.0)})
    dynamics = TransientDiffusion(problem, max_step=0.05)
    state = np.zeros(problem.size)
    first = run(dynamics, state, 0.2, {"D": np.array(0.3), "C": np.array(1.0)})
    run(dynamics, state, 0.2, {"D": np.array(0.3), "C": np.array(2.0)})
    run(dynamics, state, 0.1, {"D": np.array(0.3), "C": np.array(1.0)})
    again = run(dynamics, state, 0.2, {"D": np.array(0.3), "C": np.array(1.0)})
    np.testing.assert_array_equal(first, again)


def test_the_dynamics_survive_pickling_after_a_step():
    problem = DiffusionProblem(SLAB, "D", storage=1.0, boundaries={"left": Dirichlet(1.0)})
    dynamics = TransientDiffusion(problem, max_step=0.05, field="c", unit="mol/m^3")
    state, values = np.zeros(problem.size), {"D": np.array(0.3)}
    field = run(dynamics, state, 0.2, values)
    again = pickle.loads(pickle.dumps(dynamics))
    np.testing.assert_array_equal(run(again, state, 0.2, values), field)
    assert again.state[0].shape == (problem.size,)


def test_a_rollout_reads_a_uniform_initial_field_and_makes_a_path():
    problem = DiffusionProblem(SLAB, 1.0, storage=1.0, boundaries={"left": Dirichlet(1.0)})
    rollout = Rollout(TransientDiffusion(problem, max_step=0.002), [0.1, 0.3])
    path = rollout.value({"u_initial": np.array(0.0), "key": np.array(0)})["u"]
    exact = np.array([fourier_filling(problem.nodes[:, 0], t) for t in (0.1, 0.3)])
    np.testing.assert_allclose(path, exact, atol=2e-4)


def test_a_problem_without_storage_cannot_move():
    with pytest.raises(InputError, match="storage"):
        TransientDiffusion(DiffusionProblem(SLAB, 1.0), max_step=0.1)


def test_a_storage_that_is_not_positive_is_infeasible():
    dynamics = TransientDiffusion(DiffusionProblem(SLAB, 1.0, storage="C"), max_step=0.1)
    with pytest.raises(Infeasible, match="storage"):
        run(dynamics, np.zeros(dynamics.size), 1.0, {"C": np.array(0.0)})


def test_values_for_another_number_of_members_are_refused():
    dynamics = TransientDiffusion(DiffusionProblem(SLAB, "D", storage=1.0), max_step=0.1)
    with pytest.raises(WiringError, match="3 members"):
        dynamics.step(np.zeros((2, dynamics.size)), 0.0, 1.0, {"D": np.ones(3)}, RNG)
