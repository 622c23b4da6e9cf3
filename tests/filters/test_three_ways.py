"""One linear Gaussian model, three ways to its posterior: a filter, a sampler on the likelihood, the batch.

Data, dynamics with noise and readings are those of the tracer; unknown are the inflow and both initial
amounts.
"""

from pathlib import Path

import numpy as np
import pymc as pm
import pytest
from mscale_uq.models.reference import linear_gaussian, local_level

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters.augment import Unknown, augment
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.likelihood import KalmanLikelihood
from mscale_uq.filters.loop import run
from mscale_uq.filters.smoother import smooth
from mscale_uq.infer.chains import sample
from mscale_uq.infer.settings import Settings
from mscale_uq.infer.to_pymc import to_pymc
from mscale_uq.macro.linear_sde import LinearSDE, matrix
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import HalfNormal, LogNormal, Normal

NILE = np.loadtxt(Path(__file__).parents[2] / "data/local_level/nile.csv", delimiter=",", skiprows=1)
TIMES = np.array(linear_gaussian.TIMES)
READINGS = np.array([5.2, 4.1, 3.9, 3.8, 3.7, 4.4, 5.1])
STREAM = [Observation(t, "probe", "amount", y) for t, y in zip(TIMES, READINGS, strict=True)]
PRIOR_MEAN, PRIOR_SD = np.array([1.0, 4.0, 2.0]), np.array([2.0, 1.5, 1.5])
NAMES = ("inflow", "x_initial", "y_initial")
NOISE = 0.3


def batch():
    """Mean and covariance of (inflow, x_0, y_0), by conditioning one joint normal law."""
    model = linear_gaussian.forward(TIMES)
    base = model.value([0.0, 0.0, 0.0])
    design = np.stack([model.value(unit) - base for unit in np.eye(3)], axis=1)
    dynamics, values = (
        linear_gaussian.space(noise=NOISE).dynamics,
        {"k_out": 0.3, "k_there": 0.5, "k_back": 0.2},
    )
    values = {name: np.array(v) for name, v in {**values, "inflow": 0.0, "noise": NOISE}.items()}
    spread = [dynamics.transition(0.0, t, values).Q for t in TIMES]
    R = 0.25 * np.eye(len(TIMES))
    for i, s in enumerate(TIMES):
        for j, t in enumerate(TIMES):
            early, late = (i, t - s) if s <= t else (j, s - t)
            R[i, j] += (dynamics.transition(0.0, late, values).F @ spread[early])[0, 0]
    prior = np.diag(PRIOR_SD**-2.0)
    precision = prior + design.T @ np.linalg.solve(R, design)
    pull = prior @ PRIOR_MEAN + design.T @ np.linalg.solve(R, READINGS - base)
    return np.linalg.solve(precision, pull), np.linalg.inv(precision)


def posterior():
    likelihood = KalmanLikelihood(linear_gaussian.space(noise=NOISE), STREAM)
    priors = {name: Normal(m, s) for name, m, s in zip(NAMES, PRIOR_MEAN, PRIOR_SD, strict=True)}
    return Posterior(priors, [likelihood])


def test_the_filter_and_smoother_find_the_batch_posterior():
    space = augment(linear_gaussian.space(noise=NOISE, start_sd=1.5), {"inflow": Unknown(1.0, 2.0)})
    mean, cov = batch()
    theta = {"x_initial": 4.0, "y_initial": 2.0}
    state, _ = list(run(Kalman(), space, theta, STREAM))[-1]
    assert state.mean[2] == pytest.approx(mean[0], abs=1e-10)
    assert state.cov[2, 2] == pytest.approx(cov[0, 0], abs=1e-10)
    begin = smooth(Kalman(), space, theta, [Observation(0.0, "probe", "amount", np.nan), *STREAM])[0]
    order = [2, 0, 1]  # the state is (x, y, inflow)
    assert begin.mean[order] == pytest.approx(mean, abs=1e-10)
    assert begin.cov[np.ix_(order, order)] == pytest.approx(cov, abs=1e-10)


def test_the_likelihood_with_its_priors_is_the_batch_posterior():
    # A normal density is known from its mode (no slope there) and its curvature (the slope elsewhere).
    mean, cov = batch()
    target = posterior()
    assert target.logpdf_gradient(mean)[1] == pytest.approx(0, abs=1e-9)
    for step in (np.array([1.0, -0.5, 2.0]), np.array([0.0, 3.0, 0.1])):
        density, slope = target.logpdf_gradient(mean + step)
        assert target.logpdf(mean + step) == pytest.approx(density, rel=1e-12)
        assert slope == pytest.approx(-np.linalg.solve(cov, step), rel=1e-9)


@pytest.mark.slow
def test_the_sampler_finds_the_batch_posterior():
    mean, cov = batch()
    draws = sample(posterior(), Settings("nuts", draws=500, tune=200, chains=2, cores=0, seed=3)).draws
    theta = np.stack([draws[name].ravel() for name in NAMES], axis=1)
    sd = np.sqrt(np.diag(cov))
    assert np.all(
        np.abs(theta.mean(axis=0) - mean) < 0.08 * sd
    )  # 3 standard errors at 1500 independent draws
    assert np.cov(theta.T) == pytest.approx(cov, abs=0.2 * np.outer(sd, sd).max())


@pytest.mark.slow
def test_pymc_samples_the_variances_of_the_nile_and_finds_their_maximum():
    # Flat priors on both standard deviations: the posterior is the likelihood, whose moments a grid gives.
    flows = [Observation(year, "gauge", "flow", 10 * flow) for year, flow in NILE[1:]]
    likelihood = KalmanLikelihood(local_level.diffuse_space(1120.0), flows)
    wide = Posterior({"reading_sd": HalfNormal(1e4), "level_sd": HalfNormal(1e4)}, [likelihood])
    assert likelihood.names == ("level_sd", "reading_sd")
    grid = np.array(
        [[level, reading] for reading in np.linspace(80, 170, 91) for level in np.linspace(0.5, 130, 131)]
    )
    log = np.array([likelihood.logpdf(point) for point in grid])
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    mean = weights @ grid
    sd = np.sqrt(weights @ (grid - mean) ** 2)
    draws = sample(wide, Settings("nuts", draws=600, tune=200, chains=2, cores=0, seed=4)).draws
    found = np.stack([draws["level_sd"].ravel(), draws["reading_sd"].ravel()], axis=1)
    assert np.all(np.abs(found.mean(axis=0) - mean) < 0.15 * sd)
    assert found.std(axis=0) == pytest.approx(sd, rel=0.15)


def decay(rate, kick):
    """A level that forgets at a rate and is kicked: F and Q of a step both follow from the two."""
    return matrix([[-rate]]), np.zeros(1), matrix([[kick**2]])


def level():
    return np.ones((1, 1)), np.zeros(1)


@pytest.mark.slow
def test_pm_sample_finds_the_exact_posterior_of_parameters_of_F_Q_and_R():
    state = (Quantity("x", "1"),)
    eye = {"eye": ObservationOperator("seen", Gaussian("sd"), LinearReading("seen", state, level, ()))}
    parameters = [Parameter(name, "1", 1.0, lower=0.0) for name in ("rate", "kick")]
    start = {"x_initial": 0.0, "x_initial_var": 1.0}
    space = StateSpace([], LinearSDE("decay", state, decay), eye, parameters, start)
    rng, x, stream = np.random.default_rng(7), 0.0, []
    for k in range(150):
        x = x * np.exp(-0.5) + np.sqrt(1 - np.exp(-1.0)) * rng.standard_normal()
        stream.append(Observation(0.5 * (k + 1), "eye", "seen", x + 0.5 * rng.standard_normal()))
    names = ("rate", "kick", "sd")
    priors = {name: LogNormal(m, 0.5) for name, m in zip(names, (0.0, 0.35, -0.7), strict=True)}
    target = Posterior(priors, [KalmanLikelihood(space, stream)])
    centres = {name: prior.mu for name, prior in priors.items()}
    axes = [centres[name] + np.linspace(-1.6, 1.6, 17) for name in target.names]
    logs = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    # The density of the logarithms: that of the numbers times their product.
    density = np.array([target.logpdf(np.exp(u)) + u.sum() for u in logs])
    weights = np.exp(density - density.max())
    weights /= weights.sum()
    mean = weights @ logs
    sd = np.sqrt(weights @ (logs - mean) ** 2)
    quiet = {"progressbar": False, "compute_convergence_checks": False}
    data = pm.sample(draws=350, tune=200, chains=2, cores=1, random_seed=8, model=to_pymc(target), **quiet)
    found = np.log(np.stack([data.posterior[name].to_numpy().ravel() for name in target.names], axis=1))
    assert np.all(np.abs(found.mean(axis=0) - mean) < 0.2 * sd)
    assert found.std(axis=0) == pytest.approx(sd, rel=0.15)
