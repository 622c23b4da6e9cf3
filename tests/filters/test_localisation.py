import numpy as np
import pytest

from mscale_uq.core.observation import Observation
from mscale_uq.errors import InputError
from mscale_uq.filters.localisation import Localisation, gaspari_cohn

RING = np.arange(40.0)


def test_the_taper_has_the_published_values():
    # Eq. (4.10) written out at r = 0, 1/2, 1, 3/2, 2.
    half = 1 - 5 / 3 / 4 + 5 / 8 / 8 + 1 / 2 / 16 - 1 / 4 / 32
    r = 1.5
    far = 4 - 5 * r + 5 / 3 * r**2 + 5 / 8 * r**3 - r**4 / 2 + r**5 / 12 - 2 / (3 * r)
    values = gaspari_cohn(np.array([0, 0.5, 1, 1.5, 2, 5]) * 7.0, half_width=7.0)
    assert values == pytest.approx([1, half, 5 / 24, far, 0, 0], abs=1e-14)


def test_the_taper_is_smooth_where_its_branches_meet():
    h = 1e-4
    for edge in (1.0, 2.0):
        v = gaspari_cohn(edge + h * np.arange(-3, 4), 1.0)
        assert abs(v[4] - v[2]) < 10 * h
        slopes = np.diff(v) / h
        assert np.abs(np.diff(slopes)).max() < 10 * h, "no kink"


def test_the_taper_resembles_the_normal_curve_its_docstring_says():
    r = np.linspace(0, 2, 50)
    normal = np.exp(-0.5 * r**2 * 10 / 3)
    assert np.abs(gaspari_cohn(r, 1.0) - normal).max() < 0.04


def test_a_taper_on_a_ring_is_a_correlation_matrix():
    place = Localisation(6.0, RING, {"all": RING}, period=40)
    matrix = place.taper(RING[:, None], RING[:, None])
    assert np.array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix).min() > -1e-12
    assert matrix[0, 39] == matrix[0, 1], "the ring closes"


def test_without_a_period_the_ends_do_not_meet():
    place = Localisation(6.0, RING, {"all": RING})
    assert place.reach(RING[:, None])[0, 39] == 0


def test_distances_in_the_plane_are_euclidean():
    place = Localisation(5.0, [[0.0, 0.0]], {"s": [[3.0, 4.0]]})
    assert place.reach(np.array([[3.0, 4.0]])) == pytest.approx(5 / 24)


def test_readings_come_in_the_order_of_the_observations():
    place = Localisation(5.0, RING, {"a": [1.0, 2.0], "b": [7.0]})
    b, a = Observation(0.0, "b", "x", [0.5]), Observation(0.0, "a", "x", [0.1, 0.2])
    assert place.readings([b, a])[:, 0] == pytest.approx([7, 1, 2])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"half_width": 0.0, "state": RING, "sources": {}}, "positive lengths"),
        ({"half_width": 1.0, "state": RING, "sources": {}, "period": -1}, "positive lengths"),
        ({"half_width": 1.0, "state": RING, "sources": {"s": [[0.0, 1.0]]}}, r"\[1, 2\] dimensions"),
    ],
)
def test_impossible_geometry_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        Localisation(**given)


def test_a_source_without_a_place_is_refused_by_name():
    place = Localisation(1.0, RING, {"camera": [1.0, 2.0]})
    with pytest.raises(InputError, match=r"no positions of 'camrea'.*did you mean 'camera'"):
        place.readings([Observation(0.0, "camrea", "x", [0.0, 0.0])])
    with pytest.raises(InputError, match="2 positions of 'camera'; allowed: 3"):
        place.readings([Observation(0.0, "camera", "x", [0.0, 0.0, 0.0])])
