"""Each scheme against the formulas it stands for, written out naively here."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from mscale_uq.errors import CovarianceError, InputError
from mscale_uq.filters.denkf import DEnKF
from mscale_uq.filters.etkf import ETKF
from mscale_uq.filters.innovation import innovation
from mscale_uq.filters.letkf import LETKF
from mscale_uq.filters.localisation import Localisation
from mscale_uq.filters.serial import Serial
from mscale_uq.filters.stochastic import Stochastic

SITES = np.arange(6.0)
EVERYWHERE = Localisation(1e9, SITES, {})
NEAR = Localisation(1.5, SITES, {})
CORRELATED = 0.5 * np.eye(4) + 0.2
INDEPENDENT = np.diag([0.5, 1.0, 0.1, 2.0])


def linear_problem(members=9, noise=CORRELATED, readings=4):
    """Members of a correlated law, and readings linear in the state."""
    rng = np.random.default_rng(members)
    states = rng.standard_normal((members, 6)) @ rng.standard_normal((6, 6)) + 2
    H = rng.standard_normal((readings, 6))
    return states, H, rng.standard_normal(readings), noise[:readings, :readings]


def kalman(states, H, y, R):
    """The naive Kalman update of the sample mean and covariance."""
    mean, P = states.mean(axis=0), np.cov(states.T)
    K = P @ H.T @ np.linalg.inv(H @ P @ H.T + R)
    return mean + K @ (y - H @ mean), (np.eye(6) - K @ H) @ P, K


ROOTS = {
    "etkf": (ETKF(), CORRELATED),
    "serial": (Serial(), CORRELATED),
    "letkf that reaches everywhere": (LETKF(EVERYWHERE), INDEPENDENT),
}


@pytest.mark.parametrize("members", [3, 9, 30])
@pytest.mark.parametrize("name", ROOTS)
def test_square_root_filters_are_kalman_for_the_sample_prior(name, members):
    analysis, noise = ROOTS[name]
    states, H, y, R = linear_problem(members, noise)
    reach = np.ones((6, 4)) if name.startswith("letkf") else None
    posterior = analysis.update(states, innovation(states @ H.T, y, R, reach))
    mean, cov, _ = kalman(states, H, y, R)
    assert posterior.mean(axis=0) == pytest.approx(mean, rel=1e-10, abs=1e-10)
    assert np.cov(posterior.T) == pytest.approx(cov, rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("members", [3, 9, 30])
def test_the_denkf_adds_a_quarter_of_the_squared_gain(members):
    states, H, y, R = linear_problem(members)
    posterior = DEnKF().update(states, innovation(states @ H.T, y, R))
    mean, cov, K = kalman(states, H, y, R)
    extra = K @ H @ np.cov(states.T) @ H.T @ K.T / 4
    assert posterior.mean(axis=0) == pytest.approx(mean, rel=1e-10, abs=1e-10)
    assert np.cov(posterior.T) == pytest.approx(cov + extra, rel=1e-9, abs=1e-10)


def test_the_stochastic_filter_is_kalman_in_the_mean_and_on_average_in_the_covariance():
    states, H, y, R = linear_problem(30)
    seen = innovation(states @ H.T, y, R)
    runs = [Stochastic().update(states, seen, np.random.default_rng(i)) for i in range(2000)]
    mean, cov, _ = kalman(states, H, y, R)
    assert all(run.mean(axis=0) == pytest.approx(mean, rel=1e-9) for run in runs[:20])
    covs = np.array([np.cov(run.T) for run in runs])
    error = covs.mean(axis=0) - cov
    assert np.abs(error / (covs.std(axis=0) / np.sqrt(len(runs)))).max() < 4.5


@pytest.mark.parametrize("analysis", [Stochastic(), DEnKF(), ETKF(), Serial(), LETKF(EVERYWHERE)], ids=repr)
def test_no_scheme_changes_its_inputs(analysis):
    states, H, y, R = linear_problem(noise=INDEPENDENT)
    seen = innovation(states @ H.T, y, R, np.ones((6, 4)) if isinstance(analysis, LETKF) else None)
    kept = [states.copy(), seen.deviations.copy(), seen.noise.copy(), seen.cov.copy()]
    analysis.update(states, seen, np.random.default_rng(0))
    given = [states, seen.deviations, seen.noise, seen.cov]
    assert all(np.array_equal(a, b) for a, b in zip(kept, given, strict=True))


@pytest.mark.parametrize("analysis", [Stochastic(), DEnKF(), ETKF(), Serial()], ids=repr)
def test_columns_are_corrected_by_their_covariance_alone(analysis):
    # Appending columns (past states, parameters) changes nothing for the others.
    states, H, y, R = linear_problem()
    seen = innovation(states @ H.T, y, R)
    more = np.hstack([states, np.random.default_rng(7).standard_normal((9, 3))])
    alone = analysis.update(states, seen, np.random.default_rng(1))
    together = analysis.update(more, seen, np.random.default_rng(1))
    assert together[:, :6] == pytest.approx(alone, rel=1e-12)


def test_log_evidence_is_the_normal_density_of_the_departure():
    states, H, y, R = linear_problem()
    predicted = states @ H.T
    law = multivariate_normal(predicted.mean(axis=0), np.cov(predicted.T) + R)
    assert innovation(predicted, y, R).log_evidence == pytest.approx(law.logpdf(y), rel=1e-12)


def readings_at(sites, noise):
    rng = np.random.default_rng(6)
    states = rng.standard_normal((9, 6)) @ rng.standard_normal((6, 6))
    here = SITES[:, None]
    reach, taper = NEAR.taper(here, here[sites]), NEAR.taper(here[sites], here[sites])
    y = rng.standard_normal(len(sites))
    return states, innovation(states[:, sites], y, noise, reach, taper), y


def test_a_localised_gain_is_the_tapered_covariance():
    sites, R = [0, 2, 5], np.diag([0.5, 1.0, 0.2])
    states, seen, y = readings_at(sites, R)
    P = np.cov(states.T)
    cross, square = P[:, sites] * seen.reach, P[np.ix_(sites, sites)] * seen.taper
    K = cross @ np.linalg.inv(square + R)
    mean = states.mean(axis=0)
    expected = mean + K @ (y - mean[sites])
    for analysis in (DEnKF(NEAR), Stochastic(NEAR)):
        posterior = analysis.update(states, seen, np.random.default_rng(2))
        assert posterior.mean(axis=0) == pytest.approx(expected, rel=1e-11)
    anomalies = states - mean
    halved = anomalies - 0.5 * anomalies[:, sites] @ K.T
    assert DEnKF(NEAR).update(states, seen) == pytest.approx(expected + halved, rel=1e-11)


def test_for_one_reading_serial_and_gain_localisation_agree():
    states, seen, _ = readings_at([2], np.diag([0.5]))
    serial = Serial(NEAR).update(states, seen).mean(axis=0)
    gain = DEnKF(NEAR).update(states, seen).mean(axis=0)
    assert serial == pytest.approx(gain, rel=1e-12)


@pytest.mark.parametrize("analysis", [Stochastic(NEAR), DEnKF(NEAR), Serial(NEAR), LETKF(NEAR)], ids=repr)
def test_a_reading_leaves_states_beyond_its_reach_alone(analysis):
    states, seen, _ = readings_at([0], np.diag([0.1]))
    posterior = analysis.update(states, seen, np.random.default_rng(3))
    assert posterior[:, 3:] == pytest.approx(states[:, 3:], rel=1e-14), "twice the half-width is 3"
    assert np.abs(posterior[:, :3] - states[:, :3]).max() > 1e-3


def test_the_letkf_is_an_etkf_at_each_place_with_tapered_precision():
    sites, R = [0, 2, 5], np.diag([0.5, 1.0, 0.2])
    states, seen, y = readings_at(sites, R)
    posterior = LETKF(NEAR).update(states, seen)
    for site in range(6):
        near = seen.reach[site] > 0
        local = np.diag(np.diag(R)[near] / seen.reach[site, near])
        part = innovation(states[:, np.array(sites)[near]], y[near], local)
        assert posterior[:, site] == pytest.approx(ETKF().update(states, part)[:, site], rel=1e-10)


def test_correlated_noise_cannot_be_localised_reading_by_reading():
    states, seen, _ = readings_at([0, 2, 5], 0.5 * np.eye(3) + 0.1)
    with pytest.raises(InputError, match="correlated noise"):
        LETKF(NEAR).update(states, seen)
    with pytest.raises(InputError, match="correlated noise"):
        Serial(NEAR).update(states, seen)


def test_a_covariance_that_is_not_positive_says_so():
    states, H, y, _ = linear_problem()
    with pytest.raises(CovarianceError, match="not positive definite"):
        DEnKF().update(states, innovation(states @ H.T, y, -100 * np.eye(4)))
    with pytest.raises(CovarianceError, match="without noise"):
        ETKF().update(states, innovation(states @ H.T, y, np.zeros((4, 4))))
