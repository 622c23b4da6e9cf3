"""Volumes against independent integrators and published ones; what untreated growth tells; what drifts."""

import csv
from pathlib import Path

import numpy as np
import pytest
from mscale_uq.models.physiology._hallmarks import NETWORK, PORTS
from mscale_uq.models.physiology._spheroid import viable_fraction
from mscale_uq.models.physiology.tumor_hallmarks import MODELS, forward, space
from scipy.integrate import solve_ivp

TABLE = Path(__file__).parents[2] / "data/tumor_hallmarks"
DAYS = (10.0, 30.0, 60.0, 90.0)
PUBLISHED = {"stimulation": 5.85, "inhibition": 0.00873, "growth_rate": 0.192, "capacity_initial": 625.0}
ARMS = {
    "control": {}, "angiostatin_20": {"angiostatin": 2e-5}, "endostatin_20": {"endostatin": 2e-5},
    "endostatin_4": {"endostatin": 4e-6}, "both_20": {"angiostatin": 2e-5, "endostatin": 2e-5},
}  # fmt: skip


def table(arm):
    """Days and volumes of a group of mice."""
    with (TABLE / f"{arm}.csv").open() as file:
        rows = np.array(list(csv.reader(file))[1:], dtype=float)
    return rows.T


def course(name, where=DAYS, **options):
    model = forward(time=where, **options)
    return model.trace(model.theta())[name]


def test_the_tissue_alone_rests_where_stimulation_and_inhibition_balance():
    """Known: 17346.5229 mm^3; deviations die out at the eigenvalues -0.1265845 and -5.9154155 per day."""
    here = space()
    values = here.prepare({p.name: p.default for p in here.parameters})
    rest = np.log((5.85 / 0.00873) ** 1.5)
    assert np.exp(rest) == pytest.approx(17346.5229, abs=5e-5)
    state, slope = here.dynamics.linearize_step(np.array([rest, rest, 0.0, 0.0]), 0.0, 0.1, values)
    assert state[:2] == pytest.approx(rest, rel=1e-12)
    flow = np.stack([slope.jvp({"state": row})["state"] for row in np.eye(4)[:2]], axis=1)[:2]
    rates = np.log(np.sort(np.linalg.eigvals(flow).real)) / 0.1
    assert rates == pytest.approx([-5.9154155, -0.1265845], rel=1e-6)


def test_untreated_growth_is_the_known_course():
    found = course("volume", (4, 7, 10, 13, 16, 19, 30))
    assert found == pytest.approx([792.76, 1976.96, 3857.34, 6163.89, 8526.18, 10660.13, 15364.13], abs=5e-3)


def test_the_published_numbers_predict_the_untreated_mice_within_8_per_cent():
    days, volumes = table("control")
    model = forward(time=days[1:])
    found = model.trace(model.theta(volume_initial=volumes[0], **PUBLISHED))["volume"]
    assert found == pytest.approx([769.4, 1932.8, 3796.0, 6095.5, 8460.9, 10603.9], abs=0.05)
    assert np.sqrt(np.mean(np.log(volumes[1:] / found) ** 2)) == pytest.approx(0.083, abs=5e-4)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("drifting", {"volume": (3164.9003, 13335.3906, 29617.4561, 81979.0396),
                      "instability": (0.063119, 0.344494, 0.581069, 0.670480)}),
        ("frozen", {"volume": (3272.9540, 13001.4702, 14192.5795, 14208.0571), "instability": (0, 0, 0, 0)}),
    ],
)  # fmt: skip
def test_the_network_takes_the_known_course(model, expected):
    for name, values in expected.items():
        assert course(name, model=model) == pytest.approx(values, abs=5e-5 if name == "volume" else 5e-7)


def test_independence_drifts_as_known_and_by_the_integral_of_the_instability():
    here = forward(time=DAYS, model="drifting")
    known = here.trace(here.theta())
    assert 0.2 * np.exp(known["independence_shift"]) == pytest.approx(
        [0.202204, 0.248398, 0.511330, 1.321511], abs=5e-7
    )
    damage = known["mutations_expected"] / 3.0  # counted at the rate 3 G
    for name, drift in (("independence_shift", 0.05), ("function_shift", -0.05), ("drive_shift", 0.03)):
        assert known[name] == pytest.approx(drift * damage, rel=1e-9)


def test_the_network_is_that_of_an_independent_integrator():
    """All states, with both drugs, by SciPy from dose to dose, from the equations as one writes them down."""

    def velocity(_time, y):
        v, k, a, e, x, p, i, g, la, ls, lk = y
        V, alpha, s, kappa = np.exp([v, np.log(0.2) + la, ls, lk])
        division = x**2 / (0.09 + x**2) / (1 + (p / 0.5) ** 2)
        death = 0.01 + 0.04 * p**2 / (0.25 + p**2)
        return [
            division * (k - v) - death,
            5.85 * kappa * np.exp(v - k) - 0.00873 * V ** (2 / 3) - 1.5e5 * a - 6.6e5 * e,
            -0.38 * a, -1.7 * e,
            (0.5 + alpha + 0.5 * i) * (1 - x) - 2 * x - p * x,
            0.5 * s * (1 + 2 * g) * (1 - p) - 0.5 * p,
            0.1 * V / (V + 1000) - 0.2 * i,
            (0.001 + 0.05 * i) * (1 - g) - 0.01 * g,
            0.05 * g, -0.05 * g, 0.03 * g,
        ]  # fmt: skip

    y = np.array([np.log(200), np.log(625), 0, 0, 0.3, 0.4, 0, 0, 0, 0, 0])
    for day in range(6):
        y[2:4] += (2e-5, 1e-5)
        y = solve_ivp(velocity, (day, day + 1), y, "Radau", rtol=1e-11, atol=1e-14).y[:, -1]
    model = forward([6.0], "drifting", angiostatin=2e-5, endostatin=1e-5)
    known = model.trace(model.theta())
    names = ("log_volume", "log_capacity", "angiostatin", "endostatin", "effector", "suppressor",
             "inflammation", "instability", "independence_shift", "function_shift",
             "drive_shift")  # fmt: skip
    assert [known[name][0] for name in names] == pytest.approx(y, rel=1e-7)


def test_meta_processes_move_parameters_of_other_modules():
    """A factor on a parameter does what the parameter does, where nothing moves on its own."""
    here = space("frozen")
    values = here.prepare({p.name: p.default for p in here.parameters})
    start = here.initial(values)[0]
    names = [variable.name for variable in here.dynamics.state]
    for state, parameter in PORTS.items():
        moved = start.copy()
        moved[names.index(state)] = np.log(1.7)
        through_port = here.dynamics.step(moved[None], 0.0, 5.0, values, None)[0]
        other = {**values, parameter: 1.7 * values[parameter]}
        directly = here.dynamics.step(start[None], 0.0, 5.0, other, None)[0]
        rest = np.array([name != state for name in names])
        assert through_port[rest] == pytest.approx(directly[rest], rel=1e-8, abs=1e-12)
        assert parameter in NETWORK


def test_states_stay_in_their_ranges_for_a_year():
    model = forward(time=np.linspace(1, 365, 60), model="drifting")
    known = model.trace(model.theta(independence_drift=0.2, function_drift=0.2))
    for name in ("effector", "suppressor", "instability"):
        assert known[name].min() >= 0
        assert known[name].max() <= 1 + 1e-9
    assert known["volume"].min() > 0


def sphere(radius):
    return 4 / 3 * np.pi * np.asarray(radius) ** 3


def test_oxygen_reaches_as_far_into_a_spheroid_as_known():
    """r_l = 233.0 um; dead cores of 129.213, 349.533 and 656.635 um in spheroids of 300, 500 and 800 um."""
    radii, D, demand = np.array([0.3, 0.5, 0.8]), 2e-9 * 1e6 * 86400, 7.29e-7 * 3.0318e7 / 100 * 86400
    share = viable_fraction(np.log(sphere(radii)), D, demand)
    cores = radii * (1 - share) ** (1 / 3)
    assert cores == pytest.approx([0.129213, 0.349533, 0.656635], abs=1e-6)
    reach = radii**2 - 3 * cores**2 + 2 * cores**3 / radii
    assert np.sqrt(reach) == pytest.approx(0.2330, abs=5e-5)
    assert share == pytest.approx([0.92010, 0.65837, 0.44703], abs=5e-6)  # 1 - (129.213/300)^3 is 0.92010
    assert viable_fraction(np.log(sphere(0.2330)), D, demand) == 1
    assert viable_fraction(np.log(sphere(0.2331)), D, demand) == pytest.approx(1, abs=1e-4)
    large = np.array([100.0, 1000.0])  # mm: a rim of sqrt(2 D p_0/q) = 134.53 um lives
    rims = large * (1 - np.cbrt(1 - viable_fraction(np.log(sphere(large)), D, demand)))
    assert rims[-1] == pytest.approx(0.13453, abs=2e-5)


def test_oxygen_is_that_of_an_independent_solver():
    """c'' + 2 c'/r = q/D outside the core, with c = c' = 0 on it, is p_0 at the surface."""
    D, demand, radius = 172.8, 19096.0, 0.5
    core = radius * (1 - viable_fraction(np.log(sphere(radius)), D, demand)) ** (1 / 3)
    run = solve_ivp(
        lambda r, c: [c[1], demand / D - 2 * c[1] / r], (core, radius), [0.0, 0.0], rtol=1e-11, atol=1e-14
    )
    assert run.y[0, -1] == pytest.approx(1.0, rel=1e-9)


def test_a_spheroid_grows_at_first_with_all_its_cells_and_then_with_its_rim():
    days = np.append(np.linspace(0.05, 3.0, 60), [500.0, 502.0])
    model = forward(days, "spheroid")
    still = {
        "basal_death": 1e-12,
        "suppressed_death": 1e-12,
        "inflammation_rate": 1e-12,
        "mutagenesis": 1e-12,
    }
    known = model.trace(model.theta(volume_initial=1e-4, **still))
    x, p = known["effector"], known["suppressor"]
    division = x**2 / (0.09 + x**2) / (1 + (p / 0.5) ** 2)
    grown = np.log(known["volume"][59] / known["volume"][0])
    assert grown == pytest.approx(np.trapezoid(division[:60], days[:60]), rel=1e-4)
    radii = np.cbrt(known["volume"][60:] * 3 / 4 / np.pi)
    rim = np.sqrt(2 * 172.8 / 19096.0)
    assert np.diff(radii)[0] / 2 == pytest.approx(division[-1] * rim, rel=0.02)  # rim/r is 0.012 here


@pytest.fixture(scope="module")
def untreated():
    """Slopes of ln V of the untreated mice to the logarithms of growth rate, stimulation and inhibition."""
    model = forward(time=table("control")[0][1:])
    theta = model.theta(volume_initial=192.0, **PUBLISHED)
    slopes = (model.jacobian(theta) * theta)[:6] / model.value(theta)[:6, None]
    columns = dict(zip(model.names, slopes.T, strict=True))
    return np.stack([columns[name] for name in ("growth_rate", "stimulation", "inhibition")], axis=1)


def test_untreated_growth_tells_two_combinations_of_the_three_numbers(untreated):
    """Known, at 15 % noise: sds of the logarithms, and of the three combinations."""
    covariance = np.linalg.inv(untreated.T @ untreated / 0.15**2)
    sd = np.sqrt(np.diag(covariance))
    assert sd == pytest.approx([0.57, 2.36, 2.00], abs=5e-3)
    assert covariance[1, 2] / sd[1] / sd[2] == pytest.approx(0.997, abs=5e-4)
    combined = np.sqrt(np.linalg.eigvalsh(covariance))
    assert combined == pytest.approx([0.03, 0.16, 3.1], rel=0.05)
    plateau = np.array([0.0, 1.5, -1.5])
    assert np.sqrt(plateau @ covariance @ plateau) == pytest.approx(0.6, abs=5e-3)


def test_along_given_steps_volumes_are_right_to_a_hundred_thousandth():
    """At the case's step, from a tenth to ten times as fast as published, under both drugs."""
    rng, days = np.random.default_rng(6), table("both_20")[0][1:]
    given, chosen = (forward(time=days, max_step=step, **ARMS["both_20"]) for step in (0.2, 0.0))
    for _ in range(4):
        theta = given.theta() * np.exp(0.8 * rng.standard_normal(len(given.names)))
        assert given.value(theta)[:8] == pytest.approx(chosen.value(theta)[:8], rel=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_the_state_space_gives_the_course_of_the_forward_model(model):
    days = (2.0, 5.0, 9.0)
    path, straight = space(model, endostatin=2e-5).forward(days), forward(days, model, endostatin=2e-5)
    theta = straight.theta()
    assert path.value(theta) == pytest.approx(straight.value(theta), rel=1e-7)
    assert path.jacobian(theta) == pytest.approx(straight.jacobian(theta), rel=1e-5, abs=1e-6)
