"""A conducting cell against other programs, published numbers, and the order that it must have."""

import numpy as np
import pytest
import skfem
from media import checkerboard, linearized, random_image
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, cg, spsolve
from skfem.helpers import dot, grad

from mscale_uq.cell.conduction import effective_conductivity


@skfem.BilinearForm
def conduction(u, v, w):
    return w.k * dot(grad(u), grad(v))


@skfem.LinearForm
def unit_gradient_1(v, w):
    return -w.k * v.grad[0]


@skfem.LinearForm
def unit_gradient_2(v, w):
    return -w.k * v.grad[1]


@skfem.Functional
def energy(w):
    return w.k * dot(w.a, w.b)


def scikit_fem_tensor(k, lengths):
    """The same cell problem, assembled by scikit-fem, with opposite sides tied by a projection."""
    n1, n2 = k.shape
    nodes = [np.linspace(0, side, n + 1) for side, n in zip(lengths, k.shape, strict=True)]
    mesh = skfem.MeshQuad.init_tensor(*nodes)
    basis = skfem.Basis(mesh, skfem.ElementQuad1())
    centre = mesh.p[:, mesh.t].mean(axis=1)
    i, j = (np.searchsorted(x, c) - 1 for x, c in zip(nodes, centre, strict=True))
    conductivity = np.broadcast_to(k[i, j][:, None], basis.dx.shape)
    at = [np.rint(p / side * n).astype(int) for p, side, n in zip(mesh.p, lengths, k.shape, strict=True)]
    master = (at[0] % n1) * n2 + at[1] % n2
    tie = csr_array((np.ones(master.size), (np.arange(master.size), master)))[:, 1:]
    A = tie.T @ conduction.assemble(basis, k=conductivity) @ tie
    fields = []
    for direction, load in enumerate((unit_gradient_1, unit_gradient_2)):
        chi = tie @ spsolve(A.tocsc(), tie.T @ load.assemble(basis, k=conductivity))
        gradient = np.array(basis.interpolate(chi).grad)
        gradient[direction] += 1.0
        fields.append(gradient)
    area = lengths[0] * lengths[1]
    return np.array(
        [[energy.assemble(basis, k=conductivity, a=a, b=b) / area for b in fields] for a in fields]
    )


def spectral_tensor(k):
    """Fourier collocation on the unit cell: exponentially accurate where k is smooth."""
    n = k.shape[0]
    wave = 2j * np.pi * np.fft.fftfreq(n, 1 / n)
    wave[n // 2] = 0
    waves = np.stack([np.broadcast_to(wave[:, None], (n, n)), np.broadcast_to(wave, (n, n))])
    laplacian = -(waves**2).sum(axis=0).real
    inverse = np.divide(1.0, laplacian, where=laplacian > 0, out=np.zeros((n, n)))

    def gradient(u):
        return np.fft.ifft2(waves * np.fft.fft2(u)).real

    def divergence(q):
        return np.fft.ifft2((waves * np.fft.fft2(q)).sum(axis=0)).real

    def operator(function):
        return LinearOperator((n * n, n * n), lambda u: function(u.reshape(n, n)).ravel(), dtype=float)

    stiffness = operator(lambda u: -divergence(k * gradient(u)))
    preconditioner = operator(lambda u: np.fft.ifft2(inverse * np.fft.fft2(u)).real)
    fields = []
    for e in np.eye(2)[:, :, None, None]:
        load = divergence(k * e * np.ones((2, n, n))).ravel()
        chi, failed = cg(stiffness, load, rtol=1e-12, M=preconditioner)
        assert not failed
        fields.append(e + gradient(chi.reshape(n, n)))
    return np.array([[(k * a * b).sum(axis=0).mean() for b in fields] for a in fields])


def hou_wu(n):
    """The smooth periodic coefficient of Hou and Wu with P = 1.8, at the centres of n x n pixels."""
    y1, y2 = np.meshgrid(*2 * [2 * np.pi * (np.arange(n) + 0.5) / n], indexing="ij")
    P = 1.8
    return (2 + P * np.sin(y1)) / (2 + P * np.cos(y2)) + (2 + np.sin(y2)) / (2 + P * np.sin(y1))


def smooth_ellipse(n, k_i, k_m, v, alpha, rho):
    """A tilted elliptic inclusion with a smooth interface, at the centres of n x n pixels."""
    y1, y2 = np.meshgrid(*2 * [(np.arange(n) + 0.5) / n - 0.5], indexing="ij")
    r0 = np.sqrt(v / np.pi)
    q1, q2 = np.cos(alpha) * y1 + np.sin(alpha) * y2, np.cos(alpha) * y2 - np.sin(alpha) * y1
    r = np.sqrt((q1 / (r0 * np.sqrt(rho))) ** 2 + (q2 / (r0 / np.sqrt(rho))) ** 2)
    return k_m + (k_i - k_m) / (1 + np.exp((r - 1) * r0 / 0.03))


def benchmark_state():
    z = np.array([0.1, 0.2, -0.3, 0.4, 0.1])
    sigmoid = 1 / (1 + np.exp(-z))
    return np.array(
        [
            10 * np.exp(z[0] / 2),
            np.exp(0.3 * z[1]),
            0.08 + 0.3 * sigmoid[2],
            np.pi / 6 + 0.3 * z[3],
            1 + sigmoid[4],
        ]
    )


def test_a_checkerboard_tends_to_the_geometric_mean_at_the_rate_of_its_corner_singularity():
    # Keller 1964, Dykhne 1970: K = sqrt(k1 k2). The flux at the corner is singular: error = c h^(2 lam).
    rate = 2 ** (8 / np.pi * np.arctan(np.sqrt(1 / 2)))
    K = [effective_conductivity(checkerboard(n, 1.0, 2.0)) for n in (16, 32, 64, 128)]
    errors = np.array([tensor[0, 0] / np.sqrt(2) - 1 for tensor in K])
    ratios = errors[:-1] / errors[1:]
    assert np.all(
        np.diff(np.abs(ratios - rate)) < 0
    )  # the observed rate itself converges to the predicted one
    np.testing.assert_allclose(ratios[-1], rate, rtol=0.01)
    np.testing.assert_allclose(K[-1], np.sqrt(2) * np.eye(2), atol=1.2e-4)


def test_a_checkerboard_of_contrast_ten_converges_at_its_own_slower_rate():
    rate = 2 ** (8 / np.pi * np.arctan(np.sqrt(1 / 10)))
    errors = [effective_conductivity(checkerboard(n, 1.0, 10.0))[0, 0] / np.sqrt(10) - 1 for n in (64, 128)]
    np.testing.assert_allclose(errors[0] / errors[1], rate, rtol=0.02)


@pytest.mark.parametrize(
    ("shape", "lengths"), [((7, 5), (1.0, 1.0)), ((6, 9), (1.0, 3.0)), ((3, 8), (2.0, 0.5))]
)
def test_the_tensor_equals_a_scikit_fem_assembly_to_round_off(shape, lengths):
    k = random_image(*shape)
    np.testing.assert_allclose(
        effective_conductivity(k, lengths), scikit_fem_tensor(k, lengths), rtol=0, atol=1e-12
    )


def test_the_banded_and_the_sparse_path_give_the_same_tensor_and_derivative(monkeypatch):
    from mscale_uq.cell import grid

    k = random_image(11, 6)
    banded = grid.PeriodicGrid(k.shape, (1.0, 2.0)).tensor(k)
    monkeypatch.setattr(grid, "BANDED_UP_TO", 0)
    sparse = grid.PeriodicGrid(k.shape, (1.0, 2.0)).tensor(k)
    np.testing.assert_allclose(banded[0], sparse[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(banded[1], sparse[1], rtol=1e-10, atol=1e-14)


def test_the_error_is_of_second_order_in_a_smooth_medium():
    exact = spectral_tensor(hou_wu(128))
    np.testing.assert_allclose(spectral_tensor(hou_wu(64)), exact, rtol=1e-7, atol=1e-12)
    errors = [np.abs(effective_conductivity(hou_wu(n)) - exact).max() for n in (32, 64, 128)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    np.testing.assert_allclose(orders, 2.0, atol=0.05)


def test_the_error_is_of_second_order_across_a_smooth_interface():
    state = benchmark_state()
    exact = spectral_tensor(smooth_ellipse(128, *state))
    errors = [np.abs(effective_conductivity(smooth_ellipse(n, *state)) - exact).max() for n in (16, 32, 64)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    np.testing.assert_allclose(orders, 2.0, atol=0.15)


@pytest.mark.parametrize(
    ("n", "published"),
    [(32, (1.8883065, 1.78351681, 0.11279933)), (64, (1.88754643, 1.78292578, 0.11314091))],
)
def test_the_benchmark_state_has_its_tabulated_tensor(n, published):
    K = effective_conductivity(smooth_ellipse(n, *benchmark_state()))
    np.testing.assert_allclose([K[0, 0], K[1, 1], K[0, 1]], published, rtol=0, atol=6e-9)


def test_the_benchmark_state_has_its_tabulated_derivatives():
    state = benchmark_state()
    _, derivative = linearized(smooth_ellipse(64, *state))
    gradient = derivative.vjp({"K": np.array([[1.0, 0.0], [0.0, 0.0]])})["k"]
    slopes = [smooth_ellipse(64, *(state + 1e-30j * unit)).imag / 1e-30 for unit in np.eye(5)]
    tabulated = [0.04593715, 1.32282357, 4.50008771, -0.38993459, 0.13582614]
    np.testing.assert_allclose([np.sum(gradient * slope) for slope in slopes], tabulated, rtol=0, atol=6e-9)
