"""The likelihood of a stream: published numbers, the joint density, and exact gradients."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from mscale_uq.models.reference import local_level

from mscale_uq.core.formula import Formula
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.errors import CovarianceError, DataError, NoGradient, OutOfLimits, ParameterError
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.likelihood import FilterLikelihood, KalmanLikelihood
from mscale_uq.filters.loop import prepared, run
from mscale_uq.filters.series import filter_stream
from mscale_uq.filters.smoother import smooth
from mscale_uq.macro.linear_sde import LinearSDE, matrix
from mscale_uq.observe.laws import Gaussian, StudentT
from mscale_uq.stats.experiment import Fixed, Shared
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import LogNormal, Normal

# The published variances 15099 and 1469.1 are of flows in 1e8 m^3, ten times the number in km^3.
NILE = np.loadtxt(Path(__file__).parents[2] / "data/local_level/nile.csv", delimiter=",", skiprows=1)
FLOWS = [Observation(year, "gauge", "flow", 10 * flow) for year, flow in NILE]
PUBLISHED = {"reading_sd": np.sqrt(15099), "level_sd": np.sqrt(1469.1)}


def nile(space, observations, burn=0):
    likelihood = KalmanLikelihood(space, observations, burn=burn)
    return likelihood.logpdf([PUBLISHED[name] for name in likelihood.names])


def test_the_nile_has_a_hundred_flows_that_add_up():
    assert len(NILE) == 100
    assert 10 * NILE[:, 1].sum() == pytest.approx(91935, abs=1e-9)


def test_the_exact_diffuse_likelihood_of_the_nile_is_the_published_one():
    diffuse = nile(local_level.diffuse_space(1120.0), FLOWS[1:])
    assert diffuse == pytest.approx(-632.54563, abs=5e-6)
    assert diffuse - 0.5 * np.log(2 * np.pi) == pytest.approx(-633.46456, abs=5e-6)


def test_the_likelihood_of_the_nile_from_a_known_wide_start_is_the_published_one():
    assert nile(local_level.space(0.0, np.sqrt(1e7)), FLOWS, burn=1) == pytest.approx(-632.54421, abs=5e-6)


def test_the_approximate_diffuse_likelihood_of_the_nile_is_the_published_one():
    assert nile(local_level.space(0.0, np.sqrt(1e6)), FLOWS, burn=1) == pytest.approx(-632.53770, abs=5e-6)


def test_filtered_and_smoothed_levels_of_the_nile_are_the_published_ones():
    space = local_level.diffuse_space(1120.0)
    states = [state for state, _ in run(Kalman(), space, PUBLISHED, FLOWS[1:])]
    assert states[0].mean == pytest.approx(1140.92784, abs=5e-6)
    assert states[0].cov == pytest.approx(7899.73638, abs=5e-6)
    assert states[-1].mean == pytest.approx(798.37029, abs=5e-6)
    assert states[-1].cov == pytest.approx(4032.15794, abs=5e-6)
    # The first year is the start: seen again without information, it is smoothed with the others.
    blind = Observation(1871.0, "gauge", "flow", np.nan)
    smoothed = smooth(Kalman(), space, PUBLISHED, [blind, *FLOWS[1:]])
    assert smoothed[0].mean == pytest.approx(1111.66832, abs=5e-6)
    assert smoothed[0].cov == pytest.approx(4032.15794, abs=5e-6)
    assert smoothed[1].mean == pytest.approx(1110.85766, abs=5e-6)
    assert smoothed[1].cov == pytest.approx(3242.93007, abs=5e-6)


def test_the_slope_of_the_nile_likelihood_vanishes_at_the_published_maximum():
    # The published estimates have four or five digits; the slope in log variance is that of a flat top.
    likelihood = KalmanLikelihood(local_level.diffuse_space(1120.0), FLOWS[1:])
    theta = np.array([PUBLISHED[name] for name in likelihood.names])
    _, slope = likelihood.logpdf_gradient(theta)
    assert np.abs(slope * theta / 2).max() < 2e-3


# A model in which every matrix and every number depends on a parameter.

STATE = (Quantity("x", "1"), Quantity("v", "1", shape=(2,)))
PARAMETERS = (
    Parameter("pull", "1", 0.4, lower=0),
    Parameter("push", "1", 0.7),
    Parameter("gain", "1", 1.3),
    Parameter("kick", "1", (0.3, 0.2), shape=(2,)),
    Parameter("wide", "1", 0.8, lower=0),
)
POINT = np.array([0.4, 0.7, 1.3, 0.3, 0.2, 0.8, 0.5])


def law(pull, push, kick):
    A = matrix([[-pull, 0.3, 0.0], [0.1, -0.2, pull], [0.0, -0.5, -0.1 * push]])
    noise = [[0.3, 0.1 * pull, 0.0], [0.1 * pull, kick[0] ** 2, 0.0], [0.0, 0.0, kick[1] ** 2]]
    return A, np.stack([push, kick[0], 0.2 * push**2]), matrix(noise)


def bright(gain, pull):
    return matrix([[gain, 0.0, 0.0], [0.0, pull, 1.0]]), np.stack([0.5 * gain, 0 * gain])


def dim():
    return np.array([[0.0, 0.0, 1.0]]), np.zeros(1)


def begin(wide, push):
    return 2 * push, wide**2, np.stack([wide, 1 + wide]), 0.1 * wide


def space():
    made = ("x_initial", "x_initial_var", "v_initial_var", "single_var")
    return StateSpace(
        [Formula(begin, made)],
        LinearSDE("wheel", STATE, law, {"kick": (2,)}),
        {
            "bright": ObservationOperator(
                "pair", Gaussian(sd=(0.3, 0.6)), LinearReading("pair", STATE, bright)
            ),
            "dim": ObservationOperator("single", Gaussian("dim_sd"), LinearReading("single", STATE, dim, ())),
            "plain": ObservationOperator("x", Gaussian(sd=0.4)),
        },
        PARAMETERS,
        {"v_initial": [0.5, -0.5]},
    )


def stream(rng, correlated=True):
    cov, nan = np.array([[0.5, 0.2], [0.2, 0.4]]), np.nan
    pair = rng.normal(size=(6, 2))
    observations = [
        Observation(0.0, "plain", "x", rng.normal()),
        Observation(0.3, "bright", "pair", pair[0]),
        Observation(0.9, "dim", "single", rng.normal()),
        Observation(0.9, "bright", "pair", [nan, pair[1, 1]]),
        Observation(2.5, "bright", "pair", [nan, nan]),
        Observation(2.6, "bright", "pair", pair[2], noise=cov if correlated else 0.7),
        Observation(2.6, "bright", "pair", [pair[3, 0], nan], noise=cov if correlated else (0.7, 0.2)),
        Observation(7.0, "plain", "x", rng.normal(), noise=0.2),
        Observation(7.5, "dim", "single", rng.normal()),
    ]
    return observations + [Observation(8 + 0.25 * i, "bright", "pair", p) for i, p in enumerate(pair)]


def by_name(likelihood, theta):
    return likelihood._split(theta)


def test_the_compiled_filter_equals_the_filter_that_streams():
    observations = stream(np.random.default_rng(1))
    likelihood = KalmanLikelihood(space(), observations)
    theta = by_name(likelihood, POINT)
    states, logs = filter_stream(space(), prepared(space(), theta), observations)
    for (slow, info), fast, log in zip(
        run(Kalman(), space(), theta, observations), states, logs, strict=True
    ):
        assert fast.time == slow.time
        assert fast.mean == pytest.approx(slow.mean, abs=1e-12)
        assert fast.cov == pytest.approx(slow.cov, abs=1e-12)
        assert log == pytest.approx(info.log_evidence, abs=1e-11)
    assert likelihood.logpdf(POINT) == pytest.approx(logs.sum(), abs=1e-12)


def big_law(rate):
    n = 24
    ring = np.roll(np.eye(n), 1, axis=1) - np.eye(n)
    return rate * ring, 0.1 + 0 * rate * np.ones(n), 0.2 * np.eye(n)


def every_third():
    return np.eye(24)[::3], np.zeros(8)


def test_the_compiled_filter_of_many_states_equals_the_filter_that_streams():
    state = (Quantity("u", "1", shape=(24,)),)
    reading = LinearReading("some", state, every_third)
    ring = StateSpace(
        [],
        LinearSDE("ring", state, big_law),
        {"eyes": ObservationOperator("some", Gaussian(0.5), reading)},
        [Parameter("rate", "1", 0.6)],
        {"u_initial": np.zeros(24), "u_initial_var": np.ones(24)},
    )
    rng = np.random.default_rng(5)
    data = rng.normal(size=(30, 8))
    data[rng.random(data.shape) < 0.2] = np.nan
    observations = [Observation(0.4 * (i + 1), "eyes", "some", row) for i, row in enumerate(data)]
    states, logs = filter_stream(ring, prepared(ring, {"rate": 0.6}), observations)
    for (slow, info), fast, log in zip(
        run(Kalman(), ring, {"rate": 0.6}, observations), states, logs, strict=True
    ):
        assert fast.mean == pytest.approx(slow.mean, abs=1e-12)
        assert fast.cov == pytest.approx(slow.cov, abs=1e-12)
        assert log == pytest.approx(info.log_evidence, abs=1e-10)
    likelihood = KalmanLikelihood(ring, observations)
    value, slope = likelihood.logpdf_gradient([0.6])
    assert value == pytest.approx(likelihood.logpdf([0.6]), abs=1e-9)
    assert taylor_slope(likelihood, np.array([0.6]), np.array([1.0]), value, slope) > 1.95


def taylor_slope(likelihood, theta, direction, value, slope):
    """Observed order of the Taylor remainder: 2 if the gradient is right, 1 if not."""
    steps = 10.0 ** -np.arange(1.5, 4.0, 0.5)
    remainders = [
        abs(likelihood.logpdf(theta + h * direction) - value - h * slope @ direction) for h in steps
    ]
    return np.median(np.diff(np.log(remainders)) / np.diff(np.log(steps)))


@pytest.mark.parametrize("correlated", [True, False])
def test_the_gradient_of_a_kalman_likelihood_is_exact(correlated):
    likelihood = KalmanLikelihood(space(), stream(np.random.default_rng(2), correlated), burn=1)
    if correlated:  # the reading `single` has a variance of its own, but not the correlated ones
        assert np.isfinite(likelihood.logpdf(POINT))
    value, slope = likelihood.logpdf_gradient(POINT)
    assert value == pytest.approx(likelihood.logpdf(POINT), abs=1e-11)
    assert likelihood.names == ("pull", "push", "gain", "kick[0]", "kick[1]", "wide", "dim_sd")
    for i, unit in enumerate(np.eye(7)):
        step = 1e-5 * unit
        central = (likelihood.logpdf(POINT + step) - likelihood.logpdf(POINT - step)) / 2e-5
        assert slope[i] == pytest.approx(central, rel=1e-7, abs=1e-7)
        assert taylor_slope(likelihood, POINT, unit * POINT, value, slope) > 1.95


def priors():
    loose = {name: Normal(0.5, 1.0) for name in ("push", "gain", "kick")}
    return {**loose, **{name: LogNormal(-0.5, 0.5) for name in ("pull", "wide", "noise")}}


def test_a_kalman_likelihood_is_an_experiment_of_a_posterior():
    bindings = {"dim_sd": Shared("noise"), "gain": Fixed(1.3)}
    likelihood = KalmanLikelihood(space(), stream(np.random.default_rng(3)), bindings=bindings)
    given = {name: prior for name, prior in priors().items() if name != "gain"}
    posterior = Posterior(given, [likelihood], {"kick": (2,)})
    theta = posterior.pack({"push": 0.7, "kick": [0.3, 0.2], "pull": 0.4, "wide": 0.8, "noise": 0.5})
    value, slope = posterior.logpdf_gradient(theta)
    alone = likelihood.logpdf(POINT)
    assert value == pytest.approx(alone + posterior.log_prior(theta), rel=1e-12)
    for i, unit in enumerate(np.eye(len(theta))):
        central = (posterior.logpdf(theta + 1e-5 * unit) - posterior.logpdf(theta - 1e-5 * unit)) / 2e-5
        assert slope[i] == pytest.approx(central, rel=1e-6, abs=1e-6)
    assert pickle.loads(pickle.dumps(posterior)).logpdf(theta) == posterior.logpdf(theta)


def test_a_likelihood_by_any_filter_has_no_gradient_and_says_so():
    observations = stream(np.random.default_rng(4))
    likelihood = FilterLikelihood(ExtendedKalman(), space(), observations)
    assert likelihood.logpdf(POINT) == pytest.approx(
        KalmanLikelihood(space(), observations).logpdf(POINT), abs=1e-10
    )
    with pytest.raises(NoGradient, match="ExtendedKalman"):
        likelihood.logpdf_gradient(POINT)


def test_outside_the_limits_there_is_no_likelihood():
    likelihood = KalmanLikelihood(space(), stream(np.random.default_rng(4)))
    with pytest.raises(OutOfLimits, match="'pull'"):
        likelihood.logpdf([-0.1, *POINT[1:]])


def test_a_law_that_is_not_gaussian_has_no_kalman_likelihood():
    model = space()
    heavy = {**model.observations, "plain": ObservationOperator("x", StudentT(0.4))}
    other = StateSpace(model.stages, model.dynamics, heavy, PARAMETERS, model.constants)
    with pytest.raises(NoGradient, match="plain"):
        KalmanLikelihood(other, stream(np.random.default_rng(4)))


def test_two_exact_readings_of_one_thing_are_reported_with_their_time():
    exact = [Observation(3.0, "plain", "x", 1.0, noise=0.0), Observation(3.0, "plain", "x", 1.0, noise=0.0)]
    with pytest.raises(CovarianceError, match=r"not positive.*at time=3"):
        KalmanLikelihood(space(), exact).logpdf(POINT)
    with pytest.raises(CovarianceError, match=r"not positive.*at time=3"):
        list(run(Kalman(), space(), by_name(KalmanLikelihood(space(), exact), POINT), exact))


def test_an_unknown_binding_and_a_wrong_theta_are_refused():
    observations = stream(np.random.default_rng(4))
    with pytest.raises(ParameterError, match="did you mean 'gain'"):
        KalmanLikelihood(space(), observations, bindings={"gian": Fixed(1.0)})
    with pytest.raises(ParameterError, match="theta of shape"):
        KalmanLikelihood(space(), observations).logpdf([1.0])


def test_a_stream_out_of_order_is_refused():
    with pytest.raises(DataError, match="sort the stream"):
        KalmanLikelihood(space(), FLOWS[:0] + stream(np.random.default_rng(4))[::-1])
