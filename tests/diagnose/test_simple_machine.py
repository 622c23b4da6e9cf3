"""The "simple machine": what a wrong model does to its parameter, and what a discrepancy does about it.

The machine does y = 0.65 x / (1 + x/20); the model says theta x, with theta its efficiency, 0.65. Given
amplitude and length the posterior of theta is normal in closed form; the two are summed over a grid.

Source: J. Brynjarsdóttir, A. O'Hagan, Learning about physical parameters: the importance of model
discrepancy, Inverse Problems 30 (2014) 114007, doi:10.1088/0266-5611/30/11/114007.
"""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.model_error import changes, without_model_error
from mscale_uq.infer.chains import sample
from mscale_uq.infer.settings import Settings
from mscale_uq.observe.correlated import GaussianCorrelated
from mscale_uq.observe.discrepancy import ProcessDiscrepancy, Zero
from mscale_uq.observe.laws import Gaussian
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import LogNormal, Normal

AT_ZERO = (Zero((0.0,)), Zero((0.0,), slope=0))
X, SD, EFFICIENCY = np.linspace(0.2, 4.0, 11), 0.01, 0.65
MACHINE = EFFICIENCY * X / (1 + X / 20)
PRIOR_MEAN, PRIOR_SD = 1.0, 1.0  # of theta
AMPLITUDES = np.exp(np.linspace(np.log(0.005), np.log(20), 30))
LENGTHS = np.exp(np.linspace(np.log(0.5), np.log(20), 30))
# Priors: an error of a few tenths, that bends over the range of the data (95 % between 1.1 and 8).
WEIGHTS = (
    stats.lognorm(1.0, scale=0.2).pdf(AMPLITUDES)[:, None]
    * AMPLITUDES[:, None]
    * (stats.lognorm(0.5, scale=3.0).pdf(LENGTHS) * LENGTHS)
)


def conditional(cov, data):
    """Return log evidence, mean and sd of theta, for readings with covariance `cov` around theta X."""
    pull = np.linalg.solve(cov, np.stack([X, data - PRIOR_MEAN * X], axis=1))
    precision = PRIOR_SD**-2 + X @ pull[:, 0]
    shift = X @ pull[:, 1] / precision
    fit = (data - PRIOR_MEAN * X) @ pull[:, 1] - precision * shift**2
    evidence = -0.5 * (fit + np.linalg.slogdet(cov)[1] + np.log(precision))
    return evidence, PRIOR_MEAN + shift, precision**-0.5


@cache
def covariances(zeros):
    law = GaussianCorrelated(Gaussian(SD), (ProcessDiscrepancy(X, "a", ("l",), zeros),))
    zero = np.zeros(X.size)
    return [[law.cov(zero, zero, {"a": a, "l": b}) for b in LENGTHS] for a in AMPLITUDES]


def interval(zeros, data):
    """Return the central 95 % interval of theta, summed over amplitude and length."""
    parts = np.array([[conditional(cov, data) for cov in row] for row in covariances(zeros)])
    weight = WEIGHTS * np.exp(parts[..., 0] - parts[..., 0].max())
    theta = np.linspace(0.0, 2.0, 2001)
    steps = stats.norm.cdf((theta[:, None, None] - parts[..., 1]) / parts[..., 2])
    cdf = (weight * steps).sum(axis=(1, 2)) / weight.sum()
    return np.interp([0.025, 0.975], cdf, theta)


def test_without_a_discrepancy_the_simple_machine_is_misjudged_for_sure():
    _, mean, sd = conditional(SD**2 * np.eye(X.size), MACHINE)
    assert (mean, sd) == pytest.approx((0.5626, 0.00125), abs=1e-4)
    # The interval's upper end is normal with this sd over repeated readings: 69 sds from the truth.
    assert mean + 1.96 * sd + 6 * sd < EFFICIENCY


def test_a_discrepancy_that_starts_at_zero_and_flat_finds_the_simple_machine():
    low, high = interval(AT_ZERO, MACHINE)
    assert low < EFFICIENCY < high
    assert high - low < 0.1


@pytest.mark.slow
def test_with_the_zeros_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(11)
    intervals = [interval(AT_ZERO, MACHINE + SD * rng.standard_normal(X.size)) for _ in range(40)]
    covered = sum(low < EFFICIENCY < high for low, high in intervals)
    assert covered >= stats.binom(40, 0.95).ppf(1e-3)


def test_without_the_zeros_the_interval_is_wide_and_leans_the_wrong_way():
    """The curve can do what theta does: the interval is several times wider, and its middle is no better."""
    free, tied = interval((), MACHINE), interval(AT_ZERO, MACHINE)
    assert free[1] - free[0] > 2.5 * (tied[1] - tied[0])
    assert abs(np.mean(free) - EFFICIENCY) > 5 * abs(np.mean(tied) - EFFICIENCY)


def machine(efficiency, x):
    return efficiency * x


def calibration():
    model = ForwardModel([Formula(machine, "y")], [Parameter("efficiency", "1", 0.6)], ["y"], {"x": X})
    law = GaussianCorrelated(Gaussian(SD), (ProcessDiscrepancy(X, "amplitude", ("length",), AT_ZERO),))
    priors = {
        "efficiency": Normal(PRIOR_MEAN, PRIOR_SD),
        "amplitude": LogNormal(np.log(0.2), 1.0),
        "length": LogNormal(np.log(3.0), 0.5),
    }
    operators = {"y": ObservationOperator("y", law)}
    return Posterior(priors, [Experiment("machine", model, {"y": MACHINE}, operators)])


def draws(posterior, count):
    found = sample(posterior, Settings(draws=count, tune=count, chains=2, cores=2, seed=3))
    assert not found.failures
    return np.stack([found.draws[name].ravel() for name in posterior.names], axis=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nuts_finds_the_interval_of_the_quadrature_and_the_report_can_show_both():
    full = calibration()
    plain = without_model_error(full)
    (change,) = changes(full.names, draws(full, 400), plain.names, draws(plain, 100))
    low, high = interval(AT_ZERO, MACHINE)
    # An end of a 95 % interval has a standard error of 5 % of its width after 200 effective draws.
    assert change.with_error[2:] == pytest.approx((low, high), abs=0.15 * (high - low))
    assert change.without_error[3] < EFFICIENCY < change.with_error[3]
    assert change.widening > 5
