"""A self-heating electrolyte against closed forms, single hops, and what measurements can tell."""

import numba
import numpy as np
import pytest
from fisher import spread
from mscale_uq.models.electrochemistry._joule import balance, conductivity
from mscale_uq.models.electrochemistry.solid_electrolyte import EV, forward, space
from scipy.optimize import brentq, minimize_scalar

from mscale_uq.errors import Infeasible, ParameterError
from mscale_uq.solve.symmetric import symmetric_body

KB = 1.380649e-23  # J/K
EXACT = {"conductivity_ref": 1.0, "boltzmann": KB, "reference": 300.0}


def sigma(T, barrier=0.35, scatter=0.03):
    return conductivity(T, migration_energy=barrier * EV, disorder=scatter * EV, **EXACT)


def test_scattered_barriers_raise_the_apparent_energy_and_lower_the_mobility():
    """E_m + s^2/kT = 0.384814 eV at 300 K, and exp(-s^2/2 k^2 T^2) = 0.510010 of the mobility without."""
    beta = 1 / (KB * 300)
    step = 1e-4 * beta
    high, low = (np.log(sigma(1 / (KB * b)) / (KB * b)) for b in (beta + step, beta - step))
    assert -(high - low) / (2 * step) / EV == pytest.approx(0.384814, abs=1e-6)
    hot = 1e7  # where scatter does not matter any more
    mobility = sigma(300.0) / sigma(hot) * 300 / hot
    ordered = sigma(300.0, scatter=1e-12) / sigma(hot, scatter=1e-12) * 300 / hot
    assert mobility / ordered == pytest.approx(0.510010, abs=1e-6)


def test_without_scatter_it_is_arrhenius():
    expected = 300 / 400 * np.exp(-0.35 * EV / KB * (1 / 400 - 1 / 300))
    assert sigma(400.0, scatter=1e-12) == pytest.approx(expected, rel=1e-12)


@numba.njit(cache=True)
def arrivals(rates, walkers, seed):
    """Times at which walkers that start at the closed end of a chain of bonds reach the other."""
    np.random.seed(seed)  # noqa: NPY002  (numba's own)
    times = np.zeros(walkers)
    for walker in range(walkers):
        site = 0
        while site < rates.size:
            back = rates[site - 1] if site > 0 else 0.0
            ahead = rates[site]
            times[walker] += np.random.exponential(1 / (back + ahead))  # noqa: NPY002
            site += 1 if np.random.random() * (back + ahead) < ahead else -1  # noqa: NPY002
    return times


def test_single_hops_over_scattered_barriers_diffuse_by_the_harmonic_mean():
    """N bonds, the second half a mirror of the first, are crossed in N (N + 1)/2D, D their harmonic mean."""
    barriers = 0.03 * np.random.default_rng(3).standard_normal(100)
    rates = np.exp(-np.append(barriers, barriers[::-1]) * EV / (KB * 300))
    times = arrivals(rates, 300, 5)
    harmonic = rates.size * (rates.size + 1) / 2 * np.mean(1 / rates)
    assert abs(times.mean() - harmonic) < 4 * times.std() / np.sqrt(times.size)
    assert times.mean() > 1.5 * rates.size**2 / 2 / np.mean(rates)  # the plain mean of the rates is far off
    # Far more bonds than any walker could cross: the mean that the law is made of.
    many = 0.03 * np.random.default_rng(4).standard_normal(1_000_000)
    slowed = np.mean(np.exp(many * EV / (KB * 300)))
    assert slowed == pytest.approx(1 / 0.510010, rel=5e-3)


def test_a_garnets_carriers_and_diffusivity_give_its_known_conductivity_at_every_temperature():
    """n q^2 D/kT with 3.17e27 1/m3 and, at 300 K, 1.33e-12 m2/s: 0.0261 S/m. D is one over the mean of
    1/rate, by quadrature over the normal law of the barriers: nothing is taken from the formula."""
    x, weights = np.polynomial.hermite_e.hermegauss(60)
    kT = KB * np.array([250.0, 300.0, 350.0, 400.0])
    waits = np.exp((0.35 + 0.03 * x[:, None]) * EV / kT)
    D = 1 / (weights @ waits)
    D *= 1.33e-12 / D[1]
    known = 3.17e27 * EV**2 * D / kT
    assert known[1] == pytest.approx(0.0261, abs=5e-5)
    model = forward(seen="conductivity", temperature=kT / KB)
    found = model.value(
        model.theta(conductivity_ref=known[1], migration_energy=0.35 * EV, disorder=0.03 * EV)
    )
    assert found == pytest.approx(known, rel=1e-10)


@pytest.mark.parametrize(
    ("shape", "known", "within"),
    [("slab", 1.186842, 1e-5), ("cylinder", np.log(4), 1e-5), ("sphere", 1.6075, 1e-4)],
)
def test_a_body_runs_away_from_the_overheating_that_frank_kamenetskii_found(shape, known, within):
    """Of its middle, in units of kT^2/E, at the fold; a barrier of 1e6 kT leaves 1e-6 of the temperature."""
    barrier = 1e6 * KB * 300
    fold = balance("along", 9, "drive", 0.0, 200.0**2, "critical_drive")
    model = forward(
        seen="critical field", furnace_temperature=[300.0], shape=shape, nodes=9, largest_field=200.0
    )
    values = model.trace(model.theta(migration_energy=barrier, disorder=1e-30, heat_transfer=1e9))
    here = {name: values[name] for name in fold.inputs if name in values}
    overheating = fold.point({**here, "furnace_temperature": np.asarray(300.0)}).unknown
    middle = symmetric_body(shape, 9).at(np.zeros(1))[0] @ overheating
    assert middle * 1e6 / 300 == pytest.approx(known, abs=within)


def told(T):
    """Deviations of ln E_m and ln s, and their correlation, from ten conductivities with 2 % noise."""
    model = forward(seen="conductivity", temperature=np.linspace(*T, 10))
    theta = model.theta()
    sd, correlation = spread(model.jacobian(theta) * theta, 0.02 * model.value(theta))
    return sd[1], sd[2], correlation[1, 2]


@pytest.mark.parametrize(
    ("T", "known"), [((250.0, 400.0), (0.049, 0.25, -0.998)), ((200.0, 500.0), (0.014, 0.066, -0.992))]
)
def test_only_a_wide_range_of_temperatures_tells_barrier_and_scatter_apart(T, known):
    *sd, correlation = told(T)
    assert sd == pytest.approx(known[:2], rel=0.06)
    assert correlation == pytest.approx(known[2], abs=1e-3)


def slopes_of(model, **values):
    theta = model.theta(**values)
    return dict(zip(model.names, (model.jacobian(theta) * theta).T, strict=True))


def test_heated_between_electrodes_a_sample_tells_how_it_conducts_heat_and_not_how_it_radiates():
    model = forward(field=[1.5e4], furnace_temperature=[300.0], shape="slab", supply="across")
    moved = slopes_of(model, heat_transfer=2e4)
    assert "emissivity" not in moved
    middle = moved["thermal_conductivity"][2]
    # The theorem: the rise goes as V^2 sigma/8k while it is small, so that it falls as k rises.
    assert middle < -10.0
    rod = slopes_of(forward(field=[1200.0], furnace_temperature=[300.0]))
    assert abs(rod["thermal_conductivity"][1]) < 0.02 * abs(rod["emissivity"][1])
    assert rod["emissivity"][1] < 0


def test_beyond_the_critical_field_there_is_no_steady_state_and_before_it_there_are_two():
    model = forward(seen="critical field", furnace_temperature=[320.0])
    critical = model.value(model.theta())[0]
    rest = forward(field=[0.9999 * critical], furnace_temperature=[320.0])
    assert rest.value(rest.theta())[1] > 320.0
    beyond = forward(field=[1.0001 * critical], furnace_temperature=[320.0])
    with pytest.raises(Infeasible, match="body at rest: no solution: the branch from drive = 0 folds back"):
        beyond.value(beyond.theta())


def states(field, supply="along", **values):
    """Every state at rest of a rod in a furnace of 320 K, by its surface, and whether it is stable."""
    body = {} if supply == "along" else {"supply": "across", "shape": "slab"}
    model = forward(field=[100.0], furnace_temperature=[320.0], **body)
    known = model.trace(model.theta(**values))
    stage = balance(supply, 4, "drive", 0.0)
    here = {name: known[name] for name in stage.inputs if name in known}
    here |= {"drive": np.asarray(field**2), "furnace_temperature": np.asarray(320.0)}
    points = stage.solutions(here, -1.0, 1e9)
    return [(320 + point.unknown[-1], point.stable) for point in points]


def test_below_the_critical_field_a_cold_stable_state_faces_an_unstable_one():
    cold, hot = states(1200.0)[:2]
    assert cold[1]
    assert not hot[1]
    assert 320 < cold[0] < hot[0]


@pytest.mark.parametrize("current", [10.0, 100.0, 1000.0, 10000.0])
def test_a_source_of_current_never_runs_away(current):
    """Heat j^2/sigma falls as the sample warms, so that there is one state at rest, and it is stable."""
    found = states(current, "driven", heat_transfer=50.0)
    assert [stable for _, stable in found] == [True]


def test_a_held_current_finds_the_rest_of_the_field_that_it_needs():
    currents = np.array([5.0, 12.0])
    held = forward(seen="held current", current=currents, furnace_temperature=[300.0, 310.0], shape="slab")
    made = held.value(held.theta()).reshape(3, 2)
    under = forward(field=made[0], furnace_temperature=[300.0, 310.0], shape="slab", supply="across")
    found = under.value(under.theta()).reshape(3, 2)
    assert found[0] == pytest.approx(currents, rel=1e-6)
    assert found[1:] == pytest.approx(made[1:], rel=1e-8)


def test_the_largest_field_that_a_held_current_needs_is_the_critical_one():
    """Beyond it more current needs less field: a source of current goes where a source of voltage cannot."""
    critical = forward(seen="critical field", furnace_temperature=[320.0], shape="slab", supply="across")

    def needed(log):
        model = forward(seen="held current", current=[np.exp(log)], furnace_temperature=[320.0], shape="slab")
        return -model.value(model.theta())[0]

    most = minimize_scalar(needed, bounds=np.log([1.0, 1e4]), method="bounded", options={"xatol": 1e-4})
    assert -most.fun == pytest.approx(critical.value(critical.theta())[0], rel=1e-6)
    assert needed(most.x + 0.5) > most.fun


@pytest.mark.parametrize("settings", [{"seen": "held current"}, {"supply": "across"}])
def test_only_a_slab_lies_between_electrodes(settings):
    for shape in ("cylinder", "sphere"):
        with pytest.raises(ParameterError, match=f"a {shape} between electrodes"):
            forward(shape=shape, **settings)


def test_the_furnace_at_which_a_field_is_critical_is_the_onset_under_that_field():
    model = forward(seen="critical field", furnace_temperature=[330.0, 360.0])
    fields = model.value(model.theta())
    onset = forward(seen="onset", field=fields)
    assert onset.value(onset.theta()) == pytest.approx([330.0, 360.0], rel=1e-9)


def apparent(**loss):
    """Barrier in eV, without scatter, of what runs away at 1310 K and, at twice the field, at 1123 K."""
    model = forward(seen="critical field", furnace_temperature=[1310.0, 1123.0], reference=1310.0, nodes=5)

    def ratio(barrier):
        first, second = model.value(model.theta(migration_energy=barrier * EV, disorder=1e-30, **loss))
        return second / first - 2

    return brentq(ratio, 1.1, 2.2, xtol=1e-4)


def test_two_onsets_give_an_apparent_energy_that_depends_on_how_heat_is_lost():
    """60 V/cm at 1310 K, 120 V/cm at 1123 K. For small overheating E^2 sigma/T^2 is constant where heat is
    conducted, E^2 sigma/T^5 where it is radiated: 1.25 and 1.57 eV; if the 1/T of the conductivity is
    forgotten, 1.15 and 1.46 eV."""
    gap = 1 / ((1 / 1123 - 1 / 1310) * EV / KB)
    small = [np.log(4) + power * np.log(1310 / 1123) for power in (2, 5)]
    assert [gap * one for one in small] == pytest.approx([1.15, 1.46], abs=5e-3)
    exact = [gap * (one + np.log(1310 / 1123)) for one in small]
    assert exact == pytest.approx([1.253, 1.566], abs=1e-3)
    conducted = apparent(heat_transfer=1e7, conductivity_ref=10.0)
    radiated = apparent(heat_transfer=1e-9, thermal_conductivity=1e3, emissivity=0.99, conductivity_ref=3.0)
    assert conducted == pytest.approx(exact[0], rel=0.06)
    assert radiated == pytest.approx(exact[1], rel=0.12)
    assert radiated - conducted > 0.2


def test_in_time_the_body_comes_to_the_rest_it_has():
    warm = forward(seen="warming", time=[3000.0], applied=1000.0, furnace=320.0)
    rest = forward(field=[1000.0], furnace_temperature=[320.0])
    assert warm.value(warm.theta()) == pytest.approx(rest.value(rest.theta()), rel=1e-6)


def test_the_state_space_warms_as_the_forward_model_says():
    times = [30.0, 120.0]
    model, path = forward(seen="warming", time=times), space().forward(times)
    theta = model.theta()
    assert path.value(theta) == pytest.approx(model.value(theta), rel=1e-7)
