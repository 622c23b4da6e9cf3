"""One engine draws from the exact posterior of one data set after the other, by way of a wrong surrogate."""

import arviz as az
import known_posteriors as known
import numpy as np
import pytest

from mscale_uq.infer.levels import Levels
from mscale_uq.infer.repeat_surrogate import RepeatedSurrogate
from mscale_uq.infer.settings import Settings
from mscale_uq.results.candidate import pareto_smoothed

SETTINGS = Settings(sampler="surrogate", draws=300, tune=100, chains=1, cores=0, seed=2)
DESIGN = np.c_[np.ones(5), known.PLACES]


class HighLine(known.Line):
    """Reads too high, by a third of the noise."""

    def value(self, values):
        return {"reading": super().value(values)["reading"] + known.NOISE / 3}


def levels(data, stage=HighLine):
    """The straight line over a wrong one, both given the same data."""
    pair = known.straight(), known.straight(stage=stage)
    exact, cheap = (
        one.changed([experiment.changed(observed={"reading": data}) for experiment in one.experiments])
        for one in pair
    )
    return Levels(exact, [cheap])


def exact_mean(data):
    precision = DESIGN.T @ DESIGN / known.NOISE**2 + np.diag(known.PRIOR_SD**-2)
    return np.linalg.solve(precision, DESIGN.T @ data / known.NOISE**2 + known.PRIOR_MEAN / known.PRIOR_SD**2)


def errors(theta, mean):
    """How far the means are off, in Monte Carlo standard errors."""
    return [
        abs(column.mean() - one) / (column.std() / np.sqrt(float(az.ess(column[None]))))
        for column, one in zip(theta.T, mean, strict=True)
    ]


@pytest.fixture(scope="module")
def engine():
    return RepeatedSurrogate(levels(known.READINGS), SETTINGS, pareto_smoothed)


@pytest.mark.parametrize("index", [0, 1])
def test_each_data_set_has_its_exact_posterior(engine, index):
    data = known.READINGS + [0.0, 0.7][index]
    run = engine.run(levels(data), index)
    assert run.theta.shape == (300, 2)
    assert run.evaluations == 300
    assert max(errors(run.theta, exact_mean(data))) < 4
    # Without its weights the level would be off by nearly a standard deviation, far beyond chance.
    assert errors(run.theta, exact_mean(data - known.NOISE / 3))[0] > 6


def test_a_run_depends_on_its_data_and_number_alone(engine):
    first = engine.run(levels(known.READINGS), 5).theta
    engine.run(levels(known.READINGS + 1.0), 3)
    assert np.array_equal(engine.run(levels(known.READINGS), 5).theta, first)
