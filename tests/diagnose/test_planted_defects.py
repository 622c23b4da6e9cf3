"""Six planted defects, and the check that catches each of them.

| planted                                   | caught by                                                |
|-------------------------------------------|----------------------------------------------------------|
| arithmetic for the harmonic mean          | a system's limits                                        |
| sensor shifted by one element             | a system's limits                                        |
| prior standard deviation times 1.5        | no data give back the prior                              |
| missing Jacobian                          | no data give back the prior                              |
| sigma halved                              | ranks of parameters                                      |
| half of the data dropped by the sampler   | rank of the log-likelihood, not those of parameters      |
| half of the data dropped by the law       | rank of the misfit by moments, which shares no code      |

The last is the sixth in another place: ranks of a log-likelihood made by the same wrong law agree with it.
"""

from dataclasses import dataclass
from functools import partial

import mscale_uq.models.transport.biofilm_layers as biofilm
import numpy as np
import pymc as pm
import pytest

from mscale_uq.cell.layered import LayeredCell
from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import Law, LawTerms, ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.contracts import ContractBroken, limits_hold
from mscale_uq.diagnose.prior_recovery import check_prior_recovery
from mscale_uq.diagnose.ranks import LEVEL
from mscale_uq.diagnose.sbc import check_calibration
from mscale_uq.infer import to_pymc
from mscale_uq.infer.settings import Settings
from mscale_uq.observe.laws import Gaussian
from mscale_uq.observe.sensors import PointSensors
from mscale_uq.stats import priors
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.posterior import Posterior

NOISE = 0.5
TIMES = np.linspace(0.0, 1.0, 6)


def decay(amount, rate, times):
    return amount * np.exp(-rate * times)


def posterior(law=None):
    """A decaying amount, seen six times; both unknowns have a Jacobian that matters, or a scale that does."""
    parameters = [Parameter("amount", "1", 1.0), Parameter("rate", "1/s", 1.0, lower=0)]
    model = ForwardModel([Formula(decay, "reading")], parameters, ["reading"], {"times": TIMES})
    operator = {"reading": ObservationOperator("reading", law or Gaussian(NOISE))}
    laws = {"amount": priors.Normal(2.0, 1.0), "rate": priors.LogNormal(0.0, 0.6)}
    return Posterior(laws, [Experiment("decay", model, {"reading": np.zeros(6)}, operator)])


# 1, 2: limits


def test_the_limits_catch_an_arithmetic_for_the_harmonic_mean(monkeypatch):
    swapped = partial(LayeredCell, across="D_along", along="D_across")
    monkeypatch.setattr(biofilm, "LayeredCell", swapped)
    with pytest.raises(ContractBroken, match="follows the hyperbolic cosine"):
        limits_hold(biofilm.SYSTEM)


def test_the_limits_catch_a_sensor_shifted_by_one_element(monkeypatch):
    monkeypatch.setattr(biofilm, "PointSensors", shifted_sensors)
    with pytest.raises(ContractBroken, match="follows the hyperbolic cosine"):
        limits_hold(biofilm.SYSTEM)


def shifted_sensors(basis, places, **settings):
    element = np.diff(np.sort(basis.mesh.p[0]))[0]
    return PointSensors(basis, np.asarray(places) - element, **settings)


# 3, 4: no data, the prior

WITHOUT_DATA = Settings(sampler="demetropolisz", draws=6000, tune=300, chains=1, cores=0, seed=8)
THINNED = 300


def test_without_data_nothing_planted_gives_back_the_prior():
    assert check_prior_recovery(posterior(), WITHOUT_DATA, THINNED).ok


def test_without_data_a_wider_prior_is_caught(monkeypatch):
    planted = (wider_normal, ("mu", "sigma"), mean_and_narrower_sd)
    monkeypatch.setitem(to_pymc.DISTRIBUTIONS, priors.Normal, planted)
    recovery = check_prior_recovery(posterior(), WITHOUT_DATA, THINNED)
    assert recovery.p[0] < LEVEL / 2 < recovery.p[1]
    assert "NOT give back the prior of amount (1." in recovery.verdict


def wider_normal(name, mu, sigma, **settings):
    return pm.Normal(name, mu=mu, sigma=1.5 * sigma, **settings)


def mean_and_narrower_sd(*inputs):
    """The sampler's coordinate stays as it was: only the density is wrong."""
    return inputs[-2], inputs[-1] / 1.5


def test_without_data_a_missing_jacobian_is_caught(monkeypatch):
    monkeypatch.setattr(to_pymc.Standardised, "log_jac_det", no_volume)
    recovery = check_prior_recovery(posterior(), WITHOUT_DATA, THINNED)
    assert recovery.p[1] < LEVEL / 2 < recovery.p[0]
    assert "NOT give back the prior of rate" in recovery.verdict


def no_volume(self, value, *inputs):
    return 0.0 * value


# 5, 6: ranks

SETTINGS = Settings(sampler="demetropolisz", draws=285, tune=150, chains=1, cores=0, seed=4)
RANKED = {"runs": 70, "kept": 19}


@dataclass(frozen=True)
class Planted(Law):
    """Data are drawn with one law, and their density is another's."""

    reads = ()

    def mean(self, prediction, values):
        return Gaussian(NOISE).mean(prediction, values)

    def cov(self, prediction, variance, values):
        return Gaussian(NOISE).cov(prediction, variance, values)

    def sample(self, prediction, variance, values, rng):
        return Gaussian(NOISE).sample(prediction, variance, values, rng)


class SigmaHalved(Planted):
    def logpdf(self, data, prediction, variance, values):
        return Gaussian(NOISE / 2).logpdf(data, prediction, variance, values)


class HalfDropped(Planted):
    def logpdf(self, data, prediction, variance, values):
        terms = Gaussian(NOISE).logpdf(np.where(FIRST_HALF, data, np.nan), prediction, variance, values)
        return LawTerms(terms.pointwise, terms.d_prediction, terms.d_variance, terms.d_values)


FIRST_HALF = np.arange(6) < 3


def failing(calibration):
    return {check.name for check in calibration.wrong}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("sampler", "draws", "tune"),
    [("nuts", 57, 40), ("slice", 57, 80), ("demetropolisz", 380, 200), ("pcn", 760, 200)],
)
def test_with_nothing_planted_every_sampler_is_called_calibrated(sampler, draws, tune):
    """Two hundred data sets decide: 19 nearly independent draws of each fill the histogram's 20 bins."""
    settings = Settings(sampler=sampler, draws=draws, tune=tune, chains=1, cores=0, seed=4)
    calibration = check_calibration(posterior(), settings, runs=200, kept=19)
    assert calibration.ok, calibration.verdict


def test_ranks_of_parameters_catch_a_halved_sigma():
    # Intervals half as wide push few ranks to the ends: 70 runs leave it to chance whether both show.
    calibration = check_calibration(posterior(SigmaHalved()), SETTINGS, runs=100, kept=19)
    assert failing(calibration) >= {"amount", "rate"}
    assert "they are too narrow" in calibration.verdict


def test_the_rank_of_the_log_likelihood_catches_data_that_the_sampler_drops(monkeypatch):
    monkeypatch.setattr(Posterior, "log_likelihood", log_likelihood_of_half)
    calibration = check_calibration(posterior(), SETTINGS, **RANKED)
    assert failing(calibration) == {"log-likelihood", "misfit by moments"}
    assert "log-likelihood: the truth lies above the draws too often" in calibration.verdict


def log_likelihood_of_half(self, theta):
    return self.pointwise(theta)["decay", "reading"][FIRST_HALF].sum()


def test_the_misfit_by_moments_catches_data_that_the_law_drops():
    calibration = check_calibration(posterior(HalfDropped()), SETTINGS, **RANKED)
    assert failing(calibration) == {"misfit by moments"}
