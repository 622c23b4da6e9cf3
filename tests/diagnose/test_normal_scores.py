import numpy as np
import pytest
from scipy import stats

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.normal_scores import from_normal, slopes, to_normal
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

FAMILIES = {
    "a": Normal(1.5, 0.7),
    "b": LogNormal("a", 0.5),
    "c": HalfNormal(2.0),
    "d": Exponential("c"),
    "e": Gamma(3.0, "c"),
    "f": Beta(6.0, 4.0),
    "g": Uniform(-1.0, 3.0),
    "h": LogUniform(0.01, 10.0),
    "i": TruncatedNormal(1.5, 0.4, 1.0, 3.0),
    "j": Normal("a", "c"),
}


def total(a, b, c, d, e, f, g, h, i, j):
    return a + b + c + d + e + f + g + h + i + j


MODEL = ForwardModel([Formula(total, "u")], [Parameter(name, "1", 1.0) for name in FAMILIES], ["u"])
OPERATOR = {"u": ObservationOperator("u", Gaussian(1.0))}
POSTERIOR = Posterior(FAMILIES, [Experiment("all", MODEL, {"u": 0.0}, OPERATOR)])


def test_prior_draws_become_independent_standard_normals():
    rng = np.random.default_rng(0)
    z = np.array([to_normal(POSTERIOR, POSTERIOR.sample_prior(rng)) for _ in range(100)])
    p_values = [stats.kstest(column, "norm").pvalue for column in z.T]
    assert min(p_values) > 1e-4 / len(FAMILIES)
    # Correlations of independent columns have standard error 1/sqrt(100).
    assert np.abs(np.corrcoef(z.T) - np.eye(len(FAMILIES))).max() < 5 / np.sqrt(100)


def test_there_and_back_is_nowhere():
    rng = np.random.default_rng(1)
    for _ in range(5):
        z = rng.standard_normal(len(FAMILIES)) * 2
        assert to_normal(POSTERIOR, from_normal(POSTERIOR, z)) == pytest.approx(z, abs=1e-9)


def test_both_tails_keep_their_digits():
    z = np.array([6.0, 0.0, 7.0, 8.0, 6.0, 4.0, 5.0, 5.0, 5.0, 8.0])
    for point in (z, -z):
        assert to_normal(POSTERIOR, from_normal(POSTERIOR, point)) == pytest.approx(point, rel=1e-5)


def test_slopes_agree_with_differences():
    z = np.random.default_rng(2).standard_normal(len(FAMILIES))
    steps = 1e-5 * np.eye(z.size)
    central = (
        np.array([from_normal(POSTERIOR, z + e) - from_normal(POSTERIOR, z - e) for e in steps]).T / 2e-5
    )
    assert slopes(POSTERIOR, from_normal(POSTERIOR, z)) == pytest.approx(central, rel=1e-6, abs=1e-7)


def test_zero_is_the_median():
    values = POSTERIOR.split(from_normal(POSTERIOR, np.zeros(len(FAMILIES))))
    assert values["b"] == pytest.approx(np.exp(1.5), rel=1e-12)
    assert values["g"] == pytest.approx(1.0, rel=1e-12)
