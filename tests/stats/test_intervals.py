"""A prior from an interval has the mass it was given, with equal tails."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscale_uq.errors import ParameterError
from mscale_uq.stats.intervals import from_factor, from_interval, from_upper

masses = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.999])


def tails(prior, lower, upper):
    law = prior.frozen(**prior.arguments)
    return law.cdf(lower), law.sf(upper)


@pytest.mark.parametrize("family", ["normal", "lognormal", "gamma"])
@settings(deadline=None)
@given(start=st.floats(-3, 3), width=st.floats(0.01, 3), mass=masses)
def test_both_tails_hold_what_the_interval_leaves(family, start, width, mass):
    lower, upper = 10**start, 10 ** (start + width)
    prior = from_interval(family, lower, upper, mass)
    assert prior.family == family
    assert tails(prior, lower, upper) == pytest.approx(((1 - mass) / 2,) * 2, rel=1e-5)


@settings(deadline=None)
@given(ends=st.lists(st.floats(0.001, 0.999), min_size=2, max_size=2), mass=masses)
def test_both_tails_of_a_beta_prior_hold_what_the_interval_leaves(ends, mass):
    lower, upper = sorted(ends)
    if upper - lower > 1e-3:
        prior = from_interval("beta", lower, upper, mass)
        assert tails(prior, lower, upper) == pytest.approx(((1 - mass) / 2,) * 2, rel=1e-4)


@pytest.mark.parametrize("family", ["halfnormal", "exponential"])
@settings(deadline=None)
@given(upper=st.floats(1e-6, 1e6), mass=masses)
def test_a_prior_from_zero_on_has_its_mass_below_the_upper_end(family, upper, mass):
    for prior in (from_upper(family, upper, mass), from_interval(family, 0.0, upper, mass)):
        assert prior.frozen(**prior.arguments).cdf(upper) == pytest.approx(mass, rel=1e-9)


@pytest.mark.parametrize("family", ["uniform", "loguniform"])
def test_an_interval_that_is_all_there_is_has_mass_one(family):
    assert from_interval(family, 2.0, 5.0, 1.0).support == (2.0, 5.0)


def test_median_and_factor_of_a_lognormal_prior_are_what_they_say():
    law = (prior := from_factor(3.0, 4.0)).frozen(**prior.arguments)
    assert law.median() == pytest.approx(3.0)
    assert law.cdf(12.0) - law.cdf(0.75) == pytest.approx(0.95)


MISTAKES = [
    (("uniform", 1.0, 2.0, 0.95), "mass = 0.95; allowed: 1: the interval is all of it"),
    (
        ("truncated_normal", 1.0, 2.0, 0.95),
        "truncated_normal prior from an interval; allowed: normal, lognormal",
    ),
    (("normal", 2.0, 1.0, 0.95), "between 2 and 1; allowed: .*lower < upper"),
    (("lognormal", -1.0, 1.0, 0.95), "between -1 and 1; allowed: 0 <= lower < upper"),
    (("lognormal", 0.0, 1.0, 0.95), "allowed: lower > 0"),
    (("gamma", 0.0, 1.0, 0.95), "allowed: lower > 0"),
    (("beta", 0.2, 1.0, 0.95), "allowed: 0 < lower < upper < 1"),
    (("beta", 0.2, 1.5, 0.95), "between 0.2 and 1.5"),
    (("normal", 1.0, 2.0, 95.0), "mass = 95; allowed: 0 < mass < 1; hint: 0.95 is usual"),
    (("normal", 1.0, 2.0, 1.0), "mass = 1; allowed: 0 < mass < 1"),
    (("normal", -np.inf, 2.0, 0.9), "between -inf and 2"),
    (("halfnormal", 1.0, 2.0, 0.9), "lower = 1; allowed: it starts at zero"),
    (("exponential", 0.0, -2.0, 0.9), "upper = -2; allowed: a positive number"),
    (("gamma", 1e-300, 1e300, 0.5), "no gamma prior fits this interval"),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES)
def test_an_interval_that_makes_no_sense_is_refused(arguments, said):
    with pytest.raises(ParameterError, match=said):
        from_interval(*arguments)


@pytest.mark.parametrize("arguments", [(0.0, 2.0), (1.0, 1.0), (1.0, 0.5), (np.inf, 2.0)])
def test_a_median_and_factor_that_make_no_sense_are_refused(arguments):
    with pytest.raises(ParameterError, match="median > 0 and factor > 1"):
        from_factor(*arguments)
