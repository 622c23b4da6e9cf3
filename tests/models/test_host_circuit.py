"""Rest, stability, extinction, and what growth alone cannot tell."""

import numpy as np
import pytest
from mscale_uq.models.cells.host_circuit import forward, space
from scipy.integrate import solve_ivp

from mscale_uq.case.read import read_case
from mscale_uq.catalog import find_case
from mscale_uq.errors import Infeasible
from mscale_uq.run.assimilate import take_in

NO_LOSS = {"degradation": 1e-12, "gain": 1.0}


def test_the_core_rests_where_it_is_known_to():
    model = forward(seen="at rest")
    known = model.trace(model.theta(**NO_LOSS))
    assert known["energy_at_rest"] == pytest.approx(2.3851648071, rel=1e-10)
    assert known["growth_at_rest"] == pytest.approx(1.1925824036, rel=1e-10)
    assert known["protein_at_rest"] == pytest.approx(4.0, rel=1e-10)


def test_the_autocatalytic_host_rests_where_it_is_known_to():
    model = forward(seen="at rest", variant="autocatalytic")
    known = model.trace(model.theta(**NO_LOSS))
    assert known["energy_at_rest"] == pytest.approx(0.8989794856, rel=1e-9)
    assert known["growth_at_rest"] == pytest.approx(0.4494897428, rel=1e-9)


def test_deviations_from_rest_die_out_at_the_known_rates():
    here = space()
    values = here.prepare({p.name: p.default for p in here.parameters} | NO_LOSS)
    _, slope = here.dynamics.linearize_step(np.array([2.3851648071, 4.0]), 0.0, 0.1, values)
    flow = np.stack([slope.jvp({"state": row})["state"] for row in np.eye(2)], axis=1)
    rates = np.log(np.sort(np.linalg.eigvals(flow).real)) / 0.1
    assert rates == pytest.approx([-5.3851648, -1.1925824], rel=1e-6)


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
