"""What a sampler adds to a gradient of the likelihood: `python bench_overhead.py [--draws N]`.

A line through readings, whose likelihood takes microseconds: CPU time of a gradient inside PyMC's and
nutpie's NUTS, less that of the same gradient asked for alone. So coordinates, priors, the tree, and what is
kept of a draw are in it; compiling is not, nor what a run of hardly any draws takes. Both must give the
moments of the posterior first, which are known. The first row is PyMC's compiled density with its gradient,
without any sampler: trees of two unknowns are short, and what is done once a draw falls on few gradients.
"""

import argparse
from dataclasses import replace
from functools import partial

import one_thread  # noqa: F401

# isort: split

import numpy as np
from reference_posterior import LIMIT, Moments, in_z, moments
from runs import sampled
from timing import medians

from mscale_uq.infer.chains import sample
from mscale_uq.infer.coordinates import to_sampler
from mscale_uq.infer.density import Density
from mscale_uq.infer.ledger import Ledger
from mscale_uq.infer.settings import Settings
from mscale_uq.stats.priors import Normal

GOALS = {"nuts": 25, "nutpie": 1}  # us
BATCH = 100
SD, PLACES = 0.4, np.linspace(-1.0, 2.0, 10)
READINGS = 1.0 + 1.2 * PLACES + SD * np.cos(7.0 * PLACES)  # of a line, and some error


class Line:
    """A posterior, as samplers ask for one: reading = level + slope place, normal errors."""

    names = ("level", "slope")
    variables = {"level": (), "slope": ()}  # noqa: RUF012 - nobody changes it
    priors = {"level": Normal(0.5, 2.0), "slope": Normal(0.5, 1.5)}  # noqa: RUF012

    def split(self, theta):
        return dict(zip(self.names, theta, strict=True))

    def pack(self, values):
        return np.array([values[name] for name in self.names], dtype=float)

    def sample_prior(self, rng):
        return np.array([0.5, 0.5]) + np.array([2.0, 1.5]) * rng.standard_normal(2)

    def log_likelihood(self, theta):
        return self.log_likelihood_gradient(theta)[0]

    def log_likelihood_gradient(self, theta):
        away = (READINGS - theta[0] - theta[1] * PLACES) / SD
        return -0.5 * (away @ away), np.array([away.sum(), away @ PLACES]) / SD


def exact() -> Moments:
    """Return the moments of the posterior in coordinates that are standard normal under the prior."""
    scaled = np.array([np.full(PLACES.size, 2.0), 1.5 * PLACES]).T / SD
    covariance = np.linalg.inv(np.eye(2) + scaled.T @ scaled)
    mean = covariance @ scaled.T @ ((READINGS - 0.5 - 0.5 * PLACES) / SD)
    return Moments(np.array([mean, np.sqrt(np.diag(covariance))]), np.zeros((2, 2)), np.inf)


def outside(posterior: Line) -> tuple[float, float]:
    """Return the seconds of a gradient of the likelihood, and of the density that PyMC compiles with it."""
    rng, density = np.random.default_rng(0), Density(posterior, Ledger(0), gradient=True).function()
    thetas = [posterior.sample_prior(rng) for _ in range(BATCH)]
    places = [to_sampler(posterior, theta) for theta in thetas]
    run = {
        "likelihood": lambda: [posterior.log_likelihood_gradient(theta) for theta in thetas],
        "density": lambda: [density(z) for z in places],
    }
    found = medians(run)
    return tuple(float(np.median(found[name])) / BATCH for name in run)


def inside(posterior: Line, settings: Settings, own: float) -> float:
    """Return the seconds of a gradient inside a sampler, if it finds the posterior; alone it takes `own`."""
    run = sampled(partial(sample, posterior), settings, own)
    off = moments(in_z(posterior, run.samples)).off(exact())
    if not off <= LIMIT:
        raise SystemExit(f"{settings.sampler}: moments are {off:.1f} standard errors off")
    return run.work / int(run.samples.evaluations.sum())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--draws", type=int, default=2000)
    given = arguments.parse_args()
    posterior, base = Line(), Settings(draws=given.draws, tune=500, chains=2, cores=0, seed=7)
    own, compiled = outside(posterior)
    found = {name: inside(posterior, replace(base, sampler=name), own) for name in GOALS}
    print(f"a gradient alone: {1e6 * own:.1f} us\n\n| inside | more, us | goal |\n|---|---|---|")
    print(f"| PyMC's density, without a sampler | {1e6 * (compiled - own):.1f} | |")
    for name, seconds in found.items():
        print(f"| {name} | {1e6 * (seconds - own):.1f} | {GOALS[name]} |")


if __name__ == "__main__":
    main()
