"""Closures of car following, what detectors can tell, and a queue on a blocked road."""

import numpy as np
import pytest
from fisher import spread
from mscale_uq.models.transport.traffic_flow import PARAMETERS, forward, space

from mscale_uq.catalog import data_root
from mscale_uq.cell.car_following import capacity, drivers_differ, road_differs
from mscale_uq.errors import NoGradient, SolveFailed
from mscale_uq.macro.traffic import demand, supply


@np.vectorize
def flow_at(density, *road):
    """The flow of an even road: what a cell sends, as far as the next one takes it."""
    return min(demand(density, road), supply(density, road))


def test_a_heterogeneous_road_carries_what_equal_fluxes_allow():
    road = road_differs(1.5, 7.0, 30.0, 1 / 3)  # half tau = 1 s, half 2 s
    found = [flow_at(rho, *road) for rho in (0.02, 0.04, 0.06, 0.08, 0.10)]
    assert found == pytest.approx([0.4478, 0.4478, 0.3867, 0.2933, 0.2000], abs=5e-5)


def flow_on_an_uneven_ring(density, slow=2.0, fast=1.0, stretch=1000.0, step=0.25):
    """Single vehicles, each at (gap - ell)/tau of where it is, on a slow stretch and a fast one."""
    place, path = np.arange(0.0, 2 * stretch, 1 / density), 0.0
    for now in range(10000):
        gap = np.roll(place, -1) - place
        gap[-1] += 2 * stretch
        tau = np.where(place % (2 * stretch) < stretch, slow, fast)
        speed = np.clip((gap - 7.0) / tau, 0.0, 30.0)
        place = place + step * speed
        path += speed.mean() / 5000 if now >= 5000 else 0.0
    return density * path


@pytest.mark.parametrize(
    ("density", "at_frozen_density"), [(0.02, 0.5150), (0.04, 0.5400), (0.06, 0.4350), (0.08, 0.3300)]
)
def test_single_vehicles_on_an_uneven_road_flow_as_equal_fluxes_say(density, at_frozen_density):
    flow = flow_on_an_uneven_ring(density)
    assert flow == pytest.approx(flow_at(density, *road_differs(1.5, 7.0, 30.0, 1 / 3)), rel=1.5e-3)
    # and not as the mean of both diagrams at the density of both
    both = [flow_at(density, *road_differs(tau, 7.0, 30.0, 0.0)) for tau in (1.0, 2.0)]
    assert np.mean(both) == pytest.approx(at_frozen_density, abs=5e-5)
    assert flow < 0.9 * at_frozen_density


def detected(name):
    """Readings of detectors: time, place, count, speed in m/s."""
    time, x, count, speed = np.genfromtxt(data_root() / "traffic_flow" / name, delimiter=",", skip_header=1).T
    return time, x, count, speed / 3.6


@pytest.mark.parametrize("name", ["uneven_road.csv", "uneven_road_upstream.csv"])
def test_detectors_count_single_vehicles_of_an_uneven_road_as_its_closure_says(name):
    time, x, count, speed = detected(name)
    truth = {"headway_contrast": 0.35, "inflow": 0.4}

    def off(closure):
        model = forward(time=time, x=x, closure=closure)
        made = model.value(model.theta(**truth))
        return count - made[: count.size], speed - made[count.size :]

    counts, speeds = off("road")
    assert np.std(counts) < 1.0
    assert np.abs(counts).max() < 4  # the front, spread over a cell or two
    assert np.nanmedian(np.abs(speeds)) < 1.5  # sd of a reading
    leaving = (time > 1740) & (time <= 2040)  # the queue, at all places: so many pass a slow stretch
    assert np.mean(count[leaving]) == pytest.approx(120 * 30 / (7 + 1.35 * 1.4 * 30), abs=0.5)
    assert np.std(off("drivers")[0]) > 3.0  # all would go at the mean driver's capacity, and be gone too soon


def test_drivers_that_differ_count_by_their_mean_alone():
    assert drivers_differ(1.5, 7.0, 30.0, 0.0) == pytest.approx(drivers_differ(1.5, 7.0, 30.0, 0.4))
    assert road_differs(1.5, 7.0, 30.0, 0.4)[3] < drivers_differ(1.5, 7.0, 30.0, 0.4)[3]


def settled_speeds(rings, count, seed=6):
    """Cars on rings at 0.06 per metre, each at (gap - ell)/tau, until all of a ring go at one speed."""
    rng = np.random.default_rng(seed)
    tau = np.clip(1.4 + 0.35 * rng.standard_normal((rings, count)), 0.5, None)
    ell = np.clip(7.0 + 0.7 * rng.standard_normal((rings, count)), 4.0, 10.0)
    gap = np.full((rings, count), 1 / 0.06)
    for _ in range(2400):
        speed = np.clip((gap - ell) / tau, 0.0, 30.0)
        gap += 0.4 * (np.roll(speed, -1, axis=1) - speed)
    return speed, tau, ell


def test_cars_that_follow_each_other_around_a_ring_settle_at_the_flow_of_the_mean_driver():
    speed, tau, ell = settled_speeds(20, 24)
    assert np.ptp(speed, axis=1).max() < 1e-3
    for cars, t, length in zip(speed, tau, ell, strict=True):
        road = drivers_differ(t.mean(), length.mean(), 30.0, 0.0)
        assert 0.06 * cars.mean() == pytest.approx(flow_at(0.06, *road), rel=1e-4)


def test_the_flow_of_a_ring_tends_to_that_of_all_drivers_as_one_over_root_n():
    flows = [0.06 * settled_speeds(300, count)[0].mean(axis=1) for count in (6, 24)]
    assert flows[0].std() / flows[1].std() == pytest.approx(2.0, abs=0.3)
    expected = flow_at(0.06, *drivers_differ(1.4, 7.0, 30.0, 0.0))
    assert flows[1].mean() == pytest.approx(expected, abs=4 * flows[1].std() / np.sqrt(300))


def growth(density, reaction, cars=40):
    """Fastest growth of a small disturbance of cars that accelerate by `reaction` (V(gap) - v), in 1/s."""
    road = drivers_differ(1.4, 7.0, 30.0, 0.0)

    def motion(y):
        gap, speed = np.roll(y[:cars], -1) - y[:cars], y[cars:]
        gap[-1] += cars / density
        return np.append(speed, reaction * (flow_at(1 / gap, *road) * gap - speed))

    even = np.append(np.arange(cars) / density, np.full(cars, flow_at(density, *road) / density))
    slopes = [(motion(even + h) - motion(even - h)) / 2e-3 for h in 1e-3 * np.eye(2 * cars)]
    rates = np.linalg.eigvals(np.array(slopes).T)
    return rates[np.argsort(np.abs(rates))[1:]].real.max()  # without the shift of all cars along the ring


def test_even_traffic_stands_only_while_drivers_react_faster_than_twice_the_slope_of_their_speed():
    """Bando and others 1995: V'(gap) < a/2, with V' = 1/tau in a queue, so that a tau > 2; less on a ring."""
    least = (1 + np.cos(2 * np.pi / 40)) / 1.4
    assert least == pytest.approx(2 / 1.4, rel=7e-3)
    assert growth(0.06, 1.01 * least) < 0 < growth(0.06, 0.99 * least)
    assert growth(0.01, 0.5 * least) < 1e-9  # who drives freely does not look ahead


def test_two_facts_of_the_ring_road_experiment_fix_the_congested_branch():
    """22 vehicles on 230 m at 30 km/h, jams travel backwards at 20 km/h (Sugiyama et al. 2008)."""
    speed, wave, spacing = 30 / 3.6, 20 / 3.6, 230 / 22
    tau = spacing / (speed + wave)
    assert tau == pytest.approx(0.7527, abs=5e-5)
    assert spacing - tau * speed == pytest.approx(4.182, abs=5e-4)
    road = drivers_differ(tau, wave * tau, 40 / 3.6, 0.0)
    assert flow_at(1 / spacing, *road) == pytest.approx(speed / spacing, rel=1e-12)


def test_free_flow_shows_the_free_speed_and_nothing_of_the_drivers():
    model = forward(incident_start=5000.0, incident_stop=6000.0)
    base = model.value(model.theta())
    for change in ({"headway": 1.6}, {"spacing": 8.0}):
        assert model.value(model.theta(**change)) == pytest.approx(base, rel=1e-12)
    assert np.abs(model.value(model.theta(free_speed=27.0)) - base).max() > 1


def test_the_queue_reaches_a_detector_when_the_shock_does():
    time, x = np.arange(310.0, 1200.0, 5.0), np.full(178, 1500.0)
    model = forward(time=time, x=x, cells=300)
    speed = model.value(model.theta())[178:]
    arrival = time[np.argmax(speed < 15.0)]
    free, queue = 0.5 / 30, 1 / 7 - 0.25 * 0.2
    shock = (0.25 - 0.5) / (queue - free)
    assert arrival == pytest.approx(300 + 1500 / -shock, abs=15)


def test_a_piecewise_model_has_no_gradient_and_says_so():
    model = forward()
    with pytest.raises(NoGradient):
        model.linearize(model.theta())


def test_a_wave_that_outruns_the_time_steps_is_refused():
    with pytest.raises(SolveFailed, match="faster than 45 m/s"):
        forward().value(forward().theta(free_speed=50.0))


def test_a_full_diagram_of_24_points_fixes_all_three():
    """With 100 veh/h noise: sd of the logarithms 0.034, 0.023, 0.024, correlation of ell and tau -0.72.

    The sheet's correlation has the other sign: at a given flow a longer spacing asks for a shorter headway.
    """
    rho = np.linspace(0.005, 0.12, 24)

    def diagram(log):
        vf, ell, tau = np.exp(log)
        return 3600 * flow_at(rho, vf, 1 / ell, tau / ell, capacity(vf, ell, tau))

    at = np.log([30.0, 7.0, 1.4])
    J = np.stack([(diagram(at + h) - diagram(at - h)) / 2e-6 for h in 1e-6 * np.eye(3)], axis=1)
    sd, correlation = spread(J, 100.0)
    assert sd == pytest.approx([0.034, 0.023, 0.024], abs=5e-4)
    assert correlation[1, 2] == pytest.approx(-0.72, abs=5e-3)


def test_every_step_of_a_blocked_road_conserves_vehicles():
    here = space()
    values = here.prepare({p.name: p.default for p in PARAMETERS})
    ledgers = here.dynamics.ledgers(here.initial(values)[0], 0.0, 2400.0, values)
    assert len(ledgers) == 3
    assert max(ledger.defect for ledger in ledgers) < 1e-13


def test_who_waits_at_the_entrance_still_waits_after_the_exit_opens():
    """A jam fills a short road: who came in is on it, in front of it or gone, before and after."""
    here = space([300.0], length=300.0, cells=10, incident_start=0.0, incident_stop=300.0)
    values = here.prepare({p.name: p.default for p in PARAMETERS} | {"exit_capacity": 0.05})
    start = here.initial(values)[0]
    after = here.dynamics.step(start[None], 0.0, 350.0, values, None)[0]
    (road, waiting, gone), (at_first, nobody, _) = ((y[:10], y[10], y[11]) for y in (after, start))
    assert nobody == 0 < waiting
    came = 0.5 * 350.0
    assert 30.0 * road.sum() + waiting + gone == pytest.approx(30.0 * at_first.sum() + came, rel=1e-12)
