"""The path of an affine map with changing matrices, and its derivatives, in one compiled pass."""

import numpy as np

from mscale_uq.solve.kalman_kernels import apply
from mscale_uq.solve.kernel import kernel


@kernel
def affine_path(z, F, b, dF, db, which, path, d_path):
    """Fill path ``(T + 1, n)`` with z, F z + b, ... and d_path ``(T + 1, k, n)`` with its derivatives.

    F ``(l, n, n)`` and b ``(l, n)`` are the different maps, `which` ``(T,)`` says which leads to each next
    point; dF ``(l, k, n, n)`` and db ``(l, k, n)`` are their derivatives in k directions. z does not move.
    """
    n, moved = z.size, np.empty(z.size)
    path[0], d_path[0] = z, 0.0
    for t in range(which.size):
        s = which[t]
        apply(F[s], path[t], moved)
        path[t + 1] = moved + b[s]
        for p in range(d_path.shape[1]):
            apply(F[s], d_path[t, p], moved)
            for i in range(n):
                d_path[t + 1, p, i] = moved[i] + db[s, p, i]
                for j in range(n):
                    d_path[t + 1, p, i] += dF[s, p, i, j] * path[t, j]
