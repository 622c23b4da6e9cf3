"""Slabs and spheres beside a flow: Thiele's numbers, the exact transfer, and the curve from Laplace space."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from laplace_space import bodies
from slopes import check_step_slopes

from mscale_uq.core.formula import Formula
from mscale_uq.macro.column import Breakthrough, Column, ColumnDynamics
from mscale_uq.macro.kinetics import Kinetics
from mscale_uq.macro.pores import Pores, slab_rate, sphere_rate
from mscale_uq.macro.radial_mesh import RadialMesh

NAMES = ("phase_ratio", "pore_diffusivity", "depth", "pore_rate")
INSIDE = dict(zip(NAMES, (0.8, 1e-10, 1e-3, 2e-4), strict=True))
HERE = {"velocity": 3e-5, "dispersion": 9e-8, **INSIDE}
GEOMETRY = {"slabs": "slab", "spheres": "sphere"}


def sorption(c, s, p):
    return p[1] * (p[0] * c - s)


def pores(shape, shells):
    return Pores(RadialMesh(GEOMETRY[shape], cells=(shells,), grading=2.0))


def column(shape, cells, shells, pulse=np.inf):
    kinetics = Kinetics(sorption, NAMES, pores(shape, shells), shells, linear=True)
    return Column(kinetics, 0.3, 0.25, cells, 0.3 * 1.25 / cells / 3e-5 * 0.6, pulse)


def transfer(shape, shells, square):
    """What a body holds over c at its surface, at q^2 = depth^2 (p + k)/D."""
    mu, share = pores(shape, shells).modes
    return np.sum(share * mu / (square[:, None] + mu), axis=1)


EXACT = {
    "slabs": lambda q: np.tanh(q) / q,
    "spheres": lambda q: 3 * (q / np.tanh(q) - 1) / q**2,
}


@pytest.mark.parametrize("shape", EXACT)
def test_modes_converge_at_second_order_to_the_exact_transfer_from_late_to_early_times(shape):
    """The square of q is depth^2/(D t): from a hundredth to a thousand."""
    square = np.geomspace(1e-2, 1e3, 11)
    errors = [np.abs(transfer(shape, n, square) - EXACT[shape](np.sqrt(square))).max() for n in (20, 40, 80)]
    assert (np.log2(np.array(errors[:-1]) / errors[1:]) > 1.9).all()
    assert errors[-1] < 2e-4


@pytest.mark.parametrize(("phi", "expected"), [(1.0, 0.761594), (3.0, 0.331685)])
def test_at_rest_a_slab_has_the_known_effectiveness(phi, expected):
    assert transfer("slabs", 160, np.array([phi**2]))[0] == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("shape", EXACT)
def test_the_shares_of_all_modes_are_the_whole_and_none_grows(shape):
    mu, share = pores(shape, 12).modes
    assert share.sum() == pytest.approx(1.0, rel=1e-13)
    assert (mu > 0).all()
    assert (share >= 0).all()


def of_fifty_digits(shape, square):
    """The effectiveness at phi^2, and its slope to ln phi^2; cancellation eats forty digits at most."""
    with localcontext(prec=90):
        x = Decimal(square)
        phi = x.sqrt()
        tanh = 1 - 2 / ((2 * phi).exp() + 1)
        rise = phi * (1 - tanh**2) / 2  # of tanh(phi), to ln phi^2
        if shape == "slabs":
            return float(tanh / phi), float(rise / phi - tanh / phi / 2)
        part = phi / tanh
        return float(3 * (part - 1) / x), float(3 * (part / 2 - part * rise / tanh - part + 1) / x)


RATE = {"slabs": slab_rate, "spheres": sphere_rate}
SQUARES = (1e-20, 1e-12, 1e-6, 1e-2, 0.5, np.nextafter(4.0, 0.0), 4.0, 10.0, 400.0)


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("shape", RATE)
def test_what_bodies_consume_at_rest_is_exact_with_its_slopes_however_slow_the_reaction(shape, square):
    """Depth enters by phi alone, so that its slope is all that phi changes."""
    here = {"phase_ratio": 0.8, "pore_diffusivity": 2.0**-33, "depth": 2.0**-10, "pore_rate": square / 8192}
    share, bend = of_fifty_digits(shape, square)
    made, slope = Formula(RATE[shape], "rate").linearize({n: np.array(v) for n, v in here.items()})
    along = slope.vjp({"rate": np.array(1.0)})
    assert made["rate"] == pytest.approx(0.8 * here["pore_rate"] * share, rel=3e-15, abs=0)
    assert along["pore_rate"] == pytest.approx(0.8 * (share + bend), rel=1e-14, abs=0)
    assert along["depth"] * here["depth"] == pytest.approx(1.6 * here["pore_rate"] * bend, rel=1e-13, abs=0)


@pytest.mark.parametrize("shape", RATE)
def test_a_reaction_that_begins_is_met_by_the_whole_body(shape):
    """At rate zero nothing is consumed, and the slope is that of a body without a profile."""
    here = {**{name: np.array(value) for name, value in INSIDE.items()}, "pore_rate": np.array(0.0)}
    made, slope = Formula(RATE[shape], "rate").linearize(here)
    assert made["rate"] == 0
    assert slope.vjp({"rate": np.array(1.0)})["pore_rate"] == pytest.approx(0.8, rel=1e-15)


TIMES = np.array([5e3, 7e3, 9e3, 1.1e4, 1.4e4, 1.8e4, 2.4e4, 4e4])


@pytest.mark.parametrize("rate", [0.0, 2e-4])
@pytest.mark.parametrize("shape", EXACT)
def test_the_curve_is_the_exact_one_from_the_first_arrival_to_the_end(shape, rate):
    known = bodies(0.3, 3e-5, 9e-8, *(INSIDE[name] for name in NAMES[:3]), rate, TIMES, shape)
    assert known[0] < 1e-5
    errors = []
    for cells, shells in ((40, 8), (80, 16)):
        stage = Breakthrough(column(shape, cells, shells), TIMES)
        errors.append(np.abs(stage.value({**HERE, "pore_rate": rate})["breakthrough"] - known).max())
    assert errors[0] / errors[1] > 2.5
    assert errors[1] < 1.5e-3


def test_early_on_a_slab_at_rest_would_be_far_from_it():
    """At rest the water loses phase_ratio k tanh(phi)/phi from the start, and nothing is stored."""
    phi = 1e-3 * np.sqrt(2e-4 / 1e-10)
    rate = 0.8 * 2e-4 * np.tanh(phi) / phi
    rest = Column(Kinetics(lambda c, s, p: p[0] * c, ("rate",)), 0.3, 0.25, 80, 80.0)
    values = {"velocity": 3e-5, "dispersion": 9e-8, "rate": rate}
    known = bodies(0.3, 3e-5, 9e-8, *(INSIDE[name] for name in NAMES), TIMES)
    off = np.abs(Breakthrough(rest, TIMES).value(values)["breakthrough"] - known)
    assert off[3] > 0.1
    assert off[-1] < 2e-3


@pytest.mark.parametrize("shape", EXACT)
def test_what_came_in_is_in_the_water_in_the_bodies_out_or_consumed(shape):
    made_of, count = column(shape, 40, 8, pulse=5e3), 9 * 40
    none, still = np.zeros((0, count)), np.zeros((0, len(made_of.inputs)))
    made = made_of.move(np.zeros(count), 0.0, 2e4, HERE, none, still)
    assert max(ledger.defect for ledger in made.ledgers) < 1e-13
    assert made.state.min() > -1e-12
    kept = made_of.move(np.zeros(count), 0.0, 2e4, {**HERE, "pore_rate": 0.0}, none, still)
    came_in = kept.ledgers[0].content[-1]
    assert came_in == pytest.approx(3e-5 * 5e3, rel=0.05)  # and what spreads in
    assert made.state.sum() < 0.9 * kept.state.sum()


def test_bodies_that_do_not_react_fill_up_to_what_is_outside():
    made_of = column("slabs", 20, 6)
    none, still = np.zeros((0, 140)), np.zeros((0, len(made_of.inputs)))
    state = made_of.move(np.zeros(140), 0.0, 4e5, {**HERE, "pore_rate": 0.0}, none, still).state
    assert state[:20] == pytest.approx(np.ones(20), rel=1e-9)
    assert state[20:].reshape(6, 20).sum(axis=0) == pytest.approx(np.full(20, 0.8), rel=1e-9)


def test_a_step_has_the_derivative_of_differences_to_what_is_inside_and_to_every_value():
    rng = np.random.default_rng(2)
    change = {name: value * rng.standard_normal() for name, value in HERE.items()}
    check_step_slopes(ColumnDynamics(column("spheres", 6, 3)), 3e3, HERE, change, rng)
