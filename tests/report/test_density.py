"""A density smoothed from draws is that of the law they came from."""

import numpy as np
import pytest
from scipy import stats

from mscale_uq.report.density import smooth_density


@pytest.mark.parametrize("law", [stats.norm(3, 2), stats.lognorm(1.5)])
def test_many_draws_show_the_law_they_came_from(law):
    places, heights = smooth_density(law.rvs(20000, random_state=1))
    assert np.allclose(heights, law.pdf(places), atol=0.06 * law.pdf(places).max())
    assert (places > 0).all() == (law.support()[0] == 0)


def test_few_draws_or_equal_ones_show_nothing():
    assert smooth_density(np.arange(10.0)) is None
    assert smooth_density(np.full(100, 2.5)) is None
    assert smooth_density(np.r_[np.full(100, np.nan), 1.0, 2.0]) is None
