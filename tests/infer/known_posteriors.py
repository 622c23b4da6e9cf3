"""Posteriors whose answers are known; a module of its own, so that spawned chains can import it."""

import os
import time

import numpy as np
from scipy.stats import norm

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.stage import MatrixLinearization, Stage
from mscale_uq.errors import Infeasible, SolveFailed
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import (
    Beta,
    Exponential,
    Gamma,
    HalfNormal,
    LogNormal,
    LogUniform,
    Normal,
    TruncatedNormal,
    Uniform,
)

PLACES = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
READINGS = np.array([0.1, 1.2, 1.4, 2.3, 3.6])
NOISE, PRIOR_MEAN, PRIOR_SD = 0.4, np.array([0.5, 0.5]), np.array([2.0, 1.5])


def level_and_slope(values):
    return {"reading": values["level"] + values["slope"] * PLACES}


class Line(Stage):
    """reading = level + slope place, unless the level is above a limit; then `what` happens."""

    name = "line"
    inputs = ("level", "slope")
    outputs = ("reading",)

    def __init__(self, limit, what):
        self.limit, self.what = limit, what

    def value(self, values):
        if values["level"] > self.limit:
            return self.what(values)
        return level_and_slope(values)

    def linearize(self, values):
        blocks = {("reading", "level"): np.ones(5), ("reading", "slope"): PLACES}
        return self.value(values), MatrixLinearization(blocks, {"level": (), "slope": ()}, {"reading": (5,)})


class RoughLine(Line):
    """The same without a derivative."""

    def linearize(self, values):
        return Stage.linearize(self, values)


def fail(values):
    raise SolveFailed("gate", values, "no convergence")


def refuse(values):
    raise Infeasible("gate", values, "nothing there")


def not_a_number(values):
    return {"reading": np.full(5, np.nan)}


def bug(values):
    return {"reading": values["level"] + "one"}  # the bug


class Fragile(Exception):
    """Cannot be made again from its message."""

    def __init__(self, what, where):
        super().__init__(f"{what} {where}")


def break_strangely(values):
    raise Fragile("about the", "cell")


def vanish(values):
    os._exit(7)


def sleep(values):
    time.sleep(0.01)
    return level_and_slope(values)


def straight(limit=np.inf, what=fail, stage=Line):
    """A straight line through noisy readings; `exact` has the answer."""
    parameters = [Parameter("level", "1", 0.5), Parameter("slope", "1", 0.5)]
    model = ForwardModel([stage(limit, what)], parameters, ["reading"])
    sensor = {"reading": ObservationOperator("reading", Gaussian(NOISE))}
    laws = {name: Normal(m, s) for name, m, s in zip(model.names, PRIOR_MEAN, PRIOR_SD, strict=True)}
    return Posterior(laws, [Experiment("line", model, {"reading": READINGS}, sensor)])


def exact(limit=np.inf):
    """Mean ``(2,)`` and standard deviation ``(2,)`` of `straight`, by normal algebra and truncation."""
    design = np.c_[np.ones(5), PLACES]
    precision = design.T @ design / NOISE**2 + np.diag(PRIOR_SD**-2)
    covariance = np.linalg.inv(precision)
    mean = covariance @ (design.T @ READINGS / NOISE**2 + PRIOR_MEAN / PRIOR_SD**2)
    scale = np.sqrt(covariance[0, 0])
    beta = (limit - mean[0]) / scale
    ratio = norm.pdf(beta) / norm.cdf(beta)
    shift = -scale * ratio
    loss = (beta * ratio if np.isfinite(beta) else 0.0) + ratio**2
    towards = covariance[:, 0] / covariance[0, 0]
    spread = np.sqrt(np.diag(covariance) - towards**2 * covariance[0, 0] * loss)
    return mean + towards * shift, spread


def log_evidence():
    """Log of the marginal likelihood of `straight` without a limit."""
    design = np.c_[np.ones(5), PLACES]
    covariance = NOISE**2 * np.eye(5) + design @ np.diag(PRIOR_SD**2) @ design.T
    error = READINGS - design @ PRIOR_MEAN
    log_determinant = np.linalg.slogdet(2 * np.pi * covariance)[1]
    return -0.5 * error @ np.linalg.solve(covariance, error) - 0.5 * log_determinant


def limit_with_mass_above(mass):
    """Limit of `level` that cuts `mass` off the posterior of `straight`."""
    mean, spread = exact()
    return mean[0] + spread[0] * norm.isf(mass)


def mixture(centre, spread, own, rate, shape, part, ends, decades, cut, amount):
    return centre + spread * own + np.log(rate) + shape * part + ends + np.log(decades) + cut + amount


def every_family():
    """One unknown of every prior family, two of them arrays, some with parents."""
    priors = {
        "centre": Normal(1.0, 2.0),
        "spread": HalfNormal(0.7),
        "own": Normal("centre", "spread"),
        "rate": Exponential("spread"),
        "shape": Gamma(2.0, "rate"),
        "part": Beta(2.0, 3.0),
        "ends": Uniform(-1.0, 4.0),
        "decades": LogUniform(1e-3, 10.0),
        "cut": TruncatedNormal(0.0, 1.0, -1.0, 2.0),
        "amount": LogNormal("centre", "spread"),
    }
    shapes = {"own": (3,)}
    parameters = [Parameter(name, "1", 0.5, shape=shapes.get(name, ())) for name in priors]
    model = ForwardModel([Formula(mixture, "reading")], parameters, ["reading"])
    sensor = {"reading": ObservationOperator("reading", Gaussian(1.0))}
    return Posterior(priors, [Experiment("all", model, {"reading": [1.0, 2.0, 4.0]}, sensor)], shapes)
