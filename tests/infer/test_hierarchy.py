"""Specimens from one factory: NUTS against the exact posterior of a hierarchy."""

import numpy as np
import pytest
from scipy.stats import halfnorm, norm
from test_samplers import compare

from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.core.stage import MatrixLinearization, Stage
from mscale_uq.infer.chains import sample
from mscale_uq.infer.settings import Settings
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stats.experiment import Experiment, Shared
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import HalfNormal, Normal

NOISE, TYPICAL, SPREAD = 0.4, (1.0, 2.0), 2.0
READINGS = np.array([0.1, 2.9, 1.4, 3.8, -0.6, 2.2])


class Gauge(Stage):
    """Reads the level; with a derivative by hand, since a formula's costs more than all else here."""

    name, inputs, outputs = "gauge", ("level",), ("reading",)

    def value(self, values):
        return {"reading": values["level"]}

    def linearize(self, values):
        blocks = {("reading", "level"): np.ones(())}
        return self.value(values), MatrixLinearization(blocks, {"level": ()}, {"reading": ()})


def posterior():
    """A level for each specimen, read once; what is typical and how much levels differ are unknown."""
    model = ForwardModel([Gauge()], [Parameter("level", "1", 0.5)], ["reading"])
    gauge = {"reading": ObservationOperator("reading", Gaussian(NOISE))}
    specimens = [
        Experiment(f"specimen {i}", model, {"reading": reading}, gauge, {"level": Shared("level", i)})
        for i, reading in enumerate(READINGS)
    ]
    laws = {"typical": Normal(*TYPICAL), "spread": HalfNormal(SPREAD), "level": Normal("typical", "spread")}
    return Posterior(laws, specimens, shapes={"level": (READINGS.size,)})


def exact():
    """Mean and standard deviation of typical, spread and levels.

    Given the spread everything is normal: readings differ from what is typical by spread and noise together.
    The spread itself is summed over a grid.
    """
    spread = np.linspace(1e-3, 12.0, 4000)[:, None]
    width = np.hypot(spread, NOISE)
    precision = TYPICAL[1] ** -2 + READINGS.size / width[:, 0] ** 2
    typical = (TYPICAL[0] / TYPICAL[1] ** 2 + READINGS.sum() / width[:, 0] ** 2) / precision
    # The evidence of a spread: prior times likelihood at any typical level, over the density of that level.
    weight = (
        halfnorm(0, SPREAD).pdf(spread[:, 0])
        * norm(*TYPICAL).pdf(typical)
        * norm(typical[:, None], width).pdf(READINGS).prod(axis=1)
        / np.sqrt(precision)
    )
    weight /= weight.sum()
    towards = spread**2 / width**2  # how far a level follows its reading
    level = towards * READINGS + (1 - towards) * typical[:, None]
    level_variance = towards * NOISE**2 + (1 - towards) ** 2 / precision[:, None]
    means = np.column_stack([typical, spread[:, 0], level])
    variances = np.column_stack(
        [1 / precision, np.zeros(spread.size), np.tile(level_variance, READINGS.size)]
    )
    mean = weight @ means
    return mean, np.sqrt(weight @ (variances + (means - mean) ** 2))


@pytest.mark.slow
def test_specimens_from_one_factory_have_the_exact_posterior():
    """By NUTS: one entry at a time (slice) crawls where readings are sharper than specimens differ."""
    samples = sample(posterior(), Settings("nuts", 400, 300, 2, cores=0, seed=8, target_accept=0.9))
    whole = {
        f"{name}{i}": part for name, draws in samples.draws.items() for i, part in enumerate(entries(draws))
    }
    samples = type(samples)(**{**vars(samples), "draws": whole})
    compare(samples, *exact(), least_ess=100)


def entries(draws):
    """Yield each entry of an unknown ``(chains, draws)``."""
    yield from np.moveaxis(draws.reshape(*draws.shape[:2], -1), -1, 0)
