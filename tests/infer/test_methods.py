"""Which sampler a system may have: one that walks along slopes is refused where there are none."""

import pytest

from mscale_uq.errors import CaseError
from mscale_uq.infer.methods import METHODS, choose

ALONG_SLOPES = ("nuts", "nutpie", "laplace", "map", "surrogate")


@pytest.mark.parametrize("smoothness", ["piecewise", "stochastic"])
@pytest.mark.parametrize("wanted", ALONG_SLOPES)
def test_a_system_without_slopes_is_never_given_to_a_sampler_that_walks_along_them(wanted, smoothness):
    said = f"sampler '{wanted}' needs derivatives, and the system is {smoothness}; allowed: demetropolisz"
    with pytest.raises(CaseError, match=said):
        choose(smoothness, wanted=wanted)
    assert choose("smooth", wanted=wanted) == wanted


@pytest.mark.parametrize("smoothness", ["piecewise", "stochastic"])
def test_all_other_samplers_may_be_asked_for_and_one_of_them_is_the_default(smoothness):
    others = set(METHODS) - set(ALONG_SLOPES)
    assert {choose(smoothness, wanted=wanted) for wanted in others} == others
    assert choose(smoothness) in others
