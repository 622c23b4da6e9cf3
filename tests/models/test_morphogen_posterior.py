"""The posterior of a tissue played by chance against that of the exact solution."""

import numpy as np
import pytest
from mscale_uq.models.cells._gradient import at_rest, share
from mscale_uq.models.cells.morphogen_tissue import forward
from scipy.stats import chi2, multivariate_normal, norm

TIME, X = (part.ravel() for part in np.meshgrid([1e3, 3e3, 1e4], [5.0, 20.0, 40.0], indexing="ij"))
TRUTH = {"diffusivity": 0.1, "degradation": 2.5e-4, "influx": 0.03}
BRIGHTNESS, BACKGROUND = 100.0, 6.0


def by_solution(logs):
    """Fluorescence of a half line, in closed form, at logarithms of the rates over the true ones."""
    D, k, j = np.array(list(TRUTH.values())) * np.exp(logs)
    return BRIGHTNESS * at_rest(X, D, k, j) * share(X, TIME, D, k) + BACKGROUND


def by_chance(model, logs):
    """Fluorescence that patches give, and its own variance."""
    made = model.trace(
        model.theta(**dict(zip(TRUTH, np.array(list(TRUTH.values())) * np.exp(logs), strict=True)))
    )
    return made["fluorescence"], made["fluorescence_var"]


def slopes():
    steps = 1e-4 * np.eye(3)
    return np.stack([(by_solution(h) - by_solution(-h)) / 2e-4 for h in steps], axis=1)


def covariance(variance):
    """Of the logarithms under unit priors, by Fisher's information at the truth."""
    return np.linalg.inv(slopes().T @ (slopes() / variance[:, None]) + np.eye(3))


def moments(draws, proposal, predict, data, sd, relative):
    """Mean and covariance of the posterior under unit priors, by weights of the proposal's draws."""
    log = norm.logpdf(draws).sum(axis=1) - proposal.logpdf(draws)
    for row, draw in enumerate(draws):
        made, own = predict(draw)
        log[row] += norm.logpdf(data, made, np.sqrt(sd**2 + (relative * made) ** 2 + own)).sum()
    weight = np.exp(log - log.max())
    assert weight.sum() ** 2 / np.sum(weight**2) > 0.2 * len(draws)
    return np.average(draws, axis=0, weights=weight), np.cov(draws.T, aweights=weight)


def test_the_posterior_by_chance_covers_that_of_the_exact_solution_and_is_little_wider():
    """Under the noise of the microscope; three keys, each with its posterior, of the same readings."""
    rng, truth = np.random.default_rng(5), by_solution(np.zeros(3))
    data = truth + np.hypot(3.0, 0.05 * truth) * rng.standard_normal(truth.size)
    proposal = multivariate_normal(np.zeros(3), 4 * covariance(9 + (0.05 * truth) ** 2))
    draws, model = proposal.rvs(160, random_state=rng), forward(TIME, X)
    exact, cov = moments(draws, proposal, lambda logs: (by_solution(logs), 0.0), data, 3.0, 0.05)
    for key in range(3):
        here = model.with_key(key)
        mean, own = moments(draws, proposal, lambda logs, m=here: by_chance(m, logs), data, 3.0, 0.05)
        off = mean - exact
        assert off @ np.linalg.solve(own, off) < chi2.ppf(0.95, 3)
        assert np.all(np.sqrt(np.diag(own) / np.diag(cov)) < 1.4)
        assert np.linalg.det(own) > np.linalg.det(cov)


def test_where_chance_is_most_of_the_error_it_must_be_carried_to_cover_the_exact_posterior():
    """The squared distance of both means in the own covariance, of 3 unknowns; 3 if all errors are carried.

    The mesh is that of the patches. What two readings share of an error is not carried: somewhat more than 3.
    """
    exact = forward(TIME, X, closed="exact")
    truth, J, model = exact.value(exact.theta()), slopes(), forward(TIME, X)
    noise, distance = 1.0 + (0.01 * truth) ** 2, {"carried": [], "left out": []}
    for key in range(30):
        made, own = by_chance(model.with_key(key), np.zeros(3))
        for name, variance in (("carried", noise + own), ("left out", noise)):
            cov = covariance(variance)
            off = cov @ (J.T @ ((truth - made) / variance))
            distance[name].append(off @ np.linalg.solve(cov, off))
    assert np.mean(distance["carried"]) < 7.0
    assert np.mean(distance["left out"]) > 12.0
    assert np.median(distance["carried"]) == pytest.approx(chi2.median(3), abs=2.0)
