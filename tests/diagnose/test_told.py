"""What draws tell, against a posterior whose covariance in normal scores is known."""

import numpy as np
import pytest

from mscale_uq.core.formula import Formula
from mscale_uq.core.forward import ForwardModel
from mscale_uq.core.law import ObservationOperator
from mscale_uq.core.parameter import Parameter
from mscale_uq.diagnose.identifiability_text import drawn
from mscale_uq.diagnose.told import SILENT, told_by_draws
from mscale_uq.observe.laws import Gaussian
from mscale_uq.results.summary import least_ess
from mscale_uq.stats.experiment import Experiment
from mscale_uq.stats.posterior import Posterior
from mscale_uq.stats.priors import LogNormal, Normal

RNG = np.random.default_rng(7)


def product(a, b, c):
    return a * b + np.sum(c)


def posterior(**priors):
    size = {"c": (2,)}
    parameters = [Parameter("a", "1", 1.0), Parameter("b", "1", 1.0), Parameter("c", "1", 1.0, shape=(2,))]
    model = ForwardModel([Formula(product, "u")], parameters, ["u"])
    operators = {"u": ObservationOperator("u", Gaussian(1.0))}
    return Posterior(priors, [Experiment("all", model, {"u": 0.0}, operators)], size)


INDEPENDENT = posterior(a=LogNormal(2.0, 0.5), b=LogNormal(-9.0, 1.5), c=Normal(300.0, 20.0))


def draws_of(z):
    """Draws whose normal scores are z ``(chain, draw, 4)``."""
    return {"a": np.exp(2 + 0.5 * z[..., 0]), "b": np.exp(-9 + 1.5 * z[..., 1]), "c": 300 + 20 * z[..., 2:]}


def said_of(z):
    draws = draws_of(z)
    return drawn(told_by_draws(INDEPENDENT, draws, least_ess(draws)))


def test_a_product_that_is_known_leaves_the_quotient_to_the_prior():
    """ln a + 3 ln b in sds of the priors: with a known sum of scores, their difference keeps all."""
    z = RNG.standard_normal((4, 2000, 4))
    both = z[..., :2].sum(axis=2, keepdims=True)
    z[..., :2] += (0.02 * RNG.standard_normal(both.shape) - both) / 2
    told = told_by_draws(INDEPENDENT, draws_of(z), 8000)
    assert told.cov == pytest.approx(np.cov(z.reshape(-1, 4).T), abs=1e-9)
    assert told.kept == pytest.approx([np.sqrt(0.5), np.sqrt(0.5), 1, 1], rel=0.03)
    assert told.correlation[0, 1] < -0.99
    shares, vectors = told.directions
    assert shares == pytest.approx([0.01 * np.sqrt(2), 1, 1, 1], rel=0.03)
    assert np.abs(vectors[:2, 0]) == pytest.approx(2 * [np.sqrt(0.5)], abs=0.01)
    ((one, other, strength),) = told.entangled
    assert (one, other) == ("a", "b")
    assert strength < -0.99
    plain = np.corrcoef(*(draws_of(z)[name].ravel() for name in "ab"))[0, 1]
    assert plain > -0.9  # what is a line in normal scores is bent in the units of the case
    said = drawn(told)
    assert said[0] in {f"keeps 0.014 of its prior sd: +0.71 {one} +0.71 {two}" for one, two in ("ab", "ba")}
    assert said[-1] in {f"worst correlated pair (of the draws): a, b: −{r}" for r in ("0.999", "1.000")}


def test_draws_of_a_prior_that_hangs_on_another_unknown_tell_nothing():
    nested = posterior(a=Normal(0.0, 1.0), b=LogNormal("a", 0.3), c=Normal("a", 2.0))
    rows = [nested.split(nested.sample_prior(RNG)) for _ in range(4000)]
    draws = {name: np.array([[row[name] for row in rows]]) for name in "abc"}
    assert told_by_draws(nested, draws, 4000).cov == pytest.approx(np.eye(4), abs=5 * np.sqrt(2 / 4000))


def test_of_too_few_draws_or_a_chain_that_stands_nothing_is_said():
    few = draws_of(RNG.standard_normal((1, 79, 4)))
    few["a"][0, 0] = 0.0  # where the density is rounded to nothing, there is no score
    assert told_by_draws(INDEPENDENT, few, 1e3) == f"{SILENT}: 78 draws are effective, 4 unknowns need 80"
    assert said_of(np.zeros((1, 100, 4))) == [f"{SILENT}: the draws of an unknown do not move"]


def test_chance_in_chains_that_mix_slowly_is_no_finding():
    """Posterior = prior, drawn with autocorrelation 0.99: 400 draws hold about as much as two."""
    z = RNG.standard_normal((2, 200, 4))
    for i in range(1, 200):
        z[:, i] = 0.99 * z[:, i - 1] + np.sqrt(1 - 0.99**2) * z[:, i]
    (said,) = said_of(z)
    assert said.startswith(SILENT)
    assert int(said.split()[7]) < 40
