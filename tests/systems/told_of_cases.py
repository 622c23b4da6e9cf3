"""What the tool says that a case's data tell, and what a solution in closed form says, side by side."""

import numpy as np
import pytest
from fisher import spread
from scipy.stats import halfnorm, norm

from mscale_uq.catalog import data_root
from mscale_uq.diagnose.identifiability import identifiability

FACTOR = norm.ppf(0.975)  # prior sds in the logarithm of a prior's factor


def seeing(posterior, *names, quantity=None):
    """Return the posterior of some experiments, or of one quantity: all other readings are missing."""

    def kept(experiment, one):
        return (not names or experiment.name in names) and quantity in (None, one)

    return posterior.changed(
        [
            e.changed(
                observed={q: d if kept(e, q) else np.full_like(d, np.nan) for q, d in e.observed.items()}
            )
            for e in posterior.experiments
        ]
    )


def table(name):
    """Return the columns of a shipped table."""
    return np.genfromtxt(data_root() / f"{name}.csv", delimiter=",", skip_header=1).T


class Told:
    """The verdict at the prior median: shares of the prior's sds that are left, and correlations."""

    def __init__(self, posterior):
        found = identifiability(posterior, np.random.default_rng(0), draws=0)
        self.point, self.names = found.points[0], found.names

    def left(self, *names):
        return self.point.kept[[self.names.index(name) for name in names]]

    def correlation(self, one, other):
        return self.point.correlation[self.names.index(one), self.names.index(other)]

    def along(self, **direction):
        """Share of the information in a direction of normal scores: zero if nothing is told along it."""
        step = np.zeros(len(self.names))
        for label, part in direction.items():
            step[self.names.index(label.replace("_0", "[0]"))] = part
        fisher = self.point.fisher
        return np.linalg.norm(fisher @ step) / np.linalg.norm(fisher, 2) / np.linalg.norm(step)


def lognormal(median, factor):
    """Return the value at a normal score."""
    return lambda score: median * factor ** (score / FACTOR)


def halfnormal(sd):
    """Return the value at a normal score."""
    return lambda score: sd * halfnorm.ppf(norm.cdf(score))


class Known:
    """The same of readings ``predicted(*values)``, by differences; `noise` is an sd, or tells it of them."""

    def __init__(self, predicted, noise, **priors):
        self.names = tuple(priors)

        def at(scores):
            return predicted(*(prior(score) for prior, score in zip(priors.values(), scores, strict=True)))

        steps, middle = 1e-4 * np.eye(len(priors)), np.zeros(len(priors))
        slopes = np.stack([(at(step) - at(-step)) / 2e-4 for step in steps], axis=1)
        sd = noise(at(middle)) if callable(noise) else noise
        self.sd, self.correlations = spread(slopes, sd, 1.0)

    def assert_said_by(self, told, within=0.02):
        """Hold the tool's verdict to this one."""
        assert told.left(*self.names) == pytest.approx(self.sd, rel=within)
        for i, one in enumerate(self.names):
            for j, other in enumerate(self.names):
                assert abs(told.correlation(one, other) - self.correlations[i, j]) < within
