import numpy as np
import pytest
from scipy import integrate
from scipy.stats import truncnorm

from mscale_uq.errors import ParameterError
from mscale_uq.stats.posterior import check_limits
from mscale_uq.stats.priors import (
    FAMILIES,
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

PRIORS = [
    Normal(1.5, 0.7),
    LogNormal(-1.0, 0.5),
    HalfNormal(2.0),
    Exponential(0.5),
    Gamma(3.0, 2.0),
    Beta(6.0, 4.0),
    Uniform(-1.0, 3.0),
    LogUniform(0.01, 10.0),
    TruncatedNormal(1.5, 0.4, 1.0, 3.0),
]


def ids(prior):
    return prior.family


def test_every_family_is_tested():
    assert {prior.family for prior in PRIORS} == set(FAMILIES)


@pytest.mark.parametrize("prior", PRIORS, ids=ids)
def test_the_density_is_scipys(prior):
    x = prior.sample(np.random.default_rng(0), (50,))
    law = prior.frozen(**prior.arguments)
    assert [prior.logpdf(one) for one in x] == pytest.approx(law.logpdf(x), rel=1e-12)


@pytest.mark.parametrize("prior", PRIORS, ids=ids)
def test_the_density_integrates_to_one(prior):
    low, high = np.clip(prior.support, -50, 50)
    breaks = prior.frozen(**prior.arguments).ppf([1e-6, 0.1, 0.5, 0.9, 1 - 1e-6])
    mass = integrate.quad(lambda x: np.exp(prior.logpdf(x)), low, high, points=breaks, limit=200)[0]
    assert mass == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("prior", PRIORS, ids=ids)
def test_the_gradient_agrees_with_differences(prior):
    for x in prior.sample(np.random.default_rng(3), (5,)):
        step = 1e-6 * abs(x)
        central = (prior.logpdf(x + step) - prior.logpdf(x - step)) / (2 * step)
        assert prior.gradient(x)[0] == pytest.approx(central, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("prior", PRIORS, ids=ids)
def test_outside_the_support_the_density_is_zero(prior):
    low, high = prior.support
    for edge, outside in ((low, low - 0.1), (high, high + 0.1)):
        if np.isfinite(edge):
            assert prior.logpdf(outside) == -np.inf
            assert prior.logpdf(edge) == -np.inf


@pytest.mark.parametrize(
    ("family", "arguments"),
    [(Normal, ("m", "s")), (LogNormal, ("m", "s")), (Gamma, ("m", "s")), (Beta, ("m", "s"))],
)
def test_the_gradient_to_a_parent_agrees_with_differences(family, arguments):
    prior = family(*arguments)
    x, at = np.array([0.3, 0.6]), {"m": 1.2, "s": 0.8}
    slopes = prior.gradient(x, at)[1]
    for name in at:
        up, down = ({**at, name: at[name] + sign * 1e-6} for sign in (1, -1))
        central = (prior.logpdf(x, up) - prior.logpdf(x, down)) / 2e-6
        assert slopes[name] == pytest.approx(central, rel=1e-7)


def test_a_parent_outside_its_domain_gives_zero_density():
    assert Normal(0.0, "s").logpdf(np.array(0.1), {"s": -1.0}) == -np.inf


@pytest.mark.parametrize(
    "make",
    [
        lambda: Normal(0.0, 0.0),
        lambda: Normal(np.nan, 1.0),
        lambda: LogNormal(0.0, -1.0),
        lambda: Uniform(2.0, 1.0),
        lambda: LogUniform(0.0, 1.0),
        lambda: Uniform("a", 1.0),
        lambda: Beta(0.0, 1.0),
    ],
)
def test_impossible_arguments_are_refused(make):
    with pytest.raises(ParameterError, match="prior"):
        make()


@pytest.mark.parametrize(
    ("prior", "limits", "allowed"),
    [
        (LogNormal(0.0, 1.0), (0.0, np.inf), True),
        (Normal(1.0, 1.0), (0.0, np.inf), False),
        (Uniform(0.1, 0.5), (0.0, 0.785), True),
        (Uniform(0.1, 0.9), (0.0, 0.785), False),
        (LogNormal(0.0, 0.1), (0.0, 1.0), False),
        (Beta(2.0, 2.0), (0.0, 1.0), True),
        (Normal("m", 1.0), (0.0, np.inf), False),
        (LogNormal("m", 1.0), (0.0, np.inf), True),
    ],
)
def test_prior_mass_outside_the_physical_limits_is_refused(prior, limits, allowed):
    if allowed:
        check_limits("x", prior, *limits)
    else:
        with pytest.raises(ParameterError, match="impossible values"):
            check_limits("x", prior, *limits)


@pytest.mark.parametrize("interval", [(10.0, 11.0), (-11.0, -10.0), (7.0, 9.0), (-1.0, 2.0), (30.0, 30.1)])
def test_a_normal_that_is_cut_far_in_its_tail_keeps_its_density(interval):
    lower, upper = interval
    x = lower + 0.05
    prior = TruncatedNormal(0.5, 1.0, lower + 0.5, upper + 0.5)
    known = truncnorm(lower, upper).logpdf(x)
    assert prior.logpdf(x + 0.5) == pytest.approx(known, rel=1e-9)
