"""A lithium-ion cell against closed forms, an independent program, and what its voltage can tell."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from mscale_uq.models.electrochemistry._lithium_sets import POTENTIALS, given, parameters
from mscale_uq.models.electrochemistry._marquis2019 import chain
from mscale_uq.models.electrochemistry.lithium_cell import IDEAL, SYSTEM, forward
from scipy.optimize import brentq

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.contracts import units_are_consistent
from mscale_uq.diagnose.gradient import check_gradient
from mscale_uq.errors import Infeasible
from mscale_uq.io.units import dimension
from mscale_uq.macro.radial import Drive
from mscale_uq.macro.radial_path import RadialPath

MARQUIS, CHEN = 0.680616, 5.0  # A, at 1C
FINE = {"cells": 60, "max_step": 20.0}


# An independent program (PyBaMM, 40 and 60 points): rate, voltages at the start and every 600 s over the
# rate, the end, the charge in A h. Its mesh leaves 0.05 mV and 0.05 s in the second cell.
PUBLISHED = {
    ("Marquis2019", 1): ((3.78008, 3.71035, 3.67497, 3.63105, 3.61031), 3622.77, 0.68492),
    ("Marquis2019", 2): ((3.74205, 3.66779, 3.63295, 3.58676, 3.57001), 1771.44, 0.66982),
    ("Chen2020", 1): ((4.06339, 3.86751, 3.71597, 3.56824, 3.45898), 3567.71, 4.95516),
}


RUNS = [(*key, *known) for key, known in PUBLISHED.items()]


def one_c(chemistry):
    return MARQUIS if chemistry == "Marquis2019" else CHEN


def traced(model, **values):
    return model.trace(model.theta(**{**IDEAL, **values}))


def test_currents_and_voltages_at_once_are_those_of_the_closed_form():
    known = traced(forward([0.0], chemistry="Marquis2019", current=MARQUIS))
    U_n, U_p = POTENTIALS["Marquis2019"]
    assert U_n(known["negative_initial"]) == pytest.approx(0.1751932, abs=5e-8)
    assert U_p(known["positive_initial"]) == pytest.approx(4.0270138, abs=5e-8)
    assert known["j_n"] == pytest.approx(1.3333333, abs=1e-7)
    assert known["j_p"] == pytest.approx(1.6, abs=1e-9)
    assert known["j0_n"] == pytest.approx(6.3203209, abs=1e-7)
    assert known["j0_p"] == pytest.approx(0.4760788, abs=1e-7)
    for rate, voltage in ((0.5, 3.8098664), (1.0, 3.7800807), (2.0, 3.7420527)):
        here = traced(forward([0.0], chemistry="Marquis2019", current=MARQUIS * rate))
        assert here["voltage"] == pytest.approx(voltage, abs=1e-7)
    through_salt = traced(forward([0.0], "spme", "Marquis2019", current=MARQUIS))
    assert through_salt["voltage"] == pytest.approx(3.770572, abs=5e-7)


@pytest.mark.parametrize(("chemistry", "rate", "voltages", "end", "charge"), RUNS)
def test_discharges_go_and_end_as_the_independent_program_says(chemistry, rate, voltages, end, charge):
    current = one_c(chemistry) * rate
    here = traced(forward(np.arange(5) * 600.0 / rate, "spm", chemistry, current=current, **FINE))
    assert here["voltage"] == pytest.approx(voltages, abs=1e-4)
    ended = traced(forward((), "spm", chemistry, "cut-off", current, **FINE))
    assert ended["stop_time"] == pytest.approx(end, abs=0.1)
    assert ended["charge_drawn"] / 3600 == pytest.approx(charge, abs=1.5e-4)


def test_the_voltage_is_that_of_the_exact_series_of_both_particles():
    """No mesh: the surface of a sphere under a constant flux, tan x = x."""
    times = np.arange(300.0, 3301.0, 300.0)
    known = traced(forward(times, "spm", "Chen2020", current=CHEN, cells=120, max_step=20.0))
    x = np.array(
        [brentq(lambda x: np.sin(x) - x * np.cos(x), k * np.pi, (k + 0.5) * np.pi) for k in range(1, 400)]
    )
    for name, sign in (("negative", -1), ("positive", 1)):
        tau = known[f"{name}_diffusion_rate"] * times
        decay = (np.exp(-np.outer(tau, x**2)) / x**2).sum(axis=1)
        slope = sign * CHEN / (3 * known[f"{name}_charge"] * known[f"{name}_diffusion_rate"])
        exact = known[f"{name}_initial"] + slope * (3 * tau + 0.2 - 2 * decay)
        assert known[f"{name}_surface"] == pytest.approx(exact, abs=2e-5)


def test_the_surface_lags_behind_the_mean_by_the_flux_times_a_fifth_of_the_radius_over_d():
    known = traced(forward([3600.0], chemistry="Marquis2019", current=0.1 * MARQUIS, **FINE))
    mean = known["positive_initial"] + 0.1 * MARQUIS * 3600 / known["positive_charge"]
    lag = 0.1 * MARQUIS / (15 * known["positive_charge"] * known["positive_diffusion_rate"])
    assert known["positive_surface"] - mean == pytest.approx(lag, rel=3e-3)


def lithium(model, theta):
    """Lithium in both electrodes and the salt, in mol, at the start and in the end of a discharge."""
    known = model.trace(theta)
    total, defect = np.zeros(2), 0.0
    for stage in model.chain.stages:
        if isinstance(stage, RadialPath):
            ledgers = stage.ledgers({name: known[name] for name in stage.inputs})
            ends = np.array([ledgers[0].content[0], ledgers[-1].content[-1]])
            salt = known["salt_concentration"] * known["area"]
            holds = (
                salt
                if stage.body.name == "salt"
                else 3 * known[f"{stage.body.name}_charge"] / known["faraday"]
            )
            total += holds * ends
            defect = max(defect, *(ledger.defect for ledger in ledgers))
    return total, defect


def test_lithium_is_conserved():
    """0.07999320536 mol, by an independent program."""
    model = forward([3600.0], "spme", "Marquis2019", current=MARQUIS)
    (start, end), defect = lithium(model, model.theta(**IDEAL))
    assert start == pytest.approx(0.07999320536, rel=1e-9)
    assert end == pytest.approx(start, rel=1e-12)
    assert defect < 1e-12


FULL = {
    ("Marquis2019", 1): (3.77152, 3.69320, 3.65237, 3.61300, 3.59299),
    ("Marquis2019", 2): (3.72517, 3.63226, 3.58851, 3.55241, 3.53162),
    ("Chen2020", 1): (4.03757, 3.81500, 3.66198, 3.51217, 3.39329),
}


@pytest.mark.parametrize(("chemistry", "rate"), FULL)
def test_the_salt_closes_five_sixths_of_the_gap_to_the_full_model(chemistry, rate):
    """Of porous electrodes, by an independent program, whose mesh leaves 0.2 mV."""
    times, current = np.arange(5) * 600.0 / rate, one_c(chemistry) * rate
    without, with_salt = (
        traced(forward(times, name, chemistry, current=current))["voltage"] - FULL[chemistry, rate]
        for name in ("spm", "spme")
    )
    assert np.all(np.abs(with_salt) < np.abs(without) / 6)
    assert np.abs(with_salt[0]) < 2.5e-3


ENDS = {
    ("Marquis2019", 1): (3617.83, 0.68399),
    ("Marquis2019", 2): (1765.49, 0.66757),
    ("Chen2020", 1): (3555.29, 4.93790),
}


@pytest.mark.parametrize(("chemistry", "rate"), ENDS)
def test_with_salt_a_discharge_ends_when_that_of_the_full_model_does_but_for_a_tenth_of_the_gap(
    chemistry, rate
):
    """End in s and charge in A h, of porous electrodes, by an independent program."""
    end, charge = ENDS[chemistry, rate]
    without = PUBLISHED[chemistry, rate]
    ended = traced(forward((), "spme", chemistry, "cut-off", one_c(chemistry) * rate, **FINE))
    assert ended["stop_time"] == pytest.approx(end, abs=0.1 * (without[1] - end))
    assert ended["charge_drawn"] / 3600 == pytest.approx(charge, abs=0.1 * (without[2] - charge))


def test_the_salt_costs_voltage():
    """The full model of porous electrodes, by an independent program: 3.69320 V at 600 s."""
    here = traced(forward([600.0], "spme", "Marquis2019", current=MARQUIS, **FINE))
    assert here["voltage"] == pytest.approx([3.69320], abs=3e-3)


def test_the_open_circuit_and_small_currents():
    at_rest = traced(forward([0.0, 3000.0], chemistry="Marquis2019", current=0.0))["voltage"]
    assert at_rest == pytest.approx(3.8518207, abs=1e-7)
    loss = [
        3.8518207 - traced(forward([0.0], chemistry="Marquis2019", current=share * MARQUIS))["voltage"][0]
        for share in (1e-2, 1e-3)
    ]
    assert loss[0] / loss[1] == pytest.approx(10, rel=1e-2)


def test_reversing_the_current_reverses_the_overpotential():
    out, back = (
        traced(forward([0.0], chemistry="Marquis2019", current=s * MARQUIS))["voltage"] for s in (1, -1)
    )
    assert out + back == pytest.approx(2 * 3.8518207, abs=2e-7)


@pytest.mark.parametrize("fidelity", ["spm", "spme"])
def test_gradients_are_exact_through_a_pulse_and_the_rest_after_it(fidelity):
    model = forward([0.0, 600.0, 1200.0, 1230.0, 2400.0], fidelity, duration=1200.0, cells=12)
    check = check_gradient(model, model.theta(), np.random.default_rng(1))
    assert check.ok, (check.worst, check.dot_error)


def test_the_end_of_a_discharge_has_its_exact_derivative():
    """Along one direction, for many steps: each value is a search for the end."""
    model, rng = forward(seen="cut-off", cells=6), np.random.default_rng(4)
    theta = model.theta()
    value, linear = model.linearize(theta)
    move = theta * rng.standard_normal(theta.size)
    steps = 10.0 ** -np.arange(2.0, 4.0, 0.5)
    left = [
        np.linalg.norm((model.value(theta + h * move) - value) / value - h * linear.jvp(move) / value)
        for h in steps
    ]
    assert np.polyfit(np.log(steps), np.log(left), 1)[0] == pytest.approx(2.0, abs=0.1)
    weight = 1 / value
    assert weight @ linear.jvp(move) == pytest.approx(linear.vjp(weight) @ move, rel=1e-10)


def test_the_end_of_a_discharge_does_not_know_our_metre():
    units_are_consistent(
        replace(SYSTEM, forward=partial(forward, seen="cut-off", cells=6), examples=()), dimension
    )


def test_a_cell_discharged_too_far_is_no_prediction():
    model = forward([4000.0])
    with pytest.raises(Infeasible, match="negative electrode is full or exhausted"):
        model.value(model.theta())


def test_what_a_cell_is_made_of_shows_in_six_numbers_besides_its_open_circuit():
    """Of 13 raw ones: thickness, radius, concentration, diffusivity, rate and share of each electrode, and
    area (Bizeray and others 2019); with the stoichiometries at first and the resistance, in nine."""
    times, drive = np.arange(0.0, 3301.0, 150.0), Drive((0.0,), (CHEN,))
    known = given("spm", "Chen2020", 1.0, 1.0, 1.0, 1.0, 1.0)
    known |= {p.name: p.default for p in parameters("Chen2020", "spm")}
    known |= {"current": drive.at(times), "horizon": 1.0}
    kinds = ("thickness", "radius", "concentration", "diffusivity", "rate", "active")
    raw = [f"{electrode}_{kind}" for electrode in ("negative", "positive") for kind in kinds] + ["area"]

    def sizes(names):
        unknown = [Parameter(name, "1", float(known[name])) for name in names]
        fixed = {name: value for name, value in known.items() if name not in names}
        model = ForwardModel(chain(times, "spm", "Chen2020", 20, 60.0, drive), unknown, ["voltage"], fixed)
        theta = model.theta()
        return np.linalg.svd(model.jacobian(theta) * theta, compute_uv=False)

    for names, rank in ((raw, 6), ([*raw, "negative_initial", "positive_initial", "contact_resistance"], 9)):
        singular = sizes(names)
        assert singular[rank - 1] > 1e-5 * singular[0]
        assert singular[rank] < 1e-12 * singular[0]


def test_of_both_reactions_the_slow_one_drives_the_voltage_the_harder():
    """2RT/F asinh(j/2j0) moves with ln m by 2RT/F s/sqrt(1 + s^2): 49 mV at the graphite, 14 at the oxide."""
    known = traced(forward([0.0]))
    s_n, s_p = (known[f"j_{e}"][0] / (2 * known[f"j0_{e}"][0]) for e in "np")
    assert (s_n, s_p) == (pytest.approx(3.65, rel=0.01), pytest.approx(0.278, rel=0.01))


def test_reactions_hide_behind_the_contact_resistance_at_small_currents():
    """asinh(x) = x: each overpotential is a resistance, and three in series show as one."""
    model = forward([0.0], current=1e-4)
    theta = model.theta()
    columns = dict(zip(model.names, (model.jacobian(theta) * theta).T, strict=True))
    value = traced(model, contact_resistance=theta[list(model.names).index("contact_resistance")])
    lost = -sum(columns[name] for name in ("negative_rate", "positive_rate")) + columns["contact_resistance"]
    open_circuit = traced(forward([0.0], current=0.0))["voltage"]
    assert columns["negative_rate"] > 0
    resistance = columns["negative_rate"] + columns["positive_rate"] - columns["contact_resistance"]
    assert open_circuit - value["voltage"] == pytest.approx(resistance, rel=1e-5)
    assert lost == pytest.approx(-resistance)
