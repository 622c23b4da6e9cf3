import pickle
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import solve as dense_solve
from scipy.special import comb

from mscale_uq.cell.conduction import PeriodicConduction, effective_conductivity
from mscale_uq.cell.inclusions import ARRAYS, HEXAGONAL, SQUARE, DiskShare, disk_share
from mscale_uq.cell.mixture import PhaseMixture
from mscale_uq.core.chain import Chain
from mscale_uq.errors import InputError, OutOfLimits

BOTH = pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
FRACTIONS = pytest.mark.parametrize("fraction", [1e-4, 0.1, 0.3, 0.5, 0.78])


def mixed(shape, fraction, k_inclusion, k_matrix, array):
    """Tensor of an array of disks, with its phases mixed in cut elements."""
    share, _ = disk_share(shape, fraction, array)
    stage = PhaseMixture("s", "i", "m")
    return effective_conductivity(
        stage.value({"s": share, "i": k_inclusion, "m": k_matrix})["k"], array.lengths
    )


# Independent programs ------------------------------------------------------------------------------------


def chord(x, radius, low, high):
    """Length between low and high of the vertical chord at x of a disk around the origin."""
    half = np.sqrt(max(radius**2 - x**2, 0.0))
    return max(min(high, half) - max(low, -half), 0.0)


def share_by_quadrature(shape, fraction, array):
    """Area of the disks in every element, chord by chord."""
    x, y = (np.linspace(0, side, n + 1) for side, n in zip(array.lengths, shape, strict=True))
    radius = array.radius(fraction)
    area = np.zeros(shape)
    for i, j in np.ndindex(shape):
        for c1, c2 in array.centres:
            low, high = y[j] - c2, y[j + 1] - c2
            edges = [s * np.sqrt(max(radius**2 - b**2, 0)) for b in (low, high, 0.0) for s in (-1, 1)]
            ends = np.clip(sorted(edges), x[i] - c1, x[i + 1] - c1)
            pieces = pairwise(ends)
            area[i, j] += sum(quad(chord, a, b, args=(radius, low, high))[0] for a, b in pieces if b > a)
    return area / (array.lengths[0] * array.lengths[1] / np.prod(shape))


def lattice_sum(order, array):
    """Sum of (m + n tau)^-order over the disks' lattice, area 1 per disk, by the Eisenstein q-series."""
    tau = 1j if array is SQUARE else np.exp(1j * np.pi / 3)
    zeta = np.sum(1.0 / np.arange(1.0, 200.0) ** order)
    q = np.exp(2j * np.pi * tau)
    n = np.arange(1, 40)
    lambert = np.sum(n ** (order - 1.0) * q**n / (1 - q**n))
    factorial = float(np.prod(np.arange(1.0, order)))
    series = 2 * zeta + 2 * (2j * np.pi) ** order / factorial * lambert
    return (series * tau.imag ** (order / 2)).real


def rayleigh(fraction, contrast, array, terms=24):
    """K/k_m of an array of disks by Rayleigh's multipole method."""
    T, radius = (1 - contrast) / (1 + contrast), np.sqrt(fraction / np.pi)
    odd = np.arange(1, 2 * terms, 2)
    sums = {order: np.pi if order == 2 else lattice_sum(order, array) for order in range(2, 4 * terms, 2)}
    # the unknowns are B_n / radius^n, which keeps the matrix well scaled
    A = np.eye(terms)
    for row, n in enumerate(odd):
        for column, m in enumerate(odd):
            A[row, column] += T * comb(m + n - 1, n) * sums[n + m] * radius ** float(n + m)
    load = np.zeros(terms)
    load[0] = T * radius
    return 1 - 2 * np.pi * radius * dense_solve(A, load)[0]


# Geometry ------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("fraction", [0.02, 0.3, 0.75])
def test_shares_are_the_areas_found_chord_by_chord(array, fraction):
    share, _ = disk_share((5, 6), fraction, array)
    np.testing.assert_allclose(share, share_by_quadrature((5, 6), fraction, array), atol=1e-8)


@BOTH
@FRACTIONS
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (32, 32), (128, 222)])
def test_the_phase_fraction_is_exact_on_every_grid(array, fraction, shape):
    share, slope = disk_share(shape, fraction, array)
    assert share.min() >= 0
    assert share.max() <= 1
    np.testing.assert_allclose(share.mean(), fraction, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(slope.mean(), 1.0, rtol=1e-10)  # the arcs make up the whole circle


@BOTH
@pytest.mark.parametrize("fraction", [0.11, 0.33, 0.57])
def test_the_derivative_of_the_shares_agrees_with_central_differences(array, fraction):
    step = 1e-6
    above, below = (disk_share((9, 14), fraction + sign * step, array)[0] for sign in (1, -1))
    _, slope = disk_share((9, 14), fraction, array)
    np.testing.assert_allclose(slope, (above - below) / (2 * step), atol=1e-7)


@BOTH
def test_elements_within_the_disk_or_the_matrix_are_whole(array):
    share, slope = disk_share((16, 16), 0.3, array)
    cut = (share > 1e-9) & (share < 1 - 1e-9)
    assert 0.1 < cut.mean() < 0.5
    np.testing.assert_allclose(slope[~cut], 0, atol=1e-9)


@BOTH
def test_shares_have_the_symmetries_of_the_array(array):
    share, _ = disk_share((10, 12), 0.4, array)
    np.testing.assert_allclose(share, share[::-1], atol=1e-12)
    np.testing.assert_allclose(share, share[:, ::-1], atol=1e-12)
    if array is HEXAGONAL:  # half the cell's diagonal is a lattice vector
        np.testing.assert_allclose(share, np.roll(share, (5, 6), (0, 1)), atol=1e-12)


@BOTH
@pytest.mark.parametrize("excess", [0.0, 1e-9, 0.1])
def test_disks_that_touch_are_out_of_limits(array, excess):
    with pytest.raises(OutOfLimits, match=f"where {array.name} disks touch"):
        disk_share((8, 8), array.touching + excess, array)
    disk_share((8, 8), array.touching - 1e-9, array)


@pytest.mark.parametrize("fraction", [0.0, -0.1, np.nan])
def test_a_fraction_that_is_not_positive_is_out_of_limits(fraction):
    with pytest.raises(OutOfLimits):
        disk_share((8, 8), fraction)


# Effective conductivity of disk arrays --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "fraction", "published"),
    [
        (SQUARE, 0.3, 1.652036),
        (SQUARE, 0.5, 2.415467),
        (HEXAGONAL, 0.3, 1.650634),
        (HEXAGONAL, 0.5, 2.386467),
    ],
)
def test_rayleighs_multipoles_give_the_published_values(array, fraction, published):
    np.testing.assert_allclose(rayleigh(fraction, 10.0, array), published, atol=6e-7)


def test_the_lattice_sums_are_the_published_ones():
    np.testing.assert_allclose(lattice_sum(4, SQUARE), 3.1512120, atol=6e-8)
    np.testing.assert_allclose(lattice_sum(6, HEXAGONAL), 3.8081508, atol=6e-8)


@pytest.mark.parametrize(
    ("contrast", "percent"), [(0.01, 0.1), (0.1, 0.3), (0.5, 0.1), (3.0, 0.1), (10.0, 0.1), (100.0, 0.6)]
)
@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5])
@pytest.mark.parametrize(
    ("array", "shape"), [(SQUARE, (128, 128)), (HEXAGONAL, (128, 128)), (HEXAGONAL, (96, 166))]
)
def test_disk_arrays_conduct_as_rayleigh_says_within_tenths_of_a_percent(
    array, shape, fraction, contrast, percent
):
    K = mixed(shape, fraction, contrast, 1.0, array)
    np.testing.assert_allclose(np.diag(K), rayleigh(fraction, contrast, array), rtol=percent / 100)
    np.testing.assert_allclose(K[0, 1], 0, atol=1e-10)


@BOTH
@pytest.mark.parametrize("contrast", [10.0, 0.1])
@pytest.mark.parametrize("fraction", [0.3, 0.5])
def test_the_error_of_a_disk_array_falls_at_least_as_fast_as_the_elements_shrink(
    array, contrast, fraction, record_property
):
    # Cut elements leave an error that changes its sign: the order is that of the line through all.
    sizes = np.array([16, 24, 32, 48, 64, 96, 128])
    exact = rayleigh(fraction, contrast, array)
    errors = [np.abs(np.diag(mixed((n, n), fraction, contrast, 1.0, array)) / exact - 1).max() for n in sizes]
    order = -np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    record_property("observed order", float(round(order, 2)))
    assert order > 1.0, f"observed order {order:.2f}"


def test_kellers_product_of_a_square_array_tends_to_the_product_of_its_phases():
    def product(n):
        return (
            mixed((n, n), 0.4, 5.0, 1.0, SQUARE)[0, 0] * mixed((n, n), 0.4, 1.0, 5.0, SQUARE)[0, 0] / 5.0 - 1
        )

    defects = np.abs([product(n) for n in (8, 16, 32, 64)])
    assert defects[-1] < 3e-3
    assert np.all(np.diff(defects) < 0)


@BOTH
@pytest.mark.parametrize("contrast", [0.1, 10.0])
def test_disk_arrays_lie_between_the_hashin_shtrikman_bounds(array, contrast):
    fraction, k_m, k_i = 0.7, 1.0, contrast
    with_matrix_outside = k_m + fraction / (1 / (k_i - k_m) + (1 - fraction) / (2 * k_m))
    with_inclusion_outside = k_i + (1 - fraction) / (1 / (k_m - k_i) + fraction / (2 * k_i))
    low, high = sorted((with_matrix_outside, with_inclusion_outside))
    K = np.diag(mixed((128, 128), fraction, k_i, k_m, array))
    assert np.all((low < K) & (high > K))


# Stages --------------------------------------------------------------------------------------------------


def disk_chain(array, shape=(12, 16)):
    share = DiskShare(shape, array, fraction="f")
    mixture = PhaseMixture(inclusion="k_i", matrix="k_m")
    return Chain([share, mixture, PeriodicConduction(shape, share.lengths)], ["f", "k_i", "k_m"])


@pytest.mark.parametrize("k_i", [4.0, 0.05])
@pytest.mark.parametrize("array", ARRAYS)
def test_from_filler_fraction_and_phases_to_the_tensor_all_derivatives_are_exact(array, k_i):
    chain, values = disk_chain(array), {"f": np.array(0.37), "k_i": np.array(k_i), "k_m": np.array(0.2)}
    _, derivative = chain.linearize(values)
    for name, value in values.items():
        step = 1e-5 * value
        above, below = (chain.value({**values, name: value + sign * step})["K"] for sign in (1, -1))
        tangent = derivative.jvp({name: np.array(1.0)})["K"]
        np.testing.assert_allclose(tangent, (above - below) / (2 * step), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("array", ARRAYS)
def test_tangent_and_adjoint_of_the_whole_chain_are_transposes(array):
    chain = disk_chain(array)
    _, derivative = chain.linearize({"f": np.array(0.37), "k_i": np.array(4.0), "k_m": np.array(0.2)})
    tangent = {"f": np.array(0.3), "k_i": np.array(-1.1), "k_m": np.array(0.7)}
    weight = np.array([[1.0, 0.4], [-0.3, 2.0]])
    back = derivative.vjp({"K": weight})
    expected = np.sum(weight * derivative.jvp(tangent)["K"])
    np.testing.assert_allclose(sum(back[name] * tangent[name] for name in tangent), expected, rtol=1e-12)


@pytest.mark.parametrize(("k_inclusion", "cut"), [(4.0, 8 / 9), (0.1, 0.3)])
def test_whole_elements_have_their_phase_and_cut_ones_lie_in_series_or_in_parallel(k_inclusion, cut):
    values = {
        "share": np.array([[0.0, 0.5, 1.0]]),
        "k_inclusion": np.array(k_inclusion),
        "k_matrix": np.array(0.5),
    }
    np.testing.assert_allclose(PhaseMixture().value(values)["k"], [[0.5, cut, k_inclusion]], rtol=1e-15)


def test_where_the_phases_are_equal_series_and_parallel_join_with_their_derivatives():
    share, tangent = (
        np.linspace(0.0, 1.0, 5)[None],
        {"s": np.array(0.3), "i": np.array(-1.0), "m": np.array(2.0)},
    )
    sides = []
    for sign in (1, -1):
        values = {"s": share, "i": np.array(0.7 + sign * 1e-9), "m": np.array(0.7)}
        made, derivative = PhaseMixture("s", "i", "m").linearize(values)
        sides.append((made["k"], derivative.jvp(tangent)["k"]))
    np.testing.assert_allclose(sides[0], sides[1], atol=1e-8)


@pytest.mark.parametrize("phase", ["k_inclusion", "k_matrix"])
@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan])
def test_a_phase_that_does_not_conduct_is_out_of_limits(phase, bad):
    values = {"share": np.zeros((2, 2)), "k_inclusion": np.array(1.0), "k_matrix": np.array(1.0)}
    with pytest.raises(OutOfLimits, match="a phase's conductivity is not positive"):
        PhaseMixture().value({**values, phase: np.array(bad)})


def test_an_unknown_array_is_refused_with_a_near_match():
    with pytest.raises(
        InputError, match=r"'hexagnal' \(did you mean 'hexagonal'\?\); allowed: square, hexagonal"
    ):
        DiskShare((4, 4), "hexagnal")


def test_stages_survive_pickling():
    chain, values = disk_chain("hexagonal"), {"f": np.array(0.37), "k_i": np.array(4.0), "k_m": np.array(0.2)}
    copies = [pickle.loads(pickle.dumps(stage)) for stage in chain.stages]
    np.testing.assert_array_equal(Chain(copies, chain.given).value(values)["K"], chain.value(values)["K"])
