"""The matrix-free way gives what the factorisation gives, and knows where it is not good."""

import numpy as np
import pytest

from mscale_uq.cell.fourier import FourierCell, suits
from mscale_uq.cell.grid import FOURIER_FROM, periodic_grid
from mscale_uq.solve.fourier_kernels import bit_reversed, multiply_spectrum, twiddles


def media(shape, seed=0):
    rng = np.random.default_rng(seed)
    rough = np.exp(0.8 * rng.standard_normal(shape))
    layers = np.where(np.arange(shape[0]) % 4 < 2, 1.0, 30.0)[:, None] * np.ones(shape)
    y1, y2 = np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij")
    disk = np.where((y1 - 0.5) ** 2 + (y2 - 0.5) ** 2 < 0.16, 100.0, 1.0)
    return {"rough": rough, "layers": layers, "disk": disk, "uniform": np.full(shape, 3.0)}


def fourier(shape, lengths):
    h1, h2 = lengths[0] / shape[0], lengths[1] / shape[1]
    return FourierCell(shape, (1 / (2 * h1), 1 / (2 * h2), np.hypot(h1, h2) / (np.sqrt(12) * h1 * h2)))


@pytest.mark.parametrize("medium", ["rough", "layers", "disk", "uniform"])
@pytest.mark.parametrize(
    ("shape", "lengths"), [((32, 32), (1.0, 1.0)), ((16, 64), (1.0, 1.7)), ((8, 4), (2.0, 1.0))]
)
def test_both_ways_agree_to_round_off(shape, lengths, medium):
    k = media(shape)[medium]
    K, dK = fourier(shape, lengths).tensor(k, 1e-11)
    exact, slope = periodic_grid(shape, lengths).factorized_tensor(k)
    assert pytest.approx(exact, rel=1e-12, abs=1e-12 * k.max()) == K
    assert np.abs(dK - slope).max() < 1e-9 * np.abs(slope).max()


def test_the_error_of_the_tensor_is_the_square_of_the_tolerance():
    """K is stationary in the correctors: a residual of 1e-3 leaves less than 1e-5, and always from above."""
    k = media((64, 64))["rough"]
    exact = periodic_grid((64, 64), (1.0, 1.0)).factorized_tensor(k)[0]
    for tolerance in (1e-2, 1e-3, 1e-4):
        excess = fourier((64, 64), (1.0, 1.0)).tensor(k, tolerance)[0] - exact
        assert 0 < excess[0, 0] < 10 * tolerance**2 * exact[0, 0]
        assert 0 < excess[1, 1] < 10 * tolerance**2 * exact[1, 1]


def test_the_grid_takes_the_fourier_way_by_itself_and_falls_back_at_high_contrast():
    shape = (FOURIER_FROM["reference"],) * 2
    grid = periodic_grid(shape, (1.0, 1.0))
    for contrast in (10.0, 1e5):
        k = np.where(np.indices(shape).sum(axis=0) % 16 < 8, 1.0, contrast)
        assert suits(shape, k) == (contrast < 1e3)
        assert grid.tensor(k)[0] == pytest.approx(grid.factorized_tensor(k)[0], rel=1e-10)


@pytest.mark.parametrize("shape", [(48, 64), (1, 64), (0, 64)])
def test_other_sizes_are_left_to_the_factorisation(shape):
    assert not suits(shape, np.ones((2, 2)))


@pytest.mark.parametrize("shape", [(1, 8), (8, 4), (64, 32)])
def test_the_transform_is_numpys(shape):
    rng = np.random.default_rng(1)
    field = rng.standard_normal((2, *shape))
    even = np.fft.fft2(rng.standard_normal(shape)).real  # of the even part: a real even spectrum
    exact = np.fft.ifft2(np.fft.fft2(field) * even).real
    order = bit_reversed(shape[0])[:, None], bit_reversed(shape[1])
    multiplier = np.ascontiguousarray(even[order].T / np.prod(shape)).astype(np.float32)
    re, im = field.astype(np.float32)
    work = np.empty((2, *shape[::-1]), np.float32)
    multiply_spectrum(re, im, work[0], work[1], multiplier, (twiddles(shape[0]), twiddles(shape[1])))
    assert np.abs(np.stack([re, im]) - exact).max() < 2e-6 * np.abs(exact).max()
