from itertools import pairwise

import numpy as np
import pytest
from media import checkerboard, normal, random_image

from mscale_uq.cell.conduction import effective_conductivity

ROTATION = np.array([[0.0, -1.0], [1.0, 0.0]])


def two_phases(n, k1, k2, blocks=4, seed=5):
    """A random image of blocks x blocks squares of two phases on n x n pixels."""
    coarse = np.random.default_rng(seed).permutation(np.repeat([k1, k2], blocks**2 // 2))
    return np.kron(coarse.reshape(blocks, blocks), np.ones((n // blocks, n // blocks)))


def is_positive_semidefinite(tensor, tolerance=1e-12):
    return np.linalg.eigvalsh(tensor).min() > -tolerance


@pytest.mark.parametrize("lengths", [(1.0, 1.0), (0.3, 2.0)])
@pytest.mark.parametrize("contrast", [2.0, 10.0, 1e6])
def test_a_laminate_is_harmonic_across_and_arithmetic_along(contrast, lengths):
    layers = np.where([0, 1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0], contrast, 1.0)
    across, along = 1 / np.mean(1 / layers), np.mean(layers)
    K = effective_conductivity(np.tile(layers[:, None], (1, 7)), lengths)
    np.testing.assert_allclose(np.diag(K), [across, along], rtol=1e-12)
    np.testing.assert_allclose(K[0, 1], 0, atol=1e-12 * across)
    K = effective_conductivity(np.tile(layers, (7, 1)), lengths)
    np.testing.assert_allclose(np.diag(K), [along, across], rtol=1e-12)


def test_a_separable_conductivity_is_harmonic_in_one_factor_and_arithmetic_in_the_other():
    g, h = np.exp(normal(9)), np.exp(normal(14, seed=4))
    K = effective_conductivity(g[:, None] * h, (2.0, 1.0))
    np.testing.assert_allclose(np.diag(K), [h.mean() / np.mean(1 / g), g.mean() / np.mean(1 / h)], rtol=1e-12)
    assert abs(K[0, 1]) < 1e-12


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (5, 1), (2, 2), (2, 3)])
def test_a_uniform_cell_conducts_as_its_material_on_the_smallest_grids(shape):
    np.testing.assert_allclose(effective_conductivity(np.full(shape, 0.7)), 0.7 * np.eye(2), atol=1e-14)


def test_kellers_theorem_holds_in_the_limit_of_any_two_phase_image():
    # K(1/k) = K(k) / det K(k) for every k in two dimensions
    def defect(n):
        k = two_phases(n, 1.0, 2.0)
        K, reciprocal = effective_conductivity(k), effective_conductivity(1 / k)
        return np.abs(reciprocal * np.linalg.det(K) - K).max()

    defects = np.array([defect(n) for n in (8, 16, 32, 64)])
    assert np.all(defects[:-1] / defects[1:] > 2.5)
    assert defects[-1] < 2e-3


@pytest.mark.parametrize("n", [4, 8, 16])
def test_on_every_grid_the_reciprocal_cell_bounds_the_tensor_from_below(n):
    # What is left of Keller's theorem on a grid: both cells are upper bounds, so their product is too large.
    k = two_phases(n, 1.0, 10.0)
    fine = effective_conductivity(two_phases(64, 1.0, 10.0))
    upper = effective_conductivity(k)
    lower = ROTATION.T @ np.linalg.inv(effective_conductivity(1 / k)) @ ROTATION
    assert is_positive_semidefinite(upper - fine)
    assert is_positive_semidefinite(fine - lower)


def test_swapping_the_phases_of_a_checkerboard_changes_nothing():
    # a shift by half the cell
    K, swapped = (
        effective_conductivity(checkerboard(12, 1.0, 9.0)),
        effective_conductivity(checkerboard(12, 9.0, 1.0)),
    )
    np.testing.assert_allclose(K, swapped, atol=1e-12)


def test_the_tensor_is_symmetric_and_between_the_harmonic_and_the_arithmetic_mean():
    k = random_image(9, 12)
    K = effective_conductivity(k, (1.0, 1.5))
    np.testing.assert_array_equal(K, K.T)
    assert 1 / np.mean(1 / k) < np.linalg.eigvalsh(K).min()
    assert np.linalg.eigvalsh(K).max() < k.mean()


def test_halving_the_pixels_of_the_same_image_lowers_the_tensor():
    k = random_image(5, 6)
    tensors = [effective_conductivity(np.kron(k, np.ones((m, m)))) for m in (1, 2, 4, 8)]
    assert all(is_positive_semidefinite(a - b) for a, b in pairwise(tensors))


def test_where_the_cell_begins_does_not_matter():
    k = random_image(8, 7)
    shifted = np.roll(k, (3, 5), axis=(0, 1))
    np.testing.assert_allclose(effective_conductivity(shifted), effective_conductivity(k), atol=1e-13)


def test_turning_and_mirroring_the_image_turns_and_mirrors_the_tensor():
    k = random_image(8, 5)
    K = effective_conductivity(k, (1.0, 3.0))
    np.testing.assert_allclose(effective_conductivity(k.T, (3.0, 1.0)), K[::-1, ::-1], atol=1e-13)
    mirrored = effective_conductivity(k[::-1], (1.0, 3.0))
    np.testing.assert_allclose(mirrored, K * [[1, -1], [-1, 1]], atol=1e-13)


def test_only_the_ratio_of_the_sides_and_of_the_conductivities_matters():
    k = random_image(6, 6)
    K = effective_conductivity(k, (1.0, 2.0))
    np.testing.assert_allclose(effective_conductivity(k, (1e-6, 2e-6)), K, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(
        effective_conductivity(1e-200 * k, (1.0, 2.0)) * 1e200, K, rtol=1e-12, atol=1e-13
    )


def test_insulated_islands_conduct_as_their_limit():
    # A conducting square alone in an insulator: Maxwell's K/k_m is finite for k_i to infinity, and K ~ k_m.
    i, j = np.indices((24, 24))
    island = (abs(i - 11.5) < 6) & (abs(j - 11.5) < 6)
    ratio = [effective_conductivity(np.where(island, 1.0, eps))[0, 0] / eps for eps in (1e-7, 1e-9)]
    np.testing.assert_allclose(ratio[0], ratio[1], rtol=1e-5)
