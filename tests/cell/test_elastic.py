"""Elastic cells against exact laminates, Hill's solution, bounds, another assembly, and differences."""

import numpy as np
import pytest
from skfem import Basis, BilinearForm, ElementQuad2, ElementVector, FacetBasis, LinearForm, MeshQuad, solve
from skfem import condense as condensed

from mscale_uq.cell.elastic import (
    STRAINS,
    Composite,
    EffectiveStiffness,
    ElasticCell,
    Image,
    Laminate,
    SquareInclusion,
)
from mscale_uq.errors import InputError, OutOfLimits

LINEAR = {"E_m": 1.0, "nu_m": 0.3, "E_i": 10.0, "nu_i": 0.3, "f": 0.3}
SOFT = {**LINEAR, "e_0": 0.01, "m": 0.4}
MATRIX, INCLUSION = ("E_m", "nu_m"), ("E_i", "nu_i")


def composite(shape, soft=False):
    fraction = None if isinstance(shape, Image) else "f"
    return Composite(shape, (*MATRIX, "e_0", "m") if soft else MATRIX, INCLUSION, fraction)


def stiffness(shape, **values):
    return EffectiveStiffness(composite(shape)).value({**LINEAR, **values})["C_hom"]


def engineering(k, mu):
    """Young's modulus and Poisson's ratio of a plane bulk and a shear modulus."""
    kappa = k - mu / 3
    return 9 * kappa * mu / (3 * kappa + mu), (3 * kappa - 2 * mu) / (2 * (3 * kappa + mu))


def hexagonal(n, fraction):
    """Disks in a rectangular cell 1 : sqrt(3), one in the middle and one at the corners."""
    x = (np.arange(n) + 0.5) / n
    rows = round(n * np.sqrt(3) / 2) * 2
    y = (np.arange(rows) + 0.5) / rows * np.sqrt(3)
    radius = np.sqrt(fraction * np.sqrt(3) / 2 / np.pi)
    far = np.inf
    for a, b in ((0.5, np.sqrt(3) / 2), (0, 0), (1, 0), (0, np.sqrt(3)), (1, np.sqrt(3))):
        far = np.minimum(far, np.hypot(x[:, None] - a, y - b))
    return Image((far < radius).astype(int), (1.0, np.sqrt(3)))


def hashin_shtrikman(fraction):
    """Lower and upper bounds of plane bulk and shear modulus, of E = 1 around a share of E = 10, nu = 0.3."""

    def bound(one, other, share):  # `share` of the other in the first
        (k, mu), (k_2, mu_2) = one, other
        bulk = k + share / (1 / (k_2 - k) + (1 - share) / (k + mu))
        weight = (k + 2 * mu) / (2 * mu * (k + mu))
        return bulk, mu + share / (1 / (mu_2 - mu) + (1 - share) * weight)

    soft, stiff = ((E / (2 * 1.3 * 0.4), E / 2.6) for E in (1.0, 10.0))
    return np.array([bound(soft, stiff, fraction), bound(stiff, soft, 1 - fraction)])


def test_layers_have_their_exact_stiffness():
    expected = [[4.404636, 0.790306, 0.0], [0.790306, 1.844046, 0.0], [0.0, 0.0, 0.526870]]
    assert stiffness(Laminate()) == pytest.approx(np.array(expected), abs=5e-7)


def test_with_equal_shear_moduli_layers_are_isotropic_as_hill_found():
    (E_m, nu_m), (E_i, nu_i) = engineering(2, 1), engineering(10, 1)
    C = stiffness(Laminate(), E_m=E_m, nu_m=nu_m, E_i=E_i, nu_i=nu_i, f=0.4)
    assert (C[0, 0] + C[0, 1]) / 2 == pytest.approx(3.2307692, abs=5e-8)
    assert C[2, 2] == pytest.approx(1.0, rel=1e-12)
    assert (C[0, 0] - C[0, 1]) / 2 == pytest.approx(1.0, rel=1e-12)
    assert C[0, 0] == pytest.approx(C[1, 1], rel=1e-12)


def test_with_equal_shear_moduli_any_geometry_tends_to_hills_bulk_modulus():
    (E_m, nu_m), (E_i, nu_i) = engineering(2, 1), engineering(10, 1)
    values = {"E_m": E_m, "nu_m": nu_m, "E_i": E_i, "nu_i": nu_i, "f": 0.4}
    bulk = [stiffness(SquareInclusion(n), **values)[0, :2].sum() / 2 for n in (8, 16, 32)]
    errors = np.array(bulk) - 42 / 13
    assert (errors > 0).all()  # displacements of finite elements are too stiff
    assert (errors[:-1] / errors[1:] > 2).all()
    assert errors[-1] < 5e-3


def test_disks_lie_between_the_bounds_of_hashin_and_shtrikman():
    known = np.array([[1.433566, 0.590251], [2.110279, 0.914168]])
    assert hashin_shtrikman(0.3) == pytest.approx(known, abs=5e-7)
    disks = hexagonal(32, 0.3)
    C, (lower, upper) = stiffness(disks), hashin_shtrikman(disks.phase.mean())
    for shear in (C[2, 2], (C[0, 0] - C[0, 1]) / 2):
        found = [C[0, :2].sum() / 2, shear]
        assert np.all(lower < found)
        assert np.all(found < upper)
    assert C[1, 1] == pytest.approx(C[0, 0], rel=1e-2)  # six-fold symmetry is isotropic, up to the pixels
    assert C[0, :2].sum() / 2 == pytest.approx(lower[0], rel=0.02)  # stiff disks all but attain it


def test_layers_around_a_void_carry_what_is_left_of_the_section():
    """Plane strain: 0.7 E/(1 - nu^2) along them, 1/0.3 of the void's own stiffness across, in proportion."""
    for E in (1e-3, 1e-6, 1e-9):
        C = stiffness(Laminate(), E_i=E)
        assert C[0, 0] == pytest.approx(0.7 / (1 - 0.3**2), rel=2 * E)
        across = E * 0.7 / (1.3 * 0.4) / 0.3
        assert C[1, 1] == pytest.approx(across, rel=3 * E)
        assert C[2, 2] == pytest.approx(E / 2.6 / 0.3, rel=3 * E)


def test_a_plate_with_holes_is_weakened_by_the_same_factor_whatever_its_poissons_ratio():
    """Cherkaev, Lurie and Milton 1992, for E*/E in the plane: above straight ligaments, below Voigt."""

    def weakened(nu, n):
        return (1 - nu**2) / np.linalg.inv(stiffness(SquareInclusion(n), nu_m=nu, E_i=1e-11))[0, 0]

    coarse, fine = ([weakened(nu, n) for nu in (0.0, 0.3, 0.45)] for n in (8, 16))
    assert np.ptp(fine) < 0.5 * np.ptp(coarse)
    assert np.ptp(fine) < 3e-3 * fine[0]
    assert 1 - np.sqrt(0.3) < min(fine) <= max(fine) < 0.7


def test_a_matrix_that_can_hardly_be_compressed_does_not_lock():
    """Layers go to their exact limit; around an inclusion the error of the mesh stays what it is."""
    nearly, limit = (stiffness(Laminate(), nu_m=nu) for nu in (0.4999, 0.4999999))
    assert limit[2, 2] == pytest.approx(1 / (0.7 * 3 + 0.3 * 2.6 / 10), rel=1e-6)
    assert nearly == pytest.approx(limit, rel=3e-2)
    for nu in (0.3, 0.499, 0.49999):
        coarse, fine = (stiffness(SquareInclusion(n), nu_m=nu) for n in (8, 16))
        assert coarse[0, 0] == pytest.approx(fine[0, 0], rel=5e-3)
        assert coarse[2, 2] == pytest.approx(fine[2, 2], rel=5e-3)
        shears = [(C[0, 0] - C[0, 1]) / 2 for C in (coarse, fine)]
        assert shears[0] == pytest.approx(shears[1], rel=2e-2)


def test_a_softening_cell_never_loses_ellipticity():
    """Every acoustic tensor n C n of its tangent is positive definite, far beyond where it has softened."""
    cell = ElasticCell(composite(SquareInclusion(4), soft=True))
    rng, angles = np.random.default_rng(3), np.linspace(0, np.pi, 60)
    strained = dict(zip(STRAINS, 0.2 * rng.standard_normal((3, 12)), strict=True))
    place = np.array([[0, 2], [2, 1]])  # of the pairs xx, xy, yx, yy
    for C in cell.tangent({**SOFT, **strained})[1][:, :3, :3]:
        full = C[place[:, :, None, None], place[None, None]]
        waves = [np.einsum("i,ijkl,l->jk", n, full, n) for n in np.array([np.cos(angles), np.sin(angles)]).T]
        smallest = min(np.linalg.eigvalsh(wave)[0] for wave in waves)
        assert 0 < smallest < 1 / 2.6  # and softer than the matrix at small strain


def test_stiffness_lies_between_reuss_and_voigt():
    pure = [stiffness(Laminate(), E_m=E, E_i=E) for E in (1.0, 10.0)]
    voigt = 0.7 * pure[0] + 0.3 * pure[1]
    reuss = np.linalg.inv(0.7 * np.linalg.inv(pure[0]) + 0.3 * np.linalg.inv(pure[1]))
    for shape in (Laminate(), SquareInclusion(8)):
        C = stiffness(shape)
        assert np.linalg.eigvalsh(voigt - C).min() > -1e-12
        assert np.linalg.eigvalsh(C - reuss).min() > -1e-12


def strain(u):
    return np.array([u.grad[0, 0], u.grad[1, 1], u.grad[0, 1] + u.grad[1, 0]])


def square_mesh(n, f):
    side = np.sqrt(f)
    inner = np.linspace((1 - side) / 2, (1 + side) / 2, n // 2 + 1)
    nodes = np.concatenate(
        [np.linspace(0, inner[0], n // 4 + 1), inner[1:], np.linspace(inner[-1], 1, n // 4 + 1)[1:]]
    )
    mesh = MeshQuad.init_tensor(nodes, nodes)
    middle = mesh.p[:, mesh.t].mean(axis=1) - 0.5
    return mesh, (np.abs(middle) < side / 2).all(axis=0)


def other_boundaries(n=8):
    """Stiffness with displacements, and with tractions, given on the boundary; by scikit-fem alone."""
    mesh, inside = square_mesh(n, LINEAR["f"])
    basis = Basis(mesh, ElementVector(ElementQuad2()))
    E = np.where(inside, 10.0, 1.0)[:, None]
    lame, mu = E * 0.3 / (1.3 * 0.4), E / 2.6

    def stress(e):
        trace = lame * (e[0] + e[1])
        return np.array([trace + 2 * mu * e[0], trace + 2 * mu * e[1], mu * e[2]])

    K = BilinearForm(lambda u, v, w: (stress(strain(u)) * strain(v)).sum(axis=0)).assemble(basis)
    held, pulled = np.zeros((3, 3)), np.zeros((3, 3))
    edge = FacetBasis(mesh, basis.elem)
    boundary = basis.get_dofs()
    x, y = basis.doflocs[:, ::2]
    modes = np.zeros((3, basis.N))
    modes[0, ::2], modes[1, 1::2] = x, y
    modes[2, ::2], modes[2, 1::2] = y / 2, x / 2
    fields = np.array([solve(*condensed(K, x=mode, D=boundary)) for mode in modes])
    held = fields @ (K @ fields.T)
    loads = []
    for s in np.eye(3):
        traction = LinearForm(
            lambda v, w, s=s: v[0] * (s[0] * w.n[0] + s[2] * w.n[1]) + v[1] * (s[2] * w.n[0] + s[1] * w.n[1])
        )
        loads.append(traction.assemble(edge))
    pins = np.array([0, 1, 2 * int(np.argmax(mesh.p[0] - 10 * mesh.p[1])) + 1])
    responses = np.array([solve(*condensed(K, load, D=pins)) for load in loads])
    pulled = np.linalg.inv(responses @ np.array(loads).T)
    return held, pulled


def test_a_periodic_cell_is_softer_than_a_held_one_and_stiffer_than_a_pulled_one():
    held, pulled = other_boundaries()
    C = stiffness(SquareInclusion(16))
    assert np.linalg.eigvalsh(held - C).min() > -1e-12
    assert np.linalg.eigvalsh(C - pulled).min() > -1e-12
    assert np.abs(held - pulled).max() > 0.1  # and the three differ


SHAPES = [Laminate(), SquareInclusion(4)]
STRAIN = dict(
    zip(STRAINS, np.array([[0.02, -0.005, 0.01], [0.001, 0.0, 0.03], [-0.01, 0.02, 0.0]]), strict=True)
)


@pytest.mark.parametrize("shape", SHAPES)
def test_slopes_of_a_softening_cell_are_those_of_differences(shape):
    cell, point = ElasticCell(composite(shape, soft=True)), {**SOFT, **STRAIN}
    _, slopes = cell.tangent(point)
    for column, name in enumerate(cell.inputs):
        step = 1e-6 * np.maximum(np.abs(point[name]), 1e-3)
        ahead, behind = (cell.value({**point, name: point[name] + sign * step}) for sign in (1, -1))
        for row, output in enumerate(cell.outputs):
            difference = (ahead[output] - behind[output]) / (2 * step)
            scale = np.abs(slopes[:, row, column]).max()
            assert slopes[:, row, column] == pytest.approx(difference, abs=1e-7 * scale + 1e-8)


@pytest.mark.parametrize("shape", SHAPES)
def test_mean_stress_is_the_slope_of_the_mean_energy_as_hill_and_mandel_say(shape):
    """Energy comes from its own quadrature, stress from the average: work on both scales is equal."""
    cell, point = ElasticCell(composite(shape, soft=True)), {**SOFT, **STRAIN}
    made = cell.value(point)
    for strained, stressed in zip(STRAINS, ("stress_xx", "stress_yy", "stress_xy"), strict=True):
        ahead, behind = (
            cell.value({**point, strained: point[strained] + step})["energy"] for step in (1e-5, -1e-5)
        )
        assert made[stressed] == pytest.approx((ahead - behind) / 2e-5, rel=1e-5, abs=1e-7)


def test_equal_phases_are_their_own_material():
    cell = ElasticCell(composite(SquareInclusion(8)))
    C = stiffness(Laminate(), E_i=1.0)
    made, slopes = cell.tangent({**LINEAR, "E_i": 1.0, **STRAIN})
    expected = C @ np.array(list(STRAIN.values()))
    for row, name in enumerate(cell.outputs[:3]):
        assert made[name] == pytest.approx(expected[row], rel=1e-12, abs=1e-15)
    assert slopes[0, :3, :3] == pytest.approx(C, rel=1e-12, abs=1e-14)


def test_slopes_of_the_effective_stiffness_are_those_of_differences_also_to_the_geometry():
    for shape in SHAPES:
        stage = EffectiveStiffness(composite(shape))
        slopes = stage.linearize(LINEAR)[1].jacobians
        for name, value in LINEAR.items():
            ahead, behind = (stage.value({**LINEAR, name: value * (1 + s)})["C_hom"] for s in (1e-6, -1e-6))
            assert slopes["C_hom", name] == pytest.approx((ahead - behind) / (2e-6 * value), abs=1e-6)


def test_a_cell_without_a_convex_energy_is_outside_its_limits():
    for wrong in ({"nu_m": 0.5}, {"E_i": -1.0}, {"f": 1.0}):
        with pytest.raises(OutOfLimits):
            stiffness(Laminate(), **wrong)


def test_a_cell_that_makes_no_sense_is_refused():
    with pytest.raises(InputError, match="multiple of 4"):
        SquareInclusion(6)
    with pytest.raises(InputError, match="0 and 1"):
        Image([[0, 2]])
    with pytest.raises(InputError, match="e_0 and m too"):
        Composite(Laminate(), ("E_m",), INCLUSION)
