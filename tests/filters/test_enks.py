"""Smoothers that carry the past along: `EnKS` and `IEnKS`."""

import numpy as np
import pytest
from kinds import stepping

from mscale_uq.core.dynamics import Dynamics
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Quantity
from mscale_uq.core.stage import Stage
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import InputError
from mscale_uq.filters.denkf import DEnKF
from mscale_uq.filters.enks import EnKS
from mscale_uq.filters.ensemble import EnsembleKalman
from mscale_uq.filters.etkf import ETKF
from mscale_uq.filters.ienks import IEnKS
from mscale_uq.filters.inflation import Inflation
from mscale_uq.filters.localisation import Localisation
from mscale_uq.filters.loop import run
from mscale_uq.filters.serial import Serial
from mscale_uq.filters.stochastic import Stochastic
from mscale_uq.observe.laws import Gaussian

RING = np.arange(8.0)
READINGS = [
    Observation(time, "all", "x", 3 * np.random.default_rng(int(time)).standard_normal(8))
    for time in range(1, 7)
]


class Shift(Dynamics):
    """Linear advection: what is at a site moves to the next in a unit of time, and fades a little."""

    name = "shift"
    inputs = ()
    state = (Quantity("x", "1", shape=(8,)),)

    def step(self, states, start, stop, values, rng):
        steps = round(stop - start)
        return 0.98**steps * np.roll(states, steps, axis=1)


def ring():
    everywhere = ObservationOperator("x", Gaussian(1.0))
    return StateSpace([], Shift(), {"all": everywhere}, (), {"x_initial": RING, "x_initial_var": RING + 1})


FILTERS = {
    "stochastic": EnsembleKalman(Stochastic(), 12),
    "denkf, inflated and rotated": EnsembleKalman(DEnKF(), 12, Inflation(1.1), rotation=True),
    "etkf": EnsembleKalman(ETKF(), 12),
    "serial, localised": EnsembleKalman(Serial(Localisation(2.0, RING, {"all": RING}, 8)), 12),
}


@pytest.mark.parametrize("name", FILTERS)
def test_the_smoother_leaves_the_present_as_the_filter_has_it(name):
    filtered = list(run(FILTERS[name], ring(), {}, READINGS, key=2))
    smoothed = list(run(EnKS(FILTERS[name], lag=3), ring(), {}, READINGS, key=2))
    for (now, info), (lagged, other) in zip(filtered, smoothed, strict=True):
        assert lagged.members == pytest.approx(now.members, rel=1e-12, abs=1e-12)
        assert info.log_evidence == pytest.approx(other.log_evidence, rel=1e-12)


@pytest.mark.parametrize("lag", [0, 1, 4])
def test_the_past_holds_the_latest_analysis_times(lag):
    for number, (state, _) in enumerate(run(EnKS(FILTERS["etkf"], lag), ring(), {}, READINGS), start=1):
        assert [earlier.time for earlier in state.past] == list(range(max(1, number - lag + 1), number + 1))


@pytest.mark.parametrize("name", ["stochastic", "etkf"])
def test_without_noise_the_smoothed_past_is_the_past_of_the_present(name):
    state = list(run(EnKS(FILTERS[name], lag=6), ring(), {}, READINGS, key=2))[-1][0]
    for earlier in state.past:
        steps = round(6 - earlier.time)
        there = 0.98**steps * np.roll(earlier.members, steps, axis=1)
        assert there == pytest.approx(state.members, rel=1e-9, abs=1e-10)


def test_with_noise_the_smoothed_past_tends_to_the_exact_smoother():
    space, theta = stepping.space(), {"making": 4.0, "loss": 0.1}
    times, y = np.array([1.0, 3.0, 4.0, 8.0]), np.array([20.0, 12.0, 30.0, 25.0])
    readings = [Observation(t, "camera", "protein", v) for t, v in zip(times, y, strict=True)]
    state = list(run(EnKS(EnsembleKalman(ETKF(), 40000), lag=4), space, theta, readings, key=1))[-1][0]

    # The joint normal law of the path, from the relaxation and its noise, conditioned on all readings.
    kept = np.exp(-0.1 * times)
    mean = 40 + (10 - 40) * kept
    early = np.minimum.outer(times, times)
    decay = np.exp(-0.1 * np.abs(np.subtract.outer(times, times)))
    cov = decay * (25 * np.exp(-0.2 * early) + 40 * (1 - np.exp(-0.2 * early)))
    gain = cov @ np.linalg.inv(cov + 9 * np.eye(4))
    exact, spread = mean + gain @ (y - mean), np.sqrt(np.diag(cov - gain @ cov))
    found = np.array([earlier.mean[0] for earlier in state.past])
    assert np.abs((found - exact) / spread).max() < 5 * np.sqrt(2 / 40000)
    deviations = np.sqrt([earlier.cov[0, 0] for earlier in state.past])
    assert deviations == pytest.approx(spread, rel=5 * np.sqrt(1 / 80000))


@pytest.mark.parametrize("lag", [0, 1, 3])
@pytest.mark.parametrize("iterations", [1, 4])
def test_for_linear_models_filter_smoother_and_iterations_agree(lag, iterations):
    filtered = list(run(FILTERS["etkf"], ring(), {}, READINGS, key=2))
    iterated = list(run(IEnKS(12, lag, iterations), ring(), {}, READINGS, key=2))
    for (now, info), (window, other) in zip(filtered, iterated, strict=True):
        assert window.members == pytest.approx(now.members, rel=1e-9, abs=1e-10)
        assert other.log_evidence == pytest.approx(info.log_evidence, rel=1e-10)


def test_the_windows_origin_is_what_the_smoother_says_about_that_time():
    window = list(run(IEnKS(12, lag=3), ring(), {}, READINGS, key=2))[-1][0]
    lagged = list(run(EnKS(FILTERS["etkf"], lag=6), ring(), {}, READINGS, key=2))[-1][0]
    past = {earlier.time: earlier.members for earlier in lagged.past}
    assert window.origin.time == 4.0
    assert window.between == (5.0, 6.0)
    assert window.origin.members == pytest.approx(past[4.0], rel=1e-9, abs=1e-10)


class Growth(Stage):
    name, inputs, outputs = "growth", ("x",), ("size",)

    def value(self, values):
        return {"size": np.exp(3 * np.asarray(values["x"][0]))}


def growing():
    operator = ObservationOperator("size", Gaussian(0.5), Growth())
    constants = {"x_initial": np.ones(8), "x_initial_var": np.full(8, 0.04)}
    return StateSpace([], Shift(), {"scale": operator}, (), constants)


@pytest.mark.parametrize("lag", [0, 1])
def test_for_a_nonlinear_reading_the_search_ends_at_the_most_probable_state(lag):
    space, y = growing(), 80.0
    state = list(run(IEnKS(40, lag), space, {}, [Observation(1.0, "scale", "size", y)], key=3))[-1][0]
    prior = IEnKS(40, lag).init(space, space.prepare({}), key=3).members
    # The site that is seen was the last one: its sample prior, and the reading, give a scalar problem.
    mean, variance = prior[:, 7].mean() * 0.98, prior[:, 7].var(ddof=1) * 0.98**2
    grid = np.linspace(0.9, 1.9, 200001)
    cost = (grid - mean) ** 2 / variance + (y - np.exp(3 * grid)) ** 2 / 0.25
    best = grid[cost.argmin()]
    linear = list(run(EnsembleKalman(ETKF(), 40), space, {}, [Observation(1.0, "scale", "size", y)], key=3))
    assert state.mean[0] == pytest.approx(best, abs=1e-4)
    assert abs(linear[-1][0].mean[0] - best) > 0.02, "one step is not enough"


def test_a_search_that_does_not_converge_says_so():
    reading = [Observation(1.0, "scale", "size", 80.0)]
    info = list(run(IEnKS(40, iterations=2), growing(), {}, reading, key=3))[-1][1]
    assert info.note == "no convergence in 2 iterations"


def test_a_missing_reading_leaves_the_window_alone():
    readings = [READINGS[0], Observation(2.0, "all", "x", np.full(8, np.nan)), READINGS[2]]
    with_gap = list(run(IEnKS(12, lag=2), ring(), {}, readings, key=2))[-1][0]
    without = list(run(FILTERS["etkf"], ring(), {}, [READINGS[0], READINGS[2]], key=2))[-1][0]
    assert with_gap.members == pytest.approx(without.members, rel=1e-9, abs=1e-10)


def test_noise_in_the_dynamics_is_refused_by_the_strong_constraint():
    with pytest.raises(InputError, match=r"the dynamics states noise.*use enks"):
        list(
            run(
                IEnKS(10),
                stepping.space(),
                {"making": 4.0, "loss": 0.1},
                [Observation(1.0, "camera", "protein", 1.0)],
            )
        )


@pytest.mark.parametrize("given", [{"size": 1}, {"lag": -1}, {"iterations": 0}, {"tolerance": 0.0}])
def test_impossible_settings_are_refused(given):
    with pytest.raises(InputError, match="size from 2, lag from 0"):
        IEnKS(**given)


def test_a_negative_lag_is_refused():
    with pytest.raises(InputError, match="0 or more analysis times"):
        EnKS(EnsembleKalman(), lag=-1)
