"""Images of pores: exact where the flow is known, equal to independent programs, converging to the table."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mscale_uq.cell.conduction import effective_conductivity
from mscale_uq.cell.pore_image import pore_transport, through_plane
from mscale_uq.errors import InputError


def random_pores(shape, share, seed=3):
    """A smooth random pattern, cut so that `share` of it is pore."""
    field = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 2.0, mode="wrap")
    return field < np.quantile(field, share)


def disks(n, fraction):
    """An image of a square array of disks."""
    x = (np.arange(n) + 0.5) / n - 0.5
    return np.hypot(x[:, None], x) > np.sqrt(fraction / np.pi)


def network(pores, axis):
    """D_eff/D as a dense network of resistors: one potential per pore pixel, dropping by one per pixel."""
    number = np.full(pores.shape, -1)
    number[pores] = np.arange(pores.sum())
    rows, drops = [], []
    for along in range(pores.ndim):
        ahead = np.roll(number, -1, along)
        for here, there in zip(number.ravel(), ahead.ravel(), strict=True):
            if here >= 0 and there >= 0:
                row = np.zeros(pores.sum())
                row[there] += 1
                row[here] -= 1
                rows.append(row)
                drops.append(float(along == axis))
    potential = np.linalg.lstsq(np.array(rows), -np.array(drops), rcond=None)[0]
    return np.sum((np.array(rows) @ potential + drops) ** 2) / pores.size


def test_straight_channels_conduct_by_their_share_and_not_across():
    image = np.zeros((8, 5), dtype=bool)
    image[[1, 2, 5]] = True
    found = pore_transport(image)
    assert found.tensor == pytest.approx(np.diag([0.0, 3 / 8]), abs=1e-14)
    assert found.tortuosity_factor(1) == pytest.approx(1.0, rel=1e-14)
    assert found.percolates == (False, True)


def test_an_image_that_does_not_percolate_is_reported_as_such():
    found = pore_transport(np.indices((6, 6)).sum(axis=0) % 2)
    assert found.percolates == (False, False)
    assert found.tensor.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert found.tortuosity_factor(0) == np.inf
    assert found.porosity == 0.5
    assert found.percolating_porosity == 0.0


def test_a_staircase_conducts_along_its_diagonal():
    """One chain of 2n faces: a drop of n pixels along either axis drives n / 2n through each face."""
    n = 8
    image = np.eye(n, dtype=bool) | np.roll(np.eye(n, dtype=bool), 1, axis=1)
    assert pore_transport(image).tensor == pytest.approx(np.full((2, 2), 1 / (2 * n)), rel=1e-12)


def test_islands_and_dead_ends_conduct_nothing():
    image = np.zeros((9, 9), dtype=bool)
    image[4] = True
    bare = pore_transport(image)
    image[5:7, 2] = True  # a dead end
    image[1:3, 6:8] = True  # an island
    found = pore_transport(image)
    assert found.tensor == pytest.approx(bare.tensor, abs=1e-12)
    assert found.porosity > found.percolating_porosity > bare.porosity


@pytest.mark.parametrize(("shape", "share"), [((12, 12), 0.7), ((6, 7, 5), 0.6)])
def test_it_equals_a_dense_network_of_resistors(shape, share):
    pores = random_pores(shape, share)
    found = pore_transport(pores)
    for axis in range(len(shape)):
        assert found.tensor[axis, axis] == pytest.approx(network(pores, axis), abs=1e-12)


def test_turning_shifting_and_repeating_the_image_changes_nothing_else():
    pores = random_pores((20, 20), 0.7)
    tensor = pore_transport(pores).tensor
    turned = pore_transport(pores.T).tensor
    assert turned == pytest.approx(tensor[::-1, ::-1], abs=1e-12)
    assert pore_transport(pores[::-1]).tensor[0, 1] == pytest.approx(-tensor[0, 1], abs=1e-12)
    assert pore_transport(np.roll(pores, (3, 8), (0, 1))).tensor == pytest.approx(tensor, abs=1e-12)
    assert pore_transport(np.tile(pores, (2, 1))).tensor == pytest.approx(tensor, abs=1e-12)


def test_the_tensor_is_symmetric_not_negative_and_below_the_bounds():
    for seed in range(5):
        found = pore_transport(random_pores((24, 24), 0.7, seed))
        eigenvalues = np.linalg.eigvalsh(found.tensor)
        assert found.tensor == pytest.approx(found.tensor.T)
        assert (eigenvalues > -1e-12).all()
        assert eigenvalues.max() < found.porosity  # Wiener
    isotropic = pore_transport(disks(64, 0.4))
    assert isotropic.tensor[0, 0] < isotropic.porosity / (2 - isotropic.porosity)  # Hashin and Shtrikman


def test_the_sides_of_the_image_stretch_the_flow():
    """A cell stretched along axis 0 conducts as one with the conductivity divided along axis 1."""
    pores = random_pores((16, 16), 0.75)
    long = pore_transport(pores, lengths=(2.0, 1.0)).tensor
    doubled = pore_transport(np.repeat(pores, 2, axis=0)).tensor
    assert long == pytest.approx(doubled, rel=0.06)
    channel = np.ones((4, 4))
    channel[0] = 0
    assert pore_transport(channel, (3.0, 1.0)).tensor[1, 1] == pytest.approx(0.75, rel=1e-12)


def test_finite_volumes_and_finite_elements_close_in_on_each_other():
    """Refining the same image, one rises and the other falls."""
    pores = disks(16, 0.45)
    fine = [np.kron(pores, np.ones((k, k))) for k in (1, 2, 4)]
    volumes = [pore_transport(image).tensor[0, 0] for image in fine]
    elements = [effective_conductivity(np.where(image > 0, 1.0, 1e-9))[0, 0] for image in fine]
    gaps = np.subtract(elements, volumes)
    assert (np.diff(volumes) > 0).all()
    assert (np.diff(elements) < 0).all()
    assert (gaps[1:] / gaps[:-1] < 0.55).all()
    assert gaps[-1] < 0.02 * elements[-1]


@pytest.mark.parametrize(("fraction", "published"), [(0.3, 0.537580), (0.5, 0.324654)])
def test_images_of_disks_converge_to_the_published_array_at_first_order(fraction, published):
    """The stairs of the digitised rim cost 1 to 3 % at 64 pixels; the fitted mesh has no stairs."""
    errors = np.array(
        [pore_transport(disks(n, fraction)).tensor[0, 0] / published - 1 for n in (32, 64, 128)]
    )
    assert (np.abs(errors) < 3.0 / np.array([32, 64, 128])).all()
    assert (errors < 0).all()


def test_through_a_plate_with_closed_sides():
    """Against a dense network: half a face at both ends, no face at the sides."""
    pores = random_pores((7, 9), 0.7, seed=1)
    number = np.full(pores.shape, -1)
    number[pores] = np.arange(pores.sum())
    A, b = np.zeros((pores.sum(), pores.sum())), np.zeros(pores.sum())
    for along in (0, 1):
        first, second = (np.delete(number, end, along).ravel() for end in (-1, 0))
        for i, j in zip(first, second, strict=True):
            if i >= 0 and j >= 0:
                A[[i, j], [i, j]] += 1
                A[[i, j], [j, i]] -= 1
    inlet, outlet = number[0][number[0] >= 0], number[-1][number[-1] >= 0]
    A[np.r_[inlet, outlet], np.r_[inlet, outlet]] += 2
    b[inlet] += 2
    potential = np.linalg.lstsq(A, b, rcond=None)[0]
    through = np.sum(2 * (1 - potential[inlet])) * pores.shape[0] / pores.shape[1]
    assert through_plane(pores, 0) == pytest.approx(through, rel=1e-10)


@pytest.mark.parametrize("lengths", [(1.0,), (1.0, -1.0), (1.0, np.nan)])
def test_sides_that_are_no_lengths_are_refused(lengths):
    with pytest.raises(InputError, match="2 positive numbers"):
        pore_transport(np.ones((3, 3)), lengths)
