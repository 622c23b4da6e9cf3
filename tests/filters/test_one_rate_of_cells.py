"""Tracked cells of `cells/cell_state_fusion` with one unknown rate: all ways of learning it agree.

Births and deaths are as noisy as the rate says, so that one more thing must be known for all to be linear and
normal: here the noise is that of one rate, whatever the rate that is tried. Everything else is the system's
own: moves of cells that are exact in time, the lamp that fades, the camera. The posterior is that of the
joint normal law of rate and readings, from closed forms and an integration that know nothing of the system.
"""

import numpy as np
import pytest
from mscale_uq.models.cells.cell_state_fusion import SYSTEM
from scipy.integrate import solve_ivp
from scipy.linalg import block_diag, expm

from mscale_uq.core.linear_dynamics import LinearDynamics, Transition
from mscale_uq.core.observation import Observation
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.statespace import StateSpace
from mscale_uq.filters.augment import Unknown, augment
from mscale_uq.filters.esmda import ESMDA
from mscale_uq.filters.etkf import ETKF
from mscale_uq.filters.extended import ExtendedKalman
from mscale_uq.filters.likelihood import FilterLikelihood
from mscale_uq.filters.loop import run

RATE = "transcription_rate"
G_M, K_P, G_P = 0.14, 4.0, 0.023
GAIN, BACKGROUND, FADING, READ_NOISE = 1.5, 100.0, 1e-3, 20.0  # the last is the sd of the system's camera
KNOWN = {"mrna_decay": G_M, "translation_rate": K_P, "protein_decay": G_P}
KNOWN |= {"gain": GAIN, "background": BACKGROUND, "bleaching": FADING}
NOISY_AS, CENTRE, SPREAD = 2.0, 2.5, 0.8
TIMES, CELLS = 5.0 * np.arange(1, 9), 2


class NoiseOfOneRate(LinearDynamics):
    """The dynamics with the noise that it has at one transcription rate."""

    def __init__(self, inner):
        self.inner, self.name, self.state, self.inputs = inner, inner.name, inner.state, inner.inputs
        self.shapes, self.autonomous = inner.shapes, inner.autonomous

    def transitions(self, intervals, values):
        usual = self.inner.transitions(intervals, {**values, RATE: np.array(NOISY_AS)})
        moves = self.inner.transitions(intervals, values)
        return [Transition(now.F, now.b, then.Q) for now, then in zip(moves, usual, strict=True)]

    def linearize_transitions(self, intervals, values):
        moves = self.transitions(intervals, values)
        slopes = (slope for _, slope in self.inner.linearize_transitions(intervals, values))
        return [
            (move, {n: Transition(s.F, s.b, 0 * s.Q) for n, s in slope.items()})
            for move, slope in zip(moves, slopes, strict=True)
        ]


def space():
    """The system's movie; the rate without its limit, so that it is its own coordinate."""
    cells = SYSTEM.space(cell=np.arange(1.0, CELLS + 1))
    constants = {**cells.constants, **KNOWN}
    rate = Parameter(RATE, "1/min", 2.0)
    return StateSpace(
        cells.stages, NoiseOfOneRate(cells.dynamics), cells.observations, [rate], constants, cells.start
    )


def readings():
    """Of cells that make 1.8 messages a minute, and deviate from their mean; ``(times, cells)``."""
    return BACKGROUND + 1.8 * brightness()[:, None] * (1 + 0.1 * np.random.default_rng(4).normal(size=(8, 2)))


def stream():
    return [Observation(t, "microscope", "intensity", row) for t, row in zip(TIMES, readings(), strict=True)]


def brightness():
    """Camera counts of a cell above the background, at a rate of one."""
    lost = (1 - np.exp(-G_P * TIMES)) / G_P - (np.exp(-G_P * TIMES) - np.exp(-G_M * TIMES)) / (G_M - G_P)
    return GAIN * np.exp(-FADING * TIMES) * K_P / G_M * lost


def readings_cov():
    """Covariance of one cell's readings at one rate: births, deaths and the camera."""
    A = np.array([[-G_M, 0.0], [K_P, -G_P]])

    def gained(t, flat):
        m, p, P = flat[0], flat[1], flat[2:].reshape(2, 2)
        births = np.diag([NOISY_AS + G_M * m, K_P * m + G_P * p])
        return np.concatenate([[NOISY_AS - G_M * m, K_P * m - G_P * p], (A @ P + P @ A.T + births).ravel()])

    path = solve_ivp(gained, (0, TIMES[-1]), np.zeros(6), t_eval=TIMES, rtol=1e-12, atol=1e-12).y[2:].T
    proteins = np.zeros((TIMES.size, TIMES.size))
    for i, P in enumerate(path.reshape(-1, 2, 2)):
        for j in range(i, TIMES.size):
            proteins[i, j] = proteins[j, i] = (expm(A * (TIMES[j] - TIMES[i])) @ P)[1, 1]
    light = GAIN * np.exp(-FADING * TIMES)
    return proteins * np.outer(light, light) + READ_NOISE**2 * np.eye(TIMES.size)


def batch():
    """The posterior's mean and sd; cells are independent at a given rate."""
    cov, slope = readings_cov(), brightness()
    information = 1 / SPREAD**2 + CELLS * slope @ np.linalg.solve(cov, slope)
    left = (readings() - BACKGROUND).sum(axis=1) - CELLS * CENTRE * slope
    return CENTRE + slope @ np.linalg.solve(cov, left) / information, information**-0.5


def test_the_augmented_filter_has_the_batch_posterior():
    whole = augment(space(), {RATE: Unknown(CENTRE, SPREAD)})
    *_, (state, _) = run(ExtendedKalman(), whole, {}, stream())
    mean, sd = batch()
    assert sd < SPREAD / 3  # the readings say something
    assert state.mean[-1] == pytest.approx(mean, rel=1e-8)
    assert np.sqrt(state.cov[-1, -1]) == pytest.approx(sd, rel=1e-8)


@pytest.mark.parametrize("alphas", [(1.0,), (9.0, 5.0, 2.0)])
def test_es_mda_has_the_batch_posterior_whatever_its_alphas(alphas):
    members = CENTRE + SPREAD * np.array([[-1.0], [0.0], [1.0]])  # of exactly the prior's mean and variance
    order = np.arange(TIMES.size * CELLS).reshape(CELLS, -1).T.ravel()  # the cells of a time lie together
    noise = block_diag(*[readings_cov()] * CELLS)[np.ix_(order, order)]
    found = ESMDA(alphas, ETKF()).invert(space().forward(TIMES), members, readings().ravel(), noise)
    mean, sd = batch()
    assert found.thetas.mean() == pytest.approx(mean, rel=1e-8)
    assert found.thetas.std(ddof=1) == pytest.approx(sd, rel=1e-8)


def log_density(likelihood, rate):
    """The likelihood with its prior, up to a constant."""
    return likelihood.logpdf([rate]) - 0.5 * ((rate - CENTRE) / SPREAD) ** 2


def test_the_filters_likelihood_with_its_prior_is_the_batch_posterior():
    likelihood, (mean, sd) = FilterLikelihood(ExtendedKalman(), space(), stream()), batch()
    top = log_density(likelihood, mean)
    for steps in (-3.0, 1.0, 2.0):
        drop = log_density(likelihood, mean + steps * sd) - top
        assert drop == pytest.approx(-(steps**2) / 2, rel=1e-7)


@pytest.mark.slow
def test_sampling_the_filters_likelihood_has_the_batch_posterior():
    likelihood, (mean, sd) = FilterLikelihood(ExtendedKalman(), space(), stream()), batch()
    rng, here, draws = np.random.default_rng(0), mean, []
    height = log_density(likelihood, here)
    for _ in range(800):  # Metropolis, with the step of least autocorrelation
        there = here + 2.4 * sd * rng.standard_normal()
        trial = log_density(likelihood, there)
        if np.log(rng.random()) < trial - height:
            here, height = there, trial
        draws.append(here)
    worth = len(draws) / 4  # independent draws, of such a chain; four standard errors of mean and sd
    assert np.mean(draws) == pytest.approx(mean, abs=4 * sd / np.sqrt(worth))
    assert np.std(draws) == pytest.approx(sd, rel=4 / np.sqrt(2 * worth))
