"""Radial finite volumes against exact solutions: order in space and time, every geometry, every boundary."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import j0, j1, jn_zeros

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import InputError, SolveFailed
from mscale_uq.macro.radial import Drive, Radial, Transport
from mscale_uq.macro.radial_mesh import GEOMETRIES, RadialMesh
from mscale_uq.macro.radial_path import Mean, RadialPath

ON = Drive((0.0,), (1.0,))


def constant(c, p):
    return 1.0 + 0 * c


def stiffer(c, p):
    return 1.0 + p[0] * c * c


def given_flux(c, drive, p):
    return drive * p[0]


def film(c, drive, p):
    return p[0] * (p[1] - c)


def closed(c, drive, p):
    return 0 * c


def uptake(c, drive, p):
    return -drive * p[1] * c / (p[2] + c)


FLUX, FILM, CLOSED = (
    Transport(constant, given_flux, ("flux",)),
    Transport(constant, film, ("biot", "outside")),
    Transport(constant, closed),
)
UPTAKE = Transport(stiffer, uptake, ("bend", "capacity", "half"))


def body(law, geometry="sphere", cells=40, max_step=0.01, grading=1.0, **others):
    return Radial("c", law, RadialMesh(geometry, (0.0, 1.0), (cells,), grading), max_step, ON, **others)


# (c_surface - c0) D/(J R) of a sphere into which J flows: 3 tau + 1/5 - 2 sum exp(-x^2 tau)/x^2, tan x = x.
TAU = np.array([0.001, 0.01, 0.1, 0.5, 1.0])
KNOWN = np.array([0.03670678, 0.12364335, 0.48676169, 1.69999591, 3.20000000])


def roots_of_tan(count):
    k = np.arange(1, count + 1)
    return np.array([brentq(lambda x: np.sin(x) - x * np.cos(x), n * np.pi, (n + 0.5) * np.pi) for n in k])


def surface_under_flux(geometry, tau):
    """The exact surface under a constant flux, from the eigenvalues of a closed body."""
    x = {"slab": np.arange(1, 4000) * np.pi, "cylinder": jn_zeros(1, 4000), "sphere": roots_of_tan(4000)}
    m = GEOMETRIES.index(geometry)
    decay = np.exp(-np.outer(tau, x[geometry] ** 2)) / x[geometry] ** 2
    return (m + 1) * tau + 1 / (m + 3) - 2 * decay.sum(axis=1)


def test_the_known_values_of_a_sphere_are_those_of_its_series():
    assert surface_under_flux("sphere", TAU) == pytest.approx(KNOWN, abs=1e-8)
    assert roots_of_tan(3) == pytest.approx([4.49340946, 7.72525184, 10.90412166], abs=1e-8)


def test_a_sphere_under_a_constant_flux_has_the_known_surface():
    path = RadialPath(body(FLUX, cells=150, grading=2.0, max_step=1e-3), TAU)
    found = path.value({"c_initial": 0.0, "flux": 1.0})["c_surface"]
    assert found == pytest.approx(KNOWN, rel=1e-3)
    assert found[2:] == pytest.approx(KNOWN[2:], rel=1e-4)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("grading", [1.0, 2.0])
def test_the_surface_under_a_constant_flux_converges_at_second_order(geometry, grading):
    tau = np.array([0.05, 0.1, 0.4])
    exact = surface_under_flux(geometry, tau)
    errors = []
    for cells in (15, 30, 60):
        path = RadialPath(body(FLUX, geometry, cells, 0.1 / cells, grading), tau)
        found = path.value({"c_initial": 0.0, "flux": 1.0})["c_surface"]
        errors.append(np.abs(found - exact).max())
    assert min(np.log2(a / b) for a, b in pairwise(errors)) > 1.8


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_in_the_end_surface_and_mean_are_apart_by_the_flux_over_m_plus_three(geometry):
    path = RadialPath(body(FLUX, geometry, 100), [2.0], [Mean("mean")])
    made = path.value({"c_initial": 0.0, "flux": 1.0})
    m = GEOMETRIES.index(geometry)
    assert made["mean"][0] == pytest.approx((m + 1) * 2.0, rel=1e-12)
    assert made["c_surface"][0] - made["mean"][0] == pytest.approx(1 / (m + 3), rel=1e-3)


# A film: the slowest mode of each geometry decays as exp(-x^2 t), where its slope at 1 is -biot times it.
MODES = {
    "slab": (lambda x: np.cos(x), lambda x: -x * np.sin(x), np.pi / 2),
    "cylinder": (lambda x: j0(x), lambda x: -x * j1(x), 2.4),
    "sphere": (lambda x: np.sin(x) / x, lambda x: np.cos(x) - np.sin(x) / x, np.pi),
}


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_mode_behind_a_film_decays_at_its_own_rate(geometry):
    mode, slope, highest = MODES[geometry]
    x = brentq(lambda z: slope(z) + 3.0 * mode(z), 1e-6, highest * (1 - 1e-9))
    exact = mode(x) * np.exp(-(x**2) * 0.3)
    errors = []
    for cells in (10, 20, 40):
        here = body(FILM, geometry, cells, 0.4 / cells)
        middle = (here.mesh.faces[1:] + here.mesh.faces[:-1]) / 2
        known = {"c_initial": 2 + mode(x * middle), "biot": 3.0, "outside": 2.0}
        errors.append(abs(RadialPath(here, [0.3]).value(known)["c_surface"][0] - 2 - exact))
    assert min(np.log2(a / b) for a, b in pairwise(errors)) > 1.8


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_source_and_an_uptake_come_to_rest_at_the_profile_of_kirchhoff(geometry):
    """D = 1 + b c^2: c + b c^3/3 falls by s (1 - x^2)/(2 (m + 1)) from the middle to the surface."""
    m = GEOMETRIES.index(geometry)
    known = {"bend": 2.0, "capacity": 2.0, "half": 0.5, "s": 0.9 * (m + 1), "c_initial": 1.0}
    outside = 0.5 * 0.9 / (2.0 - 0.9)
    x, weights = np.polynomial.legendre.leggauss(40)
    x, weights = (x + 1) / 2, weights / 2
    profile = [
        brentq(lambda c, y=y: c - outside + 2 / 3 * (c**3 - outside**3) - 0.45 * (1 - y**2), 0, 10) for y in x
    ]
    mean = (m + 1) * np.sum(weights * x**m * profile)
    errors = []
    for cells in (20, 40, 80):
        path = RadialPath(body(UPTAKE, geometry, cells, 1.0, source="s"), [400.0], [Mean("mean")])
        made = path.value(known)
        assert made["c_surface"][0] == pytest.approx(outside, rel=1e-9)
        errors.append(abs(made["mean"][0] - mean))
    assert min(np.log2(a / b) for a, b in pairwise(errors)) > 1.8


def test_the_order_in_time_is_two_for_a_nonlinear_diffusivity():
    """Richardson: the mesh is fixed, the time step alone is halved."""
    known = {"bend": 2.0, "capacity": 2.0, "half": 0.5, "s": 3.0, "c_initial": 1.0}
    found = [
        RadialPath(body(UPTAKE, cells=20, max_step=step, source="s"), [0.2, 0.4]).value(known)["c_surface"]
        for step in (0.02, 0.01, 0.005, 0.0025)
    ]
    differences = [np.abs(a - b).max() for a, b in pairwise(found)]
    assert min(np.log2(a / b) for a, b in pairwise(differences)) > 1.8


def stack(cells):
    """Two layers of a slab, unlike in all they are made of."""
    mesh = RadialMesh("slab", (0.0, 0.3, 1.0), (cells, 2 * cells))
    drive = Drive((0.0, 0.4, 0.7), (1.0, -0.5, 0.0))
    return Radial("c", UPTAKE, mesh, 0.02, drive, capacity="held", transport="moved", source="s")


STACK = {"held": [0.7, 1.4], "moved": [0.2, 1.7], "s": [2.0, -0.3], "bend": 0.5, "capacity": 0.4, "half": 0.3}


def test_layers_in_series_carry_what_the_surface_gives():
    """At rest: a flux J over 0.3/0.2 and 0.7/1.7 of resistance, from a source in the inner layer."""
    mesh = RadialMesh("slab", (0.0, 0.3, 1.0), (30, 30))
    here = Radial("c", FILM, mesh, 1.0, ON, transport="moved", source="s")
    path = RadialPath(here, [200.0], [Mean("inner", 0), Mean("outer", 1)])
    made = path.value({"c_initial": 0.0, "moved": [0.2, 1.7], "s": [2.0, 0.0], "biot": 3.0, "outside": 1.0})
    J = 0.6
    at_edge = 1 + J / 3.0 + J * 0.7 / 1.7
    assert made["c_surface"][0] == pytest.approx(1 + J / 3.0, rel=1e-9)
    assert made["outer"][0] == pytest.approx(1 + J / 3.0 + J * 0.35 / 1.7, rel=1e-6)
    assert made["inner"][0] == pytest.approx(at_edge + 2.0 * 0.3**2 / (3 * 0.2), rel=1e-3)


@pytest.mark.parametrize(("law", "known"), [(UPTAKE, STACK), (FLUX, {**STACK, "flux": 0.4})])
def test_every_step_keeps_what_it_has_through_switches(law, known):
    here = stack(10)
    here = Radial("c", law, here.mesh, 0.02, here.drive, capacity="held", transport="moved", source="s")
    ledgers = RadialPath(here, [0.5, 1.0]).ledgers({**known, "c_initial": 1.0})
    assert len(ledgers) == 3
    assert max(ledger.defect for ledger in ledgers) < 1e-13


@pytest.mark.parametrize("start", [1.0, np.linspace(1.0, 2.0, 12)])
def test_every_input_has_its_exact_derivative(start):
    path = RadialPath(stack(4), [0.0, 0.3, 0.4, 1.1], [Mean("log", 1, np.log), Mean("mean")])
    known = {**STACK, "c_initial": start}
    parameters = [
        Parameter(name, "1", np.asarray(known[name], dtype=float), shape=np.shape(known[name]))
        for name in path.inputs
    ]
    model = ForwardModel([path], parameters, path.outputs)
    check = check_gradient(model, model.theta(), np.random.default_rng(3))
    assert check.ok, (check.worst, check.dot_error)


def test_a_flux_at_a_film_has_the_exact_derivative():
    path = RadialPath(body(FILM, "cylinder", 8, 0.05, transport="D"), [0.1, 0.5])
    names = {"c_initial": 0.2, "D": 0.7, "biot": 3.0, "outside": 2.0}
    model = ForwardModel([path], [Parameter(name, "1", names[name]) for name in path.inputs], path.outputs)
    assert check_gradient(model, model.theta(), np.random.default_rng(3)).ok


def test_at_a_switch_the_surface_is_still_that_of_before():
    here = Radial("c", FLUX, RadialMesh(), 0.01, Drive((0.0, 0.5), (1.0, 0.0)))
    path = RadialPath(here, [0.0, 0.5, 0.5 + 1e-9])
    before, at, after = path.value({"c_initial": 0.3, "flux": 1.0})["c_surface"]
    assert before == 0.3
    assert at - 0.3 == pytest.approx(surface_under_flux("sphere", np.array([0.5]))[0], rel=1e-3)
    assert after < at


def falling(c, p):
    return 1.0 - p[0] * c


def test_a_diffusivity_that_turns_negative_is_a_failed_solve():
    here = body(Transport(falling, given_flux, ("flux",)))
    with pytest.raises(SolveFailed, match="the diffusivity is not positive"):
        RadialPath(here, [0.5]).value({"c_initial": 0.0, "flux": 1.0})


def test_a_mesh_and_a_drive_that_do_not_fit_together_are_refused():
    for wrong in ({"geometry": "cube"}, {"edges": (0.0, 2.0)}, {"cells": (1, 2)}, {"grading": 0.5}):
        with pytest.raises(InputError):
            RadialMesh(**wrong)
    with pytest.raises(InputError, match="increasing times"):
        Drive((1.0, 0.5), (1.0, 2.0))


def test_a_closed_body_at_rest_stays_as_it_is():
    made = RadialPath(body(CLOSED), [1.0], [Mean("mean")]).value({"c_initial": 0.7})
    assert made["mean"][0] == pytest.approx(0.7, rel=1e-13)
