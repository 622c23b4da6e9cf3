"""What breakthrough curves tell about velocity, dispersion, partition and rate."""

import numpy as np
import pytest
from fisher import spread
from laplace_space import bodies, exact, fading
from mscale_uq.models.transport.reactive_transport import SYSTEM, forward, space

from mscale_uq.case.binding import fixed
from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.errors import InputError, ParameterError

NAMES = ("velocity", "dispersivity", "partition", "sorption_rate")
SEEN = {"noise": 0.02, "prior": (1.0, 1.0, 1.0, 2.0)}  # one sd of a reading, and of each logarithm
TIME = np.linspace(7e2, 4.2e4, 60)


def log_slopes(model, **values):
    """Slopes ``(readings, 4)`` to the logarithms; zero for what a model does not read."""
    theta = model.theta(**{name: value for name, value in values.items() if name in model.names})
    columns = dict(zip(model.names, (model.jacobian(theta) * theta).T, strict=True))
    return np.stack([columns.get(name, np.zeros(TIME.size)) for name in NAMES], axis=1)


def curves(log):
    """The exact curves of the solute and of a tracer, one after the other, at the logarithms of NAMES."""
    v, dispersivity, K, k = np.exp(log)
    return np.concatenate([exact(0.3, v, dispersivity * v, share, k, TIME) for share in (K, 0.0)])


def exact_slopes(here):
    """Their slopes to the logarithms, by differences of what has fourteen digits."""
    log = np.log([here[name] for name in NAMES])
    steps = 1e-4 * np.eye(4)
    return np.stack([(curves(log + h) - curves(log - h)) / 2e-4 for h in steps], axis=1)


def both(here):
    """Slopes of the model: the solute, and the tracer."""
    return np.vstack([log_slopes(forward(TIME, kinetics=name), **here) for name in ("sorption", "none")])


# Dispersion at a twentieth of the column: k L/v is 1.5, and 150.
SLOW = {"velocity": 3e-5, "dispersivity": 0.015, "partition": 1.0, "sorption_rate": 1.5e-4}
FAST = {**SLOW, "sorption_rate": 1.5e-2}


def test_a_reactive_curve_alone_confounds_velocity_and_partition():
    """Known, from 60 readings with 2 % noise: correlation 0.998, sd of ln K 0.24."""
    sd, correlation = spread(log_slopes(forward(TIME), **SLOW), **SEEN)
    assert abs(correlation[0, 2]) == pytest.approx(0.998, abs=1e-3)
    assert sd[2] == pytest.approx(0.24, rel=0.2)


def test_a_tracer_tells_them_apart():
    """Known: sd of the logarithms 0.005, 0.058, 0.015, 0.046, for readings at other times."""
    found = spread(both(SLOW), **SEEN)[0]
    assert found == pytest.approx([0.005, 0.058, 0.015, 0.046], rel=0.2)
    assert found == pytest.approx(spread(exact_slopes(SLOW), **SEEN)[0], rel=0.02)


def test_what_shows_how_fast_binding_is_fades_as_one_over_the_rate():
    """In leading order of 1/k, from the exact solution."""
    for rate in (1.5e-2, 1.5e-1):
        here = {**FAST, "sorption_rate": rate}
        expected = fading(0.3, 3e-5, 0.015 * 3e-5, 1.0, rate, TIME)
        found = log_slopes(forward(TIME, cells=160, max_step=40.0), **here)[:, 3]
        assert found == pytest.approx(expected, abs=0.05 * np.abs(expected).max())


def test_of_fast_binding_only_a_lower_bound_of_the_rate_is_left():
    """Known: sd of ln k 1.3 of the prior's 2; ten times faster, the prior alone is left."""
    found = spread(both(FAST), **SEEN)[0]
    assert found == pytest.approx(spread(exact_slopes(FAST), **SEEN)[0], rel=0.02)
    assert found[3] == pytest.approx(1.3, abs=0.1)
    assert spread(both({**FAST, "sorption_rate": 0.15}), **SEEN)[0][3] > 1.95


@pytest.mark.parametrize("kinetics", ["sorption", "slabs"])
def test_the_state_space_gives_the_curve_of_the_forward_model(kinetics):
    settings = {"kinetics": kinetics, "cells": 40, "max_step": 200.0, "shells": 3}
    here, model = space(**settings), forward([4e3, 1e4, 3e4], **settings)
    path = here.forward([4e3, 1e4, 3e4])
    theta = model.theta()
    assert path.value(theta) == pytest.approx(model.value(theta), rel=1e-9)
    assert path.jacobian(theta) == pytest.approx(model.jacobian(theta), rel=1e-7)


def test_ahead_of_a_sharp_front_where_numbers_run_out_nothing_fails():
    """Known for any rate of binding: the mean time of arrival is (L/v)(1 + K)."""
    time = np.linspace(250.0, 1e5, 400)
    model = forward(time, cells=480, max_step=12.5)
    curve = model.value(model.theta(velocity=3e-5, dispersivity=1e-3, partition=1.0, sorption_rate=1.5e-4))
    assert curve[0] < 1e-200
    assert np.all((curve >= 0) & (curve < 1 + 1e-9))
    assert np.trapezoid(1 - np.append(0.0, curve), np.append(0.0, time)) == pytest.approx(2e4, rel=2e-3)


def test_where_cells_are_longer_than_positivity_asks_readings_of_the_case_hardly_overshoot():
    """2 alpha is 2 mm at the lower end of the prior's 95 %, a cell of the case 6.25 mm."""
    for name in ("sorption", "none"):
        model = forward(TIME, kinetics=name, cells=60, max_step=100.0)
        for velocity in (2e-5, 3e-5, 4.5e-5):
            curve = model.value(model.theta(velocity=velocity, dispersivity=1e-3))
            assert curve.min() > -1e-3
            assert curve.max() < 1.01  # half of the noise


@pytest.mark.parametrize("kinetics", ["slabs", "spheres"])
def test_bodies_tell_their_time_of_diffusion_not_their_depth(kinetics):
    """Depth and diffusivity enter as depth^2/D_s alone: their slopes to logarithms are as 2 to -1."""
    model = forward(TIME[::6], kinetics=kinetics, cells=40, max_step=160.0)
    slopes = dict(zip(model.names, (model.jacobian(model.theta()) * model.theta()).T, strict=True))
    scale = np.abs(slopes["depth"]).max()
    assert scale > 0.01
    assert slopes["depth"] == pytest.approx(-2 * slopes["pore_diffusivity"], abs=1e-10 * scale)


def test_at_its_truth_the_mesh_of_the_case_of_spheres_is_a_third_of_the_noise_off_the_exact_curve():
    posterior = read_case(find_case("reactive_transport_spheres")).posterior()
    truth = {
        "velocity": 3e-5,
        "dispersivity": 3e-3,
        "phase_ratio": 1,
        "pore_diffusivity": 1e-10,
        "pore_rate": 5e-5,
    }
    one = next(e for e in posterior.experiments if e.name == "spheres")
    time = 720.0 * np.arange(1, 61)
    made = one.model.value(one.theta(posterior.split(posterior.pack(truth))))
    known = bodies(0.3, 3e-5, 9e-8, 1.0, 1e-10, 1e-3, 5e-5, time, "spheres")
    assert made == pytest.approx(known, abs=0.02 / 3)
    assert np.sum((one.observed["breakthrough"] - known) ** 2) / 0.02**2 == pytest.approx(
        60, abs=4 * np.sqrt(120)
    )


@pytest.mark.parametrize("kinetics", ["slabs", "spheres"])
def test_bodies_may_store_and_not_react_which_is_what_ever_slower_reactions_come_to(kinetics):
    """Known of the slope to a rate at zero: the change with the rate, over the rate."""
    model = forward(TIME[::12], kinetics=kinetics, cells=20, max_step=300.0, shells=5)
    still, slow = model.theta(pore_rate=0.0), model.theta(pore_rate=1e-12)
    place = model.names.index("pore_rate")
    assert model.value(slow) == pytest.approx(model.value(still), abs=1e-7)
    slopes = model.jacobian(still)
    scale = np.abs(slopes).max(axis=0)
    assert model.jacobian(slow) / scale == pytest.approx(slopes / scale, abs=1e-6)
    change = (model.value(model.theta(pore_rate=1e-10)) - model.value(still)) / 1e-10
    assert slopes[:, place] == pytest.approx(change, rel=1e-4, abs=1e-4 * np.abs(change).max())
    with pytest.raises(ParameterError, match=r"pore_rate = -1\.0; allowed: inside \[0, inf\) 1/s"):
        model.fixed(pore_rate=-1.0)


def test_a_case_fixes_the_rate_inside_at_zero():
    pore_rate = next(one for one in SYSTEM.parameters if one.name == "pore_rate")
    assert fixed(pore_rate, 0).value == 0
    with pytest.raises(InputError, match=r"pore_rate = -1 is impossible; allowed: \[0, inf\) 1/s"):
        fixed(pore_rate, -1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kinetics": "slab"}, r"option kinetics = 'slab' \(did you mean 'slabs'\?\); allowed: 'none' or "),
        ({"max_step": 0}, r"option max_step = 0\.0; allowed: a number inside \(0, inf\)"),
        ({"kinetics": "spheres", "shells": 2.5}, "option shells = 2.5; allowed: a whole number"),
        ({"cells": 2}, r"option cells = 2; allowed: a whole number inside \(2, inf\)"),
        ({"length": np.nan}, "option length = nan"),
    ],
)
@pytest.mark.parametrize("make", [forward, space])
def test_an_impossible_option_is_refused_without_a_case_too(make, given, said):
    with pytest.raises(ParameterError, match=said):
        make(**given)


def test_numbers_of_numpy_are_options_as_well():
    options = {"cells": np.int64(20), "max_step": np.float64(300.0), "length": np.float32(0.25)}
    plain = {name: value.item() for name, value in options.items()}
    theta = forward().theta()
    assert np.array_equal(forward(**options).value(theta), forward(**plain).value(theta))
