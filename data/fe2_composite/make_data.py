"""Make the displacements of a bent panel: quadrilaterals of second order, layers by their jump conditions.

Nothing of the fitted model is used: another mesh (40 x 40 full quadrilaterals against 64 of reduced order),
scikit-fem's own assembly, and layers solved for the jump of the displacement gradient across them, with
tangents by differences.
Run from the root of the repository.
"""

from pathlib import Path

import numpy as np
from scipy.sparse.linalg import spsolve
from skfem import Basis, BilinearForm, ElementQuad2, ElementVector, FacetBasis, LinearForm, MeshQuad

HERE = Path(__file__).parent
SEED = 20261126
WIDTH, ELEMENTS, POINTS, NOISE = 0.048, 40, 300, 0.01  # m, -, -, of the largest displacement
E_MATRIX, E_LAYER, NU, SHARE = 3e9, 70e9, 0.33, 0.3
E_0, EXPONENT = 0.008, 0.35
LINEAR_LOAD, SOFTENING_LOADS = 2e5, (1e5, 3e5)  # N/m


def sigma(eps, E, exponent):
    """Stresses xx, yy, xy of strains xx, yy, 2 xy, on the first axis."""
    kappa, mu = E / (3 * (1 - 2 * NU)), E / (2 * (1 + NU))
    trace = eps[0] + eps[1]
    d = np.array([eps[0] - trace / 3, eps[1] - trace / 3, eps[2] / 2])
    square = 2 / 3 * (d[0] ** 2 + d[1] ** 2 + (trace / 3) ** 2 + 2 * d[2] ** 2)
    mu = mu * (1 + square / E_0**2) ** ((exponent - 1) / 2)
    return np.array([kappa * trace + 2 * mu * d[0], kappa * trace + 2 * mu * d[1], 2 * mu * d[2]])


def layered(eps, exponent):
    """Mean stress of the layers: strains differ by a jump of u_y,y and u_x,y that evens out the traction."""
    jump = np.zeros((2, *eps.shape[1:]))

    def both(jump):
        step = np.array([0 * jump[0], jump[1], jump[0]])
        return sigma(eps - SHARE * step, E_MATRIX, exponent), sigma(eps + (1 - SHARE) * step, E_LAYER, 1.0)

    def traction(jump):
        matrix, layer = both(jump)
        return np.array([layer[2] - matrix[2], layer[1] - matrix[1]])

    for _ in range(60):
        rest, h = traction(jump), 1e-8
        columns = [(traction(jump + h * e[:, None, None]) - rest) / h for e in np.eye(2)]
        J = np.moveaxis(np.array(columns), (0, 1), (-1, -2))
        step = -np.moveaxis(np.linalg.solve(J, np.moveaxis(rest, 0, -1)[..., None])[..., 0], -1, 0)
        jump = jump + step
        if np.abs(step).max() < 1e-13:
            break
    matrix, layer = both(jump)
    return (1 - SHARE) * matrix + SHARE * layer


def strains(u):
    """Strains xx, yy, 2 xy of a displacement."""
    return np.array([u.grad[0, 0], u.grad[1, 1], u.grad[0, 1] + u.grad[1, 0]])


def panel():
    """Cook's panel, evenly divided."""
    nodes = np.linspace(0, 1, ELEMENTS + 1)
    mesh = MeshQuad.init_tensor(nodes, nodes)
    x, y = mesh.p
    return MeshQuad(WIDTH * np.array([x, 44 / 48 * x + y * (44 / 48 - 28 / 48 * x)]), mesh.t)


@BilinearForm
def stiffness(u, v, w):
    """Virtual work of a change of the strain."""
    return sum(w[f"C{i}{j}"] * strains(u)[j] * strains(v)[i] for i in range(3) for j in range(3))


@LinearForm
def work(v, w):
    """Virtual work of the stresses."""
    return sum(w[f"s{i}"] * strains(v)[i] for i in range(3))


@LinearForm
def pull(v, w):  # noqa: ARG001
    """Virtual work of a unit traction upwards."""
    return v[1]


def bent(load, exponent):
    """Displacement of all nodes, and the basis."""
    mesh = panel()
    basis = Basis(mesh, ElementVector(ElementQuad2()), intorder=4)
    right = FacetBasis(mesh, basis.elem, facets=mesh.facets_satisfying(lambda x: np.isclose(x[0], WIDTH)))
    free = basis.complement_dofs(basis.get_dofs(lambda x: np.isclose(x[0], 0.0)))
    outer, u = load / (WIDTH / 3) * pull.assemble(right), np.zeros(basis.N)
    for share in (0.25, 0.5, 0.75, 1.0, *[1.0] * 12):
        eps, h = strains(basis.interpolate(u)), 1e-7
        s = layered(eps, exponent)
        moved = [(layered(eps + h * e[:, None, None], exponent) - s) / h for e in np.eye(3)]
        C = {f"C{i}{j}": moved[j][i] for i in range(3) for j in range(3)}
        rest = share * outer - work.assemble(basis, s0=s[0], s1=s[1], s2=s[2])
        step = np.zeros_like(u)
        step[free] = spsolve(stiffness.assemble(basis, **C)[free][:, free].tocsc(), rest[free])
        u += step
        if share == 1.0 and np.abs(step).max() < 1e-9 * np.abs(u).max():
            return u, basis
    raise RuntimeError("no balance")


def write(name, load, exponent, rng):
    """Write one table of image correlation."""
    u, basis = bent(load, exponent)
    x = WIDTH * rng.uniform(0.02, 0.98, POINTS)
    y = 44 / 48 * x + rng.uniform(0.02, 0.98, POINTS) * (44 / 48 * WIDTH - 28 / 48 * x)
    x, y = np.round(x, 6), np.round(y, 6)
    seen = at(basis, u, x, y)
    sd = NOISE * np.abs(seen).max()
    seen = seen + sd * rng.standard_normal(seen.shape)
    table = 1e3 * np.stack([x, y, *seen], axis=1)
    rows = [f"{a:.3f},{b:.3f},{p:.5f},{q:.5f}" for a, b, p, q in table]
    header = "x [mm],y [mm],displacement_x [mm],displacement_y [mm]"
    (HERE / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n")
    print(f"{name}: noise {1e3 * sd:.5f} mm")


def square(x, y):
    """Places on the unit square that the panel is the image of."""
    return x / WIDTH, (y - 44 / 48 * x) / (44 / 48 * WIDTH - 28 / 48 * x)


def at(basis, u, x, y):
    """Displacements ``(2, points)``; the element of a point is known by its place on the square."""
    number = np.zeros((ELEMENTS, ELEMENTS), dtype=int)
    own = [(ELEMENTS * t).astype(int) for t in square(*basis.mesh.p[:, basis.mesh.t].mean(axis=1))]
    number[own[0], own[1]] = np.arange(own[0].size)
    column, row = ((ELEMENTS * t).astype(int) for t in square(x, y))
    cells = number[column, row]
    local = basis.mapping.invF(np.array([x, y])[:, :, None], tind=cells)
    made = np.zeros((2, x.size))
    for k in range(basis.Nbfun):
        phi = basis.elem.gbasis(basis.mapping, local, k, tind=cells)[0]
        made += np.asarray(phi)[:, :, 0] * u[basis.dofs.element_dofs[k, cells]]
    return made


def main():
    """Write all tables."""
    rng = np.random.default_rng(SEED)
    write("linear", LINEAR_LOAD, 1.0, rng)
    for number, load in enumerate(SOFTENING_LOADS, 1):
        write(f"softening_{number}", load, EXPONENT, rng)


if __name__ == "__main__":
    main()
