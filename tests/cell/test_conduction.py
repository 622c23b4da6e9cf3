import pickle
from itertools import pairwise

import numpy as np
import pytest
import skfem
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, cg, spsolve
from skfem.helpers import dot, grad

from mscale_uq.cell.conduction import PeriodicConduction, effective_conductivity
from mscale_uq.core.chain import Chain
from mscale_uq.errors import OutOfLimits, ParameterError, SolveFailed

ROTATION = np.array([[0.0, -1.0], [1.0, 0.0]])


def normal(*shape, seed=3):
    return np.random.default_rng(seed).normal(size=shape)


def random_image(n1, n2):
    return np.exp(normal(n1, n2))


def two_phases(n, k1, k2, blocks=4, seed=5):
    """A random image of blocks x blocks squares of two phases on n x n pixels."""
    coarse = np.random.default_rng(seed).permutation(np.repeat([k1, k2], blocks**2 // 2))
    return np.kron(coarse.reshape(blocks, blocks), np.ones((n // blocks, n // blocks)))


def checkerboard(n, k1, k2):
    i, j = np.indices((n, n))
    return np.where((i < n // 2) == (j < n // 2), k1, k2)


def linearized(k, lengths=(1.0, 1.0)):
    made, derivative = PeriodicConduction(k.shape, lengths).linearize({"k": k})
    return made["K"], derivative


def is_positive_semidefinite(tensor, tolerance=1e-12):
    return np.linalg.eigvalsh(tensor).min() > -tolerance


# Independent programs ------------------------------------------------------------------------------------


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


# Exact solutions -----------------------------------------------------------------------------------------


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


# Against other programs and published numbers -------------------------------------------------------------


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


# Laws every cell obeys -----------------------------------------------------------------------------------


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


# Derivative ----------------------------------------------------------------------------------------------


def test_the_derivative_agrees_with_central_differences():
    k, direction = random_image(9, 8), normal(9, 8, seed=4)
    _, derivative = linearized(k, (1.0, 1.4))
    step = 1e-4
    difference = (
        effective_conductivity(k * np.exp(step * direction), (1.0, 1.4))
        - effective_conductivity(k * np.exp(-step * direction), (1.0, 1.4))
    ) / (2 * step)
    np.testing.assert_allclose(derivative.jvp({"k": k * direction})["K"], difference, rtol=0, atol=1e-7)


def test_every_single_element_of_the_derivative_agrees_with_central_differences():
    k = random_image(4, 3)
    _, derivative = linearized(k)
    for element in np.ndindex(k.shape):
        unit = np.zeros(k.shape)
        unit[element] = 1.0
        difference = (
            effective_conductivity(k + 1e-5 * unit) - effective_conductivity(k - 1e-5 * unit)
        ) / 2e-5
        np.testing.assert_allclose(derivative.jvp({"k": unit})["K"], difference, rtol=0, atol=1e-7)


def test_the_tensor_is_homogeneous_of_degree_one():
    # Euler: sum_e k_e dK/dk_e = K
    k = random_image(10, 7)
    K, derivative = linearized(k)
    np.testing.assert_allclose(derivative.jvp({"k": k})["K"], K, rtol=1e-10, atol=1e-13)


def test_a_better_conductor_anywhere_conducts_better():
    _, derivative = linearized(random_image(6, 7))
    for direction in ([1.0, 0.0], [0.0, 1.0], [0.6, -0.8]):
        assert derivative.vjp({"K": np.outer(direction, direction)})["k"].min() >= 0


def test_tangent_and_adjoint_are_transposes():
    k = random_image(6, 5)
    _, derivative = linearized(k)
    v, w = normal(*k.shape, seed=4), normal(2, 2, seed=5)
    forward = np.sum(w * derivative.jvp({"k": v})["K"])
    np.testing.assert_allclose(np.sum(v * derivative.vjp({"K": w})["k"]), forward, rtol=1e-12)


# Stage and errors ----------------------------------------------------------------------------------------


def test_the_stage_reads_and_makes_the_names_it_is_given():
    stage = PeriodicConduction((4, 4), conductivity="lambda_e", tensor="lambda_eff")
    k = random_image(4, 4)
    np.testing.assert_array_equal(
        Chain([stage], ["lambda_e"]).value({"lambda_e": k})["lambda_eff"], effective_conductivity(k)
    )


def test_the_stage_pickles_without_its_symbolic_work():
    stage = PeriodicConduction((64, 64), (1.0, 2.0))
    k = random_image(64, 64)
    value = stage.value({"k": k})["K"]
    message = pickle.dumps(stage)
    assert len(message) < 500
    np.testing.assert_array_equal(pickle.loads(message).value({"k": k})["K"], value)


def test_the_image_is_left_alone():
    k = random_image(4, 4)
    k.flags.writeable = False
    kept = k.copy()
    linearized(k)
    effective_conductivity(k)
    np.testing.assert_array_equal(k, kept)


def test_an_image_of_labels_is_the_array_of_its_phases():
    image = np.random.default_rng(3).integers(0, 3, (6, 6))
    phases = {0: 0.2, 1: 4.0, 2: 1.0, 7: 3.0}
    k = np.vectorize(phases.get)(image)
    np.testing.assert_array_equal(effective_conductivity(image, phases=phases), effective_conductivity(k))
    segmented = np.where(image == 0, "pore", "grain")
    words = effective_conductivity(segmented, phases={"pore": 0.2, "grain": 4.0})
    np.testing.assert_array_equal(words, effective_conductivity(np.where(image == 0, 0.2, 4.0)))


@pytest.mark.parametrize(
    ("k", "options", "message"),
    [
        (np.ones(4), {}, r"an image of shape \(4,\); allowed: a 2-D array"),
        (np.ones((0, 3)), {}, r"an image of shape \(0, 3\)"),
        (
            np.eye(3),
            {},
            r"a conductivity of 0 in 6 of 9 pixels, first at \(0, 1\); allowed: positive.*insulating",
        ),
        (-np.ones((2, 2)), {}, "a conductivity of -1 in 4 of 4 pixels"),
        (np.array([[1.0, np.nan]]), {}, r"a conductivity of nan in 1 of 2 pixels, first at \(0, 1\)"),
        (np.array([[1.0, np.inf]]), {}, "a conductivity of inf"),
        (np.array([[0, 1]]), {}, r"an image of int64 without phases; .*hint: say phases=\{0: 0.2, 1: 4.0\}"),
        (np.array([[True, False]]), {}, "an image of bool without phases"),
        (np.array([[1j, 2.0]]), {}, "an image of complex128; allowed: an array of floats"),
        (np.array([[0, 1, 2]]), {"phases": {0: 1.0, 1: 2.0}}, "no conductivity for label 2 .*given are 0, 1"),
        (np.array([[0, 1]]), {"phases": {0: 1.0, 1: -2.0}}, "a conductivity of -2.0 for label 1"),
        (np.arange(9.0).reshape(3, 3), {"phases": {0: 1.0}}, "a grey-scale image must be segmented first"),
        (np.ones((2, 2)), {"lengths": (1.0, 0.0)}, r"lengths=\(1.0, 0.0\); allowed: two positive numbers"),
        (np.ones((2, 2)), {"lengths": (1.0,)}, r"lengths=\(1.0,\)"),
        (np.ones((2, 2)), {"lengths": ("a", "b")}, r"lengths=\('a', 'b'\); allowed: two positive numbers"),
        (np.ones((2, 2)), {"lengths": (1j, 1.0)}, "lengths="),
        ([[1.0, 2.0], [1.0]], {}, "rows differ in length"),
        (
            np.array([["a", 1]], dtype=object),
            {"phases": {"a": 1.0, 1: 2.0}},
            "labels that cannot be compared",
        ),
        (
            np.array([[0, 1]]),
            {"phases": {0: 1.0, 1: "2 W/(m K)"}},
            r"a conductivity of '2 W/\(m K\)' for label 1",
        ),
        (np.array([[0, 1]]), {"phases": {0: 1.0, 1: None}}, "a conductivity of None for label 1"),
        (np.ma.masked_less(np.array([[0.1, 1.0]]), 0.5), {}, "an image with masked pixels.*filled"),
    ],
)
def test_a_wrong_image_is_refused_with_what_is_allowed(k, options, message):
    with pytest.raises(ParameterError, match=message):
        effective_conductivity(k, **options)


def test_a_wrong_grid_is_refused_when_the_stage_is_made():
    with pytest.raises(ParameterError, match=r"shape=\(0, 4\); allowed: two positive whole numbers"):
        PeriodicConduction((0, 4))
    with pytest.raises(ParameterError, match=r"shape=\(4,\)"):
        PeriodicConduction((4,))


@pytest.mark.parametrize("n", [4, 64])
def test_a_laminate_is_exact_up_to_the_greatest_contrast_and_refused_beyond(n):
    k = np.ones((n, n))
    k[n // 2 :] = 1e-12
    K = effective_conductivity(k)
    assert np.diag(K) == pytest.approx([2e-12 / (1 + 1e-12), (1 + 1e-12) / 2], rel=1e-10)
    k[n // 2 :] = 9e-13
    with pytest.raises(SolveFailed, match=r"k spans 12.0 orders of magnitude; the solver bears twelve"):
        effective_conductivity(k)


def test_a_stage_says_why_it_has_no_value():
    stage = PeriodicConduction((2, 2))
    with pytest.raises(ParameterError, match=r"'k' of shape \(3, 2\); allowed: shape \(2, 2\)"):
        stage.value({"k": np.ones((3, 2))})
    with pytest.raises(OutOfLimits, match="'k' is -1 somewhere, and must be positive"):
        stage.value({"k": -np.ones((2, 2))})
    with pytest.raises(SolveFailed, match="'k' is not finite everywhere"):
        stage.linearize({"k": np.full((2, 2), np.nan)})
