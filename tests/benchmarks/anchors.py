"""What our kernels are held against: the same problems by scikit-fem, and by SciPy with one pattern."""

import numpy as np
from scipy.sparse import coo_array, csc_array
from scipy.sparse.linalg import splu
from skfem import Basis, BilinearForm, ElementQuad1, LinearForm, MeshQuad, condense, solve
from skfem.helpers import dot, grad

# Stiffness of a bilinear square of any size, corners 00, 10, 11, 01.
SQUARE = np.array([[4, -1, -2, -1], [-1, 4, -1, -2], [-2, -1, 4, -1], [-1, -2, -1, 4]]) / 6
# Its loads by a unit gradient along either axis, times the side: the same integrals against linear functions.
CORNERS = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)

SYMMETRIC = {
    "permc_spec": "MMD_AT_PLUS_A",
    "diag_pivot_thresh": 0.0,
    "options": {"SymmetricMode": True},
}


@BilinearForm
def conduction(u, v, w):
    return w["k"] * dot(grad(u), grad(v))


@LinearForm
def pulled(v, w):
    return -w["k"] * grad(v)[w["axis"]]


class ScikitFemCell:
    """Plain scikit-fem: the basis is made once, all else at every call; periodic by a map of the nodes."""

    def __init__(self, elements):
        line = np.linspace(0, 1, elements + 1)
        self.basis = Basis(MeshQuad.init_tensor(line, line), ElementQuad1())
        x, y = np.rint(self.basis.doflocs * elements).astype(int) % elements
        self.fold = coo_array((np.ones(x.size), (np.arange(x.size), x * elements + y))).tocsr()
        middle = self.basis.mesh.p[:, self.basis.mesh.t].mean(axis=1)
        self.place = tuple(np.floor(middle * elements).astype(int))

    def tensor(self, k):
        k = k[self.place][:, None] * np.ones((1, self.basis.X.shape[1]))
        A = conduction.assemble(self.basis, k=k)
        loads = np.stack([pulled.assemble(self.basis, k=k, axis=axis) for axis in (0, 1)], axis=1)
        folded, b = (self.fold.T @ A @ self.fold).tocsr(), self.fold.T @ loads
        chi = np.stack([solve(*condense(folded, b[:, i], D=np.array([0]))) for i in (0, 1)], axis=1)
        mean = (k * self.basis.dx).sum()
        return mean * np.eye(2) - chi.T @ b


class SciPyCell:
    """The map from elements to matrix entries is made once; SuperLU by default, or symmetric.

    The default is what a person gets who does not know the options; the other is what ours uses on general
    meshes.
    """

    def __init__(self, elements, symmetric=False):
        n, self.options = elements, SYMMETRIC if symmetric else {}
        i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
        self.nodes = np.stack([(i + a) % n * n + (j + b) % n for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))])
        nodes = self.nodes.reshape(4, -1)
        rows, columns = (np.broadcast_to(part, (4, 4, n * n)) for part in (nodes[:, None], nodes[None]))
        free = (rows > 0) & (columns > 0)
        weights = np.broadcast_to(SQUARE[:, :, None], (4, 4, n * n))[free]
        element = np.broadcast_to(np.arange(n * n), (4, 4, n * n))[free]
        places, at = np.unique(columns[free] * n * n + rows[free], return_inverse=True)
        self.map = coo_array((weights, (at, element)), shape=(places.size, n * n)).tocsr()
        self.size, self.indices = n * n - 1, (places % (n * n) - 1).astype(np.int32)
        counts = np.bincount(places // (n * n) - 1, minlength=self.size)
        self.indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)

    def tensor(self, k):
        """Return the tensor and its derivative to every element."""
        flat, n = k.ravel(), len(k)
        A = csc_array((self.map @ flat, self.indices, self.indptr), shape=(self.size, self.size))
        nodes = self.nodes.reshape(4, -1)
        loads = np.zeros((n * n, 2))
        pull = SQUARE @ CORNERS / n  # an affine function's own stiffness
        for corner in range(4):
            np.add.at(loads, nodes[corner], -flat[:, None] * pull[corner])
        chi = np.zeros((n * n, 2))
        chi[1:] = splu(A, **self.options).solve(loads[1:])
        local = chi[nodes] + CORNERS[:, None, :] / n  # (corner, element, direction)
        dK = np.einsum("cei,cd,dej->ije", local, SQUARE, local)
        return dK @ flat, dK.reshape(2, 2, n, n)


class SciPySquare:
    """-div(K grad u) = load on the unit square by scikit-fem and SuperLU; `factor` alone is timed."""

    def __init__(self, elements, K, load):
        line = np.linspace(0, 1, elements + 1)
        basis = Basis(MeshQuad.init_tensor(line, line), ElementQuad1())
        x, y = np.rint(basis.doflocs * elements).astype(int)
        field = np.floor(basis.mesh.p[:, basis.mesh.t].mean(axis=1) * elements).astype(int)
        local = np.broadcast_to(K, (elements**2, 2, 2)).reshape(elements, elements, 2, 2)[tuple(field)]

        @BilinearForm
        def tensor_conduction(u, v, w):
            return sum(w["K"][i, j] * grad(u)[j] * grad(v)[i] for i in (0, 1) for j in (0, 1))

        A = tensor_conduction.assemble(basis, K=np.moveaxis(local, 0, -1)[..., None])
        system = condense(A, load[x, y], D=basis.get_dofs(), expand=False)
        self.matrix, self.load = csc_array(system[0]), system[1]
        self.inner = (x > 0) & (x < elements) & (y > 0) & (y < elements)
        self.order = x * (elements + 1) + y

    def factor(self):
        return splu(self.matrix)

    def solution(self):
        """Return u at all nodes, x running slowly."""
        u = np.zeros(self.order.size)
        u[self.order[self.inner]] = self.factor().solve(self.load)
        return u
