"""Which pores lead through: by their shape alone, wherever the image is cut."""

import numpy as np
import pytest

from mscale_uq.cell.percolation import percolating
from mscale_uq.errors import InputError


def spiral(n):
    """A path of faces around an n x n image, twice along axis 0 for once along axis 1."""
    image = np.zeros((n, n), dtype=bool)
    x = y = 0
    for _ in range(n):
        for step in ((1, 0), (1, 0), (0, 1)):
            image[x % n, y % n] = True
            x, y = x + step[0], y + step[1]
    return image


def test_a_channel_leads_through_along_its_own_axis_only():
    image = np.zeros((5, 7), dtype=bool)
    image[2] = True
    assert percolating(image).axes == (False, True)
    assert percolating(image.T).axes == (True, False)


def test_pixels_that_touch_only_at_corners_are_not_connected():
    assert percolating(np.indices((6, 6)).sum(axis=0) % 2).axes == (False, False)
    assert percolating(np.eye(6)).axes == (False, False)


def test_a_pore_that_touches_both_ends_at_different_places_does_not_lead_through():
    image = np.zeros((6, 6), dtype=bool)
    image[:3, 1] = image[3:, 4] = image[2, 1:5] = True
    assert percolating(image).axes == (False, False)
    image[0, 1:5] = True  # now the far end meets the near one of the next image
    assert percolating(image).axes == (True, False)


def test_a_spiral_leads_through_although_no_turn_of_it_meets_itself():
    image = spiral(12)
    assert percolating(image).axes == (True, True)
    image[0, 0] = False
    assert percolating(image).axes == (False, False)


def test_where_the_image_is_cut_does_not_matter():
    for shift in np.ndindex(4, 4):
        moved = np.roll(spiral(12), shift, axis=(0, 1))
        assert percolating(moved).axes == (True, True)
        assert (percolating(moved).pores == moved).all()


def test_islands_are_left_out():
    image = np.zeros((8, 8), dtype=bool)
    image[1] = True
    image[4:6, 3:5] = True
    found = percolating(image)
    assert found.pores[1].all()
    assert found.pores.sum() == 8


def test_a_shaft_in_three_dimensions_leads_through_along_its_axis():
    image = np.zeros((3, 4, 5))
    image[1, 2] = 1
    assert percolating(image).axes == (False, False, True)


@pytest.mark.parametrize(
    ("image", "axes"), [(np.ones((3, 3)), (True, True)), (np.zeros((3, 3)), (False, False))]
)
def test_all_pore_and_all_solid(image, axes):
    assert percolating(image).axes == axes


def test_the_random_site_threshold_of_the_square_lattice_lies_between():
    """Sites percolate above a share of 0.5927 and do not below."""
    rng = np.random.default_rng(0)
    sites = rng.random((20, 96, 96))
    through = [np.mean([percolating(one < share).axes[0] for one in sites]) for share in (0.52, 0.66)]
    assert through == [0.0, 1.0]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.ones(5), "two or three axes"),
        (np.ones((0, 3)), "two or three axes"),
        ([[0, 1], [2, 1]], "0 \\(solid\\) and 1 \\(pore\\)"),
        ([[0.0, 0.4], [1.0, 1.0]], "threshold"),
    ],
)
def test_what_is_no_image_of_pores_is_refused(image, message):
    with pytest.raises(InputError, match=message):
        percolating(image)
