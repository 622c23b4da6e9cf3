"""One unknown rate, and everything linear and normal: all ways of learning it agree."""

import numpy as np
import pytest

from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.linear_dynamics import LinearReading
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Parameter, Quantity
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters.augment import Unknown, augment
from mscale_uq.filters.esmda import ESMDA
from mscale_uq.filters.etkf import ETKF
from mscale_uq.filters.kalman import Kalman
from mscale_uq.filters.likelihood import KalmanLikelihood
from mscale_uq.filters.loop import run
from mscale_uq.macro.linear_sde import LinearSDE, matrix
from mscale_uq.observe.laws import Gaussian

STATE = (Quantity("mrna", "1"), Quantity("protein", "1"))
RATE = Parameter("k_m", "1/min", 2.0)  # without limits: its own coordinate
NOISE = np.diag([4.0, 115.0])  # of births and deaths, at the usual rate
CENTRE, SPREAD, SD = 2.5, 0.8, 125.0
TIMES = 5.0 * np.arange(1, 13)


def law(k_m):
    A = matrix([[-0.1386, 0.0], [4.0, -0.0231]])
    return A, np.stack([k_m, 0 * k_m]), NOISE


def light():
    return np.array([[0.0, 1.0]]), np.zeros(1)


def space():
    camera = ObservationOperator("light", Gaussian(SD), LinearReading("light", STATE, light, shape=()))
    constants = {"mrna_initial": 3.0, "protein_initial": 50.0}
    return StateSpace([], LinearSDE("expression", STATE, law), {"camera": camera}, [RATE], constants)


def stream():
    rng = np.random.default_rng(4)
    rise = 2500 * (1 - np.exp(-0.02 * TIMES)) + 150 * rng.standard_normal(TIMES.size)
    return [Observation(t, "camera", "light", y) for t, y in zip(TIMES, rise, strict=True)]


def batch():
    """The posterior's mean and sd from the joint normal law of rate and readings."""
    model, data = space().forward(TIMES), np.array([float(o.value) for o in stream()])
    slope = model.value([1.0]) - model.value([0.0])
    cov = readings_cov()
    information = 1 / SPREAD**2 + slope @ np.linalg.solve(cov, slope)
    pull = slope @ np.linalg.solve(cov, data - model.value([CENTRE]))
    return CENTRE + pull / information, information**-0.5


def readings_cov():
    """Covariance of the readings at one rate: of births and deaths, and of the camera."""
    dynamics, n = space().dynamics, TIMES.size
    cov, P, rows = SD**2 * np.eye(n), np.zeros((2, 2)), []
    for t in range(n):
        move = dynamics.transition(0.0, 5.0, {"k_m": np.array(2.0)})
        P = move.F @ P @ move.F.T + move.Q
        rows = [move.F @ row for row in rows] + [P[:, 1]]
        cov[t, : t + 1] += [row[1] for row in rows]
        cov[:t, t] = cov[t, :t]
    return cov


def test_the_augmented_filter_has_the_batch_posterior():
    whole = augment(space(), {"k_m": Unknown(CENTRE, SPREAD)})
    *_, (state, _) = run(Kalman(), whole, {}, stream())
    mean, sd = batch()
    assert state.mean[2] == pytest.approx(mean, rel=1e-9)
    assert np.sqrt(state.cov[2, 2]) == pytest.approx(sd, rel=1e-9)


@pytest.mark.parametrize("alphas", [(1.0,), (4.0, 4.0, 4.0, 4.0), (9.0, 5.0, 2.0)])
def test_es_mda_has_the_batch_posterior_whatever_its_alphas(alphas):
    members = CENTRE + SPREAD * np.array([[-1.0], [0.0], [1.0]])  # of exactly the prior's mean and variance
    data = [float(o.value) for o in stream()]
    found = ESMDA(alphas, ETKF()).invert(space().forward(TIMES), members, data, readings_cov())
    mean, sd = batch()
    assert found.thetas.mean() == pytest.approx(mean, rel=1e-8)
    assert found.thetas.std(ddof=1) == pytest.approx(sd, rel=1e-8)


def test_sampling_the_filters_likelihood_has_the_batch_posterior():
    likelihood, (mean, sd) = KalmanLikelihood(space(), stream()), batch()

    def log_density(rate):
        return likelihood.logpdf([rate]) - 0.5 * ((rate - CENTRE) / SPREAD) ** 2

    rng, here, draws = np.random.default_rng(0), CENTRE, []
    height = log_density(here)
    for _ in range(6000):  # Metropolis, with the step of least autocorrelation
        there = here + 2.4 * sd * rng.standard_normal()
        trial = log_density(there)
        if np.log(rng.random()) < trial - height:
            here, height = there, trial
        draws.append(here)
    assert np.mean(draws[200:]) == pytest.approx(mean, abs=5 * sd * np.sqrt(6 / 6000))
    assert np.std(draws[200:]) == pytest.approx(sd, rel=0.1)


def test_the_filters_likelihood_is_the_batch_one_up_to_a_constant():
    likelihood, (mean, sd) = KalmanLikelihood(space(), stream()), batch()
    for rate in (mean - sd, mean, mean + 2 * sd):
        _, slope = likelihood.logpdf_gradient([rate])
        total = slope[0] - (rate - CENTRE) / SPREAD**2
        assert total == pytest.approx(-(rate - mean) / sd**2, rel=1e-7, abs=1e-8)
