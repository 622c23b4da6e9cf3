import pickle

import numpy as np
import pytest
from plates import line, solve, square
from skfem import (
    Basis,
    ElementLineP1,
    ElementLineP2,
    ElementQuad1,
    ElementQuad2,
    ElementTriP1,
    ElementTriP2,
    Functional,
)

from mscale_uq.macro.boundary import Dirichlet, Neumann, Robin, Source
from mscale_uq.macro.coefficient import Coefficient
from mscale_uq.macro.diffusion import DiffusionProblem
from mscale_uq.macro.mesh import aligned_nodes, interval_mesh
from mscale_uq.macro.steady import SteadyDiffusion


def orders(errors):
    return np.log2(np.abs(errors[:-1]) / np.abs(errors[1:]))


def l2_error(basis, field, exact):
    difference = Functional(lambda w: (w["u"] - exact(w.x)) ** 2)
    fine = Basis(basis.mesh, basis.elem, intorder=8)
    return np.sqrt(difference.assemble(fine, u=fine.interpolate(field)))


# A biofilm of thickness L = 1 fed at its surface: D u'' = k u, u(0) = 1, u'(1) = 0.
# u(x) = cosh(m (1 - x))/cosh(m) with m^2 = k/D; the uptake is D m tanh(m).
FED = {"boundaries": {"left": Dirichlet(1.0)}, "fluxes": {"uptake": "left"}}


M = np.sqrt(1.0 / 0.3)


BIOFILM_BASE, BIOFILM_UPTAKE = 1 / np.cosh(M), 0.3 * M * np.tanh(M)


def biofilm_errors(element, sizes):
    made = [solve(line(n, element), conductivity=0.3, reaction=1.0, **FED) for n in sizes]
    base = [made_["u"][np.argmax(line(n, element).doflocs[0])] for made_, n in zip(made, sizes, strict=True)]
    return np.array(base) - BIOFILM_BASE, np.array([one["uptake"] for one in made]) - BIOFILM_UPTAKE


def test_a_biofilm_converges_to_the_published_concentration_and_uptake_with_order_two():
    assert pytest.approx(0.3140458707, abs=6e-11) == BIOFILM_BASE
    assert pytest.approx(0.5200120742, abs=6e-11) == BIOFILM_UPTAKE
    base, uptake = biofilm_errors(ElementLineP1(), (8, 16, 32, 64))
    np.testing.assert_allclose(orders(base), 2.0, atol=0.03)
    np.testing.assert_allclose(orders(uptake), 2.0, atol=0.03)


def test_quadratic_elements_give_the_biofilm_with_order_four_and_nine_digits():
    base, uptake = biofilm_errors(ElementLineP2(), (4, 8, 16))
    np.testing.assert_allclose(orders(base), 4.0, atol=0.15)
    np.testing.assert_allclose(orders(uptake), 4.0, atol=0.15)
    fine = biofilm_errors(ElementLineP2(), (64,))
    assert abs(fine[0][0]) < 1e-9
    assert abs(fine[1][0]) < 1e-9


def test_a_thick_biofilm_takes_up_what_a_half_space_does():
    # Thiele number 100: cosh(m) would overflow at 710; the exponential profile is resolved by a graded mesh.
    nodes = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 200)])
    basis = Basis(interval_mesh(nodes), ElementLineP2())
    made = solve(basis, conductivity=1e-4, reaction=1.0, **FED)
    assert made["uptake"] == pytest.approx(0.01, rel=1e-5)


def test_without_reaction_the_profile_between_two_held_walls_is_straight():
    basis = line(7)
    ends = {"left": Dirichlet(1.0), "right": Dirichlet(0.25)}
    made = solve(basis, conductivity=0.3, boundaries=ends, fluxes={"through": "left"})
    np.testing.assert_allclose(made["u"], 1 - 0.75 * basis.doflocs[0], rtol=1e-13)
    assert made["through"] == pytest.approx(0.3 * 0.75, rel=1e-13)
    slow = solve(basis, conductivity=0.3, reaction=1e-9, boundaries=ends)
    np.testing.assert_allclose(slow["u"], made["u"], atol=1e-9)


def test_a_fed_biofilm_stays_between_zero_and_its_surface_value_and_decays_inwards():
    made = solve(line(40), conductivity=0.3, reaction=25.0, **FED)
    assert np.all((made["u"] > 0) & (made["u"] <= 1))
    assert np.all(np.diff(made["u"]) < 0)


def test_a_heated_wall_between_two_cooling_fluids_has_the_exact_parabola():
    # K u'' = -q, K du/dn = h (u_a - u) at both ends: u = u_a + q L/(2 h) + q x (L - x)/(2 K)
    K, q, h, ambient, L = 1.7, 3.0, 4.0, 20.0, 0.6
    basis = line(9, length=L)
    wall = {"left": Robin(h, ambient), "right": Robin(h, ambient)}
    made = solve(
        basis, conductivity=K, sources=Source(q), boundaries=wall, fluxes={"loss": ("left", "right")}
    )
    x = basis.doflocs[0]
    np.testing.assert_allclose(made["u"], ambient + q * L / (2 * h) + q * x * (L - x) / (2 * K), rtol=1e-13)
    assert made["loss"] == pytest.approx(-q * L, rel=1e-12)


def test_a_given_inflow_makes_a_straight_profile_of_slope_inflow_over_conductivity():
    basis = line(6, ElementLineP2())
    sides = {"left": Dirichlet(2.0), "right": Neumann(0.9)}
    made = solve(basis, conductivity=0.3, boundaries=sides, fluxes={"out": "left", "in_": "right"})
    np.testing.assert_allclose(made["u"], 2.0 + 3.0 * basis.doflocs[0], rtol=1e-13)
    assert made["in_"] == pytest.approx(0.9, rel=1e-14)
    assert made["out"] == pytest.approx(-0.9, rel=1e-12)


def test_layers_in_series_conduct_like_their_harmonic_mean():
    ends = {"left": Dirichlet(1.0), "right": Dirichlet(0.0)}
    mesh = interval_mesh(aligned_nodes([0.0, 0.6, 1.0], 10))
    layers = np.where(mesh.p[0, mesh.t].mean(axis=0) < 0.6, 0.2, 1.2)
    made = solve(
        Basis(mesh, ElementLineP1()), conductivity=layers, boundaries=ends, fluxes={"through": "left"}
    )
    assert made["through"] == pytest.approx(1 / (0.6 / 0.2 + 0.4 / 1.2), rel=1e-13)


# On the unit square: -div(K grad u) + r u = q for u = sin(x + 2 y), held left and right, fed below and above.
TENSOR = np.array([[2.0, 0.5], [0.5, 1.0]])


REACTION = 0.7


def wave(x):
    return np.sin(x[0] + 2 * x[1])


def wave_source(x):
    return (2.0 + 2.0 + 4.0 + REACTION) * wave(x)


def wave_inflow_above(x):
    return 2.5 * np.cos(x[0] + 2 * x[1])


def wave_inflow_below(x):
    return -wave_inflow_above(x)


WAVE = {
    "conductivity": TENSOR,
    "reaction": REACTION,
    "sources": Source(1.0, wave_source),
    "boundaries": {
        "left": Dirichlet(1.0, wave),
        "right": Dirichlet(1.0, wave),
        "bottom": Neumann(1.0, wave_inflow_below),
        "top": Neumann(1.0, wave_inflow_above),
    },
    "fluxes": {"left_in": "left", "right_in": "right"},
}


WAVE_LEFT = -3.0 * np.sin(2.0) / 2  # the integral of -(K grad u)_x over the left side


WAVE_RIGHT = 3.0 * (np.sin(3.0) - np.sin(1.0)) / 2


@pytest.mark.parametrize(
    ("element", "order", "flux_order"),
    [
        (ElementQuad1(), 2, 2),
        (ElementTriP1(), 2, 2),
        (ElementTriP2(), 3, 3),  # less than 4: the corners between held and fed sides, in an oblique tensor
        (ElementQuad2(), 3, 3),
    ],
    ids=["Q1", "P1", "P2", "Q2"],
)
def test_a_wave_in_an_anisotropic_plate_converges_with_the_order_of_its_element(element, order, flux_order):
    errors, fluxes = [], []
    for n in (4, 8, 16):
        basis = square(n, element)
        made = solve(basis, **WAVE)
        errors.append(l2_error(basis, made["u"], wave))
        fluxes.append([made["left_in"] - WAVE_LEFT, made["right_in"] - WAVE_RIGHT])
    assert np.all(orders(np.array(errors)) > order - 0.15)
    assert np.all(orders(np.array(fluxes)) > flux_order - 0.25)


@pytest.mark.parametrize("element", [ElementQuad1(), ElementTriP1(), ElementTriP2()], ids=["Q1", "P1", "P2"])
def test_a_linear_field_in_an_anisotropic_plate_is_exact(element):
    # u = 1 + 2 x - 3 y; the tensor need not be symmetric
    K = np.array([[2.0, 0.7], [-0.3, 1.0]])
    flow = K @ [2.0, -3.0]
    sides = {
        "left": Dirichlet(1.0, lambda x: 1 + 2 * x[0] - 3 * x[1]),
        "right": Neumann(flow[0]),
        "top": Neumann(flow[1]),
        "bottom": Neumann(-flow[1]),
    }
    basis = square(5, element)
    made = solve(basis, conductivity=K, boundaries=sides, fluxes={"left_in": "left"})
    np.testing.assert_allclose(made["u"], 1 + 2 * basis.doflocs[0] - 3 * basis.doflocs[1], atol=1e-12)
    assert made["left_in"] == pytest.approx(-flow[0], rel=1e-11)


def clamped_series(terms=60):
    """Centre and mean of -laplace u = 1, u = 0 on the unit square, by a series in one direction."""
    n = np.arange(1, 2 * terms, 2)
    a = n * np.pi
    centre = 1 / 8 - np.sum(4 / a**3 * np.sin(a / 2) / np.cosh(a / 2))
    mean = 1 / 12 - np.sum(16 / a**5 * np.tanh(a / 2))
    return centre, mean


def test_a_uniformly_heated_square_has_the_known_centre_and_mean():
    centre, mean = clamped_series()
    assert centre == pytest.approx(0.0736713533, abs=6e-11)
    assert mean == pytest.approx(0.03514425377, abs=6e-12)
    rim = {side: Dirichlet(0.0) for side in ("left", "right", "bottom", "top")}
    at_centre, means = [], []
    for n in (8, 16, 32):
        basis = square(n)
        made = solve(basis, conductivity=1.0, sources=Source(1.0), boundaries=rim, fluxes={"out": tuple(rim)})
        at_centre.append(made["u"][np.argmin(np.sum((basis.doflocs - 0.5) ** 2, axis=0))])
        means.append(Functional(lambda w: w["u"]).assemble(basis, u=basis.interpolate(made["u"])))
        assert made["out"] == pytest.approx(-1.0, rel=1e-12)  # what is made inside leaves
    np.testing.assert_allclose(orders(np.array(at_centre) - centre), 2.0, atol=0.1)
    np.testing.assert_allclose(orders(np.array(means) - mean), 2.0, atol=0.1)


def test_the_named_flows_sources_and_reaction_of_a_plate_balance_to_round_off():
    sides = {"left": Dirichlet(1.0), "bottom": Robin(2.0, 0.3), "right": Neumann(0.4)}
    fluxes = {
        "left_in": "left",
        "bottom_in": "bottom",
        "right_in": "right",
        "all_in": ("left", "bottom", "right"),
    }
    basis = square(6)
    made = solve(basis, conductivity=0.8, reaction=1.5, sources=Source(0.6), boundaries=sides, fluxes=fluxes)
    integral = Functional(lambda w: w["u"]).assemble(basis, u=basis.interpolate(made["u"]))
    inflow = made["left_in"] + made["bottom_in"] + made["right_in"]
    assert inflow == pytest.approx(made["all_in"], rel=1e-13)
    assert inflow + 0.6 == pytest.approx(1.5 * integral, rel=1e-12)


def test_a_heater_on_a_named_part_of_a_side_gives_its_flow_times_its_length():
    mesh = square(8).mesh.with_boundaries({"heater": lambda x: (x[1] == 1.0) & (np.abs(x[0] - 0.5) < 0.25)})
    made = solve(
        Basis(mesh, ElementQuad1()),
        conductivity=0.4,
        boundaries={"bottom": Dirichlet(0.0), "heater": Neumann(3.0)},
        fluxes={"heat": "heater", "drawn": "bottom"},
    )
    assert made["heat"] == pytest.approx(3.0 * 0.5, rel=1e-13)
    assert made["drawn"] == pytest.approx(-1.5, rel=1e-12)


def test_all_ways_to_say_one_isotropic_conductivity_agree():
    basis = square(4)
    ways = [2.0, 2.0 * np.eye(2), np.full(16, 2.0), np.tile(2.0 * np.eye(2), (16, 1, 1))]
    terms = {"sources": Source(1.0), "boundaries": {"left": Dirichlet(0.0), "top": Robin(1.0, 2.0)}}
    fields = [solve(basis, conductivity=K, **terms)["u"] for K in ways]
    for field in fields[1:]:
        np.testing.assert_allclose(field, fields[0], rtol=1e-12)


def test_a_source_per_element_is_the_same_by_profile_and_by_value():
    basis = square(4)
    strength = np.random.default_rng(0).uniform(size=16)
    terms = {"conductivity": 1.0, "boundaries": {"left": Dirichlet(0.0)}}
    by_profile = solve(basis, {"P": np.array(3.0)}, sources=Source("P", strength), **terms)
    by_value = solve(basis, {"q": 3.0 * strength}, sources=Source(Coefficient("q", "elements")), **terms)
    np.testing.assert_allclose(by_profile["u"], by_value["u"], rtol=1e-13)


def test_the_stage_survives_pickling_and_gives_the_same_numbers():
    stage = SteadyDiffusion(DiffusionProblem(square(4), "K", reaction=1.0, **FED))
    values = {"K": np.array(0.4)}
    again = pickle.loads(pickle.dumps(stage)).value(values)
    np.testing.assert_array_equal(again["u"], stage.value(values)["u"])
