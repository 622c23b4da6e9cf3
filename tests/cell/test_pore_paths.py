"""Shortest ways through pores, where their length is known."""

import numpy as np
import pytest

from mscale_uq.cell.pore_image import pore_transport
from mscale_uq.cell.pore_paths import geometric_tortuosity
from mscale_uq.errors import InputError


@pytest.mark.parametrize("shape", [(9, 4), (5, 6, 7)])
def test_straight_pores_have_a_tortuosity_of_one(shape):
    image = np.zeros(shape)
    image[:, 1] = 1
    assert geometric_tortuosity(image, 0) == pytest.approx(1.0, rel=1e-15)


def test_an_oblique_channel_is_longer_by_its_slope():
    """A staircase of n rises and n - 1 treads; its corners may be cut by steps to the corner neighbours."""
    n = 20
    image = np.eye(n, dtype=bool) | np.eye(n, k=1, dtype=bool)
    steps, cut = geometric_tortuosity(image, 0, 4), geometric_tortuosity(image, 0, 8)
    # From the right one of the two pores of the first row: n - 1 rises, and one tread less.
    assert steps == pytest.approx(((n - 1) + (n - 2) + 1) / n, rel=1e-15)
    assert cut == pytest.approx(((n - 2) * np.sqrt(2) + 1 + 1) / n, rel=1e-15)


def test_a_detour_costs_its_length():
    image = np.ones((7, 9))
    image[3, :-1] = 0  # a wall with a gap at the end
    expected = np.mean([6 + 2 * 0 + (8 - column) for column in range(9)])
    assert geometric_tortuosity(image, 0, 4) == pytest.approx((expected + 1) / 7, rel=1e-15)


def test_more_neighbours_never_make_the_way_longer():
    image = np.random.default_rng(2).random((12, 12, 12)) < 0.6
    ways = [geometric_tortuosity(image, 1, neighbours) for neighbours in (6, 18, 26)]
    assert ways[0] > ways[1] > ways[2] > 1.0


def test_it_stays_below_the_tortuosity_factor():
    """Of disks in a row: the way around them is short, but narrow."""
    x = (np.arange(32) + 0.5) / 32 - 0.5
    image = np.hypot(x[:, None], x) > np.sqrt(0.5 / np.pi)
    assert 1.0 < geometric_tortuosity(image, 0) < pore_transport(image).tortuosity_factor(0)


def test_pixels_have_sides():
    image = np.eye(4, dtype=bool) | np.eye(4, k=1, dtype=bool)
    wide = geometric_tortuosity(image, 0, 4, pixel=(1.0, 3.0))
    assert wide == pytest.approx((3 * 1.0 + 2 * 3.0 + 1.0) / 4.0, rel=1e-15)


def test_without_a_way_it_is_infinite():
    blocked = np.ones((5, 5))
    blocked[2] = 0
    assert geometric_tortuosity(blocked, 0) == np.inf
    assert geometric_tortuosity(np.zeros((3, 3)), 0) == np.inf


def test_an_unknown_neighbourhood_is_refused():
    with pytest.raises(InputError, match=r"6 neighbours in 2-D.*4, 8"):
        geometric_tortuosity(np.ones((3, 3)), 0, 6)
