"""Rest, stability, extinction, and what growth alone cannot tell."""

import numpy as np
import pytest
from mscale_uq.models.cells.host_circuit import forward, space
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.errors import Infeasible
from mscale_uq.run.assimilate import take_in

NO_LOSS = {"degradation": 1e-12, "gain": 1.0}


def test_the_core_rests_at_the_root_of_its_quadratic():
    model = forward(seen="at rest")
    known = model.trace(model.theta(**NO_LOSS))
    assert known["energy_at_rest"] == pytest.approx(np.sqrt(29) - 3, rel=1e-12)
    assert known["growth_at_rest"] == pytest.approx((np.sqrt(29) - 3) / 2, rel=1e-12)
    assert known["protein_at_rest"] == pytest.approx(4.0, rel=1e-12)


def test_the_autocatalytic_host_rests_at_the_root_of_its_quadratic():
    model = forward(seen="at rest", variant="autocatalytic")
    known = model.trace(model.theta(**NO_LOSS))
    assert known["energy_at_rest"] == pytest.approx(2 * np.sqrt(6) - 4, rel=1e-12)
    assert known["growth_at_rest"] == pytest.approx(np.sqrt(6) - 2, rel=1e-12)


def test_deviations_from_rest_die_out_at_the_known_rates():
    here = space()
    values = here.prepare({p.name: p.default for p in here.parameters} | NO_LOSS)
    _, slope = here.dynamics.linearize_step(np.array([np.sqrt(29) - 3, 4.0]), 0.0, 0.1, values)
    flow = np.stack([slope.jvp({"state": row})["state"] for row in np.eye(2)], axis=1)
    rates = np.log(np.sort(np.linalg.eigvals(flow).real)) / 0.1
    assert rates == pytest.approx([-np.sqrt(29), -(np.sqrt(29) - 3) / 2], rel=1e-6)


def rates_at_rest(variant, **values):
    """Rates at which deviations from rest die out, by the flow of a short time, and energy at rest."""
    here, rest = space(variant), forward(seen="at rest", variant=variant)
    known = rest.trace(rest.theta(**values))
    all_values = here.prepare({p.name: p.default for p in here.parameters} | values)
    state = np.array([known["energy_at_rest"], known["protein_at_rest"]])
    moved, slope = here.dynamics.linearize_step(state, 0.0, 0.05, all_values)
    assert moved == pytest.approx(state, rel=1e-7)
    flow = np.stack([slope.jvp({"state": row})["state"] for row in np.eye(2)], axis=1)
    return np.sort(np.log(np.linalg.eigvals(flow)).real) / 0.05, float(known["energy_at_rest"])


def test_the_host_alone_follows_riccati_in_closed_form_and_makes_no_protein():
    """dE/dt = u - k_b E - k_g E^2 between its two roots; what was inoculated is diluted."""
    u, k_b, k_g, start, time = 10.0, 1.0, 0.5, 0.5, np.array([0.05, 0.2, 1.0, 4.0])
    root = np.sqrt(k_b**2 + 4 * k_g * u)
    high, low = (-k_b + root) / (2 * k_g), (-k_b - root) / (2 * k_g)
    gone = (start - high) / (start - low) * np.exp(-root * time)
    energy = (high - low * gone) / (1 - gone)
    # The integral of growth is that of a logarithm's derivative: k_g E = u'/u of Riccati's linear equation.
    grown = k_g * high * time + np.log((1 - gone) / (1 - (start - high) / (start - low)))
    model = forward(time=time)
    host = {"growth_constant": k_g, "maintenance": k_b, "supply": u, "energy_initial": start}
    known = model.trace(model.theta(expression=0.0, cost=0.0, **host))
    assert known["growth"] == pytest.approx(k_g * energy, rel=1e-8)
    assert known["protein"] == pytest.approx(0.1 * np.exp(-grown - 0.05 * time), rel=1e-7, abs=1e-10)


def test_rest_is_a_stable_node_whatever_the_parameters():
    """Eigenvalues -(k_b + c k_t + 2 k_g E) and -(k_g E + delta)."""
    rng = np.random.default_rng(5)
    for k_t, c, k_g, k_b, u in np.exp(rng.uniform(-1.5, 1.5, (6, 5))):
        given = {"expression": k_t, "cost": c, "growth_constant": k_g, "maintenance": k_b, "supply": u}
        found, E = rates_at_rest("core", **given)
        exact = np.sort([-(k_b + c * k_t + 2 * k_g * E), -(k_g * E + 0.05)])
        assert found == pytest.approx(exact, rel=1e-5)
        assert found.max() < 0


def test_the_slowest_rate_vanishes_where_the_host_dies_out():
    """Transcritical: V K/(K + E)^2 - a - 2 k_g E goes to zero with the expression that is left to 4/h."""
    left, slowest = np.array([0.4, 0.04]), []
    for expression in 4 - left:
        found, E = rates_at_rest("autocatalytic", expression=expression, degradation=1.0)
        exact = 10 * 2 / (2 + E) ** 2 - (1 + expression) - 2 * 0.5 * E
        assert found[1] == pytest.approx(exact, rel=1e-5)
        slowest.append(found[1])
    assert slowest[0] / slowest[1] == pytest.approx(10, rel=0.05)


MEDIA = ("rdm", "caa", "m63")


def burdened(log, media):
    """Growth predicted for real bacteria, from logarithms of maintenance, cost and each medium's supply."""
    k_b, c, *supplies = np.exp(log)
    models = [forward(share=share, seen="burdened") for share, _ in media]
    return [
        model.value(model.theta(growth_constant=0.5, maintenance=k_b, cost=c, supply=u))
        for model, u in zip(models, supplies, strict=True)
    ]


def test_bacteria_that_make_useless_protein_grow_as_the_host_does():
    """LacZ in three media (Scott and others 2010): as near as a straight line in each; ratios are told."""
    folder = find_case("host_circuit").parents[2] / "data" / "host_circuit"
    media = [np.loadtxt(folder / f"{m}_glucose_lacz.csv", delimiter=",", skiprows=1).T for m in MEDIA]
    seen = np.concatenate([growth for _, growth in media])

    def off(log):
        return np.concatenate(burdened(log, media)) - seen

    def line(log):
        limit, *top = np.exp(log)
        lines = [g * (1 - share / limit) for g, (share, _) in zip(top, media, strict=True)]
        return np.concatenate(lines) - seen

    host, straight = least_squares(off, np.log([2, 50, 20, 10, 5])), least_squares(line, np.zeros(4))
    assert np.sqrt(np.mean(straight.fun**2)) == pytest.approx(0.0781, abs=5e-5)
    assert np.sqrt(np.mean(host.fun**2)) == pytest.approx(0.0762, abs=5e-5)
    k_b, c, *supplies = np.exp(host.x)
    for u, growth, (share, _) in zip(supplies, burdened(host.x, media), media, strict=True):
        assert growth**2 + (k_b + 0.5 * c * share) * growth == pytest.approx(0.5 * u, rel=1e-9)
    values, directions = np.linalg.eigh(host.jac.T @ host.jac)
    assert values[0] < values[1] / 500
    assert np.abs(directions[:, 0]) == pytest.approx(1 / np.sqrt(5), abs=0.15)  # all are multiplied alike


def test_a_host_that_expresses_too_much_dies_out():
    model = forward(seen="at rest", variant="autocatalytic")  # V/K - k_b = 4 with c = 1
    assert model.value(model.theta(expression=3.999))[0] > 0
    with pytest.raises(Infeasible, match="alive at rest: extinct"):
        model.value(model.theta(expression=4.001))
    with pytest.raises(Infeasible, match="extinct"):
        model.linearize(model.theta(expression=4.001))


def test_energy_and_protein_stay_positive_and_energy_below_what_supply_and_upkeep_allow():
    """E <= max(E_0, u/k_b): from far above it and from nearly nothing, for cheap and dear circuits."""
    for expression, start in ((0.1, 40.0), (8.0, 40.0), (0.1, 1e-3), (8.0, 1e-3)):
        model = forward(time=np.geomspace(1e-3, 50, 40))
        theta = model.theta(expression=expression, energy_initial=start, protein_initial=1e-6)
        known = model.trace(theta)
        assert known["energy"].min() > 0
        assert known["energy"].max() <= max(start, 10.0 / 1.0) * (1 + 1e-9)
        assert known["protein"].min() > 0


def test_an_extinct_host_fades_in_time():
    model = forward(time=[400.0], variant="autocatalytic")
    assert model.value(model.theta(expression=6.0))[0] < 1e-8


@pytest.mark.parametrize("variant", ["core", "autocatalytic"])
def test_the_path_is_that_of_an_independent_integrator(variant):
    model = forward(variant=variant)
    values = {p.name: float(p.default) for p in model.parameters}

    def velocity(_time, y):
        E, p = y
        supplied = (
            values["supply"] if variant == "core" else values["supply_max"] * E / (values["supply_half"] + E)
        )
        spent = values["maintenance"] + values["cost"] * values["expression"]
        lost = values["growth_constant"] * E + values["degradation"]
        return [
            supplied - spent * E - values["growth_constant"] * E**2,
            values["expression"] * E - lost * p,
        ]

    times = np.linspace(0.25, 4.0, 16)
    run = solve_ivp(velocity, (0, 4), [0.5, 0.1], "DOP853", times, rtol=1e-12, atol=1e-13)
    exact = np.concatenate([values["growth_constant"] * run.y[0], values["gain"] * run.y[1]])
    assert model.value(model.theta()) == pytest.approx(exact, rel=1e-7)


def test_growth_alone_sees_only_the_product_of_cost_and_expression():
    model = forward()
    theta = model.theta()
    slopes = {
        name: column * value
        for name, column, value in zip(model.names, model.jacobian(theta).T, theta, strict=True)
    }
    growth, light = slice(0, 16), slice(16, 32)
    assert slopes["cost"][growth] == pytest.approx(slopes["expression"][growth], rel=1e-6)
    assert np.abs(slopes["cost"][light] - slopes["expression"][light]).max() > 10


def test_at_rest_supply_and_maintenance_trade_off_and_on_the_way_they_do_not():
    def lost(model):
        theta = model.theta()
        columns = dict(zip(model.names, (model.jacobian(theta) * theta).T, strict=True))
        pair = np.stack([columns["supply"], columns["maintenance"]], axis=1) / model.value(theta)[:, None]
        big, small = np.linalg.svd(pair, compute_uv=False)
        return small / big

    assert lost(forward(seen="at rest")) < 1e-12
    assert lost(forward()) > 0.01


def test_a_filter_learns_what_a_construct_expresses_and_costs():
    steps = take_in(read_case(find_case("host_circuit"))).steps
    for name, truth in (("expression", 2.0), ("cost", 1.0)):
        ends = [c for c in steps.columns if c.startswith(name) and ("lower" in c or "upper" in c)]
        (low, high), (first_low, first_high) = steps[ends].iloc[-1], steps[ends].iloc[0]
        assert low < truth < high
        assert high / low < 0.5 * first_high / first_low
